"""What a role may not lock is kept all the same; and transactions that end in another way than COMMIT.

The clerk's role may delete customers, and no more: what foreign keys take along belongs to others.
"""

import json

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from place import Place

SCHEMA = """
DROP SCHEMA IF EXISTS desk CASCADE;
CREATE SCHEMA desk AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE desk.customers (id int PRIMARY KEY, name text);
CREATE TABLE desk.orders (id int PRIMARY KEY,
                          customer int REFERENCES desk.customers ON DELETE CASCADE);
CREATE TABLE desk.notes (id int PRIMARY KEY, note text);
CREATE TABLE desk.nosy (id int);
CREATE TABLE desk.victim (id int);
CREATE FUNCTION desk.purge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $$BEGIN EXECUTE 'TRUNCATE desk.' || 'victim'; RETURN NULL; END$$;
CREATE TRIGGER purge AFTER DELETE ON desk.nosy FOR EACH STATEMENT EXECUTE FUNCTION desk.purge();
INSERT INTO desk.customers SELECT n, 'c' || n FROM generate_series(1, 20) n;
INSERT INTO desk.orders SELECT n, 1 + n % 20 FROM generate_series(1, 100) n;
INSERT INTO desk.notes SELECT n, 'n' FROM generate_series(1, 20) n;
INSERT INTO desk.nosy VALUES (1);
INSERT INTO desk.victim VALUES (1);
GRANT USAGE ON SCHEMA desk TO app_clerk;
GRANT SELECT, DELETE ON desk.customers, desk.nosy TO app_clerk;
GRANT SELECT, UPDATE (note) ON desk.notes TO app_clerk;
RESET ROLE;
"""
RULES = [{"name": "two-phase commit", "kinds": ["PREPARE TRANSACTION"], "risk": ["HIGH"],
          "action": "allow"}]


@pytest.fixture(scope="module")
def made(pg):
    g = Gateway(pg, {"app": pg.conninfo("app_clerk")}, policy={"rules": RULES},
                extra={"hold": {"wait": "0s"}})
    operator = Operator(g)
    with running(g, "ann") as g:
        yield Place(pg, g, operator)


@pytest.fixture
def desk(made):
    with made.pg.admin() as c:
        c.execute(SCHEMA)
    made.old = ()
    made.old = {p["point"] for p in points(made)}
    yield made
    with made.pg.admin() as c:
        for gid, in c.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
            c.execute(psycopg.sql.SQL("ROLLBACK PREPARED {}").format(psycopg.sql.Literal(gid)))


def points(place):
    listed = place.gateway.cli("points", "list", "--json", "--limit", "1000").stdout
    return [p for p in json.loads(listed)["points"] if p["point"] not in place.old]


def rows(place):
    """By table, and whether all of it was copied; each point verifies."""
    kept = {}
    for p in points(place):
        assert place.gateway.cli("points", "verify", p["point"], check=False).returncode == 0
        shown = json.loads(place.gateway.cli("points", "show", p["point"], "--json").stdout)
        for o in shown["manifest"]["objects"]:
            kept[o["name"]] = (o["row_count"], "some" if o.get("partial") else "whole")
    return kept


def count(place, table):
    with place.pg.admin() as c:
        return c.execute(f"SELECT count(*) FROM desk.{table}").fetchone()[0]


def run(place, c, sql):
    """Runs it once it is approved."""
    with pytest.raises(psycopg.Error) as caught:
        c.execute(sql)
    assert caught.value.sqlstate == "ZB001"
    if c.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
        c.execute("ROLLBACK")
        c.execute("BEGIN")
    place.operator.decide(place.operator.next_ticket()["id"], "approve")
    return c.execute(sql)


@pytest.mark.parametrize("sql, kept", [
    ("DELETE FROM desk.customers", {"customers": (20, "whole"), "orders": (100, "some")}),
    ("DELETE FROM desk.customers WHERE id <= 2", {"customers": (2, "some"), "orders": (10, "some")}),
    ("UPDATE desk.notes SET note = 'x'", {"notes": (20, "some")}),
])
def test_a_table_that_may_not_be_locked(desk, sql, kept):
    with desk.connect("ann") as c:
        run(desk, c, sql)
    assert rows(desk) == kept
    wait_until(lambda: {p["outcome"] for p in points(desk)} == {"committed"})


def test_the_same_in_its_own_transaction(desk):
    """Had a LOCK been tried and refused, the transaction would have failed."""
    with desk.connect("ann") as c:
        c.execute("BEGIN")
        run(desk, c, "DELETE FROM desk.customers")
        assert c.execute("SELECT count(*) FROM desk.customers").fetchone() == (0,)
        c.execute("COMMIT")
    assert rows(desk) == {"customers": (20, "whole"), "orders": (100, "some")}


def prepare(desk, sql):
    with desk.connect("ann") as c:
        c.execute("BEGIN")
        run(desk, c, sql)
        c.execute("PREPARE TRANSACTION 'later'")
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert c.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("ending, outcome, left", [("COMMIT PREPARED", "committed", 90),
                                                   ("ROLLBACK PREPARED", "rolled_back", 100)])
def test_a_prepared_transaction_is_settled_by_fact(desk, ending, outcome, left):
    prepare(desk, "DELETE FROM desk.customers WHERE id <= 2")
    assert {p["outcome"] for p in points(desk)} == {"armed"} and count(desk, "orders") == 100
    assert rows(desk) == {"customers": (2, "some"), "orders": (10, "some")}
    with desk.pg.admin() as c:
        c.execute(f"{ending} 'later'")
    wait_until(lambda: {p["outcome"] for p in points(desk)} == {outcome}, 20)
    assert count(desk, "orders") == left


def test_what_is_prepared_is_audited_before(desk):
    with pytest.raises(psycopg.Error) as caught:
        prepare(desk, "DELETE FROM desk.nosy")
    assert caught.value.sqlstate == "ZB005"
    assert count(desk, "victim") == 1 and count(desk, "nosy") == 1
    with desk.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM pg_prepared_xacts").fetchone() == (0,)
