/*
 * capture_test.c - captures against a real PostgreSQL: what is kept, what is refused, what ends
 * early, and that no acknowledged row is lost between the lock and the DROP.
 */
#include "recovery/capture.h"

#include <dirent.h>
#include <pthread.h>

#include "base/clock.h"
#include "pg.h"
#include "recovery/points.h"
#include "recovery/verify.h"

static char store_dir[128], spool_dir[128], helper[256];
static struct bs_store *store;
static struct bs_arena arena;

static struct bs_plan_table tables[16];
static struct bs_plan plan;

/* Plans these relations ("schema.name", NULL at the end) as whole copies. */
static void
plan_for(PGconn *conn, ...)
{
    va_list ap;

    plan = (struct bs_plan){.kind = BS_PLAN_WHOLE, .tables = tables, .in_block = true};
    va_start(ap, conn);
    for (const char *name = va_arg(ap, const char *); name != NULL;
         name = va_arg(ap, const char *)) {
        struct bs_plan_table *t = &tables[plan.n_tables++];
        char sql[300], kind[256];
        const char *dot = strchr(name, '.');
        (void)snprintf(sql, sizeof(sql), "SELECT oid FROM pg_class WHERE oid = '%s'::regclass",
                       name);
        *t = (struct bs_plan_table){.oid = (uint32_t)pg_number(conn, sql)};
        (void)snprintf(sql, sizeof(sql), "SELECT relkind FROM pg_class WHERE oid = '%s'::regclass",
                       name);
        t->relkind = pg_text(conn, sql, kind)[0];
        t->schema =
            bs_arena_copy(&arena, (struct bs_bytes){(const uint8_t *)name, (size_t)(dot - name)});
        t->name = bs_arena_str(&arena, dot + 1);
        t->kind = BS_KIND_UNKNOWN;
    }
    va_end(ap);
}

static struct bs_capture_request
request_for(PGconn *actor)
{
    return (struct bs_capture_request){.helper = helper,
                                       .store = store,
                                       .spool = spool_dir,
                                       .deadline_us = bs_mono_us() + 20000000,
                                       .plan = &plan,
                                       .actor_pid = PQbackendPID(actor),
                                       .actor = {.agent = "cursor"},
                                       .statement = {.kind = "DROP TABLE", .text = "DROP TABLE t"}};
}

/* One capture from open to run; the caller closes it. NULL where it could not even be opened. */
static struct bs_capture *
capture(const struct bs_capture_request *r, struct bs_capture_result *out, struct bs_err *err)
{
    struct bs_capture *c = NULL;

    *err = (struct bs_err){0};
    if (bs_capture_open(r, &c, err) == BS_DONE)
        (void)!bs_capture_run(c, out, err);
    return c;
}

static void
refused(PGconn *actor, const char *why, int line)
{
    struct bs_capture_request r = request_for(actor);
    struct bs_capture_result out = {0};
    struct bs_err err;
    struct bs_capture *c = capture(&r, &out, &err);

    (void)tap_equal(err.code, BS_E_NO_POINT, "refused", __FILE__, line);
    if (!tap_check(strstr(err.message, why) != NULL, why, __FILE__, line))
        printf("#   message: %s\n", err.message);
    EXPECT(out.manifest == NULL);
    bs_capture_close(&c);
}

static int
count_names(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;

    if (d == NULL)
        return 0;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static const struct bs_point_object *
object_named(const struct bs_manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        if (strcmp(m->objects[i].name, name) == 0)
            return &m->objects[i];
    }
    return NULL;
}

static enum bs_done
to_copy(void *ctx, struct bs_bytes raw, struct bs_err *err)
{
    if (PQputCopyData(ctx, (const char *)raw.p, (int)raw.n) != 1)
        return BS_FAIL(err, IO, "copy in failed");
    return BS_DONE;
}

/* Loads an object into a table that exists; its columns are all that the object has. */
static bool
load(PGconn *conn, const struct bs_point_object *o, const char *into)
{
    char sql[300];
    struct bs_err err = {0};
    PGresult *res;
    bool ok;

    (void)snprintf(sql, sizeof(sql), "COPY %s FROM STDIN (FORMAT %s)", into,
                   o->format == BS_ROWS_TEXT ? "text" : "binary");
    res = PQexec(conn, sql);
    ok = PQresultStatus(res) == PGRES_COPY_IN;
    PQclear(res);
    ok = ok && bs_object_read(store, o, to_copy, conn, NULL, &err) == BS_DONE;
    ok = ok && PQputCopyEnd(conn, NULL) == 1;
    while ((res = PQgetResult(conn)) != NULL) {
        ok = ok && PQresultStatus(res) == PGRES_COMMAND_OK;
        if (!ok)
            printf("# %s %s\n", err.message, PQerrorMessage(conn));
        PQclear(res);
    }
    return ok;
}

