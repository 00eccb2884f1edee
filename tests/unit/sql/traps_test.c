/*
 * traps_test.c - what agents and attackers do that shows in the text (THREATS A, C and 16 to 18):
 * none of it may be SAFE, and each for its own reason.
 */
#include "unit.h"

/* clang-format off */

/* One call of trap() in every place of the grammar that holds an expression or a name of code. */
static const char *const hidden_calls[] = {
    "SELECT trap()",
    "SELECT 1 FROM trap()",
    "SELECT 1 FROM t, LATERAL trap(t.a) x",
    "SELECT 1 FROM ROWS FROM (generate_series(1, 2), trap()) AS x",
    "SELECT 1 FROM t TABLESAMPLE trap(1)",
    "SELECT 1 FROM t TABLESAMPLE system(trap())",
    "SELECT 1 FROM t TABLESAMPLE system(1) REPEATABLE (trap())",
    "SELECT 1 FROM t WHERE trap()",
    "SELECT 1 FROM a JOIN b ON trap(a.x)",
    "SELECT 1 FROM t GROUP BY trap()",
    "SELECT 1 FROM t GROUP BY CUBE (a, trap())",
    "SELECT 1 FROM t HAVING trap()",
    "SELECT 1 FROM t ORDER BY trap()",
    "SELECT 1 LIMIT trap()",
    "SELECT 1 OFFSET trap()",
    "SELECT 1 FETCH FIRST (trap()) ROWS ONLY",
    "SELECT DISTINCT ON (trap()) 1",
    "SELECT sum(a) OVER (PARTITION BY trap()) FROM t",
    "SELECT sum(a) OVER (ORDER BY a ROWS BETWEEN trap() PRECEDING AND CURRENT ROW) FROM t",
    "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY trap())",
    "SELECT sum(a ORDER BY trap()) FROM t",
    "SELECT sum(a) FILTER (WHERE trap()) FROM t",
    "SELECT percentile_cont(trap()) WITHIN GROUP (ORDER BY a) FROM t",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY trap()) FROM t",
    "SELECT trap(DISTINCT a) FROM t",
    "SELECT trap(VARIADIC ARRAY[1])",
    "SELECT lower(VARIADIC trap())",
    "SELECT lower(a => trap())",
    "SELECT CASE WHEN trap() THEN 1 END",
    "SELECT CASE trap() WHEN 1 THEN 2 ELSE 3 END",
    "SELECT CASE 1 WHEN 1 THEN trap() ELSE 3 END",
    "SELECT CASE 1 WHEN 1 THEN 2 ELSE trap() END",
    "SELECT COALESCE(1, trap())",
    "SELECT GREATEST(1, trap())",
    "SELECT NULLIF(trap(), 1)",
    "SELECT ARRAY[trap()]",
    "SELECT ARRAY(SELECT trap())",
    "SELECT ROW(trap())",
    "SELECT (trap()).a",
    "SELECT (ARRAY[1])[trap()]",
    "SELECT a[1:trap()] FROM t",
    "SELECT trap()::text",
    "SELECT CAST(trap() AS text)",
    "SELECT trap() COLLATE \"C\"",
    "SELECT trap() IS NULL",
    "SELECT trap() IS NOT TRUE",
    "SELECT trap() IS DISTINCT FROM 1",
    "SELECT 1 BETWEEN trap() AND 2",
    "SELECT 1 IN (1, trap())",
    "SELECT 1 = ANY (SELECT trap())",
    "SELECT 1 = ALL (ARRAY[trap()])",
    "SELECT 'a' LIKE trap()",
    "SELECT 'a' LIKE 'b' ESCAPE trap()",
    "SELECT 'a' SIMILAR TO trap()",
    "SELECT NOT trap()",
    "SELECT - trap()",
    "SELECT EXISTS (SELECT trap())",
    "SELECT EXTRACT(year FROM trap())",
    "SELECT SUBSTRING(trap() FROM 1)",
    "SELECT trap() AT TIME ZONE 'UTC'",
    "SELECT now() AT TIME ZONE trap()",
    "SELECT OVERLAY(trap() PLACING 'a' FROM 1)",
    "SELECT TRIM(trap())",
    "SELECT XMLELEMENT(NAME a, trap())",
    "SELECT XMLELEMENT(NAME a, XMLATTRIBUTES(trap() AS b))",
    "SELECT XMLFOREST(trap() AS a)",
    "SELECT XMLSERIALIZE(CONTENT trap() AS text)",
    "SELECT XMLPARSE(DOCUMENT trap())",
    "SELECT * FROM XMLTABLE('/a' PASSING trap() COLUMNS b text)",
    "SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b text DEFAULT trap())",
    "SELECT * FROM XMLTABLE(trap() PASSING '<a/>' COLUMNS b text PATH 'x')",
    "SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b text PATH trap())",
    "SELECT JSON_OBJECT('a': trap())",
    "SELECT JSON_ARRAY(trap())",
    "SELECT JSON_ARRAY(SELECT trap())",
    "SELECT JSON_OBJECTAGG('a': trap())",
    "SELECT JSON_ARRAYAGG(a ORDER BY trap()) FROM t",
    "SELECT JSON_VALUE(trap(), '$')",
    "SELECT JSON_VALUE('{}', trap())",
    "SELECT JSON_QUERY('{}', '$' PASSING trap() AS a)",
    "SELECT JSON_VALUE('{}', '$' DEFAULT trap() ON EMPTY)",
    "SELECT JSON_EXISTS(trap(), '$')",
    "SELECT JSON(trap())",
    "SELECT JSON_SCALAR(trap())",
    "SELECT JSON_SERIALIZE(trap())",
    "SELECT trap() IS JSON",
    "SELECT * FROM JSON_TABLE(trap(), '$' COLUMNS (a int))",
    "SELECT * FROM JSON_TABLE('{}', '$' PASSING trap() AS x COLUMNS (a int))",
    "SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (a int DEFAULT trap() ON EMPTY))",
    "SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (NESTED PATH '$' COLUMNS (a int DEFAULT trap() ON ERROR)))",
    "VALUES (1), (trap())",
    "WITH x AS (SELECT trap()) SELECT 1",
    "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT trap() FROM x) SELECT 1",
    "SELECT 1 UNION SELECT trap()",
    "SELECT 1 EXCEPT (SELECT 2 INTERSECT SELECT trap())",
    "(((SELECT trap())))",
    "SELECT * FROM (SELECT trap()) x",
    "INSERT INTO t VALUES (trap())",
    "INSERT INTO t SELECT trap()",
    "INSERT INTO t(a[trap()]) VALUES (1)",
    "INSERT INTO t VALUES (1) ON CONFLICT (trap(a)) DO NOTHING",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE trap() DO NOTHING",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = trap()",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1 WHERE trap()",
    "INSERT INTO t VALUES (1) RETURNING trap()",
    "WITH x AS (SELECT trap()) INSERT INTO t SELECT * FROM x",
    "UPDATE t SET a = trap() WHERE id = 1",
    "UPDATE t SET (a, b) = (SELECT 1, trap()) WHERE id = 1",
    "UPDATE t SET a[trap()] = 1 WHERE id = 1",
    "UPDATE t SET a = 1 FROM trap() WHERE t.id = 1",
    "UPDATE t SET a = 1 WHERE id = 1 RETURNING trap()",
    "DELETE FROM t WHERE id = 1 AND trap()",
    "DELETE FROM t USING trap() WHERE t.id = 1",
    "DELETE FROM t WHERE id = 1 RETURNING trap()",
    "MERGE INTO t USING trap() u ON t.id = u.id WHEN MATCHED THEN DO NOTHING",
    "MERGE INTO t USING u ON trap() WHEN MATCHED THEN DO NOTHING",
    "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED AND trap() THEN DO NOTHING",
    "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = trap()",
    "MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (trap())",
    "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE RETURNING trap()",
    "COPY (SELECT trap()) TO STDOUT",
    "COPY t FROM STDIN WHERE trap()",
    "EXPLAIN SELECT trap()",
    "EXPLAIN SELECT 1 FROM t WHERE id = trap()",
    "EXPLAIN ANALYZE SELECT trap()",
    "PREPARE p AS SELECT trap()",
    "EXECUTE p(trap())",
    "DECLARE c CURSOR FOR SELECT trap()",
    "CREATE TABLE t AS SELECT trap()",
    "CREATE TABLE t AS SELECT trap() WITH NO DATA",
    "CREATE MATERIALIZED VIEW m AS SELECT trap()",
    "SELECT trap() INTO x",
    "CREATE VIEW v AS SELECT trap()",
    "CREATE TABLE t(a int CHECK (trap(a)))",
    "CREATE TABLE t(a int, CHECK (trap(a)))",
    "CREATE TABLE t(a int DEFAULT trap())",
    "CREATE TABLE t(a int GENERATED ALWAYS AS (trap(1)) STORED)",
    "CREATE TABLE t(a int, EXCLUDE USING gist (trap(a) WITH =))",
    "CREATE TABLE t(a int, EXCLUDE USING gist (a WITH =) WHERE (trap(a)))",
    "CREATE TABLE t(a int) PARTITION BY RANGE (trap(a))",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM (trap()) TO (2)",
    "CREATE TABLE p PARTITION OF t FOR VALUES IN (trap())",
    "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (trap())",
    "ALTER TABLE t ALTER a TYPE int USING trap(a)",
    "ALTER TABLE t ALTER a SET DEFAULT trap()",
    "ALTER TABLE t ADD b int DEFAULT trap()",
    "CREATE INDEX ON t(trap(a))",
    "CREATE INDEX ON t(a) WHERE trap(a)",
    "CREATE STATISTICS s ON (trap(a)), b FROM t",
    "CREATE DOMAIN d AS int DEFAULT trap()",
    "CREATE DOMAIN d AS int CHECK (trap(VALUE))",
    "ALTER DOMAIN d ADD CHECK (trap(VALUE))",
    "ALTER DOMAIN d SET DEFAULT trap()",
    "CREATE POLICY p ON t USING (trap())",
    "CREATE POLICY p ON t WITH CHECK (trap())",
    "ALTER POLICY p ON t USING (trap())",
    "CREATE RULE r AS ON SELECT TO t DO INSTEAD SELECT trap()",
    "CREATE RULE r AS ON INSERT TO t WHERE trap() DO NOTHING",
    "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (trap()) EXECUTE FUNCTION f()",
    "CREATE FUNCTION f(a int DEFAULT trap()) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN trap()",
    "CREATE PUBLICATION p FOR TABLE t WHERE (trap())",
    "CALL trap()",
    "CALL p(trap())",
    "CREATE SCHEMA s CREATE TABLE t(a int DEFAULT trap())",
    "SELECT public.lower('a')",
    "SELECT \"Lower\"('a')",
    "SELECT postgres.public.lower('a')",
    "SELECT information_schema.lower('a')",
    "SELECT pg_temp.lower('a')",
};

