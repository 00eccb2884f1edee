/*
 * work.c - a relation is gone or it is there; there is no third case, and a table of the same name
 * with other columns is there and does not fit.
 */
#include "restore/work.h"

#include <string.h>

#include "restore/columns_anew.h"
#include "restore/columns_lost.h"
#include "restore/where.h"

struct survey {
    struct bs_live *lives; /* one for each object of the manifest */
    struct bs_bytes *lost; /* keys in the definition of what is gone and asked for */
    size_t n_lost;
};

static struct bs_bytes
key_of(const struct bs_work *w, const struct bs_point_object *o)
{
    return bs_toc_key(o->relkind, o->schema, o->name, &w->r->arena);
}

static bool
is_picked(const struct bs_point_object *const *picked, size_t n, const struct bs_point_object *o)
{
    for (size_t i = 0; i < n; i++) {
        if (picked[i] == o)
            return true;
    }
    return false;
}

/* Without a table's name also relations without rows are asked for: partitioned tables. */
static enum bs_done
survey_all(struct bs_work *w,
           const struct bs_point_object *const *picked,
           size_t n,
           struct survey *s,
           struct bs_err *err)
{
    const struct bs_manifest *m = &w->r->manifest;

    s->lives = bs_arena_array(&w->r->arena, m->n_objects + 1, sizeof(*s->lives));
    s->lost = bs_arena_array(&w->r->arena, m->n_objects + 1, sizeof(*s->lost));
    if (s->lives == NULL || s->lost == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        bool asked = w->options->table == NULL || is_picked(picked, n, o);
        if (bs_live_look(&w->r->db, o, &w->r->arena, &s->lives[i], err) != BS_DONE)
            return BS_FAILED;
        if (asked && !o->partial && !bs_point_alters(o) && !s->lives[i].exists)
            s->lost[s->n_lost++] = key_of(w, o);
    }
    return BS_DONE;
}

/*
 * A statement that dropped columns and rows of the same table: the point has all of it. What of the
 * columns is gone has to be there, empty, before values can go back into it; as one statement, where
 * that is short enough to be said.
 */
static void
say_how(const struct bs_live *live, struct bs_err *err)
{
    static const char then[] = "; then the same again with --conflict overwrite";
    const struct bs_point_object *o = live->object;
    const char *before = " ADD COLUMN ";
    struct bs_buf b;

    bs_buf_init(&b, sizeof(err->hint) - sizeof(then));
    bs_put_str(&b, "ALTER TABLE ");
    bs_put_name(&b, o->schema, o->name);
    for (size_t i = 0; i < o->n_columns; i++) {
        const struct bs_live_column *c = &live->columns[i];
        b.failed = b.failed || c->renamed != NULL ||
                   (c->match != BS_LIVE_SAME &&
                    (c->match != BS_LIVE_GONE || c->saved_type == NULL ||
                     o->columns[i].generated != 0 || o->columns[i].identity != 0));
        if (c->match == BS_LIVE_SAME)
            continue;
        bs_put_str(&b, before);
        bs_put_ident(&b, c->name);
        bs_put_fmt(&b, " %s", c->saved_type == NULL ? "" : c->saved_type);
        before = ", ADD COLUMN ";
    }
    if (!b.failed)
        bs_err_hint(err, "%.*s%s", (int)b.n, (const char *)b.p, then);
    bs_buf_fini(&b);
}

static enum bs_done
cannot_load(const struct bs_point_object *o, struct bs_arena *arena, struct bs_err *err)
{
    (void)BS_FAIL(err, CONFLICT, "%s", bs_compare_cannot(o, arena));
    bs_err_hint(err, "restore run loads the saved rows into a table of their own");
    return BS_FAILED;
}

enum bs_done
bs_work_fits(const struct bs_live *live, struct bs_arena *arena, struct bs_err *err)
{
    const struct bs_point_object *o = live->object;

    if (bs_compare_cannot(o, arena) != NULL)
        return cannot_load(o, arena, err);
    if (bs_live_fits(live))
        return BS_DONE;
    if (!o->partial && live->exists && live->relkind == o->relkind && live->moved == NULL)
        say_how(live, err);
    bs_err_hint(err, "restore run loads the saved rows into a table of their own");
    if (live->moved != NULL)
        return BS_FAIL(err, CONFLICT, "\"%.63s\" is another table now: the saved one is %.130s",
                       o->name, live->moved);
    for (size_t i = 0; i < o->n_columns; i++) {
        const struct bs_live_column *c = &live->columns[i];
        if (c->renamed != NULL)
            return BS_FAIL(err, CONFLICT, "column \"%.63s\" of \"%.63s\" is called \"%.63s\" now",
                           c->name, o->name, c->renamed);
        if (c->match == BS_LIVE_GENERATED)
            return BS_FAIL(err, CONFLICT,
                           "column \"%.63s\" of \"%.63s\" is generated now: its saved values"
                           " cannot be written",
                           c->name, o->name);
        if (c->match == BS_LIVE_GONE)
            return BS_FAIL(err, CONFLICT, "\"%.63s\" no longer has its column \"%.63s\"", o->name,
                           c->name);
        if (c->match == BS_LIVE_OTHER_TYPE)
            return BS_FAIL(err, CONFLICT, "column \"%.63s\" of \"%.63s\" is now of type %.60s",
                           c->name, o->name, c->live_type);
    }
    return BS_FAIL(err, CONFLICT, "\"%.63s\" is now another kind of relation", o->name);
}

