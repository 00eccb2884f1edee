"""The list of threats, item by item, before a real server: what each does past the gateway, it does not
do through it. docs/threat-model.md says which test belongs to which item.

`ann` may add rows, and delete the few that a count has found; `bob` may do nothing without asking, and his
sessions are shielded. Nothing waits: what is held is answered at once.
"""

import pathlib
import re
import struct
import subprocess

import pytest

from conftest import binary
from place import ADDITIVE, a_place
from rawwire import SYNC, Raw, bind, close, execute, message, parse, query
from test_classify import ask as classify
from test_hostile import ask, errors, rows

FEW = {"name": "a few", "actors": ["ann"], "risk": ["HIGH"], "kinds": ["DELETE"],
       "objects": ["threat.audit_log"],
       "action": "allow"}
REFUSED = {"ZB001", "ZB004", "ZB005", "42501", "0A000"}
ROWS = 120

WORLD = f"""
DROP SCHEMA IF EXISTS threat CASCADE; DROP SCHEMA IF EXISTS shadow CASCADE;
DROP FUNCTION IF EXISTS public.initcap(varchar);
CREATE SCHEMA threat AUTHORIZATION app_trust; CREATE SCHEMA shadow AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE threat.audit_log (id int PRIMARY KEY, v varchar);
INSERT INTO threat.audit_log SELECT g, 'v' || g FROM generate_series(1, {ROWS}) g;
CREATE FUNCTION threat.purge() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM threat.audit_log; RETURN 1; END';
CREATE FUNCTION threat.stable() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN threat.purge(); END';
CREATE FUNCTION threat.stable_sql() RETURNS int LANGUAGE sql STABLE AS 'SELECT threat.purge()';
CREATE FUNCTION threat.fixed(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN threat.purge(); END';
CREATE FUNCTION threat.opens() RETURNS refcursor LANGUAGE plpgsql AS
  $$DECLARE c refcursor := 'k'; BEGIN OPEN c FOR SELECT threat.purge(); RETURN c; END$$;
CREATE FUNCTION threat.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM threat.purge(); RETURN NULL; END';
CREATE VIEW threat.trap AS SELECT threat.purge() AS a;
CREATE VIEW threat.nested AS SELECT a FROM threat.trap;
CREATE TABLE threat.ruled (id int); INSERT INTO threat.ruled VALUES (1);
CREATE RULE r AS ON UPDATE TO threat.ruled DO INSTEAD DELETE FROM threat.audit_log;
CREATE TABLE threat.fired (id int);
CREATE TRIGGER g AFTER UPDATE ON threat.fired EXECUTE FUNCTION threat.fire();
CREATE TABLE threat.late (id int);
CREATE CONSTRAINT TRIGGER g AFTER INSERT ON threat.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION threat.fire();
CREATE TABLE threat.by_default (id int, n int DEFAULT threat.purge());
CREATE TABLE threat.by_check (id int CHECK (threat.fixed(id) > 0));
CREATE TABLE threat.guarded (id int);
CREATE POLICY p ON threat.guarded USING (threat.fixed(id) > 0);
ALTER TABLE threat.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE threat.tenants (id int PRIMARY KEY); INSERT INTO threat.tenants VALUES (1);
CREATE TABLE threat.tasks (id int, t int REFERENCES threat.tenants ON DELETE CASCADE);
INSERT INTO threat.tasks SELECT g, 1 FROM generate_series(1, 300) g;
CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM threat.purge(); RETURN $1; END';
CREATE FUNCTION shadow.plus(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN threat.purge(); END';
CREATE OPERATOR shadow.+ (leftarg = int, rightarg = int, function = shadow.plus);
CREATE FUNCTION public.initcap(varchar) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM threat.purge(); RETURN $1; END';
CREATE TABLE threat.{"n" * 57} (id int);
RESET ROLE;
INSERT INTO threat.guarded VALUES (1);
CREATE SEQUENCE threat.s;
"""
# With code of theirs beside PostgreSQL's own.
EXTENSIONS = ("file_fdw", "postgres_fdw", "dblink", "tablefunc", "xml2", "adminpack", "pg_surgery")

