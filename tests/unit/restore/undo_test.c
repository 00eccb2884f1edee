/*
 * undo_test.c - points of rows on a real PostgreSQL: what a transaction has changed goes back, what
 * others have done since stays, and whatever cannot be told apart is left alone.
 */
#include "restore/copyback.h"

#include "base/clock.h"
#include "restore/diff.h"
#include "restore/preview.h"
#include "restore/rebuild.h"
#include "unit/recovery/pg.h"

static const char roles[] =
    "CREATE ROLE helper LOGIN BYPASSRLS PASSWORD 'it''s secret';"
    "GRANT pg_read_all_data, pg_read_all_stats, pg_signal_backend TO helper;"
    "CREATE ROLE app LOGIN";

static const char schema[] =
    "SET client_min_messages = error; CREATE SCHEMA s;"
    "CREATE TABLE s.t (id int PRIMARY KEY, v text, n numeric);"
    "INSERT INTO s.t SELECT g, 'v' || g, g FROM generate_series(1, 100) g;"
    "CREATE TABLE s.ident (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE,"
    " up text GENERATED ALWAYS AS (upper(name)) STORED);"
    "INSERT INTO s.ident (name) SELECT 'n' || g FROM generate_series(1, 20) g;"
    "CREATE TABLE s.parent (id int PRIMARY KEY, boss int REFERENCES s.parent);"
    "CREATE TABLE s.child (id int PRIMARY KEY, p int NOT NULL REFERENCES s.parent"
    " ON DELETE CASCADE ON UPDATE CASCADE, j json);"
    "INSERT INTO s.parent SELECT g, CASE WHEN g > 1 THEN g / 2 END FROM generate_series(1, 30) g;"
    "INSERT INTO s.child SELECT g, g % 30 + 1, '{\"a\": 1}' FROM generate_series(1, 90) g;"
    "CREATE TABLE s.parted (id int, r text, v int, PRIMARY KEY (id, r)) PARTITION BY LIST (r);"
    "CREATE TABLE s.parted_eu PARTITION OF s.parted FOR VALUES IN ('eu');"
    "CREATE TABLE s.parted_us (v int, r text NOT NULL, id int NOT NULL);"
    "ALTER TABLE s.parted ATTACH PARTITION s.parted_us FOR VALUES IN ('us');"
    "INSERT INTO s.parted SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, g"
    " FROM generate_series(1, 40) g;"
    "CREATE TABLE s.leafy (id int NOT NULL, r text) PARTITION BY LIST (r);"
    "CREATE TABLE s.leafy_a PARTITION OF s.leafy (PRIMARY KEY (id)) FOR VALUES IN ('a');"
    "CREATE TABLE s.leafy_b PARTITION OF s.leafy (PRIMARY KEY (id)) FOR VALUES IN ('b');"
    "INSERT INTO s.leafy SELECT g, 'a' FROM generate_series(1, 10) g;"
    "INSERT INTO s.leafy SELECT g, 'b' FROM generate_series(8, 20) g;"
    "CREATE TABLE s.nokey (a int, b json); INSERT INTO s.nokey SELECT g / 2, '{\"x\": 1}'"
    " FROM generate_series(1, 10) g;"
    "CREATE TABLE s.uniq (a int NOT NULL, b text NOT NULL, v int, UNIQUE (a, b));"
    "INSERT INTO s.uniq SELECT g, g, g FROM generate_series(1, 10) g;"
    "CREATE TABLE s.base (id int PRIMARY KEY, v int); CREATE TABLE s.kid (x int, PRIMARY KEY (id))"
    " INHERITS (s.base);"
    "INSERT INTO s.base SELECT g, g FROM generate_series(1, 5) g;"
    "INSERT INTO s.kid SELECT g, g, g FROM generate_series(3, 8) g;";

static char root[] = "/tmp/bs-undo-XXXXXX";
static char spool_dir[128], helper[256], dsn[256];
static struct bs_store *store;
static struct bs_audit *audit;
static PGconn *admin;

static const struct bs_copyback_options plain;
static const struct bs_copyback_options remove_made = {.made = BS_COPYBACK_REMOVE};
static const struct bs_copyback_options all_back = {.conflict = BS_COPYBACK_OVERWRITE,
                                                    .made = BS_COPYBACK_REMOVE};
static const struct bs_copyback_options overwrite = {.conflict = BS_COPYBACK_OVERWRITE};
static const struct bs_copyback_options refuse = {.conflict = BS_COPYBACK_ABORT};

/* What the server has counted in the actor's open transaction. */
static size_t
counters(PGconn *actor, struct bs_changed out[32])
{
    PGresult *res = PQexec(actor, "SELECT relid, n_tup_upd + n_tup_del, n_tup_ins FROM"
                                  " pg_stat_xact_user_tables WHERE schemaname = 's'");
    size_t n = 0;

    for (int i = 0; i < PQntuples(res) && n < 32; i++) {
        out[n] = (struct bs_changed){(uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10),
                                     strtoll(PQgetvalue(res, i, 1), NULL, 10),
                                     strtoll(PQgetvalue(res, i, 2), NULL, 10)};
        n += out[n].replaced + out[n].inserted != 0;
    }
    PQclear(res);
    return n;
}

/* What another session does while the statement's transaction is open; it commits after it. */
static const char *meanwhile;
/* Rows that the counters did not see. */
static bool miscount;
/* A sequence that the statement sets. */
static const char *sequence;

/* Runs a statement and keeps what it replaced, as the gateway does before COMMIT. */
static bool
change(const char *statement, char id[BS_POINT_ID_TEXT])
{
    PGconn *actor = pg_connect("undo"), *other = pg_connect("undo");
    struct bs_capture_request q = {.helper = helper,
                                   .store = store,
                                   .spool = spool_dir,
                                   .actor_pid = PQbackendPID(actor),
                                   .actor = {.agent = "cursor", .ticket = "T-1"},
                                   .statement = {.kind = "UPDATE", .text = statement}};
    struct bs_point_event armed = {.state = BS_EVENT_ARMED},
                          committed = {.state = BS_EVENT_COMMITTED};
    struct bs_capture_result result = {0};
    struct bs_changed changed[32];
    struct bs_replaced what = {.changed = changed};
    struct bs_capture *c = NULL;
    struct bs_err err = {0};
    uint32_t oid;
    bool ok = pg_run(actor, "SET client_min_messages = error; SET ROLE app; BEGIN") &&
              bs_capture_open(&q, &c, &err) == BS_DONE &&
              bs_capture_sequences_note(c, &err) == BS_DONE && pg_run(actor, statement);

    ok = ok && (meanwhile == NULL || (pg_run(other, "BEGIN") && pg_run(other, meanwhile)));
    what.n_changed = counters(actor, changed);
    for (size_t i = 0; miscount && i < what.n_changed; i++)
        changed[i].inserted = 0;
    what.xid = (uint64_t)pg_number(actor, "SELECT pg_current_xact_id()");
    armed.xid = what.xid;
    if (sequence != NULL) {
        char ask[200];
        (void)snprintf(ask, sizeof(ask), "SELECT '%s'::regclass::oid", sequence);
        oid = (uint32_t)pg_number(actor, ask);
        what.sequences = &oid;
        what.n_sequences = 1;
    }
    ok = ok && bs_capture_replaced(c, &what, &result, &err) == BS_DONE && result.manifest != NULL &&
         bs_capture_event(c, &armed, &err) == BS_DONE && pg_run(actor, "COMMIT") &&
         bs_capture_event(c, &committed, &err) == BS_DONE &&
         (meanwhile == NULL || pg_run(other, "COMMIT"));
    if (ok)
        memcpy(id, result.manifest->id, BS_POINT_ID_TEXT);
    if (!tap_check(ok, "change", __FILE__, __LINE__))
        printf("# %s: %s\n", statement, err.message);
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(other);
    return ok;
}

