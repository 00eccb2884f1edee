"""The five invariants of the promise, each held by at least one test that fails without its guard.

`ann` has no shield, and may add rows without asking: of the gateway only the guard in question
stands between her and `inv.t`.
"""

import contextlib
import http.client
import itertools
import json
import re
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import wait_until
from place import a_place
from rawwire import COPY_DONE, SYNC, Raw, bind, close, describe, execute, message, parse, query
from test_hostile import REFUSED, ask, errors

ROWS = 100

# What may be used to destroy inv.t without saying so. Every trap works when run past the gateway:
# test_the_traps_are_armed makes sure.
SCHEMA = f"""
DROP SCHEMA IF EXISTS inv CASCADE;
DROP SCHEMA IF EXISTS shadow CASCADE;
DROP FUNCTION IF EXISTS public.initcap(varchar);
CREATE SCHEMA inv AUTHORIZATION app_trust;
CREATE SCHEMA shadow AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE inv.t (id int PRIMARY KEY, v text);
INSERT INTO inv.t SELECT n, 'v' || n FROM generate_series(1, {ROWS}) n;

CREATE FUNCTION inv.purge() RETURNS int LANGUAGE plpgsql AS
  $$BEGIN DELETE FROM inv.t; RETURN 1; END$$;
CREATE FUNCTION inv.sql_purge() RETURNS bigint LANGUAGE sql AS
  $$WITH d AS (DELETE FROM inv.t RETURNING 1) SELECT count(*) FROM d$$;
CREATE FUNCTION inv.atomic_purge() RETURNS bigint LANGUAGE sql
  BEGIN ATOMIC WITH d AS (DELETE FROM inv.t RETURNING 1) SELECT count(*) FROM d; END;
CREATE FUNCTION inv.dynamic_purge(text) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN EXECUTE 'DELETE FROM inv.' || $1; RETURN 1; END$$;
CREATE FUNCTION inv.stable() RETURNS int LANGUAGE plpgsql STABLE AS
  $$BEGIN RETURN inv.purge(); END$$;
CREATE FUNCTION inv.immutable(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$BEGIN PERFORM inv.purge(); RETURN $1; END$$;
CREATE FUNCTION inv.rows() RETURNS SETOF int LANGUAGE plpgsql AS
  $$BEGIN PERFORM inv.purge(); RETURN NEXT 1; END$$;
CREATE FUNCTION inv.ok(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
  $$BEGIN PERFORM inv.purge(); RETURN true; END$$;
CREATE FUNCTION inv.both(int, int) RETURNS boolean LANGUAGE plpgsql AS
  $$BEGIN PERFORM inv.purge(); RETURN true; END$$;
CREATE FUNCTION inv.fire() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN PERFORM inv.purge(); RETURN NEW; END$$;
CREATE FUNCTION inv.fire_truncate() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN EXECUTE 'TRUNCATE inv.' || 't'; RETURN NULL; END$$;
CREATE FUNCTION inv.opens() RETURNS refcursor LANGUAGE plpgsql AS
  $$DECLARE c refcursor := 'k'; BEGIN OPEN c FOR SELECT inv.purge(); RETURN c; END$$;
CREATE PROCEDURE inv.clean() LANGUAGE plpgsql AS $$BEGIN DELETE FROM inv.t; END$$;

CREATE VIEW inv.view AS SELECT inv.purge() AS n;
CREATE VIEW inv.nested AS SELECT n + 1 AS m FROM inv.view;
CREATE VIEW inv.same AS SELECT * FROM inv.t;
CREATE MATERIALIZED VIEW shadow.mat AS SELECT inv.immutable(1) AS n WITH NO DATA;

CREATE TABLE inv.plain (id int, v text);
CREATE TABLE inv.ruled (id int);
CREATE RULE also AS ON INSERT TO inv.ruled DO ALSO DELETE FROM inv.t;
CREATE TABLE inv.instead (id int);
INSERT INTO inv.instead VALUES (1);
CREATE RULE instead AS ON UPDATE TO inv.instead DO INSTEAD DELETE FROM inv.t;
CREATE VIEW inv.written AS SELECT 1 AS id;
CREATE RULE written AS ON INSERT TO inv.written DO INSTEAD DELETE FROM inv.t;
CREATE TABLE inv.triggered (id int);
CREATE TRIGGER fire BEFORE INSERT ON inv.triggered FOR EACH ROW EXECUTE FUNCTION inv.fire();
CREATE TABLE inv.statement (id int);
CREATE TRIGGER fire AFTER UPDATE ON inv.statement FOR EACH STATEMENT
  EXECUTE FUNCTION inv.fire_truncate();
CREATE TABLE inv.deferred (id int);
CREATE CONSTRAINT TRIGGER fire AFTER INSERT ON inv.deferred DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION inv.fire();
CREATE TABLE inv.defaulted (id int, n int DEFAULT inv.purge());
CREATE TABLE inv.checked (id int CHECK (inv.ok(id)));
CREATE TABLE inv.generated (id int, n int GENERATED ALWAYS AS (inv.immutable(id)) STORED);
CREATE TABLE inv.indexed (id int);
CREATE INDEX indexed_n ON inv.indexed (inv.immutable(id));
CREATE DOMAIN inv.dom AS int CHECK (inv.ok(VALUE));
CREATE TYPE inv.rec AS (x inv.dom);
CREATE TABLE inv.domains (x inv.dom);
CREATE TABLE inv.guarded (id int);
CREATE POLICY fire ON inv.guarded USING (inv.ok(id));
ALTER TABLE inv.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE OPERATOR inv.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = inv.both);
CREATE FUNCTION inv.add(int, int) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN RETURN $1 + inv.purge(); END$$;
CREATE AGGREGATE inv.total (int) (SFUNC = inv.add, STYPE = int, INITCOND = '0');
CREATE TYPE inv.pair AS (a int, b int);
CREATE FUNCTION inv.as_int(inv.pair) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN RETURN inv.purge(); END$$;
CREATE CAST (inv.pair AS int) WITH FUNCTION inv.as_int(inv.pair);
CREATE FUNCTION public.shown(inv.plain) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN RETURN inv.purge(); END$$;

CREATE TABLE inv.tenants (id int PRIMARY KEY);
CREATE TABLE inv.tasks (id int, tenant int REFERENCES inv.tenants ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE inv.base (id int);
CREATE TABLE inv.heir () INHERITS (inv.base);
CREATE TABLE inv.parts (id int) PARTITION BY RANGE (id);
CREATE TABLE inv.part PARTITION OF inv.parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE inv.words (v varchar);

CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE plpgsql AS
  $$BEGIN PERFORM inv.purge(); RETURN $1; END$$;
CREATE FUNCTION shadow.add(int, int) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN PERFORM inv.purge(); RETURN 0; END$$;
CREATE OPERATOR shadow.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = shadow.add);
CREATE FUNCTION public.initcap(varchar) RETURNS text LANGUAGE plpgsql AS
  $$BEGIN PERFORM inv.purge(); RETURN $1; END$$;

INSERT INTO inv.tenants VALUES (1);
INSERT INTO inv.tasks SELECT n, 1 FROM generate_series(1, {ROWS}) n;
INSERT INTO inv.heir SELECT n FROM generate_series(1, {ROWS}) n;
INSERT INTO inv.parts SELECT n FROM generate_series(1, {ROWS}) n;
INSERT INTO inv.words VALUES ('word');
RESET ROLE;
INSERT INTO inv.guarded VALUES (1);
"""