static const char schema_sql[] =
    "CREATE ROLE helper LOGIN BYPASSRLS PASSWORD 'it''s secret';"
    "GRANT pg_read_all_data, pg_read_all_stats, pg_signal_backend TO helper;"
    "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN posint AS int CHECK (VALUE > 0);"
    "CREATE TYPE pair AS (a int, b text[]);"
    "CREATE SEQUENCE shared START 7; SELECT nextval('shared'), nextval('shared');"
    "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int,"
    " name text COLLATE \"C\" NOT NULL, n numeric(20,5), f float8, m mood, moods mood[], p pair,"
    " d posint DEFAULT nextval('shared'), j json, jb jsonb, b bytea, ts timestamptz, i interval,"
    " r int4range, u uuid, \"odd \"\"name\" text, twice numeric GENERATED ALWAYS AS (n * 2) "
    "STORED);"
    "ALTER TABLE users DROP COLUMN gone;"
    "INSERT INTO users (name, n, f, m, moods, p, j, jb, b, ts, i, r, u, \"odd \"\"name\")"
    " SELECT 'n' || g, CASE WHEN g % 7 = 0 THEN 'NaN' ELSE g / 3.0 END, g / 7.0::float8, 'ok',"
    " ARRAY['sad', 'ok']::mood[], ROW(g, ARRAY['x', NULL])::pair, '{\"a\":1,\"a\":2}', "
    "'{\"k\":[1]}',"
    " decode(md5(g::text), 'hex'), CASE WHEN g = 1 THEN '-infinity' ELSE now() END,"
    " '1 mon 2 days 3.5 s', int4range(g, g + 5), md5(g::text)::uuid, repeat(E'\\t\\n\\\\', g % 5)"
    " FROM generate_series(1, 500) g;"
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY;"
    "CREATE TABLE orders (id serial PRIMARY KEY, u bigint REFERENCES users ON DELETE CASCADE);"
    "INSERT INTO orders (u) SELECT id FROM users;"
    "CREATE VIEW v AS SELECT name FROM users; CREATE VIEW vv AS SELECT * FROM v;"
    "CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM users;"
    "CREATE INDEX users_name ON users (name);"
    "CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER tr BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION tf();"
    "CREATE TABLE acls (a aclitem, t text); INSERT INTO acls VALUES"
    " ('postgres=r/postgres', E'a\\tb\\nc\\\\'), (NULL, NULL), ('postgres=w/postgres', '');"
    "CREATE TABLE none (); INSERT INTO none DEFAULT VALUES; INSERT INTO none DEFAULT VALUES;"
    "CREATE TABLE parted (k int, t text) PARTITION BY LIST (k);"
    "CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);"
    "CREATE TABLE parted2 PARTITION OF parted FOR VALUES IN (2);"
    "INSERT INTO parted VALUES (1, 'a'), (2, 'b'), (2, 'c');"
    "CREATE TABLE base (k int); CREATE TABLE kid (x int) INHERITS (base);"
    "INSERT INTO base VALUES (1); INSERT INTO kid VALUES (2, 3), (4, 5);"
    "CREATE TABLE small (k int); INSERT INTO small SELECT generate_series(1, 10);"
    "CREATE TABLE owns (k serial); INSERT INTO owns DEFAULT VALUES";

/* The point has everything, and what comes out of it is what was in the tables. */
static void
a_point_holds_everything(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_capture_progress progress;
    struct bs_verify_report report;
    struct bs_err err;
    struct bs_capture *c;
    char hash[2][256];

    plan_for(other, "public.users", "public.orders", "public.acls", "public.none", "public.parted",
             "public.parted1", "public.parted2", "public.base", "public.mv", NULL);
    plan.definition = true;
    pg_run(actor,
           "BEGIN; LOCK users, orders, acls, none, parted, base IN SHARE ROW EXCLUSIVE MODE");
    r = request_for(actor);
    c = capture(&r, &out, &err);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    REQUIRE(err.code == BS_OK && out.manifest != NULL);
    EXPECT_EQ(out.manifest->n_objects, 9);
    EXPECT(strcmp(out.manifest->capture.lock_mode, "ShareRowExclusiveLock") == 0);
    EXPECT(strcmp(out.manifest->actor.agent, "cursor") == 0);
    EXPECT_EQ(out.manifest->actor.backend_pid, PQbackendPID(actor));
    EXPECT(out.manifest->actor.backend_start != NULL);
    EXPECT_EQ(object_named(out.manifest, "users")->row_count, 500);
    EXPECT_EQ(object_named(out.manifest, "none")->row_count, 2);
    EXPECT_EQ(object_named(out.manifest, "acls")->format, BS_ROWS_TEXT);
    EXPECT_EQ(object_named(out.manifest, "parted")->format, BS_ROWS_NONE);
    EXPECT_EQ(object_named(out.manifest, "parted2")->row_count, 2);
    EXPECT_EQ(object_named(out.manifest, "parted2")->parent_oid,
              object_named(out.manifest, "parted")->oid);
    EXPECT_EQ(object_named(out.manifest, "base")->row_count, 1); /* the child's rows are its own */
    EXPECT_EQ(object_named(out.manifest, "mv")->row_count, 1);
    EXPECT_EQ(bs_point_verify(store, out.manifest, NULL, &report, &err), BS_DONE);
    EXPECT_EQ(report.rows, 500 + 500 + 3 + 2 + 1 + 2 + 1 + 1);
    bs_capture_progress(c, &progress);
    EXPECT_EQ(progress.phase, BS_CAPTURE_PROVEN);
    EXPECT_EQ(progress.rows, report.rows);
    EXPECT(progress.proven_bytes == progress.stored_bytes && progress.stored_bytes > 0);
    EXPECT_EQ(count_names(spool_dir), 0);

    pg_run(other, "CREATE SCHEMA back; CREATE TABLE back.users AS SELECT * FROM public.users WHERE"
                  " false; CREATE TABLE back.acls AS SELECT * FROM public.acls WHERE false");
    EXPECT(load(other, object_named(out.manifest, "users"), "back.users"));
    EXPECT(load(other, object_named(out.manifest, "acls"), "back.acls"));
    pg_text(other, "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM public.users t", hash[0]);
    pg_text(other, "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM back.users t", hash[1]);
    EXPECT(strcmp(hash[0], hash[1]) == 0 && hash[0][0] != '\0');
    EXPECT_EQ(pg_number(other, "SELECT count(*) FROM (TABLE public.acls EXCEPT ALL TABLE back.acls)"
                               " x"),
              0);
    EXPECT_EQ(pg_number(other, "SELECT count(*) FROM back.acls"), 3);
    pg_run(actor, "ROLLBACK");
    bs_capture_close(&c);
    PQfinish(actor);
    PQfinish(other);
}

static const struct bs_point_dependent *
dependent(const struct bs_manifest *m, const char *type, const char *identity)
{
    for (size_t i = 0; i < m->n_closure; i++) {
        if (strcmp(m->closure[i].type, type) == 0 && strcmp(m->closure[i].identity, identity) == 0)
            return &m->closure[i];
    }
    return NULL;
}

