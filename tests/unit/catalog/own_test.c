/*
 * What a session's own statements make of names, for reading.
 */
#include "catalog/own.h"

#include <string.h>

#include "tap.h"

static struct bs_arena arena;

static void
note(struct bs_own *own, const char *sql)
{
    struct bs_unit unit;
    struct bs_err err = {0};

    REQUIRE(bs_classify((struct bs_bytes){(const uint8_t *)sql, strlen(sql)}, BS_CLASSIFY_LIMITS,
                        &arena, &unit, &err) == BS_DONE);
    for (size_t i = 0; i < unit.n_stmts; i++)
        bs_own_note(own, &unit.stmts[i], &arena);
}

static const struct {
    const char *sql;
    const char *schema, *name; /* what is read then */
    enum bs_own_is now, ended; /* in the transaction, and after it */
    bool code, code_ended;     /* a type or function of that name may be the session's */
} rows[] = {
    {"SELECT 1", NULL, "t", BS_OWN_NOT, BS_OWN_NOT, false, false},
    {"CREATE TABLE t (id int)", NULL, "t", BS_OWN_PLAIN, BS_OWN_NOT, true, false},
    {"CREATE TABLE t (id int)", "public", "t", BS_OWN_PLAIN, BS_OWN_NOT, true, false},
    {"CREATE TABLE a.t (id int)", "b", "t", BS_OWN_NOT, BS_OWN_NOT, false, false},
    {"CREATE TABLE t (id int)", NULL, "other", BS_OWN_NOT, BS_OWN_NOT, false, false},
    {"CREATE TEMP TABLE t (id int)", NULL, "t", BS_OWN_PLAIN, BS_OWN_PLAIN, true, true},
    {"CREATE TEMP TABLE t (id int)", NULL, "other", BS_OWN_NOT, BS_OWN_NOT, false, false},
    {"CREATE TEMP TABLE t AS SELECT 1", NULL, "t", BS_OWN_PLAIN, BS_OWN_PLAIN, true, true},
    {"SELECT 1 AS a INTO TEMP t", NULL, "t", BS_OWN_PLAIN, BS_OWN_PLAIN, true, true},
    {"EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", NULL, "t", BS_OWN_PLAIN, BS_OWN_NOT, true,
     false},
    {"CREATE TEMP SEQUENCE t", NULL, "t", BS_OWN_PLAIN, BS_OWN_PLAIN, true, true},
    /* What a view reads, nobody remembers. */
    {"CREATE TEMP VIEW t AS SELECT 1", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_DOUBTFUL, true, true},
    {"CREATE VIEW t AS SELECT 1", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_NOT, true, false},
    {"CREATE VIEW t AS SELECT 1", NULL, "other", BS_OWN_NOT, BS_OWN_NOT, false, false},
    {"CREATE TEMP TABLE t (id int); DROP TABLE t; CREATE TEMP VIEW t AS SELECT 1", NULL, "t",
     BS_OWN_DOUBTFUL, BS_OWN_DOUBTFUL, true, true},
    /* Others read it. */
    {"CREATE OR REPLACE VIEW t AS SELECT 1", NULL, "other", BS_OWN_DOUBTFUL, BS_OWN_NOT, false,
     false},
    {"ALTER TABLE p ATTACH PARTITION f FOR VALUES IN (1)", NULL, "v", BS_OWN_DOUBTFUL, BS_OWN_NOT,
     false, false},
    {"ALTER TABLE t ADD COLUMN a int; CREATE INDEX ON t (a); COMMENT ON TABLE t IS ''", NULL, "t",
     BS_OWN_NOT, BS_OWN_NOT, false, false},
    {"ALTER TABLE t ENABLE ROW LEVEL SECURITY", NULL, "other", BS_OWN_DOUBTFUL, BS_OWN_NOT, true,
     false},
    {"CREATE POLICY p ON t USING (true)", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_NOT, true, false},
    {"CREATE RULE r AS ON SELECT TO t DO INSTEAD SELECT 1", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_NOT,
     true, false},
    {"ALTER TABLE a RENAME TO t", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_NOT, true, false},
    /* Functions and types are known by name, and what comes with them. */
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", NULL, "t", BS_OWN_NOT,
     BS_OWN_NOT, false, false},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "s", "f", BS_OWN_NOT, BS_OWN_NOT,
     true, false},
    {"CREATE FUNCTION a.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "b", "f", BS_OWN_NOT,
     BS_OWN_NOT, false, false},
    {"CREATE DOMAIN d AS int", NULL, "d", BS_OWN_NOT, BS_OWN_NOT, true, false},
    {"CREATE TYPE d AS ENUM ()", NULL, "_d", BS_OWN_NOT, BS_OWN_NOT, true, false},
    {"CREATE TYPE d AS ENUM ()", NULL, "__d", BS_OWN_NOT, BS_OWN_NOT, true, false},
    {"CREATE TYPE d AS ENUM ()", NULL, "_int4", BS_OWN_NOT, BS_OWN_NOT, false, false},
    {"CREATE TYPE r AS RANGE (subtype = int4)", NULL, "r_multirange", BS_OWN_NOT, BS_OWN_NOT, true,
     false},
    {"DROP FUNCTION f", NULL, "f", BS_OWN_NOT, BS_OWN_NOT, true, false},
    {"ALTER FUNCTION f() RENAME TO g", NULL, "g", BS_OWN_DOUBTFUL, BS_OWN_NOT, true, false},
    {"CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()", NULL, "t", BS_OWN_NOT, BS_OWN_NOT,
     false, false},
    {"CREATE CAST (text AS int) WITHOUT FUNCTION", NULL, "lower", BS_OWN_DOUBTFUL, BS_OWN_NOT, true,
     false},
    /* Temporary types are found before all others. */
    {"CREATE TYPE pg_temp.text AS ENUM ()", NULL, "text", BS_OWN_NOT, BS_OWN_NOT, true, true},
    {"CREATE CAST (text AS int) WITHOUT FUNCTION; CREATE TEMP TABLE t (id int)", NULL, "u",
     BS_OWN_DOUBTFUL, BS_OWN_NOT, true, false},
    /* May have made anything, temporary views for instance. */
    {"SELECT nobody_knows()", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_DOUBTFUL, true, false},
    {"DO 'BEGIN END'", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_DOUBTFUL, true, false},
    {"no SQL at all", NULL, "t", BS_OWN_DOUBTFUL, BS_OWN_DOUBTFUL, true, false},
    {"CREATE TABLE t (id int DEFAULT nobody_knows())", NULL, "other", BS_OWN_DOUBTFUL,
     BS_OWN_DOUBTFUL, true, false},
};

