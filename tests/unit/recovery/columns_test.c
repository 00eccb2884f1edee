/*
 * columns_test.c - what is kept of tables that are going to lose columns, on a real PostgreSQL: a
 * key and the columns, everything where there is no key, and what only the catalog knows of them.
 */
#include "recovery/columns.h"

#include "base/clock.h"
#include "pg.h"
#include "recovery/capture.h"
#include "recovery/verify.h"

static char store_dir[128], spool_dir[128], helper[256];
static struct bs_store *store;
static struct bs_arena arena;
static struct bs_plan_table tables[8];
static struct bs_plan plan;
static struct bs_capture *capture;

static const char schema_sql[] =
    "CREATE ROLE helper LOGIN BYPASSRLS PASSWORD 'secret';"
    "GRANT pg_read_all_data, pg_read_all_stats, pg_signal_backend TO helper;"
    "CREATE SEQUENCE counter START 7; CREATE TYPE mood AS ENUM ('sad', 'ok');"
    "CREATE TABLE users (id int PRIMARY KEY, a text DEFAULT 'x', b numeric(10,2) NOT NULL,"
    " code text UNIQUE, n int DEFAULT nextval('counter'), m mood, big text,"
    " CONSTRAINT a_b CHECK (a <> '' OR b > 1), CONSTRAINT only_b CHECK (b > 0));"
    "ALTER TABLE users ALTER a SET STORAGE EXTERNAL, ALTER a SET STATISTICS 77,"
    " ALTER a SET (n_distinct = 5);"
    "CREATE INDEX a_index ON users (a); CREATE INDEX partly ON users (n) WHERE a = 'y';"
    "CREATE INDEX other ON users (code, n); CREATE VIEW v AS SELECT a FROM users;"
    "INSERT INTO users SELECT g, 'a' || g, g, 'c' || g, g, 'ok', repeat('z', 400)"
    " FROM generate_series(1, 200) g; ANALYZE users;"
    "CREATE TABLE nokey (a int, b int); INSERT INTO nokey VALUES (1, 2), (1, 2), (NULL, 3);"
    "CREATE TABLE unkeyed (id int PRIMARY KEY, code text NOT NULL UNIQUE, a int);"
    "INSERT INTO unkeyed VALUES (1, 'one', 1);"
    "CREATE TABLE parted (k int, v int, PRIMARY KEY (k)) PARTITION BY RANGE (k);"
    "CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (0) TO (10);"
    "INSERT INTO parted VALUES (1, 10), (2, 20)";

/* Plans columns of a table; `names` ends with NULL. */
static void
plan_columns(PGconn *conn, const char *table, enum bs_kind kind, const char **names)
{
    struct bs_plan_table *t = &tables[plan.n_tables++];
    char sql[200], kind_text[256];

    (void)snprintf(sql, sizeof(sql), "SELECT '%s'::regclass::oid", table);
    *t = (struct bs_plan_table){.oid = (uint32_t)pg_number(conn, sql),
                                .schema = "public",
                                .name = table,
                                .kind = kind,
                                .columns = names,
                                .exclusive = true};
    (void)snprintf(sql, sizeof(sql), "SELECT relkind FROM pg_class WHERE relname = '%s'", table);
    t->relkind = pg_text(conn, sql, kind_text)[0];
    while (names[t->n_columns] != NULL)
        t->n_columns++;
}

/* Makes the point. NULL: it could not be made. */
static const struct bs_manifest *
make(PGconn *actor)
{
    struct bs_capture_request r = {.helper = helper,
                                   .store = store,
                                   .spool = spool_dir,
                                   .deadline_us = bs_mono_us() + 20000000,
                                   .plan = &plan,
                                   .actor_pid = PQbackendPID(actor),
                                   .statement = {.kind = "ALTER TABLE DROP COLUMN", .text = "x"}};
    struct bs_capture_result out = {0};
    struct bs_err err = {0};
    char lock[200];

    EXPECT(pg_run(actor, "BEGIN"));
    for (size_t i = 0; i < plan.n_tables; i++) {
        (void)snprintf(lock, sizeof(lock), "LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE",
                       tables[i].name);
        EXPECT(pg_run(actor, lock));
    }
    if (bs_capture_open(&r, &capture, &err) != BS_DONE ||
        bs_capture_run(capture, &out, &err) != BS_DONE)
        printf("# %s\n", err.message);
    EXPECT(pg_run(actor, "COMMIT"));
    return out.manifest;
}

