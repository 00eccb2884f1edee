/*
 * held.c - statements that wait for an approval. A ticket stands for one exact statement with its exact
 * parameters, which a model may not give again letter by letter; so it is remembered here, in memory, for
 * its own credential, within limits. Where it has been forgotten, the caller gives it again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mcp/actor.h"

#define HELD_MAX  32
#define BYTES_MAX ((size_t)1 << 20) /* of a statement; a longer one is not remembered */

struct bs_mcp_held {
    char ticket[64];
    json_t *order;
    int64_t put_us;           /* bs_mono_us */
    struct bs_mcp_held *next; /* an older one */
};

static void
drop(struct bs_mcp_held *h)
{
    json_decref(h->order);
    free(h);
}

/* Under the lock: out of the list; NULL: not there. */
static struct bs_mcp_held *
take(struct bs_mcp_actor *a, const char *ticket)
{
    struct bs_mcp_held **at;
    struct bs_mcp_held *h;

    for (at = &a->held; (h = *at) != NULL && strcmp(h->ticket, ticket) != 0; at = &h->next)
        continue;
    if (h != NULL)
        *at = h->next;
    return h;
}

/* Under the lock: the oldest ones beyond the limit. */
static struct bs_mcp_held *
take_beyond(struct bs_mcp_actor *a)
{
    struct bs_mcp_held **at = &a->held;
    struct bs_mcp_held *rest;

    for (size_t n = 0; *at != NULL && n < HELD_MAX; n++)
        at = &(*at)->next;
    rest = *at;
    *at = NULL;
    return rest;
}

static void
drop_all(struct bs_mcp_held *list)
{
    struct bs_mcp_held *h;

    while ((h = list) != NULL) {
        list = h->next;
        drop(h);
    }
}

void
bs_mcp_held_put(struct bs_mcp_actor *actor, const char *ticket, const struct bs_mcp_order *order)
{
    struct bs_mcp_held *h, *same, *rest;
    json_t *params = order->params == NULL ? NULL : json_deep_copy(order->params);

    if (strlen(order->sql) > BYTES_MAX || strlen(ticket) >= sizeof(h->ticket)) {
        json_decref(params);
        return;
    }
    h = bs_malloc(sizeof(*h));
    (void)memcpy(h->ticket, ticket, strlen(ticket) + 1);
    h->order = json_pack("{s:s,s:o*,s:s*,s:I}", "sql", order->sql, "params", params, "database",
                         order->database, "max_rows", (json_int_t)order->max_rows);
    h->put_us = bs_mono_us();
    (void)pthread_mutex_lock(&actor->lock);
    same = take(actor, ticket);
    h->next = actor->held;
    actor->held = h;
    rest = take_beyond(actor);
    (void)pthread_mutex_unlock(&actor->lock);
    if (same != NULL)
        drop(same);
    drop_all(rest);
}

json_t *
bs_mcp_held_find(struct bs_mcp_actor *actor, const char *ticket)
{
    json_t *order = NULL;

    (void)pthread_mutex_lock(&actor->lock);
    for (struct bs_mcp_held *h = actor->held; h != NULL; h = h->next) {
        if (strcmp(h->ticket, ticket) == 0)
            order = json_deep_copy(h->order);
    }
    (void)pthread_mutex_unlock(&actor->lock);
    return order;
}

void
bs_mcp_held_drop(struct bs_mcp_actor *actor, const char *ticket)
{
    struct bs_mcp_held *h;

    (void)pthread_mutex_lock(&actor->lock);
    h = take(actor, ticket);
    (void)pthread_mutex_unlock(&actor->lock);
    if (h != NULL)
        drop(h);
}

void
bs_mcp_held_tend(struct bs_mcp_actor *actor, int64_t before_us)
{
    struct bs_mcp_held **at, *old;

    (void)pthread_mutex_lock(&actor->lock);
    for (at = &actor->held; *at != NULL && (*at)->put_us >= before_us; at = &(*at)->next)
        continue;
    old = *at;
    *at = NULL;
    (void)pthread_mutex_unlock(&actor->lock);
    drop_all(old);
}

void
bs_mcp_held_free(struct bs_mcp_actor *actor)
{
    drop_all(actor->held);
    actor->held = NULL;
}

bool
bs_mcp_claim(struct bs_mcp_actor *actor, struct bs_mcp_claim *claim)
{
    struct bs_mcp_claim *c;

    (void)pthread_mutex_lock(&actor->lock);
    for (c = actor->claims; c != NULL && strcmp(c->ticket, claim->ticket) != 0; c = c->next)
        continue;
    if (c == NULL) {
        claim->next = actor->claims;
        actor->claims = claim;
    }
    (void)pthread_mutex_unlock(&actor->lock);
    return c == NULL;
}

void
bs_mcp_claim_release(struct bs_mcp_actor *actor, struct bs_mcp_claim *claim)
{
    struct bs_mcp_claim **at;

    (void)pthread_mutex_lock(&actor->lock);
    for (at = &actor->claims; *at != claim; at = &(*at)->next)
        continue;
    *at = claim->next;
    (void)pthread_mutex_unlock(&actor->lock);
}
