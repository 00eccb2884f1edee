"""Run where LangGraph is: a graph that resumes sends again only what was held, beside other calls of the same node."""

import asyncio
import json
import os
import sys

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from backstop.langgraph import Database, hold_node, sql_tools

TEXTS = ("DELETE FROM py.orders", "INSERT INTO py.customers VALUES (99, 'x')", "SELECT 1 AS one",
         "DELETE FROM py.customers WHERE id < 5", "INSERT INTO py.customers VALUES (98, 'y')")


def model(state):
    if isinstance(state["messages"][-1], ToolMessage):
        return {"messages": [AIMessage("done")]}
    calls = [{"name": "backstop_query", "args": {"sql": sql}, "id": str(n)} for n, sql in enumerate(TEXTS)]
    return {"messages": [AIMessage("", tool_calls=calls)]}


def invoke(what):
    if sys.argv[1] == "async":
        return asyncio.run(agent.ainvoke(what, config))
    return agent.invoke(what, config)


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


database = Database(os.environ["DATABASE_URL"])
graph = StateGraph(MessagesState)
graph.add_node("model", model)
graph.add_node("tools", ToolNode(sql_tools(database)))
graph.add_node("hold", hold_node(database))
graph.add_edge(START, "model")
graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
graph.add_edge("tools", "hold")
graph.add_edge("hold", "model")
agent = graph.compile(checkpointer=InMemorySaver())
config = {"configurable": {"thread_id": "1"}}
state = invoke({"messages": [("user", "go")]})
while "__interrupt__" in state:
    say("held", held=state["__interrupt__"][0].value["held"])
    sys.stdin.readline()
    state = invoke(Command(resume=True))
answers = [json.loads(m.content) for m in state["messages"] if isinstance(m, ToolMessage)]
say("answer", answers=[a.get("command") or a["reason"] for a in answers])
