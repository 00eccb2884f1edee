/*
 * columns.c - a row's place (ctid) does not survive the statement, so values of columns are kept
 * with a key; and a key that the statement takes away, or gives other values, matches nothing
 * afterwards.
 */
#include "recovery/columns.h"

#include <stdlib.h>
#include <string.h>

#include "recovery/facts.h"

/* What its type and the server give a column anyway is not told. The view of the widths is read once
 * for each table, not for each column: it looks its rows up by their names. */
static const char details_sql[] =
    "WITH widths AS MATERIALIZED (SELECT c.oid, s.attname, s.avg_width FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, LATERAL (SELECT s.attname,"
    " s.avg_width FROM pg_catalog.pg_stats s WHERE s.schemaname = n.nspname"
    " AND s.tablename = c.relname AND NOT s.inherited OFFSET 0) s"
    " WHERE c.oid = ANY ($1::pg_catalog.oid[]))"
    " SELECT a.attrelid, a.attnum, pg_catalog.pg_get_expr(d.adbin, d.adrelid),"
    " CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN'"
    " WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,"
    " CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,"
    " CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::pg_catalog.text END,"
    " pg_catalog.array_to_string(a.attoptions, ', '),"
    " COALESCE(w.avg_width, CASE WHEN t.typlen > 0 THEN t.typlen ELSE -1 END),"
    " EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contype = 'n' AND k.conrelid = "
    "a.attrelid"
    " AND k.conkey[1] = a.attnum AND (NOT k.conislocal OR NOT k.convalidated OR k.connoinherit))"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN widths w ON w.oid = a.attrelid AND w.attname = a.attname"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped";

static const char sizes_sql[] =
    "SELECT c.oid, pg_catalog.pg_table_size(c.oid), c.reltuples::pg_catalog.int8"
    " FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.relkind = 'r'";

/* Keys by which two rows are never the same: a row a column, the best key of a table first. What an
 * index only includes has no place in the key, but the index goes with it. */
static const char keys_sql[] =
    "SELECT i.indrelid, i.indexrelid, k.att, CASE WHEN k.place <= i.indnkeyatts THEN k.place ELSE 0"
    " END FROM pg_catalog.pg_index i,"
    " pg_catalog.unnest(i.indkey) WITH ORDINALITY k(att, place)"
    " WHERE i.indrelid = ANY ($1::pg_catalog.oid[]) AND i.indisunique AND i.indisvalid"
    " AND i.indpred IS NULL AND i.indexprs IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a, pg_catalog.unnest(i.indkey)"
    " WITH ORDINALITY o(att, place) WHERE o.place <= i.indnkeyatts AND a.attrelid = i.indrelid"
    " AND a.attnum = o.att AND NOT a.attnotnull)"
    " ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.place";

/* Checks that read an altered column; those of a parent come back with it. From 18 on a NOT NULL
 * has a name, too. */
static const char checks_sql[] =
    "SELECT k.conrelid, a.attname, k.conname, pg_catalog.pg_get_constraintdef(k.oid),"
    " pg_catalog.obj_description(k.oid, 'pg_constraint')"
    " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid"
    " AND a.attnum = ANY (k.conkey) WHERE k.contype IN ('c', 'n') AND k.conislocal"
    " AND k.coninhcount = 0"
    " AND k.conrelid = ANY ($1::pg_catalog.oid[]) ORDER BY k.conrelid, k.conname, a.attnum";

/* Columns that are computed from others of their table: they go with these. */
static const char computed_sql[] =
    "SELECT DISTINCT a.attrelid, a.attnum, d.refobjsubid FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum"
    " JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND d.refobjid = a.attrelid AND d.refobjsubid <> a.attnum AND d.refobjsubid > 0"
    " AND ((d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid)"
    " OR (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = a.attrelid"
    " AND d.objsubid = a.attnum))"
    " WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attgenerated <> ''";

struct choosing {
    struct bs_helper *h;
    const struct bs_plan *plan;
    struct bs_arena *arena;
    struct bs_manifest *m;
    PGresult *details, *sizes, *keys, *checks, *computed;
};

