/*
 * scratch_types.c - from the outside in: a type needs those that it is made of first.
 */
#include "recovery/scratch_types.h"

#include <stdlib.h>
#include <string.h>

#include "recovery/facts.h"

enum {
    FIRST_NORMAL_OID = 16384, /* access/transam.h */
    DEEPEST = 32,
    SQL_MAX = 4 * 1024 * 1024,
};

/*
 * $1 is a type. What it is: an array, or pg_type.typtype; its name; the type it is made of, with its
 * modifier and name; what makes it, where that is more than the type it is made of.
 */
static const char what_sql[] =
    "SELECT CASE WHEN e.typarray = t.oid THEN 'a' ELSE t.typtype::pg_catalog.text END,"
    " pg_catalog.format_type(t.oid, NULL),"
    " CASE WHEN e.typarray = t.oid THEN t.typelem WHEN t.typtype = 'd' THEN t.typbasetype"
    " ELSE COALESCE(r.rngsubtype, 0) END,"
    " CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)"
    " ELSE pg_catalog.format_type(r.rngsubtype, NULL) END,"
    " CASE t.typtype WHEN 'e' THEN (SELECT pg_catalog.string_agg(pg_catalog.quote_literal("
    "l.enumlabel), ', ' ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l"
    " WHERE l.enumtypid = t.oid)"
    " ELSE (SELECT ', collation = ' || r.rngcollation::pg_catalog.regcollation"
    " WHERE r.rngcollation BETWEEN 1 AND 16383) END, t.typtype = 'm'"
    " FROM pg_catalog.pg_type t"
    " LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid"
    " LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid OR r.rngmultitypid = t.oid"
    " WHERE t.oid = $1::pg_catalog.oid";

static enum bs_done find(struct bs_scratch_types *types,
                         uint32_t oid,
                         const char *plain,
                         bool binary,
                         int depth,
                         const char **out,
                         struct bs_err *err);

static const char *
made(const struct bs_scratch_types *types, uint32_t oid)
{
    for (const struct bs_scratch_type *t = types->made; t != NULL; t = t->next) {
        if (t->oid == oid)
            return t->name;
    }
    return NULL;
}

static enum bs_done
no_memory(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "no memory set aside for the types of a point");
}

static enum bs_done
keep(struct bs_scratch_types *types, uint32_t oid, const char *name, struct bs_err *err)
{
    struct bs_scratch_type *t = bs_arena_take(&types->c->arena, sizeof(*t));

    if (t == NULL || name == NULL)
        return no_memory(err);
    *t = (struct bs_scratch_type){oid, name, types->made};
    types->made = t;
    return BS_DONE;
}

/* A type of an extension, or with code of its own: only the database itself can have it. */
static enum bs_done
find_there(struct bs_scratch_types *types, const char *name, const char **out, struct bs_err *err)
{
    const char *params[] = {name};
    PGresult *res = NULL;
    bool there;

    if (bs_helper_query(types->scratch, "SELECT pg_catalog.to_regtype($1) IS NOT NULL", 1, params,
                        &res, err) != BS_DONE)
        return BS_FAILED;
    there = PQgetvalue(res, 0, 0)[0] == 't';
    PQclear(res);
    *out = bs_arena_str(&types->c->arena, name);
    if (there)
        return *out == NULL ? no_memory(err) : BS_DONE;
    (void)BS_FAIL(err, NO_POINT, "the scratch database has no type %.100s", name);
    bs_err_hint(err, "create the extension that it belongs to in the scratch database, too");
    return BS_FAILED;
}

/* Its name there is made of its number here; the range type and its multirange come together. */
static enum bs_done
make(struct bs_scratch_types *types,
     uint32_t oid,
     char kind,
     const char *of,
     const char *text,
     const char **out,
     struct bs_err *err)
{
    struct bs_arena *arena = &types->c->arena;
    struct bs_buf sql;
    enum bs_done done;

