/*
 * restores.c - a list, newest first, behind one lock; threads that take what waits.
 *
 * `doc` is what is shown and kept: it changes under the lock only, and is written to the state
 * before anybody hears of the change.
 */
#include "api/restores.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/show.h"
#include "audit/record.h"
#include "base/clock.h"
#include "base/log.h"
#include "restore/stop.h"
#include "state/state.h"

#define JOBS        2
#define WAITING     16
#define KEPT        1000                /* restores */
#define RESULTS     64                  /* of them whose results are kept */
#define RESULT_MAX  (16u << 20)         /* bytes of one */
#define RESULTS_MAX ((size_t)128 << 20) /* and of all */
#define PHASE_MAX   200
#define TELL_US     ((int64_t)1000000)  /* between two events of progress */
#define CANCEL_US   ((int64_t)2000000)  /* that a cancellation waits for its end */
#define END_US      ((int64_t)30000000) /* that a stop waits for a copy-back */
#define STUCK_US    ((int64_t)10000000) /* and then for any */
#define AGAIN_MS    100                 /* between two calls to stop */
#define PAGE        4                   /* restores that are read at once */
#define PAGE_MAX    (256u << 20)        /* bytes of them */
#define RESTORE_ID  (3 + BS_ULID_TEXT)

enum at {
    IDLE = 0,
    QUEUED,
    RUNNING,
};

struct restore {
    char id[RESTORE_ID];
    json_t *doc;
    json_t *results; /* by the step's name; NULL: none */
    size_t result_bytes;
    char *plan; /* file of the plan that can be carried out; NULL */
    enum at at;
    enum bs_back_step step;
    json_t *options;
    uint64_t turn; /* who waits longest has the lowest */
    int64_t asked_us;
    struct bs_stop stop;
    unsigned callers; /* of its stop, which must outlive them */
    bool told_off;    /* it was, and not by the end of the process */
    char phase[PHASE_MAX];
    int64_t bytes, of, began_us, told_us;
    struct bs_restores *all;
    struct restore *older;
};

struct bs_restores {
    struct bs_gateway *gateway;
    struct bs_events *events;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t threads[JOBS];
    size_t n_threads;
    bool ending;
    struct restore *newest;
    uint64_t turns;
};

/* --- documents ----------------------------------------------------------------------------- */

static void
put_now(json_t *o, const char *name)
{
    char text[BS_TIME_TEXT];

    bs_time_format(bs_now_us(), text);
    (void)json_object_set_new(o, name, json_string(text));
}

static const char *
word_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static json_t *
steps_of(const struct restore *r)
{
    return json_object_get(r->doc, "steps");
}

static json_t *
last_step(const struct restore *r)
{
    return json_array_get(steps_of(r), json_array_size(steps_of(r)) - 1);
}

/* The last one of some step that is done; NULL step: of any. */
static const json_t *
last_done(const struct restore *r, const char *step)
{
    for (size_t i = json_array_size(steps_of(r)); i-- > 0;) {
        const json_t *one = json_array_get(steps_of(r), i);
        if (strcmp(word_of(one, "state"), "done") == 0 &&
            (step == NULL || strcmp(word_of(one, "step"), step) == 0))
            return one;
    }
    return NULL;
}

static void
set_state(struct restore *r, const char *state)
{
    (void)json_object_set_new(last_step(r), "state", json_string(state));
    (void)json_object_set_new(r->doc, "state", json_string(state));
}

static bool
is_running(const struct restore *r)
{
    return r->at == RUNNING && json_object_get(last_step(r), "finished_at") == NULL;
}

static json_t *
progress_of(const struct restore *r)
{
    json_t *o = json_pack("{s:s*, s:I, s:I}", "phase", r->phase[0] == '\0' ? NULL : r->phase,
                          "bytes", (json_int_t)r->bytes, "seconds",
                          (json_int_t)((bs_mono_us() - r->began_us) / 1000000));

    if (o != NULL && r->of > 0)
        (void)json_object_set_new(o, "of", json_integer(r->of));
    return o;
}

static json_t *
show(const struct restore *r)
{
    json_t *shown = json_deep_copy(r->doc);

    if (is_running(r))
        (void)json_object_set_new(shown, "progress", progress_of(r));
    return shown;
}

