/*
 * A refreshed snapshot is the one that a load would have made: definitions at random, in
 * transactions that commit, roll back or stay open, and after each few of them both are compared.
 */
#include "catalog/model.h"
#include "catalog/session.h"
#include "server.h"
#include "tap.h"

static struct server server;
static char helper[160];
static PGconn *one, *two;

static const char setup_sql[] =
    "CREATE ROLE helper LOGIN BYPASSRLS; CREATE ROLE other;"
    "CREATE SCHEMA s0; CREATE SCHEMA s1; CREATE SCHEMA s2;"
    "CREATE TABLE base (a int PRIMARY KEY, b text);"
    "CREATE FUNCTION base_f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';"
    "CREATE TYPE base_e AS ENUM ('x')";

/* %d becomes a small number, so that names meet; most of them fail, as they should. */
static const char *const templates[] = {
    "CREATE TABLE s%d.t%d (a int PRIMARY KEY, b text DEFAULT md5('%d'), c numeric CHECK (c > %d))",
    "CREATE TABLE s%d.t%d (a serial UNIQUE, b base_e, g int GENERATED ALWAYS AS (a + %d) STORED)",
    "CREATE TABLE s%d.t%d (a int GENERATED ALWAYS AS IDENTITY, r base, rs base[], d s%d.d%d)",
    "CREATE TABLE s%d.t%d (LIKE base INCLUDING ALL) INHERITS (s%d.t%d)",
    "CREATE TABLE s%d.p%d (a int, b text) PARTITION BY RANGE (abs(a), b)",
    "CREATE TABLE s%d.p%d (a int, b text, PRIMARY KEY (a)) PARTITION BY HASH (a)",
    "CREATE TABLE s%d.t%d PARTITION OF s%d.p%d FOR VALUES WITH (MODULUS 4, REMAINDER %d)",
    "CREATE TABLE s%d.t%d PARTITION OF s%d.p%d DEFAULT",
    "ALTER TABLE s%d.p%d ATTACH PARTITION s%d.t%d DEFAULT",
    "ALTER TABLE s%d.p%d DETACH PARTITION s%d.t%d",
    "CREATE TEMP TABLE tmp%d (a serial PRIMARY KEY, b text CHECK (b <> ''))",
    "DROP TABLE IF EXISTS pg_temp.tmp%d",
    "CREATE UNLOGGED TABLE s%d.t%d AS SELECT %d AS n",
    "DROP TABLE s%d.t%d",
    "DROP TABLE s%d.t%d CASCADE",
    "DROP TABLE s%d.p%d CASCADE",
    "TRUNCATE s%d.t%d CASCADE",
    "ALTER TABLE s%d.t%d ADD COLUMN x%d int DEFAULT base_f(%d)",
    "ALTER TABLE s%d.t%d DROP COLUMN x%d",
    "ALTER TABLE s%d.t%d DROP COLUMN b CASCADE",
    "ALTER TABLE s%d.t%d RENAME COLUMN x%d TO x%d",
    "ALTER TABLE s%d.t%d RENAME TO t%d",
    "ALTER TABLE s%d.t%d ALTER COLUMN b TYPE varchar(%d0)",
    "ALTER TABLE s%d.t%d ALTER COLUMN a TYPE bigint",
    "ALTER TABLE s%d.t%d ALTER COLUMN b DROP DEFAULT",
    "ALTER TABLE s%d.t%d ALTER COLUMN b SET DEFAULT upper('%d')",
    "ALTER TABLE s%d.t%d ALTER COLUMN g DROP EXPRESSION",
    "ALTER TABLE s%d.t%d SET SCHEMA s%d",
    "ALTER TABLE s%d.t%d OWNER TO other",
    "ALTER TABLE s%d.t%d OWNER TO postgres",
    "ALTER TABLE s%d.t%d INHERIT s%d.t%d",
    "ALTER TABLE s%d.t%d NO INHERIT s%d.t%d",
    "ALTER TABLE s%d.t%d ADD CONSTRAINT k%d CHECK (length(b) > %d)",
    "ALTER TABLE s%d.t%d ADD CONSTRAINT k%d FOREIGN KEY (a) REFERENCES s%d.t%d ON DELETE CASCADE",
    "ALTER TABLE s%d.t%d ADD CONSTRAINT k%d FOREIGN KEY (a) REFERENCES base (a) ON UPDATE SET NULL",
    "ALTER TABLE s%d.t%d DROP CONSTRAINT k%d CASCADE",
    "ALTER TABLE s%d.t%d RENAME CONSTRAINT k%d TO k%d",
    "ALTER TABLE s%d.t%d ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE s%d.t%d DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE s%d.t%d DISABLE TRIGGER ALL",
    "ALTER TABLE s%d.t%d ENABLE ALWAYS TRIGGER g%d",
    "ALTER TABLE s%d.t%d SET UNLOGGED",
    "ALTER TABLE s%d.t%d SET LOGGED",
    "VACUUM FULL s%d.t%d",
    "ANALYZE s%d.t%d",
    "VACUUM pg_attribute, pg_class, pg_depend, pg_constraint",
    "VACUUM (FREEZE) pg_class, pg_proc, pg_attribute",
    "VACUUM FULL pg_depend",
    "CREATE INDEX i%d ON s%d.t%d (a)",
    "CREATE UNIQUE INDEX i%d ON s%d.t%d (a, b)",
    "CREATE INDEX i%d ON s%d.t%d (base_f(a::int)) WHERE a > %d",
    "CREATE INDEX CONCURRENTLY i%d ON s%d.t%d (b)",
    "REINDEX TABLE s%d.t%d",
    "REINDEX TABLE CONCURRENTLY s%d.t%d",
    "DROP INDEX s%d.i%d",
    "CLUSTER s%d.t%d USING i%d",
    "CREATE STATISTICS s%d.st%d ON (upper(b)), (a + %d) FROM s%d.t%d",
    "DROP STATISTICS s%d.st%d",
    "CREATE VIEW s%d.v%d AS SELECT a, base_f(a::int) AS f FROM s%d.t%d WHERE a > %d",
    "CREATE OR REPLACE VIEW s%d.v%d AS SELECT a, length(b) AS f FROM s%d.t%d",
    "CREATE OR REPLACE VIEW s%d.v%d AS SELECT a, %d AS f FROM base",
    "CREATE MATERIALIZED VIEW s%d.m%d AS SELECT * FROM s%d.v%d",
    "ALTER VIEW s%d.v%d RENAME TO v%d",
    "DROP VIEW s%d.v%d",
    "DROP VIEW s%d.v%d CASCADE",
    "DROP MATERIALIZED VIEW s%d.m%d",
    "CREATE SEQUENCE s%d.q%d OWNED BY s%d.t%d.a",
    "ALTER SEQUENCE s%d.q%d OWNED BY NONE",
    "ALTER SEQUENCE s%d.q%d OWNED BY s%d.t%d.a",
    "DROP SEQUENCE s%d.q%d CASCADE",
    "CREATE FUNCTION s%d.f%d(x int DEFAULT %d) RETURNS int LANGUAGE sql AS 'SELECT x + %d'",
    "CREATE OR REPLACE FUNCTION s%d.f%d(x int DEFAULT %d) RETURNS int LANGUAGE plpgsql"
    " AS 'BEGIN RETURN x * %d; END' SET work_mem = '%dMB'",
    "CREATE FUNCTION s%d.f%d(x int) RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM s%d.t%d; END",
    "CREATE FUNCTION s%d.g%d() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE FUNCTION s%d.e%d() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "ALTER FUNCTION s%d.f%d(int) STABLE",
    "ALTER FUNCTION s%d.f%d(int) SECURITY DEFINER SET search_path = s%d",
    "ALTER FUNCTION s%d.f%d(int) RENAME TO f%d",
    "ALTER FUNCTION s%d.f%d(int) SET SCHEMA s%d",
    "DROP FUNCTION s%d.f%d(int)",
    "DROP FUNCTION s%d.f%d(int) CASCADE",
    "DROP FUNCTION s%d.g%d() CASCADE",
    "CREATE AGGREGATE s%d.a%d(int) (SFUNC = base_sum, STYPE = int)",
    "CREATE FUNCTION base_sum(int, int) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2'",
    "DROP AGGREGATE s%d.a%d(int)",
    "CREATE TRIGGER g%d BEFORE INSERT OR UPDATE ON s%d.t%d FOR EACH ROW WHEN (NEW.a > %d)"
    " EXECUTE FUNCTION s%d.g%d()",
    "CREATE TRIGGER g%d AFTER TRUNCATE ON s%d.t%d EXECUTE FUNCTION s%d.g%d()",
    "DROP TRIGGER g%d ON s%d.t%d",
    "ALTER TABLE s%d.t%d DISABLE TRIGGER g%d",
    "CREATE EVENT TRIGGER ev%d ON ddl_command_end EXECUTE FUNCTION s%d.e%d()",
    "ALTER EVENT TRIGGER ev%d DISABLE",
    "DROP EVENT TRIGGER ev%d",
    "CREATE RULE r%d AS ON DELETE TO s%d.t%d DO INSTEAD NOTHING",
    "CREATE RULE r%d AS ON UPDATE TO s%d.v%d DO INSTEAD DELETE FROM s%d.t%d",
    "ALTER TABLE s%d.t%d DISABLE RULE r%d",
    "DROP RULE r%d ON s%d.t%d",
    "CREATE POLICY po%d ON s%d.t%d USING (a > base_f(%d))",
    "ALTER POLICY po%d ON s%d.t%d USING (true) WITH CHECK (a > %d)",
    "DROP POLICY po%d ON s%d.t%d",
    "CREATE DOMAIN s%d.d%d AS int CHECK (VALUE > base_f(%d)) DEFAULT %d",
    "CREATE DOMAIN s%d.d%d AS s%d.d%d",
    "ALTER DOMAIN s%d.d%d ADD CONSTRAINT k%d CHECK (VALUE <> %d)",
    "ALTER DOMAIN s%d.d%d DROP CONSTRAINT k%d",
    "ALTER DOMAIN s%d.d%d SET DEFAULT %d",
    "DROP DOMAIN s%d.d%d CASCADE",
    "CREATE TYPE s%d.y%d AS (a int, b text)",
    "CREATE TYPE s%d.y%d AS ENUM ('a', 'b')",
    "CREATE TYPE s%d.y%d AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = int4range_subdiff)",
    "ALTER TYPE s%d.y%d ADD ATTRIBUTE z%d int",
    "ALTER TYPE s%d.y%d DROP ATTRIBUTE z%d",
    "ALTER TYPE s%d.y%d RENAME TO y%d",
    "DROP TYPE s%d.y%d CASCADE",
    "CREATE CAST (s%d.y%d AS int) WITH FUNCTION s%d.c%d(s%d.y%d)",
    "CREATE FUNCTION s%d.c%d(s%d.y%d) RETURNS int LANGUAGE sql AS 'SELECT %d'",
    "DROP CAST (s%d.y%d AS int)",
    "CREATE OPERATOR s%d.### (LEFTARG = int, RIGHTARG = int, FUNCTION = base_sum)",
    "DROP OPERATOR s%d.### (int, int)",
    "CREATE PUBLICATION pub%d FOR TABLE s%d.t%d",
    "CREATE PUBLICATION pub%d FOR ALL TABLES",
    "CREATE PUBLICATION pub%d FOR TABLES IN SCHEMA s%d",
    "ALTER PUBLICATION pub%d SET (publish = 'insert')",
    "DROP PUBLICATION pub%d",
    "CREATE EXTENSION IF NOT EXISTS hstore SCHEMA s%d",
    "CREATE EXTENSION IF NOT EXISTS citext SCHEMA s%d",
    "ALTER EXTENSION hstore ADD FUNCTION s%d.f%d(int)",
    "ALTER EXTENSION hstore DROP FUNCTION s%d.f%d(int)",
    "ALTER EXTENSION citext SET SCHEMA s%d",
    "DROP EXTENSION hstore CASCADE",
    "DROP EXTENSION citext CASCADE",
    "CREATE SCHEMA n%d CREATE TABLE inside (a int REFERENCES public.base)",
    "ALTER SCHEMA n%d RENAME TO n%d",
    "DROP SCHEMA n%d CASCADE",
    "ALTER FUNCTION s%d.f%d(int) DEPENDS ON EXTENSION citext",
    "REASSIGN OWNED BY other TO postgres",
    "INSERT INTO base VALUES (%d%d%d)",
    "DELETE FROM base WHERE a < %d",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static uint32_t seed;

static uint32_t
chance(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static char last[16][512]; /* what was run since the comparison before */
static size_t n_last;

static bool
run(PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    bool done = PQresultStatus(res) == PGRES_COMMAND_OK;

    if (n_last < COUNT(last))
        (void)snprintf(last[n_last++], sizeof(last[0]), "%s %s: %s", c == one ? "one" : "two",
                       done ? "did" : "failed", sql);
    PQclear(res);
    return done;
}

static bool
run_random(PGconn *c)
{
    const char *t = templates[chance(COUNT(templates))];
    char sql[512];
    size_t n = 0;

    for (; *t != '\0' && n < sizeof(sql) - 2; t++) {
        if (t[0] == '%' && t[1] == 'd') {
            sql[n++] = (char)('0' + chance(3));
            t++;
        } else {
            sql[n++] = *t;
        }
    }
    sql[n] = '\0';
    return run(c, sql);
}

/* A few definitions, each under a savepoint that stays or goes. */
static void
run_block(PGconn *c)
{
    for (uint32_t i = chance(6); i > 0; i--) {
        (void)run(c, "SAVEPOINT s");
        if (!run_random(c) || chance(3) == 0)
            (void)run(c, "ROLLBACK TO s");
        else if (chance(2) == 0)
            (void)run(c, "RELEASE s");
    }
}

static void
run_transaction(PGconn *c)
{
    (void)run(c, "BEGIN");
    run_block(c);
    (void)run(c, chance(3) == 0 ? "ROLLBACK" : "COMMIT");
}

static bool
same_table(enum bs_table_id id, const struct bs_table *a, const struct bs_table *b)
{
    const struct bs_table_def *def = &bs_tables[id];
    size_t n = a->n < b->n ? a->n : b->n;

    for (size_t i = 0; i < n; i++) {
        if (bs_rows_equal(def, a->rows + i * def->stride, b->rows + i * def->stride))
            continue;
        printf("# row %zu of %s: %u, loaded %u\n", i, def->from,
               *(const uint32_t *)(const void *)(a->rows + i * def->stride),
               *(const uint32_t *)(const void *)(b->rows + i * def->stride));
        return false;
    }
    if (a->n != b->n)
        printf("# %s: %zu rows, loaded %zu\n", def->from, a->n, b->n);
    return a->n == b->n;
}

/* Everything else is worked out from the tables, by the same code. */
static bool
same(const struct bs_snapshot *a, const struct bs_snapshot *b)
{
    bool equal = true;

    for (int id = 0; id < BS_TABLE_COUNT; id++) {
        /* A lock may have kept the load from printing bodies; the old ones are still right. */
        bool locked = id == BS_TABLE_BODY && b->tables[id]->n == 0;
        if (id != BS_TABLE_ESTIMATE && !locked)
            equal = same_table((enum bs_table_id)id, a->tables[id], b->tables[id]) && equal;
    }
    return equal && a->n_relations == b->n_relations && a->n_functions == b->n_functions &&
           a->n_types == b->n_types && a->n_deps == b->n_deps && a->n_fks == b->n_fks;
}

static int refreshed, unchanged;

static bool
compare(struct bs_snapshot **s)
{
    struct bs_snapshot *next = NULL, *fresh = NULL;
    struct bs_err err = {0};
    bool ok;

    if (bs_snapshot_refresh(helper, *s, &next, &err) != BS_DONE ||
        bs_snapshot_load(helper, &fresh, &err) != BS_DONE) {
        printf("# %s\n", err.message);
        bs_snapshot_unref(&next);
        return false;
    }
    ok = same(next, fresh);
    refreshed++;
    unchanged += next == *s;
    for (size_t i = 0; !ok && i < n_last; i++)
        printf("# %s\n", last[i]);
    n_last = 0;
    bs_snapshot_unref(s);
    bs_snapshot_unref(&fresh);
    *s = next;
    return ok;
}

/* One of them keeps a transaction open over several comparisons. */
static void
at_random(void)
{
    const char *rounds = getenv("BACKSTOP_ROUNDS");
    int n = rounds == NULL ? 120 : atoi(rounds);
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};
    bool open = false, ok = true;

    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    for (int i = 0; ok && i < n; i++) {
        for (uint32_t k = chance(4); k > 0; k--)
            (void)run_random(one);
        if (chance(2) == 0)
            run_transaction(one);
        if (!open && chance(3) == 0)
            open = run(two, "BEGIN");
        if (open)
            run_block(two);
        if (open && chance(3) == 0) {
            (void)run(two, chance(3) == 0 ? "ROLLBACK" : "COMMIT");
            open = false;
        }
        ok = compare(&s);
        EXPECT(ok);
    }
    (void)run(two, "ROLLBACK");
    EXPECT(compare(&s));
    printf("# %d refreshes, %d of them without a change\n", refreshed, unchanged);
    bs_snapshot_unref(&s);
}

/* Nothing happened: it is the same snapshot. Whatever happened elsewhere does not count either. */
static void
nothing_changed(void)
{
    struct bs_snapshot *s = NULL, *next = NULL;
    struct bs_err err = {0};

    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    REQUIRE(bs_snapshot_refresh(helper, s, &next, &err) == BS_DONE);
    EXPECT(next == s);
    bs_snapshot_unref(&next);
    (void)run(one, "INSERT INTO base VALUES (77777)");
    REQUIRE(bs_snapshot_refresh(helper, s, &next, &err) == BS_DONE);
    EXPECT(next == s);
    bs_snapshot_unref(&next);
    bs_snapshot_unref(&s);
}

static enum bs_change
change(struct bs_catalog_session *c, const struct bs_snapshot *s)
{
    enum bs_change found = BS_CHANGE_LIKELY;
    struct bs_err err = {0};

    EXPECT(bs_catalog_session_look(c, s, &found, &err) == BS_DONE);
    return found;
}

/* NONE is said only when it is certain, and again as soon as it is. */
static void
looks(void)
{
    struct bs_catalog_session *c = bs_catalog_session_new(helper);
    struct bs_snapshot *s = NULL, *next = NULL;
    struct bs_err err = {0};

    REQUIRE(bs_catalog_session_read(c, NULL, &s, &err) == BS_DONE);
    EXPECT_EQ(change(c, s), BS_CHANGE_NONE);
    (void)run(one, "INSERT INTO base VALUES (88888)");
    EXPECT(change(c, s) != BS_CHANGE_NONE);
    REQUIRE(bs_catalog_session_read(c, s, &next, &err) == BS_DONE);
    EXPECT(next == s);
    EXPECT_EQ(change(c, s), BS_CHANGE_NONE);
    bs_snapshot_unref(&next);
    (void)run(one, "BEGIN");
    (void)run(one, "CREATE TABLE looked_for (a int)");
    REQUIRE(bs_catalog_session_read(c, s, &next, &err) == BS_DONE);
    EXPECT(next == s);
    bs_snapshot_unref(&next);
    (void)run(one, "COMMIT");
    EXPECT(change(c, s) != BS_CHANGE_NONE);
    REQUIRE(bs_catalog_session_read(c, s, &next, &err) == BS_DONE);
    EXPECT(next != s && bs_snapshot_find_relation(next, NULL, "looked_for", NULL) != NULL);
    EXPECT_EQ(change(c, next), BS_CHANGE_NONE);
    bs_catalog_session_rest(c); /* another connection says the same */
    EXPECT_EQ(change(c, next), BS_CHANGE_NONE);
    bs_snapshot_unref(&next);
    bs_snapshot_unref(&s);
    bs_catalog_session_free(&c);
}

/* Definitions that were open when it was loaded, and end later, in any order. */
static void
open_at_the_load(void)
{
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};

    (void)run(one, "BEGIN");
    (void)run(one, "CREATE TABLE open1 (a int DEFAULT base_f(1))");
    (void)run(two, "BEGIN");
    (void)run(two, "SAVEPOINT x");
    (void)run(two, "CREATE TABLE open2 (a int, b text)");
    (void)run(two, "SAVEPOINT y");
    (void)run(two, "ALTER TABLE open2 DROP COLUMN b");
    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    (void)run(one, "COMMIT");
    EXPECT(compare(&s));
    EXPECT(bs_snapshot_find_relation(s, "public", "open1", NULL) != NULL);
    (void)run(one, "CREATE TABLE open3 ()");
    EXPECT(compare(&s));
    (void)run(two, "ROLLBACK TO y");
    (void)run(two, "COMMIT");
    EXPECT(compare(&s));
    EXPECT(bs_snapshot_find_relation(s, "public", "open2", NULL) != NULL);
    bs_snapshot_unref(&s);
}

