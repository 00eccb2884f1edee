/*
 * restore_columns_view.c - columns on their way back, as text.
 */
#include <stdio.h>

#include "cli/out.h"
#include "cli/restore_view.h"

#define TEXT_MAX (4u << 20)

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