/* A hash of all rows of all tables. */
static const char *
picture(char out[256])
{
    return pg_text(
        admin,
        "SELECT md5(string_agg(md5(x), '|' ORDER BY x)) FROM (SELECT relname || coalesce((xpath("
        "'//x/text()', query_to_xml(format('SELECT string_agg(t::text, %L ORDER BY t::text) AS x"
        " FROM ONLY %s t', '|', c.oid::regclass), true, false, '')))[1]::text, '') AS x FROM "
        "pg_class"
        " c WHERE relnamespace = 's'::regnamespace AND relkind = 'r') q",
        out);
}

static char was[256], is[256];

static void
before(void)
{
    (void)picture(was);
}

static bool
as_before(void)
{
    return strcmp(was, picture(is)) == 0;
}

static bool
open_restore(struct bs_restore *r, const char *id)
{
    struct bs_restore_request q = {.store = store,
                                   .point = id,
                                   .dsn = dsn,
                                   .helper = helper,
                                   .spool = spool_dir,
                                   .by = "operator",
                                   .audit = audit,
                                   .database = "undo"};
    struct bs_err err = {0};

    *r = (struct bs_restore){0};
    if (bs_restore_open(&q, r, &err) == BS_DONE && bs_restore_connect(r, &err) == BS_DONE)
        return true;
    printf("# cannot open %s: %s\n", id, err.message);
    return tap_check(false, "open_restore", __FILE__, __LINE__);
}

/* The sums of all tables of a point. */
static struct bs_diff_table
look(const char *id)
{
    struct bs_diff_table sum = {0};
    struct bs_restore r;
    struct bs_diff d = {0};
    struct bs_err err = {0};

    if (open_restore(&r, id) &&
        !tap_check(bs_diff_run(&r, NULL, &d, &err) == BS_DONE, "diff", __FILE__, __LINE__))
        printf("# %s\n", err.message);
    for (size_t i = 0; i < d.n_tables; i++) {
        sum.saved_rows += d.tables[i].saved_rows;
        sum.missing += d.tables[i].missing;
        sum.by_statement += d.tables[i].by_statement;
        sum.conflicts += d.tables[i].conflicts;
        sum.near += d.tables[i].near;
        sum.equal += d.tables[i].equal;
        sum.made += d.tables[i].made;
        sum.extra += d.tables[i].extra;
        sum.doubtful += d.tables[i].doubtful;
    }
    bs_restore_close(&r);
    return sum;
}

#define LOOKS(d, m, u, c, e, i)                                                                    \
    do {                                                                                           \
        EXPECT_EQ((d).missing, m);                                                                 \
        EXPECT_EQ((d).by_statement, u);                                                            \
        EXPECT_EQ((d).conflicts, c);                                                               \
        EXPECT_EQ((d).equal, e);                                                                   \
        EXPECT_EQ((d).made, i);                                                                    \
        EXPECT_EQ((d).extra, 0);                                                                   \
    } while (0)

/* Rows put back, overwritten and removed; and the id of its own point, if that is wanted. */
struct undone {
    int64_t inserted, updated, removed;
    char point[BS_POINT_ID_TEXT];
};

static char said[512]; /* why the last one was not done */

static struct undone
undo(const char *id, const struct bs_copyback_options *options, enum bs_code want, int line)
{
    struct bs_copyback c = {0};
    struct undone u = {0};
    struct bs_restore r;
    struct bs_err err = {0};

    if (open_restore(&r, id)) {
        (void)!bs_copyback_run(&r, options, NULL, &c, &err);
        if (!tap_equal(err.code, want, "code", __FILE__, line))
            printf("# %s\n", err.message);
        (void)snprintf(said, sizeof(said), "%s", err.message);
    }
    for (size_t i = 0; err.code == BS_OK && i < c.n_tables; i++) {
        u.inserted += c.tables[i].inserted;
        u.updated += c.tables[i].updated;
        u.removed += c.tables[i].removed;
    }
    memcpy(u.point, c.point, sizeof(u.point));
    bs_restore_close(&r);
    return u;
}
#define UNDO(id, options) undo(id, options, BS_OK, __LINE__)