struct bs_columns_how
bs_work_columns(const struct bs_work *work)
{
    return (struct bs_columns_how){
        .conflict = work->options->conflict == BS_COPYBACK_OVERWRITE ? BS_COLUMNS_OVERWRITE
                                                                     : BS_COLUMNS_KEEP,
        .remove = work->options->made == BS_COPYBACK_REMOVE,
    };
}

enum bs_merge_changed
bs_work_changed(const struct bs_work *work)
{
    return work->options->conflict == BS_COPYBACK_OVERWRITE ? BS_MERGE_ALL : BS_MERGE_OWN;
}

/* Of what was not carried out there is nothing to undo; rows that differ are others' work. */
static enum bs_done
check_outcome(const struct bs_work *w, struct bs_err *err)
{
    enum bs_event_state outcome = w->r->ref.outcome;

    if (outcome != BS_EVENT_ROLLED_BACK && outcome != BS_EVENT_NOT_USED)
        return BS_DONE;
    (void)BS_FAIL(err, CONFLICT, "the transaction was not carried out: there is nothing to undo");
    bs_err_hint(err, "restore run loads the saved rows into a table of their own");
    return BS_FAILED;
}

/* Tables saved in part: partitions of one tree together. They cannot be made again. */
static enum bs_done
choose_parts(struct bs_work *w,
             const struct bs_point_object *const *picked,
             size_t n,
             struct bs_err *err)
{
    const struct bs_point_object **parts = bs_arena_array(&w->r->arena, n + 1, sizeof(*parts));
    struct bs_live *lives;
    size_t n_parts = 0;

    if (parts == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < n; i++) {
        if (picked[i]->partial)
            parts[n_parts++] = picked[i];
    }
    w->parts = n_parts != 0;
    if (w->parts && check_outcome(w, err) != BS_DONE)
        return BS_FAILED;
    if (bs_live_look_all(&w->r->db, &w->r->manifest, parts, n_parts, &w->r->arena, &lives, &n,
                         err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        if (!lives[i].exists) {
            (void)BS_FAIL(err, CONFLICT,
                          "\"%.63s\".\"%.63s\" is gone, and the point holds some of its rows only",
                          lives[i].object->schema, lives[i].object->name);
            bs_err_hint(err, "restore the point of what dropped it first: backstop points list");
            return BS_FAILED;
        }
        if (bs_work_fits(&lives[i], &w->r->arena, err) != BS_DONE)
            return BS_FAILED;
        w->out->tables[w->out->n_tables++].diff.live = lives[i];
    }
    return BS_DONE;
}

/*
 * Another table has the name by now. What gives it back gives the saved table its own: until then its
 * rows have no place.
 */
static bool
is_under_another_name(struct bs_work *w, const struct survey *s, size_t at)
{
    const struct bs_point_object *o = &w->r->manifest.objects[at];

    return o->relkind == 'r' && !o->partial && !bs_point_alters(o) && s->lives[at].exists &&
           s->lives[at].moved != NULL && w->defined && w->options->table == NULL &&
           bs_definition_there(&w->definition, key_of(w, o));
}

/* Materialized views are refreshed, partitioned tables have no rows: neither is loaded. */
static enum bs_done
choose_tables(struct bs_work *w,
              const struct bs_point_object *const *picked,
              size_t n,
              const struct survey *s,
              struct bs_err *err)
{
    const struct bs_manifest *m = &w->r->manifest;

