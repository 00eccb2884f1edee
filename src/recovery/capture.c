/*
 * capture.c - the order is the safety: locks are seen before the snapshot is taken, the snapshot
 * is taken before anything is copied, all is stored and proven before the manifest, and only the
 * manifest makes it a point.
 */
#include "recovery/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"
#include "recovery/dump.h"
#include "recovery/facts.h"
#include "recovery/helper.h"
#include "recovery/points.h"
#include "recovery/seal.h"
#include "recovery/spool.h"
#include "recovery/verify.h"

enum {
    BATCH = 64 * 1024,            /* rows are handed on in pieces of this size */
    ARENA = 64 * 1024 * 1024,     /* description of all tables */
    BUDGET_US = 30 * 1000 * 1000, /* where the request has no deadline */
    LOCKS_MS = 10 * 1000,         /* for the audit's question, after the budget */
    SQL_MAX = 4 * 1024 * 1024,
};

struct bs_capture {
    struct bs_capture_request req;
    struct bs_arena arena;
    struct bs_watch watch;
    struct bs_store store; /* ends what it does when the watch ends; events go past it */
    struct bs_helper helper;
    struct bs_child dump;
    struct bs_spool spool;
    struct bs_manifest m;
    const char *dir; /* NULL until run has named the point */
    bool ran;
    bool stored; /* the manifest is in the store */
    atomic_int phase;
    atomic_llong rows, raw, put, proven;
};

static void
enter(struct bs_capture *c, enum bs_capture_phase phase)
{
    atomic_store(&c->phase, (int)phase);
}

/* For the gateway there are two kinds of failure: it was told to stop, or there is no point. */
static enum bs_done
no_point(struct bs_err *err, const struct bs_err *why)
{
    if (why->code == BS_E_CANCELLED || why->code == BS_E_LIMIT)
        (void)bs_err_set(err, why->code, "%s", why->message);
    else
        (void)BS_FAIL(err, NO_POINT, "%s", why->message);
    if (why->hint[0] != '\0')
        bs_err_hint(err, "%s", why->hint);
    return BS_FAILED;
}

enum bs_done
bs_capture_open(const struct bs_capture_request *request,
                struct bs_capture **out,
                struct bs_err *err)
{
    struct bs_capture *c = bs_malloc(sizeof(*c));
    struct bs_err why = {0};
    int64_t deadline = request->deadline_us;

    *out = NULL;
    c->req = *request;
    if (deadline == 0)
        deadline = bs_mono_us() + BUDGET_US;
    if (bs_watch_init(&c->watch, deadline, &why) != BS_DONE) {
        free(c);
        return no_point(err, &why);
    }
    c->watch.bytes = &c->proven;
    c->store = bs_store_watched(request->store, &c->watch);
    bs_arena_init(&c->arena, "capture", ARENA);
    if (bs_helper_open(&c->helper, request->helper, &c->watch, BS_E_NO_POINT, &why) != BS_DONE ||
        bs_helper_source(&c->helper, &c->arena, &c->m.source, &why) != BS_DONE) {
        bs_capture_close(&c);
        return no_point(err, &why);
    }
    *out = c;
    return BS_DONE;
}

/* How strong a lock is for us; 0: too weak. */
static int
strength(const char *mode)
{
    static const char *const enough[] = {"ShareRowExclusiveLock", "ExclusiveLock",
                                         "AccessExclusiveLock"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(mode, enough[i]) == 0)
            return i + 1;
    }
    return 0;
}

/* The strongest lock among the rows on this relation. */
static const char *
held_on(const PGresult *res, uint32_t oid)
{
    const char *best = "no lock";
    int most = 0;

    for (int i = 0; i < PQntuples(res); i++) {
        const char *mode = PQgetvalue(res, i, 1);
        if (strtoul(PQgetvalue(res, i, 0), NULL, 10) != oid || strength(mode) <= most)
            continue;
        most = strength(mode);
        best = mode;
    }
    return best;
}

