// What an agent may ask the gateway about itself, over its ordinary connection: its status, its tickets, what
// a statement would do. None of it decides anything.
import { askAside, type AnyClient, type Asking } from "./clients.js";
import { dateOf, translate, type Retry, type State } from "./errors.js";

/** One of the agent's own tickets. */
export interface Ticket {
  ticket: string;
  state: State;
  expires: Date | null;
  retry: Retry;
  /** The kind of statement, "DELETE". */
  kind: string;
  /** The recovery point that was made when it ran. */
  point: string | null;
  /** What the operator said. */
  reason: string | null;
}

export interface Status {
  agent: string;
  database: string;
  environment: string;
  version: string;
  writes: "run" | "ask" | "refused" | (string & {});
  paused: boolean;
  open_tickets: number;
  hold_wait: string;
}

export interface Effect {
  kind: string;
  object: string;
  rows: number | null;
  exact: boolean;
}

export interface Explained {
  risk: "SAFE" | "HIGH" | "CRITICAL" | (string & {});
  outcome: "runs" | "asks" | "refused" | (string & {});
  statements: { kind: string; risk: string; effects: Effect[] }[];
  recovery: "point" | "none" | "impossible" | (string & {});
}

export interface Point {
  point: string;
  ticket: string | null;
  made: string;
  kind: string;
  objects: string[];
  rows: number | null;
  grade: string;
  state: string;
}

export interface Waiting {
  /** Milliseconds. Without it: for as long as the ticket can be decided. */
  timeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Who am I, and what may I do now? */
export async function status(client: AnyClient): Promise<Status> {
  return (await question(client, "SHOW backstop.status")) as unknown as Status;
}

/** The agent's open tickets, newest first. */
export async function tickets(client: AnyClient): Promise<Ticket[]> {
  const answer = await question(client, "SHOW backstop.tickets");
  return (answer["tickets"] as Json[]).map(ticketOf);
}

export async function ticket(client: AnyClient, id: string): Promise<Ticket> {
  return ticketOf(await question(client, `SHOW backstop.ticket.${quoted(id)}`));
}

/** Recovery points of the agent's own statements. */
export async function points(client: AnyClient): Promise<Point[]> {
  return (await question(client, "SHOW backstop.points"))["points"] as Point[];
}

/** What would happen. Nothing runs. */
export async function explain(client: AnyClient, text: string, values: readonly unknown[] = []): Promise<Explained> {
  return (await question(client, `EXPLAIN (BACKSTOP) ${text}`, { values })) as unknown as Explained;
}

// The gateway waits by itself for a time that it was configured with. Where that is nothing, we do.
const PAUSE_MS = [100, 250, 500, 1000, 2000];

/**
 * Waits until the ticket is decided, and gives it as it is then; after `timeout` as it is then. Aborted,
 * it throws the signal's reason.
 */
export async function wait(client: AnyClient, id: string, { timeout, signal }: Waiting = {}): Promise<Ticket> {
  const time = timeout === undefined ? undefined : AbortSignal.timeout(Math.max(timeout, 0));
  const either = AbortSignal.any([signal, time].filter((one) => one !== undefined));
  for (let round = 0; ; round++) {
    signal?.throwIfAborted();
    const asked = Date.now();
    try {
      const now = ticketOf(await question(client, `SHOW backstop.wait.${quoted(id)}`, { signal: either }));
      if (now.state !== "pending") return now;
      await pause((PAUSE_MS[round] ?? 2000) - (Date.now() - asked), either);
    } catch (error) {
      signal?.throwIfAborted();
      if (time?.aborted !== true) throw error;
      return ticket(client, id);
    }
  }
}

/** Rejects with the signal's reason when that comes first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    signal?.throwIfAborted();
    const stop = (): void => (clearTimeout(timer), fail(signal?.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", stop), done()), Math.max(ms, 0));
    signal?.addEventListener("abort", stop, { once: true });
  });
}

type Json = Record<string, unknown>;

async function question(client: AnyClient, text: string, asking?: Asking): Promise<Json> {
  try {
    const { rows } = await askAside(client, text, asking);
    return JSON.parse(String(rows[0]?.["backstop"])) as Json;
  } catch (error) {
    throw translate(error);
  }
}

function ticketOf(answer: Json): Ticket {
  return { ...(answer as unknown as Ticket), expires: dateOf(answer["expires"]) };
}

function quoted(id: string): string {
  if (!/^T-[0-9A-Za-z]{1,64}$/.test(id)) throw new TypeError(`"${id.slice(0, 80)}" is not the name of a ticket`);
  return `"${id}"`;
}
