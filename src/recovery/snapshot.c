/*
 * snapshot.c - lock, snapshot, copy or keep, store, prove, manifest: the steps of every capture,
 * but that nobody's statement waits for it.
 */
#include "recovery/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "recovery/crew.h"
#include "recovery/facts.h"
#include "recovery/points.h"
#include "recovery/steps.h"
#include "recovery/unchanged.h"
#include "recovery/verify.h"

enum {
    LOCK_SQL_MAX = 4 * 1024 * 1024,
    WHEN_MS = 30000,
    AGES = 500,                /* snapshots that are looked at for how old they are */
    ARENA = 256 * 1024 * 1024, /* a list of points and some manifests */
    DURABLE_MS =
        2000, /* for the server to flush what the snapshot saw; its own interval is 0.2 s */
};

static const char list_sql[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples,"
    " CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    " AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
    " ORDER BY c.oid";

/* Partitions come with their table, whatever they are called. */
static const char below_sql[] =
    "SELECT t.relid::pg_catalog.oid FROM pg_catalog.unnest($1::pg_catalog.oid[]) r(oid)"
    " CROSS JOIN LATERAL pg_catalog.pg_partition_tree(r.oid) t";

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the description of the tables does not fit into memory set aside");
}

/* --- the last one --- */

static bool
is_of(const struct bs_manifest *m, const char *schedule)
{
    return m->capture.schedule != NULL && strcmp(m->capture.schedule, schedule) == 0;
}

static bool
is_whole(const struct bs_point_ref *p)
{
    return p->complete && p->outcome == BS_EVENT_TAKEN && !p->expired &&
           p->proof != BS_EVENT_DAMAGED;
}

static enum bs_done
list_points(struct bs_store *store,
            const struct bs_point_source *source,
            struct bs_arena *arena,
            struct bs_points *out,
            struct bs_err *err)
{
    struct bs_buf base;
    enum bs_done done;

    bs_buf_init(&base, BS_KEY_MAX + 1);
    bs_point_put_base(&base, source);
    bs_put_str(&base, "rp/");
    bs_put_u8(&base, '\0');
    done = bs_points_list(store, (const char *)base.p, arena, out, err);
    bs_buf_fini(&base);
    return done;
}

/* The newest that is whole; `m` stays zeroed where there is none. */
static enum bs_done
find_last(struct bs_store *store,
          const struct bs_point_source *source,
          const char *schedule,
          struct bs_arena *arena,
          struct bs_manifest *m,
          struct bs_err *err)
{
    struct bs_points all = {0};

    if (list_points(store, source, arena, &all, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < all.n; i++) {
        const struct bs_point_ref *p = &all.list[i];
        struct bs_err why = {0};
        if (!is_whole(p))
            continue;
        if (bs_points_load(store, p, arena, m, &why) != BS_DONE) {
            if (bs_store_silent(why.code) || why.code == BS_E_LIMIT)
                return bs_err_set(err, why.code, "%s", why.message);
            continue; /* damaged: an older one may be whole */
        }
        if (is_of(m, schedule))
            return BS_DONE;
    }
    *m = (struct bs_manifest){0};
    return BS_DONE;
}

/* --- how old they are --- */

struct ages {
    struct bs_arena *arena;
    struct bs_snapshot_age *list;
    size_t n, cap;
};

static enum bs_done
note_ages(struct ages *a, const struct bs_manifest *m, struct bs_err *err)
{
    if (a->n + m->n_objects > a->cap) {
        struct bs_snapshot_age *more;
        a->cap = (a->n + m->n_objects) * 2;
        more = bs_arena_array(a->arena, a->cap, sizeof(*more));
        if (more == NULL)
            return BS_FAIL(err, LIMIT, "there are more snapshots than memory set aside for them");
        if (a->n != 0)
            memcpy(more, a->list, a->n * sizeof(*more));
        a->list = more;
    }
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        size_t k = 0;
        while (k < a->n &&
               (strcmp(a->list[k].schema, o->schema) != 0 || strcmp(a->list[k].name, o->name) != 0))
            k++;
        if (k < a->n)
            continue;
        a->list[a->n] =
            (struct bs_snapshot_age){bs_arena_str(a->arena, o->schema),
                                     bs_arena_str(a->arena, o->name), m->capture.started_us};
        if (a->list[a->n].schema == NULL || a->list[a->n].name == NULL)
            return BS_FAIL(err, LIMIT, "there are more snapshots than memory set aside for them");
        a->n++;
    }
    return BS_DONE;
}