    w->out->tables = bs_arena_array(&w->r->arena, m->n_objects + 1, sizeof(*w->out->tables));
    if (w->out->tables == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        const struct bs_live *live = &s->lives[i];
        /* What comes back with another one's definition must not come back empty. */
        bool wanted = live->exists ? is_picked(picked, n, o)
                                   : bs_definition_has(&w->definition, key_of(w, o));
        if (o->relkind != 'r' || o->partial || bs_point_alters(o) || !wanted ||
            is_under_another_name(w, s, i))
            continue;
        if (live->exists && bs_work_fits(live, &w->r->arena, err) != BS_DONE)
            return BS_FAILED;
        if (!live->exists && bs_compare_of_lost(o) && bs_compare_cannot(o, &w->r->arena) != NULL)
            return cannot_load(o, &w->r->arena, err);
        w->out->tables[w->out->n_tables++].diff.live = *live;
    }
    return choose_parts(w, picked, n, err);
}

/* Foreign keys among living tables, as child and parent. */
static const char find_fks[] = "SELECT DISTINCT conrelid, confrelid FROM pg_catalog.pg_constraint"
                               " WHERE contype = 'f' AND conrelid <> confrelid";

/* A key may also be of, or refer to, one partition. */
static bool
is_about(const struct bs_live *live, int64_t oid)
{
    bool found = live->exists && live->oid == oid;

    for (size_t i = 0; live->exists && i < live->n_parts; i++)
        found = found || live->leaves[i] == oid;
    return found;
}

static size_t
table_with(const struct bs_copyback *c, int64_t oid)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        if (is_about(&c->tables[i].diff.live, oid))
            return i;
    }
    return c->n_tables;
}

/*
 * Parents first: whoever has its parents placed is placed next. In a circle the rest follows as it
 * comes; there only deferrable constraints help.
 */
