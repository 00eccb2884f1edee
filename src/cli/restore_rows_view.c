/*
 * restore_rows_view.c - rows of a restore: what differs, and what a copy-back has done about it.
 */
#include "cli/restore_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/out.h"

/* What stands against rows that are to be written. */

json_t *
bs_view_foreseen(const struct bs_foreseen *list, size_t n)
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

static json_t *
examples_json(const struct bs_diff_examples *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < e->n; i++) {
        json_t *key = e->keys[i] == NULL ? NULL : json_loads(e->keys[i], 0, NULL);
        (void)json_array_append_new(list, key == NULL ? json_null() : key);
    }
    return list;
}

json_t *
bs_view_part(const struct bs_diff_table *t)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "missing", (json_int_t)t->missing,
                     "by_statement", (json_int_t)t->by_statement, "conflicts",
                     (json_int_t)t->conflicts, "near", (json_int_t)t->near, "equal",
                     (json_int_t)t->equal, "made", (json_int_t)t->made, "doubtful",
                     (json_int_t)t->doubtful);
}

json_t *
bs_view_examples(const struct bs_diff_table *t)
{
    json_t *json = json_pack(
        "{s:o,s:o,s:o,s:o,s:o}", "missing", examples_json(&t->missing_keys), "changed",
        examples_json(&t->changed_keys), "by_statement", examples_json(&t->own_keys), "conflicts",
        examples_json(&t->conflict_keys), "made", examples_json(&t->made_keys));

    if (t->conflict_rows.n != 0)
        (void)json_object_set_new(json, "conflict_rows", examples_json(&t->conflict_rows));
    if (t->live.object->partial)
        (void)json_object_set_new(json, "equal", examples_json(&t->equal_keys));
    else
        (void)json_object_set_new(json, "extra", examples_json(&t->extra_keys));
    return json;
}

static json_t *
diff_table_json(const struct bs_diff_table *t)
{
    const struct bs_point_object *o = t->live.object;
    json_t *columns = json_object(), *table, *more = bs_view_part(t);

    for (size_t i = 0; i < t->n_columns; i++)
        (void)json_object_set_new(columns, t->columns[i].name, json_integer(t->columns[i].rows));
    table = json_pack("{s:s,s:s,s:b,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "schema", o->schema,
                      "name", o->name, "exists", t->live.exists, "by_key", t->live.n_key != 0,
                      "same", bs_diff_same(t), "partial", o->partial, "saved_rows",
                      (json_int_t)t->saved_rows, "live_rows", (json_int_t)t->live_rows, "changed",
                      (json_int_t)t->changed, "extra", (json_int_t)t->extra, "examples",
                      bs_view_examples(t), "columns", columns, "moved", bs_view_moved(&t->live));
    if (!o->partial) {
        (void)json_object_del(more, "equal");
        (void)json_object_del(more, "doubtful");
    }
    (void)json_object_update(table, more);
    json_decref(more);
    return table;
}

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
    json_t *list;

    if (!bs_out_json_mode()) {
        diff_text(d);
        return;
    }
    list = json_array();
    for (size_t i = 0; i < d->n_tables; i++)
        (void)json_array_append_new(list, diff_table_json(&d->tables[i]));
    bs_out_json(json_pack("{s:s,s:b,s:s*,s:o,s:o,s:o}", "point", r->manifest.id, "same", d->same,
                          "unknown", d->unknown, "tables", list, "columns",
                          bs_view_columns_json(&d->columns), "definitions",
                          bs_view_changes_json(&d->changes)));
}

/* Of the cluster. */

json_t *
bs_view_globals_json(const struct bs_global_change *list, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(out, json_pack("{s:s,s:s,s:s*,s:s*}", "what", list[i].what,
                                                   "name", list[i].name, "statement", list[i].shown,
                                                   "why", list[i].why));
    return out;
}

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

