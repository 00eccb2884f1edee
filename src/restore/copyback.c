/*
 * copyback.c - the order within the one transaction: locks, what differs, a recovery point of what
 * is there, lost definitions and their rows, rows of living tables, what belongs after rows,
 * sequences, materialized views, a second look at everything, COMMIT.
 */
#include "restore/copyback.h"

#include <stdlib.h>
#include <string.h>

#include "restore/counters.h"
#include "restore/merge.h"
#include "restore/prove.h"
#include "restore/safety.h"
#include "restore/work.h"

#define SQL_MAX    (4u << 20)
#define SCRIPT_MAX (256u << 20)

static bool
is_rebuilt(const struct bs_copyback_table *t)
{
    return !t->diff.live.exists;
}

/* Runs what is in the buffer, and empties it. */
static enum bs_done
run(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    enum bs_done done = sql->n == 0 ? BS_DONE : bs_rdb_run(&w->r->db, sql, err);

    bs_buf_clear(sql);
    return done;
}

/* Before: locks and counts. */

static int
by_oid(const void *a, const void *b)
{
    const struct bs_live *const *x = a, *const *y = b;

    return ((*x)->oid > (*y)->oid) - ((*x)->oid < (*y)->oid);
}

/* In OID order, as everybody who locks several tables here does; then looks again. */
static enum bs_done
lock_tables(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    struct bs_copyback *out = w->out;
    const struct bs_live **order = bs_arena_array(&w->r->arena, out->n_tables + 1, sizeof(*order));
    enum bs_done done = BS_DONE;
    size_t n = 0;

    if (order == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < out->n_tables; i++) {
        if (!is_rebuilt(&out->tables[i]))
            order[n++] = &out->tables[i].diff.live;
    }
    qsort(order, n, sizeof(*order), by_oid);
    for (size_t i = 0; done == BS_DONE && i < n; i++) {
        bs_merge_put_lock(sql, order[i]);
        done = run(w, sql, err);
    }
    for (size_t i = 0; done == BS_DONE && i < out->n_tables; i++) {
        struct bs_live *live = &out->tables[i].diff.live;
        if (is_rebuilt(&out->tables[i]))
            continue;
        done = bs_live_look(&w->r->db, live->object, &w->r->arena, live, err);
        if (done == BS_DONE)
            done = bs_work_fits(live, err);
    }
    return done;
}

/* Saved rows beside the live ones, and what differs. */
static enum bs_done
compare_tables(struct bs_work *w, enum bs_diff_depth depth, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        struct bs_copyback_table *t = &w->out->tables[i];
        if (is_rebuilt(t)) {
            t->diff.saved_rows = t->diff.missing = t->diff.live.object->row_count;
            t->inserted = t->diff.missing;
            continue;
        }
        if (bs_diff_load(w->r, &t->diff.live, i, err) != BS_DONE ||
            bs_diff_compare(w->r, i, depth, &t->diff, err) != BS_DONE)
            return BS_FAILED;
        t->inserted = t->diff.missing;
        t->updated = w->options->conflict == BS_COPYBACK_OVERWRITE ? t->diff.changed : 0;
    }
    return BS_DONE;
}

static enum bs_done
check_conflicts(struct bs_work *w, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        const struct bs_diff_table *d = &w->out->tables[i].diff;
        if (w->options->conflict == BS_COPYBACK_ABORT && d->changed != 0)
            return BS_FAIL(err, CONFLICT, "%lld rows of \"%.63s\" are there with other values",
                           (long long)d->changed, d->live.object->name);
    }
    return BS_DONE;
}

/* What was agreed to must be what would be done. */
static enum bs_done
check_plan(const struct bs_copyback *now, const struct bs_copyback *plan, struct bs_err *err)
{
    bool same = plan->n_tables == now->n_tables && plan->n_objects == now->n_objects;

    for (size_t i = 0; same && i < now->n_tables; i++) {
        const struct bs_copyback_table *a = &plan->tables[i], *b = &now->tables[i];
        same = a->diff.live.object == b->diff.live.object && a->inserted == b->inserted &&
               a->updated == b->updated && a->diff.live.exists == b->diff.live.exists;
    }
    if (same)
        return BS_DONE;
    return BS_FAIL(err, CONFLICT, "the database has changed since the plan was made");
}

