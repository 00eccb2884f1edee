/*
 * notifier.c - a loop for each target: what is due is tried, and what became of it is written down.
 *
 * A failure that is the target's own (no answer, 429, 5xx) lets the whole target rest for a while; one
 * that is the delivery's lets the others pass it.
 */
#include "notify/notifier.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "notify/channel.h"
#include "policy/changed.h"

#define LEASE_MS    60000 /* one gateway at a time tells a target */
#define SECOND_US   INT64_C(1000000)
#define FIRST_US    (2 * SECOND_US)
#define BACKOFF_MAX (3600 * SECOND_US)
#define REST_MAX    (60 * SECOND_US) /* of a target, unless it asks for more */
#define AFTER_MAX_S 86400
#define ARENA_MAX   (64u << 20)
#define CALLS       64 /* that wait, of one target */

struct call {
    const char *method;
    char *body;
};

/* One name; its thread takes what has changed between two tries, so a try ends as it began. */
struct target {
    struct bs_notifier *notifier;
    pthread_t thread;
    struct bs_channel channel; /* the thread's alone, as the next */
    int64_t rests_until_us;    /* monotonic */

    /* under the lock */
    const char *name;                      /* as it was first */
    const struct bs_config_notify *wanted; /* in force; NULL: gone, and the thread ends */
    bool ended;                            /* so the thread does not look at it any more */
    struct call calls[CALLS];
    size_t n_calls;
    struct target *next;
};

struct bs_notifier {
    _Atomic(const struct bs_config *) config; /* in force */
    struct bs_state *state;
    struct bs_tickets *tickets;
    struct bs_watch watch; /* stopped: all of it ends */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct target *targets; /* under the lock; those that are gone until they are reaped, too */
};

int64_t
bs_notify_backoff_us(int64_t tries, uint32_t chance)
{
    int64_t us = FIRST_US;

    while (tries-- > 0 && us < BACKOFF_MAX)
        us *= 2;
    if (us > BACKOFF_MAX)
        us = BACKOFF_MAX;
    return us / 2 + us / 2 * (int64_t)(chance % 1024) / 1024; /* not all at once */
}

/* --- one delivery -------------------------------------------------------------------------- */

static int64_t
next_try(struct target *t, const struct bs_delivery *d, const struct bs_channel_result *r)
{
    int64_t now_us = bs_now_us(), after_us, wait_us;
    uint32_t chance;

    bs_random(&chance, sizeof(chance));
    after_us = (r->after_s > AFTER_MAX_S ? AFTER_MAX_S : r->after_s) * SECOND_US;
    wait_us = bs_notify_backoff_us(d->tries, chance);
    if (wait_us < after_us)
        wait_us = after_us;
    if (r->down)
        t->rests_until_us =
            bs_mono_us() + (wait_us > REST_MAX && after_us == 0 ? REST_MAX : wait_us);
    return now_us + wait_us;
}

static void
note(struct target *t, const struct bs_delivery *d, struct bs_channel_result *r)
{
    struct bs_err err = {0};
    int64_t due_us = 0;

    if (r->end == BS_DELIVERY_LATER)
        due_us = next_try(t, d, r);
    if (due_us > d->until_us) /* not in time any more */
        r->end = BS_DELIVERY_DEAD;
    bs_count(r->end == BS_DELIVERY_DONE   ? BS_COUNT_NOTIFY_DONE
             : r->end == BS_DELIVERY_DEAD ? BS_COUNT_NOTIFY_DEAD
                                          : BS_COUNT_NOTIFY_LATER);
    if (r->end != BS_DELIVERY_DONE)
        BS_LOG(WARNING,
               r->end == BS_DELIVERY_DEAD ? "a notification was given up"
                                          : "a notification was not taken",
               BS_F_STR("target", d->target), BS_F_STR("id", d->id),
               BS_F_STR("event", bs_notify_event_name(d->event)), BS_F_INT("tries", d->tries + 1),
               BS_F_STR("reason", r->why));
    if (bs_state_delivery_end(t->notifier->state, d->id, r->end, due_us,
                              r->why[0] == '\0' ? NULL : r->why, &err) != BS_DONE) {
        BS_LOG(WARNING, "what became of a notification is not kept", BS_F_STR("id", d->id),
               BS_F_STR("reason", err.message));
        t->rests_until_us = bs_mono_us() + SECOND_US; /* it will be sent once more */
    }
}

