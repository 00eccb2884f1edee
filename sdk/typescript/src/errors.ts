// What the gateway answers instead of running a statement, as classes.
//
// A driver throws an error of its own. Here it becomes one of these, with the driver's error as `cause`;
// PostgreSQL's own errors stay what they are.

/** What has become of a ticket, or of a statement without one. More may come: treat others as not run. */
export type State =
  | "pending"
  | "approved"
  | "running"
  | "done"
  | "failed"
  | "uncertain"
  | "denied"
  | "expired"
  | "blocked"
  | "paused"
  | "quarantined"
  | (string & {});

/** What makes sense next. */
export type Retry = "same-statement" | "same-transaction" | "wait" | "ask-again" | "never" | (string & {});

export interface Facts {
  sqlstate: string;
  message: string;
  ticket?: string | null;
  state?: State | null;
  expires?: Date | null;
  retry?: Retry | null;
  hint?: string | null;
  reason?: string | null;
}

/** The gateway did not run it; but for Uncertain, where nobody knows. */
export class BackstopError extends Error {
  readonly sqlstate: string;
  readonly ticket: string | null;
  readonly state: State | null;
  /** Until when the ticket can be decided, or used. */
  readonly expires: Date | null;
  readonly retry: Retry;
  /** What to do next, in the gateway's words. */
  readonly hint: string | null;
  /** The operator's words, where a decision came with some. */
  readonly reason: string | null;

  constructor(facts: Facts, options?: ErrorOptions) {
    super(facts.message, options);
    this.name = new.target.name;
    this.sqlstate = facts.sqlstate;
    this.ticket = facts.ticket ?? null;
    this.state = facts.state ?? null;
    this.expires = facts.expires ?? null;
    this.retry = facts.retry ?? "never";
    this.hint = facts.hint ?? null;
    this.reason = facts.reason ?? null;
  }
}

/** An operator has to decide first. After approval the same statement, sent again, runs once. */
export class Held extends BackstopError {}
/** An operator said no. */
export class Denied extends BackstopError {}
/** The approval ran out, or does not cover what the statement would do by now. */
export class Expired extends BackstopError {}
/** Nothing could give it back, so it was not run or was rolled back. */
export class NotRecoverable extends BackstopError {}
/** It may not be done. */
export class Blocked extends BackstopError {}
/** An operator has stopped this agent, this database or everything. */
export class Paused extends Blocked {}
/** An approved statement was sent and its answer was lost: look at the data, never send it again blindly. */
export class Uncertain extends BackstopError {}

type Kind = new (facts: Facts, options?: ErrorOptions) => BackstopError;

const KINDS: Record<string, { kind: Kind; state: State; retry: Retry }> = {
  ZB001: { kind: Held, state: "pending", retry: "same-statement" },
  ZB002: { kind: Denied, state: "denied", retry: "never" },
  ZB003: { kind: Expired, state: "expired", retry: "ask-again" },
  ZB004: { kind: NotRecoverable, state: "failed", retry: "never" },
  ZB005: { kind: NotRecoverable, state: "failed", retry: "never" },
  ZB006: { kind: Paused, state: "paused", retry: "never" },
};
// PostgreSQL has this one, too: only with the gateway's DETAIL is it the gateway's.
const BLOCKED = { kind: Blocked, state: "blocked", retry: "never" };

const DEPTH = 8; // of errors that wrap errors, as ORMs do

/**
 * The gateway's answer in an error that a driver or an ORM threw, or undefined where it is none of the
 * gateway's: then it is PostgreSQL's, the driver's or yours.
 */
export function decode(error: unknown): BackstopError | undefined {
  let at = error;
  for (let depth = 0; depth < DEPTH && typeof at === "object" && at !== null; depth++) {
    if (at instanceof BackstopError) return at;
    const found = fromServer(at as Thrown);
    if (found !== undefined) return found;
    at = (at as Thrown).cause;
  }
  return undefined;
}

interface Thrown {
  code?: unknown;
  message?: unknown;
  detail?: unknown;
  hint?: unknown;
  cause?: unknown;
}

function fromServer(error: Thrown): BackstopError | undefined {
  if (typeof error.code !== "string") return undefined;
  const detail = parseDetail(error.detail);
  const blocked = error.code === "42501" && detail?.["state"] === "blocked";
  const row = blocked ? BLOCKED : KINDS[error.code];
  if (row === undefined) return undefined;
  const facts: Facts = {
    sqlstate: error.code,
    message: String(error.message ?? ""),
    ticket: textOf(detail?.["ticket"]),
    state: textOf(detail?.["state"]) ?? row.state,
    expires: dateOf(detail?.["expires"]),
    retry: textOf(detail?.["retry"]) ?? row.retry,
    hint: textOf(error.hint),
  };
  return new row.kind(facts, { cause: error });
}

/** DETAIL of the gateway is one line of JSON; that of PostgreSQL is a sentence. */
function parseDetail(detail: unknown): Record<string, unknown> | undefined {
  if (typeof detail !== "string" || !detail.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(detail);
    const object = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
    return object?.["v"] === 1 ? object : undefined;
  } catch {
    return undefined;
  }
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function dateOf(value: unknown): Date | null {
  const date = typeof value === "string" ? new Date(value) : null;
  return date !== null && !Number.isNaN(date.getTime()) ? date : null;
}

/** To be thrown in its place: the gateway's answer as a class, everything else as it is. */
export function translate(error: unknown): unknown {
  return decode(error) ?? error;
}

// Of a connection that was never made: the statement was not sent.
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ENOENT", "EACCES"]);
const LOST = new Set([
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "CONNECTION_CLOSED", // those of postgres.js
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
]);

/** Whether the connection broke when a statement may have been under way on it. */
export function connectionLost(error: unknown): boolean {
  let at = error;
  for (let depth = 0; depth < DEPTH && at instanceof Error; depth++) {
    const { code, syscall } = at as { code?: unknown; syscall?: unknown };
    if (typeof code === "string") {
      if (NOT_SENT.has(code) || syscall === "connect") return false;
      // 08001 and 08004 are refusals to connect; the rest of class 08, and 57P01 to 57P03, end a session.
      if (LOST.has(code) || (/^(08|57P)/.test(code) && code !== "08001" && code !== "08004")) return true;
    }
    if (/^Connection terminated|connection error and is not queryable|Query read timeout$/.test(at.message)) return true;
    at = at.cause;
  }
  return false;
}
