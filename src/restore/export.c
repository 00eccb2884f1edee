/*
 * export.c - values are written by their types' own output functions: a cast to text would strip
 * blanks of a char(n).
 */
#include "restore/export.h"

#include <string.h>

#include "restore/diff.h"
#include "restore/text.h"
#include "restore/where.h"

#define SQL_MAX (4u << 20)

enum { ROWS_PER_INSERT = 100 };

enum bs_export_format
bs_export_find(const char *name)
{
    static const char *const names[] = {
        [BS_EXPORT_CSV] = "csv", [BS_EXPORT_JSONL] = "jsonl", [BS_EXPORT_SQL] = "sql"};

    for (size_t i = BS_EXPORT_CSV; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return (enum bs_export_format)i;
    }
    return BS_EXPORT_NONE;
}

struct exporting {
    struct bs_restore *r;
    enum bs_export_format format;
    bs_rdb_take take;
    void *ctx;
    int64_t rows;
    const struct bs_point_object *first; /* whose columns give the order */
    const struct bs_point_object *object;
    size_t at;
    int64_t in_insert; /* rows in the INSERT that is being written */
};

static enum bs_done
give(struct exporting *e, struct bs_buf *text, struct bs_err *err)
{
    enum bs_done done = text->failed ? BS_FAIL(err, LIMIT, "a line would be too long")
                                     : e->take(e->ctx, bs_buf_view(text), err);

    bs_buf_clear(text);
    return done;
}

static enum bs_done
give_str(struct exporting *e, const char *text, struct bs_err *err)
{
    return e->take(e->ctx, bs_bytes_of(text), err);
}

/* Columns. */

static bool
is_written(const struct exporting *e, const struct bs_point_column *c)
{
    return e->format != BS_EXPORT_SQL || c->generated == 0;
}

static void
put_columns(struct bs_buf *b, const struct exporting *e, const char *side)
{
    const char *before = "";

    for (size_t i = 0; i < e->first->n_columns; i++) {
        const struct bs_point_column *c = &e->first->columns[i];
        if (!is_written(e, c))
            continue;
        bs_put_fmt(b, "%s%s", before, side);
        bs_put_ident(b, c->name);
        before = ", ";
    }
}

/* FROM saved rows s, all or those of the condition, in the order in which they were saved. */
static void
put_from(struct bs_buf *b, const struct exporting *e)
{
    bs_put_str(b, " FROM ");
    bs_compare_put_saved(b, e->at);
    bs_put_str(b, " s");
    if (e->r->request.where != NULL) {
        bs_put_str(b, " WHERE s.\"" BS_COMPARE_ROW "\" IN (SELECT c.\"row\" FROM ");
        bs_where_put_chosen(b, e->at);
        bs_put_str(b, " c)");
    }
    bs_put_str(b, " ORDER BY s.\"" BS_COMPARE_ROW "\"");
}

/* CSV. */

static enum bs_done
take_csv(void *ctx, struct bs_bytes line, struct bs_err *err)
{
    struct exporting *e = ctx;

    return e->take(e->ctx, line, err);
}

static enum bs_done
export_csv(struct exporting *e, struct bs_buf *sql, struct bs_err *err)
{
    bs_put_str(sql, "COPY (SELECT ");
    put_columns(sql, e, "s.");
    put_from(sql, e);
    bs_put_fmt(sql, ") TO STDOUT (FORMAT csv, HEADER %s)",
               e->object == e->first ? "true" : "false");
    return bs_rdb_copy_out(&e->r->db, sql, take_csv, e, err);
}

/* JSON lines. */

static enum bs_done
take_json(void *ctx, struct bs_bytes row, struct bs_err *err)
{
    struct exporting *e = ctx;

    return e->take(e->ctx, row, err) == BS_DONE ? give_str(e, "\n", err) : BS_FAILED;
}

