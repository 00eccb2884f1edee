/*
 * crew.c - one list of jobs, largest first, from which each thread takes the next; so nobody waits
 * for whom the split gave the thinner half. A table is cut by its blocks: what is in no range would
 * be lost, so ranges meet, and the last one has no end.
 */
#include "recovery/crew.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "recovery/copy.h"
#include "recovery/facts.h"
#include "recovery/verify.h"

enum {
    WHERE_MAX = 128,
    PART_BYTES = 16 * 1024 * 1024, /* another object for less is not worth its names */
    PARTS_EACH = 4,                /* parts of one table for each helper: what evens them out */
    ALONE = 8,                     /* of a part: so little is done before another has begun */
    EXTRA_MAX = 16,                /* further helpers of all captures of this process */
    NICE = 10,                     /* behind those who serve sessions, where cores are few */
};

struct job {
    struct bs_copy_job copy;
    char where[WHERE_MAX];
    double weight; /* bytes, about */
    struct bs_sealed sealed;
};

struct crew;

struct member {
    struct crew *crew;
    struct bs_helper *helper; /* NULL: the work needs none */
    struct bs_helper own;
    pthread_t thread;
};

struct crew {
    struct bs_capture *c;
    struct bs_store store;
    struct bs_watch watch; /* ends all of them; under the capture's own */
    struct job *jobs;
    size_t n, room;
    atomic_size_t next;
    enum bs_done (*work)(struct member *m, struct job *job, struct bs_err *err);
    pthread_mutex_t lock; /* of err */
    struct bs_err err;    /* the first */
    struct member members[BS_HELPERS_MAX];
    size_t n_members;
};

static atomic_int extra; /* further helpers of this process */

static enum bs_done
crew_init(struct crew *w, struct bs_capture *c, struct bs_err *err)
{
    *w = (struct crew){.c = c};
    if (bs_watch_init(&w->watch, c->watch.deadline_us, err) != BS_DONE)
        return BS_FAILED;
    w->watch.above = &c->watch;
    w->watch.bytes = c->watch.bytes;
    w->watch.late = c->watch.late;
    w->store = bs_store_watched(c->req.store, &w->watch);
    bs_assert(pthread_mutex_init(&w->lock, NULL) == 0);
    return BS_DONE;
}

static void
crew_fini(struct crew *w)
{
    (void)pthread_mutex_destroy(&w->lock);
    bs_watch_fini(&w->watch);
    free(w->jobs);
}

/* The first failure is told; those that it ends would only say that they were ended. */
static void
give_up(struct crew *w, const struct bs_err *err)
{
    bs_assert(pthread_mutex_lock(&w->lock) == 0);
    if (w->err.code == BS_OK)
        w->err = *err;
    bs_assert(pthread_mutex_unlock(&w->lock) == 0);
    bs_watch_stop(&w->watch);
}

static void
work(struct member *m)
{
    struct crew *w = m->crew;
    struct bs_err err = {0};

    for (;;) {
        size_t i = atomic_fetch_add(&w->next, 1);
        if (i >= w->n)
            return;
        if (bs_watch_check(&w->watch, &err) != BS_DONE ||
            w->work(m, &w->jobs[i], &err) != BS_DONE) {
            give_up(w, &err);
            return;
        }
    }
}

static void *
work_behind(void *ctx)
{
    (void)!nice(NICE); /* on Linux of this thread alone, which cannot take it back */
    work(ctx);
    return NULL;
}

/* All jobs, by all members: in threads of their own, or, where there is none to be had, in this one. */
static enum bs_done
work_off(struct crew *w, struct bs_err *err)
{
    size_t n = 0;

    atomic_store(&w->next, 0);
    while (n < w->n_members && n < w->n &&
           pthread_create(&w->members[n].thread, NULL, work_behind, &w->members[n]) == 0)
        n++;
    if (n == 0)
        work(&w->members[0]);
    while (n > 0)
        (void)pthread_join(w->members[--n].thread, NULL);
    if (w->err.code == BS_OK)
        return BS_DONE;
    *err = w->err;
    return BS_FAILED;
}

/* Jobs. */

static int
by_weight(const void *a, const void *b)
{
    double left = ((const struct job *)a)->weight, right = ((const struct job *)b)->weight;

    return (left < right) - (left > right);
}

