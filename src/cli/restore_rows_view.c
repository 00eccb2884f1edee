/*
 * restore_rows_view.c - rows of a restore: what differs, and what a copy-back has done about it.
 */
#include "cli/restore_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/restored.h"
#include "cli/out.h"

/* What stands against rows that are to be written. */

void
bs_view_put_foreseen(FILE *to, const char *before, const struct bs_foreseen *list, size_t n)
{
    struct bs_arena arena;

    bs_arena_init(&arena, "foreseen", 1u << 20);
    for (size_t i = 0; i < n; i++) {
        const char *text = bs_foreseen_text(&list[i], &arena);
        fputs(before, to);
        bs_out_text(to, text == NULL ? "?" : text);
        fputc('\n', to);
    }
    bs_arena_fini(&arena);
}

/* Diff. */

static void
examples_text(const char *what, const struct bs_diff_examples *e)
{
    if (e->n == 0)
        return;
    printf("  %s:", what);
    for (size_t i = 0; i < e->n; i++) {
        putchar(' ');
        bs_out_text(stdout, e->keys[i] == NULL ? "?" : e->keys[i]);
    }
    putchar('\n');
}

void
bs_view_differences(const struct bs_diff_table *t)
{
    if (t->missing_keys.n + t->changed_keys.n + t->extra_keys.n + t->equal_keys.n +
            t->made_keys.n ==
        0)
        return;
    putchar('\n');
    bs_out_text(stdout, t->live.object->schema);
    putchar('.');
    bs_out_text(stdout, t->live.object->name);
    puts(", for example");
    examples_text("missing", &t->missing_keys);
    examples_text("changed by the statement", &t->own_keys);
    examples_text("changed since by others", &t->conflict_keys);
    for (size_t i = 0; i < t->conflict_rows.n; i++) {
        fputs("    ", stdout);
        bs_out_text(stdout, t->conflict_rows.keys[i] == NULL ? "?" : t->conflict_rows.keys[i]);
        putchar('\n');
    }
    examples_text("equal", &t->equal_keys);
    examples_text("made by the transaction", &t->made_keys);
    examples_text("extra", &t->extra_keys);
    for (size_t i = 0; i < t->n_columns; i++) {
        fputs("  column ", stdout);
        bs_out_text(stdout, t->columns[i].name);
        printf(" differs in %lld rows\n", (long long)t->columns[i].rows);
    }
}

static const char *
live_text(const struct bs_diff_table *t)
{
    if (!t->live.exists)
        return "gone";
    if (!bs_live_fits(&t->live) || t->live.n_added != 0)
        return "columns changed";
    return t->live.n_key != 0 ? "by key" : "no key: as a multiset";
}

void
bs_view_parts(const struct bs_diff_table *const *tables, size_t n)
{
    static const char *const heads[] = {"TABLE", "SAVED", "MISSING", "BY STATEMENT",
                                        "SINCE", "EQUAL", "MADE",    "COMPARED"};
    struct bs_table table = {0};

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < n; i++) {
        const struct bs_diff_table *t = tables[i];
        bs_table_cell(&table, "%s.%s", t->live.object->schema, t->live.object->name);
        bs_table_cell(&table, "%lld", (long long)t->saved_rows);
        bs_table_cell(&table, "%lld", (long long)t->missing);
        bs_table_cell(&table, "%lld", (long long)t->by_statement);
        bs_table_cell(&table, "%lld", (long long)t->conflicts);
        bs_table_cell(&table, "%lld", (long long)t->equal);
        bs_table_cell(&table, "%lld", (long long)t->made);
        bs_table_cell(&table, "%s", live_text(t));
    }
    bs_table_print(&table);
    bs_table_fini(&table);
}

static void
diff_wholes(const struct bs_diff_table *const *tables, size_t n)
{
    static const char *const heads[] = {"TABLE", "SAVED", "LIVE", "MISSING", "BY STATEMENT",
                                        "SINCE", "EXTRA", "MADE", "COMPARED"};
    struct bs_table table = {0};

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < n; i++) {
        const struct bs_diff_table *t = tables[i];
        bs_table_cell(&table, "%s.%s", t->live.object->schema, t->live.object->name);
        bs_table_cell(&table, "%lld", (long long)t->saved_rows);
        bs_table_cell(&table, "%lld", (long long)t->live_rows);
        bs_table_cell(&table, "%lld", (long long)t->missing);
        bs_table_cell(&table, "%lld", (long long)t->by_statement);
        bs_table_cell(&table, "%lld", (long long)t->conflicts);
        bs_table_cell(&table, "%lld", (long long)t->extra);
        bs_table_cell(&table, "%lld", (long long)t->made);
        bs_table_cell(&table, "%s", live_text(t));
    }
    bs_table_print(&table);
    bs_table_fini(&table);
}

