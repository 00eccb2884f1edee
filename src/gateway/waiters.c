/*
 * waiters.c - a list: few statements are held at a time, and decisions are rare.
 */
#include "gateway/waiters.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/door.h"
#include "gateway/gate.h"
#include "gateway/running.h"
#include "gateway/worker.h"

#define ARENA_MAX (64u << 20)

struct waiter {
    char ticket[BS_TICKET_ID];
    char session[BS_ULID_TEXT];
    struct bs_worker *worker;
    struct waiter *next;
};

struct bs_waiters {
    pthread_mutex_t lock;
    struct bs_tickets *tickets;
    struct waiter *list;
};

struct waited {
    char ticket[BS_TICKET_ID];
};

/* What is posted to a worker. */
struct wake {
    char ticket[BS_TICKET_ID];
    char session[BS_ULID_TEXT];
};

static void
decided(struct bs_relay *r, void *arg)
{
    const struct wake *w = arg;

    if (r->mode == BS_MODE_DOOR)
        bs_door_decided(r, w->ticket);
    else
        bs_gate_decided(r, w->ticket);
}

static void
wake_session(struct bs_worker *worker, void *arg)
{
    struct wake *w = arg;
    struct bs_session *s = bs_worker_session(worker, w->session);

    if (s != NULL)
        bs_relay_act(s, decided, w);
    free(w);
}

/* The lock is held. */
static void
wake_up(const struct waiter *w)
{
    struct wake *wake = bs_malloc(sizeof(*wake));

    memcpy(wake->ticket, w->ticket, sizeof(wake->ticket));
    memcpy(wake->session, w->session, sizeof(wake->session));
    bs_worker_post(w->worker, wake_session, wake);
}

/* On whatever thread changed the ticket. Nobody is woken for what is still pending: each look costs the
 * session memory until its statement ends. */
static void
on_change(const struct bs_ticket *ticket, void *arg)
{
    struct bs_waiters *all = arg;

    if (ticket->state == BS_TICKET_PENDING)
        return;
    pthread_mutex_lock(&all->lock);
    for (struct waiter *w = all->list; w != NULL; w = w->next) {
        if (strcmp(w->ticket, ticket->id) == 0)
            wake_up(w);
    }
    pthread_mutex_unlock(&all->lock);
}

/* What is waited for now; malloc-ed. */
static struct waited *
copy_ids(struct bs_waiters *all, size_t *n)
{
    struct waited *ids;
    size_t count = 0;

    pthread_mutex_lock(&all->lock);
    for (const struct waiter *w = all->list; w != NULL; w = w->next)
        count++;
    ids = bs_malloc((count + 1) * sizeof(*ids));
    *n = 0;
    for (const struct waiter *w = all->list; w != NULL; w = w->next)
        memcpy(ids[(*n)++].ticket, w->ticket, sizeof(ids->ticket));
    pthread_mutex_unlock(&all->lock);
    return ids;
}

void
bs_waiters_look(struct bs_waiters *all)
{
    struct bs_arena arena;
    struct bs_ticket ticket;
    struct bs_err err = {0};
    size_t n;
    struct waited *ids = copy_ids(all, &n);
    enum bs_done done = BS_DONE;

    bs_arena_init(&arena, "a ticket that is waited for", ARENA_MAX);
    for (size_t i = 0; done == BS_DONE && i < n; i++) {
        bs_arena_reset(&arena);
        done = bs_ticket_get(all->tickets, ids[i].ticket, &arena, &ticket, &err);
        if (done == BS_DONE)
            on_change(&ticket, all);
    }
    bs_arena_fini(&arena);
    free(ids);
}

enum bs_done
bs_waiters_new(struct bs_tickets *tickets, struct bs_waiters **out, struct bs_err *err)
{
    struct bs_waiters *w = bs_malloc(sizeof(*w));

    pthread_mutex_init(&w->lock, NULL);
    w->tickets = tickets;
    if (bs_tickets_subscribe(tickets, on_change, w, err) != BS_DONE) {
        pthread_mutex_destroy(&w->lock);
        free(w);
        return BS_FAILED;
    }
    *out = w;
    return BS_DONE;
}

void
bs_waiters_free(struct bs_waiters **w)
{
    if (*w == NULL)
        return;
    bs_tickets_unsubscribe((*w)->tickets, on_change, *w);
    while ((*w)->list != NULL) {
        struct waiter *next = (*w)->list->next;
        free((*w)->list);
        (*w)->list = next;
    }
    pthread_mutex_destroy(&(*w)->lock);
    free(*w);
    *w = NULL;
}

void
bs_waiters_add(struct bs_waiters *all, struct bs_session *s, const char *ticket)
{
    struct waiter *w = bs_malloc(sizeof(*w));

    (void)snprintf(w->ticket, sizeof(w->ticket), "%s", ticket);
    (void)snprintf(w->session, sizeof(w->session), "%s", s->id);
    w->worker = s->worker;
    pthread_mutex_lock(&all->lock);
    w->next = all->list;
    all->list = w;
    pthread_mutex_unlock(&all->lock);
}

void
bs_waiters_remove(struct bs_waiters *all, struct bs_session *s)
{
    pthread_mutex_lock(&all->lock);
    for (struct waiter **at = &all->list; *at != NULL;) {
        struct waiter *w = *at;
        if (strcmp(w->session, s->id) != 0) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        free(w);
    }
    pthread_mutex_unlock(&all->lock);
}