/* What an operator's list needs; the rest is asked for. */
static void
tell(struct restore *r)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s*}", "id", r->id, "point",
                          word_of(r->doc, "point"), "step", word_of(r->doc, "step"), "state",
                          word_of(r->doc, "state"), "database", word_of(r->doc, "database"));

    if (o != NULL && is_running(r))
        (void)json_object_set_new(o, "progress", progress_of(r));
    r->told_us = bs_mono_us();
    bs_events_tell(r->all->events, "restore", o);
    json_decref(o);
}

/* Into the state, then to whoever watches. */
static enum bs_done
keep(struct restore *r, struct bs_err *err)
{
    char *text = json_dumps(r->doc, JSON_COMPACT);
    struct bs_restore_row row = {.id = r->id, .open = r->at != IDLE, .doc = text, .plan = r->plan};
    enum bs_done done;

    bs_assert(text != NULL);
    done = bs_state_restore_put(r->all->gateway->state, &row, err);
    free(text);
    if (done == BS_DONE)
        tell(r);
    return done;
}

/* The same where what has happened has happened: at the next start it would be `interrupted`. */
static void
keep_or_warn(struct restore *r)
{
    struct bs_err err = {0};

    if (keep(r, &err) == BS_DONE)
        return;
    BS_LOG(ERROR, "a restore's state is not kept", BS_F_STR("restore", r->id),
           BS_F_STR("why", err.message));
    tell(r);
}

/* --- the list ------------------------------------------------------------------------------ */

static struct restore *
find(struct bs_restores *s, const char *id)
{
    struct restore *r = s->newest;

    while (r != NULL && strcmp(r->id, id) != 0)
        r = r->older;
    return r;
}

static struct restore *
get(struct bs_restores *s, const char *id, struct bs_err *err)
{
    struct restore *r = find(s, id);

    if (r == NULL)
        (void)BS_FAIL(err, NOT_FOUND, "there is no restore \"%.40s\"", id);
    return r;
}

static void
restore_free(struct restore *r)
{
    json_decref(r->doc);
    json_decref(r->results);
    json_decref(r->options);
    free(r->plan);
    free(r);
}

/* All but the newest results go. */
static void
forget_results(struct bs_restores *s)
{
    size_t n = 0, bytes = 0;

    for (struct restore *r = s->newest; r != NULL; r = r->older) {
        n += r->results != NULL;
        bytes += r->result_bytes;
        if (r->results == NULL || r->at != IDLE || (n <= RESULTS && bytes <= RESULTS_MAX))
            continue;
        json_decref(r->results);
        r->results = NULL;
        bytes -= r->result_bytes;
        r->result_bytes = 0;
    }
}

/* Old restores go. */
static void
make_room(struct bs_restores *s)
{
    struct restore **at = &s->newest;
    struct bs_err ignored = {0};
    size_t n = 0;

    forget_results(s);
    while (*at != NULL) {
        struct restore *r = *at;
        if (++n <= KEPT || r->at != IDLE || r->callers != 0) {
            at = &r->older;
            continue;
        }
        (void)!bs_state_restore_drop(s->gateway->state, r->id, &ignored);
        *at = r->older;
        restore_free(r);
    }
}

/* --- jobs ---------------------------------------------------------------------------------- */

static void
on_progress(void *ctx, const struct bs_restore_progress *p)
{
    struct restore *r = ctx;

    (void)pthread_mutex_lock(&r->all->lock);
    if (p->step != NULL)
        (void)snprintf(r->phase, sizeof(r->phase), "%s", p->step);
    if (!bs_utf8_valid(bs_bytes_of(r->phase)))
        r->phase[0] = '\0'; /* cut in the middle of a character */
    r->bytes = p->bytes;
    r->of = p->of;
    if (bs_mono_us() - r->told_us >= TELL_US)
        tell(r);
    (void)pthread_mutex_unlock(&r->all->lock);
}

/* What cannot be kept is not begun. */
static enum bs_done
begin_running(struct restore *r, struct bs_err *err)
{
    r->at = RUNNING;
    r->phase[0] = '\0';
    r->bytes = r->of = 0;
    r->began_us = bs_mono_us();
    put_now(last_step(r), "started_at");
    set_state(r, "running");
    return keep(r, err);
}