static void
begin_plan(void)
{
    plan = (struct bs_plan){.kind = BS_PLAN_WHOLE, .tables = tables, .in_block = true};
}

static const struct bs_point_column *
column(const struct bs_point_object *o, const char *name)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        if (strcmp(o->columns[i].name, name) == 0)
            return &o->columns[i];
    }
    return NULL;
}

static bool
in_closure(const struct bs_manifest *m, const char *identity)
{
    for (size_t i = 0; i < m->n_closure; i++) {
        if (strcmp(m->closure[i].identity, identity) == 0)
            return true;
    }
    return false;
}

/* A key and the columns, with what brings them back; and only what hangs on them. */
static void
a_key_and_the_columns(void)
{
    static const char *names[] = {"a", "b", NULL};
    PGconn *actor = pg_connect("postgres");
    const struct bs_manifest *m;
    const struct bs_point_object *o;

    begin_plan();
    plan_columns(actor, "users", BS_KIND_ALTER_TABLE_DROP_COLUMN, names);
    m = make(actor);
    PQfinish(actor);
    REQUIRE(m != NULL && m->n_objects == 1);
    o = &m->objects[0];
    EXPECT(o->columns_only && bs_point_alters(o));
    REQUIRE(o->n_columns == 3);
    EXPECT_EQ(o->columns[0].key, 1);
    EXPECT(strcmp(o->columns[0].name, "id") == 0 && !o->columns[0].altered);
    EXPECT(column(o, "a")->altered && column(o, "b")->altered);
    EXPECT_EQ(o->row_count, 200);
    EXPECT(strcmp(column(o, "a")->expression, "'x'::text") == 0);
    EXPECT(strcmp(column(o, "a")->storage, "EXTERNAL") == 0);
    EXPECT(strcmp(column(o, "a")->statistics, "77") == 0);
    EXPECT(strcmp(column(o, "a")->options, "n_distinct=5") == 0);
    EXPECT(column(o, "b")->expression == NULL && column(o, "b")->not_null);
    REQUIRE(o->n_checks == 2);
    EXPECT(strcmp(o->checks[0].name, "a_b") == 0 && strcmp(o->checks[1].name, "only_b") == 0);
    EXPECT(strncmp(o->checks[0].definition, "CHECK (", 7) == 0);
    EXPECT(in_closure(m, "public.a_index") && in_closure(m, "public.partly"));
    EXPECT(in_closure(m, "public.v") && in_closure(m, "a_b on public.users"));
    EXPECT(!in_closure(m, "public.other") && !in_closure(m, "users_pkey on public.users"));
    EXPECT_EQ(m->n_sequences, 0);
    bs_capture_close(&capture);
}

/* The manifest as it is stored tells the same. */
static void
the_manifest_says_so(void)
{
    static const char *names[] = {"n", NULL};
    PGconn *actor = pg_connect("postgres");
    const struct bs_manifest *m;
    struct bs_manifest back = {0};
    struct bs_err err = {0};
    struct bs_buf text;

    begin_plan();
    plan_columns(actor, "users", BS_KIND_ALTER_TABLE_ALTER_TYPE, names);
    m = make(actor);
    PQfinish(actor);
    REQUIRE(m != NULL);
    EXPECT_EQ(m->n_sequences, 1);
    bs_buf_init(&text, BS_MANIFEST_MAX);
    EXPECT(bs_manifest_print(m, &text, NULL, &err) == BS_DONE);
    EXPECT(bs_manifest_parse(bs_buf_view(&text), &arena, &back, &err) == BS_DONE);
    REQUIRE(back.n_objects == 1);
    EXPECT(back.objects[0].columns_only && column(&back.objects[0], "n")->altered);
    EXPECT(strcmp(column(&back.objects[0], "n")->expression,
                  "nextval('public.counter'::regclass)") == 0);
    bs_buf_fini(&text);
    bs_capture_close(&capture);
}