static enum bs_done
read_ages(struct bs_store *store,
          const struct bs_point_source *source,
          struct ages *a,
          struct bs_err *err)
{
    struct bs_points all = {0};
    struct bs_arena list;
    enum bs_done done;
    int seen = 0;

    bs_arena_init(&list, "snapshots", ARENA);
    done = list_points(store, source, &list, &all, err);
    for (size_t i = 0; done == BS_DONE && i < all.n && seen < AGES; i++) {
        struct bs_arena one;
        struct bs_manifest m = {0};
        struct bs_err why = {0};
        if (!is_whole(&all.list[i]))
            continue;
        seen++;
        bs_arena_init(&one, "manifest", (size_t)BS_MANIFEST_MAX * 4);
        if (bs_points_load(store, &all.list[i], &one, &m, &why) == BS_DONE)
            done = note_ages(a, &m, err);
        else if (bs_store_silent(why.code))
            done = bs_err_set(err, why.code, "%s", why.message);
        bs_arena_fini(&one);
    }
    bs_arena_fini(&list);
    return done;
}

/* Which database answers there. UNAVAILABLE. */
static enum bs_done
ask_source(const char *helper,
           struct bs_arena *arena,
           struct bs_point_source *source,
           struct bs_err *err)
{
    struct bs_watch watch;
    struct bs_helper h = {0};
    enum bs_done done;

    if (bs_watch_init(&watch, bs_mono_us() + (int64_t)WHEN_MS * 1000, err) != BS_DONE)
        return BS_FAILED;
    watch.late = BS_E_UNAVAILABLE;
    done = bs_helper_open(&h, helper, &watch, BS_E_UNAVAILABLE, err);
    if (done == BS_DONE)
        done = bs_helper_source(&h, arena, source, err);
    bs_helper_close(&h);
    bs_watch_fini(&watch);
    return done;
}

enum bs_done
bs_snapshot_when(struct bs_store *store,
                 const char *helper,
                 const char *schedule,
                 int64_t *at_us,
                 struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_point_source source = {0};
    struct bs_manifest m = {0};
    enum bs_done done;

    *at_us = 0;
    bs_arena_init(&arena, "snapshots", ARENA);
    done = ask_source(helper, &arena, &source, err);
    if (done == BS_DONE)
        done = find_last(store, &source, schedule, &arena, &m, err);
    if (done == BS_DONE)
        *at_us = m.capture.started_us;
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_snapshot_ages(struct bs_store *store,
                 const char *helper,
                 struct bs_arena *arena,
                 struct bs_snapshot_age **out,
                 size_t *n,
                 struct bs_err *err)
{
    struct ages a = {.arena = arena};
    struct bs_point_source source = {0};

    *out = NULL;
    *n = 0;
    if (ask_source(helper, arena, &source, err) != BS_DONE ||
        read_ages(store, &source, &a, err) != BS_DONE)
        return BS_FAILED;
    *out = a.list;
    *n = a.n;
    return BS_DONE;
}

/* --- which tables --- */

struct listed {
    struct bs_plan_table table;
    bool wanted;
};

static enum bs_done
take_list(struct bs_capture *c,
          const struct bs_snapshot_request *what,
          const PGresult *res,
          struct listed **out,
          struct bs_err *err)
{
    size_t n = (size_t)PQntuples(res);

    *out = bs_arena_array(&c->arena, n + 1, sizeof(**out));
    for (int i = 0; *out != NULL && (size_t)i < n; i++) {
        struct listed *l = &(*out)[i];
        l->table = (struct bs_plan_table){
            .oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10),
            .schema = bs_arena_str(&c->arena, PQgetvalue(res, i, 1)),
            .name = bs_arena_str(&c->arena, PQgetvalue(res, i, 2)),
            .relkind = PQgetvalue(res, i, 3)[0],
            .reach = BS_REACH_TARGET,
            .est_rows = strtod(PQgetvalue(res, i, 4), NULL),
            .est_bytes = strtoll(PQgetvalue(res, i, 5), NULL, 10),
        };
        if (l->table.schema == NULL || l->table.name == NULL)
            return full(err);
        l->wanted = what->want(what->ctx, l->table.schema, l->table.name);
    }
    return *out == NULL ? full(err) : BS_DONE;
}