/* Each statement, undone, leaves everything as it was. */
static void
statements_are_undone(void)
{
    static const struct {
        const char *what, *sql;
        enum bs_copyback_made made;
        int64_t inserted, updated, removed;
    } rows[] = {
        {"DELETE", "DELETE FROM s.t WHERE id % 10 = 0", 0, 10, 0, 0},
        {"UPDATE", "UPDATE s.t SET v = 'x' WHERE id <= 7", 0, 0, 7, 0},
        {"updated twice", "UPDATE s.t SET n = n + 1 WHERE id < 5; UPDATE s.t SET n = n + 1", 0, 0,
         100, 0},
        {"both and an insert",
         "DELETE FROM s.t WHERE id = 1; UPDATE s.t SET v = NULL WHERE id = 2;"
         "INSERT INTO s.t VALUES (500, 'new')",
         BS_COPYBACK_REMOVE, 1, 1, 1},
        {"deleted and inserted again",
         "DELETE FROM s.t WHERE id < 4; INSERT INTO s.t VALUES (2, 'other')", 0, 2, 1, 0},
        {"MERGE",
         "MERGE INTO s.t USING (SELECT generate_series(99, 103) AS id) m ON t.id = m.id"
         " WHEN MATCHED AND t.id = 99 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'm'"
         " WHEN NOT MATCHED THEN INSERT VALUES (m.id, 'new')",
         BS_COPYBACK_REMOVE, 1, 1, 3},
        {"ON CONFLICT",
         "INSERT INTO s.t SELECT g, 'c' FROM generate_series(95, 104) g ON CONFLICT (id) DO UPDATE"
         " SET v = excluded.v",
         BS_COPYBACK_REMOVE, 0, 6, 4},
        {"identity and generated columns",
         "UPDATE s.ident SET name = name || '!' WHERE id < 4; DELETE FROM s.ident WHERE id > 18", 0,
         2, 3, 0},
        {"cascade", "DELETE FROM s.parent WHERE id > 15", 0, 15 + 45, 0, 0},
        {"parents and children of its own",
         "UPDATE s.parent SET boss = 3 WHERE id = 4; INSERT INTO s.parent VALUES (500);"
         "UPDATE s.child SET p = 500 WHERE id = 1; INSERT INTO s.child VALUES (5000, 500)",
         BS_COPYBACK_REMOVE, 0, 2, 2},
        {"a key that is referred to", "UPDATE s.parent SET id = 1000 WHERE id = 30",
         BS_COPYBACK_REMOVE, 1, 3, 1},
        {"other keys", "UPDATE s.t SET id = id + 1000 WHERE id > 90", BS_COPYBACK_REMOVE, 10, 0,
         10},
        {"a key that another row had",
         "DELETE FROM s.t WHERE id = 50; UPDATE s.t SET id = 50 WHERE id = 100", 0, 1, 1, 0},
        {"values change hands",
         "DELETE FROM s.ident WHERE id = 2; UPDATE s.ident SET name = 'n2' WHERE id = 1", 0, 1, 1,
         0},
        {"replaced by others with the same values",
         "DELETE FROM s.ident WHERE id <= 3; INSERT INTO s.ident (name) VALUES ('n1'), ('n2')",
         BS_COPYBACK_REMOVE, 3, 0, 2},
        {"rows of partitions",
         "DELETE FROM s.parted WHERE id < 5; UPDATE s.parted SET v = -1"
         " WHERE id > 38",
         0, 4, 2, 0},
        {"a move from partition to partition", "UPDATE s.parted SET r = 'eu' WHERE r = 'us'",
         BS_COPYBACK_REMOVE, 20, 0, 20},
        {"a move where only partitions have keys", "UPDATE s.leafy SET r = 'b' WHERE id < 5", 0, 0,
         4, 0},
        {"the same number in two partitions",
         "UPDATE s.leafy_b SET id = id + 100 WHERE id = 8; DELETE FROM s.leafy_a WHERE id IN (8, "
         "9)",
         BS_COPYBACK_REMOVE, 3, 0, 1},
        {"without a key: deleted", "DELETE FROM s.nokey WHERE a = 5", 0, 1, 0, 0},
        {"without a key: changed", "UPDATE s.nokey SET a = 77 WHERE a < 2", BS_COPYBACK_REMOVE, 3,
         0, 3},
        {"a unique key", "UPDATE s.uniq SET v = 0 WHERE a < 4; DELETE FROM s.uniq WHERE a = 9", 0,
         1, 3, 0},
        {"inheritance", "UPDATE s.base SET v = 0 WHERE id = 3; DELETE FROM s.base WHERE id = 5", 0,
         2, 2, 0},
        {"json", "UPDATE s.child SET j = '{\"a\":1}' WHERE id = 1", 0, 0, 1, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_copyback_options options = {.made = rows[i].made};
        char id[BS_POINT_ID_TEXT] = "";
        struct undone u;
        int misses = tap_misses;

        before();
        if (!change(rows[i].sql, id)) {
            printf("# in row: %s\n", rows[i].what);
            continue;
        }
        u = UNDO(id, &options);
        EXPECT_EQ(u.inserted, rows[i].inserted);
        EXPECT_EQ(u.updated, rows[i].updated);
        EXPECT_EQ(u.removed, rows[i].removed);
        EXPECT(as_before());
        if (tap_misses != misses)
            printf("# in row: %s\n", rows[i].what);
    }
}

static void
what_others_did_since_stays(void)
{
    char id[BS_POINT_ID_TEXT];
    struct undone u;

    before();
    REQUIRE(change("DELETE FROM s.t WHERE id = 1; UPDATE s.t SET v = 'x' WHERE id BETWEEN 2 AND 6",
                   id));
    pg_run(admin, "UPDATE s.t SET v = 'theirs' WHERE id = 2; DELETE FROM s.t WHERE id = 3;"
                  "INSERT INTO s.t VALUES (1, 'theirs'), (777, 'theirs');"
                  "UPDATE s.t SET v = 'v6' WHERE id = 6; UPDATE s.t SET v = 'y' WHERE id = 50");
    LOOKS(look(id), 1, 2, 2, 1, 0);
    (void)undo(id, &refuse, BS_E_CONFLICT, __LINE__);
    LOOKS(look(id), 1, 2, 2, 1, 0);
    u = UNDO(id, &plain);
    EXPECT(u.inserted == 1 && u.updated == 2 && u.removed == 0);
    LOOKS(look(id), 0, 0, 2, 4, 0);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM s.t WHERE v = 'theirs'"), 3);
    u = UNDO(id, &overwrite);
    EXPECT(u.inserted == 0 && u.updated == 2);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM s.t WHERE v = 'y'"), 1);
    pg_run(admin, "DELETE FROM s.t WHERE id = 777; UPDATE s.t SET v = 'v50' WHERE id = 50");
    EXPECT(as_before());
}

/* Rows that were only locked are in the point, too, and do no harm. */
static void
locked_rows_are_left_alone(void)
{
    char id[BS_POINT_ID_TEXT];

    before();
    REQUIRE(
        change("UPDATE s.t SET v = 'x' WHERE id = 1; SELECT FROM s.t WHERE id < 6 FOR UPDATE", id));
    LOOKS(look(id), 0, 1, 0, 4, 0);
    EXPECT_EQ(UNDO(id, &plain).updated, 1);
    EXPECT(as_before());
}

/* Somebody else deleted one at the same time: it is in the point, and nobody can tell. It is said. */
static void
what_others_deleted_meanwhile_is_doubtful(void)
{
    char id[BS_POINT_ID_TEXT];
    struct bs_diff_table d;

    REQUIRE(pg_run(admin, "INSERT INTO s.t VALUES (800, 'x'), (801, 'x')"));
    before();
    meanwhile = "DELETE FROM s.t WHERE id = 800; UPDATE s.t SET n = 3 WHERE id = 801";
    REQUIRE(change("DELETE FROM s.t WHERE id < 4", id));
    meanwhile = NULL;
    d = look(id);
    LOOKS(d, 4, 0, 1, 0, 0);
    EXPECT_EQ(d.doubtful, 1);
    EXPECT_EQ(UNDO(id, &plain).inserted, 4);
    pg_run(admin, "UPDATE s.t SET n = NULL WHERE id = 801");
    EXPECT(as_before());
    pg_run(admin, "DELETE FROM s.t WHERE id >= 800");
}

/* A savepoint's number is a later one; whose it was is not known. */
static void
savepoints_are_conflicts(void)
{
    char id[BS_POINT_ID_TEXT];
    struct bs_diff_table d;

    before();
    REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id = 1; SAVEPOINT a;"
                   "UPDATE s.t SET v = 'x' WHERE id IN (2, 3); RELEASE a",
                   id));
    pg_run(admin, "UPDATE s.t SET v = 'theirs' WHERE id = 3");
    d = look(id);
    LOOKS(d, 0, 1, 2, 0, 0);
    EXPECT_EQ(d.near, 1);
    EXPECT_EQ(UNDO(id, &plain).updated, 1);
    EXPECT_EQ(UNDO(id, &overwrite).updated, 2);
    EXPECT(as_before());
}