static enum bs_done
order_tables(struct bs_work *w, struct bs_err *err)
{
    struct bs_copyback *out = w->out;
    size_t n = out->n_tables;
    struct bs_copyback_table *sorted = bs_arena_array(&w->r->arena, n + 1, sizeof(*sorted));
    bool *placed = bs_arena_array(&w->r->arena, n + 1, sizeof(*placed));
    PGresult *fks = bs_rdb_ask(&w->r->db, find_fks, 0, NULL, err);

    if (fks == NULL)
        return BS_FAILED;
    for (size_t done = 0; sorted != NULL && placed != NULL && done < n;) {
        size_t pick = n, first = n;
        for (size_t i = 0; i < n && pick == n; i++) {
            bool ready = !placed[i];
            for (int k = 0; ready && k < PQntuples(fks); k++) {
                size_t child = table_with(out, bs_rdb_number(fks, k, 0));
                size_t parent = table_with(out, bs_rdb_number(fks, k, 1));
                ready = child != i || parent == n || parent == i || placed[parent];
            }
            if (!placed[i] && first == n)
                first = i;
            if (ready)
                pick = i;
        }
        pick = pick == n ? first : pick;
        placed[pick] = true;
        sorted[done++] = out->tables[pick];
    }
    PQclear(fks);
    if (sorted == NULL || placed == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    out->tables = sorted;
    return BS_DONE;
}

static enum bs_done
list_objects(struct bs_work *w, struct bs_err *err)
{
    const struct bs_definition *d = &w->definition;

    w->out->objects = bs_arena_array(&w->r->arena, d->n_chosen + 1, sizeof(*w->out->objects));
    if (w->out->objects == NULL)
        return BS_FAIL(err, LIMIT, "the definition has too many entries");
    for (size_t i = 0; i < d->n_chosen; i++)
        w->out->objects[w->out->n_objects++] =
            bs_arena_copy(&w->r->arena, d->saved.list[d->chosen[i]].key);
    return BS_DONE;
}

static enum bs_done
find_columns(struct bs_work *w,
             const struct bs_point_object *const *picked,
             size_t n,
             struct bs_err *err)
{
    if (!bs_columns_any(&w->r->manifest))
        return BS_DONE;
    if (check_outcome(w, err) != BS_DONE ||
        bs_columns_look(w->r, w->options->table == NULL ? NULL : picked, n, &w->out->columns,
                        err) != BS_DONE)
        return BS_FAILED;
    if (w->r->request.where == NULL || w->out->columns.n_tables == 0)
        return BS_DONE;
    (void)BS_FAIL(err, UNSUPPORTED, "columns come back for all rows of their table");
    bs_err_hint(err, "restore run --where loads some saved values into a table of their own");
    return BS_FAILED;
}

/* What hung on columns comes back with them. */
static enum bs_done
choose_entries(struct bs_work *w, struct bs_toc_want want, struct bs_err *err)
{
    const struct bs_columns *c = &w->out->columns;
    struct bs_bytes *keys, *tables, *all;
    size_t n, n_tables;

    if (c->n_tables == 0)
        return BS_DONE;
    if (bs_columns_mark_anew(w->r, c, &w->definition, err) != BS_DONE ||
        bs_columns_entries(w->r, c, &w->definition.saved, &keys, &n, err) != BS_DONE ||
        bs_columns_table_keys(w->r, c, &tables, &n_tables, err) != BS_DONE)
        return BS_FAILED;
    all = bs_arena_array(&w->r->arena, n + want.n + 1, sizeof(*all));
    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the definition has too many entries");
    memcpy(all, keys, n * sizeof(*all));
    if (want.n != 0)
        memcpy(all + n, want.keys, want.n * sizeof(*all));
    want.keys = all;
    want.n += n;
    return bs_definition_split(&w->definition, want, tables, n_tables, &w->r->arena, err);
}

/* What it changed has a definition, which could not be read: the point says why. */
static bool
lacks_definition(const struct bs_manifest *m)
{
    return m->schema.key == NULL && m->capture.why != NULL && m->n_globals == 0 &&
           strcmp(m->capture.mode, "record") == 0;
}

static enum bs_done
find_lost(struct bs_work *w, const struct survey *s, struct bs_err *err)
{
    bool columns = w->out->columns.n_tables != 0 && w->r->manifest.schema.key != NULL;
    struct bs_toc_want want = {.keys = s->lost,
                               .n = s->n_lost,
                               .all_missing = w->options->all_missing,
                               .alone = !w->r->same_database,
                               .about = w->options->table == NULL && w->r->request.where == NULL &&
                                        w->r->same_database};
    bool about =
        want.about && (w->r->manifest.schema.key != NULL || lacks_definition(&w->r->manifest));

    if (w->r->request.where != NULL && (s->n_lost != 0 || want.all_missing)) {
        (void)BS_FAIL(err, UNSUPPORTED, "a table that is made again comes back with all its rows");
        bs_err_hint(err, "restore run --where loads some of them into a table of their own");
        return BS_FAILED;
    }
    if (s->n_lost == 0 && !want.all_missing && !columns && !about)
        return BS_DONE;
    if (bs_definition_open(w->r, want, &w->definition, err) != BS_DONE ||
        choose_entries(w, want, err) != BS_DONE ||
        bs_changed_find(w->r, &w->definition, &w->out->changes, err) != BS_DONE)
        return BS_FAILED;
    w->defined = true;
    w->out->again =
        bs_arena_array(&w->r->arena, w->r->manifest.n_objects + 1, sizeof(*w->out->again));
    if (w->out->again == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < w->r->manifest.n_objects && about; i++) {
        if (is_under_another_name(w, s, i))
            w->out->again[w->out->n_again++] =
                bs_arena_copy(&w->r->arena, key_of(w, &w->r->manifest.objects[i]));
    }
    for (size_t i = 0; i < s->n_lost; i++) {
        /* It has another name: that comes back first. */
        if (bs_definition_there(&w->definition, s->lost[i]))
            w->out->again[w->out->n_again++] = bs_arena_copy(&w->r->arena, s->lost[i]);
        else if (!bs_definition_has(&w->definition, s->lost[i]))
            return BS_FAIL(err, DATA, "the stored definition has no %.*s", (int)s->lost[i].n,
                           (const char *)s->lost[i].p);
    }
    return list_objects(w, err);
}

enum bs_done
bs_work_open(struct bs_restore *r,
             const struct bs_copyback_options *options,
             struct bs_copyback *out,
             struct bs_work *work,
             struct bs_err *err)
{
    const struct bs_point_object **picked;
    struct survey s = {0};
    size_t n;

    *out = (struct bs_copyback){0};
    *work = (struct bs_work){.r = r, .options = options, .out = out};
    if (bs_restore_pick(r, options->table, &picked, &n, err) != BS_DONE ||
        bs_where_check(r, options->table, n, err) != BS_DONE ||
        survey_all(work, picked, n, &s, err) != BS_DONE ||
        find_columns(work, picked, n, err) != BS_DONE || find_lost(work, &s, err) != BS_DONE ||
        choose_tables(work, picked, n, &s, err) != BS_DONE)
        return BS_FAILED;
    if (r->request.where != NULL && options->made != BS_COPYBACK_KEEP)
        return BS_FAIL(err, USAGE,
                       "a condition is about saved rows, not about those inserted since");
    if (!r->same_database && options->all_missing)
        return BS_FAIL(err, USAGE,
                       "--all-missing is about the database that the point was taken from");
    if (options->table != NULL)
        work->only = picked[0];
    if (!work->parts && options->sequences != BS_COPYBACK_LEAVE)
        return BS_FAIL(err, USAGE, "the point holds tables whole: sequences only ever go forward");
    return order_tables(work, err);
}

void
bs_work_close(struct bs_work *work)
{
    bs_definition_close(&work->definition);
}
