// node parallel.mjs: a graph of LangGraph with two calls in one step, resumed before anybody has decided.
import { AIMessage } from "@langchain/core/messages";
import { fakeModel } from "@langchain/core/testing";
import { Command, END, interrupt, INTERRUPT, isInterrupted, MemorySaver, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { wait } from "backstop-sdk";
import { backstopTools } from "backstop-sdk/langchain";
import { pool } from "backstop-sdk/pg";
import { say } from "./drivers.mjs";

const database = pool(process.env["DATABASE_URL"] ?? "", { wait: 0 });
const tools = backstopTools(database, { interrupt });
const model = fakeModel()
  .respondWithTools([
    { name: "backstop_query", args: { sql: "INSERT INTO ts.log VALUES ('tidied')" }, id: "call_1" },
    { name: "backstop_query", args: { sql: "DELETE FROM ts.orders WHERE id > 60" }, id: "call_2" },
  ])
  .respond(new AIMessage("done"))
  .bindTools(tools);
const graph = new StateGraph(MessagesAnnotation)
  .addNode("agent", async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
  .addNode("tools", new ToolNode(tools))
  .addEdge(START, "agent")
  .addConditionalEdges("agent", toolsCondition, { tools: "tools", [END]: END })
  .addEdge("tools", "agent")
  .compile({ checkpointer: new MemorySaver() });

const thread = { configurable: { thread_id: "1" } };
let state = await graph.invoke({ messages: [{ role: "user", content: "go" }] }, thread);
for (let round = 0; isInterrupted(state); round++) {
  const { ticket } = /** @type {any} */ (state[INTERRUPT][0]?.value);
  say("held", { ticket });
  if (round > 0) await wait(database, ticket);
  state = await graph.invoke(new Command({ resume: true }), thread);
}
say("done", { last: state.messages.at(-1)?.content });
await database.end();
