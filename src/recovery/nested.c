/*
 * nested.c - from the relations that lose a column, through every type that is made of theirs, to
 * the columns that store such values.
 */
#include "recovery/nested.h"

#include <stdlib.h>
#include <string.h>

enum {
    LIST_MAX = 16 * 1024 * 1024,
    RELATIONS = 1259, /* pg_class, catalog/pg_class.h */
};

const char bs_nested_users_sql[] =
    "WITH RECURSIVE made(typ) AS (SELECT c.reltype FROM pg_catalog.pg_class c"
    " WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.reltype <> 0"
    " UNION SELECT x.typ FROM made CROSS JOIN LATERAL ("
    "SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typelem = made.typ OR t.typbasetype = made.typ"
    " UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngsubtype = made.typ"
    " UNION ALL SELECT r.rngmultitypid FROM pg_catalog.pg_range r WHERE r.rngtypid = made.typ"
    " UNION ALL SELECT c.reltype FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.atttypid = made.typ"
    " AND a.attnum > 0 AND NOT a.attisdropped AND c.reltype <> 0) x(typ))"
    " SELECT a.attrelid, a.attnum, n.nspname, c.relname, a.attname FROM made"
    " JOIN pg_catalog.pg_attribute a ON a.atttypid = made.typ AND a.attnum > 0"
    " AND NOT a.attisdropped JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " AND c.relkind IN ('r', 'm') JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " ORDER BY a.attrelid, a.attnum";

/* Something of the plan goes, so that columns of its type may go along. */
static bool
drops(const struct bs_plan *plan)
{
    bool gone = false;

    for (size_t i = 0; i < plan->n_named; i++)
        gone = gone || plan->named[i].cascade;
    for (size_t i = 0; i < plan->n_tables; i++)
        gone = gone || plan->tables[i].kind == BS_KIND_DROP_TABLE ||
               plan->tables[i].reach == BS_REACH_DEPENDENT;
    return gone;
}

static void
put(struct bs_buf *list, uint32_t oid)
{
    bs_put_fmt(list, "%s%u", list->n == 0 ? "{" : ",", oid);
}

/* The relations that lose a column; NULL: memory is short, "": there are none. */
static const char *
losers(const struct bs_plan *plan, struct bs_arena *arena, const struct bs_manifest *m)
{
    struct bs_buf list;
    const char *out;

    bs_buf_init(&list, LIST_MAX);
    for (size_t i = 0; i < m->n_objects; i++) {
        if (bs_point_alters(&m->objects[i]))
            put(&list, m->objects[i].oid);
    }
    for (size_t i = 0; drops(plan) && i < m->n_closure; i++) {
        const struct bs_point_dependent *d = &m->closure[i];
        if (d->class_oid == RELATIONS && strcmp(d->type, "composite type column") == 0)
            put(&list, d->oid);
    }
    for (size_t i = 0; bs_plan_lost_attribute(plan) != NULL && i < m->n_closure; i++) {
        const struct bs_point_dependent *d = &m->closure[i];
        if (d->class_oid == RELATIONS && strcmp(d->type, "composite type") == 0)
            put(&list, d->oid);
    }
    if (list.n != 0)
        bs_put_u8(&list, '}');
    out = bs_arena_copy(arena, bs_buf_view(&list));
    bs_buf_fini(&list);
    return out;
}

/* The point has all rows of the relation, or at least this column of them. */
static bool
holds(const struct bs_manifest *m, uint32_t oid, int attnum)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        if (o->oid != oid || o->partial)
            continue;
        if (!o->columns_only)
            return true;
        for (size_t k = 0; k < o->n_columns; k++) {
            if (o->columns[k].attnum == attnum)
                return true;
        }
    }
    return false;
}

static enum bs_done
would_lose(const struct bs_plan *plan, const PGresult *res, int row, struct bs_err *err)
{
    const struct bs_plan_named *n = bs_plan_lost_attribute(plan);
    const char *schema = PQgetvalue(res, row, 2), *table = PQgetvalue(res, row, 3);
    const char *column = PQgetvalue(res, row, 4);

    if (n == NULL)
        return BS_FAIL(err, NO_POINT,
                       "column \"%.60s\" of %.60s.%.60s holds rows of a type that loses a column, "
                       "and is not in the plan",
                       column, schema, table);
    (void)BS_FAIL(err, NO_POINT,
                  "column \"%.60s\" of %.60s.%.60s stores values of type \"%.60s\", whose "
                  "attribute \"%.60s\" would go from them",
                  column, schema, table, n->name, n->column);
    bs_err_hint(err, "drop that column first, or give it another type: both keep its values");
    return BS_FAILED;
}

enum bs_done
bs_nested_held(struct bs_helper *h,
               const struct bs_plan *plan,
               struct bs_arena *arena,
               const struct bs_manifest *m,
               struct bs_err *err)
{
    const char *oids[] = {losers(plan, arena, m)};
    enum bs_done done = BS_DONE;
    PGresult *res = NULL;

    if (oids[0] == NULL)
        return BS_FAIL(err, LIMIT, "the list of row types does not fit into memory set aside");
    if (oids[0][0] == '\0')
        return BS_DONE;
    if (bs_helper_query(h, bs_nested_users_sql, 1, oids, &res, err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; done == BS_DONE && i < PQntuples(res); i++) {
        uint32_t oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10);
        if (!holds(m, oid, atoi(PQgetvalue(res, i, 1))))
            done = would_lose(plan, res, i, err);
    }
    PQclear(res);
    return done;
}
