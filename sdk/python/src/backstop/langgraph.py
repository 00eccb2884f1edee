"""LangChain and LangGraph: a tool that interrupts its graph while a human decides.

    graph = ...ToolNode([sql_tool(database)])...compile(checkpointer=...)
    state = graph.invoke(...)             # has "__interrupt__": a statement is held
    graph.invoke(Command(resume=True), config)      # later, from wherever the checkpoint is

A graph that resumes runs its node again from the start. So what was sent is a task of LangGraph, whose answer is
in the checkpoint: it is not sent twice, whatever else the node does. On resuming, the ticket is looked at first;
while nobody has decided, the graph is interrupted again, and what was denied is not sent again.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.tools import BaseTool, StructuredTool
from langgraph.func import task
from langgraph.types import interrupt

from .tools import QUERY, WAIT, Database, Outcome, text_of

__all__ = ["Database", "sql_tool", "sql_tools"]


def sql_tool(database: Database, *, name: str = "backstop_query", description: str = QUERY) -> BaseTool:
    """For graphs with a checkpointer: interrupts with {"ticket": ..., "expires": ..., ...} while it is held."""

    send: Any = task(name=f"{name}_send")(cast(Any, database.query))
    redeem: Any = task(name=f"{name}_redeem")(cast(Any, database.redeem))

    def backstop_query(sql: str) -> str:
        outcome: Outcome = send(sql).result()
        while outcome["status"] == "pending_approval" and "ticket" in outcome:
            interrupt(outcome)
            outcome = redeem(sql, outcome["ticket"]).result()
        return text_of(outcome)

    return StructuredTool.from_function(backstop_query, name=name, description=description)


def sql_tools(database: Database) -> list[BaseTool]:
    """For agents without a checkpointer: the model is told of the hold, waits by a tool, and asks again."""

    def backstop_query(sql: str) -> str:
        return text_of(database.query(sql))

    def backstop_wait(ticket: str) -> str:
        return text_of(database.wait(ticket))

    tools: list[Any] = [(backstop_query, QUERY), (backstop_wait, WAIT)]
    return [StructuredTool.from_function(call, description=text) for call, text in tools]
