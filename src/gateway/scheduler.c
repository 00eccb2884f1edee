/*
 * scheduler.c - a list of tasks, each with the moment when it is due; the thread sleeps until the
 * first of them.
 */
#include "gateway/scheduler.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/record.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/progress.h"
#include "gateway/retention.h"
#include "gateway/snapshots.h"
#include "recovery/check.h"
#include "state/state.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define JITTER_US (5 * MINUTE_US)
#define RETRY_US  (60 * MINUTE_US)

enum task_kind {
    TASK_SNAPSHOT = 0,
    TASK_PRUNE,
    TASK_VERIFY,
};

struct task {
    enum task_kind kind;
    const struct bs_config_snapshot *snapshot; /* of TASK_SNAPSHOT */
    int64_t every_us;
    bool placed;       /* due_us is known */
    int64_t due_us;    /* bs_mono_us */
    unsigned failures; /* one after the other */
};

struct bs_scheduler {
    struct bs_gateway *g;
    const struct bs_config *config; /* whose settings are in force: the thread's own */
    const struct bs_config *next;   /* that will be; NULL: none. Under the lock */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct bs_capture *running; /* under the lock */
    struct bs_progress_entry entry;
    struct bs_watch watch; /* of what reads and removes */
    struct task *tasks;    /* the thread's own */
    size_t n_tasks;
};

static int64_t
at_random(int64_t most)
{
    uint64_t r;

    bs_random(&r, sizeof(r));
    return most <= 0 ? 0 : (int64_t)(r % (uint64_t)most);
}

static int64_t
jitter_us(const struct task *t)
{
    return at_random(t->every_us / 10 < JITTER_US ? t->every_us / 10 : JITTER_US);
}

/* The first failure waits a minute, each further one twice as long. */
static int64_t
retry_us(const struct task *t)
{
    unsigned shift = t->failures < 7 ? t->failures - 1 : 6;
    int64_t wait = MINUTE_US << shift, most = t->every_us < RETRY_US ? t->every_us : RETRY_US;

    return wait < most ? wait : most;
}

/* --- snapshots ---------------------------------------------------------------------------- */

static void
on_running(void *ctx, struct bs_capture *c)
{
    struct bs_scheduler *s = ctx;

    if (c == NULL)
        bs_progress_leave(s->g->progress, &s->entry);
    pthread_mutex_lock(&s->lock);
    s->running = c;
    if (c != NULL && s->stop)
        bs_capture_abort(c);
    pthread_mutex_unlock(&s->lock);
    s->entry.capture = c;
    if (c != NULL)
        bs_progress_enter(s->g->progress, &s->entry);
}

static void
record(struct bs_scheduler *s,
       const struct bs_config_snapshot *c,
       const struct bs_snapshot_done *done,
       const struct bs_err *why)
{
    char detail[256];
    struct bs_err err = {0};
    struct bs_audit_record r = {
        .kind = BS_AUDIT_POINT,
        .database = c->database,
        .action = "snapshot",
        .subject = c->name,
        .point = done->point,
        .outcome = why->code == BS_OK ? "taken" : "failed",
        .duration_us = done->us,
        .text = why->message,
        .detail = detail,
    };

    (void)snprintf(detail, sizeof(detail),
                   "{\"tables\":%zu,\"copied\":%zu,\"unchanged\":%zu,\"rows\":%lld,\"bytes\":%lld}",
                   done->report.tables, done->report.copied, done->report.kept,
                   (long long)done->rows, (long long)done->stored_bytes);
    if (bs_audit_write(s->g->audit, &r, NULL, &err) != BS_DONE)
        BS_LOG(ERROR, "a snapshot is not in the audit", BS_F_STR("snapshot", c->name),
               BS_F_STR("reason", err.message));
}

static void
say(const struct bs_config_snapshot *c, const struct bs_snapshot_done *done)
{
    BS_LOG(INFO, "snapshot taken", BS_F_STR("snapshot", c->name), BS_F_STR("point", done->point),
           BS_F_INT("tables", done->report.tables), BS_F_INT("copied", done->report.copied),
           BS_F_INT("unchanged", done->report.kept), BS_F_INT("rows", done->rows),
           BS_F_INT("bytes", done->stored_bytes), BS_F_INT("ms", done->us / 1000));
    if (done->report.faulty != 0)
        BS_LOG(ERROR, "a recovery point is damaged", BS_F_STR("point", done->report.damaged),
               BS_F_STR("found_by", "snapshot"), BS_F_INT("objects", done->report.faulty));
}

