// node client.mjs DRIVER SCENARIO [STATEMENT]: what happens to a statement of an application, a line an event.
import { Denied, Held, BackstopError, decode, retryOnApproval, run, wait } from "backstop-sdk";
import { describe, drivers, say } from "./drivers.mjs";

const [driver = "", scenario = "", statement = ""] = process.argv.slice(2);
const url = process.env["DATABASE_URL"] ?? "";
const onHeld = (/** @type {Held} */ held) => say("held", describe(held));

/** @type {Record<string, (db: import("./drivers.mjs").Driver) => Promise<unknown>>} */
const scenarios = {
  /** Sent once; what it throws is told. */
  async once(db) {
    await db.query(statement);
  },
  async retry(db) {
    let sent = 0;
    await retryOnApproval(() => (sent++, db.query(statement)), { onHeld });
    say("ran", { sent });
  },
  /** Reads first, so that nothing is held on the wire, and two statements that have to be approved. */
  async transaction(db) {
    let begun = 0;
    await retryOnApproval(
      () =>
        db.transaction(async (query) => {
          begun++;
          await query("SELECT 1");
          for (const one of statement.split(";")) await query(one);
        }),
      { onHeld },
    );
    say("ran", { begun });
  },
  /** The ticket is known from elsewhere, an earlier process perhaps. */
  async wait(db) {
    say("ticket", await wait(db.client, statement));
  },
  async impatient(db) {
    const began = Date.now();
    const { state } = await wait(db.client, statement, { timeout: 300 });
    say("waited", { state, ms: Date.now() - began });
    await retryOnApproval(() => db.query("SELECT 1"));
    say("usable");
  },
  async abort(db) {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("enough")), 300);
    const began = Date.now();
    await wait(db.client, statement, { signal: stop.signal }).catch((error) => say("aborted", { message: error.message, ms: Date.now() - began }));
    await db.query("SELECT 1");
    say("usable", { ms: Date.now() - began });
  },
  /** The transaction is not begun by what is tried again. */
  async outer(db) {
    await db.query("BEGIN");
    await db.query("SELECT 1");
    await retryOnApproval(() => db.query(statement), { onHeld });
  },
  /** Never the same: each is held anew. */
  async different(db) {
    let sent = 0;
    await retryOnApproval(() => db.query(`${statement} ${1000 + sent++}`), { onHeld, maxTickets: 2 });
  },
  /** On a client of its own, in the middle of a transaction: it stays as it is. */
  async within(db) {
    await db
      .transaction(async (query) => {
        await query("SELECT 1");
        say("ticket", await wait(/** @type {any} */ (db.client), statement));
        await query("SELECT nothing").catch(() => undefined);
        say("ticket", await wait(/** @type {any} */ (db.client), statement));
      })
      .catch((error) => say("failed", { code: error.code }));
  },
  async timeout(db) {
    await retryOnApproval(() => db.query(statement), { timeout: 1500 });
  },
};

/** @type {import("./drivers.mjs").Driver | undefined} */
let db;
try {
  await run({ purpose: "tests of the client", runId: "run 7" }, async () => {
    db = await drivers[driver]?.(url, process.env["WAIT"] ? { wait: Number(process.env["WAIT"]) } : {});
    await scenarios[scenario]?.(/** @type {import("./drivers.mjs").Driver} */ (db));
  });
} catch (error) {
  say("threw", { ...describe(error), backstop: error instanceof BackstopError, held: error instanceof Held, denied: error instanceof Denied, decoded: decode(error) === error });
}
await /** @type {any} */ (db)?.end().catch(() => undefined);
say("end");