static void
diff_text(const struct bs_diff *d)
{
    const struct bs_diff_table **list = bs_malloc((d->n_tables + 1) * sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; i < d->n_tables; i++) {
        if (!d->tables[i].live.object->partial)
            list[n++] = &d->tables[i];
    }
    if (n != 0 || (d->n_tables == 0 && d->changes.n == 0))
        diff_wholes(list, n);
    n = 0;
    for (size_t i = 0; i < d->n_tables; i++) {
        if (d->tables[i].live.object->partial)
            list[n++] = &d->tables[i];
    }
    if (n != 0)
        bs_view_parts(list, n);
    free(list);
    if (d->unknown != NULL && !d->same)
        printf("\nWhat the statement has written itself cannot be told: %s\n", d->unknown);
    for (size_t i = 0; i < d->n_tables; i++)
        bs_view_differences(&d->tables[i]);
    bs_view_columns(stdout, &d->columns);
    bs_view_changes(&d->changes, BS_VIEW_DIFFS);
    printf("\n%s\n", d->same ? "no difference" : "there are differences");
}

void
bs_view_diff(const struct bs_restore *r, const struct bs_diff *d)
{
    if (bs_out_json_mode())
        bs_out_json(bs_restored_diff(r, d));
    else
        diff_text(d);
}

/* Of the cluster. */

void
bs_view_globals(FILE *to, const struct bs_global_change *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "  %c %s ", list[i].shown == NULL ? '!' : '+', list[i].what);
        bs_out_text(to, list[i].name);
        fputs(": ", to);
        bs_out_lines(to, list[i].shown != NULL ? list[i].shown : list[i].why, 6);
        fputc('\n', to);
    }
}

/* Copy-back. */

static void
objects_text(FILE *to, const struct bs_copyback *c)
{
    for (size_t i = 0; i < c->n_objects; i++) {
        fputs("  + ", to);
        bs_out_text(to, c->objects[i]);
        fputc('\n', to);
    }
}

static void
table_text(FILE *to, const struct bs_copyback_table *t)
{
    int64_t left = t->diff.changed - t->updated;
    int64_t own = t->updated < t->diff.by_statement ? t->updated : t->diff.by_statement;

    fputs("  ", to);
    bs_out_text(to, t->diff.live.object->schema);
    fputc('.', to);
    bs_out_text(to, t->diff.live.object->name);
    fprintf(to, ": %lld rows put back", (long long)t->inserted);
    if (own != 0)
        fprintf(to, ", %lld changed back", (long long)own);
    if (t->updated > own)
        fprintf(to, ", %lld of others overwritten", (long long)(t->updated - own));
    if (left != 0)
        fprintf(to, ", %lld changed since by others left alone (--conflict overwrite)",
                (long long)left);
    if (t->diff.extra > t->diff.made)
        fprintf(to, ", %lld newer ones kept", (long long)(t->diff.extra - t->diff.made));
    if (t->removed != 0)
        fprintf(to, ", %lld of the transaction removed", (long long)t->removed);
    if (t->diff.made != t->removed)
        fprintf(to, ", %lld of the transaction kept (--remove-inserted)",
                (long long)(t->diff.made - t->removed));
    fputs(t->diff.live.exists ? "\n" : ", table made again\n", to);
}

void
bs_view_plan(const struct bs_restore *r, const struct bs_copyback *c)
{
    fprintf(stderr, "Copy-back of %s:\n", r->manifest.id);
    objects_text(stderr, c);
    bs_view_given(stderr, &c->changes);
    for (size_t i = 0; i < c->n_tables; i++) {
        table_text(stderr, &c->tables[i]);
        bs_view_put_foreseen(stderr, "    ! ", c->tables[i].foreseen, c->tables[i].n_foreseen);
    }
    bs_view_columns(stderr, &c->columns);
    bs_view_globals(stderr, c->globals, c->n_globals);
}

static void
beside_text(const struct bs_manifest *m)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        if (!bs_restored_beside(o))
            continue;
        fputs("  the rows that ", stdout);
        bs_out_text(stdout, o->schema);
        putchar('.');
        bs_out_text(stdout, o->name);
        printf(" had before it was refreshed (%lld) cannot be written into it; to have them"
               " beside it, or as a file:\n",
               (long long)o->row_count);
        for (int way = 0; way < 2; way++) {
            printf(way == 0 ? "    backstop restore run %s --table '"
                            : "    backstop points export %s --format csv --table '",
                   m->id);
            bs_out_text(stdout, o->schema);
            putchar('.');
            bs_out_text(stdout, o->name);
            puts("'");
        }
    }
}