# name: the statements of one session; the last of them destroys.
SPELLINGS = {
    # said as it is
    "DELETE": ["DELETE FROM inv.t"],
    "DELETE WHERE true": ["DELETE FROM inv.t WHERE true"],
    "a condition that is always true": ["DELETE FROM inv.t WHERE id % 1 = 0"],
    "another": ["DELETE FROM inv.t WHERE t IS NOT NULL"],
    "a third": ["DELETE FROM inv.t WHERE pg_typeof(id)::text = 'integer'"],
    "by an alias": ["DELETE FROM ONLY inv.t AS x WHERE x.id = x.id"],
    "with USING": ["DELETE FROM inv.t USING generate_series(1, 100) n WHERE n = id"],
    "in other letters": ['DELETE FROM "inv"."t"'],
    "in escaped letters": [r"""DELETE FROM U&"\0069nv".U&"\0074" """],
    "with comments": ["DELETE--\n/* x */FROM/**/inv . t"],
    "TRUNCATE": ["TRUNCATE inv.t"],
    "DROP": ["DROP TABLE inv.t CASCADE"],
    "DROP SCHEMA": ["DROP SCHEMA inv CASCADE"],
    "DROP OWNED": ["DROP OWNED BY app_trust CASCADE"],
    "MERGE": ["MERGE INTO inv.t USING inv.plain p ON false WHEN NOT MATCHED THEN DO NOTHING",
              "MERGE INTO inv.t USING generate_series(1, 100) n ON n = id WHEN MATCHED THEN DELETE"],
    "a writing CTE": ["WITH d AS (DELETE FROM inv.t RETURNING 1) SELECT count(*) FROM d"],
    "a CTE that nobody reads": ["WITH d AS (DELETE FROM inv.t) SELECT 1"],
    "a CTE of an INSERT": ["WITH d AS (DELETE FROM inv.t RETURNING id) "
                           "INSERT INTO inv.plain SELECT id FROM d"],
    "by a view": ["DELETE FROM inv.same"],
    "UPDATE of everything": ["UPDATE inv.t SET v = ''"],
    "UPDATE by a view": ["UPDATE inv.same SET v = NULL"],
    "ON CONFLICT": ["INSERT INTO inv.t SELECT n, '' FROM generate_series(1, 100) n "
                    "ON CONFLICT (id) DO UPDATE SET v = ''"],
    "DROP COLUMN": ["ALTER TABLE inv.t DROP COLUMN v CASCADE"],
    "ALTER TYPE": ["ALTER TABLE inv.tasks ALTER id TYPE text USING ''"],
    "cascade": ["DELETE FROM inv.tenants WHERE id = 1"],
    "heirs": ["DELETE FROM inv.base"],
    "partitions": ["DELETE FROM inv.parts WHERE id > 0"],
    "a partition": ["DROP TABLE inv.part"],
    # in another statement's clothes
    "EXPLAIN ANALYZE": ["EXPLAIN ANALYZE DELETE FROM inv.t"],
    "the last ANALYZE counts": ["EXPLAIN (ANALYZE off, ANALYZE) DELETE FROM inv.t"],
    "COPY of a DELETE": ["COPY (DELETE FROM inv.t RETURNING id) TO STDOUT"],
    "PREPARE": ["PREPARE p AS DELETE FROM inv.t", "EXECUTE p"],
    "EXPLAIN EXECUTE": ["PREPARE p AS DELETE FROM inv.t", "EXPLAIN ANALYZE EXECUTE p"],
    "DO": ["DO $$BEGIN DELETE FROM inv.t; END$$"],
    "DO with dynamic SQL": ["DO $$BEGIN EXECUTE 'DELE' || 'TE FROM inv.t'; END$$"],
    "CALL": ["CALL inv.clean()"],
    "CREATE TABLE AS": ["CREATE TABLE inv.new AS SELECT inv.purge()"],
    "SELECT INTO": ["SELECT inv.purge() INTO inv.new"],
    "a cursor": ["BEGIN", "DECLARE k CURSOR FOR SELECT inv.purge()", "FETCH k", "COMMIT"],
    "a cursor WITH HOLD": ["BEGIN", "DECLARE k CURSOR WITH HOLD FOR SELECT inv.purge()", "COMMIT"],
    "a cursor that a function opens": ["BEGIN", "SELECT inv.opens()", "FETCH k", "COMMIT"],
    "MOVE": ["BEGIN", "SELECT inv.opens()", "MOVE k", "COMMIT"],
    "COMMIT first": ["BEGIN", "COMMIT; DELETE FROM inv.t"],
    # functions
    "a function": ["SELECT inv.purge()"],
    "a function in SQL": ["SELECT inv.sql_purge()"],
    "BEGIN ATOMIC": ["SELECT inv.atomic_purge()"],
    "dynamic SQL": ["SELECT inv.dynamic_purge('t')"],
    "STABLE": ["SELECT inv.stable()"],
    "IMMUTABLE": ["SELECT inv.immutable(1)"],
    "in FROM": ["SELECT * FROM inv.rows()"],
    "LATERAL": ["SELECT 1 FROM generate_series(1, 1) g, LATERAL inv.immutable(g) x"],
    "in VALUES": ["VALUES (inv.purge())"],
    "in LIMIT": ["SELECT 1 LIMIT inv.purge()"],
    "in ORDER BY": ["SELECT id FROM inv.tenants ORDER BY inv.purge()"],
    "in a condition": ["SELECT 1 WHERE (SELECT inv.purge()) > 0"],
    "in CASE": ["SELECT CASE WHEN inv.purge() > 0 THEN 1 END"],
    "as a column": ["INSERT INTO inv.plain VALUES (1)", "SELECT p.shown FROM inv.plain p"],
    "an aggregate": ["SELECT inv.total(id) FROM inv.tenants"],
    "a window": ["SELECT inv.total(id) OVER () FROM inv.tenants"],
    "an operator": ["SELECT 1 OPERATOR(inv.===) 1"],
    "ANY": ["SELECT 1 OPERATOR(inv.===) ANY (ARRAY[1])"],
    "a cast": ["SELECT CAST(ROW(1, 2)::inv.pair AS int)"],
    "a domain": ["SELECT 1::inv.dom"],
    "a domain by its input": ["SELECT inv.dom '1'"],
    "an array of a domain": ["SELECT '{1}'::inv.dom[]"],
    "a domain in a record": ["SELECT ROW(1)::inv.rec"],
    "a domain in JSON": ["""SELECT jsonb_populate_record(NULL::inv.rec, '{"x": 1}')"""],
    "a domain in a table's type": ["""SELECT json_populate_record(NULL::inv.domains, '{"x": 1}')"""],
    "columns of a domain": ["""SELECT * FROM jsonb_to_record('{"x": 1}') AS r (x inv.dom)"""],
    "EXPLAIN plans": ["EXPLAIN SELECT inv.immutable(1)"],
    "EXPLAIN estimates": ["INSERT INTO inv.plain VALUES (1)",
                          "EXPLAIN SELECT 1 FROM inv.tenants WHERE id = inv.stable()"],
    "SQL in a text": ["SELECT query_to_xml('SELECT inv.purge()', true, true, '')"],
    "a whole table as XML": ["SELECT table_to_xml('inv.view', true, true, '')"],
    "a whole schema as XML": ["SELECT schema_to_xml('inv', true, true, '')"],
    "ts_stat": ["SELECT ts_stat('SELECT to_tsvector(inv.purge()::text)')"],
    "RETURNING": ["INSERT INTO inv.plain VALUES (1) RETURNING inv.purge()"],
    "INSERT of a SELECT": ["INSERT INTO inv.plain SELECT inv.purge()"],
    # what hangs on tables
    "a view": ["SELECT * FROM inv.view"],
    "a view of a view": ["TABLE inv.nested"],
    "COPY of a view": ["COPY (SELECT * FROM inv.view) TO STDOUT"],
    "a policy": ["SELECT * FROM inv.guarded"],
    "a rule": ["INSERT INTO inv.ruled VALUES (1)"],
    "a rule of a view": ["INSERT INTO inv.written VALUES (1)"],
    "UPDATE that is a DELETE": ["UPDATE inv.instead SET id = 2"],
    "a trigger": ["INSERT INTO inv.triggered VALUES (1)"],
    "COPY into a trigger": ["COPY inv.triggered FROM STDIN"],
    "a trigger without rows": ["UPDATE inv.statement SET id = 1 WHERE false"],
    "a deferred trigger": ["INSERT INTO inv.deferred VALUES (1)"],
    "a deferred trigger in a transaction": ["BEGIN", "INSERT INTO inv.deferred VALUES (1)", "COMMIT"],
    "a default": ["INSERT INTO inv.defaulted (id) VALUES (1)"],
    "a check": ["INSERT INTO inv.checked VALUES (1)"],
    "a generated column": ["INSERT INTO inv.generated (id) VALUES (1)"],
    "an index": ["INSERT INTO inv.indexed VALUES (1)"],
    "a domain of a column": ["INSERT INTO inv.domains VALUES (1)"],
    "REFRESH": ["REFRESH MATERIALIZED VIEW shadow.mat"],
    "a new index": ["CREATE INDEX ON inv.tenants (inv.immutable(id))"],
    "a new column": ["ALTER TABLE inv.tenants ADD COLUMN n int DEFAULT inv.purge()"],
    "a new check": ["ALTER TABLE inv.tenants ADD CHECK (inv.ok(id))"],
    # names that mean something else
    "an overload that fits better": ["SELECT initcap(v) FROM inv.words"],
    "another search_path": ["SET search_path = shadow, public, pg_catalog", "SELECT lower('A'::text)"],
    "another plus": ["SET search_path = shadow, public, pg_catalog", "SELECT 1 + 1"],
    "set_config": ["SELECT set_config('search_path', 'shadow, pg_catalog', false)",
                   "SELECT lower('A'::text)"],
    "a new body": ["BEGIN",
                   "CREATE OR REPLACE FUNCTION inv.harmless() RETURNS bigint LANGUAGE sql AS "
                   "'WITH d AS (DELETE FROM inv.t RETURNING 1) SELECT count(*) FROM d'",
                   "SELECT inv.harmless()", "COMMIT"],
}