static void
housekeeping_keeps_the_numbers(void)
{
    static const char *const rows[] = {"VACUUM FREEZE s.t", "VACUUM FULL s.t",
                                       "CLUSTER s.t USING t_pkey"};
    char id[BS_POINT_ID_TEXT];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        before();
        REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id < 4; INSERT INTO s.t VALUES (900)", id));
        pg_run(admin, rows[i]);
        LOOKS(look(id), 0, 3, 0, 0, 1);
        (void)UNDO(id, &remove_made);
        EXPECT(as_before());
    }
    /* What writes the table anew does not. */
    REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id < 4; INSERT INTO s.t VALUES (900)", id));
    pg_run(admin, "ALTER TABLE s.t SET UNLOGGED");
    LOOKS(look(id), 0, 0, 3, 0, 0);
    (void)UNDO(id, &overwrite);
    pg_run(admin, "ALTER TABLE s.t SET LOGGED; DELETE FROM s.t WHERE id = 900");
    EXPECT(as_before());
}

/* What was inserted stays, unless it is asked for; and nothing goes that was not inserted. */
static void
inserted_rows_go_only_when_told(void)
{
    char id[BS_POINT_ID_TEXT];
    struct undone u;

    before();
    REQUIRE(change("UPDATE s.parent SET boss = NULL WHERE id = 2;"
                   "INSERT INTO s.parent VALUES (500), (501)",
                   id));
    LOOKS(look(id), 0, 1, 0, 0, 2);
    u = UNDO(id, &plain);
    EXPECT(u.updated == 1 && u.removed == 0);
    LOOKS(look(id), 0, 0, 0, 1, 2);

    /* Somebody's row refers to it, and would go along. */
    pg_run(admin, "INSERT INTO s.child VALUES (5000, 500)");
    (void)undo(id, &remove_made, BS_E_UNCOVERED, __LINE__);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM s.child WHERE id = 5000"), 1);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM s.parent WHERE id >= 500"), 2);
    pg_run(admin, "DELETE FROM s.child WHERE id = 5000");
    EXPECT_EQ(UNDO(id, &remove_made).removed, 2);
    EXPECT(as_before());
}

/* More rows with the number than the transaction can have written. */
static void
too_many_rows_are_not_removed(void)
{
    char id[BS_POINT_ID_TEXT];

    before();
    miscount = true;
    REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id = 1; INSERT INTO s.t VALUES (900), (901)", id));
    miscount = false;
    LOOKS(look(id), 0, 1, 0, 0, 2);
    (void)undo(id, &remove_made, BS_E_CONFLICT, __LINE__);
    EXPECT_EQ(UNDO(id, &plain).updated, 1);
    EXPECT_EQ(pg_number(admin, "DELETE FROM s.t WHERE id >= 900 RETURNING 2"), 2);
    EXPECT(as_before());
}

/* An undo is a change like any other: its own point holds the rows that it replaced, no others. */
static void
an_undo_is_undone(void)
{
    char id[BS_POINT_ID_TEXT], point[BS_POINT_ID_TEXT], after[256];
    struct undone u;
    struct bs_restore r;

    before();
    REQUIRE(change("DELETE FROM s.t WHERE id = 1; UPDATE s.t SET v = 'x' WHERE id = 2;"
                   "INSERT INTO s.t VALUES (900)",
                   id));
    (void)picture(after);
    u = UNDO(id, &remove_made);
    EXPECT(as_before());
    REQUIRE(u.point[0] != '\0' && open_restore(&r, u.point));
    EXPECT_EQ(r.ref.outcome, BS_EVENT_COMMITTED);
    EXPECT(strcmp(r.manifest.capture.mode, "rows") == 0);
    EXPECT(r.manifest.n_objects == 1 && r.manifest.objects[0].row_count == 2);
    bs_restore_close(&r);
    memcpy(point, u.point, sizeof(point));
    u = UNDO(point, &remove_made);
    EXPECT(u.inserted == 1 && u.updated == 1 && u.removed == 1);
    EXPECT(strcmp(after, picture(is)) == 0);
    (void)UNDO(u.point, &remove_made);
    EXPECT(as_before());
}

/* Nobody can tell equal rows apart: less is given back rather than more. */
static void
copies_count_for_each_other(void)
{
    char id[BS_POINT_ID_TEXT];

    before();
    REQUIRE(
        change("DELETE FROM s.nokey WHERE ctid = (SELECT min(ctid) FROM s.nokey WHERE a = 1)", id));
    LOOKS(look(id), 0, 0, 0, 1, 0);
    EXPECT_EQ(UNDO(id, &plain).inserted, 0);
    pg_run(admin, "INSERT INTO s.nokey SELECT a, b FROM s.nokey WHERE a = 1 LIMIT 1");
    EXPECT(as_before());
    REQUIRE(change("DELETE FROM s.nokey WHERE a = 1", id));
    EXPECT_EQ(UNDO(id, &plain).inserted, 2);
    EXPECT_EQ(UNDO(id, &plain).inserted, 0); /* not twice */
    EXPECT(as_before());
}

static void
triggers_fire_or_do_not(void)
{
    struct bs_copyback_options quiet = {.triggers = BS_COPYBACK_SUPPRESS};
    char id[BS_POINT_ID_TEXT], states[256], after[256];
    static const char ask[] =
        "SELECT string_agg(format('%s %s %s', tgrelid::regclass, tgname, tgenabled), ' '"
        " ORDER BY 1) FROM pg_trigger WHERE NOT tgisinternal";

    pg_run(admin, "SET ROLE app; CREATE FUNCTION s.stamp() RETURNS trigger LANGUAGE plpgsql AS "
                  "$$BEGIN NEW.v := -2; RETURN NEW; END$$;"
                  "CREATE TRIGGER stamp BEFORE UPDATE ON s.parted FOR EACH ROW EXECUTE FUNCTION"
                  " s.stamp(); ALTER TABLE s.parted_us ENABLE ALWAYS TRIGGER stamp; RESET ROLE");
    (void)pg_text(admin, ask, states);
    before();
    REQUIRE(change("UPDATE s.parted SET v = 0 WHERE id < 5", id));
    (void)undo(id, &plain, BS_E_CONFLICT, __LINE__);
    LOOKS(look(id), 0, 4, 0, 0, 0);
    EXPECT_EQ(UNDO(id, &quiet).updated, 4);
    EXPECT(as_before());
    EXPECT(strcmp(states, pg_text(admin, ask, after)) == 0);
    pg_run(admin, "SET client_min_messages = error; DROP FUNCTION s.stamp() CASCADE");
}