static void
after_statements(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_own own = bs_own_nothing;
        struct bs_name name = {rows[i].schema, rows[i].name};
        int missed = tap_misses;
        bs_arena_reset(&arena);
        note(&own, rows[i].sql);
        EXPECT_EQ(bs_own_read(&own, name), rows[i].now);
        EXPECT_EQ(bs_own_has_code(&own, name), rows[i].code);
        bs_own_end(&own);
        EXPECT_EQ(bs_own_read(&own, name), rows[i].ended);
        EXPECT_EQ(bs_own_has_code(&own, name), rows[i].code_ended);
        if (tap_misses != missed)
            printf("# in row: %s\n", rows[i].sql);
    }
}

static const struct {
    const char *sql;
    enum bs_own_is adds, takes; /* rows of the table "t" */
} writes[] = {
    {"CREATE TABLE t (id int)", BS_OWN_PLAIN, BS_OWN_PLAIN},
    {"CREATE TABLE t (id int); CREATE INDEX ON t (id)", BS_OWN_PLAIN, BS_OWN_PLAIN},
    {"CREATE TABLE t (id int); CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()",
     BS_OWN_DOUBTFUL, BS_OWN_DOUBTFUL},
    {"CREATE TABLE t (id int); ALTER TABLE u ENABLE TRIGGER g", BS_OWN_DOUBTFUL, BS_OWN_DOUBTFUL},
    {"CREATE TABLE t (id int); CREATE FUNCTION t() RETURNS int LANGUAGE sql AS 'SELECT 1'",
     BS_OWN_PLAIN, BS_OWN_DOUBTFUL},
    {"CREATE TABLE t (id int); CREATE TABLE u (id int REFERENCES t)", BS_OWN_PLAIN, BS_OWN_PLAIN},
    {"CREATE TABLE t (id int); CREATE TABLE u (id int); ALTER TABLE u ADD FOREIGN KEY (id)"
     " REFERENCES t",
     BS_OWN_PLAIN, BS_OWN_PLAIN},
    /* Rows of somebody's hang on it from then on. */
    {"CREATE TABLE t (id int); ALTER TABLE u ADD FOREIGN KEY (id) REFERENCES t", BS_OWN_PLAIN,
     BS_OWN_DOUBTFUL},
    {"CREATE TABLE t (id int); ALTER TABLE u ADD COLUMN t int REFERENCES t", BS_OWN_PLAIN,
     BS_OWN_DOUBTFUL},
    /* "u" is somebody's, or may be. */
    {"CREATE TABLE t (id int); CREATE TABLE IF NOT EXISTS u (id int);"
     " ALTER TABLE u ADD FOREIGN KEY (id) REFERENCES t",
     BS_OWN_PLAIN, BS_OWN_DOUBTFUL},
    {"CREATE TABLE t (id int); CREATE TEMP TABLE u (id int); DROP TABLE u;"
     " ALTER TABLE u ADD FOREIGN KEY (id) REFERENCES t",
     BS_OWN_PLAIN, BS_OWN_DOUBTFUL},
    {"CREATE TABLE t (id int); CREATE TABLE u (id int); ROLLBACK TO s;"
     " ALTER TABLE u ADD FOREIGN KEY (id) REFERENCES t",
     BS_OWN_PLAIN, BS_OWN_DOUBTFUL},
    {"CREATE TABLE t (id int); CREATE TABLE u (id int); SET search_path = a;"
     " ALTER TABLE u ADD FOREIGN KEY (id) REFERENCES t",
     BS_OWN_PLAIN, BS_OWN_DOUBTFUL},
};