/* How it has ended. Nobody knows is an end, too. */
static const char *
end_of(const struct restore *r, enum bs_done done, const struct bs_err *err)
{
    if (done == BS_DONE)
        return "done";
    if (err->code == BS_E_UNCERTAIN)
        return "uncertain";
    if (!atomic_load(&r->stop.called))
        return "failed";
    return r->told_off ? "cancelled" : "interrupted";
}

static void
keep_result(struct restore *r, json_t *result)
{
    size_t bytes = json_dumpb(result, NULL, 0, JSON_COMPACT);

    if (r->results == NULL)
        r->results = json_object();
    if (bytes > RESULT_MAX)
        (void)json_object_set_new(r->results, bs_back_name(r->step),
                                  json_pack("{s:I, s:s}", "bytes", (json_int_t)bytes, "unshown",
                                            "it is too long; choose one table"));
    else
        (void)json_object_set(r->results, bs_back_name(r->step), result);
    r->result_bytes = json_dumpb(r->results, NULL, 0, JSON_COMPACT);
}

static void
end_running(struct restore *r,
            enum bs_done done,
            struct bs_back_done *out,
            const struct bs_err *err)
{
    struct bs_restores *s = r->all;
    json_t *step = last_step(r);

    put_now(step, "finished_at");
    set_state(r, end_of(r, done, err));
    if (done != BS_DONE)
        (void)json_object_set_new(step, "error", bs_show_problem(err));
    if (out->facts != NULL && r->step == BS_BACK_PREVIEW)
        (void)json_object_update(r->doc, out->facts);
    if (done == BS_DONE) {
        (void)json_object_set_new(step, "digest", json_string(out->digest));
        if (r->step == BS_BACK_PREVIEW)
            (void)json_object_set(r->doc, "subject", out->subject);
        keep_result(r, out->result);
    }
    if (out->plan != NULL) {
        free(r->plan);
        r->plan = out->plan;
        out->plan = NULL;
    }
    while (r->callers != 0)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    bs_stop_fini(&r->stop);
    json_decref(r->options);
    r->options = NULL;
    r->at = IDLE;
    keep_or_warn(r);
    make_room(s); /* may end it, too */
    (void)pthread_cond_broadcast(&s->changed);
}

/* With the lock, which is let go while it works. What is borrowed here nobody else changes. */
static void
run(struct restore *r)
{
    struct bs_restores *s = r->all;
    bool first = r->step == BS_BACK_PREVIEW;
    char *plan = r->step == BS_BACK_COPY_BACK ? r->plan : NULL;
    json_t *doc = json_deep_copy(r->doc);
    struct bs_back_job job = {
        .gateway = s->gateway,
        .step = r->step,
        .point = word_of(doc, "point"),
        .database = word_of(doc, "database"),
        .table = word_of(doc, "table"),
        .where = word_of(doc, "where"),
        .by = word_of(last_step(r), "by"),
        .asked_us = r->asked_us,
        .options = r->options,
        .subject = first ? NULL : json_object_get(doc, "subject"),
        .plan = plan,
        .stop = &r->stop,
        .watch = on_progress,
        .watch_ctx = r,
    };
    struct bs_back_done out = {0};
    struct bs_err err = {0};
    enum bs_done done;

    if (plan != NULL)
        r->plan = NULL; /* for one time, whatever becomes of this process */
    done = begin_running(r, &err);
    (void)pthread_mutex_unlock(&s->lock);
    if (done == BS_DONE)
        done = bs_back_do(&job, &out, &err);
    (void)pthread_mutex_lock(&s->lock);
    if (plan != NULL && !out.used)
        out.plan = plan; /* it did not come to that */
    else
        free(plan);
    end_running(r, done, &out, &err);
    bs_back_done_fini(&out);
    json_decref(doc);
}

static struct restore *
longest_waiting(struct bs_restores *s)
{
    struct restore *found = NULL;

    for (struct restore *r = s->newest; r != NULL; r = r->older) {
        if (r->at == QUEUED && (found == NULL || r->turn < found->turn))
            found = r;
    }
    return found;
}

