/*
 * rows_test.c - hold-commit against a real PostgreSQL: whatever an open transaction has replaced
 * is kept as it was, by whatever way it was replaced, and whatever cannot be kept is told.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "rows.h"

/* The pass over what the actor's open transaction has changed by now. The caller closes it. */
static struct bs_capture *
pass(PGconn *actor, struct bs_capture_result *out, struct bs_err *err)
{
    struct bs_changed changed[CHANGED];
    struct bs_capture_request r = request_for(actor);
    struct bs_replaced what = {.changed = changed, .n_changed = counters(actor, changed)};
    struct bs_capture *c = NULL;

    what.xid = (uint64_t)pg_number(actor, "SELECT pg_current_xact_id_if_assigned()");
    *err = (struct bs_err){0};
    *out = (struct bs_capture_result){0};
    if (bs_capture_open(&r, &c, err) == BS_DONE)
        (void)!bs_capture_replaced(c, &what, out, err);
    if (err->code != BS_OK && err->code != BS_E_UNCOVERED)
        printf("# %s\n", err->message);
    return c;
}

/* One way to replace rows. Everything lives in schema s. */
struct scenario {
    const char *what;
    const char *setup;  /* committed beforehand */
    const char *before; /* by another session, which stays open */
    const char *run;    /* by the actor, between BEGIN and the pass */
    const char *beside; /* by the other session, after the actor ran */
    struct {
        const char *table;
        int64_t kept; /* rows in the object; 0: no object */
    } kept[TABLES];
};

#define TREE                                                                                       \
    "CREATE TABLE s.org (id int PRIMARY KEY, name text);"                                          \
    "CREATE TABLE s.usr (id int PRIMARY KEY, org int REFERENCES s.org ON DELETE CASCADE,"          \
    " boss int REFERENCES s.usr ON DELETE SET NULL, v text);"                                      \
    "CREATE TABLE s.ord (id int PRIMARY KEY, usr int REFERENCES s.usr ON DELETE CASCADE);"         \
    "INSERT INTO s.org SELECT g, 'o' || g FROM generate_series(1, 5) g;"                           \
    "INSERT INTO s.usr SELECT g, g % 5 + 1, CASE WHEN g > 20 THEN g - 19 END, 'u' || g"            \
    " FROM generate_series(1, 100) g;"                                                             \
    "INSERT INTO s.ord SELECT g, g % 100 + 1 FROM generate_series(1, 300) g;"
#define PLAIN                                                                                      \
    "CREATE TABLE s.t (id int PRIMARY KEY, v text, n int DEFAULT 0);"                              \
    "INSERT INTO s.t SELECT g, 'v' || g FROM generate_series(1, 100) g;"