static const struct bs_point_sequence *
sequence(const struct bs_manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n_sequences; i++) {
        if (strcmp(m->sequences[i].name, name) == 0)
            return &m->sequences[i];
    }
    return NULL;
}

static void
columns_of_users(const struct bs_point_object *users)
{
    const struct bs_point_column *c;

    REQUIRE(users != NULL && users->n_columns == 17);
    c = &users->columns[0];
    EXPECT(strcmp(c->name, "id") == 0 && c->attnum == 1 && c->identity == 'a' && c->key == 1);
    EXPECT(strcmp(c->type, "bigint") == 0 && c->not_null);
    c = &users->columns[1];
    EXPECT(strcmp(c->name, "name") == 0 && c->attnum == 3 && c->key == 0);
    EXPECT(c->collation != NULL && strcmp(c->collation, "pg_catalog.\"C\"") == 0);
    EXPECT(strcmp(users->columns[2].type, "numeric(20,5)") == 0);
    EXPECT(strcmp(users->columns[5].type, "public.mood[]") == 0);
    EXPECT(strcmp(users->columns[15].name, "odd \"name") == 0);
    EXPECT_EQ(users->columns[16].generated, 's');
}

/* The manifest, read from the store again, says what CASCADE would take and where sequences are. */
static void
the_manifest_tells_what_hangs_on_it(void)
{
    PGconn *actor = pg_connect("postgres");
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_manifest m;
    struct bs_point_ref ref;
    const struct bs_point_sequence *s;
    const struct bs_point_dependent *d;
    struct bs_err err;
    struct bs_capture *c;

    plan_for(actor, "public.users", NULL);
    pg_run(actor, "BEGIN; LOCK users IN ACCESS EXCLUSIVE MODE");
    pg_run(actor, "ROLLBACK; BEGIN; LOCK users IN SHARE ROW EXCLUSIVE MODE");
    r = request_for(actor);
    c = capture(&r, &out, &err);
    REQUIRE(err.code == BS_OK);
    REQUIRE(bs_points_find(store, out.manifest->id, &arena, &ref, &err) == BS_DONE);
    EXPECT(ref.complete && ref.outcome == BS_EVENT_NONE && strcmp(ref.dir, out.dir) == 0);
    REQUIRE(bs_points_load(store, &ref, &arena, &m, &err) == BS_DONE);
    columns_of_users(object_named(&m, "users"));
    s = sequence(&m, "users_id_seq");
    REQUIRE(s != NULL);
    EXPECT(s->owned && s->last_value == 500 && s->is_called && strcmp(s->column, "id") == 0);
    s = sequence(&m, "shared");
    REQUIRE(s != NULL);
    EXPECT(!s->owned && s->last_value == 508 && strcmp(s->column, "d") == 0);
    EXPECT_EQ(m.n_sequences, 2);
    EXPECT((d = dependent(&m, "view", "public.v")) != NULL && !d->part && d->class_oid == 1259);
    EXPECT((d = dependent(&m, "view", "public.vv")) != NULL && !d->part);
    EXPECT((d = dependent(&m, "materialized view", "public.mv")) != NULL && !d->part);
    EXPECT((d = dependent(&m, "table constraint", "orders_u_fkey on public.orders")) != NULL &&
           !d->part);
    EXPECT((d = dependent(&m, "index", "public.users_name")) != NULL && d->part);
    EXPECT((d = dependent(&m, "trigger", "tr on public.users")) != NULL && d->part);
    EXPECT(dependent(&m, "table", "public.orders") == NULL);
    EXPECT(m.n_incoming == 1 && strcmp(m.incoming[0].name, "orders_u_fkey") == 0);
    EXPECT(strstr(m.incoming[0].definition, "ON DELETE CASCADE") != NULL);
    EXPECT_EQ(m.n_proofs, 1);
    EXPECT(strcmp(m.proofs[0].level, "read-back") == 0);
    EXPECT(m.schema.key == NULL); /* the plan asked for none */
    bs_capture_close(&c);
    PQfinish(actor);
}

static void
without_the_lock_there_is_no_point(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");

    plan_for(actor, "public.users", "public.small", NULL);
    refused(actor, "no sufficient lock on \"public\".\"", __LINE__);
    pg_run(actor, "BEGIN; LOCK users IN SHARE ROW EXCLUSIVE MODE");
    refused(actor, "no sufficient lock on \"public\".\"small\"", __LINE__);
    pg_run(actor, "LOCK small IN ROW EXCLUSIVE MODE");
    refused(actor, "no sufficient lock on \"public\".\"small\"", __LINE__);
    pg_run(actor, "LOCK small IN SHARE MODE");
    refused(actor, "no sufficient lock on \"public\".\"small\"", __LINE__);
    refused(other, "no sufficient lock", __LINE__); /* someone else's lock is not the actor's */
    /* Under this one the helper would wait for the actor for ever. */
    pg_run(actor, "LOCK small IN ACCESS EXCLUSIVE MODE");
    refused(actor, "ACCESS EXCLUSIVE on \"public\".\"small\" already", __LINE__);
    pg_run(actor, "ROLLBACK");
    /* Waiting for a lock is not holding it. */
    plan_for(actor, "public.small", NULL);
    pg_run(other, "BEGIN; LOCK small IN SHARE ROW EXCLUSIVE MODE");
    EXPECT_EQ(PQsendQuery(actor, "LOCK TABLE small IN SHARE ROW EXCLUSIVE MODE"), 1);
    (void)PQflush(actor);
    (void)usleep(100000);
    refused(actor, "no sufficient lock", __LINE__);
    PQfinish(other);
    PQfinish(actor);
}