static bool
take_turn(struct target *t)
{
    char name[160];
    struct bs_err err = {0};
    bool mine;

    (void)snprintf(name, sizeof(name), "notify:%.120s", t->channel.target->name);
    if (bs_state_lease(t->notifier->state, name, LEASE_MS, &mine, &err) == BS_DONE && mine)
        return true;
    t->rests_until_us = bs_mono_us() + SECOND_US;
    return false;
}

/* True where there was one to try: then there may be another. */
static bool
try_first(struct target *t, struct bs_arena *arena)
{
    struct bs_channel_result r;
    struct bs_delivery d;
    struct bs_err err = {0}, stopped = {0};
    bool found;

    if (bs_mono_us() < t->rests_until_us)
        return false;
    if (bs_state_delivery_first(t->notifier->state, t->channel.target->name, arena, &d, &found,
                                &err) != BS_DONE) {
        BS_LOG(WARNING, "notifications cannot be read", BS_F_STR("reason", err.message));
        t->rests_until_us = bs_mono_us() + SECOND_US;
        return false;
    }
    if (!found || d.due_us > bs_now_us() || !take_turn(t))
        return false;
    bs_channel_try(&t->channel, &d, &r);
    if (r.end != BS_DELIVERY_DONE && bs_watch_check(&t->notifier->watch, &stopped) != BS_DONE)
        return false; /* we have cut it off: it counts as not tried */
    note(t, &d, &r);
    return true;
}

/* --- what somebody waits for --------------------------------------------------------------- */

static bool
take_call(struct target *t, struct call *out)
{
    bool any;

    (void)pthread_mutex_lock(&t->notifier->lock);
    any = t->n_calls != 0;
    if (any) {
        *out = t->calls[0];
        memmove(t->calls, t->calls + 1, --t->n_calls * sizeof(t->calls[0]));
    }
    (void)pthread_mutex_unlock(&t->notifier->lock);
    return any;
}

static void
make_calls(struct target *t)
{
    struct bs_channel_result r;
    struct call c;

    while (take_call(t, &c)) {
        bs_channel_call(&t->channel, c.method, c.body, &r);
        if (r.end != BS_DELIVERY_DONE)
            BS_LOG(WARNING, "Slack did not take an answer",
                   BS_F_STR("target", t->channel.target->name), BS_F_STR("method", c.method),
                   BS_F_STR("reason", r.why));
        free(c.body);
    }
}

