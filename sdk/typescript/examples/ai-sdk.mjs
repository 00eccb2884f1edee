// An agent of the Vercel AI SDK that cleans up: DATABASE_URL=... node ai-sdk.mjs
//
// The model here is a scripted one, so that this runs anywhere; put yours in its place.
import { generateText, stepCountIs } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { run } from "backstop-sdk";
import { backstop } from "backstop-sdk/ai";
import { pool } from "backstop-sdk/pg";

const database = pool(process.env["DATABASE_URL"] ?? "", { wait: 0 });
const db = backstop(database);

/** @type {(content: any[], finish: "tool-calls" | "stop") => any} */
const says = (content, finish) => ({
  content,
  finishReason: { unified: finish, raw: finish },
  usage: { inputTokens: { total: 1, noCache: 1 }, outputTokens: { total: 1, text: 1 } },
  warnings: [],
});
const calls = (/** @type {string} */ id, /** @type {object} */ input) =>
  says([{ type: "tool-call", toolCallId: id, toolName: "backstop_query", input: JSON.stringify(input) }], "tool-calls");
const script = [
  calls("call_1", { sql: "SELECT count(*)::int AS n FROM ts.orders" }),
  calls("call_2", { sql: "DELETE FROM ts.orders WHERE id > $1", params: [10] }),
  says([{ type: "text", text: "That is all." }], "stop"),
];
/** @type {any[]} */
const seen = [];
const model = new MockLanguageModelV4({
  doGenerate: async ({ prompt }) => {
    seen.push(prompt.at(-1));
    return /** @type {any} */ (script.shift());
  },
});

/** @type {import("ai").ModelMessage[]} */
const messages = [{ role: "user", content: "Delete old orders." }];
await run({ purpose: "clean up orders" }, async () => {
  for (;;) {
    const { tools, toolApproval } = db;
    const result = await generateText({ model, tools, toolApproval, messages, stopWhen: stepCountIs(5) });
    messages.push(...result.responseMessages);
    for (const part of result.content) {
      if (part.type === "tool-approval-request") console.log(JSON.stringify({ event: "held", ticket: part.reason }));
    }
    const decided = await db.decisions(result);
    if (decided.length === 0) break;
    messages.push(...decided);
  }
});
for (const message of seen) console.log(JSON.stringify({ event: "model", message }));
await database.end();
