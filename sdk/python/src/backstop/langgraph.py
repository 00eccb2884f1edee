"""LangChain and LangGraph: tools, and a node that interrupts the graph while a human decides.

    graph.add_node("tools", ToolNode(sql_tools(database)))
    graph.add_node("hold", hold_node(database))         # behind the tools, before the model
    agent = graph.compile(checkpointer=...)

    state = agent.invoke(...)                           # has "__interrupt__": a statement is held
    agent.invoke(Command(resume=True), config)          # later, from wherever the checkpoint is

The tools do not interrupt: a graph that resumes runs the interrupted node again from its start, with all calls
that were in it, and a ToolNode runs several at once. So what was sent is in the state before anybody is asked. The
node sends again what was held, each in a task of LangGraph, whose answer is in the checkpoint: it is not sent
twice. While nobody has decided the graph is interrupted again, and what was denied is not sent.

An agent without that node is told of the hold, and waits by the second tool.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.func import task
from langgraph.types import interrupt

from .tools import QUERY, WAIT, Database, Outcome, text_of

__all__ = ["Database", "hold_node", "sql_tools"]

_NAME = "backstop_query"


def sql_tools(database: Database) -> list[BaseTool]:
    """The tools backstop_query and backstop_wait; behind the node only the first is needed."""

    def backstop_query(sql: str) -> str:
        return text_of(database.query(sql))

    def backstop_wait(ticket: str) -> str:
        return text_of(database.wait(ticket))

    return [
        StructuredTool.from_function(backstop_query, name=_NAME, description=QUERY),
        StructuredTool.from_function(backstop_wait, description=WAIT),
    ]


def _outcome(message: ToolMessage) -> Outcome | None:
    """What a call of ours was answered, where that is a hold."""
    try:
        said = json.loads(str(message.content))
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("status") != "pending_approval" or "ticket" not in said:
        return None
    return cast(Outcome, said)


def _held(messages: list[Any]) -> list[tuple[ToolMessage, str, Outcome]]:
    """Of the model's last calls those that are held, each with its statement; in the order of the calls."""
    answers: dict[str, ToolMessage] = {}
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            found = [(answers.get(call["id"] or ""), call) for call in message.tool_calls if call["name"] == _NAME]
            held = [(m, str(call["args"].get("sql", "")), _outcome(m)) for m, call in found if m is not None]
            return [(m, sql, outcome) for m, sql, outcome in held if outcome is not None]
        if isinstance(message, ToolMessage):
            answers[message.tool_call_id] = message
    return []


def hold_node(database: Database) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """
    A node for a state with `messages`. Where statements are held it interrupts with
    {"held": [{"ticket": ..., "expires": ..., "sql": ...}]}; resumed, it sends those that are approved, and puts the
    outcomes in place of the tools' first answers. Whatever it is resumed with counts for nothing: what does is what
    an operator has decided at the gateway.
    """
    redeem: Any = task(name="backstop_redeem")(cast(Any, database.redeem))

    def hold(state: dict[str, Any]) -> dict[str, Any]:
        waiting = _held(state["messages"])
        answers: list[ToolMessage] = []
        while waiting:
            interrupt({"held": [{"sql": sql, **outcome} for _, sql, outcome in waiting]})
            still = []
            for message, sql, held in waiting:
                outcome: Outcome = redeem(sql, held["ticket"]).result()
                if outcome["status"] == "pending_approval":
                    still.append((message, sql, held))
                else:
                    answers.append(message.model_copy(update={"content": text_of(outcome)}))
            waiting = still
        return {"messages": answers}

    return hold
