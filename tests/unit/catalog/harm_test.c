/*
 * harm_test.c - pairs of statements: what one was meant to do, and whether another would do it too.
 */
#include "catalog/harm.h"

#include "catalog/effect.h"
#include "server.h"
#include "tap.h"

static struct server server;
static struct bs_snapshot *snapshot;
static struct bs_arena arena;
static char helper[200];

static const char *const schema_sql[] = {
    "CREATE ROLE helper LOGIN BYPASSRLS;",
    "CREATE SCHEMA pay;",
    "CREATE SCHEMA old;",
    "CREATE TABLE t (id int PRIMARY KEY, a text, b text, day date);",
    "CREATE TABLE u (id int PRIMARY KEY, a text);",
    "CREATE TABLE \"T \"\"x\" (id int PRIMARY KEY);",
    "CREATE TABLE dup (id int PRIMARY KEY);",
    "CREATE TABLE pay.dup (id int PRIMARY KEY);",
    "CREATE TABLE old.a (id int PRIMARY KEY);",
    "CREATE TABLE old.b (id int PRIMARY KEY);",
    "CREATE TABLE parent (id int PRIMARY KEY);",
    "CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE);",
    "CREATE TABLE ev (id int, day date) PARTITION BY RANGE (day);",
    "CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');",
    "CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",
    "CREATE VIEW v AS SELECT id, a FROM u;",
    "CREATE VIEW w AS SELECT 1 AS one;",
    "CREATE FUNCTION wipe() RETURNS int LANGUAGE plpgsql AS"
    " 'BEGIN EXECUTE ''DELE'' || ''TE FROM t''; RETURN 1; END';",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    "CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';",
    "CREATE TRIGGER keep BEFORE DELETE ON u FOR EACH ROW EXECUTE FUNCTION tr();",
    NULL,
};

/* What a count says of every table that the statement names. */
struct counted {
    int64_t rows; /* 0: not counted */
    double share;
};

#define NOT_COUNTED ((struct counted){0, 0})

static bool
harms_of(const char *sql, struct counted c, const char *const *params, struct bs_harms *out)
{
    size_t n_params = params == NULL ? 0 : 1;
    struct bs_unit unit = {0};
    struct bs_facts facts = {0};
    struct bs_err err = {0};
    bool ok = bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &arena, &unit, &err) == BS_DONE &&
              bs_catalog_judge(snapshot, (struct bs_session_names){0}, &unit, &arena, &facts,
                               &err) == BS_DONE;

    for (size_t i = 0; ok && c.rows != 0 && i < facts.n_targets; i++) {
        struct bs_target *t = &facts.targets[i];
        t->rows = c.rows;
        t->share = c.share;
        t->how = BS_MEASURE_COUNT;
    }
    if (ok && c.rows != 0)
        ok = bs_catalog_measured(&unit, &facts, BS_IMPACT_DEFAULT, &arena, &err) == BS_DONE;
    return ok && bs_harms_of(&unit, &facts, params, n_params, &arena, out, &err) == BS_DONE;
}

static void
show(const char *what, const struct bs_harms *h)
{
    for (size_t i = 0; i < h->n; i++) {
        const struct bs_harm_item *it = &h->items[i];
        printf("#   %s: %s %s %s.%s%s%s rows %" PRId64 "%s%s%s\n", what, bs_harm_name(it->harm),
               bs_extent_name(it->extent), it->schema == NULL ? "-" : it->schema,
               it->name == NULL ? "any" : it->name, it->column == NULL ? "" : ".",
               it->column == NULL ? "" : it->column, it->rows, it->main ? " main" : "",
               it->gone ? " gone" : "", it->code ? " code" : "");
    }
}

static enum bs_covers
compare(const char *before_sql, struct counted b, const char *now_sql, struct counted n)
{
    struct bs_harms before = {0}, now = {0};
    enum bs_covers got;

    if (!tap_check(harms_of(before_sql, b, NULL, &before) && harms_of(now_sql, n, NULL, &now),
                   now_sql, __FILE__, __LINE__))
        return BS_COVERS_NO;
    got = bs_harms_cover(&now, &before);
    show("before", &before);
    show("now", &now);
    return got;
}

