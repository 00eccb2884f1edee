// One client of Node against one database; see ../__init__.py. Run where npm has put the packages.
//
//   clients.js node-postgres|postgres.js|Drizzle|Knex URL CERTIFICATE-OF-ANOTHER direct|gateway
"use strict";

const assert = require("assert/strict");
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const { createRequire } = require("module");
const { once } = require("events");
const { pipeline } = require("stream/promises");
const { Readable } = require("stream");
const load = createRequire(path.join(process.cwd(), "clients.js"));

const [name, url, other, way] = process.argv.slice(2);
const at = new URL(url);
const trusted = at.searchParams.get("sslrootcert");
const options = (ca) => ({
  host: at.hostname, port: Number(at.port), user: at.username, password: decodeURIComponent(at.password),
  database: at.pathname.slice(1), ssl: { ca: fs.readFileSync(ca) },
});
const count = (n, from = 1) => Array.from({ length: n }, (_, i) => i + from);
const WORD = "SELECT word FROM club.types WHERE id = $1";
const HELD = "UPDATE club.held SET times = times + 1 WHERE id <= $1";
const OF_THE_DRIVER = "as the driver below it";

// Not all let their package.json be loaded.
const version = (name) => JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version;
const say = (line) => console.log(JSON.stringify(line));
const fails = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
};

// What all do in their own words: `rows(text, params)` gives arrays, `changed(text, params)` a number.
const common = (client) => ({
  async unprepared() {
    assert.deepEqual(await client.rows("SELECT 1, 'two', NULL"), [[1, "two", null]]);
  },
  async parameters() {
    assert.deepEqual(
      await client.rows("SELECT $1::int + 1, $2::text, $3::bytea, $4::text", [41, "it's \\ ☃", Buffer.from([0, 1, 255]), null]),
      [[42, "it's \\ ☃", Buffer.from([0, 1, 255]), null]]);
    assert.deepEqual(await client.rows(WORD, [7]), [["wörd 7"]]);
  },
  async held() {
    const ask = async () => assert.equal(await client.changed(HELD, [3]), 3);
    const refusal = async () => {
      const error = await fails(ask());
      const said = error.cause?.code ? error.cause : error;
      if (!said.code) throw error;
      return { sqlstate: said.code, message: said.message, detail: said.detail };
    };
    if (way === "direct") return ask();
    const first = await refusal();
    say({ held: first });
    const input = readline.createInterface({ input: process.stdin });
    await once(input, "line");
    input.close();
    await ask();
    const again = await refusal();
    assert.equal(again.sqlstate, "ZB001");
    assert.notEqual(again.detail, first.detail);
  },
});

const isUnverified = (error) => assert.match(`${error.code} ${error.message}`, /SELF_SIGNED|certificate/);
const kept = (rows) => assert.deepEqual(rows, [["kept"]]);
const KEPT = "SELECT word FROM club.inbox WHERE n < 0";

async function nodePostgres() {
  const { Client, types } = load("pg");
  const Cursor = load("pg-cursor");
  const copy = load("pg-copy-streams");
  const open = async (ca) => {
    const one = new Client({ ...options(ca), enableChannelBinding: true });
    await one.connect();
    return one;
  };
  const c = await open(trusted);
  const rows = async (text, values) => (await c.query({ text, values, rowMode: "array" })).rows;
  const code = async (text) => (await fails(c.query(text))).code;
  return {
    version: version("pg"),
    close: () => c.end(),
    ...common({ rows, changed: async (text, values) => (await c.query(text, values)).rowCount }),
    async tls() {
      isUnverified(await fails(open(other)));
    },
    async prepared() {
      for (const n of count(10)) {
        const { rows } = await c.query({ name: "word", text: WORD, values: [n] });
        assert.deepEqual(rows, [{ word: `wörd ${n}` }]);
      }
    },
    async binary() {
      const { rows, fields } = await c.query({ text: "SELECT $1::int4 AS n, true AS t", values: [7], binary: true });
      assert.deepEqual([rows[0], fields[0].format], [{ n: 7, t: true }, "binary"]);
    },
    async server_side_cursor() {
      const cursor = c.query(new Cursor("SELECT id FROM club.types ORDER BY id"));
      const got = [];
      for (let some; (some = await cursor.read(7)).length; ) got.push(...some.map((r) => r.id));
      await cursor.close();
      assert.deepEqual(got, count(50));
    },
    async copy_out() {
      let got = "";
      for await (const piece of c.query(copy.to("COPY (SELECT id FROM club.types ORDER BY id) TO STDOUT"))) got += piece;
      assert.equal(got, count(50).join("\n") + "\n");
    },
    async copy_in() {
      await pipeline(Readable.from(count(1000, 0).map((n) => `${n}\tline\n`)), c.query(copy.from("COPY club.inbox FROM STDIN")));
      assert.deepEqual(await rows("SELECT sum(n)::int FROM club.inbox"), [[499500]]);
    },
    pipeline: "no interface",
    async notify() {
      const heard = once(c, "notification");
      await c.query("LISTEN club");
      await c.query("NOTIFY club, 'news'");
      assert.equal((await heard)[0].payload, "news");
    },
    async cancel() {
      const stop = new Client(options(trusted));
      const running = fails(c.query("SELECT pg_sleep(30)"));
      setTimeout(() => stop.cancel(c, c.activeQuery ?? c._activeQuery), 300);
      assert.equal((await running).code, "57014");
      assert.deepEqual(await rows("SELECT 1"), [[1]]);
    },
    async error_in_a_transaction() {
      await c.query("BEGIN");
      await c.query("INSERT INTO club.inbox VALUES (-1, 'lost')");
      assert.equal(await code("SELECT 1/0"), "22012");
      assert.equal(await code("SELECT 1"), "25P02");
      await c.query("ROLLBACK");
      await c.query("INSERT INTO club.inbox VALUES (-2, 'kept')");
      kept(await rows(KEPT));
    },
  };
}

