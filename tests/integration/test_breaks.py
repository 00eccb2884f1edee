"""Attempts to commit a loss that no recovery point holds, from inside the agent's own transactions.

Everything is allowed here, so that nobody has to approve; it is protected all the same.
"""

import pytest

from conftest import wait_until
from place import a_place
from rawwire import SYNC, bind, describe, execute, parse, query, report
from stored import Store

ROWS = 20
SCHEMA = f"""
DROP SCHEMA IF EXISTS brk CASCADE;
CREATE SCHEMA brk AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE brk.t (id int PRIMARY KEY, v text NOT NULL);
INSERT INTO brk.t SELECT n, 'v' || n FROM generate_series(1, {ROWS}) n;
RESET ROLE;
"""
ALL = [{"name": "all", "actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow"}]


@pytest.fixture(scope="module")
def made(pg):
    with a_place(pg, ALL) as p:
        p.store = Store(p.gateway.folder / "points")
        yield p


@pytest.fixture
def place(made):
    with made.pg.admin() as c:
        c.execute(SCHEMA)
    made.old = {p.id for p in made.store.points()}
    return made


def points(place):
    """The points of this test, each closed."""
    found = [p for p in place.store.points() if p.id not in place.old and p.complete()]
    wait_until(lambda: all(p.events() and p.events()[-1] != "armed" for p in found), 10)
    return found


def lost(place, **added):
    """Rows of brk.t that are neither there nor in a committed point."""
    was = {n: f"v{n}" for n in range(1, ROWS + 1)} | {int(k[1:]): v for k, v in added.items()}
    with place.pg.admin() as c:
        there = dict(c.execute("SELECT id, v FROM brk.t"))
    saved = {row["id"]: row["v"] for p in points(place) if p.committed()
             for table, row in p.rows() if table == "brk.t"}
    return {k for k, v in was.items() if v not in (there.get(k), saved.get(k))}


def ran(r, *messages):
    """Sends them at once; the tags and SQLSTATEs up to ReadyForQuery, with its status."""
    r.send(b"".join(messages))
    said = []
    for kind, body in r.until():
        if kind == b"C":
            said.append(body[:-1].decode())
        elif kind == b"E":
            said.append(report(body)["C"])
        elif kind == b"Z":
            said.append(body.decode())
    return said


def extended(sql, portal="", run=True):
    return parse("", sql) + bind(portal, "") + (execute(portal) if run else b"") + SYNC


# --- a portal that is run later than it was bound -------------------------------------------------


@pytest.mark.parametrize("ending, portal", [("COMMIT", "p"), ("END", ""),
                                            ("PREPARE TRANSACTION 'brk'", "p")])
def test_a_portal_that_ends_the_transaction(place, ending, portal):
    """Bound while nothing gated had run, and run behind the DELETE: nobody looks at an Execute."""
    with place.raw() as r:
        ran(r, query("BEGIN"))
        assert ran(r, extended(ending, portal, run=False)) == ["0A000", "E"]
        ran(r, query("ROLLBACK"), query("BEGIN"))
        r.until()
        ran(r, extended("DELETE FROM brk.t WHERE id <= 3"))
        assert ran(r, execute(portal), SYNC)[-1] == "E"
        ran(r, query("ROLLBACK"))
    with place.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM pg_prepared_xacts").fetchone() == (0,)
    assert lost(place) == set()


def test_a_portal_of_rollback_to(place):
    """Run behind the DELETE it takes the lock of its point away, while the point still counts."""
    with place.raw() as r:
        ran(r, query("BEGIN"))
        ran(r, query("SAVEPOINT s"))
        assert ran(r, extended("ROLLBACK TO s", "p", run=False)) == ["0A000", "E"]


def test_control_that_is_run_at_once(place):
    """As drivers send it, with a Describe or without, in one series with others."""
    with place.raw() as r:
        series = b"".join(parse("", sql) + bind("", "") + describe("P", "") + execute("")
                          for sql in ("BEGIN", "SAVEPOINT s", "SELECT 1", "RELEASE s"))
        assert ran(r, series, SYNC) == ["BEGIN", "SAVEPOINT", "SELECT 1", "RELEASE", "T"]
        assert ran(r, extended("DELETE FROM brk.t WHERE id = 1")) == ["DELETE 1", "T"]
        assert ran(r, extended("COMMIT", "c")) == ["COMMIT", "I"]
    assert lost(place) == set() and [p.events()[-1] for p in points(place)] == ["committed"]


# --- savepoints whose names are used again --------------------------------------------------------


def test_a_savepoint_that_was_released_in_the_extended_protocol(place):
    """ROLLBACK TO means the outer one again: the DELETE is undone, and its point covers nothing."""
    with place.raw() as r, place.pg.admin() as other:
        for statement in (query("BEGIN"), query("SAVEPOINT s"), query("DELETE FROM brk.t"),
                          query("SAVEPOINT s"), extended("RELEASE s"), query("ROLLBACK TO s")):
            assert ran(r, statement)[-1] == "T"
        other.execute("INSERT INTO brk.t VALUES (100, 'theirs')")
        assert ran(r, query("DO $$BEGIN DELETE FROM brk.t; END$$")) == ["DO", "T"]
        assert ran(r, query("COMMIT")) == ["COMMIT", "I"]
    assert lost(place, n100="theirs") == set()


