/*
 * events.c - a ring of events with ever higher numbers, and for each stream the number it is at.
 *
 * An id is "start.number"; `start` is of this process, so that a number from before a restart is
 * not taken for one of now.
 */
#include "api/events.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"

#define KEPT      1024 /* events */
#define STREAMS   64
#define EVENT_MAX 4096               /* bytes of one, as it is sent */
#define TEXT_MAX  3072               /* of its type and what it says */
#define LOOK_US   ((int64_t)1000000) /* until who watches is looked at again */
#define BEAT_US   ((int64_t)5 * 1000000)
#define LIFE_US   ((int64_t)60 * 1000000)

struct bs_stream {
    struct bs_events *events;
    struct bs_watcher who;
    uint64_t number; /* no other one has it */
    bool ended;      /* whoever watched may not any more */
    struct bs_stream_wait wait;
    uint64_t next; /* number of the event to send */
    bool reset;    /* it has missed some */
    bool asleep;
    int64_t opened_us;
    int64_t sent_us; /* last bytes */
    char text[EVENT_MAX];
    size_t n, at; /* of the text, and what of it is sent */
};

struct event {
    const char *type; /* constant */
    char *text;
};

struct bs_events {
    struct bs_tickets *tickets;
    char start[BS_ULID_TEXT];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t beat;
    bs_events_may_fn *may; /* NULL: nobody is asked */
    void *may_ctx;
    uint64_t opened; /* streams, ever */
    bool ending;
    uint64_t next; /* number of the next event; the first is 1 */
    struct event ring[KEPT];
    struct bs_stream *streams[STREAMS];
};

/* --- what happens -------------------------------------------------------------------------- */

static void
wake_all(struct bs_events *e)
{
    for (size_t i = 0; i < STREAMS; i++) {
        struct bs_stream *s = e->streams[i];
        if (s == NULL || !s->asleep)
            continue;
        s->asleep = false;
        s->wait.wake(s->wait.ctx);
    }
}

/* What an operator's list needs; the rest is asked for. */
static void
on_ticket(const struct bs_ticket *t, void *arg)
{
    json_t *o = json_pack("{s:s,s:s,s:s*,s:s*,s:s*,s:I}", "id", t->id, "state",
                          bs_ticket_state_name(t->state), "actor", t->actor, "database",
                          t->database, "risk", t->risk, "asked", (json_int_t)t->asked);

    bs_events_tell(arg, "ticket", o);
    json_decref(o);
}

void
bs_events_tell(struct bs_events *e, const char *type, const json_t *what)
{
    char *text = what == NULL ? NULL : json_dumps(what, JSON_COMPACT);

    if (text == NULL)
        return;
    bs_assert(strlen(type) + strlen(text) < TEXT_MAX);
    (void)pthread_mutex_lock(&e->lock);
    free(e->ring[e->next % KEPT].text);
    e->ring[e->next++ % KEPT] = (struct event){type, text};
    wake_all(e);
    (void)pthread_mutex_unlock(&e->lock);
}

/* Who watches by stream `i`, where one is open. */
static bool
watcher_of(struct bs_events *e, size_t i, struct bs_watcher *who, uint64_t *number)
{
    const struct bs_stream *s;

    (void)pthread_mutex_lock(&e->lock);
    s = e->may == NULL ? NULL : e->streams[i];
    if (s != NULL) {
        *who = s->who;
        *number = s->number;
    }
    (void)pthread_mutex_unlock(&e->lock);
    return s != NULL;
}

/* Another stream may be in its place by now. */
static void
end_stream(struct bs_events *e, size_t i, uint64_t number)
{
    (void)pthread_mutex_lock(&e->lock);
    if (e->streams[i] != NULL && e->streams[i]->number == number)
        e->streams[i]->ended = true;
    (void)pthread_mutex_unlock(&e->lock);
}

static void
look_who_watches(struct bs_events *e)
{
    for (size_t i = 0; i < STREAMS; i++) {
        struct bs_watcher who = {0};
        uint64_t number;
        if (watcher_of(e, i, &who, &number) && !e->may(e->may_ctx, &who))
            end_stream(e, i, number);
        bs_wipe(&who, sizeof(who));
    }
}

