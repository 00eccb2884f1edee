/*
 * plan_alter.c - one ALTER TABLE names one relation, so all columns that its commands name are of
 * the same tables: that one, its partitions and its children.
 */
#include "recovery/plan_alter.h"

#include <string.h>

bool
bs_plan_alters(enum bs_kind kind)
{
    return kind == BS_KIND_ALTER_TABLE_DROP_COLUMN || kind == BS_KIND_ALTER_TABLE_ALTER_TYPE ||
           kind == BS_KIND_ALTER_TABLE_SET_EXPRESSION;
}

static bool
has(const struct bs_plan_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (strcmp(t->columns[i], name) == 0)
            return true;
    }
    return false;
}

static bool
copy_names(const char *const *names, size_t n, struct bs_arena *arena, struct bs_plan_table *out)
{
    out->columns = bs_arena_array(arena, n + 1, sizeof(*out->columns));
    for (size_t i = 0; out->columns != NULL && i < n; i++) {
        if (!has(out, names[i]))
            out->columns[out->n_columns++] = names[i];
    }
    return out->columns != NULL;
}

bool
bs_plan_columns(const struct bs_unit *unit,
                const struct bs_target *t,
                struct bs_arena *arena,
                struct bs_plan_table *out)
{
    const struct bs_stmt *stmt = &unit->stmts[t->stmt];

    out->columns = NULL;
    out->n_columns = 0;
    if (!bs_plan_alters(t->kind) || t->reach == BS_REACH_CALL)
        return true;
    if (t->reach == BS_REACH_DEPENDENT)
        return copy_names(t->columns, t->n_columns, arena, out);
    out->columns = bs_arena_array(arena, stmt->n_effects + 1, sizeof(*out->columns));
    for (size_t i = 0; out->columns != NULL && i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        if (bs_plan_alters(e->kind) && e->column != NULL && !has(out, e->column))
            out->columns[out->n_columns++] = e->column;
    }
    return out->columns != NULL;
}

bool
bs_plan_unite_columns(struct bs_plan_table *have,
                      const struct bs_plan_table *more,
                      struct bs_arena *arena)
{
    const char **all;
    size_t n = have->n_columns;

    if (more->shape || (have->n_columns == 0 && !have->shape))
        return true;
    if (more->n_columns == 0) {
        have->n_columns = 0; /* somebody needs all of it */
        return true;
    }
    all = bs_arena_array(arena, n + more->n_columns + 1, sizeof(*all));
    if (all == NULL)
        return false;
    if (n != 0)
        memcpy(all, have->columns, n * sizeof(*all));
    have->columns = all;
    for (size_t i = 0; i < more->n_columns; i++) {
        if (!has(have, more->columns[i]))
            all[have->n_columns++] = more->columns[i];
    }
    return true;
}