/* Operators and types that are not PostgreSQL's own run somebody's code, too. */
static const struct { const char *sql, *code; } hidden_code[] = {
    {"SELECT 1 OPERATOR(public.+) 2", "unlisted_operator"},
    {"SELECT 1 === 2", "unlisted_operator"},
    {"SELECT !@# 2", "unlisted_operator"},
    {"SELECT 1 OPERATOR(public.=) ANY (ARRAY[1])", "unlisted_operator"},
    {"SELECT 1 === ALL (SELECT 2)", "unlisted_operator"},
    {"SELECT * FROM t ORDER BY a USING ===", "unlisted_operator"},
    {"SELECT 'a'::mood", "unlisted_type"},
    {"SELECT CAST('a' AS public.text)", "unlisted_type"},
    {"SELECT mood 'a'", "unlisted_type"},
    {"SELECT mood('a')", "unlisted_function"},
    {"SELECT NULL::mood[]", "unlisted_type"},
    {"SELECT * FROM json_to_record('{}') AS x(a mood)", "unlisted_type"},
    {"SELECT * FROM ROWS FROM (json_to_record('{}') AS (a mood))", "unlisted_type"},
    {"SELECT JSON_VALUE('{}', '$' RETURNING mood)", "unlisted_type"},
    {"SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (a mood))", "unlisted_type"},
    {"SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b mood)", "unlisted_type"},
    {"SELECT XMLSERIALIZE(CONTENT '<a/>' AS mood)", "unlisted_type"},
    {"PREPARE p(mood) AS SELECT 1", "unlisted_type"},
    {"WITH RECURSIVE x(n) AS (SELECT 1 UNION SELECT n FROM x) CYCLE n SET c TO mood 'a' DEFAULT mood 'b' USING p SELECT 1", "unlisted_type"},
    {"CREATE TABLE t(a mood)", "unlisted_type"},
};

