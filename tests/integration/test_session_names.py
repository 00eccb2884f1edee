"""What only a session has - temporary objects, and what its open transaction made - is known by
what the server says of it. Reading it is let through where it runs nothing, and held where it does,
however it came to be. Bob may make anything without asking, and read only what is SAFE."""

import psycopg
import pytest

from conftest import wait_until
from place import a_place
from rawwire import FLUSH, SYNC, bind, execute, parse, query, report

MAKES = {"name": "makes", "actors": ["bob"], "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow",
         "recovery": "none",
         "kinds": ["CREATE TEMP TABLE", "CREATE VIEW", "CREATE OR REPLACE VIEW", "CREATE FUNCTION",
                   "CREATE TYPE", "CREATE DOMAIN", "CREATE INDEX", "CREATE POLICY", "CREATE TABLE AS",
                   "ALTER TABLE ADD CONSTRAINT", "ALTER TABLE ENABLE ROW LEVEL SECURITY",
                   "DROP VIEW", "DROP TABLE", "RENAME",
                   "DROP FUNCTION", "DROP DOMAIN"]}

SCHEMA = """
DROP SCHEMA IF EXISTS own CASCADE;
CREATE SCHEMA own AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE own.victim (id int PRIMARY KEY);
CREATE TABLE own.users (id int PRIMARY KEY, email text);
INSERT INTO own.victim SELECT generate_series(1, 50);
INSERT INTO own.users SELECT n, n || '@x' FROM generate_series(1, 50) n;
CREATE FUNCTION own.purge() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1; END$$;
CREATE FUNCTION own.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 1; END$$;
CREATE FUNCTION own.mild(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION own.calls_mild(int) RETURNS int LANGUAGE sql AS 'SELECT own.mild($1)';
CREATE VIEW own.shows AS SELECT id FROM own.users;
CREATE VIEW own.purges AS SELECT own.purge() AS id;
CREATE VIEW own.milds AS SELECT own.mild(id) AS id FROM own.users;
CREATE OPERATOR own.@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = own.two);
CREATE DOMAIN own.odd AS int CHECK (own.trap(VALUE) = 1);
CREATE TYPE own.pair AS (a own.odd);
RESET ROLE;
"""
SCHEMA = SCHEMA.replace("CREATE OPERATOR", "CREATE FUNCTION own.two(int, int) RETURNS int LANGUAGE sql"
                                           " AS 'SELECT $1 + $2';\nCREATE OPERATOR")

EVIL = "$$BEGIN DELETE FROM own.victim; RETURN 1; END$$"
# What was made of harmless functions turns evil with them. One is IMMUTABLE, or says so.
ARMED = f"""
CREATE OR REPLACE FUNCTION own.purge() RETURNS int LANGUAGE plpgsql AS {EVIL};
CREATE OR REPLACE FUNCTION own.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$BEGIN RETURN own.purge(); END$$;
"""


@pytest.fixture(scope="module")
def place(pg):
    with a_place(pg, rules=[MAKES]) as place:
        yield place


def victims(place):
    with place.pg.admin() as c:
        return c.execute("SELECT count(*) FROM own.victim").fetchone()[0]


def is_held(c, sql):
    try:
        c.execute(sql)
    except psycopg.Error as e:
        return e.sqlstate in ("ZB001", "ZB004", "42501")
    return False


@pytest.fixture(autouse=True)
def fresh(place):
    with place.pg.admin() as c:
        c.execute(SCHEMA)
    with place.connect("ann") as c:  # the gateway has heard of it
        wait_until(lambda: not is_held(c, "SELECT own.purge()"), 30)


def arm(place):
    """Somebody else does; and the gateway has heard of it."""
    with place.pg.admin() as c:
        c.execute(ARMED)
    with place.connect("ann") as c:
        wait_until(lambda: is_held(c, "SELECT own.purge()"), 30)


