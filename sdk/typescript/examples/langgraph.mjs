// An agent as a graph of LangGraph that cleans up: DATABASE_URL=... node langgraph.mjs
//
// The model here is a scripted one, so that this runs anywhere; put yours in its place.
import { AIMessage } from "@langchain/core/messages";
import { fakeModel } from "@langchain/core/testing";
import { Command, END, interrupt, INTERRUPT, isInterrupted, MemorySaver, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { run, wait } from "backstop-sdk";
import { backstopTools } from "backstop-sdk/langchain";
import { pool } from "backstop-sdk/pg";

const database = pool(process.env["DATABASE_URL"] ?? "", { wait: 0 });
const tools = backstopTools(database, { interrupt });

const script = fakeModel()
  .respondWithTools([{ name: "backstop_query", args: { sql: "SELECT count(*)::int AS n FROM ts.orders" }, id: "call_1" }])
  .respondWithTools([{ name: "backstop_query", args: { sql: "DELETE FROM ts.orders WHERE id > $1", params: [10] }, id: "call_2" }])
  .respond(new AIMessage("That is all."));
const model = script.bindTools(tools);

const graph = new StateGraph(MessagesAnnotation)
  .addNode("agent", async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
  .addNode("tools", new ToolNode(tools))
  .addEdge(START, "agent")
  .addConditionalEdges("agent", toolsCondition, { tools: "tools", [END]: END })
  .addEdge("tools", "agent")
  .compile({ checkpointer: new MemorySaver() });

const thread = { configurable: { thread_id: "1" } };
await run({ purpose: "clean up orders" }, async () => {
  let state = await graph.invoke({ messages: [{ role: "user", content: "Delete old orders." }] }, thread);
  while (isInterrupted(state)) {
    const { ticket } = /** @type {import("backstop-sdk/langchain").HeldInterrupt} */ (state[INTERRUPT][0]?.value);
    console.log(JSON.stringify({ event: "held", ticket }));
    await wait(database, ticket);
    state = await graph.invoke(new Command({ resume: true }), thread);
  }
});
for (const { messages } of script.calls) {
  console.log(JSON.stringify({ event: "model", message: messages.at(-1)?.content }));
}
await database.end();
