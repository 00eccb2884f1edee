"""The ends that are rarer: what has grown, what cannot be kept, two at once, who gives up, pools."""

import asyncio
import contextlib
import threading

import asyncpg
import psycopg
import psycopg2.pool
import psycopg_pool
import pytest

import backstop
import backstop.asyncpg
import backstop.psycopg
import backstop.psycopg2

from .hands import HANDS

DELETE = "DELETE FROM py.orders WHERE status = 'open'"
LOSES = "ALTER TYPE py.pair DROP ATTRIBUTE y"
STORED = """SET ROLE app_trust; CREATE TYPE py.pair AS (x int, y int); CREATE TABLE py.box (v py.pair);
INSERT INTO py.box VALUES ('(1,2)')"""


@pytest.fixture(params=HANDS)
def hand(site, request):
    made = HANDS[request.param](site)
    yield made
    made.close()


def approved(site, hand, sql):
    with pytest.raises(backstop.Held) as caught:
        hand.execute(sql)
    hand.rollback()
    site.operator.decide(caught.value.ticket, "approve")
    return caught.value.ticket


def test_what_has_grown_since_is_expired_and_not_sent_again(site, hand):
    ticket = approved(site, hand, DELETE)
    with site.pg.admin() as c:
        c.execute("INSERT INTO py.orders SELECT n, 'open' FROM generate_series(101, 300) n")
    calls = []
    with pytest.raises(backstop.Expired) as caught:
        hand.retry(hand.transaction(DELETE), timeout=30, on_held=calls.append)
    assert isinstance(caught.value, hand.error) and caught.value.ticket == ticket
    assert calls == [] and site.count("orders") == 300 and site.operator.tickets() == []


def test_what_cannot_be_kept_is_not_recoverable(site, hand):
    with site.pg.admin() as c:
        c.execute(STORED)
    ticket = approved(site, hand, LOSES)
    with pytest.raises(backstop.NotRecoverable) as caught:
        hand.retry(hand.transaction(LOSES), timeout=30)
    assert isinstance(caught.value, hand.error) and caught.value.sqlstate in ("ZB004", "ZB005")
    assert (caught.value.ticket, caught.value.state) == (ticket, "failed")
    with site.pg.admin() as c:
        assert c.execute("SELECT v::text FROM py.box").fetchone() == ("(1,2)",)


def test_two_that_wait_for_the_same_run_it_once(site):
    """One runs; to the other the ticket is used up, and it asks for nothing by itself."""
    deciding = site.decide_next()
    ends = []

    def one():
        with backstop.connect(site.url(), autocommit=True) as c:
            try:
                ends.append(backstop.retry_on_approval(timeout=30)(lambda: c.execute(DELETE).rowcount)())
            except backstop.BackstopError as error:
                ends.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ticket, = deciding.done()
    assert [end for end in ends if end == 100] == [100] and len(ends) == 4, ends
    assert site.runs(ticket["id"]) == ["DELETE"]


@pytest.mark.parametrize("name", ["psycopg-async", "asyncpg"])
def test_who_gives_up_leaves_a_connection_that_works(site, name):
    hand = HANDS[name](site)

    async def waits():
        await asyncio.wait_for(backstop.retry_on_approval(hand.transaction(DELETE))(hand.c), 1)

    with pytest.raises((asyncio.TimeoutError, TimeoutError)):
        hand.here(waits())
    assert hand.value("SELECT count(*) FROM py.orders") == 100
    hand.close()


def test_savepoints_of_the_function_itself(site, hand):
    """What is inside of a transaction of the function ends with it, and is done again with it."""
    deciding = site.decide_next()
    if hand.asynchronous:
        async def work(c):
            async with c.transaction():
                await c.execute("INSERT INTO py.customers VALUES (99, 'x')")
                async with c.transaction():
                    await c.execute(DELETE)
    elif hand.name == "psycopg":
        def work(c):
            with c.transaction():
                c.execute("INSERT INTO py.customers VALUES (99, 'x')")
                with c.transaction():
                    c.execute(DELETE)
    else:
        work = hand.transaction("INSERT INTO py.customers VALUES (99, 'x')", "SAVEPOINT a", DELETE, "RELEASE a")
    hand.retry(work, timeout=30)
    deciding.done()
    assert site.count("orders") == 0 and site.count("customers") == 21


def test_the_inner_block_alone_is_not_repeated(site, hand):
    """The caller's transaction is open around it."""
    if hand.name == "psycopg2":
        pytest.skip("it has no nested blocks")
    told = []
    how = {"timeout": 5, "on_held": told.append}
    with pytest.raises(backstop.Held):
        if hand.asynchronous:
            async def outer():
                async with hand.c.transaction():
                    await hand.c.execute("INSERT INTO py.customers VALUES (99, 'x')")
                    await backstop.retry_on_approval(**how)(hand.transaction(DELETE))(hand.c)
            hand.here(outer())
        else:
            with hand.c.transaction():
                hand.c.execute("INSERT INTO py.customers VALUES (99, 'x')")
                hand.retry(hand.transaction(DELETE), **how)
    assert told == [] and site.count("customers") == 20


# --- pools -------------------------------------------------------------------------------------


