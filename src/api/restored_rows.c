/*
 * restored_rows.c - rows, columns and definitions that are not as they were saved.
 */
#include "api/restored.h"

#include <stdlib.h>

json_t *
bs_restored_texts(const char *const *list, size_t n)
{
    json_t *json = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(json, json_string(list[i]));
    return json;
}

json_t *
bs_restored_moved(const struct bs_live *live)
{
    json_t *list = json_array();

    for (size_t i = 0; live->exists && i < live->object->n_columns; i++) {
        const struct bs_live_column *c = &live->columns[i];
        if (c->match != BS_LIVE_SAME)
            (void)json_array_append_new(list, json_pack("{s:s,s:s,s:s*}", "column", c->name,
                                                        "saved", live->object->columns[i].type,
                                                        "live", c->live_type));
    }
    for (size_t i = 0; i < live->n_added; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:b}", "column", live->added[i], "added", 1));
    return list;
}

json_t *
bs_restored_foreseen(const struct bs_foreseen *list, size_t n)
{
    json_t *json = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct bs_foreseen *f = &list[i];
        json_t *entry = json_pack("{s:s,s:s,s:s*,s:s*}", "kind", bs_foreseen_name(f->kind), "name",
                                  f->name, "other", f->other, "error", f->why);
        if (f->rows >= 0)
            (void)json_object_set_new(entry, "rows", json_integer(f->rows));
        (void)json_array_append_new(json, entry);
    }
    return json;
}

static json_t *
examples(const struct bs_diff_examples *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < e->n; i++) {
        json_t *key = e->keys[i] == NULL ? NULL : json_loads(e->keys[i], 0, NULL);
        (void)json_array_append_new(list, key == NULL ? json_null() : key);
    }
    return list;
}

json_t *
bs_restored_part(const struct bs_diff_table *t)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "missing", (json_int_t)t->missing,
                     "by_statement", (json_int_t)t->by_statement, "conflicts",
                     (json_int_t)t->conflicts, "near", (json_int_t)t->near, "equal",
                     (json_int_t)t->equal, "made", (json_int_t)t->made, "doubtful",
                     (json_int_t)t->doubtful);
}

json_t *
bs_restored_examples(const struct bs_diff_table *t)
{
    json_t *json =
        json_pack("{s:o,s:o,s:o,s:o,s:o}", "missing", examples(&t->missing_keys), "changed",
                  examples(&t->changed_keys), "by_statement", examples(&t->own_keys), "conflicts",
                  examples(&t->conflict_keys), "made", examples(&t->made_keys));

    if (t->conflict_rows.n != 0)
        (void)json_object_set_new(json, "conflict_rows", examples(&t->conflict_rows));
    if (t->live.object->partial)
        (void)json_object_set_new(json, "equal", examples(&t->equal_keys));
    else
        (void)json_object_set_new(json, "extra", examples(&t->extra_keys));
    return json;
}

static json_t *
diff_table(const struct bs_diff_table *t)
{
    const struct bs_point_object *o = t->live.object;
    json_t *columns = json_object(), *table, *more = bs_restored_part(t);

    for (size_t i = 0; i < t->n_columns; i++)
        (void)json_object_set_new(columns, t->columns[i].name, json_integer(t->columns[i].rows));
    table =
        json_pack("{s:s,s:s,s:b,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "schema", o->schema,
                  "name", o->name, "exists", t->live.exists, "by_key", t->live.n_key != 0, "same",
                  bs_diff_same(t), "partial", o->partial, "saved_rows", (json_int_t)t->saved_rows,
                  "live_rows", (json_int_t)t->live_rows, "changed", (json_int_t)t->changed, "extra",
                  (json_int_t)t->extra, "examples", bs_restored_examples(t), "columns", columns,
                  "moved", bs_restored_moved(&t->live));
    if (!o->partial) {
        (void)json_object_del(more, "equal");
        (void)json_object_del(more, "doubtful");
    }
    (void)json_object_update(table, more);
    json_decref(more);
    return table;
}

json_t *
bs_restored_diff(const struct bs_restore *r, const struct bs_diff *d)
{
    json_t *list = json_array();

    for (size_t i = 0; i < d->n_tables; i++)
        (void)json_array_append_new(list, diff_table(&d->tables[i]));
    return json_pack("{s:s,s:b,s:s*,s:o,s:o,s:o}", "point", r->manifest.id, "same", d->same,
                     "unknown", d->unknown, "tables", list, "columns",
                     bs_restored_columns(&d->columns), "definitions",
                     bs_restored_changes(&d->changes));
}

/* --- columns and definitions --------------------------------------------------------------- */

json_t *
bs_restored_changes(const struct bs_changes *c)
{
    static const char *const by[] = {[BS_CHANGE_UNTOLD] = "untold",
                                     [BS_CHANGE_OWN] = "statement",
                                     [BS_CHANGE_OTHERS] = "others"};
    json_t *list = json_array();

    for (size_t i = 0; i < c->n; i++) {
        const struct bs_altered *x = &c->list[i];
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:s*,s:s*,s:b}", "what",
                            bs_change_word(x->kind), "type", x->type, "name", x->name, "by",
                            by[x->by], "now", x->now, "diff", x->diff, "why", x->why, "sql", x->sql,
                            "given", x->given || (x->kind == BS_CHANGE_LOST && x->why == NULL)));
    }
    return list;
}

static const char *
way_name(enum bs_column_way way)
{
    static const char *const names[] = {
        [BS_COLUMN_FITS] = "as it was",
        [BS_COLUMN_ADD] = "added",
        [BS_COLUMN_RETYPE] = "given back",
        [BS_COLUMN_COMPUTE] = "computed again",
        [BS_COLUMN_EXPRESS] = "computed as before",
        [BS_COLUMN_REMOVE] = "added by the transaction",
    };

    return names[way];
}

static int64_t
rows_of(const struct bs_columns_table *t, bool made)
{
    int64_t n = 0;

    for (size_t i = 0; i < t->n_leaves; i++)
        n += made ? t->leaves[i].made : t->leaves[i].gone;
    return n;
}

json_t *
bs_restored_columns(const struct bs_columns *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        for (size_t k = 0; k < t->n_columns; k++) {
            const struct bs_columns_column *column = &t->columns[k];
            (void)json_array_append_new(
                list,
                json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:o*,s:I,s:I,s:I,s:I,s:s*}", "schema",
                          t->object->schema, "table", t->object->name, "column", column->name,
                          "way", way_name(column->way), "type",
                          column->saved == NULL ? NULL : column->saved->type, "live_type",
                          column->live_type, "restored",
                          bs_columns_have_types(t) ? json_integer(column->restored) : NULL, "equal",
                          (json_int_t)column->equal, "conflicts", (json_int_t)column->conflicts,
                          "inserted_since", (json_int_t)rows_of(t, true), "deleted_since",
                          (json_int_t)rows_of(t, false), "refused", t->cannot));
        }
    }
    return list;
}