static void *
work(void *arg)
{
    struct bs_restores *s = arg;

    (void)pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        struct restore *r = longest_waiting(s);
        if (r == NULL)
            (void)pthread_cond_wait(&s->changed, &s->lock);
        else
            run(r);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* --- asking -------------------------------------------------------------------------------- */

static enum bs_done
check_room(struct bs_restores *s, struct bs_err *err)
{
    size_t n = 0;

    for (const struct restore *r = s->newest; r != NULL; r = r->older)
        n += r->at == QUEUED;
    if (s->ending)
        return BS_FAIL(err, UNAVAILABLE, "the gateway is stopping");
    return n < WAITING ? BS_DONE : BS_FAIL(err, TOO_OFTEN, "%d steps of restores wait", WAITING);
}

/* Puts a step behind the others; where the state does not take it, it never was there. */
static enum bs_done
enqueue(struct restore *r,
        enum bs_back_step step,
        const json_t *options,
        const char *by,
        struct bs_err *err)
{
    const char *name = bs_back_name(step);
    json_t *one = json_pack("{s:s, s:s, s:s}", "step", name, "state", "queued", "by", by);
    json_t *before = json_deep_copy(r->doc);

    put_now(one, "asked_at");
    (void)json_array_append_new(steps_of(r), one);
    (void)json_object_set_new(r->doc, "step", json_string(name));
    (void)json_object_set_new(r->doc, "state", json_string("queued"));
    r->at = QUEUED;
    if (keep(r, err) != BS_DONE) {
        json_decref(r->doc);
        r->doc = before;
        r->at = IDLE;
        return BS_FAILED;
    }
    json_decref(before);
    r->step = step;
    r->options = json_deep_copy(options);
    r->turn = r->all->turns++;
    r->asked_us = bs_now_us();
    r->told_off = false;
    bs_stop_init(&r->stop);
    (void)pthread_cond_broadcast(&r->all->changed);
    return BS_DONE;
}

static struct restore *
restore_new(struct bs_restores *s, const struct bs_restores_ask *ask, const char *by)
{
    struct restore *r = bs_malloc(sizeof(*r));
    char ulid[BS_ULID_TEXT];

    bs_ulid_new(ulid);
    (void)snprintf(r->id, sizeof(r->id), "RS-%s", ulid);
    r->all = s;
    r->doc = json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:s, s:[]}", "id", r->id, "point", ask->point,
                       "database", ask->database, "table", ask->table, "where", ask->where,
                       "created_by", by, "steps");
    put_now(r->doc, "created_at");
    return r;
}

enum bs_done
bs_restores_begin(struct bs_restores *s,
                  const struct bs_restores_ask *ask,
                  const json_t *options,
                  const char *by,
                  json_t **shown,
                  struct bs_err *err)
{
    struct restore *r = restore_new(s, ask, by);
    enum bs_done done;

    (void)pthread_mutex_lock(&s->lock);
    done = check_room(s, err);
    if (done == BS_DONE)
        done = enqueue(r, BS_BACK_PREVIEW, options, by, err);
    if (done == BS_DONE) {
        r->older = s->newest;
        s->newest = r;
        *shown = show(r);
    } else
        restore_free(r);
    (void)pthread_mutex_unlock(&s->lock);
    return done;
}

/* May this step come now, of somebody who has seen that? */
static enum bs_done
check_next(const struct restore *r, enum bs_back_step step, const char *digest, struct bs_err *err)
{
    bool back = step == BS_BACK_COPY_BACK;
    const json_t *seen = last_done(r, back ? bs_back_name(BS_BACK_PLAN) : NULL);

    if (r->at != IDLE)
        return BS_FAIL(err, CONFLICT, "its step \"%s\" is %s", word_of(r->doc, "step"),
                       word_of(r->doc, "state"));
    if (back && r->plan == NULL) {
        (void)BS_FAIL(err, CONFLICT, "there is no plan that could be carried out");
        bs_err_hint(err, "make one with POST .../plan; each is for one time");
        return BS_FAILED;
    }
    if (seen == NULL)
        return BS_FAIL(err, CONFLICT, "it has no preview: begin another restore");
    if (strcmp(word_of(seen, "digest"), digest) == 0)
        return BS_DONE;
    (void)BS_FAIL(err, CHANGED, "that is not what its step \"%s\" has shown last",
                  word_of(seen, "step"));
    bs_err_hint(err, "look at its result, and send the digest of that step");
    return BS_FAILED;
}

