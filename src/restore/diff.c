/*
 * diff.c - runs the comparison and reads counts and examples from its result.
 */
#include "restore/diff.h"

#include <string.h>

#include "restore/keyless.h"
#include "restore/where.h"

#define SQL_MAX (4u << 20)

/* Loading. */

static enum bs_done
load_part(struct bs_restore *r,
          const struct bs_live *live,
          size_t part,
          size_t at,
          struct bs_buf *sql,
          struct bs_err *err)
{
    const struct bs_point_object *o = live->parts[part];
    struct bs_restore_telling tell = {
        r, bs_arena_fmt(&r->arena, "reading %s.%s", o->schema, o->name), o->raw_bytes};
    enum bs_done done;

    bs_buf_clear(sql);
    bs_compare_put_leaf(sql, live->leaves[part], at);
    if (bs_rdb_run(&r->db, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_clear(sql);
    if (o->n_columns == 0)
        bs_compare_put_bare(sql, at);
    if (o->n_columns == 0 && bs_rdb_run(&r->db, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_clear(sql);
    bs_compare_put_copy(sql, o, at);
    done = bs_rdb_load(&r->db, sql, r->request.store, o, r->manifest.source.data_encoding,
                       bs_restore_tell_bytes, &tell, err);
    bs_buf_clear(sql);
    if (done == BS_DONE && o->n_columns == 0) {
        bs_compare_put_unbare(sql, at);
        done = bs_rdb_run(&r->db, sql, err);
        bs_buf_clear(sql);
    }
    return done;
}

/* Rows that were saved under one key may be ambiguous under the one that the table has now. */
static enum bs_done
check_key(
    struct bs_restore *r, struct bs_live *live, size_t at, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *result;
    bool ambiguous;

    if (live->key == BS_LIVE_NO_KEY || live->key_saved)
        return BS_DONE;
    bs_compare_put_ambiguous(sql, live, at);
    result = bs_rdb_query(&r->db, sql, 0, NULL, err);
    if (result == NULL)
        return BS_FAILED;
    ambiguous = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    if (!ambiguous)
        return BS_DONE;
    live->key = BS_LIVE_NO_KEY;
    live->n_key = 0;
    for (size_t i = 0; i < live->object->n_columns; i++)
        live->columns[i].key = 0;
    return BS_DONE;
}

static enum bs_done
load(struct bs_restore *r,
     struct bs_live *live,
     size_t at,
     const struct bs_shape *shape,
     struct bs_buf *sql,
     struct bs_err *err)
{
    bs_compare_put_table(sql, shape, at);
    if (bs_rdb_run(&r->db, sql, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < live->n_parts; i++) {
        if (load_part(r, live, i, at, sql, err) != BS_DONE)
            return BS_FAILED;
    }
    bs_put_str(sql, "ANALYZE ");
    bs_compare_put_saved(sql, at);
    if (bs_rdb_run(&r->db, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_clear(sql);
    return check_key(r, live, at, sql, err);
}

/* Which of the loaded rows are meant. */
static enum bs_done
choose(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err)
{
    const struct bs_point_object *o = t->live.object;

    t->saved_rows = o->row_count;
    t->chosen = r->request.where != NULL;
    return t->chosen ? bs_where_choose(r, o->name, at, &t->saved_rows, err) : BS_DONE;
}

bool
bs_diff_empty(const struct bs_point_object *o)
{
    return o->n_columns == 0 && o->row_count == 0;
}

enum bs_done
bs_diff_take(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err)
{
    return bs_diff_load(r, &t->live, at, err) == BS_DONE ? choose(r, at, t, err) : BS_FAILED;
}

enum bs_done
bs_diff_load(struct bs_restore *r, struct bs_live *live, size_t at, struct bs_err *err)
{
    const struct bs_point_object *o = live->object;
    struct bs_shape shape;
    struct bs_buf sql;
    const char *cannot = bs_compare_cannot(o, &r->arena);
    enum bs_done done;

    if (bs_restore_portable(r, o, err) != BS_DONE)
        return BS_FAILED;
    if (cannot != NULL) {
        (void)BS_FAIL(err, CONFLICT, "%s", cannot);
        bs_err_hint(err, "restore run loads the saved rows into a table of their own");
        return BS_FAILED;
    }
    if (bs_shape_find(&r->db, o, &r->arena, &shape, err) != BS_DONE ||
        bs_shape_check(&shape, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_init(&sql, SQL_MAX);
    done = load(r, live, at, &shape, &sql, err);
    bs_buf_fini(&sql);
    return done;
}

/* Counting. */

static const char count_all[] = "SELECT pg_catalog.count(*) FILTER (WHERE what = 'm'),"
                                " pg_catalog.count(*) FILTER (WHERE what = 'u'),"
                                " pg_catalog.count(*) FILTER (WHERE what = 'c'),"
                                " pg_catalog.count(*) FILTER (WHERE what = 'c' AND near),"
                                " pg_catalog.count(*) FILTER (WHERE what = '='),"
                                " pg_catalog.count(*) FILTER (WHERE what = 'i'),"
                                " pg_catalog.count(*) FILTER (WHERE what = 'e'), ";

static int64_t
at_most(int64_t n, int64_t most)
{
    return n < 0 ? 0 : n < most ? n : most;
}

/*
 * The server's counters say how many rows the transaction can have replaced. Rows that were saved
 * beyond that it only locked, or others were busy with them; those that are equal now account for
 * some of them.
 */
static int64_t
doubtful(const struct bs_diff_table *t)
{
    const struct bs_point_object *o = t->live.object;

    if (o->replaced == 0)
        return 0;
    return at_most(o->row_count - o->replaced - t->equal - t->conflicts, t->missing);
}

/* Live rows; of a table saved in part those that were matched, which the counts say. */
static void
put_count_live(struct bs_buf *b, const struct bs_live *live)
{
    if (live->object->partial) {
        bs_put_str(b, "0");
        return;
    }
    bs_put_str(b, "(SELECT pg_catalog.count(*) FROM ");
    bs_put_live(b, live);
    bs_put_str(b, ")");
}

static enum bs_done
count(struct bs_restore *r,
      size_t at,
      struct bs_diff_table *t,
      struct bs_buf *sql,
      struct bs_err *err)
{
    const struct bs_point_object *o = t->live.object;
    PGresult *result;

    bs_put_str(sql, count_all);
    put_count_live(sql, &t->live);
    bs_put_str(sql, " FROM ");
    bs_compare_put_result(sql, at);
    result = bs_rdb_query(&r->db, sql, 0, NULL, err);
    if (result == NULL)
        return BS_FAILED;
    t->saved_rows = t->chosen ? t->saved_rows : o->row_count;
    t->missing = bs_rdb_number(result, 0, 0);
    t->by_statement = bs_rdb_number(result, 0, 1);
    t->conflicts = bs_rdb_number(result, 0, 2);
    t->near = bs_rdb_number(result, 0, 3);
    t->equal = o->partial ? bs_rdb_number(result, 0, 4) : 0;
    t->made = bs_rdb_number(result, 0, 5);
    t->changed = t->by_statement + t->conflicts;
    t->extra = o->partial ? 0 : bs_rdb_number(result, 0, 6) + t->made;
    t->live_rows = o->partial ? t->equal + t->changed : bs_rdb_number(result, 0, 7);
    t->doubtful = o->partial && !t->chosen ? doubtful(t) : 0;
    PQclear(result);
    return BS_DONE;
}

/* Looking closer. */

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

/* The live row "x" of a difference "d". */
static void
put_join_live(struct bs_buf *b, const struct bs_live *live, const char *x)
{
    bs_put_str(b, " JOIN ");
    bs_put_live(b, live);
    bs_put_fmt(b, " %s ON %s.ctid = d.live AND %s.tableoid = d.leaf", x, x, x);
}

static void
put_join_saved(struct bs_buf *b, size_t at, const char *x)
{
    bs_put_str(b, " JOIN ");
    bs_compare_put_saved(b, at);
    bs_put_fmt(b, " %s ON %s.\"" BS_COMPARE_ROW "\" = d.saved", x, x);
}

/* Keys of up to ten rows of some kinds (bs_compare_put), as a list of SQL. */
static enum bs_done
take_examples(struct bs_restore *r,
              size_t at,
              const struct bs_live *live,
              const char *what,
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
    bs_compare_put_result(&sql, at);
    bs_put_str(&sql, " d");
    if (strchr("ei", what[1]) != NULL)
        put_join_live(&sql, live, "x");
    else
        put_join_saved(&sql, at, "x");
    bs_put_fmt(&sql, " WHERE d.what IN (%s) ORDER BY ", what);
    put_key(&sql, live, false);
    bs_put_fmt(&sql, " LIMIT %d", BS_DIFF_EXAMPLES);
    result = bs_rdb_query(&r->db, &sql, 0, NULL, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(result) && i < BS_DIFF_EXAMPLES; i++)
        out->keys[out->n++] = bs_rdb_text(result, i, 0, &r->arena);
    PQclear(result);
    return BS_DONE;
}

/* What both sides have of a row, as JSON; json values as they are written. */
static void
put_row_json(struct bs_buf *b, const struct bs_live *live, const char *side)
{
    const char *before = "";

    bs_put_str(b, "(SELECT pg_catalog.row_to_json(\"backstop:all\") FROM (SELECT ");
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (!bs_compare_has(&live->columns[i]))
            continue;
        bs_put_fmt(b, "%s%s.", before, side);
        bs_put_ident(b, live->columns[i].name);
        before = ", ";
    }
    bs_put_str(b, ") \"backstop:all\")");
}

/* Of rows that somebody else has changed since: what they were, and what they are. */
static enum bs_done
take_conflicts(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err)
{
    struct bs_buf sql;
    PGresult *result;

    if (t->conflicts == 0 || t->live.n_key == 0)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "SELECT pg_catalog.json_build_object('saved', ");
    put_row_json(&sql, &t->live, "x");
    bs_put_str(&sql, ", 'live', ");
    put_row_json(&sql, &t->live, "l");
    bs_put_str(&sql, ") FROM ");
    bs_compare_put_result(&sql, at);
    bs_put_str(&sql, " d");
    put_join_saved(&sql, at, "x");
    put_join_live(&sql, &t->live, "l");
    bs_put_str(&sql, " WHERE d.what = 'c' ORDER BY ");
    put_key(&sql, &t->live, false);
    bs_put_fmt(&sql, " LIMIT %d", BS_DIFF_EXAMPLES);
    result = bs_rdb_query(&r->db, &sql, 0, NULL, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(result) && i < BS_DIFF_EXAMPLES; i++)
        t->conflict_rows.keys[t->conflict_rows.n++] = bs_rdb_text(result, i, 0, &r->arena);
    PQclear(result);
    return BS_DONE;
}

static void
put_column_counts(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    const char *before = "SELECT ";

    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (!bs_compare_has(&live->columns[i]))
            continue;
        bs_put_fmt(b, "%spg_catalog.count(*) FILTER (WHERE ROW(s.", before);
        bs_put_ident(b, live->columns[i].name);
        bs_put_str(b, ")::record OPERATOR(pg_catalog.*<>) ROW(l.");
        bs_put_ident(b, live->columns[i].name);
        bs_put_str(b, ")::record)");
        before = ", ";
    }
    bs_put_str(b, " FROM ");
    bs_compare_put_result(b, at);
    bs_put_str(b, " d");
    put_join_saved(b, at, "s");
    put_join_live(b, live, "l");
    bs_put_str(b, " WHERE d.what IN ('c', 'u')");
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
    result = bs_rdb_query(&r->db, &sql, 0, NULL, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    for (size_t i = 0; i < live->object->n_columns; i++) {
        int64_t rows;
        if (!bs_compare_has(&live->columns[i]))
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
    const struct {
        const char *what;
        int64_t rows;
        struct bs_diff_examples *out;
    } kinds[] = {
        {"'m'", t->missing, &t->missing_keys},  {"'u', 'c'", t->changed, &t->changed_keys},
        {"'u'", t->by_statement, &t->own_keys}, {"'c'", t->conflicts, &t->conflict_keys},
        {"'='", t->equal, &t->equal_keys},      {"'i'", t->made, &t->made_keys},
        {"'e', 'i'", t->extra, &t->extra_keys},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].rows != 0 &&
            take_examples(r, at, &t->live, kinds[i].what, kinds[i].out, err) != BS_DONE)
            return BS_FAILED;
    }
    if (take_conflicts(r, at, t, err) != BS_DONE)
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
    struct bs_origin origin = r->origin;
    struct bs_buf sql;
    enum bs_done done;

    if (bs_keyless_count(r, t, err) != BS_DONE)
        return BS_FAILED;
    origin.skip_made = depth == BS_DIFF_SAVED;
    origin.only_newer = t->keyless.only_newer;
    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "DROP TABLE IF EXISTS ");
    bs_compare_put_result(&sql, at);
    bs_put_str(&sql, "; ");
    bs_compare_put(&sql, &t->live, &origin, at);
    if (t->chosen) {
        bs_put_str(&sql, "; ");
        bs_where_put_trim(&sql, at);
    }
    bs_put_str(&sql, "; ANALYZE ");
    bs_compare_put_result(&sql, at);
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_clear(&sql);
    if (done == BS_DONE)
        done = count(r, at, t, &sql, err);
    if (done == BS_DONE)
        done = bs_keyless_others(r, at, t, err);
    bs_buf_fini(&sql);
    if (done != BS_DONE || depth != BS_DIFF_WITH_EXAMPLES)
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

    if (bs_diff_empty(o))
        return BS_DONE;
    if (is_comparable(&t->live)) {
        bs_restore_tell(r, bs_arena_fmt(&r->arena, "comparing %s.%s", o->schema, o->name), 0, 0);
        if (bs_diff_take(r, at, t, err) != BS_DONE)
            return BS_FAILED;
        return bs_diff_compare(r, at, BS_DIFF_WITH_EXAMPLES, t, err);
    }
    t->saved_rows = o->row_count;
    if (r->request.where != NULL && bs_diff_take(r, at, t, err) != BS_DONE)
        return BS_FAILED;
    t->missing = t->saved_rows;
    return BS_DONE;
}

bool
bs_diff_same(const struct bs_diff_table *t)
{
    bool rows = t->missing == 0 && t->changed == 0 && t->extra == 0 && t->made == 0;

    return bs_live_fits(&t->live) && (t->live.object->partial || t->live.n_added == 0) && rows;
}

/* The tables that the picked objects are about. */
static enum bs_done
look_at_tables(struct bs_restore *r,
               const struct bs_point_object *const *picked,
               size_t n,
               struct bs_diff *out,
               struct bs_err *err)
{
    struct bs_live *lives;

    if (bs_live_look_all(&r->db, &r->manifest, picked, n, &r->arena, &lives, &n, err) != BS_DONE)
        return BS_FAILED;
    out->tables = bs_arena_array(&r->arena, n + 1, sizeof(*out->tables));
    if (out->tables == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < n; i++)
        out->tables[i].live = lives[i];
    out->n_tables = n;
    return BS_DONE;
}

enum bs_done
bs_diff_tables(struct bs_restore *r,
               const struct bs_point_object *const *picked,
               size_t n,
               struct bs_diff *out,
               struct bs_err *err)
{
    if (look_at_tables(r, picked, n, out, err) != BS_DONE)
        return BS_FAILED;
    out->same = true;
    for (size_t i = 0; i < out->n_tables; i++) {
        if (diff_one(r, i, &out->tables[i], err) != BS_DONE)
            return BS_FAILED;
        out->same = out->same && bs_diff_same(&out->tables[i]);
    }
    out->unknown = r->origin.why;
    return BS_DONE;
}

/* Columns that went, or have other values than they had. */
static enum bs_done
diff_columns(struct bs_restore *r,
             const struct bs_point_object *const *picked,
             size_t n,
             struct bs_diff *out,
             struct bs_err *err)
{
    if (!bs_columns_any(&r->manifest))
        return BS_DONE;
    if (bs_columns_look(r, picked, n, &out->columns, err) != BS_DONE ||
        bs_columns_compare(r, &out->columns, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < out->columns.n_tables; i++)
        out->same = out->same && !bs_columns_differ(&out->columns.tables[i], true);
    return BS_DONE;
}

static enum bs_done
diff_all(struct bs_restore *r,
         const char *table,
         const struct bs_point_object **picked,
         size_t n,
         struct bs_diff *out,
         struct bs_err *err)
{
    const struct bs_point_object **all = bs_arena_array(&r->arena, n + 1, sizeof(*all));
    size_t rows;

    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    memcpy(all, picked, n * sizeof(*all));
    rows = bs_columns_leave_out(picked, n);
    if (bs_diff_tables(r, picked, rows, out, err) != BS_DONE)
        return BS_FAILED;
    return diff_columns(r, table == NULL ? NULL : all, n, out, err);
}

enum bs_done
bs_diff_run(struct bs_restore *r, const char *table, struct bs_diff *out, struct bs_err *err)
{
    struct bs_restore_step step = {.action = "diff", .table = table, .rows = -1};
    const struct bs_point_object **picked;
    enum bs_done done;
    size_t n;

    *out = (struct bs_diff){0};
    if (bs_restore_pick(r, table, &picked, &n, err) != BS_DONE ||
        bs_where_check(r, table, n, err) != BS_DONE || bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    done = bs_rdb_do(&r->db, "BEGIN ISOLATION LEVEL REPEATABLE READ", err);
    if (done == BS_DONE)
        done = diff_all(r, table, picked, n, out, err);
    bs_rdb_rollback(&r->db);
    if (done == BS_DONE && table == NULL)
        done = bs_changed_look(r, &out->changes, err);
    out->same = out->same && out->changes.n == 0;
    return bs_restore_end(r, &step, done, err);
}
