/*
 * approved.c - a list: few tickets are approved and not used at a time.
 */
#include "gateway/approved.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/rows.h"

struct entry {
    char ticket[BS_TICKET_ID];
    char actor[BS_NAME_MAX + 1];
    char *database;
    struct entry *next;
};

struct bs_approved {
    pthread_mutex_t lock;
    struct bs_tickets *tickets;
    struct entry *list;
};

static void
drop(struct bs_approved *a, const char *ticket)
{
    for (struct entry **at = &a->list; *at != NULL; at = &(*at)->next) {
        struct entry *e = *at;
        if (strcmp(e->ticket, ticket) != 0)
            continue;
        *at = e->next;
        free(e->database);
        free(e);
        return;
    }
}

static void
add(struct bs_approved *a, const struct bs_ticket *ticket)
{
    struct entry *e = bs_malloc(sizeof(*e));

    (void)snprintf(e->ticket, sizeof(e->ticket), "%s", ticket->id);
    (void)snprintf(e->actor, sizeof(e->actor), "%s", ticket->actor);
    e->database = bs_strdup(ticket->database);
    e->next = a->list;
    a->list = e;
}

/* On whatever thread changed the ticket. */
static void
on_change(const struct bs_ticket *ticket, void *arg)
{
    struct bs_approved *a = arg;

    pthread_mutex_lock(&a->lock);
    drop(a, ticket->id);
    if (ticket->state == BS_TICKET_APPROVED)
        add(a, ticket);
    pthread_mutex_unlock(&a->lock);
}

enum bs_done
bs_approved_look(struct bs_approved *a, struct bs_err *err)
{
    const struct bs_ticket_filter filter = {.states = 1u << BS_TICKET_APPROVED};
    struct bs_ticket *list = NULL;
    struct bs_arena arena;
    enum bs_done done;
    size_t n = 0;

    bs_arena_init(&arena, "approved", 64u << 20);
    done = bs_ticket_list(a->tickets, &filter, &arena, &list, &n, err);
    for (size_t i = 0; done == BS_DONE && i < n; i++)
        on_change(&list[i], a);
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_approved_new(struct bs_tickets *tickets, struct bs_approved **out, struct bs_err *err)
{
    struct bs_approved *a = bs_malloc(sizeof(*a));

    pthread_mutex_init(&a->lock, NULL);
    a->tickets = tickets;
    *out = a;
    if (bs_tickets_subscribe(tickets, on_change, a, err) == BS_DONE &&
        bs_approved_look(a, err) == BS_DONE)
        return BS_DONE;
    bs_approved_free(out);
    return BS_FAILED;
}

void
bs_approved_free(struct bs_approved **a)
{
    if (*a == NULL)
        return;
    bs_tickets_unsubscribe((*a)->tickets, on_change, *a);
    while ((*a)->list != NULL)
        drop(*a, (*a)->list->ticket);
    pthread_mutex_destroy(&(*a)->lock);
    free(*a);
    *a = NULL;
}

bool
bs_approved_any(struct bs_approved *a, const char *actor, const char *database)
{
    bool any = false;

    pthread_mutex_lock(&a->lock);
    for (const struct entry *e = a->list; e != NULL && !any; e = e->next)
        any = strcmp(e->actor, actor) == 0 && strcmp(e->database, database) == 0;
    pthread_mutex_unlock(&a->lock);
    return any;
}
