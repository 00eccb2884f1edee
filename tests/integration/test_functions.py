"""Functions are judged by their bodies, on a live server: what is said to be SAFE changes nothing,
what changes something is known by the tables that it reaches, and honest code is not stopped."""

import json
import struct

import psycopg
import pytest

from conftest import wait_until
from place import a_place
from rawwire import SYNC, bind, execute, message, query, text

SCHEMA = """
DROP TABLE IF EXISTS public.pg_fn_mine; DROP SCHEMA IF EXISTS fn CASCADE; DROP SCHEMA IF EXISTS fn_shadow CASCADE;
CREATE SCHEMA fn AUTHORIZATION app_trust;
CREATE SCHEMA fn_shadow AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE fn.victim (id int PRIMARY KEY, v text);
CREATE TABLE fn.users (id int PRIMARY KEY, email text, n int, updated_at timestamptz);
CREATE TABLE fn.audit (id bigserial PRIMARY KEY, what text, row_data jsonb);
CREATE TABLE fn.orders (id int PRIMARY KEY, n int, v tsvector, body text);
INSERT INTO fn.victim SELECT n, 'v' FROM generate_series(1, 50) n;
INSERT INTO fn.users SELECT n, n || '@x', n, NULL FROM generate_series(1, 50) n;
INSERT INTO fn.orders SELECT n, n FROM generate_series(1, 50) n;

CREATE FUNCTION fn.email_of(p int) RETURNS text LANGUAGE plpgsql AS
  $$DECLARE u fn.users%ROWTYPE; BEGIN SELECT * INTO u FROM fn.users WHERE id = p;
    IF NOT FOUND THEN RETURN NULL; END IF; u.email := lower(u.email); RETURN u.email; END$$;
CREATE FUNCTION fn.report() RETURNS TABLE(id int, doc jsonb) LANGUAGE plpgsql VOLATILE AS
  $$DECLARE r record; BEGIN FOR r IN SELECT * FROM fn.users u ORDER BY u.id LOOP
    id := r.id; doc := jsonb_build_object('e', fn.email_of(r.id), 'n', r.n); RETURN NEXT; END LOOP;
    EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'never'; END$$;
CREATE FUNCTION fn.touch() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN NEW.updated_at := now(); RETURN NEW; END$$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON fn.users FOR EACH ROW EXECUTE FUNCTION fn.touch();
CREATE FUNCTION fn.log() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO fn.audit (what, row_data) VALUES (TG_OP, to_jsonb(OLD)); RETURN NULL; END$$;
CREATE TRIGGER log AFTER UPDATE OR DELETE ON fn.orders FOR EACH ROW EXECUTE FUNCTION fn.log();
CREATE FUNCTION fn.tsv() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN NEW.v := setweight(to_tsvector('simple', coalesce(NEW.body, '')), 'A'); RETURN NEW; END$$;
CREATE TRIGGER tsv BEFORE INSERT OR UPDATE ON fn.orders FOR EACH ROW EXECUTE FUNCTION fn.tsv();

CREATE FUNCTION fn.purge() RETURNS int LANGUAGE plpgsql AS
  $$BEGIN DELETE FROM fn.victim; RETURN 1; END$$;
CREATE FUNCTION fn.trap_stable() RETURNS int LANGUAGE sql STABLE AS 'SELECT fn.purge()';
CREATE FUNCTION fn.trap_immutable(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$BEGIN RETURN fn.purge(); END$$;
CREATE FUNCTION fn.trap_dynamic(t text) RETURNS int LANGUAGE plpgsql STABLE AS
  $$BEGIN RETURN fn.trap_really(t); END$$;
CREATE FUNCTION fn.trap_really(t text) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN EXECUTE format('DELETE FROM fn.%I', t); RETURN 1; END$$;
CREATE FUNCTION fn.trap_atomic() RETURNS int BEGIN ATOMIC DELETE FROM fn.victim; SELECT 1; END;
CREATE FUNCTION fn.trap_cursor() RETURNS refcursor LANGUAGE plpgsql AS
  $$DECLARE c refcursor := 'mine'; BEGIN OPEN c FOR SELECT fn.purge(); RETURN c; END$$;
CREATE FUNCTION fn.twin(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION fn_shadow.twin(text) RETURNS text LANGUAGE sql AS 'SELECT fn.purge()::text';
CREATE FUNCTION fn.trap_path() RETURNS text LANGUAGE plpgsql SET search_path = fn_shadow, fn AS
  $$BEGIN RETURN twin('x'); END$$;
CREATE FUNCTION fn.trap_check(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT fn.purge() = 1';
CREATE DOMAIN fn.trapped AS text CHECK (fn.trap_check(VALUE));
CREATE TYPE fn.span AS RANGE (subtype = fn.trapped);
CREATE TYPE fn.pair AS (a fn.trapped, b int);
CREATE TABLE fn.guarded (id int PRIMARY KEY, r fn.span, c fn.pair, list fn.trapped[], x fn.trapped);
CREATE TABLE public.pg_fn_mine (x fn.trapped);
CREATE FUNCTION fn.trap_record() RETURNS int LANGUAGE plpgsql AS
  $$DECLARE r record; BEGIN SELECT * INTO r FROM fn.guarded; r.x := 'x'; RETURN 1; END$$;
CREATE FUNCTION fn.trap_pg_row() RETURNS int LANGUAGE plpgsql AS
  $$DECLARE r pg_fn_mine%ROWTYPE; BEGIN r.x := 'x'; RETURN 1; END$$;
CREATE FUNCTION fn.counts() RETURNS bigint LANGUAGE plpgsql AS
  $$DECLARE r pg_class%ROWTYPE; t pg_class.relname%TYPE; BEGIN
    SELECT * INTO r FROM pg_class LIMIT 1; t := r.relname; RETURN length(t); END$$;
CREATE FUNCTION fn.trap_any(anyelement) RETURNS anyelement LANGUAGE plpgsql AS
  $$BEGIN RETURN 'x'; END$$;
CREATE AGGREGATE fn.trap_sum(int) (SFUNC = fn.trap_add, STYPE = int, INITCOND = '0');
"""

