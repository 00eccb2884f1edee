/*
 * late.c - a list; there are only as many as statements ended while the state did not answer.
 */
#include "gateway/late.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

struct entry {
    char ticket[BS_TICKET_ID];
    enum bs_ticket_state end;
    char *point, *detail;
    struct entry *next;
};

struct bs_late {
    pthread_mutex_t lock;
    struct bs_tickets *tickets;
    struct entry *list;
};

struct bs_late *
bs_late_new(struct bs_tickets *tickets)
{
    struct bs_late *l = bs_malloc(sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    l->tickets = tickets;
    return l;
}

static void
put(struct bs_late *l, struct entry *e)
{
    pthread_mutex_lock(&l->lock);
    e->next = l->list;
    l->list = e;
    pthread_mutex_unlock(&l->lock);
}

static struct entry *
take(struct bs_late *l)
{
    struct entry *e;

    pthread_mutex_lock(&l->lock);
    e = l->list;
    if (e != NULL)
        l->list = e->next;
    pthread_mutex_unlock(&l->lock);
    return e;
}

static void
free_entry(struct entry *e)
{
    free(e->point);
    free(e->detail);
    free(e);
}

void
bs_late_put(struct bs_late *l,
            const char *ticket,
            enum bs_ticket_state end,
            const char *point,
            const char *detail)
{
    struct entry *e = bs_malloc(sizeof(*e));

    (void)snprintf(e->ticket, sizeof(e->ticket), "%s", ticket);
    e->end = end;
    e->point = bs_strdup(point);
    e->detail = bs_strdup(detail);
    put(l, e);
}

/* False where the state may take it later. */
static bool
finish(struct bs_late *l, const struct entry *e)
{
    struct bs_err err = {0};

    if (bs_ticket_finish(l->tickets, e->ticket, e->end, e->point, e->detail, &err) == BS_DONE)
        return true;
    if (err.code != BS_E_CONFLICT && err.code != BS_E_NOT_FOUND)
        return false;
    BS_LOG(WARNING, "the ticket has ended in another way", BS_F_STR("ticket", e->ticket),
           BS_F_STR("reason", err.message));
    return true;
}

void
bs_late_settle(struct bs_late *l)
{
    struct entry *e;

    while ((e = take(l)) != NULL) {
        if (!finish(l, e)) {
            put(l, e);
            return;
        }
        free_entry(e);
    }
}

void
bs_late_free(struct bs_late **lp)
{
    struct bs_late *l = *lp;
    struct entry *e;

    if (l == NULL)
        return;
    while ((e = take(l)) != NULL)
        free_entry(e);
    pthread_mutex_destroy(&l->lock);
    free(l);
    *lp = NULL;
}