static uint32_t
oid_at(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

static int64_t
number_at(const PGresult *res, int row, int column)
{
    return strtoll(PQgetvalue(res, row, column), NULL, 10);
}

static const char *
text_at(const PGresult *res, int row, int column, struct bs_arena *arena)
{
    return PQgetisnull(res, row, column) ? NULL : bs_arena_str(arena, PQgetvalue(res, row, column));
}

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the description of the columns does not fit into memory set aside");
}

static const struct bs_plan_table *
planned(const struct bs_plan *plan, uint32_t oid)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (plan->tables[i].oid == oid)
            return &plan->tables[i];
    }
    return NULL;
}

/* Rows that go, too, are kept with all their columns. */
static bool
loses_rows(const struct bs_plan_table *t)
{
    return strncmp(bs_kind_name(t->kind), "ALTER TABLE", 11) != 0;
}

static bool
is_named(const struct bs_plan_table *t, const char *column)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (strcmp(t->columns[i], column) == 0)
            return true;
    }
    return false;
}

static struct bs_point_column *
column_of(const struct bs_point_object *o, int64_t attnum)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].attnum == attnum)
            return &o->columns[i];
    }
    return NULL;
}

/* None of them is computed from another one of them. */
static void
mark_computed(const struct choosing *g, struct bs_point_object *o)
{
    for (int i = 0; i < PQntuples(g->computed); i++) {
        struct bs_point_column *c = column_of(o, number_at(g->computed, i, 1));
        const struct bs_point_column *from = column_of(o, number_at(g->computed, i, 2));
        if (oid_at(g->computed, i, 0) == o->oid && c != NULL && from != NULL && from->altered)
            c->altered = true;
    }
}

/* Which of the named columns the table has; what it lacks, the statement adds. */
static enum bs_done
mark_columns(struct choosing *g,
             const struct bs_plan_table *t,
             struct bs_point_object *o,
             size_t *marked,
             struct bs_err *err)
{
    *marked = 0;
    for (size_t i = 0; i < o->n_columns; i++) {
        o->columns[i].altered = is_named(t, o->columns[i].name);
        *marked += o->columns[i].altered;
    }
    if (t->kind == BS_KIND_ALTER_TABLE_DROP_COLUMN)
        mark_computed(g, o);
    if (t->kind != BS_KIND_ALTER_TABLE_ADD_COLUMN || *marked == t->n_columns)
        return BS_DONE;
    o->added = bs_arena_array(g->arena, t->n_columns, sizeof(*o->added));
    if (o->added == NULL)
        return full(err);
    for (size_t i = 0; i < t->n_columns; i++) {
        bool there = false;
        for (size_t k = 0; k < o->n_columns && !there; k++)
            there = strcmp(o->columns[k].name, t->columns[i]) == 0;
        if (!there)
            o->added[o->n_added++].name = t->columns[i];
    }
    return BS_DONE;
}

/* The first row of the first key whose index has no altered column; -1: there is none. */
static int
find_key(const struct choosing *g, const struct bs_point_object *o)
{
    int first = -1;

    for (int i = 0; i < PQntuples(g->keys); i++) {
        const struct bs_point_column *c;
        if (oid_at(g->keys, i, 0) != o->oid)
            continue;
        if (i == 0 || oid_at(g->keys, i, 1) != oid_at(g->keys, i - 1, 1)) {
            if (first >= 0)
                return first;
            first = i;
        } else if (first < 0) {
            continue; /* another column of it is altered */
        }
        c = column_of(o, number_at(g->keys, i, 2));
        if (c == NULL || c->altered || c->generated == 'v')
            first = -1; /* the index goes, too, or gets other values */
    }
    return first;
}

