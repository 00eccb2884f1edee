"""How this package speaks to the gateway itself on what its users gave it: a connection or an engine.

Each driver's module has one of these. They are found by a method, so that no driver is imported that is
not used.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol


class Channel(Protocol):
    """A way to the gateway, for synchronous drivers."""

    def busy(self) -> bool:
        """A transaction is open on it, or has failed and is not rolled back."""
        ...

    def lost(self) -> bool:
        """The connection is gone."""
        ...

    def roll_back(self) -> None: ...

    def beside(self) -> AbstractContextManager[Any]:
        """What to ask on where this one may be somebody else's by now: back in a pool, in another thread."""
        ...

    def show(self, what: str) -> str:
        """The answer of SHOW `what`, outside of any transaction."""
        ...


class AsyncChannel(Protocol):
    """The same, for asynchronous ones."""

    def busy(self) -> bool: ...

    def lost(self) -> bool: ...

    async def roll_back(self) -> None: ...

    def beside(self) -> AbstractAsyncContextManager[Any]: ...

    async def show(self, what: str) -> str: ...


class InTransactionError(RuntimeError):
    """What was asked for is not done inside of a transaction."""

    def __init__(self) -> None:
        super().__init__("a transaction is open on this connection: end it first, or use another connection")


def _find(of: object, name: str) -> Any:
    maker = getattr(of, name, None)
    if maker is not None:
        return maker()
    cursors = getattr(of, "cursor_factory", None)  # a connection of psycopg2 takes no attributes
    maker = getattr(cursors, name + "_of", None)
    return None if maker is None else maker(of)


def find_channel(of: object) -> Channel | None:
    found: Channel | None = _find(of, "_backstop_channel")
    return found


def find_async_channel(of: object) -> AsyncChannel | None:
    found: AsyncChannel | None = _find(of, "_backstop_async_channel")
    return found


def channel(of: object) -> Channel:
    found = find_channel(of)
    if found is None:
        raise TypeError(f"{type(of).__name__} is no guarded synchronous connection: see backstop.guard()")
    return found


def async_channel(of: object) -> AsyncChannel:
    found = find_async_channel(of)
    if found is None:
        raise TypeError(f"{type(of).__name__} is no guarded asynchronous connection: see backstop.guard()")
    return found
