"""Waiting for a decision, and sending again what was approved: exactly once."""

import asyncio
import time

import pytest

import backstop
from backstop.retry import Retrying

from .hands import HANDS, Asyncpg

DELETE = "DELETE FROM py.orders"


@pytest.fixture(params=HANDS)
def hand(site, request):
    made = HANDS[request.param](site)
    yield made
    made.close()


def held(hand, sql=DELETE):
    with pytest.raises(backstop.Held) as caught:
        hand.execute(sql)
    hand.rollback()
    return caught.value.ticket


# --- wait --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what, state", [("approve", "approved"), ("deny", "denied")])
def test_wait_tells_what_was_decided(site, hand, what, state):
    ticket = held(hand)
    site.decide_next(what)
    seen = hand.wait(ticket, 30)
    assert (seen.ticket, seen.state, seen.decided, seen.kind) == (ticket, state, True, "DELETE")
    assert site.count("orders") == 100, "waiting runs nothing"
    assert hand.value("SELECT 1") == 1


def test_wait_ends_in_time(hand):
    ticket = held(hand)
    start = time.monotonic()
    seen = hand.wait(ticket, 1.2)
    assert seen.state == "pending" and not seen.decided
    assert 1 <= time.monotonic() - start < 10


def test_wait_is_for_own_tickets(site, hand):
    other = type(hand)(site, agent=site.new_agent())
    ticket = held(other)
    other.close()
    with pytest.raises(hand.error) as caught:
        hand.wait(ticket, 5)
    assert not isinstance(caught.value, backstop.BackstopError)


@pytest.mark.parametrize("ticket", ["", "T-1", 'T-01"; DROP TABLE py.orders; --', "T-01KB3ZJ5W8Q2M4R6T8V0X2Z4B6\n"])
def test_what_is_no_ticket_is_not_sent(hand, ticket):
    with pytest.raises(ValueError):
        hand.wait(ticket)


def test_wait_is_not_for_transactions(hand):
    ticket = held(hand)
    if hand.asynchronous and isinstance(hand, Asyncpg):
        hand.execute("BEGIN")
    hand.value("SELECT 1")
    with pytest.raises(backstop.InTransactionError):
        hand.wait(ticket)
    if isinstance(hand, Asyncpg):
        hand.execute("ROLLBACK")
    hand.rollback()


# --- retry -------------------------------------------------------------------------------------


def test_a_function_that_is_a_transaction(site, hand):
    deciding = site.decide_next()
    hand.retry(hand.transaction(DELETE), timeout=60)
    ticket, = deciding.done()
    assert site.count("orders") == 0
    assert site.runs(ticket["id"]) == ["DELETE"]
    assert site.operator.tickets() == []


def test_a_statement_alone(site, hand):
    """With the drivers' implicit transactions: it was idle, so what is open is of this attempt."""
    deciding = site.decide_next()
    hand.retry(hand.bare(DELETE), timeout=60)
    hand.commit()
    deciding.done()
    assert site.count("orders") == 0


def test_a_loop(site, hand):
    deciding = site.decide_next()
    hand.loop(DELETE, timeout=60)
    deciding.done()
    assert site.count("orders") == 0


def test_the_whole_transaction_is_sent_again(site, hand):
    """Two statements of it are held, one after the other; what was inserted is there once."""
    deciding = site.decide_next(n=2)
    hand.retry(hand.transaction("SELECT count(*) FROM py.orders", "INSERT INTO py.customers VALUES (99, 'x')", DELETE,
                                "DELETE FROM py.customers WHERE id < 5"), timeout=60)
    assert len(deciding.done()) == 2
    assert site.count("orders") == 0
    assert site.count("customers") == 20 + 1 - 4


def test_denied_ends_it(site, hand):
    deciding = site.decide_next("deny")
    with pytest.raises(backstop.Denied) as caught:
        hand.retry(hand.transaction(DELETE), timeout=60)
    ticket, = deciding.done()
    assert isinstance(caught.value, hand.error)
    assert (caught.value.ticket, caught.value.state, caught.value.retry) == (ticket["id"], "denied", "never")
    assert caught.value.reason == "test"
    assert site.count("orders") == 100 and site.operator.tickets() == [], "it was not asked for again"
    assert hand.value("SELECT count(*) FROM py.orders") == 100


