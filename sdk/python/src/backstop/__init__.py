"""Backstop for agents in Python: connect as ever, and know a hold from an error.

Start with connect() or guard(), run() and retry_on_approval(). Drivers and frameworks are extras, each with a
module of its own; backstop.operators is for programs of operators and is imported by nothing here.
"""

from .channel import InTransactionError
from .claims import Run, current_run, run
from .connecting import connect, connect_async, guard
from .errors import (
    BackstopError,
    Blocked,
    Denied,
    Expired,
    Held,
    NotRecoverable,
    Paused,
    Refusal,
    Uncertain,
    decode,
)
from .retry import Attempt, Retrying, retry_on_approval
from .tickets import Ticket, await_ticket, wait

__version__ = "0.1.0"

__all__ = [
    "Attempt",
    "BackstopError",
    "Blocked",
    "Denied",
    "Expired",
    "Held",
    "InTransactionError",
    "NotRecoverable",
    "Paused",
    "Refusal",
    "Retrying",
    "Run",
    "Ticket",
    "Uncertain",
    "await_ticket",
    "connect",
    "connect_async",
    "current_run",
    "decode",
    "guard",
    "retry_on_approval",
    "run",
    "wait",
]
