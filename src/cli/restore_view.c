/*
 * restore_view.c - names and statements in here are other people's text: they are printed by
 * bs_out_text or in table cells only.
 */
#include "cli/restore_view.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/out.h"

static const char *
count_text(int64_t n, char out[24])
{
    (void)snprintf(out, 24, n < 0 ? "?" : "%lld", (long long)n);
    return out;
}

static void
sentences(const char *head, const char *const *list, size_t n)
{
    if (n != 0)
        printf("\n%s\n", head);
    for (size_t i = 0; i < n; i++) {
        fputs("  - ", stdout);
        bs_out_text(stdout, list[i]);
        putchar('\n');
    }
}

static json_t *
strings_json(const char *const *list, size_t n)
{
    json_t *json = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(json, json_string(list[i]));
    return json;
}

/* Preview. */

static bool
goes_by_cascade(const struct bs_point_dependent *d)
{
    static const char own[] = "\"_RETURN\" on ";

    return !d->part && strncmp(d->identity, own, sizeof(own) - 1) != 0;
}

static json_t *
moved_json(const struct bs_live *live)
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

static json_t *
preview_tables_json(const struct bs_preview *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_tables; i++) {
        const struct bs_preview_table *t = &p->tables[i];
        const struct bs_point_object *o = t->object;
        json_t *entry =
            json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "schema", o->schema, "name", o->name, "kind",
                      o->kind, "reach", o->reach, "rows", (json_int_t)o->row_count, "bytes",
                      (json_int_t)o->raw_bytes, "stored_bytes", (json_int_t)o->stored_bytes);
        if (p->database) {
            (void)json_object_set_new(entry, "exists", json_boolean(t->live.exists));
            (void)json_object_set_new(entry, "moved", moved_json(&t->live));
        }
        if (t->live_rows >= 0)
            (void)json_object_set_new(entry, "live_rows", json_integer(t->live_rows));
        (void)json_array_append_new(list, entry);
    }
    return list;
}

static json_t *
closure_json(const struct bs_manifest *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_closure; i++) {
        if (goes_by_cascade(&m->closure[i]))
            (void)json_array_append_new(list, json_pack("{s:s,s:s}", "type", m->closure[i].type,
                                                        "identity", m->closure[i].identity));
    }
    return list;
}

static void
preview_json(const struct bs_restore *r, const struct bs_preview *p, const char *unreached)
{
    const struct bs_manifest *m = &r->manifest;
    char at[BS_TIME_TEXT];
    json_t *json;

    bs_time_format(m->created_us, at);
    json = json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:s*,s:s*,s:s*,s:b}", "point", m->id, "created_at",
                     at, "database", m->source.database, "outcome", bs_event_name(r->ref.outcome),
                     "kind", m->statement.kind, "statement", m->statement.text, "agent",
                     m->actor.agent, "owner", m->actor.owner, "approver", m->actor.approver,
                     "definition", m->schema.key != NULL);
    (void)json_object_set_new(json, "tables", preview_tables_json(p));
    (void)json_object_set_new(json, "cascade", closure_json(m));
    (void)json_object_set_new(json, "conflicts", strings_json(p->conflicts, p->n_conflicts));
    (void)json_object_set_new(json, "cannot", strings_json(p->cannot, p->n_cannot));
    (void)json_object_set_new(json, "proof",
                              json_pack("{s:s,s:I,s:I}", "result", "ok", "objects",
                                        (json_int_t)p->proof.objects, "rows",
                                        (json_int_t)p->proof.rows));
    if (unreached != NULL)
        (void)json_object_set_new(json, "unreached", json_string(unreached));
    bs_out_json(json);
}

