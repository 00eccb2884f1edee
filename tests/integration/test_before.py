"""Rows that are read before a statement changes them: when that is done, and that the guess is checked.

Everything is allowed here, so that nobody has to approve; it is protected all the same.
"""

import json
import threading

import psycopg
import pytest

from conftest import wait_until
from place import a_place
from stored import Store

ROWS = 60_000
SCHEMA = f"""
DROP SCHEMA IF EXISTS early CASCADE;
CREATE SCHEMA early AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE early.big (id int PRIMARY KEY, v text NOT NULL);
CREATE TABLE early.child (id int PRIMARY KEY, big int REFERENCES early.big ON DELETE CASCADE, v text);
CREATE INDEX ON early.child (big);
CREATE TABLE early.watched (id int PRIMARY KEY, v text);
CREATE FUNCTION early.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER note BEFORE UPDATE ON early.watched FOR EACH ROW EXECUTE FUNCTION early.note();
INSERT INTO early.big SELECT n, 'v' || n FROM generate_series(1, {ROWS}) n;
INSERT INTO early.child SELECT n, n, 'c' FROM generate_series(1, {ROWS}) n;
INSERT INTO early.watched SELECT n, 'w' FROM generate_series(1, {ROWS}) n;
RESET ROLE;
ANALYZE early.big, early.child, early.watched;
"""
RULES = [{"name": "work", "actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow",
          "kinds": ["INSERT", "UPDATE", "DELETE"]}]


@pytest.fixture(scope="module")
def made(pg):
    with a_place(pg, RULES) as p:
        yield p


@pytest.fixture
def place(made):
    with made.pg.admin() as c:
        c.execute(SCHEMA)
    with made.connect("ann") as c, pytest.raises(psycopg.Error):
        c.execute("SELECT FROM early.nothing")  # an unknown name: the catalog is read again
    made.old = ()
    made.old = {p["point"] for p in points(made)}
    return made


def points(place):
    listed = place.gateway.cli("points", "list", "--json", "--limit", "1000").stdout
    return [p for p in json.loads(listed)["points"] if p["point"] not in place.old]


def kept(place):
    """What was kept how: {mode: {table: rows}}; every point verifies and says committed."""
    found = {}
    wait_until(lambda: {p["outcome"] for p in points(place)} <= {"committed"})
    for p in points(place):
        assert place.gateway.cli("points", "verify", p["point"], check=False).returncode == 0
        shown = json.loads(place.gateway.cli("points", "show", p["point"], "--json").stdout)["manifest"]
        found[shown["capture"]["mode"]] = {o["name"]: o["row_count"] for o in shown["objects"]}
    return found


@pytest.mark.parametrize("sql, params, want", [
    ("UPDATE early.big SET v = 'x' WHERE id = 7", None, {"rows-before": {"big": 1}}),
    ("UPDATE early.big SET v = 'x' WHERE id = %s", (7,), {"rows-before": {"big": 1}}),
    ("UPDATE early.big SET v = 'x' WHERE id IN (%s, %s) AND v <> %s", (7, 8, "v8"),
     {"rows-before": {"big": 1}}),
    ("DELETE FROM early.big WHERE id BETWEEN %s AND %s", (10, 12), {"rows-before": {"big": 3, "child": 3}}),
    # a third of the table and more
    ("UPDATE early.big SET v = 'x' WHERE id > 10", None, {"whole": {"big": ROWS}}),
    # no index: they are looked for once, afterwards
    ("UPDATE early.child SET v = 'x' WHERE v = 'nothing' OR id + 0 = 5", None, {"rows": {"child": 1}}),
    # whatever a trigger does, the condition does not tell
    ("UPDATE early.watched SET v = 'x' WHERE id = 7", None, {"rows": {"watched": 1}}),
])
def test_what_is_cheaper(place, sql, params, want):
    with place.connect("ann") as c:
        c.execute(sql, params)
    assert kept(place) == want


def test_tables_that_were_made_anew_behind_the_gateway(place):
    """The condition was written for others, so what it picks is looked for afterwards."""
    with place.pg.admin() as c:
        c.execute(SCHEMA)
    with place.connect("ann") as c:
        c.execute("UPDATE early.big SET v = 'x' WHERE id = 7")
    assert kept(place) == {"rows": {"big": 1}}


def test_nothing_to_change_makes_no_point(place):
    with place.connect("ann") as c:
        assert c.execute("DELETE FROM early.big WHERE id = %s", (-1,)).rowcount == 0
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert kept(place) == {}


def test_a_guess_that_falls_short(place):
    """The helper does not see what the transaction itself has added, so its number of rows is less
    than the server counts: the rest is looked for before COMMIT."""
    with place.connect("ann") as c:
        c.execute("BEGIN")
        c.execute("INSERT INTO early.big VALUES (-1, 'mine')")
        assert c.execute("DELETE FROM early.big WHERE id <= 2").rowcount == 3
        c.execute("COMMIT")
    found = kept(place)
    assert found["rows-before"] == {"big": 2, "child": 2} and found["rows"] == {"big": 2}


def blocked(place):
    with place.pg.admin() as c:
        return c.execute("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                         " WHERE NOT l.granted AND a.usename = 'app_trust'").fetchone()[0]


def test_what_others_commit_while_we_wait_for_the_lock_is_kept(place):
    with place.pg.admin() as other, place.connect("ann") as c:
        other.execute("BEGIN")
        other.execute("UPDATE early.big SET v = 'theirs' WHERE id = 7")
        asking = threading.Thread(target=c.execute, args=("DELETE FROM early.big WHERE id = 7",))
        asking.start()
        wait_until(lambda: blocked(place))
        other.execute("COMMIT")
        asking.join(10)
    assert kept(place) == {"rows-before": {"big": 1, "child": 1}}
    new = {p["point"] for p in points(place)}
    saved = [row for p in Store(place.gateway.folder / "points").points() if p.id in new
             for table, row in p.rows() if table == "early.big"]
    assert saved == [{"id": 7, "v": "theirs"}]