def test_pool_of_psycopg(site):
    with psycopg_pool.ConnectionPool(site.url(), connection_class=backstop.psycopg.Connection, min_size=1, max_size=2,
                                     kwargs={"purpose": "pooled"}) as pool:
        with pytest.raises(backstop.Held) as caught, pool.connection() as c:
            c.execute(DELETE)
        with pool.connection() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
    assert isinstance(caught.value, psycopg.Error)
    ticket, = site.operator.tickets()
    assert ticket["claims"] == {"purpose": "pooled"}


def test_pool_of_psycopg_async(site):
    async def main():
        async with psycopg_pool.AsyncConnectionPool(site.url(), connection_class=backstop.psycopg.AsyncConnection,
                                                    min_size=1, max_size=2, open=False) as pool:
            with pytest.raises(backstop.Held):
                async with pool.connection() as c:
                    await c.execute(DELETE)

    asyncio.run(main())


def test_pool_of_psycopg2(site):
    pool = psycopg2.pool.SimpleConnectionPool(1, 2, site.url(), connection_factory=backstop.psycopg2.Connection)
    c = pool.getconn()
    with pytest.raises(backstop.Held), c.cursor() as cursor:
        cursor.execute(DELETE)
    pool.putconn(c)
    pool.closeall()


class Pooled:
    """A function that takes its connection from a pool, and somebody else who does when it is back there."""

    def __init__(self, take):
        self.take = take

    def clean(self):
        with self.take() as c, c.cursor() as cursor:
            cursor.execute(DELETE)

    def somebody_else(self, site):
        with self.take() as c, c.cursor() as cursor:
            cursor.execute("INSERT INTO py.customers VALUES (99, 'x')")
            c.rollback()
        assert site.count("customers") == 20, "a transaction of somebody else's was none"


@contextlib.contextmanager
def pool_of_psycopg(site):
    with psycopg_pool.ConnectionPool(site.url(), connection_class=backstop.psycopg.Connection, min_size=1, max_size=1) as pool:
        yield Pooled(pool.connection)


@contextlib.contextmanager
def pool_of_psycopg2(site):
    pool = psycopg2.pool.ThreadedConnectionPool(1, 1, site.url(), connection_factory=backstop.psycopg2.Connection)

    @contextlib.contextmanager
    def take():
        c = pool.getconn()
        try:
            with c:
                yield c
        finally:
            pool.putconn(c)

    yield Pooled(take)
    pool.closeall()


@pytest.mark.parametrize("made", [pool_of_psycopg, pool_of_psycopg2])
def test_nobody_else_notices_the_waiting(site, made):
    held = threading.Event()
    with made(site) as pooled:
        again = backstop.retry_on_approval(timeout=60, on_held=lambda _: held.set())(pooled.clean)
        waiting = threading.Thread(target=again)
        waiting.start()
        assert held.wait(30)
        for _ in range(20):
            pooled.somebody_else(site)
        site.operator.decide(site.operator.next_ticket()["id"], "approve")
        waiting.join(60)
    assert site.count("orders") == 0


def test_another_thread_has_its_transaction_while_one_waits(site):
    """psycopg lets threads share a connection, so what is asked in between may not change how it is."""
    with backstop.connect(site.url()) as c:
        with pytest.raises(backstop.Held) as caught:
            c.execute(DELETE)
        c.rollback()

        def wait():
            with contextlib.suppress(backstop.InTransactionError):
                backstop.wait(c, caught.value.ticket, 60)

        waiting = threading.Thread(target=wait)
        waiting.start()
        for _ in range(200):
            with contextlib.suppress(backstop.InTransactionError):
                c.execute("INSERT INTO py.customers VALUES (99, 'x')")
            c.rollback()
            assert site.count("customers") == 20
            if not waiting.is_alive():  # it met the other's transaction
                break
        site.operator.decide(caught.value.ticket, "approve")
        waiting.join(60)


def test_nobody_else_notices_the_waiting_asyncpg(site):
    async def main():
        async with asyncpg.create_pool(site.url(), connection_class=backstop.asyncpg.Connection, min_size=1, max_size=1) as pool:
            held = asyncio.Event()

            async def clean():
                async with pool.acquire() as c:
                    await c.execute(DELETE)

            waiting = asyncio.create_task(backstop.retry_on_approval(timeout=60, on_held=lambda _: held.set())(clean)())
            await asyncio.wait_for(held.wait(), 30)
            for _ in range(20):
                await pool.fetchval("SELECT 1")
            site.decide_next()
            await waiting

    asyncio.run(main())
    assert site.count("orders") == 0


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_the_other_connection_is_lost(site, driver):
    """As a pool gives them: what was held came on one, and the approved statement is under way on another."""
    one, other = (backstop.connect(site.url(), driver=driver) for _ in range(2))
    given = iter((one, other))

    def clean():
        c = next(given)
        with (c.transaction() if driver == "psycopg" else c), c.cursor() as cursor:
            if c is other:
                cursor.execute("SELECT pg_backend_pid()")
                with site.pg.admin() as a:
                    a.execute("SELECT pg_terminate_backend(%s)", cursor.fetchone())
            cursor.execute(DELETE)

    site.decide_next()
    with pytest.raises(backstop.Uncertain):
        backstop.retry_on_approval(timeout=60)(clean)()
    one.close()