static const struct scenario scenarios[] = {
    {"a plain DELETE", PLAIN, NULL, "DELETE FROM s.t WHERE id <= 10", NULL, {{"t", 10}}},
    {"a plain UPDATE", PLAIN, NULL, "UPDATE s.t SET v = 'x' WHERE id <= 10", NULL, {{"t", 10}}},
    {"a cascade over three tables",
     TREE,
     NULL,
     "DELETE FROM s.org WHERE id = 1",
     NULL,
     {{"org", 1}, {"usr", 36}, {"ord", 60}}},
    {"an exception caught in DO",
     PLAIN "CREATE TABLE s.u (LIKE s.t); INSERT INTO s.u TABLE s.t;",
     NULL,
     "DO $$BEGIN DELETE FROM s.t WHERE id < 5;"
     " BEGIN DELETE FROM s.u; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN"
     " UPDATE s.t SET v = 'caught' WHERE id BETWEEN 5 AND 6; END; END$$",
     NULL,
     {{"t", 6}, {"u", 100}}}, /* what was rolled back leaves its xmax behind: kept, equal */
    {"keys shared by others before",
     PLAIN,
     "BEGIN; SELECT FROM s.t WHERE id IN (1, 3) FOR KEY SHARE",
     "UPDATE s.t SET v = 'x' WHERE id <= 3",
     NULL,
     {{"t", 3}}},
    {"keys shared by others afterwards",
     PLAIN,
     NULL,
     "UPDATE s.t SET v = 'x' WHERE id <= 3",
     "BEGIN; SELECT FROM s.t WHERE id IN (1, 3) FOR KEY SHARE",
     {{"t", 3}}},
    {"savepoints, released and rolled back",
     PLAIN,
     NULL,
     "SAVEPOINT a; DELETE FROM s.t WHERE id = 1; RELEASE a; SAVEPOINT b; DELETE FROM s.t WHERE"
     " id = 2; SAVEPOINT c; UPDATE s.t SET v = 'c' WHERE id = 3; ROLLBACK TO b; SAVEPOINT d;"
     " DELETE FROM s.t WHERE id = 4",
     NULL,
     {{"t", 4}}},
    {"ON CONFLICT DO UPDATE",
     PLAIN,
     NULL,
     "INSERT INTO s.t SELECT g, 'new' FROM generate_series(96, 110) g"
     " ON CONFLICT (id) DO UPDATE SET v = excluded.v",
     NULL,
     {{"t", 5}}},
    {"MERGE",
     PLAIN,
     NULL,
     "MERGE INTO s.t USING generate_series(91, 110) g ON g = id WHEN MATCHED AND id > 95 THEN"
     " DELETE WHEN MATCHED THEN UPDATE SET v = 'm' WHEN NOT MATCHED THEN INSERT VALUES (g, 'n')",
     NULL,
     {{"t", 10}}},
    {"a row updated twice",
     PLAIN,
     NULL,
     "UPDATE s.t SET n = n + 1 WHERE id <= 3; UPDATE s.t SET n = n + 1 WHERE id <= 3",
     NULL,
     {{"t", 3}}},
    {"inserted and deleted in one transaction",
     PLAIN,
     NULL,
     "INSERT INTO s.t SELECT g FROM generate_series(101, 110) g; DELETE FROM s.t WHERE id > 100;"
     " DELETE FROM s.t WHERE id = 1",
     NULL,
     {{"t", 1}}},
    {"only inserted and deleted",
     PLAIN,
     NULL,
     "INSERT INTO s.t VALUES (101); DELETE FROM s.t WHERE id > 100",
     NULL,
     {{"t", 0}}},
    {"through a view",
     PLAIN "CREATE VIEW s.w AS SELECT id, v FROM s.t WHERE id < 50;",
     NULL,
     "UPDATE s.w SET v = 'w' WHERE id > 40",
     NULL,
     {{"t", 9}}},
    {"through an INSTEAD OF rule",
     PLAIN "CREATE VIEW s.w AS SELECT id FROM s.t; CREATE RULE r AS ON INSERT TO s.w DO INSTEAD"
           " DELETE FROM s.t WHERE id = new.id;",
     NULL,
     "INSERT INTO s.w VALUES (7)",
     NULL,
     {{"t", 1}}},
    {"moved to another partition",
     "CREATE TABLE s.p (k int, id int, v text, PRIMARY KEY (k, id)) PARTITION BY LIST (k);"
     "CREATE TABLE s.p1 PARTITION OF s.p FOR VALUES IN (1);"
     "CREATE TABLE s.p2 PARTITION OF s.p FOR VALUES IN (2);"
     "INSERT INTO s.p SELECT g % 2 + 1, g, 'p' FROM generate_series(1, 20) g;",
     NULL,
     "UPDATE s.p SET k = 2 WHERE k = 1 AND id <= 10; DELETE FROM s.p2 WHERE id = 1",
     NULL,
     {{"p1", 5}, {"p2", 1}}},
    {"HOT updates",
     "CREATE TABLE s.t (id int PRIMARY KEY, v text) WITH (fillfactor = 10);"
     "INSERT INTO s.t SELECT g, 'v' FROM generate_series(1, 20) g; UPDATE s.t SET v = 'w';",
     NULL,
     "UPDATE s.t SET v = 'x' WHERE id <= 5; UPDATE s.t SET v = 'y' WHERE id <= 5",
     NULL,
     {{"t", 5}}},
    {"a table that references itself",
     "CREATE TABLE s.t (id int PRIMARY KEY, up int REFERENCES s.t ON DELETE CASCADE);"
     "INSERT INTO s.t SELECT g, NULLIF(g / 2, 0) FROM generate_series(1, 15) g;",
     NULL,
     "DELETE FROM s.t WHERE id = 2",
     NULL,
     {{"t", 7}}},
    {"only locked",
     PLAIN,
     NULL,
     "SELECT FROM s.t WHERE id <= 5 FOR UPDATE; UPDATE s.t SET v = 'x' WHERE id = 9",
     NULL,
     {{"t", 6}}}, /* locks only: kept, and restore finds them equal */
    {"parents of many children",
     TREE "INSERT INTO s.ord SELECT g, g % 100 + 1 FROM generate_series(301, 5000) g;",
     NULL,
     "UPDATE s.usr SET v = 'x' WHERE id = 1",
     NULL,
     {{"usr", 1}, {"org", 0}}}, /* "xmax <> 0" would be 100 */
    {"others, who began earlier, change other rows",
     PLAIN,
     "BEGIN; UPDATE s.t SET v = 'theirs' WHERE id = 50",
     "DELETE FROM s.t WHERE id <= 10",
     "UPDATE s.t SET v = 'theirs' WHERE id = 51",
     {{"t", 10}}},
    {"others, who began later, change other rows",
     PLAIN,
     NULL,
     "DELETE FROM s.t WHERE id <= 10",
     "BEGIN; UPDATE s.t SET v = 'theirs' WHERE id = 51",
     {{"t", 11}}}, /* restore sees that it is another's */
    {"values in TOAST",
     "CREATE TABLE s.t (id int PRIMARY KEY, v text); ALTER TABLE s.t ALTER v SET STORAGE EXTERNAL;"
     "INSERT INTO s.t SELECT g, repeat('t' || g, 5000) FROM generate_series(1, 20) g;",
     NULL,
     "UPDATE s.t SET v = repeat('n', 20000) WHERE id <= 4; DELETE FROM s.t WHERE id = 5",
     NULL,
     {{"t", 5}}},
    {"dropped, generated and odd columns",
     "CREATE TABLE s.\"Odd \"\"t\" (id int PRIMARY KEY, gone text, \"xm ax\"\"\" text,"
     " g int GENERATED ALWAYS AS (id * 2) STORED, i int GENERATED ALWAYS AS IDENTITY);"
     "INSERT INTO s.\"Odd \"\"t\" (id, gone, \"xm ax\"\"\") SELECT g, 'x', E'\\t' || g"
     " FROM generate_series(1, 10) g; ALTER TABLE s.\"Odd \"\"t\" DROP COLUMN gone;",
     NULL,
     "UPDATE s.\"Odd \"\"t\" SET \"xm ax\"\"\" = '' WHERE id <= 3",
     NULL,
     {{"Odd \"t", 3}}},
    {"a type without binary output",
     "CREATE TABLE s.t (id int PRIMARY KEY, a aclitem);"
     "INSERT INTO s.t SELECT g, 'postgres=r/postgres' FROM generate_series(1, 10) g;",
     NULL,
     "DELETE FROM s.t WHERE id <= 3",
     NULL,
     {{"t", 3}}},
    {"row security forced",
     PLAIN "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY; ALTER TABLE s.t FORCE ROW LEVEL SECURITY;",
     NULL,
     "DELETE FROM s.t WHERE id <= 3",
     NULL,
     {{"t", 3}}},
    {"a deferred foreign key and an older snapshot",
     TREE "ALTER TABLE s.ord ALTER CONSTRAINT ord_usr_fkey DEFERRABLE INITIALLY DEFERRED;",
     NULL,
     "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1; DELETE FROM s.ord WHERE id = 1;"
     " UPDATE s.usr SET id = 1000 WHERE id = 100; UPDATE s.ord SET usr = 1000 WHERE usr = 100;"
     " SET CONSTRAINTS ALL IMMEDIATE",
     NULL,
     {{"ord", 4}, {"usr", 1}}},
    {"an inheritance child apart from its parent",
     "CREATE TABLE s.a (id int PRIMARY KEY); CREATE TABLE s.b () INHERITS (s.a);"
     "INSERT INTO s.a VALUES (1), (2); INSERT INTO s.b VALUES (1), (3), (4);",
     NULL,
     "DELETE FROM s.a WHERE id IN (1, 3)",
     NULL,
     {{"a", 1}, {"b", 2}}},
    {"a table of the transaction's own",
     PLAIN,
     NULL,
     "CREATE TABLE s.mine (id int); INSERT INTO s.mine VALUES (1), (2); DELETE FROM s.mine WHERE"
     " id = 1; CREATE TEMP TABLE tmp AS SELECT 1 AS id; DELETE FROM tmp; DELETE FROM s.t WHERE"
     " id = 1",
     NULL,
     {{"t", 1}, {"mine", 0}, {"tmp", 0}}},
};

