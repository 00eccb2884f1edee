/*
 * details_test.c - who is read, who is written and how: one line a statement, row by row.
 *
 * The line: effects as KIND[object](marks), then "reads", then control and label; see tell().
 */
#include "unit.h"

#include <stdlib.h>

/* clang-format off */
static const struct { const char *sql, *want; } rows[] = {
    /* What is read, and what is only a name of WITH. */
    {"SELECT * FROM a, s.b JOIN c USING (x)", "reads a s.b c"},
    {"SELECT * FROM a x, a y", "reads a"},
    {"SELECT * FROM other.s.a", "reads s.a"},
    {"TABLE a", "reads a"},
    {"SELECT (SELECT 1 FROM b) FROM a WHERE EXISTS (SELECT 1 FROM c)", "reads b a c"},
    {"WITH x AS (SELECT * FROM a) SELECT * FROM x, b", "reads a b"},
    {"WITH x AS (SELECT 1) SELECT * FROM s.x", "reads s.x"},
    {"WITH x AS (SELECT * FROM x) SELECT * FROM x", "reads x"},
    {"WITH RECURSIVE x AS (SELECT * FROM a UNION SELECT * FROM x) SELECT * FROM x", "reads a"},
    {"WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b", "reads b"},
    {"WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", ""},
    {"SELECT * FROM x, (WITH x AS (SELECT 1) SELECT * FROM x) y", "reads x"},
    {"WITH x AS (SELECT 1) SELECT * FROM (SELECT * FROM x) y", ""},
    {"WITH x AS (SELECT 1) (SELECT * FROM x UNION SELECT * FROM x)", ""},
    {"WITH x AS (SELECT 1) SELECT 1 UNION (WITH y AS (SELECT * FROM x) SELECT * FROM y)", ""},
    {"(WITH x AS (SELECT 1) SELECT * FROM x) UNION SELECT * FROM x", "reads x"},
    {"SELECT * FROM a FOR UPDATE OF a", "reads a"},
    {"COPY a TO STDOUT", "reads a"},
    {"COPY (SELECT * FROM a) TO STDOUT", "reads a"},
    {"EXPLAIN DELETE FROM a USING b WHERE a.id = b.id", "reads a b"},
    {"CREATE VIEW v AS SELECT * FROM a", "CREATE VIEW[v] reads a"},
    {"CREATE TABLE t(LIKE a, x int REFERENCES b)", "CREATE TABLE[t] reads a b"},
    {"CREATE TABLE p PARTITION OF a DEFAULT", "CREATE TABLE[p] reads a"},
    {"ALTER TABLE a ATTACH PARTITION b DEFAULT", "ALTER TABLE ATTACH PARTITION[a] reads b"},
    {"DECLARE c CURSOR FOR SELECT * FROM a", "reads a declare c"},

    /* Changes of rows. */
    {"DELETE FROM s.t", "DELETE[s.t]"},
    {"DELETE FROM ONLY t WHERE a > 1", "DELETE[t](only filtered)"},
    {"DELETE FROM t WHERE a = 1 AND b = $1 AND c > 2", "DELETE[t](filtered keys a b)"},
    {"DELETE FROM t WHERE a = b", "DELETE[t](filtered)"},
    {"DELETE FROM t WHERE a OPERATOR(public.=) 1", "DELETE[t](filtered)"},
    {"DELETE FROM t WHERE a OPERATOR(pg_catalog.=) 1", "DELETE[t](filtered keys a)"},
    {"DELETE FROM t WHERE a = 1 OR b = 2", "DELETE[t](filtered)"},
    {"DELETE FROM t USING u WHERE t.a = 1 AND u.b = 2", "DELETE[t](filtered keys a) reads u"},
    {"UPDATE t SET a = 1, b = 2 WHERE id = 5", "UPDATE[t](filtered keys id set a b blanks)"},
    {"UPDATE t SET (a, b) = (1, 2)", "UPDATE[t](set a b blanks)"},
    {"UPDATE t SET a.x = 1, b[1] = 2 WHERE id = 1", "UPDATE[t](filtered keys id set a b)"},
    {"UPDATE t SET a = NULL", "UPDATE[t](set a blanks)"},
    {"UPDATE t SET a = DEFAULT, b = now(), c = (SELECT max(1)), d = $1::int", "UPDATE[t](set a b c d blanks)"},
    {"UPDATE t SET a = NULL, b = b + 1", "UPDATE[t](set a b)"},
    {"UPDATE t SET (a, b) = (NULL, c)", "UPDATE[t](set a b)"},
    {"UPDATE t SET a = upper(a)", "UPDATE[t](set a)"},
    {"INSERT INTO s.t(a) SELECT x FROM u", "INSERT[s.t](set a) reads u"},
    {"COPY t (a, b) FROM stdin", "COPY FROM STDIN[t](set a b)"},
    {"INSERT INTO t VALUES (1) ON CONFLICT (k, l) DO UPDATE SET a = 1", "INSERT[t] UPDATE[t](filtered upsert keys k l set a blanks)"},
    {"INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT c DO UPDATE SET a = 1", "INSERT[t] UPDATE[t](filtered upsert set a blanks)"},
    {"MERGE INTO ONLY t USING u ON t.id = u.id WHEN MATCHED AND u.x THEN DELETE WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)",
     "DELETE[t](only filtered) UPDATE[t](only filtered set a blanks) INSERT[t](only filtered) reads u"},
    {"WITH d AS (DELETE FROM t RETURNING *) INSERT INTO log SELECT * FROM d", "INSERT[log] DELETE[t]"},
    {"TRUNCATE a, ONLY s.b RESTART IDENTITY CASCADE", "TRUNCATE[a](cascade restart) TRUNCATE[s.b](only cascade restart)"},
    {"COPY s.t FROM STDIN", "COPY FROM STDIN[s.t]"},
    {"REFRESH MATERIALIZED VIEW s.m", "REFRESH MATERIALIZED VIEW[s.m]"},
    {"SELECT * INTO s.n FROM a", "SELECT INTO[s.n] reads a"},
    {"LOCK TABLE a, ONLY b", "LOCK TABLE[a] LOCK TABLE[b](only)"},
    {"VACUUM ANALYZE a, s.b", "VACUUM[a] VACUUM[s.b]"},

    /* Objects. */
    {"DROP TABLE IF EXISTS a, s.b CASCADE", "DROP TABLE[a](cascade missing_ok) DROP TABLE[s.b](cascade missing_ok)"},
    {"DROP TABLE db.s.a", "DROP TABLE[s.a]"},
    {"DROP SCHEMA a, b", "DROP SCHEMA[a:schema] DROP SCHEMA[b:schema]"},
    {"DROP TRIGGER g ON s.t", "DROP TRIGGER[s.t]"},
    {"DROP POLICY p ON t", "DROP POLICY[t]"},
    {"DROP FUNCTION s.f(int), g", "DROP FUNCTION[s.f:function] DROP FUNCTION[g:function]"},
    {"DROP TYPE s.t", "DROP TYPE[s.t:type]"},
    {"DROP DATABASE IF EXISTS d", "DROP DATABASE[d:database]"},
    {"DROP ROLE a, b", "DROP ROLE[a:role] DROP ROLE[b:role]"},
    {"ALTER TABLE s.t DROP COLUMN a CASCADE, DROP COLUMN IF EXISTS b", "ALTER TABLE DROP COLUMN[s.t.a:column](cascade) ALTER TABLE DROP COLUMN[s.t.b:column](missing_ok)"},
    {"ALTER TABLE IF EXISTS ONLY t ADD a int", "ALTER TABLE ADD COLUMN[t](only missing_ok)"},
    {"ALTER TABLE t ALTER a TYPE text", "ALTER TABLE ALTER COLUMN TYPE[t.a:column]"},
    {"ALTER TABLE t ALTER a TYPE text USING b || a", "ALTER TABLE ALTER COLUMN TYPE[t.a:column]"},
    {"ALTER TABLE t ALTER a TYPE text USING NULL", "ALTER TABLE ALTER COLUMN TYPE[t.a:column](blanks)"},
    {"ALTER TABLE t ALTER a SET DATA TYPE text USING 'x'::text, ALTER b TYPE int", "ALTER TABLE ALTER COLUMN TYPE[t.a:column](blanks) ALTER TABLE ALTER COLUMN TYPE[t.b:column]"},
    {"ALTER TABLE t ALTER a SET DEFAULT 1", "ALTER TABLE SET DEFAULT[t]"},
    {"ALTER TABLE s.t RENAME a TO b", "RENAME[s.t]"},
    {"ALTER SCHEMA a RENAME TO b", "RENAME[a:schema]"},
    {"ALTER SEQUENCE s.q RESTART", "ALTER SEQUENCE[s.q]"},
    {"ALTER TABLE t OWNER TO x", "ALTER TABLE OWNER TO[t]"},
    {"COMMENT ON COLUMN s.t.a IS 'x'", "COMMENT[s.t]"},
    {"GRANT SELECT ON a, s.b TO x", "GRANT[a] GRANT[s.b]"},
    {"GRANT ALL ON ALL TABLES IN SCHEMA s TO x", "GRANT[s:schema]"},
    {"GRANT boss TO a", "GRANT ROLE[a:role]"},
    {"CREATE INDEX ON s.t(a)", "CREATE INDEX[s.t]"},
    {"CREATE TRIGGER g AFTER INSERT ON s.t EXECUTE FUNCTION f()", "CREATE TRIGGER[s.t]"},
    {"CREATE EXTENSION dblink", "CREATE EXTENSION[dblink:other]"},
    {"CREATE SCHEMA s CREATE TABLE t(a int)", "CREATE SCHEMA[s:schema] CREATE TABLE[t]"},
    {"CREATE SCHEMA AUTHORIZATION x", "CREATE SCHEMA[:schema]"},

    /* Names are cut as the server cuts them. */
    {"DELETE FROM aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123_and_more",
     "DELETE[aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123]"},
    {"DELETE FROM \"T\"", "DELETE[T]"},
    {"DELETE FROM T", "DELETE[t]"},
    {"DELETE FROM U&\"audit\\005flog\"", "DELETE[audit_log]"},

    /* The session. */
    {"BEGIN", "begin"}, {"COMMIT AND CHAIN", "commit chain"}, {"ROLLBACK AND NO CHAIN", "rollback"},
    {"SAVEPOINT a", "savepoint a"}, {"RELEASE SAVEPOINT A", "release a"}, {"ROLLBACK TO \"A\"", "rollback_to A"},
    {"PREPARE TRANSACTION 'g'", "prepare_transaction g"}, {"COMMIT PREPARED 'g'", "commit_prepared g"},
    {"ROLLBACK PREPARED 'g'", "rollback_prepared g"},
    {"PREPARE p AS DELETE FROM t", "DELETE[t] prepare p"},
    {"EXECUTE p(1)", "execute p"}, {"EXPLAIN EXECUTE p", ""},
    {"DEALLOCATE p", "deallocate p"}, {"DEALLOCATE PREPARE ALL", "deallocate"}, {"DISCARD ALL", "deallocate"},
    {"DISCARD PLANS", ""},
    {"DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1", "declare c"},
    {"FETCH ALL FROM c", "fetch c"}, {"MOVE c", "fetch c"}, {"CLOSE c", "close c"}, {"CLOSE ALL", "close"},
    {"SET work_mem = 1", "set work_mem"}, {"RESET ALL", "set"},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET work_mem = 1 AS ''", "CREATE FUNCTION[f:function]"},
    {"ALTER ROLE r SET work_mem = 1", "ALTER ROLE SET[r:role]"},
    {"ALTER ROLE ALL SET work_mem = 1", "ALTER ROLE SET[:role]"},
    {"ALTER USER r NOLOGIN", "ALTER ROLE[r:role]"},
    {"ALTER GROUP g ADD USER u", "ALTER ROLE[g:role]"},
    {"REASSIGN OWNED BY a, b TO c", "REASSIGN OWNED[a:role] REASSIGN OWNED[b:role]"},
    {"ALTER DEFAULT PRIVILEGES FOR ROLE x IN SCHEMA a, b GRANT SELECT ON TABLES TO y", "ALTER DEFAULT PRIVILEGES[a:schema] ALTER DEFAULT PRIVILEGES[b:schema]"},
    {"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO y", ""},
    {"ALTER FUNCTION s.f(int) STABLE", "ALTER FUNCTION[s.f:function]"},
    {"SECURITY LABEL ON TABLE s.t IS 'x'", "SECURITY LABEL[s.t]"},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const objects[] = {
    [BS_OBJECT_NONE] = ":none",         [BS_OBJECT_RELATION] = "",
    [BS_OBJECT_COLUMN] = ":column",     [BS_OBJECT_SCHEMA] = ":schema",
    [BS_OBJECT_FUNCTION] = ":function", [BS_OBJECT_DATABASE] = ":database",
    [BS_OBJECT_ROLE] = ":role",         [BS_OBJECT_TYPE] = ":type",
    [BS_OBJECT_OTHER] = ":other",       [BS_OBJECT_LARGE_OBJECT] = ":large",
};

static const char *const controls[] = {
    [BS_CONTROL_NONE] = "",
    [BS_CONTROL_BEGIN] = "begin",
    [BS_CONTROL_COMMIT] = "commit",
    [BS_CONTROL_ROLLBACK] = "rollback",
    [BS_CONTROL_SAVEPOINT] = "savepoint",
    [BS_CONTROL_RELEASE] = "release",
    [BS_CONTROL_ROLLBACK_TO] = "rollback_to",
    [BS_CONTROL_PREPARE_TRANSACTION] = "prepare_transaction",
    [BS_CONTROL_COMMIT_PREPARED] = "commit_prepared",
    [BS_CONTROL_ROLLBACK_PREPARED] = "rollback_prepared",
    [BS_CONTROL_PREPARE] = "prepare",
    [BS_CONTROL_EXECUTE] = "execute",
    [BS_CONTROL_DEALLOCATE] = "deallocate",
    [BS_CONTROL_DECLARE] = "declare",
    [BS_CONTROL_FETCH] = "fetch",
    [BS_CONTROL_CLOSE] = "close",
    [BS_CONTROL_SET] = "set",
};

static void
tell_words(struct bs_buf *out, const char *what, const char **words, size_t n)
{
    if (n != 0)
        bs_put_fmt(out, "%s ", what);
    for (size_t i = 0; i < n; i++)
        bs_put_fmt(out, "%s ", words[i]);
}

/* Ends a group of words: the last space goes. */
static void
trim(struct bs_buf *out)
{
    if (out->n != 0 && out->p[out->n - 1] == ' ')
        out->n--;
}

static void
tell_effect(struct bs_buf *out, const struct bs_effect *e)
{
    size_t marks;

    bs_put_fmt(out, "%s[%s%s%s%s%s%s]", bs_kind_name(e->kind),
               e->name.schema == NULL ? "" : e->name.schema, e->name.schema == NULL ? "" : ".",
               e->name.name, e->column == NULL ? "" : ".", e->column == NULL ? "" : e->column,
               objects[e->object]);
    marks = out->n;
    bs_put_str(out, "(");
    bs_put_fmt(out, "%s%s%s%s%s%s", e->only ? "only " : "", e->cascade ? "cascade " : "",
               e->missing_ok ? "missing_ok " : "", e->filtered ? "filtered " : "",
               e->restart_identity ? "restart " : "", e->upsert ? "upsert " : "");
    tell_words(out, "keys", e->keys, e->n_keys);
    tell_words(out, "set", e->set, e->n_set);
    bs_put_str(out, e->blanks ? "blanks " : "");
    trim(out);
    if (out->n == marks + 1)
        out->n = marks;
    else
        bs_put_str(out, ")");
    bs_put_str(out, " ");
}

static void
tell(struct bs_buf *out, const struct bs_stmt *s)
{
    for (size_t i = 0; i < s->n_effects; i++)
        tell_effect(out, &s->effects[i]);
    for (size_t i = 0; i < s->n_reads; i++)
        bs_put_fmt(out, "%s%s%s%s ", i == 0 ? "reads " : "",
                   s->reads[i].schema == NULL ? "" : s->reads[i].schema,
                   s->reads[i].schema == NULL ? "" : ".", s->reads[i].name);
    if (s->control != BS_CONTROL_NONE)
        bs_put_fmt(out, "%s %s%s", controls[s->control], s->label == NULL ? "" : s->label,
                   s->chain ? "chain" : "");
    trim(out);
    bs_put_u8(out, 0);
}

static void
every_row(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bs_arena arena;
        struct bs_buf line;
        bs_arena_init(&arena, "test", 1u << 20);
        bs_buf_init(&line, 4096);
        struct bs_unit unit = unit_of(rows[i].sql, &arena);

        EXPECT(unit.n_stmts == 1);
        if (unit.n_stmts == 1) {
            tell(&line, &unit.stmts[0]);
            bool same = strcmp((const char *)line.p, rows[i].want) == 0;
            EXPECT(same);
            if (!same)
                printf("# in:   %s\n# got:  %s\n# want: %s\n", rows[i].sql, (const char *)line.p,
                       rows[i].want);
        }
        bs_buf_fini(&line);
        bs_arena_fini(&arena);
    }
}