static const char *
wanted_oids(struct bs_capture *c, const struct listed *list, size_t n)
{
    struct bs_buf text;
    const char *out, *comma = "";

    bs_buf_init(&text, 2 + n * 11 + 1);
    bs_put_u8(&text, '{');
    for (size_t i = 0; i < n; i++) {
        if (!list[i].wanted)
            continue;
        bs_put_fmt(&text, "%s%u", comma, list[i].table.oid);
        comma = ",";
    }
    bs_put_u8(&text, '}');
    out = bs_arena_copy(&c->arena, bs_buf_view(&text));
    bs_buf_fini(&text);
    return out;
}

static void
want_below(struct listed *list, size_t n, const PGresult *below)
{
    for (int i = 0; i < PQntuples(below); i++) {
        uint32_t oid = (uint32_t)strtoul(PQgetvalue(below, i, 0), NULL, 10);
        for (size_t k = 0; k < n; k++)
            list[k].wanted = list[k].wanted || list[k].table.oid == oid;
    }
}

/* What is wanted, as a plan: the steps of captures go by one. */
static enum bs_done
plan_of(struct bs_capture *c, struct listed *list, size_t n, struct bs_err *err)
{
    struct bs_plan *plan = bs_arena_take(&c->arena, sizeof(*plan));

    if (plan == NULL)
        return full(err);
    *plan = (struct bs_plan){.kind = BS_PLAN_WHOLE, .why = "a snapshot", .definition = true};
    plan->tables = bs_arena_array(&c->arena, n + 1, sizeof(*plan->tables));
    if (plan->tables == NULL)
        return full(err);
    for (size_t i = 0; i < n; i++) {
        if (!list[i].wanted)
            continue;
        plan->tables[plan->n_tables++] = list[i].table;
        plan->est_bytes += list[i].table.est_bytes;
    }
    if (plan->n_tables == 0)
        return BS_FAIL(err, NOT_FOUND, "there is no table of that name");
    c->req.plan = plan;
    return BS_DONE;
}

