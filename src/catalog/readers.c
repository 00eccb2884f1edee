/*
 * readers.c - what reading a relation runs, whoever reads it runs: views, policies, parents.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/tainting.h"

/* Who reads each relation: along views, policies, partitions and children, backwards. */
struct readers {
    uint32_t *from; /* of relation i: readers[from[i]] to readers[from[i + 1] - 1] */
    uint32_t *readers;
    uint32_t *queue; /* relations whose readers are to be told */
    bool *queued;
    size_t n;
};

static void
count_readers(const struct bs_pairs *p, struct readers *out)
{
    for (size_t i = 0; i < p->n; i++)
        out->from[p->list[i].to + 1]++;
}

static void
put_readers(const struct bs_pairs *p, struct readers *out, uint32_t *at)
{
    for (size_t i = 0; i < p->n; i++)
        out->readers[at[p->list[i].to]++] = p->list[i].from;
}

static void
list_readers(struct bs_build *b, struct readers *out)
{
    size_t n = b->s->n_relations;
    uint32_t *at = bs_malloc((n + 1) * sizeof(*at));

    out->from = bs_malloc((n + 2) * sizeof(*out->from));
    out->readers = bs_malloc((b->reads.n + b->children.n + 1) * sizeof(*out->readers));
    out->queue = bs_malloc((n + 1) * sizeof(*out->queue));
    out->queued = bs_malloc((n + 1) * sizeof(*out->queued));
    count_readers(&b->reads, out);
    count_readers(&b->children, out);
    for (size_t i = 0; i < n; i++)
        out->from[i + 1] += out->from[i];
    memcpy(at, out->from, n * sizeof(*at));
    put_readers(&b->reads, out, at);
    put_readers(&b->children, out, at);
    free(at);
}

static void
enqueue(struct readers *l, uint32_t place)
{
    if (l->queued[place])
        return;
    l->queued[place] = true;
    l->queue[l->n++] = place;
}

/* What one reads, one's readers read. True where that made it worse for them. */
static bool
tell_reader(struct bs_build *b, uint32_t place, uint32_t reader)
{
    const struct bs_relation *to = &b->s->relations[place];
    struct bs_relation *from = &b->s->relations[reader];
    enum bs_use use = from->relkind == 'm' ? BS_USE_REFRESH : BS_USE_READ;
    enum bs_risk was = from->use[use].risk;
    size_t ran = from->use[use].n_runs;

    bs_build_worsen_use(b, from, use, to->use[BS_USE_READ]);
    return use == BS_USE_READ && (from->use[use].risk != was || from->use[use].n_runs != ran);
}

/* Each relation when all that it reads have been told about: once is enough then. */
static void
spread_in_order(struct bs_build *b, struct readers *l)
{
    size_t n = b->s->n_relations;
    uint32_t *waits_for = bs_malloc((n + 1) * sizeof(*waits_for));

    for (uint32_t i = 0; i < l->from[n]; i++)
        waits_for[l->readers[i]]++;
    for (uint32_t i = 0; i < n; i++) {
        if (waits_for[i] == 0 && l->from[i] != l->from[i + 1])
            enqueue(l, i);
    }
    while (l->n != 0) {
        uint32_t place = l->queue[--l->n];
        for (uint32_t i = l->from[place]; i < l->from[place + 1]; i++) {
            (void)tell_reader(b, place, l->readers[i]);
            if (--waits_for[l->readers[i]] == 0)
                enqueue(l, l->readers[i]);
        }
    }
    memset(l->queued, 0, n * sizeof(*l->queued));
    for (uint32_t i = 0; i < n; i++) {
        if (waits_for[i] != 0)
            enqueue(l, i); /* of a circle, or behind one */
    }
    free(waits_for);
}

void
bs_tainting_spread(struct bs_build *b)
{
    struct readers l = {0};

    list_readers(b, &l);
    spread_in_order(b, &l);
    while (l.n != 0) {
        uint32_t place = l.queue[--l.n];
        l.queued[place] = false;
        for (uint32_t i = l.from[place]; i < l.from[place + 1]; i++) {
            if (tell_reader(b, place, l.readers[i]))
                enqueue(&l, l.readers[i]);
        }
    }
    free(l.from);
    free(l.readers);
    free(l.queue);
    free(l.queued);
}