@pytest.fixture(scope="module")
def place(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    with a_place(pg) as p:
        p.seen = set()  # points that a test has looked at
        yield p
    with pg.admin() as c:
        c.execute("DROP SCHEMA inv CASCADE; DROP SCHEMA shadow CASCADE; "
                  "DROP FUNCTION public.initcap(varchar)")


STATE = """SELECT (SELECT count(*) || ' ' || coalesce(sum(length(v)), -1) || ' ' || count(v) FROM inv.t),
  (SELECT count(*) || ' ' || sum(id) FROM inv.tasks), (SELECT count(*) FROM inv.base), (SELECT count(*) FROM inv.parts)"""


INTACT = (f"{ROWS} {sum(len(f'v{n}') for n in range(1, ROWS + 1))} {ROWS}",
          f"{ROWS} {sum(range(1, ROWS + 1))}", ROWS, ROWS)


def state(pg):
    """What is there to be lost; None where even the tables are gone."""
    try:
        with pg.admin() as c:
            return c.execute(STATE).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn,
            psycopg.errors.UndefinedFunction):
        return None


@pytest.fixture
def ground(place):
    with place.pg.admin() as c:
        c.execute(SCHEMA)
    yield place


@pytest.fixture
def kept(place):
    """The same for tests that leave the tables as they are: made anew only after one that did not."""
    if state(place.pg) != INTACT:
        with place.pg.admin() as c:
            c.execute(SCHEMA)
    yield place