static void
play(const struct scenario *s)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    PGconn *beside = pg_connect("postgres");
    struct bs_capture_result out;
    struct bs_verify_report report;
    struct bs_err err;
    struct bs_capture *c;
    int64_t rows = 0;

    fresh(other, s->setup);
    remember(other);
    EXPECT(s->before == NULL || pg_run(beside, s->before));
    pg_run(actor, "BEGIN");
    pg_run(actor, s->run);
    EXPECT(s->beside == NULL || pg_run(beside, s->beside));
    c = pass(actor, &out, &err);
    EXPECT_EQ(err.code, BS_OK);
    pg_run(actor, "COMMIT");
    for (size_t i = 0; i < TABLES && s->kept[i].table != NULL; i++)
        rows += s->kept[i].kept;
    EXPECT((out.manifest != NULL) == (rows != 0));
    EXPECT(PQtransactionStatus(beside) == PQTRANS_IDLE || pg_run(beside, "ROLLBACK"));
    for (size_t i = 0; i < TABLES && s->kept[i].table != NULL; i++)
        check_table(other, out.manifest, s->kept[i].table, s->kept[i].kept);
    if (out.manifest != NULL) {
        EXPECT(strcmp(out.manifest->capture.mode, "rows") == 0);
        EXPECT(out.manifest->capture.xid != 0);
        EXPECT(out.manifest->capture.xid_until > out.manifest->capture.xid);
        EXPECT_EQ(bs_point_verify(store, out.manifest, NULL, &report, &err), BS_DONE);
        EXPECT_EQ(report.rows, rows);
    }
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(beside);
    PQfinish(other);
}

static void
whatever_replaces_rows_is_kept(void)
{
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        int misses = tap_misses;
        play(&scenarios[i]);
        if (tap_misses != misses)
            printf("# in: %s\n", scenarios[i].what);
    }
}

