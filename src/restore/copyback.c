/*
 * copyback.c - the order within the one transaction: locks, what differs, a recovery point of what
 * is there, lost definitions and their rows, rows of living tables, what belongs after rows,
 * sequences, materialized views, a second look at everything, COMMIT.
 */
#include "restore/copyback_inside.h"

#include <stdlib.h>
#include <string.h>

#include "restore/counters.h"
#include "restore/giveback.h"
#include "restore/globals.h"
#include "restore/keyless.h"
#include "restore/lost.h"
#include "restore/merge.h"
#include "restore/settings.h"
#include "restore/siblings.h"
#include "restore/staging.h"

#define SQL_MAX (4u << 20)

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
        if (!bs_lost_is(&out->tables[i]))
            order[n++] = &out->tables[i].diff.live;
    }
    qsort(order, n, sizeof(*order), by_oid);
    for (size_t i = 0; done == BS_DONE && i < n; i++) {
        bs_merge_put_lock(sql, order[i]);
        done = bs_rdb_flush(&w->r->db, sql, err);
    }
    for (size_t i = 0; done == BS_DONE && i < out->n_tables; i++) {
        struct bs_live *live = &out->tables[i].diff.live;
        if (bs_lost_is(&out->tables[i]))
            continue;
        done = bs_live_again(&w->r->db, &w->r->arena, live, err);
        if (done == BS_DONE)
            done = bs_work_fits(live, &w->r->arena, err);
    }
    return done;
}

/* Conflicts that this copy-back does not touch. */
static int64_t
left_alone(const struct bs_work *w, const struct bs_diff_table *d)
{
    if (w->options->conflict == BS_COPYBACK_OVERWRITE)
        return 0;
    return d->conflicts;
}

/*
 * Rows of the transaction that no saved one is like go, too: because it is asked for, or because they
 * are what has become of saved ones.
 */
static bool
takes_made(const struct bs_work *w, const struct bs_diff_table *d)
{
    return w->options->made == BS_COPYBACK_REMOVE ||
           (!w->options->removes_later && bs_keyless_replaces(d));
}

static enum bs_done
join_partitions(struct bs_work *w, struct bs_err *err)
{
    size_t n = w->out->n_tables;
    struct bs_diff_table **all = bs_arena_array(&w->r->arena, n + 1, sizeof(*all));

    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < n; i++)
        all[i] = &w->out->tables[i].diff;
    bs_keyless_join(all, n);
    return BS_DONE;
}

/* Saved rows beside the live ones, and what differs. */
static enum bs_done
compare_tables(struct bs_work *w, enum bs_diff_depth depth, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        struct bs_copyback_table *t = &w->out->tables[i];
        if (bs_lost_is(t)) {
            t->diff.saved_rows = t->diff.missing = t->diff.live.object->row_count;
            t->inserted = t->diff.missing;
            continue;
        }
        if (bs_diff_empty(t->diff.live.object))
            continue;
        if (bs_diff_take(w->r, i, &t->diff, err) != BS_DONE ||
            bs_diff_compare(w->r, i, depth, &t->diff, err) != BS_DONE)
            return BS_FAILED;
        t->inserted = t->diff.missing;
        t->updated = t->diff.changed - left_alone(w, &t->diff);
        t->removed = takes_made(w, &t->diff) ? t->diff.made : 0;
    }
    return join_partitions(w, err);
}

/*
 * An ALTER TABLE later in the same transaction may have written the whole table anew: then every
 * row carries its number. It cannot have made more than the server counted.
 */
