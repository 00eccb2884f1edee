// The operators' API: for people's tools, on the operators' listener, with an operator's token. No agent has
// either, and nothing of it is used by the rest of this package.
//
//   const api = operators({ url: "http://127.0.0.1:6580", token });
//   const { tickets } = await api.listTickets({ query: { state: "pending" } });
//   await api.approveTicket({ path: { id: tickets[0].id }, body: { reason: "agreed" } });
import { pause } from "./door.js";
import type { components, operations } from "./generated/api.js";
import { routes } from "./generated/routes.js";

export type { components, operations } from "./generated/api.js";
/** What the API's answers are made of: `Schemas["Ticket"]`. */
export type Schemas = components["schemas"];

type Part<K extends string, V> = [V] extends [never] ? unknown : undefined extends V ? { [k in K]?: V } : { [k in K]: V };
type Content<R> = R extends { content: infer C } ? C[keyof C] : undefined;
type Get<O, K extends string> = O extends { [k in K]: infer V } ? V : O extends { [k in K]?: infer V } ? ([V] extends [undefined] ? never : V | undefined) : never;

// What is not for a token: a browser's login, what Slack posts, and the stream, which is events().
type Left = "beginSession" | "getSession" | "endSession" | "slack" | "watchTickets";
export type Operation = Exclude<keyof operations, Left>;

/** What an operation takes. */
export type Args<K extends Operation> = Part<"path", Get<operations[K]["parameters"], "path">> &
  Part<"query", Get<operations[K]["parameters"], "query">> &
  Part<"headers", Get<operations[K]["parameters"], "header">> &
  Part<"body", Body<operations[K]>> & { signal?: AbortSignal };
type Body<O> = O extends { requestBody: infer B } ? Content<B> : O extends { requestBody?: infer B } ? ([B] extends [undefined] ? never : Content<NonNullable<B>> | undefined) : never;

/** What it answers. */
export type Answer<K extends Operation> = Content<Success<operations[K]["responses"]>>;
type Success<R> = R extends { 200: infer S } ? S : R extends { 201: infer S } ? S : R extends { 202: infer S } ? S : undefined;

type Method<K extends Operation> = {} extends Args<K> ? (args?: Args<K>) => Promise<Answer<K>> : (args: Args<K>) => Promise<Answer<K>>;

/** An error of the API, as RFC 9457 has it. `code` never changes its meaning. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly retryable: boolean;
  readonly hint: string | null;

  constructor(status: number, said: Partial<Schemas["Problem"]>) {
    super(said.detail ?? `the gateway answered ${status}`);
    this.name = "Problem";
    this.status = status;
    this.code = said.code ?? null;
    this.retryable = said.retryable ?? status >= 500;
    this.hint = said.hint ?? null;
  }
}

/** What happens to tickets and restores; `reset`: some were missed, so lists have to be read anew. */
export type Event =
  | { type: "ticket"; id: string; state: string; actor?: string; database?: string; risk?: string; asked: number }
  | { type: "restore"; id: string; point: string; step: string; state: string; progress?: unknown }
  | { type: "reset" };

export interface Settings {
  /** Of the operators' listener. */
  url: string;
  token: string;
  fetch?: typeof fetch;
}

export type Operators = { [K in Operation]: Method<K> } & {
  /** Until the signal is aborted; comes back by itself when the stream ends or breaks. */
  events(options?: { signal?: AbortSignal }): AsyncGenerator<Event, void>;
};

/** Without TLS the token goes to this machine only. What the address has of secrets is in no error. */
function checkAddress(url: string): void {
  const { protocol, hostname, username, password } = URL.canParse(url) ? new URL(url) : ({} as Partial<URL>);
  const isHere = hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname ?? "");
  if (protocol === "http:" && !isHere) throw new TypeError("a token is sent to another machine by https only");
  if ((protocol !== "http:" && protocol !== "https:") || username || password) {
    throw new TypeError("url is not the address of a gateway, like https://gateway:6580");
  }
}

