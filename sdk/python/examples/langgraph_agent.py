"""A graph that is interrupted while a human decides. Needs backstop-sdk[langgraph] and DATABASE_URL."""

import itertools
import json

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command
from telling import DATABASE_URL, TASK, next_step, tell

from backstop.langgraph import Database, hold_node, sql_tools

database = Database(DATABASE_URL, purpose=TASK)
ids = itertools.count(1)


def model(state):
    """In place of a chat model with the tool bound to it."""
    answers = [json.loads(m.content) for m in state["messages"] if isinstance(m, ToolMessage)]
    what, argument = next_step(answers)
    if what == "answer":
        return {"messages": [AIMessage(argument)]}
    call = {"name": what, "args": {"sql": argument}, "id": f"call-{next(ids)}"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


graph = StateGraph(MessagesState)
graph.add_node("model", model)
graph.add_node("tools", ToolNode(sql_tools(database)))
graph.add_node("hold", hold_node(database))
graph.add_edge(START, "model")
graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
graph.add_edge("tools", "hold")
graph.add_edge("hold", "model")
agent = graph.compile(checkpointer=InMemorySaver())  # one on disk outlives the program

config = {"configurable": {"thread_id": "1"}}
state = agent.invoke({"messages": [("user", TASK)]}, config)
while "__interrupt__" in state:
    for held in state["__interrupt__"][0].value["held"]:
        tell("held", ticket=held["ticket"])
        database.wait(held["ticket"])  # or end here, and come back when there is news
    state = agent.invoke(Command(resume=True), config)
tell("answer", text=state["messages"][-1].content)
