"""The client. What it sends and gives are the API's own objects (schema.py); times are text in UTC."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode

from . import schema
from .transport import ProblemError, Transport

__all__ = ["Client", "Event", "ProblemError"]

_LINE_MAX = 1 << 20  # bytes of a line of the stream


@dataclass(frozen=True)
class Event:
    """Something that happened: `ticket`, `restore`, or `reset`, which says that some were missed."""

    id: str | None
    kind: str
    data: dict[str, Any]


def _without_none(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


class Client:
    """The operators' API of one gateway, as one operator. Threads may share it."""

    def __init__(
        self, server: str, token: str, *, timeout: float = 30.0, context: ssl.SSLContext | None = None
    ) -> None:
        """
        server   like https://gateway:6580
        token    of an operator
        context  for TLS; else the system's certificates are trusted
        """
        self._transport = Transport(server, token, timeout, context)

    @classmethod
    def from_environment(cls, **more: Any) -> Client:
        """With BACKSTOP_SERVER and BACKSTOP_TOKEN, as the command line has them."""
        return cls(os.environ.get("BACKSTOP_SERVER", "http://127.0.0.1:6580"), os.environ["BACKSTOP_TOKEN"], **more)

    def _ask(
        self,
        operation: str,
        *where: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        if_match: str | None = None,
    ) -> Any:
        method, path = schema.OPERATIONS[operation]
        for part in where:
            if part in ("", ".", ".."):  # what is in between may take it for a way to another operation
                raise ValueError("that is no name")
            before, _, behind = path.partition("{")
            path = before + quote(part, safe="") + behind.partition("}")[2]
        if query:
            path += "?" + urlencode(query)
        fields = {} if if_match is None else {"If-Match": if_match}
        if method == "POST":
            fields["Idempotency-Key"] = uuid.uuid4().hex
            body = {} if body is None else body
        return self._transport.ask(method, path, body, fields).body

    def _pages(self, operation: str, member: str, **query: Any) -> Iterator[Any]:
        query = _without_none(**query)
        while True:
            page = self._ask(operation, query=query)
            yield from page[member]
            if "next" not in page:
                return
            query["cursor"] = page["next"]

    # --- tickets --------------------------------------------------------------------------------

    def tickets(
        self, *, state: str | None = None, actor: str | None = None, database: str | None = None
    ) -> Iterator[schema.Ticket]:
        """Held statements, newest first, page by page."""
        yield from self._pages("listTickets", "tickets", state=state, actor=actor, database=database)

    def ticket(self, ticket: str) -> schema.Ticket:
        return cast(schema.Ticket, self._ask("showTicket", ticket))

    def approve(self, ticket: str, *, reason: str | None = None) -> schema.Ticket:
        """Final, and used once. The policy may want more approvals than this one."""
        return cast(schema.Ticket, self._ask("approveTicket", ticket, body=_without_none(reason=reason)))

    def deny(self, ticket: str, *, reason: str | None = None) -> schema.Ticket:
        """Final."""
        return cast(schema.Ticket, self._ask("denyTicket", ticket, body=_without_none(reason=reason)))

    def comment(self, ticket: str, text: str) -> schema.Ticket:
        """For all operators who look at it."""
        return cast(schema.Ticket, self._ask("commentTicket", ticket, body={"text": text}))

    # --- actors ---------------------------------------------------------------------------------

    def actors(self) -> Iterator[schema.Actor]:
        yield from self._pages("listActors", "actors")

    def actor(self, name: str) -> schema.Actor:
        return cast(schema.Actor, self._ask("showActor", name))

    def add_actor(self, actor: schema.ActorNew) -> schema.ActorSecret:
        """Its password is in the answer, and nowhere else ever again."""
        return cast(schema.ActorSecret, self._ask("addActor", body=actor))

    def set_actor(self, name: str, change: schema.ActorChange) -> schema.Actor:
        return cast(schema.Actor, self._ask("setActor", name, body=change))

    def rotate_actor(self, name: str, *, overlap: str | None = None) -> schema.ActorSecret:
        """A new password; the old one counts for `overlap` (like 24h), too."""
        return cast(schema.ActorSecret, self._ask("rotateActor", name, body=_without_none(overlap=overlap)))

    def disable_actor(self, name: str) -> schema.Actor:
        return cast(schema.Actor, self._ask("disableActor", name))

    def enable_actor(self, name: str) -> schema.Actor:
        return cast(schema.Actor, self._ask("enableActor", name))

    def quarantine_actor(self, name: str, *, reason: str | None = None) -> schema.Actor:
        """It may only read, until somebody releases it."""
        return cast(schema.Actor, self._ask("quarantineActor", name, body=_without_none(reason=reason)))

    def release_actor(self, name: str, *, reason: str | None = None) -> schema.Actor:
        return cast(schema.Actor, self._ask("releaseActor", name, body=_without_none(reason=reason)))

    def revoke_actor(self, name: str) -> schema.Actor:
        """For good."""
        return cast(schema.Actor, self._ask("revokeActor", name))

    # --- pauses ---------------------------------------------------------------------------------

    def pauses(self) -> schema.Pauses:
        return cast(schema.Pauses, self._ask("listPauses"))

    def pause(self, what: schema.Pause) -> schema.Pauses:
        return cast(schema.Pauses, self._ask("pause", body=what))

    def resume(
        self, scope: Literal["actor", "database", "everything"], name: str | None = None, *, reason: str | None = None
    ) -> schema.Resumed:
        return cast(schema.Resumed, self._ask("resume", query=_without_none(scope=scope, name=name, reason=reason)))

    # --- recovery points and the way back ----------------------------------------------------------

    def points(self, *, database: str | None = None) -> Iterator[schema.Point]:
        yield from self._pages("listPoints", "points", database=database)

    def point(self, point: str) -> schema.PointWhole:
        return cast(schema.PointWhole, self._ask("showPoint", point))

    def restores(self, *, point: str | None = None, state: str | None = None) -> Iterator[schema.Restore]:
        yield from self._pages("listRestores", "restores", point=point, state=state)

    def restore(self, restore: str) -> schema.Restore:
        return cast(schema.Restore, self._ask("getRestore", restore))

    def begin_restore(self, what: schema.RestoreBegin) -> schema.Restore:
        """Begins with a preview, which touches nothing. Steps run on the gateway: see wait_restore()."""
        return cast(schema.Restore, self._ask("beginRestore", body=what))

    def step_restore(
        self,
        restore: str,
        step: Literal["run", "diff", "plan", "copy-back", "discard"],
        seen: schema.RestoreSeen | schema.RestoreRun | schema.RestorePlan,
    ) -> schema.Restore:
        """The next step; `seen` names the digest of what was looked at before it."""
        operation = "copyBackRestore" if step == "copy-back" else f"{step}Restore"
        return cast(schema.Restore, self._ask(operation, restore, body=seen))

    def approve_restore(self, restore: str, seen: schema.RestoreApprove) -> schema.Restore:
        """The second operator's yes, where a plan needs one."""
        return cast(schema.Restore, self._ask("approveRestore", restore, body=seen))

    def cancel_restore(self, restore: str) -> schema.Restore:
        return cast(schema.Restore, self._ask("cancelRestore", restore))

    def restore_result(
        self, restore: str, *, step: str | None = None, cursor: str | None = None
    ) -> schema.RestoreResult:
        query = _without_none(step=step, cursor=cursor)
        return cast(schema.RestoreResult, self._ask("getRestoreResult", restore, query=query))

    def restore_rows(self, restore: str, *, table: str | None = None, cursor: str | None = None) -> schema.RestoreRows:
        query = _without_none(table=table, cursor=cursor)
        return cast(schema.RestoreRows, self._ask("getRestoreRows", restore, query=query))

    def wait_restore(self, restore: str, timeout: float = 600.0) -> schema.Restore:
        """The restore once its step has ended, however; TimeoutError where it has not."""
        end = time.monotonic() + timeout
        while True:
            seen = self.restore(restore)
            if seen["state"] not in ("queued", "running"):
                return seen
            if time.monotonic() > end:
                raise TimeoutError(f"restore {restore} still runs")
            time.sleep(0.2)

    # --- events ---------------------------------------------------------------------------------

    def events(self, last: str | None = None) -> Iterator[Event]:
        """
        What happens to tickets and restores, as it happens, without end: where the stream ends or breaks it
        is taken up again behind what was seen last.

        last  the id of an event that was seen before
        """
        while True:
            with suppress(OSError, http.client.HTTPException):
                for event in self._stream(last):
                    last = event.id or last
                    yield event
            time.sleep(0.2)

    def _stream(self, last: str | None) -> Iterator[Event]:
        method, path = schema.OPERATIONS["watchTickets"]
        fields = {"Accept": "text/event-stream"}
        if last is not None:
            fields["Last-Event-ID"] = last
        with self._transport.open(method, path, None, fields) as answer:
            said: dict[str, str] = {}
            while line := answer.readline(_LINE_MAX):
                name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
                if name:
                    said[name] = value.removeprefix(" ")
                elif "event" in said:
                    yield Event(said.get("id"), said["event"], json.loads(said.get("data", "{}")))
                    said = {}