def run(c, statements):
    """All of one session, errors and all; the SQLSTATEs (None: it ran)."""
    codes = []
    for sql in statements:
        try:
            if re.match(r"\s*COPY\b.*(STDIN|STDOUT)", sql, re.S):
                with c.cursor().copy(sql) as copy:
                    if "STDIN" in sql:
                        copy.write(b"1\n")
                    else:
                        list(copy)
            else:
                c.execute(sql)
            codes.append(None)
        except psycopg.Error as error:
            codes.append(error.sqlstate or "lost")
    return codes


# --- 2: by effect, not by spelling ------------------------------------------------------------
# Guards: the reading of the tree (sql/rules.c), the taint of what names reach (catalog/taint.c),
# and bs_judge, which puts both together.


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_traps_are_armed(ground, spelling):
    """Past the gateway each of them destroys: otherwise the next test would prove nothing."""
    with psycopg.connect(ground.pg.conninfo("app_trust"), autocommit=True) as c:
        if spelling == "a new body":
            c.execute("CREATE FUNCTION inv.harmless() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'")
        codes = run(c, SPELLINGS[spelling])
    assert state(ground.pg) != INTACT, codes


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nothing_is_destroyed_unasked(kept, spelling):
    if spelling == "a new body":
        with kept.pg.admin() as c:
            c.execute("CREATE OR REPLACE FUNCTION inv.harmless() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'")
    with kept.connect() as c:
        codes = run(c, SPELLINGS[spelling])
    assert state(kept.pg) == INTACT, codes
    assert set(codes) & REFUSED, codes
    assert "lost" not in codes


def test_an_event_trigger(ground):
    """DDL of any kind runs it."""
    with ground.pg.admin() as c:
        c.execute("CREATE FUNCTION inv.event() RETURNS event_trigger LANGUAGE plpgsql AS "
                  "$$BEGIN PERFORM inv.purge(); END$$")
        c.execute("CREATE EVENT TRIGGER inv_event ON ddl_command_end WHEN TAG IN "
                  "('CREATE SEQUENCE', 'COMMENT') EXECUTE FUNCTION inv.event()")
    try:
        with ground.connect() as c:
            codes = run(c, ["CREATE SEQUENCE inv.seq", "COMMENT ON TABLE inv.plain IS 'x'"])
        assert set(codes) <= REFUSED and state(ground.pg) == INTACT
    finally:
        with ground.pg.admin() as c:
            c.execute("DROP EVENT TRIGGER inv_event")


