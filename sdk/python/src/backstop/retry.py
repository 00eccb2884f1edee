"""Sending again what was held, once an operator has approved it - and nothing else.

What is sent again is always a whole transaction. A statement that was held alone is one. Where a
transaction is still open after the hold, it is not known here who began it and what ran in it before, so
the hold goes to the caller - but for a connection that was named and idle when the attempt began: all
that is open on it then is of that attempt.

Sent again is only what was held: it has not run. Whatever else an attempt ends with goes to the caller.
If an approved statement was sent and the connection is lost, it may have run: that is `Uncertain`.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import nullcontext
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast, overload

from .channel import AsyncChannel, Channel, find_async_channel, find_channel
from .errors import BackstopError, Denied, Expired, Held, Refusal, Uncertain, become
from .tickets import Ticket, await_ticket, wait

P = ParamSpec("P")
R = TypeVar("R")

_SAME_TICKET_MAX = 3  # times that one ticket may come back: approved, but not for this session, say
_ENDS: dict[str, type[BackstopError]] = {"denied": Denied, "expired": Expired, "uncertain": Uncertain}


def _lost(error: BaseException, channel: Channel | AsyncChannel | None) -> bool:
    """The connection is gone, so nobody knows what became of what was sent on it."""
    if isinstance(error, OSError) or any(getattr(error, said, False) for said in ("connection_invalidated", "_lost")):
        return True
    sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return (isinstance(sqlstate, str) and sqlstate.startswith("08")) or (channel is not None and channel.lost())


class _State:
    """What has been held so far in one call."""

    def __init__(self, policy: Retrying, given: tuple[Any, ...]) -> None:
        self.policy = policy
        self.end = None if policy.timeout is None else time.monotonic() + policy.timeout
        self.times: dict[str, int] = {}
        self.named = given
        self.idle = [of for of in given if self._is_idle(of)]
        self.last: Held | None = None

    @staticmethod
    def _is_idle(of: object) -> bool:
        found = find_channel(of) or find_async_channel(of)
        return found is not None and not found.busy()

    def left(self) -> float | None:
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def is_named(self, origin: object) -> bool:
        """It stays with this call while it waits. Any other may be back in its pool, and be used by another thread."""
        return any(of is origin for of in self.named)

    def may_wait(self, held: Held, channel: Channel | AsyncChannel | None) -> str:
        """The ticket to wait for; raises the hold where it is not to be waited for."""
        ticket = held.ticket
        if ticket is None or channel is None or held.retry == "never":
            raise held
        self.times[ticket] = self.times.get(ticket, 0) + 1
        if self.times[ticket] > _SAME_TICKET_MAX or len(self.times) > self.policy.max_tickets:
            raise held
        if channel.busy() and not any(of is held._origin for of in self.idle):
            raise held
        self.last = held
        return ticket

    def decided(self, held: Held, seen: Ticket) -> None:
        """Returns only where it may be sent again."""
        if seen.state == "approved":
            return
        if seen.state != "pending":  # else the time is over, and it is what it was
            kind = _ENDS.get(seen.state, Held)
            retry = "same-statement" if kind is Expired else "never"
            text = f"ticket {seen.ticket} is {seen.state}"
            become(
                held,
                Refusal(kind, held.sqlstate, text, seen.ticket, seen.state, seen.expires, retry, reason=seen.reason),
            )
            held.args = (text,)
        raise held

    def failed(self, error: BaseException) -> None:
        """Something else came: raises Uncertain where an approved statement may have run."""
        if self.last is None or isinstance(error, BackstopError):
            return
        origin = self.last._origin
        if not _lost(error, find_channel(origin) or find_async_channel(origin)):
            return
        text = "the connection was lost while an approved statement ran: whether it took effect is not known"
        refusal = Refusal(Uncertain, "08007", text, self.last.ticket, "uncertain", None, "never")
        try:
            become(error, refusal)
        except TypeError:  # not of a driver
            raise refusal.error() from error


class Attempt:
    """One try: `with attempt:` around what may be held."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self.held: Held | None = None

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Held):
            self.held = error
            return True
        if isinstance(error, Exception):
            self._state.failed(error)
        return False


