/*
 * diff.c - each difference becomes one row of a temporary table: what it is, the saved row's
 * number, the live row's place. Counts, examples and copy-back all read from there.
 */
#include "restore/diff.h"

#include <string.h>

#include "restore/text.h"

#define SQL_MAX (4u << 20)

void
bs_diff_put_saved(struct bs_buf *b, size_t at)
{
    bs_put_fmt(b, "pg_temp.\"backstop saved %zu\"", at);
}

void
bs_diff_put_result(struct bs_buf *b, size_t at)
{
    bs_put_fmt(b, "pg_temp.\"backstop diff %zu\"", at);
}

static void
put_live(struct bs_buf *b, const struct bs_live *live)
{
    bs_put_str(b, "ONLY ");
    bs_put_name(b, live->object->schema, live->object->name);
}

/* Only what both sides have, and what is written rather than computed. */
static bool
is_compared(const struct bs_live_column *c)
{
    return c->match == BS_LIVE_SAME && !c->generated;
}

/* ROW(s."a", s."b")::record: between two bare ROWs an operator goes column by column. */
static void
put_row(struct bs_buf *b, const struct bs_live *live, const char *side)
{
    const char *before = "";

    bs_put_str(b, "ROW(");
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (!is_compared(&live->columns[i]))
            continue;
        bs_put_fmt(b, "%s%s.", before, side);
        bs_put_ident(b, live->columns[i].name);
        before = ", ";
    }
    bs_put_str(b, ")::record");
}

void
bs_diff_put_keys_equal(struct bs_buf *b, const struct bs_live *live)
{
    const char *before = "";

    for (size_t i = 0; i < live->object->n_columns; i++) {
        const struct bs_live_column *c = &live->columns[i];
        if (c->key == 0)
            continue;
        bs_put_fmt(b, "%ss.", before);
        bs_put_ident(b, c->name);
        bs_put_fmt(b, " %s l.", c->equals);
        bs_put_ident(b, c->name);
        before = " AND ";
    }
}

void
bs_diff_put_changed(struct bs_buf *b, const struct bs_live *live)
{
    put_row(b, live, "s");
    bs_put_str(b, " OPERATOR(pg_catalog.*<>) ");
    put_row(b, live, "l");
}

static void
put_compare_by_key(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    bs_put_str(b, "SELECT CASE WHEN l.ctid IS NULL THEN 'm' WHEN s.\"" BS_DIFF_ROW "\" IS NULL"
                  " THEN 'e' ELSE 'c' END::\"char\" AS what, s.\"" BS_DIFF_ROW "\" AS saved,"
                  " l.ctid AS live\n  FROM ");
    bs_diff_put_saved(b, at);
    bs_put_str(b, " s FULL JOIN ");
    put_live(b, live);
    bs_put_str(b, " l ON ");
    bs_diff_put_keys_equal(b, live);
    bs_put_str(b, "\n  WHERE l.ctid IS NULL OR s.\"" BS_DIFF_ROW "\" IS NULL OR ");
    bs_diff_put_changed(b, live);
}

/* Equal rows are numbered, so that three of them against two leave one. */
static void
put_numbered(struct bs_buf *b, const char *side, const char *place)
{
    bs_put_fmt(b,
               "(SELECT %s.%s AS place, t.txt, pg_catalog.row_number() OVER (PARTITION BY"
               " t.txt ORDER BY %s.%s) AS n FROM ",
               side, place, side, place);
}

static void
put_text_of(struct bs_buf *b, const struct bs_live *live, const char *side)
{
    bs_put_fmt(b, " %s CROSS JOIN LATERAL (SELECT ", side);
    put_row(b, live, side);
    bs_put_str(b, "::text COLLATE \"C\" AS txt) t)");
}

