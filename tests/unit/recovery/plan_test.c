/*
 * Every kind of RISK.md that changes something, as one statement: what its plan is where rows can
 * be kept before COMMIT, and where they cannot.
 */
#include "recovery/plan.h"

#include "catalog/seen.h"
#include "tap.h"
#include "unit/catalog/server.h"

static struct server server;
static struct bs_snapshot *snapshot;
static char helper[200];

static const char schema_sql[] =
    "CREATE ROLE helper LOGIN BYPASSRLS;"
    "CREATE TABLE t (id int PRIMARY KEY, a int, b text);"
    "CREATE TABLE u (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE, v text);"
    "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);"
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);"
    "CREATE TABLE triggered (id int PRIMARY KEY, a int);"
    "CREATE TABLE ruled (id int PRIMARY KEY);"
    "CREATE TABLE secured (id int PRIMARY KEY);"
    "CREATE SEQUENCE seq;"
    "CREATE VIEW vw AS SELECT id, a FROM t;"
    "CREATE VIEW vw_instead AS SELECT id FROM t;"
    "CREATE MATERIALIZED VIEW mv AS SELECT id FROM t;"
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS"
    " 'BEGIN EXECUTE ''DELETE FROM public.'' || ''t''; RETURN 1; END';"
    "CREATE FUNCTION f_check(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS"
    " 'BEGIN RETURN public.f() = 1; END';"
    "CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM public.f(); RETURN OLD; END';"
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN PERFORM public.f(); END';"
    "CREATE FUNCTION f_op(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.f()';"
    "CREATE OPERATOR public.<~> (LEFTARG = int, RIGHTARG = int, FUNCTION = f_op);"
    "CREATE DOMAIN d AS int CHECK (f_check(VALUE));"
    "CREATE TYPE e AS ENUM ('x');"
    "CREATE TRIGGER tr BEFORE DELETE OR UPDATE OR INSERT ON triggered FOR EACH ROW"
    " EXECUTE FUNCTION tr();"
    "CREATE TRIGGER tr INSTEAD OF DELETE ON vw_instead FOR EACH ROW EXECUTE FUNCTION tr();"
    "CREATE RULE r AS ON DELETE TO ruled DO INSTEAD UPDATE t SET a = 0;"
    "CREATE RULE i AS ON INSERT TO ruled DO ALSO DELETE FROM t;"
    "ALTER TABLE secured ENABLE ROW LEVEL SECURITY;"
    "CREATE POLICY p ON secured USING (f() = 1);"
    "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;"
    "CREATE FOREIGN TABLE remote (id int) SERVER far;";

#define REFUSE BS_PLAN_REFUSE
#define NONE   BS_PLAN_NONE
#define RECORD BS_PLAN_RECORD
#define ROWS   BS_PLAN_ROWS
#define WHOLE  BS_PLAN_WHOLE
#define DEFINE (BS_PLAN_RECORD | 0x100) /* RECORD with the definition */

