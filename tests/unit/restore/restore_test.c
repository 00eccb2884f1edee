/*
 * restore_test.c - what destruction takes and a copy-back gives back, on a real PostgreSQL: the
 * schema as pg_dump writes it and every row, before and after.
 */
#include "restore/copyback.h"

#include "restore/diff.h"
#include "restore/preview.h"
#include "restore/rebuild.h"
#include "shop.h"
#include "unit/recovery/pg.h"

static char root[] = "/tmp/bs-restore-XXXXXX";
static char spool_dir[128], helper[256], dsn[256];
static struct bs_store *store;
static struct bs_audit *audit;
static struct bs_arena arena;

/* CREATE DATABASE, at the end of a text, refuses company. */
static bool
pg_each(PGconn *conn, const char *sql)
{
    const char *database = strstr(sql, "CREATE DATABASE");
    char *first = database == NULL ? bs_strdup(sql) : bs_strdup("");
    bool ok;

    if (database != NULL) {
        first = bs_realloc(first, (size_t)(database - sql) + 1);
        memcpy(first, sql, (size_t)(database - sql));
        first[database - sql] = '\0';
    }
    ok = pg_run(conn, first) && (database == NULL || pg_run(conn, database));
    free(first);
    return ok;
}

/* Tables of a point. */
static struct bs_plan_table tables[32];
static struct bs_plan plan;

static void
plan_for(PGconn *conn, const char *const *names)
{
    plan = (struct bs_plan){.kind = BS_PLAN_WHOLE, .tables = tables, .definition = true};
    for (; *names != NULL; names++) {
        const char *values[] = {*names};
        PGresult *res = PQexecParams(conn,
                                     "SELECT c.oid, nspname, relname, relkind FROM pg_class c JOIN"
                                     " pg_namespace n ON n.oid = relnamespace WHERE c.oid ="
                                     " $1::regclass",
                                     1, NULL, values, NULL, NULL, 0);
        if (!tap_check(PQntuples(res) == 1, *names, __FILE__, __LINE__)) {
            PQclear(res);
            continue;
        }
        tables[plan.n_tables++] = (struct bs_plan_table){
            .oid = (uint32_t)strtoul(PQgetvalue(res, 0, 0), NULL, 10),
            .schema = bs_arena_str(&arena, PQgetvalue(res, 0, 1)),
            .name = bs_arena_str(&arena, PQgetvalue(res, 0, 2)),
            .relkind = PQgetvalue(res, 0, 3)[0],
            .kind = BS_KIND_DROP_TABLE,
        };
        PQclear(res);
    }
}

/* Locks, makes a point as the gateway would, runs the statement and commits. */
static bool
destroy(const char *const *names, const char *statement, char id[BS_POINT_ID_TEXT])
{
    PGconn *actor = pg_connect("shop");
    struct bs_capture_request q = {.helper = helper,
                                   .store = store,
                                   .spool = spool_dir,
                                   .plan = &plan,
                                   .actor_pid = PQbackendPID(actor),
                                   .actor = {.agent = "cursor", .owner = "alice"},
                                   .statement = {.kind = "DROP TABLE", .text = statement}};
    struct bs_point_event armed = {.state = BS_EVENT_ARMED, .xid = 5},
                          committed = {.state = BS_EVENT_COMMITTED};
    struct bs_capture_result result = {0};
    struct bs_capture *c = NULL;
    struct bs_err err = {0};
    bool ok = pg_run(actor, "SET client_min_messages = error; BEGIN");

    plan_for(actor, names);
    for (size_t i = 0; ok && i < plan.n_tables; i++) {
        char lock[300];
        (void)snprintf(lock, sizeof(lock), "LOCK \"%s\".\"%s\" IN SHARE ROW EXCLUSIVE MODE",
                       plan.tables[i].schema, plan.tables[i].name);
        ok = plan.tables[i].relkind == 'm' || pg_run(actor, lock);
    }
    ok = ok && bs_capture_open(&q, &c, &err) == BS_DONE &&
         bs_capture_run(c, &result, &err) == BS_DONE &&
         bs_capture_event(c, &armed, &err) == BS_DONE;
    ok = ok && pg_run(actor, statement) && pg_run(actor, "COMMIT") &&
         bs_capture_event(c, &committed, &err) == BS_DONE;
    if (ok)
        memcpy(id, result.manifest->id, BS_POINT_ID_TEXT);
    if (!tap_check(ok, "destroy", __FILE__, __LINE__))
        printf("# %s: %s\n", statement, err.message);
    bs_capture_close(&c);
    PQfinish(actor);
    return ok;
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
                                   .database = "shop"};
    struct bs_err err = {0};

    *r = (struct bs_restore){0};
    if (bs_restore_open(&q, r, &err) == BS_DONE && bs_restore_connect(r, &err) == BS_DONE)
        return true;
    printf("# cannot open %s: %s\n", id, err.message);
    return tap_check(false, "open_restore", __FILE__, __LINE__);
}