static void
preview_head(const struct bs_restore *r, const struct bs_preview *p)
{
    const struct bs_manifest *m = &r->manifest;
    char at[BS_TIME_TEXT], text[600];

    bs_time_format(m->created_us, at);
    bs_out_line("point", m->id);
    (void)snprintf(text, sizeof(text), "%.19s UTC", at);
    bs_out_line("when", text);
    (void)snprintf(
        text, sizeof(text), "%.150s%s%.150s%s", m->actor.agent == NULL ? "?" : m->actor.agent,
        m->actor.owner == NULL ? "" : " of ", m->actor.owner == NULL ? "" : m->actor.owner,
        m->actor.approver == NULL ? "" : ", approved by ");
    if (m->actor.approver != NULL)
        (void)strncat(text, m->actor.approver, sizeof(text) - strlen(text) - 1);
    bs_out_line("who", text);
    bs_out_line("statement", m->statement.text != NULL ? m->statement.text : m->statement.kind);
    bs_out_line("outcome", bs_event_name(r->ref.outcome));
    (void)snprintf(text, sizeof(text), "%zu objects read again, %lld rows: as they were saved",
                   p->proof.objects, (long long)p->proof.rows);
    bs_out_line("proof", text);
    bs_out_line("definition", m->schema.key == NULL ? "not stored" : "stored");
}

static void
preview_tables(const struct bs_preview *p)
{
    static const char *const heads[] = {"TABLE", "HAPPENED", "SAVED ROWS",
                                        "SIZE",  "NOW",      "ROWS NOW"};
    struct bs_table table = {0};

    putchar('\n');
    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < p->n_tables; i++) {
        const struct bs_preview_table *t = &p->tables[i];
        char size[24], rows[24];
        bs_table_cell(&table, "%s.%s", t->object->schema, t->object->name);
        bs_table_cell(&table, "%s", t->object->kind);
        bs_table_cell(&table, "%lld", (long long)t->object->row_count);
        bs_table_cell(&table, "%s", bs_out_size(size, t->object->raw_bytes));
        bs_table_cell(&table, "%s",
                      !p->database             ? "?"
                      : !t->live.exists        ? "gone"
                      : bs_live_fits(&t->live) ? "there"
                                               : "there, changed");
        bs_table_cell(&table, "%s",
                      p->database && !t->live.exists ? "-" : count_text(t->live_rows, rows));
    }
    bs_table_print(&table);
    bs_table_fini(&table);
}

static void
preview_closure(const struct bs_manifest *m)
{
    bool any = false;

    for (size_t i = 0; i < m->n_closure; i++) {
        if (!goes_by_cascade(&m->closure[i]))
            continue;
        if (!any)
            puts("\nWent along by CASCADE, if that was said");
        any = true;
        printf("  - %s ", m->closure[i].type);
        bs_out_text(stdout, m->closure[i].identity);
        putchar('\n');
    }
}

void
bs_view_preview(const struct bs_restore *r, const struct bs_preview *p, const char *unreached)
{
    if (bs_out_json_mode()) {
        preview_json(r, p, unreached);
        return;
    }
    preview_head(r, p);
    preview_tables(p);
    preview_closure(&r->manifest);
    if (unreached != NULL) {
        fputs("\nThe database was not looked at: ", stdout);
        bs_out_text(stdout, unreached);
        putchar('\n');
    }
    sentences("Mind", p->conflicts, p->n_conflicts);
    sentences("Cannot be given back", p->cannot, p->n_cannot);
    printf("\nNext: backstop restore run %s (beside), or restore copy-back %s (into place)\n",
           r->manifest.id, r->manifest.id);
}

/* Rebuild and discard. */

void
bs_view_rebuild(const struct bs_restore *r, const struct bs_rebuild *b)
{
    static const char *const heads[] = {"SAVED TABLE", "NOW IN",  "ROWS",
                                        "SIZE",        "SECONDS", "PROOF"};
    struct bs_table table = {0};
    json_t *list = json_array();

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < b->n_tables; i++) {
        const struct bs_rebuilt *t = &b->tables[i];
        char size[24];
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:f}", "schema", t->object->schema,
                            "name", t->object->name, "into_schema", t->schema, "into_name", t->name,
                            "rows", (json_int_t)t->rows, "bytes", (json_int_t)t->bytes,
                            "primary_key", t->key, "seconds", (double)t->took_us / 1e6));
        bs_table_cell(&table, "%s.%s", t->object->schema, t->object->name);
        bs_table_cell(&table, "%s.%s", t->schema, t->name);
        bs_table_cell(&table, "%lld", (long long)t->rows);
        bs_table_cell(&table, "%s", bs_out_size(size, t->bytes));
        bs_table_cell(&table, "%.2f", (double)t->took_us / 1e6);
        bs_table_cell(&table, "rows and row hash equal");
    }
    if (bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:O}", "point", r->manifest.id, "tables", list));
    else {
        bs_table_print(&table);
        printf("\nNext: backstop restore diff %s, restore copy-back %s, restore discard %s\n",
               r->manifest.id, r->manifest.id, r->manifest.id);
    }
    json_decref(list);
    bs_table_fini(&table);
}

