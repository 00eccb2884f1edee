/*
 * columns.c - the columns of stored tables. A partition has its parent's, so it keeps none: there
 * may be thousands of them.
 */
#include "catalog/build.h"

static const char columns_sql[] =
    "SELECT a.attrelid, a.attname, a.atttypid FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p')"
    " AND c.oid >= 16384 AND NOT c.relispartition AND c.relpersistence <> 't'"
    " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";

/* One row of the result goes to its relation; rows of one follow each other. */
static void
add_column(struct bs_build *b, const PGresult *res, int row, struct bs_column *at, const char *name)
{
    struct bs_relation *r = bs_build_relation(b, bs_oid_at(res, row, 0));

    if (r == NULL)
        return;
    *at = (struct bs_column){name, bs_oid_at(res, row, 2)};
    if (r->n_columns == 0)
        r->columns = at;
    r->n_columns++;
}

enum bs_done
bs_build_columns(struct bs_build *b)
{
    struct bs_column *list;
    PGresult *res;
    int n;

    if (bs_reader_query(&b->reader, columns_sql, 3, &res, b->err) != BS_DONE)
        return BS_FAILED;
    n = PQntuples(res);
    list = bs_build_array(b, (size_t)n, sizeof(*list));
    for (int i = 0; list != NULL && i < n && b->err->code == BS_OK; i++)
        add_column(b, res, i, &list[i], bs_build_text(b, bs_text_at(res, i, 1)));
    PQclear(res);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}
