/*
 * coverage.c - what the server says was changed, against what was captured.
 */
#include "gateway/coverage.h"

#include <stdlib.h>
#include <string.h>

#include "recovery/plan_globals.h"

/* System relations have OIDs below this (access/transam.h, FirstNormalObjectId). */
#define FIRST_NORMAL_OID 16384
#define RELATIONS        1259 /* pg_class, catalog/pg_class.h */
#define SCHEMAS          2615 /* pg_namespace, catalog/pg_namespace.h */
#define PUBLIC           2200 /* the schema of that name, catalog/pg_namespace.dat */

const char bs_reading_sql[] = "SELECT c.oid, c.relkind, c.relfilenode, c.reltoastrelid,"
                              /* what other sessions have of their own is lost to them */
                              " CASE WHEN c.relkind OPERATOR(pg_catalog.=) 't'"
                              " OR c.relnamespace OPERATOR(pg_catalog.=)"
                              " pg_catalog.pg_my_temp_schema() THEN c.relpersistence"
                              " ELSE 'p' END,"
                              " pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid),"
                              " pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),"
                              " pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid),"
                              " COALESCE(d.gone, 0)"
                              " FROM pg_catalog.pg_class c LEFT JOIN (SELECT a.attrelid,"
                              " pg_catalog.count(*) AS gone FROM pg_catalog.pg_attribute a"
                              " WHERE a.attisdropped GROUP BY a.attrelid) d"
                              " ON d.attrelid OPERATOR(pg_catalog.=) c.oid WHERE pg_catalog.texteq("
                              "pg_catalog.current_setting('track_counts'), 'on')";

/* A decimal of at most 18 digits, with a sign; false for anything else. */
static bool
read_number(struct bs_bytes text, int64_t *out)
{
    size_t i = 0;
    int64_t v = 0;
    bool minus = text.n > 0 && text.p[0] == '-';

    i += minus;
    if (i == text.n || text.n - i > 18)
        return false;
    for (; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = v * 10 + (text.p[i] - '0');
    }
    *out = minus ? -v : v;
    return true;
}

static bool
read_oid(struct bs_bytes text, uint32_t *out)
{
    int64_t v;

    if (!read_number(text, &v) || v < 0 || v > UINT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}

/* Doubles the array when it is full. */
static enum bs_done
make_room(struct bs_reading *reading, struct bs_arena *arena, struct bs_err *err)
{
    size_t more = reading->cap == 0 ? 512 : reading->cap * 2;
    struct bs_reading_row *rows;

    if (reading->n < reading->cap)
        return BS_DONE;
    rows = bs_arena_array(arena, more, sizeof(*rows));
    if (rows == NULL)
        return BS_FAIL(err, LIMIT, "the database has too many relations to audit");
    if (reading->n != 0)
        memcpy(rows, reading->rows, reading->n * sizeof(*rows));
    reading->rows = rows;
    reading->cap = more;
    return BS_DONE;
}

enum bs_done
bs_reading_add(struct bs_reading *reading,
               const struct bs_bytes values[BS_READING_COLUMNS],
               struct bs_arena *arena,
               struct bs_err *err)
{
    struct bs_reading_row row = {0};

    if (!read_oid(values[0], &row.oid) || values[1].n != 1 || !read_oid(values[2], &row.filenode) ||
        !read_oid(values[3], &row.toast) || values[4].n != 1 ||
        !read_number(values[5], &row.inserted) || !read_number(values[6], &row.updated) ||
        !read_number(values[7], &row.deleted) || !read_number(values[8], &row.gone))
        return BS_FAIL(err, DATA, "the server's transaction counters cannot be read");
    row.relkind = (char)values[1].p[0];
    row.temporary = values[4].p[0] == 't';
    if (make_room(reading, arena, err) != BS_DONE)
        return BS_FAILED;
    reading->rows[reading->n++] = row;
    return BS_DONE;
}

static int
by_oid(const void *a, const void *b)
{
    uint32_t x = ((const struct bs_reading_row *)a)->oid;
    uint32_t y = ((const struct bs_reading_row *)b)->oid;

    return (x > y) - (x < y);
}

void
bs_reading_sort(struct bs_reading *reading)
{
    if (reading->n > 1)
        qsort(reading->rows, reading->n, sizeof(*reading->rows), by_oid);
}

static const struct bs_reading_row *
find_row(const struct bs_reading *reading, uint32_t oid)
{
    struct bs_reading_row key = {.oid = oid};

    if (reading->n == 0)
        return NULL;
    return bsearch(&key, reading->rows, reading->n, sizeof(key), by_oid);
}

/* The table whose TOAST table this is, or the oid itself. */
static uint32_t
main_table(const struct bs_reading *reading, uint32_t oid)
{
    for (size_t i = 0; i < reading->n; i++) {
        if (reading->rows[i].toast == oid)
            return reading->rows[i].oid;
    }
    return oid;
}

/* The table in the plan of one of the statements; `exclusive`: of one that locks it so. */
static const struct bs_plan_table *
planned(const struct bs_coverage *in, uint32_t oid, bool exclusive)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_plan *plan = in->parts[i].plan;
        for (size_t k = 0; k < plan->n_tables; k++) {
            if (plan->tables[k].oid == oid && (plan->tables[k].exclusive || !exclusive))
                return &plan->tables[k];
        }
    }
    return NULL;
}