HONEST = {
    "a temporary table": (["CREATE TEMP TABLE p AS SELECT id FROM own.users"], "SELECT * FROM p"),
    "and others, too": (["CREATE TEMP TABLE p (id int)"], "SELECT * FROM own.users"),
    "a temporary view": (["CREATE TEMP VIEW w AS SELECT id, upper(email) FROM own.users WHERE id < 9"],
                         "SELECT * FROM w"),
    "of a view of a view": (["CREATE TEMP VIEW v AS SELECT id FROM own.shows",
                             "CREATE TEMP VIEW w AS SELECT count(*) FROM v"], "SELECT * FROM w"),
    "that calls what can be read": (["CREATE TEMP VIEW w AS SELECT own.mild(id) FROM own.users"],
                                    "SELECT * FROM w"),
    "in a transaction": (["BEGIN", "CREATE TEMP VIEW w AS SELECT id FROM own.users"],
                         "SELECT * FROM w"),
    "with checks and an index": (["CREATE TEMP TABLE p (id int CHECK (id > 0))",
                                  "CREATE INDEX ON p (abs(id)) WHERE id > 1"], "SELECT * FROM p"),
    "with a child": (["CREATE TEMP TABLE p (id int)", "CREATE TEMP TABLE k () INHERITS (p)"],
                     "SELECT * FROM p"),
    "a function was made": (["BEGIN", "CREATE FUNCTION own.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
                            "SELECT count(*), max(id + 1) FROM own.users u WHERE u.id = 5"),
    "a type was made": (["BEGIN", "CREATE TYPE own.e AS ENUM ('a')"],
                        "SELECT '5'::int, id FROM own.shows"),
    "a type of its own": (["CREATE TYPE pg_temp.e AS ENUM ('a')", "CREATE TYPE pg_temp.c AS (a int)",
                           "CREATE TEMP TABLE p (a int)"], "SELECT 'a'::e, '(1)'::c, '(1)'::p"),
    "explained": (["PREPARE q AS SELECT id FROM own.users WHERE id = $1"],
                  "EXPLAIN ANALYZE EXECUTE q (1)"),
    "made and replaced": (["CREATE TEMP VIEW w AS SELECT own.purge() AS id", "DROP VIEW w",
                           "CREATE TEMP VIEW w AS SELECT 1 AS id"], "SELECT * FROM w"),
    "made in vain": (["BEGIN", "CREATE TEMP VIEW users AS SELECT own.purge() AS id", "ROLLBACK"],
                     "SELECT * FROM own.users"),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_read_passes(place, name):
    before, read = HONEST[name]
    with place.connect("bob") as c:
        for sql in before:
            c.execute(sql)
        c.execute(read).fetchall()
        c.execute(read).fetchall()
    assert victims(place) == 50


MILD = "CREATE OR REPLACE FUNCTION own.mild(int) RETURNS int LANGUAGE plpgsql AS " + EVIL
TWO = "CREATE OR REPLACE FUNCTION own.two(int, int) RETURNS int LANGUAGE plpgsql AS " + EVIL
HARMLESS = "CREATE TEMP VIEW w AS SELECT 1 AS id"
PURGES = "CREATE TEMP VIEW w AS SELECT own.purge() AS id"
ATTACKS = {
    "a view": ([PURGES], "SELECT * FROM w"),
    "a view of a view": (["CREATE TEMP VIEW v AS SELECT own.purge() AS id",
                          "CREATE TEMP VIEW w AS SELECT id FROM v"], "SELECT * FROM w"),
    "a view of a permanent one": (["CREATE TEMP VIEW w AS SELECT id FROM own.purges"],
                                  "SELECT * FROM w"),
    "a view before the table": ([PURGES.replace("w AS", "users AS"), "SET search_path = own"],
                                "SELECT * FROM users"),
    "by its schema": ([PURGES], "SELECT * FROM pg_temp.w"),
    "a body that names it": ([PURGES, "CREATE FUNCTION own.reads() RETURNS int LANGUAGE plpgsql AS"
                                      " $$BEGIN RETURN (SELECT id FROM w); END$$"],
                             "SELECT own.reads()"),
    "a view that became another": ([HARMLESS, "?SELECT * FROM w", "DROP VIEW w", PURGES],
                                   "SELECT * FROM w"),
    "the same in a transaction": (["BEGIN", HARMLESS, "?SELECT * FROM w",
                                   "DROP VIEW w", PURGES], "SELECT * FROM w"),
    "back to a savepoint": ([PURGES, "BEGIN", "SAVEPOINT s", "DROP VIEW w", HARMLESS,
                             "?SELECT * FROM w", "ROLLBACK TO s"], "SELECT * FROM w"),
    "back to before": ([PURGES.replace("w AS", "users AS"), "SET search_path = own", "BEGIN",
                        "DROP VIEW pg_temp.users", "?SELECT * FROM users", "ROLLBACK"],
                       "SELECT * FROM users"),
    "back in one text": ([PURGES.replace("w AS", "users AS"), "SET search_path = own", "BEGIN",
                          "DROP VIEW pg_temp.users", "?SELECT * FROM users"],
                         "ROLLBACK; SELECT * FROM users"),
    "under another name": ([PURGES, "?SELECT 1", "ALTER VIEW w RENAME TO users",
                            "SET search_path = own"], "SELECT * FROM users"),
    "its function became another": (["CREATE TEMP VIEW w AS SELECT own.mild(1) AS id",
                                     "?SELECT * FROM w", MILD], "SELECT * FROM w"),
    "in the transaction": (["CREATE TEMP VIEW w AS SELECT own.mild(1) AS id", "?SELECT * FROM w",
                            "BEGIN", MILD], "SELECT * FROM w"),
    "an index of constants": (["CREATE TEMP TABLE p (id int)",
                               "CREATE INDEX ON p (id) WHERE own.trap(1) = 1"], "SELECT * FROM p"),
    "of a child": (["CREATE TEMP TABLE p (id int)", "CREATE TEMP TABLE k () INHERITS (p)",
                    "CREATE INDEX ON k (id) WHERE own.trap(1) = 1"], "SELECT * FROM p"),
    "a check": (["CREATE TEMP TABLE p (id int, CHECK (own.trap(1) = 1 OR id = 1))",
                 "SET constraint_exclusion = on"], "SELECT * FROM p WHERE id = 2"),
    "a policy": (["CREATE TEMP TABLE p (id int)", "ALTER TABLE p ENABLE ROW LEVEL SECURITY",
                  "ALTER TABLE p FORCE ROW LEVEL SECURITY",
                  "CREATE POLICY x ON p USING (own.trap(1) = 1)"], "SELECT * FROM p"),
    "a column's type": (["CREATE TEMP TABLE p (c own.pair)"], "SELECT coalesce(c, '(7)') FROM p"),
    "a type of a column of a type": (["CREATE TYPE pg_temp.c AS (a own.odd)"], "SELECT '(1)'::c"),
    "an array": (["CREATE DOMAIN pg_temp.d AS int CHECK (own.trap(VALUE) = 1)"],
                 "SELECT '{1}'::_d"),
    "explained": (["PREPARE q AS SELECT own.purge()"], "EXPLAIN ANALYZE EXECUTE q"),
    "explained as it is now": (["PREPARE q AS SELECT 1", "?EXPLAIN ANALYZE EXECUTE q",
                                "DEALLOCATE q", "PREPARE q AS SELECT own.purge()"],
                               "EXPLAIN ANALYZE EXECUTE q"),
    "explained, and not there": ([], "EXPLAIN EXECUTE q"),
    "locks": (["CREATE TEMP VIEW w AS SELECT id FROM own.users FOR UPDATE"], "SELECT * FROM w"),
    "a type": (["CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (own.trap(1) = 1)"],
               "SELECT 'x'::text"),
    "a type by the path": (["SET search_path = pg_temp, own",
                            "CREATE DOMAIN text AS pg_catalog.text CHECK (own.trap(1) = 1)",
                            "SET search_path = own"], "SELECT 'x'::text"),
    "a type by the end of the path": (["SET search_path = nobody, pg_temp",
                                       "CREATE DOMAIN text AS pg_catalog.text CHECK (own.trap(1) = 1)",
                                       "RESET search_path"], "SELECT 'x'::text"),
    "a row type": (["CREATE TEMP TABLE text (a own.odd)"], "SELECT '(1)'::text"),
    "a function of the transaction": (["BEGIN", MILD], "SELECT own.mild(1)"),
    "called by another": (["BEGIN", MILD], "SELECT own.calls_mild(1)"),
    "called by a view": (["BEGIN", MILD], "SELECT * FROM own.milds"),
    "called by an operator": (["BEGIN", TWO], "SELECT 1 OPERATOR(own.@@@) 2"),
    "like a column": (["BEGIN", "CREATE FUNCTION own.nick(own.users) RETURNS int LANGUAGE plpgsql AS "
                       + EVIL], "SELECT u.nick FROM own.users u"),
    "a better match": (["BEGIN", "CREATE FUNCTION public.abs(varchar) RETURNS int LANGUAGE plpgsql AS "
                        + EVIL], "SELECT abs('1'::varchar)"),
    "an array of a new type": (["BEGIN", "CREATE DOMAIN own.d AS int CHECK (own.trap(1) = 1)"],
                               "SELECT '{1}'::own._d"),
    "replaced in one text": ([], "BEGIN; " + MILD + "; SELECT own.mild(1); COMMIT"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_held(place, name):
    before, attack = ATTACKS[name]
    with place.connect("bob") as c:
        for sql in before:
            if sql.startswith("?"):
                c.execute(sql[1:]).fetchall()
            else:
                c.execute(sql)
        arm(place)
        with pytest.raises(psycopg.Error) as caught:
            c.execute(attack)
        assert caught.value.sqlstate in ("ZB001", "ZB004", "42501") or \
            "transaction control cannot be mixed" in str(caught.value), caught.value
    assert victims(place) == 50


def test_pipelined_attacks_are_held(place):
    """What was sent before counts from then on, not when it was answered."""
    with place.raw("bob") as r:
        for sql in ("SET search_path = own", PURGES.replace("w AS", "users AS"), "BEGIN",
                    "DROP VIEW pg_temp.users", "SELECT count(*) FROM users"):
            r.send(query(sql))
            assert b"E" not in [m[0] for m in r.until()], sql
        arm(place)
        r.send(query("ROLLBACK") + query("SELECT * FROM users"))
        seen = r.until() + r.until()
        assert b"ZB001" in b"".join(body for kind, body in seen if kind == b"E"), seen
    assert victims(place) == 50


def test_what_a_failed_series_skips_needs_no_look_at_the_session(place):
    """The server answers nothing before the Sync: to look at its names first would be to wait for ever."""
    with place.raw("bob") as r:
        r.send(parse("", "DISCARD ALL") + execute("none") + bind("p", "") + FLUSH + query("ROLLBACK TO s") + SYNC)
        assert [report(body)["C"] for kind, body in r.until() if kind == b"E"] == ["34000"]
        r.send(query("SELECT 'there'"))
        assert b"there" in b"".join(body for _, body in r.until())
