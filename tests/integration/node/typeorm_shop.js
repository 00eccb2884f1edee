"use strict";
// What TypeORM's own command line is given with -d: the tables of shop.json; migrations are in SHOP_OUT.
const fs = require("node:fs");
const installed = require("node:module").createRequire(process.cwd() + "/");
const { DataSource, EntitySchema } = installed("typeorm");

const TYPES = {
    text: { type: "text" }, numeric: { type: "numeric", precision: 12, scale: 2 },
    timestamp: { type: "timestamptz" }, bool: { type: "boolean" }, int: { type: "int" },
};

const entities = JSON.parse(fs.readFileSync(process.env.SHOP_SPEC)).map((t) => {
    const columns = { id: { type: "int", primary: true, generated: "increment" } };
    for (const c of t.columns) columns[c.name] = { ...TYPES[c.type], nullable: true };
    const relations = {};
    for (const r of t.refs) {
        relations[r] = { type: "many-to-one", target: r, joinColumn: { name: `${r}_id` }, nullable: false };
    }
    return new EntitySchema({ name: t.name, tableName: t.name, columns, relations });
});

module.exports = new DataSource({
    type: "postgres", url: process.env.SHOP_URL, entities, migrations: [`${process.env.SHOP_OUT}/*.js`],
});
