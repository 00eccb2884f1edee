/*
 * measure_read.c - may a role know what is counted? The helper sees all rows: a number of rows that
 * fit a condition tells of the rows, so it is told only to who could have counted them.
 *
 * A relation that is read is known by its name alone, so each of that name must be readable. What a view
 * reads is its own affair.
 */
#include <string.h>

#include "recovery/measuring.h"

#define NAMES_MAX 1000

static const char sql[] =
    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c, pg_catalog.pg_roles r"
    " WHERE r.rolname = $1 AND (c.oid = ANY ($2::pg_catalog.oid[])"
    " OR c.relname = ANY ($3::pg_catalog.name[])) AND c.relkind NOT IN ('i', 'I', 'c')"
    " AND (NOT pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')"
    " OR (c.relpersistence <> 't'" /* another session's can be named by nobody else */
    " AND NOT pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'USAGE'))"
    " OR (c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls"
    " AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'))))";

/* An element of an array literal. */
static void
put_element(struct bs_buf *b, const char *text)
{
    bs_put_str(b, b->n == 1 ? "\"" : ",\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            bs_put_u8(b, '\\');
        bs_put_u8(b, (uint8_t)*text);
    }
    bs_put_u8(b, '"');
}

static size_t
put_reads(struct bs_buf *b, const struct bs_unit *unit)
{
    size_t n = 0;

    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_reads && n <= NAMES_MAX; k++, n++)
            put_element(b, unit->stmts[i].reads[k].name);
    }
    return n;
}

enum bs_done
bs_measuring_may_know(struct bs_measuring *m, bool *may, struct bs_err *err)
{
    struct bs_buf oids, names;
    const char *params[3];
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;
    bool fits;

    *may = m->ask->reader == NULL;
    if (*may)
        return BS_DONE;
    bs_buf_init(&oids, 1u << 20);
    bs_buf_init(&names, 1u << 20);
    bs_put_u8(&oids, '{');
    for (size_t i = 0; i < m->facts->n_targets; i++)
        bs_put_fmt(&oids, "%s%u", i == 0 ? "" : ",", m->facts->targets[i].oid);
    bs_put_cstr(&oids, "}");
    bs_put_u8(&names, '{');
    fits = put_reads(&names, m->ask->unit) <= NAMES_MAX;
    bs_put_cstr(&names, "}");
    params[0] = m->ask->reader;
    params[1] = (const char *)oids.p;
    params[2] = (const char *)names.p;
    if (fits && !oids.failed && !names.failed) {
        done = bs_helper_query(&m->helper, sql, 3, params, &res, err);
        *may = done == BS_DONE && PQntuples(res) == 1 && strcmp(PQgetvalue(res, 0, 0), "0") == 0;
    }
    PQclear(res);
    bs_buf_fini(&oids);
    bs_buf_fini(&names);
    return done;
}