/* clang-format off */
static const struct { const char *sql; uint32_t from[3], to[3]; } spans[] = {
    {"SELECT 1", {0}, {8}},
    {"  SELECT 1  ;  SELECT 2 \n", {2, 15}, {10, 23}},
    {";;SELECT 1;;", {2}, {10}},
    {"BEGIN; DELETE FROM t; COMMIT;", {0, 7, 22}, {5, 20, 28}},
    {"SELECT '\xc3\xa4'; SELECT 2", {0, 13}, {11, 21}},
};
/* clang-format on */

static void
spans_of_statements(void)
{
    for (size_t i = 0; i < COUNT(spans); i++) {
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 20);
        struct bs_unit unit = unit_of(spans[i].sql, &arena);

        for (size_t k = 0; k < unit.n_stmts; k++) {
            EXPECT_EQ(unit.stmts[k].from, spans[i].from[k]);
            EXPECT_EQ(unit.stmts[k].to, spans[i].to[k]);
        }
        EXPECT(unit.n_stmts == 3 || spans[i].to[unit.n_stmts] == 0);
        bs_arena_fini(&arena);
    }
}

/* clang-format off */
static const struct { const char *sql; uint32_t flags; } flagged[] = {
    {"SELECT 1", 0},
    {"VACUUM t", BS_FLAG_NO_BLOCK}, {"CREATE DATABASE d", BS_FLAG_NO_BLOCK | BS_FLAG_DDL},
    {"CREATE INDEX CONCURRENTLY ON t(a)", BS_FLAG_NO_BLOCK | BS_FLAG_DDL},
    {"CREATE INDEX ON t(a)", BS_FLAG_DDL}, {"DROP INDEX CONCURRENTLY i", BS_FLAG_NO_BLOCK | BS_FLAG_DDL},
    {"REINDEX (CONCURRENTLY) TABLE t", BS_FLAG_NO_BLOCK}, {"REINDEX TABLE t", 0},
    {"REINDEX DATABASE d", BS_FLAG_NO_BLOCK}, {"CLUSTER", BS_FLAG_NO_BLOCK}, {"ANALYZE", 0},
    {"ALTER TABLE t DETACH PARTITION p CONCURRENTLY", BS_FLAG_NO_BLOCK | BS_FLAG_DDL},
    {"CREATE TEMP TABLE t(a int)", BS_FLAG_TEMP | BS_FLAG_DDL},
    {"CREATE TABLE t(LIKE u)", BS_FLAG_DDL}, {"CREATE TABLE t(LIKE u INCLUDING DEFAULTS)", BS_FLAG_COPIES | BS_FLAG_DDL},
    {"CREATE TABLE t() INHERITS (u)", BS_FLAG_COPIES | BS_FLAG_DDL}, {"CREATE TABLE t PARTITION OF u DEFAULT", BS_FLAG_COPIES | BS_FLAG_DDL},
    {"CREATE TEMP VIEW t AS SELECT 1", BS_FLAG_TEMP | BS_FLAG_DDL},
    {"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS ''", BS_FLAG_TEMP | BS_FLAG_DDL},
    {"COPY t FROM STDIN", BS_FLAG_COPY_IN}, {"COPY t TO STDOUT", BS_FLAG_COPY_OUT},
    {"COPY t FROM PROGRAM 'x'", BS_FLAG_SERVER_FILE},
    {"DO 'x'", BS_FLAG_DYNAMIC_SQL}, {"CALL p()", BS_FLAG_DYNAMIC_SQL | BS_FLAG_VOLATILE},
    {"GRANT SELECT ON t TO x", BS_FLAG_PRIVILEGE | BS_FLAG_DDL},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", BS_FLAG_WITH_HOLD},
    {"DECLARE c CURSOR FOR SELECT 1", 0},
    {"INSERT INTO t VALUES (1) RETURNING 1", BS_FLAG_RETURNING},
    {"EXPLAIN DELETE FROM t", 0},
    {"TRUNCATE t", 0}, {"DISCARD ALL", BS_FLAG_SESSION_STATE | BS_FLAG_NO_BLOCK},
};
/* clang-format on */

