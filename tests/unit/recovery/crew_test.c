/*
 * crew_test.c - several helpers copy at once: tables cut into parts come back whole, and what one of
 * them fails at, or waits for, ends all.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "rows.h"

static struct bs_plan_table tables[TABLES];
static struct bs_plan plan;

static const char schema_sql[] =
    "CREATE TABLE wide (id bigint PRIMARY KEY, t text, long text);"
    "ALTER TABLE wide ALTER long SET STORAGE EXTERNAL;"
    "INSERT INTO wide SELECT g, md5(g::text), CASE WHEN g % 10 = 0 THEN repeat(md5(g::text), 100)"
    " END FROM generate_series(1, 20000) g;"
    "DELETE FROM wide WHERE id % 3 = 0 OR id < 2000 OR id > 19000;"
    "CREATE TABLE acls (id int, a aclitem); INSERT INTO acls SELECT g, 'postgres=r/postgres'"
    " FROM generate_series(1, 20000) g;"
    "CREATE TABLE small (k int); INSERT INTO small SELECT generate_series(1, 10);"
    "CREATE TABLE empty (k int);"
    "CREATE TABLE large AS SELECT g AS id, repeat('x', 100) AS t"
    " FROM generate_series(1, 800000) g";

static bool
fill(void)
{
    PGconn *conn = pg_connect("postgres");
    bool ok = pg_run(conn, schema_sql);

    PQfinish(conn);
    return ok;
}

static void
plan_for(PGconn *conn, size_t n, const char *const *names)
{
    plan = (struct bs_plan){.kind = BS_PLAN_WHOLE, .tables = tables, .n_tables = n};
    for (size_t i = 0; i < n; i++) {
        char sql[200];
        (void)snprintf(sql, sizeof(sql), "SELECT 'public.%s'::regclass::oid::int8", names[i]);
        tables[i] = (struct bs_plan_table){.oid = (uint32_t)pg_number(conn, sql),
                                           .schema = "public",
                                           .name = names[i],
                                           .relkind = 'r'};
        (void)snprintf(sql, sizeof(sql), "LOCK %s IN SHARE ROW EXCLUSIVE MODE", names[i]);
        pg_run(conn, i == 0 ? "BEGIN" : "SELECT 1");
        pg_run(conn, sql);
    }
}

static struct bs_capture_request
whole_request(PGconn *actor)
{
    struct bs_capture_request r = request_for(actor);

    r.plan = &plan;
    r.helpers = 3;
    r.part_bytes = 128 * 1024;
    return r;
}

static int
count_names(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;

    for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    if (d != NULL)
        closedir(d);
    return n;
}

/* Every row of the table is in the object once, and nothing else. */
static void
comes_back(PGconn *conn, const struct bs_manifest *m, const char *name, size_t parts)
{
    const struct bs_point_object *o = object_named(m, name);
    char sql[400], into[100];

    REQUIRE(o != NULL);
    EXPECT_EQ(o->n_parts, parts);
    (void)snprintf(into, sizeof(into), "back.%s", name);
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE %s AS SELECT * FROM %s WHERE false", into, name);
    pg_run(conn, sql);
    EXPECT(load(conn, o, into));
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", name);
    EXPECT_EQ(pg_number(conn, sql), o->row_count);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM ((SELECT t::text FROM %s t EXCEPT ALL SELECT t::text FROM"
                   " %s t) UNION ALL (SELECT t::text FROM %s t EXCEPT ALL SELECT t::text FROM %s"
                   " t)) x",
                   name, into, into, name);
    EXPECT_EQ(pg_number(conn, sql), 0);
}

static void
captured_by(PGconn *actor, PGconn *other, const struct bs_capture_request *r, size_t parts)
{
    struct bs_capture *c = NULL;
    struct bs_capture_result out = {0};
    struct bs_capture_progress progress;
    struct bs_verify_report report;
    struct bs_err err = {0};

    (void)actor;
    REQUIRE(bs_capture_open(r, &c, &err) == BS_DONE);
    (void)!bs_capture_run(c, &out, &err);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    REQUIRE(err.code == BS_OK && out.manifest != NULL);
    pg_run(other, "CREATE SCHEMA back");
    comes_back(other, out.manifest, "wide", parts);
    comes_back(other, out.manifest, "acls", parts == 1 ? 1 : 7);
    comes_back(other, out.manifest, "small", 1);
    comes_back(other, out.manifest, "empty", 1);
    pg_run(other, "DROP SCHEMA back CASCADE");
    EXPECT_EQ(bs_point_verify(store, out.manifest, NULL, &report, &err), BS_DONE);
    bs_capture_progress(c, &progress);
    EXPECT_EQ(progress.rows, report.rows);
    EXPECT(progress.proven_bytes == progress.stored_bytes && progress.stored_bytes > 0);
    EXPECT_EQ(count_names(spool_dir), 0);
    bs_capture_close(&c);
}

static void
tables_in_parts_come_back_whole(void)
{
    static const char *const names[] = {"wide", "acls", "small", "empty"};
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_capture_request r;

    plan_for(actor, 4, names);
    r = whole_request(actor);
    captured_by(actor, other, &r, 12); /* four for each helper at most */
    r.helpers = 1;
    captured_by(actor, other, &r, 1);
    /* The server has one connection for this role and no more: slower, but done. */
    r.helpers = 3;
    pg_run(other, "ALTER ROLE helper CONNECTION LIMIT 1");
    captured_by(actor, other, &r, 12);
    pg_run(other, "ALTER ROLE helper CONNECTION LIMIT -1");
    PQfinish(actor);
    PQfinish(other);
}

/* Waits until n helpers copy, and says who the last of them is. */
static int
copying(PGconn *other, int n)
{
    for (int i = 0; i < 4000; i++) {
        PGresult *res =
            PQexec(other, "SELECT pid FROM pg_stat_activity WHERE application_name ="
                          " 'backstop/helper' AND query LIKE 'COPY (%' AND state = 'active'"
                          " ORDER BY backend_start");
        int got = PQntuples(res), pid = 0;
        if (got >= n)
            pid = atoi(PQgetvalue(res, got - 1, 0));
        PQclear(res);
        if (pid != 0)
            return pid;
        (void)usleep(1000);
    }
    return 0;
}

struct running {
    struct bs_capture *c;
    struct bs_capture_result out;
    struct bs_err err;
};

static void *
run_it(void *ctx)
{
    struct running *r = ctx;

    (void)!bs_capture_run(r->c, &r->out, &r->err);
    return NULL;
}

/* Ends one of two helpers in the middle of its copy: by `how`, or as the budget ends. */
static void
one_for_all(void (*how)(PGconn *other, int pid), int64_t budget_us, enum bs_code code)
{
    static const char *const names[] = {"large"};
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_capture_request r;
    struct running running = {0};
    pthread_t thread;
    int64_t start;
    int pid;

    plan_for(actor, 1, names);
    r = whole_request(actor);
    r.helpers = 2;
    r.deadline_us = bs_mono_us() + budget_us;
    REQUIRE(bs_capture_open(&r, &running.c, &running.err) == BS_DONE);
    REQUIRE(pthread_create(&thread, NULL, run_it, &running) == 0);
    pid = copying(other, 2);
    EXPECT(pid != 0);
    start = bs_mono_us();
    if (pid != 0)
        how(other, pid);
    (void)pthread_join(thread, NULL);
    EXPECT_EQ(running.err.code, code);
    printf("# %s\n", running.err.message);
    EXPECT(running.out.manifest == NULL);
    EXPECT(bs_mono_us() - start < budget_us + 1000000);
    EXPECT_EQ(count_names(spool_dir), 0);
    if (pid != 0)
        (void)kill(pid, SIGCONT);
    for (int i = 0; i < 200; i++) {
        if (pg_number(other, "SELECT count(*) FROM pg_stat_activity WHERE application_name ="
                             " 'backstop/helper'") == 0)
            break;
        (void)usleep(10000);
    }
    EXPECT_EQ(pg_number(other, "SELECT count(*) FROM pg_stat_activity WHERE application_name ="
                               " 'backstop/helper'"),
              0);
    bs_capture_close(&running.c);
    PQfinish(actor);
    PQfinish(other);
}

static void
end_it(PGconn *other, int pid)
{
    char sql[100];

    (void)snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d)", pid);
    pg_run(other, sql);
}

