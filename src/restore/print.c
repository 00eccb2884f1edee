/*
 * print.c - the SQL of a copy-back, for people to read before it runs. What the run does between
 * the statements (recovery point, checks) stands there as comments.
 */
#include "restore/copyback.h"
#include "restore/counters.h"
#include "restore/giveback.h"
#include "restore/keyless.h"
#include "restore/merge.h"
#include "restore/sqltext.h"
#include "restore/where.h"
#include "restore/work.h"

static void
put_rows_comment(struct bs_buf *b, const struct bs_point_object *o)
{
    bs_put_fmt(b, ";\n-- %lld rows from %s\n", (long long)o->row_count, o->key);
}

static void
put_locks(struct bs_buf *b, const struct bs_copyback *c)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        if (!c->tables[i].diff.live.exists)
            continue;
        bs_merge_put_lock(b, &c->tables[i].diff.live);
        bs_put_str(b, ";\n");
    }
}

/* The rows that a condition is true of; others are not looked at. */
static void
put_choice(const struct bs_work *w, size_t at, struct bs_buf *b)
{
    bs_where_put_table(b, at);
    bs_put_str(b, ";\n");
    bs_where_put_choice(b, w->r, w->out->tables[at].diff.live.object->name, at);
    bs_put_str(b, "; -- read only\n");
    bs_where_put_trim(b, at);
    bs_put_str(b, ";\n");
}

static enum bs_done
put_comparison(struct bs_work *w, size_t at, struct bs_buf *b, struct bs_err *err)
{
    const struct bs_live *live = &w->out->tables[at].diff.live;
    struct bs_shape shape;

    if (bs_shape_find(&w->r->db, live->object, &w->r->arena, &shape, err) != BS_DONE ||
        bs_shape_check(&shape, err) != BS_DONE)
        return BS_FAILED;
    bs_compare_put_table(b, &shape, at);
    for (size_t i = 0; i < live->n_parts; i++) {
        bs_put_str(b, ";\n");
        if (live->object->partial) {
            bs_compare_put_leaf(b, live->leaves[i], at);
            bs_put_str(b, ";\n");
        }
        if (live->object->n_columns == 0) {
            bs_compare_put_bare(b, at);
            bs_put_str(b, ";\n");
        }
        bs_compare_put_copy(b, live->parts[i], at);
        put_rows_comment(b, live->parts[i]);
        if (live->object->n_columns == 0) {
            bs_compare_put_unbare(b, at);
            bs_put_str(b, ";\n");
        }
    }
    bs_compare_put(b, live, &w->r->origin, at);
    bs_put_str(b, ";\n");
    if (w->r->request.where != NULL)
        put_choice(w, at, b);
    return BS_DONE;
}

static enum bs_done
put_section(struct bs_work *w,
            enum bs_definition_section section,
            struct bs_buf *b,
            struct bs_err *err)
{
    struct bs_buf script;
    enum bs_done done;

    if (w->out->n_objects == 0)
        return BS_DONE;
    bs_buf_init(&script, b->max);
    done = bs_definition_script(&w->definition, section, &script, err);
    bs_sql_hide(&script);
    bs_put_bytes(b, bs_buf_view(&script));
    bs_buf_fini(&script);
    return done;
}

static void
put_lost_rows(struct bs_buf *b, const struct bs_copyback *c)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_live *live = &c->tables[i].diff.live;
        if (live->exists)
            continue;
        bs_put_str(b, "COPY ");
        bs_put_name(b, live->object->schema, live->object->name);
        if (live->object->n_columns != 0) {
            bs_put_str(b, " (");
            bs_put_column_names(b, live->object);
            bs_put_str(b, ")");
        }
        bs_put_str(b, " FROM STDIN (");
        bs_put_format(b, live->object);
        bs_put_str(b, ", FREEZE)");
        put_rows_comment(b, live->object);
    }
}

/* In the order that is tried first. */
static void
put_changes(struct bs_buf *b, const struct bs_work *w)
{
    const struct bs_copyback *c = w->out;

    for (size_t i = 0; i < c->n_tables; i++) {
        if (!c->tables[i].diff.live.exists)
            continue;
        bs_merge_put_insert(b, &c->tables[i].diff.live, i);
        bs_put_str(b, ";\n");
    }
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_live *live = &c->tables[i].diff.live;
        if (!live->exists || live->n_key == 0)
            continue;
        bs_merge_put_update(b, live, bs_work_changed(w), i);
        bs_put_str(b, ";\n");
    }
    for (size_t i = c->n_tables; i-- > 0;) {
        bool any = w->options->made == BS_COPYBACK_REMOVE;
        if (!c->tables[i].diff.live.exists ||
            (!any && !bs_keyless_would_replace(&c->tables[i].diff)))
            continue;
        if (!any)
            bs_put_str(b, "-- without a key: what the transaction made of saved rows\n");
        bs_merge_put_delete(b, &c->tables[i].diff.live, i);
        bs_put_str(b, ";\n");
    }
}