static void
what_changed_since_the_plan_is_refused(void)
{
    PGconn *actor = pg_connect("postgres");

    plan_for(actor, "public.small", NULL);
    tables[0].name = "large";
    pg_run(actor, "BEGIN; LOCK small, parted IN SHARE ROW EXCLUSIVE MODE");
    refused(actor, "is not the relation it was", __LINE__);
    tables[0].name = "small";
    tables[0].relkind = 'p';
    refused(actor, "is not the relation it was", __LINE__);
    plan_for(actor, "public.parted", "public.parted1", NULL);
    refused(actor, "partition \"public\".\"parted2\" is not in the plan", __LINE__);
    plan_for(actor, "public.small", NULL);
    plan.kind = BS_PLAN_REFUSE;
    refused(actor, "no plan", __LINE__);
    plan.kind = BS_PLAN_NONE;
    refused(actor, "no plan", __LINE__);
    PQfinish(actor);
}

static void
helpers_that_cannot_are_told(void)
{
    PGconn *actor = pg_connect("postgres");
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_err err;
    struct bs_capture *c;
    char weak[256];

    plan_for(actor, "public.users", NULL);
    pg_run(actor, "BEGIN; LOCK users IN SHARE ROW EXCLUSIVE MODE");
    r = request_for(actor);
    (void)snprintf(weak, sizeof(weak), "host=%s user=helper password=wrong dbname=postgres",
                   pg_dir);
    r.helper = weak;
    c = capture(&r, &out, &err);
    EXPECT(c == NULL);
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    EXPECT(strstr(err.message, "wrong") == NULL);
    (void)snprintf(weak, sizeof(weak), "host=%s user=weak dbname=postgres", pg_dir);
    pg_run(actor, "ROLLBACK; CREATE ROLE weak LOGIN; GRANT pg_read_all_data TO weak");
    pg_run(actor, "BEGIN; LOCK users IN SHARE ROW EXCLUSIVE MODE");
    c = capture(&r, &out, &err); /* sees fewer rows by RLS: refused, not fewer rows */
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    EXPECT(strstr(err.message, "row-level security") != NULL);
    bs_capture_close(&c);
    (void)snprintf(weak, sizeof(weak),
                   "host=%s user=helper password='it\\'s secret' dbname=template1", pg_dir);
    r.helper = weak;
    c = capture(&r, &out, &err); /* relations of another database may have the same OIDs */
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    EXPECT(strstr(err.message, "not in the helper's database") != NULL);
    bs_capture_close(&c);
    r.helper = helper;
    r.spool = "/proc/no/such";
    c = capture(&r, &out, &err);
    EXPECT_EQ(err.code, BS_E_NO_POINT);
    bs_capture_close(&c);
    EXPECT_EQ(count_names(spool_dir), 0);
    PQfinish(actor);
}

/* A store that acknowledges and does something else. */
static enum lie { HONEST, LOSES, FLIPS, REFUSES, FORGETS_MANIFEST } lie;

static enum bs_done
liar_put(struct bs_store *s, const char *key, struct bs_bytes b, struct bs_err *err)
{
    (void)s;
    if (lie == FORGETS_MANIFEST)
        return BS_DONE;
    return store->ops->put(store, key, b, err);
}

static enum bs_done
liar_put_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err)
{
    (void)s;
    if (lie == REFUSES)
        return BS_FAIL(err, IO, "disk full");
    return lie == LOSES ? BS_DONE : store->ops->put_file(store, key, path, err);
}

static enum bs_done
liar_read(struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err)
{
    struct bs_buf b;
    enum bs_done done;

    (void)s;
    bs_buf_init(&b, 64u << 20);
    done = bs_store_get(store, key, &b, err);
    if (done == BS_DONE && lie == FLIPS && b.n != 0)
        b.p[b.n / 2] ^= 1;
    if (done == BS_DONE)
        done = sink(ctx, bs_buf_view(&b), err);
    bs_buf_fini(&b);
    return done;
}

static enum bs_done
liar_head(struct bs_store *s, const char *key, struct bs_store_info *out, struct bs_err *err)
{
    (void)s;
    return store->ops->head(store, key, out, err);
}

static void
a_store_that_lies_makes_no_point(void)
{
    static const struct bs_store_ops ops = {.scheme = "liar",
                                            .put = liar_put,
                                            .put_file = liar_put_file,
                                            .read = liar_read,
                                            .head = liar_head};
    struct bs_store liar = {&ops};
    PGconn *actor = pg_connect("postgres");
    static const struct {
        enum lie lie;
        enum bs_capture_grade grade;
        enum bs_code want;
    } rows[] = {{HONEST, BS_CAPTURE_READ_BACK, BS_OK},
                {HONEST, BS_CAPTURE_STORED, BS_OK},
                {LOSES, BS_CAPTURE_READ_BACK, BS_E_NO_POINT},
                {LOSES, BS_CAPTURE_STORED, BS_E_NO_POINT},
                {FLIPS, BS_CAPTURE_READ_BACK, BS_E_NO_POINT},
                {REFUSES, BS_CAPTURE_READ_BACK, BS_E_NO_POINT},
                {FORGETS_MANIFEST, BS_CAPTURE_READ_BACK, BS_E_NO_POINT},
                {FORGETS_MANIFEST, BS_CAPTURE_STORED, BS_E_NO_POINT}};

    plan_for(actor, "public.small", NULL);
    pg_run(actor, "BEGIN; LOCK small IN SHARE ROW EXCLUSIVE MODE");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_capture_request r = request_for(actor);
        struct bs_capture_result out = {0};
        struct bs_err err;
        struct bs_capture *c;
        r.store = &liar;
        r.grade = rows[i].grade;
        lie = rows[i].lie;
        c = capture(&r, &out, &err);
        if (err.code != rows[i].want)
            printf("# in row %zu: %s\n", i, err.message);
        EXPECT_EQ(err.code, rows[i].want);
        EXPECT((out.manifest != NULL) == (rows[i].want == BS_OK));
        EXPECT_EQ(count_names(spool_dir), 0);
        bs_capture_close(&c);
    }
    PQfinish(actor);
}