HARMLESS = [
    "SELECT * FROM inv.t ORDER BY id", "SELECT count(*), upper(v) FROM inv.t GROUP BY 2",
    "SELECT * FROM inv.same WHERE id = 7", "WITH x AS (SELECT 1 AS delete) SELECT * FROM x",
    "SELECT 'DELETE FROM inv.t'", "EXPLAIN DELETE FROM inv.t", "EXPLAIN ANALYZE SELECT * FROM inv.t",
    "COPY inv.t TO STDOUT", "INSERT INTO inv.plain VALUES (1, 'x')", "SHOW search_path",
    "SELECT upper(v) FROM inv.words", "VALUES (1), (2)", "TABLE inv.tenants",
    "SELECT jsonb_build_object('a', 1) ->> 'a'", "SELECT now() - interval '1 day'",
    "SELECT * FROM inv.tasks JOIN inv.tenants ON tenant = tenants.id",
    "SELECT relname FROM pg_class WHERE relname ~ 'x'", "COPY inv.plain (id) FROM STDIN",
]


@pytest.mark.parametrize("sql", HARMLESS)
def test_the_harmless_is_not_mistaken(kept, sql):
    """Whoever refuses everything keeps the other tests, too."""
    with kept.connect() as c:
        assert run(c, [sql]) == [None]
    assert sql not in [t["sql"] for t in kept.operator.tickets()]
    assert state(kept.pg) == INTACT


# --- 3: nothing destructive commits uncovered ---------------------------------------------------
# Guards: the plan that refuses (recovery/plan.c), the capture before the statement runs, the
# closing sequence and bs_coverage_check before COMMIT (gateway/protect.c, gateway/coverage.c).


