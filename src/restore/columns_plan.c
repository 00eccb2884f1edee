/*
 * columns_plan.c - giving columns back is an ALTER TABLE like any other: what it replaces is kept
 * as the columns of an agent's statement are.
 */
#include "restore/columns.h"

/* Whether it changes: it is added, gets other values, or goes. */
static bool
is_changed(const struct bs_columns_column *c, bool remove)
{
    return c->way == BS_COLUMN_REMOVE ? remove : c->way != BS_COLUMN_FITS;
}

static bool
adds(const struct bs_columns_column *c)
{
    return c->way == BS_COLUMN_ADD || (c->way == BS_COLUMN_COMPUTE && c->live_type == NULL);
}

/* One table of a tree; its kind says what will happen to it. Without columns: nothing. */
static enum bs_done
plan_member(struct bs_restore *r,
            const struct bs_columns_table *t,
            size_t member,
            bool remove,
            struct bs_plan_table *out,
            struct bs_err *err)
{
    const struct bs_point_object *o = t->members[member];

    *out = (struct bs_plan_table){.schema = o->schema,
                                  .name = o->name,
                                  .oid = t->oids[member],
                                  .relkind = o->relkind,
                                  .reach = BS_REACH_TARGET,
                                  .kind = BS_KIND_ALTER_TABLE_ALTER_TYPE,
                                  .est_rows = (double)o->row_count,
                                  .est_bytes = o->raw_bytes,
                                  .exclusive = true};
    out->columns = bs_arena_array(&r->arena, t->n_columns + 1, sizeof(*out->columns));
    if (out->columns == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (!is_changed(c, remove))
            continue;
        out->columns[out->n_columns++] = c->name;
        if (adds(c))
            out->kind = BS_KIND_ALTER_TABLE_ADD_COLUMN;
        else if (c->way == BS_COLUMN_REMOVE && out->kind != BS_KIND_ALTER_TABLE_ADD_COLUMN)
            out->kind = BS_KIND_ALTER_TABLE_DROP_COLUMN;
    }
    return BS_DONE;
}

enum bs_done
bs_columns_plan(struct bs_restore *r,
                const struct bs_columns *c,
                bool remove,
                struct bs_plan *plan,
                struct bs_err *err)
{
    size_t n = plan->n_tables;

    for (size_t i = 0; i < c->n_tables; i++) {
        for (size_t k = 0; k < c->tables[i].n_members; k++) {
            struct bs_plan_table *t = &plan->tables[plan->n_tables];
            if (plan_member(r, &c->tables[i], k, remove, t, err) != BS_DONE)
                return BS_FAILED;
            if (t->n_columns == 0)
                continue;
            plan->n_tables++;
            plan->est_bytes += t->est_bytes;
        }
    }
    plan->definition |= plan->n_tables != n && r->manifest.schema.key != NULL;
    return BS_DONE;
}
