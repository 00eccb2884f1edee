"""The page of risks, row by row: each statement as the text alone tells, and with the catalog.

Two letters a statement: without and with a catalog; S, H and C are SAFE, HIGH and CRITICAL. Rows that
are CRITICAL as such have a C everywhere; the others show what makes them CRITICAL.
"""

import pytest

from test_classify import ask

WORLD = """
DROP SCHEMA IF EXISTS risk CASCADE;
CREATE SCHEMA risk;
CREATE FUNCTION risk.trap() RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE reverse(''x''); RETURN 1; END';
CREATE FUNCTION risk.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN EXECUTE reverse(''x''); RETURN 1; END';
CREATE FUNCTION risk.on_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE reverse(''x''); RETURN NEW; END';
CREATE PROCEDURE risk.p() LANGUAGE plpgsql AS 'BEGIN EXECUTE reverse(''x''); END';
CREATE TYPE risk.mood AS ENUM ('a', 'b');
CREATE DOMAIN risk.dom AS int CHECK (VALUE > 0);
CREATE DOMAIN risk.dom_trap AS int CHECK (risk.trap(VALUE) > 0);
CREATE SEQUENCE risk.s;
CREATE TABLE risk.t (id int PRIMARY KEY, v text UNIQUE, n int CONSTRAINT positive CHECK (n >= 0),
                     m risk.mood);
INSERT INTO risk.t SELECT g, 'v' || g, g % 100 FROM generate_series(1, 2000) g;
CREATE TABLE risk.big (id int PRIMARY KEY, n int);
INSERT INTO risk.big SELECT g, g % 20 FROM generate_series(1, 40000) g;
CREATE TABLE risk.parent (id int PRIMARY KEY, v text);
CREATE TABLE risk.child (id int PRIMARY KEY,
                         p int REFERENCES risk.parent ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO risk.parent VALUES (1, 'a');
INSERT INTO risk.child SELECT g, 1 FROM generate_series(1, 50) g;
CREATE TABLE risk.by_trigger (id int PRIMARY KEY, n int);
CREATE TRIGGER g BEFORE INSERT OR UPDATE OR DELETE ON risk.by_trigger FOR EACH ROW EXECUTE FUNCTION risk.on_row();
CREATE TABLE risk.by_default (id int, n int DEFAULT risk.trap());
CREATE TABLE risk.by_check (id int CHECK (risk.trap(id) > 0));
CREATE TABLE risk.by_index (id int, n int);
CREATE INDEX by_index_i ON risk.by_index (risk.trap(id));
CREATE TABLE risk.guarded (id int);
ALTER TABLE risk.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY po ON risk.guarded USING (risk.trap(id) > 0);
CREATE TABLE risk.parted (id int) PARTITION BY LIST (id);
CREATE TABLE risk.part PARTITION OF risk.parted FOR VALUES IN (1);
CREATE TABLE risk.base (id int);
CREATE TABLE risk.heir () INHERITS (risk.base);
CREATE VIEW risk.v AS SELECT id, v FROM risk.t;
CREATE VIEW risk.v_trap AS SELECT risk.trap() AS a;
CREATE MATERIALIZED VIEW risk.mv AS SELECT id FROM risk.t;
CREATE MATERIALIZED VIEW risk.mv_trap AS SELECT risk.trap() AS a WITH NO DATA;
CREATE EXTENSION IF NOT EXISTS file_fdw;
CREATE SERVER risk_server FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE risk.far (a text) SERVER risk_server OPTIONS (program 'echo x');
CREATE PUBLICATION risk_publication FOR TABLE risk.t;
ANALYZE risk.t; ANALYZE risk.big;
"""