/* The same text is one object; a damaged one is not built upon. */
static void
definitions_are_shared(void)
{
    PGconn *actor = pg_connect("postgres");
    const char *keys[3];
    char path[1200];

    plan_for(actor, "public.small", NULL);
    plan.definition = true;
    pg_run(actor, "BEGIN; LOCK small IN SHARE ROW EXCLUSIVE MODE");
    for (int i = 0; i < 3; i++) {
        struct bs_capture_request r = request_for(actor);
        struct bs_capture_result out = {0};
        struct bs_err err;
        struct bs_capture *c = capture(&r, &out, &err);
        if (err.code != BS_OK)
            printf("# %s\n", err.message);
        REQUIRE(err.code == BS_OK);
        keys[i] = bs_arena_str(&arena, out.manifest->schema.key);
        EXPECT(strstr(out.manifest->schema.pg_dump, "pg_dump (PostgreSQL)") != NULL);
        (void)snprintf(path, sizeof(path), "%s/restored.dump", store_dir);
        EXPECT_EQ(bs_schema_read(store, &out.manifest->schema, path, &err), BS_DONE);
        EXPECT(pg_shell("%s/pg_restore -l %s | grep -q ' TABLE public small '", pg_bin, path));
        (void)unlink(path);
        bs_capture_close(&c);
        if (i == 1) {
            (void)snprintf(path, sizeof(path), "%s/%s", store_dir, keys[1]);
            EXPECT(truncate(path, 1000) == 0);
        }
    }
    EXPECT(strcmp(keys[0], keys[1]) == 0);
    EXPECT(strcmp(keys[1], keys[2]) != 0);
    PQfinish(actor);
}

static void
records_have_no_objects(void)
{
    PGconn *actor = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    struct bs_capture_result out = {0};
    struct bs_point_event event = {.state = BS_EVENT_COMMITTED};
    struct bs_err err;
    struct bs_capture *c;

    plan = (struct bs_plan){.kind = BS_PLAN_RECORD};
    r.actor_xid = 12345;
    c = capture(&r, &out, &err);
    REQUIRE(err.code == BS_OK);
    EXPECT_EQ(out.manifest->n_objects, 0);
    EXPECT(strcmp(out.manifest->capture.mode, "record") == 0);
    EXPECT(out.manifest->capture.xid == 12345);
    EXPECT_EQ(bs_capture_event(c, &event, &err), BS_DONE);
    EXPECT_EQ(bs_capture_run(c, &out, &err), BS_FAILED); /* once */
    bs_capture_close(&c);
    PQfinish(actor);
}

struct stopper {
    struct bs_capture *c;
    int after_ms;
};

static void *
stop_later(void *arg)
{
    struct stopper *s = arg;

    (void)usleep((useconds_t)s->after_ms * 1000);
    bs_capture_abort(s->c);
    return NULL;
}

/* A capture that waits for a lock of someone else; `blocker` holds it. */
static void
blocked(PGconn *actor, const char *lock, int stop_ms, int budget_ms, enum bs_code want, int line)
{
    PGconn *blocker = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    struct bs_capture_result out = {0};
    struct bs_err err = {0};
    struct stopper stopper = {NULL, stop_ms};
    pthread_t thread;
    int64_t start;

    pg_run(blocker, lock);
    if (budget_ms != 0)
        r.deadline_us = bs_mono_us() + (int64_t)budget_ms * 1000;
    REQUIRE(bs_capture_open(&r, &stopper.c, &err) == BS_DONE);
    start = bs_mono_us();
    if (stop_ms != 0)
        REQUIRE(pthread_create(&thread, NULL, stop_later, &stopper) == 0);
    EXPECT_EQ(bs_capture_run(stopper.c, &out, &err), BS_FAILED);
    (void)tap_equal(err.code, want, "code", __FILE__, line);
    if (!tap_check(bs_mono_us() - start < 1500000, "ended at once", __FILE__, line))
        printf("#   %lld us: %s\n", (long long)(bs_mono_us() - start), err.message);
    if (stop_ms != 0)
        pthread_join(thread, NULL);
    EXPECT_EQ(count_names(spool_dir), 0);
    bs_capture_close(&stopper.c);
    PQfinish(blocker);
    (void)usleep(100000); /* the server learns of a closed session a little later */
    EXPECT_EQ(pg_number(actor, "SELECT count(*) FROM pg_stat_activity WHERE application_name ="
                               " 'backstop/helper' AND backend_xmin IS NOT NULL"),
              0);
}

static void
whatever_hangs_ends_at_once(void)
{
    PGconn *actor = pg_connect("postgres");

    plan_for(actor, "public.owns", NULL);
    plan.definition = true;
    pg_run(actor, "BEGIN; LOCK owns IN SHARE ROW EXCLUSIVE MODE");
    /* pg_dump hangs behind anyone's lock on any table. */
    blocked(actor, "BEGIN; LOCK small IN ACCESS EXCLUSIVE MODE", 300, 0, BS_E_CANCELLED, __LINE__);
    blocked(actor, "BEGIN; LOCK small IN ACCESS EXCLUSIVE MODE", 0, 700, BS_E_NO_POINT, __LINE__);
    /* The helper itself hangs. */
    plan.definition = false;
    blocked(actor, "BEGIN; ALTER SEQUENCE owns_k_seq RENAME TO other_seq", 300, 0, BS_E_CANCELLED,
            __LINE__);
    blocked(actor, "BEGIN; ALTER SEQUENCE owns_k_seq RENAME TO other_seq", 0, 500, BS_E_NO_POINT,
            __LINE__);
    PQfinish(actor);
}

