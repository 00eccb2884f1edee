"""SET ROLE to the role that a session logged in with changes nothing where it has that role, and then
asks nobody; in every other case it asks, as SET ROLE to any other role does."""

import contextlib
import json

import psycopg
import pytest

from conftest import Gateway, running
from operator_side import Operator
from place import Place, a_place
from rawwire import bind, execute, message, parse, query

OWN = "SET ROLE app_trust"
SYNC = message(b"S")


@pytest.fixture(scope="module")
def place(pg):
    with pg.admin() as c:
        c.execute("CREATE ROLE own_other; GRANT own_other TO app_trust")
    with a_place(pg) as place:
        place.reset()
        yield place
    with pg.admin() as c:
        c.execute("DROP ROLE own_other")


def role(c):
    return c.execute("SELECT current_user").fetchone()[0]


def held(c, sql):
    """Its ticket."""
    with pytest.raises(psycopg.Error) as caught:
        c.execute(sql)
    assert caught.value.sqlstate == "ZB001", caught.value
    return json.loads(caught.value.diag.message_detail)["ticket"]


def approved(place, c, sql):
    place.operator.decide(held(c, sql), "approve")
    c.execute(sql)


@pytest.mark.parametrize("sql", [
    OWN, "SET ROLE 'app_trust'", 'SET ROLE "app_trust"', "set session role App_Trust", "SET role TO app_trust",
    "SET LOCAL ROLE app_trust", "SET \"role\" = 'app_trust'", 'SET ROLE U&"app\\005ftrust"',
    "SET ROLE app_trust; SET ROLE app_trust; SELECT 1"])
def test_the_own_role_passes(place, sql):
    with place.connect() as c:
        c.execute(sql)
        c.execute(sql)
        assert role(c) == "app_trust"


@pytest.mark.parametrize("sql", [
    "SET ROLE own_other", 'SET ROLE "APP_TRUST"', "SET ROLE 'App_trust'", "SET ROLE NONE", "RESET ROLE",
    "SET ROLE TO DEFAULT", "SET role FROM CURRENT", "SET SESSION AUTHORIZATION app_trust",
    "SET ROLE own_other; SET ROLE app_trust", "SET SESSION AUTHORIZATION DEFAULT; SET ROLE app_trust",
    "SELECT set_config('role', 'own_other', false); SET ROLE app_trust"])
def test_any_other_asks(place, sql):
    with place.connect() as c:
        held(c, sql)
        c.execute(OWN)
        held(c, sql)


def test_by_the_extended_protocol(place):
    with place.connect() as c:
        c.execute(OWN, binary=True)
        for _ in range(3):
            c.execute(OWN, prepare=True)
        with pytest.raises(psycopg.Error) as caught:
            c.execute("SET ROLE own_other", prepare=True)
        assert caught.value.sqlstate == "ZB001"
        assert role(c) == "app_trust"


def test_in_a_series_with_others(place):
    with place.raw() as r:
        r.send(parse("", "SELECT 1") + bind("", "") + execute() + parse("", OWN) + bind("", "") + execute()
               + parse("", "SELECT 2") + bind("", "") + execute() + SYNC)
        seen = r.until()
        assert [kind for kind, _ in seen] == [b"1", b"2", b"D", b"C", b"1", b"2", b"C", b"1", b"2", b"D", b"C",
                                              b"Z"], seen
        r.send(query(OWN) + query("SELECT 1") + query(OWN))  # ahead of the answers
        for _ in range(3):
            assert b"E" not in [kind for kind, _ in r.until()]


def test_in_a_transaction(place):
    with place.connect() as c:
        c.execute("BEGIN; SELECT 1")
        c.execute(OWN)
        c.execute("ROLLBACK")
        c.execute(OWN)
        assert role(c) == "app_trust"


def test_with_flush_in_the_place_of_sync(place):
    flush = message(b"H")
    with place.raw("bob") as r:
        for _ in range(3):
            r.send(parse("", OWN) + flush)
            assert r.next()[0] == b"1"
            r.send(bind("", "") + execute() + flush)
            assert [r.next()[0] for _ in range(2)] == [b"2", b"C"]
            r.send(SYNC)
            assert r.until()[-1] == (b"Z", b"I")
            r.send(parse("", OWN) + flush + bind("", "") + flush + execute() + flush + SYNC)
            assert [kind for kind, _ in r.until()] == [b"1", b"2", b"C", b"Z"]


