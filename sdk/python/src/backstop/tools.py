"""What every framework's adapter does: run a statement for a model, and say in three shapes how it went.

    {"status": "completed", "rows": [...], ...}
    {"status": "pending_approval", "ticket": ..., "expires": ..., "next": ...}
    {"status": "refused", "reason": ..., "next": ...}

and {"status": "failed", ...} for PostgreSQL's own errors, which a model may mend. What a model reads says that it
is held or refused, and what is next; never which rule, and never how to put it otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, TypedDict

import psycopg
from psycopg.rows import dict_row

from .errors import (
    BackstopError,
    Blocked,
    Denied,
    Expired,
    Held,
    NotRecoverable,
    Paused,
    Uncertain,
)
from .psycopg import Connection
from .tickets import Ticket, ticket_of, wait

ROWS_MAX = 200
WAIT_MAX = 300.0  # seconds of one call of the tool that waits

QUERY = (
    "Run one SQL statement in PostgreSQL. If the answer's status is pending_approval, nothing has run: wait for the "
    "ticket, and once it is approved call this again with exactly the same statement. If it is refused, stop."
)
WAIT = "Wait until a human has decided on a ticket. Then do what the answer's `next` says."


class _Outcome(TypedDict):
    status: Literal["completed", "pending_approval", "approved", "refused", "failed"]


class Outcome(_Outcome, total=False):
    """What a model is told; which members there are is for the status to say."""

    command: str | None
    rows: list[dict[str, Any]]
    row_count: int
    more: bool
    ticket: str
    expires: str
    reason: str
    sqlstate: str
    message: str
    next: str


_HELD = "A human has to approve it. Wait for the ticket; once it is approved, send exactly the same statement again."
_SAID: dict[type[BackstopError], tuple[str, str]] = {
    Denied: ("An operator denied it.", "Do not ask for this again. Tell the user."),
    Expired: (
        "The approval is used up or has expired.",
        "If it is still wanted, it needs a new approval: tell the user.",
    ),
    NotRecoverable: (
        "No recovery point of what it destroys could be made. Nothing was changed.",
        "Tell the user: an operator has to look at this.",
    ),
    Paused: ("This agent or this database is paused.", "Stop. Tell the user: an operator has to let it go on."),
    Blocked: ("It is not allowed here.", "Do not ask for this again. Tell the user."),
    Uncertain: ("It is not known whether it ran.", "Do not send it again. Look at the data, and tell the user."),
}


def pending(held: BackstopError) -> Outcome:
    """What is told of a hold."""
    said: Outcome = {"status": "pending_approval", "next": _HELD}
    if held.ticket is not None:
        said["ticket"] = held.ticket
    if held.expires is not None:
        said["expires"] = held.expires.isoformat()
    return said


def refused(kind: type[BackstopError]) -> Outcome:
    """What is told of an end that an operator or the policy has set."""
    reason, then = next(said for of, said in _SAID.items() if issubclass(kind, of))
    return {"status": "refused", "reason": reason, "next": then}


def outcome_of(error: Exception) -> Outcome:
    """What is told of an error of a statement."""
    if isinstance(error, Held):
        return pending(error)
    if isinstance(error, BackstopError):
        return refused(type(error))
    said: Outcome = {"status": "failed", "message": str(error)}
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        said["sqlstate"] = sqlstate
    return said


def _unreached(error: Exception) -> Outcome:
    """libpq's own words tell where it tried and as whom, and of a password that is misquoted a part."""
    if isinstance(error, BackstopError):
        return outcome_of(error)
    return {"status": "failed", "message": "The database cannot be reached. Nothing was sent."}


def decided(seen: Ticket) -> Outcome:
    """What is told of a ticket."""
    said: Outcome
    if seen.state == "pending":
        said = {
            "status": "pending_approval",
            "ticket": seen.ticket,
            "next": "Nobody has decided yet. Wait for it again.",
        }
    elif seen.state == "approved":
        said = {
            "status": "approved",
            "ticket": seen.ticket,
            "next": "Send exactly the same statement again: it runs once.",
        }
    elif seen.state == "denied":
        said = refused(Denied)
    elif seen.state in ("running", "uncertain"):
        said = refused(Uncertain)
    else:
        said = refused(Expired)
    return said


def text_of(outcome: Outcome) -> str:
    """As JSON, for tools whose answers are text."""
    return json.dumps(outcome, default=str)


class Database:
    """Where tools run SQL: one connection for each call, so threads and tasks may share it."""

    def __init__(self, conninfo: str, *, rows_max: int = ROWS_MAX, **options: Any) -> None:
        """
        conninfo  of the gateway, with the agent's own credential
        options   for backstop.connect(): purpose, run_id, wait, ...
        """
        self._conninfo = conninfo
        self._rows_max = rows_max
        self._options = {"autocommit": True, **options}

    def _connect(self) -> Any:
        return Connection.connect(self._conninfo, **self._options)

    def query(self, sql: str) -> Outcome:
        """Runs one statement. Whatever comes of it is an answer."""
        try:
            connection = self._connect()
        except psycopg.Error as error:
            return _unreached(error)
        with connection:
            try:
                cursor = connection.cursor(row_factory=dict_row).execute(sql)
            except psycopg.Error as error:
                lost = connection.closed and not isinstance(error, BackstopError)
                return refused(Uncertain) if lost else outcome_of(error)
            return self._ran(cursor)

    def _ran(self, cursor: Any) -> Outcome:
        said: Outcome = {"status": "completed", "command": cursor.statusmessage, "row_count": cursor.rowcount}
        if cursor.description is not None:
            try:
                rows = cursor.fetchmany(self._rows_max + 1)
                said["rows"] = json.loads(json.dumps(rows[: self._rows_max], default=str))
                said["more"] = len(rows) > self._rows_max
            except (psycopg.DataError, ValueError, RecursionError):  # a date that Python has not, ...
                said["message"] = "It ran, but its rows cannot be shown."
        return said

    def ticket(self, ticket: str) -> Outcome:
        """What has become of it, at once."""
        return self._looked(lambda connection: ticket_of(connection, ticket))

    def wait(self, ticket: str, timeout: float = WAIT_MAX) -> Outcome:
        """What has become of it, once somebody has decided or `timeout` seconds are over."""
        return self._looked(lambda connection: wait(connection, ticket, min(timeout, WAIT_MAX)))

    def _looked(self, look: Callable[[Any], Ticket]) -> Outcome:
        try:
            connection = self._connect()
        except psycopg.Error as error:
            return _unreached(error)
        try:
            with connection:
                return decided(look(connection))
        except ValueError:  # a model has made it up
            return {"status": "failed", "message": "that is no ticket"}
        except psycopg.Error as error:
            return outcome_of(error)

    def redeem(self, sql: str, ticket: str) -> Outcome:
        """The statement again, but only where its ticket is approved: what was denied is not asked for again."""
        said = self.ticket(ticket)
        return self.query(sql) if said["status"] == "approved" else said