/* The helper's backend stands still in the middle: no answer, no error. */
static void
a_stalled_server_ends_at_once(void)
{
    PGconn *actor = pg_connect("postgres");
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_err err = {0};
    struct stopper stopper = {NULL, 300};
    pthread_t thread;
    int64_t start;
    int pid;

    plan_for(actor, "public.small", NULL);
    pg_run(actor, "BEGIN; LOCK small IN SHARE ROW EXCLUSIVE MODE");
    r = request_for(actor);
    REQUIRE(bs_capture_open(&r, &stopper.c, &err) == BS_DONE);
    pid = (int)pg_number(actor, "SELECT pid FROM pg_stat_activity WHERE application_name ="
                                " 'backstop/helper' ORDER BY backend_start DESC LIMIT 1");
    REQUIRE(pid > 1 && pg_shell("kill -STOP %d", pid));
    start = bs_mono_us();
    REQUIRE(pthread_create(&thread, NULL, stop_later, &stopper) == 0);
    EXPECT_EQ(bs_capture_run(stopper.c, &out, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CANCELLED);
    EXPECT(bs_mono_us() - start < 1000000);
    pthread_join(thread, NULL);
    EXPECT(pg_shell("kill -CONT %d", pid));
    bs_capture_close(&stopper.c);
    PQfinish(actor);
}

static const struct bs_lock *
lock_on(const struct bs_lock *l, size_t n, const char *name, const char *mode)
{
    for (size_t i = 0; i < n; i++) {
        if (l[i].name != NULL && strcmp(l[i].name, name) == 0 && strcmp(l[i].mode, mode) == 0)
            return &l[i];
    }
    return NULL;
}

static void
locks_show_what_was_done(void)
{
    PGconn *actor = pg_connect("postgres");
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_lock *l;
    const struct bs_lock *one;
    size_t n;
    bool unknown = false, object = false, xid = false;
    struct bs_err err;
    struct bs_capture *c;

    plan_for(actor, "public.small", NULL);
    pg_run(actor, "BEGIN; LOCK small IN SHARE ROW EXCLUSIVE MODE");
    r = request_for(actor);
    c = capture(&r, &out, &err);
    REQUIRE(err.code == BS_OK);
    pg_run(actor, "DO $$ BEGIN EXECUTE 'TRUNCATE owns'; DROP TABLE acls;"
                  " PERFORM nextval('shared'); DELETE FROM orders;"
                  " CREATE TABLE fresh (k int); ALTER FUNCTION tf() COST 7;"
                  " ALTER TABLE kid RENAME TO kid2; END $$");
    REQUIRE(bs_capture_locks(c, PQbackendPID(actor), &arena, &l, &n, &err) == BS_DONE);
    EXPECT(lock_on(l, n, "small", "ShareRowExclusiveLock") != NULL);
    EXPECT(lock_on(l, n, "owns", "AccessExclusiveLock") != NULL);
    one = lock_on(l, n, "acls", "AccessExclusiveLock");
    REQUIRE(one != NULL);
    EXPECT(one->relkind == 'r' && !one->system && strcmp(one->schema, "public") == 0);
    one = lock_on(l, n, "shared", "RowExclusiveLock");
    EXPECT(one != NULL && one->relkind == 'S');
    EXPECT(lock_on(l, n, "orders", "RowExclusiveLock") != NULL);
    EXPECT(lock_on(l, n, "kid", "AccessExclusiveLock") != NULL); /* by its committed name */
    one = lock_on(l, n, "orders_pkey", "RowExclusiveLock");
    EXPECT(one != NULL && one->relkind == 'i' && one->parent_oid != 0);
    for (size_t i = 0; i < n; i++) {
        unknown = unknown || (strcmp(l[i].locktype, "relation") == 0 && l[i].relkind == 0 &&
                              l[i].relation_oid != 0);
        object = object || (strcmp(l[i].locktype, "object") == 0 && l[i].class_oid != 0);
        xid = xid || (strcmp(l[i].locktype, "transactionid") == 0 && l[i].transaction != 0);
        EXPECT(l[i].granted);
    }
    EXPECT(unknown && object && xid);
    /* A helper that was lost meanwhile is replaced. */
    pg_run(actor, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'backstop/helper'");
    (void)usleep(50000);
    EXPECT_EQ(bs_capture_locks(c, PQbackendPID(actor), &arena, &l, &n, &err), BS_DONE);
    EXPECT(lock_on(l, n, "owns", "AccessExclusiveLock") != NULL);
    pg_run(actor, "ROLLBACK");
    EXPECT_EQ(bs_capture_locks(c, PQbackendPID(actor), &arena, &l, &n, &err), BS_DONE);
    EXPECT(lock_on(l, n, "owns", "AccessExclusiveLock") == NULL);
    bs_capture_abort(c);
    EXPECT_EQ(bs_capture_locks(c, PQbackendPID(actor), &arena, &l, &n, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CANCELLED);
    bs_capture_close(&c);
    PQfinish(actor);
}

/* A captured point with its last event; how its transaction ended is `end`. Returns its id. */
static const char *
armed_point(PGconn *actor, bool arm, const char *end, uint64_t add)
{
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_err err;
    struct bs_capture *c;
    const char *id = "";

    plan_for(actor, "public.small", NULL);
    pg_run(actor, "BEGIN; LOCK small IN SHARE ROW EXCLUSIVE MODE");
    r = request_for(actor);
    c = capture(&r, &out, &err);
    pg_run(actor, "DELETE FROM small WHERE k < 0; INSERT INTO small VALUES (1)");
    if (err.code == BS_OK) {
        struct bs_point_event e = {.state = BS_EVENT_ARMED, .by = "test"};
        e.xid = add + (uint64_t)pg_number(actor, "SELECT pg_current_xact_id()");
        id = bs_arena_str(&arena, out.manifest->id);
        EXPECT(!arm || bs_capture_event(c, &e, &err) == BS_DONE);
    }
    pg_run(actor, end);
    bs_capture_close(&c);
    return id;
}

static enum bs_event_state
outcome_of(const char *id)
{
    struct bs_point_ref ref = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_points_find(store, id, &arena, &ref, &err), BS_DONE);
    return ref.outcome;
}

static void
open_points_are_closed_by_fact(void)
{
    PGconn *actor = pg_connect("postgres"), *gone = pg_connect("postgres");
    PGconn *busy = pg_connect("postgres");
    struct bs_points_closed closed;
    struct bs_err err = {0};
    const char *committed, *rolled, *future, *never, *still, *idle;

    /* What earlier tests left is not this test's. */
    EXPECT_EQ(bs_points_open_close(store, helper, 0, &closed, &err), BS_DONE);
    committed = armed_point(actor, true, "COMMIT", 0);
    rolled = armed_point(actor, true, "ROLLBACK", 0);
    future = armed_point(actor, true, "ROLLBACK", 1000000);
    never = armed_point(gone, false, "ROLLBACK", 0);
    idle = armed_point(actor, false, "ROLLBACK", 0);
    PQfinish(gone);
    still = armed_point(busy, true, "SELECT 1", 0);
    (void)usleep(100000);
    EXPECT_EQ(bs_points_open_close(store, helper, 50, &closed, &err), BS_DONE);
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    EXPECT_EQ(closed.committed, 1);
    EXPECT_EQ(closed.rolled_back, 1);
    EXPECT_EQ(closed.unknown, 1);
    EXPECT_EQ(closed.not_used, 1);
    EXPECT_EQ(closed.open, 2);
    EXPECT_EQ(outcome_of(committed), BS_EVENT_COMMITTED);
    EXPECT_EQ(outcome_of(rolled), BS_EVENT_ROLLED_BACK);
    EXPECT_EQ(outcome_of(future), BS_EVENT_UNKNOWN);
    EXPECT_EQ(outcome_of(never), BS_EVENT_NOT_USED);
    EXPECT_EQ(outcome_of(idle), BS_EVENT_NONE);
    EXPECT_EQ(outcome_of(still), BS_EVENT_ARMED);
    PQfinish(busy);
    PQfinish(actor);
    (void)usleep(100000);
    EXPECT_EQ(bs_points_open_close(store, helper, 2000, &closed, &err), BS_DONE);
    EXPECT_EQ(closed.open, 0);
    EXPECT_EQ(outcome_of(still), BS_EVENT_ROLLED_BACK);
    EXPECT_EQ(outcome_of(idle), BS_EVENT_NOT_USED);
    EXPECT_EQ(bs_points_open_close(store, helper, 0, &closed, &err), BS_DONE);
    EXPECT_EQ(closed.committed + closed.rolled_back + closed.unknown + closed.not_used, 0);
    EXPECT_EQ(bs_points_open_close(store, "host=/nowhere user=helper", 0, &closed, &err),
              BS_FAILED);
    EXPECT_EQ(err.code, BS_E_UNAVAILABLE);
}

/* Begun, and whoever began it died: abandoned once the actor's backend is gone, too. */
static void
begun_points_are_abandoned(void)
{
    PGconn *actor = pg_connect("postgres");
    struct bs_capture_request r = request_for(actor);
    struct bs_capture *c = NULL;
    struct bs_points_closed closed;
    struct bs_manifest m;
    struct bs_capture_result out;
    struct bs_buf dir;
    struct bs_err err = {0};

    EXPECT_EQ(bs_points_open_close(store, helper, 0, &closed, &err), BS_DONE);
    plan = (struct bs_plan){.kind = BS_PLAN_RECORD};
    REQUIRE(bs_capture_open(&r, &c, &err) == BS_DONE);
    REQUIRE(bs_capture_run(c, &out, &err) == BS_DONE);
    m = *out.manifest; /* whose it is, where and when; under an id of its own */
    bs_point_id_new(m.id);
    bs_buf_init(&dir, 1000);
    bs_point_put_dir(&dir, &m);
    bs_put_u8(&dir, '\0');
    REQUIRE(bs_points_intend(store, (const char *)dir.p, &m, &err) == BS_DONE);
    bs_capture_close(&c);
    EXPECT_EQ(bs_points_open_close(store, helper, 0, &closed, &err), BS_DONE);
    EXPECT_EQ(closed.abandoned, 0);
    EXPECT_EQ(closed.open, 2);
    PQfinish(actor);
    (void)usleep(100000);
    EXPECT_EQ(bs_points_open_close(store, helper, 0, &closed, &err), BS_DONE);
    EXPECT_EQ(closed.abandoned, 1);
    EXPECT_EQ(closed.not_used, 1);
    EXPECT_EQ(outcome_of(m.id), BS_EVENT_ABANDONED);
    bs_buf_fini(&dir);
}

/* The race that loses rows in every design without the lock. */
struct writer {
    int id;
    atomic_bool *stop;
    long acknowledged[20000];
    int n;
};

static void *
write_rows(void *arg)
{
    struct writer *w = arg;
    PGconn *conn = pg_connect("postgres");

    while (!atomic_load(w->stop) && w->n < 20000) {
        char sql[100];
        long value = (long)w->id * 1000000 + w->n;
        PGresult *res;
        (void)snprintf(sql, sizeof(sql), "INSERT INTO race VALUES (%ld)", value);
        res = PQexec(conn, sql);
        if (PQresultStatus(res) != PGRES_COMMAND_OK) {
            PQclear(res);
            break; /* the table is gone */
        }
        w->acknowledged[w->n++] = value;
        PQclear(res);
    }
    PQfinish(conn);
    return NULL;
}

static void
one_race(PGconn *actor, PGconn *other, struct writer *w, long *rows)
{
    pthread_t threads[3];
    atomic_bool stop;
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_err err;
    struct bs_capture *c;

    atomic_init(&stop, false);
    pg_run(other, "CREATE TABLE race (v bigint)");
    plan_for(other, "public.race", NULL);
    for (int i = 0; i < 3; i++) {
        w[i].id = i + 1;
        w[i].n = 0;
        w[i].stop = &stop;
        REQUIRE(pthread_create(&threads[i], NULL, write_rows, &w[i]) == 0);
    }
    (void)usleep(300000);
    pg_run(actor, "BEGIN; LOCK TABLE race IN SHARE ROW EXCLUSIVE MODE");
    r = request_for(actor);
    c = capture(&r, &out, &err);
    EXPECT_EQ(err.code, BS_OK);
    pg_run(actor, "DROP TABLE race; COMMIT");
    (void)usleep(50000);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    pg_run(other, "CREATE TABLE race_back (v bigint PRIMARY KEY)");
    REQUIRE(out.manifest != NULL && load(other, &out.manifest->objects[0], "race_back"));
    for (int i = 0; i < 3; i++) {
        char sql[200];
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM race_back WHERE v / 1000000 = %d",
                       i + 1);
        EXPECT_EQ(pg_number(other, sql), w[i].n);
        *rows += w[i].n;
        if (w[i].n == 0)
            continue;
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM race_back WHERE v = %ld",
                       w[i].acknowledged[w[i].n - 1]);
        EXPECT_EQ(pg_number(other, sql), 1);
    }
    pg_run(other, "DROP TABLE race_back");
    bs_capture_close(&c);
}