static void
copyback_text(const struct bs_restore *r, const struct bs_copyback *c)
{
    if (c->n_objects == 0 && c->n_tables == 0 && c->n_globals == 0 && c->columns.n_tables == 0 &&
        c->changes.n == 0)
        puts("The point holds nothing that is lost.");
    objects_text(stdout, c);
    bs_view_given(stdout, &c->changes);
    for (size_t i = 0; i < c->n_tables; i++)
        table_text(stdout, &c->tables[i]);
    bs_view_columns(stdout, &c->columns);
    for (size_t i = 0; i < c->n_again; i++) {
        fputs("  has another name; once it has its own, run this again for its rows: ", stdout);
        bs_out_text(stdout, c->again[i]);
        putchar('\n');
    }
    beside_text(&r->manifest);
    if (c->n_sequences != 0)
        printf("  sequences set: %zu\n", c->n_sequences);
    for (size_t i = 0; i < c->n_sequences_left; i++) {
        fputs("  left as it is, for rows are beyond it: sequence ", stdout);
        bs_out_text(stdout, c->sequences_left[i]);
        putchar('\n');
    }
    if (c->sequences_failed != NULL) {
        fputs("  the rows are back, but a sequence could not be set: ", stdout);
        bs_out_text(stdout, c->sequences_failed);
        putchar('\n');
    }
    bs_view_globals(stdout, c->globals, c->n_globals);
    if (c->globals_failed != NULL) {
        fputs("  the rest is back, but what runs outside a transaction failed: ", stdout);
        bs_out_text(stdout, c->globals_failed);
        putchar('\n');
    }
    if (c->reloaded)
        puts("  the server has read its settings again");
    for (size_t i = 0; i < c->n_restart; i++) {
        fputs("  counts only when the server starts again: ", stdout);
        bs_out_text(stdout, c->restart[i]);
        putchar('\n');
    }
    if (c->n_refreshed != 0)
        printf("  materialized views refreshed: %zu\n", c->n_refreshed);
    if (c->point[0] != '\0')
        printf("  what was there before: %s\n", c->point);
    if (c->compared && c->difference == NULL)
        puts("The definition of the database is identical to the saved one.");
    if (c->difference != NULL) {
        puts("The definition of the database differs from the saved one (- saved, + now):");
        bs_out_lines(stdout, c->difference, 0);
    }
    if (c->uncompared != NULL) {
        fputs("The definition could not be compared: ", stdout);
        bs_out_text(stdout, c->uncompared);
        putchar('\n');
    }
}

void
bs_view_copyback(const struct bs_restore *r, const struct bs_copyback *c)
{
    if (bs_out_json_mode())
        bs_out_json(bs_restored_copyback(r, c));
    else
        copyback_text(r, c);
}

/* Groups. */

static void
member_text(const struct bs_group_member *m)
{
    printf("%s\n", m->r.manifest.id);
    if (m->done)
        copyback_text(&m->r, &m->back);
    if (m->removed != 0)
        printf("  rows of the transaction removed: %lld\n", (long long)m->removed);
    if (m->err.code == BS_OK && !m->done)
        puts("  not done");
    if (m->err.code == BS_OK)
        return;
    fputs("  not done: ", stdout);
    bs_out_text(stdout, m->err.message);
    putchar('\n');
}

void
bs_view_group(const struct bs_group *g)
{
    if (bs_out_json_mode()) {
        bs_out_json(bs_restored_group(g));
        return;
    }
    for (size_t i = 0; i < g->n; i++)
        member_text(&g->members[i]);
    if (g->apart == NULL)
        return;
    fputs("Each in a transaction of its own: ", stdout);
    bs_out_text(stdout, g->apart);
    putchar('\n');
}

void
bs_view_group_plan(const struct bs_group *g)
{
    fputs(g->apart == NULL ? "All of it in one transaction, or nothing:\n"
                           : "Each in a transaction of its own: ",
          stderr);
    if (g->apart != NULL) {
        bs_out_text(stderr, g->apart);
        fputc('\n', stderr);
    }
    for (size_t i = 0; i < g->n; i++) {
        const struct bs_group_member *m = &g->members[i];
        if (m->planned) {
            bs_view_plan(&m->r, &m->back);
            for (size_t k = 0; k < m->back.n_globals; k++) {
                if (m->back.globals[k].outside && m->back.globals[k].shown != NULL) {
                    fputs("  after that transaction, in none: ", stderr);
                    bs_out_text(stderr, m->back.globals[k].shown);
                    fputc('\n', stderr);
                }
            }
            continue;
        }
        fprintf(stderr, "Copy-back of %s, not by itself: ", m->r.manifest.id);
        bs_out_text(stderr, m->err.message);
        fputc('\n', stderr);
    }
}
