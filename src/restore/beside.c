/*
 * beside.c - see beside.h.
 */
#include "restore/beside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "restore/rebuild.h"
#include "restore/text.h"

#define SQL_MAX (4u << 20)

/* Only what carries the point's comment is shown, so that no other table is read this way. */
static const char find_made[] =
    "SELECT n.nspname, c.relname, c.oid FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND pg_catalog.obj_description(c.oid, 'pg_class') = $1"
    " AND ($2::pg_catalog.text IS NULL OR n.nspname || '.' || c.relname = $2)"
    " ORDER BY 1, 2 LIMIT 2";
static const char find_columns[] =
    "SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::pg_catalog.oid"
    " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/* A TID range scan gives the rows in their order, and reads no more than a page. */
static const char settings[] =
    "BEGIN READ ONLY; SET LOCAL enable_seqscan = off; SET LOCAL synchronize_seqscans = off;"
    " SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL statement_timeout = '10s'";

static enum bs_done
find_table(struct bs_restore *r, const char *table, PGresult **out, struct bs_err *err)
{
    const char *values[] = {bs_rebuild_marker(r), table};
    int n;

    *out = bs_rdb_ask(&r->db, find_made, 2, values, err);
    if (*out == NULL)
        return BS_FAILED;
    n = PQntuples(*out);
    if (n == 1)
        return BS_DONE;
    PQclear(*out);
    *out = NULL;
    if (n > 1)
        return BS_FAIL(err, CONFLICT, "run has made several tables; say which");
    return BS_FAIL(err, NOT_FOUND, "run has made no such table of this point");
}

/* "(7,12)" */
static bool
is_place(const char *text)
{
    size_t block = strspn(text + (*text == '('), "0123456789");
    const char *rest = text + 1 + block;

    if (*text != '(' || block == 0 || block > 10 || *rest != ',')
        return false;
    block = strspn(++rest, "0123456789");
    return block != 0 && block <= 5 && strcmp(rest + block, ")") == 0;
}

/* Long values are not sent; how long each is comes last. */
static void
put_query(struct bs_buf *sql, const PGresult *table, const PGresult *columns, size_t limit)
{
    bs_put_str(sql, "SELECT ctid");
    for (int i = 0; i < PQntuples(columns); i++) {
        bs_put_str(sql, ", CASE WHEN pg_catalog.pg_column_size(");
        bs_put_ident(sql, PQgetvalue(columns, i, 0));
        bs_put_fmt(sql, ") OPERATOR(pg_catalog.<=) %d THEN ", BS_BESIDE_VALUE);
        bs_put_ident(sql, PQgetvalue(columns, i, 0));
        bs_put_str(sql, " END");
    }
    bs_put_str(sql, ", ARRAY[");
    for (int i = 0; i < PQntuples(columns); i++) {
        bs_put_str(sql, i == 0 ? "pg_catalog.pg_column_size(" : ", pg_catalog.pg_column_size(");
        bs_put_ident(sql, PQgetvalue(columns, i, 0));
        bs_put_str(sql, ")");
    }
    bs_put_str(sql, "]::pg_catalog.int4[] FROM ");
    bs_put_name(sql, PQgetvalue(table, 0, 0), PQgetvalue(table, 0, 1));
    bs_put_fmt(sql, " WHERE ctid OPERATOR(pg_catalog.>) $1::pg_catalog.tid LIMIT %zu", limit + 1);
}

struct page {
    struct bs_beside_page *out;
    json_t *rows;
    size_t limit, bytes;
    int n_columns;
    bool more;
};

/* The next of "{7,NULL,12}". */
static long long
next_size(const char **sizes)
{
    long long n = 0;

    *sizes += strcspn(*sizes, "0123456789N");
    for (; **sizes >= '0' && **sizes <= '9'; (*sizes)++)
        n = n * 10 + (**sizes - '0');
    *sizes += strspn(*sizes, "NUL");
    return n;
}

static enum bs_done
take_row(void *ctx, const PGresult *result, struct bs_err *err)
{
    struct page *p = ctx;
    const char *sizes = PQgetvalue(result, 0, p->n_columns + 1);
    json_t *row;

    (void)err;
    p->more = json_array_size(p->rows) == p->limit || p->bytes >= BS_BESIDE_PAGE;
    if (p->more)
        return BS_FAILED;
    row = json_array();
    for (int i = 1; i <= p->n_columns; i++) {
        long long size = next_size(&sizes);
        if (size > BS_BESIDE_VALUE)
            (void)json_array_append_new(row, json_pack("{s:I}", "bytes", (json_int_t)size));
        else if (PQgetisnull(result, 0, i))
            (void)json_array_append_new(row, json_null());
        else
            (void)json_array_append_new(row, json_string(PQgetvalue(result, 0, i)));
        p->bytes += (size_t)PQgetlength(result, 0, i);
    }
    (void)json_array_append_new(p->rows, row);
    (void)snprintf(p->out->next, sizeof(p->out->next), "%s", PQgetvalue(result, 0, 0));
    return BS_DONE;
}

static enum bs_done
read_rows(struct bs_restore *r,
          const struct bs_beside *ask,
          const PGresult *table,
          const PGresult *columns,
          struct bs_beside_page *out,
          struct bs_err *err)
{
    const char *after = ask->after == NULL ? "(0,0)" : ask->after;
    struct page p = {.out = out, .limit = ask->limit, .n_columns = PQntuples(columns)};
    json_t *names = json_array();
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    put_query(&sql, table, columns, ask->limit);
    for (int i = 0; i < PQntuples(columns); i++)
        (void)json_array_append_new(names, json_string(PQgetvalue(columns, i, 0)));
    p.rows = json_array();
    out->rows = json_pack("{s:s+++, s:o, s:o}", "table", PQgetvalue(table, 0, 0), ".",
                          PQgetvalue(table, 0, 1), "", "columns", names, "rows", p.rows);
    done = bs_rdb_rows_out(&r->db, &sql, 1, &after, take_row, &p, err);
    bs_buf_fini(&sql);
    if (p.more) { /* the page is full: the rest was not wanted */
        *err = (struct bs_err){0};
        return BS_DONE;
    }
    out->next[0] = '\0';
    return done;
}

static enum bs_done
show_rows(struct bs_restore *r,
          const struct bs_beside *ask,
          struct bs_beside_page *out,
          struct bs_err *err)
{
    PGresult *table = NULL, *columns = NULL;
    const char *oid;
    enum bs_done done = BS_FAILED;

    if (bs_rdb_do(&r->db, settings, err) != BS_DONE)
        return BS_FAILED;
    if (find_table(r, ask->table, &table, err) == BS_DONE) {
        oid = PQgetvalue(table, 0, 2);
        columns = bs_rdb_ask(&r->db, find_columns, 1, &oid, err);
    }
    if (columns != NULL)
        done = read_rows(r, ask, table, columns, out, err);
    PQclear(columns);
    PQclear(table);
    bs_rdb_rollback(&r->db);
    return done;
}

enum bs_done
bs_beside_rows(struct bs_restore *r,
               const struct bs_beside *ask,
               struct bs_beside_page *out,
               struct bs_err *err)
{
    struct bs_restore_step step = {.action = "rows", .table = ask->table, .rows = -1};

    *out = (struct bs_beside_page){0};
    if (ask->after != NULL && !is_place(ask->after))
        return BS_FAIL(err, USAGE, "this is no place of a row");
    if (bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    if (bs_restore_end(r, &step, show_rows(r, ask, out, err), err) == BS_DONE)
        return BS_DONE;
    json_decref(out->rows);
    out->rows = NULL;
    return BS_FAILED;
}