static enum bs_done
choose(struct bs_capture *c, const struct bs_snapshot_request *what, struct bs_err *err)
{
    PGresult *res = NULL;
    struct listed *list = NULL;
    const char *oids[1], *missing;
    size_t n;
    enum bs_done done;

    if (bs_helper_query(&c->helper, list_sql, 0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    n = (size_t)PQntuples(res);
    done = take_list(c, what, res, &list, err);
    PQclear(res);
    if (done != BS_DONE)
        return BS_FAILED;
    oids[0] = wanted_oids(c, list, n);
    if (oids[0] == NULL)
        return full(err);
    if (bs_helper_query(&c->helper, below_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    want_below(list, n, res);
    PQclear(res);
    missing = what->missing == NULL ? NULL : what->missing(what->ctx);
    if (missing != NULL)
        return BS_FAIL(err, NOT_FOUND, "there is no table \"%.130s\"", missing);
    return plan_of(c, list, n, err);
}

/* --- locks and the snapshot --- */

/* LOCK takes no snapshot, so the one that comes after it sees what the locks protect. */
static enum bs_done
lock_all(struct bs_capture *c, const struct bs_snapshot_request *what, struct bs_err *err)
{
    char sql[64];
    struct bs_buf lock;
    enum bs_done done;

    (void)snprintf(sql, sizeof(sql), "SET LOCAL lock_timeout = %d", what->lock_ms);
    bs_buf_init(&lock, LOCK_SQL_MAX);
    bs_put_str(&lock, "LOCK TABLE ");
    for (size_t i = 0; i < c->req.plan->n_tables; i++) {
        bs_put_str(&lock, i == 0 ? "ONLY " : ", ONLY ");
        bs_facts_put_name(&lock, c->req.plan->tables[i].schema, c->req.plan->tables[i].name);
    }
    bs_put_str(&lock, " IN ACCESS SHARE MODE");
    bs_put_u8(&lock, '\0');
    if (lock.failed)
        done = full(err);
    else
        done = bs_helper_query(&c->helper, sql, 0, NULL, NULL, err);
    if (done == BS_DONE)
        done = bs_helper_query(&c->helper, (const char *)lock.p, 0, NULL, NULL, err);
    bs_buf_fini(&lock);
    return done;
}

/* Where the log was when the snapshot had been taken; "" on a standby. */
static enum bs_done
note_lsn(struct bs_capture *c, char out[32], struct bs_err *err)
{
    PGresult *res = NULL;

    if (bs_helper_query(&c->helper,
                        "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
                        " THEN pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text END",
                        0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    (void)snprintf(out, 32, "%s", PQgetvalue(res, 0, 0));
    PQclear(res);
    return BS_DONE;
}

/*
 * Is all that the snapshot saw on the server's disk? Commits may be acknowledged before
 * (synchronous_commit), and a crash then gives their transaction numbers to others. Not being sure
 * only costs the next run a copy.
 */
static enum bs_done
note_durable(struct bs_capture *c, const char *lsn, struct bs_err *err)
{
    const char *params[] = {lsn};
    int64_t until = bs_mono_us() + (int64_t)DURABLE_MS * 1000;
    PGresult *res = NULL;

    while (lsn[0] != '\0' && !c->m.capture.durable && bs_mono_us() < until) {
        if (bs_helper_query(&c->helper,
                            "SELECT pg_catalog.pg_wal_lsn_diff("
                            "pg_catalog.pg_current_wal_flush_lsn(), $1::pg_catalog.pg_lsn) >= 0",
                            1, params, &res, err) != BS_DONE)
            return BS_FAILED;
        c->m.capture.durable = PQgetvalue(res, 0, 0)[0] == 't';
        PQclear(res);
        if (!c->m.capture.durable)
            (void)usleep(50 * 1000);
    }
    return BS_DONE;
}

/* --- copy or keep --- */

/* Under the same key, or under none: what is kept must not live longer, or less long, than what is
 * kept with it. */
static bool
same_key(const struct bs_capture *c, const struct bs_point_object *was)
{
    if (c->encryption == NULL || was->encryption == NULL)
        return c->encryption == NULL && was->encryption == NULL;
    return strcmp(c->encryption->key, was->encryption->key) == 0;
}

/* How the earlier object is encrypted, into this manifest. LIMIT. */
static enum bs_done
name_key(struct bs_capture *c, const struct bs_point_encryption *how, struct bs_err *err)
{
    struct bs_manifest *m = &c->m;
    struct bs_point_encryption *all;

    for (size_t i = 0; i < m->n_encryption; i++) {
        if (strcmp(m->encryption[i].point, how->point) == 0)
            return BS_DONE;
    }
    all = bs_arena_array(&c->arena, m->n_encryption + 1, sizeof(*all));
    if (all == NULL)
        return full(err);
    for (size_t i = 0; i < m->n_encryption; i++)
        all[i] = m->encryption[i];
    all[m->n_encryption] = *how;
    all[m->n_encryption].cipher = bs_arena_str(&c->arena, how->cipher);
    all[m->n_encryption].key = bs_arena_str(&c->arena, how->key);
    all[m->n_encryption].wrapped = bs_arena_str(&c->arena, how->wrapped);
    m->encryption = all;
    m->n_encryption++;
    if (all[m->n_encryption - 1].cipher == NULL || all[m->n_encryption - 1].key == NULL ||
        all[m->n_encryption - 1].wrapped == NULL)
        return full(err);
    return BS_DONE;
}

/* The object of the earlier snapshot that may be named again for this one; NULL: there is none. */
static const struct bs_point_object *
earlier_of(const struct bs_capture *c,
           const struct bs_snapshot_request *what,
           const struct bs_manifest *m,
           const struct bs_point_object *o)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *was = &m->objects[i];
        if (was->oid == o->oid && bs_unchanged_shape(was, o) && same_key(c, was) &&
            bs_point_id_time_us(was->of != NULL ? was->of : m->id) >= what->reuse_since_us)
            return was;
    }
    return NULL;
}

/* What the earlier object is, said of this one; its texts are copied. LIMIT. */
static enum bs_done
name_again(struct bs_capture *c,
           const struct bs_manifest *m,
           const struct bs_point_object *was,
           struct bs_point_object *o,
           struct bs_err *err)
{
    if (was->encryption != NULL && name_key(c, was->encryption, err) != BS_DONE)
        return BS_FAILED;
    o->parts = bs_arena_array(&c->arena, was->n_parts, sizeof(*o->parts));
    o->of = bs_arena_str(&c->arena, was->of != NULL ? was->of : m->id);
    o->key = bs_arena_str(&c->arena, was->key);
    o->sha256 = bs_arena_str(&c->arena, was->sha256);
    o->row_hash = bs_arena_str(&c->arena, was->row_hash);
    if (o->parts == NULL || o->of == NULL || o->key == NULL || o->sha256 == NULL ||
        o->row_hash == NULL)
        return full(err);
    for (size_t i = 0; i < was->n_parts; i++) {
        o->parts[i] = (struct bs_point_part){bs_arena_str(&c->arena, was->parts[i].key),
                                             was->parts[i].stored_bytes,
                                             bs_arena_str(&c->arena, was->parts[i].sha256)};
        if (o->parts[i].key == NULL || o->parts[i].sha256 == NULL)
            return full(err);
    }
    o->n_parts = was->n_parts;
    o->row_count = was->row_count;
    o->raw_bytes = was->raw_bytes;
    o->stored_bytes = was->stored_bytes;
    bs_manifest_encrypted(&c->m);
    return BS_DONE;
}

/* Is the point that the object belongs to being taken away? */
static enum bs_done
is_going(struct bs_capture *c, const struct bs_point_object *was, bool *going, struct bs_err *err)
{
    size_t n = bs_point_dir_length(was->key);
    char dir[BS_KEY_MAX + 1];
    struct bs_arena arena;
    struct bs_points found = {0};
    enum bs_done done;

    (void)snprintf(dir, sizeof(dir), "%.*s", (int)n, was->key);
    bs_arena_init(&arena, "point", 1 << 20);
    done = bs_points_list(&c->store, dir, &arena, &found, err);
    *going = n == 0 || found.n != 1 || found.list[0].expired;
    bs_arena_fini(&arena);
    return done;
}

/* Reads the earlier object whole; `good` false where it is not what it was, or not for long. */
static enum bs_done
prove_again(struct bs_capture *c,
            const struct bs_manifest *m,
            const struct bs_point_object *was,
            struct bs_snapshot_report *report,
            bool *good,
            struct bs_err *err)
{
    struct bs_err why = {0};
    bool going = false;

    *good = false;
    if (is_going(c, was, &going, err) != BS_DONE)
        return BS_FAILED;
    if (going)
        return BS_DONE;
    *good = bs_object_read(&c->store, was, NULL, NULL, &c->watch, &why) == BS_DONE;
    if (*good)
        return BS_DONE;
    if (why.code != BS_E_DAMAGED)
        return bs_err_set(err, why.code, "%s", why.message);
    report->faulty++;
    (void)snprintf(report->damaged, sizeof(report->damaged), "%s",
                   was->of != NULL ? was->of : m->id);
    return BS_DONE;
}

/* Row hashes add up over parts, however a table was cut into them. */
static bool
is_equal(const struct bs_point_object *was, const struct bs_point_object *o)
{
    return was->row_count == o->row_count && strcmp(was->row_hash, o->row_hash) == 0;
}

static enum bs_done
forget_copy(struct bs_capture *c, size_t i, struct bs_err *err)
{
    char path[PATH_MAX];

    for (size_t k = 0; k < c->m.objects[i].n_parts; k++) {
        if (bs_spool_path(&c->spool, i, k, path, err) != BS_DONE)
            return BS_FAILED;
        (void)unlink(path);
    }
    return BS_DONE;
}

/* Rule 1, before anything is copied: names the earlier object where it is sound. */
static enum bs_done
keep_unchanged(struct bs_capture *c,
               const struct bs_snapshot_request *what,
               const struct bs_manifest *earlier,
               struct bs_point_object *o,
               struct bs_snapshot_report *report,
               struct bs_err *err)
{
    const struct bs_point_object *was = earlier_of(c, what, earlier, o);
    bool good = false;

    report->tables++;
    if (was == NULL)
        return BS_DONE;
    if (bs_unchanged_rows(&c->helper, &c->m.source, earlier, was, &good, err) != BS_DONE)
        return BS_FAILED;
    if (!good)
        return BS_DONE;
    if (prove_again(c, earlier, was, report, &good, err) != BS_DONE)
        return BS_FAILED;
    report->kept += good;
    return good ? name_again(c, earlier, was, o, err) : BS_DONE;
}

/* Rule 2, once all others are in the spool. */
static enum bs_done
keep_equal(struct bs_capture *c,
           const struct bs_snapshot_request *what,
           const struct bs_manifest *earlier,
           size_t i,
           struct bs_snapshot_report *report,
           struct bs_err *err)
{
    struct bs_point_object *o = &c->m.objects[i];
    const struct bs_point_object *was = earlier_of(c, what, earlier, o);
    bool good = false;

    if (was != NULL && is_equal(was, o) &&
        prove_again(c, earlier, was, report, &good, err) != BS_DONE)
        return BS_FAILED;
    report->copied += !good;
    report->kept += good;
    report->equal += good;
    if (!good)
        return BS_DONE;
    return forget_copy(c, i, err) == BS_DONE ? name_again(c, earlier, was, o, err) : BS_FAILED;
}

static enum bs_done
copy_or_keep(struct bs_capture *c,
             const struct bs_snapshot_request *what,
             const struct bs_manifest *earlier,
             struct bs_snapshot_report *report,
             struct bs_err *err)
{
    for (size_t i = 0; i < c->m.n_objects; i++) {
        struct bs_point_object *o = &c->m.objects[i];
        if (o->format != BS_ROWS_NONE &&
            keep_unchanged(c, what, earlier, o, report, err) != BS_DONE)
            return BS_FAILED;
    }
    if (bs_crew_copy(c, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < c->m.n_objects; i++) {
        const struct bs_point_object *o = &c->m.objects[i];
        if (o->format != BS_ROWS_NONE && o->of == NULL &&
            keep_equal(c, what, earlier, i, report, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
copy_all(struct bs_capture *c,
         const struct bs_snapshot_request *what,
         const struct bs_manifest *earlier,
         struct bs_snapshot_report *report,
         struct bs_err *err)
{
    int64_t bytes = 0;
    char lsn[32] = "";

    if (choose(c, what, err) != BS_DONE ||
        bs_helper_query(&c->helper, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL,
                        NULL, err) != BS_DONE ||
        lock_all(c, what, err) != BS_DONE || bs_step_snapshot_note(c, err) != BS_DONE ||
        note_lsn(c, lsn, err) != BS_DONE ||
        bs_facts_tables(&c->helper, c->req.plan, &c->arena, &c->m, &bytes, err) != BS_DONE ||
        bs_step_room(c, bytes, err) != BS_DONE || bs_step_dump(c, err) != BS_DONE)
        return BS_FAILED;
    bs_step_enter(c, BS_CAPTURE_COPYING);
    for (size_t i = 0; i < c->m.n_objects; i++)
        c->m.objects[i].kind = "SNAPSHOT";
    /* Before an earlier object is named again: see retain.h. */
    if (bs_step_intend(c, err) != BS_DONE ||
        bs_facts_around(&c->helper, c->req.plan, (struct bs_named_before){0}, &c->arena, &c->m,
                        err) != BS_DONE ||
        copy_or_keep(c, what, earlier, report, err) != BS_DONE)
        return BS_FAILED;
    if (bs_child_wait(&c->dump, &c->watch, NULL, NULL, err) != BS_DONE ||
        bs_helper_query(&c->helper, "COMMIT", 0, NULL, NULL, err) != BS_DONE)
        return BS_FAILED;
    return note_durable(c, lsn, err);
}

static enum bs_done
run(struct bs_capture *c,
    const struct bs_snapshot_request *what,
    const struct bs_manifest *earlier,
    struct bs_snapshot_report *report,
    struct bs_capture_result *out,
    struct bs_err *err)
{
    int64_t start = bs_mono_us();

    bs_step_enter(c, BS_CAPTURE_CHECKING);
    /* So that nobody takes it for abandoned while it goes on. */
    c->req.actor_pid = PQbackendPID(c->helper.conn);
    if (bs_step_name(c, "snapshot", NULL, err) != BS_DONE || bs_step_actor(c, err) != BS_DONE)
        return BS_FAILED;
    c->m.capture.schedule = what->schedule;
    c->m.capture.lock_mode = "AccessShareLock";
    if (bs_spool_open(&c->spool, c->req.spool, c->m.id, err) != BS_DONE ||
        copy_all(c, what, earlier, report, err) != BS_DONE)
        return BS_FAILED;
    out->copied_us = bs_mono_us() - start;
    if (bs_step_store(c, err) != BS_DONE)
        return BS_FAILED;
    return bs_step_manifest(c, start, out, err);
}

enum bs_done
bs_capture_snapshot(struct bs_capture *c,
                    const struct bs_snapshot_request *what,
                    struct bs_snapshot_report *report,
                    struct bs_capture_result *out,
                    struct bs_err *err)
{
    struct bs_point_event taken = {.state = BS_EVENT_TAKEN, .by = c->req.actor.agent};
    struct bs_err why = {0};
    struct bs_manifest earlier = {0};
    struct bs_arena arena;
    enum bs_done done = BS_DONE;

    *out = (struct bs_capture_result){0};
    *report = (struct bs_snapshot_report){0};
    if (c->ran)
        return BS_FAIL(err, NO_POINT, "a capture runs once");
    c->ran = true;
    bs_arena_init(&arena, "earlier snapshot", ARENA);
    if (what->schedule != NULL)
        done = find_last(&c->store, &c->m.source, what->schedule, &arena, &earlier, &why);
    if (done == BS_DONE)
        done = run(c, what, &earlier, report, out, &why);
    bs_arena_fini(&arena);
    if (why.code == BS_E_NOT_FOUND) {
        (void)bs_step_end(c, done, &why, out, &(struct bs_err){0});
        return bs_err_set(err, why.code, "%s", why.message);
    }
    if (bs_step_end(c, done, &why, out, err) != BS_DONE)
        return BS_FAILED;
    /* Should this be lost, the next look at open points notes it: nothing is to be waited for. */
    return bs_capture_event(c, &taken, err);
}