async function postgresJs() {
  const postgres = load("postgres");
  const open = (ca) => postgres({ ...options(ca), max: 2, onnotice: () => {} });
  const sql = open(trusted);
  const rows = async (text, values = []) => Array.from(await sql.unsafe(text, values).values());
  return {
    version: version("postgres"),
    close: () => sql.end(),
    ...common({ rows, changed: async (text, values) => (await sql.unsafe(text, values)).count }),
    async tls() {
      const wrong = open(other);
      isUnverified(await fails(wrong`SELECT 1`));
      await wrong.end();
    },
    async prepared() {
      for (const n of count(10)) {
        const [{ word }] = await sql`SELECT word FROM club.types WHERE id = ${n}`;
        assert.equal(word, `wörd ${n}`);
      }
    },
    binary: "results are always text",
    async server_side_cursor() {
      const got = [];
      await sql`SELECT id FROM club.types ORDER BY id`.cursor(7, (some) => got.push(...some.map((r) => r.id)));
      assert.deepEqual(got, count(50));
    },
    async copy_out() {
      let got = "";
      for await (const piece of await sql`COPY (SELECT id FROM club.types ORDER BY id) TO STDOUT`.readable()) got += piece;
      assert.equal(got, count(50).join("\n") + "\n");
    },
    async copy_in() {
      const file = await sql`COPY club.inbox FROM STDIN`.writable();
      await pipeline(Readable.from(count(1000, 0).map((n) => `${n}\tline\n`)), file);
      assert.deepEqual(await rows("SELECT sum(n)::int FROM club.inbox"), [[499500]]);
    },
    async pipeline() {
      const one = await sql.reserve();
      const got = await Promise.all(count(100).map((n) => one`SELECT ${n}::int AS n`));
      one.release();
      assert.deepEqual(got.map(([{ n }]) => n), count(100));
    },
    async notify() {
      const heard = new Promise((resolve) => sql.listen("club", resolve, () => sql.notify("club", "news")));
      assert.equal(await heard, "news");
    },
    async cancel() {
      const query = sql`SELECT pg_sleep(30)`.execute();
      setTimeout(() => query.cancel(), 300);
      assert.equal((await fails(query)).code, "57014");
      assert.deepEqual(await rows("SELECT 1"), [[1]]);
    },
    async error_in_a_transaction() {
      const error = await fails(sql.begin(async (t) => {
        await t`INSERT INTO club.inbox VALUES (-1, 'lost')`;
        assert.equal((await fails(t`SELECT 1/0`)).code, "22012");
        await t`SELECT 1`;
      }));
      assert.ok(["22012", "25P02"].includes(error.code), error.code);
      await sql.begin((t) => t`INSERT INTO club.inbox VALUES (-2, 'kept')`);
      kept(await rows(KEPT));
    },
  };
}

// It cannot cancel, so the server's clock does.
const times_out = (run) => async () => {
  const error = await fails(run(["SET LOCAL statement_timeout = '300ms'", "SELECT pg_sleep(30)"]));
  assert.equal((error.cause ?? error).code, "57014");
};

const breaks = (run, rows) => async () => {
  const error = await fails(run(["INSERT INTO club.inbox VALUES (-1, 'lost')", "SELECT 1/0"]));
  assert.equal((error.cause ?? error).code, "22012");
  await run(["INSERT INTO club.inbox VALUES (-2, 'kept')"]);
  kept(await rows(KEPT));
};