static enum bs_done
check_made(struct bs_work *w, const struct bs_diff_table *d, struct bs_err *err)
{
    const struct bs_point_object *o = d->live.object;
    int64_t most = (o->replaced > o->row_count ? o->replaced : o->row_count) + o->inserted;

    if (bs_keyless_check(d, w->options->made == BS_COPYBACK_REMOVE || w->options->removes_later,
                         err) != BS_DONE)
        return BS_FAILED;
    if (!takes_made(w, d))
        return BS_DONE;
    if (o->partial ? w->r->manifest.capture.xid == 0 && o->row_count + o->inserted == 0
                   : d->extra == 0)
        return BS_DONE; /* there are none: it has written nothing, or nothing is left of it */
    if (!w->r->origin.known)
        return BS_FAIL(err, CONFLICT, "rows that were inserted cannot be told from others: %s",
                       w->r->origin.why);
    if (o->partial && d->made + d->by_statement > most)
        return BS_FAIL(err, CONFLICT,
                       "%lld rows of \"%.63s\" carry the transaction's number, but it has written"
                       " %lld at most: none can be removed",
                       (long long)(d->made + d->by_statement), o->name, (long long)most);
    return BS_DONE;
}

/*
 * A point that was made before its statement ran does not hold what the transaction's other
 * statements changed in the same table: here that would count as inserted.
 */
static enum bs_done
check_siblings(struct bs_work *w, struct bs_err *err)
{
    struct bs_sibling *siblings;
    bool any = false;
    size_t n;

    for (size_t k = 0; k < w->out->n_tables; k++)
        any = any || takes_made(w, &w->out->tables[k].diff);
    if (!any || w->options->others_back || strcmp(w->r->manifest.capture.mode, "rows") == 0)
        return BS_DONE;
    if (bs_siblings_find(w->r, &siblings, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < w->out->n_tables; k++) {
            const struct bs_live *live = &w->out->tables[k].diff.live;
            if (live->object->partial && takes_made(w, &w->out->tables[k].diff) &&
                bs_sibling_shares(&siblings[i], live->parts, live->n_parts))
                return BS_FAIL(err, CONFLICT,
                               "%s holds other rows of \"%.63s\" that the same transaction changed:"
                               " which it inserted cannot be told from here",
                               siblings[i].id, live->object->name);
        }
    }
    return BS_DONE;
}

static enum bs_done
check_columns(struct bs_work *w, struct bs_err *err)
{
    const struct bs_columns *c = &w->out->columns;

    for (size_t i = 0; w->options->conflict == BS_COPYBACK_ABORT && i < c->n_tables; i++) {
        for (size_t k = 0; k < c->tables[i].n_columns; k++) {
            const struct bs_columns_column *column = &c->tables[i].columns[k];
            if (column->conflicts != 0)
                return BS_FAIL(err, CONFLICT, "%lld rows of \"%.63s\" have another \"%.63s\" since",
                               (long long)column->conflicts, c->tables[i].object->name,
                               column->name);
        }
    }
    return bs_columns_check(w->r, c, bs_work_columns(w).conflict, err);
}

static enum bs_done
check_conflicts(struct bs_work *w, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        const struct bs_diff_table *d = &w->out->tables[i].diff;
        int64_t left = left_alone(w, d);
        if (w->options->conflict == BS_COPYBACK_ABORT && left != 0)
            return BS_FAIL(err, CONFLICT, "%lld rows of \"%.63s\" are there with other values",
                           (long long)left, d->live.object->name);
        if (check_made(w, d, err) != BS_DONE)
            return BS_FAILED;
    }
    if (check_columns(w, err) != BS_DONE)
        return BS_FAILED;
    return check_siblings(w, err);
}

/* What was agreed to must be what would be done. */
static enum bs_done
check_plan(const struct bs_copyback *now, const struct bs_copyback *plan, struct bs_err *err)
{
    bool same = plan->n_tables == now->n_tables && plan->n_objects == now->n_objects &&
                bs_columns_same(&plan->columns, &now->columns) && plan->changes.n == now->changes.n;

    for (size_t i = 0; same && i < now->n_tables; i++) {
        const struct bs_copyback_table *a = &plan->tables[i], *b = &now->tables[i];
        same = a->diff.live.parts[0] == b->diff.live.parts[0] && a->inserted == b->inserted &&
               a->updated == b->updated && a->removed == b->removed &&
               a->diff.live.exists == b->diff.live.exists;
    }
    if (same)
        return BS_DONE;
    return BS_FAIL(err, CONFLICT, "the database has changed since the plan was made");
}