/* Lost tables. */

/* Someone may have dropped it as a whole, initdb's own schema included. */
static enum bs_done
ensure_public(struct bs_work *w, struct bs_err *err)
{
    static const char find[] = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'public'";
    const struct bs_manifest *m = &w->r->manifest;
    bool needed = false, there;
    PGresult *result;

    for (size_t i = 0; i < m->n_objects && !needed; i++)
        needed = strcmp(m->objects[i].schema, "public") == 0;
    if (!needed)
        return BS_DONE;
    result = bs_rdb_ask(&w->r->db, find, 0, NULL, err);
    there = result != NULL && PQntuples(result) != 0;
    PQclear(result);
    if (result == NULL || there)
        return result == NULL ? BS_FAILED : BS_DONE;
    return bs_rdb_do(&w->r->db,
                     PQserverVersion(w->r->db.conn) >= 150000
                         ? "CREATE SCHEMA public AUTHORIZATION pg_database_owner;"
                           " GRANT USAGE ON SCHEMA public TO PUBLIC;"
                           " COMMENT ON SCHEMA public IS 'standard public schema'"
                         : "CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC;"
                           " COMMENT ON SCHEMA public IS 'standard public schema'",
                     err);
}

static enum bs_done
run_section(struct bs_work *w, enum bs_definition_section section, struct bs_err *err)
{
    struct bs_buf script;
    enum bs_done done;

    if (w->out->n_objects == 0)
        return BS_DONE;
    bs_restore_tell(w->r,
                    section == BS_DEFINITION_BEFORE_ROWS
                        ? "making lost objects again"
                        : "making indexes, constraints and triggers again",
                    0, 0);
    bs_buf_init(&script, SCRIPT_MAX);
    done = bs_definition_script(&w->definition, section, &script, err);
    if (done == BS_DONE)
        done = bs_definition_run(w->r, &script, err);
    bs_buf_fini(&script);
    return done;
}

static bool
has_generated(const struct bs_live *live)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (live->columns[i].generated)
            return true;
    }
    return false;
}

/* A table may have no columns at all, and still rows. */
static void
put_copy_in(struct bs_buf *sql, const struct bs_point_object *o)
{
    bs_put_str(sql, "COPY ");
    bs_put_name(sql, o->schema, o->name);
    if (o->n_columns != 0) {
        bs_put_str(sql, " (");
        bs_put_column_names(sql, o);
        bs_put_str(sql, ")");
    }
    bs_put_str(sql, " FROM STDIN (");
    bs_put_format(sql, o);
    bs_put_str(sql, ", FREEZE)");
}