/* TRUNCATE leaves no number behind. */
static void
a_trigger_that_empties_a_table_is_caught(void)
{
    struct bs_copyback_options quiet = {.triggers = BS_COPYBACK_SUPPRESS};
    char id[BS_POINT_ID_TEXT];

    before();
    REQUIRE(change("DELETE FROM s.uniq WHERE a = 1", id));
    pg_run(admin, "SET ROLE app; CREATE FUNCTION public.empty() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$BEGIN TRUNCATE s.nokey; RETURN NEW; END$$;"
                  "CREATE TRIGGER empty AFTER INSERT ON s.uniq FOR EACH ROW EXECUTE FUNCTION"
                  " public.empty(); RESET ROLE");
    (void)undo(id, &plain, BS_E_UNCOVERED, __LINE__);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM s.nokey"), 10);
    EXPECT_EQ(UNDO(id, &quiet).inserted, 1);
    EXPECT(as_before());
    pg_run(admin, "SET client_min_messages = error; DROP FUNCTION public.empty() CASCADE");
}

/* Triggers that put each other off until COMMIT, behind every check. */
static void
nothing_is_written_behind_the_checks(void)
{
    char id[BS_POINT_ID_TEXT];

    REQUIRE(change("DELETE FROM s.uniq WHERE a = 1", id));
    before();
    pg_run(admin,
           "SET ROLE app; CREATE SCHEMA q; CREATE TABLE q.a (a int); CREATE TABLE q.b (a int);"
           "CREATE FUNCTION q.off() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
           " SET CONSTRAINTS ALL DEFERRED; EXECUTE 'INSERT INTO q.' || TG_ARGV[0] || ' VALUES (1)';"
           " RETURN NULL; END$$;"
           "CREATE FUNCTION q.go() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
           " DELETE FROM s.t; RETURN NULL; END$$;"
           "CREATE CONSTRAINT TRIGGER one AFTER INSERT ON s.uniq DEFERRABLE INITIALLY DEFERRED"
           " FOR EACH ROW EXECUTE FUNCTION q.off('a');"
           "CREATE CONSTRAINT TRIGGER two AFTER INSERT ON q.a DEFERRABLE INITIALLY DEFERRED"
           " FOR EACH ROW EXECUTE FUNCTION q.off('b');"
           "CREATE CONSTRAINT TRIGGER three AFTER INSERT ON q.b DEFERRABLE INITIALLY DEFERRED"
           " FOR EACH ROW EXECUTE FUNCTION q.go(); RESET ROLE");
    (void)undo(id, &plain, BS_E_DATABASE, __LINE__);
    EXPECT(strstr(said, "read-only") != NULL);
    EXPECT(as_before());
    pg_run(admin, "SET client_min_messages = error; DROP SCHEMA q CASCADE");
    EXPECT_EQ(UNDO(id, &plain).inserted, 1);
}

static void
a_plan_is_kept_or_nothing_is_done(void)
{
    char id[BS_POINT_ID_TEXT];
    struct bs_copyback plan, c;
    struct bs_restore r;
    struct bs_err err = {0};
    struct bs_buf sql;

    before();
    REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id < 4; INSERT INTO s.t VALUES (900);"
                   "DELETE FROM s.parted WHERE id < 3",
                   id));
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_copyback_plan(&r, &remove_made, &plan, &err), BS_DONE);
    bs_buf_init(&sql, 1u << 20);
    EXPECT_EQ(bs_copyback_print(&r, &remove_made, &sql, &err), BS_DONE);
    bs_put_u8(&sql, 0);
    EXPECT(strstr((char *)sql.p, "DELETE FROM ONLY \"s\".\"t\" l") != NULL);
    EXPECT(strstr((char *)sql.p, "INSERT INTO \"s\".\"parted\"") != NULL);
    EXPECT(strstr((char *)sql.p, "LOCK TABLE \"s\".\"parted\" IN") != NULL);
    bs_buf_fini(&sql);
    pg_run(admin, "DELETE FROM s.t WHERE id = 900");
    EXPECT_EQ(bs_copyback_run(&r, &remove_made, &plan, &c, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    LOOKS(look(id), 2, 3, 0, 0, 0);
    EXPECT_EQ(bs_copyback_plan(&r, &remove_made, &plan, &err), BS_DONE);
    EXPECT_EQ(bs_copyback_run(&r, &remove_made, &plan, &c, &err), BS_DONE);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    bs_restore_close(&r);
    EXPECT(as_before());
}

static void
what_is_gone_is_not_made_again_from_a_part(void)
{
    char id[BS_POINT_ID_TEXT];
    struct bs_rebuild b;
    struct bs_discard d;
    struct bs_restore r;
    struct bs_err err = {0};

    REQUIRE(change("DELETE FROM s.uniq WHERE a < 4", id));
    before();
    pg_run(admin, "ALTER TABLE s.uniq RENAME TO elsewhere");
    (void)undo(id, &plain, BS_E_CONFLICT, __LINE__);
    EXPECT(strstr(said, "is gone") != NULL);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM pg_class WHERE relname = 'uniq'"), 0);
    /* Beside, its rows can be looked at all the same. */
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_rebuild_run(&r, NULL, NULL, &b, &err), BS_DONE);
    EXPECT_EQ(b.tables[0].rows, 3);
    EXPECT_EQ(bs_discard_run(&r, &d, &err), BS_DONE);
    bs_restore_close(&r);
    pg_run(admin, "ALTER TABLE s.elsewhere RENAME TO uniq");
    EXPECT(as_before());
    (void)UNDO(id, &plain);
}

