/*
 * within.c - the server's counters are an upper bound for the rows of a table: they count a row
 * that is changed twice as two. So they are looked at only where each row is changed once.
 */
#include "gateway/within.h"

#include <string.h>

#include "catalog/effect.h"

static enum bs_done
no_room(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the unit is too large to be held");
}

/* The target of that table in any of the texts; the same table may be in several. */
static const struct bs_target *
find_target(const struct bs_gate *g, uint32_t oid)
{
    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_facts *facts = &g->items[i].verdict->facts;
        for (size_t k = 0; k < facts->n_targets; k++) {
            if (facts->targets[k].oid == oid && bs_target_loses_rows(&facts->targets[k]))
                return &facts->targets[k];
        }
    }
    return NULL;
}

/* Rows that a foreign key takes along change as often as those that they point to. */
static bool
is_changed_once(const struct bs_facts *facts, const struct bs_target *t)
{
    if (t->again || (t->reach != BS_REACH_TARGET && t->reach != BS_REACH_CASCADE))
        return false;
    for (size_t i = 0; t->reach == BS_REACH_CASCADE && i < facts->n_targets; i++) {
        if (facts->targets[i].again)
            return false;
    }
    return true;
}

/* Each of its rows is changed once, so far as anybody can tell. */
static bool
is_counted_once(const struct bs_gate *g, uint32_t oid)
{
    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_facts *facts = &g->items[i].verdict->facts;
        for (size_t k = 0; k < facts->n_targets; k++) {
            const struct bs_target *t = &facts->targets[k];
            if (t->oid == oid && !is_changed_once(facts, t))
                return false;
        }
    }
    return !g->plan.unvetted;
}

static enum bs_done
make_room(struct bs_gate *g, struct bs_err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n_items; i++)
        n += g->items[i].verdict->facts.n_targets;
    g->n_limits = 0;
    g->limits = bs_arena_array(&g->arena, n + g->plan.n_tables + 1, sizeof(*g->limits));
    return g->limits == NULL ? no_room(err) : BS_DONE;
}