STATE = """SELECT (SELECT count(*) FROM threat.audit_log), (SELECT count(*) FROM threat.tasks),
  (SELECT count(*) FROM threat.tenants),
  (SELECT count(*) FROM pg_class WHERE relnamespace = 'threat'::regnamespace)"""


@pytest.fixture(scope="module")
def place(pg):
    with pg.admin() as c:
        c.execute(WORLD)
        there = [n for (n,) in c.execute("SELECT name FROM pg_available_extensions WHERE name = ANY (%s)", ([*EXTENSIONS],))]
        for name in there:
            c.execute(f"CREATE EXTENSION IF NOT EXISTS {name}")
    with a_place(pg, rules=(ADDITIVE, FEW)) as p:
        yield p
    with pg.admin() as c:
        c.execute("DROP SCHEMA threat CASCADE; DROP SCHEMA shadow CASCADE; DROP FUNCTION public.initcap(varchar); "
                  f"DROP EXTENSION {', '.join(there)} CASCADE")


def state(place):
    with place.pg.admin() as c:
        return c.execute(STATE).fetchone()


@pytest.fixture(autouse=True)
def nothing_is_lost(place):
    before = state(place)
    yield
    assert state(place) == before
    assert place.gateway.process.poll() is None, place.gateway.log()[-3000:]


def refused(place, *statements, actors=("ann", "bob")):
    """The last of a session's statements is held or refused, in both protocols; all before it may be."""
    for actor in actors:
        for send in (query, lambda sql: parse("", sql) + bind("", "") + execute() + SYNC):
            with place.raw(actor) as r:
                for sql in statements:
                    seen = errors(ask(r, send(sql)))
                assert seen and set(seen) <= REFUSED | {"25P02", "26000", "34000", "42601", "42883"}, (actor, sql,
                                                                                              seen)


def passes(place, *statements, actors=("ann", "bob")):
    for actor in actors:
        with place.connect(actor) as c:
            for sql in statements:
                c.execute(sql)


def test_01_a_function_is_what_its_body_does(place):
    for call in ("threat.purge()", "threat.stable()", "threat.stable_sql()", "threat.fixed(1)"):
        refused(place, f"SELECT {call}")
        refused(place, f"SELECT 1 FROM threat.audit_log WHERE id = {call}")
    for xml in ("table_to_xml('threat.trap', true, true, '')", "schema_to_xml('threat', true, true, '')",
                "database_to_xml(true, true, '')"):
        refused(place, f"SELECT {xml}")
    passes(place, "SELECT random(), pg_total_relation_size('threat.audit_log'), pg_is_in_recovery()",
           "SELECT * FROM pg_locks")


@pytest.mark.parametrize("call", [
    "query_to_xml('SELECT threat.purge()', true, true, '')",
    "query_to_xml('TABLE threat.trap', true, true, '')",
    "query_to_xml_and_xmlschema('SELECT threat.purge()', true, true, '')",
    "cursor_to_xml('k', 1, true, true, '')",
    "ts_stat('SELECT to_tsvector(threat.purge()::text)')",
    "ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery')",
    "crosstab('SELECT threat.purge(), 1, 1')", "connectby('threat.trap', 'a', 'a', '1', 0)",
    "xpath_table('a', 'a', 'threat.trap', '/a', 'true')",
    "dblink('dbname=app', 'SELECT threat.purge()')", "dblink_exec('', 'DELETE FROM threat.audit_log')"])
def test_02_a_function_that_runs_text(place, call):
    refused(place, f"SELECT {call}")
    refused(place, f"SELECT * FROM {call} AS x")


def test_03_planning_runs_code(place):
    refused(place, "EXPLAIN SELECT threat.fixed(1)")
    refused(place, "EXPLAIN SELECT 1 FROM threat.audit_log WHERE id = threat.stable()")
    for analyze in ("(ANALYZE off, ANALYZE)", "ANALYSE", '("analyze")', "(ANALYZE 1)"):
        refused(place, f"EXPLAIN {analyze} DELETE FROM threat.audit_log")
    for actor in ("ann", "bob"):  # Bind plans
        with place.raw(actor) as r:
            ask(r, parse("s", "SELECT threat.fixed(1)"), SYNC)
            assert errors(ask(r, bind("", "s"), SYNC))