static void
sequences_are_set_back_when_told(void)
{
    struct bs_copyback_options back = {.made = BS_COPYBACK_REMOVE,
                                       .sequences = BS_COPYBACK_SET_BACK};
    static const char last[] = "SELECT last_value FROM s.ident_id_seq";
    char id[BS_POINT_ID_TEXT];
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_preview p;
    struct bs_err err = {0};
    long long then = pg_number(admin, last);

    before();
    sequence = "s.ident_id_seq";
    REQUIRE(change("UPDATE s.ident SET name = 'x' WHERE id = 20; SELECT setval('s.ident_id_seq', "
                   "5000); INSERT INTO s.ident (name) VALUES ('new')",
                   id));
    sequence = NULL;
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_preview_make(&r, NULL, &p, &err), BS_DONE);
    EXPECT(p.n_sequences == 1 && p.sequences[0].saved->last_value == then &&
           p.sequences[0].live.last_value == 5001);

    /* Rows come back, the sequence stays. */
    EXPECT_EQ(bs_copyback_run(&r, &plain, NULL, &c, &err), BS_DONE);
    EXPECT(c.n_sequences == 0 && c.n_sequences_left == 0);
    EXPECT_EQ(pg_number(admin, last), 5001);

    /* Row 5001 is there: the number after what it was would come to it some day. */
    back.made = BS_COPYBACK_KEEP;
    EXPECT_EQ(bs_copyback_run(&r, &back, NULL, &c, &err), BS_DONE);
    EXPECT(c.n_sequences == 0 && c.n_sequences_left == 1);
    EXPECT_EQ(pg_number(admin, last), 5001);
    back.made = BS_COPYBACK_REMOVE;
    EXPECT_EQ(bs_copyback_run(&r, &back, NULL, &c, &err), BS_DONE);
    EXPECT(c.n_sequences == 1 && c.n_sequences_left == 0 && c.sequences_failed == NULL);
    EXPECT_EQ(pg_number(admin, last), then);
    bs_restore_close(&r);
    EXPECT(as_before());
}

static bool
says(const struct bs_preview *p, const char *what)
{
    for (size_t i = 0; i < p->n_conflicts; i++) {
        if (strstr(p->conflicts[i], what) != NULL)
            return true;
    }
    printf("# it does not say: %s\n", what);
    return false;
}

static void
a_preview_tells_all_that_and_touches_nothing(void)
{
    char id[BS_POINT_ID_TEXT], after[256];
    struct bs_restore r;
    struct bs_preview p;
    struct bs_err err = {0};

    before();
    REQUIRE(change("DELETE FROM s.t WHERE id = 1; UPDATE s.t SET v = 'x' WHERE id IN (2, 3);"
                   "INSERT INTO s.t VALUES (900); DELETE FROM s.parted WHERE id < 4;"
                   "UPDATE s.nokey SET a = 99 WHERE a = 5",
                   id));
    pg_run(admin, "UPDATE s.t SET v = 'theirs' WHERE id = 3");
    (void)picture(after);
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_preview_make(&r, NULL, &p, &err), BS_DONE);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    EXPECT_EQ(p.n_tables, 3);
    for (size_t i = 0; i < p.n_tables; i++) {
        const struct bs_preview_table *t = &p.tables[i];
        REQUIRE(t->diff != NULL);
        if (strcmp(t->object->name, "t") == 0)
            LOOKS(*t->diff, 1, 1, 1, 0, 1);
        if (strcmp(t->object->name, "parted") == 0)
            LOOKS(*t->diff, 3, 0, 0, 0, 0);
    }
    EXPECT(says(&p, "1 row of s.t changed since"));
    EXPECT(says(&p, "1 row of s.t made by the transaction"));
    EXPECT(says(&p, "s.nokey has no unique key"));
    EXPECT(strcmp(after, picture(is)) == 0);
    bs_restore_close(&r);
    pg_run(admin, "UPDATE s.t SET v = 'x' WHERE id = 3");
    /* Nobody has counted: the row without a key may be a new one. */
    (void)undo(id, &overwrite, BS_E_CONFLICT, __LINE__);
    EXPECT(strstr(said, "has no key") != NULL);
    (void)UNDO(id, &all_back);
    EXPECT(as_before());
}

/* Two captures of one transaction know of each other by its number. */
static void
points_of_one_transaction_are_named(void)
{
    PGconn *actor = pg_connect("undo");
    struct bs_capture_request q = {.helper = helper,
                                   .store = store,
                                   .spool = spool_dir,
                                   .actor_pid = PQbackendPID(actor),
                                   .statement = {.kind = "UPDATE"}};
    struct bs_err err = {0};
    char ids[2][BS_POINT_ID_TEXT], other[BS_POINT_ID_TEXT], want[64];
    struct bs_restore r;
    struct bs_preview p;

    before();
    pg_run(actor,
           "BEGIN; UPDATE s.t SET v = 'x' WHERE id = 1; UPDATE s.uniq SET v = 0 WHERE a = 1");
    for (int i = 0; i < 2; i++) {
        struct bs_changed changed = {0};
        struct bs_replaced what = {.changed = &changed, .n_changed = 1};
        struct bs_point_event armed = {.state = BS_EVENT_ARMED},
                              committed = {.state = BS_EVENT_COMMITTED};
        struct bs_capture_result result = {0};
        struct bs_capture *c = NULL;
        changed.oid = (uint32_t)pg_number(actor, i == 0 ? "SELECT 's.t'::regclass::oid"
                                                        : "SELECT 's.uniq'::regclass::oid");
        changed.replaced = 1;
        armed.xid = what.xid = (uint64_t)pg_number(actor, "SELECT pg_current_xact_id()");
        EXPECT(bs_capture_open(&q, &c, &err) == BS_DONE &&
               bs_capture_replaced(c, &what, &result, &err) == BS_DONE);
        REQUIRE(result.manifest != NULL);
        memcpy(ids[i], result.manifest->id, BS_POINT_ID_TEXT);
        EXPECT(bs_capture_event(c, &armed, &err) == BS_DONE &&
               bs_capture_event(c, &committed, &err) == BS_DONE);
        bs_capture_close(&c);
    }
    pg_run(actor, "COMMIT");
    PQfinish(actor);
    REQUIRE(change("UPDATE s.t SET v = 'y' WHERE id = 2", other));
    REQUIRE(open_restore(&r, ids[0]));
    EXPECT_EQ(bs_preview_make(&r, NULL, &p, &err), BS_DONE);
    EXPECT_EQ(p.n_siblings, 1);
    (void)snprintf(want, sizeof(want), "the same transaction also made %s", ids[1]);
    EXPECT(says(&p, want));
    EXPECT_EQ(bs_sibling_shares(&p.siblings[0], p.tables[0].live.parts, 1), 0);
    bs_restore_close(&r);
    (void)UNDO(ids[0], &plain);
    (void)UNDO(ids[1], &plain);
    (void)UNDO(other, &plain);
    EXPECT(as_before());
}

/* The key that the table has now may not tell the saved rows apart: then it is none. */
static void
a_key_that_does_not_tell_apart_is_none(void)
{
    char id[BS_POINT_ID_TEXT];

    pg_run(admin,
           "SET ROLE app; CREATE TABLE s.amb (a int NOT NULL, b int NOT NULL, UNIQUE (a, b));"
           "INSERT INTO s.amb VALUES (1, 1), (1, 2), (2, 1); RESET ROLE");
    REQUIRE(change("DELETE FROM s.amb WHERE a = 1", id));
    pg_run(admin, "ALTER TABLE s.amb DROP CONSTRAINT amb_a_b_key, ADD UNIQUE (a);"
                  "INSERT INTO s.amb VALUES (1, 9)");
    LOOKS(look(id), 2, 0, 0, 0, 0);
    (void)undo(id, &overwrite, BS_E_CONFLICT, __LINE__); /* the new key has no room for them */
    EXPECT_EQ(pg_number(admin, "SELECT b FROM s.amb WHERE a = 1"), 9);
    pg_run(admin, "DROP TABLE s.amb");
}

