// Drizzle over node-postgres or postgres.js. Drizzle puts an error of its own around the driver's; here
// the gateway's answer comes out of it.
import { guarded } from "./retry.js";
import type { DrizzleLike } from "./clients.js";

interface Prepared {
  execute(...args: unknown[]): Promise<unknown>;
  all?(...args: unknown[]): Promise<unknown>;
}

interface Session {
  prepareQuery(...args: unknown[]): Prepared;
  transaction(fn: (tx: object) => Promise<unknown>, ...rest: unknown[]): Promise<unknown>;
}

const done = new WeakSet<object>();

/**
 * From here on this database's queries and transactions throw Backstop's classes where the gateway refused:
 * `const db = guard(drizzle(pool("postgres://...")))`. Guard the client below it, too, for claims of runs.
 */
export function guard<D extends DrizzleLike>(db: D): D {
  guardSession(sessionOf(db), db);
  return db;
}

/** Of its parts, the one through which everything goes. */
function sessionOf(db: object): Session {
  const { session } = db as { session?: Session };
  if (typeof session?.prepareQuery !== "function") throw new TypeError("not a database of drizzle-orm over pg or postgres.js");
  return session;
}

function guardSession(session: Session, db: DrizzleLike): void {
  if (done.has(session)) return;
  done.add(session);
  const { prepareQuery, transaction } = session;
  const translating = <T>(promise: Promise<T>): Promise<T> =>
    promise.catch((error) => {
      throw guarded(error, db);
    });
  session.prepareQuery = (...args) => {
    const prepared = prepareQuery.apply(session, args);
    for (const name of ["execute", "all"] as const) {
      const method = prepared[name];
      if (method !== undefined) prepared[name] = (...more) => translating(method.apply(prepared, more));
    }
    return prepared;
  };
  session.transaction = (fn, ...rest) => {
    const inside = (tx: object): Promise<unknown> => (guardSession(sessionOf(tx), db), fn(tx));
    return translating(transaction.call(session, inside, ...rest));
  };
}