static struct job *
add_job(struct crew *w, size_t object, size_t part, double weight)
{
    if (w->n == w->room) {
        w->room = w->room == 0 ? 64 : w->room * 2;
        w->jobs = bs_realloc(w->jobs, w->room * sizeof(w->jobs[0]));
    }
    w->jobs[w->n] = (struct job){.copy = {.object = object, .part = part}, .weight = weight};
    return &w->jobs[w->n++];
}

static size_t
helpers_of(const struct bs_capture *c)
{
    size_t n = c->req.helpers == 0 ? BS_HELPERS_DEFAULT : c->req.helpers;

    return n > BS_HELPERS_MAX ? BS_HELPERS_MAX : n;
}

static int64_t
part_of(const struct bs_capture *c)
{
    return c->req.part_bytes <= 0 ? PART_BYTES : c->req.part_bytes;
}

/* A table as its blocks: bytes with all that is TOASTed, blocks of the table itself. */
static void
split(struct crew *w, size_t i, int64_t bytes, int64_t blocks)
{
    int64_t n = bytes / part_of(w->c), most = (int64_t)helpers_of(w->c) * PARTS_EACH;

    if (helpers_of(w->c) == 1 || n < 2)
        n = 1;
    if (n > most)
        n = most;
    if (n > blocks)
        n = blocks < 1 ? 1 : blocks;
    for (int64_t k = 0; k < n; k++) {
        struct job *job = add_job(w, i, (size_t)k, (double)bytes / (double)n);
        if (w->c->encryption != NULL)
            job->copy.key = bs_spool_key(&w->c->arena, w->c->dir, i, n == 1 ? 0 : (size_t)k + 1,
                                         &w->c->m.objects[i]);
        if (n == 1)
            continue;
        (void)snprintf(job->where, sizeof(job->where), "ctid >= '(%" PRId64 ",0)'::pg_catalog.tid",
                       blocks * k / n);
        if (k != n - 1)
            (void)snprintf(job->where + strlen(job->where), sizeof(job->where) - strlen(job->where),
                           " AND ctid < '(%" PRId64 ",0)'::pg_catalog.tid", blocks * (k + 1) / n);
    }
}

static const char sizes_sql[] =
    "SELECT c.oid, pg_catalog.pg_table_size(c.oid), CASE WHEN a.amname = 'heap' THEN"
    " pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')"
    "::pg_catalog.int8 ELSE 0 END FROM pg_catalog.pg_class c"
    " LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE c.oid = ANY ($1::pg_catalog.oid[])"
    " AND c.relkind IN ('r', 'm')";