/* Every planned table must be locked by the actor's own backend, in this database. */
static enum bs_done
check_locks(struct bs_capture *c, struct bs_err *err)
{
    char pid[16], database[16];
    const char *params[] = {pid, database};
    const struct bs_plan *plan = c->req.plan;
    const char *weakest = NULL;
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    (void)snprintf(database, sizeof(database), "%u", c->m.source.database_oid);
    if (bs_helper_query(&c->helper,
                        "SELECT l.relation, l.mode FROM pg_catalog.pg_locks l"
                        " WHERE l.pid = $1::pg_catalog.int4 AND l.locktype = 'relation'"
                        " AND l.granted AND l.database = $2::pg_catalog.oid",
                        2, params, &res, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; done == BS_DONE && i < plan->n_tables; i++) {
        const struct bs_plan_table *t = &plan->tables[i];
        const char *mode = held_on(res, t->oid);
        if (t->relkind == 'm')
            continue; /* LOCK TABLE refuses them; their rows can be computed again */
        /* We would wait for the actor, who waits for us: a deadlock that no one detects. */
        if (strcmp(mode, "AccessExclusiveLock") == 0)
            done = BS_FAIL(err, NO_POINT,
                           "the actor holds ACCESS EXCLUSIVE on \"%.60s\".\"%.60s\" already, which "
                           "lets nobody copy it",
                           t->schema, t->name);
        if (strength(mode) == 0)
            done =
                BS_FAIL(err, NO_POINT, "the actor holds no sufficient lock on \"%.60s\".\"%.60s\"",
                        t->schema, t->name);
        if (weakest == NULL || strength(mode) < strength(weakest))
            weakest = mode;
    }
    c->m.capture.lock_mode = bs_arena_str(&c->arena, weakest);
    PQclear(res);
    return done;
}

/* Who will run the statement, so that a later start can tell whether it still may. */
static enum bs_done
note_actor(struct bs_capture *c, struct bs_err *err)
{
    char pid[16];
    const char *params[] = {pid};
    PGresult *res = NULL;

    c->m.actor = c->req.actor;
    c->m.actor.backend_pid = c->req.actor_pid;
    c->m.actor.backend_start = NULL;
    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    if (bs_helper_query(&c->helper,
                        "SELECT a.backend_start::pg_catalog.text"
                        " FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) a",
                        1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) == 1 && !PQgetisnull(res, 0, 0))
        c->m.actor.backend_start = bs_arena_str(&c->arena, PQgetvalue(res, 0, 0));
    PQclear(res);
    return BS_DONE;
}

/* Opens the snapshot all copies share, and exports it. `exported` lives in the arena. */
static enum bs_done
take_snapshot(struct bs_capture *c, const char **exported, struct bs_err *err)
{
    PGresult *res = NULL;

    if (bs_helper_query(&c->helper, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL,
                        NULL, err) != BS_DONE ||
        bs_helper_query(&c->helper,
                        "SELECT pg_catalog.pg_export_snapshot(),"
                        " pg_catalog.pg_current_snapshot()::pg_catalog.text",
                        0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    c->m.capture.snapshot_us = bs_now_us();
    *exported = bs_arena_str(&c->arena, PQgetvalue(res, 0, 0));
    c->m.capture.snapshot = bs_arena_str(&c->arena, PQgetvalue(res, 0, 1));
    PQclear(res);
    if (*exported == NULL || c->m.capture.snapshot == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a snapshot's name");
    return BS_DONE;
}

struct copying {
    struct bs_capture *c;
    struct bs_seal *seal;
    uint8_t batch[BATCH];
    size_t n;
    int64_t rows; /* told to the progress so far */
};

static enum bs_done
hand_on(struct copying *k, struct bs_bytes data, struct bs_err *err)
{
    int64_t rows;

    if (bs_watch_check(&k->c->watch, err) != BS_DONE || bs_seal_put(k->seal, data, err) != BS_DONE)
        return BS_FAILED;
    rows = bs_seal_rows(k->seal);
    (void)atomic_fetch_add(&k->c->rows, rows - k->rows);
    (void)atomic_fetch_add(&k->c->raw, (int64_t)data.n);
    k->rows = rows;
    return BS_DONE;
}

static enum bs_done
flush_batch(struct copying *k, struct bs_err *err)
{
    size_t n = k->n;

    k->n = 0;
    return n == 0 ? BS_DONE : hand_on(k, (struct bs_bytes){k->batch, n}, err);
}

/* libpq gives a row at a time; compressing and hashing so small pieces would cost more than they. */
static enum bs_done
take_row(void *ctx, struct bs_bytes data, struct bs_err *err)
{
    struct copying *k = ctx;

    if (data.n > sizeof(k->batch) - k->n && flush_batch(k, err) != BS_DONE)
        return BS_FAILED;
    if (data.n > sizeof(k->batch))
        return hand_on(k, data, err);
    memcpy(k->batch + k->n, data.p, data.n);
    k->n += data.n;
    return BS_DONE;
}

static void
put_copy(struct bs_buf *sql, const struct bs_point_object *o)
{
    bs_put_str(sql, "COPY (SELECT ");
    for (size_t i = 0; i < o->n_columns; i++) {
        bs_put_str(sql, i == 0 ? "" : ", ");
        bs_facts_put_column(sql, o->columns[i].name);
    }
    bs_put_str(sql, " FROM ONLY ");
    bs_facts_put_name(sql, o->schema, o->name);
    bs_put_fmt(sql, ") TO STDOUT (FORMAT %s)", o->format == BS_ROWS_TEXT ? "text" : "binary");
    bs_put_u8(sql, '\0');
}

/* One table into one spool file. */
static enum bs_done
copy_table(struct bs_capture *c, size_t i, struct bs_err *err)
{
    struct bs_point_object *o = &c->m.objects[i];
    struct copying *k = bs_malloc(sizeof(*k));
    char path[PATH_MAX];
    struct bs_sealed sealed = {0};
    struct bs_buf sql;
    int64_t tag = -1;
    enum bs_done done = BS_FAILED;

    k->c = c;
    bs_buf_init(&sql, SQL_MAX);
    put_copy(&sql, o);
    if (sql.failed)
        (void)BS_FAIL(err, NO_POINT, "\"%.60s\" has too many columns", o->name);
    else if (bs_spool_path(&c->spool, i, path, err) == BS_DONE &&
             bs_seal_new(path, o->format, o->n_columns, &k->seal, err) == BS_DONE &&
             bs_helper_copy(&c->helper, (const char *)sql.p, take_row, k, &tag, err) == BS_DONE &&
             flush_batch(k, err) == BS_DONE)
        done = bs_seal_finish(k->seal, &sealed, err);
    if (done == BS_DONE && sealed.rows != tag)
        done = BS_FAIL(err, NO_POINT, "\"%.60s\": the server counts %lld rows, %lld arrived",
                       o->name, (long long)tag, (long long)sealed.rows);
    if (done == BS_DONE) {
        o->row_count = sealed.rows;
        o->raw_bytes = sealed.raw_bytes;
        o->stored_bytes = sealed.stored_bytes;
        o->sha256 = bs_arena_str(&c->arena, sealed.sha256);
        o->row_hash = bs_arena_str(&c->arena, sealed.row_hash);
    }
    bs_seal_free(&k->seal);
    bs_buf_fini(&sql);
    free(k);
    return done;
}

/* On disk rows are at most lightly compressed; half their size is more than zstd leaves. */
static enum bs_done
check_room(struct bs_capture *c, int64_t bytes, struct bs_err *err)
{
    struct statvfs fs;
    uint64_t need = (uint64_t)bytes / 2 + (16u << 20), left;

    if (statvfs(c->spool.dir, &fs) != 0)
        return BS_FAIL(err, NO_POINT, "cannot see how much room the spool has: %s",
                       strerror(errno));
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left < need)
        return BS_FAIL(err, NO_POINT,
                       "the spool has %" PRIu64 " bytes left, about %" PRIu64 " are needed", left,
                       need);
    return BS_DONE;
}

/* pg_dump runs beside the copies, on the same snapshot. */
static enum bs_done
start_dump(struct bs_capture *c, const char *snapshot, struct bs_err *err)
{
    char program[PATH_MAX], version[128], file[PATH_MAX];

    if (!c->req.plan->definition)
        return BS_DONE;
    if (bs_dump_find(c->req.pg_dumps, c->req.n_pg_dumps, c->m.source.server_version_num, program,
                     version, err) != BS_DONE ||
        bs_spool_name(&c->spool, "schema", file, err) != BS_DONE)
        return BS_FAILED;
    c->m.schema.pg_dump = bs_arena_str(&c->arena, version);
    c->spool.pg_dump = bs_arena_str(&c->arena, program);
    return bs_dump_start(&c->dump, program, c->helper.conn, snapshot, file,
                         bs_watch_left_ms(&c->watch, 10000), err);
}

/* Everything that needs the snapshot. */
static enum bs_done
copy_all(struct bs_capture *c, struct bs_err *err)
{
    const char *snapshot = NULL;
    int64_t bytes = 0;

    if (check_locks(c, err) != BS_DONE || take_snapshot(c, &snapshot, err) != BS_DONE ||
        bs_facts_tables(&c->helper, c->req.plan, &c->arena, &c->m, &bytes, err) != BS_DONE ||
        check_room(c, bytes, err) != BS_DONE || start_dump(c, snapshot, err) != BS_DONE)
        return BS_FAILED;
    enter(c, BS_CAPTURE_COPYING);
    if (bs_facts_around(&c->helper, &c->arena, &c->m, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < c->m.n_objects; i++) {
        if (c->m.objects[i].format != BS_ROWS_NONE && copy_table(c, i, err) != BS_DONE)
            return BS_FAILED;
    }
    if (c->dump.pid != 0 && bs_child_wait(&c->dump, &c->watch, NULL, NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(&c->helper, "COMMIT", 0, NULL, NULL, err);
}

/* Names a table's object and stores its spool file. */
static enum bs_done
store_table(struct bs_capture *c, size_t i, struct bs_err *err)
{
    struct bs_point_object *o = &c->m.objects[i];
    char path[PATH_MAX];

    o->key = bs_spool_key(&c->arena, c->dir, i, o);
    o->parts = bs_arena_array(&c->arena, 1, sizeof(*o->parts));
    if (o->key == NULL || o->parts == NULL || o->sha256 == NULL || o->row_hash == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for the name of an object");
    o->parts[0] = (struct bs_point_part){o->key, o->stored_bytes, o->sha256};
    o->n_parts = 1;
    if (bs_watch_check(&c->watch, err) != BS_DONE ||
        bs_spool_path(&c->spool, i, path, err) != BS_DONE ||
        bs_store_put_file(&c->store, o->key, path, err) != BS_DONE)
        return BS_FAILED;
    (void)atomic_fetch_add(&c->put, o->stored_bytes);
    return BS_DONE;
}

/* The least proof: the store says that it has as many bytes as were given to it. */
static enum bs_done
check_size(struct bs_capture *c, const struct bs_point_object *o, struct bs_err *err)
{
    struct bs_store_info info;

    if (bs_store_head(&c->store, o->key, &info, err) != BS_DONE)
        return BS_FAILED;
    if (info.size != o->stored_bytes)
        return BS_FAIL(err, NO_POINT, "the store has %lld bytes of \"%.200s\", not %lld",
                       (long long)info.size, o->key, (long long)o->stored_bytes);
    return BS_DONE;
}

static enum bs_done
prove(struct bs_capture *c, struct bs_err *err)
{
    for (size_t i = 0; i < c->m.n_objects; i++) {
        const struct bs_point_object *o = &c->m.objects[i];
        enum bs_done done;
        if (o->format == BS_ROWS_NONE)
            continue;
        if (c->req.grade == BS_CAPTURE_STORED)
            done = check_size(c, o, err);
        else
            done = bs_object_read(&c->store, o, NULL, NULL, &c->watch, err);
        if (done != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
store_all(struct bs_capture *c, struct bs_err *err)
{
    enter(c, BS_CAPTURE_STORING);
    for (size_t i = 0; i < c->m.n_objects; i++) {
        if (c->m.objects[i].format != BS_ROWS_NONE && store_table(c, i, err) != BS_DONE)
            return BS_FAILED;
    }
    if (c->req.plan->definition &&
        bs_spool_schema(&c->spool, &c->store, &c->m, &c->arena, &c->watch, err) != BS_DONE)
        return BS_FAILED;
    enter(c, BS_CAPTURE_PROVING);
    return prove(c, err);
}

/* Reads the manifest back: it is the one object whose loss would lose all others. */
static enum bs_done
manifest_back(struct bs_capture *c, const char *key, struct bs_bytes was, struct bs_err *err)
{
    struct bs_buf is;
    enum bs_done done;

    bs_buf_init(&is, BS_MANIFEST_MAX);
    done = bs_store_get(&c->store, key, &is, err);
    if (done == BS_DONE && !bs_bytes_equal(bs_buf_view(&is), was))
        done = BS_FAIL(err, NO_POINT, "the store gives back another manifest");
    bs_buf_fini(&is);
    return done;
}

static enum bs_done
store_manifest(struct bs_capture *c, char sha256[BS_SHA256_TEXT], struct bs_err *err)
{
    struct bs_point_proof *proof = bs_arena_array(&c->arena, 1, sizeof(*proof));
    char key[BS_KEY_MAX + 1];
    struct bs_buf text;
    enum bs_done done = BS_FAILED;

    if (proof == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a proof");
    c->m.capture.finished_us = bs_now_us();
    *proof = (struct bs_point_proof){c->req.grade == BS_CAPTURE_STORED ? "stored" : "read-back",
                                     "ok", c->m.capture.finished_us, "capture"};
    c->m.proofs = proof;
    c->m.n_proofs = 1;
    bs_buf_init(&text, BS_MANIFEST_MAX);
    (void)snprintf(key, sizeof(key), "%smanifest.json", c->dir);
    if (bs_watch_check(&c->watch, err) == BS_DONE &&
        bs_manifest_print(&c->m, &text, sha256, err) == BS_DONE &&
        bs_store_put(&c->store, key, bs_buf_view(&text), err) == BS_DONE) {
        c->stored = true;
        done = manifest_back(c, key, bs_buf_view(&text), err);
    }
    bs_buf_fini(&text);
    return done == BS_DONE ? bs_watch_check(&c->watch, err) : done;
}

/* Names the point; after this its folder is known. */
static enum bs_done
name_point(struct bs_capture *c, struct bs_err *err)
{
    struct bs_buf dir;

    c->m.format = BS_MANIFEST_FORMAT;
    bs_point_id_new(c->m.id);
    c->m.created_us = bs_now_us();
    c->m.gateway_version = BS_VERSION;
    c->m.statement = c->req.statement;
    c->m.capture.mode = bs_plan_kind_name(c->req.plan->kind);
    c->m.capture.xid = c->req.actor_xid;
    c->m.capture.started_us = c->m.created_us;
    bs_buf_init(&dir, BS_KEY_MAX);
    bs_point_put_dir(&dir, &c->m);
    if (!dir.failed)
        c->dir = bs_arena_copy(&c->arena, bs_buf_view(&dir));
    bs_buf_fini(&dir);
    if (c->dir == NULL)
        return BS_FAIL(err, LIMIT, "the name of the database is too long");
    return BS_DONE;
}

static enum bs_done
run(struct bs_capture *c, struct bs_capture_result *out, struct bs_err *err)
{
    const struct bs_plan *plan = c->req.plan;
    int64_t start = bs_mono_us();

    if (plan == NULL || (plan->kind != BS_PLAN_WHOLE && plan->kind != BS_PLAN_RECORD))
        return BS_FAIL(err, NO_POINT, "there is no plan that a point could be made by");
    enter(c, BS_CAPTURE_CHECKING);
    if (name_point(c, err) != BS_DONE || note_actor(c, err) != BS_DONE)
        return BS_FAILED;
    if (plan->kind == BS_PLAN_WHOLE) {
        if (bs_spool_open(&c->spool, c->req.spool, c->m.id, err) != BS_DONE ||
            copy_all(c, err) != BS_DONE)
            return BS_FAILED;
        out->copied_us = bs_mono_us() - start;
        if (store_all(c, err) != BS_DONE)
            return BS_FAILED;
    }
    if (store_manifest(c, out->manifest_sha256, err) != BS_DONE)
        return BS_FAILED;
    out->manifest = &c->m;
    out->dir = c->dir;
    out->total_us = bs_mono_us() - start;
    return BS_DONE;
}

/* The manifest is there, but was not proven: nobody may take the point for a used one. */
static void
close_unproven(struct bs_capture *c)
{
    struct bs_point_event event = {.state = BS_EVENT_NOT_USED, .by = "capture"};
    struct bs_err why = {0};

    if (bs_points_event(c->req.store, c->dir, &event, &why) != BS_DONE)
        BS_LOG(WARNING, "a recovery point that was not proven stays open until the next start",
               BS_F_STR("point", c->m.id), BS_F_STR("error", why.message));
}

enum bs_done
bs_capture_run(struct bs_capture *c, struct bs_capture_result *out, struct bs_err *err)
{
    struct bs_err why = {0};
    enum bs_done done;

    *out = (struct bs_capture_result){0};
    if (c->ran)
        return BS_FAIL(err, NO_POINT, "a capture runs once");
    c->ran = true;
    done = run(c, out, &why);
    bs_child_kill(&c->dump);
    bs_spool_close(&c->spool);
    enter(c, done == BS_DONE ? BS_CAPTURE_PROVEN : BS_CAPTURE_FAILED);
    if (done == BS_DONE)
        return BS_DONE;
    *out = (struct bs_capture_result){0};
    /* The helper may be in the middle of anything; its snapshot holds back vacuum, too. */
    bs_helper_close(&c->helper);
    if (c->stored)
        close_unproven(c);
    return no_point(err, &why);
}

static const char locks_sql[] =
    "SELECT l.locktype, l.mode, l.granted, l.database, l.relation, c.relkind, n.nspname,"
    " c.relname, COALESCE(x.indrelid, t.oid, 0), l.classid, l.objid, l.objsubid,"
    " l.transactionid::pg_catalog.text"
    " FROM pg_catalog.pg_locks l"
    " LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation AND l.database IN (0,"
    " (SELECT d.oid FROM pg_catalog.pg_database d"
    " WHERE d.datname = pg_catalog.current_database()))"
    " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid"
    " LEFT JOIN pg_catalog.pg_class t ON t.reltoastrelid = c.oid AND c.relkind = 't'"
    " WHERE l.pid = $1::pg_catalog.int4";

static const char *
text_of(const PGresult *res, int row, int column, struct bs_arena *arena)
{
    return PQgetisnull(res, row, column) ? NULL : bs_arena_str(arena, PQgetvalue(res, row, column));
}

static uint32_t
number_of(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

static enum bs_done
take_lock(const PGresult *res, int i, struct bs_arena *arena, struct bs_lock *l, struct bs_err *err)
{
    static const char *const systems[] = {"pg_catalog", "pg_toast", "information_schema"};

    *l = (struct bs_lock){
        .locktype = text_of(res, i, 0, arena),
        .mode = text_of(res, i, 1, arena),
        .granted = PQgetvalue(res, i, 2)[0] == 't',
        .database_oid = number_of(res, i, 3),
        .relation_oid = number_of(res, i, 4),
        .relkind = PQgetvalue(res, i, 5)[0],
        .schema = text_of(res, i, 6, arena),
        .name = text_of(res, i, 7, arena),
        .parent_oid = number_of(res, i, 8),
        .class_oid = number_of(res, i, 9),
        .object_oid = number_of(res, i, 10),
        .object_sub = (int)strtol(PQgetvalue(res, i, 11), NULL, 10),
        .transaction = number_of(res, i, 12),
    };
    if (l->locktype == NULL || l->mode == NULL || (l->schema == NULL && !PQgetisnull(res, i, 6)) ||
        (l->name == NULL && !PQgetisnull(res, i, 7)))
        return BS_FAIL(err, LIMIT, "the locks do not fit into memory set aside for them");
    for (size_t k = 0; l->schema != NULL && k < 3; k++)
        l->system = l->system || strcmp(l->schema, systems[k]) == 0;
    return BS_DONE;
}

/* Asks; a helper that was lost while the statement ran is replaced once. */
static enum bs_done
ask_again(struct bs_capture *c,
          const char *sql,
          int n,
          const char *const *params,
          PGresult **res,
          struct bs_err *err)
{
    struct bs_err why = {0};

    if (c->helper.conn != NULL && bs_helper_query(&c->helper, sql, n, params, res, &why) == BS_DONE)
        return BS_DONE;
    if (bs_watch_check(&c->watch, err) != BS_DONE)
        return BS_FAILED;
    bs_helper_close(&c->helper);
    if (bs_helper_open(&c->helper, c->req.helper, &c->watch, BS_E_NO_POINT, err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(&c->helper, sql, n, params, res, err);
}

enum bs_done
bs_capture_locks(struct bs_capture *c,
                 int pid,
                 struct bs_arena *arena,
                 struct bs_lock **out,
                 size_t *n,
                 struct bs_err *err)
{
    char text[16];
    const char *params[] = {text};
    PGresult *res = NULL;
    struct bs_err why = {0};
    enum bs_done done = BS_DONE;

    *out = NULL;
    *n = 0;
    (void)snprintf(text, sizeof(text), "%d", pid);
    /* The budget was for the capture; the statement has run meanwhile, however long. */
    c->watch.deadline_us = bs_mono_us() + (int64_t)LOCKS_MS * 1000;
    if (ask_again(c, locks_sql, 1, params, &res, &why) != BS_DONE)
        return no_point(err, &why);
    *out = bs_arena_array(arena, (size_t)PQntuples(res) + 1, sizeof(**out));
    if (*out == NULL)
        done = BS_FAIL(err, LIMIT, "the locks do not fit into memory set aside for them");
    for (int i = 0; done == BS_DONE && i < PQntuples(res); i++)
        done = take_lock(res, i, arena, &(*out)[i], err);
    if (done == BS_DONE)
        *n = (size_t)PQntuples(res);
    PQclear(res);
    return done;
}

/* A row lock comes with ROW SHARE at least; ROW EXCLUSIVE nobody else has beside our own lock. */
static const char circle_sql[] =
    "WITH l AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks)"
    " SELECT 1 FROM l h JOIN l w ON w.pid = h.pid AND NOT w.granted"
    " WHERE h.granted AND h.locktype = 'relation' AND h.database = $1::pg_catalog.oid"
    " AND h.relation = ANY ($2::pg_catalog.oid[]) AND h.pid <> $3::pg_catalog.int4"
    " AND (h.mode <> 'AccessShareLock' OR h.relation = ANY ($4::pg_catalog.oid[])) LIMIT 1";

/* "{16384,16390}": the planned tables, or those of them that the statement locks exclusively. */
static const char *
oid_list(struct bs_capture *c, bool exclusive_only)
{
    struct bs_buf b;
    const char *out = NULL;
    size_t n = 0;

    bs_buf_init(&b, SQL_MAX);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < c->req.plan->n_tables; i++) {
        const struct bs_plan_table *t = &c->req.plan->tables[i];
        if (!exclusive_only || t->exclusive)
            bs_put_fmt(&b, "%s%u", n++ == 0 ? "" : ",", t->oid);
    }
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(&c->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

enum bs_done
bs_capture_circle(struct bs_capture *c, bool *circle, struct bs_err *err)
{
    char database[16], pid[16];
    const char *params[] = {database, oid_list(c, false), pid, oid_list(c, true)};
    PGresult *res = NULL;
    struct bs_err why = {0};

    *circle = true;
    if (params[1] == NULL || params[3] == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    (void)snprintf(database, sizeof(database), "%u", c->m.source.database_oid);
    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    if (ask_again(c, circle_sql, 4, params, &res, &why) != BS_DONE)
        return no_point(err, &why);
    *circle = PQntuples(res) != 0;
    PQclear(res);
    return BS_DONE;
}

enum bs_done
bs_capture_event(struct bs_capture *c, const struct bs_point_event *event, struct bs_err *err)
{
    if (!c->stored)
        return BS_FAIL(err, CONFLICT, "the capture has made no point");
    return bs_points_event(c->req.store, c->dir, event, err);
}

void
bs_capture_abort(struct bs_capture *c)
{
    bs_watch_stop(&c->watch);
}

void
bs_capture_progress(const struct bs_capture *c, struct bs_capture_progress *out)
{
    *out = (struct bs_capture_progress){
        .phase = (enum bs_capture_phase)atomic_load(&c->phase),
        .rows = atomic_load(&c->rows),
        .raw_bytes = atomic_load(&c->raw),
        .stored_bytes = atomic_load(&c->put),
        .proven_bytes = atomic_load(&c->proven),
        .est_bytes = c->req.plan == NULL ? 0 : c->req.plan->est_bytes,
    };
}

void
bs_capture_close(struct bs_capture **c)
{
    if (*c == NULL)
        return;
    bs_child_kill(&(*c)->dump);
    bs_helper_close(&(*c)->helper);
    bs_spool_close(&(*c)->spool);
    bs_arena_fini(&(*c)->arena);
    bs_watch_fini(&(*c)->watch);
    free(*c);
    *c = NULL;
}