/* What two have locked at once carries a multixact for long: no reason to keep it. */
static void
old_multixacts_are_told_apart(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    PGconn *beside = pg_connect("postgres");
    static const struct {
        const char *first, *run;
        int64_t kept;
    } rows[] = {
        {"SELECT 1", "UPDATE s.t SET v = 'x' WHERE id = 1", 1},
        {"BEGIN; SELECT FROM s.t WHERE id = 2 FOR KEY SHARE",
         "UPDATE s.t SET v = 'x' WHERE id <= 2", 2}, /* one with the actor in it */
        {"REVOKE EXECUTE ON FUNCTION pg_get_multixact_members FROM PUBLIC",
         "UPDATE s.t SET v = 'x' WHERE id = 1", 100}, /* nobody may ask: all that could be */
        {"GRANT EXECUTE ON FUNCTION pg_get_multixact_members TO PUBLIC",
         "UPDATE s.t SET v = 'x' WHERE id = 1", 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_capture_result out;
        struct bs_err err;
        struct bs_capture *c;
        fresh(other, PLAIN);
        pg_run(other, "BEGIN; SELECT FROM s.t FOR KEY SHARE");
        pg_run(beside, "BEGIN; SELECT FROM s.t FOR KEY SHARE");
        pg_run(other, "COMMIT");
        pg_run(beside, "COMMIT");
        pg_run(beside, rows[i].first);
        pg_run(actor, "BEGIN");
        pg_run(actor, rows[i].run);
        c = pass(actor, &out, &err);
        REQUIRE(err.code == BS_OK && out.manifest != NULL && out.manifest->n_objects == 1);
        EXPECT_EQ(out.manifest->objects[0].row_count, rows[i].kept);
        bs_capture_close(&c);
        pg_run(actor, "ROLLBACK");
        EXPECT(PQtransactionStatus(beside) == PQTRANS_IDLE || pg_run(beside, "ROLLBACK"));
    }
    PQfinish(actor);
    PQfinish(other);
    PQfinish(beside);
}

static atomic_bool stop_writing;

/* Single rows, so that nobody is a deadlock's victim: changed, locked, deleted, made. */
static void *
write_rows(void *arg)
{
    static const char *const what[] = {
        "UPDATE s.t SET v = v || '.' WHERE id = %d",
        "SELECT FROM s.t WHERE id = %d FOR KEY SHARE",
        "BEGIN; SELECT FROM s.t WHERE id = %d FOR UPDATE; ROLLBACK",
        "DELETE FROM s.t WHERE id = %d",
        "INSERT INTO s.t VALUES (%d, 'new') ON CONFLICT (id) DO UPDATE SET v = 'again'",
        "UPDATE s.t SET n = n + 1 WHERE id = %d",
    };
    unsigned seed = *(unsigned *)arg;
    PGconn *conn = pg_connect("postgres");
    long long done = 0;

    while (!atomic_load(&stop_writing)) {
        char sql[200] = "";
        char id[16], *at;
        const char *one = what[(unsigned)rand_r(&seed) % 6];
        (void)snprintf(id, sizeof(id), "%d", rand_r(&seed) % 400 + 1);
        at = strstr(one, "%d");
        (void)snprintf(sql, sizeof(sql), "%.*s%s%s", (int)(at - one), one, id, at + 2);
        PQclear(PQexec(conn, sql));
        done++;
    }
    PQfinish(conn);
    *(unsigned *)arg = (unsigned)done;
    return NULL;
}

/* What RETURNING says was deleted, in `gone`, is in what was kept, to the letter. */
static int64_t
one_round(PGconn *actor, PGconn *other, int round)
{
    static const char *const ways[] = {
        "DELETE FROM s.t WHERE id % 5 = 2",
        "DELETE FROM s.t t USING generate_series(1, 400, 3) g WHERE t.id = g",
        "DELETE FROM s.t WHERE ctid IN (SELECT ctid FROM s.t ORDER BY random() LIMIT 60)",
    };
    struct bs_capture_result out;
    struct bs_err err;
    struct bs_capture *c;
    char sql[400];
    int64_t lost;

    /* The list of what is gone is a table of the transaction's own, so no pass looks at it. */
    (void)snprintf(sql, sizeof(sql),
                   "BEGIN; CREATE TABLE back.gone%d (id int, v text, n int);"
                   " WITH d AS (%s RETURNING %s) INSERT INTO back.gone%d SELECT * FROM d",
                   round, ways[round % 3], round % 3 == 1 ? "t.*" : "*", round);
    pg_run(actor, sql);
    c = pass(actor, &out, &err);
    EXPECT_EQ(err.code, BS_OK);
    pg_run(actor, "COMMIT");
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE back.kept%d (LIKE s.t)", round);
    pg_run(other, sql);
    (void)snprintf(sql, sizeof(sql), "back.kept%d", round);
    EXPECT(out.manifest == NULL || load(other, object_named(out.manifest, "t"), sql));
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM (TABLE back.gone%d EXCEPT ALL TABLE back.kept%d) x", round,
                   round);
    lost = pg_number(other, sql);
    bs_capture_close(&c);
    return lost;
}

static void
nothing_is_missed_or_stale_in_a_race(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    pthread_t threads[4];
    unsigned seeds[4];
    int64_t lost = 0, gone = 0;

    fresh(other, "CREATE TABLE s.t (id int PRIMARY KEY, v text, n int DEFAULT 0);"
                 "INSERT INTO s.t SELECT g, 'v' || g FROM generate_series(1, 400) g");
    atomic_store(&stop_writing, false);
    for (unsigned i = 0; i < 4; i++) {
        seeds[i] = i + 1;
        REQUIRE(pthread_create(&threads[i], NULL, write_rows, &seeds[i]) == 0);
    }
    for (int round = 0; round < 30; round++) {
        char sql[100];
        lost += one_round(actor, other, round);
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM back.gone%d", round);
        gone += pg_number(other, sql);
        pg_run(other, "INSERT INTO s.t SELECT g, 'v' || g FROM generate_series(1, 400) g"
                      " ON CONFLICT DO NOTHING");
    }
    atomic_store(&stop_writing, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    EXPECT_EQ(lost, 0);
    EXPECT(gone > 500);
    printf("# %lld rows deleted beside %u writes of others\n", (long long)gone,
           seeds[0] + seeds[1] + seeds[2] + seeds[3]);
    PQfinish(actor);
    PQfinish(other);
}

/* A pass that is asked for by hand. */
static struct bs_capture *
ask(const struct bs_capture_request *r,
    const struct bs_replaced *what,
    struct bs_capture_result *out,
    struct bs_err *err)
{
    struct bs_capture *c = NULL;

    *err = (struct bs_err){0};
    *out = (struct bs_capture_result){0};
    if (bs_capture_open(r, &c, err) == BS_DONE)
        (void)!bs_capture_replaced(c, what, out, err);
    return c;
}

static void
refused(PGconn *actor, const struct bs_replaced *what, enum bs_code code, const char *why, int line)
{
    struct bs_capture_request r = request_for(actor);
    struct bs_capture_result out;
    struct bs_err err;
    struct bs_capture *c = ask(&r, what, &out, &err);

    (void)tap_equal(err.code, code, "refused", __FILE__, line);
    if (!tap_check(strstr(err.message, why) != NULL, why, __FILE__, line))
        printf("#   message: %s\n", err.message);
    EXPECT(out.manifest == NULL);
    bs_capture_close(&c);
}

static void
what_cannot_be_read_is_told(void)
{
    static const struct {
        const char *run, *table, *why;
    } rows[] = {
        {"TRUNCATE s.t", "s.t", "was truncated, dropped, altered"},
        {"DELETE FROM s.t; DROP TABLE s.t CASCADE", "s.t", "was truncated, dropped, altered"},
        {"DELETE FROM s.t; ALTER TABLE s.t ADD x int", "s.t", "was truncated, dropped, altered"},
        {"LOCK TABLE s.t", "s.t", "was truncated, dropped, altered"},
        {"REFRESH MATERIALIZED VIEW CONCURRENTLY s.m", "s.m", "is not an ordinary table"},
        {"DELETE FROM s.p", "s.p", "is not an ordinary table"},
        {"DELETE FROM s.f", "s.f", "is not an ordinary table"},
        {"COMMENT ON TABLE s.t IS 'x'", "pg_catalog.pg_description", "is a system relation"},
        {"DELETE FROM s.t", "s.toast", "is a system relation"},
    };
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");

    fresh(other, PLAIN "CREATE MATERIALIZED VIEW s.m AS SELECT id FROM s.t;"
                       "CREATE UNIQUE INDEX ON s.m (id);"
                       "CREATE TABLE s.p (id int) PARTITION BY LIST (id);"
                       "CREATE EXTENSION IF NOT EXISTS postgres_fdw;"
                       "DROP SERVER IF EXISTS far CASCADE;"
                       "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;"
                       "CREATE FOREIGN TABLE s.f (id int) SERVER far");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_changed changed = {.replaced = 1};
        struct bs_replaced what = {.changed = &changed, .n_changed = 1};
        int64_t began = bs_mono_us();
        if (strcmp(rows[i].table, "s.toast") == 0)
            changed.oid = (uint32_t)pg_number(
                other, "SELECT reltoastrelid FROM pg_class WHERE oid = 's.t'::regclass");
        else
            changed.oid = oid_of(other, rows[i].table);
        pg_run(actor, "BEGIN");
        if (strcmp(rows[i].table, "s.f") != 0)
            pg_run(actor, rows[i].run);
        what.xid = xid_of(actor);
        refused(actor, &what, BS_E_UNCOVERED, rows[i].why, __LINE__);
        EXPECT(bs_mono_us() - began < 2000000); /* it waited for no lock */
        pg_run(actor, "ROLLBACK");
    }
    PQfinish(actor);
    PQfinish(other);
}

