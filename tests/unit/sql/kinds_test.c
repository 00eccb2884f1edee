/*
 * kinds_test.c - RISK.md row by row, and that no statement of the grammar is without a kind.
 *
 * The list of statement nodes is PostgreSQL's own: every tag that ends in "Stmt". One statement of
 * each that can stand by itself is parsed here, so that a row that is missing shows.
 */
#include "sql/nodes.h"
#include "sql/rules.h"
#include "unit.h"

#include <stdlib.h>

/* clang-format off */
static const struct row {
    const char *sql;
    const char *kind;
    enum bs_risk risk;
    enum bs_point point;
} rows[] = {
#define S BS_RISK_SAFE
#define H BS_RISK_HIGH
#define C BS_RISK_CRITICAL
#define NO BS_POINT_NONE
#define RE BS_POINT_RECORD
#define ST BS_POINT_STATE
#define DE BS_POINT_DEFINITION
#define RO BS_POINT_ROWS
#define WH BS_POINT_WHOLE
#define UN BS_POINT_UNKNOWN
    /* SelectStmt, ExplainStmt, VariableShowStmt, CopyStmt */
    {"SELECT 1", "SELECT", S, NO},
    {"VALUES (1), (2)", "SELECT", S, NO},
    {"TABLE t", "SELECT", S, NO},
    {"SHOW work_mem", "SHOW", S, NO},
    {"SHOW ALL", "SHOW", S, NO},
    {"EXPLAIN SELECT 1", "EXPLAIN", S, NO},
    {"EXPLAIN DELETE FROM t", "EXPLAIN", S, NO},
    {"EXPLAIN ANALYZE SELECT 1", "EXPLAIN ANALYZE", S, NO},
    {"EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN ANALYZE", C, RO},
    {"COPY t TO STDOUT", "COPY TO STDOUT", S, NO},
    {"COPY (SELECT 1) TO STDOUT WITH (FORMAT csv, HEADER)", "COPY TO STDOUT", S, NO},
    {"COPY t FROM STDIN", "COPY FROM STDIN", H, RE},
    {"COPY t FROM '/etc/passwd'", "COPY FROM FILE", C, RE},
    {"COPY t TO '/tmp/x'", "COPY TO FILE", C, UN},
    {"COPY t TO PROGRAM 'cat'", "COPY PROGRAM", C, UN},
    {"COPY t FROM PROGRAM 'cat'", "COPY PROGRAM", C, UN},
    {"SELECT * FROM t FOR UPDATE", "SELECT FOR UPDATE", H, NO},
    {"SELECT * FROM t FOR NO KEY UPDATE", "SELECT FOR UPDATE", H, NO},
    {"SELECT * FROM t FOR SHARE", "SELECT FOR UPDATE", H, NO},
    {"SELECT * FROM t FOR KEY SHARE SKIP LOCKED", "SELECT FOR UPDATE", H, NO},
    {"SELECT * FROM (SELECT * FROM t FOR UPDATE) x", "SELECT FOR UPDATE", H, NO},

    /* InsertStmt, UpdateStmt, DeleteStmt, MergeStmt, TruncateStmt, RefreshMatViewStmt */
    {"INSERT INTO t VALUES (1)", "INSERT", H, RE},
    {"INSERT INTO t DEFAULT VALUES", "INSERT", H, RE},
    {"INSERT INTO t SELECT * FROM u", "INSERT", H, RE},
    {"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "INSERT", H, RE},
    {"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", "INSERT", H, RO},
    {"INSERT INTO t SELECT * FROM u ON CONFLICT (id) DO UPDATE SET a = 1", "INSERT", C, RO},
    {"UPDATE t SET a = 1", "UPDATE", C, RO},
    {"UPDATE t SET a = 1 WHERE id = 1", "UPDATE", H, RO},
    {"UPDATE t SET a = 1 WHERE id > 1", "UPDATE", C, RO},
    {"DELETE FROM t", "DELETE", C, RO},
    {"DELETE FROM t WHERE id = $1", "DELETE", H, RO},
    {"DELETE FROM t WHERE id <> 1", "DELETE", C, RO},
    {"MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", "MERGE", C, RO},
    {"MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (1)", "MERGE", C, RO},
    {"TRUNCATE t", "TRUNCATE", C, WH},
    {"TRUNCATE TABLE ONLY t, u RESTART IDENTITY CASCADE", "TRUNCATE", C, WH},
    {"REFRESH MATERIALIZED VIEW mv", "REFRESH MATERIALIZED VIEW", H, WH},
    {"REFRESH MATERIALIZED VIEW CONCURRENTLY mv", "REFRESH MATERIALIZED VIEW", H, WH},
    {"REFRESH MATERIALIZED VIEW mv WITH NO DATA", "REFRESH MATERIALIZED VIEW", C, WH},

    /* TransactionStmt and what has a name in the session */
    {"BEGIN", "BEGIN", S, NO},
    {"START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY", "BEGIN", S, NO},
    {"BEGIN READ WRITE", "BEGIN", S, NO},
    {"COMMIT", "COMMIT", S, NO},
    {"END AND CHAIN", "COMMIT", S, NO},
    {"ROLLBACK", "ROLLBACK", S, NO},
    {"ABORT", "ROLLBACK", S, NO},
    {"SAVEPOINT a", "SAVEPOINT", S, NO},
    {"RELEASE a", "RELEASE SAVEPOINT", S, NO},
    {"ROLLBACK TO a", "ROLLBACK TO SAVEPOINT", S, NO},
    {"PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION", H, NO},
    {"COMMIT PREPARED 'x'", "COMMIT PREPARED", C, UN},
    {"ROLLBACK PREPARED 'x'", "ROLLBACK PREPARED", C, UN},
    {"PREPARE p AS SELECT $1", "PREPARE", S, NO},
    {"PREPARE p(int) AS DELETE FROM t WHERE id = $1", "PREPARE", H, RO},
    {"PREPARE p AS DELETE FROM t", "PREPARE", C, RO},
    {"EXECUTE p(1)", "EXECUTE", C, UN},
    {"DEALLOCATE p", "DEALLOCATE", S, NO},
    {"DEALLOCATE ALL", "DEALLOCATE", S, NO},
    {"DECLARE c CURSOR FOR SELECT 1", "DECLARE CURSOR", S, NO},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT trap()", "DECLARE CURSOR", C, UN},
    {"FETCH 10 FROM c", "FETCH", C, UN},
    {"MOVE ALL IN c", "MOVE", C, UN},
    {"CLOSE c", "CLOSE", S, NO},
    {"LISTEN x", "LISTEN", S, NO},
    {"UNLISTEN *", "UNLISTEN", S, NO},
    {"NOTIFY x, 'y'", "NOTIFY", H, NO},
    {"LOCK TABLE t", "LOCK TABLE", H, NO},
    {"LOCK TABLE t IN ROW SHARE MODE", "LOCK TABLE", H, NO},
    {"LOCK TABLE t, ONLY s.u IN ACCESS SHARE MODE NOWAIT", "LOCK TABLE", S, NO},
    {"DISCARD PLANS", "DISCARD", S, NO},
    {"DISCARD TEMP", "DISCARD", S, NO},
    {"DISCARD ALL", "DISCARD ALL", S, NO},
    {"SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS", S, NO},

    /* VariableSetStmt, AlterSystemStmt: values in settings_test.c */
    {"SET work_mem = '64MB'", "SET", S, NO},
    {"RESET work_mem", "RESET", S, NO},
    {"RESET ALL", "RESET", S, NO},
    {"SET TRANSACTION READ ONLY", "SET TRANSACTION", S, NO},
    {"SET ROLE boss", "SET ROLE", C, NO},
    {"RESET ROLE", "SET ROLE", C, NO},
    {"SET SESSION AUTHORIZATION boss", "SET SESSION AUTHORIZATION", C, NO},
    {"RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION", C, NO},
    {"ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM", C, UN},

    /* DoStmt, CallStmt, LoadStmt */
    {"DO $$BEGIN DELETE FROM t; END$$", "DO", C, UN},
    {"CALL p(1)", "CALL", C, UN},
    {"LOAD 'auto_explain'", "LOAD", C, UN},

    /* VacuumStmt, ClusterStmt, ReindexStmt, CheckPointStmt */
    {"VACUUM t", "VACUUM", H, NO},
    {"VACUUM FULL t", "VACUUM FULL", H, NO},
    {"VACUUM (FULL off) t", "VACUUM", H, NO},
    {"ANALYZE t(a)", "ANALYZE", H, NO},
    {"REINDEX TABLE t", "REINDEX", H, NO},
    {"REINDEX SCHEMA s", "REINDEX", H, NO},
    {"CLUSTER t USING i", "CLUSTER", H, NO},
    {"CHECKPOINT", "CHECKPOINT", H, NO},

    /* New objects */
    {"CREATE TABLE t(id int PRIMARY KEY, v text DEFAULT 'x' CHECK (length(v) < 9))", "CREATE TABLE", H, RE},
    {"CREATE TABLE t(id serial, d timestamptz DEFAULT now())", "CREATE TABLE", H, RE},
    {"CREATE TABLE t(id int DEFAULT nextval('s'))", "CREATE TABLE", H, RE},
    {"CREATE TABLE t(v text DEFAULT trap())", "CREATE TABLE", C, UN},
    {"CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (2)", "CREATE TABLE", H, RE},
    {"CREATE TABLE t(a int) WITH (fillfactor = 70, autovacuum_enabled = off)", "CREATE TABLE", H, RE},
    {"CREATE TEMP TABLE t(a int)", "CREATE TEMP TABLE", H, NO},
    {"CREATE TABLE pg_temp.t(a int)", "CREATE TEMP TABLE", H, NO},
    {"CREATE TABLE t AS SELECT 1", "CREATE TABLE AS", H, RE},
    {"CREATE TEMP TABLE t AS SELECT 1", "CREATE TEMP TABLE", H, NO},
    {"CREATE TABLE t AS EXECUTE p", "CREATE TABLE AS", C, UN},
    {"SELECT 1 INTO t", "SELECT INTO", H, RE},
    {"SELECT 1 INTO TEMP t", "CREATE TEMP TABLE", H, NO},
    {"SELECT 1 INTO t UNION SELECT 2", "SELECT INTO", H, RE},
    {"CREATE MATERIALIZED VIEW mv AS SELECT 1", "CREATE MATERIALIZED VIEW", H, RE},
    {"CREATE VIEW v AS SELECT * FROM t", "CREATE VIEW", H, RE},
    {"CREATE VIEW v AS SELECT trap()", "CREATE VIEW", C, UN},
    {"CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW", C, DE},
    {"CREATE TEMP VIEW v AS SELECT 1", "CREATE VIEW", H, NO},
    {"CREATE RECURSIVE VIEW v(n) AS VALUES (1) UNION SELECT n + 1 FROM v", "CREATE VIEW", H, RE},
    {"CREATE INDEX i ON t(a)", "CREATE INDEX", H, RE},
    {"CREATE UNIQUE INDEX CONCURRENTLY ON t(lower(a)) WHERE b > 1", "CREATE INDEX", H, RE},
    {"CREATE INDEX i ON t(trap(a))", "CREATE INDEX", C, UN},
    {"CREATE INDEX i ON t(a) WHERE trap(a)", "CREATE INDEX", C, UN},
    {"CREATE SEQUENCE s AS bigint START 5", "CREATE SEQUENCE", H, RE},
    {"CREATE TEMP SEQUENCE s", "CREATE SEQUENCE", H, NO},
    {"CREATE SCHEMA s", "CREATE SCHEMA", H, RE},
    {"CREATE SCHEMA s CREATE TABLE t(a int) CREATE VIEW v AS SELECT * FROM t", "CREATE SCHEMA", H, RE},
    {"CREATE SCHEMA s GRANT ALL ON t TO public", "CREATE SCHEMA", C, ST},
    {"CREATE TYPE t AS (a int, b text)", "CREATE TYPE", H, RE},
    {"CREATE TYPE t AS ENUM ('a')", "CREATE TYPE", H, RE},
    {"CREATE TYPE t AS RANGE (subtype = float8)", "CREATE TYPE", H, RE},
    {"CREATE TYPE t AS RANGE (subtype = float8, subtype_diff = f)", "CREATE BASE TYPE", C, DE},
    {"CREATE TYPE t (input = f, output = g)", "CREATE BASE TYPE", C, DE},
    {"CREATE TYPE t", "CREATE BASE TYPE", C, DE},
    {"CREATE DOMAIN d AS int CHECK (VALUE > 0)", "CREATE DOMAIN", H, RE},
    {"CREATE DOMAIN d AS int CHECK (trap(VALUE))", "CREATE DOMAIN", C, UN},
    {"CREATE COLLATION c (locale = 'de_DE')", "CREATE COLLATION", H, RE},
    {"CREATE STATISTICS s ON a, b FROM t", "CREATE STATISTICS", H, RE},
    {"CREATE TEXT SEARCH CONFIGURATION c (COPY = english)", "CREATE TEXT SEARCH", C, DE},
    {"CREATE DATABASE d", "CREATE DATABASE", C, UN},
    {"CREATE TABLESPACE s LOCATION '/x'", "CREATE TABLESPACE", C, UN},

    /* Code that others will run */
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION", C, DE},
    {"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM t; END", "CREATE FUNCTION", C, DE},
    {"CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", "CREATE PROCEDURE", C, DE},
    {"CREATE AGGREGATE a(int) (sfunc = f, stype = int)", "CREATE AGGREGATE", C, DE},
    {"CREATE OPERATOR === (leftarg = int, rightarg = int, function = f)", "CREATE OPERATOR", C, DE},
    {"CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <", "CREATE OPERATOR CLASS", C, DE},
    {"CREATE OPERATOR FAMILY f USING btree", "CREATE OPERATOR CLASS", C, DE},
    {"CREATE CAST (int AS text) WITH FUNCTION f(int)", "CREATE CAST", C, DE},
    {"CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM f", "CREATE CONVERSION", C, DE},
    {"CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION f(internal))", "CREATE TRANSFORM", C, DE},
    {"CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION f()", "CREATE TRIGGER", C, DE},
    {"CREATE CONSTRAINT TRIGGER t AFTER INSERT ON x DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f()", "CREATE TRIGGER", C, DE},
    {"CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()", "CREATE EVENT TRIGGER", C, DE},
    {"CREATE RULE r AS ON UPDATE TO t DO INSTEAD DELETE FROM u", "CREATE RULE", C, DE},
    {"CREATE POLICY p ON t USING (true)", "CREATE POLICY", C, DE},
    {"CREATE EXTENSION dblink", "CREATE EXTENSION", C, DE},
    {"CREATE LANGUAGE plpython3u", "CREATE EXTENSION", C, DE},
    {"CREATE LANGUAGE l HANDLER f", "CREATE LANGUAGE", C, DE},
    {"CREATE ACCESS METHOD a TYPE INDEX HANDLER h", "CREATE ACCESS METHOD", C, DE},

    /* Other servers */
    {"CREATE FOREIGN DATA WRAPPER f", "CREATE FOREIGN DATA WRAPPER", C, DE},
    {"CREATE SERVER s FOREIGN DATA WRAPPER f", "CREATE SERVER", C, DE},
    {"CREATE USER MAPPING FOR u SERVER s", "CREATE USER MAPPING", C, DE},
    {"CREATE FOREIGN TABLE t(a int) SERVER s", "CREATE FOREIGN TABLE", C, DE},
    {"IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b", "IMPORT FOREIGN SCHEMA", C, DE},
    {"CREATE PUBLICATION p FOR TABLE t WHERE (a > 1)", "CREATE PUBLICATION", C, DE},
    {"CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "CREATE SUBSCRIPTION", C, UN},
    {"ALTER FOREIGN DATA WRAPPER f OPTIONS (ADD a 'b')", "ALTER FOREIGN DATA WRAPPER", C, DE},
    {"ALTER SERVER s OPTIONS (SET host 'x')", "ALTER SERVER", C, DE},
    {"ALTER USER MAPPING FOR u SERVER s OPTIONS (SET a 'b')", "ALTER USER MAPPING", C, DE},
    {"ALTER PUBLICATION p ADD TABLE t", "ALTER PUBLICATION", C, DE},
    {"ALTER SUBSCRIPTION s DISABLE", "ALTER SUBSCRIPTION", C, UN},

    /* AlterTableStmt */
    {"ALTER TABLE t ADD COLUMN a int DEFAULT 1 NOT NULL", "ALTER TABLE ADD COLUMN", H, RE},
    {"ALTER TABLE t ADD a text DEFAULT trap()", "ALTER TABLE ADD COLUMN", C, UN},
    {"ALTER TABLE t ADD a text GENERATED ALWAYS AS (trap(b)) STORED", "ALTER TABLE ADD COLUMN", C, UN},
    {"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)", "ALTER TABLE ADD CONSTRAINT", H, RE},
    {"ALTER TABLE t ADD CHECK (trap(a))", "ALTER TABLE ADD CONSTRAINT", C, UN},
    {"ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u NOT VALID", "ALTER TABLE ADD CONSTRAINT", H, RE},
    {"ALTER TABLE t VALIDATE CONSTRAINT c", "ALTER TABLE VALIDATE CONSTRAINT", H, RE},
    {"ALTER TABLE t ALTER CONSTRAINT c DEFERRABLE", "ALTER TABLE ALTER CONSTRAINT", C, DE},
    {"ALTER TABLE t DROP CONSTRAINT c", "ALTER TABLE DROP CONSTRAINT", C, DE},
    {"ALTER TABLE t DROP CONSTRAINT c CASCADE", "ALTER TABLE DROP CONSTRAINT", C, WH},
    {"ALTER TABLE t DROP COLUMN a", "ALTER TABLE DROP COLUMN", C, WH},
    {"ALTER TABLE t ALTER a TYPE bigint USING a::bigint", "ALTER TABLE ALTER COLUMN TYPE", C, WH},
    {"ALTER TABLE t ALTER a SET DEFAULT 5", "ALTER TABLE SET DEFAULT", H, DE},
    {"ALTER TABLE t ALTER a DROP DEFAULT", "ALTER TABLE SET DEFAULT", H, DE},
    {"ALTER TABLE t ALTER a SET NOT NULL", "ALTER TABLE SET NOT NULL", H, DE},
    {"ALTER TABLE t ALTER a DROP NOT NULL", "ALTER TABLE DROP NOT NULL", C, DE},
    {"ALTER TABLE t ALTER a SET EXPRESSION AS (b + 1)", "ALTER TABLE SET EXPRESSION", C, WH},
    {"ALTER TABLE t ALTER a DROP EXPRESSION", "ALTER TABLE DROP EXPRESSION", C, DE},
    {"ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY", "ALTER TABLE SET IDENTITY", H, DE},
    {"ALTER TABLE t ALTER a SET GENERATED BY DEFAULT", "ALTER TABLE SET IDENTITY", H, DE},
    {"ALTER TABLE t ALTER a DROP IDENTITY", "ALTER TABLE DROP IDENTITY", C, DE},
    {"ALTER TABLE t ALTER a SET STATISTICS 100", "ALTER TABLE SET OPTIONS", H, DE},
    {"ALTER TABLE t ALTER a SET (n_distinct = 5)", "ALTER TABLE SET OPTIONS", H, DE},
    {"ALTER TABLE t SET (fillfactor = 50)", "ALTER TABLE SET OPTIONS", H, DE},
    {"ALTER TABLE t RESET (fillfactor)", "ALTER TABLE SET OPTIONS", H, DE},
    {"ALTER TABLE t ALTER a SET STORAGE external", "ALTER TABLE SET STORAGE", H, DE},
    {"ALTER TABLE t ALTER a SET COMPRESSION lz4", "ALTER TABLE SET STORAGE", H, DE},
    {"ALTER TABLE t SET TABLESPACE s", "ALTER TABLE SET TABLESPACE", H, DE},
    {"ALTER TABLE t SET ACCESS METHOD heap", "ALTER TABLE SET ACCESS METHOD", H, DE},
    {"ALTER TABLE t SET LOGGED", "ALTER TABLE SET LOGGED", H, DE},
    {"ALTER TABLE t SET UNLOGGED", "ALTER TABLE SET UNLOGGED", C, DE},
    {"ALTER TABLE t CLUSTER ON i", "ALTER TABLE CLUSTER ON", H, DE},
    {"ALTER TABLE t SET WITHOUT CLUSTER", "ALTER TABLE CLUSTER ON", H, DE},
    {"ALTER TABLE t INHERIT p", "ALTER TABLE INHERIT", C, DE},
    {"ALTER TABLE t NO INHERIT p", "ALTER TABLE NO INHERIT", C, DE},
    {"ALTER TABLE t NOT OF", "ALTER TABLE OF TYPE", C, DE},
    {"ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)", "ALTER TABLE ATTACH PARTITION", H, DE},
    {"ALTER TABLE t DETACH PARTITION p", "ALTER TABLE DETACH PARTITION", C, DE},
    {"ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "ALTER TABLE DETACH PARTITION", C, DE},
    {"ALTER TABLE t ENABLE TRIGGER x", "ALTER TABLE ENABLE TRIGGER", H, DE},
    {"ALTER TABLE t DISABLE TRIGGER ALL", "ALTER TABLE DISABLE TRIGGER", C, DE},
    {"ALTER TABLE t DISABLE TRIGGER USER", "ALTER TABLE DISABLE TRIGGER", C, DE},
    {"ALTER TABLE t ENABLE REPLICA TRIGGER x", "ALTER TABLE ENABLE REPLICA TRIGGER", C, DE},
    {"ALTER TABLE t DISABLE RULE r", "ALTER TABLE ENABLE RULE", C, DE},
    {"ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ALTER TABLE ENABLE ROW LEVEL SECURITY", H, DE},
    {"ALTER TABLE t DISABLE ROW LEVEL SECURITY", "ALTER TABLE DISABLE ROW LEVEL SECURITY", C, DE},
    {"ALTER TABLE t NO FORCE ROW LEVEL SECURITY", "ALTER TABLE DISABLE ROW LEVEL SECURITY", C, DE},
    {"ALTER TABLE t REPLICA IDENTITY NOTHING", "ALTER TABLE REPLICA IDENTITY", C, DE},
    {"ALTER TABLE t OWNER TO boss", "ALTER TABLE OWNER TO", C, ST},
    {"ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b", "ALTER TABLE ALL IN TABLESPACE", C, DE},
    {"ALTER FOREIGN TABLE t OPTIONS (SET program 'x')", "ALTER FOREIGN TABLE OPTIONS", C, DE},
    {"ALTER VIEW v SET (security_barrier = false)", "ALTER VIEW SET OPTIONS", C, DE},
    {"ALTER TABLE t ADD a int, DROP COLUMN b, ADD c int", "ALTER TABLE DROP COLUMN", C, WH},
    {"ALTER TYPE t ADD ATTRIBUTE a int", "ALTER TYPE", C, DE},

    /* ALTER of the rest */
    {"ALTER TABLE t RENAME TO u", "RENAME", H, DE},
    {"ALTER TABLE t RENAME COLUMN a TO b", "RENAME", H, DE},
    {"ALTER TABLE t RENAME CONSTRAINT a TO b", "RENAME", H, DE},
    {"ALTER INDEX i RENAME TO j", "RENAME", H, DE},
    {"ALTER SCHEMA s RENAME TO r", "RENAME", H, DE},
    {"ALTER FUNCTION f() RENAME TO g", "RENAME CODE", C, DE},
    {"ALTER TRIGGER a ON t RENAME TO b", "RENAME CODE", C, DE},
    {"ALTER ROLE a RENAME TO b", "RENAME ROLE", C, ST},
    {"ALTER DATABASE a RENAME TO b", "RENAME DATABASE", C, UN},
    {"ALTER TABLE t SET SCHEMA s", "SET SCHEMA", H, DE},
    {"ALTER FUNCTION f() SET SCHEMA s", "SET SCHEMA CODE", C, DE},
    {"ALTER SCHEMA s OWNER TO boss", "OWNER TO", C, ST},
    {"ALTER FUNCTION f() OWNER TO boss", "OWNER TO", C, ST},
    {"ALTER FUNCTION f() DEPENDS ON EXTENSION e", "DEPENDS ON EXTENSION", C, DE},
    {"ALTER SEQUENCE s RESTART WITH 1", "ALTER SEQUENCE", H, ST},
    {"ALTER TYPE t ADD VALUE 'x'", "ALTER TYPE ADD VALUE", H, RE},
    {"ALTER TYPE t RENAME VALUE 'x' TO 'y'", "ALTER TYPE RENAME VALUE", H, DE},
    {"ALTER TYPE t SET (analyze = f)", "ALTER TYPE", C, DE},
    {"ALTER DOMAIN d ADD CHECK (VALUE > 0)", "ALTER DOMAIN ADD CONSTRAINT", H, DE},
    {"ALTER DOMAIN d DROP CONSTRAINT c", "ALTER DOMAIN", C, DE},
    {"ALTER DOMAIN d DROP NOT NULL", "ALTER DOMAIN", C, DE},
    {"ALTER COLLATION c REFRESH VERSION", "ALTER COLLATION", H, DE},
    {"ALTER STATISTICS s SET STATISTICS 10", "ALTER STATISTICS", H, DE},
    {"ALTER FUNCTION f() IMMUTABLE", "ALTER FUNCTION", C, DE},
    {"ALTER OPERATOR = (int, int) SET (restrict = NONE)", "ALTER OPERATOR", C, DE},
    {"ALTER OPERATOR FAMILY f USING btree ADD OPERATOR 1 < (int, int)", "ALTER OPERATOR FAMILY", C, DE},
    {"ALTER EXTENSION e UPDATE", "ALTER EXTENSION", C, DE},
    {"ALTER EXTENSION e DROP TABLE t", "ALTER EXTENSION", C, DE},
    {"ALTER EVENT TRIGGER e DISABLE", "ALTER EVENT TRIGGER", C, DE},
    {"ALTER POLICY p ON t USING (true)", "ALTER POLICY", C, DE},
    {"ALTER TEXT SEARCH CONFIGURATION c DROP MAPPING FOR x", "ALTER TEXT SEARCH", C, DE},
    {"ALTER TEXT SEARCH DICTIONARY d (a = b)", "ALTER TEXT SEARCH", C, DE},
    {"ALTER DATABASE d SET work_mem = 1", "ALTER DATABASE", C, ST},
    {"ALTER DATABASE d CONNECTION LIMIT 1", "ALTER DATABASE", C, ST},
    {"ALTER DATABASE d REFRESH COLLATION VERSION", "ALTER DATABASE", C, ST},
    {"ALTER TABLESPACE s SET (seq_page_cost = 1)", "ALTER TABLESPACE", C, ST},
    {"COMMENT ON TABLE t IS 'x'", "COMMENT", H, DE},
    {"COMMENT ON COLUMN s.t.a IS NULL", "COMMENT", H, DE},
    {"SECURITY LABEL ON TABLE t IS 'x'", "SECURITY LABEL", C, DE},

    /* Privileges */
    {"GRANT SELECT ON t TO public", "GRANT", C, ST},
    {"GRANT ALL ON ALL TABLES IN SCHEMA s TO u", "GRANT", C, ST},
    {"REVOKE ALL ON t FROM u CASCADE", "REVOKE", C, ST},
    {"GRANT boss TO me", "GRANT ROLE", C, ST},
    {"REVOKE boss FROM me", "REVOKE ROLE", C, ST},
    {"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public", "ALTER DEFAULT PRIVILEGES", C, ST},
    {"CREATE ROLE r SUPERUSER", "CREATE ROLE", C, ST},
    {"CREATE USER u PASSWORD 'x'", "CREATE ROLE", C, ST},
    {"ALTER ROLE r NOLOGIN", "ALTER ROLE", C, ST},
    {"ALTER GROUP g ADD USER u", "ALTER ROLE", C, ST},
    {"ALTER ROLE r SET search_path = x", "ALTER ROLE SET", C, ST},
    {"DROP ROLE r", "DROP ROLE", C, ST},
    {"REASSIGN OWNED BY a TO b", "REASSIGN OWNED", C, ST},

    /* DROP */
    {"DROP TABLE a, b.c", "DROP TABLE", C, WH},
    {"DROP TABLE IF EXISTS a CASCADE", "DROP TABLE", C, WH},
    {"DROP MATERIALIZED VIEW a", "DROP MATERIALIZED VIEW", C, WH},
    {"DROP SCHEMA a", "DROP SCHEMA", C, WH},
    {"DROP OWNED BY a", "DROP OWNED", C, WH},
    {"DROP EXTENSION a", "DROP EXTENSION", C, WH},
    {"DROP SEQUENCE a", "DROP SEQUENCE", C, WH},
    {"DROP TYPE a", "DROP TYPE", C, DE},
    {"DROP TYPE a CASCADE", "DROP TYPE", C, WH},
    {"DROP DOMAIN a", "DROP DOMAIN", C, DE},
    {"DROP VIEW a", "DROP VIEW", C, DE},
    {"DROP VIEW a CASCADE", "DROP VIEW", C, WH},
    {"DROP INDEX a", "DROP INDEX", C, DE},
    {"DROP FOREIGN TABLE a", "DROP FOREIGN TABLE", C, DE},
    {"DROP FUNCTION a(int)", "DROP FUNCTION", C, DE},
    {"DROP PROCEDURE a(int)", "DROP PROCEDURE", C, DE},
    {"DROP ROUTINE a(int)", "DROP ROUTINE", C, DE},
    {"DROP AGGREGATE a(int)", "DROP AGGREGATE", C, DE},
    {"DROP OPERATOR + (int, int)", "DROP OPERATOR", C, DE},
    {"DROP OPERATOR CLASS a USING btree", "DROP OPERATOR CLASS", C, DE},
    {"DROP OPERATOR FAMILY a USING btree", "DROP OPERATOR CLASS", C, DE},
    {"DROP CAST (int AS text)", "DROP CAST", C, DE},
    {"DROP CONVERSION a", "DROP CONVERSION", C, DE},
    {"DROP TRANSFORM FOR int LANGUAGE sql", "DROP TRANSFORM", C, DE},
    {"DROP TRIGGER a ON t", "DROP TRIGGER", C, DE},
    {"DROP EVENT TRIGGER a", "DROP EVENT TRIGGER", C, DE},
    {"DROP RULE a ON t", "DROP RULE", C, DE},
    {"DROP POLICY a ON t", "DROP POLICY", C, DE},
    {"DROP LANGUAGE a", "DROP LANGUAGE", C, DE},
    {"DROP ACCESS METHOD a", "DROP ACCESS METHOD", C, DE},
    {"DROP COLLATION a", "DROP COLLATION", C, DE},
    {"DROP STATISTICS a", "DROP STATISTICS", C, DE},
    {"DROP TEXT SEARCH PARSER a", "DROP TEXT SEARCH", C, DE},
    {"DROP FOREIGN DATA WRAPPER a", "DROP FOREIGN DATA WRAPPER", C, DE},
    {"DROP SERVER a", "DROP SERVER", C, DE},
    {"DROP USER MAPPING FOR a SERVER s", "DROP USER MAPPING", C, DE},
    {"DROP PUBLICATION a", "DROP PUBLICATION", C, DE},
    {"DROP SUBSCRIPTION a", "DROP SUBSCRIPTION", C, UN},
    {"DROP DATABASE a", "DROP DATABASE", C, UN},
    {"DROP TABLESPACE a", "DROP TABLESPACE", C, UN},
#undef S
#undef H
#undef C
#undef NO
#undef RE
#undef ST
#undef DE
#undef RO
#undef WH
#undef UN
};

/* Every node tag of PostgreSQL 17 that ends in Stmt. */
static const struct { NodeTag tag; const char *name; } tags[] = {
#define T(name) {T_##name, #name}
    T(RawStmt), T(InsertStmt), T(DeleteStmt), T(UpdateStmt), T(MergeStmt), T(SelectStmt),
    T(SetOperationStmt), T(ReturnStmt), T(PLAssignStmt), T(CreateSchemaStmt), T(AlterTableStmt),
    T(ReplicaIdentityStmt), T(AlterCollationStmt), T(AlterDomainStmt), T(GrantStmt),
    T(GrantRoleStmt), T(AlterDefaultPrivilegesStmt), T(CopyStmt), T(VariableSetStmt),
    T(VariableShowStmt), T(CreateStmt), T(CreateTableSpaceStmt), T(DropTableSpaceStmt),
    T(AlterTableSpaceOptionsStmt), T(AlterTableMoveAllStmt), T(CreateExtensionStmt),
    T(AlterExtensionStmt), T(AlterExtensionContentsStmt), T(CreateFdwStmt), T(AlterFdwStmt),
    T(CreateForeignServerStmt), T(AlterForeignServerStmt), T(CreateForeignTableStmt),
    T(CreateUserMappingStmt), T(AlterUserMappingStmt), T(DropUserMappingStmt),
    T(ImportForeignSchemaStmt), T(CreatePolicyStmt), T(AlterPolicyStmt), T(CreateAmStmt),
    T(CreateTrigStmt), T(CreateEventTrigStmt), T(AlterEventTrigStmt), T(CreatePLangStmt),
    T(CreateRoleStmt), T(AlterRoleStmt), T(AlterRoleSetStmt), T(DropRoleStmt), T(CreateSeqStmt),
    T(AlterSeqStmt), T(DefineStmt), T(CreateDomainStmt), T(CreateOpClassStmt),
    T(CreateOpFamilyStmt), T(AlterOpFamilyStmt), T(DropStmt), T(TruncateStmt), T(CommentStmt),
    T(SecLabelStmt), T(DeclareCursorStmt), T(ClosePortalStmt), T(FetchStmt), T(IndexStmt),
    T(CreateStatsStmt), T(AlterStatsStmt), T(CreateFunctionStmt), T(AlterFunctionStmt), T(DoStmt),
    T(CallStmt), T(RenameStmt), T(AlterObjectDependsStmt), T(AlterObjectSchemaStmt),
    T(AlterOwnerStmt), T(AlterOperatorStmt), T(AlterTypeStmt), T(RuleStmt), T(NotifyStmt),
    T(ListenStmt), T(UnlistenStmt), T(TransactionStmt), T(CompositeTypeStmt), T(CreateEnumStmt),
    T(CreateRangeStmt), T(AlterEnumStmt), T(ViewStmt), T(LoadStmt), T(CreatedbStmt),
    T(AlterDatabaseStmt), T(AlterDatabaseRefreshCollStmt), T(AlterDatabaseSetStmt), T(DropdbStmt),
    T(AlterSystemStmt), T(ClusterStmt), T(VacuumStmt), T(ExplainStmt), T(CreateTableAsStmt),
    T(RefreshMatViewStmt), T(CheckPointStmt), T(DiscardStmt), T(LockStmt), T(ConstraintsSetStmt),
    T(ReindexStmt), T(CreateConversionStmt), T(CreateCastStmt), T(CreateTransformStmt),
    T(PrepareStmt), T(ExecuteStmt), T(DeallocateStmt), T(DropOwnedStmt), T(ReassignOwnedStmt),
    T(AlterTSDictionaryStmt), T(AlterTSConfigurationStmt), T(CreatePublicationStmt),
    T(AlterPublicationStmt), T(CreateSubscriptionStmt), T(AlterSubscriptionStmt),
    T(DropSubscriptionStmt), T(PlannedStmt),
#undef T
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
every_row(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        int before = tap_misses;
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 20);
        struct bs_unit unit = unit_of(rows[i].sql, &arena);

        EXPECT(unit.parsed);
        EXPECT_EQ(unit.n_stmts, 1);
        EXPECT_EQ(unit.risk, rows[i].risk);
        if (unit.n_stmts == 1) {
            EXPECT(strcmp(bs_kind_name(unit.stmts[0].kind), rows[i].kind) == 0);
            EXPECT_EQ(unit.stmts[0].point, rows[i].point);
            EXPECT_EQ(unit.stmts[0].n_reasons == 0, unit.risk == BS_RISK_SAFE);
        }
        if (tap_misses != before)
            unit_show(rows[i].sql, &unit);
        bs_arena_fini(&arena);
    }
}

/* A kind that no row shows is a kind that nobody has seen. */
static void
every_kind_has_a_row(void)
{
    for (int k = 1; k < BS_KIND_COUNT; k++) {
        bool found = false;
        for (size_t i = 0; i < COUNT(rows); i++)
            found = found || strcmp(rows[i].kind, bs_kind_name((enum bs_kind)k)) == 0;
        EXPECT(found);
        if (!found)
            printf("# no row of kind %s\n", bs_kind_name((enum bs_kind)k));
    }
}

static void
every_statement_tag_is_read(void)
{
    for (size_t i = 0; i < COUNT(tags); i++) {
        /* Never the statement of a RawStmt: wrappers, results of analysis, PL/pgSQL's own. */
        bool outside = tags[i].tag == T_RawStmt || tags[i].tag == T_SetOperationStmt ||
                       tags[i].tag == T_PLAssignStmt || tags[i].tag == T_PlannedStmt;
        EXPECT_EQ(bs_rule_of(tags[i].tag) != NULL, !outside);
        if ((bs_rule_of(tags[i].tag) != NULL) == outside)
            printf("# %s\n", tags[i].name);
    }
}

/* Reads a made-up node as a statement. */
static struct bs_stmt
read_tag(NodeTag tag, struct bs_arena *arena)
{
    struct bs_stmt stmt = {0};
    struct bs_reading r;
    Node *node = calloc(1, 512);

    bs_reading_init(&r, arena, &stmt);
    node->type = tag;
    bs_walk_init(&r.walk, 1000);
    bs_reading_run(&r, node);
    bs_walk_fini(&r.walk);
    free(node);
    return stmt;
}

static void
unknown_tags_are_critical(void)
{
    static const NodeTag unknown[] = {T_PlannedStmt,  T_SetOperationStmt, T_Query,
                                      T_PLAssignStmt, T_Invalid,          (NodeTag)479,
                                      (NodeTag)60000};

    for (size_t i = 0; i < COUNT(unknown); i++) {
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 20);
        struct bs_stmt stmt = read_tag(unknown[i], &arena);
        EXPECT_EQ(stmt.kind, BS_KIND_UNKNOWN);
        EXPECT_EQ(stmt.risk, BS_RISK_CRITICAL);
        EXPECT_EQ(stmt.point, BS_POINT_UNKNOWN);
        bs_arena_fini(&arena);
    }
}

static void
names(void)
{
    EXPECT_EQ(bs_kind_find("drop table"), BS_KIND_DROP_TABLE);
    EXPECT_EQ(bs_kind_find("UNKNOWN"), BS_KIND_UNKNOWN);
    EXPECT_EQ(bs_kind_find("DROP"), BS_KIND_UNKNOWN);
    EXPECT_EQ(bs_risk_find("HIGH"), BS_RISK_HIGH);
    EXPECT_EQ(bs_risk_find("high"), BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_kind_risk((enum bs_kind)BS_KIND_COUNT), BS_RISK_CRITICAL);
    EXPECT_EQ(bs_kind_point((enum bs_kind) - 1), BS_POINT_UNKNOWN);
    for (int k = 1; k < BS_KIND_COUNT; k++)
        EXPECT_EQ(bs_kind_find(bs_kind_name((enum bs_kind)k)), k);
}

/* Zero refuses: what nobody has set is worse than CRITICAL. */
static void
zero_is_worst(void)
{
    EXPECT_EQ(bs_risk_worse(BS_RISK_CRITICAL, BS_RISK_UNKNOWN), BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_risk_worse(BS_RISK_UNKNOWN, BS_RISK_SAFE), BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_risk_worse(BS_RISK_SAFE, BS_RISK_HIGH), BS_RISK_HIGH);
    EXPECT_EQ(bs_point_worse(BS_POINT_WHOLE, BS_POINT_UNKNOWN), BS_POINT_UNKNOWN);
    EXPECT_EQ(bs_point_worse(BS_POINT_RECORD, BS_POINT_NONE), BS_POINT_RECORD);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"RISK.md, row by row", every_row},
        {"every kind has a row", every_kind_has_a_row},
        {"every statement of the grammar is read", every_statement_tag_is_read},
        {"unknown node tags are CRITICAL", unknown_tags_are_critical},
        {"names", names},
        {"zero is worst", zero_is_worst},
    };
    return tap_main(cases, COUNT(cases));
}