/*
 * The whole state of the database: its schema as pg_dump writes it, a hash of every relation's
 * rows, and where sequences stand.
 */
static void
picture(const char *name)
{
    static const char questions[] =
        "SELECT format('SELECT %L, count(*), md5(string_agg(x::text, %L ORDER BY x::text)) FROM"
        " ONLY %s x', c.oid::regclass, '|', c.oid::regclass) FROM pg_class c WHERE"
        " relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'm')"
        " ORDER BY c.oid::regclass::text \\gexec\n"
        "SELECT format('SELECT %L, last_value, is_called FROM %s', c.oid::regclass,"
        " c.oid::regclass) FROM pg_class c WHERE relnamespace = 'shop'::regnamespace AND"
        " relkind = 'S' ORDER BY c.oid::regclass::text \\gexec\n";
    char path[256];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/questions.sql", root);
    f = fopen(path, "w");
    if (f == NULL || fputs(questions, f) < 0 || fclose(f) != 0)
        EXPECT(!"questions.sql");
    EXPECT(pg_shell("%s/pg_dump -s -h %s -U postgres shop | grep -v '^.restrict\\|^.unrestrict' "
                    ">%s/%s.sql",
                    pg_bin, pg_dir, root, name));
    EXPECT(pg_shell("%s/psql -h %s -U postgres -AtXq shop -f %s >%s/%s.rows", pg_bin, pg_dir, path,
                    root, name));
}

/* True where nothing differs between two pictures; says what does. */
static bool
equal(const char *a, const char *b)
{
    bool sql = pg_shell("diff %s/%s.sql %s/%s.sql | sed 's/^/# /'; cmp -s %s/%s.sql %s/%s.sql",
                        root, a, root, b, root, a, root, b);
    bool rows = pg_shell("diff %s/%s.rows %s/%s.rows | sed 's/^/# /'; cmp -s %s/%s.rows %s/%s.rows",
                         root, a, root, b, root, a, root, b);

    return sql && rows;
}