const MAPPER = {
  binary: OF_THE_DRIVER, copy_out: OF_THE_DRIVER, copy_in: OF_THE_DRIVER, pipeline: "no interface", notify: "no interface",
};

async function drizzle() {
  const { Pool } = load("pg");
  const orm = load("drizzle-orm");
  const of = (ca) => load("drizzle-orm/node-postgres").drizzle(new Pool({ ...options(ca), max: 1 }));
  const core = load("drizzle-orm/pg-core");
  const club = core.pgSchema("club");
  const types = club.table("types", { id: core.integer().primaryKey(), word: core.text() });
  const held = club.table("held", { id: core.integer().primaryKey(), times: core.integer() });
  const db = of(trusted);
  const rows = async (text) => (await db.execute(orm.sql.raw(text))).rows.map((r) => Object.values(r));
  const run = (texts) => db.transaction(async (t) => {
    for (const text of texts) await t.execute(orm.sql.raw(text));
  });
  const ask = async () =>
    (await db.update(held).set({ times: orm.sql`${held.times} + 1` }).where(orm.lte(held.id, 3))).rowCount;
  const prepared = db.select({ word: types.word }).from(types)
    .where(orm.eq(types.id, orm.sql.placeholder("id"))).prepare("word");
  return {
    version: version("drizzle-orm"),
    close: () => db.$client.end(),
    ...common({ rows, changed: ask }),
    ...MAPPER,
    server_side_cursor: "no interface",
    async unprepared() {
      assert.deepEqual(await rows("SELECT 1 AS a, 'two' AS b, NULL AS c"), [[1, "two", null]]);
    },
    async tls() {
      const wrong = of(other);
      const error = await fails(wrong.execute("SELECT 1"));
      isUnverified(error.cause ?? error);
      await wrong.$client.end();
    },
    async parameters() {
      const said = "it's \\ ☃";
      const got = await db.execute(orm.sql`SELECT ${41}::int + 1 AS n, ${said}::text AS t, ${null}::text AS z`);
      assert.deepEqual(got.rows, [{ n: 42, t: said, z: null }]);
      assert.deepEqual(await db.select().from(types).where(orm.eq(types.id, 7)), [{ id: 7, word: "wörd 7" }]);
    },
    async prepared() {
      for (const id of count(10)) assert.deepEqual(await prepared.execute({ id }), [{ word: `wörd ${id}` }]);
    },
    cancel: times_out(run),
    error_in_a_transaction: breaks(run, rows),
  };
}

async function knex() {
  const of = (ca) => load("knex")({ client: "pg", connection: options(ca), pool: { min: 0, max: 1 }, log: { warn() {}, error() {} } });
  const db = of(trusted);
  const rows = async (text) => (await db.raw(text)).rows.map((r) => Object.values(r));
  const run = (texts) => db.transaction(async (t) => {
    for (const text of texts) await t.raw(text);
  });
  return {
    version: version("knex"),
    close: () => db.destroy(),
    ...common({ rows, changed: () => db("club.held").where("id", "<=", 3).increment("times", 1) }),
    ...MAPPER,
    prepared: OF_THE_DRIVER,
    server_side_cursor: "needs pg-query-stream",
    async unprepared() {
      assert.deepEqual(await rows("SELECT 1 AS a, 'two' AS b, NULL AS c"), [[1, "two", null]]);
    },
    async tls() {
      const wrong = of(other);
      isUnverified(await fails(wrong.raw("SELECT 1")));
      await wrong.destroy();
    },
    async parameters() {
      const said = "it's \\ ☃";
      const got = await db.raw("SELECT ?::int + 1 AS n, ?::text AS t, ?::text AS z", [41, said, null]);
      assert.deepEqual(got.rows, [{ n: 42, t: said, z: null }]);
      assert.deepEqual(await db("club.types").where({ id: 7 }).select("word"), [{ word: "wörd 7" }]);
    },
    cancel: times_out(run),
    error_in_a_transaction: breaks(run, rows),
  };
}

const CLIENTS = { "node-postgres": nodePostgres, "postgres.js": postgresJs, Drizzle: drizzle, Knex: knex };
const ITEMS = ["tls", "unprepared", "parameters", "prepared", "binary", "server_side_cursor", "copy_out", "copy_in",
  "pipeline", "notify", "cancel", "error_in_a_transaction", "held"];

async function main() {
  const client = await CLIENTS[name]();
  say({ client: name, version: client.version });
  for (const item of ITEMS) {
    if (typeof client[item] === "string") {
      say({ item, result: "not offered", why: client[item] });
      continue;
    }
    try {
      await client[item]();
      say({ item, result: "passed" });
    } catch (error) {
      say({ item, result: "failed", why: `${error.message} ${error.cause ?? ""}` });
    }
  }
  await client.close();
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
