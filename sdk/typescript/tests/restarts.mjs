// node restarts.mjs: what the AI SDK was told survives the process that told it; only the messages are kept.
import { generateText, stepCountIs } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { backstop } from "backstop-sdk/ai";
import { pool } from "backstop-sdk/pg";
import { say } from "./drivers.mjs";

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const call = { type: "tool-call", toolCallId: "call_1", toolName: "backstop_query", input: JSON.stringify({ sql: "DELETE FROM ts.orders WHERE id > 50" }) };
const script = [
  { content: [call], finishReason: { unified: "tool-calls" }, usage, warnings: [] },
  { content: [{ type: "text", text: "done" }], finishReason: { unified: "stop" }, usage, warnings: [] },
];
const model = new MockLanguageModelV4({ doGenerate: async () => /** @type {any} */ (script.shift()) });
const database = pool(process.env["DATABASE_URL"] ?? "", { wait: 0 });

const before = backstop(database);
/** @type {import("ai").ModelMessage[]} */
let messages = [{ role: "user", content: "go" }];
const asked = await generateText({ model, ...before, messages, stopWhen: stepCountIs(3) });
say("held", { ticket: /** @type {any} */ (asked.content.find((part) => part.type === "tool-approval-request")).reason });
messages = JSON.parse(JSON.stringify([...messages, ...asked.responseMessages]));

const after = backstop(database);
messages.push(...(await after.decisions(JSON.parse(JSON.stringify({ content: asked.content })))));
const { responseMessages } = await generateText({ model, ...after, messages, stopWhen: stepCountIs(3) });
say("result", { result: /** @type {any} */ (responseMessages[0])?.content[0].output });
await database.end();
