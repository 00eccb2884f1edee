"""psycopg2: `Connection` is a `connection_factory`, for pools and for psycopg2.connect() itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions

from .channel import InTransactionError
from .claims import claims_of, commented, options, wait_setting
from .errors import adopt

T = TypeVar("T")


def _adopting(owner: Any, call: Callable[..., T], *args: Any, **more: Any) -> T:
    try:
        return call(*args, **more)
    except psycopg2.Error as error:
        adopt(error, owner, owner is not None and bool(owner.closed))
        raise


def _commented(query: Any, percent: bool, cursor: Any) -> Any:
    if isinstance(query, str):
        return commented(query, percent)
    if isinstance(query, bytes):
        return commented(query.decode("utf-8", "surrogateescape"), percent).encode("utf-8", "surrogateescape")
    as_string = getattr(query, "as_string", None)  # psycopg2.sql
    return query if as_string is None else commented(as_string(cursor), percent)


class _Cursor:
    """Of any cursor class: every call that goes over the wire."""

    @staticmethod
    def _backstop_channel_of(connection: Any) -> _Channel:
        return _Channel(connection)

    def _owner(self) -> Any:
        return self.connection  # type: ignore[attr-defined]

    def execute(self, query: Any, vars: Any = None) -> Any:
        query = _commented(query, vars is not None, self)
        return _adopting(self._owner(), super().execute, query, vars)  # type: ignore[misc]

    def executemany(self, query: Any, vars_list: Any) -> Any:
        return _adopting(self._owner(), super().executemany, _commented(query, True, self), vars_list)  # type: ignore[misc]

    def callproc(self, *args: Any, **more: Any) -> Any:
        return _adopting(self._owner(), super().callproc, *args, **more)  # type: ignore[misc]

    def copy_expert(self, sql: Any, *args: Any, **more: Any) -> Any:
        return _adopting(self._owner(), super().copy_expert, _commented(sql, False, self), *args, **more)  # type: ignore[misc]

    def copy_from(self, *args: Any, **more: Any) -> Any:
        return _adopting(self._owner(), super().copy_from, *args, **more)  # type: ignore[misc]

    def copy_to(self, *args: Any, **more: Any) -> Any:
        return _adopting(self._owner(), super().copy_to, *args, **more)  # type: ignore[misc]

    def fetchone(self) -> Any:  # named cursors ask the server
        return _adopting(self._owner(), super().fetchone)  # type: ignore[misc]

    def fetchmany(self, *args: Any, **more: Any) -> Any:
        return _adopting(self._owner(), super().fetchmany, *args, **more)  # type: ignore[misc]

    def fetchall(self) -> Any:
        return _adopting(self._owner(), super().fetchall)  # type: ignore[misc]

    def scroll(self, *args: Any, **more: Any) -> Any:
        return _adopting(self._owner(), super().scroll, *args, **more)  # type: ignore[misc]

    def __next__(self) -> Any:
        return _adopting(self._owner(), super().__next__)  # type: ignore[misc]


@functools.cache
def _guarded(cls: Any) -> Any:
    """The cursor class, guarded."""
    return cls if issubclass(cls, _Cursor) else type(cls.__name__, (_Cursor, cls), {"__module__": __name__})


class Connection(psycopg2.extensions.connection):  # type: ignore[misc]
    """A connection of psycopg2, guarded."""

    def cursor(self, *args: Any, **more: Any) -> Any:
        factory = more.pop("cursor_factory", None) or self.cursor_factory or psycopg2.extensions.cursor
        return _adopting(self, super().cursor, *args, cursor_factory=_guarded(factory), **more)

    def commit(self) -> None:
        _adopting(self, super().commit)

    def rollback(self) -> None:
        _adopting(self, super().rollback)

    def _backstop_channel(self) -> _Channel:
        return _Channel(self)


class _Channel:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def busy(self) -> bool:
        idle = psycopg2.extensions.TRANSACTION_STATUS_IDLE
        return bool(self.connection.info.transaction_status != idle)

    def lost(self) -> bool:
        return bool(self.connection.closed)

    def roll_back(self) -> None:
        self.connection.rollback()

    def beside(self) -> AbstractContextManager[Any]:
        info = self.connection.info
        return closing(connect("", **info.dsn_parameters, password=info.password))

    def show(self, what: str) -> str:
        c = self.connection
        if self.busy():
            raise InTransactionError
        before = c.autocommit
        c.autocommit = True
        try:
            with c.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
                cursor.execute("SHOW " + what)
                return str(cursor.fetchone()[0])
        finally:
            if not c.closed:
                c.autocommit = before


def connect(conninfo: str = "", **more: Any) -> Any:
    """As psycopg2.connect(); also takes run_id, purpose, parent and wait."""
    own = {name: more.pop(name, None) for name in ("run_id", "purpose", "parent")}
    settings = {**claims_of(**own).settings(), **wait_setting(more.pop("wait", None))}
    before = more.get("options") or (psycopg2.extensions.parse_dsn(conninfo) if conninfo else {}).get("options")
    made = options(settings, before) if settings else before
    if made is not None:
        more["options"] = made
    more.setdefault("connection_factory", Connection)
    return _adopting(None, psycopg2.connect, conninfo or None, **more)


def guard(connection: Any) -> Any:
    """
    This very connection, whose cursors are guarded from now on. psycopg2 lets nobody replace commit() of a
    connection that is open: what COMMIT says is decoded there by decode(), or opened by connect().
    """
    if not isinstance(connection, Connection):
        connection.cursor_factory = _guarded(connection.cursor_factory or psycopg2.extensions.cursor)
    return connection