enum bs_done
bs_within_approved(struct bs_gate *g, const struct bs_limits *approved, struct bs_err *err)
{
    if (make_room(g, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < g->plan.n_tables; i++) {
        const struct bs_plan_table *t = &g->plan.tables[i];
        const char *name = bs_arena_fmt(&g->arena, "%s.%s", t->schema, t->name);
        if (name == NULL)
            return no_room(err);
        for (size_t k = 0; k < approved->n_tables && is_counted_once(g, t->oid); k++) {
            const struct bs_limit_table *a = &approved->tables[k];
            if (a->rows >= 0 && strcmp(a->name, name) == 0)
                g->limits[g->n_limits++] =
                    (struct bs_row_limit){.oid = t->oid, .rows = a->rows, .by_key = a->by_key};
        }
    }
    return BS_DONE;
}

/* Nothing but this unit is in the transaction, and its end is looked at. */
static bool
is_compared(const struct bs_gate *g, uint32_t oid)
{
    return !g->in_block && !g->waived && g->plan.kind >= BS_PLAN_ROWS && is_counted_once(g, oid);
}

enum bs_done
bs_within_assume(struct bs_gate *g,
                 const struct bs_limits *approved,
                 struct bs_limits *now,
                 struct bs_err *err)
{
    struct bs_limit_table *tables = bs_arena_array(&g->arena, now->n_tables + 1, sizeof(*tables));

    bs_assert(now->n_tables == g->plan.n_tables);
    if (tables == NULL)
        return no_room(err);
    for (size_t i = 0; i < now->n_tables; i++) {
        tables[i] = now->tables[i];
        for (size_t k = 0; k < approved->n_tables && tables[i].rows < 0; k++) {
            const struct bs_limit_table *a = &approved->tables[k];
            if (strcmp(a->name, tables[i].name) == 0 && is_compared(g, g->plan.tables[i].oid))
                tables[i].rows = a->rows;
        }
    }
    now->tables = tables;
    return BS_DONE;
}

/* -1 is no limit. */
static int64_t
smaller(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* A share of a table in rows, by what was counted of it; of a table that loses none nobody knows. */
static int64_t
rows_of_share(const struct bs_target *t, double share)
{
    double rows =
        t->rows > 0 && t->share > 0 && share >= 0 ? share * (double)t->rows / t->share : -1;

    return rows < 0 || rows > 9e15 ? -1 : (int64_t)(rows + 0.5);
}

/* The most rows of a table that a text may change; -1: any number. */
static int64_t
limit_of(const struct bs_verdict *v, const struct bs_target *t, const struct bs_policy *policy)
{
    bool one = t->by_key && t->relkind == 'r' && t->within == 0 && t->reach == BS_REACH_TARGET;
    int64_t most = one ? 1 : -1; /* also where nobody counted */

    /* What is not CRITICAL because it was counted is so only up to the limit. */
    if (v->measured && v->unit.risk == BS_RISK_HIGH) {
        most = smaller(most, policy->impact.rows);
        if (!t->by_key)
            most = smaller(most, rows_of_share(t, policy->impact.share));
    }
    for (size_t i = 0; v->decision.rule != NULL && i < policy->n_rules; i++) {
        const struct bs_limits_of_rows *max = &policy->rules[i].max;
        if (strcmp(policy->rules[i].name, v->decision.rule) == 0)
            most = smaller(smaller(most, max->rows), rows_of_share(t, max->share));
    }
    return most;
}

static void
limit_table(struct bs_gate *g, uint32_t oid, int64_t rows)
{
    struct bs_row_limit *have = NULL;

    for (size_t i = 0; i < g->n_limits && have == NULL; i++)
        have = g->limits[i].oid == oid ? &g->limits[i] : NULL;
    if (have == NULL)
        g->limits[g->n_limits++] = (struct bs_row_limit){.oid = oid, .rows = rows, .exactly = true};
    else
        have->rows =
            have->rows < 0 || rows < 0 || have->rows > INT64_MAX - rows ? -1 : have->rows + rows;
}

/* A table in several texts may lose what each of them may change. */
enum bs_done
bs_within_allowed(struct bs_gate *g, const struct bs_policy *policy, struct bs_err *err)
{
    if (make_room(g, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_verdict *v = g->items[i].verdict;
        for (size_t k = 0; k < v->facts.n_targets; k++) {
            const struct bs_target *t = &v->facts.targets[k];
            if (bs_target_loses_rows(t) && is_counted_once(g, t->oid))
                limit_table(g, t->oid, limit_of(v, t, policy));
        }
    }
    return BS_DONE;
}

/* --- at the end --------------------------------------------------------------------------- */

/* The greatest number that is within a limit, as bs_rows_grown has it. */
static int64_t
most_of(const struct bs_row_limit *limit)
{
    int64_t more = limit->rows / 10 > 10 ? limit->rows / 10 : 10;

    if (limit->exactly || limit->by_key)
        return limit->rows;
    return limit->rows > INT64_MAX - more ? INT64_MAX : limit->rows + more;
}

/* What the units that ran may change of a table together; -1: any number. Counters remember what was
 * undone, too, so it is among them. */
static int64_t
allowed(const struct bs_ledger *l, uint32_t oid)
{
    int64_t sum = 0;

    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_gate *g = l->units[i];
        const struct bs_row_limit *limit = NULL;
        for (size_t k = 0; k < g->n_limits; k++) {
            if (g->limits[k].oid == oid)
                limit = &g->limits[k];
        }
        if (limit == NULL && find_target(g, oid) == NULL)
            continue; /* it has nothing to do with it */
        if (limit == NULL || limit->rows < 0 || sum > INT64_MAX - most_of(limit))
            return -1;
        sum += most_of(limit);
    }
    return sum;
}

static const char *
name_of(const struct bs_ledger *l, uint32_t oid)
{
    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_target *t = find_target(l->units[i], oid);
        if (t != NULL)
            return t->name;
    }
    return NULL;
}

static bool
has_limits(const struct bs_ledger *l)
{
    for (size_t i = 0; i < l->n_units; i++) {
        if (l->units[i]->n_limits != 0)
            return true;
    }
    return false;
}

/* A table that was emptied or dropped: its counters say nothing, but all of it was copied. */
static enum bs_done
check_copied(const struct bs_gate *g, struct bs_err *err)
{
    const struct bs_manifest *m = g->captured ? g->point.manifest : NULL;

    for (size_t i = 0; m != NULL && i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        for (size_t k = 0; k < g->n_limits; k++) {
            const struct bs_row_limit *limit = &g->limits[k];
            const struct bs_target *t = find_target(g, limit->oid);
            if (limit->oid != o->oid || o->partial || t == NULL || t->kind == BS_KIND_UPDATE ||
                t->kind == BS_KIND_DELETE || limit->rows < 0 || o->row_count <= most_of(limit))
                continue;
            return BS_FAIL(err, STALE, "\"%.100s\" has %lld rows; %lld were expected", o->name,
                           (long long)o->row_count, (long long)limit->rows);
        }
    }
    return BS_DONE;
}

enum bs_done
bs_within_check(struct bs_ledger *l, bool others, struct bs_err *err)
{
    struct bs_changed *changed;
    size_t n;

    if (others || !has_limits(l))
        return BS_DONE;
    for (size_t i = 0; i < l->n_units; i++) {
        if (bs_ledger_counts(l->units[i]) && check_copied(l->units[i], err) != BS_DONE)
            return BS_FAILED;
    }
    if (bs_reading_changed(&l->before, &l->after, &l->arena, &changed, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        const char *name = name_of(l, changed[i].oid);
        int64_t most = name == NULL ? -1 : allowed(l, changed[i].oid);
        if (most >= 0 && changed[i].replaced > most)
            return BS_FAIL(err, STALE, "\"%.100s\" lost %lld rows; at most %lld were expected",
                           name, (long long)changed[i].replaced, (long long)most);
    }
    return BS_DONE;
}
