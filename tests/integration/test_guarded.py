"""Transactions of the agents' own, in which something gated goes wrong or that go on for long.

Everything is allowed here but TRUNCATE, so that nobody has to approve; it is protected all the same.
"""

import json
import sqlite3
import threading
import time

import psycopg
import pytest

from conftest import wait_until
from place import a_place
from rawwire import bind, execute, message, parse, query

SYNC = message(b"S")
ROWS = 60_000
SCHEMA = f"""
DROP SCHEMA IF EXISTS guard CASCADE;
CREATE SCHEMA guard AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE guard.big (id int PRIMARY KEY, v text NOT NULL);
CREATE TABLE guard.small (id int PRIMARY KEY, v text NOT NULL);
CREATE TABLE guard.part (id int PRIMARY KEY, small int REFERENCES guard.small);
CREATE TABLE guard.slow (id int PRIMARY KEY, v text);
CREATE FUNCTION guard.wait() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN PERFORM pg_sleep(20); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER wait AFTER DELETE ON guard.slow DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION guard.wait();
INSERT INTO guard.big SELECT n, 'v' || n FROM generate_series(1, {ROWS}) n;
INSERT INTO guard.small SELECT n, 's' || n FROM generate_series(1, 100) n;
INSERT INTO guard.part VALUES (1, 1);
INSERT INTO guard.slow SELECT n FROM generate_series(1, 100) n;
RESET ROLE;
ANALYZE guard.big, guard.small, guard.part, guard.slow;
"""
RULES = [{"name": "work", "actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow",
          "kinds": ["INSERT", "UPDATE", "DELETE"]}]
ONE = "UPDATE guard.big SET v = 'x' WHERE id = %s"  # read before it changes
SOME = "UPDATE guard.small SET v = 'x' WHERE v = 's7'"  # read before COMMIT


@pytest.fixture(scope="module")
def made(pg):
    with a_place(pg, RULES, recovery={"lock_budget": "2s"}) as p:
        p.fresh = []
        yield p


@pytest.fixture
def place(made):
    with made.pg.admin() as c:
        c.execute(SCHEMA)
        c.execute(f"CREATE TABLE guard.fresh_{len(made.fresh)} (); GRANT SELECT ON guard.fresh_{len(made.fresh)} TO PUBLIC")
    with made.connect("ann") as c:  # a name that it does not know makes the gateway read the catalog
        c.execute(f"SELECT FROM guard.fresh_{len(made.fresh)}")
    made.fresh.append(True)
    made.old = ()
    made.old = {p["point"] for p in points(made)}
    made.heard = len(made.audit())
    return made


def points(place):
    listed = place.gateway.cli("points", "list", "--json", "--limit", "10000").stdout
    return [p for p in json.loads(listed)["points"] if p["point"] not in place.old]


def outcomes(place):
    """Of what was gated, in the order of the audit."""
    return [r["outcome"] for r in place.audit()[place.heard:] if r["kind"] == "outcome"]


def rows_kept(place):
    kept = {}
    for p in points(place):
        shown = json.loads(place.gateway.cli("points", "show", p["point"], "--json").stdout)
        for o in shown["manifest"]["objects"]:
            kept[o["name"]] = kept.get(o["name"], 0) + o["row_count"]
    return kept


def helpers(place):
    with place.pg.admin() as c:
        return c.execute("SELECT count(*) FROM pg_stat_activity"
                         " WHERE application_name = 'backstop/helper'").fetchone()[0]


def test_only_what_failed_and_was_rolled_back(place):
    """Nothing gated has run, so there is nothing to audit: COMMIT is as it ever was."""
    with place.connect("ann") as c:
        c.execute("BEGIN")
        c.execute("SAVEPOINT a")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            c.execute("DELETE FROM guard.small WHERE id = 1")
        c.execute("ROLLBACK TO a")
        c.execute("INSERT INTO guard.small VALUES (1000, 'new')")
        c.execute("COMMIT")
        assert c.execute("SELECT count(*) FROM guard.small").fetchone() == (101,)