static void
put_compare_as_multisets(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    bs_put_str(b, "SELECT CASE WHEN b.place IS NULL THEN 'm' ELSE 'e' END::\"char\" AS what,"
                  " a.place AS saved, b.place AS live\n  FROM ");
    put_numbered(b, "s", "\"" BS_DIFF_ROW "\"");
    bs_diff_put_saved(b, at);
    put_text_of(b, live, "s");
    bs_put_str(b, " a\n  FULL JOIN ");
    put_numbered(b, "l", "ctid");
    put_live(b, live);
    put_text_of(b, live, "l");
    bs_put_str(b, " b\n  ON a.txt = b.txt AND a.n = b.n"
                  " WHERE a.place IS NULL OR b.place IS NULL");
}

void
bs_diff_put_compare(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    bs_put_str(b, "CREATE TEMPORARY TABLE ");
    bs_diff_put_result(b, at);
    bs_put_str(b, " ON COMMIT DROP AS\n  ");
    if (live->n_key != 0)
        put_compare_by_key(b, live, at);
    else
        put_compare_as_multisets(b, live, at);
}

void
bs_diff_put_load(struct bs_buf *b, const struct bs_shape *shape, size_t at)
{
    bs_put_str(b, "CREATE TEMPORARY TABLE ");
    bs_diff_put_saved(b, at);
    bs_put_str(b, " (\"" BS_DIFF_ROW "\" bigint GENERATED ALWAYS AS IDENTITY, ");
    bs_put_columns(b, shape, BS_COLUMN_NULLS);
    bs_put_str(b, ") ON COMMIT DROP");
}

void
bs_diff_put_copy(struct bs_buf *b, const struct bs_point_object *object, size_t at)
{
    bs_put_str(b, "COPY ");
    bs_diff_put_saved(b, at);
    bs_put_str(b, " (");
    bs_put_column_names(b, object);
    bs_put_str(b, ") FROM STDIN (");
    bs_put_format(b, object);
    bs_put_str(b, ")");
}

