/*
 * restore_view.c - names and statements in here are other people's text: they are printed by
 * bs_out_text or in table cells only.
 */
#include "cli/restore_view.h"

#include <stdio.h>
#include <stdlib.h>
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

json_t *
bs_view_strings(const char *const *list, size_t n)
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

json_t *
bs_view_moved(const struct bs_live *live)
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
            (void)json_object_set_new(entry, "moved", bs_view_moved(&t->live));
        }
        if (t->live_rows >= 0)
            (void)json_object_set_new(entry, "live_rows", json_integer(t->live_rows));
        (void)json_object_set_new(entry, "partial", json_boolean(o->partial));
        if (o->partial) {
            (void)json_object_set_new(entry, "replaced", json_integer(o->replaced));
            (void)json_object_set_new(entry, "inserted", json_integer(o->inserted));
        }
        if (t->diff != NULL) {
            (void)json_object_set_new(entry, "now", bs_view_part(t->diff));
            (void)json_object_set_new(entry, "examples", bs_view_examples(t->diff));
            (void)json_object_set_new(entry, "foreseen",
                                      bs_view_foreseen(t->foreseen, t->n_foreseen));
        }
        if (t->diff != NULL && t->diff->chosen)
            (void)json_object_set_new(entry, "chosen", json_integer(t->diff->saved_rows));
        (void)json_array_append_new(list, entry);
    }
    return list;
}

static json_t *
sequences_json(const struct bs_preview *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_sequences; i++) {
        const struct bs_counter_pair *c = &p->sequences[i];
        json_t *entry =
            json_pack("{s:s,s:s,s:I,s:b}", "schema", c->saved->schema, "name", c->saved->name,
                      "saved", (json_int_t)c->saved->last_value, "exists", c->live.exists);
        if (c->live.exists)
            (void)json_object_set_new(entry, "live", json_integer(c->live.last_value));
        (void)json_array_append_new(list, entry);
    }
    return list;
}

static json_t *
siblings_json(const struct bs_preview *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_siblings; i++)
        (void)json_array_append_new(list, json_string(p->siblings[i].id));
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

static int64_t
rows_of(const struct bs_point_database *db)
{
    int64_t rows = 0;

    for (size_t i = 0; i < db->n_counted; i++)
        rows += db->counted[i].rows;
    return rows;
}

static json_t *
dropped_json(const struct bs_point_database *db)
{
    return json_pack("{s:s,s:I,s:I,s:I,s:I}", "name", db->name, "bytes", (json_int_t)db->bytes,
                     "stored_bytes", (json_int_t)db->dump.stored_bytes, "tables",
                     (json_int_t)db->n_counted, "rows", (json_int_t)rows_of(db));
}

