"""Read by mypy --strict as a program that uses the package; see test_package.py. It is not run."""

from collections.abc import Callable, Iterator
from datetime import datetime

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Engine, create_engine
from typing_extensions import assert_type

import backstop
from backstop.operators import Client
from backstop.operators.schema import Ticket

connection = backstop.connect("postgresql://x", purpose="p", wait=0.5)
assert_type(connection, psycopg.Connection[TupleRow])
assert_type(backstop.guard(connection), psycopg.Connection[TupleRow])
assert_type(backstop.guard(create_engine("postgresql+psycopg://x")), Engine)


@backstop.retry_on_approval
def plain(c: psycopg.Connection[TupleRow], n: int) -> int:
    return n


@backstop.retry_on_approval(timeout=3)
async def coroutine(n: int) -> str:
    return str(n)


assert_type(plain(connection, 1), int)
also: Callable[[psycopg.Connection[TupleRow], int], int] = plain
plain(connection, "1")  # type: ignore[arg-type]


async def main() -> None:
    assert_type(await coroutine(1), str)
    async for attempt in backstop.retry_on_approval():
        with attempt:
            assert_type(attempt.held, backstop.Held | None)


try:
    connection.execute("SELECT 1")
except backstop.Held as held:
    assert_type(held.ticket, str | None)
    assert_type(held.expires, datetime | None)
    assert_type(backstop.wait(connection, held.ticket or "", 1), backstop.Ticket)

api = Client("http://127.0.0.1:6580", "t")
assert_type(api.tickets(), Iterator[Ticket])
assert_type(api.ticket("T-")["asked"], int)