struct pair {
    const char *before;
    const char *now;
    enum bs_covers want;
};

static void
check_pairs(const struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int missed = tap_misses;
        EXPECT_EQ(compare(pairs[i].before, NOT_COUNTED, pairs[i].now, NOT_COUNTED), pairs[i].want);
        if (tap_misses != missed)
            printf("# in row: %s -> %s\n", pairs[i].before, pairs[i].now);
        bs_arena_reset(&arena);
    }
}

#define CHECK(pairs) check_pairs(pairs, sizeof(pairs) / sizeof((pairs)[0]))
#define YES          BS_COVERS_YES
#define MAYBE        BS_COVERS_MAYBE
#define NO           BS_COVERS_NO

/* clang-format off */
static void
one_class(void)
{
    static const char *const all[] = {
        "DELETE FROM t", "DELETE FROM t WHERE true", "DELETE FROM public.t WHERE id % 1 = 0",
        "DELETE FROM t WHERE id IS NOT NULL", "TRUNCATE t", "TRUNCATE TABLE public.t CASCADE",
        "DROP TABLE t", "DROP TABLE IF EXISTS t; CREATE TABLE t (id int)",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT count(*) FROM d",
        "EXPLAIN ANALYZE DELETE FROM t", "DELETE FROM t AS x USING u WHERE x.id = u.id",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
        "DROP SCHEMA public CASCADE", "DROP OWNED BY postgres",
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
            bool wider = i >= sizeof(all) / sizeof(all[0]) - 2; /* the last two are more than t */
            int missed = tap_misses;
            if (wider)
                continue;
            EXPECT_EQ(compare(all[i], NOT_COUNTED, all[k], NOT_COUNTED), YES);
            if (tap_misses != missed)
                printf("# in row: %s -> %s\n", all[i], all[k]);
            bs_arena_reset(&arena);
        }
    }
}