static void
put_merges(struct bs_buf *b, const struct bs_work *w)
{
    const struct bs_copyback *c = w->out;
    bool off = w->options->triggers == BS_COPYBACK_SUPPRESS;

    for (size_t i = 0; off && i < c->n_tables; i++)
        bs_merge_put_triggers_off(b, &c->tables[i].diff.live);
    put_changes(b, w);
    bs_put_str(b, "SET CONSTRAINTS ALL IMMEDIATE;\n");
    for (size_t i = 0; off && i < c->n_tables; i++)
        bs_merge_put_triggers_on(b, &c->tables[i].diff.live);
}

static void
put_counters(struct bs_buf *b, const struct bs_work *w)
{
    const struct bs_manifest *m = &w->r->manifest;

    for (size_t i = 0; i < m->n_sequences; i++) {
        if (!bs_counter_belongs(&m->sequences[i], w->only) ||
            (w->parts && w->options->sequences == BS_COPYBACK_LEAVE))
            continue;
        bs_counter_put(b, &m->sequences[i]);
        bs_put_str(b, w->parts ? ";  -- after COMMIT, unless rows are beyond it\n"
                               : ";  -- unless it is further already\n");
    }
}

static enum bs_done
put_all(struct bs_work *w, struct bs_buf *b, struct bs_err *err)
{
    bs_put_fmt(b, "-- copy-back of %s\nBEGIN;\nSET CONSTRAINTS ALL DEFERRED;\n", w->r->manifest.id);
    put_locks(b, w->out);
    for (size_t i = 0; i < w->out->n_tables; i++) {
        struct bs_diff_table *t = &w->out->tables[i].diff;
        if (t->live.exists &&
            (bs_keyless_count(w->r, t, err) != BS_DONE || put_comparison(w, i, b, err) != BS_DONE))
            return BS_FAILED;
    }
    if (!w->parts)
        bs_put_str(b,
                   "-- here the tables that will be changed get a recovery point of their own\n");
    if ((w->definition.n_early != 0 &&
         put_section(w, BS_DEFINITION_BEFORE_COLUMNS, b, err) != BS_DONE) ||
        bs_columns_print(w->r, &w->out->columns, bs_work_columns(w), b, err) != BS_DONE ||
        put_section(w, BS_DEFINITION_BEFORE_ROWS, b, err) != BS_DONE)
        return BS_FAILED;
    put_lost_rows(b, w->out);
    put_merges(b, w);
    if (bs_giveback_print(w, b, err) != BS_DONE ||
        put_section(w, BS_DEFINITION_AFTER_ROWS, b, err) != BS_DONE)
        return BS_FAILED;
    put_counters(b, w);
    bs_put_str(b, "-- materialized views made above are refreshed\n"
                  "-- rows and row hashes are compared with the saved ones\n");
    if (w->parts)
        bs_put_str(b, "-- here the rows that were replaced get a recovery point of their own\n");
    bs_put_str(b, "COMMIT;\n");
    return b->failed ? BS_FAIL(err, LIMIT, "the plan is longer than %zu bytes", b->max) : BS_DONE;
}

enum bs_done
bs_copyback_print(struct bs_restore *r,
                  const struct bs_copyback_options *options,
                  struct bs_buf *out,
                  struct bs_err *err)
{
    struct bs_copyback c;
    struct bs_work work;
    enum bs_done done = bs_work_open(r, options, &c, &work, err);

    /* Only so is it known what there is to do with columns that are there. */
    if (done == BS_DONE && c.columns.n_tables != 0) {
        done = bs_rdb_do(&r->db, "BEGIN ISOLATION LEVEL REPEATABLE READ", err);
        if (done == BS_DONE)
            done = bs_columns_compare(r, &c.columns, err);
        bs_rdb_rollback(&r->db);
    }
    if (done == BS_DONE)
        done = put_all(&work, out, err);
    bs_work_close(&work);
    return done;
}
