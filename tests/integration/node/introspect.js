"use strict";
// What Knex, TypeORM and node-postgres ask about a schema: node introspect.js knex|typeorm|pg URL
const [, , what, url] = process.argv;
const installed = require("node:module").createRequire(process.cwd() + "/");
const knexLib = installed("knex");
const { DataSource } = installed("typeorm");
const { Pool } = installed("pg");

async function knex() {
    const k = knexLib({ client: "pg", connection: url, searchPath: ["rich", "public"] });
    await k("customers").columnInfo();
    await k("orders").columnInfo("total");
    await k.schema.withSchema("rich").hasTable("orders");
    await k.schema.withSchema("rich").hasColumn("orders", "total");
    await k.schema.hasTable("nothing");
    await k("orders").where({ id: 1 }).first();
    await k("orders").count("* as n");
    await k.raw("select version()");
    await k.transaction((t) => t("orders").select("id").limit(2), { readOnly: true });
    await k.destroy();
}

async function typeorm() {
    const d = new DataSource({ type: "postgres", url, schema: "rich", synchronize: false, logging: false });
    await d.initialize();
    const q = d.createQueryRunner();
    await q.getDatabases(); await q.getSchemas(); await q.getCurrentDatabase(); await q.getCurrentSchema();
    await q.hasDatabase("rich"); await q.hasSchema("rich"); await q.hasTable("rich.orders"); await q.hasColumn("rich.orders", "id");
    const all = await q.query("SELECT table_schema || '.' || table_name AS t FROM information_schema.tables WHERE table_schema = 'rich' AND table_name NOT IN ('Odd Name', 'customers')");
    await q.getTables(all.map((r) => r.t));
    await q.getTable("rich.orders");
    await q.getView("rich.happy"); await q.getViews(["rich.totals"]).catch(() => 0);
    await q.release();
    await d.driver.createSchemaBuilder().log().catch((e) => console.error(String(e)));
    await d.destroy();
}

async function pg() {
    const pool = new Pool({ connectionString: url, max: 2 });
    const c = await pool.connect();
    await c.query("SELECT * FROM rich.orders WHERE id = $1", [1]);
    await c.query({ name: "named", text: "SELECT * FROM rich.orders WHERE id = $1", values: [1] });
    await c.query({ text: "SELECT 1", rowMode: "array" });
    c.release();
    await pool.end();
}

({ knex, typeorm, pg })[what]().catch((e) => { console.error(e); process.exit(1); });