/* Saved rows hold generated columns, too, which COPY does not take: those go by way of a table. */
static enum bs_done
load_rebuilt(struct bs_work *w, size_t at, struct bs_buf *sql, struct bs_err *err)
{
    const struct bs_live *live = &w->out->tables[at].diff.live;
    const struct bs_point_object *o = live->object;
    struct bs_restore_telling tell = {
        w->r, bs_arena_fmt(&w->r->arena, "loading %s.%s", o->schema, o->name), o->raw_bytes};

    if (has_generated(live)) {
        if (bs_diff_load(w->r, live, at, err) != BS_DONE)
            return BS_FAILED;
        bs_merge_put_insert_all(sql, live, at);
        return run(w, sql, err);
    }
    put_copy_in(sql, o);
    if (bs_rdb_load(&w->r->db, sql, w->r->request.store, o, w->r->manifest.source.data_encoding,
                    bs_restore_tell_bytes, &tell, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_clear(sql);
    return BS_DONE;
}

static enum bs_done
rebuild_tables(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        if (is_rebuilt(&w->out->tables[i]) &&
            (load_rebuilt(w, i, sql, err) != BS_DONE ||
             bs_prove_rows(w->r, w->out->tables[i].diff.live.object, i, err) != BS_DONE))
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Living tables. */

static enum bs_done
change_rows(
    struct bs_work *w, struct bs_buf *sql, int64_t want, const char *name, struct bs_err *err)
{
    int64_t rows = 0;

    if (bs_rdb_change(&w->r->db, sql, &rows, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_clear(sql);
    if (rows == want)
        return BS_DONE;
    (void)BS_FAIL(err, CONFLICT, "%lld rows of \"%.63s\" were written instead of %lld",
                  (long long)rows, name, (long long)want);
    bs_err_hint(err, "a trigger or rule of the table may stand in the way: --no-triggers");
    return BS_FAILED;
}

static enum bs_done
merge_table(struct bs_work *w, size_t at, struct bs_buf *sql, struct bs_err *err)
{
    struct bs_copyback_table *t = &w->out->tables[at];
    const struct bs_live *live = &t->diff.live;
    const char *name = live->object->name;

    bs_restore_tell(w->r, bs_arena_fmt(&w->r->arena, "writing %s.%s", live->object->schema, name),
                    0, 0);
    if (t->updated != 0) {
        bs_merge_put_update(sql, live, at);
        if (change_rows(w, sql, t->updated, name, err) != BS_DONE)
            return BS_FAILED;
    }
    if (t->inserted == 0)
        return BS_DONE;
    bs_merge_put_insert(sql, live, at);
    return change_rows(w, sql, t->inserted, name, err);
}

static enum bs_done
merge_tables(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    bool off = w->options->triggers == BS_COPYBACK_SUPPRESS;
    enum bs_done done = BS_DONE;

    for (size_t i = 0; off && i < w->out->n_tables; i++)
        bs_merge_put_triggers_off(sql, &w->out->tables[i].diff.live);
    done = run(w, sql, err);
    for (size_t i = 0; done == BS_DONE && i < w->out->n_tables; i++) {
        if (!is_rebuilt(&w->out->tables[i]))
            done = merge_table(w, i, sql, err);
    }
    /* A table with checks outstanding cannot be altered. */
    if (done == BS_DONE)
        done = bs_rdb_do(&w->r->db, "SET CONSTRAINTS ALL IMMEDIATE", err);
    for (size_t i = 0; off && i < w->out->n_tables; i++)
        bs_merge_put_triggers_on(sql, &w->out->tables[i].diff.live);
    return done == BS_DONE ? run(w, sql, err) : done;
}

/* After. */

static bool
was_made(void *ctx, const struct bs_point_sequence *s)
{
    const struct bs_work *w = ctx;

    return bs_definition_has(&w->definition, bs_toc_key('S', s->schema, s->name, &w->r->arena));
}

/* Those that this transaction has made, in the order in which it made them. */
static enum bs_done
refresh_views(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *views = bs_rdb_ask(
        &w->r->db,
        "SELECT oid::pg_catalog.regclass FROM pg_catalog.pg_class WHERE relkind = 'm'"
        " AND NOT relispopulated AND xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid"
        " ORDER BY oid",
        0, NULL, err);
    enum bs_done done = views == NULL ? BS_FAILED : BS_DONE;

    for (int i = 0; done == BS_DONE && i < PQntuples(views); i++) {
        bs_restore_tell(w->r, "refreshing materialized views", 0, 0);
        bs_put_fmt(sql, "REFRESH MATERIALIZED VIEW %s", PQgetvalue(views, i, 0));
        done = run(w, sql, err);
        w->out->n_refreshed++;
    }
    PQclear(views);
    return done;
}

/* The second look: nothing is missing, and nothing else has moved. */
static enum bs_done
check_result(struct bs_work *w, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        const struct bs_copyback_table *t = &w->out->tables[i];
        struct bs_diff_table after = {.live = t->diff.live};
        if (is_rebuilt(t) || (t->inserted == 0 && t->updated == 0))
            continue;
        if (bs_diff_compare(w->r, i, BS_DIFF_COUNTS, &after, err) != BS_DONE)
            return BS_FAILED;
        if (after.missing == 0 && after.changed == t->diff.changed - t->updated &&
            after.extra == t->diff.extra)
            continue;
        (void)BS_FAIL(
            err, CONFLICT,
            "\"%.63s\" would not be as planned: %lld rows missing, %lld with other values,"
            " %lld more than saved",
            t->diff.live.object->name, (long long)after.missing, (long long)after.changed,
            (long long)after.extra);
        bs_err_hint(err, "a trigger may have changed rows: --no-triggers");
        return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
do_all(struct bs_work *w,
       struct bs_safety *safety,
       const struct bs_copyback *plan,
       struct bs_buf *sql,
       struct bs_err *err)
{
    if (lock_tables(w, sql, err) != BS_DONE || compare_tables(w, BS_DIFF_COUNTS, err) != BS_DONE ||
        check_conflicts(w, err) != BS_DONE)
        return BS_FAILED;
    if (plan != NULL && check_plan(w->out, plan, err) != BS_DONE)
        return BS_FAILED;
    if (bs_safety_take(safety, w, err) != BS_DONE)
        return BS_FAILED;
    if (w->out->n_objects != 0 && ensure_public(w, err) != BS_DONE)
        return BS_FAILED;
    if (run_section(w, BS_DEFINITION_BEFORE_ROWS, err) != BS_DONE ||
        rebuild_tables(w, sql, err) != BS_DONE || merge_tables(w, sql, err) != BS_DONE ||
        run_section(w, BS_DEFINITION_AFTER_ROWS, err) != BS_DONE ||
        bs_counters_set(w->r, w->only, was_made, w, &w->out->n_sequences, err) != BS_DONE ||
        refresh_views(w, sql, err) != BS_DONE)
        return BS_FAILED;
    if (check_result(w, err) != BS_DONE)
        return BS_FAILED;
    return bs_safety_check(safety, w, err);
}

static enum bs_done
transact(struct bs_work *w, const struct bs_copyback *plan, struct bs_err *err)
{
    struct bs_safety safety = {0};
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    done = bs_rdb_do(&w->r->db, "BEGIN; SET CONSTRAINTS ALL DEFERRED", err);
    if (done == BS_DONE)
        done = do_all(w, &safety, plan, &sql, err);
    bs_buf_fini(&sql);
    if (done == BS_DONE)
        done = bs_safety_commit(&safety, w, err);
    else
        bs_safety_rollback(&safety, w);
    bs_safety_fini(&safety);
    return done;
}

/* Only told: other sessions may have changed other things meanwhile. */
static void
compare_definition(struct bs_work *w)
{
    struct bs_err err = {0};

    if (w->out->n_objects == 0)
        return;
    w->out->compared =
        bs_definition_compare(w->r, &w->definition, &w->out->difference, &err) == BS_DONE;
    if (!w->out->compared)
        w->out->uncompared = bs_arena_str(&w->r->arena, err.message);
}

enum bs_done
bs_copyback_run(struct bs_restore *r,
                const struct bs_copyback_options *options,
                const struct bs_copyback *plan,
                struct bs_copyback *out,
                struct bs_err *err)
{
    struct bs_restore_step step = {.action = "copy-back", .table = options->table, .rows = 0};
    struct bs_work work;
    enum bs_done done;

    done = bs_work_open(r, options, out, &work, err);
    if (done == BS_DONE) {
        done = bs_restore_begin(r, &step, err);
        if (done == BS_DONE) {
            done = transact(&work, plan, err);
            for (size_t i = 0; done == BS_DONE && i < out->n_tables; i++)
                step.rows += out->tables[i].inserted + out->tables[i].updated;
            step.before = out->point;
            done = bs_restore_end(r, &step, done, err);
        }
        if (done == BS_DONE)
            compare_definition(&work);
    }
    bs_work_close(&work);
    return done;
}

enum bs_done
bs_copyback_plan(struct bs_restore *r,
                 const struct bs_copyback_options *options,
                 struct bs_copyback *out,
                 struct bs_err *err)
{
    struct bs_work work;
    enum bs_done done = bs_work_open(r, options, out, &work, err);

    if (done == BS_DONE)
        done = bs_rdb_do(&r->db, "BEGIN ISOLATION LEVEL REPEATABLE READ", err);
    if (done == BS_DONE)
        done = compare_tables(&work, BS_DIFF_WITH_EXAMPLES, err);
    if (done == BS_DONE)
        done = check_conflicts(&work, err);
    bs_rdb_rollback(&r->db);
    bs_work_close(&work);
    return done;
}