/* PostgreSQL's own functions that are not harmless. */
static const struct { const char *sql; enum bs_risk risk; uint32_t flags; } dangerous[] = {
#define SQL BS_FLAG_DYNAMIC_SQL
#define FIL BS_FLAG_SERVER_FILE
#define H BS_RISK_HIGH
#define C BS_RISK_CRITICAL
    {"SELECT query_to_xml('select trap()', true, true, '')", C, SQL},
    {"SELECT query_to_xmlschema('select trap()', true, true, '')", C, SQL},
    {"SELECT query_to_xml_and_xmlschema('select trap()', true, true, '')", C, SQL},
    {"SELECT cursor_to_xml('c', 1, true, true, '')", C, SQL},
    {"SELECT table_to_xml('v', true, true, '')", C, SQL},
    {"SELECT schema_to_xml('public', true, true, '')", C, SQL},
    {"SELECT database_to_xml(true, true, '')", C, SQL},
    {"SELECT * FROM ts_stat('select trap()')", C, SQL},
    {"SELECT ts_rewrite('a'::tsquery, 'select trap()')", C, BS_FLAG_DYNAMIC_SQL},
    {"SELECT ts_rewrite(a, b, VARIADIC c) FROM t", C, BS_FLAG_DYNAMIC_SQL},
    {"SELECT * FROM dblink('host=x', 'delete from t') AS x(a int)", C, SQL},
    {"SELECT dblink_exec('delete from t')", C, SQL},
    {"SELECT * FROM crosstab('select 1') AS x(a int)", C, SQL},
    {"SELECT * FROM connectby('t', 'a', 'b', 'c', 0) AS x(a int)", C, SQL},
    {"SELECT pg_read_file('/etc/passwd')", C, FIL},
    {"SELECT pg_read_binary_file('x')", C, FIL},
    {"SELECT * FROM pg_ls_dir('.')", C, FIL},
    {"SELECT * FROM pg_stat_file('x')", C, FIL},
    {"SELECT pg_file_write('x', 'y', false)", C, FIL},
    {"SELECT lo_import('/etc/passwd')", C, FIL},
    {"SELECT lo_export(1, '/tmp/x')", C, FIL},
    {"SELECT lo_unlink(1)", C, 0},
    {"SELECT lo_put(1, 0, 'x')", C, 0},
    {"SELECT lo_from_bytea(0, 'x')", C, 0},
    {"SELECT lo_create(0)", C, 0},
    {"SELECT loread(lo_open(1, 131072), 10)", C, 0},
    {"SELECT loread(lo_open(1, 393216), 10)", C, 0},
    {"SELECT loread(lo_open(1, mode), 10) FROM t", C, 0},
    {"SELECT loread(lo_open(1, 262144), 10)", BS_RISK_SAFE, 0},
    {"SELECT pg_terminate_backend(1)", C, 0},
    {"SELECT pg_cancel_backend(1)", C, 0},
    {"SELECT pg_reload_conf()", C, 0},
    {"SELECT pg_rotate_logfile()", C, FIL},
    {"SELECT pg_promote()", C, 0},
    {"SELECT pg_switch_wal()", C, 0},
    {"SELECT pg_create_restore_point('x')", C, 0},
    {"SELECT pg_backup_start('x')", C, 0},
    {"SELECT pg_start_backup('x')", C, 0},
    {"SELECT pg_logical_emit_message(true, 'a', 'b')", C, 0},
    {"SELECT * FROM pg_create_logical_replication_slot('a', 'b')", C, 0},
    {"SELECT pg_drop_replication_slot('a')", C, 0},
    {"SELECT * FROM pg_logical_slot_get_changes('a', NULL, NULL)", C, 0},
    {"SELECT * FROM pg_logical_slot_peek_changes('a', NULL, NULL)", C, 0},
    {"SELECT pg_replication_origin_create('a')", C, 0},
    {"SELECT pg_stat_reset()", C, 0},
    {"SELECT pg_stat_reset_shared('wal')", C, 0},
    {"SELECT pg_import_system_collations('pg_catalog')", C, 0},
    {"SELECT pg_wal_replay_pause()", C, 0},
    {"SELECT brin_summarize_new_values('i')", C, 0},
    {"SELECT gin_clean_pending_list('i')", C, 0},
    {"SELECT binary_upgrade_set_next_pg_type_oid(1)", C, 0},
    {"SELECT pg_nextoid('pg_class', 'oid', 'i')", C, 0},
    {"SELECT jsonb_populate_record(NULL::t, '{}')", C, 0},
    {"SELECT pg_input_is_valid('1', 'mydomain')", C, 0},
    {"SELECT domain_in('1', 'd'::regtype, -1)", C, 0},
    {"SELECT satisfies_hash_partition(1, 2, 3, 4)", C, 0},
    {"SELECT heap_force_kill('t'::regclass, ARRAY['(0,1)'::tid])", C, 0},
    {"SELECT nextval('s')", H, 0},
    {"SELECT setval('s', 1)", H, 0},
    {"SELECT pg_advisory_lock(1)", H, 0},
    {"SELECT pg_try_advisory_xact_lock(1)", H, 0},
    {"SELECT pg_notify('a', 'b')", H, 0},
    {"SELECT txid_current()", H, 0},
    {"SELECT pg_current_xact_id()", H, 0},
    {"SELECT pg_export_snapshot()", BS_RISK_SAFE, 0},
#undef SQL
#undef FIL
#undef H
#undef C
};