void
bs_view_discard(const struct bs_restore *r, const struct bs_discard *d)
{
    if (bs_out_json_mode()) {
        bs_out_json(json_pack("{s:s,s:o,s:s*}", "point", r->manifest.id, "dropped",
                              strings_json(d->dropped, d->n_dropped), "kept", d->kept));
        return;
    }
    if (d->n_dropped == 0)
        puts("there is nothing to discard");
    for (size_t i = 0; i < d->n_dropped; i++) {
        fputs("dropped ", stdout);
        bs_out_text(stdout, d->dropped[i]);
        putchar('\n');
    }
    if (d->kept != NULL) {
        fputs("kept schema ", stdout);
        bs_out_text(stdout, d->kept);
        puts(": it holds something that is not of this point");
    }
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

static json_t *
diff_table_json(const struct bs_diff_table *t)
{
    const struct bs_point_object *o = t->live.object;
    json_t *columns = json_object();

    for (size_t i = 0; i < t->n_columns; i++)
        (void)json_object_set_new(columns, t->columns[i].name, json_integer(t->columns[i].rows));
    return json_pack(
        "{s:s,s:s,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:{s:o,s:o,s:o},s:o,s:o}", "schema", o->schema,
        "name", o->name, "exists", t->live.exists, "by_key", t->live.n_key != 0, "same",
        bs_diff_same(t), "saved_rows", (json_int_t)t->saved_rows, "live_rows",
        (json_int_t)t->live_rows, "missing", (json_int_t)t->missing, "changed",
        (json_int_t)t->changed, "extra", (json_int_t)t->extra, "examples", "missing",
        examples_json(&t->missing_keys), "changed", examples_json(&t->changed_keys), "extra",
        examples_json(&t->extra_keys), "columns", columns, "moved", moved_json(&t->live));
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

static void
diff_details(const struct bs_diff_table *t)
{
    if (t->missing_keys.n + t->changed_keys.n + t->extra_keys.n == 0)
        return;
    putchar('\n');
    bs_out_text(stdout, t->live.object->schema);
    putchar('.');
    bs_out_text(stdout, t->live.object->name);
    puts(", for example");
    examples_text("missing", &t->missing_keys);
    examples_text("changed", &t->changed_keys);
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
bs_view_diff(const struct bs_restore *r, const struct bs_diff *d)
{
    static const char *const heads[] = {"TABLE",   "SAVED", "LIVE",    "MISSING",
                                        "CHANGED", "EXTRA", "COMPARED"};
    struct bs_table table = {0};
    json_t *list = json_array();

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < d->n_tables; i++) {
        const struct bs_diff_table *t = &d->tables[i];
        (void)json_array_append_new(list, diff_table_json(t));
        bs_table_cell(&table, "%s.%s", t->live.object->schema, t->live.object->name);
        bs_table_cell(&table, "%lld", (long long)t->saved_rows);
        bs_table_cell(&table, "%lld", (long long)t->live_rows);
        bs_table_cell(&table, "%lld", (long long)t->missing);
        bs_table_cell(&table, "%lld", (long long)t->changed);
        bs_table_cell(&table, "%lld", (long long)t->extra);
        bs_table_cell(&table, "%s", live_text(t));
    }
    if (bs_out_json_mode())
        bs_out_json(
            json_pack("{s:s,s:b,s:O}", "point", r->manifest.id, "same", d->same, "tables", list));
    else
        bs_table_print(&table);
    for (size_t i = 0; !bs_out_json_mode() && i < d->n_tables; i++)
        diff_details(&d->tables[i]);
    if (!bs_out_json_mode())
        printf("\n%s\n", d->same ? "no difference" : "there are differences");
    json_decref(list);
    bs_table_fini(&table);
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

    fputs("  ", to);
    bs_out_text(to, t->diff.live.object->schema);
    fputc('.', to);
    bs_out_text(to, t->diff.live.object->name);
    fprintf(to, ": %lld rows put back", (long long)t->inserted);
    if (t->updated != 0)
        fprintf(to, ", %lld overwritten", (long long)t->updated);
    if (left != 0)
        fprintf(to, ", %lld with other values left alone (--conflict overwrite)", (long long)left);
    if (t->diff.extra != 0)
        fprintf(to, ", %lld newer ones kept", (long long)t->diff.extra);
    fputs(t->diff.live.exists ? "\n" : ", table made again\n", to);
}

void
bs_view_plan(const struct bs_restore *r, const struct bs_copyback *c)
{
    fprintf(stderr, "Copy-back of %s:\n", r->manifest.id);
    objects_text(stderr, c);
    for (size_t i = 0; i < c->n_tables; i++)
        table_text(stderr, &c->tables[i]);
}

static json_t *
copyback_tables_json(const struct bs_copyback *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_copyback_table *t = &c->tables[i];
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:I}", "schema", t->diff.live.object->schema,
                            "name", t->diff.live.object->name, "rebuilt", !t->diff.live.exists,
                            "inserted", (json_int_t)t->inserted, "updated", (json_int_t)t->updated,
                            "skipped", (json_int_t)(t->diff.changed - t->updated), "extra",
                            (json_int_t)t->diff.extra));
    }
    return list;
}

