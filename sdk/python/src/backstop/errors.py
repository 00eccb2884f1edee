"""What the gateway answers instead of running a statement, as exceptions.

An error that comes through a guarded connection keeps the class its driver gave it and is one of
these, too: code that catches `psycopg.Error` still does, and code that knows of Backstop can tell a
hold from a refusal. Errors of PostgreSQL itself stay what they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

TICKET = re.compile(r"T-[0-9A-HJKMNP-TV-Z]{26}")
_LOGIN = re.compile(r"FATAL:  .*\nDETAIL:  (\{.*\})$", re.MULTILINE)
_DETAIL_MAX = 4096  # characters of a DETAIL that is read; the gateway's own have about 150


@dataclass(frozen=True)
class Refusal:
    """An answer of the gateway, taken apart."""

    kind: type[BackstopError]
    sqlstate: str
    message: str
    ticket: str | None = None
    state: str | None = None
    expires: datetime | None = None
    retry: str | None = None
    hint: str | None = None
    reason: str | None = None

    def error(self) -> BackstopError:
        """An exception of its kind, for where there is no driver's error to give it to."""
        return self.kind(self)


class BackstopError(Exception):
    """Any answer of the gateway that is not the server's."""

    _refusal: Refusal
    _origin: object = None  # the connection or engine that it came from

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self._refusal = refusal

    @property
    def sqlstate(self) -> str:
        return self._refusal.sqlstate

    @property
    def message(self) -> str:
        return self._refusal.message

    @property
    def ticket(self) -> str | None:
        """The held statement's id, where it has one."""
        return self._refusal.ticket

    @property
    def state(self) -> str | None:
        """`pending`, `approved`, `denied`, `expired`, `failed`, `uncertain`, `paused`, `quarantined`, `blocked`."""
        return self._refusal.state

    @property
    def expires(self) -> datetime | None:
        """When the ticket is over, in UTC."""
        return self._refusal.expires

    @property
    def retry(self) -> str | None:
        """What may be sent again: `same-statement`, `same-transaction`; None or `never`: nothing."""
        return self._refusal.retry

    @property
    def hint(self) -> str | None:
        """What to do next, in the gateway's words."""
        return self._refusal.hint

    @property
    def reason(self) -> str | None:
        """The operator's words, where a decision came with some."""
        return self._refusal.reason

    def __reduce__(self) -> Any:
        driver = _driver_class(type(self))
        if driver is None:
            return _plain, (self._refusal,)
        state = {k: v for k, v in self.__dict__.items() if k not in ("_origin", "_info", "_pgconn")}
        return _again, (driver, self.args, state)


class Held(BackstopError):
    """A human has to approve it first (ZB001): wait for the ticket, then send exactly the same again."""


class Denied(BackstopError):
    """An operator said no (ZB002): stop."""


class Expired(BackstopError):
    """The approval is over, or covers less than this would change now (ZB003). Sent again, it asks anew."""


class NotRecoverable(BackstopError):
    """No recovery point could be made or proven, so nothing was changed (ZB004, ZB005): tell the operator."""


class Blocked(BackstopError):
    """It is not allowed here (42501, by the gateway): stop."""


class Paused(Blocked):
    """An operator paused it, or the agent may only read for now (ZB006): stop, and tell the human."""


class Uncertain(BackstopError):
    """An approved statement was sent and its answer was lost: look at the data, never send it again blindly."""


_KINDS: dict[str, type[BackstopError]] = {
    "ZB001": Held,
    "ZB002": Denied,
    "ZB003": Expired,
    "ZB004": NotRecoverable,
    "ZB005": NotRecoverable,
    "ZB006": Paused,
}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _sqlstate(error: BaseException) -> str | None:
    """psycopg and asyncpg call it sqlstate, psycopg2 pgcode."""
    return _text(getattr(error, "sqlstate", None)) or _text(getattr(error, "pgcode", None))


def _field(error: BaseException, name: str) -> str | None:
    """A field of the ErrorResponse: psycopg and psycopg2 have a `diag`, asyncpg has attributes."""
    diag = getattr(error, "diag", None)
    if diag is not None:
        return _text(getattr(diag, "message_" + name, None))
    return _text(getattr(error, name, None))


def parse_time(text: object) -> datetime | None:
    """A time as the gateway writes it, in UTC."""
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return when if when.tzinfo is not None else None


