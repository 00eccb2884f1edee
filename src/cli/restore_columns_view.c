/*
 * restore_columns_view.c - columns on their way back, as text and as JSON.
 */
#include <stdio.h>

#include "cli/out.h"
#include "cli/restore_view.h"

#define TEXT_MAX (4u << 20)

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
bs_view_columns_json(const struct bs_columns *c)
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

void
bs_view_columns(FILE *to, const struct bs_columns *c)
{
    struct bs_arena arena;

    bs_arena_init(&arena, "view", TEXT_MAX);
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        const char *rows = bs_columns_rows_text(&arena, t);
        for (size_t k = 0; k < t->n_columns; k++) {
            const char *text = bs_columns_text(&arena, t, &t->columns[k], true);
            fputs("  ", to);
            bs_out_text(to, text == NULL ? t->columns[k].name : text);
            fputc('\n', to);
        }
        if (rows == NULL)
            continue;
        fputs("  ", to);
        bs_out_text(to, rows);
        fputc('\n', to);
    }
    bs_arena_fini(&arena);
}