enum bs_done
bs_restores_next(struct bs_restores *s,
                 const char *id,
                 enum bs_back_step step,
                 const char *digest,
                 const json_t *options,
                 const char *by,
                 json_t **shown,
                 struct bs_err *err)
{
    enum bs_done done = BS_FAILED;
    struct restore *r;

    (void)pthread_mutex_lock(&s->lock);
    r = get(s, id, err);
    if (r != NULL && bs_back_check(step, options, word_of(r->doc, "table"), err) == BS_DONE &&
        check_next(r, step, digest, err) == BS_DONE && check_room(s, err) == BS_DONE)
        done = enqueue(r, step, options, by, err);
    if (done == BS_DONE)
        *shown = show(r);
    (void)pthread_mutex_unlock(&s->lock);
    return done;
}

/* --- calling off --------------------------------------------------------------------------- */

/* One that waits has never begun. */
static void
end_waiting(struct restore *r, const char *state)
{
    bs_stop_fini(&r->stop);
    json_decref(r->options);
    r->options = NULL;
    r->at = IDLE;
    put_now(last_step(r), "finished_at");
    set_state(r, state);
    keep_or_warn(r);
}

/* Until it has ended or the time is over; with the lock, which it lets go of meanwhile. */
static void
stop_running(struct restore *r, int64_t until_us)
{
    struct bs_restores *s = r->all;
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};

    r->callers++;
    while (is_running(r) && bs_mono_us() < until_us) {
        (void)pthread_mutex_unlock(&s->lock);
        bs_stop_call(&r->stop);
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&s->lock);
    }
    r->callers--;
    (void)pthread_cond_broadcast(&s->changed);
}

static enum bs_done
check_cancel(const struct restore *r, struct bs_err *err)
{
    if (r->at == IDLE)
        return BS_FAIL(err, CONFLICT, "nothing of it is waiting or running");
    if (r->at == QUEUED || bs_back_stops(r->step))
        return BS_DONE;
    (void)BS_FAIL(err, CONFLICT, "a %s that has begun cannot be called off", bs_back_name(r->step));
    bs_err_hint(err, "it is one transaction and ends by itself; a plan can be made to undo it");
    return BS_FAILED;
}

enum bs_done
bs_restores_cancel(
    struct bs_restores *s, const char *id, json_t **shown, bool *ended, struct bs_err *err)
{
    enum bs_done done = BS_FAILED;
    struct restore *r;

