/*
 * progress.c - a short list behind a lock; the numbers are the captures' own atomics.
 */
#include "gateway/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/gating.h"
#include "wire/messages.h"

struct bs_progress {
    pthread_mutex_t lock;
    struct bs_progress_entry *list;
};

struct bs_progress *
bs_progress_new(void)
{
    struct bs_progress *p = bs_malloc(sizeof(*p));

    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void
bs_progress_free(struct bs_progress **p)
{
    if (*p == NULL)
        return;
    bs_assert((*p)->list == NULL);
    pthread_mutex_destroy(&(*p)->lock);
    free(*p);
    *p = NULL;
}

void
bs_progress_enter(struct bs_progress *p, struct bs_progress_entry *e)
{
    e->began_us = bs_mono_us();
    pthread_mutex_lock(&p->lock);
    e->next = p->list;
    p->list = e;
    pthread_mutex_unlock(&p->lock);
}

void
bs_progress_leave(struct bs_progress *p, struct bs_progress_entry *e)
{
    pthread_mutex_lock(&p->lock);
    for (struct bs_progress_entry **at = &p->list; *at != NULL; at = &(*at)->next) {
        if (*at == e) {
            *at = e->next;
            break;
        }
    }
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. */
static json_t *
entry_json(const struct bs_progress_entry *e)
{
    struct bs_capture_progress at;
    int64_t now = bs_mono_us();
    json_t *o;

    bs_capture_progress(e->capture, &at);
    o = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s, s:I, s:I, s:I, s:I, s:I, s:f}", "ticket",
                  e->ticket, "schedule", e->schedule, "actor", e->actor, "database", e->database,
                  "phase", bs_capture_phase_name(at.phase), "rows", (json_int_t)at.rows, "bytes",
                  (json_int_t)at.raw_bytes, "of", (json_int_t)at.est_bytes, "stored_bytes",
                  (json_int_t)at.stored_bytes, "proven_bytes", (json_int_t)at.proven_bytes,
                  "seconds", (double)(now - e->began_us) / 1e6);
    if (e->budget_us != 0)
        (void)json_object_set_new(o, "seconds_left", json_real((double)(e->budget_us - now) / 1e6));
    return o;
}

json_t *
bs_progress_of(struct bs_progress *p, const char *ticket)
{
    json_t *o = NULL;

    pthread_mutex_lock(&p->lock);
    for (const struct bs_progress_entry *e = p->list; e != NULL && o == NULL; e = e->next) {
        if (e->ticket != NULL && strcmp(e->ticket, ticket) == 0)
            o = entry_json(e);
    }
    pthread_mutex_unlock(&p->lock);
    return o;
}

json_t *
bs_progress_all(struct bs_progress *p)
{
    json_t *list = json_array();

    pthread_mutex_lock(&p->lock);
    for (const struct bs_progress_entry *e = p->list; e != NULL; e = e->next)
        (void)json_array_append_new(list, entry_json(e));
    pthread_mutex_unlock(&p->lock);
    return list;
}

void
bs_progress_notify(struct bs_relay *r)
{
    const struct bs_gate *g = r->gate;
    struct bs_capture_progress at = {0};
    char message[256];
    struct bs_buf b;

    if (g->capture != NULL)
        bs_capture_progress(g->capture, &at);
    (void)snprintf(
        message, sizeof(message),
        "the recovery point is being made: %s, %lld rows and %lld bytes of about %lld so "
        "far",
        bs_capture_phase_name(at.phase), (long long)at.rows, (long long)at.raw_bytes,
        (long long)at.est_bytes);
    bs_buf_init(&b, 1024);
    bs_msg_put_notice(&b, &(struct bs_report){"NOTICE", "00000", message, NULL,
                                              "The statement runs once it is stored and proven."});
    bs_relay_to_client(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}