static bool
set_up(void)
{
    char url[128], dir[128];
    struct bs_audit_options options = {.directory = dir};
    struct bs_err err = {0};
    PGconn *conn;
    bool ok;

    if (mkdtemp(root) == NULL || !pg_start())
        return false;
    (void)snprintf(url, sizeof(url), "file://%s/store", root);
    (void)snprintf(dir, sizeof(dir), "%s/audit", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    (void)snprintf(helper, sizeof(helper),
                   "host=%s user=helper password='it\\'s secret' dbname=shop", pg_dir);
    (void)snprintf(dsn, sizeof(dsn), "host=%s user=app dbname=shop", pg_dir);
    conn = pg_connect("postgres");
    ok = pg_each(conn, shop_roles);
    PQfinish(conn);
    conn = PQconnectdb(dsn);
    ok = ok && pg_each(conn, shop_users) && pg_each(conn, shop_rest);
    PQfinish(conn);
    if (bs_store_open(url, &store, &err) != BS_DONE ||
        bs_audit_open(&options, &audit, &err) != BS_DONE) {
        printf("# %s\n", err.message);
        return false;
    }
    return ok;
}

static const struct bs_copyback_options plain;

/* Copies everything back that the point has. */
static void
copy_back(const char *id,
          const struct bs_copyback_options *options,
          struct bs_restore *r,
          struct bs_copyback *out,
          enum bs_code want,
          int line)
{
    struct bs_err err = {0};
    enum bs_done done;

    if (!open_restore(r, id))
        return;
    done = bs_copyback_run(r, options, NULL, out, &err);
    if (!tap_equal(err.code, want, "code", __FILE__, line) ||
        !tap_equal(done, want == BS_OK ? BS_DONE : BS_FAILED, "done", __FILE__, line))
        printf("# %s\n", err.message);
}

static const char *const everything[] = {"shop.users", "shop.kid", "shop.mv", "shop.mvmv", NULL};

static void
a_dropped_table_comes_back_as_it_was(void)
{
    struct bs_restore r;
    struct bs_copyback c;
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(everything, "DROP TABLE shop.users CASCADE", id));
    picture("gone");
    EXPECT(!pg_shell("cmp -s %s/before.sql %s/gone.sql", root, root));
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    EXPECT_EQ(c.n_tables, 2);
    EXPECT(c.compared && c.difference == NULL);
    if (c.difference != NULL)
        printf("# %s\n", c.difference);
    EXPECT_EQ(c.n_refreshed, 2);
    EXPECT(c.point[0] == '\0'); /* nothing that lives was changed */
    picture("after");
    EXPECT(equal("before", "after"));
    bs_restore_close(&r);
}

/* An object's file in the store. */
static void
file_of(const struct bs_restore *r, size_t object, char out[512])
{
    (void)snprintf(out, 512, "%s/store/%s", root, r->manifest.objects[object].key);
}

static void
a_dropped_schema_comes_back(void)
{
    static const char *const all[] = {"shop.users",  "shop.kid",    "shop.mv",       "shop.mvmv",
                                      "shop.orders", "shop.parted", "shop.parted1",  "shop.parted2",
                                      "shop.nokey",  "shop.acls",   "shop.\"None\"", NULL};
    struct bs_restore r;
    struct bs_copyback c;
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(all, "DROP SCHEMA shop CASCADE", id));
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    EXPECT(c.compared && c.difference == NULL);
    picture("after");
    EXPECT(equal("before", "after"));
    bs_restore_close(&r);
}

static void
one_table_brings_its_company_but_no_strangers(void)
{
    static const char *const parted[] = {"shop.parted", "shop.parted1", "shop.parted2", NULL};
    struct bs_copyback_options one = {.table = "shop.parted"}, all = {.all_missing = true};
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(parted, "DROP TABLE shop.parted CASCADE", id));
    pg_run(conn, "DROP VIEW shop.apart"); /* on purpose, later */
    copy_back(id, &one, &r, &c, BS_OK, __LINE__);
    bs_restore_close(&r);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.report"), 3);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM pg_class WHERE relname = 'apart'"), 0);
    copy_back(id, &all, &r, &c, BS_OK, __LINE__);
    EXPECT_EQ(c.n_objects, 1);
    bs_restore_close(&r);
    picture("after");
    EXPECT(equal("before", "after"));
    PQfinish(conn);
}

static void
an_orphan_stops_everything(void)
{
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(everything, "DROP TABLE shop.users CASCADE", id));
    pg_run(conn, "INSERT INTO shop.orders (id, user_id) VALUES (900, 99999)");
    picture("gone");
    copy_back(id, &plain, &r, &c, BS_E_CONFLICT, __LINE__);
    bs_restore_close(&r);
    picture("still");
    EXPECT(equal("gone", "still"));
    pg_run(conn, "DELETE FROM shop.orders WHERE id = 900");
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    bs_restore_close(&r);
    picture("after");
    EXPECT(equal("before", "after"));
    PQfinish(conn);
}

