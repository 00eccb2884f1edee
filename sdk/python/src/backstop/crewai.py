"""CrewAI: two tools. The model is told of a hold, waits by a tool, and asks again.

agent = Agent(role="dba", ..., tools=sql_tools(Database(os.environ["DATABASE_URL"])))

Neither tool's answers are cached: the same statement again is what an approval is for.
"""

from __future__ import annotations

from typing import Any

from crewai.tools import BaseTool
from pydantic import BaseModel, Field, PrivateAttr

from .tools import QUERY, WAIT, Database, text_of

__all__ = ["Database", "sql_tools"]


def _never(*_: Any) -> bool:
    return False


class _Sql(BaseModel):
    sql: str = Field(description="One statement.")


class _Ticket(BaseModel):
    ticket: str = Field(description="T-...")


class _Tool(BaseTool):  # type: ignore[misc]
    cache_function: Any = _never
    _database: Database = PrivateAttr()

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database


class QueryTool(_Tool):
    """Runs SQL."""

    name: str = "backstop_query"
    description: str = QUERY
    args_schema: type[BaseModel] = _Sql

    def _run(self, sql: str) -> str:
        return text_of(self._database.query(sql))


class WaitTool(_Tool):
    """Waits for a ticket."""

    name: str = "backstop_wait"
    description: str = WAIT
    args_schema: type[BaseModel] = _Ticket

    def _run(self, ticket: str) -> str:
        return text_of(self._database.wait(ticket))


def sql_tools(database: Database) -> list[BaseTool]:
    """The tools backstop_query and backstop_wait."""
    return [QueryTool(database), WaitTool(database)]