static enum bs_done
take_snapshot(struct bs_scheduler *s, const struct bs_config_snapshot *c, struct bs_err *err)
{
    const struct bs_snapshot_job job = {
        .config = s->g->config,
        .store = s->g->store,
        .db = bs_config_database_find(s->g->config, c->database), /* the same names: reload.c */
        .schedule = c,
        .tables = &c->tables,
        .budget_ms = c->budget_ms,
        .by = "schedule",
        .running = on_running,
        .ctx = s,
    };
    struct bs_snapshot_done done;
    enum bs_done ok;

    s->entry = (struct bs_progress_entry){.schedule = c->name,
                                          .database = c->database,
                                          .budget_us = bs_mono_us() + c->budget_ms * 1000};
    ok = bs_snapshot_do(&job, &done, err);

    record(s, c, &done, err);
    if (ok == BS_DONE)
        say(c, &done);
    else
        BS_LOG(ERROR, "no snapshot", BS_F_STR("snapshot", c->name),
               BS_F_STR("database", c->database), BS_F_STR("reason", err->message));
    return ok;
}

/* When it is due, by what the storage has. */
static enum bs_done
place(struct bs_scheduler *s, struct task *t, struct bs_err *err)
{
    const struct bs_config_database *db =
        bs_config_database_find(s->g->config, t->snapshot->database);
    int64_t last, wait = 0;

    if (bs_snapshot_when(s->g->store, db->helper, t->snapshot->name, &last, err) != BS_DONE)
        return BS_FAILED;
    if (last != 0)
        wait = last + t->every_us - bs_now_us();
    t->due_us = bs_mono_us() + (wait > 0 ? wait : 0) + (last != 0 ? jitter_us(t) : 0);
    t->placed = true;
    return BS_DONE;
}

/* --- pruning ------------------------------------------------------------------------------ */

static enum bs_done
prune(struct bs_scheduler *s, struct bs_err *err)
{
    struct bs_store view = bs_store_watched(s->g->store, &s->watch);
    const struct bs_retention r = {.config = s->config,
                                   .store = &view,
                                   .state = s->g->state,
                                   .audit = s->g->audit,
                                   .by = "retention"};
    struct bs_retain_done d;

    if (bs_retention_run(&r, &d, err) != BS_DONE) {
        BS_LOG(ERROR, "points were not pruned", BS_F_STR("reason", err->message),
               BS_F_STR("hint", err->hint));
        return BS_FAILED;
    }
    if (d.points + d.definitions + d.kept + d.locked != 0)
        BS_LOG(INFO, "points pruned", BS_F_INT("points", d.points), BS_F_INT("bytes", d.bytes),
               BS_F_INT("definitions", d.definitions), BS_F_INT("locked", d.locked),
               BS_F_INT("hidden", d.hidden), BS_F_INT("deferred", d.deferred),
               BS_F_INT("kept", d.kept));
    return BS_DONE;
}

/* --- verifying ---------------------------------------------------------------------------- */

/* The one place where damage that was found is told; a webhook would hang here. */
static void
alert(struct bs_scheduler *s, const struct bs_point_ref *p, const struct bs_err *why)
{
    struct bs_err err = {0};
    const struct bs_audit_record record = {.kind = BS_AUDIT_POINT,
                                           .operator_ = "verify",
                                           .point = p->id,
                                           .action = "verify",
                                           .outcome = "damaged",
                                           .text = why->message};

    BS_LOG(ERROR, "a recovery point is damaged", BS_F_STR("point", p->id),
           BS_F_STR("found_by", "verify"), BS_F_STR("reason", why->message));
    if (bs_audit_write(s->g->audit, &record, NULL, &err) != BS_DONE)
        BS_LOG(ERROR, "damage is not in the audit", BS_F_STR("reason", err.message));
}