enum bs_done
bs_diff_load(struct bs_restore *r, const struct bs_live *live, size_t at, struct bs_err *err)
{
    const struct bs_point_object *o = live->object;
    struct bs_restore_telling tell = {
        r, bs_arena_fmt(&r->arena, "reading %s.%s", o->schema, o->name), o->raw_bytes};
    struct bs_shape shape;
    struct bs_buf sql;
    enum bs_done done;

    if (o->n_columns == 0)
        return BS_FAIL(err, UNSUPPORTED, "\"%.63s\" has no columns to compare", o->name);
    if (bs_shape_find(&r->db, o, &r->arena, &shape, err) != BS_DONE ||
        bs_shape_check(&shape, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_init(&sql, SQL_MAX);
    bs_diff_put_load(&sql, &shape, at);
    done = bs_rdb_run(&r->db, &sql, err);
    if (done == BS_DONE) {
        bs_buf_clear(&sql);
        bs_diff_put_copy(&sql, o, at);
        done = bs_rdb_load(&r->db, &sql, r->request.store, o, r->manifest.source.data_encoding,
                           bs_restore_tell_bytes, &tell, err);
    }
    if (done == BS_DONE) {
        bs_buf_clear(&sql);
        bs_put_str(&sql, "ANALYZE ");
        bs_diff_put_saved(&sql, at);
        done = bs_rdb_run(&r->db, &sql, err);
    }
    bs_buf_fini(&sql);
    return done;
}

/* Asks what is in the buffer, and empties it. */
static PGresult *
ask(struct bs_restore *r, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *result;

    bs_put_u8(sql, 0);
    if (sql->failed) {
        (void)BS_FAIL(err, LIMIT, "a statement would be longer than %zu bytes", sql->max);
        return NULL;
    }
    result = bs_rdb_ask(&r->db, (const char *)sql->p, 0, NULL, err);
    bs_buf_clear(sql);
    return result;
}

static enum bs_done
count(struct bs_restore *r,
      size_t at,
      struct bs_diff_table *t,
      struct bs_buf *sql,
      struct bs_err *err)
{
    PGresult *result;

    bs_put_str(sql, "SELECT pg_catalog.count(*) FILTER (WHERE what = 'm'), pg_catalog.count(*)"
                    " FILTER (WHERE what = 'c'), pg_catalog.count(*) FILTER (WHERE what = 'e'),"
                    " (SELECT pg_catalog.count(*) FROM ");
    put_live(sql, &t->live);
    bs_put_str(sql, ") FROM ");
    bs_diff_put_result(sql, at);
    result = ask(r, sql, err);
    if (result == NULL)
        return BS_FAILED;
    t->saved_rows = t->live.object->row_count;
    t->missing = bs_rdb_number(result, 0, 0);
    t->changed = bs_rdb_number(result, 0, 1);
    t->extra = bs_rdb_number(result, 0, 2);
    t->live_rows = bs_rdb_number(result, 0, 3);
    PQclear(result);
    return BS_DONE;
}

/* "id", x."id", "no", x."no": with what between names and with which side. */
static void
put_key(struct bs_buf *b, const struct bs_live *live, bool labelled)
{
    const char *before = "";

    for (size_t place = 1; place <= live->n_key; place++) {
        for (size_t i = 0; i < live->object->n_columns; i++) {
            if (live->columns[i].key != (int)place)
                continue;
            bs_put_str(b, before);
            if (labelled) {
                bs_put_literal(b, live->columns[i].name);
                bs_put_str(b, ", ");
            }
            bs_put_str(b, "x.");
            bs_put_ident(b, live->columns[i].name);
            before = ", ";
        }
    }
}

/* Keys of up to ten rows that are missing ('m'), changed ('c') or extra ('e'). */
static enum bs_done
take_examples(struct bs_restore *r,
              size_t at,
              const struct bs_live *live,
              char what,
              struct bs_diff_examples *out,
              struct bs_err *err)
{
    struct bs_buf sql;
    PGresult *result;

    if (live->n_key == 0)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "SELECT pg_catalog.jsonb_build_object(");
    put_key(&sql, live, true);
    bs_put_str(&sql, ") FROM ");
    bs_diff_put_result(&sql, at);
    bs_put_str(&sql, " d JOIN ");
    if (what == 'e')
        put_live(&sql, live);
    else
        bs_diff_put_saved(&sql, at);
    bs_put_fmt(&sql, " x ON %s WHERE d.what = '%c' ORDER BY ",
               what == 'e' ? "x.ctid = d.live" : "x.\"" BS_DIFF_ROW "\" = d.saved", what);
    put_key(&sql, live, false);
    bs_put_fmt(&sql, " LIMIT %d", BS_DIFF_EXAMPLES);
    result = ask(r, &sql, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(result) && i < BS_DIFF_EXAMPLES; i++)
        out->keys[out->n++] = bs_rdb_text(result, i, 0, &r->arena);
    PQclear(result);
    return BS_DONE;
}

static void
put_column_counts(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    const char *before = "SELECT ";

    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (!is_compared(&live->columns[i]))
            continue;
        bs_put_fmt(b, "%spg_catalog.count(*) FILTER (WHERE ROW(s.", before);
        bs_put_ident(b, live->columns[i].name);
        bs_put_str(b, ")::record OPERATOR(pg_catalog.*<>) ROW(l.");
        bs_put_ident(b, live->columns[i].name);
        bs_put_str(b, ")::record)");
        before = ", ";
    }
    bs_put_str(b, " FROM ");
    bs_diff_put_result(b, at);
    bs_put_str(b, " d JOIN ");
    bs_diff_put_saved(b, at);
    bs_put_str(b, " s ON s.\"" BS_DIFF_ROW "\" = d.saved JOIN ");
    put_live(b, live);
    bs_put_str(b, " l ON l.ctid = d.live WHERE d.what = 'c'");
}