TRAPS = [
    "SELECT fn.purge()", "SELECT fn.trap_stable()", "SELECT fn.trap_immutable(1)",
    "EXPLAIN SELECT fn.trap_immutable(1)", "SELECT * FROM fn.victim WHERE id = fn.trap_stable()",
    "SELECT fn.trap_dynamic('victim')", "SELECT fn.trap_atomic()", "SELECT fn.trap_cursor()",
    "SELECT fn.trap_path()", "SELECT twin('x'::text)", "SELECT 'x'::fn.trapped",
    "SELECT fn.trap_sum(n) FROM fn.users", "SELECT fn.trap_sum(n) OVER () FROM fn.users",
    "DO 'BEGIN PERFORM fn.purge(); END'", "SELECT * FROM fn.view_2", "SELECT * FROM fn.secured",
    "INSERT INTO fn.users (id, n) VALUES (fn.purge() + 1000, 1)",
    "COPY (SELECT fn.purge()) TO STDOUT", "DECLARE c CURSOR WITH HOLD FOR SELECT fn.purge()",
    "SELECT 1 ORDER BY fn.purge()", "VALUES (fn.purge())", "SELECT (SELECT fn.purge())",
    "CALL fn.proc()", "SELECT u.purge_row FROM fn.users u",
    "SELECT fn.trap_member(n) FROM fn.users",
    # a value becomes one of a type that nobody writes
    "SELECT fn.trap_record()", "SELECT fn.trap_pg_row()", "SELECT fn.span('a', 'b')",
    "SELECT r && '[a,b]' FROM fn.guarded", "SELECT coalesce(c, '(a,1)') FROM fn.guarded",
    "SELECT list || '{a}' FROM fn.guarded", "SELECT fn.trap_any(x) FROM fn.guarded",
    "SELECT r FROM fn.guarded UNION SELECT '[a,b]'", "DELETE FROM fn.guarded WHERE r && '[a,b]'",
]

MORE = """
CREATE FUNCTION fn.trap_add(int, int) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN PERFORM fn.purge(); RETURN 1; END$$;
"""

LAST = """
CREATE VIEW fn.view_1 AS SELECT fn.trap_stable() AS x; CREATE VIEW fn.view_2 AS TABLE fn.view_1;
CREATE TABLE fn.secured (id int PRIMARY KEY); ALTER TABLE fn.secured ENABLE ROW LEVEL SECURITY;
ALTER TABLE fn.secured FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON fn.secured USING (fn.trap_stable() = 1);
CREATE PROCEDURE fn.proc() LANGUAGE plpgsql AS $$BEGIN PERFORM fn.purge(); END$$;
CREATE FUNCTION fn.purge_row(fn.users) RETURNS int LANGUAGE sql AS 'SELECT fn.purge()';
"""

# What an extension's owner has made a part of it is none of its code.
MEMBER = """;
CREATE EXTENSION seg SCHEMA fn;
CREATE AGGREGATE fn.trap_member(int) (SFUNC = fn.trap_add, STYPE = int, INITCOND = '0');
ALTER EXTENSION seg ADD AGGREGATE fn.trap_member(int);
"""