static const char *const orders[] = {"shop.orders", NULL};

static void
rebuilds_beside_and_discards(void)
{
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_rebuild b;
    struct bs_discard d;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT], schema[32], sql[512];

    picture("before");
    REQUIRE(destroy(everything, "SELECT 1", id));
    (void)snprintf(schema, sizeof(schema), "recovery_%s", id + strlen(id) - 8);
    for (char *p = schema; *p != '\0'; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    pg_run(conn, "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO PUBLIC, reader;"
                 "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT USAGE ON SCHEMAS TO reader");
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_rebuild_run(&r, NULL, NULL, &b, &err), BS_DONE);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    EXPECT_EQ(b.n_tables, 4);
    EXPECT(strcmp(b.tables[0].schema, schema) == 0);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT (SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM %s.users t) ="
                   " (SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM ONLY shop.users t)",
                   schema);
    EXPECT(pg_text(conn, sql, (char[256]){0})[0] == 't');
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM pg_class c, aclexplode(relacl) a WHERE relnamespace ="
                   " '%s'::regnamespace AND a.grantee <> relowner",
                   schema);
    EXPECT_EQ(pg_number(conn, sql), 0);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM pg_namespace n, aclexplode(nspacl) a WHERE nspname = '%s'"
                   " AND a.grantee <> nspowner",
                   schema);
    EXPECT_EQ(pg_number(conn, sql), 0);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM pg_index WHERE indisprimary AND indrelid ="
                   " '%s.users'::regclass",
                   schema);
    EXPECT_EQ(pg_number(conn, sql), 1);

    /* Never over what is there. */
    EXPECT_EQ(bs_rebuild_run(&r, NULL, NULL, &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_rebuild_run(&r, "shop.users", "shop.orders", &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_rebuild_run(&r, "users", "shop.users_then", &b, &err), BS_DONE);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.users_then"), 500);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_rebuild_run(&r, NULL, "shop.x", &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_USAGE);

    /* Away goes what is ours, and nothing else. */
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE %s.mine (a int)", schema);
    pg_run(conn, sql);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_discard_run(&r, &d, &err), BS_DONE);
    EXPECT_EQ(d.n_dropped, 5);
    EXPECT(d.kept != NULL && strcmp(d.kept, schema) == 0);
    (void)snprintf(sql, sizeof(sql), "DROP TABLE %s.mine", schema);
    pg_run(conn, sql);
    EXPECT_EQ(bs_discard_run(&r, &d, &err), BS_DONE);
    EXPECT_EQ(d.n_dropped, 1);
    pg_run(conn,
           "ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE SELECT ON TABLES FROM PUBLIC, reader;"
           "ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE USAGE ON SCHEMAS FROM reader");
    /* A schema of that name that somebody else made. */
    (void)snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", schema);
    pg_run(conn, sql);
    EXPECT_EQ(bs_rebuild_run(&r, "users", NULL, &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_discard_run(&r, &d, &err), BS_DONE);
    EXPECT_EQ(d.n_dropped, 0);
    (void)snprintf(sql, sizeof(sql), "DROP SCHEMA %s", schema);
    pg_run(conn, sql);
    bs_restore_close(&r);
    picture("after");
    EXPECT(equal("before", "after"));
    PQfinish(conn);
}

static void
rows_come_back_by_key(void)
{
    struct bs_copyback_options skip = {.table = "orders"},
                               stop = {.table = "orders", .conflict = BS_COPYBACK_ABORT},
                               over = {.table = "orders", .conflict = BS_COPYBACK_OVERWRITE};
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_diff d;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(orders, "DELETE FROM shop.orders WHERE id % 5 = 0", id));
    pg_run(conn, "UPDATE shop.orders SET total = -1 WHERE id IN (1, 2, 3)");
    pg_run(conn, "INSERT INTO shop.orders (id, total) VALUES (5000, 1)");
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_diff_run(&r, "shop.orders", &d, &err), BS_DONE);
    REQUIRE(err.code == BS_OK && d.n_tables == 1);
    EXPECT(!d.same);
    EXPECT_EQ(d.tables[0].missing, 100);
    EXPECT_EQ(d.tables[0].changed, 3);
    EXPECT_EQ(d.tables[0].extra, 1);
    EXPECT_EQ(d.tables[0].saved_rows, 500);
    EXPECT_EQ(d.tables[0].live_rows, 401);
    EXPECT_EQ(d.tables[0].missing_keys.n, 10);
    EXPECT(strcmp(d.tables[0].missing_keys.keys[0], "{\"id\": 5}") == 0);
    EXPECT(strcmp(d.tables[0].changed_keys.keys[2], "{\"id\": 3}") == 0);
    EXPECT(strcmp(d.tables[0].extra_keys.keys[0], "{\"id\": 5000}") == 0);
    EXPECT(d.tables[0].n_columns == 1 && strcmp(d.tables[0].columns[0].name, "total") == 0 &&
           d.tables[0].columns[0].rows == 3);
    bs_restore_close(&r);

    copy_back(id, &stop, &r, &c, BS_E_CONFLICT, __LINE__);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders"), 401);
    bs_restore_close(&r);
    copy_back(id, &skip, &r, &c, BS_OK, __LINE__);
    EXPECT_EQ(c.tables[0].inserted, 100);
    EXPECT_EQ(c.tables[0].updated, 0);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders WHERE total = -1"), 3);
    bs_restore_close(&r);
    copy_back(id, &over, &r, &c, BS_OK, __LINE__);
    EXPECT_EQ(c.tables[0].updated, 3);
    EXPECT(c.point[0] != '\0');
    bs_restore_close(&r);

    /* Its own point holds what was there before it. */
    REQUIRE(open_restore(&r, c.point));
    EXPECT_EQ(r.ref.outcome, BS_EVENT_COMMITTED);
    EXPECT_EQ(bs_diff_run(&r, NULL, &d, &err), BS_DONE);
    EXPECT(d.tables[0].missing == 0 && d.tables[0].changed == 3 && d.tables[0].extra == 0);
    bs_restore_close(&r);
    pg_run(conn, "DELETE FROM shop.orders WHERE id = 5000");
    picture("after");
    EXPECT(equal("before", "after"));
    PQfinish(conn);
}

