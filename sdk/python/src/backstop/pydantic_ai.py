"""Pydantic AI: a tool whose call is deferred while a human decides.

agent = Agent(model, tools=[sql_tool(database)], output_type=[str, DeferredToolRequests])
result = agent.run_sync("...")
while isinstance(result.output, DeferredToolRequests):
    results = redeem(database, result.output, timeout=300)
    result = agent.run_sync(message_history=result.all_messages(), deferred_tool_results=results)
"""

from __future__ import annotations

import time
from typing import Any

from pydantic_ai import CallDeferred, DeferredToolRequests, DeferredToolResults, Tool

from .tools import QUERY, Database, Outcome

__all__ = ["Database", "redeem", "sql_tool"]


def sql_tool(database: Database, *, name: str = "backstop_query", description: str = QUERY) -> Tool[Any]:
    """Raises CallDeferred while a statement is held; metadata has the ticket."""

    def backstop_query(sql: str) -> dict[str, Any]:
        outcome = database.query(sql)
        if outcome["status"] == "pending_approval":
            raise CallDeferred(metadata={"sql": sql, **outcome})
        return dict(outcome)

    return Tool(backstop_query, name=name, description=description, takes_ctx=False)


def redeem(database: Database, requests: DeferredToolRequests, timeout: float = 300.0) -> DeferredToolResults:
    """Waits until what is deferred is decided and sends what was approved. What is still held then says so."""
    end = time.monotonic() + timeout
    results = DeferredToolResults()
    for call in requests.calls:
        held = requests.metadata.get(call.tool_call_id, {})
        if "ticket" not in held:
            continue  # of another tool
        outcome: Outcome = database.wait(held["ticket"], max(0.0, end - time.monotonic()))
        if outcome["status"] == "approved":
            outcome = database.query(held["sql"])
        results.calls[call.tool_call_id] = dict(outcome)
    return results
