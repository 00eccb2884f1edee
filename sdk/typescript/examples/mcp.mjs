// An agent whose tools are Backstop's own, by the Model Context Protocol, that cleans up:
//
//   BACKSTOP_DATABASE_URL=... node mcp.mjs stdio /usr/local/bin/backstop
//   AGENT=... PASSWORD=... node mcp.mjs http https://gateway.example/mcp
//
// A model would choose the statements; here they are a script.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Denied } from "backstop-sdk";
import { authorization, query } from "backstop-sdk/mcp";

const [how, where = "", mode = "auto"] = process.argv.slice(2);
const { AGENT = "", PASSWORD = "", BACKSTOP_DATABASE_URL = "" } = process.env;
const transport =
  how === "http"
    ? new StreamableHTTPClientTransport(new URL(where), { requestInit: { headers: authorization(AGENT, PASSWORD) } })
    : new StdioClientTransport({ command: where, args: ["mcp"], env: { BACKSTOP_DATABASE_URL } });
const client = new Client({ name: "cleaner", version: "1" }, { versionNegotiation: { mode: /** @type {"auto" | "legacy"} */ (mode) } });
await client.connect(transport);
console.log(JSON.stringify({ event: "connected", version: client.getNegotiatedProtocolVersion() }));

const purpose = "clean up orders";
const read = await query(client, { sql: "SELECT count(*)::int AS n FROM ts.orders", purpose });
console.log(JSON.stringify({ event: "read", rows: read.rows }));
try {
  const { command } = await query(
    client,
    { sql: "DELETE FROM ts.orders WHERE id > $1", params: [10], purpose },
    { onHeld: ({ ticket }) => console.log(JSON.stringify({ event: "held", ticket })) },
  );
  console.log(JSON.stringify({ event: "ran", command }));
} catch (error) {
  if (!(error instanceof Denied)) throw error;
  console.log(JSON.stringify({ event: "denied", ticket: error.ticket }));
}
await client.close();
