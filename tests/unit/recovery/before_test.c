/*
 * before_test.c - rows kept before a statement runs, against a real PostgreSQL: which way is
 * chosen, what foreign keys take along, and that what is not all is never taken for all.
 */
#include "rows.h"

enum { SELECTS = 2 };

#define BIG                                                                                        \
    "CREATE TABLE s.t (id int PRIMARY KEY, v text, n int);"                                        \
    "INSERT INTO s.t SELECT g, md5(g::text), g % 7 FROM generate_series(1, 20000) g;"              \
    "ANALYZE s.t;"
#define TREE                                                                                       \
    "CREATE TABLE s.org (id int PRIMARY KEY, v text);"                                             \
    "CREATE TABLE s.usr (id int, k int, org int REFERENCES s.org ON DELETE CASCADE, v text,"       \
    " PRIMARY KEY (id, k));"                                                                       \
    "CREATE TABLE s.ord (id int PRIMARY KEY, u int, k int, up int REFERENCES s.ord"                \
    " ON DELETE CASCADE, FOREIGN KEY (u, k) REFERENCES s.usr ON DELETE CASCADE);"                  \
    "CREATE TABLE s.note (id int PRIMARY KEY, u int, k int, o int REFERENCES s.ord"                \
    " ON DELETE CASCADE, FOREIGN KEY (u, k) REFERENCES s.usr ON DELETE SET NULL);"                 \
    "CREATE INDEX ON s.usr (org); CREATE INDEX ON s.ord (u, k); CREATE INDEX ON s.ord (up);"       \
    "CREATE INDEX ON s.note (u); CREATE INDEX ON s.note (o);"                                      \
    "INSERT INTO s.org SELECT g, 'o' FROM generate_series(1, 5000) g;"                             \
    "INSERT INTO s.usr SELECT g, g % 3, g % 5000 + 1, 'u' FROM generate_series(1, 10000) g;"       \
    "INSERT INTO s.ord SELECT g, g % 10000 + 1, (g % 10000 + 1) % 3,"                              \
    " CASE WHEN g > 20000 THEN g - 20000 + 7 END FROM generate_series(1, 30000) g;"                \
    "INSERT INTO s.note SELECT g, g % 10000 + 1, (g % 10000 + 1) % 3,"                             \
    " CASE WHEN g % 2 = 0 THEN g + 5003 END FROM generate_series(1, 20000) g;"                     \
    "ANALYZE s.org, s.usr, s.ord, s.note;"

/* A statement, the select that tells its rows, and what becomes of it. */
struct scenario {
    const char *what;
    const char *setup;
    struct {
        const char *table;
        enum bs_kind kind;
        const char *sql;
    } selects[SELECTS];
    const char *run;
    enum bs_rows_way way;
    const char *why;          /* part of the reason; NULL: any */
    const char *kept[TABLES]; /* that have rows; all covered */
};