/* What of the cluster differs now, and, where it is done, its statements. */
static enum bs_done
give_globals(struct bs_work *w, const struct bs_copyback *plan, struct bs_err *err)
{
    struct bs_copyback *out = w->out;
    bool same;

    if (!w->r->same_database)
        return BS_DONE; /* another cluster's roles and settings are its own */
    if (bs_globals_find(w->r, w->options->made, &out->globals, &out->n_globals, err) != BS_DONE)
        return BS_FAILED;
    same = plan == NULL || plan->n_globals == out->n_globals;
    for (size_t i = 0; same && plan != NULL && i < out->n_globals; i++)
        same = strcmp(plan->globals[i].name, out->globals[i].name) == 0 &&
               strcmp(plan->globals[i].what, out->globals[i].what) == 0;
    if (!same)
        return BS_FAIL(err, CONFLICT, "the cluster has changed since the plan was made");
    return bs_globals_run(w->r, out->globals, out->n_globals, false, err);
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

/* Puts one phase of one table: i insert, u update, d delete. How many rows that must be. */
static int64_t
put_phase(const struct bs_work *w, size_t at, char phase, struct bs_buf *sql)
{
    const struct bs_copyback_table *t = &w->out->tables[at];
    int64_t rows = phase == 'i' ? t->inserted : phase == 'u' ? t->updated : t->removed;

    if (bs_lost_is(t) || rows == 0)
        return 0;
    if (phase == 'i')
        bs_merge_put_insert(sql, &t->diff.live, at);
    else if (phase == 'u')
        bs_merge_put_update(sql, &t->diff.live, bs_work_changed(w), at);
    else
        bs_merge_put_delete(sql, &t->diff.live, at);
    return rows;
}

/* Parents come first, but what is taken away goes from their children first. */
static enum bs_done
merge_phase(struct bs_work *w, char phase, struct bs_buf *sql, struct bs_err *err)
{
    size_t n = w->out->n_tables;

    for (size_t i = 0; i < n; i++) {
        size_t at = phase == 'd' ? n - 1 - i : i;
        const struct bs_point_object *o = w->out->tables[at].diff.live.object;
        int64_t rows = put_phase(w, at, phase, sql);
        if (rows == 0)
            continue;
        bs_restore_tell(w->r, bs_arena_fmt(&w->r->arena, "writing %s.%s", o->schema, o->name), 0,
                        0);
        if (change_rows(w, sql, rows, o->name, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
merge_tables(struct bs_work *w, const char *phases, struct bs_buf *sql, struct bs_err *err)
{
    bool off = w->options->triggers == BS_COPYBACK_SUPPRESS;
    enum bs_done done = BS_DONE;

    for (size_t i = 0; off && i < w->out->n_tables; i++)
        bs_merge_put_triggers_off(sql, &w->out->tables[i].diff.live);
    done = bs_rdb_flush(&w->r->db, sql, err);
    for (; done == BS_DONE && *phases != '\0'; phases++)
        done = merge_phase(w, *phases, sql, err);
    /* A table with checks outstanding cannot be altered. */
    if (done == BS_DONE)
        done = bs_rdb_do(&w->r->db, "SET CONSTRAINTS ALL IMMEDIATE", err);
    for (size_t i = 0; off && i < w->out->n_tables; i++)
        bs_merge_put_triggers_on(sql, &w->out->tables[i].diff.live);
    return done == BS_DONE ? bs_rdb_flush(&w->r->db, sql, err) : done;
}

/* After. */

/* Live rows that no saved one was matched with, as far as they are looked at. */
static int64_t
live_more(const struct bs_diff_table *d)
{
    return d->live.object->partial ? d->made : d->extra;
}

/* The second look: nothing is missing, and nothing else has moved. */
static enum bs_done
check_table(struct bs_work *w, size_t at, struct bs_err *err)
{
    const struct bs_copyback_table *t = &w->out->tables[at];
    struct bs_diff_table after = {.live = t->diff.live, .chosen = t->diff.chosen};
    /* Rows that the transaction has made can only become fewer; where none was to go, that what is
     * replaced is as many as planned says the same (bs_safety_check), without another scan. */
    bool made = !t->diff.live.object->partial || t->removed != 0;

    if (bs_lost_is(t) || (t->inserted == 0 && t->updated == 0 && t->removed == 0))
        return BS_DONE;
    if (bs_diff_compare(w->r, at, made ? BS_DIFF_COUNTS : BS_DIFF_SAVED, &after, err) != BS_DONE)
        return BS_FAILED;
    if (!made)
        after.made = t->diff.made;
    if (after.missing == 0 && after.changed == t->diff.changed - t->updated &&
        live_more(&after) == live_more(&t->diff) - t->removed)
        return BS_DONE;
    (void)BS_FAIL(err, CONFLICT,
                  "\"%.63s\" would not be as planned: %lld rows missing, %lld with other values,"
                  " %lld more than saved",
                  t->diff.live.object->name, (long long)after.missing, (long long)after.changed,
                  (long long)(live_more(&after)));
    bs_err_hint(err, "a trigger may have changed rows: --no-triggers");
    return BS_FAILED;
}

static enum bs_done
check_result(struct bs_work *w, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        if (check_table(w, i, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
prepare(struct bs_work *w,
        struct bs_safety *safety,
        const struct bs_copyback *plan,
        struct bs_buf *sql,
        struct bs_err *err)
{
    if (lock_tables(w, sql, err) != BS_DONE ||
        bs_columns_lock(w->r, &w->out->columns, err) != BS_DONE ||
        compare_tables(w, BS_DIFF_COUNTS, err) != BS_DONE ||
        bs_columns_compare(w->r, &w->out->columns, err) != BS_DONE ||
        check_conflicts(w, err) != BS_DONE)
        return BS_FAILED;
    if (plan != NULL && check_plan(w->out, plan, err) != BS_DONE)
        return BS_FAILED;
    if (bs_safety_take(safety, w, err) != BS_DONE)
        return BS_FAILED;
    return BS_DONE;
}

static enum bs_done
write_all(struct bs_work *w,
          struct bs_safety *safety,
          const struct bs_copyback *plan,
          const char *phases,
          struct bs_buf *sql,
          struct bs_err *err)
{
    if (prepare(w, safety, plan, sql, err) != BS_DONE || bs_giveback_names(w, err) != BS_DONE ||
        bs_lost_begin(w, sql, err) != BS_DONE || merge_tables(w, phases, sql, err) != BS_DONE ||
        bs_giveback_rest(w, err) != BS_DONE || bs_lost_end(w, sql, err) != BS_DONE ||
        bs_giveback_rest(w, err) != BS_DONE ||
        bs_columns_proven(w->r, &w->out->columns, bs_work_columns(w), err) != BS_DONE ||
        check_result(w, err) != BS_DONE || give_globals(w, plan, err) != BS_DONE)
        return BS_FAILED;
    return BS_DONE;
}

enum bs_done
bs_copyback_lock(struct bs_work *w, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    done = lock_tables(w, &sql, err);
    bs_buf_fini(&sql);
    return done == BS_DONE ? bs_columns_lock(w->r, &w->out->columns, err) : BS_FAILED;
}

enum bs_done
bs_copyback_agrees(struct bs_work *w, const struct bs_copyback *plan, struct bs_err *err)
{
    if (bs_copyback_lock(w, err) != BS_DONE || compare_tables(w, BS_DIFF_COUNTS, err) != BS_DONE ||
        bs_columns_compare(w->r, &w->out->columns, err) != BS_DONE)
        return BS_FAILED;
    return check_plan(w->out, plan, err);
}

enum bs_done
bs_copyback_begin(struct bs_safety *safety, struct bs_work *w, struct bs_err *err)
{
    if (bs_rdb_do(&w->r->db, "BEGIN", err) != BS_DONE)
        return BS_FAILED;
    return bs_safety_begin(safety, w, err);
}

enum bs_done
bs_copyback_write(struct bs_work *w,
                  struct bs_safety *safety,
                  const struct bs_copyback *plan,
                  const char *phases,
                  struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    done = bs_rdb_do(&w->r->db, "SET CONSTRAINTS ALL DEFERRED", err);
    if (done == BS_DONE)
        done = write_all(w, safety, plan, phases, &sql, err);
    bs_buf_fini(&sql);
    return done;
}

enum bs_done
bs_copyback_end(struct bs_safety *safety, struct bs_work *w, enum bs_done done, struct bs_err *err)
{
    if (done == BS_DONE)
        done = bs_safety_check(safety, w, err);
    if (done == BS_DONE)
        done = bs_safety_commit(safety, w, err);
    else
        bs_safety_rollback(safety, w);
    bs_safety_fini(safety);
    return done;
}

static enum bs_done
transact(struct bs_work *w, const struct bs_copyback *plan, const char *phases, struct bs_err *err)
{
    struct bs_safety safety = {0};
    enum bs_done done = bs_copyback_begin(&safety, w, err);

    if (done == BS_DONE)
        done = bs_copyback_write(w, &safety, plan, phases, err);
    return bs_copyback_end(&safety, w, done, err);
}

static bool
removes(const struct bs_copyback *c)
{
    bool any = false;

    for (size_t i = 0; i < c->n_tables && !any; i++)
        any = c->tables[i].removed != 0;
    return any;
}

const char *
bs_copyback_order(const struct bs_copyback *c, size_t at)
{
    static const char *const orders[] = {"iud", "dui", "uid", "diu"};
    size_t n = at < 2 || removes(c) ? sizeof(orders) / sizeof(orders[0]) : 2;

    return at < n ? orders[at] : NULL;
}

bool
bs_copyback_other_order(const struct bs_err *err)
{
    return strncmp(err->sqlstate, "23", 2) == 0;
}

static enum bs_done
transact_somehow(struct bs_work *w, const struct bs_copyback *plan, struct bs_err *err)
{
    const char *order = bs_copyback_order(w->out, 0);
    struct bs_err first = {0};

    for (size_t i = 0; order != NULL; order = bs_copyback_order(w->out, ++i)) {
        struct bs_err why = {0};
        if (transact(w, plan, order, &why) == BS_DONE)
            return BS_DONE;
        first = i == 0 ? why : first;
        if (!bs_copyback_other_order(&why)) {
            *err = why;
            return BS_FAILED;
        }
    }
    *err = first;
    return BS_FAILED;
}

/* Where more sessions than one have failed, it is one that does it. */
static enum bs_done
transact_staged(struct bs_work *w, const struct bs_copyback *plan, struct bs_err *err)
{
    enum bs_done done;
    bool again;

    bs_staging_open(w);
    done = transact_somehow(w, plan, err);
    again = done != BS_DONE && bs_staging_failed(w);
    bs_staging_close(w);
    if (!again)
        return done;
    *err = (struct bs_err){0};
    return transact_somehow(w, plan, err);
}

/* An extension that stays in another version looks the same in a dump. */
static bool
keeps_version(const struct bs_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct bs_altered *x = &c->list[i];
        if (x->kind == BS_CHANGE_CHANGED && strcmp(x->type, "EXTENSION") == 0 && !x->given)
            return true;
    }
    return false;
}

/* Only told: other sessions may have changed other things meanwhile. */
static void
compare_definition(struct bs_work *w)
{
    struct bs_err err = {0};

    if (!w->defined ||
        (w->out->n_objects == 0 && w->out->columns.n_tables == 0 && bs_giveback_count(w) == 0))
        return;
    if (!w->r->same_database) {
        w->out->uncompared = "this is another database";
        return;
    }
    w->out->compared =
        bs_definition_compare(w->r, &w->definition, &w->out->difference, &err) == BS_DONE;
    if (w->out->compared && w->out->difference == NULL && keeps_version(&w->out->changes))
        w->out->difference = "versions of extensions\n";
    if (!w->out->compared)
        w->out->uncompared = bs_arena_str(&w->r->arena, err.message);
}

/* The rows are back; what happens here is told beside it. */
static void
set_sequences_back(struct bs_work *w)
{
    struct bs_copyback *out = w->out;
    struct bs_err err = {0};

    if (w->options->sequences != BS_COPYBACK_SET_BACK)
        return;
    if (bs_counters_set_back(w->r, w->only, &out->n_sequences, &out->sequences_left,
                             &out->n_sequences_left, &err) != BS_DONE)
        out->sequences_failed = bs_arena_str(&w->r->arena, err.message);
}

/* What refuses a transaction block runs when the rest is committed. */
static void
give_globals_outside(struct bs_work *w)
{
    struct bs_err err = {0};

    if (bs_globals_run(w->r, w->out->globals, w->out->n_globals, true, &err) != BS_DONE ||
        bs_settings_reload(w->r, w->out, &err) != BS_DONE)
        w->out->globals_failed = bs_arena_str(&w->r->arena, err.message);
}

int64_t
bs_copyback_rows(const struct bs_copyback *c)
{
    int64_t rows = bs_columns_rows(&c->columns);

    for (size_t i = 0; i < c->n_tables; i++)
        rows += c->tables[i].inserted + c->tables[i].updated + c->tables[i].removed;
    return rows;
}

void
bs_copyback_after(struct bs_work *w)
{
    give_globals_outside(w);
    set_sequences_back(w);
    compare_definition(w);
}

enum bs_done
bs_copyback_run(struct bs_restore *r,
                const struct bs_copyback_options *options,
                const struct bs_copyback *plan,
                struct bs_copyback *out,
                struct bs_err *err)
{
    struct bs_restore_step step = {
        .action = "copy-back", .table = options->table, .rows = 0, .plan = options->plan};
    struct bs_work work;
    enum bs_done done;

    done = bs_work_open(r, options, out, &work, err);
    if (done == BS_DONE) {
        done = bs_restore_begin(r, &step, err);
        if (done == BS_DONE) {
            done = transact_staged(&work, plan, err);
            if (done == BS_DONE)
                step.rows = bs_copyback_rows(out);
            step.before = out->point;
            done = bs_restore_end(r, &step, done, err);
        }
        if (done == BS_DONE)
            bs_copyback_after(&work);
    }
    bs_work_close(&work);
    return done;
}

/* Constraints that will stand against it, of tables that are there. */
static enum bs_done
foresee(struct bs_work *w, struct bs_err *err)
{
    struct bs_copyback *out = w->out;
    const struct bs_diff_table **tables =
        bs_arena_array(&w->r->arena, out->n_tables + 1, sizeof(*tables));
    struct bs_foresee f = {
        .r = w->r,
        .tables = tables,
        .n_tables = out->n_tables,
        .written = bs_work_changed(w) == BS_MERGE_ALL ? "'m', 'u', 'c'" : "'m', 'u'",
    };

    if (tables == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < out->n_tables; i++)
        tables[i] = &out->tables[i].diff;
    for (size_t i = 0; i < out->n_tables; i++) {
        struct bs_copyback_table *t = &out->tables[i];
        f.removed = takes_made(w, &t->diff);
        if (!bs_lost_is(t) && bs_foresee_table(&f, i, &t->foreseen, &t->n_foreseen, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
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
        done = bs_columns_compare(r, &out->columns, err);
    if (done == BS_DONE)
        done = check_conflicts(&work, err);
    if (done == BS_DONE)
        done = foresee(&work, err);
    if (done == BS_DONE)
        done = !r->same_database
                   ? BS_DONE
                   : bs_globals_find(r, options->made, &out->globals, &out->n_globals, err);
    for (size_t i = 0; done == BS_DONE && i < out->changes.n; i++)
        out->changes.list[i].given = bs_giveback_wanted(&work, &out->changes.list[i]);
    bs_rdb_rollback(&r->db);
    bs_work_close(&work);
    return done;
}