READS = [
    "SELECT fn.email_of(7)", "SELECT * FROM fn.report()", "SELECT count(*) FROM fn.report()",
    "EXPLAIN ANALYZE SELECT fn.email_of(id) FROM fn.users", "SELECT fn.twin('x'::varchar)",
    "SELECT fn.counts()",
]

CHANGES = {"name": "work", "actors": ["ann"], "risk": ["SAFE", "HIGH"],
           "kinds": ["INSERT", "SELECT", "UPDATE", "DELETE", "CREATE TABLE",
                     "ALTER TABLE ADD CONSTRAINT"], "action": "allow"}


@pytest.fixture(scope="module")
def place(pg):
    with pg.admin() as c:
        # the aggregate needs its function first
        first, aggregate = SCHEMA.rsplit("CREATE AGGREGATE", 1)
        c.execute(first + MORE + "CREATE AGGREGATE" + aggregate + LAST + "; RESET ROLE" + MEMBER)
    with a_place(pg, rules=(CHANGES,)) as p:
        yield p
    with pg.admin() as c:
        c.execute("DROP TABLE public.pg_fn_mine; DROP SCHEMA fn CASCADE; DROP SCHEMA fn_shadow CASCADE")


def count(place, table):
    with place.pg.admin() as c:
        return c.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize("sql", READS)
@pytest.mark.parametrize("actor", ["ann", "bob"])
def test_what_only_reads_is_let_through(place, sql, actor):
    with place.connect(actor) as c:
        assert c.execute(sql).fetchall()


@pytest.mark.parametrize("sql", TRAPS)
def test_a_trap_is_held(place, sql):
    before = len(place.operator.tickets())
    with place.connect("bob") as c, pytest.raises(psycopg.Error) as caught:
        if sql.startswith("COPY"):
            with c.cursor().copy(sql) as copy:
                list(copy)
        elif sql.startswith("DECLARE"):
            c.execute("BEGIN")
            c.execute(sql)
        else:
            c.execute(sql)
    assert caught.value.sqlstate in ("ZB001", "ZB004"), caught.value
    assert count(place, "fn.victim") == 50
    if caught.value.sqlstate == "ZB001":
        assert len(place.operator.tickets()) >= before


def test_the_session_is_not_in_doubt_after_a_read(place):
    """Unqualified names mean what they did, whatever the function is called."""
    with place.connect("bob") as c:
        c.execute("SELECT fn.email_of(1)")
        assert c.execute("SELECT count(*) FROM pg_class").fetchone()[0] > 0
        c.execute("SELECT * FROM fn.report()").fetchall()
        assert c.execute("SELECT upper('x')").fetchone() == ("X",)


UNREAD = """
CREATE TABLE fn.unread (id int, does text);
CREATE FUNCTION fn.does() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE NEW.does; RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER does AFTER INSERT ON fn.unread DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW
  EXECUTE FUNCTION fn.does();
ALTER TABLE fn.unread OWNER TO app_trust;
"""
SHADOW = "CREATE TEMP VIEW users AS SELECT fn.purge() AS id"


@pytest.fixture
def unread(place):
    with place.pg.admin() as c:
        c.execute(UNREAD)
    yield place
    with place.pg.admin() as c:
        c.execute("DROP TABLE fn.unread; DROP FUNCTION fn.does()")


def run_approved(place, c, does):
    """The row whose trigger runs that text, in a transaction; approved."""
    for last in (False, True):
        c.execute("BEGIN")
        try:
            c.execute("INSERT INTO fn.unread VALUES (1, %s)", (does,))
            return
        except psycopg.Error as e:
            assert not last and e.sqlstate == "ZB001", e
            c.execute("ROLLBACK")
            place.operator.decide(json.loads(e.diag.message_detail)["ticket"], "approve")


def test_after_unread_code_the_server_says_what_names_mean(unread):
    """A trigger that nobody can read, as many audit triggers are, must not hold every read after it."""
    with unread.connect("bob") as c:
        run_approved(unread, c, "INSERT INTO fn.audit (what) VALUES (1)")
        assert c.execute("SELECT count(*) FROM fn.users WHERE n / 1 > 0").fetchone() == (50,)
        c.execute("COMMIT")
        assert c.execute("SET search_path = fn; SELECT count(*) FROM users") is not None
        assert c.execute("SELECT count(*) FROM users").fetchone() == (50,)