static enum bs_done
verify_all(struct bs_scheduler *s, const struct bs_points *points, struct bs_err *err)
{
    struct bs_store view = bs_store_watched(s->g->store, &s->watch);
    size_t good = 0, damaged = 0;

    for (size_t i = 0; i < points->n; i++) {
        struct bs_verify_report r;
        struct bs_err why = {0};
        if (bs_point_check(&view, &points->list[i], "verify", &s->watch, &r, &why) == BS_DONE) {
            good++;
        } else if (why.code == BS_E_DAMAGED) {
            damaged++;
            alert(s, &points->list[i], &why);
        } else {
            return bs_err_set(err, why.code, "%s", why.message);
        }
    }
    BS_LOG(INFO, "points verified", BS_F_INT("good", good), BS_F_INT("damaged", damaged));
    return BS_DONE;
}

static enum bs_done
verify(struct bs_scheduler *s, struct bs_err *err)
{
    const struct bs_config_verify *v = s->config->verify;
    const struct bs_point_sample sample = {v->number, v->share};
    struct bs_points points = {0};
    struct bs_arena arena;
    enum bs_done done;

    bs_arena_init(&arena, "points", 256 << 20);
    done = bs_points_list(s->g->store, "", &arena, &points, err);
    if (done == BS_DONE) {
        bs_points_sample(&points, &sample);
        done = verify_all(s, &points, err);
    }
    bs_arena_fini(&arena);
    if (done != BS_DONE && err->code != BS_E_CANCELLED)
        BS_LOG(ERROR, "points were not verified", BS_F_STR("reason", err->message));
    return done;
}

/* --- the thread --------------------------------------------------------------------------- */

/* What is not kept in the storage begins anew at each start, a little later. */
static enum bs_done
place_other(struct task *t)
{
    t->due_us = bs_mono_us() + jitter_us(t);
    t->placed = true;
    return BS_DONE;
}

static enum bs_done
run_task(struct bs_scheduler *s, struct task *t, struct bs_err *err)
{
    switch (t->kind) {
    case TASK_SNAPSHOT:
        return take_snapshot(s, t->snapshot, err);
    case TASK_PRUNE:
        return prune(s, err);
    case TASK_VERIFY:
        return verify(s, err);
    default:
        return BS_DONE;
    }
}

/* One gateway at a time, and one in each period: the others take the next one. */
static enum bs_done
take_turn(
    struct bs_scheduler *s, const struct task *t, char name[128], bool *ours, struct bs_err *err)
{
    static const char *const kinds[] = {"snapshot:", "prune", "verify"};

    (void)snprintf(name, 128, "%s%.80s", kinds[t->kind],
                   t->kind == TASK_SNAPSHOT ? t->snapshot->name : "");
    return bs_state_lease(s->g->state, name, t->every_us / 1000, ours, err);
}

static enum bs_done
run_in_turn(struct bs_scheduler *s, struct task *t, struct bs_err *err)
{
    struct bs_err ignored = {0};
    char name[128];
    bool ours;

    if (take_turn(s, t, name, &ours, err) != BS_DONE)
        return BS_FAILED;
    if (!ours || run_task(s, t, err) == BS_DONE)
        return BS_DONE;
    if (bs_state_shared(s->g->state)) /* another one may do better */
        (void)!bs_state_lease_drop(s->g->state, name, &ignored);
    return BS_FAILED;
}

static void
place_task(struct bs_scheduler *s, struct task *t)
{
    struct bs_err err = {0};

    if ((t->kind == TASK_SNAPSHOT ? place(s, t, &err) : place_other(t)) == BS_DONE)
        return;
    BS_LOG(WARNING, "it is not known when a snapshot is due",
           BS_F_STR("snapshot", t->snapshot->name), BS_F_STR("reason", err.message));
    t->failures++;
    t->due_us = bs_mono_us() + retry_us(t);
}

static void
do_task(struct bs_scheduler *s, struct task *t)
{
    int64_t began = bs_mono_us();
    struct bs_err err = {0};

    if (!t->placed) {
        place_task(s, t);
        return;
    }
    if (run_in_turn(s, t, &err) == BS_DONE) {
        t->failures = 0;
        t->due_us = began + t->every_us + jitter_us(t);
    } else {
        t->failures++;
        t->due_us = bs_mono_us() + retry_us(t);
    }
}