static void
only_the_open_transaction_counts(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_changed changed = {.replaced = 1};
    struct bs_replaced what = {.changed = &changed, .n_changed = 1};
    static const char why[] = "is not what the actor's session has open now";
    uint64_t top, sub;

    fresh(other, PLAIN);
    changed.oid = oid_of(other, "s.t");
    pg_run(actor, "BEGIN; DELETE FROM s.t WHERE id = 1");
    top = xid_of(actor);
    pg_run(actor, "SAVEPOINT a; DELETE FROM s.t WHERE id = 2");
    sub = (uint64_t)pg_number(actor, "SELECT xmin::text FROM pg_class LIMIT 0") + top + 1;
    what.xid = sub;
    refused(actor, &what, BS_E_NO_POINT, why, __LINE__); /* rows of its parent are older */
    what.xid = 0;
    refused(actor, &what, BS_E_NO_POINT, why, __LINE__);
    what.xid = top - 1;
    refused(actor, &what, BS_E_NO_POINT, why, __LINE__);
    what.xid = top + (UINT64_C(1) << 32); /* the same 32 bits, of another round */
    refused(actor, &what, BS_E_NO_POINT, "future", __LINE__);
    pg_run(other, "BEGIN; DELETE FROM s.t WHERE id = 9");
    what.xid = xid_of(other);
    refused(actor, &what, BS_E_NO_POINT, why, __LINE__);
    pg_run(other, "ROLLBACK");
    changed.replaced = -1;
    what.xid = top;
    refused(actor, &what, BS_E_UNCOVERED, "less than nothing", __LINE__);
    changed.replaced = 1;
    pg_run(actor, "COMMIT");
    refused(actor, &what, BS_E_NO_POINT, why, __LINE__); /* too late: what it deleted is gone */
    PQfinish(actor);
    PQfinish(other);
}

