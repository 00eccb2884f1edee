// node-postgres (`pg`): clients and pools whose errors are Backstop's classes, and whose statements carry
// the claims of the run they are sent in.
import { AsyncResource } from "node:async_hooks";
import pg, { type Client, type ClientBase, type ClientConfig, type Pool, type PoolConfig } from "pg";

import { claimsNow, commented, startupWord, startupWords, type Claims } from "./claims.js";
import { guarded } from "./retry.js";

export interface Options {
  /**
   * How long a held statement waits on the wire before it throws Held, in milliseconds; the gateway's own
   * limit where that is shorter.
   */
  wait?: number | undefined;
}

/** A connected client, guarded. Opened inside `run()`, its start-up options carry the claims. */
export async function connect(config: string | ClientConfig, options: Options = {}): Promise<Client> {
  const claims = claimsNow();
  const client = guard(new pg.Client(withWords(config, options, startupWords(claims))));
  if (claims !== undefined) claimed.set(client, claims);
  await client.connect();
  return client;
}

/** A guarded pool. Its connections outlive a run, so claims go with each statement. */
export function pool(config: string | PoolConfig, options: Options = {}): Pool {
  return guard(new pg.Pool(withWords<PoolConfig>(config, options, [])));
}

/** The URL's options win over the configuration's in pg, so ours are put beside those that win. */
function withWords<C extends ClientConfig>(config: string | C, { wait }: Options, words: string[]): C {
  const given = typeof config === "string" ? ({ connectionString: config } as C) : { ...config };
  if (wait !== undefined) words = [...startupWord("wait", `${Math.max(Math.ceil(wait), 0)}ms`), ...words];
  if (words.length === 0) return given;
  const pattern = /([?&])options=([^&#]*)&?/;
  const inUrl = pattern.exec(given.connectionString ?? "")?.[2];
  if (inUrl !== undefined) given.connectionString = given.connectionString!.replace(pattern, "$1");
  const before = inUrl === undefined ? (given.options ?? process.env["PGOPTIONS"]) : decodeURIComponent(inUrl.replace(/\+/g, " "));
  given.options = [...(before ? [before] : []), ...words].join(" ");
  return given;
}

type Callback = (error: unknown, ...rest: unknown[]) => void;
type Method = (...args: unknown[]) => unknown;

const done = new WeakSet<object>();
const claimed = new WeakMap<object, Claims>(); // what a connection said when it was opened

/**
 * From here on this client's or pool's errors are Backstop's classes where the gateway made them. The object
 * itself is changed, so libraries that hold it throw them, too.
 */
export function guard<T extends ClientBase | Pool>(target: T): T {
  if (target instanceof pg.Pool || "totalCount" in target) guardPool(target as unknown as Pool);
  else guardClient(target as unknown as ClientBase, target as unknown as ClientBase);
  return target;
}

/** A transaction: commits what `fn` did, or rolls back and throws. For `retryOnApproval`, which runs it whole. */
export async function transaction<T>(on: Client | Pool, fn: (client: ClientBase) => Promise<T>): Promise<T> {
  const pooled = "totalCount" in on ? await on.connect() : undefined;
  const client: ClientBase = pooled ?? (on as Client);
  let broken: Error | undefined;
  try {
    await client.query("BEGIN");
    const result = await fn(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((lost: Error) => (broken = lost));
    throw error;
  } finally {
    pooled?.release(broken);
  }
}

function guardPool(pool: Pool): void {
  if (done.has(pool)) return;
  done.add(pool);
  const connect = pool.connect.bind(pool) as unknown as Method;
  const take = (client: unknown): unknown => (client && guardClient(client as ClientBase, pool), client);
  const patched: Method = (...args) => {
    const callback = args[0] as Callback | undefined;
    if (callback === undefined) return (connect() as Promise<unknown>).then(take, (error) => fail(error, pool));
    // The pool calls back from where another client was released: in its run, not in ours.
    return connect(AsyncResource.bind((error: unknown, ...rest: unknown[]) => {
      take(rest[0]);
      callback(error && guarded(error, pool), ...rest);
    }));
  };
  pool.connect = patched as unknown as Pool["connect"];
}

/** @param via where to ask about its tickets: the pool, since by then the client may be somebody else's */
function guardClient(client: ClientBase, via: ClientBase | Pool): void {
  if (done.has(client)) return;
  done.add(client);
  for (const name of ["connect", "query"] as const) {
    const method = client[name].bind(client) as unknown as Method;
    const patched: Method = (...args) => {
      if (isSubmittable(args[0])) return method(...args);
      if (name === "query") args[0] = withClaims(args[0], client);
      const at = args.findIndex((arg) => typeof arg === "function");
      if (at >= 0) args[at] = translating(args[at] as Callback, via);
      const result = method(...args);
      return result instanceof Promise ? result.catch((error) => fail(error, via)) : result;
    };
    client[name] = patched as never;
  }
}

function translating(callback: Callback, via: ClientBase | Pool): Callback {
  return (error, ...rest) => callback(error && guarded(error, via), ...rest);
}

function fail(error: unknown, via: ClientBase | Pool): never {
  throw guarded(error, via);
}

/** Cursors and streams of others have events of their own for errors: `decode` is for these. */
function isSubmittable(query: unknown): boolean {
  return typeof (query as { submit?: unknown } | null | undefined)?.submit === "function";
}

/** A prepared statement is parsed once, in whichever run that is: it says nothing. */
function withClaims(query: unknown, client: ClientBase): unknown {
  const claims = claimsNow();
  if (claims === undefined || claimed.get(client) === claims) return query;
  if (typeof query === "string") return commented(query, claims);
  const { text, name } = query as { text?: unknown; name?: unknown };
  if (typeof text !== "string" || name !== undefined) return query;
  return Object.create(query as object, { text: { value: commented(text, claims), enumerable: true } });
}