/* Asked for one partition, rows of the others are not taken for nobody's. */
static void
a_tree_is_taken_whole(void)
{
    static const char *const names[] = {"parted_eu", "s.parted_us", "parted", "s.parted"};
    struct bs_copyback_options options = remove_made;
    char id[BS_POINT_ID_TEXT];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct undone u;
        options.table = names[i];
        before();
        REQUIRE(change("UPDATE s.parted SET v = 0 WHERE id < 5; UPDATE s.t SET n = 0 WHERE id = 1",
                       id));
        u = UNDO(id, &options);
        EXPECT(u.inserted == 0 && u.updated == 4 && u.removed == 0);
        options.table = "t";
        EXPECT_EQ(UNDO(id, &options).updated, 1);
        EXPECT(as_before());
    }
    options.table = "nothing";
    (void)undo(id, &options, BS_E_NOT_FOUND, __LINE__);
}

/* What was rolled back has left nothing: rows that differ are others' work. */
static void
what_was_rolled_back_is_not_undone(void)
{
    char id[BS_POINT_ID_TEXT];
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_err err = {0};

    REQUIRE(change("UPDATE s.t SET v = 'v1' WHERE id = 1", id) && open_restore(&r, id));
    r.ref.outcome = BS_EVENT_ROLLED_BACK;
    pg_run(admin, "DELETE FROM s.t WHERE id = 1");
    EXPECT_EQ(bs_copyback_run(&r, &overwrite, NULL, &c, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM s.t WHERE id = 1"), 0);
    bs_restore_close(&r);
    EXPECT_EQ(UNDO(id, &plain).inserted, 1);
}

/* A point of one statement, and another of the same table for the next one. */
static void
rows_of_another_point_are_not_removed(void)
{
    PGconn *actor = pg_connect("undo");
    struct bs_capture_request q = {.helper = helper,
                                   .store = store,
                                   .spool = spool_dir,
                                   .actor_pid = PQbackendPID(actor),
                                   .statement = {.kind = "UPDATE"}};
    struct bs_changed changed = {.replaced = 1};
    struct bs_replaced what = {.changed = &changed, .n_changed = 1};
    struct bs_err err = {0};
    char ids[2][BS_POINT_ID_TEXT];
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_preview p;

    before();
    pg_run(actor, "BEGIN");
    for (int i = 0; i < 2; i++) {
        struct bs_point_event armed = {.state = BS_EVENT_ARMED},
                              committed = {.state = BS_EVENT_COMMITTED};
        struct bs_capture_result result = {0};
        struct bs_capture *capture = NULL;
        pg_run(actor, i == 0 ? "UPDATE s.t SET v = 'x' WHERE id = 1"
                             : "UPDATE s.t SET v = 'x' WHERE id = 2");
        changed.oid = (uint32_t)pg_number(actor, "SELECT 's.t'::regclass::oid");
        armed.xid = what.xid = (uint64_t)pg_number(actor, "SELECT pg_current_xact_id()");
        EXPECT(bs_capture_open(&q, &capture, &err) == BS_DONE &&
               bs_capture_replaced(capture, &what, &result, &err) == BS_DONE);
        REQUIRE(result.manifest != NULL);
        memcpy(ids[i], result.manifest->id, BS_POINT_ID_TEXT);
        EXPECT(bs_capture_event(capture, &armed, &err) == BS_DONE &&
               bs_capture_event(capture, &committed, &err) == BS_DONE);
        bs_capture_close(&capture);
    }
    pg_run(actor, "COMMIT");
    PQfinish(actor);
    /* Nothing of row 1 is the transaction's any more, so the numbers alone would let it pass. */
    pg_run(admin, "UPDATE s.t SET v = 'theirs' WHERE id = 1");

    REQUIRE(open_restore(&r, ids[0]));
    r.manifest.capture.mode = "rows-before";
    EXPECT_EQ(bs_preview_make(&r, NULL, &p, &err), BS_DONE);
    EXPECT_EQ(p.tables[0].diff->made, 1);
    EXPECT(says(&p, "which holds rows of the same table"));
    EXPECT_EQ(bs_copyback_run(&r, &remove_made, NULL, &c, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    EXPECT(strstr(err.message, ids[1]) != NULL);
    bs_restore_close(&r);

    /* The one that was made at the end has all of the table. */
    EXPECT_EQ(UNDO(ids[1], &remove_made).removed, 0);
    EXPECT_EQ(UNDO(ids[1], &overwrite).updated, 1);
    EXPECT(as_before());
}

/* A row may have moved, so all partitions are locked, not only the one it was in. */
static void
writers_of_other_partitions_are_waited_for(void)
{
    PGconn *writer = pg_connect("undo");
    char id[BS_POINT_ID_TEXT];
    int64_t from;

    before();
    REQUIRE(change("DELETE FROM s.parted_us WHERE id < 4", id));
    pg_run(writer, "BEGIN; UPDATE s.parted_eu SET v = v WHERE id = 2");
    EXPECT_EQ(PQsendQuery(writer, "SELECT pg_sleep(1); COMMIT"), 1);
    from = bs_mono_us();
    EXPECT_EQ(UNDO(id, &plain).inserted, 2);
    EXPECT(bs_mono_us() - from > 700000);
    PQfinish(writer);
    EXPECT(as_before());
}

/* When a number says whose a row is, and when it does not. */
static void
numbers_have_a_place_and_a_time(void)
{
    static const struct {
        const char *what;
        const char *cluster;
        uint32_t timeline, database;
        int64_t xid; /* plus what it was; INT64_MIN: 0 */
        bool known;
    } rows[] = {
        {"as it was", NULL, 0, 0, 0, true},
        {"learnt from the event", NULL, 0, 0, INT64_MIN, true},
        {"another cluster", "7", 0, 0, 0, false},
        {"another timeline", NULL, 9, 0, 0, false},
        {"another database", NULL, 0, 9, 0, false},
        {"not given out yet", NULL, 0, 0, 1000000, false},
    };
    char id[BS_POINT_ID_TEXT];
    struct bs_restore r;
    struct bs_err err = {0};

    REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id < 4", id) && open_restore(&r, id));
    EXPECT(r.origin.known && r.origin.xid != 0 && r.origin.until > r.origin.xid);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_manifest m = r.manifest;
        struct bs_origin o;
        if (rows[i].cluster != NULL)
            m.source.system_identifier = rows[i].cluster;
        m.source.timeline += rows[i].timeline;
        m.source.database_oid += rows[i].database;
        m.capture.xid = rows[i].xid == INT64_MIN ? 0 : m.capture.xid + (uint64_t)rows[i].xid;
        EXPECT_EQ(bs_origin_find(&r.db, store, &r.ref, &m, &r.arena, &o, &err), BS_DONE);
        EXPECT_EQ(o.known, rows[i].known);
        EXPECT(o.known == (o.why == NULL));
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].what);
    }
    /* What is not known is a conflict, and nothing is removed. */
    r.origin = (struct bs_origin){.why = "so it is"};
    {
        struct bs_copyback c;
        EXPECT_EQ(bs_copyback_run(&r, &plain, NULL, &c, &err), BS_DONE);
        EXPECT(c.tables[0].updated == 0 && c.tables[0].diff.conflicts == 3);
        EXPECT_EQ(bs_copyback_run(&r, &remove_made, NULL, &c, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_CONFLICT);
    }
    bs_restore_close(&r);
    EXPECT_EQ(UNDO(id, &plain).updated, 3);
}

/* Starts the server again, after a command in its data folder, with one more option. */
static bool
restart(const char *command, const char *option)
{
    PQfinish(admin);
    EXPECT(pg_shell("cd / && %s%s/pg_ctl -D %s/data -w stop >/dev/null", pg_as(), pg_bin, pg_dir));
    EXPECT(pg_shell("cd / && %s%s/%s -D %s/data >/dev/null", pg_as(), pg_bin, command, pg_dir));
    EXPECT(pg_shell("cd / && %s%s/pg_ctl -D %s/data -w -l %s/log -o \"-c listen_addresses='' -c "
                    "unix_socket_directories=%s -c fsync=off %s\" start >/dev/null",
                    pg_as(), pg_bin, pg_dir, pg_dir, pg_dir, option));
    admin = pg_connect("undo");
    return PQstatus(admin) == CONNECTION_OK;
}

/* Where the server keeps commit times, savepoints are told from what others did. */
static void
commit_times_tell_savepoints(void)
{
    char id[BS_POINT_ID_TEXT];
    struct bs_diff_table d;

    REQUIRE(restart("pg_controldata", "-c track_commit_timestamp=on"));
    before();
    meanwhile = "UPDATE s.t SET v = 'theirs' WHERE id = 50";
    REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id = 1; SAVEPOINT a;"
                   "UPDATE s.t SET v = 'x' WHERE id IN (2, 3); INSERT INTO s.t VALUES (900);"
                   "RELEASE a",
                   id));
    meanwhile = NULL;
    pg_run(admin, "UPDATE s.t SET v = 'theirs' WHERE id = 3");
    d = look(id);
    LOOKS(d, 0, 2, 2, 0, 1);
    EXPECT_EQ(d.near, 1); /* the one at the same time, which is not ours */
    EXPECT_EQ(UNDO(id, &remove_made).updated, 2);
    EXPECT_EQ(pg_number(admin, "SELECT count(*) FROM s.t WHERE v = 'theirs'"), 2);
    pg_run(admin, "UPDATE s.t SET v = 'v' || id WHERE v = 'theirs'");
    EXPECT(as_before());
}