/* clang-format off */
static const struct row {
    const char *sql;
    int off, on;
    const char *tables; /* of the plan with rows: names joined by blanks, by oid; NULL: any */
} plan_rows[] = {
    /* Reading. */
    {"SELECT id FROM t", NONE, NONE, ""},
    {"COPY t TO STDOUT", NONE, NONE, ""},
    {"EXPLAIN DELETE FROM t", NONE, NONE, ""},
    {"EXPLAIN ANALYZE DELETE FROM t WHERE id = 1", WHOLE, ROWS, "t u"},
    {"EXPLAIN ANALYZE DELETE FROM t", WHOLE, WHOLE, "t u"},
    {"EXPLAIN SELECT f()", REFUSE, ROWS, ""},
    {"SELECT id FROM t FOR UPDATE", NONE, NONE, ""},
    {"SELECT id FROM t WHERE f() = id FOR UPDATE", REFUSE, ROWS, ""},
    {"LOCK TABLE t", NONE, NONE, ""},

    /* Transactions and names of the session. */
    {"BEGIN", NONE, NONE, ""}, {"COMMIT", NONE, NONE, ""}, {"SAVEPOINT s", NONE, NONE, ""},
    {"ROLLBACK TO s", NONE, NONE, ""}, {"RELEASE s", NONE, NONE, ""},
    {"PREPARE TRANSACTION 'x'", NONE, NONE, ""},
    {"COMMIT PREPARED 'x'", REFUSE, REFUSE, ""},
    {"ROLLBACK PREPARED 'x'", REFUSE, REFUSE, ""},
    {"PREPARE p AS DELETE FROM t WHERE id = $1", WHOLE, ROWS, "t u"},
    {"PREPARE p AS SELECT f()", REFUSE, ROWS, ""},
    {"SELECT 1; EXECUTE p", REFUSE, REFUSE, ""},
    {"EXPLAIN ANALYZE EXECUTE p", REFUSE, REFUSE, ""},
    {"DECLARE c CURSOR FOR SELECT f()", REFUSE, ROWS, ""},
    {"FETCH ALL IN c", REFUSE, REFUSE, ""}, {"MOVE c", REFUSE, REFUSE, ""},
    {"SET work_mem = 1", NONE, NONE, ""},
    {"SET session_replication_role = replica", NONE, NONE, ""},
    {"SELECT set_config(b, '1', false) FROM t", REFUSE, REFUSE, ""},
    {"SELECT set_config(b, '1', false), f() FROM t", REFUSE, REFUSE, ""},
    {"SET search_path = x, pg_catalog; DELETE FROM t WHERE id = 1", REFUSE, ROWS, "t u"},
    {"SET search_path = x, pg_catalog; DROP TABLE t", REFUSE, REFUSE, ""},

    /* Sequences. */
    {"SELECT nextval('seq')", RECORD, RECORD, ""},
    {"SELECT setval('seq', 1)", REFUSE, ROWS, ""},
    {"INSERT INTO t VALUES (setval('seq', 1))", REFUSE, ROWS, ""},
    {"SELECT setval('seq', 1); DELETE FROM t WHERE id = 1", REFUSE, ROWS, "t u"},
    {"ALTER SEQUENCE seq RESTART", DEFINE, DEFINE, ""},

    /* Rows. */
    {"INSERT INTO t VALUES (1)", RECORD, RECORD, ""},
    {"COPY t FROM STDIN", RECORD, RECORD, ""},
    {"COPY triggered FROM STDIN", REFUSE, ROWS, ""},
    {"COPY ruled FROM STDIN WHERE f() = 1", REFUSE, ROWS, ""},
    {"INSERT INTO t VALUES (f())", REFUSE, ROWS, ""},
    {"INSERT INTO triggered VALUES (1)", REFUSE, ROWS, ""},
    {"INSERT INTO ruled VALUES (1)", REFUSE, ROWS, ""},
    {"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", RECORD, RECORD, ""},
    {"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", REFUSE, ROWS, "t"},
    {"INSERT INTO t SELECT id FROM u ON CONFLICT (id) DO UPDATE SET a = 1", REFUSE, ROWS, "t"},
    {"UPDATE u SET v = 'x' WHERE id = 1", WHOLE, ROWS, "u"},
    {"UPDATE u SET v = 'x' WHERE v = 'y'", WHOLE, ROWS, "u"},
    {"UPDATE u SET v = t.b FROM t WHERE t.id = u.t", WHOLE, ROWS, "u"},
    {"UPDATE u SET v = 'x'", WHOLE, WHOLE, "u"},
    {"UPDATE u SET v = 'x' WHERE true", WHOLE, WHOLE, "u"},
    {"UPDATE u SET v = f()::text WHERE id = 1", REFUSE, ROWS, "u"},
    {"DELETE FROM u WHERE id = 1", WHOLE, ROWS, "u"},
    {"DELETE FROM t WHERE id = 1", WHOLE, ROWS, "t u"},
    {"DELETE FROM t", WHOLE, WHOLE, "t u"},
    {"DELETE FROM t WHERE 1 = 1", WHOLE, WHOLE, "t u"},
    {"DELETE FROM u USING t WHERE t.id = u.t AND t.a > 1", WHOLE, ROWS, "u"},
    {"DELETE FROM u USING t", WHOLE, WHOLE, "u"},
    {"DELETE FROM u WHERE CURRENT OF c", WHOLE, ROWS, "u"},
    {"DELETE FROM u WHERE id <~> 1 = 2", REFUSE, ROWS, "u"},
    {"DELETE FROM u WHERE id = '1'::d", REFUSE, ROWS, "u"},
    {"DELETE FROM u WHERE random() < 0.5 AND id > 1", WHOLE, ROWS, "u"},
    {"DELETE FROM parts WHERE id = 1", WHOLE, ROWS, "parts parts_1"},
    {"DELETE FROM parts", WHOLE, WHOLE, "parts parts_1"},
    {"DELETE FROM triggered WHERE id = 1", REFUSE, ROWS, "triggered"},
    {"DELETE FROM triggered", REFUSE, ROWS, "triggered"},
    {"DELETE FROM ruled WHERE id = 1", REFUSE, ROWS, "ruled"},
    {"DELETE FROM ruled", REFUSE, ROWS, "ruled"},
    {"DELETE FROM secured WHERE id = 1", REFUSE, ROWS, "secured"},
    {"SELECT * FROM secured", REFUSE, ROWS, ""},
    {"DELETE FROM vw WHERE id = 1", REFUSE, ROWS, "t u"},
    {"UPDATE vw SET a = 1", REFUSE, ROWS, "t"},
    {"DELETE FROM vw_instead", REFUSE, ROWS, "t u"},
    {"MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", REFUSE, ROWS, "t u"},
    {"MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = 1"
     " WHEN NOT MATCHED THEN INSERT VALUES (1)", REFUSE, ROWS, "t"},
    {"MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (1)", REFUSE, RECORD, ""},
    {"MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DO NOTHING", REFUSE, ROWS, ""},
    {"WITH x AS (DELETE FROM u WHERE id = 1 RETURNING id) SELECT * FROM x", WHOLE, ROWS, "u"},
    {"WITH x AS (DELETE FROM u RETURNING id) SELECT * FROM x", WHOLE, WHOLE, "u"},
    {"WITH x AS (DELETE FROM u WHERE id = 1), y AS (UPDATE parts SET id = 1) SELECT 1", WHOLE, WHOLE,
     "u parts parts_1"},
    {"REFRESH MATERIALIZED VIEW mv", WHOLE, WHOLE, "mv"},
    {"TRUNCATE u", WHOLE, WHOLE, "u"},
    {"TRUNCATE t CASCADE", WHOLE, WHOLE, "t u"},

    /* Code given as text, or run by name. */
    {"DO 'BEGIN DELETE FROM t; END'", REFUSE, ROWS, "t u"},
    {"DO 'BEGIN DELETE FROM u WHERE id = 1; END'", REFUSE, ROWS, "u"},
    {"DO 'BEGIN INSERT INTO u VALUES (1); END'", RECORD, RECORD, ""},
    {"DO 'BEGIN PERFORM id FROM u; END'", NONE, NONE, ""},
    {"DO 'BEGIN TRUNCATE u; END'", WHOLE, WHOLE, "u"},
    {"DO 'BEGIN CREATE TABLE n (id int); END'", RECORD, RECORD, ""},
    {"DO 'BEGIN DROP TABLE u; END'", WHOLE, WHOLE, "u"},
    {"DO 'BEGIN DROP TABLE IF EXISTS n; CREATE TEMP TABLE n (id int); INSERT INTO n VALUES (1);"
     " TRUNCATE n; END'", RECORD, RECORD, ""},
    {"DO 'BEGIN ALTER TABLE t DROP COLUMN a; END'", REFUSE, ROWS, ""},
    {"DO 'BEGIN TRUNCATE u; PERFORM f(); END'", REFUSE, ROWS, ""},
    {"DO 'BEGIN COMMENT ON TABLE t IS ''x''; END'", REFUSE, ROWS, ""},
    {"DO 'BEGIN COMMIT; END'", REFUSE, ROWS, ""},
    {"DO 'BEGIN PERFORM setval(''seq'', 1); END'", REFUSE, ROWS, ""},
    {"DO 'BEGIN PERFORM nextval(''seq''); END'", RECORD, RECORD, ""},
    {"CALL p()", REFUSE, ROWS, ""},
    {"SELECT f()", REFUSE, ROWS, ""},
    {"SELECT * FROM nowhere_function()", REFUSE, ROWS, ""},
    {"SELECT query_to_xml('DELETE FROM t RETURNING 1', true, true, '')", REFUSE, ROWS, ""},
    {"COPY (SELECT f()) TO STDOUT", REFUSE, ROWS, ""},
    {"LOAD 'x'", REFUSE, REFUSE, ""},
    {"COPY t FROM '/x'", RECORD, RECORD, ""},
    {"COPY t TO '/x'", REFUSE, REFUSE, ""},
    {"COPY t FROM PROGRAM 'x'", REFUSE, REFUSE, ""},
    {"COPY t TO PROGRAM 'x'", REFUSE, REFUSE, ""},
    /* What no audit in this transaction shows. */
    {"SELECT * FROM dblink('', 'DELETE FROM t') AS x(a int)", REFUSE, REFUSE, ""},
    {"SELECT f(), pg_terminate_backend(1)", REFUSE, REFUSE, ""},
    {"SELECT pg_catalog.pg_read_file('x')", REFUSE, REFUSE, ""},
    {"SELECT lo_unlink(1)", REFUSE, REFUSE, ""},
    {"SELECT lo_export(1, 'x')", REFUSE, REFUSE, ""},
    {"DELETE FROM t WHERE id = lo_unlink(1)", REFUSE, REFUSE, ""},
    {"SELECT pg_drop_replication_slot('x')", REFUSE, REFUSE, ""},
    {"DELETE FROM remote WHERE id = 1", REFUSE, REFUSE, ""},
    {"DELETE FROM t WHERE id IN (SELECT id FROM remote)", REFUSE, REFUSE, ""},
    {"INSERT INTO remote VALUES (1)", REFUSE, REFUSE, ""},
    {"DELETE FROM pg_catalog.pg_class WHERE oid = 1", REFUSE, REFUSE, ""},
    {"DELETE FROM pg_largeobject WHERE loid = 1", REFUSE, REFUSE, ""},
    {"DELETE FROM t WHERE b = 'a\\' OR id = 1 --'", REFUSE, REFUSE, ""},
    {"DELETE FRM t", REFUSE, REFUSE, ""},

    /* Objects. */
    {"CREATE TABLE n (id int)", RECORD, RECORD, ""},
    {"CREATE TABLE n AS SELECT f()", REFUSE, REFUSE, ""},
    {"SELECT f() INTO n", REFUSE, REFUSE, ""},
    {"EXPLAIN ANALYZE CREATE TABLE n AS SELECT f()", REFUSE, REFUSE, ""},
    {"CREATE TEMP TABLE n (id int)", NONE, NONE, ""},
    {"CREATE FUNCTION n() RETURNS int LANGUAGE sql AS 'SELECT 1'", DEFINE, DEFINE, ""},
    {"CREATE TRIGGER n BEFORE DELETE ON t EXECUTE FUNCTION tr()", DEFINE, DEFINE, "t"},
    {"CREATE OR REPLACE VIEW vw AS SELECT id FROM u", DEFINE, DEFINE, ""},
    {"CREATE EXTENSION hstore", DEFINE, DEFINE, ""},
    {"CREATE DATABASE n", REFUSE, REFUSE, ""},
    {"CREATE INDEX CONCURRENTLY n ON t (a)", NONE, NONE, ""},
    {"COMMENT ON TABLE t IS 'x'", DEFINE, DEFINE, ""},
    {"ALTER TABLE t ADD COLUMN n int", RECORD, RECORD, ""},
    {"ALTER TABLE t DROP COLUMN a", WHOLE, WHOLE, "t"},
    {"ALTER TABLE t ALTER COLUMN a TYPE bigint", WHOLE, WHOLE, "t"},
    {"ALTER TABLE t DISABLE TRIGGER ALL", DEFINE, DEFINE, "t"},
    {"ALTER TABLE t OWNER TO helper", DEFINE, DEFINE, "t"},
    {"ALTER TYPE e ADD VALUE 'y'", RECORD, RECORD, ""},
    {"ALTER TYPE c ADD ATTRIBUTE z int", DEFINE, DEFINE, ""},
    {"ALTER TYPE c DROP ATTRIBUTE z", DEFINE, DEFINE, ""},
    {"ALTER TYPE c ALTER ATTRIBUTE z TYPE int", DEFINE, DEFINE, ""},
    {"ALTER TYPE c ADD ATTRIBUTE z int CASCADE", REFUSE, REFUSE, ""},
    {"GRANT SELECT ON t TO helper", DEFINE, DEFINE, ""},
    {"ALTER ROLE helper SET search_path = x", RECORD, RECORD, ""},
    {"ALTER SYSTEM SET work_mem = 1", RECORD, RECORD, ""},
    {"DROP TABLE u", WHOLE, WHOLE, "u"},
    {"DROP TABLE t CASCADE", WHOLE, WHOLE, "t mv"},
    {"DROP TABLE IF EXISTS nowhere", RECORD, RECORD, ""},
    {"DROP VIEW vw", DEFINE, DEFINE, ""},
    {"DROP MATERIALIZED VIEW mv", WHOLE, WHOLE, "mv"},
    {"DROP INDEX t_pkey", DEFINE, DEFINE, ""},
    {"DROP SEQUENCE seq", DEFINE, DEFINE, ""},
    {"DROP FUNCTION f()", DEFINE, DEFINE, ""},
    {"DROP SCHEMA public CASCADE", WHOLE, WHOLE,
     "t u parts parts_1 triggered ruled secured mv"},
    {"DROP OWNED BY helper", DEFINE, DEFINE, ""},
    {"DROP OWNED BY nobody_there", REFUSE, REFUSE, ""},
    {"DROP OWNED BY CURRENT_USER", REFUSE, REFUSE, ""},
    {"REASSIGN OWNED BY helper TO postgres", DEFINE, DEFINE, ""},
    {"DROP SERVER far CASCADE", DEFINE, DEFINE, ""},
    {"DROP SERVER elsewhere CASCADE", REFUSE, REFUSE, ""},
    {"DROP EXTENSION nothing_like_that", REFUSE, REFUSE, ""},
    {"ALTER EXTENSION plpgsql UPDATE", DEFINE, DEFINE, ""},
    {"ALTER EXTENSION plpgsql ADD TABLE t", REFUSE, REFUSE, ""},
    {"DROP ROLE helper", RECORD, RECORD, ""},
    {"DROP DATABASE postgres", REFUSE, REFUSE, ""},
    {"VACUUM t", NONE, NONE, ""}, {"ANALYZE t", NONE, NONE, ""}, {"REINDEX TABLE t", NONE, NONE, ""},

    /* Several at once: the whole tables before, the rest by what the audit says. */
    {"DELETE FROM u WHERE id = 1; TRUNCATE parts", WHOLE, WHOLE, "parts parts_1"},
    {"DELETE FROM u WHERE id = 1; UPDATE parts SET id = 1", WHOLE, WHOLE, "parts parts_1"},
    {"DELETE FROM u WHERE id = 1; TRUNCATE u", WHOLE, WHOLE, "u"},
    /* After that nobody else could read the rows. */
    {"DELETE FROM t WHERE id = 1; DROP TABLE u", WHOLE, WHOLE, "t u"},
    {"ALTER TABLE t ADD COLUMN n int; UPDATE t SET n = 1 WHERE id = 1", WHOLE, WHOLE, "t"},
    {"LOCK TABLE u; DELETE FROM u WHERE id = 1", WHOLE, WHOLE, "u"},
    {"CREATE TABLE n (id int); DELETE FROM u WHERE id = 1", WHOLE, ROWS, "u"},
    {"CREATE TABLE n (id int); DELETE FROM n WHERE id = 1", RECORD, RECORD, ""},
    {"CREATE TABLE n (id int); DELETE FROM n", RECORD, RECORD, ""},
    {"CREATE TABLE n (id int); DELETE FROM n; DELETE FROM u WHERE id = 1", WHOLE, ROWS, "u"},
    {"SELECT f(); DELETE FROM u WHERE id = 1", REFUSE, ROWS, "u"},
    {"SELECT f(); DELETE FROM u", REFUSE, WHOLE, "u"},
    {"SELECT setval('seq', 1); CREATE TABLE n (id int)", REFUSE, ROWS, ""},
    /* Who of them changed the catalog could not be told. */
    {"SELECT f(); DROP TABLE u", REFUSE, REFUSE, ""},
    {"SELECT f(); TRUNCATE u", REFUSE, REFUSE, ""},
    {"DO 'BEGIN PERFORM f(); END'; CREATE TABLE n (id int)", REFUSE, REFUSE, ""},
    {"DO 'BEGIN END'; CREATE TABLE n (id int)", RECORD, RECORD, ""},
    {"DELETE FROM u WHERE id = 1; GRANT SELECT ON t TO helper", WHOLE, ROWS, "u"},
    {"DELETE FROM u WHERE id = 1; VACUUM u", REFUSE, REFUSE, ""},
};
/* clang-format on */

