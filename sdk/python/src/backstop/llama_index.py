"""LlamaIndex: two function tools. The model is told of a hold, waits by a tool, and asks again.

agent = FunctionAgent(tools=sql_tools(Database(os.environ["DATABASE_URL"])), llm=llm)
"""

from __future__ import annotations

import asyncio

from llama_index.core.tools import FunctionTool

from .tools import QUERY, WAIT, Database, text_of

__all__ = ["Database", "sql_tools"]


def sql_tools(database: Database) -> list[FunctionTool]:
    """The tools backstop_query and backstop_wait."""

    def backstop_query(sql: str) -> str:
        return text_of(database.query(sql))

    async def abackstop_query(sql: str) -> str:
        return await asyncio.to_thread(backstop_query, sql)

    def backstop_wait(ticket: str) -> str:
        return text_of(database.wait(ticket))

    async def abackstop_wait(ticket: str) -> str:
        return await asyncio.to_thread(backstop_wait, ticket)

    return [
        FunctionTool.from_defaults(backstop_query, description=QUERY, async_fn=abackstop_query),
        FunctionTool.from_defaults(backstop_wait, description=WAIT, async_fn=abackstop_wait),
    ]
