/*
 * replies.c - a ring that doubles; pipelines of thousands of statements are ordinary.
 */
#include "gateway/replies.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/caps.h"
#include "gateway/refusal.h"

#define RING_LEAST 4 /* a power of two, as all sizes of a ring */
#define RING_KEPT  16

static struct bs_reply *
entry(struct bs_replies *r, size_t i)
{
    return &r->ring[(r->head + i) & (r->cap - 1)];
}

void
bs_replies_name(struct bs_replies *r, struct bs_reply *reply, struct bs_prepared *prepared)
{
    struct bs_prepared **at = &reply->prepared;

    while (*at != NULL)
        at = &(*at)->next;
    *at = prepared;
    r->naming++;
}

struct bs_prepared *
bs_replies_named(struct bs_replies *r, struct bs_reply *reply)
{
    struct bs_prepared *first = reply->prepared;

    if (first == NULL)
        return NULL;
    reply->prepared = first->next;
    first->next = NULL;
    r->naming--;
    return first;
}

static void
drop_entry(struct bs_replies *r, struct bs_reply *e)
{
    struct bs_prepared *p;

    while ((p = bs_replies_named(r, e)) != NULL)
        bs_prepared_unref(&p);
    bs_effects_free(&e->effects);
    bs_refusal_free(&e->refusal);
    bs_caps_free(&e->caps);
    *e = (struct bs_reply){0};
}

void
bs_replies_fini(struct bs_replies *r)
{
    while (r->n != 0)
        bs_replies_pop(r);
    free(r->ring);
    *r = (struct bs_replies){0};
}

struct bs_reply *
bs_replies_push(struct bs_replies *r, enum bs_reply_kind kind)
{
    struct bs_reply *e;

    bs_assert(r->n < BS_REPLIES_MAX + BS_REPLIES_SERIES);
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? RING_LEAST : r->cap * 2;
        struct bs_reply *ring = bs_malloc(cap * sizeof(*ring));
        for (size_t i = 0; i < r->n; i++)
            ring[i] = *entry(r, i);
        free(r->ring);
        r->ring = ring;
        r->cap = cap;
        r->head = 0;
    }
    e = entry(r, r->n++);
    *e = (struct bs_reply){.kind = kind};
    return e;
}

struct bs_reply *
bs_replies_at(struct bs_replies *r, size_t i)
{
    return i < r->n ? entry(r, i) : NULL;
}

struct bs_reply *
bs_replies_head(struct bs_replies *r)
{
    return bs_replies_at(r, 0);
}

void
bs_replies_pop(struct bs_replies *r)
{
    bs_assert(r->n != 0);
    drop_entry(r, entry(r, 0));
    r->head = (r->head + 1) & (r->cap - 1);
    r->n--;
    if (r->n == 0 && r->cap > RING_KEPT) { /* an idle session keeps little */
        free(r->ring);
        *r = (struct bs_replies){0};
    }
}

void
bs_replies_remove(struct bs_replies *r, size_t i)
{
    bs_assert(i < r->n);
    drop_entry(r, entry(r, i));
    for (; i + 1 < r->n; i++)
        *entry(r, i) = *entry(r, i + 1);
    *entry(r, r->n - 1) = (struct bs_reply){0};
    r->n--;
}

static bool
gives(const struct bs_reply *e, struct bs_bytes name)
{
    const struct bs_prepared *p = e->prepared;

    while (p != NULL && !bs_bytes_equal(bs_bytes_of(p->name), name))
        p = p->next;
    return p != NULL;
}

/*
 * A name must never be judged by a Parse that may fail: the server could still have an older
 * statement of that name (42P05). Within one series that cannot do harm, since the failure makes
 * the server skip what follows.
 */
enum bs_pending
bs_replies_pending(struct bs_replies *r, struct bs_bytes name, struct bs_prepared **out)
{
    bool same_series = true;

    for (size_t i = r->n; r->naming != 0 && i-- > 0;) {
        struct bs_reply *e = entry(r, i);
        if (e->kind == BS_REPLY_SYNC)
            same_series = false;
        if (!gives(e, name))
            continue;
        if (e->kind != BS_REPLY_PARSE || !same_series)
            return BS_PENDING_UNSURE;
        *out = e->prepared;
        return BS_PENDING_PARSE;
    }
    return BS_PENDING_NONE;
}