static void
same_or_wider(void)
{
    static const struct pair pairs[] = {
        {"DELETE FROM t", "UPDATE t SET a = NULL, b = NULL, day = NULL", YES},
        {"DELETE FROM t", "UPDATE t SET a = ''", YES},
        {"DELETE FROM t", "ALTER TABLE t ALTER COLUMN a TYPE text USING NULL", YES},
        {"DELETE FROM t", "ALTER TABLE t DROP COLUMN a", YES},
        {"UPDATE t SET a = NULL", "ALTER TABLE t DROP COLUMN a", YES},
        {"UPDATE t SET a = a || 'x'", "UPDATE t SET a = ''", YES},
        {"UPDATE t SET a = NULL", "ALTER TABLE t ALTER COLUMN a TYPE int USING NULL", YES},
        {"ALTER TABLE t DROP COLUMN a", "UPDATE t SET a = ''", YES},
        {"ALTER TABLE t DROP COLUMN a", "DROP TABLE t", YES},
        {"DELETE FROM t WHERE id = 5", "TRUNCATE t", YES},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE day < '2020-01-01'", YES},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t x WHERE 5 = x.id", YES},
        {"DELETE FROM t WHERE id = 5", "WITH d AS (DELETE FROM t WHERE id IN (5) RETURNING 1) SELECT 1", YES},
        {"UPDATE t SET a = 'x' WHERE id = 5", "DELETE FROM t WHERE id = 5", YES},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = '05'", YES},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = ' +5.0 '", YES},
        {"DELETE FROM t WHERE id = 0", "DELETE FROM t WHERE id = '-0'", YES},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 5::bigint", YES},
        {"DELETE FROM t WHERE a = 'x'", "DELETE FROM t WHERE b = 'y'", YES}, /* nobody counted */
        {"TRUNCATE t", "TRUNCATE u, t", YES},
        {"TRUNCATE t, u", "DROP TABLE t, u", YES},
        {"DROP TABLE old.a, old.b", "DROP SCHEMA old CASCADE", YES},
        {"DROP SCHEMA old CASCADE", "DROP TABLE old.a, old.b", YES},
        {"DROP SCHEMA old CASCADE", "TRUNCATE old.a; TRUNCATE old.b", YES},
        {"DROP DATABASE app", "DROP SCHEMA public CASCADE", YES},
        {"DROP DATABASE app", "DROP OWNED BY app", YES},
        {"DELETE FROM ev", "TRUNCATE ev1; DROP TABLE ev2", YES},
        {"DELETE FROM ev", "DROP TABLE ev", YES},
        {"TRUNCATE ev1, ev2", "DELETE FROM ev", YES},
        {"DELETE FROM child", "DELETE FROM parent", YES},
        {"TRUNCATE child", "TRUNCATE parent CASCADE", YES},
        {"DROP TABLE parent CASCADE", "DELETE FROM parent", YES},
        {"DELETE FROM u", "DELETE FROM v", YES},
        {"DELETE FROM v", "TRUNCATE u", YES},
        {"DELETE FROM \"T \"\"x\"", "TRUNCATE public.\"T \"\"x\"", YES},
        {"DELETE FROM dup", "TRUNCATE pay.dup", YES}, /* it may have meant either */
        {"DELETE FROM pay.dup", "TRUNCATE dup", YES},
        {"DROP VIEW w", "DROP VIEW w CASCADE", YES},
        {"DROP FUNCTION f()", "DROP FUNCTION f() CASCADE", YES},
        {"ALTER TABLE u DISABLE TRIGGER keep", "ALTER TABLE u DISABLE TRIGGER ALL", YES},
        {"ALTER TABLE u DISABLE TRIGGER keep", "DROP TRIGGER keep ON u", YES},
        {"ALTER TABLE u DISABLE ROW LEVEL SECURITY", "ALTER TABLE u NO FORCE ROW LEVEL SECURITY", YES},
        {"GRANT SELECT ON t TO helper", "GRANT ALL ON t TO PUBLIC", YES},
        {"WITH d AS (DELETE FROM t RETURNING id) INSERT INTO u SELECT id FROM d", "TRUNCATE t", YES},
        {"DELETE FROM t; UPDATE u SET a = 'gone' WHERE id = 1", "TRUNCATE t", YES},
        {"DELETE FROM t WHERE f() = 1", "TRUNCATE t", YES},
    };
    CHECK(pairs);
}