def points(place):
    return json.loads(place.gateway.cli("points", "list", "--json", "--limit", "1000").stdout)["points"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_approved_is_covered_or_does_not_commit(ground, spelling):
    """Everything is approved as soon as it is asked for. Where rows are gone afterwards, a point
    has them; where there is no point, none are gone."""
    for t in ground.operator.tickets():
        ground.operator.decide(t["id"], "deny")
    with ground.connect() as c:
        codes = []
        for sql in SPELLINGS[spelling]:
            codes += run(c, [sql])
            if codes[-1] == "ZB001":
                ground.operator.decide(ground.operator.next_ticket()["id"], "approve")
                codes += run(c, [sql])
        c.execute("ROLLBACK")
    left = state(ground.pg)
    if left == INTACT:
        return

    kept = kept_by_new_points(ground)
    for n, table in enumerate(["inv.t", "inv.tasks", "inv.heir", "inv.part"]):
        if left is None or left[n] != INTACT[n]:
            assert left is None or kept.get(table) == ROWS, (table, kept, left)
    if left is None: # it cannot even be asked any more
        of = "inv.tasks" if "inv.tasks" in SPELLINGS[spelling][0] else "inv.t"
        assert kept.get(of) == ROWS, kept


def kept_by_new_points(place):
    """Rows by table in the points that were committed since the last call; each verifies."""
    def settled():  # a transaction may have several: all of them are told
        new = [p for p in points(place) if p["point"] not in place.seen]
        if any(p["outcome"] in ("none", "armed") for p in new):
            return []
        return [p["point"] for p in new if p["outcome"] == "committed"]

    new = wait_until(settled)
    kept = {}
    for point in new:
        place.seen.add(point)
        done = place.gateway.cli("points", "verify", point, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        shown = json.loads(place.gateway.cli("points", "show", point, "--json").stdout)
        for o in shown["manifest"]["objects"]:
            kept[f"{o['schema']}.{o['name']}"] = o["row_count"]
    return kept


HIDDEN = {
    "another table's rows": "DELETE FROM inv.t",
    "TRUNCATE": "TRUNCATE inv.t",
    "DROP": "DROP TABLE inv.t CASCADE",
    "DROP COLUMN": "ALTER TABLE inv.t DROP COLUMN v",
    "UPDATE": "UPDATE inv.t SET v = NULL",
    "dynamic SQL": "EXECUTE 'DELETE FROM inv.t'",
    "a new table in its place": "ALTER TABLE inv.t RENAME TO old; CREATE TABLE inv.t AS TABLE inv.old "
                                "WITH NO DATA",
}


ROWS_ONLY = {"another table's rows", "UPDATE", "dynamic SQL"}
WHOLE = {"TRUNCATE", "DROP"}  # the table is copied before, and then a lock may come in between


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("when", ["AFTER DELETE ON inv.plain FOR EACH STATEMENT",
                                  "DEFERRED"])
def test_what_a_trigger_destroys_beside(ground, hidden, when):
    """What its trigger does to inv.t is kept before the commit, too, where that can be."""
    body = HIDDEN[hidden]
    kind = "CREATE TRIGGER x " + when
    if when == "DEFERRED":
        kind = ("CREATE CONSTRAINT TRIGGER x AFTER DELETE ON inv.plain DEFERRABLE INITIALLY "
                "DEFERRED FOR EACH ROW")
    with ground.pg.admin() as c:
        c.execute(f"""SET ROLE app_trust; INSERT INTO inv.plain SELECT generate_series(1, 10);
                      CREATE FUNCTION inv.beside() RETURNS trigger LANGUAGE plpgsql AS
                      $f$BEGIN {body}; RETURN NULL; END$f$;
                      {kind} EXECUTE FUNCTION inv.beside(); RESET ROLE""")
    sql = f"DELETE FROM inv.plain /* {hidden} {when} */"
    with ground.connect() as c:
        assert run(c, [sql]) == ["ZB001"]
        ground.operator.decide(next(t["id"] for t in ground.operator.tickets() if t["sql"] == sql),
                               "approve")
        codes = run(c, [sql])
        assert c.execute("SELECT 1").fetchone() == (1,)
    if hidden in ROWS_ONLY or (hidden in WHOLE and codes == [None]):
        assert codes == [None] and kept_by_new_points(ground)["inv.t"] == ROWS
        return
    assert codes[0] is not None, codes
    assert state(ground.pg) == INTACT, codes
    with ground.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM inv.plain").fetchone() == (10,)


def test_a_trigger_that_waits_for_the_commit_itself(ground):
    """Made immediate, it queues another one behind the audit: only READ ONLY stops that."""
    with ground.pg.admin() as c:
        c.execute("""SET ROLE app_trust; INSERT INTO inv.plain SELECT generate_series(1, 10);
                     CREATE FUNCTION inv.again() RETURNS trigger LANGUAGE plpgsql AS
                     $f$BEGIN SET CONSTRAINTS ALL DEFERRED; INSERT INTO inv.deferred VALUES (1);
                        RETURN NULL; END$f$;
                     CREATE CONSTRAINT TRIGGER x AFTER DELETE ON inv.plain DEFERRABLE INITIALLY DEFERRED
                     FOR EACH ROW EXECUTE FUNCTION inv.again(); RESET ROLE""")
    sql = f"DELETE FROM inv.plain /* {time.monotonic()} */"
    with ground.connect() as c:
        assert run(c, [sql]) == ["ZB001"]
        ground.operator.decide(next(t["id"] for t in ground.operator.tickets() if t["sql"] == sql),
                               "approve")
        assert run(c, [sql]) != [None]
    assert state(ground.pg) == INTACT


# --- 1: nothing runs unjudged -------------------------------------------------------------------
# Guards: judge() before forward_query and look_at_bind before a series is sent (gateway/asks.c).

OURS = re.compile(  # what the gateway sends by itself
    r"SELECT c\.oid, c\.relkind, c\.relfilenode|SELECT pg_catalog\.|SHOW |LOCK TABLE ONLY |"
    r"SET (LOCAL|TRANSACTION|CONSTRAINTS|default_)|SAVEPOINT backstop|ROLLBACK TO SAVEPOINT backstop|"
    r"(BEGIN|COMMIT|ROLLBACK)( READ WRITE)?$")


def everything(place):
    """Every way to make the server act, with a text that says which."""
    with place.raw() as r:
        mark = iter(range(1000, 2000))
        ask(r, query(f"SELECT {next(mark)}"))
        ask(r, query(f"SELECT {next(mark)}; SELECT {next(mark)}"))
        ask(r, parse("", f"SELECT {next(mark)}"), bind("", ""), describe("P", ""), execute(), SYNC)
        ask(r, parse("s", f"SELECT {next(mark)}"), describe("S", "s"), SYNC)
        ask(r, bind("p", "s"), execute("p", 1), execute("p"), SYNC)
        ask(r, query(f"PREPARE q AS SELECT {next(mark)}"))
        ask(r, query("EXECUTE q"))
        ask(r, bind("", "q"), execute(), SYNC)
        ask(r, query("BEGIN"))
        ask(r, query(f"DECLARE k CURSOR FOR SELECT {next(mark)}"))
        ask(r, query("FETCH k"))
        ask(r, parse("", f"SELECT {next(mark)}"), bind("held", ""), SYNC)
        ask(r, query("FETCH ALL FROM held"))
        ask(r, query("COMMIT"))
        ask(r, query(f"COPY (SELECT {next(mark)}) TO STDOUT"))
        r.send(query(f"COPY inv.plain (id) FROM STDIN /* {next(mark)} */"))
        r.until(last=b"G")
        ask(r, message(b"d", b"1\n"), COPY_DONE)
        ask(r, query(f"EXPLAIN SELECT {next(mark)}"))
        ask(r, query(f"INSERT INTO inv.plain VALUES ({next(mark)})"))
        r.send(b"".join(query(f"SELECT {next(mark)}") + parse("", f"SELECT {next(mark)}") +
                        bind("", "") + execute() + SYNC for _ in range(5)))
        for _ in range(10):
            r.until()
        ask(r, message(b"F", b"\0\0\x05\x13\0\0\0\0\0\0"))
        for sql in (f"DELETE FROM inv.t WHERE id = {next(mark)}", f"DO $$BEGIN PERFORM {next(mark)}; END$$"):
            got = ask(r, query(sql))
            assert errors(got)[0] in REFUSED
            got = ask(r, parse("", sql), bind("", ""), execute(), SYNC)
            assert errors(got)[0] in REFUSED
        ask(r, close("S", "s"), SYNC)
        return r


def test_every_text_that_the_server_ran_was_judged(ground):
    """The server's own log of statements against the audit."""
    with ground.pg.admin() as c:
        c.execute("ALTER ROLE app_trust SET log_statement = 'all'")
    start = ground.pg.log.stat().st_size
    try:
        everything(ground)
    finally:
        with ground.pg.admin() as c:
            c.execute("ALTER ROLE app_trust RESET log_statement")
    time.sleep(0.3)
    log = ground.pg.log.read_bytes()[start:].decode()
    ran = re.findall(r"app_trust@app backstop/ann LOG:  (?:statement|execute [^:]*): (.*)", log)
    assert len([s for s in ran if re.search(r"1\d\d\d", s)]) > 20, log[:2000]
    judged = [a.get("statement") for a in ground.audit() if a["kind"] == "judged"]
    for statement in ran:
        assert statement in judged or OURS.match(statement), statement
    for n in range(1, 50):  # and once judged, more than once run: by EXECUTE, FETCH and portals only
        text = f"SELECT {1000 + n}"
        assert ran.count(text) <= max(2, judged.count(text)), text


@pytest.mark.parametrize("options", [
    "-c search_path=shadow,pg_catalog", "-c session_preload_libraries=x",
    "-c default_transaction_isolation=serializable -c role=postgres", "-c row_security=off",
    "-c event_triggers=off", "--lc_messages=C -c zero_damaged_pages=on",
])
def test_start_up_options_are_judged(kept, options):
    """What is not known to be harmless is refused, before the server hears of it."""
    try:
        with kept.connect(options=options) as c:
            assert c.execute("SHOW search_path").fetchone() == ('"$user", public',)
            assert c.execute("SELECT lower('A'::text)").fetchone() == ("a",)
    except psycopg.OperationalError:
        pass
    assert state(kept.pg) == INTACT


# --- 4: the record comes first ------------------------------------------------------------------
# Guards: bs_gate_job_record before anything else of a gated unit, bs_note_judged before a
# statement is forwarded (gateway/gate_job.c, gateway/asks.c).


def test_the_record_is_there_before_the_statement_acts(ground):
    """A lock keeps the statement from running; its record is durable already."""
    sql = "DELETE FROM inv.t WHERE id < 10 /* waits */"
    with ground.connect() as c:
        assert run(c, [sql]) == ["ZB001"]
        ground.operator.decide(next(t["id"] for t in ground.operator.tickets() if t["sql"] == sql),
                               "approve")
        n = len([a for a in ground.audit() if a.get("statement") == sql and a["kind"] == "judged"])
        with ground.pg.admin() as admin, admin.transaction():
            admin.execute("LOCK TABLE inv.t IN ACCESS EXCLUSIVE MODE")
            asking = threading.Thread(target=run, args=(c, [sql]))
            asking.start()
            wait_until(lambda: len([a for a in ground.audit() if a.get("statement") == sql
                                    and a["kind"] == "judged"]) == n + 1)
            mine = [a for a in ground.audit() if a.get("statement") == sql]
            assert not [a for a in mine if a["kind"] == "outcome" and a.get("outcome") == "committed"]
        asking.join(20)


@pytest.fixture
def failing(pg):
    """A gateway whose audit cannot grow once fail() was called; everything else can."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    with a_place(pg) as p:
        with p.connect() as c:  # the audit becomes the largest of its files
            for n in range(700):
                c.execute(f"SELECT {n} -- {'x' * 4000}")

        def limit(size):
            subprocess.run(["prlimit", "--pid", str(p.gateway.process.pid), f"--fsize={size}"],
                           check=True)

        def fail():
            file = max(p.gateway.folder.glob("audit/audit-*.jsonl"))
            wait_until(lambda: "SELECT 699 --" in file.read_text())
            others = [f.stat().st_size for f in p.gateway.folder.rglob("*")
                      if f.is_file() and f != file]
            assert file.stat().st_size > 2 * max(others)
            limit(f"{file.stat().st_size}:unlimited")

        p.fail, p.mend = fail, lambda: limit("unlimited")
        yield p
        p.mend()
    with pg.admin() as c:
        c.execute("DROP SCHEMA inv CASCADE; DROP SCHEMA shadow CASCADE; "
                  "DROP FUNCTION public.initcap(varchar)")


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_no_record_no_effect(failing, how):
    sql = "DELETE FROM inv.t WHERE id < 50"
    params = None if how == "simple" else ()
    with failing.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sql, params)
        failing.operator.decide(json.loads(caught.value.diag.message_detail)["ticket"], "approve")
        failing.fail()
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sql, params)
        assert caught.value.sqlstate in ("58030", None)
    assert state(failing.pg) == INTACT


@pytest.mark.parametrize("what", ["approve", "deny", "comment"])
def test_what_an_operator_says_is_on_record_first(failing, what):
    with failing.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            c.execute("DELETE FROM inv.t WHERE id < 50")
    ticket = json.loads(caught.value.diag.message_detail)["ticket"]
    failing.fail()
    status, answer = failing.operator.ask("POST", f"/v1/tickets/{ticket}/{what}",
                                          {"text": "x"} if what == "comment" else {"reason": "x"})
    assert status >= 500, answer
    status, answer = failing.operator.ask("GET", f"/v1/tickets/{ticket}")
    assert status == 200 and answer["state"] == "pending"
    assert answer["decisions"] == answer["comments"] == []


@pytest.mark.parametrize("sql", ["SELECT nextval('inv.numbers')", "INSERT INTO inv.plain VALUES (1)",
                                 "SELECT count(*) FROM inv.t"])
@pytest.mark.parametrize("how", ["simple", "extended"])
def test_even_what_is_safe_is_refused_without_a_record(failing, how, sql):
    """The first statement may pass, since safe ones do not wait for the disk; none after it."""
    params = None if how == "simple" else ()
    failing.fail()
    with pytest.raises(psycopg.Error) as caught:
        with failing.connect() as c:
            c.execute("SELECT 1", params)
            time.sleep(0.3)
            c.execute(sql, params)
    assert caught.value.sqlstate in ("58030", None)
    with failing.pg.admin() as admin:
        assert admin.execute("SELECT count(*) FROM inv.plain").fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError):
        failing.connect()


# --- 5: no one approves for themselves ----------------------------------------------------------
# Guards: the role of each route (api/routes.c), the operators' own listener and tokens (state).


HOSTS = (f"127.0.1.{n}" for n in itertools.count(1))


def asked(place, ticket, what, headers):
    """The status of one request, each from a host of its own: wrong tokens of one host are soon not looked at."""
    c = http.client.HTTPConnection("127.0.0.1", place.gateway.operators_port, timeout=20,
                                   source_address=(next(HOSTS), 0))
    with contextlib.closing(c):
        if what == "list":
            c.request("GET", "/v1/tickets", headers=headers)
        else:
            c.request("POST", f"/v1/tickets/{ticket}/{what}", body=b'{"reason": "me"}',
                      headers={"Content-Type": "application/json", **headers})
        return c.getresponse().status


@pytest.fixture
def ticket(kept):
    with kept.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            c.execute(f"DELETE FROM inv.t /* {time.monotonic()} */")
    return json.loads(caught.value.diag.message_detail)["ticket"]


def still_pending(place, ticket):
    return ticket in [t["id"] for t in place.operator.tickets("pending")]


@pytest.mark.parametrize("what", ["approve", "deny"])
def test_no_credential_of_an_agent_decides(kept, ticket, what):
    password = kept.gateway.passwords["ann"]
    for token in (password, f"ann:{password}", "ann", ticket, "null", "x" * 4096):
        headers = {"Authorization": f"Bearer {token}"}
        assert asked(kept, ticket, what, headers) == 401, token
        assert asked(kept, ticket, "list", headers) == 401, token
    assert still_pending(kept, ticket)


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
    {"Authorization": "Basic YW5uOng="}, {"X-Operator": "kim"}, {"Cookie": "token=x"},
    {"X-HTTP-Method-Override": "GET"},
], ids=str)
def test_no_request_without_a_token_decides(kept, ticket, headers):
    assert asked(kept, ticket, "approve", headers) == 401
    assert still_pending(kept, ticket)


def test_nothing_an_agent_can_send_decides(kept, ticket):
    """Whatever token she holds: the agents' listener knows no decisions."""
    token = kept.operator.token
    http = (f"POST /v1/tickets/{ticket}/approve HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n{{}}").encode()
    with Raw(kept.gateway.port) as r:
        r.send(http)
        assert b"200" not in r.take(4096)[:64]
    with kept.raw() as r:
        for sql in (f"SELECT backstop.approve('{ticket}')", f"SELECT backstop_approve('{ticket}', '{token}')",
                    f"SET backstop.approve = '{ticket}'", f"SET backstop.operator = '{token}'",
                    f"SELECT set_config('backstop.token', '{token}', false)",
                    f"NOTIFY backstop, 'approve {ticket}'", f"-- backstop:approve={ticket}\nSELECT 1",
                    f"/* ticket='{ticket}', approved='true' */ DELETE FROM inv.t"):
            ask(r, query(sql))
    for options in ({"options": f"-c backstop.operator={token}"},
                    {"application_name": f"backstop approve {ticket} {token}"}):
        try:
            with kept.connect(**options) as c:
                assert run(c, ["DELETE FROM inv.t"]) == ["ZB001"]
        except psycopg.OperationalError:
            pass
    assert still_pending(kept, ticket)
    assert state(kept.pg) == INTACT


def test_an_operators_token_is_no_agents_password_and_the_other_way_round(ground):
    with pytest.raises(psycopg.OperationalError):
        ground.gateway.connect("kim", password=ground.operator.token)
    with pytest.raises(psycopg.OperationalError):
        ground.gateway.connect("ann", password=ground.operator.token)


def test_the_operators_listener_speaks_no_sql(ground):
    with socket.create_connection(("127.0.0.1", ground.gateway.operators_port), timeout=5) as s:
        s.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
        s.settimeout(2)
        try:
            assert s.recv(1) not in (b"S", b"N")
        except (TimeoutError, ConnectionResetError):
            pass


def test_a_decision_counts_for_one_request_of_one_agent(ground):
    """An approval is not carried over: to another agent, another text, other values, a second run."""
    sql = "DELETE FROM inv.t WHERE id = %s"
    with ground.connect() as ann, ground.connect("bob") as bob:
        with pytest.raises(psycopg.Error) as caught:
            ann.execute(sql, (1,))
        ground.operator.decide(json.loads(caught.value.diag.message_detail)["ticket"], "approve")
        for c, text, value in ((bob, sql, 1), (ann, sql, 2), (ann, sql + " OR true", 1),
                               (ann, "DELETE FROM inv.t WHERE id <= %s", 1)):
            with pytest.raises(psycopg.Error) as caught:
                c.execute(text, (value,))
            assert caught.value.sqlstate == "ZB001"
        assert state(ground.pg) == INTACT
        assert ann.execute(sql, (1,)).rowcount == 1
        with pytest.raises(psycopg.Error) as caught:
            ann.execute(sql, (1,))
        assert caught.value.sqlstate == "ZB001"
