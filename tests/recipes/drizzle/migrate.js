import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

// What the gateway or the server said; Drizzle has it as the cause of an error of its own.
const said = (error) => (error instanceof pg.DatabaseError ? error : error.cause && said(error.cause));

// Waits until an operator has decided; the gateway answers every few seconds, decided or not.
async function decided(pool, held) {
    let ticket = JSON.parse(held.detail);
    while (ticket.state === "pending")
        ticket = JSON.parse((await pool.query(`SHOW backstop.wait."${ticket.ticket}"`)).rows[0].backstop);
    return ticket.state;
}

// Drizzle runs what is new in one transaction: what is held is rolled back, and begins anew once it is approved.
async function upgrade(pool, migrationsFolder) {
    const db = drizzle(pool);
    for (;;) {
        try {
            return await migrate(db, { migrationsFolder });
        } catch (error) {
            if (said(error)?.code !== "ZB001") throw error; // it will not run: ZB002 is an operator's no
            console.log("held");
            if ((await decided(pool, said(error))) !== "approved") throw error;
        }
    }
}

const pool = new pg.Pool({ connectionString: process.argv[2] });
try {
    await upgrade(pool, process.argv[3]);
    console.log("applied");
} catch (error) {
    console.log("stopped", said(error)?.code ?? error);
    process.exitCode = 3;
} finally {
    await pool.end();
}