/* A json value comes as it was written; a line end in there can only stand between its tokens. */
static enum bs_done
export_jsonl(struct exporting *e, struct bs_buf *sql, struct bs_err *err)
{
    bs_put_str(
        sql,
        "SELECT pg_catalog.translate(pg_catalog.row_to_json(\"backstop:all\")::pg_catalog.text,"
        " E'\\n\\r', '  ') FROM (SELECT ");
    put_columns(sql, e, "s.");
    put_from(sql, e);
    bs_put_str(sql, ") \"backstop:all\""); /* no column has that name */
    return bs_rdb_texts_out(&e->r->db, sql, take_json, e, err);
}

/* INSERTs. */

static enum bs_done
take_values(void *ctx, struct bs_bytes row, struct bs_err *err)
{
    struct exporting *e = ctx;
    struct bs_buf head;
    enum bs_done done;

    bs_buf_init(&head, SQL_MAX);
    if (e->in_insert == ROWS_PER_INSERT) {
        bs_put_str(&head, ";\n");
        e->in_insert = 0;
    }
    if (e->in_insert == 0) {
        bs_put_str(&head, "INSERT INTO ");
        bs_put_name(&head, e->object->schema, e->object->name);
        bs_put_str(&head, " (");
        put_columns(&head, e, "");
        bs_put_str(&head, ") OVERRIDING SYSTEM VALUE VALUES");
    } else
        bs_put_str(&head, ",");
    bs_put_str(&head, "\n(");
    e->in_insert++;
    done = give(e, &head, err);
    bs_buf_fini(&head);
    if (done != BS_DONE || e->take(e->ctx, row, err) != BS_DONE)
        return BS_FAILED;
    return give_str(e, ")", err);
}

static void
put_values(struct bs_buf *b, const struct exporting *e)
{
    const char *before = "";

    for (size_t i = 0; i < e->first->n_columns; i++) {
        const struct bs_point_column *c = &e->first->columns[i];
        if (!is_written(e, c))
            continue;
        bs_put_fmt(b, "%spg_catalog.format('%%L', s.", before);
        bs_put_ident(b, c->name);
        bs_put_str(b, ")");
        before = " || ', ' || ";
    }
}

static enum bs_done
export_sql(struct exporting *e, struct bs_buf *sql, struct bs_err *err)
{
    e->in_insert = 0;
    bs_put_str(sql, "SELECT ");
    put_values(sql, e);
    put_from(sql, e);
    if (bs_rdb_texts_out(&e->r->db, sql, take_values, e, err) != BS_DONE)
        return BS_FAILED;
    return e->in_insert == 0 ? BS_DONE : give_str(e, ";\n", err);
}

/* What the literals are written for: the server's settings may be anything where they are read. */
static enum bs_done
begin_sql(struct exporting *e, struct bs_err *err)
{
    struct bs_buf head;
    enum bs_done done;

    bs_buf_init(&head, 4096);
    bs_put_fmt(&head,
               "-- Rows of recovery point %s\n"
               "BEGIN;\n"
               "SET LOCAL client_encoding = 'UTF8';\n"
               "SET LOCAL standard_conforming_strings = on;\n"
               "SET LOCAL datestyle = 'ISO, YMD';\n"
               "SET LOCAL intervalstyle = 'postgres';\n"
               "SET LOCAL timezone = 'UTC';\n"
               "SET LOCAL xmloption = content;\n",
               e->r->manifest.id);
    done = give(e, &head, err);
    bs_buf_fini(&head);
    return done;
}

static enum bs_done
export_one(struct exporting *e, struct bs_diff_table *t, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    if (bs_diff_take(e->r, e->at, t, err) != BS_DONE)
        return BS_FAILED;
    e->rows += t->saved_rows;
    bs_buf_init(&sql, SQL_MAX);
    done = e->format == BS_EXPORT_CSV     ? export_csv(e, &sql, err)
           : e->format == BS_EXPORT_JSONL ? export_jsonl(e, &sql, err)
                                          : export_sql(e, &sql, err);
    bs_buf_fini(&sql);
    return done;
}

/* Partitions have the same columns, if perhaps in another order. */
static bool
has_columns_of(const struct bs_point_object *o, const struct bs_point_object *first)
{
    size_t found = 0;

    for (size_t i = 0; i < first->n_columns; i++) {
        for (size_t k = 0; k < o->n_columns; k++)
            found += strcmp(first->columns[i].name, o->columns[k].name) == 0;
    }
    return found == first->n_columns && o->n_columns == first->n_columns;
}

