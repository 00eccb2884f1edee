"""Tickets of this agent: asking for one, and waiting until an operator has decided."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .channel import AsyncChannel, Channel, async_channel, channel
from .errors import TICKET, parse_time

_PAUSE = 0.5  # seconds between two looks, where the gateway does not wait itself
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Ticket:
    """A held statement, as its agent may see it."""

    ticket: str
    state: str
    expires: datetime | None = None
    retry: str | None = None
    kind: str | None = None
    point: str | None = None
    reason: str | None = None

    @property
    def decided(self) -> bool:
        return self.state != "pending"


def _ticket(text: str) -> Ticket:
    said = json.loads(text)
    return Ticket(
        said["ticket"],
        said["state"],
        parse_time(said.get("expires")),
        said.get("retry"),
        said.get("kind"),
        said.get("point"),
        said.get("reason"),
    )


def _named(verb: str, ticket: str) -> str:
    if not TICKET.fullmatch(ticket):
        raise ValueError("that is no ticket of Backstop")
    return f'backstop.{verb}."{ticket}"'


def _seconds(text: object) -> float:
    """ "20s" as the gateway writes a duration; 0 for what is none."""
    if not isinstance(text, str):
        return 0.0
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    try:
        return float(number) * _UNITS.get(text[len(number) :], 0.0)
    except ValueError:
        return 0.0


class _Looking:
    """When to look how, so that it is over in time: the gateway's own wait is as long as it says."""

    def __init__(self, ticket: str, timeout: float | None, status: str) -> None:
        self.ticket = ticket
        self.longest = _seconds(json.loads(status).get("hold_wait"))
        self.end = None if timeout is None else time.monotonic() + timeout
        self.asked = 0.0

    def left(self) -> float | None:
        return None if self.end is None else self.end - time.monotonic()

    def next(self) -> str:
        left = self.left()
        self.asked = time.monotonic()
        return _named("wait" if left is None or left > self.longest else "ticket", self.ticket)

    def pause(self, seen: Ticket) -> float | None:
        """How long until the next look; None: this was the last."""
        left = self.left()
        if seen.decided or (left is not None and left <= 0):
            return None
        rest = max(0.0, _PAUSE - (time.monotonic() - self.asked))
        return rest if left is None else min(rest, left)


def ticket_of(connection: Any, ticket: str) -> Ticket:
    """The ticket as it is now."""
    return _ticket(channel(connection).show(_named("ticket", ticket)))


def wait(connection: Any, ticket: str, timeout: float | None = None) -> Ticket:
    """
    Wait until the ticket is decided, on this connection, which must not be in a transaction.

    timeout  seconds; None: until it is decided or expires. After it the ticket as it is: look at .decided
    """
    on: Channel = channel(connection)
    looking = _Looking(ticket, timeout, on.show("backstop.status"))
    while True:
        seen = _ticket(on.show(looking.next()))
        rest = looking.pause(seen)
        if rest is None:
            return seen
        time.sleep(rest)


async def await_ticket(connection: Any, ticket: str, timeout: float | None = None) -> Ticket:
    """As wait(), for the asynchronous drivers."""
    on: AsyncChannel = async_channel(connection)
    looking = _Looking(ticket, timeout, await on.show("backstop.status"))
    while True:
        seen = _ticket(await on.show(looking.next()))
        rest = looking.pause(seen)
        if rest is None:
            return seen
        await asyncio.sleep(rest)