static bool
holds(const struct bs_manifest *m, uint32_t oid)
{
    for (size_t i = 0; m != NULL && i < m->n_objects; i++) {
        if (m->objects[i].oid == oid && !m->objects[i].partial && !m->objects[i].columns_only)
            return true;
    }
    return false;
}

/* All rows of the relation are in a point. */
static bool
captured(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        if (holds(in->parts[i].manifest, oid))
            return true;
    }
    return false;
}

/* The same, for a statement that was going to truncate or drop it. */
static bool
captured_exclusively(const struct bs_coverage *in, uint32_t oid)
{
    return captured(in, oid) && planned(in, oid, true) != NULL;
}

/* A statement was going to change columns of it, and what they were is kept; its rows stay. */
static bool
is_altered(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_manifest *m = in->parts[i].manifest;
        bool kept = false, meant = false;
        for (size_t k = 0; m != NULL && k < m->n_objects; k++)
            kept = kept || (m->objects[k].oid == oid && m->objects[k].columns_only);
        for (size_t k = 0; k < in->parts[i].plan->n_tables; k++) {
            const struct bs_plan_table *t = &in->parts[i].plan->tables[k];
            meant = meant || (t->oid == oid && t->exclusive && t->n_columns != 0);
        }
        if (kept && meant)
            return true;
    }
    return false;
}

/* A point of one of the statements names it: as what is dropped, or as what goes along with that.
 * What passed without a gate has no point that could. */
static bool
is_told(const struct bs_coverage *in, const struct bs_lock *lock)
{
    if (in->passed || (lock->schema != NULL && strcmp(lock->schema, "pg_toast") == 0))
        return true; /* goes with its table, which is looked at itself */
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_manifest *m = in->parts[i].manifest;
        for (size_t k = 0; m != NULL && k < m->n_closure; k++) {
            if (m->closure[k].class_oid == RELATIONS && m->closure[k].oid == lock->relation_oid)
                return true;
        }
    }
    return captured_exclusively(in, lock->parent_oid) || is_altered(in, lock->parent_oid);
}

/* A statement was going to take attributes from the composite type, and its definition is kept:
 * before COMMIT it is looked up that no table stores its values. */
static bool
is_shrunk_type(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_manifest *m = in->parts[i].manifest;
        if (m == NULL || m->schema.key == NULL || bs_plan_lost_attribute(in->parts[i].plan) == NULL)
            continue;
        for (size_t k = 0; k < m->n_closure; k++) {
            if (m->closure[k].class_oid == RELATIONS && m->closure[k].oid == oid &&
                strcmp(m->closure[k].type, "composite type") == 0)
                return true;
        }
    }
    return false;
}

/* A statement was going to write it anew, with the same rows. */
static bool
is_rewritten(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_plan *plan = in->parts[i].plan;
        for (size_t k = 0; k < plan->n_tables; k++) {
            const struct bs_plan_table *t = &plan->tables[k];
            if (t->oid == oid && t->exclusive && t->shape && t->rewrites)
                return true;
        }
    }
    return false;
}