static void
a_truncate_is_undone(void)
{
    static const char *const both[] = {"shop.orders", "shop.users", "shop.kid", NULL};
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(both, "TRUNCATE shop.orders, shop.users RESTART IDENTITY CASCADE", id));
    EXPECT_EQ(pg_number(conn, "SELECT last_value FROM shop.users_id_seq"), 1);
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    EXPECT_EQ(c.n_sequences, 2);
    bs_restore_close(&r);
    picture("after");
    EXPECT(equal("before", "after"));
    PQfinish(conn);
}

static void
rows_without_a_key_are_a_multiset(void)
{
    static const char *const nokey[] = {"shop.nokey", NULL};
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_diff d;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(nokey,
                    "DELETE FROM shop.nokey WHERE ctid IN (SELECT max(ctid) FROM shop.nokey GROUP"
                    " BY a)",
                    id));
    pg_run(conn, "INSERT INTO shop.nokey VALUES (77, '1')");
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_diff_run(&r, NULL, &d, &err), BS_DONE);
    EXPECT(d.tables[0].missing == 6 && d.tables[0].extra == 1 && d.tables[0].changed == 0);
    bs_restore_close(&r);
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    bs_restore_close(&r);
    pg_run(conn, "DELETE FROM shop.nokey WHERE a = 77");
    picture("after");
    EXPECT(equal("before", "after"));
    PQfinish(conn);
}