static void
no_acknowledged_row_is_lost(void)
{
    PGconn *actor = pg_connect("postgres"), *other = pg_connect("postgres");
    struct writer *w = bs_malloc(3 * sizeof(*w));
    long rows = 0;

    for (int round = 0; round < 4; round++)
        one_race(actor, other, w, &rows);
    printf("# %ld acknowledged rows raced\n", rows);
    EXPECT(rows > 300);
    free(w);
    PQfinish(actor);
    PQfinish(other);
}

/* Rows and names of a database that is not UTF-8: one row back is the row that was. */
static void
other_encoding(const char *encoding, const char *data_encoding)
{
    PGconn *super = pg_connect("postgres"), *actor;
    struct bs_capture_request r;
    struct bs_capture_result out = {0};
    struct bs_err err;
    struct bs_capture *c;
    char sql[200], there[256];

    (void)snprintf(
        sql, sizeof(sql),
        "CREATE DATABASE enc ENCODING '%s' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
        encoding);
    pg_run(super, sql);
    actor = pg_connect("enc");
    pg_run(actor, "SET client_encoding = 'UTF8'");
    pg_run(actor, "CREATE TABLE \"t\xc3\xa4g\" (\"\xc3\xb6\" text);"
                  "INSERT INTO \"t\xc3\xa4g\" VALUES ('\xc3\xbc'), ('plain')");
    plan_for(actor, "public.t\xc3\xa4g", NULL);
    plan.definition = true;
    pg_run(actor, "BEGIN; LOCK \"t\xc3\xa4g\" IN SHARE ROW EXCLUSIVE MODE");
    (void)snprintf(there, sizeof(there), "host=%s user=helper password='it\\'s secret' dbname=enc",
                   pg_dir);
    r = request_for(actor);
    r.helper = there;
    c = capture(&r, &out, &err);
    if (err.code != BS_OK)
        printf("# %s: %s\n", encoding, err.message);
    REQUIRE(err.code == BS_OK);
    EXPECT(strcmp(out.manifest->source.encoding, encoding) == 0);
    EXPECT(strcmp(out.manifest->source.data_encoding, data_encoding) == 0);
    EXPECT(strcmp(out.manifest->objects[0].name, "t\xc3\xa4g") == 0);
    pg_run(actor, "COMMIT; CREATE TABLE back (x text)");
    EXPECT(load(actor, &out.manifest->objects[0], "back"));
    EXPECT_EQ(pg_number(actor, "SELECT count(*) FROM \"t\xc3\xa4g\" JOIN back ON \"\xc3\xb6\" = x"),
              2);
    bs_capture_close(&c);
    PQfinish(actor);
    pg_run(super, "DROP DATABASE enc WITH (FORCE)");
    PQfinish(super);
}

