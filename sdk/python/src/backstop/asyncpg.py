"""asyncpg: `Connection` is a `connection_class`, for asyncpg.connect() and create_pool()."""

from __future__ import annotations

import os.path
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from .channel import InTransactionError
from .claims import claims_of, commented, wait_setting
from .errors import adopt

# The coroutines of asyncpg's protocol object: all that goes over the wire, whoever asks for it
# (connections, prepared statements, cursors, transactions, COPY).
_CALLS = frozenset(
    "prepare bind_execute bind_execute_many bind execute query copy_in copy_out close_statement".split()  # noqa: SIM905
)


class _Waist:
    """The protocol object of a connection, with errors of the gateway made ours."""

    def __init__(self, protocol: Any, owner: Any) -> None:
        self._protocol = protocol
        self._owner = weakref.ref(owner)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._protocol, name)
        return self._adopting(found) if name in _CALLS else found

    def _adopting(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def ask(*args: Any, **more: Any) -> Any:
            try:
                return await call(*args, **more)
            except asyncpg.PostgresError as error:
                adopt(error, self._owner())
                raise

        return ask


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection of asyncpg, guarded."""

    __slots__ = ()

    def __init__(self, protocol: Any, *args: Any, **more: Any) -> None:
        super().__init__(protocol, *args, **more)
        self._protocol = _Waist(protocol, self)  # type: ignore[misc]

    def execute(self, query: str, *args: Any, **more: Any) -> Any:
        return super().execute(commented(query, False), *args, **more)

    def executemany(self, command: str, args: Any, **more: Any) -> Any:
        return super().executemany(commented(command, False), args, **more)

    def fetch(self, query: str, *args: Any, **more: Any) -> Any:
        return super().fetch(commented(query, False), *args, **more)

    def fetchval(self, query: str, *args: Any, **more: Any) -> Any:
        return super().fetchval(commented(query, False), *args, **more)

    def fetchrow(self, query: str, *args: Any, **more: Any) -> Any:
        return super().fetchrow(commented(query, False), *args, **more)

    def fetchmany(self, query: str, args: Any, **more: Any) -> Any:
        return super().fetchmany(commented(query, False), args, **more)

    def prepare(self, query: str, **more: Any) -> Any:
        return super().prepare(commented(query, False), **more)

    def cursor(self, query: str, *args: Any, **more: Any) -> Any:
        return super().cursor(commented(query, False), *args, **more)

    def _backstop_async_channel(self) -> _AsyncChannel:
        return _AsyncChannel(self)


class _AsyncChannel:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def busy(self) -> bool:
        return bool(self.connection.is_in_transaction())

    def lost(self) -> bool:
        return bool(self.connection.is_closed())

    async def roll_back(self) -> None:
        await self.connection.execute("ROLLBACK")

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[Any]:
        at, given = self.connection._addr, self.connection._params
        host, port = at if isinstance(at, tuple) else (os.path.dirname(at), int(at.rpartition(".")[2]))
        other = await connect(
            host=host,
            port=port,
            user=given.user,
            password=given.password,
            database=given.database,
            ssl=given.ssl or False,
            server_settings=given.server_settings,
        )
        try:
            yield other
        finally:
            await other.close()

    async def show(self, what: str) -> str:
        if self.busy():
            raise InTransactionError
        return str(await self.connection.fetchval("SHOW " + what))


async def connect(conninfo: str | None = None, **more: Any) -> Any:
    """As asyncpg.connect(); also takes run_id, purpose, parent and wait."""
    own = {name: more.pop(name, None) for name in ("run_id", "purpose", "parent")}
    settings = {**claims_of(**own).settings(), **wait_setting(more.pop("wait", None))}
    settings.update(more.pop("server_settings", None) or {})
    more.setdefault("connection_class", Connection)
    try:
        return await asyncpg.connect(conninfo or None, server_settings=settings or None, **more)
    except asyncpg.PostgresError as error:  # a pause counts for new logins, too
        adopt(error)
        raise


def guard(connection: Any) -> Any:
    """This very connection, guarded; one of a pool is guarded by `connection_class=` of the pool."""
    if type(connection) is asyncpg.Connection:
        connection.__class__ = Connection
        connection._protocol = _Waist(connection._protocol, connection)
    elif not isinstance(connection, Connection):
        raise TypeError("a connection of another class is guarded by connection_class=backstop.asyncpg.Connection")
    return connection