static const struct scenario scenarios[] = {
    {"a few rows of a large table",
     BIG,
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id <= 10"}},
     "DELETE FROM s.t WHERE id <= 10",
     BS_ROWS_BEFORE,
     "finding about",
     {"t"}},
    {"an UPDATE",
     BIG,
     {{"s.t", BS_KIND_UPDATE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id <= 10"}},
     "UPDATE s.t SET v = 'x' WHERE id <= 10",
     BS_ROWS_BEFORE,
     NULL,
     {"t"}},
    {"rows that a join finds twice",
     BIG "CREATE TABLE s.u (id int); INSERT INTO s.u VALUES (1), (1), (2); ANALYZE s.u;",
     {{"s.t", BS_KIND_DELETE,
       "SELECT r0.tableoid, r0.ctid FROM s.t r0, s.u r1 WHERE r0.id = r1.id"}},
     "DELETE FROM s.t USING s.u WHERE t.id = u.id",
     BS_ROWS_BEFORE,
     NULL,
     {"t"}},
    {"keys over four tables, one of them its own parent",
     TREE,
     {{"s.org", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.org r0 WHERE r0.id <= 3"}},
     "DELETE FROM s.org WHERE id <= 3",
     BS_ROWS_BEFORE,
     NULL,
     {"org", "usr", "ord", "note"}},
    {"two statements",
     BIG TREE,
     {{"s.t", BS_KIND_UPDATE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id = 7"},
      {"s.note", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.note r0 WHERE r0.id < 5"}},
     "UPDATE s.t SET v = 'x' WHERE id = 7; DELETE FROM s.note WHERE id < 5",
     BS_ROWS_BEFORE,
     NULL,
     {"t", "note"}},
    {"none found",
     BIG,
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id < 0"}},
     "DELETE FROM s.t WHERE id < 0",
     BS_ROWS_BEFORE,
     NULL,
     {NULL}},
    {"half of a table",
     BIG,
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id < 10000"}},
     "DELETE FROM s.t WHERE id < 10000",
     BS_ROWS_WHOLE,
     "about 50 % of a table",
     {NULL}},
    {"no index finds them",
     BIG,
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.n = 3"}},
     "DELETE FROM s.t WHERE n = 3",
     BS_ROWS_AFTER,
     "scanning the tables after it ran costs",
     {NULL}},
    {"a trigger",
     BIG "CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';"
         "CREATE TRIGGER g BEFORE DELETE ON s.t FOR EACH ROW EXECUTE FUNCTION s.f();",
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id <= 10"}},
     "DELETE FROM s.t WHERE id <= 10",
     BS_ROWS_AFTER,
     "triggers",
     {NULL}},
    {"partitions",
     "CREATE TABLE s.t (id int) PARTITION BY LIST (id); CREATE TABLE s.t1 PARTITION OF s.t "
     "DEFAULT;",
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id <= 10"}},
     "DELETE FROM s.t WHERE id <= 10",
     BS_ROWS_AFTER,
     "partitions",
     {NULL}},
    {"a trigger on a table that a key reaches",
     TREE "CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';"
          "CREATE TRIGGER g AFTER DELETE ON s.note FOR EACH ROW EXECUTE FUNCTION s.f();",
     {{"s.org", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.org r0 WHERE r0.id <= 3"}},
     "DELETE FROM s.org WHERE id <= 3",
     BS_ROWS_AFTER,
     "triggers",
     {NULL}},
    {"an UPDATE of a table that references itself",
     TREE,
     {{"s.ord", BS_KIND_UPDATE, "SELECT r0.tableoid, r0.ctid FROM s.ord r0 WHERE r0.id <= 3"}},
     "UPDATE s.ord SET up = 9 WHERE id <= 3",
     BS_ROWS_AFTER,
     "locks rows of the same tables",
     {NULL}},
    {"ON UPDATE CASCADE",
     BIG "CREATE TABLE s.u (t int REFERENCES s.t ON UPDATE CASCADE);",
     {{"s.t", BS_KIND_UPDATE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id <= 3"}},
     "UPDATE s.t SET id = -id WHERE id <= 3",
     BS_ROWS_AFTER,
     "acts on UPDATE",
     {NULL}},
    {"SET DEFAULT",
     BIG "CREATE TABLE s.u (t int DEFAULT 9 REFERENCES s.t ON DELETE SET DEFAULT);",
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id <= 3"}},
     "DELETE FROM s.t WHERE id <= 3",
     BS_ROWS_AFTER,
     "cannot be told beforehand",
     {NULL}},
    {"a select that the server refuses",
     BIG,
     {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.no <= 3"}},
     "DELETE FROM s.t WHERE id <= 3",
     BS_ROWS_AFTER,
     "refuses to look",
     {NULL}},
    {"no select", BIG, {{NULL, BS_KIND_UNKNOWN, NULL}}, "SELECT 1", BS_ROWS_AFTER, NULL, {NULL}},
};

static struct bs_plan_select selects[SELECTS];
static struct bs_plan plan;

static void
plan_for(PGconn *conn, const struct scenario *s)
{
    plan = (struct bs_plan){.kind = BS_PLAN_ROWS, .selects = selects};
    for (size_t i = 0; i < SELECTS && s->selects[i].sql != NULL; i++) {
        selects[i] = (struct bs_plan_select){.oid = oid_of(conn, s->selects[i].table),
                                             .kind = s->selects[i].kind,
                                             .sql = s->selects[i].sql,
                                             .stmt = i};
        plan.n_selects++;
    }
}

static void
lock(PGconn *actor, const struct bs_rows_choice *choice)
{
    for (size_t i = 0; i < choice->n_tables; i++) {
        char sql[300];
        (void)snprintf(sql, sizeof(sql), "LOCK TABLE ONLY %s.%s IN SHARE ROW EXCLUSIVE MODE",
                       choice->tables[i].schema, choice->tables[i].name);
        pg_run(actor, sql);
        EXPECT(i == 0 || choice->tables[i - 1].oid < choice->tables[i].oid);
    }
}

static bool
chosen(const struct scenario *s, const struct bs_rows_choice *choice)
{
    EXPECT_EQ(choice->way, s->way);
    if (!tap_check(choice->why != NULL, "a reason", __FILE__, __LINE__))
        return false;
    if (!tap_check(s->why == NULL || strstr(choice->why, s->why) != NULL, "why", __FILE__,
                   __LINE__))
        printf("#   why: %s\n", choice->why);
    EXPECT((choice->n_tables != 0) == (s->way != BS_ROWS_AFTER));
    return choice->way == BS_ROWS_BEFORE && s->way == BS_ROWS_BEFORE;
}

static void
check(PGconn *other,
      const struct scenario *s,
      struct bs_capture *c,
      const struct bs_capture_result *out,
      const struct bs_changed *changed,
      size_t n,
      uint64_t xid)
{
    bool covered[CHANGED];
    size_t tables = 0;
    struct bs_err err = {0};

    EXPECT_EQ(bs_capture_covers(c, changed, n, xid, covered, &err), BS_DONE);
    for (size_t i = 0; i < n; i++)
        EXPECT(covered[i]);
    while (tables < TABLES && s->kept[tables] != NULL)
        tables++;
    EXPECT_EQ(out->manifest == NULL ? 0 : out->manifest->n_objects, tables);
    EXPECT_EQ(n, tables);
    if (n != 0) {
        EXPECT_EQ(bs_capture_covers(c, changed, n, xid + 1, covered, &err), BS_DONE);
        EXPECT(!covered[0]);
    }
    (void)other;
}

static void
play(const struct scenario *s)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    struct bs_rows_choice choice;
    struct bs_capture_result out;
    struct bs_changed changed[CHANGED];
    struct bs_verify_report report;
    struct bs_err err = {0};
    struct bs_capture *c = NULL;
    size_t n;
    uint64_t xid;

    fresh(other, s->setup);
    remember(other);
    plan_for(other, s);
    r.plan = &plan;
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    EXPECT_EQ(bs_capture_choose(c, NULL, 0, &choice, &err), BS_DONE);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    if (chosen(s, &choice)) {
        pg_run(actor, "BEGIN");
        lock(actor, &choice);
        EXPECT_EQ(bs_capture_before(c, NULL, 0, &out, &err), BS_DONE);
        if (err.code != BS_OK)
            printf("# %s\n", err.message);
        pg_run(actor, s->run);
        n = counters(actor, changed);
        xid = (uint64_t)pg_number(actor, "SELECT pg_current_xact_id_if_assigned()");
        check(other, s, c, &out, changed, n, xid);
        pg_run(actor, "COMMIT");
        for (size_t i = 0; out.manifest != NULL && i < TABLES && s->kept[i] != NULL; i++) {
            const struct bs_point_object *o = object_named(out.manifest, s->kept[i]);
            check_table(other, out.manifest, s->kept[i], o == NULL ? -1 : o->row_count);
        }
        if (out.manifest != NULL) {
            EXPECT(strcmp(out.manifest->capture.mode, "rows-before") == 0);
            EXPECT(strcmp(out.manifest->capture.why, choice.why) == 0);
            EXPECT_EQ(bs_point_verify(store, out.manifest, NULL, &report, &err), BS_DONE);
        }
    }
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(other);
}

static void
rows_are_kept_before(void)
{
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        int misses = tap_misses;
        play(&scenarios[i]);
        if (tap_misses != misses)
            printf("# in: %s\n", scenarios[i].what);
    }
}

static const struct scenario ten = {
    "ten rows",
    BIG,
    {{"s.t", BS_KIND_DELETE, "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id <= 10"}},
    NULL,
    BS_ROWS_BEFORE,
    NULL,
    {"t"},
};

/* What is kept are rows 1 to 10; is what `run` replaces among them? */
static void
guessed(const char *first, const char *beside, const char *run, bool want, int line)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    PGconn *third = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    struct bs_rows_choice choice;
    struct bs_capture_result out;
    struct bs_changed changed[CHANGED];
    struct bs_err err = {0};
    struct bs_capture *c = NULL;
    bool covered[CHANGED];
    size_t n;

    fresh(other, ten.setup);
    plan_for(other, &ten);
    r.plan = &plan;
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    REQUIRE(bs_capture_choose(c, NULL, 0, &choice, &err) == BS_DONE);
    pg_run(actor, "BEGIN");
    EXPECT(first == NULL || pg_run(actor, first));
    lock(actor, &choice);
    REQUIRE(bs_capture_before(c, NULL, 0, &out, &err) == BS_DONE && out.manifest != NULL);
    EXPECT_EQ(out.manifest->objects[0].row_count, 10);
    EXPECT(beside == NULL || pg_run(third, beside));
    pg_run(actor, run);
    n = counters(actor, changed);
    REQUIRE(n == 1);
    EXPECT_EQ(bs_capture_covers(c, changed, n, xid_of(actor), covered, &err), BS_DONE);
    (void)tap_equal(covered[0], want, run, __FILE__, line);
    bs_capture_close(&c);
    PQfinish(third);
    PQfinish(actor);
    PQfinish(other);
}

static void
a_guess_is_never_taken_for_all(void)
{
    static const char other_ten[] = "DELETE FROM s.t WHERE id < 10 OR id = 50";

    guessed(NULL, NULL, "DELETE FROM s.t WHERE id <= 10", true, __LINE__);
    guessed(NULL, NULL, "DELETE FROM s.t WHERE id <= 5", true, __LINE__);
    guessed(NULL, NULL, other_ten, false, __LINE__);
    guessed(NULL, NULL, "DELETE FROM s.t WHERE id <= 11", false, __LINE__);
    guessed(NULL, NULL, "UPDATE s.t SET id = -id WHERE id <= 11", false, __LINE__);
    /* Row 10 has an xid that could be taken for the statement's: by the actor or by others. */
    guessed("SELECT FROM s.t WHERE id = 10 FOR UPDATE", NULL, other_ten, false, __LINE__);
    guessed("SELECT pg_current_xact_id(); SAVEPOINT a; SELECT FROM s.t WHERE id = 10 FOR UPDATE",
            NULL, other_ten, false, __LINE__);
    guessed(NULL, "BEGIN; SELECT FROM s.t WHERE id = 10 FOR UPDATE", other_ten, false, __LINE__);
    guessed(NULL, "BEGIN; SELECT FROM s.t WHERE id = 10 FOR KEY SHARE", other_ten, false, __LINE__);
    /* What was undone counts in the counters, not in the rows. */
    guessed(NULL, NULL,
            "SAVEPOINT a; DELETE FROM s.t WHERE id = 3; ROLLBACK TO a;"
            " DELETE FROM s.t WHERE id <> 3 AND id <= 10",
            false, __LINE__);
    guessed(NULL, NULL, "SAVEPOINT a; DELETE FROM s.t WHERE id <= 10", true, __LINE__);
    /* It would be all, but nobody can tell any more whose xid that was. */
    guessed(NULL, NULL, "SAVEPOINT a; DELETE FROM s.t WHERE id <= 10; RELEASE a", false, __LINE__);
}

static void
without_the_lock_there_is_no_point(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    struct bs_rows_choice choice;
    struct bs_capture_result out;
    struct bs_err err = {0};
    struct bs_capture *c = NULL;
    struct bs_changed changed = {.replaced = 0};
    bool covered = true;

    fresh(other, ten.setup);
    plan_for(other, &ten);
    r.plan = &plan;
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    EXPECT_EQ(bs_capture_before(c, NULL, 0, &out, &err), BS_FAILED); /* nothing was chosen */
    bs_capture_close(&c);
    err = (struct bs_err){0};
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    REQUIRE(bs_capture_choose(c, NULL, 0, &choice, &err) == BS_DONE);
    pg_run(actor, "BEGIN; LOCK s.t IN ROW EXCLUSIVE MODE");
    EXPECT_EQ(bs_capture_before(c, NULL, 0, &out, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    EXPECT(strstr(err.message, "no sufficient lock") != NULL);
    EXPECT(out.manifest == NULL);
    changed.oid = oid_of(other, "s.t");
    err = (struct bs_err){0};
    EXPECT_EQ(bs_capture_covers(c, &changed, 1, xid_of(actor), &covered, &err), BS_DONE);
    EXPECT(!covered);
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(other);
}

/* Values as clients send them, in both formats; and what only running it shows to be refused. */
static void
values_are_as_given(void)
{
    static const uint8_t seven[] = {0, 0, 0, 7};
    struct bs_bound bound[2] = {{23, true, {seven, 4}}, {0, false, {(const uint8_t *)"9", 1}}};
    struct bs_bounds params = {bound, 2};
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    static const struct scenario s = {
        "values",
        BIG,
        {{"s.t", BS_KIND_DELETE,
          "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id >= $1 AND r0.id <= $2"}},
        NULL,
        BS_ROWS_BEFORE,
        NULL,
        {NULL}};

    r.plan = &plan;
    for (int round = 0; round < 5; round++) {
        struct bs_rows_choice choice;
        struct bs_capture_result out;
        struct bs_err err = {0};
        struct bs_capture *c = NULL;
        fresh(other, BIG);
        plan_for(other, &s);
        selects[0].n_params = 2;
        if (round == 2)
            selects[0].sql = "SELECT r0.tableoid, r0.ctid FROM s.t r0 WHERE r0.id = $1"
                             " AND 1 / (r0.id - 7) = $2";
        if (round == 3)
            bound[1].value = (struct bs_bytes){(const uint8_t *)"x", 1};
        if (round == 4) { /* a type whose values nobody but its owner may read */
            pg_run(other, "CREATE DOMAIN s.small AS int CHECK (VALUE < 100)");
            bound[1].value = (struct bs_bytes){(const uint8_t *)"9", 1};
            bound[1].type = (uint32_t)pg_number(other, "SELECT 's.small'::regtype::oid");
        }
        params.n = round == 1 ? 1 : 2;
        REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
        REQUIRE(bs_capture_choose(c, &params, 1, &choice, &err) == BS_DONE);
        EXPECT_EQ(choice.way, round == 1 || round >= 3 ? BS_ROWS_AFTER : BS_ROWS_BEFORE);
        pg_run(actor, "BEGIN");
        if (round == 0 || round == 2) {
            lock(actor, &choice);
            EXPECT_EQ(bs_capture_before(c, &params, 1, &out, &err), BS_DONE);
            EXPECT((out.manifest != NULL) == (round == 0));
            EXPECT(out.manifest == NULL || out.manifest->objects[0].row_count == 3);
        }
        pg_run(actor, "ROLLBACK");
        bs_capture_close(&c);
    }
    PQfinish(actor);
    PQfinish(other);
}

static const struct tap_case cases[] = {
    {"rows are kept before", rows_are_kept_before},
    {"a guess is never taken for all", a_guess_is_never_taken_for_all},
    {"without the lock there is no point", without_the_lock_there_is_no_point},
    {"values are as given", values_are_as_given},
};

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