static void
databases_in_other_encodings(void)
{
    other_encoding("LATIN1", "UTF8");
    other_encoding("SQL_ASCII", "SQL_ASCII");
}

static void
what_crashes_leave_is_swept(void)
{
    char path[300];

    EXPECT(pg_shell("rm -rf %s/journal", spool_dir)); /* of points that earlier tests left open */
    (void)snprintf(path, sizeof(path), "%s/%d-RP-01ARZ3NDEKTSV4RRFFQ69G5FAV", spool_dir, 4190000);
    EXPECT(pg_shell("mkdir %s && touch %s/1.rows", path, path));
    (void)snprintf(path, sizeof(path), "%s/%d-RP-01ARZ3NDEKTSV4RRFFQ69G5FAV", spool_dir,
                   (int)getppid());
    EXPECT(pg_shell("mkdir %s && mkdir %s/other", path, spool_dir));
    bs_capture_sweep(spool_dir);
    EXPECT_EQ(count_names(spool_dir), 2);
    EXPECT(pg_shell("rm -r %s/*", spool_dir));
}

static const struct tap_case cases[] = {
    {"a point holds everything", a_point_holds_everything},
    {"the manifest tells what hangs on it", the_manifest_tells_what_hangs_on_it},
    {"without the lock there is no point", without_the_lock_there_is_no_point},
    {"what changed since the plan is refused", what_changed_since_the_plan_is_refused},
    {"helpers that cannot are told", helpers_that_cannot_are_told},
    {"a store that lies makes no point", a_store_that_lies_makes_no_point},
    {"definitions are shared", definitions_are_shared},
    {"records have no objects", records_have_no_objects},
    {"whatever hangs ends at once", whatever_hangs_ends_at_once},
    {"a stalled server ends at once", a_stalled_server_ends_at_once},
    {"locks show what was done", locks_show_what_was_done},
    {"open points are closed by fact", open_points_are_closed_by_fact},
    {"begun points are abandoned", begun_points_are_abandoned},
    {"no acknowledged row is lost", no_acknowledged_row_is_lost},
    {"databases in other encodings", databases_in_other_encodings},
    {"what crashes leave is swept", what_crashes_leave_is_swept},
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
    (void)snprintf(helper, sizeof(helper),
                   "host=%s user=helper password='it\\'s secret' dbname=postgres", pg_dir);
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