def test_what_unread_code_did_to_names_keeps_them_in_doubt(unread):
    """A temporary view is found before the table; the audit undoes it, but not before COMMIT."""
    with unread.connect("bob") as c:
        c.execute("SET search_path = fn")
        run_approved(unread, c, SHADOW)
        with pytest.raises(psycopg.Error) as caught:
            c.execute("SELECT * FROM users")
        assert caught.value.sqlstate == "ZB001"
        c.execute("ROLLBACK")
        assert c.execute("SELECT count(*) FROM users").fetchone() == (50,)
        run_approved(unread, c, "SET search_path = fn_shadow, pg_catalog")
        c.execute("COMMIT")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("SELECT * FROM users")
        assert caught.value.sqlstate == "ZB001"
    assert count(unread, "fn.victim") == 50


def test_a_function_that_unread_code_replaced_is_in_doubt(unread):
    """Nothing temporary, no path: only what the open transaction wrote to the catalogs tells."""
    with unread.connect("bob") as c:
        run_approved(unread, c, "CREATE OR REPLACE FUNCTION fn.twin(varchar) RETURNS text LANGUAGE sql"
                                " AS 'SELECT fn.purge()::text'")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("SELECT fn.twin('x'::varchar)")
        assert caught.value.sqlstate == "ZB001"
        c.execute("ROLLBACK")
        assert c.execute("SELECT fn.twin('x'::varchar)").fetchone() == ("x",)
    assert count(unread, "fn.victim") == 50


def test_a_trigger_that_sets_a_column_does_not_hold(place):
    with place.connect() as c:
        c.execute("INSERT INTO fn.users (id, email, n) VALUES (100, 'a@b', 1)")
        c.execute("UPDATE fn.users SET n = 2 WHERE id = 100")
        got = c.execute("SELECT n, updated_at IS NOT NULL FROM fn.users WHERE id = 100").fetchone()
        assert got == (2, True)


def test_a_trigger_that_logs_does_not_hold(place):
    before = count(place, "fn.audit")
    with place.connect() as c:
        c.execute("INSERT INTO fn.orders (id, n, body) VALUES (200, 1, 'some words')")
        c.execute("UPDATE fn.orders SET n = 2 WHERE id = 200")
        c.execute("DELETE FROM fn.orders WHERE id = 200")
    assert count(place, "fn.audit") == before + 2


def approve(place, c, sql):
    with pytest.raises(psycopg.Error) as caught:
        c.execute(sql)
    assert caught.value.sqlstate == "ZB001", caught.value
    ticket = next(t for t in place.operator.tickets() if t["sql"] == sql)
    place.operator.decide(ticket["id"], "approve")
    return c.execute(sql)


def kept(place):
    """Rows by table in the newest point."""
    def newest():
        out = json.loads(place.gateway.cli("points", "list", "--json").stdout)["points"]
        last = max(out, key=lambda p: p["point"])
        return last["outcome"] == "committed" and last["point"]

    shown = json.loads(place.gateway.cli("points", "show", wait_until(newest), "--json").stdout)
    return {f"{o['schema']}.{o['name']}": o["row_count"] for o in shown["manifest"]["objects"]}


def test_what_a_function_deletes_is_kept(place):
    """Approved, it runs; and the rows that it took are in a point."""
    with place.connect("bob") as c:
        approve(place, c, "SELECT fn.trap_stable() AS approved")
    assert count(place, "fn.victim") == 0
    assert kept(place) == {"fn.victim": 50}
    with place.pg.admin() as c:
        c.execute("INSERT INTO fn.victim SELECT n, 'v' FROM generate_series(1, 50) n")


def test_what_is_reached_is_shown(place):
    out = json.loads(place.gateway.cli("explain", "--agent", "bob", "--json",
                                       "SELECT fn.trap_immutable(1)").stdout)
    (stmt,) = out["statements"]
    assert stmt["risk"] == "CRITICAL"
    assert [e["kind"] for e in stmt["effects"]] == ["DELETE"]
    assert "fn.victim" in json.dumps(out)


def test_a_function_replaced_by_somebody_else_is_read_again(place):
    with place.connect("bob") as c:
        assert c.execute("SELECT fn.email_of(7)").fetchone() == ("7@x",)
        with place.pg.admin() as admin:
            admin.execute("""SET ROLE app_trust; CREATE OR REPLACE FUNCTION fn.email_of(p int)
                RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM fn.purge(); RETURN ''; END$$""")

        def held():
            try:
                with place.pg.admin() as admin:
                    admin.execute("INSERT INTO fn.victim SELECT n, 'v' FROM generate_series(1, 50) n"
                                  " ON CONFLICT DO NOTHING")
                c.execute("SELECT fn.email_of(7)")
                return False
            except psycopg.Error as e:
                return e.sqlstate in ("ZB001", "25006")

        assert wait_until(held, seconds=15)


