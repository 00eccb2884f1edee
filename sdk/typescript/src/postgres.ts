// postgres.js: `sql` whose errors are Backstop's classes.
import postgres, { type Options as PostgresOptions, type PostgresType, type Sql } from "postgres";

import { claimsNow, startupWord, startupWords } from "./claims.js";
import { guarded } from "./retry.js";

export interface Options {
  /**
   * How long a held statement waits on the wire before it throws Held, in milliseconds; the gateway's own
   * limit where that is shorter.
   */
  wait?: number | undefined;
}

type Given = PostgresOptions<Record<string, PostgresType>>;

/** `postgres(url, options)`, guarded. Made inside `run()`, all its connections carry those claims. */
export function connect(url: string, options: Given = {}, { wait }: Options = {}): Sql {
  const before = options.connection?.["options"] ?? process.env["PGOPTIONS"];
  const words = [
    ...(before ? [String(before)] : []),
    ...startupWord("wait", wait === undefined ? undefined : `${Math.max(Math.ceil(wait), 0)}ms`),
    ...startupWords(claimsNow()),
  ];
  const connection = words.length === 0 ? options.connection : { ...options.connection, options: words.join(" ") };
  try {
    return guard(postgres(url, { ...options, ...(connection === undefined ? {} : { connection }) }));
  } catch (error) {
    // Of an invalid URL node keeps the text, password and all, and prints it with the error.
    if (error instanceof Error && "input" in error) error.input = "...";
    throw error;
  }
}

type Callable = ((...args: unknown[]) => unknown) & Record<PropertyKey, unknown>;

const SCOPED = new Set<PropertyKey>(["begin", "savepoint"]);
const QUERIES = new Set<PropertyKey>(["unsafe", "file", "notify", "listen", "subscribe"]);

/** The same `sql`, seen through what translates errors; also inside begin(), savepoint() and reserve(). */
export function guard<S extends Sql>(sql: S): S {
  return scope(sql as unknown as Callable, sql) as unknown as S;
}

/** @param via the pool: where to ask about tickets, since a transaction is over by then */
function scope(sql: Callable, via: Sql): Callable {
  return new Proxy(sql, {
    apply: (target, self, args) => translating(Reflect.apply(target, self, args), via),
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      if (name === "reserve") return () => settled((value as () => Promise<Callable>)().then((own) => scope(own, via)), via);
      if (SCOPED.has(name)) return (...args: unknown[]) => settled(Reflect.apply(value, target, args.map((arg) => scoped(arg, via))), via);
      if (QUERIES.has(name)) return (...args: unknown[]) => translating(Reflect.apply(value, target, args), via);
      return value;
    },
  });
}

/** The callback of a transaction gets a guarded `sql`, too. */
function scoped(arg: unknown, via: Sql): unknown {
  if (typeof arg !== "function") return arg;
  return (sql: Callable) => (arg as Callable)(scope(sql, via));
}

function settled<T>(promise: Promise<T>, via: Sql): Promise<T> {
  return promise.catch((error) => {
    throw guarded(error, via);
  });
}

/**
 * A query of postgres.js is a promise that starts when it is asked for its result: `then` may be called by
 * nobody but those who want that, so it is replaced and not called. Identifiers, fragments and values pass.
 */
function translating(query: unknown, via: Sql): unknown {
  if (!(query instanceof Promise)) return query;
  const then = query.then.bind(query) as Promise<unknown>["then"];
  const fail = (bad?: ((reason: unknown) => unknown) | null) => (error: unknown) => {
    if (typeof bad === "function") return bad(guarded(error, via));
    throw guarded(error, via);
  };
  query.then = ((ok?: never, bad?: never) => then(ok, fail(bad))) as never;
  return query;
}
