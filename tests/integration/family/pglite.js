// PGlite's own socket server: every client shares the one session that PGlite is.
import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";

const db = await PGlite.create();
await db.exec(`CREATE ROLE backstop SUPERUSER LOGIN`);
const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: Number(process.argv[2]), maxConnections: 20 });
await server.start();
console.log("ready");
