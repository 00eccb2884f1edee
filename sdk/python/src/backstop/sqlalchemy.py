"""SQLAlchemy 2: guard(engine) makes what Core, Session and their asyncio kind raise typed.

The error stays the DBAPIError that SQLAlchemy has made, and is one of Backstop's, too. Works over any
driver of SQLAlchemy for PostgreSQL, psycopg, psycopg2 and asyncpg among them.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from .claims import commented
from .errors import adopt

E = TypeVar("E", Engine, AsyncEngine)


class _Origin:
    """Where an error came from: the engine, and the connection whose transaction it may have left open."""

    def __init__(self, engine: Engine | None, connection: Connection | None) -> None:
        self.engine = engine
        self.connection = connection

    def busy(self) -> bool:
        c = self.connection
        return c is not None and not c.closed and c.in_transaction()

    def _backstop_channel(self) -> _Channel | None:
        usable = self.engine is not None and not self.engine.dialect.is_async
        return _Channel(self) if usable else None

    def _backstop_async_channel(self) -> _AsyncChannel | None:
        usable = self.engine is not None and self.engine.dialect.is_async
        return _AsyncChannel(self) if usable else None


class _Channel:
    """Asks on a connection of its own from the pool: the other may be somebody else's by now."""

    def __init__(self, origin: _Origin) -> None:
        assert origin.engine is not None
        self.origin = origin
        self.engine = origin.engine.execution_options(isolation_level="AUTOCOMMIT")

    def busy(self) -> bool:
        return self.origin.busy()

    def lost(self) -> bool:
        return False  # SQLAlchemy says so itself: connection_invalidated

    def roll_back(self) -> None:
        assert self.origin.connection is not None
        self.origin.connection.rollback()

    def beside(self) -> AbstractContextManager[Any]:
        return nullcontext(self.origin)

    def show(self, what: str) -> str:
        with self.engine.connect() as c:
            return str(c.exec_driver_sql("SHOW " + what).scalar_one())


class _AsyncChannel:
    def __init__(self, origin: _Origin) -> None:
        assert origin.engine is not None
        self.origin = origin
        self.engine = AsyncEngine(origin.engine.execution_options(isolation_level="AUTOCOMMIT"))

    def busy(self) -> bool:
        return self.origin.busy()

    def lost(self) -> bool:
        return False

    async def roll_back(self) -> None:
        raise NotImplementedError  # only what was idle when it was named is rolled back; see retry.py

    def beside(self) -> AbstractAsyncContextManager[Any]:
        return nullcontext(self.origin)

    async def show(self, what: str) -> str:
        async with self.engine.connect() as c:
            return str((await c.exec_driver_sql("SHOW " + what)).scalar_one())


def _on_error(context: ExceptionContext) -> None:
    error = context.sqlalchemy_exception
    if error is not None:
        adopt(error, _Origin(context.engine, context.connection))


def _on_execute(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> tuple[str, Any]:
    doubled = connection.dialect.paramstyle in ("format", "pyformat")
    plain = context is not None and context.execution_options.get("no_parameters", False) and not parameters
    return commented(statement, doubled and not plain), parameters


def guard(engine: E) -> E:
    """This very engine. Doing it again changes nothing."""
    sync = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if not event.contains(sync, "handle_error", _on_error):
        event.listen(sync, "handle_error", _on_error)
        event.listen(sync, "before_cursor_execute", _on_execute, retval=True)
    return engine