def test_beside_what_was_approved(place):
    with place.connect("bob") as c:
        c.execute("BEGIN")
        c.execute(OWN)
        place.operator.decide(held(c, "DELETE FROM ground.child WHERE id = 1"), "approve")
        c.execute("ROLLBACK")
        c.execute("BEGIN")
        c.execute(OWN)
        c.execute("DELETE FROM ground.child WHERE id = 1")
        c.execute(OWN)
        c.execute("COMMIT")
        assert place.state()[1] == 99
        place.reset()


def test_as_the_first_of_a_transaction(place):
    with place.connect() as c:
        c.execute("BEGIN")
        c.execute(OWN)
        c.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")  # not once there is a snapshot
        c.execute("ROLLBACK")
    with place.connect(autocommit=False) as c:
        held(c, "SET ROLE own_other")
        c.rollback()
        c.execute(OWN)
        c.execute(OWN)
        c.rollback()
    with place.raw() as r:
        r.send(parse("", "BEGIN") + bind("", "") + execute() + parse("", OWN) + bind("", "") + execute() + SYNC)
        assert r.until()[-1] == (b"Z", b"T")


def test_what_it_comes_with_is_judged(place):
    before = place.state()
    with place.connect() as c:
        ticket = held(c, f"{OWN}; DELETE FROM ground.child")
        said = place.operator.ask("GET", f"/v1/tickets/{ticket}")[1]
        assert "DELETE" in json.dumps(said)
        assert place.state() == before
        place.operator.decide(ticket, "approve")
        c.execute(f"{OWN}; DELETE FROM ground.child")
        assert place.state()[1] == 0
        place.reset()


@pytest.mark.parametrize("changes, back", [
    ("SET ROLE own_other", "RESET ROLE"),
    ("SELECT set_config('role', 'own_other', false)", "RESET ROLE"),
    ("DO $$ BEGIN SET ROLE own_other; END $$", "RESET ROLE")])
def test_after_an_approved_change_it_asks(place, changes, back):
    with place.connect() as c:
        c.execute(OWN)
        approved(place, c, changes)
        assert role(c) == "own_other"
        held(c, OWN)
        c.execute("BEGIN")
        held(c, OWN)
        c.execute("ROLLBACK")
        approved(place, c, back)
        c.execute(OWN)
        assert role(c) == "app_trust"


@contextlib.contextmanager
def altered(pg, sql, back):
    with pg.admin() as c:
        c.execute(sql)
    try:
        yield
    finally:
        with pg.admin() as c:
            c.execute(back)


def test_where_the_session_begins_as_another(place, pg):
    with altered(pg, "ALTER ROLE app_trust SET role = own_other", "ALTER ROLE app_trust RESET role"):
        with place.connect() as c:
            assert role(c) == "own_other"
            held(c, OWN)
            c.execute("BEGIN")
            held(c, OWN)


def test_where_the_operator_says_that_it_does(place, pg):
    upstream = pg.conninfo("app_trust", options="-c role=own_other")
    g = Gateway(pg, {"app": upstream}, extra={"hold": {"wait": "0s"}})
    operator = Operator(g)
    with running(g, "ann") as g, Place(pg, g, operator).connect() as c:
        assert role(c) == "own_other"
        held(c, OWN)


def test_where_the_role_is_called_otherwise_meanwhile(place, pg):
    with place.connect() as c:
        c.execute(OWN)
        with altered(pg, "ALTER ROLE app_trust RENAME TO app_before; CREATE ROLE app_trust; GRANT app_trust TO app_before",
                     "DROP ROLE app_trust; ALTER ROLE app_before RENAME TO app_trust"):
            held(c, OWN)
        c.execute(OWN)


def test_what_is_explained(place):
    with place.connect() as c:
        said = [json.loads(c.execute(f"EXPLAIN (BACKSTOP) SET ROLE {name}").fetchone()[0])
                for name in ("app_trust", "own_other")]
        assert [(s["risk"], s["outcome"]) for s in said] == [("SAFE", "runs"), ("CRITICAL", "asks")]