struct verdict {
    struct bs_arena arena;
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_plan plan;
};

static bool
plan_as(struct verdict *v,
        const char *sql,
        struct bs_session_names names,
        struct bs_plan_limits limits)
{
    struct bs_err err = {0};

    bs_arena_init(&v->arena, "test", 16u << 20);
    if (bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &v->arena, &v->unit, &err) == BS_DONE &&
        bs_catalog_judge(snapshot, names, &v->unit, &v->arena, &v->facts, &err) == BS_DONE &&
        bs_plan_make(&v->unit, &v->facts, limits, &v->arena, &v->plan, &err) == BS_DONE)
        return true;
    printf("# %s\n", err.message);
    return false;
}

static bool
plan(struct verdict *v, const char *sql, bool rows)
{
    return plan_as(v, sql, (struct bs_session_names){0},
                   (struct bs_plan_limits){.max_bytes = 1 << 30, .rows = rows});
}

static void
put_tables(const struct bs_plan *p, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < p->n_tables && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i == 0 ? "" : " ", p->tables[i].name);
}

static int
plan_of(const struct bs_plan *p)
{
    return p->kind == RECORD && p->definition ? DEFINE : (int)p->kind;
}

/* What holds for every plan. */
static void
check_plan(const struct bs_plan *p, bool rows)
{
    EXPECT(p->why != NULL && p->why[0] != '\0');
    EXPECT(rows || p->kind != ROWS);
    EXPECT(p->kind != ROWS || (p->in_block && !p->audited));
    EXPECT(!p->definition || p->kind == ROWS || p->kind == WHOLE ||
           (p->kind == RECORD && p->audited));
    EXPECT(p->kind != WHOLE || (p->in_block && p->n_tables != 0));
    for (size_t i = 0; i < p->n_tables; i++) {
        EXPECT(i == 0 || p->tables[i - 1].oid < p->tables[i].oid);
        EXPECT(p->kind != ROWS || !p->tables[i].exclusive || p->tables[i].shape);
        EXPECT(p->kind == ROWS || p->kind == WHOLE || (p->kind == RECORD && p->tables[i].shape));
    }
}