export function operators(settings: Settings): Operators {
  checkAddress(settings.url);
  const methods = Object.keys(routes).map((name) => [name, (args?: AnyArgs) => request(settings, name as keyof typeof routes, args)]);
  return { ...Object.fromEntries(methods), events: (options?: { signal?: AbortSignal }) => events(settings, options?.signal) } as Operators;
}

interface AnyArgs {
  path?: Record<string, string>;
  query?: Record<string, unknown>;
  headers?: Record<string, string>;
  body?: unknown;
  signal?: AbortSignal;
}

async function request(settings: Settings, name: keyof typeof routes, args: AnyArgs = {}): Promise<unknown> {
  const [method, template] = routes[name];
  const path = template.replace(/\{(\w+)\}/g, (_, key: string) => segment(key, args.path?.[key]));
  const query = Object.entries(args.query ?? {}).flatMap(([key, value]): [string, string][] => (value === undefined ? [] : [[key, String(value)]]));
  const writes = method === "POST" || method === "PATCH";
  const answer = await send(settings, path + (query.length === 0 ? "" : `?${new URLSearchParams(query)}`), {
    method,
    headers: { Accept: "application/json, text/plain", ...(writes ? { "Content-Type": "application/json" } : {}), ...args.headers },
    ...(writes ? { body: JSON.stringify(args.body ?? {}) } : {}),
    ...(args.signal === undefined ? {} : { signal: args.signal }),
  });
  if (answer.status === 204 || answer.status === 304) return undefined;
  return /json/.test(answer.headers.get("Content-Type") ?? "") ? answer.json() : answer.text();
}

/** One that is empty, "." or ".." would make it another operation: fetch takes them out of the path. */
function segment(name: string, value: string | undefined): string {
  if (!value || value === "." || value === "..") throw new TypeError(`${name} is not a name`);
  return encodeURIComponent(value);
}

async function send({ url, token, fetch: by = fetch }: Settings, path: string, init: RequestInit): Promise<Response> {
  const headers = { ...(init.headers as Record<string, string>), Authorization: `Bearer ${token}` };
  const answer = await by(url.replace(/\/+$/, "") + path, { ...init, headers, redirect: "error" });
  if (answer.ok || answer.status === 304) return answer;
  throw new Problem(answer.status, (await answer.json().catch(() => ({}))) as Partial<Schemas["Problem"]>);
}

const SILENCE_MS = 15_000; // a comment comes every five seconds
const AGAIN_MS = [0, 250, 1000, 2000, 5000];

async function* events(settings: Settings, signal?: AbortSignal): AsyncGenerator<Event, void> {
  let last = "";
  let again = false;
  const over = (): boolean => signal?.aborted === true;
  for (let failures = 0; !over(); failures++) {
    try {
      await pause(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]!, signal);
      // Where nothing was seen yet, nobody can say what was missed.
      if (again && last === "") yield { type: "reset" };
      again = true;
      for await (const block of blocks(settings, last, signal)) {
        failures = -1;
        last = block.get("id") ?? last;
        const event = eventOf(block);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      if (over()) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
    }
  }
}

function eventOf(block: Map<string, string>): Event | undefined {
  const type = block.get("event");
  if (type !== "ticket" && type !== "restore" && type !== "reset") return undefined;
  return { ...(JSON.parse(block.get("data") || "{}") as object), type } as Event;
}

/** The blocks of one stream, until it ends. */
async function* blocks(settings: Settings, last: string, signal?: AbortSignal): AsyncGenerator<Map<string, string>, void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers = { Accept: "text/event-stream", ...(last === "" ? {} : { "Last-Event-ID": last }) };
    const either = AbortSignal.any([silence.signal, ...(signal === undefined ? [] : [signal])]);
    const answer = await send(settings, routes.watchTickets[1], { headers, signal: either });
    let rest = "";
    const decoder = new TextDecoder();
    for await (const bytes of answer.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const texts = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split("\n\n");
      rest = texts.pop() ?? "";
      for (const text of texts) yield fieldsOf(text);
    }
  } finally {
    clearTimeout(timer);
  }
}

function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
  }
  return fields;
}
