"use strict";
// Prisma's schema engine as WebAssembly over node-postgres: its program is not in the registry.
const installed = require("node:module").createRequire(process.cwd() + "/");
const { PrismaPg } = installed("@prisma/adapter-pg");
const { Query } = installed("pg");

// The adapter does not know some types of the catalog: "char", name, oid[], name[]. To it they are others.
const KNOWN = { 18: 1042, 19: 25, 22: 25, 194: 25, 1003: 1009 };
const described = Query.prototype.handleRowDescription;
Query.prototype.handleRowDescription = function (message) {
    for (const field of message.fields) field.dataTypeID = KNOWN[field.dataTypeID] ?? field.dataTypeID;
    return described.call(this, message);
};

// Nobody waits for connections that are idle, nor for the time limit of the lock that it has long had.
const timer = globalThis.setTimeout;
globalThis.setTimeout = (what, after, ...more) => {
    const made = timer(what, after, ...more);
    if (after === 10000) made.unref();
    return made;
};

module.exports = {
    schema: `${process.env.SHOP_OUT}/schema.prisma`,
    migrations: { path: `${process.env.SHOP_OUT}/migrations` },
    experimental: { adapter: true },
    engine: "js",
    adapter: async () => new PrismaPg({ connectionString: process.env.SHOP_URL, allowExitOnIdle: true }),
};