static enum bs_done
take_columns(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err)
{
    const struct bs_live *live = &t->live;
    struct bs_buf sql;
    PGresult *result;
    int field = 0;

    t->columns = bs_arena_array(&r->arena, live->object->n_columns + 1, sizeof(*t->columns));
    if (t->columns == NULL)
        return BS_FAIL(err, LIMIT, "a table has too many columns");
    bs_buf_init(&sql, SQL_MAX);
    put_column_counts(&sql, live, at);
    result = ask(r, &sql, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    for (size_t i = 0; i < live->object->n_columns; i++) {
        int64_t rows;
        if (!is_compared(&live->columns[i]))
            continue;
        rows = bs_rdb_number(result, 0, field++);
        if (rows != 0)
            t->columns[t->n_columns++] = (struct bs_diff_column){live->columns[i].name, rows};
    }
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
look_closer(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err)
{
    if (take_examples(r, at, &t->live, 'm', &t->missing_keys, err) != BS_DONE ||
        take_examples(r, at, &t->live, 'c', &t->changed_keys, err) != BS_DONE ||
        take_examples(r, at, &t->live, 'e', &t->extra_keys, err) != BS_DONE)
        return BS_FAILED;
    return t->changed == 0 ? BS_DONE : take_columns(r, at, t, err);
}

enum bs_done
bs_diff_compare(struct bs_restore *r,
                size_t at,
                enum bs_diff_depth depth,
                struct bs_diff_table *t,
                struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "DROP TABLE IF EXISTS ");
    bs_diff_put_result(&sql, at);
    bs_put_str(&sql, "; ");
    bs_diff_put_compare(&sql, &t->live, at);
    bs_put_str(&sql, "; ANALYZE ");
    bs_diff_put_result(&sql, at);
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_clear(&sql);
    if (done == BS_DONE)
        done = count(r, at, t, &sql, err);
    bs_buf_fini(&sql);
    if (done != BS_DONE || depth == BS_DIFF_COUNTS)
        return done;
    return look_closer(r, at, t, err);
}

/* A relation that can be read like the saved one; a view of its name, say, cannot. */
static bool
is_comparable(const struct bs_live *live)
{
    return live->exists && live->relkind == live->object->relkind;
}

static enum bs_done
diff_one(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err)
{
    const struct bs_point_object *o = t->live.object;

    if (bs_live_look(&r->db, o, &r->arena, &t->live, err) != BS_DONE)
        return BS_FAILED;
    if (is_comparable(&t->live)) {
        bs_restore_tell(r, bs_arena_fmt(&r->arena, "comparing %s.%s", o->schema, o->name), 0, 0);
        if (bs_diff_load(r, &t->live, at, err) != BS_DONE)
            return BS_FAILED;
        return bs_diff_compare(r, at, BS_DIFF_WITH_EXAMPLES, t, err);
    }
    t->saved_rows = o->row_count;
    t->missing = o->row_count;
    return BS_DONE;
}

bool
bs_diff_same(const struct bs_diff_table *t)
{
    return bs_live_fits(&t->live) && t->live.n_added == 0 && t->missing == 0 && t->changed == 0 &&
           t->extra == 0;
}

static enum bs_done
diff_all(struct bs_restore *r, struct bs_diff *out, struct bs_err *err)
{
    out->same = true;
    for (size_t i = 0; i < out->n_tables; i++) {
        if (diff_one(r, i, &out->tables[i], err) != BS_DONE)
            return BS_FAILED;
        out->same = out->same && bs_diff_same(&out->tables[i]);
    }
    return BS_DONE;
}

enum bs_done
bs_diff_run(struct bs_restore *r, const char *table, struct bs_diff *out, struct bs_err *err)
{
    struct bs_restore_step step = {.action = "diff", .table = table, .rows = -1};
    const struct bs_point_object **picked;
    enum bs_done done;

    *out = (struct bs_diff){0};
    if (bs_restore_pick(r, table, &picked, &out->n_tables, err) != BS_DONE)
        return BS_FAILED;
    out->tables = bs_arena_array(&r->arena, out->n_tables + 1, sizeof(*out->tables));
    if (out->tables == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < out->n_tables; i++)
        out->tables[i].live.object = picked[i];
    if (bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    done = bs_rdb_do(&r->db, "BEGIN ISOLATION LEVEL REPEATABLE READ", err);
    if (done == BS_DONE)
        done = diff_all(r, out, err);
    bs_rdb_rollback(&r->db);
    return bs_restore_end(r, &step, done, err);
}