def test_03_counting_runs_none_of_it(place):
    refused(place, "DELETE FROM threat.audit_log WHERE id = threat.fixed(1)")
    refused(place, "DELETE FROM threat.audit_log WHERE id > 0 AND threat.stable() = 1")
    refused(place, "UPDATE threat.audit_log SET v = threat.stable()::text WHERE id < 3")
    refused(place, "DELETE FROM threat.guarded WHERE id > 0")


def test_04_names_of_the_agents_own_session(place):
    refused(place, "SELECT initcap(v) FROM threat.audit_log")  # a better match than PostgreSQL's own
    path = "SET search_path = shadow, public, pg_catalog"
    refused(place, path, "SELECT lower('A'::text)")
    refused(place, path, "SELECT 1 + 1")
    refused(place, "CREATE TEMP VIEW audit_log AS SELECT threat.purge()")
    refused(place, "BEGIN",
            "CREATE OR REPLACE FUNCTION threat.stable() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with place.raw("ann") as r:  # prepared before the path changes, resolved again behind it
        ask(r, parse("s", "SELECT lower('A'::text)"), SYNC)
        ask(r, query(path))
        assert errors(ask(r, bind("", "s"), execute(), SYNC))


def test_05_views_rules_policies_triggers_defaults_cascades(place):
    for sql in ("TABLE threat.trap", "SELECT * FROM threat.nested LIMIT 1", "SELECT * FROM threat.guarded",
                "UPDATE threat.ruled SET id = 2", "UPDATE threat.fired SET id = 1 WHERE false",
                "INSERT INTO threat.by_default (id) VALUES (1)", "INSERT INTO threat.by_check VALUES (1)",
                "DELETE FROM threat.tenants WHERE id = 1",
                "CREATE INDEX ON threat.tenants (threat.fixed(id))",
                "WITH x AS (TABLE threat.trap) SELECT 1 FROM x", "COPY threat.nested TO STDOUT"):
        refused(place, sql)


def test_06_foreign_and_external_objects(place):
    with place.pg.admin() as c:
        c.execute(f"""CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
            CREATE FOREIGN TABLE threat.program (a text) SERVER files OPTIONS (program 'echo x');
            GRANT SELECT ON threat.program TO app_trust;
            CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{place.pg.folder}',
                                                                          port '{place.pg.port}',
              dbname 'app'); CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'app_trust',
                                                                                 password_required 'false');
            CREATE FOREIGN TABLE threat.far (a int) SERVER loop OPTIONS (schema_name 'threat',
                                                                         table_name 'trap');
            GRANT SELECT ON threat.far TO app_trust""")
    try:
        for table in ("program", "far"):
            refused(place, f"SELECT * FROM threat.{table}")
            refused(place, f"EXPLAIN ANALYZE TABLE threat.{table}")
        refused(place, "COPY (SELECT 1) TO PROGRAM 'cat'")
    finally:
        with place.pg.admin() as c:
            c.execute("DROP SERVER files CASCADE; DROP SERVER loop CASCADE")


def test_07_what_acts_later(place):
    refused(place, "BEGIN", "DECLARE k CURSOR WITH HOLD FOR SELECT threat.purge()")
    refused(place, "INSERT INTO threat.late VALUES (1)")
    refused(place, "BEGIN", "INSERT INTO threat.late VALUES (1)")
    refused(place, "BEGIN", "SELECT threat.opens()")
    refused(place, "FETCH ALL FROM unknown")
    refused(place, "MOVE unknown")
    with place.raw("ann") as r:  # nor is anything left for the COMMIT
        ask(r, query("BEGIN"))
        ask(r, query("INSERT INTO threat.late VALUES (1)"))
        ask(r, query("COMMIT"))


def test_08_function_calls(place):
    with place.pg.admin() as c:
        (oid,) = c.execute("SELECT 'threat.purge()'::regprocedure::oid::int").fetchone()
    for actor in ("ann", "bob"):
        for function in (oid, 964):  # 964: lo_unlink
            with place.raw(actor) as r:
                call = struct.pack("!IHH", function, 0, 0) + struct.pack("!H", 0)
                assert errors(ask(r, message(b"F", call)))


def test_09_two_namespaces_that_are_one(place):
    delete = "DELETE FROM threat.audit_log"
    for actor in ("ann", "bob"):
        with place.raw(actor) as r:
            ask(r, parse("s", delete), SYNC)
            assert errors(ask(r, query("EXECUTE s")))
        with place.raw(actor) as r:
            ask(r, query(f"PREPARE s AS {delete}"))
            assert errors(ask(r, bind("", "s"), execute(), SYNC))
        with place.raw(actor) as r:
            ask(r, query("BEGIN"))
            ask(r, parse("", delete + " RETURNING id"), bind("p", ""), SYNC)
            assert errors(ask(r, query("FETCH ALL FROM p")))
        with place.raw(actor) as r:
            ask(r, query("BEGIN"))
            ask(r, query("DECLARE k CURSOR FOR SELECT threat.purge()"))
            assert errors(ask(r, execute("k"), SYNC))


def test_10_names_of_63_bytes(place):
    a, b, c = ("A" * 63 + x for x in "xyz")
    with place.raw("ann") as r:
        ask(r, parse(a, "SELECT 1"), SYNC)
        ask(r, close("S", b), SYNC)
        ask(r, parse(c, "DELETE FROM threat.audit_log"), SYNC)
        assert errors(ask(r, bind("", a), execute(), SYNC))
    name = "n" * 57
    with place.pg.admin() as admin:
        admin.execute(f"ALTER TABLE threat.{name} RENAME TO {name}123456")
        admin.execute(f"INSERT INTO threat.{name}123456 VALUES (1)")
    try:
        refused(place, f"DELETE FROM threat.{name}123456_and_more")
        with place.pg.admin() as admin:
            assert admin.execute(f"SELECT count(*) FROM threat.{name}123456").fetchone() == (1,)
    finally:
        with place.pg.admin() as admin:
            admin.execute(f"ALTER TABLE threat.{name}123456 RENAME TO {name}")


@pytest.mark.parametrize("params", [
    {"options": "-c session_replication_role=replica"}, {"options": "-c role=backstop"},
    {"role": "backstop"},
    {"options": "-c standard_conforming_strings=off"}, {"standard_conforming_strings": "off"},
    {"session_replication_role": "replica"}, {"options": "-c search_path=shadow"},
    {"replication": "database"},
    {"client_encoding": "SJIS"}], ids=str)
def test_11_the_start_up_packet(place, params):
    for actor in ("ann", "bob"):
        with Raw(place.gateway.port, timeout=30) as r:
            try:
                seen = r.login(actor, place.gateway.passwords[actor], **params)
            except (AssertionError, ConnectionError):
                continue  # refused before the password
            if seen[-1][0] != b"Z":
                continue
            for name, pinned in (("role", "none"), ("session_replication_role", "origin"),
                                 ("standard_conforming_strings", "on"), ("client_encoding", "UTF8")):
                assert rows(ask(r, query(f"SHOW {name}"))) == [pinned]
            seen = ask(r, query("SELECT lower('A'::text)"))
            assert rows(seen) == ["a"] or errors(seen)


def test_12_several_statements_in_one_message(place):
    for sql in ("COMMIT; DELETE FROM threat.audit_log", "ROLLBACK; DROP SCHEMA threat CASCADE",
                "SELECT 1; TRUNCATE threat.audit_log",
                "BEGIN; SET TRANSACTION READ WRITE; DELETE FROM threat.audit_log; COMMIT"):
        refused(place, sql)
        refused(place, "BEGIN", sql)
    with place.raw("ann") as r:  # classified by length, not by strlen
        assert errors(ask(r, message(b"Q", b"SELECT 1\0; DELETE FROM threat.audit_log\0")))


BACKSLASH = r"SELECT 'a\'' ; DELETE FROM threat.audit_log; --'"


def test_13_standard_conforming_strings(place):
    for off in ("SET standard_conforming_strings = off",
                "SELECT set_config('standard_conforming_strings', 'off', false)",
                "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
                "DO $$BEGIN SET standard_conforming_strings = off; END$$"):
        refused(place, off)
        with place.raw("ann") as r:
            ask(r, query(off))
            ask(r, query(BACKSLASH))
    assert classify({"sql": BACKSLASH})[0]["risk"] == "CRITICAL"


@pytest.mark.parametrize("encoding", ["SJIS", "BIG5", "GBK", "GB18030", "SHIFT_JIS_2004", "JOHAB",
                                      "SQL_ASCII"])
def test_14_encodings_with_a_backslash_inside(place, encoding):
    for change in (f"SET client_encoding = '{encoding}'", f"SET NAMES '{encoding}'",
                   f"SELECT set_config('client_encoding', '{encoding}', false)"):
        refused(place, change)
    with place.raw("ann") as r:
        assert errors(ask(r, message(b"Q", b"SELECT E'\x95\\'; DELETE FROM threat.audit_log; --'\0")))


def test_15_settings_that_nobody_reports(place):
    for sql in ("SET ROLE backstop", "SET session_replication_role = replica", "SET backslash_quote = on",
                "SELECT set_config('ro' || 'le', 'backstop', false)",
                "SELECT set_config(v, 'x', false) FROM threat.audit_log",
                "SELECT set_config(name, 'replica', false) FROM pg_settings WHERE name = 'session_replication_role'",
                "SELECT set_config(name, 'x', false) FROM pg_settings"):
        refused(place, sql)
    passes(place, "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings "
           "WHERE name = 'restrict_nonsystem_relation_kind'")


@pytest.mark.parametrize("sql", [
    "SELECT 1 -- \r; DELETE FROM threat.audit_log", "DELETE\fFROM\tthreat.audit_log",
    "/* a /* nested */ ; */ DELETE FROM threat.audit_log", r'DELETE FROM threat.U&"audit\005flog"',
    "DELETE FROM threat.U&\"audit!005flog\" UESCAPE '!'", "SELECT 'a'\n'b'; DELETE FROM threat.audit_log",
    "DELETE/**/FROM/**/threat.audit_log", "dElEtE fRoM \"threat\".AUDIT_LOG"])
def test_16_how_a_real_lexer_reads(place, sql):
    refused(place, sql)


@pytest.mark.parametrize("sql", [
    "SELECT 1" + "+1" * 100000 + "; DELETE FROM threat.audit_log",
    "SELECT 1" + " UNION ALL SELECT 1" * 50000 + "; DELETE FROM threat.audit_log",
    "SELECT " + "(" * 10000 + "1" + ")" * 10000, "SELECT " + "NOT " * 10000 + "true",
    "/*" + "x" * (1 << 20) + "*/ DELETE FROM threat.audit_log"], ids=range(5))
def test_17_size_and_depth(place, sql):
    with place.raw("ann") as r:
        assert errors(ask(r, query(sql)))
        assert rows(ask(r, query("SELECT 7"))) == ["7"]


def test_18_a_grammar_that_is_not_the_servers(place):
    refused(place, "THIS IS NO SQL OF ANY GRAMMAR")
    answers = classify({"sql": "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE RETURNING *"},
                       {"sql": "SELECT 0xFF, 1_000"},
                       {"sql": "SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (a int))"},
                       {"sql": "GRANT a TO b WITH INHERIT FALSE"},
                       {"sql": "DELETE FROM t RETURNING OLD.id, NEW.id"}, {"sql": "SELECT FROM FROM"})
    assert [a["risk"] for a in answers] == ["CRITICAL", "SAFE", "SAFE", "CRITICAL", "CRITICAL", "CRITICAL"]
    assert answers[-1]["error"] and answers[-1]["statements"][0]["kind"] == "UNKNOWN"
    told = subprocess.run([binary(), "version"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"PostgreSQL \d+", told)


READ_ONLY_LETS_PASS = [
    "SET TRANSACTION READ WRITE", "SET transaction_read_only = off",
    "BEGIN READ WRITE; DELETE FROM threat.audit_log; COMMIT",
    "SELECT dblink_exec('', 'x')", "COPY (SELECT 1) TO '/tmp/x'", "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT lo_unlink(1)",
    "SELECT lo_put(1, 0, 'x')", "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_file_write('a'::text, 'b', true)", "DO LANGUAGE plpython3u 'pass'",
    "SELECT heap_force_kill('threat.audit_log'::regclass, ARRAY['(0,1)'::tid])",
    "SELECT pg_import_system_collations('pg_catalog')",
    "SELECT pg_create_physical_replication_slot('x')", "SELECT pg_drop_replication_slot('x')",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')", "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(1)", "SELECT pg_reload_conf()", "SELECT pg_stat_reset()",
    "SELECT pg_stat_reset_shared('bgwriter')",
    "SELECT pg_advisory_lock(1)", "LOCK TABLE threat.audit_log IN ACCESS EXCLUSIVE MODE", "NOTIFY a",
    "ANALYZE threat.audit_log",
    "REINDEX TABLE threat.audit_log", "CLUSTER threat.audit_log USING audit_log_pkey", "CHECKPOINT",
    "LOAD 'x'", "SET ROLE backstop",
    "SET session_replication_role = replica", "PREPARE TRANSACTION 'x'",
    "ALTER SYSTEM SET work_mem = '1MB'", "VACUUM threat.audit_log",
    "SELECT pg_promote()", "SELECT pg_wal_replay_pause()", "SELECT pg_rotate_logfile()",
    "SELECT setseed(0.5), nextval('threat.s')"]


@pytest.mark.parametrize("sql", READ_ONLY_LETS_PASS)
def test_d_what_read_only_does_not_stop(place, sql):
    assert classify({"sql": sql}, {"sql": sql, "protocol": "extended"})[0]["risk"] in ("HIGH", "CRITICAL")
    refused(place, "BEGIN", "SELECT 1", sql, actors=("bob",))
    refused(place, sql, actors=("bob",))


def test_d_a_shielded_session_stays_so(place):
    for undo in ("DISCARD ALL", "RESET ALL", "BEGIN; COMMIT", "SET default_transaction_read_only = off",
                 "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                 "RESET default_transaction_read_only"):
        with place.raw("bob") as r:
            ask(r, query(undo))
            assert errors(ask(r, query("INSERT INTO threat.tenants VALUES (9)")))
            assert errors(ask(r,
                              query("WITH x AS (DELETE FROM threat.audit_log RETURNING 1) SELECT 1 FROM x")))


@pytest.mark.parametrize("where", [
    "true", "1 = 1", "id % 1 = 0", "audit_log IS NOT NULL", "pg_typeof(id)::text = 'integer'",
    "id IS NOT NULL OR id IS NULL",
    "COALESCE(true, id = 1)", "id = id", "v LIKE '%'", "id > 0", "id IN (SELECT id FROM threat.audit_log)",
    "NOT false"])
def test_e_a_filter_that_holds_for_all(place, where):
    refused(place, f"DELETE FROM threat.audit_log WHERE {where}")


def test_e_the_values_decide(place):
    """The same text: a few rows go without asking, all of them do not."""
    sql = "DELETE FROM threat.audit_log WHERE id <= $1"
    with place.raw("ann") as r:
        for value in ("1000", "120", "60"):
            assert errors(ask(r, parse("", sql), bind("", "", value), execute(), SYNC)) == ["ZB001"]
        like = "DELETE FROM threat.audit_log WHERE v LIKE $1"
        assert errors(ask(r, parse("", like), bind("", "", "%"), execute(), SYNC)) == ["ZB001"]
    try:
        with place.raw("ann") as r:
            assert errors(ask(r, parse("", sql), bind("", "", "3"), execute(), SYNC)) == []
        assert state(place)[0] == ROWS - 3
    finally:
        with place.pg.admin() as c:
            c.execute("INSERT INTO threat.audit_log SELECT g, 'v' || g FROM generate_series(1, 3) g ON CONFLICT DO NOTHING")


def test_the_page_names_tests_that_exist():
    """docs/threat-model.md: every item of the list has tests, and each of them is there."""
    here = pathlib.Path(__file__).parent
    page = (here.parents[1] / "docs" / "threat-model.md").read_text()
    named = re.findall(r"`(test_\w+)\.py::(test_\w+)`", page)
    assert {f"{n:02}" for n in range(1, 19)} | {"d", "e"} <= {m.group(1) for _,
                                                              t in named if (m := re.match(r"test_(\d\d|[de])_", t))}
    for file, test in named:
        assert re.search(rf"^def {test}\(", (here / f"{file}.py").read_text(), re.M), (file, test)