static void
flags_of_statements(void)
{
    for (size_t i = 0; i < COUNT(flagged); i++) {
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 20);
        struct bs_unit unit = unit_of(flagged[i].sql, &arena);

        EXPECT_EQ(unit.flags, flagged[i].flags);
        if (unit.flags != flagged[i].flags)
            unit_show(flagged[i].sql, &unit);
        bs_arena_fini(&arena);
    }
}

/* What a catalog may take back, and what it may not. */
static void
taking_back(void)
{
    struct bs_arena arena;
    bs_arena_init(&arena, "test", 1u << 20);
    struct bs_unit unit = unit_of("DELETE FROM t WHERE a > f(1)", &arena);
    struct bs_err err = {0};
    REQUIRE(unit.n_stmts == 1);
    struct bs_stmt *s = &unit.stmts[0];

    EXPECT_EQ(s->risk, BS_RISK_CRITICAL);
    EXPECT_EQ(s->point, BS_POINT_UNKNOWN);
    bs_stmt_excuse(s, BS_REASON_UNMEASURED);
    EXPECT_EQ(s->risk, BS_RISK_CRITICAL); /* f is still unknown */
    for (size_t i = 0; i < s->n_calls; i++)
        s->calls[i].listed = true;
    bs_stmt_settle_calls(s);
    EXPECT_EQ(s->risk, BS_RISK_HIGH);
    EXPECT_EQ(s->point, BS_POINT_ROWS);
    EXPECT_EQ(s->flags & BS_FLAG_VOLATILE, 0);
    EXPECT_EQ(bs_stmt_raise(s, BS_RISK_CRITICAL, "cascade", "takes others along", &arena, &err),
              BS_DONE);
    EXPECT_EQ(s->risk, BS_RISK_CRITICAL);
    bs_stmt_settle_calls(s);
    EXPECT_EQ(s->risk, BS_RISK_CRITICAL);
    bs_unit_settle(&unit);
    EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
    bs_arena_fini(&arena);
}

/* An arena that is too small is an error, never a milder answer. */
static void
small_arenas(void)
{
    const char *sql = "WITH a AS (DELETE FROM t WHERE x = 1 RETURNING *) SELECT f(b) FROM a, c, d";

    for (size_t max = 0; max < 8192; max += 16) {
        struct bs_arena arena;
        struct bs_unit unit;
        struct bs_err err = {0};
        bs_arena_init(&arena, "test", max);
        if (bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &arena, &unit, &err) == BS_DONE) {
            EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
            EXPECT_EQ(unit.stmts[0].n_effects, 1);
            EXPECT_EQ(unit.stmts[0].n_reads, 2);
        } else {
            EXPECT_EQ(err.code, BS_E_LIMIT);
            EXPECT_EQ(unit.risk, BS_RISK_UNKNOWN);
        }
        bs_arena_fini(&arena);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"effects, reads and control, row by row", every_row},
        {"spans", spans_of_statements},
        {"flags", flags_of_statements},
        {"what a catalog takes back", taking_back},
        {"small arenas fail", small_arenas},
    };
    return tap_main(cases, COUNT(cases));
}