static void
halt_it(PGconn *other, int pid)
{
    (void)other;
    EXPECT_EQ(kill(pid, SIGSTOP), 0);
}

static void
a_lost_helper_ends_all(void)
{
    one_for_all(end_it, 20000000, BS_E_NO_POINT);
}

static void
the_budget_holds_for_all(void)
{
    one_for_all(halt_it, 2000000, BS_E_NO_POINT);
}

/* Puts a key of 32 equal bytes into a file. */
static void
make_key(const char *folder, const char *name, char byte)
{
    char path[200], key[32];
    FILE *f;

    memset(key, byte, sizeof(key));
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    REQUIRE(f != NULL && fwrite(key, 1, sizeof(key), f) == sizeof(key) && fclose(f) == 0);
}

/* Has any file of the store this text in it? */
static bool
store_says(const char *text)
{
    char command[400];

    (void)snprintf(command, sizeof(command), "grep -rqF -e '%s' %s", text, store_dir);
    return system(command) == 0;
}

static enum bs_code
verify(const struct bs_manifest *m, const char *says)
{
    struct bs_verify_report report;
    struct bs_err err = {0};

    (void)!bs_point_verify(store, m, NULL, &report, &err);
    if (says != NULL && strstr(err.message, says) == NULL)
        printf("# %s\n", err.message);
    EXPECT(says == NULL || strstr(err.message, says) != NULL);
    return err.code;
}