/* Under the lock. */
static struct target *
find(const struct bs_notifier *n, const char *name)
{
    struct target *t = n->targets;

    while (t != NULL && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

void
bs_notifier_call(struct bs_notifier *n, const char *target, const char *method, const char *body)
{
    struct target *t;

    (void)pthread_mutex_lock(&n->lock);
    t = find(n, target);
    if (t != NULL && t->wanted != NULL && t->n_calls < CALLS)
        t->calls[t->n_calls++] = (struct call){method, bs_strdup(body)};
    (void)pthread_cond_broadcast(&n->wake);
    (void)pthread_mutex_unlock(&n->lock);
}

/* --- threads ------------------------------------------------------------------------------- */

static bool
wait_a_second(struct target *t)
{
    struct bs_notifier *n = t->notifier;
    struct timespec until;
    bool stop;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    (void)pthread_mutex_lock(&n->lock);
    if (!n->stop && t->n_calls == 0 && t->wanted == t->channel.target)
        (void)pthread_cond_timedwait(&n->wake, &n->lock, &until);
    stop = n->stop;
    (void)pthread_mutex_unlock(&n->lock);
    return !stop;
}

static bool
is_stopped(struct bs_notifier *n)
{
    struct bs_err ignored = {0};

    return bs_watch_check(&n->watch, &ignored) != BS_DONE;
}

/* The target as the configuration in force has it. False: it is not in there any more. */
static bool
take_wanted(struct target *t)
{
    const struct bs_config_notify *wanted;

    (void)pthread_mutex_lock(&t->notifier->lock);
    wanted = t->wanted;
    t->ended = wanted == NULL;
    (void)pthread_mutex_unlock(&t->notifier->lock);
    if (wanted == NULL)
        return false;
    if (wanted == t->channel.target)
        return true;
    bs_channel_close(&t->channel);
    t->channel.target = wanted;
    bs_channel_open(&t->channel);
    t->rests_until_us = 0; /* what did not answer may be mended by this */
    return true;
}

/* All that is due. False: the target is gone. */
static bool
work(struct target *t, struct bs_arena *arena)
{
    do {
        if (!take_wanted(t))
            return false;
        make_calls(t);
        bs_arena_reset(arena);
    } while (!is_stopped(t->notifier) && try_first(t, arena));
    return true;
}

static void *
run(void *arg)
{
    struct target *t = arg;
    struct bs_arena arena;

    bs_arena_init(&arena, "notifications", ARENA_MAX);
    while (work(t, &arena) && wait_a_second(t))
        ;
    bs_arena_fini(&arena);
    return NULL;
}

/* Something is due, most likely. Other processes change the state, too: that is found in a second. */
static void
on_ticket(const struct bs_ticket *ticket, void *arg)
{
    struct bs_notifier *n = arg;

    (void)ticket;
    (void)pthread_mutex_lock(&n->lock);
    (void)pthread_cond_broadcast(&n->wake);
    (void)pthread_mutex_unlock(&n->lock);
}

/* A message with buttons is brought up to date whatever happens to its ticket. */
static unsigned
events_of(const struct bs_config_notify *t)
{
    unsigned events = t->events;

    if (t->token != NULL && (events & (1u << BS_NOTIFY_TICKET_OPENED)) != 0)
        events |= (1u << BS_NOTIFY_PAUSED) - (1u << BS_NOTIFY_TICKET_OPENED);
    return events;
}

void
bs_notify_targets(const struct bs_config *config, struct bs_notify_target *out)
{
    for (size_t i = 0; i < config->n_notify; i++)
        out[i] = (struct bs_notify_target){.name = config->notify[i].name,
                                           .events = events_of(&config->notify[i]),
                                           .keep_us = config->notify[i].retry_ms * 1000};
}

static enum bs_done
tell_state(struct bs_notifier *n, const struct bs_config *config, struct bs_err *err)
{
    struct bs_notify_target list[BS_NOTIFY_TARGETS];

    bs_notify_targets(config, list);
    return bs_state_notify_targets_set(n->state, list, config->n_notify, err);
}

/* Waits for its thread: it has ended, or was told to. */
static void
free_target(struct target *t)
{
    (void)pthread_join(t->thread, NULL);
    bs_channel_close(&t->channel);
    for (size_t k = 0; k < t->n_calls; k++)
        free(t->calls[k].body);
    free(t);
}

/* Under the lock, as the next three. */
static void
reap(struct bs_notifier *n)
{
    for (struct target **at = &n->targets; *at != NULL;) {
        struct target *t = *at;
        if (!t->ended) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        free_target(t);
    }
}

static void
let_go(struct bs_notifier *n, const struct bs_config *config)
{
    for (struct target *t = n->targets; t != NULL; t = t->next) {
        bool there = false;
        for (size_t i = 0; i < config->n_notify && !there; i++)
            there = strcmp(config->notify[i].name, t->name) == 0;
        if (!there)
            t->wanted = NULL;
    }
}

static enum bs_done
add(struct bs_notifier *n, const struct bs_config_notify *wanted, struct bs_err *err)
{
    struct target *t = bs_malloc(sizeof(*t));

    *t = (struct target){.notifier = n,
                         .channel = {.state = n->state, .watch = &n->watch},
                         .name = wanted->name,
                         .wanted = wanted};
    if (pthread_create(&t->thread, NULL, run, t) != 0) {
        free(t);
        return BS_FAIL(err, UNAVAILABLE, "no thread for notifications");
    }
    t->next = n->targets;
    n->targets = t;
    return BS_DONE;
}

/* Targets that stay as they are keep their connections, and their rest. */
static enum bs_done
put_in_force(struct bs_notifier *n, const struct bs_config *config, struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    reap(n);
    let_go(n, config);
    for (size_t i = 0; i < config->n_notify; i++) {
        const struct bs_config_notify *c = &config->notify[i];
        struct target *t = find(n, c->name);
        if (t == NULL && add(n, c, err) != BS_DONE)
            done = BS_FAILED;
        else if (t != NULL && (t->wanted == NULL || !bs_notify_same(t->wanted, c)))
            t->wanted = c;
    }
    atomic_store(&n->config, config);
    (void)pthread_cond_broadcast(&n->wake);
    return done;
}

static enum bs_done
begin(struct bs_notifier *n, const struct bs_config *config, struct bs_err *err)
{
    enum bs_done done;

    (void)pthread_mutex_lock(&n->lock);
    done = put_in_force(n, config, err);
    (void)pthread_mutex_unlock(&n->lock);
    return done;
}

const struct bs_config *
bs_notifier_config(const struct bs_notifier *n)
{
    return atomic_load(&n->config);
}

/* The state first: it may fail, and then nothing has changed. */
enum bs_done
bs_notifier_reload(struct bs_notifier *n, const struct bs_config *config, struct bs_err *err)
{
    struct bs_err thread = {0};

    if (!bs_config_same_notify(bs_notifier_config(n), config) &&
        tell_state(n, config, err) != BS_DONE)
        return BS_FAILED;
    if (begin(n, config, &thread) != BS_DONE)
        BS_LOG(ERROR, "a target is not told yet: send SIGHUP again",
               BS_F_STR("reason", thread.message));
    return BS_DONE;
}

enum bs_done
bs_notifier_start(const struct bs_config *config,
                  struct bs_state *state,
                  struct bs_tickets *tickets,
                  struct bs_notifier **out,
                  struct bs_err *err)
{
    struct bs_notifier *n = bs_malloc(sizeof(*n));

    *out = NULL;
    *n = (struct bs_notifier){.config = config, .state = state};
    if (tell_state(n, config, err) != BS_DONE || bs_watch_init(&n->watch, 0, err) != BS_DONE) {
        free(n);
        return BS_FAILED;
    }
    (void)pthread_mutex_init(&n->lock, NULL);
    bs_cond_init(&n->wake);
    if (bs_tickets_subscribe(tickets, on_ticket, n, err) == BS_DONE)
        n->tickets = tickets;
    if (n->tickets == NULL || begin(n, config, err) != BS_DONE) {
        bs_notifier_stop(&n);
        return BS_FAILED;
    }
    *out = n;
    return BS_DONE;
}

void
bs_notifier_stop(struct bs_notifier **notifier)
{
    struct bs_notifier *n = *notifier;

    if (n == NULL)
        return;
    if (n->tickets != NULL)
        bs_tickets_unsubscribe(n->tickets, on_ticket, n);
    (void)pthread_mutex_lock(&n->lock);
    n->stop = true;
    bs_watch_stop(&n->watch);
    (void)pthread_cond_broadcast(&n->wake);
    (void)pthread_mutex_unlock(&n->lock);
    while (n->targets != NULL) { /* nobody else changes the list any more */
        struct target *t = n->targets;
        n->targets = t->next;
        free_target(t);
    }
    (void)pthread_cond_destroy(&n->wake);
    (void)pthread_mutex_destroy(&n->lock);
    bs_watch_fini(&n->watch);
    free(n);
    *notifier = NULL;
}