/* The last one: it moves the server's counter by a whole round. */
static void
old_numbers_are_used_again(void)
{
    char id[BS_POINT_ID_TEXT];

    before();
    REQUIRE(change("UPDATE s.t SET v = 'x' WHERE id < 4", id));
    LOOKS(look(id), 0, 3, 0, 0, 0);
    REQUIRE(restart("pg_resetwal -e 1", ""));
    LOOKS(look(id), 0, 0, 3, 0, 0);
    EXPECT_EQ(UNDO(id, &plain).updated, 0);
    EXPECT_EQ(UNDO(id, &overwrite).updated, 3);
    EXPECT(as_before());
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"statements are undone", statements_are_undone},
        {"what others did since stays", what_others_did_since_stays},
        {"locked rows are left alone", locked_rows_are_left_alone},
        {"what others deleted meanwhile is doubtful", what_others_deleted_meanwhile_is_doubtful},
        {"savepoints are conflicts", savepoints_are_conflicts},
        {"housekeeping keeps the numbers", housekeeping_keeps_the_numbers},
        {"inserted rows go only when told", inserted_rows_go_only_when_told},
        {"too many rows are not removed", too_many_rows_are_not_removed},
        {"an undo is undone", an_undo_is_undone},
        {"copies count for each other", copies_count_for_each_other},
        {"triggers fire or do not", triggers_fire_or_do_not},
        {"a trigger that empties a table is caught", a_trigger_that_empties_a_table_is_caught},
        {"nothing is written behind the checks", nothing_is_written_behind_the_checks},
        {"a plan is kept or nothing is done", a_plan_is_kept_or_nothing_is_done},
        {"what is gone is not made again from a part", what_is_gone_is_not_made_again_from_a_part},
        {"sequences are set back when told", sequences_are_set_back_when_told},
        {"a preview tells all that and touches nothing",
         a_preview_tells_all_that_and_touches_nothing},
        {"points of one transaction are named", points_of_one_transaction_are_named},
        {"a key that does not tell apart is none", a_key_that_does_not_tell_apart_is_none},
        {"rows of another point are not removed", rows_of_another_point_are_not_removed},
        {"a tree is taken whole", a_tree_is_taken_whole},
        {"what was rolled back is not undone", what_was_rolled_back_is_not_undone},
        {"writers of other partitions are waited for", writers_of_other_partitions_are_waited_for},
        {"numbers have a place and a time", numbers_have_a_place_and_a_time},
        {"commit times tell savepoints", commit_times_tell_savepoints},
        {"old numbers are used again", old_numbers_are_used_again},
    };
    char url[128], dir[128];
    struct bs_audit_options options = {.directory = dir};
    struct bs_err err = {0};
    int failed = 1;

    if (mkdtemp(root) == NULL || !pg_start()) {
        printf("Bail out! no PostgreSQL could be started\n");
        pg_stop();
        return 1;
    }
    (void)snprintf(url, sizeof(url), "file://%s/store", root);
    (void)snprintf(dir, sizeof(dir), "%s/audit", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    (void)snprintf(helper, sizeof(helper),
                   "host=%s user=helper password='it\\'s secret' dbname=undo", pg_dir);
    (void)snprintf(dsn, sizeof(dsn), "host=%s user=app dbname=undo", pg_dir);
    admin = pg_connect("postgres");
    if (pg_run(admin, roles) && pg_run(admin, "CREATE DATABASE undo OWNER app")) {
        PQfinish(admin);
        admin = PQconnectdb(dsn);
        (void)pg_run(admin, schema);
        PQfinish(admin);
        admin = pg_connect("undo");
        if (bs_store_open(url, &store, &err) == BS_DONE &&
            bs_audit_open(&options, &audit, &err) == BS_DONE)
            failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    }
    PQfinish(admin);
    bs_audit_close(&audit);
    bs_store_close(&store);
    pg_stop();
    (void)pg_shell("rm -rf %s", root);
    return failed;
}
