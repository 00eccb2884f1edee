/*
 * ahead.c - inside the actor's own transaction: what a statement locks ACCESS EXCLUSIVE is copied
 * while it still can be, for nobody else can read it until the transaction ends, and its later
 * statements may change or drop it. Migrations do so.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "recovery/earlier.h"
#include "recovery/plan_kinds.h"

/* More is not copied on suspicion: whoever changes it later is refused. */
#define AHEAD_BYTES (64ll << 20)

bool
bs_gate_has_copy(const struct bs_gate *g, uint32_t oid)
{
    const struct bs_ledger *l = g->ledger;

    for (size_t i = 0; l != NULL && i < l->n_units; i++) {
        const struct bs_gate *unit = l->units[i];
        const struct bs_manifest *m = unit->captured ? unit->point.manifest : NULL;
        struct bs_capture_request request = {.earlier = &m, .n_earlier = m != NULL};
        if (bs_ledger_counts(unit) && bs_earlier_holds(&request, oid))
            return true;
    }
    return false;
}

static int
by_oid(const void *x, const void *y)
{
    const struct bs_plan_table *a = x, *b = y;

    return (a->oid > b->oid) - (a->oid < b->oid);
}

/* It keeps its rows, and nobody else will see them any more. */
static bool
is_hidden(const struct bs_gate *g, const struct bs_plan_table *t)
{
    return (t->shape || t->n_columns != 0) && t->exclusive && !bs_gate_has_copy(g, t->oid);
}

static bool
is_planned(const struct bs_plan *plan, uint32_t oid)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (plan->tables[i].oid == oid)
            return true;
    }
    return false;
}

/* The session has locked it so before: nobody can read it any more. */
static bool
is_locked(const struct bs_lock *locks, size_t n, uint32_t oid)
{
    for (size_t i = 0; i < n; i++) {
        if (locks[i].relation_oid == oid && locks[i].granted &&
            strcmp(locks[i].mode, "AccessExclusiveLock") == 0)
            return true;
    }
    return false;
}

/* What takes no values and changes no definition is planned without tables. */
static void
add_hidden(struct bs_plan *plan,
           const struct bs_facts *facts,
           const struct bs_lock *locks,
           size_t n_locks)
{
    for (size_t i = 0; i < facts->n_targets; i++) {
        const struct bs_target *t = &facts->targets[i];
        struct bs_plan_table table = bs_plan_table_of(t);

        table.exclusive = table.shape = table.ahead = true;
        if (bs_target_hides(t) && !is_planned(plan, t->oid) && !is_locked(locks, n_locks, t->oid))
            plan->tables[plan->n_tables++] = table;
    }
}

static enum bs_done
add_targets(struct bs_gate *g, struct bs_err *err)
{
    struct bs_plan *plan = &g->plan;
    size_t most = plan->n_tables, n = 0;
    struct bs_plan_table *all;
    struct bs_lock *locks;

    if (bs_capture_locks(g->ledger->keeper, (int)g->s->server_pid, &g->arena, &locks, &n, err) !=
        BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < g->n_items; i++)
        most += g->items[i].verdict->facts.n_targets;
    all = bs_arena_array(&g->arena, most + 1, sizeof(*all));
    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the unit touches too many tables");
    if (plan->n_tables != 0)
        memcpy(all, plan->tables, plan->n_tables * sizeof(*all));
    plan->tables = all;
    for (size_t i = 0; i < g->n_items; i++)
        add_hidden(plan, &g->items[i].verdict->facts, locks, n);
    return BS_DONE;
}

