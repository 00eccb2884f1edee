"""OpenAI Agents SDK: two function tools. The model is told of a hold, waits by a tool, and asks again.

agent = Agent(name="dba", tools=sql_tools(Database(os.environ["DATABASE_URL"])))
"""

from __future__ import annotations

import asyncio

from agents import Tool, function_tool

from .tools import QUERY, WAIT, Database, text_of

__all__ = ["Database", "sql_tools"]


def sql_tools(database: Database) -> list[Tool]:
    """The tools backstop_query and backstop_wait."""

    @function_tool(name_override="backstop_query", description_override=QUERY)
    async def query(sql: str) -> str:
        return text_of(await asyncio.to_thread(database.query, sql))

    @function_tool(name_override="backstop_wait", description_override=WAIT)
    async def wait(ticket: str) -> str:
        return text_of(await asyncio.to_thread(database.wait, ticket))

    return [query, wait]
