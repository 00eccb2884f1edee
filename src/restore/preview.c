/*
 * preview.c - sentences for people, from what the manifest says and what is there now.
 */
#include "restore/preview.h"
#include "restore/globals.h"

#include <string.h>

#include "restore/keyless.h"
#include "restore/text.h"
#include "restore/where.h"

#define COUNT_TIMEOUT   "5s"
#define COMPARE_TIMEOUT "60s" /* for all rows that are compared */

enum {
    SENTENCES = 1000, /* more than anybody reads */
};

/* Tables that were compared, and by their side what stands against a copy-back. */
struct preview_diff {
    struct bs_diff diff;
    struct bs_foreseen **foreseen;
    size_t *n_foreseen;
};

struct sentences {
    struct bs_restore *r;
    const char ***list;
    size_t *n;
};

static void
say(const struct sentences *s, const char *text)
{
    if (*s->n < SENTENCES && text != NULL)
        (*s->list)[(*s->n)++] = text;
}

/* Rows that are there now; -1 where counting takes too long or is not allowed. */
static enum bs_done
count_live(struct bs_restore *r, struct bs_preview_table *t, struct bs_err *err)
{
    const struct bs_point_object *o = t->object;
    struct bs_err ignored = {0};
    struct bs_buf sql;
    PGresult *result = NULL;

    t->live_rows = -1;
    if (o->partial || !t->live.exists || strchr("rmp", t->live.relkind) == NULL)
        return BS_DONE;
    bs_buf_init(&sql, 4096);
    bs_put_str(&sql, "SELECT pg_catalog.count(*) FROM ONLY ");
    bs_put_name(&sql, o->schema, o->name);
    bs_put_u8(&sql, 0);
    if (bs_rdb_do(&r->db, "BEGIN READ ONLY; SET LOCAL statement_timeout = '" COUNT_TIMEOUT "'",
                  err) == BS_DONE &&
        !sql.failed)
        result = bs_rdb_ask(&r->db, (const char *)sql.p, 0, NULL, &ignored);
    if (result != NULL)
        t->live_rows = bs_rdb_number(result, 0, 0);
    PQclear(result);
    bs_buf_fini(&sql);
    bs_rdb_rollback(&r->db);
    return err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static void
say_moved_columns(const struct sentences *s, const struct bs_preview_table *t)
{
    struct bs_arena *a = &s->r->arena;
    const struct bs_point_object *o = t->object;

    if (t->live.moved != NULL)
        say(s, bs_arena_fmt(a,
                            "%s.%s is another table now, the saved one is %s: copy-back will"
                            " refuse",
                            o->schema, o->name, t->live.moved));
    for (size_t i = 0; i < o->n_columns; i++) {
        const struct bs_live_column *c = &t->live.columns[i];
        if (c->renamed != NULL)
            say(s, bs_arena_fmt(a, "%s.%s.%s is called %s now: copy-back will refuse", o->schema,
                                o->name, c->name, c->renamed));
        else if (c->match == BS_LIVE_GENERATED)
            say(s, bs_arena_fmt(a, "%s.%s.%s is generated now: copy-back will refuse", o->schema,
                                o->name, c->name));
        else if (c->match == BS_LIVE_GONE)
            say(s, bs_arena_fmt(a, "%s.%s no longer has column %s: copy-back will refuse",
                                o->schema, o->name, c->name));
        if (c->match == BS_LIVE_OTHER_TYPE)
            say(s, bs_arena_fmt(a, "%s.%s.%s was %s and is now %s: copy-back will refuse",
                                o->schema, o->name, c->name, o->columns[i].type, c->live_type));
    }
    for (size_t i = 0; i < t->live.n_added; i++)
        say(s, bs_arena_fmt(a, "%s.%s has a new column %s: rows put back get its default",
                            o->schema, o->name, t->live.added[i]));
}

/* Its rows cannot be loaded beside it. */
static void
say_cannot(const struct sentences *s, const struct bs_point_object *o)
{
    const char *cannot = bs_compare_cannot(o, &s->r->arena);

    if (cannot != NULL)
        say(s, bs_arena_fmt(&s->r->arena, "%s: copy-back will refuse", cannot));
}

static void
say_gone(const struct sentences *s, const struct bs_point_object *o)
{
    struct bs_arena *a = &s->r->arena;

    if (o->partial)
        say(s, bs_arena_fmt(a,
                            "%s.%s is gone, and the point holds some of its rows only: copy-back"
                            " will refuse",
                            o->schema, o->name));
    else if (bs_compare_of_lost(o))
        say_cannot(s, o);
    if (!o->partial && s->r->manifest.schema.key == NULL)
        say(s, bs_arena_fmt(a, "%s.%s is gone, and the point holds no definition of it", o->schema,
                            o->name));
}

static void
say_no_key(const struct sentences *s, const struct bs_point_object *o)
{
    say(s, bs_arena_fmt(&s->r->arena,
                        "%s.%s has no unique key in common with the saved rows: a row that was"
                        " changed counts as missing, as it was, and as %s, as it is; where it"
                        " cannot be told what has become of which, copy-back will refuse",
                        o->schema, o->name, o->partial ? "made" : "extra"));
}

/* A number of rows of a table, and what is to be said about them. */
static void
say_rows(const struct sentences *s, int64_t n, const struct bs_point_object *o, const char *what)
{
    if (n != 0)
        say(s, bs_arena_fmt(&s->r->arena, "%lld row%s of %s.%s %s", (long long)n, n == 1 ? "" : "s",
                            o->schema, o->name, what));
}

static void
say_parts(const struct sentences *s, const struct bs_preview_table *t)
{
    const struct bs_diff_table *d = t->diff;
    struct bs_err why = {0};

    if (d == NULL)
        return;
    if (bs_keyless_check(d, false, &why) != BS_DONE)
        say(s, bs_arena_fmt(&s->r->arena, "%s: copy-back will refuse", why.message));
    say_rows(s, d->conflicts, t->object,
             "changed since, by others: left alone, unless --conflict overwrite");
    say_rows(s, d->near, t->object,
             "among these may be the transaction's own, written under a savepoint; a server with"
             " track_commit_timestamp could tell");
    say_rows(s, d->doubtful, t->object,
             "at least were deleted by others at the same time, and would come back");
    say_rows(s, d->made, t->object,
             "made by the transaction are still there, inserted or given another key: they stay,"
             " unless --remove-inserted");
}

static void
say_conflicts(const struct sentences *s, const struct bs_preview_table *t)
{
    struct bs_arena *a = &s->r->arena;
    const struct bs_point_object *o = t->object;

    if (bs_point_alters(o))
        return; /* see say_columns */
    if (!t->live.exists) {
        say_gone(s, o);
        return;
    }
    if (strncmp(o->kind, "DROP", 4) == 0 &&
        (s->r->ref.outcome == BS_EVENT_COMMITTED || s->r->ref.outcome == BS_EVENT_UNKNOWN))
        say(s, bs_arena_fmt(a, "%s.%s exists again: saved rows would be put into what is there",
                            o->schema, o->name));
    if (t->live.relkind != o->relkind)
        say(s, bs_arena_fmt(a, "%s.%s is now another kind of relation: copy-back will refuse",
                            o->schema, o->name));
    say_cannot(s, o);
    say_moved_columns(s, t);
    if (t->live.n_triggers != 0)
        say(s, bs_arena_fmt(a, "%s.%s has %zu trigger%s on rows that are put back", o->schema,
                            o->name, t->live.n_triggers, t->live.n_triggers == 1 ? "" : "s"));
    if (t->live.n_key == 0 && (o->relkind == 'r' || o->partial))
        say_no_key(s, o);
    say_parts(s, t);
    for (size_t i = 0; i < t->n_foreseen; i++)
        say(s,
            bs_arena_fmt(a, "%s.%s: %s", o->schema, o->name, bs_foreseen_text(&t->foreseen[i], a)));
}

static void
say_limits(const struct sentences *s, const struct bs_preview *p)
{
    const struct bs_manifest *m = &s->r->manifest;
    bool views = false;

    for (size_t i = 0; i < p->n_tables; i++)
        views = views || p->tables[i].object->relkind == 'm';
    say(s, "what was written after the point was made");
    say(s, "numbers that are not data: OIDs, row versions, planner statistics");
    if (m->schema.key == NULL)
        say(s, "definitions: the point holds rows only");
    else
        say(s, "roles that were dropped since, and what was granted to them");
    if (views)
        say(s, "contents of materialized views: they are computed again");
}

static void
say_outcome(const struct sentences *s)
{
    if (s->r->ref.outcome == BS_EVENT_ROLLED_BACK || s->r->ref.outcome == BS_EVENT_NOT_USED)
        say(s, "the statement was not carried out: nothing was lost by it");
    if (s->r->ref.outcome == BS_EVENT_UNKNOWN)
        say(s, "it is not known whether the statement was carried out");
}

/* True where both hold rows of a table in part. */
static bool
shares(const struct bs_sibling *sibling, const struct bs_preview *p)
{
    for (size_t i = 0; i < p->n_tables; i++) {
        const struct bs_preview_table *t = &p->tables[i];
        if (t->diff != NULL && t->object->partial &&
            bs_sibling_shares(sibling, t->live.parts, t->live.n_parts))
            return true;
    }
    return false;
}

static const char *
shared_text(const struct sentences *s, const struct bs_sibling *sibling, const struct bs_preview *p)
{
    if (!shares(sibling, p))
        return "";
    /* One that was made at the end has all rows of its tables. */
    return strcmp(s->r->manifest.capture.mode, "rows") == 0
               ? ", which holds some of the same rows"
               : ", which holds rows of the same table: some that count as made here may be in"
                 " there";
}

/* Whose rows the live ones are, and which other points are of the same transaction. */
static void
say_origin(const struct sentences *s, const struct bs_preview *p)
{
    bool parts = false;

    for (size_t i = 0; i < p->n_tables; i++)
        parts = parts || p->tables[i].object->partial;
    if (parts && p->database && s->r->origin.why != NULL)
        say(s, bs_arena_fmt(&s->r->arena,
                            "which live rows the transaction has written cannot be told, so all"
                            " that differ count as changed by others: %s",
                            s->r->origin.why));
    if (p->n_siblings != 0)
        say(s, "the transaction has several points: copy-back --group gives all of them back");
    for (size_t i = 0; i < p->n_siblings; i++)
        say(s, bs_arena_fmt(&s->r->arena, "the same transaction also made %s%s", p->siblings[i].id,
                            shared_text(s, &p->siblings[i], p)));
}

/* What constraints have against a copy-back as it is without options. */
static enum bs_done
foresee(struct bs_restore *r, struct preview_diff *d, struct bs_err *err)
{
    const struct bs_diff_table **tables =
        bs_arena_array(&r->arena, d->diff.n_tables + 1, sizeof(*tables));
    struct bs_foresee f = {
        .r = r, .tables = tables, .n_tables = d->diff.n_tables, .written = "'m', 'u'"};

    d->foreseen = bs_arena_array(&r->arena, d->diff.n_tables + 1, sizeof(*d->foreseen));
    d->n_foreseen = bs_arena_array(&r->arena, d->diff.n_tables + 1, sizeof(*d->n_foreseen));
    if (tables == NULL || d->foreseen == NULL || d->n_foreseen == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < d->diff.n_tables; i++)
        tables[i] = &d->diff.tables[i];
    for (size_t i = 0; i < d->diff.n_tables; i++) {
        if (bs_live_fits(&tables[i]->live) &&
            bs_foresee_table(&f, i, &d->foreseen[i], &d->n_foreseen[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
join_partitions(struct bs_restore *r, struct bs_diff *d, struct bs_err *err)
{
    struct bs_diff_table **all = bs_arena_array(&r->arena, d->n_tables + 1, sizeof(*all));

    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < d->n_tables; i++)
        all[i] = &d->tables[i];
    bs_keyless_join(all, d->n_tables);
    return BS_DONE;
}

/* In a transaction that is rolled back; where it cannot be done, that is said. */
static enum bs_done
compare_some(struct bs_restore *r,
             const struct bs_point_object *const *picked,
             size_t n,
             const struct sentences *s,
             struct preview_diff *out,
             struct bs_err *err)
{
    struct bs_err why = {0};
    enum bs_done done;

    if (n == 0)
        return BS_DONE;
    if (bs_rdb_do(&r->db,
                  "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout ="
                  " '" COMPARE_TIMEOUT "'",
                  err) != BS_DONE)
        return BS_FAILED;
    done = bs_diff_tables(r, picked, n, &out->diff, &why);
    if (done == BS_DONE)
        done = join_partitions(r, &out->diff, &why);
    if (done == BS_DONE)
        done = foresee(r, out, &why);
    bs_rdb_rollback(&r->db);
    if (done == BS_DONE)
        return BS_DONE;
    if (why.code != BS_E_DATABASE && why.code != BS_E_FORBIDDEN && why.code != BS_E_CANCELLED) {
        *err = why;
        return BS_FAILED;
    }
    *out = (struct preview_diff){0};
    say(s, bs_arena_fmt(&r->arena, "the live rows could not be compared: %s", why.message));
    return BS_DONE;
}

/* Whole tables only where it takes a moment, or where it was asked which of their rows are meant. */
static bool
is_compared(struct bs_restore *r, const struct bs_preview_table *t)
{
    const struct bs_point_object *o = t->object;

    if (bs_point_alters(o) || bs_compare_cannot(o, &r->arena) != NULL)
        return false;
    if (o->partial || r->request.where != NULL)
        return true;
    return o->relkind == 'r' && o->n_columns != 0 && o->raw_bytes <= BS_PREVIEW_COMPARES &&
           bs_live_fits(&t->live);
}

/* The tables that were compared follow the others. */
static void
take_compared(struct bs_preview *p, const struct preview_diff *d)
{
    const struct bs_diff *diff = &d->diff;
    size_t n = 0;

    for (size_t i = 0; i < p->n_tables && diff->n_tables != 0; i++) {
        if (!p->tables[i].compared)
            p->tables[n++] = p->tables[i];
    }
    for (size_t i = 0; i < diff->n_tables; i++)
        p->tables[n++] = (struct bs_preview_table){.object = diff->tables[i].live.object,
                                                   .live = diff->tables[i].live,
                                                   .live_rows = diff->tables[i].live_rows,
                                                   .foreseen = d->foreseen[i],
                                                   .n_foreseen = d->n_foreseen[i],
                                                   .diff = &diff->tables[i]};
    p->n_tables = diff->n_tables != 0 ? n : p->n_tables;
}

static enum bs_done
look_at_tables(struct bs_restore *r,
               struct bs_preview *p,
               const struct sentences *s,
               struct bs_err *err)
{
    const struct bs_point_object **compared =
        bs_arena_array(&r->arena, p->n_tables + 1, sizeof(*compared));
    struct preview_diff *diff = bs_arena_take(&r->arena, sizeof(*diff));
    size_t n_compared = 0;
    bool parts = false;

    if (compared == NULL || diff == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < p->n_tables; i++) {
        struct bs_preview_table *t = &p->tables[i];
        if (bs_live_look(&r->db, t->object, &r->arena, &t->live, err) != BS_DONE ||
            count_live(r, t, err) != BS_DONE)
            return BS_FAILED;
        parts = parts || t->object->partial;
        t->compared = is_compared(r, t);
        if (t->compared)
            compared[n_compared++] = t->object;
    }
    if (compare_some(r, compared, n_compared, s, diff, err) != BS_DONE)
        return BS_FAILED;
    take_compared(p, diff);
    p->database = true;
    return parts ? bs_counters_look(r, NULL, &p->sequences, &p->n_sequences, err) : BS_DONE;
}

/* What of the cluster is not as it was; where that cannot be told, it is said. */
static enum bs_done
look_at_globals(struct bs_restore *r,
                struct bs_preview *p,
                const struct sentences *s,
                struct bs_err *err)
{
    struct bs_err why = {0};
    enum bs_done done;

    if (r->manifest.n_globals == 0)
        return BS_DONE;
    if (bs_rdb_do(&r->db, "BEGIN", err) != BS_DONE)
        return BS_FAILED;
    done = bs_globals_find(r, BS_COPYBACK_KEEP, &p->globals, &p->n_globals, &why);
    bs_rdb_rollback(&r->db);
    if (done == BS_DONE)
        return BS_DONE;
    if (why.code != BS_E_FORBIDDEN && why.code != BS_E_DATABASE) {
        *err = why;
        return BS_FAILED;
    }
    say(s, bs_arena_fmt(&r->arena, "roles and settings could not be compared: %s", why.message));
    return BS_DONE;
}

/* Whether the saved values of all these columns are loaded and compared in a moment. */
static bool
is_quick(const struct bs_columns *c)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < c->n_tables; i++) {
        for (size_t k = 0; k < c->tables[i].n_members; k++)
            bytes += c->tables[i].members[k]->raw_bytes;
    }
    return bytes <= BS_PREVIEW_COMPARES;
}

static enum bs_done
look_at_columns(struct bs_restore *r,
                struct bs_preview *p,
                const struct sentences *s,
                struct bs_err *err)
{
    const struct bs_point_object **picked =
        bs_arena_array(&r->arena, p->n_tables + 1, sizeof(*picked));
    struct bs_err why = {0};

    if (picked == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    if (!bs_columns_any(&r->manifest))
        return BS_DONE;
    for (size_t i = 0; i < p->n_tables; i++)
        picked[i] = p->tables[i].object;
    if (bs_columns_look(r, p->n_tables == 0 ? NULL : picked, p->n_tables, &p->columns, err) !=
        BS_DONE)
        return BS_FAILED;
    if (!is_quick(&p->columns))
        return BS_DONE;
    if (bs_rdb_do(&r->db,
                  "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout ="
                  " '" COMPARE_TIMEOUT "'",
                  err) != BS_DONE)
        return BS_FAILED;
    p->columns_compared = bs_columns_compare(r, &p->columns, &why) == BS_DONE;
    bs_rdb_rollback(&r->db);
    if (!p->columns_compared)
        say(s, bs_arena_fmt(&r->arena, "the live rows could not be compared: %s", why.message));
    return BS_DONE;
}

static void
say_columns(const struct sentences *s, const struct bs_preview *p)
{
    for (size_t i = 0; i < p->columns.n_tables; i++) {
        const struct bs_columns_table *t = &p->columns.tables[i];
        if (t->cannot != NULL) {
            say(s, bs_arena_fmt(&s->r->arena, "%s: copy-back will refuse", t->cannot));
            continue;
        }
        for (size_t k = 0; k < t->n_columns; k++)
            say(s, bs_columns_text(&s->r->arena, t, &t->columns[k], p->columns_compared));
        if (p->columns_compared)
            say(s, bs_columns_rows_text(&s->r->arena, t));
    }
}

/* Definitions; that they cannot be compared is worth a sentence, not a failure. */
static enum bs_done
look_at_definitions(struct bs_restore *r,
                    struct bs_preview *p,
                    const struct sentences *s,
                    struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_changed_look(r, &p->changes, &why) == BS_DONE)
        return BS_DONE;
    if (why.code == BS_E_LIMIT || why.code == BS_E_DAMAGED)
        return bs_err_set(err, why.code, "%s", why.message);
    say(s, bs_arena_fmt(&r->arena, "definitions could not be compared: %s", why.message));
    return BS_DONE;
}

static enum bs_done
choose_tables(struct bs_restore *r, const char *table, struct bs_preview *p, struct bs_err *err)
{
    const struct bs_point_object **picked;
    if (bs_restore_pick(r, table, &picked, &p->n_tables, err) != BS_DONE ||
        bs_where_check(r, table, p->n_tables, err) != BS_DONE)
        return BS_FAILED;
    p->tables = bs_arena_array(&r->arena, p->n_tables + 1, sizeof(*p->tables));
    p->conflicts = bs_arena_array(&r->arena, SENTENCES, sizeof(*p->conflicts));
    p->cannot = bs_arena_array(&r->arena, SENTENCES, sizeof(*p->cannot));
    if (p->tables == NULL || p->conflicts == NULL || p->cannot == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < p->n_tables; i++)
        p->tables[i] = (struct bs_preview_table){.object = picked[i], .live_rows = -1};
    return BS_DONE;
}

bool
bs_preview_reads(const struct bs_manifest *m)
{
    int64_t bytes = m->schema.key == NULL ? 0 : m->schema.stored_bytes, rows = 0;

    for (size_t i = 0; i < m->n_objects; i++) {
        bytes += m->objects[i].raw_bytes;
        rows += m->objects[i].row_count;
    }
    return bytes <= BS_PREVIEW_READS_BYTES && rows <= BS_PREVIEW_READS_ROWS;
}

/* What takes no longer than a look is read again; of more, that it is there. Whoever gives rows back
 * compares them all the same. */
static enum bs_done
prove(struct bs_restore *r, struct bs_preview *out, struct bs_err *err)
{
    out->read_again = r->request.verify || bs_preview_reads(&r->manifest);
    if (!out->read_again)
        return bs_point_present(r->request.store, &r->manifest, &out->proof, err);
    bs_restore_tell(r, "reading the point again", 0, 0);
    return bs_point_verify(r->request.store, &r->manifest, NULL, &out->proof, err);
}

static enum bs_done
preview(struct bs_restore *r, struct bs_preview *out, struct bs_err *err)
{
    struct sentences conflicts = {r, &out->conflicts, &out->n_conflicts};
    struct sentences cannot = {r, &out->cannot, &out->n_cannot};

    if (prove(r, out, err) != BS_DONE)
        return BS_FAILED;
    say_outcome(&conflicts);
    if (bs_siblings_find(r, &out->siblings, &out->n_siblings, err) != BS_DONE)
        return BS_FAILED;
    if (r->db.conn != NULL && (look_at_tables(r, out, &conflicts, err) != BS_DONE ||
                               look_at_globals(r, out, &conflicts, err) != BS_DONE ||
                               look_at_columns(r, out, &conflicts, err) != BS_DONE ||
                               look_at_definitions(r, out, &conflicts, err) != BS_DONE))
        return BS_FAILED;
    say_columns(&conflicts, out);
    say_origin(&conflicts, out);
    for (size_t i = 0; out->database && i < out->n_tables; i++)
        say_conflicts(&conflicts, &out->tables[i]);
    say_limits(&cannot, out);
    return BS_DONE;
}

enum bs_done
bs_preview_make(struct bs_restore *r, const char *table, struct bs_preview *out, struct bs_err *err)
{
    struct bs_restore_step step = {.action = "preview", .table = table, .rows = -1};

    *out = (struct bs_preview){0};
    if (choose_tables(r, table, out, err) != BS_DONE || bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    return bs_restore_end(r, &step, preview(r, out, err), err);
}
