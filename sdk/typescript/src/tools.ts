// What every adapter offers to a model: a query, a look at a ticket, and the way to run what was approved.
//
// A model is told that something waits or is refused, and what to do next. It is never told why, and never
// how to ask otherwise: operators see that.
import { ask, type AnyClient } from "./clients.js";
import { explain, ticket as look, wait, type Ticket } from "./door.js";
import { BackstopError, decode, Held, Uncertain } from "./errors.js";

export interface QueryInput {
  sql: string;
  /** Values of $1, $2 and so on. */
  params?: unknown[] | null;
}

export interface TicketInput {
  ticket: string;
  /** Seconds to wait for a decision. */
  wait?: number | null;
}

export interface RunInput extends Partial<QueryInput> {
  ticket: string;
}

/** A result of a query, in one of four shapes. */
export type Outcome =
  | { status: "completed"; rows: Record<string, unknown>[]; row_count: number | null; more_rows?: true }
  | { status: "pending_approval"; ticket: string; expires: string | null; next: string }
  | { status: "refused"; reason: string; next: string }
  | { status: "failed"; sqlstate: string | null; message: string };

export interface TicketAnswer {
  ticket: string;
  state: string;
  expires: string | null;
  next: string;
}

export interface ToolOptions {
  /** Rows that a model gets of one result, 200. */
  maxRows?: number | undefined;
}

const sql = { type: "string", description: "One statement." } as const;
const params = { type: ["array", "null"], items: {}, description: "Values of $1, $2 and so on." } as const;
const integer = { type: "integer", minimum: 0, maximum: 300 } as const;

/** Names, texts and input schemas; the names are those that `backstop mcp` has. */
export const DEFINITIONS = {
  backstop_query: {
    description:
      "Run one SQL statement of PostgreSQL. What would destroy or change data may have to be approved by an operator first: " +
      "then the result is pending_approval with a ticket, and nothing has changed.",
    schema: {
      type: "object",
      properties: { sql, params },
      required: ["sql"],
      additionalProperties: false,
    },
  },
  backstop_ticket: {
    description: "What has become of a ticket. With wait it waits so many seconds at most for the operator's decision.",
    schema: {
      type: "object",
      properties: { ticket: { type: "string" }, wait: { ...integer, type: ["integer", "null"] } },
      required: ["ticket"],
      additionalProperties: false,
    },
  },
  backstop_run_approved: {
    description: "Run the statement of a ticket that is approved, exactly as it was asked for. It runs once.",
    schema: {
      type: "object",
      properties: { ticket: { type: "string" }, sql: { ...sql, type: ["string", "null"] }, params },
      required: ["ticket"],
      additionalProperties: false,
    },
  },
} as const;

export type ToolName = keyof typeof DEFINITIONS;

const STOP = "Stop, and tell the user.";
const NEXT: Record<string, string> = {
  pending: "Nothing has changed yet. Wait for the operator with backstop_ticket, or tell the user the ticket and stop.",
  approved: "Call backstop_run_approved with this ticket.",
  running: "It runs. Look again with backstop_ticket.",
  done: "It ran. Do not run it again.",
  denied: STOP,
  expired: "Nothing was changed. Tell the user.",
  failed: "Nothing was changed. Tell the user.",
  uncertain: "It is not known whether it took effect. Tell the user, and do not run it again.",
};
const REASONS: Record<string, string> = {
  Denied: "denied by an operator",
  Expired: "the approval is over",
  NotRecoverable: "nothing was changed",
  Blocked: "not allowed",
  Paused: "paused by an operator",
  Uncertain: "the connection was lost",
};

const REMEMBERED = 1000; // calls and tickets

/** A map that forgets its oldest. */
export class Recent<V> extends Map<string, V> {
  override set(key: string, value: V): this {
    super.set(key, value);
    for (const oldest of this.keys()) {
      if (this.size <= REMEMBERED) break;
      this.delete(oldest);
    }
    return this;
  }
}

/** What an approval step of a framework found out about one call of the model. */
interface Asked {
  held?: Held;
  outcome?: Outcome;
}

export class Tools {
  readonly #client: AnyClient;
  readonly #maxRows: number;
  readonly #statements = new Recent<QueryInput>(); // by ticket
  readonly #asked = new Recent<Asked>(); // by call

  constructor(client: AnyClient, { maxRows }: ToolOptions = {}) {
    this.#client = client;
    this.#maxRows = maxRows ?? 200;
  }

  /** Runs it, or says what became of it. @param call the model's call, where ask() may have been about it */
  async query(input: QueryInput, call?: string, signal?: AbortSignal): Promise<Outcome> {
    const key = call === undefined ? undefined : keyOf(call, input);
    const before = key === undefined ? undefined : this.#asked.get(key)?.outcome;
    if (key !== undefined) this.#asked.delete(key);
    return before ?? this.#send(input, signal);
  }