static enum bs_done
add_linked(struct bs_gate *g, struct bs_err *err)
{
    struct bs_plan *plan = &g->plan;
    struct bs_plan_table *linked, *all;
    size_t n, n_all = 0;

    if (bs_capture_linked(g->ledger->keeper, plan, &g->arena, &linked, &n, err) != BS_DONE)
        return BS_FAILED;
    all = bs_arena_array(&g->arena, plan->n_tables + n + 1, sizeof(*all));
    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the unit touches too many tables");
    for (size_t i = 0; i < plan->n_tables; i++)
        all[n_all++] = plan->tables[i];
    for (size_t i = 0; i < n; i++) {
        linked[i].shape = true; /* for now */
        if (!bs_gate_has_copy(g, linked[i].oid))
            all[n_all++] = linked[i];
    }
    qsort(all, n_all, sizeof(*all), by_oid);
    plan->tables = all;
    plan->n_tables = n_all;
    return BS_DONE;
}

/* Some earlier statement of the transaction has one, made before anything was locked. */
static bool
has_definition(const struct bs_gate *g)
{
    const struct bs_ledger *l = g->ledger;

    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_gate *unit = l->units[i];
        const struct bs_manifest *m = unit->captured ? unit->point.manifest : NULL;
        struct bs_capture_request request = {.earlier = &m, .n_earlier = m != NULL};
        if (bs_ledger_counts(unit) && bs_earlier_definition(&request) != NULL)
            return true;
    }
    return false;
}

/* A relation that is there for others, too, and that the session keeps them all from reading. */
static const struct bs_lock *
find_hidden(const struct bs_lock *locks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct bs_lock *l = &locks[i];
        if (l->granted && l->name != NULL && !l->system && l->relkind != 0 &&
            strchr("rpvmfS", l->relkind) != NULL && strcmp(l->mode, "AccessExclusiveLock") == 0)
            return l;
    }
    return NULL;
}

static bool
is_ascii(const char *name)
{
    while (*name != '\0' && (unsigned char)*name < 0x80)
        name++;
    return *name == '\0';
}

/* Nothing of the transaction, nor code that it ran, may have given an older column the name. */
static bool
keeps_names(const struct bs_gate *g)
{
    const struct bs_ledger *l = g->ledger;

    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_plan *plan = &l->units[i]->plan;
        if (bs_ledger_counts(l->units[i]) &&
            (l->units[i]->waived || plan->definition || plan->renames || plan->unvetted ||
             (plan->audited && !plan->without)))
            return false;
    }
    return true;
}

/* The one table that the statement is about, which the session has locked under that name; else 0. */
static uint32_t
find_altered(const struct bs_facts *facts,
             size_t stmt,
             const struct bs_effect *e,
             const struct bs_lock *locks,
             size_t n)
{
    uint32_t oid = 0;

    for (size_t i = 0; i < facts->n_targets; i++) {
        const struct bs_target *t = &facts->targets[i];
        bool same = false;
        if (t->stmt != stmt)
            continue;
        for (size_t k = 0; k < n && !same; k++)
            same = is_locked(&locks[k], 1, t->oid) && locks[k].name != NULL &&
                   locks[k].schema != NULL && strcmp(locks[k].name, e->name.name) == 0 &&
                   strcmp(locks[k].schema, t->schema) == 0;
        if (!same || t->relkind != 'r' || (oid != 0 && t->oid != oid))
            return 0;
        oid = t->oid;
    }
    return oid;
}

/* Sets `own` where all that needs a definition is about columns that nobody else can see yet. */
static enum bs_done
look_at_columns(struct bs_gate *g,
                const struct bs_verdict *v,
                const struct bs_lock *locks,
                size_t n,
                bool *own,
                struct bs_err *err)
{
    for (size_t i = 0; *own && i < v->unit.n_stmts; i++) {
        const struct bs_stmt *stmt = &v->unit.stmts[i];
        *own = stmt->n_effects != 0;
        for (size_t k = 0; *own && k < stmt->n_effects; k++) {
            const struct bs_effect *e = &stmt->effects[k];
            uint32_t oid;
            bool seen = true;
            if (!bs_plan_needs_definition(e->kind))
                continue;
            oid = e->detail == NULL || e->inside || !is_ascii(e->detail)
                      ? 0
                      : find_altered(&v->facts, i, e, locks, n);
            if (oid != 0 &&
                bs_capture_column(g->ledger->keeper, oid, e->detail, &seen, err) != BS_DONE)
                return BS_FAILED;
            *own = !seen;
        }
    }
    return BS_DONE;
}

