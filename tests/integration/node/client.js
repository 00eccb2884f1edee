// Runs everything node-postgres can do against one database and prints what came back, as JSON.
// The test runs it directly and through the gateway, and compares.
//
//   node client.js URL [tls]
"use strict";

const path = require("path");
const { createRequire } = require("module");
const load = createRequire(path.join(process.cwd(), "client.js")); // where npm put the packages
const { Client, Pool } = load("pg");
const Cursor = load("pg-cursor");

const options = {
  connectionString: process.argv[2],
  ssl: process.argv[3] === "tls" ? { rejectUnauthorized: false } : false,
};

async function failure(promise) {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return [error.code, error.severity, error.position ?? null];
  }
}

async function queries(client, out) {
  out.simple = (await client.query("SELECT 1 AS a, 'two' AS b, NULL AS c")).rows;
  out.several = (await client.query("SELECT 1 AS a; SELECT 2 AS b")).map((r) => r.rows);
  out.empty = (await client.query("")).rows;
  out.params = (
    await client.query("SELECT $1::int + 1 AS n, $2::text AS t, $3::jsonb AS j, $4::int[] AS l", [
      41, "ünïcode", { a: [1, null] }, [1, 2, 3],
    ])
  ).rows;
  out.prepared = [];
  for (let n = 1; n <= 5; n++) {
    const query = { name: "by id", text: "SELECT * FROM clients.types WHERE id = $1", values: [n] };
    out.prepared.push((await client.query(query)).rows);
  }
  out.binary = (await client.query({ text: "SELECT $1::int4 AS n", values: [7], binary: true })).rows;
  out.fields = (await client.query("SELECT * FROM clients.types LIMIT 0")).fields.map((f) => [
    f.name, f.dataTypeID, f.format,
  ]);
  out.all = (await client.query("SELECT * FROM clients.types ORDER BY id")).rows;
}

async function errors(client, out) {
  out.syntax = await failure(client.query("SELEC 1"));
  out.division = await failure(client.query("SELECT 1/$1::int", [0]));
  out.type = await failure(client.query("SELECT $1::int", ["x"]));
  await client.query("BEGIN");
  out.inside = await failure(client.query("SELECT 1/0"));
  out.aborted = await failure(client.query("SELECT 1"));
  await client.query("ROLLBACK");
  out.after = (await client.query("SELECT 3 AS n")).rows;
}

async function writes(client, out) {
  await client.query("BEGIN");
  const insert = "INSERT INTO clients.inbox (v) VALUES ($1) RETURNING v";
  out.returning = (await client.query(insert, ["kept"])).rows;
  await client.query("SAVEPOINT s");
  await client.query(insert, ["dropped"]);
  await client.query("ROLLBACK TO s");
  await client.query("COMMIT");
  const big = "x".repeat(1 << 20);
  out.big = (await client.query("SELECT length($1::text) AS n, $1::text AS v", [big])).rows[0].n;
  out.buffer = (await client.query("SELECT $1::bytea AS b", [Buffer.from([0, 1, 255])])).rows[0].b;
}

async function cursors(client, out) {
  const cursor = client.query(new Cursor("SELECT id FROM clients.types ORDER BY id"));
  out.batches = [];
  for (;;) {
    const rows = await cursor.read(700);
    out.batches.push(rows.length);
    if (rows.length === 0) break;
  }
  await cursor.close();
  const early = client.query(new Cursor("SELECT generate_series(1, $1::int) AS n", [1000000]));
  out.early = (await early.read(3)).map((r) => r.n);
  await early.close();
}

async function notifications(client, out) {
  const got = new Promise((resolve) => client.once("notification", resolve));
  await client.query("LISTEN clients");
  await client.query("NOTIFY clients, 'payload'");
  out.notification = (await got).payload;
}

async function main() {
  const out = {};
  const client = new Client(options);
  client.on("error", () => {});
  await client.connect();
  for (const part of [queries, errors, writes, cursors, notifications]) await part(client, out);
  await client.end();

  const pool = new Pool({ ...options, max: 4 });
  const many = await Promise.all(
    Array.from({ length: 100 }, (_, n) => pool.query("SELECT $1::int AS n, pg_sleep(0.001)", [n])),
  );
  out.pool = many.map((r) => r.rows[0].n);
  await pool.end();
  console.log(JSON.stringify(out));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