ROWS = {
    "SELECT, VALUES, TABLE, SHOW, EXPLAIN, COPY TO STDOUT": [
        ("SS", "SELECT * FROM risk.t WHERE v LIKE 'a%' ORDER BY n LIMIT 3"), ("SS", "VALUES (1), (2)"),
        ("SS", "TABLE risk.t"), ("SS", "SHOW ALL"),
        ("SS", "SELECT n, count(*), string_agg(v, ',' ORDER BY v) FROM risk.t GROUP BY n HAVING count(*) > 1"),
        ("SS", "SELECT *, row_number() OVER (PARTITION BY n ORDER BY id) FROM risk.t"), ("SS",
                                                                                         "SELECT * FROM risk.v JOIN risk.mv USING (id)"),
        ("SS", "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 9) SELECT * FROM x"),
        ("CS", "SELECT m, m::risk.mood, 'a'::risk.mood, 1::risk.dom FROM risk.t"), ("SS",
                                                                                    "SELECT * FROM pg_catalog.pg_stat_activity"),
        ("SS", "SELECT * FROM information_schema.columns"), ("SS", "EXPLAIN SELECT * FROM risk.t"), ("SS",
                                                                                                     "EXPLAIN DELETE FROM risk.t"), ("SS", "EXPLAIN ANALYZE TABLE risk.t"),
        ("SS", "COPY risk.t TO STDOUT"), ("SS", "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv)"),
        ("CC", "SELECT risk.trap()"), ("CC", "SELECT * FROM risk.t WHERE n = risk.trap()"), ("SC",
                                                                                             "TABLE risk.v_trap"), ("SC", "TABLE risk.far"), ("SC", "TABLE risk.guarded"),
        ("SC", "COPY risk.v_trap TO STDOUT"), ("CC", "EXPLAIN SELECT risk.trap(1)"), ("SC",
                                                                                      "EXPLAIN TABLE risk.v_trap"), ("CC", "SELECT 1::risk.dom_trap"),
        ("CC", "EXPLAIN (ANALYZE off, ANALYZE) DELETE FROM risk.t"), ("CC",
                                                                      "EXPLAIN ANALYZE DELETE FROM risk.t"), ("CC", "SELECT query_to_xml('SELECT 1', true, true, '')"),
        ("CC", "SELECT * FROM ts_stat('SELECT 1')"), ("CC", "SELECT database_to_xml(true, true, '')"),
        ("CC", "SELECT pg_read_file('/etc/passwd')"),
        ("CC", "SELECT lo_unlink(1)"), ("CC", "SELECT pg_terminate_backend(1)"), ("CC",
                                                                                  "SELECT pg_switch_wal()"), ("CC", "SELECT pg_logical_emit_message(true, 'a', 'b')"),
    ],
    "BEGIN, COMMIT, ROLLBACK, SAVEPOINT, LISTEN, DISCARD, DEALLOCATE, CLOSE": [
        ("SS", "BEGIN"), ("SS", "START TRANSACTION READ ONLY"), ("SS", "COMMIT"), ("SS", "ROLLBACK"),
        ("SS", "SAVEPOINT a"), ("SS", "RELEASE a"), ("SS", "ROLLBACK TO a"),
        ("SS", "LISTEN a"), ("SS", "UNLISTEN *"), ("SS", "DISCARD ALL"), ("SS", "DEALLOCATE ALL"), ("SS",
                                                                                                    "CLOSE ALL"), ("SS", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
        # What lifts the net of who has it.
        ("CC", "SET TRANSACTION READ WRITE"), ("CC", "SET transaction_read_only = off"), ("CC",
                                                                                          "SET default_transaction_read_only = off"),
        ("CC", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"),
    ],
    "SET of the listed display, planner and timeout settings": [
        ("SS", "SET DateStyle = 'ISO'"), ("SS", "SET LOCAL work_mem = '8MB'"), ("SS",
                                                                                "SET SESSION statement_timeout = 0"), ("SS", "SET TIME ZONE 'UTC'"), ("SS", "RESET work_mem"),
        ("SS", "SET enable_seqscan TO off"), ("SS", "SELECT set_config('work_mem', '8MB', true)"), ("SS",
                                                                                                    "SET standard_conforming_strings = on"), ("SS", "SET NAMES 'UTF8'"),
        ("SS", "RESET ALL"), ("SS", "SET row_security = off"),  # refuses what a policy would filter
    ],
    "SET search_path": [
        ("SS", "SET search_path = risk"), ("SS", "SET LOCAL search_path TO risk, public"), ("SS",
                                                                                            "SET search_path = public; SELECT 1 + 1"),
        ("CC", "SET search_path = risk, pg_catalog; TABLE t"),
        ("SS", "SET search_path = risk; TABLE t"), ("CC",
                                                    "SELECT set_config('search_path', 'risk, pg_catalog', false); SELECT lower('A')"), ("CC", "SET search_path = risk, pg_catalog; INSERT INTO t VALUES (1)"),
    ],
    "SET of anything else": [
        ("CC", "SET session_replication_role = replica"), ("CC",
                                                           "SET LOCAL session_replication_role = replica"),
                                                           ("CC", "SET x.y = 'z'"),
        ("CC", "SET standard_conforming_strings = off"), ("CC", "SET NAMES 'SJIS'"), ("CC",
                                                                                      "SET backslash_quote = on"), ("CC", "SET zero_damaged_pages = on"),
        ("CC", "SELECT set_config('session_replication_role', 'replica', true)"), ("CC",
                                                                                   "SELECT set_config($1, 'x', true)"), ("CC", "UPDATE pg_settings SET setting = 'replica' WHERE name = 'session_replication_role'"),
        ("CC", "SET check_function_bodies = off"), ("CC", "RESET session_replication_role"), ("CC",
                                                                                              "SET session_replication_role TO DEFAULT"), ("CC", "SET synchronous_commit = off"),
    ],
    "SET ROLE, SET SESSION AUTHORIZATION": [
        ("CC", "SET ROLE postgres"), ("CC", "SET LOCAL ROLE postgres"), ("CC", "SET ROLE NONE"), ("CC",
                                                                                                  "RESET ROLE"), ("CC", "SET SESSION AUTHORIZATION postgres"), ("CC", "SET role = 'postgres'"),
        ("CC", "SELECT set_config('role', 'postgres', false)"), ("CC", "RESET SESSION AUTHORIZATION"),
    ],
    "PREPARE": [
        ("SS", "PREPARE a AS SELECT $1"), ("HH", "PREPARE a AS INSERT INTO risk.t VALUES ($1)"), ("SS",
                                                                                                  "PREPARE a AS SELECT 1; EXECUTE a"), ("CC", "PREPARE a AS DELETE FROM risk.t"),
        ("CC", "PREPARE a AS SELECT risk.trap()"), ("CC", "EXECUTE unknown(1)"), ("CC",
                                                                                  "PREPARE a AS SELECT 1; DEALLOCATE a; EXECUTE a"),
    ],
    "DECLARE CURSOR; FETCH, MOVE": [
        ("SS", "DECLARE c CURSOR FOR TABLE risk.t"), ("SS",
                                                      "DECLARE c SCROLL CURSOR WITH HOLD FOR TABLE risk.t; FETCH 1 FROM c"), ("SS", "DECLARE c CURSOR FOR SELECT 1; MOVE c"),
        ("CC", "DECLARE c CURSOR FOR SELECT risk.trap()"), ("CC",
                                                            "DECLARE c CURSOR FOR SELECT risk.trap(); FETCH c"), ("CC", "FETCH ALL FROM unknown"), ("CC", "MOVE unknown"), ("SC", "DECLARE c CURSOR FOR TABLE risk.v_trap"),
        ("HH", "DECLARE c CURSOR FOR SELECT * FROM risk.t FOR UPDATE"),
    ],
    "SELECT FOR UPDATE / SHARE, LOCK TABLE, advisory locks, NOTIFY": [
        ("HH", "SELECT * FROM risk.t FOR UPDATE"), ("HH",
                                                    "SELECT * FROM risk.t FOR KEY SHARE SKIP LOCKED"),
                                                    ("HH", "SELECT * FROM (SELECT * FROM risk.t FOR SHARE) x"),
        ("HH", "WITH x AS (SELECT * FROM risk.t FOR UPDATE) SELECT 1"), ("HH",
                                                                         "SELECT 1 WHERE EXISTS (SELECT FROM risk.t FOR UPDATE)"), ("HH", "SELECT ARRAY(SELECT id FROM risk.t FOR UPDATE)"),
        ("HH", "COPY (SELECT * FROM risk.t FOR UPDATE) TO STDOUT"), ("HH", "LOCK TABLE risk.t"), ("HH",
                                                                                                  "LOCK TABLE ONLY risk.t IN ROW SHARE MODE NOWAIT"), ("SS", "LOCK TABLE risk.t IN ACCESS SHARE MODE"),
        ("HH", "SELECT pg_advisory_lock(1)"), ("HH", "SELECT pg_try_advisory_xact_lock(1, 2)"), ("SS",
                                                                                                 "SELECT pg_advisory_unlock_all()"), ("HH", "NOTIFY a"), ("HH", "SELECT pg_notify('a', 'b')"),
    ],
    "nextval, setval, ALTER SEQUENCE": [
        ("HH", "SELECT nextval('risk.s')"), ("HH", "SELECT setval('risk.s', 5)"), ("HH",
                                                                                   "SELECT setval('risk.s', 5, false)"), ("HH", "ALTER SEQUENCE risk.s RESTART"), ("HH", "ALTER SEQUENCE risk.s OWNED BY NONE"),
        ("SS", "SELECT currval('risk.s'), lastval()"), ("SS", "SELECT last_value FROM risk.s"),
    ],
    "CREATE TABLE, AS, SELECT INTO, CREATE INDEX, SEQUENCE, SCHEMA, ADD COLUMN, RENAME": [
        ("HH", "CREATE TABLE risk.x (id serial PRIMARY KEY, v text DEFAULT 'a' CHECK (length(v) > 0), d timestamptz DEFAULT now())"), ("HH", "CREATE TABLE IF NOT EXISTS risk.t (id int)"),
        ("HH", "CREATE TABLE risk.x (LIKE risk.t INCLUDING ALL)"), ("HH",
                                                                    "CREATE TABLE risk.x PARTITION OF risk.parted FOR VALUES IN (2)"), ("HH", "CREATE UNLOGGED TABLE risk.x AS TABLE risk.t"),
        ("HH", "SELECT * INTO risk.x FROM risk.t"), ("HH",
                                                     "CREATE TABLE risk.x (id int REFERENCES risk.t)"),
                                                     ("HH", "CREATE INDEX ON risk.t (lower(v)) WHERE n > 3"), ("HH", "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON risk.t (n)"),
        ("HH", "CREATE SEQUENCE risk.x"), ("HH", "CREATE SCHEMA x"), ("HH",
                                                                      "CREATE SCHEMA IF NOT EXISTS risk"),
                                                                      ("HH", "ALTER TABLE risk.t ADD COLUMN x int DEFAULT 1"), ("HH", "ALTER TABLE risk.t ADD COLUMN IF NOT EXISTS v text"),
        ("HH", "ALTER TABLE risk.t RENAME TO x"), ("HH", "ALTER TABLE risk.t RENAME v TO w"), ("HH",
                                                                                               "ALTER VIEW risk.v RENAME TO w"), ("HH", "ALTER TABLE risk.t ADD CONSTRAINT c CHECK (n < 1000)"),
        ("HH", "CREATE MATERIALIZED VIEW risk.x AS SELECT 1"),
        ("HH", "CREATE TABLE risk.x (LIKE risk.by_default)"), ("HC", "CREATE TABLE risk.x (LIKE risk.by_default INCLUDING DEFAULTS)"),
        ("HC", "CREATE TABLE risk.x () INHERITS (risk.by_check)"), ("HC", "CREATE TABLE risk.x (LIKE risk.by_index INCLUDING ALL)"),
        ("CC", "CREATE TABLE risk.x (id int DEFAULT risk.trap())"), ("CC",
                                                                     "CREATE TABLE risk.x (id int CHECK (risk.trap(id) > 0))"), ("CC", "CREATE INDEX ON risk.t (risk.trap(n))"), ("CC", "CREATE INDEX ON risk.t (n) WHERE risk.trap(n) > 0"),
        ("CC", "ALTER TABLE risk.t ADD x int DEFAULT risk.trap()"), ("CC",
                                                                     "CREATE TABLE risk.x AS SELECT risk.trap()"), ("HC", "CREATE TABLE risk.x AS TABLE risk.v_trap"), ("CC", "ALTER TABLE risk.t ADD CHECK (risk.trap(n) > 0)"),
        ("CC", "CREATE MATERIALIZED VIEW risk.x AS SELECT risk.trap()"), ("CC",
                                                                          "CREATE TABLE risk.x AS EXECUTE unknown"),
    ],
    "CREATE TEMP TABLE": [
        ("HH", "CREATE TEMP TABLE x (id int)"), ("HH", "CREATE TEMPORARY TABLE x AS TABLE risk.t"), ("HH",
                                                                                                     "CREATE TABLE pg_temp.x (id int) ON COMMIT DROP"), ("HH", "SELECT 1 AS a INTO TEMP x"),
        ("CC", "CREATE TEMP TABLE x AS SELECT risk.trap()"), ("CC",
                                                              "CREATE TEMP TABLE x (id int DEFAULT risk.trap())"),
    ],
    "CREATE VIEW": [
        ("HH", "CREATE VIEW risk.x AS TABLE risk.t"), ("HH", "CREATE TEMP VIEW x AS SELECT 1"), ("HH",
                                                                                                 "CREATE RECURSIVE VIEW risk.x(n) AS VALUES (1)"),
        ("CC", "CREATE OR REPLACE VIEW risk.v AS SELECT 1"), ("CC",
                                                              "CREATE VIEW risk.x AS SELECT risk.trap()"),
    ],
    "CREATE FUNCTION, PROCEDURE, TRIGGER, RULE, POLICY, OPERATOR, CAST, EVENT TRIGGER, EXTENSION, LANGUAGE": [
        ("CC", sql) for sql in (
            "CREATE FUNCTION risk.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION risk.x() RETURNS int LANGUAGE sql RETURN 1",
            "CREATE PROCEDURE risk.x() LANGUAGE sql AS ''",
            "CREATE TRIGGER x AFTER DELETE ON risk.t EXECUTE FUNCTION risk.on_row()",
            "CREATE RULE x AS ON DELETE TO risk.t DO INSTEAD NOTHING",
            "CREATE POLICY x ON risk.t USING (true)", "ALTER POLICY po ON risk.guarded USING (true)",
            "CREATE OPERATOR risk.<+> (leftarg = int, rightarg = int, function = int4pl)",
            "CREATE CAST (risk.mood AS int) WITH INOUT",
            "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION risk.on_row()",
            "CREATE EXTENSION dblink", "CREATE EXTENSION IF NOT EXISTS file_fdw",
            "CREATE LANGUAGE x HANDLER y", "CREATE AGGREGATE risk.x(int) (sfunc = int4pl, stype = int)",
            "ALTER FUNCTION risk.trap() IMMUTABLE", "ALTER EXTENSION file_fdw UPDATE",
            "ALTER EVENT TRIGGER x DISABLE", "CREATE TYPE risk.x",
            "CREATE ACCESS METHOD x TYPE INDEX HANDLER bthandler")],
    "COMMENT": [("HH", "COMMENT ON TABLE risk.t IS 'x'"), ("HH", "COMMENT ON COLUMN risk.t.v IS NULL"),
                ("HH", "COMMENT ON FUNCTION risk.trap() IS 'x'")],
    "GRANT, REVOKE, OWNER TO, default privileges, roles, ALTER SYSTEM, ALTER DATABASE / ROLE SET": [
        ("CC", sql) for sql in (
            "GRANT SELECT ON risk.t TO PUBLIC", "REVOKE ALL ON risk.t FROM PUBLIC",
            "GRANT postgres TO app_trust", "REVOKE postgres FROM app_trust",
            "GRANT SELECT (id) ON risk.t TO app_trust",
            "GRANT ALL ON ALL TABLES IN SCHEMA risk TO app_trust",
            "ALTER TABLE risk.t OWNER TO app_trust", "ALTER VIEW risk.v OWNER TO app_trust",
            "ALTER SCHEMA risk OWNER TO app_trust", "ALTER SEQUENCE risk.s OWNER TO app_trust",
            "ALTER FUNCTION risk.trap() OWNER TO app_trust",
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC", "CREATE ROLE x",
            "CREATE USER x SUPERUSER", "ALTER ROLE app_trust SUPERUSER",
            "ALTER USER app_trust PASSWORD 'x'", "DROP ROLE IF EXISTS x",
            "REASSIGN OWNED BY app_trust TO postgres",
            "ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM RESET ALL",
            "ALTER DATABASE app SET work_mem = '1MB'", "ALTER ROLE app_trust SET search_path = x",
            "ALTER ROLE ALL RESET ALL", "ALTER DATABASE app OWNER TO app_trust",
            "SECURITY LABEL ON TABLE risk.t IS 'x'")],
    "VACUUM, ANALYZE, REINDEX, CLUSTER, VACUUM FULL": [
        ("HH", "VACUUM risk.t"), ("HH", "VACUUM (FULL, ANALYZE) risk.t"), ("HH", "ANALYZE risk.t (v)"),
        ("HH", "REINDEX TABLE risk.t"), ("HH", "REINDEX INDEX CONCURRENTLY risk.t_pkey"), ("HH",
                                                                                           "CLUSTER risk.t USING t_pkey"),
        ("HC", "ANALYZE risk.by_index"), ("HC", "REINDEX TABLE risk.by_index"), ("HC",
                                                                                 "REINDEX INDEX risk.by_index_i"), ("HC", "VACUUM FULL risk.by_index"), ("HC", "CLUSTER risk.by_index USING by_index_i"), ("HC", "REINDEX SCHEMA risk"),
        ("HC", "ANALYZE"), ("HC", "VACUUM FULL"), ("HC", "REINDEX DATABASE app"),
    ],
    "REFRESH MATERIALIZED VIEW": [
        ("HH", "REFRESH MATERIALIZED VIEW risk.mv"), ("HH",
                                                      "REFRESH MATERIALIZED VIEW CONCURRENTLY risk.mv"),
                                                      ("HC", "REFRESH MATERIALIZED VIEW risk.mv_trap"),
                                                      ("CC", "REFRESH MATERIALIZED VIEW risk.mv WITH NO DATA"),
    ],
    "INSERT, COPY FROM STDIN": [
        ("HH", "INSERT INTO risk.t VALUES (9000, 'x', 1)"), ("HH",
                                                             "INSERT INTO risk.t (id) SELECT 9000 RETURNING *"), ("HH", "COPY risk.t FROM STDIN"), ("HH", "WITH x AS (INSERT INTO risk.t VALUES (9000) RETURNING id) TABLE x"),
        ("HH", "INSERT INTO risk.parted VALUES (1)"),
        ("HC", "INSERT INTO risk.by_trigger VALUES (1)"), ("HC",
                                                           "INSERT INTO risk.by_default (id) VALUES (1)"),
                                                           ("HC", "COPY risk.by_trigger FROM STDIN"),
                                                           ("HC", "INSERT INTO risk.by_check VALUES (1)"),
                                                           ("HC", "INSERT INTO risk.by_index VALUES (1)"),
        ("CC", "INSERT INTO risk.t VALUES (risk.trap())"), ("CC",
                                                            "INSERT INTO pg_catalog.pg_class SELECT * FROM pg_class"), ("CC", "INSERT INTO pg_largeobject VALUES (1, 0, '')"), ("HC", "INSERT INTO risk.t (id) SELECT a FROM risk.v_trap"), ("HC", "INSERT INTO risk.far VALUES ('x')"),
    ],
    "INSERT ON CONFLICT": [
        ("HH", "INSERT INTO risk.t VALUES (1) ON CONFLICT DO NOTHING"), ("HH",
                                                                         "INSERT INTO risk.t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET v = excluded.v"), ("HH", "INSERT INTO risk.t SELECT * FROM risk.t ON CONFLICT DO NOTHING"),
        ("CC", "INSERT INTO risk.big SELECT id, 1 FROM risk.big ON CONFLICT (id) DO UPDATE SET n = 1"),
    ],
    "UPDATE, DELETE by primary or unique key": [
        ("HH", "UPDATE risk.t SET n = 1 WHERE id = 5"), ("HH", "DELETE FROM risk.t WHERE id = 5"), ("HH",
                                                                                                    "DELETE FROM risk.t WHERE v = 'v5' AND n > 0"), ("HH", "WITH x AS (DELETE FROM risk.t WHERE id = 5 RETURNING *) TABLE x"), ("HH", "UPDATE risk.parent SET v = 'x' WHERE id = 1"),
        ("HC", "DELETE FROM risk.parent WHERE id = 1"), ("HC",
                                                         "UPDATE risk.parent SET id = 2 WHERE id = 1"),
                                                         ("HC", "DELETE FROM risk.by_trigger WHERE id = 1"), ("HC", "UPDATE risk.by_trigger SET n = 1 WHERE id = 1"),
        ("CC", "DELETE FROM risk.t WHERE id = risk.trap()"), ("HC", "DELETE FROM risk.v WHERE id = 1"),
    ],
    "UPDATE, DELETE, MERGE by anything else": [
        ("CH", "DELETE FROM risk.t WHERE id < 10"), ("HH", "UPDATE risk.t SET n = n + 1 WHERE n = 7"),
        ("CH", "DELETE FROM risk.t WHERE id IN (1, 2, 3)"), ("CH",
                                                             "DELETE FROM risk.t WHERE id BETWEEN 5 AND 9 OR v = 'v100'"),
        ("CC", "DELETE FROM risk.t"), ("CC", "UPDATE risk.t SET n = 1"), ("CC",
                                                                          "DELETE FROM risk.t WHERE true"),
                                                                          ("CC", "DELETE FROM risk.t WHERE id > 0"), ("CC", "DELETE FROM risk.t WHERE n < 50"), ("HC", "DELETE FROM risk.big WHERE n = 1"),
        ("CC", "UPDATE risk.t SET v = NULL"), ("CC", "DELETE FROM risk.t WHERE id % 1 = 0"), ("CC",
                                                                                              "DELETE FROM risk.t WHERE n < $1"), ("CC", "DELETE FROM risk.t WHERE random() < 0.1 AND id > 0"), ("CH", "DELETE FROM risk.t t USING risk.big b WHERE t.id = b.n"), ("CC", "DELETE FROM risk.t t USING risk.big b WHERE t.id = b.id"),
        ("CC", "MERGE INTO risk.t USING risk.big b ON t.id = b.id WHEN MATCHED THEN DELETE"), ("CC",
                                                                                               "DELETE FROM risk.parent WHERE id > 0"),
    ],
    "ALTER TABLE DROP COLUMN, TYPE, DROP CONSTRAINT, DISABLE TRIGGER or RLS, DETACH, INHERIT, SET UNLOGGED": [
        ("CC", sql) for sql in (
            "ALTER TABLE risk.t DROP COLUMN v", "ALTER TABLE risk.t DROP IF EXISTS v CASCADE",
            "ALTER TABLE risk.t ADD x int, DROP v", "ALTER TABLE risk.t ALTER v TYPE int USING NULL",
            "ALTER TABLE risk.t ALTER n TYPE bigint", "ALTER TABLE risk.t DROP CONSTRAINT positive",
            "ALTER TABLE risk.by_trigger DISABLE TRIGGER ALL",
            "ALTER TABLE risk.by_trigger DISABLE TRIGGER g",
            "ALTER TABLE risk.by_trigger ENABLE REPLICA TRIGGER g",
            "ALTER TABLE risk.guarded DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE risk.guarded NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE risk.parted DETACH PARTITION risk.part",
            "ALTER TABLE risk.heir NO INHERIT risk.base", "ALTER TABLE risk.t INHERIT risk.base",
            "ALTER TABLE risk.t SET UNLOGGED", "ALTER TABLE risk.t ALTER n DROP NOT NULL",
            "ALTER TABLE risk.t REPLICA IDENTITY NOTHING",
            "ALTER TYPE risk.mood SET SCHEMA public; DROP TYPE public.mood CASCADE")],
    "TRUNCATE; DROP of anything that holds or guards data; DROP SCHEMA, OWNED, DATABASE": [
        ("CC", sql) for sql in (
            "TRUNCATE risk.t", "TRUNCATE risk.parent CASCADE", "DROP TABLE risk.t",
            "DROP TABLE IF EXISTS risk.t CASCADE", "DROP TABLE risk.t; CREATE TABLE risk.t (id int)",
            "DROP SCHEMA risk CASCADE", "DROP SCHEMA IF EXISTS risk", "DROP OWNED BY app_trust",
            "DROP DATABASE app", "DROP VIEW risk.v", "DROP MATERIALIZED VIEW risk.mv",
            "DROP SEQUENCE risk.s", "DROP INDEX risk.by_index_i", "DROP FUNCTION risk.trap()",
            "DROP TYPE risk.mood CASCADE", "DROP DOMAIN risk.dom", "DROP TRIGGER g ON risk.by_trigger",
            "DROP POLICY po ON risk.guarded", "DROP RULE \"_RETURN\" ON risk.v",
            "DROP EXTENSION file_fdw CASCADE", "DROP FOREIGN TABLE risk.far",
            "DROP SERVER risk_server CASCADE", "DROP PUBLICATION risk_publication",
            "DROP CAST (risk.mood AS int)", "DROP TABLE risk.nothing")],
    "DO, CALL, EXECUTE, COMMIT PREPARED, COPY PROGRAM or file, LOAD, replication, subscriptions, foreign servers, large objects, unparsable": [
        ("CC", sql) for sql in (
            "DO 'BEGIN EXECUTE reverse(''x''); END'", "CALL risk.p()", "COMMIT PREPARED 'x'",
            "ROLLBACK PREPARED 'x'", "COPY risk.t TO PROGRAM 'cat'", "COPY risk.t FROM PROGRAM 'cat'",
            "COPY risk.t TO '/tmp/x'", "COPY risk.t FROM '/tmp/x'", "LOAD 'x'",
            "SELECT pg_create_physical_replication_slot('x')",
            "SELECT * FROM pg_logical_slot_get_changes('x', NULL, NULL)",
            "CREATE SUBSCRIPTION x CONNECTION 'y' PUBLICATION z", "ALTER SUBSCRIPTION x DISABLE",
            "DROP SUBSCRIPTION x", "CREATE SERVER x FOREIGN DATA WRAPPER file_fdw",
            "ALTER SERVER risk_server OPTIONS (ADD a 'b')",
            "CREATE USER MAPPING FOR PUBLIC SERVER risk_server",
            "CREATE FOREIGN TABLE risk.x (a text) SERVER risk_server OPTIONS (program 'x')",
            "IMPORT FOREIGN SCHEMA x FROM SERVER risk_server INTO risk",
            "CREATE PUBLICATION x FOR ALL TABLES", "SELECT lo_creat(-1)", "SELECT lo_put(1, 0, 'x')",
            "SELECT lo_from_bytea(0, 'x')", "SELECT lo_export(1, '/tmp/x')", "SELECT lowrite(0, 'x')",
            "CREATE DATABASE x", "CREATE TABLESPACE x LOCATION '/x'", "NONSENSE", "SELECT 'open",
            "SELECT " + "(" * 20000)],
    "PREPARE TRANSACTION": [("HH", "PREPARE TRANSACTION 'x'")],
}

CASES = [(row, letters, sql) for row, cases in ROWS.items() for letters, sql in cases]
RISK = {"S": "SAFE", "H": "HIGH", "C": "CRITICAL"}


@pytest.fixture(scope="module")
def answers(pg):
    with pg.admin() as c:
        for sql in ("DROP PUBLICATION IF EXISTS risk_publication",
                    "DROP SERVER IF EXISTS risk_server CASCADE"):
            c.execute(sql)
        c.execute(WORLD)
    questions = [{"sql": sql} for _, _, sql in CASES]
    try:
        yield {"text": ask(*questions), "catalog": ask(*questions, dsn=pg.conninfo("backstop"))}
    finally:
        with pg.admin() as c:
            c.execute("DROP PUBLICATION risk_publication")
            c.execute("DROP SCHEMA risk CASCADE")
            c.execute("DROP EXTENSION file_fdw CASCADE")


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("how", ["text", "catalog"])
def test_row(answers, row, how):
    wrong = []
    for (of, letters, sql), answer in zip(CASES, answers[how]):
        want = RISK[letters[how == "catalog"]]
        if of == row and answer["risk"] != want:
            why = {r["code"] for s in answer["statements"] for r in s["reasons"]}
            wrong.append(f"{answer['risk']}, not {want} {sorted(why)}: {sql[:120]}")
        assert of != row or answer["catalog"] == (how == "catalog") or answer["error"], sql
    assert not wrong, "\n" + "\n".join(wrong)


SILENT = """
DROP SCHEMA IF EXISTS silent CASCADE;
CREATE SCHEMA silent;
CREATE TABLE silent.log (id int);
INSERT INTO silent.log VALUES (1);
CREATE FUNCTION silent.purge() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM silent.log; RETURN 1; END';
CREATE TYPE silent.pair AS (a int, b int);
CREATE TYPE silent.other AS (a int, b int);
CREATE TABLE silent.pairs (p silent.pair);
INSERT INTO silent.pairs VALUES ((1, 2));
CREATE TABLE silent.others (p silent.other);
INSERT INTO silent.others VALUES ((1, 2));
CREATE TABLE silent.ints (i int);
CREATE TABLE silent.lists (p silent.pair[]);
INSERT INTO silent.lists VALUES (ARRAY[(1, 2)::silent.pair]);
CREATE TABLE silent.whole (a int);
INSERT INTO silent.whole VALUES (1);
CREATE FUNCTION silent.whole_text(silent.whole) RETURNS text LANGUAGE plpgsql AS
  'BEGIN PERFORM silent.purge(); RETURN 1; END';
CREATE CAST (silent.whole AS text) WITH FUNCTION silent.whole_text(silent.whole) AS IMPLICIT;
CREATE FUNCTION silent.as_int(silent.pair) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN silent.purge(); END';
CREATE CAST (silent.pair AS int) WITH FUNCTION silent.as_int(silent.pair) AS IMPLICIT;
CREATE FUNCTION silent.as_other(silent.pair) RETURNS silent.other LANGUAGE plpgsql AS
  'BEGIN PERFORM silent.purge(); RETURN ROW(1, 2); END';
CREATE CAST (silent.pair AS silent.other) WITH FUNCTION silent.as_other(silent.pair) AS IMPLICIT;
"""


@pytest.mark.parametrize("sql", [
    "INSERT INTO silent.ints SELECT p FROM silent.pairs", "INSERT INTO silent.ints TABLE silent.pairs",
    "TABLE silent.others UNION ALL TABLE silent.pairs",
    "SELECT CASE WHEN true THEN a.p ELSE b.p END FROM silent.pairs a, silent.others b",
    "MERGE INTO silent.ints USING silent.pairs ON false WHEN NOT MATCHED THEN INSERT VALUES (p)",
    "SELECT abs(p) FROM silent.pairs",
    "SELECT 1 FROM silent.pairs, silent.whole WHERE p = a", "SELECT lower(w) FROM silent.whole w",
    "SELECT abs(p[1]) FROM silent.lists"])
def test_a_cast_that_nobody_wrote(pg, sql):
    """No name in the text tells of it; that it runs is seen first."""
    with pg.admin() as c:
        c.execute(SILENT)
        try:
            c.execute("BEGIN")
            c.execute(sql)
            assert c.execute("SELECT count(*) FROM silent.log").fetchone() == (0,)
            c.execute("ROLLBACK")
            (answer,) = ask({"sql": sql}, dsn=pg.conninfo("backstop"))
        finally:
            c.execute("ROLLBACK")
            c.execute("DROP SCHEMA silent CASCADE")
    assert answer["risk"] == "CRITICAL"


CLASSES = """
DROP SCHEMA IF EXISTS silent CASCADE;
CREATE SCHEMA silent;
CREATE TABLE silent.log (id int);
INSERT INTO silent.log VALUES (1);
CREATE FUNCTION silent.purge() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM silent.log; RETURN 1; END';
CREATE TYPE silent.pair AS (a int, b int);
CREATE FUNCTION silent.lt(silent.pair, silent.pair) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM silent.purge(); RETURN false; END';
CREATE FUNCTION silent.cmp(silent.pair, silent.pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM silent.purge(); RETURN 0; END';
CREATE OPERATOR silent.<<< (leftarg = silent.pair, rightarg = silent.pair, function = silent.lt);
CREATE OPERATOR silent.=== (leftarg = silent.pair, rightarg = silent.pair, function = silent.lt);
CREATE OPERATOR CLASS silent.pair_ops DEFAULT FOR TYPE silent.pair USING btree AS
  OPERATOR 1 silent.<<<, OPERATOR 3 silent.===, FUNCTION 1 silent.cmp(silent.pair, silent.pair);
CREATE TABLE silent.pairs (p silent.pair);
INSERT INTO silent.pairs VALUES ((1, 2)), ((3, 4));
CREATE TYPE silent.outer_pair AS (p silent.pair);
CREATE TABLE silent.outers (o silent.outer_pair);
INSERT INTO silent.outers SELECT ROW(p)::silent.outer_pair FROM silent.pairs;
"""

# An operator class of PostgreSQL's own type has to be named.
INT_CLASS = """
CREATE FUNCTION silent.cmp(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM silent.purge(); RETURN btint4cmp($1, $2); END';
CREATE OPERATOR CLASS silent.int_ops FOR TYPE int USING btree AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 silent.cmp(int, int);
CREATE TABLE silent.ints (i int);
CREATE INDEX ON silent.ints (i silent.int_ops);
CREATE TABLE silent.parts (i int) PARTITION BY RANGE (i silent.int_ops);
CREATE TABLE silent.part PARTITION OF silent.parts FOR VALUES FROM (0) TO (100);
CREATE VIEW silent.view_of_parts AS TABLE silent.parts;
CREATE TABLE silent.numbers (i int);
INSERT INTO silent.numbers VALUES (1), (2), (3);
CREATE TABLE silent.keys (i int PRIMARY KEY);
INSERT INTO silent.keys VALUES (1), (2);
CREATE TABLE silent.refers (i int REFERENCES silent.keys);
INSERT INTO silent.refers SELECT 1 FROM generate_series(1, 5000);
CREATE INDEX ON silent.refers (i silent.int_ops);
INSERT INTO silent.log VALUES (1);
"""

HASH_CLASS = '''
CREATE FUNCTION silent.hash(int, int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM silent.purge(); RETURN 1; END';
CREATE OPERATOR CLASS silent.hash_ops FOR TYPE int USING hash AS
  OPERATOR 1 =, FUNCTION 2 silent.hash(int, int8);
CREATE TABLE silent.hashed (i int) PARTITION BY HASH (i silent.hash_ops);
CREATE TABLE silent.hashed_1 PARTITION OF silent.hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0);
'''
MONEY_CLASS = '''
CREATE FUNCTION silent.hash(money) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM silent.purge(); RETURN 1; END';
CREATE OPERATOR CLASS silent.money_ops FOR TYPE money USING hash AS
  OPERATOR 1 =, FUNCTION 1 silent.hash(money);
CREATE TABLE silent.prices (m money);
INSERT INTO silent.prices VALUES (1);
'''
BACKWARDS_CLASS = '''
CREATE FUNCTION silent.cmp(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM silent.purge(); RETURN btint4cmp($2, $1); END';
CREATE OPERATOR CLASS silent.int_ops FOR TYPE int USING btree AS
  OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 silent.cmp(int, int);
CREATE TABLE silent.two (a int, b int);
INSERT INTO silent.two VALUES (1, 2);
'''


@pytest.mark.parametrize("sql, more", [
    *((sql, "") for sql in (
        "SELECT p FROM silent.pairs ORDER BY p", "TABLE silent.pairs ORDER BY 1",
        "SELECT DISTINCT p FROM silent.pairs",
        "TABLE silent.pairs UNION TABLE silent.pairs", "SELECT count(DISTINCT p) FROM silent.pairs",
        "SELECT o FROM silent.outers ORDER BY o",
        "SELECT array_agg(p ORDER BY p) FROM silent.pairs",
        "SELECT rank() OVER (ORDER BY p) FROM silent.pairs",
        "SELECT ARRAY[p] < ARRAY[p] FROM silent.pairs", "CREATE INDEX ON silent.pairs (p)",
        "ANALYZE silent.pairs")),
    *((sql, INT_CLASS) for sql in (
        "INSERT INTO silent.ints VALUES (1), (2)", "SELECT * FROM silent.parts WHERE i = 5",
        "EXPLAIN SELECT * FROM silent.parts WHERE i = 5",
        "INSERT INTO silent.parts VALUES (5)",
        "SELECT * FROM silent.view_of_parts WHERE i = 5",
        "CREATE TABLE silent.more PARTITION OF silent.parts FOR VALUES FROM (100) TO (200)",
        "CREATE INDEX ON silent.numbers (i silent.int_ops)",
        "DELETE FROM silent.keys WHERE i = 2")),
    *((sql, HASH_CLASS) for sql in (
        "SELECT * FROM silent.hashed WHERE i = 5", "INSERT INTO silent.hashed VALUES (5)",
        "INSERT INTO silent.hashed_1 SELECT * FROM generate_series(1, 9) i WHERE i % 4 = 0")),
    *((sql, MONEY_CLASS) for sql in (  # nobody names the class: the operator has no other
        "SELECT m = ANY ('{1,2,3,4,5,6,7,8,9,10,11}') FROM silent.prices",)),
    *((sql, BACKWARDS_CLASS) for sql in (
        "SELECT (a, a) > (b, b) FROM silent.two",))])
def test_a_comparison_that_nobody_wrote(pg, sql, more):
    with pg.admin() as c:
        c.execute(CLASSES + more)
        try:
            c.execute("BEGIN")
            c.execute(sql)
            assert c.execute("SELECT count(*) FROM silent.log").fetchone() == (0,)
            c.execute("ROLLBACK")
            (answer,) = ask({"sql": sql}, dsn=pg.conninfo("backstop"))
        finally:
            c.execute("ROLLBACK")
            c.execute("DROP SCHEMA silent CASCADE")
    assert answer["risk"] == "CRITICAL"


def test_a_class_of_what_came_with_the_server_runs_nothing_else(pg):
    with pg.admin() as c:
        c.execute(CLASSES + """
            CREATE OPERATOR CLASS silent.box_ops FOR TYPE box USING gist AS OPERATOR 3 &&,
              FUNCTION 1 gist_box_consistent(internal, box, int2, oid, internal),
              FUNCTION 2 gist_box_union(internal, internal), FUNCTION 7 gist_box_same(box, box, internal),
              FUNCTION 5 gist_box_penalty(internal, internal, internal),
              FUNCTION 6 gist_box_picksplit(internal, internal);
            CREATE TABLE silent.boxes (b box);
            CREATE INDEX ON silent.boxes USING gist (b silent.box_ops);
            CREATE OPERATOR CLASS silent.oid_ops FOR TYPE oid USING hash AS
              OPERATOR 1 =, FUNCTION 1 lo_unlink(oid);
            CREATE TABLE silent.oids (o oid);
            CREATE INDEX ON silent.oids USING hash (o silent.oid_ops);
            """)
        boxes, oids = ask({"sql": "SELECT * FROM silent.boxes WHERE b && '(1,1),(2,2)'"},
                          {"sql": "SELECT * FROM silent.oids WHERE o = 1"}, dsn=pg.conninfo("backstop"))
        c.execute("DROP SCHEMA silent CASCADE")
    assert boxes["risk"] == "SAFE", boxes
    assert oids["risk"] == "CRITICAL"


@pytest.mark.parametrize("sql", [
    "SELECT * FROM silent.numbers WHERE i = 5 ORDER BY i", "SELECT DISTINCT i FROM silent.numbers",
    "SELECT (i, i) < (2, 2) FROM silent.numbers WHERE i = ANY ('{1,2,3,4,5,6,7,8,9,10}')",
    "SELECT * FROM silent.numbers a JOIN silent.log b ON a.i = b.id", "TABLE silent.log",
    "SELECT i FROM silent.numbers GROUP BY i HAVING count(*) > 1"])
def test_a_class_of_another_table_runs_nothing(pg, sql):
    with pg.admin() as c:
        c.execute(CLASSES + INT_CLASS)
        try:
            c.execute(sql)
            assert c.execute("SELECT count(*) FROM silent.log").fetchone() == (1,)
            (answer,) = ask({"sql": sql}, dsn=pg.conninfo("backstop"))
            after = ask(*({"sql": sql, "session": ["BEGIN", before]} for before in (
                "CREATE INDEX ON silent.numbers (i silent.int_ops)",
                "CREATE TABLE silent.new (LIKE silent.ints INCLUDING ALL)")),
                dsn=pg.conninfo("backstop"))
        finally:
            c.execute("DROP SCHEMA silent CASCADE")
    assert answer["risk"] == "SAFE", answer
    assert [a["risk"] for a in after] == ["CRITICAL"] * 2