static bool
sequence_captured(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_manifest *m = in->parts[i].manifest;
        for (size_t k = 0; m != NULL && k < m->n_sequences; k++) {
            if (m->sequences[k].oid == oid)
                return true;
        }
    }
    return false;
}

/* Beside code that nobody has vetted nothing is: it may have done what something else explains. */
static bool
expects_ddl(const struct bs_coverage *in)
{
    bool ddl = in->ddl;

    for (size_t i = 0; i < in->n_parts; i++) {
        if (in->parts[i].plan->unvetted)
            return false;
        ddl = ddl || in->parts[i].plan->ddl;
    }
    return ddl;
}

/* An INSERT takes numbers from sequences. Whether one was set, too, is looked at where something
 * may have done so. */
static bool
watches_sequences(const struct bs_coverage *in)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_plan *plan = in->parts[i].plan;
        if (plan->kind == BS_PLAN_ROWS || plan->kind == BS_PLAN_WHOLE || plan->audited)
            return true;
    }
    return false;
}

static enum bs_done
add_finding(struct bs_uncovered *out,
            const char *what,
            const char *schema,
            const char *name,
            uint32_t oid,
            struct bs_arena *arena,
            struct bs_err *err)
{
    char **list = bs_arena_array(arena, out->n + 1, sizeof(*list));
    char *text = name != NULL ? bs_arena_fmt(arena, "%s %s.%s", what, schema, name)
                              : bs_arena_fmt(arena, "%s (oid %u)", what, oid);

    if (list == NULL || text == NULL)
        return BS_FAIL(err, LIMIT, "the audit found too much to list");
    if (out->n != 0)
        memcpy(list, out->list, out->n * sizeof(*list));
    list[out->n++] = text;
    out->list = list;
    return BS_DONE;
}

/* The name of a relation, where a lock row or the plan has it. */
static void
name_of(const struct bs_coverage *in, uint32_t oid, const char **schema, const char **name)
{
    const struct bs_plan_table *t = planned(in, oid, false);

    *schema = t == NULL ? NULL : t->schema;
    *name = t == NULL ? NULL : t->name;
    for (size_t i = 0; *name == NULL && i < in->n_locks; i++) {
        if (in->locks[i].relation_oid != oid || in->locks[i].name == NULL)
            continue;
        *schema = in->locks[i].schema;
        *name = in->locks[i].name;
    }
}

/* What of the cluster is in a point. */
static unsigned
kept_globals(const struct bs_coverage *in)
{
    unsigned classes = 0;

    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_covered *part = &in->parts[i];
        if (part->plan->unvetted)
            return 0;
        if (part->manifest != NULL && part->manifest->n_globals != 0)
            classes |= part->plan->globals;
    }
    return classes;
}

/* A write to a catalog, or a lock on an object of it, that a point of the cluster makes good. */
static bool
explained_globally(const struct bs_coverage *in, uint32_t catalog)
{
    unsigned classes = kept_globals(in);

    /* pg_shdepend says nothing that others do not say */
    return bs_globals_explain(classes, catalog) || (classes != 0 && catalog == 1214);
}

/*
 * Catalogs whose rows no schema dump has: large objects with their privileges, roles and their
 * settings, databases, tablespaces, replication, comments and labels on these. What of them is kept
 * is in recovery/globals.h.
 */
static bool
beyond_dump(uint32_t oid)
{
    static const uint32_t list[] = {2613, 2995, 1260, 1261, 2964, 1262, 1213,
                                    6243, 2396, 3592, 6100, 6102, 6000};

    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (list[i] == oid)
            return true;
    }
    return false;
}

/* How the counters of one relation have moved. */
struct moved {
    int64_t inserted;
    int64_t lost; /* updated and deleted */
};

static struct moved
movement(const struct bs_reading *before, const struct bs_reading_row *row)
{
    const struct bs_reading_row *was = find_row(before, row->oid);
    struct moved m = {row->inserted, row->updated + row->deleted};

    if (was != NULL) {
        m.inserted -= was->inserted;
        m.lost -= was->updated + was->deleted;
    }
    return m;
}

/* The rows of a table; what it holds out of line goes with them. One that was not there at the first
 * reading need not be of this transaction: only the pass can tell. */