/* Leaves the object the key and the altered columns. */
static enum bs_done
keep_some(struct choosing *g, struct bs_point_object *o, int key, struct bs_err *err)
{
    struct bs_point_column *some = bs_arena_array(g->arena, o->n_columns, sizeof(*some));
    size_t n = 0;

    if (some == NULL)
        return full(err);
    for (size_t i = 0; i < o->n_columns; i++)
        o->columns[i].key = 0;
    for (int i = key; i < PQntuples(g->keys); i++) {
        if (oid_at(g->keys, i, 1) != oid_at(g->keys, key, 1))
            break;
        column_of(o, number_at(g->keys, i, 2))->key = (int)number_at(g->keys, i, 3);
    }
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].altered || o->columns[i].key != 0)
            some[n++] = o->columns[i];
    }
    o->columns = some;
    o->n_columns = n;
    o->columns_only = true;
    return BS_DONE;
}

/* What is known of the altered columns besides their types. The width of a row, as it is copied. */
static enum bs_done
describe(struct choosing *g, struct bs_point_object *o, int64_t *width, struct bs_err *err)
{
    *width = 2;
    for (int i = 0; i < PQntuples(g->details); i++) {
        struct bs_point_column *c = column_of(o, number_at(g->details, i, 1));
        int64_t w = number_at(g->details, i, 7);
        if (oid_at(g->details, i, 0) != o->oid || c == NULL)
            continue;
        *width = w < 0 || *width < 0 ? -1 : *width + w + 4;
        if (!c->altered)
            continue;
        c->expression = text_at(g->details, i, 2, g->arena);
        c->storage = text_at(g->details, i, 3, g->arena);
        c->compression = text_at(g->details, i, 4, g->arena);
        c->statistics = text_at(g->details, i, 5, g->arena);
        c->options = text_at(g->details, i, 6, g->arena);
        c->null_apart = PQgetvalue(g->details, i, 8)[0] == 't';
        for (int k = 2; k < 7; k++) {
            const char *const texts[] = {c->expression, c->storage, c->compression, c->statistics,
                                         c->options};
            if (!PQgetisnull(g->details, i, k) && texts[k - 2] == NULL)
                return full(err);
        }
    }
    return BS_DONE;
}

static bool
is_altered(const struct bs_point_object *o, const char *name)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].altered && strcmp(o->columns[i].name, name) == 0)
            return true;
    }
    return false;
}

static enum bs_done
take_checks(struct choosing *g, struct bs_point_object *o, struct bs_err *err)
{
    size_t most = (size_t)PQntuples(g->checks) + 1;
    struct bs_point_check *list = bs_arena_array(g->arena, most, sizeof(*list));

    if (list == NULL)
        return full(err);
    for (int i = 0; i < PQntuples(g->checks); i++) {
        const char *name = PQgetvalue(g->checks, i, 2);
        if (oid_at(g->checks, i, 0) != o->oid || !is_altered(o, PQgetvalue(g->checks, i, 1)))
            continue;
        if (o->n_checks != 0 && strcmp(list[o->n_checks - 1].name, name) == 0)
            continue; /* by another of its columns */
        list[o->n_checks].name = bs_arena_str(g->arena, name);
        list[o->n_checks].definition = text_at(g->checks, i, 3, g->arena);
        list[o->n_checks].comment = text_at(g->checks, i, 4, g->arena);
        if (list[o->n_checks].name == NULL || list[o->n_checks].definition == NULL ||
            (list[o->n_checks].comment == NULL && !PQgetisnull(g->checks, i, 4)))
            return full(err);
        o->n_checks++;
    }
    o->checks = o->n_checks == 0 ? NULL : list;
    return BS_DONE;
}

/* No more than the table takes on disk; less where it is known how wide the columns are. */
static int64_t
size_of(const struct choosing *g, const struct bs_point_object *o, int64_t width)
{
    for (int i = 0; i < PQntuples(g->sizes); i++) {
        int64_t all = number_at(g->sizes, i, 1), rows = number_at(g->sizes, i, 2);
        if (oid_at(g->sizes, i, 0) != o->oid)
            continue;
        if (!o->columns_only || rows < 0 || width < 0 || rows * width > all)
            return all;
        return rows * width;
    }
    return 0;
}