void
bs_view_copyback(const struct bs_restore *r, const struct bs_copyback *c)
{
    if (bs_out_json_mode()) {
        bs_out_json(json_pack("{s:s,s:o,s:o,s:I,s:I,s:s*,s:s,s:s*,s:s*}", "point", r->manifest.id,
                              "tables", copyback_tables_json(c), "objects",
                              strings_json(c->objects, c->n_objects), "sequences",
                              (json_int_t)c->n_sequences, "refreshed", (json_int_t)c->n_refreshed,
                              "before", c->point[0] == '\0' ? NULL : c->point, "definition",
                              !c->compared            ? "not compared"
                              : c->difference == NULL ? "identical"
                                                      : "differs",
                              "difference", c->difference, "uncompared", c->uncompared));
        return;
    }
    if (c->n_objects == 0 && c->n_tables == 0)
        puts("The point holds nothing that is lost.");
    objects_text(stdout, c);
    for (size_t i = 0; i < c->n_tables; i++)
        table_text(stdout, &c->tables[i]);
    if (c->n_sequences != 0)
        printf("  sequences set: %zu\n", c->n_sequences);
    if (c->n_refreshed != 0)
        printf("  materialized views refreshed: %zu\n", c->n_refreshed);
    if (c->point[0] != '\0')
        printf("  what was there before: %s\n", c->point);
    if (c->compared && c->difference == NULL)
        puts("The definition of the database is identical to the saved one.");
    if (c->difference != NULL) {
        puts("The definition of the database differs from the saved one (- saved, + now):");
        bs_out_text(stdout, c->difference);
    }
    if (c->uncompared != NULL) {
        fputs("The definition could not be compared: ", stdout);
        bs_out_text(stdout, c->uncompared);
        putchar('\n');
    }
}

/* Progress. */

static int64_t progress_since_us; /* when the step now running began */
static char progress_step[200];
static bool progress_shown;

void
bs_view_progress(void *ctx, const struct bs_restore_progress *p)
{
    static int64_t last_us;
    int64_t now = bs_mono_us();

    (void)ctx;
    if (isatty(STDERR_FILENO) != 1 || p->step == NULL)
        return;
    if (strncmp(progress_step, p->step, sizeof(progress_step) - 1) != 0) {
        bs_view_progress_end();
        (void)snprintf(progress_step, sizeof(progress_step), "%s", p->step);
        progress_since_us = now;
    }
    if (now - progress_since_us < 1000000 || now - last_us < 100000)
        return;
    last_us = now;
    progress_shown = true;
    fputs("\r\033[K", stderr);
    bs_out_text(stderr, progress_step);
    if (p->of > 0)
        fprintf(stderr, "  %3.0f %%", 100.0 * (double)p->bytes / (double)p->of);
    fflush(stderr);
}

void
bs_view_progress_end(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
    progress_step[0] = '\0';
}