static bool
has_lost_rows(const struct bs_reading *before, const struct bs_reading_row *row)
{
    return row->relkind == 'r' && row->oid >= FIRST_NORMAL_OID && movement(before, row).lost != 0 &&
           !row->temporary;
}

enum bs_done
bs_reading_changed(const struct bs_reading *before,
                   const struct bs_reading *after,
                   struct bs_arena *arena,
                   struct bs_changed **out,
                   size_t *n,
                   struct bs_err *err)
{
    size_t most = 0;

    for (size_t i = 0; i < after->n; i++)
        most += has_lost_rows(before, &after->rows[i]);
    *n = 0;
    *out = bs_arena_array(arena, most + 1, sizeof(**out));
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "the audit found too much to list");
    for (size_t i = 0; i < after->n; i++) {
        const struct bs_reading_row *row = &after->rows[i];
        struct moved m = movement(before, row);
        if (has_lost_rows(before, row))
            (*out)[(*n)++] = (struct bs_changed){row->oid, m.lost, m.inserted};
    }
    return BS_DONE;
}

/* False where nothing has happened to the rows of a relation, or they are nobody's business. */
static bool
take_moved(const struct bs_reading *before, const struct bs_reading_row *row, struct bs_moved *out)
{
    const struct bs_reading_row *was = find_row(before, row->oid);

    if (was == NULL || row->relkind != 'r' || row->oid < FIRST_NORMAL_OID || row->temporary)
        return false;
    *out = (struct bs_moved){row->oid, row->inserted - was->inserted, row->updated - was->updated,
                             row->deleted - was->deleted, row->filenode != was->filenode};
    if (out->rewritten) /* TRUNCATE begins to count anew */
        out->inserted = out->updated = out->deleted = 0;
    return out->rewritten || (out->inserted | out->updated | out->deleted) != 0;
}

enum bs_done
bs_reading_moved(const struct bs_reading *before,
                 const struct bs_reading *after,
                 struct bs_arena *arena,
                 struct bs_moved **out,
                 size_t *n,
                 struct bs_err *err)
{
    struct bs_moved ignored;
    size_t most = 0;

    for (size_t i = 0; i < after->n; i++)
        most += take_moved(before, &after->rows[i], &ignored);
    *n = 0;
    *out = bs_arena_array(arena, most + 1, sizeof(**out));
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "the audit found too much to list");
    for (size_t i = 0; i < after->n; i++)
        *n += take_moved(before, &after->rows[i], &(*out)[*n]);
    return BS_DONE;
}

/* Of the rows that a table has lost: those that are known to be in a point. */
static int64_t
found(const struct bs_coverage *in, uint32_t oid)
{
    int64_t n = 0;

    for (size_t i = 0; i < in->n_parts; i++) {
        for (size_t k = 0; k < in->parts[i].n_rows; k++)
            n += in->parts[i].rows[k].oid == oid ? in->parts[i].rows[k].replaced : 0;
    }
    return n;
}

/* What the counters of one relation say that nothing explains or can make good; NULL: nothing. */
static const char *
judge_counters(const struct bs_coverage *in, const struct bs_reading_row *row)
{
    struct moved m = movement(in->before, row);
    uint32_t table = main_table(in->after, row->oid);
    const struct bs_reading_row *main = find_row(in->after, table);

    if ((m.inserted == 0 && m.lost == 0) || row->temporary)
        return NULL;
    if (table < FIRST_NORMAL_OID)
        return (expects_ddl(in) && !beyond_dump(table)) || explained_globally(in, table)
                   ? NULL
                   : "changed the catalog in";
    if (find_row(in->before, row->oid) == NULL && find_row(in->before, table) == NULL)
        return NULL; /* made since; see add_changed */
    if (m.lost == 0 || captured(in, table))
        return NULL;
    if (main != NULL && has_lost_rows(in->before, main))
        return NULL; /* see add_changed */
    return "changed rows of";
}

/* Nothing that was asked for replaces a row: then what there is to undo are the rows it added. */
static bool
only_adds(const struct bs_coverage *in)
{
    for (size_t i = 0; i < in->n_parts; i++) {
        const struct bs_plan *plan = in->parts[i].plan;
        if (plan->kind != BS_PLAN_RECORD || plan->audited)
            return false;
    }
    return in->n_parts != 0;
}