/* Types that go with the statement come back under other numbers, which binary values hold. */
static bool
needs_text(const struct bs_plan_table *t, const struct bs_point_object *o)
{
    for (size_t i = 0; t->reach == BS_REACH_DEPENDENT && i < o->n_columns; i++) {
        if (o->columns[i].altered && o->columns[i].type_oid >= BS_FIRST_OWN_TYPE)
            return true;
    }
    return false;
}

static enum bs_done
choose_one(struct choosing *g,
           const struct bs_plan_table *t,
           struct bs_point_object *o,
           int64_t *bytes,
           struct bs_err *err)
{
    size_t marked;
    int64_t width;
    int key;

    if (mark_columns(g, t, o, &marked, err) != BS_DONE)
        return BS_FAILED;
    if (marked == 0 && !loses_rows(t)) {
        o->format = BS_ROWS_NONE;
        o->columns_only = true;
        o->n_columns = 0;
        return BS_DONE;
    }
    key = o->relkind == 'r' && !loses_rows(t) ? find_key(g, o) : -1;
    if (key >= 0 && keep_some(g, o, key, err) != BS_DONE)
        return BS_FAILED;
    if (describe(g, o, &width, err) != BS_DONE || take_checks(g, o, err) != BS_DONE)
        return BS_FAILED;
    if (o->format == BS_ROWS_BINARY && needs_text(t, o))
        o->format = BS_ROWS_TEXT;
    *bytes += size_of(g, o, width);
    return BS_DONE;
}

static enum bs_done
choose_all(struct choosing *g, int64_t *bytes, struct bs_err *err)
{
    const char *oids[] = {bs_facts_oids(g->plan, g->arena)};

    if (oids[0] == NULL)
        return full(err);
    if (bs_helper_query(g->h, details_sql, 1, oids, &g->details, err) != BS_DONE ||
        bs_helper_query(g->h, sizes_sql, 1, oids, &g->sizes, err) != BS_DONE ||
        bs_helper_query(g->h, keys_sql, 1, oids, &g->keys, err) != BS_DONE ||
        bs_helper_query(g->h, checks_sql, 1, oids, &g->checks, err) != BS_DONE ||
        bs_helper_query(g->h, computed_sql, 1, oids, &g->computed, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < g->m->n_objects; i++) {
        struct bs_point_object *o = &g->m->objects[i];
        const struct bs_plan_table *t = planned(g->plan, o->oid);
        if (t != NULL && t->n_columns != 0 && choose_one(g, t, o, bytes, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_columns_choose(struct bs_helper *h,
                  const struct bs_plan *plan,
                  struct bs_arena *arena,
                  struct bs_manifest *m,
                  int64_t *bytes,
                  struct bs_err *err)
{
    struct choosing g = {.h = h, .plan = plan, .arena = arena, .m = m};
    enum bs_done done = BS_DONE;
    bool any = false;

    for (size_t i = 0; i < plan->n_tables && !any; i++)
        any = plan->tables[i].n_columns != 0;
    if (any)
        done = choose_all(&g, bytes, err);
    PQclear(g.details);
    PQclear(g.sizes);
    PQclear(g.keys);
    PQclear(g.checks);
    PQclear(g.computed);
    return done;
}

/* A relation of the point, all of it or with columns that go. */
static bool
is_kept(const struct bs_manifest *m, uint32_t oid)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        if (m->objects[i].oid == oid)
            return true;
    }
    return false;
}

enum bs_done
bs_columns_closed(const struct bs_plan *plan, const struct bs_manifest *m, struct bs_err *err)
{
    bool altered = false;

    for (size_t i = 0; i < m->n_objects; i++)
        altered = altered || bs_point_alters(&m->objects[i]);
    /* What a statement names beside is only changed, so what hangs on that stays. */
    for (size_t i = 0; altered && plan->n_named == 0 && i < m->n_closure; i++) {
        const struct bs_point_dependent *d = &m->closure[i];
        if (strcmp(d->type, "table column") == 0 && !is_kept(m, d->oid))
            return BS_FAIL(err, NO_POINT,
                           "it would take the column %.130s along, which is not in"
                           " the plan",
                           d->identity);
    }
    return BS_DONE;
}