static void
kinds(void)
{
    for (size_t i = 0; i < sizeof(plan_rows) / sizeof(plan_rows[0]); i++) {
        const struct row *row = &plan_rows[i];
        int missed = tap_misses;
        for (int rows = 0; rows < 2; rows++) {
            struct verdict v = {0};
            char tables[256];
            EXPECT(plan(&v, row->sql, rows == 1));
            EXPECT_EQ(plan_of(&v.plan), rows == 1 ? row->on : row->off);
            put_tables(&v.plan, tables, sizeof(tables));
            EXPECT(rows == 0 || row->tables == NULL || strcmp(tables, row->tables) == 0);
            check_plan(&v.plan, rows == 1);
            if (tap_misses != missed) {
                printf("# in row: %s\n#   rows %d: %s of %s: %s\n", row->sql, rows,
                       bs_plan_kind_name(v.plan.kind), tables, v.plan.why);
                for (size_t k = 0; k < v.unit.n_stmts; k++) {
                    for (size_t r = 0; r < v.unit.stmts[k].n_reasons; r++)
                        printf("#   %s\n", v.unit.stmts[k].reasons[r].code);
                }
            }
            bs_arena_fini(&v.arena);
        }
    }
}

/* The definition is for what loses its shape. */
static void
definitions(void)
{
    static const struct {
        const char *sql;
        bool off, on;
    } rows[] = {
        {"DELETE FROM u", true, false},
        {"UPDATE u SET v = 'x'", true, false},
        {"DROP TABLE u", true, true},
        {"TRUNCATE u", true, false},
        {"DELETE FROM u; DROP TABLE parts", true, true},
        {"ALTER TABLE u ADD COLUMN n int; UPDATE u SET n = 1", true, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int on = 0; on < 2; on++) {
            struct verdict v = {0};
            REQUIRE(plan(&v, rows[i].sql, on == 1));
            EXPECT_EQ(v.plan.kind, WHOLE);
            EXPECT_EQ(v.plan.definition, on == 1 ? rows[i].on : rows[i].off);
            bs_arena_fini(&v.arena);
        }
    }
}

