"use strict";
// Drizzle over the tables of shop.json: node drizzle_shop.js migrate FOLDER | reset; the URL is in SHOP_URL.
// To drizzle-kit it is the schema; with SHOP_EMPTY, one without tables.
const fs = require("node:fs");
const installed = require("node:module").createRequire(process.cwd() + "/");
const { pgTable, serial, text, numeric, timestamp, boolean, integer } = installed("drizzle-orm/pg-core");

const TYPES = {
    text, bool: boolean, int: integer,
    numeric: (name) => numeric(name, { precision: 12, scale: 2 }),
    timestamp: (name) => timestamp(name, { withTimezone: true }),
};

function shop() {
    const made = {};
    for (const t of JSON.parse(fs.readFileSync(process.env.SHOP_SPEC))) {
        const columns = { id: serial("id").primaryKey() };
        for (const c of t.columns) columns[c.name] = TYPES[c.type](c.name);
        for (const r of t.refs) columns[`${r}_id`] = integer(`${r}_id`).notNull().references(() => made[r].id);
        made[t.name] = pgTable(t.name, columns);
    }
    return made;
}

async function main(what, folder) {
    const pool = new (installed("pg").Pool)({ connectionString: process.env.SHOP_URL });
    const db = installed("drizzle-orm/node-postgres").drizzle(pool);
    try {
        if (what === "migrate") {
            await installed("drizzle-orm/node-postgres/migrator").migrate(db, { migrationsFolder: folder });
        } else {
            await installed("drizzle-seed").reset(db, shop());
        }
    } finally {
        await pool.end();
    }
}

if (!process.env.SHOP_EMPTY) module.exports = shop();
if (require.main === module) {
    main(...process.argv.slice(2)).catch((e) => { console.error(e.message, e.cause ?? ""); process.exit(1); });
}