static void
dropped_text(const struct bs_point_database *db)
{
    char size[24];

    fputs("\nDatabase \"", stdout);
    bs_out_text(stdout, db->name);
    printf("\", %zu tables and sequences, %lld rows, %s on the server's disk\n", db->n_counted,
           (long long)rows_of(db), bs_out_size(size, db->bytes));
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
    (void)json_object_set_new(json, "columns", bs_view_columns_json(&p->columns));
    (void)json_object_set_new(json, "cascade", closure_json(m));
    (void)json_object_set_new(json, "mode", json_string(m->capture.mode));
    (void)json_object_set_new(json, "sequences", sequences_json(p));
    (void)json_object_set_new(json, "cluster", bs_view_globals_json(p->globals, p->n_globals));
    if (m->n_databases != 0)
        (void)json_object_set_new(json, "dropped_database", dropped_json(m->databases));
    (void)json_object_set_new(json, "same_transaction", siblings_json(p));
    (void)json_object_set_new(json, "conflicts", bs_view_strings(p->conflicts, p->n_conflicts));
    (void)json_object_set_new(json, "definitions", bs_view_changes_json(&p->changes));
    (void)json_object_set_new(json, "cannot", bs_view_strings(p->cannot, p->n_cannot));
    (void)json_object_set_new(json, "proof",
                              json_pack("{s:s,s:s,s:I,s:I}", "result", "ok", "level",
                                        p->read_again ? "read-back" : "stored", "objects",
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
    (void)snprintf(text, sizeof(text),
                   p->read_again ? "%zu object%s read again, %lld rows: as they were saved"
                                 : "%zu object%s of %lld rows there; --verify reads them again",
                   p->proof.objects, p->proof.objects == 1 ? "" : "s", (long long)p->proof.rows);
    bs_out_line("proof", text);
    bs_out_line("definition", m->schema.key == NULL ? "not stored" : "stored");
}

/* "20", or of a condition "3 of 20". */
static const char *
saved_text(const struct bs_preview_table *t, char out[48])
{
    if (t->diff != NULL && t->diff->chosen)
        (void)snprintf(out, 48, "%lld of %lld", (long long)t->diff->saved_rows,
                       (long long)t->object->row_count);
    else
        (void)snprintf(out, 48, "%lld", (long long)t->object->row_count);
    return out;
}

static void
preview_tables(const struct bs_preview *p)
{
    static const char *const heads[] = {"TABLE", "HAPPENED", "SAVED ROWS",
                                        "SIZE",  "NOW",      "ROWS NOW"};
    struct bs_table table = {0};

    if (p->n_tables == 0)
        return;
    putchar('\n');
    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < p->n_tables; i++) {
        const struct bs_preview_table *t = &p->tables[i];
        char size[24], rows[24], saved[48];
        bs_table_cell(&table, "%s.%s", t->object->schema, t->object->name);
        bs_table_cell(&table, "%s", t->object->kind);
        bs_table_cell(&table, "%s", saved_text(t, saved));
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

/* What the statement did to a table that was saved in part, as far as the server counted. */
static void
preview_parts(const struct bs_preview *p)
{
    static const char *const heads[] = {"TABLE", "ROWS KEPT", "REPLACED", "INSERTED"};
    const struct bs_diff_table **now = bs_malloc((p->n_tables + 1) * sizeof(*now));
    struct bs_table table = {0};
    size_t n = 0, n_now = 0;

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < p->n_tables; i++) {
        const struct bs_point_object *o = p->tables[i].object;
        if (p->tables[i].diff != NULL && p->tables[i].live.exists)
            now[n_now++] = p->tables[i].diff;
        if (!o->partial)
            continue;
        n++;
        bs_table_cell(&table, "%s.%s", o->schema, o->name);
        bs_table_cell(&table, "%lld", (long long)o->row_count);
        if (o->replaced + o->inserted == 0) {
            bs_table_cell(&table, "not counted");
            bs_table_cell(&table, "not counted");
            continue;
        }
        bs_table_cell(&table, "at most %lld", (long long)o->replaced);
        bs_table_cell(&table, "at most %lld", (long long)o->inserted);
    }
    if (n != 0) {
        puts("\nThe point holds rows that the transaction replaced, not whole tables");
        bs_table_print(&table);
    }
    if (n_now != 0) {
        puts("\nThe live rows now");
        bs_view_parts(now, n_now);
    }
    bs_table_fini(&table);
    free(now);
}

static void
preview_sequences(const struct bs_preview *p)
{
    if (p->n_sequences != 0)
        puts("\nSequences, set back only by copy-back --set-sequences");
    for (size_t i = 0; i < p->n_sequences; i++) {
        const struct bs_counter_pair *c = &p->sequences[i];
        fputs("  - ", stdout);
        bs_out_text(stdout, c->saved->schema);
        putchar('.');
        bs_out_text(stdout, c->saved->name);
        printf(": %lld before the statement, ", (long long)c->saved->last_value);
        if (c->live.exists)
            printf("%lld now\n", (long long)c->live.last_value);
        else
            puts("gone now");
    }
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
    preview_parts(p);
    preview_sequences(p);
    if (p->n_globals != 0)
        puts("\nOf the cluster, not as it was (the statement that gives it back)");
    bs_view_globals(stdout, p->globals, p->n_globals);
    if (r->manifest.n_databases != 0)
        dropped_text(r->manifest.databases);
    preview_closure(&r->manifest);
    for (size_t i = 0; i < p->n_tables; i++) {
        if (p->tables[i].diff != NULL)
            bs_view_differences(p->tables[i].diff);
    }
    bs_view_changes(&p->changes, BS_VIEW_LIST);
    if (unreached != NULL) {
        fputs("\nThe database was not looked at: ", stdout);
        bs_out_text(stdout, unreached);
        putchar('\n');
    }
    sentences("Mind", p->conflicts, p->n_conflicts);
    sentences("Cannot be given back", p->cannot, p->n_cannot);
    if (r->manifest.n_databases != 0) {
        printf("\nNext: backstop restore database %s --as NAME\n", r->manifest.id);
        return;
    }
    printf("\nNext: backstop restore run %s (beside), or restore copy-back %s (into place)\n",
           r->manifest.id, r->manifest.id);
}

/* Rebuild and discard. */

/* What was found out about the rebuilt rows; what does not hold would stop a copy-back. */
static json_t *
validation_json(const struct bs_restore *r, const struct bs_rebuilt *t)
{
    return json_pack("{s:b,s:s,s:b,s:s,s:o}", "rows", 1, "row_hash",
                     r->request.where == NULL ? "equal" : "of all rows", "primary_key", t->key,
                     "constraints", t->live ? "of the live table" : "not looked at: it is gone",
                     "broken", bs_view_foreseen(t->broken, t->n_broken));
}

static void
validation_text(const struct bs_rebuilt *t)
{
    putchar('\n');
    bs_out_text(stdout, t->object->schema);
    putchar('.');
    bs_out_text(stdout, t->object->name);
    if (!t->live)
        puts(": gone, so its constraints were not held against these rows");
    else if (t->n_broken == 0)
        puts(": the live table's NOT NULL, CHECK and foreign keys hold for these rows");
    else
        puts(": the live table would not take all of these rows");
    bs_view_put_foreseen(stdout, "  ! ", t->broken, t->n_broken);
}

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
            list,
            json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:f,s:o}", "schema", t->object->schema, "name",
                      t->object->name, "into_schema", t->schema, "into_name", t->name, "rows",
                      (json_int_t)t->rows, "bytes", (json_int_t)t->bytes, "primary_key", t->key,
                      "seconds", (double)t->took_us / 1e6, "validation", validation_json(r, t)));
        bs_table_cell(&table, "%s.%s", t->object->schema, t->object->name);
        bs_table_cell(&table, "%s.%s", t->schema, t->name);
        bs_table_cell(&table, "%lld", (long long)t->rows);
        bs_table_cell(&table, "%s", bs_out_size(size, t->bytes));
        bs_table_cell(&table, "%.2f", (double)t->took_us / 1e6);
        bs_table_cell(&table, r->request.where == NULL ? "rows and row hash equal"
                                                       : "chosen among all, which were proven");
    }
    if (bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:O}", "point", r->manifest.id, "tables", list));
    else {
        bs_table_print(&table);
        for (size_t i = 0; i < b->n_tables; i++)
            validation_text(&b->tables[i]);
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
                              bs_view_strings(d->dropped, d->n_dropped), "kept", d->kept));
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
