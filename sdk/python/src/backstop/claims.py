"""What a program says of its work: which run it is, what for, and what started it.

People who approve see it. Nobody proves it, so nothing is ever decided by it; it is no part of what
makes a statement the same one again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

CLAIM_MAX = 128  # bytes of one; the gateway leaves out a longer one


def _checked(name: str, value: str | None) -> str | None:
    if value is None or value == "":
        return None
    if len(value.encode()) > CLAIM_MAX:
        raise ValueError(f"{name} is longer than {CLAIM_MAX} bytes")
    if any(c < " " or c == "\x7f" for c in value):
        raise ValueError(f"{name} has a control character")
    return value


@dataclass(frozen=True)
class Run:
    """A piece of work of an agent."""

    run_id: str | None = None
    purpose: str | None = None
    parent: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.claims():
            _checked(name, value)

    def claims(self) -> list[tuple[str, str]]:
        """Those that are said, in the gateway's order."""
        every = (("run_id", self.run_id), ("purpose", self.purpose), ("parent", self.parent))
        return [(name, value) for name, value in every if value]

    def comment(self) -> str:
        """As sqlcommenter writes it. Percent-encoding leaves nothing in it that could end a comment."""
        return "/*" + ",".join(f"{name}='{quote(value, safe='')}'" for name, value in self.claims()) + "*/"

    def settings(self) -> dict[str, str]:
        """As start-up parameters."""
        return {f"backstop.{name}": value for name, value in self.claims()}


_current: ContextVar[Run | None] = ContextVar("backstop_run", default=None)


def current_run() -> Run | None:
    """The run that this task or thread is in."""
    return _current.get()


@contextmanager
def run(purpose: str | None = None, run_id: str | None = None, parent: str | None = None) -> Iterator[Run]:
    """
    Say what the statements inside are for: of connections that are opened inside by start-up options,
    of guarded ones that are open already by a comment behind each statement.

    A run inside a run has that one as its parent. Each task and thread is in its own; a thread that is
    started inside is in none, as with every context variable.
    """
    outer = _current.get()
    if parent is None and outer is not None:
        parent = outer.run_id
    made = Run(run_id or uuid.uuid4().hex, purpose, parent)
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def claims_of(run_id: str | None, purpose: str | None, parent: str | None) -> Run:
    """Those named, and for the others those of the run around."""
    around = _current.get() or Run()
    return Run(run_id or around.run_id, purpose or around.purpose, parent or around.parent)


def comment_of_run(percent: bool) -> str:
    """
    The claims of the run around as a comment; nothing outside of a run.

    percent  the driver takes % for its own, so it has to be doubled
    """
    around = _current.get()
    comment = "" if around is None else around.comment()
    return comment.replace("%", "%%") if percent else comment


def commented(text: str, percent: bool) -> str:
    """The text with that behind it, but for one that ends with a comment already: that is the program's own."""
    comment = comment_of_run(percent)
    if not comment or not text.strip() or text.rstrip().endswith("*/"):
        return text
    between = "\n" if "--" in text.rpartition("\n")[2] else " "  # a comment to the end of the line would take it in
    return text + between + comment


def _option(name: str, value: str) -> str:
    """One -c of libpq's options: white space and backslashes are escaped there."""
    return "-c " + "".join("\\" + c if c.isspace() or c == "\\" else c for c in f"{name}={value}")


def options(settings: dict[str, str], before: str | None) -> str | None:
    """The start-up options: those that were there (else PGOPTIONS, which they replace), then ours."""
    parts = [os.environ.get("PGOPTIONS", "") if before is None else before]
    parts += [_option(name, value) for name, value in settings.items()]
    return " ".join(part for part in parts if part) or None


def wait_setting(wait: Any) -> dict[str, str]:
    """backstop.wait: how long held statements of this session wait before Held. Seconds or a timedelta."""
    if wait is None:
        return {}
    seconds = wait.total_seconds() if hasattr(wait, "total_seconds") else float(wait)
    if seconds < 0:
        raise ValueError("wait is negative")
    return {"backstop.wait": f"{round(seconds * 1000)}ms"}
