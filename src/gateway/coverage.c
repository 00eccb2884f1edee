/*
 * coverage.c - what the server says was changed, against what was captured.
 */
#include "gateway/coverage.h"

#include <stdlib.h>
#include <string.h>

/* System relations have OIDs below this (access/transam.h, FirstNormalObjectId). */
#define FIRST_NORMAL_OID 16384

const char bs_reading_sql[] = "SELECT c.oid, c.relkind, c.relfilenode, c.reltoastrelid,"
                              " pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid),"
                              " pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),"
                              " pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)"
                              " FROM pg_catalog.pg_class c WHERE pg_catalog.texteq("
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
make_room(struct bs_reading *reading, size_t *cap, struct bs_arena *arena, struct bs_err *err)
{
    size_t more = *cap == 0 ? 512 : *cap * 2;
    struct bs_reading_row *rows;

    if (reading->n < *cap)
        return BS_DONE;
    rows = bs_arena_array(arena, more, sizeof(*rows));
    if (rows == NULL)
        return BS_FAIL(err, LIMIT, "the database has too many relations to audit");
    if (reading->n != 0)
        memcpy(rows, reading->rows, reading->n * sizeof(*rows));
    reading->rows = rows;
    *cap = more;
    return BS_DONE;
}

enum bs_done
bs_reading_add(struct bs_reading *reading,
               const struct bs_bytes values[7],
               size_t *cap,
               struct bs_arena *arena,
               struct bs_err *err)
{
    struct bs_reading_row row = {0};

    if (!read_oid(values[0], &row.oid) || values[1].n != 1 || !read_oid(values[2], &row.filenode) ||
        !read_oid(values[3], &row.toast) || !read_number(values[4], &row.inserted) ||
        !read_number(values[5], &row.updated) || !read_number(values[6], &row.deleted))
        return BS_FAIL(err, DATA, "the server's transaction counters cannot be read");
    row.relkind = (char)values[1].p[0];
    if (make_room(reading, cap, arena, err) != BS_DONE)
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

static const struct bs_plan_table *
planned(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; i < in->plan->n_tables; i++) {
        if (in->plan->tables[i].oid == oid)
            return &in->plan->tables[i];
    }
    return NULL;
}

/* All rows of the relation are in the point. */
static bool
captured(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; in->manifest != NULL && i < in->manifest->n_objects; i++) {
        if (in->manifest->objects[i].oid == oid)
            return true;
    }
    return false;
}

static bool
sequence_captured(const struct bs_coverage *in, uint32_t oid)
{
    for (size_t i = 0; in->manifest != NULL && i < in->manifest->n_sequences; i++) {
        if (in->manifest->sequences[i].oid == oid)
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
    const struct bs_plan_table *t = planned(in, oid);

    *schema = t == NULL ? NULL : t->schema;
    *name = t == NULL ? NULL : t->name;
    for (size_t i = 0; *name == NULL && i < in->n_locks; i++) {
        if (in->locks[i].relation_oid != oid || in->locks[i].name == NULL)
            continue;
        *schema = in->locks[i].schema;
        *name = in->locks[i].name;
    }
}

/*
 * Catalogs whose rows no schema dump has: large objects with their privileges, roles and their
 * settings, databases, tablespaces, replication. No DDL that may run here writes them.
 */
static bool
beyond_dump(uint32_t oid)
{
    static const uint32_t list[] = {2613, 2995, 1260, 1261, 2964, 1262, 1213, 6100, 6102, 6000};

    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (list[i] == oid)
            return true;
    }
    return false;
}

/* What the counters of one relation say that nothing explains; NULL: nothing. */
static const char *
judge_counters(const struct bs_coverage *in, const struct bs_reading_row *row)
{
    const struct bs_reading_row *was = find_row(in->before, row->oid);
    int64_t ins = row->inserted - (was == NULL ? 0 : was->inserted);
    int64_t lost = row->updated + row->deleted - (was == NULL ? 0 : was->updated + was->deleted);
    uint32_t table;

    if (ins == 0 && lost == 0)
        return NULL;
    table = main_table(in->after, row->oid);
    if (table < FIRST_NORMAL_OID)
        return in->plan->ddl && !beyond_dump(table) ? NULL : "changed the catalog in";
    if (was == NULL && find_row(in->before, table) == NULL)
        return NULL; /* made by this very transaction: nothing committed to lose */
    if (lost != 0 && !captured(in, table))
        return "changed rows of";
    return NULL;
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

/* What an ACCESS EXCLUSIVE lock on a relation that was there before means; NULL: it is explained. */
static const char *
judge_exclusive(const struct bs_coverage *in, const struct bs_lock *lock)
{
    const struct bs_reading_row *was = find_row(in->before, lock->relation_oid);
    const struct bs_reading_row *is = find_row(in->after, lock->relation_oid);
    uint32_t table = main_table(in->before, lock->relation_oid);
    const struct bs_plan_table *t = planned(in, table);

    if (was == NULL)
        return NULL; /* made by this transaction */
    if (captured(in, table) && t != NULL && t->exclusive)
        return NULL;
    if (is == NULL)
        return in->plan->ddl && !holds_rows(was->relkind) ? NULL : "dropped";
    if (is->filenode != was->filenode)
        return in->plan->ddl && !holds_rows(was->relkind) && was->relkind != 't' &&
                       was->relkind != 'm'
                   ? NULL
                   : "truncated or rewrote";
    return in->plan->ddl ? NULL : "locked exclusively";
}

static const char *
judge_lock(const struct bs_coverage *in, const struct bs_lock *lock)
{
    bool writes = strcmp(lock->mode, "RowExclusiveLock") == 0;
    bool exclusive = strcmp(lock->mode, "AccessExclusiveLock") == 0;

    if (strcmp(lock->locktype, "object") == 0)
        return in->plan->ddl || (!writes && !exclusive) ? NULL : "changed an object of the catalog";
    if (strcmp(lock->locktype, "relation") != 0)
        return NULL;
    if (writes && lock->relkind == 'f')
        return "wrote to the foreign table";
    if (writes && lock->relkind == 'S' && in->plan->kind == BS_PLAN_WHOLE &&
        !sequence_captured(in, lock->relation_oid))
        return "moved the sequence";
    if (exclusive)
        return judge_exclusive(in, lock);
    return NULL;
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
    if (check_counters(in, arena, out, err) != BS_DONE)
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