/* Changes of rows that do not look like one. */
static const struct { const char *sql; const char *effect; enum bs_risk risk; uint32_t flags; } disguised[] = {
#define NF BS_FLAG_NO_FILTER
#define H BS_RISK_HIGH
#define C BS_RISK_CRITICAL
    {"WITH d AS (DELETE FROM t RETURNING *) SELECT count(*) FROM d", "DELETE", C, NF},
    {"WITH d AS (DELETE FROM t WHERE id = 1) SELECT 1", "DELETE", H, 0},
    {"WITH i AS (INSERT INTO t VALUES (1) RETURNING id) SELECT * FROM i", "INSERT", H, 0},
    {"WITH u AS (UPDATE t SET a = 1) SELECT 1", "UPDATE", C, NF},
    {"WITH m AS (MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1", "DELETE", C, 0},
    {"WITH a AS (SELECT 1), b AS (WITH c AS (SELECT 2) SELECT * FROM c), d AS (DELETE FROM t) SELECT 1", "DELETE", C, NF},
    {"INSERT INTO log WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "DELETE", C, NF},
    {"COPY (DELETE FROM t RETURNING *) TO STDOUT", "DELETE", C, NF},
    {"COPY (WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d) TO STDOUT", "DELETE", C, NF},
    {"EXPLAIN ANALYZE DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (ANALYZE) DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (ANALYZE off, ANALYZE) DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (ANALYSE) DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (\"analyze\") DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (ANALYZE 1) DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (ANALYZE 'oN') DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (ANALYZE maybe) DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN (FORMAT json, ANALYZE true, COSTS off) DELETE FROM t", "DELETE", C, NF},
    {"EXPLAIN ANALYZE WITH d AS (DELETE FROM t) SELECT 1", "DELETE", C, NF},
    {"EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "CREATE TABLE AS", H, 0},
    {"PREPARE p AS DELETE FROM t", "DELETE", C, NF},
    {"CREATE TABLE x AS WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "DELETE", C, NF},
    {"DECLARE c CURSOR WITH HOLD FOR WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "DELETE", C, NF},
    {"DELETE FROM t WHERE true", "DELETE", C, NF},
    {"DELETE FROM t WHERE 1 = 1", "DELETE", C, NF},
    {"DELETE FROM t WHERE NOT false", "DELETE", C, NF},
    {"DELETE FROM t WHERE 'a' = 'a'", "DELETE", C, NF},
    {"DELETE FROM t WHERE now() > '2000-01-01'", "DELETE", C, NF},
    {"DELETE FROM t WHERE random() < 2", "DELETE", C, NF},
    {"DELETE FROM t WHERE $1", "DELETE", C, NF},
    {"DELETE FROM t WHERE 1 IN (1, 2)", "DELETE", C, NF},
    {"DELETE FROM t WHERE id = 1 OR true", "DELETE", C, NF},
    {"DELETE FROM t WHERE id = 1 OR (id = 2 OR 1 = 1)", "DELETE", C, NF},
    {"DELETE FROM t WHERE true AND (1 = 1)", "DELETE", C, NF},
    {"DELETE FROM t WHERE id = 1 OR id <> 1", "DELETE", C, NF},
    {"DELETE FROM t WHERE id < 5 OR x = 1 OR id >= 5", "DELETE", C, NF},
    {"DELETE FROM t WHERE id IS NOT NULL OR id IS NULL", "DELETE", C, NF},
    {"DELETE FROM t WHERE NOT (id = 1 AND false)", "DELETE", C, NF},
    {"DELETE FROM t WHERE NOT NOT (true OR id = 1)", "DELETE", C, NF},
    {"DELETE FROM t WHERE (true IS NOT FALSE)", "DELETE", C, NF},
    {"DELETE FROM t WHERE ctid IS NOT NULL", "DELETE", C, NF},
    {"DELETE FROM t WHERE t.tableoid IS NOT NULL AND 1 < 2", "DELETE", C, NF},
    {"DELETE FROM t WHERE CASE WHEN true THEN true ELSE id = 1 END", "DELETE", C, NF},
    {"DELETE FROM t WHERE CASE WHEN id = 1 THEN true WHEN id = 2 THEN 1 = 1 OR true ELSE true END", "DELETE", C, NF},
    {"DELETE FROM t WHERE COALESCE(true, id = 1)", "DELETE", C, NF},
    {"DELETE FROM t WHERE EXISTS (SELECT 1)", "DELETE", C, NF},
    {"DELETE FROM t WHERE EXISTS (SELECT * FROM u)", "DELETE", C, NF},
    {"DELETE FROM t WHERE (SELECT count(*) FROM u) >= 0", "DELETE", C, NF},
    {"DELETE FROM t WHERE name LIKE '%'", "DELETE", C, NF},
    {"DELETE FROM t WHERE name ILIKE '%' AND id = id", "DELETE", C, NF},
    {"DELETE FROM t WHERE id IS NOT DISTINCT FROM id", "DELETE", C, NF},
    {"UPDATE t SET a = NULL WHERE 1 = 1 OR id = 5", "UPDATE", C, NF},
    {"DELETE FROM t WHERE id = 1 OR id <> 2", "DELETE", C, 0},
    {"DELETE FROM t WHERE id IS NULL OR x IS NOT NULL", "DELETE", C, 0},
    {"DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.x = t.x)", "DELETE", C, 0},
    {"DELETE FROM t WHERE CASE WHEN id = 1 THEN true ELSE false END", "DELETE", C, 0},
    {"DELETE FROM t WHERE CASE id WHEN 1 THEN true END", "DELETE", C, 0},
    {"DELETE FROM t WHERE COALESCE(id = 1, true)", "DELETE", C, 0},
    {"DELETE FROM t WHERE COALESCE(NULL, id = 1)", "DELETE", C, 0},
    {"DELETE FROM t WHERE name LIKE 'a%'", "DELETE", C, 0},
    {"DELETE FROM t WHERE id OPERATOR(public.=) id", "DELETE", C, 0},
    {"DELETE FROM t WHERE id = 1 AND id = id AND EXISTS (SELECT 1)", "DELETE", H, 0},
    {"DELETE FROM t WHERE id % 1 = 0", "DELETE", C, 0},
    {"DELETE FROM t WHERE t IS NOT NULL", "DELETE", C, 0},
    {"DELETE FROM t WHERE pg_typeof(id)::text = 'bigint'", "DELETE", C, 0},
    {"DELETE FROM t WHERE id = id", "DELETE", C, NF},
    {"DELETE FROM t WHERE id = ANY (ARRAY[1, 2])", "DELETE", C, 0},
    {"DELETE FROM t WHERE id IN (1, 2)", "DELETE", C, 0},
    {"DELETE FROM t WHERE id IN (SELECT id FROM t)", "DELETE", C, 0},
    {"DELETE FROM t WHERE NOT id = 1", "DELETE", C, 0},
    {"DELETE FROM t WHERE id OPERATOR(public.=) 1", "DELETE", C, 0},
    {"DELETE FROM t USING u WHERE u.id = 1", "DELETE", C, 0},
    {"DELETE FROM t USING u WHERE id = 1", "DELETE", C, 0},
    {"DELETE FROM a.t USING b.t WHERE b.t.id = 1", "DELETE", C, 0},
    {"DELETE FROM t x USING u WHERE t.id = 1", "DELETE", C, 0},
    {"UPDATE t SET a = 1 FROM u WHERE u.id = 5", "UPDATE", C, 0},
    {"DELETE FROM t WHERE CURRENT OF c", "DELETE", C, 0},
    {"DELETE FROM t WHERE id = 1", "DELETE", H, 0},
    {"DELETE FROM t WHERE 1 = id AND x > 2", "DELETE", H, 0},
    {"DELETE FROM t WHERE (id = 1) AND ((true))", "DELETE", H, 0},
    {"DELETE FROM t WHERE id IN (5)", "DELETE", H, 0},
    {"DELETE FROM t WHERE t.id = $1::bigint", "DELETE", H, 0},
    {"DELETE FROM s.t WHERE s.t.id = '5'", "DELETE", H, 0},
    {"DELETE FROM t x USING u WHERE x.id = 1 AND u.a = x.a", "DELETE", H, 0},
    {"UPDATE t SET a = 1 WHERE id = 1 AND b IN (SELECT b FROM u)", "UPDATE", H, 0},
    {"DELETE FROM pg_class WHERE oid = 1", "DELETE", C, 0},
    {"UPDATE pg_catalog.pg_proc SET prosrc = '' WHERE oid = 1", "UPDATE", C, 0},
    {"INSERT INTO pg_largeobject VALUES (1, 0, '')", "INSERT", C, 0},
#undef NF
#undef H
#undef C
};

/* More than one statement in one text: the worst of them all. */
static const struct { const char *sql; size_t n; enum bs_risk risk; } units[] = {
#define S BS_RISK_SAFE
#define H BS_RISK_HIGH
#define C BS_RISK_CRITICAL
    {"", 0, S}, {";;", 0, S}, {" -- nothing\n", 0, S}, {"/* a /* nested */ comment */", 0, S},
    {"SELECT 1; SELECT 2;", 2, S},
    {"COMMIT; DROP SCHEMA public CASCADE", 2, C},
    {"SELECT 1; DELETE FROM t", 2, C},
    {"BEGIN; INSERT INTO t VALUES (1); COMMIT", 3, H},
    {"SET DateStyle='ISO';SET extra_float_digits = 2;show transaction_isolation", 3, S},
    {"SELECT 1 -- \r; DELETE FROM t", 2, C},
    {"SELECT 1 /* ; */ ; /* /* */ */ DELETE FROM t", 2, C},
    {"SELECT '; DELETE FROM t'", 1, S},
    {"SELECT $$; DELETE FROM t$$", 1, S},
    {"SELECT $a$ $b$ ; DELETE FROM t $b$ $a$", 1, S},
    {"SELECT \"; DELETE FROM t\" FROM x", 1, S},
    {"SELECT 'a'\n'b; DELETE FROM t'", 1, S},
    {"SELECT U&\"a\\003b\"; DELETE FROM t", 2, C},
    {"DELETE FROM U&\"audit\\005flog\"", 1, C},
    {"DELETE FROM U&\"audit!005flog\" UESCAPE '!'", 1, C},
    {"DELETE\fFROM\tt", 1, C},
    {"delete/**/from/**/t", 1, C},
    {"SELECT a AS delete, b AS \"drop\" FROM t", 1, S},
    {"SELECT E'\\'; DELETE FROM t; --'", 1, S},
    {"SELECT 0x1F, 1_000", 1, S},
    /* Names mean something else behind a path that nobody vetted. */
    {"SET search_path = shadow, public, pg_catalog; SELECT lower('A')", 2, C},
    {"SET search_path = shadow, public, pg_catalog; SELECT 1 + 1", 2, C},
    {"SET search_path = shadow, pg_catalog; SELECT * FROM t", 2, C},
    {"SELECT set_config('search_path', 'shadow, pg_catalog', false); SELECT * FROM t", 2, C},
    {"SELECT set_config('search_path', $1, false); TABLE t", 2, C},
    {"SET search_path = shadow, pg_catalog; SELECT * FROM public.t", 2, S},
    {"SET search_path = shadow, pg_catalog; SELECT pg_catalog.lower('A') OPERATOR(pg_catalog.=) 'a'", 2, S},
    {"SET search_path = shadow, pg_catalog; SELECT 1 FROM public.a JOIN public.b USING (x)", 2, C},
    {"SET search_path = shadow, pg_catalog; SELECT 1 FROM public.a NATURAL JOIN public.b", 2, C},
    {"SET search_path = shadow, pg_catalog; SELECT CASE a WHEN 1 THEN 2 END FROM public.t", 2, C},
    {"SET search_path = shadow, pg_catalog; SELECT a BETWEEN 1 AND 2 FROM public.t", 2, C},
    {"SELECT * FROM t; SET search_path = shadow, pg_catalog", 2, S},
    {"SET search_path = public; SELECT lower(a) FROM t", 2, S},
    {"SELECT set_config('search_path', '', false); SELECT * FROM public.t", 2, S},
    {"RESET ALL; SELECT * FROM t", 2, S},
#undef S
#undef H
#undef C
};

/* Read differently when standard_conforming_strings is off. */
static const struct { const char *sql; enum bs_risk risk; bool flagged; } backslashes[] = {
    {"SELECT 'a\\'' ; DELETE FROM audit_log; --'", BS_RISK_CRITICAL, true},
    {"select 'x\\' || ' ; drop table victim; --'", BS_RISK_CRITICAL, true},
    {"SELECT 'a\\' || b || 'c'", BS_RISK_SAFE, true},
    {"SELECT 'a\\' OR trap() OR 'c\\'", BS_RISK_CRITICAL, true},
    {"SELECT '\\xdeadbeef'::bytea", BS_RISK_SAFE, true},
    {"SELECT relname FROM pg_class WHERE relname ~ '^(a\\.b)$'", BS_RISK_SAFE, true},
    {"SELECT 'C:\\temp\\x'", BS_RISK_SAFE, true},
    {"SELECT * FROM t WHERE a LIKE 'x\\_%' ESCAPE '\\'", BS_RISK_SAFE, true},
    {"SELECT E'a\\'b'", BS_RISK_SAFE, false},
    {"SELECT $$a\\b$$", BS_RISK_SAFE, false},
    {"SELECT 1 -- \\", BS_RISK_SAFE, false},
    {"SELECT \"a\\b\" FROM t", BS_RISK_SAFE, false},
    {"SELECT set_config('search\\137path', '', false)", BS_RISK_CRITICAL, true},
    {"DELETE FROM t WHERE a = '\\x00'", BS_RISK_HIGH, true},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct bs_arena arena;

static bool
has_reason(const struct bs_unit *unit, const char *code)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_reasons; k++) {
            if (strcmp(unit->stmts[i].reasons[k].code, code) == 0)
                return true;
        }
    }
    return false;
}

static struct bs_unit
next(const char *sql)
{
    bs_arena_reset(&arena);
    return unit_of(sql, &arena);
}

static void
calls_in_hiding(void)
{
    for (size_t i = 0; i < COUNT(hidden_calls); i++) {
        int before = tap_misses;
        struct bs_unit unit = next(hidden_calls[i]);
        EXPECT(unit.parsed);
        EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
        EXPECT(has_reason(&unit, "unlisted_function"));
        EXPECT((unit.flags & BS_FLAG_VOLATILE) != 0);
        EXPECT(unit.n_stmts == 1 && unit.stmts[0].point == BS_POINT_UNKNOWN);
        if (tap_misses != before)
            unit_show(hidden_calls[i], &unit);
    }
}

static void
code_in_hiding(void)
{
    for (size_t i = 0; i < COUNT(hidden_code); i++) {
        int before = tap_misses;
        struct bs_unit unit = next(hidden_code[i].sql);
        EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
        EXPECT(has_reason(&unit, hidden_code[i].code));
        if (tap_misses != before)
            unit_show(hidden_code[i].sql, &unit);
    }
}

static void
dangerous_builtins(void)
{
    for (size_t i = 0; i < COUNT(dangerous); i++) {
        int before = tap_misses;
        struct bs_unit unit = next(dangerous[i].sql);
        EXPECT(unit.parsed);
        EXPECT_EQ(unit.risk, dangerous[i].risk);
        EXPECT_EQ(unit.flags & (BS_FLAG_DYNAMIC_SQL | BS_FLAG_SERVER_FILE), dangerous[i].flags);
        if (tap_misses != before)
            unit_show(dangerous[i].sql, &unit);
    }
}

static void
rows_in_disguise(void)
{
    for (size_t i = 0; i < COUNT(disguised); i++) {
        int before = tap_misses;
        bool found = false;
        struct bs_unit unit = next(disguised[i].sql);
        EXPECT_EQ(unit.risk, disguised[i].risk);
        EXPECT_EQ(unit.flags & BS_FLAG_NO_FILTER, disguised[i].flags);
        REQUIRE(unit.n_stmts == 1);
        for (size_t k = 0; k < unit.stmts[0].n_effects; k++)
            found = found ||
                    strcmp(bs_kind_name(unit.stmts[0].effects[k].kind), disguised[i].effect) == 0;
        EXPECT(found);
        if (tap_misses != before)
            unit_show(disguised[i].sql, &unit);
    }
}

static void
whole_units(void)
{
    for (size_t i = 0; i < COUNT(units); i++) {
        int before = tap_misses;
        struct bs_unit unit = next(units[i].sql);
        EXPECT(unit.parsed);
        EXPECT_EQ(unit.n_stmts, units[i].n);
        EXPECT_EQ(unit.risk, units[i].risk);
        if (tap_misses != before)
            unit_show(units[i].sql, &unit);
    }
}

static void
backslash_in_literals(void)
{
    for (size_t i = 0; i < COUNT(backslashes); i++) {
        int before = tap_misses;
        struct bs_unit unit = next(backslashes[i].sql);
        EXPECT_EQ(unit.risk, backslashes[i].risk);
        EXPECT_EQ((unit.flags & BS_FLAG_BACKSLASH) != 0, backslashes[i].flagged);
        if (tap_misses != before)
            unit_show(backslashes[i].sql, &unit);
    }
}

/* Bytes that the server would read in another way than we do, or not at all. */
static void
undecodable(void)
{
    static const struct bs_bytes bad[] = {
        BS_LIT_INIT("SELECT 1\0; DROP TABLE t"),
        BS_LIT_INIT("SELECT '\x95\x5c'"),
        BS_LIT_INIT("SELECT '\xc0\xaf'"),
        BS_LIT_INIT("SELECT '\xed\xa0\x80'"),
        BS_LIT_INIT("SELECT '\xff'"),
        BS_LIT_INIT("SELECT '\xe2\x82"),
        BS_LIT_INIT("SELEC 1"),
        BS_LIT_INIT("SELECT 'open"),
        BS_LIT_INIT("SELECT /* open"),
        BS_LIT_INIT("SELECT $a$ open $b$"),
        BS_LIT_INIT("!backstop T-1"),
        BS_LIT_INIT("SELECT 1 2 3"),
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        int before = tap_misses;
        bs_arena_reset(&arena);
        struct bs_unit unit = unit_of_bytes(bad[i], &arena);
        EXPECT(!unit.parsed);
        EXPECT(unit.error != NULL);
        EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
        REQUIRE(unit.n_stmts == 1);
        EXPECT_EQ(unit.stmts[0].kind, BS_KIND_UNKNOWN);
        EXPECT_EQ(unit.stmts[0].risk, BS_RISK_CRITICAL);
        EXPECT_EQ(unit.stmts[0].point, BS_POINT_UNKNOWN);
        if (tap_misses != before)
            printf("# row %zu\n", i);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"calls hidden in every expression", calls_in_hiding},
        {"operators and types of others", code_in_hiding},
        {"built-ins that are not harmless", dangerous_builtins},
        {"changes of rows in disguise", rows_in_disguise},
        {"several statements in one text", whole_units},
        {"backslashes in literals", backslash_in_literals},
        {"undecodable and unparsable", undecodable},
    };
    int status;

    bs_arena_init(&arena, "test", 16u << 20);
    status = tap_main(cases, COUNT(cases));
    bs_arena_fini(&arena);
    return status;
}