/* Types without a binary form are kept as text. */
static void
text_comes_back(void)
{
    static const char *const acls[] = {"shop.acls", NULL};
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_rebuild b;
    struct bs_discard d;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT];

    picture("before");
    REQUIRE(destroy(acls, "DELETE FROM shop.acls WHERE a IS NULL OR t = ''", id));
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(r.manifest.objects[0].format, BS_ROWS_TEXT);
    EXPECT_EQ(bs_rebuild_run(&r, NULL, NULL, &b, &err), BS_DONE);
    EXPECT_EQ(bs_discard_run(&r, &d, &err), BS_DONE);
    bs_restore_close(&r);
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    EXPECT_EQ(c.tables[0].inserted, 2);
    bs_restore_close(&r);
    picture("after");
    EXPECT(equal("before", "after"));
}

/* A trigger that changes what is put back: the result would not be the saved rows. */
static void
rows_that_a_trigger_changes_are_refused(void)
{
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    char id[BS_POINT_ID_TEXT];

    pg_run(conn, "SET ROLE app; CREATE FUNCTION shop.zero() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$BEGIN NEW.total := 0; RETURN NEW; END$$;"
                 "CREATE TRIGGER zero BEFORE INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION"
                 " shop.zero(); RESET ROLE");
    REQUIRE(destroy(orders, "DELETE FROM shop.orders WHERE id < 4", id));
    copy_back(id, &plain, &r, &c, BS_E_CONFLICT, __LINE__);
    bs_restore_close(&r);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders"), 497);
    pg_run(conn, "SET client_min_messages = error; DROP FUNCTION shop.zero() CASCADE");
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    bs_restore_close(&r);
    PQfinish(conn);
}

/* Who writes while a copy-back runs either waits for it or is seen by it: never overwritten. */
static void
a_writer_is_waited_for(void)
{
    struct bs_copyback_options over = {.conflict = BS_COPYBACK_OVERWRITE};
    PGconn *conn = pg_connect("shop"), *writer = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c, plan_made;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT];

    REQUIRE(destroy(orders, "UPDATE shop.orders SET total = 0 WHERE id < 4", id));
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_copyback_plan(&r, &over, &plan_made, &err), BS_DONE);
    pg_run(writer, "BEGIN; UPDATE shop.orders SET total = -5 WHERE id = 100");
    EXPECT_EQ(PQsendQuery(writer, "SELECT pg_sleep(1); COMMIT"), 1);
    EXPECT_EQ(bs_copyback_run(&r, &over, &plan_made, &c, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT); /* one more has changed than was agreed to */
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders WHERE total = -5"), 1);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders WHERE total = 0"), 3);
    bs_restore_close(&r);
    for (PGresult *res = PQgetResult(writer); res != NULL; res = PQgetResult(writer))
        PQclear(res);
    PQfinish(writer);
    copy_back(id, &over, &r, &c, BS_OK, __LINE__);
    EXPECT_EQ(c.tables[0].updated, 4);
    bs_restore_close(&r);
    PQfinish(conn);
}

/* A trigger that writes elsewhere would change rows that no point holds. */
static void
triggers_stay_within_what_is_covered(void)
{
    struct bs_copyback_options quiet = {.triggers = BS_COPYBACK_SUPPRESS};
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    char id[BS_POINT_ID_TEXT];

    pg_run(conn, "SET ROLE app; CREATE FUNCTION shop.bump() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$BEGIN UPDATE shop.nokey SET a = a + 1; RETURN NEW; END$$;"
                 "CREATE TRIGGER bump AFTER INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION"
                 " shop.bump(); ALTER TABLE shop.orders ENABLE ALWAYS TRIGGER bump; RESET ROLE");
    picture("before");
    REQUIRE(destroy(orders, "DELETE FROM shop.orders WHERE id < 4", id));
    picture("gone");
    copy_back(id, &plain, &r, &c, BS_E_UNCOVERED, __LINE__);
    bs_restore_close(&r);
    picture("still");
    EXPECT(equal("gone", "still"));
    copy_back(id, &quiet, &r, &c, BS_OK, __LINE__);
    bs_restore_close(&r);
    picture("after");
    EXPECT(equal("before", "after"));
    pg_run(conn, "SET client_min_messages = error; DROP FUNCTION shop.bump() CASCADE");
    PQfinish(conn);
}