/* The transaction has added them itself: there is no earlier definition of them. */
static enum bs_done
check_own(struct bs_gate *g, const struct bs_lock *locks, size_t n, bool *own, struct bs_err *err)
{
    const struct bs_plan *plan = &g->plan;

    *own = plan->kind == BS_PLAN_RECORD && plan->globals == 0 && !plan->unvetted && keeps_names(g);
    for (size_t i = 0; *own && i < g->n_items; i++) {
        if (look_at_columns(g, g->items[i].verdict, locks, n, own, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* pg_dump would wait for it until it is ended, and the transaction for pg_dump. */
static enum bs_done
check_readable(struct bs_gate *g, struct bs_err *err)
{
    struct bs_plan *plan = &g->plan;
    const struct bs_lock *hidden;
    struct bs_lock *locks;
    bool own = false;
    size_t n = 0;

    if (!plan->definition || has_definition(g))
        return BS_DONE;
    if (bs_capture_locks(g->ledger->keeper, (int)g->s->server_pid, &g->arena, &locks, &n, err) !=
        BS_DONE)
        return BS_FAILED;
    hidden = find_hidden(locks, n);
    if (hidden == NULL)
        return BS_DONE;
    if (!plan->renames && check_own(g, locks, n, &own, err) != BS_DONE)
        return BS_FAILED;
    if (!plan->renames && !own) {
        (void)BS_FAIL(err, NO_POINT,
                      "the transaction has locked %.60s.%.60s so that nobody else can read its"
                      " definition any more",
                      hidden->schema, hidden->name);
        bs_err_hint(err, "run the statement first, or in a transaction of its own");
        return BS_FAILED;
    }
    plan->definition = false;
    plan->without = true;
    plan->n_tables = 0;
    plan->why = bs_arena_fmt(&g->arena,
                             "only %s; the definition could not be read, since the"
                             " transaction has locked %.60s.%.60s before",
                             own ? "columns change that the transaction has added" : "names change",
                             hidden->schema, hidden->name);
    return plan->why == NULL ? BS_FAIL(err, LIMIT, "the statement's arena is full") : BS_DONE;
}

/* Partitions go with their table: all or none of them. */
enum bs_done
bs_gate_look_ahead(struct bs_gate *g, struct bs_err *err)
{
    struct bs_plan *plan = &g->plan;
    int64_t bytes = 0;
    size_t n = 0;

    if (!g->in_block || g->waived || !plan->in_block ||
        (plan->kind != BS_PLAN_RECORD && plan->kind != BS_PLAN_WHOLE))
        return BS_DONE;
    if (check_readable(g, err) != BS_DONE ||
        (plan->kind == BS_PLAN_RECORD && add_targets(g, err) != BS_DONE) ||
        add_linked(g, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < plan->n_tables; i++)
        bytes += is_hidden(g, &plan->tables[i]) ? plan->tables[i].est_bytes : 0;
    for (size_t i = 0; i < plan->n_tables; i++) {
        struct bs_plan_table *t = &plan->tables[i];
        bool copy = bytes <= AHEAD_BYTES && is_hidden(g, t);
        if (t->ahead && !copy)
            continue; /* one that is only linked is left alone then */
        if (copy) {
            t->ahead = true;
            t->shape = false;
            t->n_columns = 0;
            plan->kind = BS_PLAN_WHOLE;
            plan->est_bytes += t->relkind == 'p' ? 0 : t->est_bytes;
        }
        plan->tables[n++] = *t;
    }
    plan->n_tables = n;
    return BS_DONE;
}
