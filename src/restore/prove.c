/*
 * prove.c - see prove.h.
 */
#include "restore/prove.h"

#include "restore/diff.h"
#include "restore/text.h"

#define SQL_MAX (4u << 20)

/* COPY of a table takes no generated columns, nor none at all; otherwise it is quicker than a query. */
static bool
has_plain_columns(const struct bs_live *live)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (live->columns[i].generated)
            return false;
    }
    return live->relkind == 'r' && live->object->n_columns != 0;
}

static enum bs_done
by_hash(struct bs_restore *r, const struct bs_live *live, struct bs_err *err)
{
    const struct bs_point_object *o = live->object;
    bool plain = has_plain_columns(live);
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "COPY ");
    if (!plain) {
        bs_put_str(&sql, "(SELECT ");
        bs_put_column_names(&sql, o);
        bs_put_str(&sql, " FROM ONLY ");
    }
    bs_put_name(&sql, o->schema, o->name);
    if (plain) {
        bs_put_str(&sql, " (");
        bs_put_column_names(&sql, o);
    }
    bs_put_str(&sql, ") TO STDOUT (");
    bs_put_format(&sql, o);
    bs_put_str(&sql, ")");
    done = bs_rdb_compare(&r->db, &sql, o, r->manifest.source.data_encoding, err);
    bs_buf_fini(&sql);
    return done;
}

static enum bs_done
has_saved(struct bs_restore *r, size_t at, bool *there, struct bs_err *err)
{
    struct bs_buf name;
    const char *values[1];
    PGresult *result;

    bs_buf_init(&name, 100);
    bs_compare_put_saved(&name, at);
    bs_put_u8(&name, 0);
    values[0] = (const char *)name.p;
    result = bs_rdb_ask(&r->db, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", 1, values, err);
    bs_buf_fini(&name);
    if (result == NULL)
        return BS_FAILED;
    *there = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
by_rows(struct bs_restore *r, struct bs_live *live, size_t at, struct bs_err *err)
{
    struct bs_diff_table t = {.live = *live};
    bool there = false;

    if (has_saved(r, at, &there, err) != BS_DONE ||
        (!there && bs_diff_load(r, live, at, err) != BS_DONE) ||
        bs_diff_compare(r, at, BS_DIFF_COUNTS, &t, err) != BS_DONE)
        return BS_FAILED;
    if (t.missing == 0 && t.changed == 0 && t.extra == 0 && t.live_rows == t.saved_rows)
        return BS_DONE;
    return BS_FAIL(err, DAMAGED, "the rows of \"%.63s\".\"%.63s\" are not the saved ones",
                   live->object->schema, live->object->name);
}

static bool
has_new_types(const struct bs_live *live)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (live->columns[i].live_oid != live->object->columns[i].type_oid)
            return true;
    }
    return false;
}

enum bs_done
bs_prove_rows(struct bs_restore *r,
              const struct bs_point_object *object,
              size_t at,
              struct bs_err *err)
{
    struct bs_live live;

    bs_restore_tell(r, bs_arena_fmt(&r->arena, "proving %s.%s", object->schema, object->name), 0,
                    0);
    if (bs_live_look(&r->db, object, &r->arena, &live, err) != BS_DONE)
        return BS_FAILED;
    if (object->format == BS_ROWS_BINARY && has_new_types(&live))
        return by_rows(r, &live, at, err);
    return by_hash(r, &live, err);
}
