// The clients this package knows, by what they can do: none of their packages is needed here.
import { connect as openSocket } from "node:net";

/** pg's Client, Pool, or a client of a pool. */
export interface PgLike {
  query(config: { text: string; values?: unknown[] }): Promise<{ rows: unknown[]; rowCount: number | null }>;
}

/** What `postgres()` of postgres.js returns, or the `sql` of its begin(). */
export interface PostgresLike {
  unsafe(text: string, params?: never[]): PromiseLike<unknown>;
}

/** A database of Drizzle over one of those two. */
export interface DrizzleLike {
  $client: unknown;
  execute(query: string): PromiseLike<unknown>;
}

export type AnyClient = PgLike | PostgresLike | DrizzleLike;

export interface Answer {
  rows: Record<string, unknown>[];
  /** Rows that came back, or that were changed; null where the statement has no such number. */
  rowCount: number | null;
}

export interface Asking {
  values?: readonly unknown[];
  /** Aborted: the statement is cancelled on the server, and the reason of the signal thrown. */
  signal?: AbortSignal | undefined;
}

/** Runs a text, whichever client it is. Of several statements the last one's result counts, as in psql. */
export async function ask(client: AnyClient, text: string, asking: Asking = {}): Promise<Answer> {
  asking.signal?.throwIfAborted();
  if (isPostgres(client)) return askPostgres(client, text, asking);
  if (isDrizzle(client)) return ask(client.$client as AnyClient, text, asking);
  return askPg(client, text, asking);
}

function isPostgres(client: AnyClient): client is PostgresLike {
  return typeof (client as Partial<PostgresLike>).unsafe === "function";
}

function isDrizzle(client: AnyClient): client is DrizzleLike {
  const { $client, execute } = client as Partial<DrizzleLike>;
  return $client !== undefined && typeof execute === "function";
}

interface Cancellable extends PromiseLike<Record<string, unknown>[] & { count: number | null }> {
  cancel(): void;
}

async function askPostgres(sql: PostgresLike, text: string, asking: Asking): Promise<Answer> {
  const query = sql.unsafe(text, [...(asking.values ?? [])] as never[]) as Cancellable;
  const result = await untilAborted(query, asking.signal, () => query.cancel());
  const last = "count" in result ? result : (result as unknown as (typeof result)[]).at(-1)!;
  return { rows: [...last], rowCount: last.count };
}

/**
 * The same for what may take long or is not of a transaction: where one is open on a client of pg, or has
 * failed, on a connection of its own. Of a pool, postgres.js or Drizzle there is always another one.
 */
export async function askAside(client: AnyClient, text: string, asking: Asking = {}): Promise<Answer> {
  const { connectionParameters } = client as Partial<PgConnection>;
  if (connectionParameters === undefined || !inTransaction(client)) return ask(client, text, asking);
  const other = new (client.constructor as new (config: object) => Required<PgConnection>)(connectionParameters);
  await other.connect();
  try {
    return await ask(other, text, asking);
  } finally {
    await other.end();
  }
}

/** Whether a transaction is open on this client of pg, or has failed. */
export function inTransaction(client: AnyClient): boolean {
  const status = (client as Partial<PgConnection>).getTransactionStatus?.();
  return status === "T" || status === "E";
}

interface PgConnection extends PgLike {
  connectionParameters?: object;
  getTransactionStatus?(): string | null;
  end?(): Promise<void>;
  release?(): void;
  connect?(): Promise<PgConnection>;
  totalCount?: number;
  host?: string;
  port?: number;
  processID?: number;
  secretKey?: number;
}

async function askPg(client: PgConnection, text: string, asking: Asking): Promise<Answer> {
  // Only a connection can be cancelled, so of a pool one is taken.
  const pooled = asking.signal !== undefined && client.totalCount !== undefined;
  const connection = pooled ? await client.connect!() : client;
  try {
    asking.signal?.throwIfAborted();
    const query = connection.query({ text, values: [...(asking.values ?? [])] });
    const result = await untilAborted(query, asking.signal, () => cancelPg(connection));
    const last = Array.isArray(result) ? (result as (typeof result)[]).at(-1)! : result;
    return { rows: last.rows as Record<string, unknown>[], rowCount: last.rowCount };
  } finally {
    if (pooled) connection.release!();
  }
}

/**
 * What the statement becomes. Aborted, it is cancelled, and waited for like the cancel itself: else that
 * could meet the next statement of the connection.
 */
async function untilAborted<T>(query: PromiseLike<T>, signal: AbortSignal | undefined, cancel: () => unknown): Promise<T> {
  if (signal === undefined) return query;
  let cancelled: unknown;
  const abort = (): void => void (cancelled = cancel());
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await query;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", abort);
    await cancelled;
  }
}

const CANCEL_CODE = 80877102;

/** A CancelRequest on a connection of its own: pg has none that works inside TLS. Whoever takes it then closes. */
async function cancelPg(client: PgConnection): Promise<void> {
  const { host, port, processID, secretKey } = client;
  if (host === undefined || port === undefined || processID === undefined || secretKey === undefined) return;
  const message = Buffer.alloc(16);
  [16, CANCEL_CODE, processID, secretKey].forEach((word, at) => message.writeInt32BE(word, 4 * at));
  const socket = host.startsWith("/") ? openSocket(`${host}/.s.PGSQL.${port}`) : openSocket(port, host);
  socket.on("error", () => undefined).end(message);
  socket.resume();
  await new Promise((closed) => socket.once("close", closed));
}