def test_a_session_that_ends_while_another_statement_is_recorded(place):
    """What ran before it is written down all the same, and nothing of the session is left."""
    before = helpers(place)
    c = place.connect("ann")
    c.execute("BEGIN")
    c.execute(ONE, (7,))
    state = sqlite3.connect(f"{place.gateway.folder}/state.db", isolation_level=None)
    state.execute("BEGIN EXCLUSIVE")
    try:
        c.pgconn.send_query(b"TRUNCATE guard.small")
        time.sleep(0.5)
        c.close()
        time.sleep(0.5)
    finally:
        state.execute("ROLLBACK")
        state.close()
    wait_until(lambda: outcomes(place) == ["rolled_back", "rolled_back"])
    wait_until(lambda: helpers(place) <= before)
    assert {p["outcome"] for p in points(place)} <= {"not_used"}


def test_a_baseline_that_was_cut_short(place):
    """A reading of the counters that a timeout ends half-way is none: every table must be in it."""
    with place.pg.admin() as c:
        c.execute("DO $$BEGIN FOR i IN 1 .. 2000 LOOP EXECUTE"
                  " 'CREATE TABLE guard.x' || i || ' (id int)'; END LOOP; END$$")
        c.execute("CREATE TABLE guard.late (id int, v text)")  # is read last
        c.execute("ALTER TABLE guard.late OWNER TO app_trust")
        c.execute("INSERT INTO guard.late SELECT n FROM generate_series(1, 10) n")
    cut = 0
    for step in range(10):
        with place.connect("ann") as c:
            c.execute("BEGIN")
            c.execute("SAVEPOINT a")
            c.execute(f"SET LOCAL statement_timeout = {1 + step}")
            try:
                c.execute("UPDATE guard.late SET v = 'x' WHERE id = 0")
            except psycopg.errors.QueryCanceled:
                cut += 1
            c.execute("ROLLBACK TO a")
            c.execute("SET LOCAL statement_timeout = 0")
            c.execute("UPDATE guard.late SET v = 'x' WHERE id = %s", (step + 1,))
            c.execute("COMMIT")
    assert cut > 0 and rows_kept(place) == {"late": 10}


def test_a_pause_longer_than_the_budget(place):
    with place.connect("ann") as c:
        c.execute("BEGIN")
        c.execute(ONE, (1,))
        time.sleep(2.5)
        c.execute(ONE, (2,))
        c.execute(SOME)
        c.execute("COMMIT")
    assert rows_kept(place) == {"big": 2, "small": 1}


def test_many_statements_take_few_connections(place):
    """Those of the helper count against the server's own limit."""
    before = helpers(place)
    with place.connect("ann") as c:
        c.execute("BEGIN")
        for i in range(30):
            c.execute(ONE, (i,))
        most = helpers(place)
        c.execute("COMMIT")
    assert most - before <= 2
    wait_until(lambda: helpers(place) <= before)


def test_a_cancel_reaches_what_was_deferred(place):
    """COMMIT is preceded by deferred triggers, which may run for long."""
    with place.connect("ann") as c:
        c.execute("BEGIN")
        c.execute("DELETE FROM guard.slow WHERE id = 1")
        timer = threading.Timer(0.5, c.cancel)
        timer.start()
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("COMMIT")
        assert time.monotonic() - begun < 10
        assert c.execute("SELECT count(*) FROM guard.slow").fetchone() == (100,)


def test_a_way_back_that_was_bound_and_run(place):
    with place.raw("ann") as r:
        for text in ("BEGIN", "SAVEPOINT a", "UPDATE guard.small SET v = 'x' WHERE id = 3"):
            r.send(query(text))
            r.until()
        r.send(parse("", "ROLLBACK TO a") + bind("", "") + execute() + SYNC)
        r.until()
        r.send(query("COMMIT"))
        assert (b"C", b"COMMIT\0") in r.until()
    wait_until(lambda: outcomes(place) != [])
    assert outcomes(place) == ["rolled_back"]


def test_all_of_it_rolled_back_to_a_savepoint(place):
    with place.connect("ann") as c:
        c.execute("BEGIN")
        c.execute("SAVEPOINT a")
        c.execute(SOME)
        c.execute("ROLLBACK TO a")
        c.execute("INSERT INTO guard.small VALUES (1000, 'new')")
        c.execute("COMMIT")
        assert c.execute("SELECT count(*) FROM guard.small").fetchone() == (101,)
    wait_until(lambda: outcomes(place) != [])
    assert outcomes(place) == ["rolled_back"]
