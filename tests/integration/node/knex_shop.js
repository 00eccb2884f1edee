"use strict";
// Knex migrates and goes back over the tables of shop.json: knex_shop.js latest|rollback; the URL is in
// SHOP_URL. Without a transaction around a migration, so that each DROP TABLE stands by itself.
const fs = require("node:fs");
const installed = require("node:module").createRequire(process.cwd() + "/");
const knex = installed("knex");

const tables = JSON.parse(fs.readFileSync(process.env.SHOP_SPEC));
const TYPES = { text: "text", numeric: "decimal", timestamp: "timestamp", bool: "boolean", int: "integer" };

const migration = {
    async up(k) {
        for (const t of tables) {
            await k.schema.createTable(t.name, (made) => {
                made.increments("id");
                for (const c of t.columns) made[TYPES[c.type]](c.name);
                for (const r of t.refs) made.integer(`${r}_id`).notNullable().references("id").inTable(r);
            });
        }
    },
    async down(k) {
        for (const t of [...tables].reverse()) await k.schema.dropTable(t.name);
    },
    config: { transaction: false },
};
const source = {
    getMigrations: async () => ["shop"],
    getMigrationName: (name) => name,
    getMigration: async () => migration,
};

(async () => {
    const k = knex({ client: "pg", connection: process.env.SHOP_URL, migrations: { migrationSource: source } });
    try {
        if (process.argv[2] === "latest") await k.migrate.latest();
        else await k.migrate.rollback(undefined, true);
    } finally {
        await k.destroy();
    }
})().catch((e) => { console.error(e.message, e.detail ?? ""); process.exit(1); });