def test_what_was_not_undone_is_not_said_to_be(place):
    """psycopg 3 names the savepoints of its nested transactions so."""
    with place.raw() as r:
        for statement in (query("BEGIN"), extended("SAVEPOINT s"), extended("RELEASE s"),
                          query("DELETE FROM brk.t"), extended("SAVEPOINT s"),
                          extended("ROLLBACK TO s")):
            assert ran(r, statement)[-1] == "T"
        assert ran(r, query("COMMIT")) == ["COMMIT", "I"]
    assert [p.events()[-1] for p in points(place)] == ["committed"]
    assert [p.manifest()["capture"]["mode"] for p in points(place)] == ["whole"]
    assert lost(place) == set()


# --- code that COMMIT itself runs -----------------------------------------------------------------

CODE = """SET ROLE app_trust;
CREATE FUNCTION brk.purge() RETURNS int LANGUAGE plpgsql AS $$BEGIN DELETE FROM brk.t; RETURN 1; END$$;
CREATE TABLE brk.queue (n int);
CREATE FUNCTION brk.again() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF current_setting('brk.second', true) = 'yes' THEN PERFORM brk.purge(); RETURN NULL; END IF;
  PERFORM set_config('brk.second', 'yes', true);
  SET CONSTRAINTS brk.later DEFERRED; INSERT INTO brk.queue VALUES (2); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON brk.queue DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION brk.again();
CREATE TABLE brk.full (n int);
INSERT INTO brk.full VALUES (1);
CREATE FUNCTION brk.emptied() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO brk.queue VALUES (1); RETURN NULL; END$$;
CREATE TRIGGER emptied AFTER TRUNCATE ON brk.full FOR EACH STATEMENT EXECUTE FUNCTION brk.emptied();
"""
HOLD = "DO $$BEGIN EXECUTE 'DECLARE k CURSOR WITH HOLD FOR SELECT brk.purge()'; END$$"
DEFER = "DO $$BEGIN INSERT INTO brk.queue VALUES (1); END$$"


@pytest.mark.parametrize("statements", [
    ["BEGIN", "SAVEPOINT s", HOLD, "COMMIT"],
    ["BEGIN", "SAVEPOINT s", DEFER, "COMMIT"],
    ["BEGIN", 'SAVEPOINT "S "" s"', "SAVEPOINT t", 'SAVEPOINT "S "" s"', DEFER, "COMMIT"],
    ["TRUNCATE brk.full"],
], ids=["a cursor", "a trigger", "savepoints of one name", "our own savepoint"])
def test_read_only_does_not_end_with_a_savepoint(place, statements):
    """SET TRANSACTION READ ONLY holds to the end of the subtransaction, and COMMIT ends all those
    that are open before it runs cursors and triggers."""
    with place.pg.admin() as c:
        c.execute(CODE)
    with place.raw() as r:
        for statement in statements[:-1]:
            assert ran(r, query(statement))[-1] == "T"
        assert ran(r, query(statements[-1])) == ["25006", "I"]
    with place.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM brk.full").fetchone() == (1,)
    assert lost(place) == set()


# --- a prepared statement that code gives another meaning -----------------------------------------

AGAIN = "EXECUTE 'DEALLOCATE s1'; EXECUTE 'PREPARE s1 AS DELETE FROM brk.t'"


@pytest.mark.parametrize("in_sql", [True, False], ids=["PREPARE", "Parse"])
@pytest.mark.parametrize("statements", [
    [f"DO $$BEGIN {AGAIN}; END$$"],
    ["BEGIN", f"DO $$BEGIN {AGAIN}; END$$"],
    ["BEGIN", "INSERT INTO brk.queue VALUES (1)", "COMMIT"],
], ids=["at once", "in a transaction", "at COMMIT"])
def test_a_name_that_code_has_prepared_anew(place, in_sql, statements):
    """What runs by it would be judged by the text that it had."""
    with place.pg.admin() as c:
        c.execute(CODE + "CREATE OR REPLACE FUNCTION brk.again() RETURNS trigger LANGUAGE plpgsql AS"
                  f" $$BEGIN {AGAIN}; RETURN NULL; END$$")
    with place.raw() as r:
        ran(r, query("PREPARE s1 AS SELECT 1") if in_sql else parse("s1", "SELECT 1") + SYNC)
        ran(r, parse("other", "SELECT 2"), SYNC)
        for statement in statements:
            assert ran(r, query(statement))[0] == statement.split()[0] or "INSERT" in statement
        assert ran(r, bind("", "other"), execute(), SYNC)[0] == "SELECT 1"
        if in_sql:
            said = ran(r, query("EXECUTE s1"))
        else:
            said = ran(r, bind("", "s1"), execute(), SYNC)
        assert said[0] == "26000"
    assert lost(place) == set()