/* NULL: there is nothing to do. */
static struct task *
first_due(struct bs_scheduler *s)
{
    struct task *first = s->n_tasks == 0 ? NULL : &s->tasks[0];

    for (size_t i = 1; i < s->n_tasks; i++) {
        if (s->tasks[i].due_us < first->due_us)
            first = &s->tasks[i];
    }
    return first;
}

/* The condition's clock is bs_mono_us. */
static void
sleep_until(struct bs_scheduler *s, int64_t due_us)
{
    const struct timespec until = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};

    (void)pthread_cond_timedwait(&s->wake, &s->lock, &until);
}

static void
add_tasks(struct bs_scheduler *s, const struct bs_config *c)
{
    s->tasks = bs_malloc((c->n_snapshots + 2) * sizeof(*s->tasks));
    s->n_tasks = 0;
    for (size_t i = 0; i < c->n_snapshots; i++)
        s->tasks[s->n_tasks++] = (struct task){.kind = TASK_SNAPSHOT,
                                               .snapshot = &c->snapshots[i],
                                               .every_us = c->snapshots[i].every_ms * 1000};
    if (bs_retention_is_set(c))
        s->tasks[s->n_tasks++] =
            (struct task){.kind = TASK_PRUNE, .every_us = c->retention->every_ms * 1000};
    if (c->verify->every_ms != 0)
        s->tasks[s->n_tasks++] =
            (struct task){.kind = TASK_VERIFY, .every_us = c->verify->every_ms * 1000};
}

static bool
same_task(const struct task *a, const struct task *b)
{
    return a->kind == b->kind && a->every_us == b->every_us &&
           (a->kind != TASK_SNAPSHOT || bs_snapshot_same(a->snapshot, b->snapshot));
}

/* Under the lock, between two runs. */
static void
take_over(struct bs_scheduler *s)
{
    struct task *was = s->tasks;
    size_t n = s->n_tasks;

    s->config = s->next;
    s->next = NULL;
    add_tasks(s, s->config);
    for (size_t i = 0; i < s->n_tasks; i++) {
        struct task *t = &s->tasks[i];
        for (size_t k = 0; k < n; k++) {
            if (!same_task(&was[k], t))
                continue;
            t->placed = was[k].placed;
            t->due_us = was[k].due_us;
            t->failures = was[k].failures;
        }
    }
    free(was);
}

static void *
schedule(void *arg)
{
    struct bs_scheduler *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct task *t;
        if (s->next != NULL)
            take_over(s);
        t = first_due(s);
        if (t == NULL || t->due_us > bs_mono_us()) {
            sleep_until(s, t == NULL ? bs_mono_us() + 60 * MINUTE_US : t->due_us);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        do_task(s, t);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

struct bs_scheduler *
bs_scheduler_start(struct bs_gateway *g)
{
    struct bs_scheduler *s = bs_malloc(sizeof(*s));
    struct bs_err err = {0};

    s->g = g;
    s->config = g->config;
    bs_assert(bs_watch_init(&s->watch, 0, &err) == BS_DONE);
    add_tasks(s, s->config);
    pthread_mutex_init(&s->lock, NULL);
    bs_cond_init(&s->wake);
    bs_assert(pthread_create(&s->thread, NULL, schedule, s) == 0);
    return s;
}

void
bs_scheduler_reload(struct bs_scheduler *s, const struct bs_config *c)
{
    pthread_mutex_lock(&s->lock);
    s->next = c;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void
bs_scheduler_stop(struct bs_scheduler **s)
{
    if (*s == NULL)
        return;
    pthread_mutex_lock(&(*s)->lock);
    (*s)->stop = true;
    if ((*s)->running != NULL)
        bs_capture_abort((*s)->running);
    bs_watch_stop(&(*s)->watch);
    pthread_cond_signal(&(*s)->wake);
    pthread_mutex_unlock(&(*s)->lock);
    pthread_join((*s)->thread, NULL);
    pthread_mutex_destroy(&(*s)->lock);
    pthread_cond_destroy(&(*s)->wake);
    bs_watch_fini(&(*s)->watch);
    free((*s)->tasks);
    free(*s);
    *s = NULL;
}
