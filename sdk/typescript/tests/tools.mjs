// node tools.mjs: the tools as a framework calls them; each line of standard input is a call, each of the output its result.
import { createInterface } from "node:readline";
import { backstop } from "backstop-sdk/ai";
import { pool } from "backstop-sdk/pg";
import { say } from "./drivers.mjs";

const database = pool({ connectionString: process.env["DATABASE_URL"] ?? "", max: 2 }, { wait: 0 });
const { tools } = backstop(database, { maxRows: 3 });
say("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const { tool, input, abort } = JSON.parse(line);
  const { execute } = /** @type {any} */ (tools)[tool];
  const options = { toolCallId: "1", messages: [], ...(abort ? { abortSignal: AbortSignal.timeout(abort) } : {}) };
  await execute(input, options).then(
    (/** @type {object} */ result) => say("result", { result }),
    (/** @type {Error} */ error) => say("threw", { name: error.name }),
  );
}
await database.end();