def _read_detail(text: str | None) -> dict[str, object]:
    if text is None or not text.startswith("{") or len(text) > _DETAIL_MAX:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what SQLAlchemy, Django or a `raise ... from` has wrapped."""
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen and len(seen) < 8:
        seen.append(at)
        yield at
        orig = getattr(at, "orig", None)
        at = orig if isinstance(orig, BaseException) else at.__cause__


def _decode_login(error: BaseException) -> Refusal | None:
    """libpq tells of a login that failed in its text alone. Only a pause counts for logins."""
    text = str(error)[:_DETAIL_MAX]
    found = _LOGIN.search(text)
    detail = _read_detail(found[1]) if found else {}
    state = _text(detail.get("state"))
    if detail.get("v") != 1 or state not in ("paused", "quarantined"):
        return None
    return Refusal(Paused, "ZB006", text, None, state)


def _decode_one(error: BaseException) -> Refusal | None:
    sqlstate = _sqlstate(error)
    if sqlstate is None:
        return _decode_login(error)
    kind = _KINDS.get(sqlstate)
    if kind is None and sqlstate != "42501":
        return None
    detail = _read_detail(_field(error, "detail"))
    if kind is None:  # PostgreSQL's own "permission denied" has no such DETAIL
        if detail.get("v") != 1 or detail.get("state") != "blocked":
            return None
        kind = Blocked
    ticket = _text(detail.get("ticket"))
    return Refusal(
        kind,
        sqlstate,
        _field(error, "primary") or _text(getattr(error, "message", None)) or str(error),
        ticket if ticket is not None and TICKET.fullmatch(ticket) else None,
        _text(detail.get("state")),
        parse_time(detail.get("expires")),
        _text(detail.get("retry")),
        _field(error, "hint"),
    )


def decode(error: BaseException) -> Refusal | None:
    """What the gateway has answered; None for anything that is not its answer. Changes nothing."""
    if isinstance(error, BackstopError):
        return error._refusal
    found: Refusal | None = None
    for one in _chain(error):
        refusal = one._refusal if isinstance(one, BackstopError) else _decode_one(one)
        if refusal is not None and refusal.state is not None:
            return refusal
        found = found or refusal  # some that wrap an error take its SQLSTATE along, but not its DETAIL
    return found


# --- the driver's error, and ours ---------------------------------------------------------------

_E = TypeVar("_E", bound=BaseException)


_made: dict[tuple[type[BackstopError], type[BaseException]], type[BaseException]] = {}


def _driver_class(cls: type[BaseException]) -> type[BaseException] | None:
    found = cls.__dict__.get("_driver")
    return found if isinstance(found, type) else None


def _class_of(kind: type[BackstopError], driver: type[BaseException]) -> type[BaseException]:
    """The class that is both; made once. The driver's metaclass makes it (asyncpg has one of its own)."""
    driver = _driver_class(driver) or driver
    made = _made.get((kind, driver))
    if made is None:
        members = {"__module__": kind.__module__, "__doc__": kind.__doc__, "_driver": driver}
        maker: Any = type(driver)
        made = maker(kind.__name__, (kind, driver), members)
        _made[kind, driver] = made
    return made


def become(error: BaseException, refusal: Refusal, origin: object = None) -> None:
    """
    Make the driver's error one of ours as well, in place: it keeps its traceback, its fields and its
    identity. Nobody could build a new one: psycopg2's fields cannot be written.
    """
    error.__class__ = _class_of(refusal.kind, type(error))
    error._refusal = refusal  # type: ignore[attr-defined]
    if origin is not None:
        error._origin = origin  # type: ignore[attr-defined]


def adopt(error: _E, origin: object = None, lost: bool = False) -> _E:
    """
    The same error; one of ours where the gateway has made it.

    lost  the connection that it came from is gone
    """
    if lost:
        error._lost = True  # type: ignore[attr-defined]
    refusal = decode(error)
    if refusal is not None and not isinstance(error, BackstopError):
        become(error, refusal, origin)
    return error


def _plain(refusal: Refusal) -> BackstopError:
    return refusal.error()


def _again(driver: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """What pickle calls. A connection does not travel, so nor does what the error came from."""
    error = driver.__new__(driver, *args)
    error.args = args
    refusal = state["_refusal"]
    error.__dict__.update({k: v for k, v in state.items() if k != "_refusal"})
    become(error, refusal)
    return error
