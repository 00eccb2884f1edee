// node claims.mjs: which statement says what of its run. Each deletes by a number of its own and is held.
import pgModule from "pg";
import { run } from "backstop-sdk";
import * as pg from "backstop-sdk/pg";
import * as postgres from "backstop-sdk/postgres";
import { say } from "./drivers.mjs";

const url = process.env["DATABASE_URL"] ?? "";
const drop = (/** @type {number} */ n) => `DELETE FROM ts.orders WHERE id = ${n}`;
const held = (/** @type {PromiseLike<unknown>} */ query) => Promise.resolve(query).catch((error) => say("held", { name: error.name }));

// A pool of one connection: the second run waits for the first one's, and is called back from there.
const pool = pg.pool({ connectionString: url, max: 1 }, { wait: 0 });
await Promise.all([
  run({ runId: "one", purpose: "it's 100 % */ nötig" }, () => held(pool.query(drop(1)))),
  run({ runId: "two" }, () => held(pool.query({ text: drop(2) }))),
  run({ runId: "three" }, () => run({ purpose: "inner", runId: "four" }, () => held(pool.query(`${drop(3)} -- a comment`)))),
  held(pool.query(drop(4))),
]);
await pool.end();

const outside = await pg.connect(url, { wait: 0 });
await run({ runId: "five" }, () => held(outside.query(drop(5))));
await outside.end();

// Its own words stay, whether in the URL or beside it.
const inUrl = `${url}?options=${encodeURIComponent("-c statement_timeout=77s")}`;
const inside = await run({ runId: "six", purpose: "two words \\ and" }, () => pg.connect(inUrl, { wait: 0 }));
say("setting", (await inside.query("SHOW statement_timeout")).rows[0]);
await held(inside.query(drop(6)));
await run({ runId: "seven" }, () => held(inside.query({ text: "DELETE FROM ts.orders WHERE id = $1", values: [7] })));
await inside.end();
const beside = await run({ runId: "eight" }, () => pg.connect({ connectionString: url, options: "-c statement_timeout=77s" }, { wait: 0 }));
say("setting", (await beside.query("SHOW statement_timeout")).rows[0]);
await held(beside.query(drop(8)));
await beside.end();

const sql = run({ runId: "nine" }, () => postgres.connect(url, { max: 1, onnotice: () => undefined, connection: { options: "-c statement_timeout=77s" } }, { wait: 0 }));
say("setting", (await sql`SHOW statement_timeout`)[0]);
await held(sql`DELETE FROM ts.orders WHERE id = ${9}`);
await sql.end();

// A pool made before, and its clients, are guarded as they come out.
const old = new pgModule.Pool({ connectionString: url, max: 1, options: "-c backstop.wait=0" });
await old.query("SELECT 1");
pg.guard(old);
await run({ runId: "ten" }, () => held(old.query(drop(10))));
await new Promise((done) => run({ runId: "eleven" }, () => old.query(drop(11), (/** @type {any} */ error) => done(say("held", { name: error.name })))));
await old.end();

for (const wrong of [{ purpose: "x".repeat(129) }, { purpose: "a\nb" }]) {
  try {
    run(wrong, () => undefined);
  } catch (error) {
    say("refused", { name: /** @type {Error} */ (error).name });
  }
}