    *out = bs_arena_fmt(arena, "pg_temp.\"type %u\"", oid);
    if (*out == NULL)
        return no_memory(err);
    bs_buf_init(&sql, SQL_MAX);
    if (kind == 'e')
        bs_put_fmt(&sql, "CREATE TYPE %s AS ENUM (", *out);
    else if (kind == 'd')
        bs_put_fmt(&sql, "CREATE DOMAIN %s AS ", *out);
    else if (kind == 'm')
        bs_put_fmt(&sql,
                   "CREATE TYPE pg_temp.\"range of %u\" AS RANGE (multirange_type_name = %s, "
                   "subtype = ",
                   oid, *out);
    else
        bs_put_fmt(&sql,
                   "CREATE TYPE %s AS RANGE (multirange_type_name = pg_temp.\"ranges %u\", "
                   "subtype = ",
                   *out, oid);
    bs_put_str(&sql, of);
    bs_put_str(&sql, text);
    bs_put_str(&sql, kind == 'd' ? "" : ")");
    bs_put_u8(&sql, '\0');
    done = sql.failed ? no_memory(err)
                      : bs_helper_query(types->scratch, (const char *)sql.p, 0, NULL, NULL, err);
    bs_buf_fini(&sql);
    return done == BS_DONE ? keep(types, oid, *out, err) : BS_FAILED;
}

static enum bs_done
cannot(const char *name, struct bs_err *err)
{
    (void)BS_FAIL(err, NO_POINT,
                  "values of type %.100s carry the numbers of types that only their own database "
                  "has, so they cannot be loaded elsewhere",
                  name);
    bs_err_hint(err,
                "require read-back for this table: recovery.grade, or require.grade of a rule");
    return BS_FAILED;
}

static enum bs_done
find_made(struct bs_scratch_types *types,
          uint32_t oid,
          const PGresult *res,
          bool binary,
          int depth,
          const char **out,
          struct bs_err *err)
{
    char kind = PQgetvalue(res, 0, 0)[0];
    const char *name = PQgetvalue(res, 0, 1), *text = PQgetvalue(res, 0, 4);
    uint32_t of = (uint32_t)strtoul(PQgetvalue(res, 0, 2), NULL, 10);
    const char *inner = "";

    if (kind == 'c' || (kind == 'a' && binary))
        return cannot(name, err);
    if (kind != 'e' && kind != 'a' && kind != 'd' && kind != 'r' && kind != 'm')
        return find_there(types, name, out, err);
    if (of != 0 && find(types, of, PQgetvalue(res, 0, kind == 'a' ? 1 : 3), binary, depth + 1,
                        &inner, err) != BS_DONE)
        return BS_FAILED;
    if (kind != 'a')
        return make(types, oid, kind, inner, text, out, err);
    *out = bs_arena_fmt(&types->c->arena, "%s[]", inner);
    return *out == NULL ? no_memory(err) : BS_DONE;
}

/* `plain` is its name where every database has it. */
static enum bs_done
find(struct bs_scratch_types *types,
     uint32_t oid,
     const char *plain,
     bool binary,
     int depth,
     const char **out,
     struct bs_err *err)
{
    char number[16];
    const char *params[] = {number};
    PGresult *res = NULL;
    enum bs_done done;

    *out = oid < FIRST_NORMAL_OID ? bs_arena_str(&types->c->arena, plain) : made(types, oid);
    if (oid < FIRST_NORMAL_OID && *out == NULL)
        return no_memory(err);
    if (*out != NULL)
        return BS_DONE;
    if (depth > DEEPEST)
        return BS_FAIL(err, NO_POINT, "a type is made of more types than are looked at");
    (void)snprintf(number, sizeof(number), "%u", oid);
    if (bs_step_ask_again(types->c, what_sql, 1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) == 1)
        done = find_made(types, oid, res, binary, depth, out, err);
    else
        done = BS_FAIL(err, NO_POINT, "type %u is gone", oid);
    PQclear(res);
    return done;
}

enum bs_done
bs_scratch_type_find(struct bs_scratch_types *types,
                     const struct bs_point_column *column,
                     bool binary,
                     const char **out,
                     struct bs_err *err)
{
    return find(types, column->type_oid, column->type, binary, 0, out, err);
}