/* Silence would not show that a client has gone, nor to the client that we have. */
static void *
beat(void *arg)
{
    struct bs_events *e = arg;

    (void)pthread_mutex_lock(&e->lock);
    while (!e->ending) {
        int64_t until_us = bs_now_us() + LOOK_US;
        struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
        (void)pthread_cond_timedwait(&e->changed, &e->lock, &until);
        (void)pthread_mutex_unlock(&e->lock);
        look_who_watches(e);
        (void)pthread_mutex_lock(&e->lock);
        wake_all(e);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return NULL;
}

void
bs_events_ask(struct bs_events *e, bs_events_may_fn *may, void *ctx)
{
    (void)pthread_mutex_lock(&e->lock);
    e->may_ctx = ctx;
    e->may = may;
    (void)pthread_mutex_unlock(&e->lock);
}

enum bs_done
bs_events_new(struct bs_tickets *tickets, struct bs_events **out, struct bs_err *err)
{
    struct bs_events *e = bs_malloc(sizeof(*e));

    *out = NULL;
    e->tickets = tickets;
    e->next = 1;
    bs_ulid_new(e->start);
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_cond_init(&e->changed, NULL);
    if (bs_tickets_subscribe(tickets, on_ticket, e, err) != BS_DONE) {
        free(e);
        return BS_FAILED;
    }
    if (pthread_create(&e->beat, NULL, beat, e) != 0) {
        bs_tickets_unsubscribe(tickets, on_ticket, e);
        free(e);
        return BS_FAIL(err, UNAVAILABLE, "no thread for the streams of events");
    }
    *out = e;
    return BS_DONE;
}

void
bs_events_end(struct bs_events *e)
{
    if (e->ending)
        return;
    bs_tickets_unsubscribe(e->tickets, on_ticket, e);
    (void)pthread_mutex_lock(&e->lock);
    e->ending = true;
    wake_all(e);
    (void)pthread_cond_signal(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_join(e->beat, NULL);
}

void
bs_events_free(struct bs_events **e)
{
    if (*e == NULL)
        return;
    bs_events_end(*e);
    for (size_t i = 0; i < KEPT; i++)
        free((*e)->ring[i].text);
    (void)pthread_cond_destroy(&(*e)->changed);
    (void)pthread_mutex_destroy(&(*e)->lock);
    free(*e);
    *e = NULL;
}

/* --- who watches --------------------------------------------------------------------------- */

static uint64_t
oldest(const struct bs_events *e)
{
    return e->next > KEPT ? e->next - KEPT : 1;
}

/* Where a client that has seen `last` goes on. */
static void
resume(const struct bs_events *e, const char *last, struct bs_stream *s)
{
    size_t n = strlen(e->start);
    uint64_t seen;

    s->next = e->next;
    if (last == NULL)
        return;
    s->reset = true;
    if (strncmp(last, e->start, n) != 0 || last[n] != '.')
        return;
    seen = strtoull(last + n + 1, NULL, 10);
    if (seen + 1 < oldest(e) || seen >= e->next)
        return;
    s->next = seen + 1;
    s->reset = false;
}

enum bs_done
bs_stream_open(struct bs_events *e,
               const struct bs_watcher *who,
               const char *last,
               struct bs_stream **out,
               struct bs_err *err)
{
    struct bs_stream *s = NULL;

    (void)pthread_mutex_lock(&e->lock);
    for (size_t i = 0; s == NULL && i < STREAMS; i++) {
        if (e->streams[i] == NULL)
            s = e->streams[i] = bs_malloc(sizeof(*s));
    }
    if (s != NULL) {
        s->events = e;
        s->who = *who;
        s->number = ++e->opened;
        s->opened_us = bs_mono_us();
        resume(e, last, s);
    }
    (void)pthread_mutex_unlock(&e->lock);
    *out = s;
    return s != NULL ? BS_DONE : BS_FAIL(err, TOO_OFTEN, "%d clients watch already", STREAMS);
}

void
bs_stream_close(struct bs_stream **s)
{
    struct bs_events *e;

    if (*s == NULL)
        return;
    e = (*s)->events;
    (void)pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < STREAMS; i++) {
        if (e->streams[i] == *s)
            e->streams[i] = NULL;
    }
    (void)pthread_mutex_unlock(&e->lock);
    bs_wipe(&(*s)->who, sizeof((*s)->who));
    free(*s);
    *s = NULL;
}

void
bs_stream_waits(struct bs_stream *s, struct bs_stream_wait wait)
{
    (void)pthread_mutex_lock(&s->events->lock);
    s->wait = wait;
    (void)pthread_mutex_unlock(&s->events->lock);
}

/* The next text of a stream, where there is one. */
static void
fill(struct bs_stream *s, int64_t now_us)
{
    const struct bs_events *e = s->events;
    int n = 0;

    if (s->next < oldest(e)) {
        s->reset = true;
        s->next = e->next;
    }
    if (s->reset)
        n = snprintf(s->text, EVENT_MAX, "id: %s.%" PRIu64 "\nevent: reset\ndata: {}\n\n", e->start,
                     s->next - 1);
    else if (s->next < e->next)
        n = snprintf(s->text, EVENT_MAX, "id: %s.%" PRIu64 "\nevent: %s\ndata: %s\n\n", e->start,
                     s->next, e->ring[s->next % KEPT].type, e->ring[s->next % KEPT].text);
    else if (now_us - s->sent_us >= BEAT_US)
        n = snprintf(s->text, EVENT_MAX, ":\n\n");
    bs_assert(n >= 0 && n < EVENT_MAX);
    if (!s->reset && s->next < e->next)
        s->next++;
    s->reset = false;
    s->n = (size_t)n;
    s->at = 0;
}

int64_t
bs_stream_read(struct bs_stream *s, char *out, size_t room)
{
    struct bs_events *e = s->events;
    int64_t now_us = bs_mono_us();
    bool over;
    size_t n;

    (void)pthread_mutex_lock(&e->lock);
    over = e->ending || s->ended || now_us - s->opened_us >= LIFE_US;
    if (s->at == s->n && !over)
        fill(s, now_us);
    n = s->n - s->at < room ? s->n - s->at : room;
    memcpy(out, s->text + s->at, n);
    s->at += n;
    s->asleep = n == 0 && !over;
    if (s->asleep)
        s->wait.sleep(s->wait.ctx);
    if (n != 0)
        s->sent_us = now_us;
    (void)pthread_mutex_unlock(&e->lock);
    return n == 0 && over ? -1 : (int64_t)n;
}