static bool
says(const struct bs_preview *p, const char *what)
{
    for (size_t i = 0; i < p->n_conflicts; i++) {
        if (strstr(p->conflicts[i], what) != NULL)
            return true;
    }
    return false;
}

static void
a_table_that_moved_is_refused(void)
{
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_preview p;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT];

    REQUIRE(destroy(orders, "DELETE FROM shop.orders WHERE id < 4", id));
    pg_run(conn, "ALTER TABLE shop.orders ALTER best TYPE bigint");
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_preview_make(&r, NULL, &p, &err), BS_DONE);
    EXPECT(says(&p, "shop.orders.best was integer and is now bigint"));
    EXPECT_EQ(p.tables[0].live_rows, 497);
    bs_restore_close(&r);
    copy_back(id, &plain, &r, &c, BS_E_CONFLICT, __LINE__);
    bs_restore_close(&r);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders"), 497);
    pg_run(conn, "ALTER TABLE shop.orders ALTER best TYPE int");
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    bs_restore_close(&r);
    PQfinish(conn);
}

static void
a_plan_is_kept_or_nothing_is_done(void)
{
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback plan_made, c;
    struct bs_err err = {0};
    struct bs_buf sql;
    char id[BS_POINT_ID_TEXT];

    REQUIRE(destroy(orders, "DELETE FROM shop.orders WHERE id < 4", id));
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_copyback_plan(&r, &plain, &plan_made, &err), BS_DONE);
    EXPECT_EQ(plan_made.tables[0].inserted, 3);
    bs_buf_init(&sql, 1u << 20);
    EXPECT_EQ(bs_copyback_print(&r, &plain, &sql, &err), BS_DONE);
    bs_put_u8(&sql, 0);
    EXPECT(strstr((char *)sql.p, "INSERT INTO \"shop\".\"orders\"") != NULL);
    bs_buf_fini(&sql);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders"), 497);
    pg_run(conn, "INSERT INTO shop.orders (id, user_id, total) VALUES (1, 1, 1.5)");
    EXPECT_EQ(bs_copyback_run(&r, &plain, &plan_made, &c, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders"), 498);
    pg_run(conn, "DELETE FROM shop.orders WHERE id = 1");
    err = (struct bs_err){0};
    EXPECT_EQ(bs_copyback_run(&r, &plain, &plan_made, &c, &err), BS_DONE);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM shop.orders"), 500);
    bs_restore_close(&r);
    PQfinish(conn);
}

/* Whatever changes rows on their way in - here an event trigger - the proof sees it. */
static void
rows_that_arrive_otherwise_are_refused(void)
{
    static const char meddle[] =
        "CREATE FUNCTION public.zero() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.total := 0; RETURN NEW; END$$;"
        "CREATE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$"
        "DECLARE c record; BEGIN FOR c IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE"
        " command_tag = 'CREATE TABLE' LOOP EXECUTE format('CREATE TRIGGER zero BEFORE INSERT ON %s"
        " FOR EACH ROW EXECUTE FUNCTION public.zero()', c.object_identity); END LOOP; END$$;"
        "CREATE EVENT TRIGGER meddle ON ddl_command_end WHEN TAG IN ('CREATE TABLE')"
        " EXECUTE FUNCTION public.meddle()";
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_rebuild b;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT];

    REQUIRE(destroy(orders, "SELECT 1", id));
    pg_run(conn, meddle);
    REQUIRE(open_restore(&r, id));
    EXPECT_EQ(bs_rebuild_run(&r, NULL, NULL, &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'recovery%'"),
              0);
    pg_run(conn, "DROP EVENT TRIGGER meddle; DROP FUNCTION public.meddle(), public.zero()");
    bs_restore_close(&r);
    PQfinish(conn);
}

static bool
flip(const char *path)
{
    FILE *f = fopen(path, "r+");
    int byte;
    bool ok = f != NULL && fseek(f, 40, SEEK_SET) == 0 && (byte = fgetc(f)) != EOF &&
              fseek(f, 40, SEEK_SET) == 0 && fputc(byte ^ 1, f) != EOF;

    return (f == NULL || fclose(f) == 0) && ok;
}

/* Nothing of a point that cannot be trusted gets into the database. */
static void
a_damaged_point_is_refused(void)
{
    static const char *const nokey[] = {"shop.nokey", NULL};
    PGconn *conn = pg_connect("shop");
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_preview p;
    struct bs_rebuild b;
    struct bs_diff d;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT], path[512];

    REQUIRE(destroy(nokey, "DROP TABLE shop.nokey", id));
    REQUIRE(open_restore(&r, id));
    file_of(&r, 0, path);
    REQUIRE(flip(path));
    EXPECT_EQ(bs_preview_make(&r, NULL, &p, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_rebuild_run(&r, NULL, NULL, &b, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_DAMAGED);
    bs_restore_close(&r);
    copy_back(id, &plain, &r, &c, BS_E_DAMAGED, __LINE__);
    bs_restore_close(&r);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM pg_class WHERE relname = 'nokey'"), 0);
    REQUIRE(flip(path));
    copy_back(id, &plain, &r, &c, BS_OK, __LINE__);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_diff_run(&r, NULL, &d, &err), BS_DONE);
    EXPECT(d.same);
    bs_restore_close(&r);
    PQfinish(conn);
}

/* Many short rows cost as much as a few long ones. */
static void
a_preview_reads_what_takes_a_moment(void)
{
    static const struct {
        int64_t rows, bytes; /* of each of two tables */
        bool reads;
    } points[] = {
        {0, 0, true},         {2000000, 100000, true},     {2000001, 100000, false},
        {1, 128 << 20, true}, {1, (128 << 20) + 1, false},
    };

    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct bs_point_object both[2] = {
            {.row_count = points[i].rows, .raw_bytes = points[i].bytes},
            {.row_count = points[i].rows, .raw_bytes = points[i].bytes},
        };
        struct bs_manifest m = {.objects = both, .n_objects = 2};
        EXPECT_EQ(bs_preview_reads(&m), points[i].reads);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"a dropped table comes back as it was", a_dropped_table_comes_back_as_it_was},
        {"a dropped schema comes back", a_dropped_schema_comes_back},
        {"one table brings its company but no strangers",
         one_table_brings_its_company_but_no_strangers},
        {"an orphan stops everything", an_orphan_stops_everything},
        {"rebuilds beside and discards", rebuilds_beside_and_discards},
        {"rows come back by key", rows_come_back_by_key},
        {"a truncate is undone", a_truncate_is_undone},
        {"rows without a key are a multiset", rows_without_a_key_are_a_multiset},
        {"text comes back", text_comes_back},
        {"rows that a trigger changes are refused", rows_that_a_trigger_changes_are_refused},
        {"a writer is waited for", a_writer_is_waited_for},
        {"triggers stay within what is covered", triggers_stay_within_what_is_covered},
        {"a table that moved is refused", a_table_that_moved_is_refused},
        {"a plan is kept or nothing is done", a_plan_is_kept_or_nothing_is_done},
        {"rows that arrive otherwise are refused", rows_that_arrive_otherwise_are_refused},
        {"a damaged point is refused", a_damaged_point_is_refused},
        {"a preview reads what takes a moment", a_preview_reads_what_takes_a_moment},
    };
    int failed;

    bs_arena_init(&arena, "test", 64u << 20);
    if (!set_up()) {
        printf("Bail out! no PostgreSQL could be started\n");
        pg_stop();
        return 1;
    }
    failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_audit_close(&audit);
    bs_store_close(&store);
    pg_stop();
    (void)pg_shell("rm -rf %s", root);
    bs_arena_fini(&arena);
    return failed;
}