static json_t *
copyback_tables_json(const struct bs_copyback *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_copyback_table *t = &c->tables[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I}", "schema",
                      t->diff.live.object->schema, "name", t->diff.live.object->name, "rebuilt",
                      !t->diff.live.exists, "inserted", (json_int_t)t->inserted, "updated",
                      (json_int_t)t->updated, "skipped", (json_int_t)(t->diff.changed - t->updated),
                      "extra", (json_int_t)t->diff.extra, "removed", (json_int_t)t->removed, "made",
                      (json_int_t)(t->diff.made - t->removed)));
    }
    return list;
}

/* Nothing can write rows into a materialized view; of one that was refreshed the point has the old. */
static bool
is_beside(const struct bs_point_object *o)
{
    return o->relkind == 'm' && o->format != BS_ROWS_NONE && o->kind != NULL &&
           strcmp(o->kind, "REFRESH MATERIALIZED VIEW") == 0;
}

static json_t *
beside_json(const struct bs_manifest *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_objects; i++) {
        if (is_beside(&m->objects[i]))
            (void)json_array_append_new(
                list, json_pack("{s:s,s:s,s:I}", "schema", m->objects[i].schema, "name",
                                m->objects[i].name, "rows", (json_int_t)m->objects[i].row_count));
    }
    return list;
}

static void
beside_text(const struct bs_manifest *m)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        if (!is_beside(o))
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

json_t *
bs_view_copyback_json(const struct bs_restore *r, const struct bs_copyback *c)
{
    return json_pack(
        "{s:s,s:o,s:o,s:o,s:I,s:o,s:s*,s:I,s:s*,s:s,s:s*,s:s*,s:o,s:s*,s:o,s:b,s:o,s:o,s:o}",
        "point", r->manifest.id, "tables", copyback_tables_json(c), "columns",
        bs_view_columns_json(&c->columns), "objects", bs_view_strings(c->objects, c->n_objects),
        "sequences", (json_int_t)c->n_sequences, "sequences_left",
        bs_view_strings(c->sequences_left, c->n_sequences_left), "sequences_failed",
        c->sequences_failed, "refreshed", (json_int_t)c->n_refreshed, "before",
        c->point[0] == '\0' ? NULL : c->point, "definition",
        !c->compared            ? "not compared"
        : c->difference == NULL ? "identical"
                                : "differs",
        "difference", c->difference, "uncompared", c->uncompared, "cluster",
        bs_view_globals_json(c->globals, c->n_globals), "cluster_failed", c->globals_failed,
        "definitions", bs_view_changes_json(&c->changes), "reloaded", c->reloaded, "restart",
        bs_view_strings(c->restart, c->n_restart), "again", bs_view_strings(c->again, c->n_again),
        "beside", beside_json(&r->manifest));
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
        bs_out_json(bs_view_copyback_json(r, c));
    else
        copyback_text(r, c);
}

/* Groups. */

static json_t *
member_json(const struct bs_group_member *m)
{
    json_t *json = m->done ? bs_view_copyback_json(&m->r, &m->back)
                           : json_pack("{s:s}", "point", m->r.manifest.id);

    (void)json_object_set_new(json, "done", json_boolean(m->done));
    (void)json_object_set_new(json, "removed", json_integer(m->removed));
    if (m->err.code != BS_OK)
        (void)json_object_set_new(json, "error", json_string(m->err.message));
    return json;
}

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
    json_t *list;

    if (!bs_out_json_mode()) {
        for (size_t i = 0; i < g->n; i++)
            member_text(&g->members[i]);
        if (g->apart != NULL) {
            fputs("Each in a transaction of its own: ", stdout);
            bs_out_text(stdout, g->apart);
            putchar('\n');
        }
        return;
    }
    list = json_array();
    for (size_t i = 0; i < g->n; i++)
        (void)json_array_append_new(list, member_json(&g->members[i]));
    bs_out_json(
        json_pack("{s:b,s:o,s:s*}", "done", g->n_done == g->n, "points", list, "apart", g->apart));
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