# What the transaction has made hangs on tables that it has not, or runs code of them.
MADE = [
    ("CREATE TABLE fn.own (id int, g int, UNIQUE (id))",
     "INSERT INTO fn.own SELECT id, 1 FROM fn.victim",
     "ALTER TABLE fn.victim ADD FOREIGN KEY (id) REFERENCES fn.own (id) ON DELETE CASCADE",
     "DELETE FROM fn.own WHERE g = 1"),
    ("CREATE TABLE fn.own (id int PRIMARY KEY, g int)",
     "INSERT INTO fn.own SELECT id, 1 FROM fn.victim",
     "SAVEPOINT s", "CREATE TABLE fn.gone (id int)", "ROLLBACK TO SAVEPOINT s",
     "ALTER TABLE fn.victim ADD FOREIGN KEY (id) REFERENCES fn.own ON UPDATE CASCADE",
     "UPDATE fn.own SET id = id + 1000 WHERE g = 1"),
    ("CREATE TABLE IF NOT EXISTS fn.victim (id int)",
     "CREATE TABLE fn.own (id int PRIMARY KEY, g int)",
     "INSERT INTO fn.own SELECT id, 1 FROM fn.victim",
     "ALTER TABLE fn.victim ADD FOREIGN KEY (id) REFERENCES fn.own ON DELETE CASCADE",
     "DELETE FROM fn.own WHERE g = 1"),
]


@pytest.mark.parametrize("sent", MADE)
def test_what_a_new_table_takes_along_is_not_its_own(place, sent):
    with place.connect("ann") as c:
        c.execute("BEGIN")
        for sql in sent[:-1]:
            c.execute(sql)
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sent[-1])
        assert caught.value.sqlstate in ("ZB001", "ZB004"), caught.value
        c.rollback()
    assert count(place, "fn.victim") == 50


def test_a_refresh_fires_event_triggers(place):
    with place.pg.admin() as c:
        c.execute("""CREATE MATERIALIZED VIEW fn.sums AS SELECT 1 AS x;
            ALTER MATERIALIZED VIEW fn.sums OWNER TO app_trust;
            CREATE FUNCTION fn.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
              $$BEGIN IF tg_tag = 'REFRESH MATERIALIZED VIEW' THEN PERFORM fn.purge(); END IF; END$$;
            CREATE EVENT TRIGGER fn_on_ddl ON ddl_command_start EXECUTE FUNCTION fn.on_ddl()""")
    try:
        out = json.loads(place.gateway.cli("explain", "--agent", "bob", "--json",
                                           "REFRESH MATERIALIZED VIEW fn.sums").stdout)
        assert out["statements"][0]["risk"] == "CRITICAL"
        assert "event_trigger" in json.dumps(out)
    finally:
        with place.pg.admin() as c:
            c.execute("DROP EVENT TRIGGER fn_on_ddl")


@pytest.mark.parametrize("before", [0, 70])
def test_the_declared_type_of_a_parameter_runs_its_check(place, before):
    """Bind runs it: no text says so."""
    with place.pg.admin() as c:
        oid = c.execute("SELECT 'fn.trapped'::regtype::oid").fetchone()[0]
    types = [23] * before + [oid]
    sql = "SELECT " + ", ".join(f"${i + 1}" for i in range(len(types)))
    parse_it = message(b"P", b"\0" + text(sql) + b"\0" + struct.pack("!H", len(types)) +
                       struct.pack(f"!{len(types)}I", *types))
    with place.raw("bob") as r:
        r.send(query("BEGIN"))
        r.until()
        r.send(parse_it + bind("", "", *(["1"] * len(types))) + execute() + SYNC)
        got = r.until()
        r.send(query("COMMIT"))
        r.until()
    assert any(m[0] == b"E" and b"C42501" in m[1] for m in got), got
    assert count(place, "fn.victim") == 50


def test_execute_turns_its_values_into_declared_types(place):
    with place.pg.admin() as c:
        oid = c.execute("SELECT 'fn.trapped'::regtype::oid").fetchone()[0]
    with place.raw("bob") as r:
        r.send(query("BEGIN"))
        r.until()
        r.send(message(b"P", text("p") + b"\0" + text("SELECT $1") + b"\0" +
                       struct.pack("!HI", 1, oid)) + SYNC)
        r.until()
        r.send(query("EXECUTE p ('1')"))
        got = r.until()
        r.send(query("COMMIT"))
        r.until()
    assert any(m[0] == b"E" and b"C26000" in m[1] for m in got), got
    assert count(place, "fn.victim") == 50
