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
#include "gateway/snapshots.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define JITTER_US (5 * MINUTE_US)
#define RETRY_US  (60 * MINUTE_US)

struct task {
    const struct bs_config_snapshot *snapshot;
    bool placed;       /* due_us is known */
    int64_t due_us;    /* bs_mono_us */
    unsigned failures; /* one after the other */
};

struct bs_scheduler {
    struct bs_gateway *g;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct bs_capture *running; /* under the lock */
    struct task *tasks;         /* the thread's own */
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
every_us(const struct task *t)
{
    return t->snapshot->every_ms * 1000;
}

static int64_t
jitter_us(const struct task *t)
{
    return at_random(every_us(t) / 10 < JITTER_US ? every_us(t) / 10 : JITTER_US);
}

/* The first failure waits a minute, each further one twice as long. */
static int64_t
retry_us(const struct task *t)
{
    unsigned shift = t->failures < 7 ? t->failures - 1 : 6;
    int64_t wait = MINUTE_US << shift, most = every_us(t) < RETRY_US ? every_us(t) : RETRY_US;

    return wait < most ? wait : most;
}

/* --- snapshots ---------------------------------------------------------------------------- */

static void
on_running(void *ctx, struct bs_capture *c)
{
    struct bs_scheduler *s = ctx;

    pthread_mutex_lock(&s->lock);
    s->running = c;
    if (c != NULL && s->stop)
        bs_capture_abort(c);
    pthread_mutex_unlock(&s->lock);
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
        .db = bs_config_database_find(s->g->config, c->database),
        .schedule = c,
        .tables = &c->tables,
        .budget_ms = c->budget_ms,
        .by = "schedule",
        .running = on_running,
        .ctx = s,
    };
    struct bs_snapshot_done done;
    enum bs_done ok = bs_snapshot_do(&job, &done, err);

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
        wait = last + every_us(t) - bs_now_us();
    t->due_us = bs_mono_us() + (wait > 0 ? wait : 0) + (last != 0 ? jitter_us(t) : 0);
    t->placed = true;
    return BS_DONE;
}

/* --- the thread --------------------------------------------------------------------------- */

static void
do_task(struct bs_scheduler *s, struct task *t)
{
    int64_t began = bs_mono_us();
    struct bs_err err = {0};
    enum bs_done done;

    if (!t->placed) {
        done = place(s, t, &err);
        if (done == BS_DONE) {
            t->failures = 0;
            return;
        }
        BS_LOG(WARNING, "it is not known when a snapshot is due",
               BS_F_STR("snapshot", t->snapshot->name), BS_F_STR("reason", err.message));
    } else {
        done = take_snapshot(s, t->snapshot, &err);
    }
    t->failures = done == BS_DONE ? 0 : t->failures + 1;
    t->due_us = done == BS_DONE ? began + every_us(t) + jitter_us(t) : bs_mono_us() + retry_us(t);
}

static struct task *
first_due(struct bs_scheduler *s)
{
    struct task *first = &s->tasks[0];

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

static void *
schedule(void *arg)
{
    struct bs_scheduler *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct task *t = first_due(s);
        if (t->due_us > bs_mono_us()) {
            sleep_until(s, t->due_us);
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
    const struct bs_config *c = g->config;
    struct bs_scheduler *s;
    pthread_condattr_t clock;

    if (c->n_snapshots == 0)
        return NULL;
    s = bs_malloc(sizeof(*s));
    s->g = g;
    s->tasks = bs_malloc(c->n_snapshots * sizeof(*s->tasks));
    for (size_t i = 0; i < c->n_snapshots; i++)
        s->tasks[s->n_tasks++] = (struct task){.snapshot = &c->snapshots[i]};
    pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &clock);
    (void)pthread_condattr_destroy(&clock);
    bs_assert(pthread_create(&s->thread, NULL, schedule, s) == 0);
    return s;
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
    pthread_cond_signal(&(*s)->wake);
    pthread_mutex_unlock(&(*s)->lock);
    pthread_join((*s)->thread, NULL);
    pthread_mutex_destroy(&(*s)->lock);
    pthread_cond_destroy(&(*s)->wake);
    free((*s)->tasks);
    free(*s);
    *s = NULL;
}
