"""Each driver's own connection: what it raises, and what it says of its work."""

import asyncio
import io
from datetime import datetime, timezone

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import psycopg2.sql
import pytest
from psycopg import sql

import backstop

from .hands import HANDS, Psycopg, Psycopg2

DELETE = "DELETE FROM py.orders"
NOW = datetime.now(timezone.utc)


@pytest.fixture(params=[(name, how) for name in HANDS for how in ("connect", "guard")], ids="-".join)
def hand(site, request):
    name, how = request.param
    made = HANDS[name](site, how)
    yield made
    made.close()


@pytest.fixture(params=HANDS)
def opened(site, request):
    made = HANDS[request.param](site)
    yield made
    made.close()


def test_a_held_statement_is_held_and_the_drivers_error(site, hand):
    with pytest.raises(backstop.Held) as caught:
        hand.execute(DELETE)
    held = caught.value
    pending, = site.operator.tickets()
    assert isinstance(held, hand.error) and isinstance(held, backstop.BackstopError)
    assert (held.ticket, held.state, held.retry, held.sqlstate) == (pending["id"], "pending", "same-statement", "ZB001")
    assert held.expires > NOW and held.expires.tzinfo is not None
    assert site.count("orders") == 100
    hand.rollback()
    assert hand.value("SELECT count(*) FROM py.orders") == 100


def test_blocked_is_not_permission_denied(site, hand):
    with site.pg.admin() as c:
        c.execute("CREATE TABLE py.foreign_table (id int)")  # of the superuser: app_trust may not read it
    with pytest.raises(hand.error) as caught:
        hand.execute("SELECT * FROM py.foreign_table")
    assert not isinstance(caught.value, backstop.BackstopError)
    assert backstop.decode(caught.value) is None
    hand.rollback()


@pytest.mark.parametrize("text", ["SELECT 1/0", "SELECT * FROM py.nothing", "SELEC"])
def test_errors_of_postgresql_stay_what_they_are(hand, text):
    with pytest.raises(hand.error) as caught:
        hand.execute(text)
    assert not isinstance(caught.value, backstop.BackstopError)
    hand.rollback()


def test_a_pause_is_paused(site, opened):
    status, _ = site.operator.ask("POST", "/v1/pauses", {"scope": "actor", "name": site.agent, "reason": "test"})
    assert status == 200
    try:
        with pytest.raises(backstop.Paused) as caught:
            opened.execute("SELECT 1")
        assert isinstance(caught.value, opened.error) and isinstance(caught.value, backstop.Blocked)
        assert caught.value.state == "paused"
        with pytest.raises(backstop.Paused) as login:
            type(opened)(site)
        assert isinstance(login.value, opened.error) and login.value.state == "paused"
    finally:
        assert site.operator.ask("DELETE", f"/v1/pauses?scope=actor&name={site.agent}")[0] == 200


def test_with_parameters_and_in_another_session_it_is_the_same(site, opened):
    text = "DELETE FROM py.orders WHERE id = " + ("$1" if opened.name == "asyncpg" else "%s")
    with pytest.raises(backstop.Held) as first:
        opened.execute(text, 7)
    opened.rollback()
    again = type(opened)(site)
    with pytest.raises(backstop.Held) as second:
        again.execute(text, 7)
    assert first.value.ticket == second.value.ticket
    again.close()


# --- every road of a driver --------------------------------------------------------------------


def held(call):
    with pytest.raises(backstop.Held):
        call()


def test_every_road_of_psycopg(site):
    with backstop.connect(site.url(), autocommit=True) as c:
        held(lambda: c.execute(DELETE))
        held(lambda: c.cursor().executemany("DELETE FROM py.orders WHERE id = %s", [(1,), (2,)]))
        held(lambda: list(c.cursor().stream("DELETE FROM py.orders RETURNING id")))
        held(lambda: c.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("py", "orders"))))
        held(lambda: c.execute(b"DELETE FROM py.orders"))
        held(lambda: psycopg.ClientCursor(c).execute(DELETE))
        held(lambda: c.execute(DELETE, prepare=True))

        def pipeline():
            with c.pipeline():
                c.execute(DELETE)
        held(pipeline)

        def copying():
            with c.cursor().copy("COPY (DELETE FROM py.orders RETURNING id) TO STDOUT") as copy:
                list(copy)
        held(copying)
    assert site.count("orders") == 100