/* What nobody knows the size of is copied whole. */
static enum bs_done
plan_jobs(struct crew *w, struct bs_err *err)
{
    struct bs_capture *c = w->c;
    const char *oids[] = {bs_facts_object_oids(&c->m, &c->arena)};
    PGresult *res = NULL;

    if (oids[0] == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    if (bs_helper_query(&c->helper, sizes_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    bs_manifest_encrypted(&c->m);
    for (size_t i = 0; i < c->m.n_objects; i++) {
        int64_t bytes = 0, blocks = 0;
        if (c->m.objects[i].format == BS_ROWS_NONE || c->m.objects[i].of != NULL)
            continue;
        for (int row = 0; row < PQntuples(res); row++) {
            if (strtoul(PQgetvalue(res, row, 0), NULL, 10) != c->m.objects[i].oid)
                continue;
            bytes = strtoll(PQgetvalue(res, row, 1), NULL, 10);
            blocks = strtoll(PQgetvalue(res, row, 2), NULL, 10);
        }
        split(w, i, bytes, blocks);
    }
    PQclear(res);
    if (w->n > 1)
        qsort(w->jobs, w->n, sizeof(w->jobs[0]), by_weight);
    for (size_t i = 0; i < w->n; i++) {
        w->jobs[i].copy.where = w->jobs[i].where[0] == '\0' ? NULL : w->jobs[i].where;
        if (c->encryption != NULL && w->jobs[i].copy.key == NULL)
            return BS_FAIL(err, LIMIT, "no memory set aside for the names of objects");
    }
    return BS_DONE;
}

/* Copying. */

static enum bs_done
copy_job(struct member *m, struct job *job, struct bs_err *err)
{
    return bs_copy_rows(m->crew->c, m->helper, &job->copy, &job->sealed, err);
}

static enum bs_done
import(struct bs_helper *h, const char *snapshot, struct bs_err *err)
{
    char sql[128];

    /* Its name is the server's: hexadecimal digits and hyphens. */
    if (strspn(snapshot, "0123456789ABCDEFabcdef-") != strlen(snapshot) || strlen(snapshot) > 64)
        return BS_FAIL(err, NO_POINT, "the server gives a snapshot a name that is none");
    (void)snprintf(sql, sizeof(sql), "SET TRANSACTION SNAPSHOT '%s'", snapshot);
    if (bs_helper_query(h, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL, NULL, err) !=
        BS_DONE)
        return BS_FAILED;
    return bs_helper_query(h, sql, 0, NULL, NULL, err);
}

/* One helper more. Not to get one is no failure: what is to be done is done by fewer. */
static enum bs_done
hire(struct crew *w, const char *snapshot, struct bs_err *err)
{
    struct member *m = &w->members[w->n_members];
    struct bs_err why = {0};

    if (bs_helper_open(&m->own, w->c->req.helper, &w->watch, BS_E_NO_POINT, &why) != BS_DONE) {
        BS_LOG(WARNING, "a capture goes on with fewer helpers", BS_F_STR("point", w->c->m.id),
               BS_F_STR("error", why.message));
        return bs_watch_check(&w->watch, err);
    }
    *m = (struct member){.crew = w, .helper = &m->own, .own = m->own};
    w->n_members++;
    return import(&m->own, snapshot, err);
}

static enum bs_done
hire_all(struct crew *w, struct bs_err *err)
{
    PGresult *res = NULL;
    double bytes = 0;
    size_t want = helpers_of(w->c);
    enum bs_done done;

    for (size_t i = 0; i < w->n; i++)
        bytes += w->jobs[i].weight;
    if (want < 2 || w->n < 2 || bytes < (double)part_of(w->c) / ALONE)
        return BS_DONE;
    done = bs_helper_query(&w->c->helper, "SELECT pg_catalog.pg_export_snapshot()", 0, NULL, &res,
                           err);
    while (done == BS_DONE && w->n_members < want && w->n_members < w->n) {
        size_t had = w->n_members;
        if (atomic_fetch_add(&extra, 1) < EXTRA_MAX)
            done = hire(w, PQgetvalue(res, 0, 0), err);
        if (w->n_members == had) {
            (void)atomic_fetch_sub(&extra, 1);
            break;
        }
    }
    PQclear(res);
    return done;
}

/* Their transactions only read: to end the session is to end them. */
static void
dismiss(struct crew *w)
{
    for (size_t i = 1; i < w->n_members; i++) {
        bs_helper_close(&w->members[i].own);
        (void)atomic_fetch_sub(&extra, 1);
    }
}

/* The parts of each object in their order, into the manifest. */
static enum bs_done
note_all(struct crew *w, struct bs_err *err)
{
    struct bs_sealed *parts = bs_malloc((w->n + 1) * sizeof(*parts));
    enum bs_done done = BS_DONE;

    for (size_t i = 0; done == BS_DONE && i < w->c->m.n_objects; i++) {
        size_t n = 0;
        for (size_t k = 0; k < w->n; k++) {
            if (w->jobs[k].copy.object != i)
                continue;
            parts[w->jobs[k].copy.part] = w->jobs[k].sealed;
            n++;
        }
        if (n != 0)
            done = bs_copy_note(w->c, i, parts, n, err);
    }
    free(parts);
    return done;
}

enum bs_done
bs_crew_copy(struct bs_capture *c, struct bs_err *err)
{
    struct crew w;
    enum bs_done done = BS_FAILED;

    if (crew_init(&w, c, err) != BS_DONE)
        return BS_FAILED;
    w.work = copy_job;
    w.members[0] = (struct member){.crew = &w, .helper = &c->helper};
    w.n_members = 1;
    c->helper.watch = &w.watch;
    if (plan_jobs(&w, err) == BS_DONE && hire_all(&w, err) == BS_DONE)
        done = work_off(&w, err);
    dismiss(&w);
    c->helper.watch = &c->watch;
    if (done == BS_DONE)
        done = note_all(&w, err);
    crew_fini(&w);
    return done;
}

/* Storing and proving. */

static enum bs_done
put_job(struct member *m, struct job *job, struct bs_err *err)
{
    struct bs_capture *c = m->crew->c;
    const struct bs_point_part *part = &bs_step_object(c, job->copy.object)->parts[job->copy.part];
    char path[PATH_MAX];

    if (bs_spool_path(&c->spool, job->copy.object, job->copy.part, path, err) != BS_DONE ||
        bs_store_put_file(&m->crew->store, part->key, path, err) != BS_DONE)
        return BS_FAILED;
    (void)atomic_fetch_add(&c->put, part->stored_bytes);
    return BS_DONE;
}

/* The least proof: the store says that it has as many bytes as were given to it. */
static enum bs_done
size_job(struct member *m, struct job *job, struct bs_err *err)
{
    const struct bs_point_object *o = bs_step_object(m->crew->c, job->copy.object);
    const struct bs_point_part *part = &o->parts[job->copy.part];
    struct bs_store_info info;

    if (bs_store_head(&m->crew->store, part->key, &info, err) != BS_DONE)
        return BS_FAILED;
    if (info.size != part->stored_bytes)
        return BS_FAIL(err, NO_POINT, "the store has %lld bytes of \"%.200s\", not %lld",
                       (long long)info.size, part->key, (long long)part->stored_bytes);
    return BS_DONE;
}

static enum bs_done
read_job(struct member *m, struct job *job, struct bs_err *err)
{
    const struct bs_point_object *o = bs_step_object(m->crew->c, job->copy.object);
    const struct bs_part_reading how = {.watch = &m->crew->watch, .max_raw = o->raw_bytes};

    return bs_part_read(&m->crew->store, o, job->copy.part, &how, &job->sealed, err);
}

/* What was read of the parts, added up, must be what the manifest says of their object. */
static enum bs_done
compare_all(const struct crew *w, struct bs_err *err)
{
    for (size_t i = 0; i < bs_step_objects(w->c); i++) {
        const struct bs_point_object *o = bs_step_object(w->c, i);
        struct bs_sealed sum = {0};
        for (size_t k = 0; k < w->n; k++) {
            if (w->jobs[k].copy.object == i)
                bs_sealed_add(&sum, &w->jobs[k].sealed);
        }
        if (o->format != BS_ROWS_NONE && o->of == NULL &&
            bs_object_compare(o, &sum, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* The same for every part, by as many threads as helpers are allowed. */
static enum bs_done
each_part(struct bs_capture *c,
          enum bs_done (*what)(struct member *m, struct job *job, struct bs_err *err),
          struct bs_err *err)
{
    struct crew w;
    int64_t bytes = 0;
    enum bs_done done;

    if (crew_init(&w, c, err) != BS_DONE)
        return BS_FAILED;
    w.work = what;
    for (size_t i = 0; i < bs_step_objects(c); i++) {
        const struct bs_point_object *o = bs_step_object(c, i);
        if (o->of != NULL) /* another point's, and proven already */
            continue;
        for (size_t k = 0; k < o->n_parts; k++) {
            (void)add_job(&w, i, k, (double)o->parts[k].stored_bytes);
            bytes += o->parts[k].stored_bytes;
        }
    }
    if (w.n > 1)
        qsort(w.jobs, w.n, sizeof(w.jobs[0]), by_weight);
    w.n_members = bytes < part_of(c) / ALONE / 4 ? 1 : helpers_of(c);
    for (size_t i = 0; i < w.n_members; i++)
        w.members[i] = (struct member){.crew = &w};
    done = work_off(&w, err);
    if (done == BS_DONE && what == read_job)
        done = compare_all(&w, err);
    crew_fini(&w);
    return done;
}

enum bs_done
bs_crew_put(struct bs_capture *c, struct bs_err *err)
{
    return each_part(c, put_job, err);
}

enum bs_done
bs_crew_prove(struct bs_capture *c, struct bs_err *err)
{
    return each_part(c, c->req.grade == BS_CAPTURE_STORED ? size_job : read_job, err);
}
