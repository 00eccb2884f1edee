"""Run where LangGraph is: a graph that resumes sends again only what was held, also beside other calls of its node."""

import asyncio
import json
import os
import sys

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from backstop.langgraph import Database, sql_tool

TEXTS = ("INSERT INTO py.customers VALUES (99, 'x')", "DELETE FROM py.orders")


def model(state):
    if isinstance(state["messages"][-1], ToolMessage):
        return {"messages": [AIMessage("done")]}
    calls = [{"name": "backstop_query", "args": {"sql": sql}, "id": str(n)} for n, sql in enumerate(TEXTS)]
    return {"messages": [AIMessage("", tool_calls=calls)]}


database = Database(os.environ["DATABASE_URL"])
graph = StateGraph(MessagesState)
graph.add_node("model", model)
graph.add_node("tools", ToolNode([sql_tool(database)]))
graph.add_edge(START, "model")
graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
graph.add_edge("tools", "model")
agent = graph.compile(checkpointer=InMemorySaver())
config = {"configurable": {"thread_id": "1"}}


def invoke(what):
    if sys.argv[1] == "async":
        return asyncio.run(agent.ainvoke(what, config))
    return agent.invoke(what, config)


state = invoke({"messages": [("user", "go")]})
rounds = 0
while "__interrupt__" in state:
    rounds += 1
    ticket = state["__interrupt__"][0].value["ticket"]
    if rounds == 1:
        print(json.dumps({"event": "held", "ticket": ticket}), flush=True)
    else:  # the first time it resumes although nobody has decided
        database.wait(ticket)
    state = invoke(Command(resume=True))
answers = [json.loads(m.content) for m in state["messages"] if isinstance(m, ToolMessage)]
print(json.dumps({"event": "answer", "rounds": rounds, "answers": [a["command"] for a in answers]}), flush=True)
