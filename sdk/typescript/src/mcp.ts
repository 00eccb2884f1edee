// Clients of the Model Context Protocol that talk to `backstop mcp` or to the gateway's /mcp: a tool's result that
// waits for an operator is waited for, and run.
//
//   const client = new Client({ name, version }, { versionNegotiation: { mode: "auto" } });
//   await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: authorization(agent, password) } }));
//   const { rows } = await query(client, { sql: "DELETE FROM orders" }, { timeout: 600_000 });
import type { Client } from "@modelcontextprotocol/client";

import type { Waiting } from "./door.js";
import { BackstopError, dateOf, Denied, Expired, Held, textOf, Uncertain } from "./errors.js";

export interface QueryArguments {
  sql?: string;
  params?: unknown[];
  max_rows?: number;
  /** Of an earlier answer: the rows after it. */
  cursor?: string;
  database?: string;
  /** What this is for, in a few words: shown to the operator. */
  purpose?: string;
}

/** A result that is completed. */
export interface Completed {
  status: "completed";
  command?: string;
  columns?: { name: string; type: string }[];
  /** In the order of the columns. */
  rows?: unknown[][];
  row_count?: number;
  cursor?: string;
  notices?: string[];
  [more: string]: unknown;
}

export interface Options extends Waiting {
  /** Called when it has to wait. */
  onHeld?: ((held: Held) => void) | undefined;
}

/** The database refused the statement, as it is: wrong SQL, a constraint. */
export class Failed extends Error {
  readonly sqlstate: string | null;

  constructor(sqlstate: string | null, message: string) {
    super(message);
    this.name = "Failed";
    this.sqlstate = sqlstate;
  }
}

/** The field that lets an agent in over HTTP. */
export function authorization(agent: string, secret: string): { Authorization: string } {
  return { Authorization: `Bearer ${Buffer.from(`${agent}:${secret}`).toString("base64url")}` };
}

/**
 * Runs one statement; held, it waits for the decision and runs what was approved, once. Throws what
 * `retryOnApproval` throws, Blocked and Paused as BackstopError: a result does not tell them apart.
 */
export async function query(client: Client, args: QueryArguments, options: Options = {}): Promise<Completed> {
  const result = await call(client, "backstop_query", { ...args }, options.signal);
  if (result["status"] !== "pending_approval") return completed(result);
  const held = new Held({ ...factsOf(result), sqlstate: "ZB001", message: `ticket ${result["ticket"]} waits for an operator`, retry: "wait" });
  options.onHeld?.(held);
  const decided = await decision(client, String(result["ticket"]), args.database, options);
  if (decided["state"] === "pending") throw held;
  if (decided["state"] !== "approved") return completed(decided);
  const { sql, params, database } = args;
  const again = Object.fromEntries(Object.entries({ ticket: held.ticket, sql, params, database }).filter(([, value]) => value !== undefined));
  return completed(await call(client, "backstop_run_approved", again, options.signal));
}

const ROUND_S = 25; // below the minute that clients give a request

async function decision(client: Client, ticket: string, database: string | undefined, { timeout, signal }: Options): Promise<Result> {
  const until = timeout === undefined ? Infinity : Date.now() + timeout;
  for (;;) {
    const wait = Math.max(0, Math.min(ROUND_S, Math.ceil((until - Date.now()) / 1000)));
    const now = await call(client, "backstop_ticket", { ticket, wait, ...(database === undefined ? {} : { database }) }, signal);
    if (now["state"] !== "pending" || Date.now() >= until) return now;
  }
}

type Result = Record<string, unknown>;

async function call(client: Client, name: string, args: Result, signal: AbortSignal | undefined): Promise<Result> {
  const { structuredContent } = await client.callTool({ name, arguments: args }, signal === undefined ? {} : { signal });
  if (typeof structuredContent !== "object" || structuredContent === null) throw new TypeError(`${name} is no tool of Backstop`);
  return structuredContent as Result;
}

function factsOf(result: Result): { ticket: string | null; state: string | null; expires: Date | null } {
  return { ticket: textOf(result["ticket"]), state: textOf(result["state"]) ?? "pending", expires: dateOf(result["expires"]) };
}

const ENDS = {
  denied: [Denied, "ZB002", "never"],
  expired: [Expired, "ZB003", "ask-again"],
  uncertain: [Uncertain, "08007", "never"],
} as const;

function completed(result: Result): Completed {
  if (result["status"] === "completed") return result as unknown as Completed;
  if (result["status"] === "failed") {
    const { sqlstate, message } = (result["error"] ?? {}) as Result;
    throw new Failed(textOf(sqlstate), String(message));
  }
  const [kind, sqlstate, retry] = ENDS[result["state"] as keyof typeof ENDS] ?? [BackstopError, "42501", "never"];
  const state = textOf(result["state"]) ?? "blocked";
  throw new kind({ ...factsOf(result), state, sqlstate, retry, message: String(result["reason"] ?? "refused") });
}