/* Tables that have got rows and lost none; such a point says how many, and whose they are. */
static enum bs_done
add_grown(const struct bs_coverage *in,
          struct bs_arena *arena,
          struct bs_uncovered *out,
          struct bs_err *err)
{
    struct bs_changed *all = bs_arena_array(arena, out->n_changed + in->after->n + 1, sizeof(*all));

    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the audit found too much to list");
    memcpy(all, out->changed, out->n_changed * sizeof(*all));
    out->changed = all;
    for (size_t i = 0; i < in->after->n; i++) {
        const struct bs_reading_row *row = &in->after->rows[i];
        struct moved m = movement(in->before, row);
        if (row->relkind == 'r' && row->oid >= FIRST_NORMAL_OID && !row->temporary &&
            m.inserted > 0 && m.lost == 0 && find_row(in->before, row->oid) != NULL)
            all[out->n_changed++] = (struct bs_changed){row->oid, 0, m.inserted};
    }
    return BS_DONE;
}

/* Rows that were replaced can still be read, until COMMIT. */
static enum bs_done
add_changed(const struct bs_coverage *in,
            struct bs_arena *arena,
            struct bs_uncovered *out,
            struct bs_err *err)
{
    struct bs_changed *all;
    size_t n;

    if (bs_reading_changed(in->before, in->after, arena, &all, &n, err) != BS_DONE)
        return BS_FAILED;
    out->changed = all;
    for (size_t i = 0; i < n; i++) {
        if (!captured(in, all[i].oid) && all[i].replaced > found(in, all[i].oid))
            out->changed[out->n_changed++] = all[i];
    }
    return only_adds(in) ? add_grown(in, arena, out, err) : BS_DONE;
}

