// An agent of OpenAI Agents that cleans up: DATABASE_URL=... node openai-agents.mjs
//
// The model here is a scripted one, so that this runs anywhere; put yours in its place.
import { Agent, run, setTracingDisabled } from "@openai/agents";
import { assistantMessage, functionCall, ScriptedModel } from "@openai/agents/testing";
import { run as inRun } from "backstop-sdk";
import { backstop } from "backstop-sdk/openai-agents";
import { pool } from "backstop-sdk/pg";

const database = pool(process.env["DATABASE_URL"] ?? "", { wait: 0 });
const db = backstop(database);

const model = new ScriptedModel([
  [functionCall("backstop_query", { sql: "SELECT count(*)::int AS n FROM ts.orders" }, { callId: "call_1" })],
  [functionCall("backstop_query", { sql: "DELETE FROM ts.orders WHERE id > $1", params: [10] }, { callId: "call_2" })],
  [assistantMessage("That is all.")],
]);

setTracingDisabled(true);
const agent = new Agent({ name: "cleaner", instructions: "Keep the shop tidy.", model, tools: db.tools });
await inRun({ purpose: "clean up orders" }, async () => {
  let result = await run(agent, "Delete old orders.");
  while (result.interruptions.length > 0) {
    for (const item of result.interruptions) console.log(JSON.stringify({ event: "held", ticket: db.ticketOf(item) }));
    result = await run(agent, await db.settle(result));
  }
});
for (const { request } of model.calls) {
  const message = typeof request.input === "string" ? request.input : request.input.at(-1);
  console.log(JSON.stringify({ event: "model", message }));
}
await database.end();