static void
nobody_can_tell(void)
{
    static const struct pair pairs[] = {
        {"DELETE FROM t", "SELECT wipe()", MAYBE},
        {"DELETE FROM t", "UPDATE t SET id = id * 0", MAYBE},
        {"DELETE FROM t", "UPDATE t SET a = left(a, 0)", MAYBE},
        {"DELETE FROM t", "ALTER TABLE t ALTER COLUMN a TYPE text USING left(a, 0)", MAYBE},
        {"DELETE FROM t", "DO $$ BEGIN EXECUTE 'x'; END $$", MAYBE},
        {"DELETE FROM t", "DROP EXTENSION hstore CASCADE", MAYBE},
        {"UPDATE t SET a = 'x' WHERE id = 5", "UPDATE t SET a = 'y' WHERE id = 5", MAYBE},
        {"UPDATE t SET id = id + 1", "UPDATE t SET id = id + 2", MAYBE},
        {"SELECT wipe()", "DELETE FROM t", MAYBE},
        {"UPDATE t SET a = a || 'x' WHERE day = '2020-01-01'", "UPDATE t SET a = a || 'x' WHERE day = '2020-1-1'", MAYBE},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = '5.5'", MAYBE},
        {"SELECT wipe()", "DO $$ BEGIN EXECUTE 'x'; END $$", MAYBE},
        {"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", MAYBE},
        {"ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "ALTER TABLE t ALTER COLUMN b DROP NOT NULL", MAYBE},
    };
    CHECK(pairs);
}

static void
less_or_other(void)
{
    static const struct pair pairs[] = {
        {"DELETE FROM t", "DELETE FROM t WHERE id = 1", NO},
        {"DELETE FROM t", "UPDATE t SET a = '' WHERE id = 1", NO},
        {"DELETE FROM t", "DELETE FROM u", NO},
        {"DELETE FROM t", "TRUNCATE pay.t", NO},
        {"DELETE FROM public.dup", "TRUNCATE pay.dup", NO},
        {"DELETE FROM t", "INSERT INTO t VALUES (1)", NO},
        {"DELETE FROM t", "CREATE INDEX ON t (a)", NO},
        {"DELETE FROM t", "ALTER TABLE t ADD COLUMN c int", NO},
        {"DELETE FROM t", "ALTER TABLE t DISABLE TRIGGER ALL", NO},
        {"DELETE FROM t", "SELECT * FROM t", NO},
        {"DELETE FROM t", "SELECT * FROM t FOR UPDATE", NO},
        {"DELETE FROM t", "VACUUM t", NO},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 6", NO},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = '-5'", NO},
        {"DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 50", NO},
        {"DELETE FROM t WHERE id = 5", "UPDATE t SET a = '' WHERE id = 5", NO},
        {"UPDATE t SET a = '' WHERE id = 5", "UPDATE t SET b = '' WHERE id = 5", NO},
        {"DELETE FROM t WHERE a = 'x'", "DELETE FROM t WHERE a = 'y'", NO}, /* nobody counted */
        {"DELETE FROM t WHERE a = 'x'", "DELETE FROM t WHERE a = 'y' AND b = 'z'", NO},
        {"UPDATE t SET a = NULL", "UPDATE t SET b = NULL", NO},
        {"UPDATE t SET a = a || 'x'", "UPDATE t SET b = b || 'x'", NO},
        {"ALTER TABLE t DROP COLUMN a", "ALTER TABLE t DROP COLUMN b", NO},
        {"UPDATE t SET a = NULL, b = NULL", "UPDATE t SET a = NULL", NO},
        {"TRUNCATE t, u", "TRUNCATE t", NO},
        {"DROP SCHEMA old CASCADE", "DROP TABLE old.a", NO},
        {"DELETE FROM ev", "TRUNCATE ev1", NO},
        {"DROP DATABASE app", "DROP TABLE t", NO},
        {"DELETE FROM parent", "DELETE FROM child", NO},
        {"ALTER TABLE u DISABLE TRIGGER keep", "DELETE FROM u", NO},
        {"GRANT SELECT ON t TO helper", "GRANT SELECT ON u TO helper", NO},
        {"DROP VIEW w", "DROP VIEW v", NO},
        {"DROP FUNCTION f()", "DROP FUNCTION wipe()", NO},
        {"CREATE TABLE z (id int)", "DROP TABLE t", NO},
        {"SELECT 1", "DELETE FROM t", NO},
        {"SELECT wipe()", "DELETE FROM t WHERE id = 1", NO},
    };
    CHECK(pairs);
}
/* clang-format on */