static enum bs_done
export_object(struct exporting *e, const struct bs_point_object *o, struct bs_err *err)
{
    struct bs_diff_table t = {0};

    e->object = o;
    if (e->first == NULL || e->format == BS_EXPORT_SQL)
        e->first = o;
    if (!has_columns_of(o, e->first))
        return BS_FAIL(err, CONFLICT, "\"%.63s\" and \"%.63s\" have other columns", o->name,
                       e->first->name);
    return bs_live_look(&e->r->db, o, &e->r->arena, &t.live, err) == BS_DONE
               ? export_one(e, &t, err)
               : BS_FAILED;
}

/*
 * Parents first, as far as the point says: whoever refers to a table that is still to come waits.
 * In a circle the rest follows as it comes.
 */
static bool
refers_to_later(const struct bs_manifest *m,
                const struct bs_point_object *const *picked,
                const bool *done,
                size_t n,
                size_t i)
{
    for (size_t k = 0; k < m->n_incoming; k++) {
        const struct bs_point_fk *fk = &m->incoming[k];
        for (size_t j = 0; fk->table_oid == picked[i]->oid && j < n; j++) {
            if (j != i && !done[j] && picked[j]->oid == fk->ref_oid)
                return true;
        }
    }
    return false;
}

static size_t
next_of(const struct exporting *e,
        const struct bs_point_object *const *picked,
        const bool *done,
        size_t n)
{
    size_t first = n;

    for (size_t i = 0; i < n; i++) {
        if (!done[i] && !refers_to_later(&e->r->manifest, picked, done, n, i))
            return i;
        if (!done[i] && first == n)
            first = i;
    }
    return first;
}

static enum bs_done
export_all(struct exporting *e,
           const struct bs_point_object *const *picked,
           size_t n,
           struct bs_err *err)
{
    bool *done = bs_arena_array(&e->r->arena, n + 1, sizeof(*done));

    if (done == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (e->at = 0; e->at < n; e->at++) {
        size_t pick = next_of(e, picked, done, n);
        done[pick] = true;
        if (export_object(e, picked[pick], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
export_rows(struct exporting *e,
            const struct bs_point_object *const *picked,
            size_t n,
            struct bs_err *err)
{
    enum bs_done done = bs_rdb_do(&e->r->db, "BEGIN ISOLATION LEVEL REPEATABLE READ", err);

    if (done == BS_DONE && e->format == BS_EXPORT_SQL)
        done = begin_sql(e, err);
    if (done == BS_DONE)
        done = export_all(e, picked, n, err);
    bs_rdb_rollback(&e->r->db);
    if (done == BS_DONE && e->format == BS_EXPORT_SQL)
        done = give_str(e, "COMMIT;\n", err);
    return done;
}

enum bs_done
bs_export_run(struct bs_restore *r,
              const char *table,
              enum bs_export_format format,
              bs_rdb_take take,
              void *ctx,
              int64_t *rows,
              struct bs_err *err)
{
    struct bs_restore_step step = {.action = "export", .table = table, .rows = -1};
    struct exporting e = {.r = r, .format = format, .take = take, .ctx = ctx};
    const struct bs_point_object **picked;
    enum bs_done done;
    size_t n;

    *rows = 0;
    if (bs_restore_pick(r, table, &picked, &n, err) != BS_DONE ||
        bs_where_check(r, table, n, err) != BS_DONE)
        return BS_FAILED;
    if (n == 0)
        return BS_FAIL(err, NOT_FOUND, "the point holds no rows");
    if (n > 1 && table == NULL && format != BS_EXPORT_SQL) {
        (void)BS_FAIL(err, USAGE, "the point holds %zu tables, and this format is of one", n);
        bs_err_hint(err, "choose one with --table, or take --format sql");
        return BS_FAILED;
    }
    if (bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    done = export_rows(&e, picked, n, err);
    *rows = e.rows;
    return bs_restore_end(r, &step, done, err);
}