def test_blocked_is_not_sent_again(site, hand):
    calls = []
    work = hand.transaction("DELETE FROM py.secret")

    if hand.asynchronous:
        async def counted(c):
            calls.append(1)
            await work(c)
    else:
        def counted(c):
            calls.append(1)
            work(c)
    with pytest.raises(backstop.Blocked):
        hand.retry(counted, timeout=60)
    assert calls == [1]


def test_when_time_is_over_it_is_held(site, hand):
    with pytest.raises(backstop.Held) as caught:
        hand.retry(hand.transaction(DELETE), timeout=0.3)
    ticket, = site.operator.tickets()
    assert caught.value.ticket == ticket["id"] and caught.value.state == "pending"


def test_another_ones_transaction_is_not_ended(site, hand):
    """What the caller has done before would be lost."""
    if isinstance(hand, Asyncpg):
        hand.execute("BEGIN")
    hand.execute("INSERT INTO py.customers VALUES (99, 'x')")
    told = []
    with pytest.raises(backstop.Held) as caught:
        hand.retry(hand.bare(DELETE), timeout=3, on_held=told.append)
    assert caught.value.retry == "same-transaction" and caught.value.state == "pending"
    assert told == [], "nothing was waited for, and nothing rolled back"
    if isinstance(hand, Asyncpg):
        hand.execute("ROLLBACK")
    hand.rollback()


def test_a_text_that_differs_at_each_try_ends(site, hand):
    """Each is a request of its own: it would ask for ever."""
    numbers = iter(range(50))
    deciding = site.decide_next(n=3)

    def text():
        return f"DELETE FROM py.orders WHERE id = {next(numbers)}"

    if hand.asynchronous:
        async def work(c):
            async with c.transaction():
                await c.execute(text())
    else:
        def work(c):
            hand.transaction(text())(c)
    told = []
    with pytest.raises(backstop.Held):
        hand.retry(work, timeout=10, max_tickets=3, on_held=told.append)
    deciding.done()
    assert next(numbers) == 4 and len(told) == 3, "the last is not waited for"


def test_on_held_is_told(site, hand):
    told = []
    deciding = site.decide_next()
    hand.retry(hand.transaction(DELETE), timeout=60, on_held=told.append)
    assert [h.ticket for h in told] == [t["id"] for t in deciding.done()]


def test_without_parentheses():
    @backstop.retry_on_approval
    def plain(a, b=2):
        """Says."""
        return a + b

    @backstop.retry_on_approval
    async def coroutine(a):
        return a

    assert plain(1) == 3 and plain.__doc__ == "Says."
    assert asyncio.run(coroutine(7)) == 7
    assert isinstance(backstop.retry_on_approval(), Retrying)


# --- a lost connection ---------------------------------------------------------------------------


def test_an_approved_statement_whose_answer_is_lost_is_uncertain(site, hand):
    """It may have run, so it is not sent again."""
    calls = []
    deciding = site.decide_next()

    work = hand.transaction("SELECT 1" if isinstance(hand, Asyncpg) else "SET LOCAL lock_timeout = 0", DELETE)
    lost = hand.transaction("SET LOCAL lock_timeout = 0", "SELECT pg_sleep(0)", "SELECT 1")
    if hand.asynchronous:
        async def once(c):
            calls.append(1)
            if len(calls) == 2:
                site.lose_connections()
                return await lost(c)
            return await work(c)
    else:
        def once(c):
            calls.append(1)
            if len(calls) == 2:
                site.lose_connections()
                return lost(c)
            return work(c)
    with pytest.raises(backstop.Uncertain) as caught:
        hand.retry(once, timeout=60)
    ticket, = deciding.done()
    assert len(calls) == 2
    assert (caught.value.ticket, caught.value.state, caught.value.retry) == (ticket["id"], "uncertain", "never")
    assert site.count("orders") == 100


def test_a_lost_connection_without_a_hold_is_the_drivers_own(site, hand):
    site.lose_connections()
    with pytest.raises(Exception) as caught:
        hand.retry(hand.transaction(DELETE), timeout=60)
    assert not isinstance(caught.value, backstop.BackstopError)