    (void)pthread_mutex_lock(&s->lock);
    r = get(s, id, err);
    if (r != NULL && check_cancel(r, err) == BS_DONE) {
        r->told_off = true;
        if (r->at == QUEUED)
            end_waiting(r, "cancelled");
        else
            stop_running(r, bs_mono_us() + CANCEL_US);
        *shown = show(r);
        *ended = !is_running(r);
        done = BS_DONE;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return done;
}

/* --- showing ------------------------------------------------------------------------------- */

enum bs_done
bs_restores_show(struct bs_restores *s, const char *id, json_t **shown, struct bs_err *err)
{
    struct restore *r;

    (void)pthread_mutex_lock(&s->lock);
    r = get(s, id, err);
    if (r != NULL)
        *shown = show(r);
    (void)pthread_mutex_unlock(&s->lock);
    return r != NULL ? BS_DONE : BS_FAILED;
}

bool
bs_restores_state(const char *name)
{
    static const char *const names[] = {"queued",    "running",   "done",       "failed",
                                        "cancelled", "uncertain", "interrupted"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static bool
fits(const struct restore *r, const struct bs_restores_filter *f)
{
    return (f->point == NULL || strcmp(word_of(r->doc, "point"), f->point) == 0) &&
           (f->state == NULL || strcmp(word_of(r->doc, "state"), f->state) == 0) &&
           (f->before == NULL || strcmp(r->id, f->before) < 0);
}

json_t *
bs_restores_list(struct bs_restores *s, const struct bs_restores_filter *filter)
{
    json_t *list = json_array();

    (void)pthread_mutex_lock(&s->lock);
    for (struct restore *r = s->newest; r != NULL && json_array_size(list) < filter->limit;
         r = r->older) {
        if (fits(r, filter))
            (void)json_array_append_new(list, show(r));
    }
    (void)pthread_mutex_unlock(&s->lock);
    return list;
}

enum bs_done
bs_restores_result(struct bs_restores *s,
                   const char *id,
                   const char *step,
                   const char **name,
                   json_t **result,
                   struct bs_err *err)
{
    enum bs_back_step found;
    struct restore *r;

    *result = NULL;
    (void)pthread_mutex_lock(&s->lock);
    r = get(s, id, err);
    for (size_t i = r == NULL ? 0 : json_array_size(steps_of(r)); i-- > 0 && *result == NULL;) {
        const char *one = word_of(json_array_get(steps_of(r), i), "step");
        if (step == NULL || strcmp(one, step) == 0)
            *result = json_deep_copy(json_object_get(r->results, one));
        if (bs_back_find(one, &found))
            *name = bs_back_name(found);
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (r == NULL || *result != NULL)
        return r == NULL ? BS_FAILED : BS_DONE;
    (void)BS_FAIL(err, NOT_FOUND, "it has no such result");
    bs_err_hint(err, "results are kept in memory, of the latest restores; begin another one");
    return BS_FAILED;
}

enum bs_done
bs_restores_plan(struct bs_restores *s, const char *id, char **text, struct bs_err *err)
{
    struct restore *r;

    *text = NULL;
    (void)pthread_mutex_lock(&s->lock);
    r = get(s, id, err);
    if (r != NULL && r->plan != NULL && r->at == IDLE)
        *text = bs_strdup(r->plan);
    else if (r != NULL)
        (void)BS_FAIL(err, CONFLICT, "there is no plan that could be approved");
    (void)pthread_mutex_unlock(&s->lock);
    return *text != NULL ? BS_DONE : BS_FAILED;
}

enum bs_done
bs_restores_agreed(
    struct bs_restores *s, const char *id, const char *by, json_t **shown, struct bs_err *err)
{
    enum bs_done done = BS_FAILED;
    struct restore *r;

    (void)pthread_mutex_lock(&s->lock);
    r = get(s, id, err);
    if (r != NULL) {
        (void)json_object_set_new((json_t *)(uintptr_t)last_done(r, "plan"), "approved_by",
                                  json_string(by));
        done = keep(r, err);
        *shown = show(r);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return done;
}

/* --- begin and end of the process ---------------------------------------------------------- */

static enum bs_done
record_interrupted(struct bs_restores *s, const struct restore *r, struct bs_err *err)
{
    struct bs_audit_record record = {
        .kind = BS_AUDIT_RESTORE,
        .operator_ = word_of(last_step(r), "by"),
        .database = word_of(r->doc, "database"),
        .ticket = word_of(r->doc, "ticket"),
        .point = word_of(r->doc, "point"),
        .action = word_of(r->doc, "step"),
        .subject = word_of(r->doc, "table"),
        .outcome = "interrupted",
        .text = "the gateway ended meanwhile",
    };

    return bs_audit_write(s->gateway->audit, &record, NULL, err);
}

/* Of a copy-back, only the database knows whether its COMMIT was the last that it heard. */
static enum bs_done
interrupt(struct bs_restores *s, struct restore *r, struct bs_err *err)
{
    bool back = strcmp(word_of(r->doc, "step"), bs_back_name(BS_BACK_COPY_BACK)) == 0 &&
                strcmp(word_of(r->doc, "state"), "running") == 0;
    struct bs_err why = {0};

    if (back)
        (void)BS_FAIL(
            &why, UNCERTAIN,
            "the gateway ended during its transaction, which is done whole or not at all");
    else
        (void)BS_FAIL(&why, CANCELLED, "the gateway ended meanwhile");
    bs_err_hint(&why, "nothing is half done; begin another restore, whose preview tells");
    set_state(r, "interrupted");
    put_now(last_step(r), "finished_at");
    (void)json_object_set_new(last_step(r), "error", bs_show_problem(&why));
    if (back) {
        free(r->plan);
        r->plan = NULL;
    }
    return record_interrupted(s, r, err) == BS_DONE ? keep(r, err) : BS_FAILED;
}

static enum bs_done
take_row(struct bs_restores *s,
         const struct bs_restore_row *row,
         struct restore ***end,
         struct bs_err *err)
{
    struct restore *r = bs_malloc(sizeof(*r));

    (void)snprintf(r->id, sizeof(r->id), "%s", row->id);
    r->all = s;
    r->doc = json_loads(row->doc, 0, NULL);
    r->plan = row->plan == NULL ? NULL : bs_strdup(row->plan);
    if (json_array_size(steps_of(r)) == 0 || word_of(last_step(r), "state") == NULL ||
        word_of(r->doc, "state") == NULL || word_of(r->doc, "point") == NULL) {
        BS_LOG(ERROR, "a restore in the state cannot be read", BS_F_STR("restore", row->id));
        restore_free(r);
        return BS_DONE;
    }
    **end = r;
    *end = &r->older;
    return row->open ? interrupt(s, r, err) : BS_DONE;
}

/* One page of them, older than `before`, which becomes the oldest; "" at the end. */
static enum bs_done
load_page(struct bs_restores *s, char before[RESTORE_ID], struct restore ***end, struct bs_err *err)
{
    struct bs_restore_row *rows;
    struct bs_arena arena;
    enum bs_done done;
    size_t n = 0;

    bs_arena_init(&arena, "restores", PAGE_MAX);
    done = bs_state_restore_list(s->gateway->state, before[0] == '\0' ? NULL : before, PAGE, &arena,
                                 &rows, &n, err);
    before[0] = '\0';
    for (size_t i = 0; done == BS_DONE && i < n; i++) {
        if (!rows[i].elsewhere) /* another gateway's own: it goes on there */
            done = take_row(s, &rows[i], end, err);
    }
    if (done == BS_DONE && n == PAGE)
        (void)snprintf(before, RESTORE_ID, "%s", rows[n - 1].id);
    bs_arena_fini(&arena);
    return done;
}

static enum bs_done
load(struct bs_restores *s, struct bs_err *err)
{
    struct restore **end = &s->newest;
    char before[RESTORE_ID] = "";
    size_t n = 0;

    do {
        if (load_page(s, before, &end, err) != BS_DONE)
            return BS_FAILED;
        n += PAGE;
    } while (before[0] != '\0' && n < KEPT);
    return BS_DONE;
}

enum bs_done
bs_restores_new(struct bs_gateway *g,
                struct bs_events *events,
                struct bs_restores **out,
                struct bs_err *err)
{
    struct bs_restores *s = bs_malloc(sizeof(*s));
    enum bs_done done;

    s->gateway = g;
    s->events = events;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    done = load(s, err);
    for (; done == BS_DONE && s->n_threads < JOBS; s->n_threads++) {
        if (pthread_create(&s->threads[s->n_threads], NULL, work, s) != 0)
            done = BS_FAIL(err, UNAVAILABLE, "no thread for restores");
    }
    if (done != BS_DONE)
        bs_restores_free(&s);
    *out = s;
    return done;
}

static struct restore *
find_running(struct bs_restores *s, bool stops)
{
    struct restore *r = s->newest;

    while (r != NULL && (!is_running(r) || (stops && !bs_back_stops(r->step))))
        r = r->older;
    return r;
}

/* With the lock. */
static void
end_all(struct bs_restores *s)
{
    int64_t until_us = bs_mono_us() + END_US;
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    struct restore *r;

    for (r = s->newest; r != NULL; r = r->older) {
        if (r->at == QUEUED)
            end_waiting(r, "interrupted");
    }
    while ((r = find_running(s, true)) != NULL && bs_mono_us() < until_us)
        stop_running(r, until_us);
    while (find_running(s, false) != NULL && bs_mono_us() < until_us) {
        (void)pthread_mutex_unlock(&s->lock);
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&s->lock);
    }
    until_us += STUCK_US;
    while ((r = find_running(s, false)) != NULL && bs_mono_us() < until_us)
        stop_running(r, until_us);
    if (r == NULL)
        return;
    BS_LOG(ERROR, "a restore does not end: leaving it", BS_F_STR("restore", r->id));
    _exit(EXIT_FAILURE);
}

void
bs_restores_free(struct bs_restores **p)
{
    struct bs_restores *s = *p;

    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->ending = true;
    (void)pthread_cond_broadcast(&s->changed);
    end_all(s);
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n_threads; i++)
        (void)pthread_join(s->threads[i], NULL);
    while (s->newest != NULL) {
        struct restore *r = s->newest;
        s->newest = r->older;
        restore_free(r);
    }
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    *p = NULL;
}