static void
unvetted(void)
{
    static const struct {
        const char *sql;
        bool want;
    } rows[] = {
        {"SELECT f()", true},
        {"DO 'BEGIN END'", false},
        {"DO 'BEGIN PERFORM f(); END'", true},
        {"DO 'BEGIN DELETE FROM u; END'", false},
        {"DO 'BEGIN TRUNCATE u; END'", false},
        {"DO 'BEGIN PERFORM setval(''seq'', 1); END'", true},
        {"DO 'BEGIN EXECUTE current_query(); END'", true},
        {"DELETE FROM u WHERE id = 1; SELECT f()", true},
        {"SELECT f(); DELETE FROM u", true},
        {"DELETE FROM vw WHERE id = 1", true},
        {"DELETE FROM u WHERE id = 1", false},
        {"MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", false},
        {"SELECT setval('seq', 1)", false},
        {"TRUNCATE u", false},
        {"SELECT id FROM t", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct verdict v = {0};
        REQUIRE(plan(&v, rows[i].sql, true));
        EXPECT_EQ(v.plan.unvetted, rows[i].want);
        bs_arena_fini(&v.arena);
    }
}

/* What is copied whole has a ceiling; what is kept as rows has none here. */
static void
limits(void)
{
    const struct bs_session_names names = {0};
    const struct bs_plan_limits small = {.max_bytes = -1, .rows = true};
    struct verdict v = {0};

    REQUIRE(plan_as(&v, "DELETE FROM u WHERE id = 1", names, small));
    EXPECT_EQ(v.plan.kind, ROWS);
    bs_arena_fini(&v.arena);
    REQUIRE(plan_as(&v, "DELETE FROM u", names, small));
    EXPECT_EQ(v.plan.kind, REFUSE);
    bs_arena_fini(&v.arena);
}

/* A name that only the session has may be anything; one that nobody has is an error anyway. */
static void
session(void)
{
    const struct bs_plan_limits on = {.max_bytes = 1 << 30, .rows = true};
    const struct bs_session_names temporary = {.temporary = true}, path = {.path_changed = true};
    struct verdict v = {0};

    REQUIRE(plan_as(&v, "DELETE FROM only_here WHERE id = 1", temporary, on));
    EXPECT(v.plan.kind == ROWS && !v.facts.unknown_name);
    bs_arena_fini(&v.arena);
    REQUIRE(plan(&v, "DELETE FROM only_here WHERE id = 1", true));
    EXPECT(v.plan.kind == REFUSE && v.facts.unknown_name);
    bs_arena_fini(&v.arena);
    REQUIRE(plan_as(&v, "DELETE FROM u WHERE id = 1", path, on));
    EXPECT(v.plan.kind == ROWS);
    bs_arena_fini(&v.arena);
    REQUIRE(plan_as(&v, "DROP TABLE only_here", temporary, on));
    EXPECT(v.plan.kind == REFUSE);
    bs_arena_fini(&v.arena);
}

static size_t
selects_of(const char *sql, struct bs_session_names session, char *tables, size_t size)
{
    struct verdict v = {0};
    struct bs_err err = {0};
    size_t n = 0;

    EXPECT(plan(&v, sql, true));
    EXPECT(bs_plan_select(snapshot, session, &v.unit, bs_bytes_of(sql), &v.arena, &v.plan, &err) ==
           BS_DONE);
    tables[0] = '\0';
    for (size_t i = 0; i < v.plan.n_selects; i++) {
        const struct bs_plan_select *s = &v.plan.selects[i];
        EXPECT(s->sql != NULL && strncmp(s->sql, "SELECT ", 7) == 0 && s->oid != 0);
        EXPECT(strstr(s->sql, s->name) != NULL && strcmp(s->schema, "public") == 0);
        EXPECT_EQ(v.unit.stmts[s->stmt].kind, s->kind);
        n += (size_t)snprintf(tables + n, size - n, "%s%zu %s", i == 0 ? "" : ", ", s->stmt,
                              s->name);
    }
    n = v.plan.n_selects;
    bs_arena_fini(&v.arena);
    return n;
}

static void
selects(void)
{
    static const struct {
        const char *sql, *want; /* statement and table of each */
    } rows[] = {
        {"DELETE FROM u WHERE id = 1", "0 u"},
        {"DELETE FROM t WHERE id = $1", "0 t"},
        {"UPDATE parts SET id = 1 WHERE id = 2", "0 parts"},
        {"  DELETE FROM u WHERE id = 1 ; UPDATE t SET b = 'x' WHERE id = 2;", "0 u, 1 t"},
        {"SELECT 1; INSERT INTO t VALUES (1); DELETE FROM u WHERE id = 1", "2 u"},
        /* One that cannot be told is enough. */
        {"DELETE FROM u WHERE id = 1; DELETE FROM u WHERE v = now()::text", ""},
        {"DELETE FROM u WHERE id = 1; MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE",
         ""},
        {"DELETE FROM u WHERE id = 1; INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = "
         "1",
         ""},
        {"DELETE FROM u WHERE id = 1; INSERT INTO triggered VALUES (1)", ""},
        {"DELETE FROM u WHERE id = 1; SELECT setval('seq', 1)", ""},
        {"DELETE FROM u WHERE id = 1; SELECT nextval('seq')", ""},
        {"SELECT f(); DELETE FROM u WHERE id = 1", ""},
        {"DELETE FROM u WHERE id = 1 RETURNING f()", ""},
        {"UPDATE u SET v = f()::text WHERE id = 1", ""},
        {"WITH x AS (DELETE FROM t WHERE id = 1) DELETE FROM u WHERE id = 1", ""},
        {"WITH x AS (DELETE FROM t WHERE id = 1) SELECT 1", ""},
        {"EXPLAIN ANALYZE DELETE FROM u WHERE id = 1", ""},
        {"PREPARE x AS DELETE FROM u WHERE id = 1", ""},
        {"DELETE FROM triggered WHERE id = 1", ""},
        {"DELETE FROM ruled WHERE id = 1", ""},
        {"DELETE FROM vw WHERE id = 1", ""},
        {"DELETE FROM secured WHERE id = 1", ""},
        {"DELETE FROM u WHERE v = 'a\\b' AND id = 1", ""},
        {"DELETE FROM u WHERE id = 1 AND v <> U&'a'", "0 u"},
        {"UPDATE u SET v = 'a\\b' WHERE id = 1", ""},
        {"DELETE FROM u", ""},
        {"DELETE FROM u WHERE 1 = 1", ""},
        {"DELETE FROM u WHERE id = 1; TRUNCATE parts", ""},
        {"CREATE TABLE n (id int); DELETE FROM u WHERE id = 1", "1 u"},
        {"COPY t FROM STDIN; DELETE FROM u WHERE id = 1", "1 u"},
        {"SELECT set_config('search_path', 'x, pg_catalog', true); DELETE FROM u WHERE id = 1", ""},
        {"DO 'BEGIN END'", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char tables[128];
        size_t n = selects_of(rows[i].sql, (struct bs_session_names){0}, tables, sizeof(tables));
        EXPECT((n == 0) == (rows[i].want[0] == '\0'));
        EXPECT(strcmp(tables, rows[i].want) == 0);
        if (strcmp(tables, rows[i].want) != 0)
            printf("# in row: %s\n#   selects: %s\n", rows[i].sql, tables);
    }
    for (int flag = 0; flag < 3; flag++) {
        const struct bs_session_names session = {flag == 0, flag == 1, flag == 2};
        char tables[128];
        EXPECT_EQ(selects_of("DELETE FROM u WHERE id = 1", session, tables, sizeof(tables)), 0);
    }
}

/* Whatever a reader may note one day: what is no change of rows is not on the list. */
static void
seen(void)
{
    struct bs_effect effect = {.kind = BS_KIND_DELETE};
    struct bs_stmt stmt = {.kind = BS_KIND_SELECT, .effects = &effect, .n_effects = 1};
    const struct bs_facts facts = {0};

    EXPECT(bs_stmt_is_seen(&stmt, &facts));
    effect.kind = BS_KIND_DROP_TABLE;
    EXPECT(!bs_stmt_is_seen(&stmt, &facts));
    EXPECT(!bs_stmt_is_seen(&(struct bs_stmt){0}, &facts));
}

static void
names(void)
{
    static const char *const want[] = {"refuse", "none", "record", "rows", "whole"};

    for (int kind = REFUSE; kind <= (int)WHOLE; kind++)
        EXPECT(strcmp(bs_plan_kind_name((enum bs_plan_kind)kind), want[kind]) == 0);
}

static const struct tap_case cases[] = {
    {"a plan for every kind", kinds},
    {"the definition where it is needed", definitions},
    {"code that nobody has vetted", unvetted},
    {"limits", limits},
    {"what only the session has", session},
    {"selects", selects},
    {"what the audit sees", seen},
    {"names", names},
};

int
main(void)
{
    struct bs_err err = {0};
    int failed = 1;

    if (!server_start(&server))
        return 0;
    (void)snprintf(helper, sizeof(helper), "host=%s user=helper dbname=postgres", server.dir);
    if (server_run(&server, schema_sql) && bs_snapshot_load(helper, &snapshot, &err) == BS_DONE)
        failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    else
        printf("Bail out! %s\n", err.message);
    bs_snapshot_unref(&snapshot);
    server_stop(&server);
    return failed;
}