/* Swaps what two keys hold. */
static void
swap(const char *a, const char *b)
{
    char command[2400];

    (void)snprintf(command, sizeof(command), "cd %s && mv %s x && mv %s %s && mv x %s", store_dir,
                   a, b, a, b);
    EXPECT_EQ(system(command), 0);
}

static void
encrypted_points(void)
{
    static const char *const names[] = {"wide", "acls", "small", "empty"};
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_store *plain = store;
    struct bs_capture_request r;
    struct bs_capture *c = NULL, *d = NULL;
    struct bs_capture_result out = {0}, second = {0};
    struct bs_manifest m;
    struct bs_point_ref ref;
    struct bs_point_part *parts;
    struct bs_err err = {0};
    char url[160], keys[220], path[200];

    (void)snprintf(path, sizeof(path), "%s/keys", pg_dir);
    (void)snprintf(keys, sizeof(keys), "file:%s", path);
    (void)snprintf(url, sizeof(url), "file://%s", store_dir);
    REQUIRE(mkdir(path, 0700) == 0);
    make_key(path, "old", 1);
    REQUIRE(bs_keys_open_store(url, keys, "old", &store, &err) == BS_DONE);
    plan_for(actor, 4, names);
    plan.definition = true;
    r = whole_request(actor);
    r.statement.text = "DELETE FROM wide WHERE t = 'a literal'";
    captured_by(actor, other, &r, 12);
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    REQUIRE(bs_capture_run(c, &out, &err) == BS_DONE);

    /* Readable by its key, rows, definition and statement; for others it says none of them. */
    EXPECT(!store_says("a literal"));
    EXPECT(out.manifest->schema.key != NULL && strstr(out.manifest->schema.key, ".dump.enc"));
    REQUIRE(bs_points_find(store, out.manifest->id, &arena, &ref, &err) == BS_DONE);
    REQUIRE(bs_points_load(store, &ref, &arena, &m, &err) == BS_DONE);
    EXPECT(m.statement.text != NULL && strcmp(m.statement.text, r.statement.text) == 0);
    EXPECT_EQ(verify(&m, NULL), BS_OK);
    pg_run(other, "CREATE SCHEMA back");
    comes_back(other, &m, "wide", 12);
    pg_run(other, "DROP SCHEMA back CASCADE");
    (void)snprintf(path, sizeof(path), "%s/definition", pg_dir);
    EXPECT_EQ(bs_schema_read(store, &m.schema, path, &err), BS_DONE);
    EXPECT(pg_shell("%s/pg_restore --list %s | grep -q 'TABLE public wide'", pg_bin, path));

    /* Two parts of one table, or two points' parts, with all digests made to agree. */
    parts = object_named(&m, "wide")->parts;
    REQUIRE(object_named(&m, "wide")->n_parts == 12);
    swap(parts[2].key, parts[3].key);
    const char *sha = parts[2].sha256;
    int64_t size = parts[2].stored_bytes;
    parts[2].sha256 = parts[3].sha256;
    parts[2].stored_bytes = parts[3].stored_bytes;
    parts[3].sha256 = sha;
    parts[3].stored_bytes = size;
    EXPECT_EQ(verify(&m, "cannot be decrypted"), BS_E_DAMAGED);
    swap(parts[2].key, parts[3].key);
    REQUIRE(bs_points_load(store, &ref, &arena, &m, &err) == BS_DONE);
    EXPECT_EQ(verify(&m, NULL), BS_OK);

    /* The next key; the old one still opens what was made under it, until it is deleted. */
    (void)snprintf(path, sizeof(path), "%s/keys", pg_dir);
    make_key(path, "new", 2);
    bs_store_close(&store);
    REQUIRE(bs_keys_open_store(url, keys, "new", &store, &err) == BS_DONE);
    r.store = store;
    REQUIRE(bs_capture_open(&r, &d, &err) == BS_DONE);
    REQUIRE(bs_capture_run(d, &second, &err) == BS_DONE);
    EXPECT(strcmp(second.manifest->encryption->key, "new") == 0);
    EXPECT_EQ(verify(&m, NULL), BS_OK);
    (void)snprintf(path, sizeof(path), "%s/keys/old", pg_dir);
    EXPECT_EQ(unlink(path), 0);
    EXPECT_EQ(verify(&m, "\"old\""), BS_E_CONFIG);
    EXPECT_EQ(verify(second.manifest, NULL), BS_OK);
    REQUIRE(bs_points_load(store, &ref, &arena, &m, &err) == BS_DONE);
    EXPECT(m.statement.text == NULL && m.statement.sealed != NULL);
    store->keys_free(&store->keys);
    EXPECT_EQ(verify(second.manifest, "under the key \"new\""), BS_E_CONFIG);
    bs_capture_close(&c);
    bs_capture_close(&d);
    bs_store_close(&store);

    /* Without its key there is no point, and the statement does not run. */
    REQUIRE(bs_keys_open_store(url, keys, "none", &store, &err) == BS_DONE);
    r.store = store;
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    EXPECT_EQ(bs_capture_run(c, &out, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    EXPECT(strstr(err.message, "\"none\"") != NULL);
    bs_capture_close(&c);
    bs_store_close(&store);
    store = plain;
    PQfinish(actor);
    PQfinish(other);
}

static struct bs_store_ops noting;
static int expected; /* priority of whoever copies, stores and reads */
static atomic_int seen, wrong;

static void
note_priority(const char *key)
{
    if (strstr(key, "/t/") == NULL) /* rows */
        return;
    (void)atomic_fetch_add(&seen, 1);
    if (getpriority(PRIO_PROCESS, 0) != expected) /* on Linux: of this thread */
        (void)atomic_fetch_add(&wrong, 1);
}

static enum bs_done
noting_put_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err)
{
    note_priority(key);
    return bs_store_local.put_file(s, key, path, err);
}

static enum bs_done
noting_read(struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err)
{
    note_priority(key);
    return bs_store_local.read(s, key, sink, ctx, err);
}

/* What serves sessions runs first, and who called goes on as he was. */
static void
rows_are_worked_off_behind_others(void)
{
    static const char *const names[] = {"wide", "small"};
    PGconn *actor = pg_connect("postgres");
    struct bs_store looked_at = *store;
    struct bs_capture_request r;
    struct bs_capture *c = NULL;
    struct bs_capture_result out = {0};
    struct bs_err err = {0};
    int own = getpriority(PRIO_PROCESS, 0);

    noting = *store->ops;
    noting.put_file = noting_put_file;
    noting.read = noting_read;
    looked_at.ops = &noting;
    expected = own + 10 > 19 ? 19 : own + 10;
    plan_for(actor, 2, names);
    for (size_t helpers = 1; helpers <= 3; helpers += 2) {
        r = whole_request(actor);
        r.store = &looked_at;
        r.helpers = helpers;
        REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
        EXPECT_EQ(bs_capture_run(c, &out, &err), BS_DONE);
        bs_capture_close(&c);
    }
    EXPECT(atomic_load(&seen) > 4);
    EXPECT_EQ(atomic_load(&wrong), 0);
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), own);
    PQfinish(actor);
}

static const struct tap_case cases[] = {
    {"encrypted points", encrypted_points},
    {"tables in parts come back whole", tables_in_parts_come_back_whole},
    {"rows are worked off behind others", rows_are_worked_off_behind_others},
    {"a lost helper ends all", a_lost_helper_ends_all},
    {"the budget holds for all", the_budget_holds_for_all},
};

int
main(void)
{
    int status = 1;

    if (!pg_start())
        printf("Bail out! no PostgreSQL could be started; BACKSTOP_PG_BIN names its programs\n");
    else if (!prepare() || !fill())
        printf("Bail out! the test database could not be made\n");
    else
        status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_store_close(&store);
    bs_arena_fini(&arena);
    pg_stop();
    return status;
}