class Retrying:
    """What retry_on_approval() makes: a decorator, and something to loop over."""

    def __init__(
        self, timeout: float | None, connection: Any, max_tickets: int, on_held: Callable[[Held], Any] | None
    ) -> None:
        self.timeout = timeout
        self.connection = connection
        self.max_tickets = max_tickets
        self.on_held = on_held

    def _given(self, *args: Any) -> tuple[Any, ...]:
        return (*args, self.connection) if self.connection is not None else args

    def _settle(self, state: _State, held: Held) -> None:
        channel = find_channel(held._origin)
        ticket = state.may_wait(held, channel)
        if self.on_held is not None:
            self.on_held(held)
        assert channel is not None
        if channel.busy():
            channel.roll_back()
        with nullcontext(held._origin) if state.is_named(held._origin) else channel.beside() as on:
            seen = wait(on, ticket, state.left())
        state.decided(held, seen)

    async def _asettle(self, state: _State, held: Held) -> None:
        channel = find_async_channel(held._origin)
        ticket = state.may_wait(held, channel)
        if self.on_held is not None:
            told = self.on_held(held)
            if inspect.isawaitable(told):
                await told
        assert channel is not None
        if channel.busy():
            await channel.roll_back()
        async with nullcontext(held._origin) if state.is_named(held._origin) else channel.beside() as on:
            seen = await await_ticket(on, ticket, state.left())
        state.decided(held, seen)

    def __iter__(self) -> Iterator[Attempt]:
        state = _State(self, self._given())
        while True:
            attempt = Attempt(state)
            yield attempt
            if attempt.held is None:
                return
            self._settle(state, attempt.held)

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        state = _State(self, self._given())
        while True:
            attempt = Attempt(state)
            yield attempt
            if attempt.held is None:
                return
            await self._asettle(state, attempt.held)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):
            return cast(Callable[P, R], self._of_coroutine(function))

        @functools.wraps(function)
        def call(*args: P.args, **more: P.kwargs) -> R:
            state = _State(self, self._given(*args, *more.values()))
            while True:
                attempt = Attempt(state)
                with attempt:
                    return function(*args, **more)
                self._settle(state, cast(Held, attempt.held))

        return call

    def _of_coroutine(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(function)
        async def call(*args: P.args, **more: P.kwargs) -> R:
            state = _State(self, self._given(*args, *more.values()))
            while True:
                attempt = Attempt(state)
                with attempt:
                    return await function(*args, **more)
                await self._asettle(state, cast(Held, attempt.held))

        return call


@overload
def retry_on_approval(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def retry_on_approval(
    *,
    timeout: float | None = None,
    connection: Any = None,
    max_tickets: int = 8,
    on_held: Callable[[Held], Any] | None = None,
) -> Retrying: ...


def retry_on_approval(
    function: Callable[P, R] | None = None,
    /,
    *,
    timeout: float | None = None,
    connection: Any = None,
    max_tickets: int = 8,
    on_held: Callable[[Held], Any] | None = None,
) -> Callable[P, R] | Retrying:
    """
    Wait where something is held, and do it again once it is approved: a function that is one transaction,
    or the block of a loop.

        @backstop.retry_on_approval(timeout=600)
        def clean(connection): ...

        for attempt in backstop.retry_on_approval(connection=connection):
            with attempt:
                connection.execute("DELETE FROM sessions")

    timeout      seconds to wait in all; None: as long as the tickets live. Then Held is raised
    connection   one that is idle now; those among the function's arguments are found by themselves
    max_tickets  different tickets of one call; a text that differs at each try would ask for ever
    on_held      called with each Held before waiting
    """
    made = Retrying(timeout, connection, max_tickets, on_held)
    return made if function is None else made(function)
