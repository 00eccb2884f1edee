/*
 * restore_view.c - names and statements in here are other people's text: they are printed by
 * bs_out_text or in table cells only.
 */
#include "cli/restore_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/restored.h"
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

/* Preview. */

static void
dropped_text(const struct bs_point_database *db)
{
    char size[24];

    fputs("\nDatabase \"", stdout);
    bs_out_text(stdout, db->name);
    printf("\", %zu tables and sequences, %lld rows, %s on the server's disk\n", db->n_counted,
           (long long)bs_restored_dump_rows(db), bs_out_size(size, db->bytes));
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
        if (!bs_restored_by_cascade(&m->closure[i]))
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
        bs_out_json(bs_restored_preview(r, p, unreached));
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

    if (bs_out_json_mode()) {
        bs_out_json(bs_restored_rebuild(r, b));
        return;
    }
    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < b->n_tables; i++) {
        const struct bs_rebuilt *t = &b->tables[i];
        char size[24];
        bs_table_cell(&table, "%s.%s", t->object->schema, t->object->name);
        bs_table_cell(&table, "%s.%s", t->schema, t->name);
        bs_table_cell(&table, "%lld", (long long)t->rows);
        bs_table_cell(&table, "%s", bs_out_size(size, t->bytes));
        bs_table_cell(&table, "%.2f", (double)t->took_us / 1e6);
        bs_table_cell(&table, r->request.where == NULL ? "rows and row hash equal"
                                                       : "chosen among all, which were proven");
    }
    bs_table_print(&table);
    for (size_t i = 0; i < b->n_tables; i++)
        validation_text(&b->tables[i]);
    printf("\nNext: backstop restore diff %s, restore copy-back %s, restore discard %s\n",
           r->manifest.id, r->manifest.id, r->manifest.id);
    bs_table_fini(&table);
}

void
bs_view_discard(const struct bs_restore *r, const struct bs_discard *d)
{
    if (bs_out_json_mode()) {
        bs_out_json(bs_restored_discard(r, d));
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