/* Whatever the statement takes away is no key; without one everything is kept. */
static void
no_key_of_what_goes(void)
{
    static const char *names[] = {"a", NULL}, *id[] = {"id", NULL}, *both[] = {"id", "code", NULL};
    PGconn *actor = pg_connect("postgres");
    const struct bs_manifest *m;

    begin_plan();
    plan_columns(actor, "nokey", BS_KIND_ALTER_TABLE_DROP_COLUMN, names);
    plan_columns(actor, "unkeyed", BS_KIND_ALTER_TABLE_DROP_COLUMN, id);
    m = make(actor);
    REQUIRE(m != NULL && m->n_objects == 2);
    EXPECT(!m->objects[0].columns_only && bs_point_alters(&m->objects[0]));
    EXPECT(m->objects[0].n_columns == 2 && m->objects[0].columns[0].altered);
    EXPECT_EQ(m->objects[0].row_count, 3);
    EXPECT(m->objects[1].columns_only);
    EXPECT_EQ(column(&m->objects[1], "code")->key, 1);
    EXPECT_EQ(column(&m->objects[1], "id")->key, 0);
    bs_capture_close(&capture);
    begin_plan();
    plan_columns(actor, "unkeyed", BS_KIND_ALTER_TABLE_DROP_COLUMN, both);
    m = make(actor);
    REQUIRE(m != NULL);
    EXPECT(!m->objects[0].columns_only && m->objects[0].n_columns == 3);
    bs_capture_close(&capture);
    PQfinish(actor);
}

/* Rows that go, too, are kept whole; a table without the column has nothing to keep. */
static void
more_and_less(void)
{
    static const char *names[] = {"a", NULL}, *none[] = {"nothing", NULL};
    PGconn *actor = pg_connect("postgres");
    const struct bs_manifest *m;

    begin_plan();
    plan_columns(actor, "users", BS_KIND_TRUNCATE, names);
    plan_columns(actor, "nokey", BS_KIND_ALTER_TABLE_DROP_COLUMN, none);
    plan_columns(actor, "unkeyed", BS_KIND_ALTER_TABLE_ADD_COLUMN, none);
    m = make(actor);
    PQfinish(actor);
    REQUIRE(m != NULL && m->n_objects == 3);
    EXPECT(!m->objects[0].columns_only && !bs_point_alters(&m->objects[0]));
    EXPECT(m->objects[0].n_columns == 7 && m->objects[0].columns[1].altered);
    EXPECT_EQ(m->objects[1].format, BS_ROWS_NONE);
    EXPECT_EQ(m->objects[1].n_added, 0);
    REQUIRE(m->objects[2].n_added == 1);
    EXPECT(strcmp(m->objects[2].added[0].name, "nothing") == 0);
    bs_capture_close(&capture);
}

static void
partitions_each_by_itself(void)
{
    static const char *names[] = {"v", NULL};
    PGconn *actor = pg_connect("postgres");
    const struct bs_manifest *m;

    begin_plan();
    plan_columns(actor, "parted", BS_KIND_ALTER_TABLE_DROP_COLUMN, names);
    plan_columns(actor, "parted1", BS_KIND_ALTER_TABLE_DROP_COLUMN, names);
    m = make(actor);
    PQfinish(actor);
    REQUIRE(m != NULL && m->n_objects == 2);
    EXPECT(m->objects[0].relkind == 'p' && bs_point_alters(&m->objects[0]));
    EXPECT(m->objects[1].columns_only && m->objects[1].n_columns == 2);
    EXPECT_EQ(m->objects[1].parent_oid, m->objects[0].oid);
    bs_capture_close(&capture);
}

static const struct tap_case cases[] = {
    {"a key and the columns", a_key_and_the_columns},
    {"the manifest says so", the_manifest_says_so},
    {"no key of what goes", no_key_of_what_goes},
    {"more and less", more_and_less},
    {"partitions each by itself", partitions_each_by_itself},
};

static bool
prepare(void)
{
    char url[160];
    struct bs_err err = {0};
    PGconn *conn;
    bool ok;

    bs_arena_init(&arena, "test", 256u << 20);
    (void)snprintf(store_dir, sizeof(store_dir), "%s/store", pg_dir);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", pg_dir);
    (void)snprintf(helper, sizeof(helper), "host=%s user=helper password=secret dbname=postgres",
                   pg_dir);
    (void)snprintf(url, sizeof(url), "file://%s", store_dir);
    conn = pg_connect("postgres");
    ok = pg_run(conn, schema_sql);
    PQfinish(conn);
    return ok && mkdir(spool_dir, 0700) == 0 && bs_store_open(url, &store, &err) == BS_DONE;
}

int
main(void)
{
    int status = 1;

    if (!pg_start())
        printf("Bail out! no PostgreSQL could be started; BACKSTOP_PG_BIN names its programs\n");
    else if (!prepare())
        printf("Bail out! the test database could not be made\n");
    else
        status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&store);
    bs_arena_fini(&arena);
    pg_stop();
    return status;
}