static void
counted_rows(void)
{
    static const struct {
        const char *before;
        struct counted b;
        const char *now;
        struct counted n;
        enum bs_covers want;
    } rows[] = {
        {"DELETE FROM t", {100, 1}, "DELETE FROM t WHERE a > ''", {99, 0.99}, YES},
        {"DELETE FROM t", {100, 1}, "DELETE FROM t WHERE a > ''", {90, 0.9}, YES},
        {"DELETE FROM t", {100, 1}, "DELETE FROM t WHERE a > ''", {89, 0.89}, NO},
        {"DELETE FROM t WHERE a > ''", {50, 0.5}, "DELETE FROM t WHERE b > ''", {50, 0.5}, YES},
        {"DELETE FROM t WHERE a > ''", {50, 0.5}, "DELETE FROM t WHERE b > ''", {60, 0.6}, MAYBE},
        {"DELETE FROM t WHERE a > ''", {50, 0.5}, "DELETE FROM t WHERE b > ''", {49, 0.5}, NO},
        {"DELETE FROM t WHERE a > ''", {50, 0.5}, "DELETE FROM t", {100, 1}, YES},
        {"DELETE FROM t WHERE a = 'x'", {50, 0.5}, "DELETE FROM t WHERE a = 'y'", {50, 0.5}, NO},
        {"DELETE FROM t WHERE a = 'x'", {50, 0.5}, "DELETE FROM t WHERE a > 'w'", {51, 0.5}, MAYBE},
        {"UPDATE t SET b = '' WHERE a > ''", {9, 0.1}, "DELETE FROM t WHERE a > ''", {9, 0.1}, YES},
        {"DELETE FROM t WHERE a > ''", {9, 0.1}, "UPDATE t SET b = '' WHERE a > ''", {9, 0.1}, NO},
        {"DELETE FROM t WHERE id = 5", {1, 0.1}, "DELETE FROM t WHERE id > 4", {1, 0.1}, MAYBE},
        {"DELETE FROM t WHERE id = 5", {1, 0.1}, "DELETE FROM t WHERE id = 6", {1, 0.1}, NO},
        {"DELETE FROM t WHERE id = 5", {1, 0.1}, "DELETE FROM t WHERE '5' = id", {1, 0.1}, YES},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int missed = tap_misses;
        EXPECT_EQ(compare(rows[i].before, rows[i].b, rows[i].now, rows[i].n), rows[i].want);
        if (tap_misses != missed)
            printf("# in row: %s -> %s\n", rows[i].before, rows[i].now);
        bs_arena_reset(&arena);
    }
}

/* An estimate is no count: it makes nothing smaller. */
static void
estimates_count_for_nothing(void)
{
    struct bs_harms h = {0};
    struct bs_unit unit = {0};
    struct bs_facts facts = {0};
    struct bs_err err = {0};

    REQUIRE(bs_classify(bs_bytes_of("DELETE FROM u WHERE a > ''"), BS_CLASSIFY_LIMITS, &arena,
                        &unit, &err) == BS_DONE);
    REQUIRE(bs_catalog_judge(snapshot, (struct bs_session_names){0}, &unit, &arena, &facts, &err) ==
            BS_DONE);
    REQUIRE(facts.n_targets == 1);
    facts.targets[0].rows = 1;
    facts.targets[0].share = 0.001;
    facts.targets[0].how = BS_MEASURE_ESTIMATE;
    REQUIRE(bs_harms_of(&unit, &facts, NULL, 0, &arena, &h, &err) == BS_DONE);
    REQUIRE(h.n == 1);
    EXPECT_EQ(h.items[0].extent, BS_EXTENT_ALL);
    EXPECT_EQ(h.items[0].harm, BS_HARM_DESTROY);
    EXPECT_EQ(h.items[0].rows, -1);
    bs_arena_reset(&arena);
}

static void
parameters(void)
{
    static const char *const five[] = {"5"}, *const six[] = {"6"}, *const unknown[] = {NULL};
    static const char *const guess_five[] = {"?5"}, *const guess_six[] = {"?6"};
    struct bs_harms a = {0}, b = {0}, c = {0}, d = {0};

    REQUIRE(harms_of("DELETE FROM u WHERE id = $1", NOT_COUNTED, five, &a));
    REQUIRE(harms_of("DELETE FROM u WHERE id = $1", NOT_COUNTED, six, &b));
    REQUIRE(harms_of("DELETE FROM u WHERE id = 5", NOT_COUNTED, NULL, &c));
    REQUIRE(harms_of("DELETE FROM u WHERE id = $1", NOT_COUNTED, unknown, &d));
    EXPECT_EQ(bs_harms_cover(&b, &a), NO);
    EXPECT_EQ(bs_harms_cover(&c, &a), YES);
    EXPECT_EQ(bs_harms_cover(&a, &c), YES);
    EXPECT_EQ(bs_harms_cover(&d, &a), MAYBE);
    REQUIRE(harms_of("DELETE FROM u WHERE id = $99999999999999999999999", NOT_COUNTED, five, &d));
    EXPECT_EQ(bs_harms_cover(&d, &a), MAYBE);
    /* Read from bytes of an unknown type. */
    REQUIRE(harms_of("DELETE FROM u WHERE id = $1", NOT_COUNTED, guess_five, &d));
    EXPECT_EQ(bs_harms_cover(&d, &a), YES);
    EXPECT_EQ(bs_harms_cover(&d, &b), MAYBE);
    REQUIRE(harms_of("DELETE FROM u WHERE id = $1", NOT_COUNTED, guess_six, &b));
    EXPECT_EQ(bs_harms_cover(&d, &b), NO);
    bs_arena_reset(&arena);
}

