/*
 * ledger.c - a list of gates that outlive their run.
 */
#include "gateway/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/gating.h"

#define ARENA_MAX (512u << 20)

struct bs_ledger *
bs_ledger_new(void)
{
    struct bs_ledger *l = bs_malloc(sizeof(*l));

    l->refs = 1;
    bs_arena_init(&l->arena, "ledger", ARENA_MAX);
    return l;
}

struct bs_ledger *
bs_ledger_ref(struct bs_ledger *l)
{
    l->refs++;
    return l;
}

void
bs_ledger_unref(struct bs_ledger **lp)
{
    struct bs_ledger *l = *lp;

    *lp = NULL;
    if (l == NULL || --l->refs != 0)
        return;
    bs_assert(l->n_units == 0);
    bs_capture_close(&l->keeper);
    free(l->units);
    bs_arena_fini(&l->arena);
    free(l);
}

void
bs_ledger_add(struct bs_ledger *l, struct bs_gate *g)
{
    if (l->n_units == l->cap) {
        l->cap = l->cap == 0 ? 4 : l->cap * 2;
        l->units = bs_realloc(l->units, l->cap * sizeof(*l->units));
    }
    l->units[l->n_units++] = bs_gate_ref(g);
    g->in_ledger = true;
}

void
bs_ledger_go_back(struct bs_ledger *l, uint64_t moment)
{
    for (size_t i = 0; i < l->n_units; i++) {
        if (l->units[i]->ran_at > moment)
            l->units[i]->undone = true;
    }
}

/* What a plan of rows without tables changes is not known before it has. */
static bool
may_meet(const struct bs_plan *a, const struct bs_plan *b)
{
    if (a->unvetted || b->unvetted || a->n_tables == 0 || b->n_tables == 0)
        return true;
    for (size_t i = 0; i < a->n_tables; i++) {
        for (size_t k = 0; k < b->n_tables; k++) {
            if (a->tables[i].oid == b->tables[k].oid)
                return true;
        }
    }
    return false;
}

bool
bs_ledger_demand(const struct bs_ledger *l, struct bs_gate *g)
{
    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_gate *unit = l->units[i];
        if (bs_ledger_counts(unit) && !unit->waived)
            bs_require_add(&g->require, &unit->require);
    }
    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_gate *unit = l->units[i];
        if (bs_ledger_counts(unit) && unit->captured && unit->require.grade < g->require.grade &&
            may_meet(&unit->plan, &g->plan))
            return false;
    }
    return true;
}

struct bs_require
bs_ledger_require(const struct bs_ledger *l)
{
    struct bs_require all = {0};

    for (size_t i = 0; i < l->n_units; i++) {
        if (!l->units[i]->waived)
            bs_require_add(&all, &l->units[i]->require);
    }
    return all;
}

bool
bs_ledger_counts(const struct bs_gate *g)
{
    return g->in_ledger && !g->undone;
}

bool
bs_ledger_locks(const struct bs_ledger *l)
{
    for (size_t i = 0; i < l->n_units; i++) {
        if (bs_gate_locks(l->units[i]))
            return true;
    }
    return false;
}

bool
bs_ledger_waived(const struct bs_ledger *l)
{
    for (size_t i = 0; i < l->n_units; i++) {
        if (!l->units[i]->waived)
            return false;
    }
    return true;
}

void
bs_ledger_settle(struct bs_ledger *l, struct bs_worker *w)
{
    for (size_t i = 0; i < l->n_units; i++) {
        struct bs_gate *g = l->units[i];
        g->end = g->undone ? BS_END_ROLLED_BACK : l->end;
        g->step = BS_GATE_FINISH;
        g->closes = i + 1 == l->n_units;
        bs_gate_job_finish(w, g, NULL);
        bs_gate_unref(&l->units[i]);
    }
    l->n_units = 0;
}

void
bs_ledger_end(struct bs_relay *r, enum bs_gate_end end)
{
    struct bs_ledger *l = r->ledger;

    r->ledger = NULL;
    if (l == NULL)
        return;
    l->end = end;
    bs_ledger_settle(l, r->s->worker);
    bs_ledger_unref(&l);
}