static void
after_keys(void)
{
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        struct bs_own own = bs_own_nothing;
        struct bs_name t = {NULL, "t"};
        int missed = tap_misses;
        bs_arena_reset(&arena);
        note(&own, writes[i].sql);
        EXPECT_EQ(bs_own_write(&own, t, BS_OWN_ADDS), writes[i].adds);
        EXPECT_EQ(bs_own_write(&own, t, BS_OWN_TAKES), writes[i].takes);
        if (tap_misses != missed)
            printf("# in row: %s\n", writes[i].sql);
    }
}

/* What runs somebody's code while it is made may run it whenever it is used. */
static void
with_code_inside(void)
{
    struct bs_own own = bs_own_nothing;
    struct bs_name t = {NULL, "t"}, w = {NULL, "w"};
    struct bs_effect effects[] = {
        {.kind = BS_KIND_CREATE_TABLE, .object = BS_OBJECT_RELATION, .name = t},
        {.kind = BS_KIND_DELETE, .object = BS_OBJECT_RELATION, .name = w, .inside = true}};
    struct bs_stmt stmt = {.kind = BS_KIND_CREATE_TABLE, .effects = effects, .n_effects = 2};

    bs_arena_reset(&arena);
    bs_own_note(&own, &stmt, &arena);
    EXPECT_EQ(bs_own_read(&own, t), BS_OWN_DOUBTFUL);
    EXPECT_EQ(bs_own_write(&own, t, BS_OWN_ADDS), BS_OWN_DOUBTFUL);
    own = bs_own_nothing;
    note(&own, "CREATE TABLE t (id int)");
    effects[0].kind = BS_KIND_ALTER_TABLE_SET_DEFAULT;
    stmt.kind = BS_KIND_ALTER_TABLE_SET_DEFAULT;
    bs_own_note(&own, &stmt, &arena);
    EXPECT_EQ(bs_own_write(&own, t, BS_OWN_ADDS), BS_OWN_DOUBTFUL);
    /* A body that adds a foreign key does not say what it refers to. */
    own = bs_own_nothing;
    note(&own, "CREATE TABLE t (id int)");
    effects[1].kind = BS_KIND_ALTER_TABLE_ADD_CONSTRAINT;
    stmt = (struct bs_stmt){.kind = BS_KIND_DO, .effects = effects + 1, .n_effects = 1};
    bs_own_note(&own, &stmt, &arena);
    EXPECT_EQ(bs_own_write(&own, t, BS_OWN_TAKES), BS_OWN_DOUBTFUL);
}

/* A session that makes the same table again and again takes no more room. */
static void
again_and_again(void)
{
    struct bs_own own = bs_own_nothing, before;
    const struct bs_own_name *first;
    struct bs_name t = {NULL, "t"};

    bs_arena_reset(&arena);
    note(&own, "CREATE TABLE t (id int)");
    first = own.names;
    bs_own_end(&own);
    before = bs_own_copy(&own, &arena);
    note(&own, "CREATE TABLE t (id int)");
    EXPECT(own.names == first && first->next == NULL);
    EXPECT_EQ(bs_own_read(&own, t), BS_OWN_PLAIN);
    EXPECT_EQ(bs_own_read(&before, t), BS_OWN_NOT);
    note(&own, "CREATE TEMP TABLE t (id int)");
    bs_own_end(&own);
    EXPECT_EQ(bs_own_read(&own, t), BS_OWN_PLAIN);
}

static void
no_room(void)
{
    struct bs_own own = bs_own_nothing;
    struct bs_arena small;
    struct bs_effect effect = {
        .kind = BS_KIND_CREATE_TEMP_TABLE, .object = BS_OBJECT_RELATION, .name = {NULL, "t"}};
    const struct bs_stmt stmt = {.kind = BS_KIND_CREATE_TEMP_TABLE,
                                 .flags = BS_FLAG_TEMP | BS_FLAG_DDL,
                                 .effects = &effect,
                                 .n_effects = 1};
    struct bs_name other = {NULL, "other"};

    bs_arena_init(&small, "small", 8);
    bs_own_note(&own, &stmt, &small);
    EXPECT_EQ(bs_own_read(&own, other), BS_OWN_DOUBTFUL);
    bs_arena_fini(&small);
}

static const struct tap_case cases[] = {
    {"after statements", after_statements},
    {"after keys", after_keys},
    {"with code inside", with_code_inside},
    {"again and again", again_and_again},
    {"no room", no_room},
};

int
main(void)
{
    int failed;

    bs_arena_init(&arena, "test", 64 << 20);
    failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_arena_fini(&arena);
    return failed;
}