def test_every_road_of_psycopg2(site):
    c = backstop.connect(site.url(), driver="psycopg2")
    c.autocommit = True
    cursor = c.cursor()
    held(lambda: cursor.execute(DELETE))
    held(lambda: cursor.execute(b"DELETE FROM py.orders"))
    held(lambda: cursor.execute(psycopg2.sql.SQL("DELETE FROM {}").format(psycopg2.sql.Identifier("py", "orders"))))
    held(lambda: cursor.executemany("DELETE FROM py.orders WHERE id = %s", [(1,), (2,)]))
    held(lambda: cursor.copy_expert("COPY (DELETE FROM py.orders RETURNING id) TO STDOUT", io.StringIO()))
    held(lambda: c.cursor(cursor_factory=psycopg2.extras.RealDictCursor).execute(DELETE))
    held(lambda: psycopg2.extras.execute_batch(cursor, "DELETE FROM py.orders WHERE id = %s", [(1,), (2,)]))
    c.close()
    assert site.count("orders") == 100


def test_every_road_of_asyncpg(site):
    async def roads():
        c = await backstop.connect(site.url(), driver="asyncpg")

        async def held(awaitable):
            with pytest.raises(backstop.Held):
                await awaitable

        await held(c.execute(DELETE))
        await held(c.execute("DELETE FROM py.orders WHERE id = $1", 1))
        await held(c.fetch(DELETE))
        await held(c.fetchval(DELETE))
        await held(c.fetchrow(DELETE))
        await held(c.executemany("DELETE FROM py.orders WHERE id = $1", [(1,), (2,)]))
        await held((await c.prepare(DELETE)).fetch())
        async with c.transaction():
            assert await c.fetchval("SELECT 1") == 1
        await c.close()

    asyncio.run(roads())
    assert site.count("orders") == 100


def test_pools_of_asyncpg(site):
    async def pooled():
        from backstop.asyncpg import Connection
        async with asyncpg.create_pool(site.url(), connection_class=Connection, min_size=1, max_size=1) as pool:
            for _ in range(2):
                async with pool.acquire() as c:
                    with pytest.raises(backstop.Held) as caught:
                        await c.execute(DELETE)
        return caught.value.ticket

    assert asyncio.run(pooled())


# --- claims ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HANDS)
def test_what_it_is_for_is_said_at_start_up(site, name):
    mine = HANDS[name](site, run_id="run-7", purpose="clean old orders, 100% 'safe'", parent="job\\1")
    with pytest.raises(backstop.Held):
        mine.execute(DELETE)
    mine.close()
    ticket, = site.operator.tickets()
    assert ticket["claims"] == {"run": "run-7", "purpose": "clean old orders, 100% 'safe'", "parent": "job\\1"}


def test_inside_a_run_open_connections_say_it_and_the_ticket_is_the_same(site, hand):
    with pytest.raises(backstop.Held) as plain:
        hand.execute(DELETE)
    hand.rollback()
    with backstop.run(purpose="tidy 100%", run_id="r-9"), pytest.raises(backstop.Held) as inside:
        hand.execute(DELETE)
    hand.rollback()
    assert inside.value.ticket == plain.value.ticket
    with backstop.run(purpose="first 50%", run_id="r-10", parent="r-9"), pytest.raises(backstop.Held) as other:
        hand.execute("DELETE FROM py.customers WHERE id = " + ("$1" if hand.name == "asyncpg" else "%s"), 1)
    hand.rollback()
    claims = {t["id"]: t.get("claims") for t in site.operator.tickets()}
    assert claims[other.value.ticket] == {"run": "r-10", "purpose": "first 50%", "parent": "r-9"}


@pytest.mark.parametrize("name", HANDS)
def test_a_connection_that_is_opened_in_a_run_is_of_it(site, name):
    with backstop.run(purpose="nightly", run_id="r-11"):
        mine = HANDS[name](site)
    with pytest.raises(backstop.Held):
        mine.execute(DELETE)
    mine.close()
    ticket, = site.operator.tickets()
    assert ticket["claims"] == {"run": "r-11", "purpose": "nightly"}


def test_own_options_stay(site):
    for cls in (Psycopg, Psycopg2):
        mine = cls(site, run_id="r", options="-c statement_timeout=12345")
        assert mine.value("SHOW statement_timeout") == "12345ms"
        mine.close()


@pytest.mark.parametrize("driver", ["mysql", "", None])
def test_unknown_drivers(driver):
    with pytest.raises(ValueError):
        backstop.connect("postgresql://localhost/x", driver=driver)


def test_what_is_no_connection():
    with pytest.raises(TypeError):
        backstop.guard(object())


def test_a_composed_query_says_it_too(site):
    """Of psycopg: what is no text gets its comment as a part."""
    query = sql.SQL("DELETE FROM {} WHERE id = {}").format(sql.Identifier("py", "orders"), sql.Placeholder())
    with backstop.connect(site.url(), autocommit=True) as c:
        with backstop.run(purpose="100% composed", run_id="r-12"), pytest.raises(backstop.Held):
            c.execute(query, (1,))
        with pytest.raises(backstop.Held):
            c.execute(query, (2,))
    second, first = site.operator.tickets()
    assert first["claims"] == {"run": "r-12", "purpose": "100% composed"} and "claims" not in second