/* Many small changes: chunks of texts do not pile up. */
static void
many_changes(void)
{
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};
    bool ok = true;

    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    for (int i = 0; ok && i < 40; i++) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "CREATE TABLE many%d (a int PRIMARY KEY)", i);
        (void)run(one, sql);
        ok = compare(&s);
    }
    EXPECT(ok);
    for (int id = 0; id < BS_TABLE_COUNT; id++)
        EXPECT(s->tables[id]->n_chunks <= BS_TABLE_CHUNKS);
    bs_snapshot_unref(&s);
}

static const struct tap_case cases[] = {
    {"nothing changed", nothing_changed},
    {"looks", looks},
    {"transactions that were open at the load", open_at_the_load},
    {"many changes", many_changes},
    {"definitions at random", at_random},
};

int
main(void)
{
    const char *given = getenv("BACKSTOP_SEED");
    int failed = 1;

    if (!server_start(&server))
        return 0;
    seed = given == NULL ? (uint32_t)getpid() : (uint32_t)strtoul(given, NULL, 10);
    printf("# BACKSTOP_SEED=%u\n", seed);
    (void)snprintf(helper, sizeof(helper), "host=%s user=helper dbname=postgres", server.dir);
    one = PQconnectdb(server.conninfo);
    two = PQconnectdb(server.conninfo);
    (void)run(one, "SET lock_timeout = '20ms'");
    (void)run(two, "SET lock_timeout = '20ms'");
    if (server_run(&server, setup_sql))
        failed = tap_main(cases, COUNT(cases));
    else
        printf("1..1\nnot ok 1 - the schema\n");
    PQfinish(one);
    PQfinish(two);
    server_stop(&server);
    return failed;
}
