/*
 * unite.c - the plans of all texts of a unit as one: what is needed by any is made.
 */
#include "gateway/gating.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/reload.h"
#include "recovery/plan_alter.h"

static int
by_oid(const void *a, const void *b)
{
    uint32_t x = ((const struct bs_plan_table *)a)->oid;
    uint32_t y = ((const struct bs_plan_table *)b)->oid;

    return (x > y) - (x < y);
}

static bool
unite_table(struct bs_gate *g, struct bs_plan_table *have, const struct bs_plan_table *more)
{
    bool united = bs_plan_unite_columns(have, more, &g->arena);

    have->exclusive |= more->exclusive;
    have->rewrites |= more->rewrites;
    if (have->shape && !more->shape) {
        have->kind = more->kind;
        have->reach = more->reach;
        have->shape = false;
    }
    return united;
}

/* Sorts the tables by oid, the order in which everyone locks, and makes each appear once. */
static enum bs_done
unite_tables(struct bs_gate *g, struct bs_err *err)
{
    struct bs_plan *plan = &g->plan;
    bool full = false;
    size_t n = 0;

    if (plan->n_tables < 2)
        return BS_DONE;
    qsort(plan->tables, plan->n_tables, sizeof(*plan->tables), by_oid);
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (n != 0 && plan->tables[n - 1].oid == plan->tables[i].oid)
            full |= !unite_table(g, &plan->tables[n - 1], &plan->tables[i]);
        else
            plan->tables[n++] = plan->tables[i];
    }
    plan->n_tables = n;
    return full ? BS_FAIL(err, LIMIT, "the unit touches too many tables") : BS_DONE;
}

/* What they name, and what of the cluster they are about; nothing of that stands for all of it. */
static enum bs_done
unite_named(struct bs_gate *g, struct bs_plan *plan)
{
    size_t n = 0, n_about = 0;
    bool any = false;

    for (size_t i = 0; i < g->n_items; i++) {
        n += g->items[i].verdict->plan.n_named;
        n_about += g->items[i].verdict->plan.n_about;
    }
    plan->named = bs_arena_array(&g->arena, n + 1, sizeof(*plan->named));
    plan->about = bs_arena_array(&g->arena, n_about + 1, sizeof(*plan->about));
    if (plan->named == NULL || plan->about == NULL)
        return BS_FAILED;
    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_plan *p = &g->items[i].verdict->plan;
        any = any || (p->globals != 0 && p->n_about == 0);
        for (size_t k = 0; k < p->n_named; k++)
            plan->named[plan->n_named++] = p->named[k];
        for (size_t k = 0; k < p->n_about; k++)
            plan->about[plan->n_about++] = p->about[k];
    }
    if (any)
        plan->n_about = 0;
    return BS_DONE;
}

/* Nothing is kept, whatever the plans say: a waived one never says that nothing is lost. */
static const char *
why_waived(struct bs_gate *g, const char *refused)
{
    const char *why = "the policy waives the recovery point";

    if (refused != NULL)
        why = bs_arena_fmt(&g->arena, "%s, and none can be made: %s", why, refused);
    else if (g->plan.kind != BS_PLAN_NONE)
        why = bs_arena_fmt(&g->arena, "%s that would be made: %s", why, g->plan.why);
    else
        return g->plan.why;
    return why == NULL ? "the policy waives the recovery point" : why;
}

enum bs_done
bs_gate_unite(struct bs_gate *g, struct bs_err *err)
{
    struct bs_plan *plan = &g->plan;
    const char *refused = NULL;
    bool keep = false;
    size_t n = 0;

    *plan = (struct bs_plan){.kind = BS_PLAN_NONE, .in_block = true, .why = "nothing is lost"};
    g->hold = g->exclusive = false;
    g->require = g->s->gateway->config->require;
    g->approvals = (struct bs_approvals){
        .exclude_owner =
            g->s->person && bs_gateway_policy(g->s->gateway)->approvals.owner != BS_OWNER_MAY};
    for (size_t i = 0; i < g->n_items; i++)
        n += g->items[i].verdict->plan.n_tables;
    plan->tables = bs_arena_array(&g->arena, n + 1, sizeof(*plan->tables));
    if (plan->tables == NULL || unite_named(g, plan) != BS_DONE)
        return BS_FAIL(err, LIMIT, "the unit touches too many tables");
    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_verdict *v = g->items[i].verdict;
        const struct bs_plan *p = &v->plan;
        if (v->unit.risk == BS_RISK_SAFE)
            continue;
        if (p->kind > plan->kind) {
            plan->kind = p->kind;
            plan->why = p->why;
        }
        if (p->n_tables != 0)
            memcpy(plan->tables + plan->n_tables, p->tables, p->n_tables * sizeof(*p->tables));
        plan->n_tables += p->n_tables;
        plan->est_bytes += p->est_bytes;
        plan->renames =
            p->definition ? p->renames && (plan->renames || !plan->definition) : plan->renames;
        plan->definition |= p->definition;
        /* Several statements: what they are about is not told apart. */
        if (plan->globals == 0 && p->globals != 0) {
            plan->about = p->about;
            plan->n_about = p->n_about;
        } else if (p->globals != 0) {
            plan->n_about = 0;
        }
        plan->globals |= p->globals;
        if (p->database != NULL && g->n_items > 1)
            return BS_FAIL(err, NO_POINT, "a database is dropped by itself, or not at all");
        plan->database = p->database;
        plan->ddl |= p->ddl;
        plan->unvetted |= p->unvetted;
        plan->audited |= p->audited;
        plan->in_block &= p->in_block;
        g->hold |= v->way == BS_WAY_HOLD;
        if (p->kind == BS_PLAN_REFUSE && refused == NULL)
            refused = p->why == NULL ? "" : p->why;
        keep |= !v->decision.recovery_waived;
        bs_require_add(&g->require, &v->decision.require);
        if (v->way == BS_WAY_HOLD &&
            bs_approvals_add(&g->approvals, &v->decision.approvals, &g->arena, err) != BS_DONE)
            return BS_FAILED;
    }
    if (refused != NULL && keep)
        return BS_FAIL(err, NO_POINT,
                       "no recovery point can be made for all of this, so it was not run");
    /* Nobody else could read afterwards what is replaced in a table that was altered, too. */
    if (g->n_items > 1 && plan->kind == BS_PLAN_ROWS && plan->ddl && plan->n_tables != 0) {
        plan->kind = BS_PLAN_WHOLE;
        plan->definition = true;
        plan->renames = false;
    }
    if (g->n_items == 1 && plan->kind == BS_PLAN_ROWS) {
        plan->selects = g->items[0].verdict->plan.selects;
        plan->n_selects = g->items[0].verdict->plan.n_selects;
    }
    g->waived = !keep; /* only where every one of them is */
    if (g->waived)
        plan->why = why_waived(g, refused);
    if (unite_tables(g, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < plan->n_tables; i++)
        g->exclusive |= plan->tables[i].exclusive;
    return BS_DONE;
}