  /** The statement as it was held. Unless its ticket is approved nothing is sent: that would ask for it anew. */
  async runApproved({ ticket, sql, params }: RunInput, signal?: AbortSignal): Promise<Outcome> {
    const input = this.#statements.get(ticket) ?? (sql ? { sql, params: params ?? null } : undefined);
    const now = await this.#look(ticket);
    if (now === undefined) return { status: "refused", reason: "there is no such ticket", next: STOP };
    if (now.state === "approved") {
      if (input !== undefined) return this.#send(input, signal);
      return { status: "failed", sqlstate: null, message: "give sql and params of the statement that was held, exactly as they were" };
    }
    const { state, expires } = now;
    if (state === "pending") return { status: "pending_approval", ticket, expires: expires?.toISOString() ?? null, next: NEXT["pending"]! };
    return refusedTicket(now);
  }

  async ticket({ ticket, wait: seconds }: TicketInput, signal?: AbortSignal): Promise<TicketAnswer> {
    const now = seconds
      ? await wait(this.#client, ticket, { timeout: Math.min(seconds, integer.maximum) * 1000, signal })
      : await this.#look(ticket);
    if (now === undefined) return { ticket, state: "unknown", expires: null, next: STOP };
    return { ticket, state: now.state, expires: now.expires?.toISOString() ?? null, next: NEXT[now.state] ?? STOP };
  }

  /**
   * For frameworks that ask before they run a tool: asks for the statement's approval where it needs one, or
   * where the gateway does not say, by sending it. Asked again about the same call it remembers; if the
   * statement ran all the same - an approval was there already - query() gives its result and sends nothing.
   */
  async ask(call: string, input: QueryInput): Promise<Held | undefined> {
    const key = keyOf(call, input);
    const before = this.#asked.get(key);
    if (before !== undefined) return before.held;
    const outcome = await explain(this.#client, input.sql, input.params ?? []).then(
      (explained) => explained.outcome,
      () => "unknown",
    );
    if (outcome === "runs" || outcome === "refused") return undefined;
    try {
      this.#asked.set(key, { outcome: await this.#run(input) });
    } catch (error) {
      const held = this.#remember(error, input);
      this.#asked.set(key, held === undefined ? { outcome: this.#refusal(error, input) } : { held });
      return held;
    }
    return undefined;
  }

  /** Waits until the operators have decided; what the framework is to be told. */
  async decision(held: string | Held, waiting: { timeout?: number | undefined; signal?: AbortSignal | undefined } = {}): Promise<Ticket> {
    return wait(this.#client, typeof held === "string" ? held : held.ticket!, waiting);
  }

  async #look(ticket: string): Promise<Ticket | undefined> {
    return look(this.#client, ticket).catch((error: unknown) => {
      if (error instanceof TypeError || (error as { code?: unknown }).code === "42704") return undefined; // no such ticket
      throw error;
    });
  }

  async #send(input: QueryInput, signal?: AbortSignal): Promise<Outcome> {
    try {
      return await this.#run(input, signal);
    } catch (error) {
      signal?.throwIfAborted();
      return this.#refusal(error, input);
    }
  }

  async #run({ sql, params }: QueryInput, signal?: AbortSignal): Promise<Outcome> {
    const { rows, rowCount } = await ask(this.#client, sql, { values: params ?? [], signal });
    const shown = rows.slice(0, this.#maxRows).map((row) => plain(row) as Record<string, unknown>);
    return { status: "completed", rows: shown, row_count: rowCount, ...(shown.length < rows.length ? { more_rows: true } : {}) };
  }

  #remember(error: unknown, input: QueryInput): Held | undefined {
    const held = decode(error);
    if (!(held instanceof Held) || held.ticket === null) return undefined;
    this.#statements.set(held.ticket, input);
    return held;
  }

  #refusal(error: unknown, input: QueryInput): Outcome {
    const held = this.#remember(error, input);
    if (held !== undefined) {
      return { status: "pending_approval", ticket: held.ticket!, expires: held.expires?.toISOString() ?? null, next: NEXT["pending"]! };
    }
    const found = decode(error);
    if (found !== undefined) return refused(found);
    const { code, message } = error as { code?: unknown; message?: unknown };
    return { status: "failed", sqlstate: typeof code === "string" ? code : null, message: String(message) };
  }
}

/** For a model: that, and what next. */
export function refused(error: BackstopError): Outcome {
  const next = error instanceof Uncertain ? NEXT["uncertain"]! : STOP;
  return { status: "refused", reason: REASONS[error.name] ?? "not allowed", next };
}

/** The same for a ticket that was not approved. */
export function refusedTicket({ state }: Ticket): Outcome {
  return { status: "refused", reason: state === "denied" ? REASONS["Denied"]! : `the ticket is ${state}`, next: NEXT[state] ?? STOP };
}

function keyOf(call: string, input: QueryInput): string {
  return JSON.stringify([call, input.sql, input.params ?? []]);
}

/** As JSON: what it has no words for becomes text, as PostgreSQL writes it where there is a way. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  if (value instanceof Date || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

