"""connect() and guard(): the two ways in."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

if TYPE_CHECKING:
    import asyncpg
    import psycopg
    from psycopg.rows import TupleRow

C = TypeVar("C")
Wait = float | timedelta | None


@overload
def connect(
    conninfo: str = "",
    *,
    driver: Literal["psycopg"] = "psycopg",
    run_id: str | None = None,
    purpose: str | None = None,
    parent: str | None = None,
    wait: Wait = None,
    **more: Any,
) -> psycopg.Connection[TupleRow]: ...


@overload
def connect(
    conninfo: str = "",
    *,
    driver: Literal["psycopg2"],
    run_id: str | None = None,
    purpose: str | None = None,
    parent: str | None = None,
    wait: Wait = None,
    **more: Any,
) -> Any: ...


@overload
def connect(
    conninfo: str = "",
    *,
    driver: Literal["asyncpg"],
    run_id: str | None = None,
    purpose: str | None = None,
    parent: str | None = None,
    wait: Wait = None,
    **more: Any,
) -> Awaitable[asyncpg.Connection]: ...


def connect(
    conninfo: str = "",
    *,
    driver: Literal["psycopg", "psycopg2", "asyncpg"] = "psycopg",
    run_id: str | None = None,
    purpose: str | None = None,
    parent: str | None = None,
    wait: Wait = None,
    **more: Any,
) -> Any:
    """
    Connect to the gateway: the driver's own connection, whose errors of the gateway are typed.

    conninfo  as the driver takes it: a connection string, or a URL (asyncpg: a URL only)
    run_id, purpose, parent  said to who approves; else those of the run around
    wait      seconds that a held statement waits before Held, at most what the gateway allows
    more      goes to the driver
    """
    if driver not in ("psycopg", "psycopg2", "asyncpg"):
        raise ValueError(f"unknown driver {driver!r}: psycopg, psycopg2 or asyncpg")
    more.update(run_id=run_id, purpose=purpose, parent=parent, wait=wait)
    if driver == "psycopg2":
        from . import psycopg2 as two

        return two.connect(conninfo, **more)
    if driver == "asyncpg":
        from . import asyncpg as apg

        return apg.connect(conninfo, **more)
    from . import psycopg as three

    return three.Connection.connect(conninfo, **more)


async def connect_async(
    conninfo: str = "",
    *,
    driver: Literal["psycopg", "asyncpg"] = "psycopg",
    run_id: str | None = None,
    purpose: str | None = None,
    parent: str | None = None,
    wait: Wait = None,
    **more: Any,
) -> Any:
    """As connect(), for asyncio: an AsyncConnection of psycopg, or a connection of asyncpg."""
    if driver not in ("psycopg", "asyncpg"):
        raise ValueError(f"unknown asynchronous driver {driver!r}: psycopg or asyncpg")
    more.update(run_id=run_id, purpose=purpose, parent=parent, wait=wait)
    if driver == "asyncpg":
        from . import asyncpg as apg

        return await apg.connect(conninfo, **more)
    from . import psycopg as three

    return await three.AsyncConnection.connect(conninfo, **more)


def _is_of(connection: object, module: str, *names: str) -> bool:
    """Whether it is of one of these classes; the driver of a connection is loaded already."""
    found = sys.modules.get(module)
    return found is not None and isinstance(connection, tuple(getattr(found, name) for name in names))


def guard(connection: C) -> C:
    """
    Make the errors of the gateway typed on a connection that is open, and add the claims of the run around
    to its statements. The very same connection comes back. Also takes an engine of SQLAlchemy.
    """
    given: Any = connection
    made: Any
    if _is_of(connection, "psycopg", "Connection", "AsyncConnection"):
        from . import psycopg as three

        made = three.guard(connection)
    elif _is_of(connection, "psycopg2.extensions", "connection"):
        from . import psycopg2 as two

        made = two.guard(connection)
    elif _is_of(connection, "asyncpg", "Connection"):
        from . import asyncpg as apg

        made = apg.guard(connection)
    elif _is_of(connection, "sqlalchemy", "Engine") or _is_of(connection, "sqlalchemy.ext.asyncio", "AsyncEngine"):
        from . import sqlalchemy as alchemy

        made = alchemy.guard(given)
    else:
        raise TypeError(f"{type(connection).__name__} is no connection that is known here")
    guarded: C = made
    return guarded