static enum bs_done
check_counters(const struct bs_coverage *in,
               struct bs_arena *arena,
               struct bs_uncovered *out,
               struct bs_err *err)
{
    for (size_t i = 0; i < in->after->n; i++) {
        const struct bs_reading_row *row = &in->after->rows[i];
        const char *what = judge_counters(in, row);
        const char *schema, *name;
        if (what == NULL)
            continue;
        name_of(in, main_table(in->after, row->oid), &schema, &name);
        if (add_finding(out, what, schema, name, row->oid, arena, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Tables and materialized views hold rows that only a point can bring back. */
static bool
holds_rows(char relkind)
{
    return relkind == 'r' || relkind == 'p' || relkind == 'f';
}

/* It was held when the first statement of the ledger was about to run: by what passed before. */
static bool
was_held(const struct bs_coverage *in, const struct bs_lock *lock)
{
    for (size_t i = 0; i < in->n_had; i++) {
        const struct bs_lock *h = &in->had[i];
        if (strcmp(h->locktype, lock->locktype) == 0 && strcmp(h->mode, lock->mode) == 0 &&
            h->relation_oid == lock->relation_oid && h->class_oid == lock->class_oid &&
            h->object_oid == lock->object_oid && h->object_sub == lock->object_sub)
            return true;
    }
    return false;
}

/* What an ACCESS EXCLUSIVE lock on a relation that was there before means; NULL: it is explained. */
static const char *
judge_exclusive(const struct bs_coverage *in, const struct bs_lock *lock)
{
    const struct bs_reading_row *was = find_row(in->before, lock->relation_oid);
    const struct bs_reading_row *is = find_row(in->after, lock->relation_oid);
    uint32_t table = main_table(in->before, lock->relation_oid);
    bool ddl = expects_ddl(in);

    if (was == NULL) /* made by this transaction, or by others who have committed meanwhile */
        return lock->name == NULL ||
                       captured_exclusively(in, lock->parent_oid != 0 ? lock->parent_oid
                                                                      : lock->relation_oid)
                   ? NULL
                   : "locked exclusively";
    if (captured_exclusively(in, table) || was->temporary)
        return NULL;
    /* It has another TOAST table then, or none. */
    if (ddl && is_altered(in, table) && (is != NULL || was->relkind == 't'))
        return NULL;
    if (is == NULL)
        return ddl && (!holds_rows(was->relkind) || was->relkind == 'f') && is_told(in, lock)
                   ? NULL /* the rows of a foreign table stay where they are */
                   : "dropped";
    /* No row and no file says so, only the place that it leaves behind. */
    if (is->gone > was->gone && !in->passed)
        return was->relkind == 'c' && ddl && is_shrunk_type(in, table) ? NULL
                                                                       : "dropped a column of";
    if (is->filenode != was->filenode && is_rewritten(in, table))
        return NULL;
    if (is->filenode != was->filenode)
        return ddl && !holds_rows(was->relkind) && was->relkind != 't' && was->relkind != 'm'
                   ? NULL
                   : "truncated or rewrote";
    return ddl || was_held(in, lock) ? NULL : "locked exclusively";
}

/* What came with the cluster is in no dump; the schema public is the database's own. Whoever merely
 * uses it locks it less. */
static bool
is_servers_own(const struct bs_coverage *in, const struct bs_lock *lock)
{
    bool changes = strcmp(lock->mode, "AccessExclusiveLock") == 0 ||
                   strcmp(lock->mode, "ShareUpdateExclusiveLock") == 0;

    return strcmp(lock->locktype, "object") == 0 && lock->database_oid != 0 && changes &&
           lock->object_oid < FIRST_NORMAL_OID && !in->passed && !was_held(in, lock) &&
           !(lock->class_oid == SCHEMAS && lock->object_oid == PUBLIC);
}

static const char *
judge_lock(const struct bs_coverage *in, const struct bs_lock *lock)
{
    bool writes = strcmp(lock->mode, "RowExclusiveLock") == 0;
    bool exclusive = strcmp(lock->mode, "AccessExclusiveLock") == 0;
    const struct bs_reading_row *is = find_row(in->after, lock->relation_oid);

    if (is_servers_own(in, lock))
        return "changed an object of the server's own:";
    if (strcmp(lock->locktype, "object") == 0)
        return expects_ddl(in) || (!writes && !exclusive) || was_held(in, lock) ||
                       explained_globally(in, lock->class_oid)
                   ? NULL
                   : "changed an object of the catalog";
    if (strcmp(lock->locktype, "relation") != 0)
        return NULL;
    if (writes && (lock->relkind == 'f' || (is != NULL && is->relkind == 'f'))) /* its own, too */
        return "wrote to the foreign table";
    if (exclusive)
        return judge_exclusive(in, lock);
    return NULL;
}

/* nextval and setval look the same here; whoever has noted the sequences can tell. */
static enum bs_done
add_sequences(const struct bs_coverage *in,
              struct bs_arena *arena,
              struct bs_uncovered *out,
              struct bs_err *err)
{
    out->sequences = bs_arena_array(arena, in->n_locks + 1, sizeof(*out->sequences));
    if (out->sequences == NULL)
        return BS_FAIL(err, LIMIT, "the audit found too much to list");
    for (size_t i = 0; watches_sequences(in) && i < in->n_locks; i++) {
        const struct bs_lock *lock = &in->locks[i];
        const struct bs_reading_row *was = find_row(in->before, lock->relation_oid);
        if (lock->relkind == 'S' && strcmp(lock->mode, "RowExclusiveLock") == 0 && was != NULL &&
            !was->temporary && !sequence_captured(in, lock->relation_oid))
            out->sequences[out->n_sequences++] = lock->relation_oid;
    }
    return BS_DONE;
}

enum bs_done
bs_coverage_check(const struct bs_coverage *in,
                  struct bs_arena *arena,
                  struct bs_uncovered *out,
                  struct bs_err *err)
{
    *out = (struct bs_uncovered){0};
    if (in->before->n == 0 || in->after->n == 0)
        return BS_FAIL(err, DATA, "the server counts no changes: see track_counts");
    if (check_counters(in, arena, out, err) != BS_DONE ||
        add_changed(in, arena, out, err) != BS_DONE ||
        add_sequences(in, arena, out, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < in->n_locks; i++) {
        const struct bs_lock *lock = &in->locks[i];
        const char *what = judge_lock(in, lock);
        uint32_t oid = lock->relation_oid != 0 ? lock->relation_oid : lock->object_oid;
        if (what != NULL &&
            add_finding(out, what, lock->schema, lock->name, oid, arena, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}
