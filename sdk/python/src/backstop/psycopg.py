"""psycopg 3: `Connection` and `AsyncConnection`, for psycopg's own pools as well (`connection_class=`)."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict

from .channel import InTransactionError, find_async_channel, find_channel
from .claims import claims_of, comment_of_run, commented, options, wait_setting
from .errors import adopt


def _commented(query: Any, percent: bool) -> Any:
    """A query of any of psycopg's types, with the claims of the run around."""
    if isinstance(query, str):
        return commented(query, percent)
    if isinstance(query, bytes):
        return commented(query.decode("utf-8", "surrogateescape"), percent).encode("utf-8", "surrogateescape")
    if isinstance(query, sql.Composable):
        comment: Any = comment_of_run(percent)
        return sql.Composed([query, sql.SQL(" " + comment)]) if comment else query
    return query


@functools.cache
def _commenting(cls: Any) -> Any:
    """The cursor class with all ways that SQL goes in commented. What comes back, awaited or not, is its own."""

    class Commenting(cls):  # type: ignore[misc]
        _backstop_comments = True

        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            return super().execute(_commented(query, params is not None), params, **more)

        def executemany(self, query: Any, params_seq: Any, **more: Any) -> Any:
            return super().executemany(_commented(query, True), params_seq, **more)

        def stream(self, query: Any, params: Any = None, **more: Any) -> Any:
            return super().stream(_commented(query, params is not None), params, **more)

        def copy(self, statement: Any, params: Any = None, **more: Any) -> Any:
            return super().copy(_commented(statement, params is not None), params, **more)

    Commenting.__name__, Commenting.__qualname__ = cls.__name__, cls.__qualname__
    return cls if getattr(cls, "_backstop_comments", False) else Commenting


@functools.cache
def _guarded(cls: Any) -> Any:
    """
    The connection class, guarded. It has that one as its only base: a connection that is open could not get
    it as its class otherwise.
    """

    class Guarded(cls):  # type: ignore[misc]
        def __setattr__(self, name: str, value: Any) -> None:
            if name in ("cursor_factory", "server_cursor_factory"):
                value = _commenting(value)
            super().__setattr__(name, value)

        def _busy(self) -> bool:
            status = self.info.transaction_status
            return bool(status != pq.TransactionStatus.IDLE)

    class Sync(Guarded):
        def wait(self, *args: Any, **more: Any) -> Any:
            """All that goes over the wire goes through here: cursors, COMMIT, COPY, pipelines."""
            try:
                return super().wait(*args, **more)
            except psycopg.Error as error:
                adopt(error, self, self.closed)
                raise

        def _backstop_channel(self) -> _Channel:
            return _Channel(self)

    class Async(Guarded):
        async def wait(self, *args: Any, **more: Any) -> Any:
            try:
                return await super().wait(*args, **more)
            except psycopg.Error as error:
                adopt(error, self, self.closed)
                raise

        def _backstop_async_channel(self) -> _AsyncChannel:
            return _AsyncChannel(self)

    made = Async if issubclass(cls, psycopg.AsyncConnection) else Sync
    made.__name__, made.__qualname__ = cls.__name__, cls.__qualname__
    return made


def _text(result: Any) -> str:
    """Of the one column of the one row."""
    return str(result.get_value(0, 0).decode())


class _Channel:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def busy(self) -> bool:
        return bool(self.connection._busy())

    def lost(self) -> bool:
        return bool(self.connection.closed)

    def roll_back(self) -> None:
        self.connection.rollback()

    def beside(self) -> AbstractContextManager[Any]:
        info = self.connection.info
        made: AbstractContextManager[Any] = Connection.connect(
            info.dsn, password=info.password or None, autocommit=True
        )
        return made

    def show(self, what: str) -> str:
        c = self.connection
        with c.lock:
            if c._busy():
                raise InTransactionError
            # As the driver sends COMMIT: its BEGIN does not come first, and another thread's still does.
            return _text(c.wait(c._exec_command("SHOW " + what)))


class _AsyncChannel:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def busy(self) -> bool:
        return bool(self.connection._busy())

    def lost(self) -> bool:
        return bool(self.connection.closed)

    async def roll_back(self) -> None:
        await self.connection.rollback()

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[Any]:
        info = self.connection.info
        async with await AsyncConnection.connect(info.dsn, password=info.password or None, autocommit=True) as other:
            yield other

    async def show(self, what: str) -> str:
        c = self.connection
        async with c.lock:
            if c._busy():
                raise InTransactionError
            return _text(await c.wait(c._exec_command("SHOW " + what)))


def _parameters(conninfo: str, given: dict[str, Any]) -> dict[str, Any]:
    """The start-up options of the run around, behind those that are there."""
    own = {name: given.pop(name, None) for name in ("run_id", "purpose", "parent")}
    settings = {**claims_of(**own).settings(), **wait_setting(given.pop("wait", None))}
    before = given.get("options") or conninfo_to_dict(conninfo).get("options")
    made = options(settings, None if before is None else str(before)) if settings else before
    return given if made is None else {**given, "options": made}


_Base: Any = _guarded(psycopg.Connection)
_AsyncBase: Any = _guarded(psycopg.AsyncConnection)


class Connection(_Base):  # type: ignore[misc]
    """A connection of psycopg, guarded."""

    @classmethod
    def connect(cls, conninfo: str = "", **more: Any) -> Any:
        """As psycopg's own; also takes run_id, purpose, parent and wait."""
        try:
            return super().connect(conninfo, **_parameters(conninfo, more))
        except psycopg.Error as error:  # a pause counts for new logins, too
            adopt(error)
            raise


class AsyncConnection(_AsyncBase):  # type: ignore[misc]
    """The same, for asyncio."""

    @classmethod
    async def connect(cls, conninfo: str = "", **more: Any) -> Any:
        """As psycopg's own; also takes run_id, purpose, parent and wait."""
        try:
            return await super().connect(conninfo, **_parameters(conninfo, more))
        except psycopg.Error as error:
            adopt(error)
            raise


def guard(connection: Any) -> Any:
    """This very connection, guarded; its class is from now on a subclass of what it was."""
    if find_channel(connection) is None and find_async_channel(connection) is None:
        cls: Any = type(connection)
        connection.__class__ = _guarded(cls)
        for name in ("cursor_factory", "server_cursor_factory"):
            setattr(connection, name, getattr(connection, name))
    return connection