static void
nothing_replaced_is_no_point(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_capture_result out;
    struct bs_point_event event = {.state = BS_EVENT_ARMED};
    struct bs_err err;
    struct bs_capture *c;

    fresh(other, PLAIN);
    pg_run(actor, "CREATE TEMP TABLE tmp AS SELECT 1 AS id"); /* and nobody can read it but he */
    pg_run(actor, "BEGIN; DELETE FROM tmp; INSERT INTO s.t VALUES (1000); UPDATE s.t SET v = 'x' "
                  "WHERE id = 1000");
    c = pass(actor, &out, &err);
    EXPECT_EQ(err.code, BS_OK);
    EXPECT(out.manifest == NULL);
    EXPECT_EQ(bs_capture_event(c, &event, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_capture_replaced(c, &(struct bs_replaced){0}, &out, &err), BS_FAILED);
    EXPECT(strstr(err.message, "once") != NULL);
    bs_capture_close(&c);
    pg_run(actor, "COMMIT");
    PQfinish(actor);
    PQfinish(other);
}

static int
count_files(const char *dir)
{
    char command[300];
    FILE *f;
    int n = -1;

    (void)snprintf(command, sizeof(command), "find %s -type f | wc -l", dir);
    f = popen(command, "r");
    if (f == NULL || fscanf(f, "%d", &n) != 1)
        n = -1;
    if (f != NULL)
        pclose(f);
    return n;
}

/* Over the budget there is no point, and the message says how far it came. */
static void
the_budget_is_told_in_numbers(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    PGconn *third = pg_connect("postgres");
    struct bs_changed changed = {.replaced = 300000};
    struct bs_replaced what = {.changed = &changed, .n_changed = 1};
    int64_t began;

    fresh(other, "CREATE TABLE s.t (id int PRIMARY KEY, v text);"
                 "INSERT INTO s.t SELECT g, md5(g::text) || md5((g + 1)::text)"
                 " FROM generate_series(1, 300000) g");
    changed.oid = oid_of(other, "s.t");
    pg_run(actor, "BEGIN; UPDATE s.t SET v = ''");
    what.xid = xid_of(actor);
    what.deadline_us = bs_mono_us() + 60000;
    refused(actor, &what, BS_E_NO_POINT, "the budget was over after ", __LINE__);
    what.deadline_us = bs_mono_us() + 60000;
    refused(actor, &what, BS_E_NO_POINT, " of at most 300000 replaced rows read", __LINE__);
    EXPECT_EQ(count_files(spool_dir), 0);

    /* Somebody waits for the actor to lock the table, and we would wait behind him. */
    REQUIRE(PQsendQuery(third, "BEGIN; LOCK TABLE s.t") == 1);
    for (int i = 0;
         i < 500 && pg_number(other, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0; i++)
        (void)usleep(10000);
    began = bs_mono_us();
    what.deadline_us = bs_mono_us() + 700000;
    refused(actor, &what, BS_E_NO_POINT, "", __LINE__);
    EXPECT(bs_mono_us() - began < 2000000);
    pg_run(actor, "ROLLBACK");
    PQfinish(third);
    PQfinish(actor);
    PQfinish(other);
}

/* The helper is asked for long after it came; what ended it meanwhile is no reason to roll back. */
static void
a_lost_helper_is_replaced(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_changed changed = {.replaced = 1};
    struct bs_replaced what = {.changed = &changed, .n_changed = 1};
    struct bs_capture_request r = request_for(actor);
    struct bs_capture_result out;
    struct bs_err err = {0};
    struct bs_capture *c = NULL;

    fresh(other, PLAIN);
    changed.oid = oid_of(other, "s.t");
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    pg_run(actor, "BEGIN; DELETE FROM s.t WHERE id <= 3");
    what.xid = xid_of(actor);
    pg_run(other, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                  " WHERE application_name = 'backstop/helper'");
    EXPECT_EQ(bs_capture_replaced(c, &what, &out, &err), BS_DONE);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    EXPECT(out.manifest != NULL && out.manifest->objects[0].row_count == 3);
    bs_capture_close(&c);
    pg_run(actor, "ROLLBACK");
    PQfinish(actor);
    PQfinish(other);
}

static const struct bs_point_sequence *
sequence_named(const struct bs_manifest *m, const char *name)
{
    for (size_t i = 0; m != NULL && i < m->n_sequences; i++) {
        if (strcmp(m->sequences[i].name, name) == 0)
            return &m->sequences[i];
    }
    return NULL;
}

static size_t
list_sequences(PGconn *conn, uint32_t *out, size_t max)
{
    PGresult *res = PQexec(conn, "SELECT oid FROM pg_class WHERE relkind = 'S' AND relnamespace ="
                                 " 's'::regnamespace");
    size_t n = 0;

    for (; n < max && n < (size_t)PQntuples(res); n++)
        out[n] = (uint32_t)strtoul(PQgetvalue(res, (int)n, 0), NULL, 10);
    PQclear(res);
    return n;
}

/* Notes, lets the actor do something, and passes over the sequences of schema s. */
static void
set_sequences(const char *run, bool noted, struct bs_capture_result *out, struct bs_err *err)
{
    PGconn *actor = pg_connect("postgres");
    static struct bs_capture *c; /* what is handed out lives until the next call */
    struct bs_capture_request r = request_for(actor);
    struct bs_replaced what = {0};
    uint32_t oids[16];

    bs_capture_close(&c);
    *out = (struct bs_capture_result){0};
    *err = (struct bs_err){0};
    if (run == NULL) {
        PQfinish(actor);
        return;
    }
    REQUIRE(bs_capture_open(&r, &c, err) == BS_DONE);
    EXPECT(!noted || bs_capture_sequences_note(c, err) == BS_DONE);
    what.n_sequences = list_sequences(actor, oids, 8);
    pg_run(actor, "BEGIN");
    pg_run(actor, run);
    EXPECT(!noted || bs_capture_sequences_note(c, err) == BS_DONE); /* the first word counts */
    what.xid = xid_of(actor);
    what.n_sequences += list_sequences(actor, oids + what.n_sequences, 8);
    what.sequences = oids;
    (void)!bs_capture_replaced(c, &what, out, err);
    pg_run(actor, "ROLLBACK");
    PQfinish(actor);
}

static void
sequences_are_noted_before(void)
{
    PGconn *other = pg_connect("postgres");
    struct bs_capture_result out;
    struct bs_err err;
    const struct bs_point_sequence *s;

    fresh(other, "CREATE TABLE s.t (id serial); SELECT setval('s.t_id_seq', 41);"
                 "CREATE SEQUENCE s.\"o d\" START 7; CREATE SEQUENCE s.calm");
    set_sequences("SELECT setval('s.t_id_seq', 41, false), setval('s.\"o d\"', 99)", true, &out,
                  &err);
    EXPECT_EQ(err.code, BS_OK);
    REQUIRE(out.manifest != NULL);
    EXPECT_EQ(out.manifest->n_objects, 0);
    EXPECT_EQ(out.manifest->n_sequences, 2);
    s = sequence_named(out.manifest, "t_id_seq");
    REQUIRE(s != NULL);
    EXPECT(s->last_value == 41 && s->is_called && s->owned && strcmp(s->column, "id") == 0);
    EXPECT_EQ(s->table_oid, oid_of(other, "s.t"));
    s = sequence_named(out.manifest, "o d");
    REQUIRE(s != NULL);
    EXPECT(s->last_value == 7 && !s->is_called && !s->owned && s->column == NULL);
    EXPECT_EQ(pg_number(other, "SELECT last_value FROM s.\"o d\""), 99); /* ROLLBACK or not */

    set_sequences("SELECT 1", true, &out, &err);
    EXPECT_EQ(err.code, BS_OK);
    EXPECT(out.manifest == NULL);
    set_sequences("CREATE SEQUENCE s.mine; SELECT nextval('s.mine')", true, &out, &err);
    EXPECT_EQ(err.code, BS_OK);
    EXPECT(out.manifest == NULL);
    set_sequences("SELECT setval('s.calm', 5)", false, &out, &err);
    EXPECT_EQ(err.code, BS_E_UNCOVERED);
    set_sequences("SELECT setval('s.calm', 6); DROP SEQUENCE s.calm", true, &out, &err);
    EXPECT_EQ(err.code, BS_E_UNCOVERED);
    set_sequences(NULL, false, &out, &err);
    PQfinish(other);
}

/* More than one statement reads at once. */
static void
many_sequences_are_noted(void)
{
    PGconn *other = pg_connect("postgres"), *actor = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    struct bs_capture *c = NULL;
    struct bs_err err = {0};
    int64_t began;

    fresh(other, "CREATE SEQUENCE s.dropped; DO $$BEGIN FOR i IN 1..450 LOOP EXECUTE "
                 "format('CREATE SEQUENCE s.q%s', i); END"
                 " LOOP; END$$; CREATE TEMP SEQUENCE own");
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    began = bs_mono_us();
    EXPECT_EQ(bs_capture_sequences_note(c, &err), BS_DONE);
    printf("# 450 sequences noted in %lld us\n", (long long)(bs_mono_us() - began));
    bs_capture_close(&c);
    pg_run(actor, "BEGIN; DROP SEQUENCE s.dropped"); /* and nobody waits for the actor */
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    EXPECT_EQ(bs_capture_sequences_note(c, &err), BS_DONE);
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(other);
}

static enum bs_event_state
outcome_of(const char *id)
{
    struct bs_point_ref ref = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_points_find(store, id, &arena, &ref, &err), BS_DONE);
    return ref.outcome;
}

/* PREPARE TRANSACTION keeps the xid: armed until somebody ends it, however long, by whomever. */
static void
a_prepared_transaction_is_open(void)
{
    static const char *const ends[] = {"ROLLBACK PREPARED 'p'", "COMMIT PREPARED 'p'"};
    PGconn *other = pg_connect("postgres");
    struct bs_points_closed closed;
    struct bs_err err = {0};

    fresh(other, PLAIN);
    EXPECT_EQ(bs_points_open_close(store, helper, 0, &closed, &err), BS_DONE);
    for (int i = 0; i < 2; i++) {
        PGconn *actor = pg_connect("postgres");
        struct bs_capture_result out;
        struct bs_point_event event = {.state = BS_EVENT_ARMED};
        struct bs_capture *c;
        const char *id;
        pg_run(actor, "BEGIN; DELETE FROM s.t WHERE id <= 5");
        c = pass(actor, &out, &err);
        REQUIRE(err.code == BS_OK && out.manifest != NULL);
        id = bs_arena_str(&arena, out.manifest->id);
        event.xid = out.manifest->capture.xid;
        EXPECT_EQ(bs_capture_event(c, &event, &err), BS_DONE);
        bs_capture_close(&c);
        pg_run(actor, "PREPARE TRANSACTION 'p'");
        PQfinish(actor);
        EXPECT_EQ(bs_points_open_close(store, helper, 50, &closed, &err), BS_DONE);
        EXPECT_EQ(closed.open, 1);
        EXPECT_EQ(outcome_of(id), BS_EVENT_ARMED);
        pg_run(other, ends[i]);
        EXPECT_EQ(bs_points_open_close(store, helper, 0, &closed, &err), BS_DONE);
        EXPECT_EQ(closed.open, 0);
        EXPECT_EQ(outcome_of(id), i == 1 ? BS_EVENT_COMMITTED : BS_EVENT_ROLLED_BACK);
    }
    PQfinish(other);
}

#define SERVER_STOP "%s%s/pg_ctl -D %s/data -m fast -w stop >/dev/null"
#define SERVER_START                                                                               \
    "%s%s/pg_ctl -D %s/data -w -l %s/log -o \"-c listen_addresses='' "                             \
    "-c unix_socket_directories=%s -c fsync=off -c autovacuum=off\" start >/dev/null"

/*
 * The next xid is 2^32 - 6, whatever it was; all that is there is frozen first. Multixacts are
 * far from any xid, so that none is taken for one.
 */
static bool
near_the_end(void)
{
    return pg_shell("cd / && %s%s/vacuumdb -h %s -U postgres --all --freeze -q", pg_as(), pg_bin,
                    pg_dir) &&
           pg_shell("cd / && " SERVER_STOP, pg_as(), pg_bin, pg_dir) &&
           pg_shell("cd / && %s%s/pg_resetwal -f -x 4294967290 -u 4294000000"
                    " -m 1000000,1000000 -D %s/data >/dev/null",
                    pg_as(), pg_bin, pg_dir) &&
           pg_shell("%sdd if=/dev/zero of=%s/data/pg_multixact/offsets/000F bs=8192 count=32"
                    " 2>/dev/null",
                    pg_as(), pg_dir) &&
           pg_shell("%sdd if=/dev/zero of=%s/data/pg_xact/0FFF bs=8192 count=32 2>/dev/null",
                    pg_as(), pg_dir) &&
           pg_shell("cd / && " SERVER_START, pg_as(), pg_bin, pg_dir, pg_dir, pg_dir);
}

/* xids go round: one that is small is younger than one near the end. */
static void
xids_that_wrap(void)
{
    PGconn *conn, *actor;
    struct bs_replaced what = {0};
    struct bs_capture_result out;
    struct bs_err err;
    struct bs_capture *c;

    REQUIRE(near_the_end());
    conn = pg_connect("postgres");
    actor = pg_connect("postgres");
    fresh(conn, PLAIN);
    pg_run(conn, "BEGIN; SELECT FROM s.t WHERE id > 90 FOR UPDATE; COMMIT"); /* old, but large */
    EXPECT(pg_number(conn, "SELECT xmax::text::bigint FROM s.t WHERE id = 91") > 4000000000);
    pg_run(actor, "BEGIN; DELETE FROM s.t WHERE id = 1");
    for (int i = 2; i <= 20; i++) {
        char sql[100];
        (void)snprintf(sql, sizeof(sql), "SAVEPOINT a; DELETE FROM s.t WHERE id = %d", i);
        pg_run(actor, sql);
    }
    EXPECT(pg_number(conn, "SELECT xmax::text::bigint FROM s.t WHERE id = 1") > 4000000000);
    EXPECT(pg_number(conn, "SELECT xmax::text::bigint FROM s.t WHERE id = 20") < 1000);
    c = pass(actor, &out, &err);
    REQUIRE(err.code == BS_OK && out.manifest != NULL && out.manifest->n_objects == 1);
    EXPECT_EQ(out.manifest->objects[0].row_count, 20);
    EXPECT(out.manifest->capture.xid_until > UINT64_C(1) << 32);
    EXPECT(out.manifest->capture.xid < UINT64_C(1) << 32);
    pg_run(actor, "ROLLBACK; BEGIN; DELETE FROM s.t WHERE id = 30");
    bs_capture_close(&c);
    c = pass(actor, &out, &err);
    REQUIRE(err.code == BS_OK && out.manifest != NULL && out.manifest->n_objects == 1);
    EXPECT_EQ(out.manifest->objects[0].row_count, 1);
    EXPECT(out.manifest->capture.xid > UINT64_C(1) << 32);
    what.xid = out.manifest->capture.xid - (UINT64_C(1) << 32); /* the same bits a round ago */
    bs_capture_close(&c);
    refused(actor, &what, BS_E_NO_POINT, "is not what the actor's session has open", __LINE__);
    PQfinish(conn);
    PQfinish(actor);
}

/* Places save a scan where they are right, and lose nothing where they are not. */
static void
places_are_no_more_than_a_hint(void)
{
    static const struct {
        const char *places;
        const char *beside; /* by the other session, after the actor ran */
        int64_t kept;       /* the two rows, and what a scan cannot tell from them */
    } rows[] = {
        {"{\"(0,1)\",\"(0,2)\"}", "SELECT 1", 2},
        {"{\"(0,1)\",\"(0,2)\",\"(0,3)\",\"(7,1)\"}", "SELECT 1", 2},
        {"{}", "SELECT 1", 2},
        {"{\"(0,1)\"}", "SELECT 1", 2},
        {"{\"(0,1)\",\"(0,9)\"}", "SELECT FROM s.t WHERE id = 9 FOR UPDATE", 3},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
        struct bs_capture_request r = request_for(actor);
        struct bs_capture *c = NULL;
        struct bs_capture_result out = {0};
        struct bs_changed changed[CHANGED];
        struct bs_replaced what = {.changed = changed};
        struct bs_err err = {0};

        pg_run(other, "DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s;" PLAIN);
        pg_run(other, "BEGIN");
        pg_run(actor, "BEGIN; UPDATE s.t SET v = 'x' WHERE id <= 2");
        pg_run(other, rows[i].beside);
        what.n_changed = counters(actor, changed);
        REQUIRE(what.n_changed == 1);
        changed[0].places = rows[i].places;
        what.xid = (uint64_t)pg_number(actor, "SELECT pg_current_xact_id_if_assigned()");
        REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
        EXPECT_EQ(bs_capture_replaced(c, &what, &out, &err), BS_DONE);
        if (err.code != BS_OK)
            printf("# %s\n", err.message);
        REQUIRE(out.manifest != NULL && out.manifest->n_objects == 1);
        EXPECT_EQ(out.manifest->objects[0].row_count, rows[i].kept);
        bs_capture_close(&c);
        pg_run(actor, "ROLLBACK");
        pg_run(other, "ROLLBACK");
        PQfinish(actor);
        PQfinish(other);
    }
}

static const struct tap_case cases[] = {
    {"places are no more than a hint", places_are_no_more_than_a_hint},
    {"whatever replaces rows is kept", whatever_replaces_rows_is_kept},
    {"old multixacts are told apart", old_multixacts_are_told_apart},
    {"nothing is missed or stale in a race", nothing_is_missed_or_stale_in_a_race},
    {"what cannot be read is told", what_cannot_be_read_is_told},
    {"only the open transaction counts", only_the_open_transaction_counts},
    {"nothing replaced is no point", nothing_replaced_is_no_point},
    {"the budget is told in numbers", the_budget_is_told_in_numbers},
    {"a lost helper is replaced", a_lost_helper_is_replaced},
    {"sequences are noted before", sequences_are_noted_before},
    {"many sequences are noted", many_sequences_are_noted},
    {"a prepared transaction is open", a_prepared_transaction_is_open},
    {"xids that wrap", xids_that_wrap},
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
