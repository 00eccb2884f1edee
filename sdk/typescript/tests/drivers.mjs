// The same few things over each driver: what a test says does not depend on which it is.
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePostgres } from "drizzle-orm/postgres-js";
import * as drizzle from "backstop-sdk/drizzle";
import * as pg from "backstop-sdk/pg";
import * as postgres from "backstop-sdk/postgres";

/**
 * @typedef {(text: string) => Promise<Record<string, unknown>[]>} Query
 * @typedef {{client: import("backstop-sdk").AnyClient, query: Query,
 *   transaction: (fn: (query: Query) => Promise<unknown>) => Promise<unknown>, end: () => Promise<unknown>}} Driver
 */

/** @type {Record<string, (url: string, options?: {wait?: number}) => Promise<Driver> | Driver>} */
export const drivers = {
  async pg(url, options) {
    const client = await pg.connect(url, options);
    client.on("error", () => undefined); // of a lost connection, when nothing is under way
    return {
      client,
      query: async (text) => (await client.query(text)).rows,
      transaction: (fn) => pg.transaction(client, (c) => fn(async (text) => (await c.query(text)).rows)),
      end: () => client.end(),
    };
  },
  "pg-pool"(url, options) {
    const pool = pg.pool({ connectionString: url, max: 2 }, options);
    return {
      client: pool,
      query: async (text) => (await pool.query(text)).rows,
      transaction: (fn) => pg.transaction(pool, (c) => fn(async (text) => (await c.query(text)).rows)),
      end: () => pool.end(),
    };
  },
  postgres(url, options) {
    const sql = postgres.connect(url, { max: 2, onnotice: () => undefined }, options);
    return {
      client: sql,
      query: async (text) => [...(await sql.unsafe(text))],
      transaction: (fn) => sql.begin((t) => fn(async (text) => [...(await t.unsafe(text))])),
      end: () => sql.end({ timeout: 1 }),
    };
  },
  "drizzle-pg"(url, options) {
    const pool = pg.pool({ connectionString: url, max: 2 }, options);
    const db = drizzle.guard(drizzlePg(pool));
    return {
      client: db,
      query: async (text) => (await db.execute(text)).rows,
      transaction: (fn) => db.transaction((t) => fn(async (text) => (await t.execute(text)).rows)),
      end: () => pool.end(),
    };
  },
  "drizzle-postgres"(url, options) {
    const sql = postgres.connect(url, { max: 2, onnotice: () => undefined }, options);
    const db = drizzle.guard(drizzlePostgres(sql));
    return {
      client: db,
      query: async (text) => [...(await db.execute(text))],
      transaction: (fn) => db.transaction((t) => fn(async (text) => [...(await t.execute(text))])),
      end: () => sql.end({ timeout: 1 }),
    };
  },
};

/** One line for the test that runs this: an event and what belongs to it. @param {string} event @param {object} [more] */
export function say(event, more = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
}

/** @param {any} error */
export function describe(error) {
  const { name, sqlstate, ticket, state, retry, expires, hint, reason, code, message, cause } = error;
  return { name, sqlstate, ticket, state, retry, expires: expires instanceof Date ? expires.toISOString() : null, hint, reason, code, message, cause: cause?.constructor?.name, says: cause?.message ?? "" };
}