/* More objects than are kept: nobody can tell what the others are. */
static void
many_objects(void)
{
    struct bs_harms h = {0}, one = {0};
    struct bs_err err = {0};
    char sql[4096] = "DROP TABLE IF EXISTS t0";

    for (int i = 1; i < 100; i++) {
        size_t n = strlen(sql);
        (void)snprintf(sql + n, sizeof(sql) - n, ", t%d", i);
    }
    REQUIRE(harms_of(sql, NOT_COUNTED, NULL, &h));
    EXPECT_EQ(h.n, BS_HARM_ITEMS);
    EXPECT(h.more);
    REQUIRE(harms_of("DELETE FROM u", NOT_COUNTED, NULL, &one));
    EXPECT_EQ(bs_harms_cover(&h, &one), MAYBE);
    EXPECT(bs_harms_add(&h, &one, &arena, &err) == BS_DONE);
    EXPECT_EQ(h.n, BS_HARM_ITEMS);
    bs_arena_reset(&arena);
}

static void
words(void)
{
    for (int i = 0; i <= BS_HARM_DESTROY; i++)
        EXPECT_EQ(bs_harm_find(bs_harm_name((enum bs_harm)i)), i);
    for (int i = 0; i <= BS_EXTENT_ALL; i++)
        EXPECT_EQ(bs_extent_find(bs_extent_name((enum bs_extent)i)), i);
    EXPECT_EQ(bs_harm_find("no such"), BS_HARM_NONE);
    EXPECT_EQ(bs_extent_find(""), BS_EXTENT_NONE);
}

static void
full(void)
{
    struct bs_arena small;
    struct bs_unit unit = {0};
    struct bs_facts facts = {0};
    struct bs_harms h;
    struct bs_err err = {0};

    bs_arena_init(&small, "small", 64);
    EXPECT_EQ(bs_harms_of(&unit, &facts, NULL, 0, &small, &h, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_arena_fini(&small);
}

static const struct tap_case cases[] = {
    {"one class, however spelled", one_class},
    {"the same or wider", same_or_wider},
    {"nobody can tell", nobody_can_tell},
    {"less, or something else", less_or_other},
    {"counted rows", counted_rows},
    {"estimates count for nothing", estimates_count_for_nothing},
    {"parameters", parameters},
    {"more objects than are kept", many_objects},
    {"words", words},
    {"an arena that is full", full},
};

int
main(void)
{
    struct bs_err err = {0};
    int failed = 1;
    bool ok = true;

    if (!server_start(&server))
        return 0;
    bs_arena_init(&arena, "test", 64u << 20);
    (void)snprintf(helper, sizeof(helper), "host=%s user=helper dbname=postgres", server.dir);
    for (size_t i = 0; ok && schema_sql[i] != NULL; i++)
        ok = server_run(&server, schema_sql[i]);
    if (!ok)
        printf("1..1\nnot ok 1 - the schema\n");
    else if (bs_snapshot_load(helper, &snapshot, &err) != BS_DONE)
        printf("1..1\nnot ok 1 - the snapshot: %s\n", err.message);
    else
        failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_snapshot_unref(&snapshot);
    bs_arena_fini(&arena);
    server_stop(&server);
    return failed;
}
