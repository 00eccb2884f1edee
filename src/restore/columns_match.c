/*
 * columns_match.c - which rows have which saved value, and whether it can go back into them.
 */
#include <string.h>

#include "restore/columns_inside.h"
#include "restore/columns_sql.h"
#include "restore/diff.h"

#define SQL_MAX (4u << 20)

enum { COLUMNS_MAX = 1600 }; /* columns that a table can have */

/* A question that may fail without harm: does it succeed? */
static enum bs_done
tries(struct bs_restore *r, struct bs_buf *sql, bool *succeeds, struct bs_err *err)
{
    struct bs_err why = {0};
    PGresult *result;

    if (bs_rdb_do(&r->db, "SAVEPOINT backstop_try", err) != BS_DONE)
        return BS_FAILED;
    result = bs_rdb_query(&r->db, sql, 0, NULL, &why);
    *succeeds = result != NULL;
    PQclear(result);
    if (!*succeeds && why.code == BS_E_UNAVAILABLE) {
        *err = why;
        return BS_FAILED;
    }
    return bs_rdb_do(
        &r->db,
        *succeeds ? "RELEASE backstop_try" : "ROLLBACK TO backstop_try; RELEASE backstop_try", err);
}

/* Whether types turn into each other: saved values forth, live ones back. */
static enum bs_done
look_at_casts(struct bs_restore *r,
              const struct bs_columns_table *t,
              struct bs_columns_column *c,
              struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done = BS_DONE;
    bool back = true;

    if (c->saved == NULL || c->live_type == NULL || c->live_generated)
        return BS_DONE;
    c->forth = true;
    c->back_by_text = c->matches = false;
    if (c->same_type)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && c->forth && i < t->n_leaves; i++) {
        if (t->leaves[i].object == NULL)
            continue;
        bs_columns_put_forth(&sql, c, &t->leaves[i]);
        done = tries(r, &sql, &c->forth, err);
    }
    bs_put_fmt(&sql, "SELECT CAST(CAST(NULL AS %s) AS %s)", c->live_type, c->bare);
    if (done == BS_DONE)
        done = tries(r, &sql, &back, err);
    c->back_by_text = !back;
    c->matches = c->forth;
    bs_buf_fini(&sql);
    return done;
}

static bool
is_compared(const struct bs_columns_column *c)
{
    return (c->way == BS_COLUMN_FITS || c->way == BS_COLUMN_RETYPE) && !c->live_generated;
}

static enum bs_done
count_leaf(struct bs_restore *r,
           struct bs_columns_table *t,
           struct bs_columns_leaf *leaf,
           struct bs_err *err)
{
    struct bs_buf sql;
    PGresult *result;
    int field = 5;

    bs_buf_init(&sql, SQL_MAX);
    bs_columns_put_count(&sql, t, leaf);
    result = bs_rdb_query(&r->db, &sql, 0, NULL, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    leaf->saved = bs_rdb_number(result, 0, 0);
    leaf->live = bs_rdb_number(result, 0, 1);
    leaf->gone = bs_rdb_number(result, 0, 2);
    leaf->made = bs_rdb_number(result, 0, 3);
    t->origin_known = t->origin_known || bs_rdb_number(result, 0, 4) != 0;
    for (size_t i = 0; i < t->n_columns; i++) {
        struct bs_columns_column *c = &t->columns[i];
        if (c->way == BS_COLUMN_ADD)
            c->restored += leaf->saved - leaf->gone;
        if (!is_compared(c))
            continue;
        c->equal += bs_rdb_number(result, 0, field++);
        c->restored += bs_rdb_number(result, 0, field++);
        c->conflicts += bs_rdb_number(result, 0, field++);
    }
    PQclear(result);
    return BS_DONE;
}

enum bs_done
bs_columns_count(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    t->origin_known = false;
    for (size_t i = 0; i < t->n_columns; i++) {
        struct bs_columns_column *c = &t->columns[i];
        c->restored = c->equal = c->conflicts = 0;
    }
    for (size_t i = 0; i < t->n_leaves; i++) {
        if (t->leaves[i].object != NULL && count_leaf(r, t, &t->leaves[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

bool
bs_columns_have_types(const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (c->saved != NULL &&
            (c->type == NULL || (c->saved->collation != NULL && c->collation == NULL)))
            return false;
    }
    return true;
}

static enum bs_done
load_leaves(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    for (size_t i = 0; i < t->n_leaves; i++) {
        struct bs_columns_leaf *leaf = &t->leaves[i];
        const struct bs_point_object *part = leaf->object;
        struct bs_live live = {
            .object = part, .parts = &part, .leaves = &leaf->oid, .n_parts = 1, .exists = true};
        if (part != NULL && bs_diff_load(r, &live, leaf->at, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static int64_t
gone_of(const struct bs_columns_table *t)
{
    int64_t gone = 0;

    for (size_t i = 0; i < t->n_leaves; i++)
        gone += t->leaves[i].gone;
    return gone;
}

/*
 * By what the statement should have made of their values rows are told apart better, but USING may
 * have made something else of them: where more are found by the other columns alone, these have to
 * do.
 */
static enum bs_done
count_again(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    bool had[COLUMNS_MAX];
    int64_t gone = gone_of(t);
    size_t n = 0;

    for (size_t i = 0; i < t->n_columns && i < COLUMNS_MAX; i++)
        n += had[i] = t->columns[i].matches;
    if (n == 0 || gone == 0)
        return BS_DONE;
    for (size_t i = 0; i < t->n_columns; i++)
        t->columns[i].matches = false;
    if (bs_columns_count(r, t, err) != BS_DONE)
        return BS_FAILED;
    if (gone_of(t) < gone)
        return BS_DONE;
    for (size_t i = 0; i < t->n_columns && i < COLUMNS_MAX; i++)
        t->columns[i].matches = had[i];
    return bs_columns_count(r, t, err);
}

static enum bs_done
count_unsure(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    for (size_t i = 0; i < t->n_leaves; i++) {
        struct bs_columns_leaf *leaf = &t->leaves[i];
        struct bs_buf sql;
        PGresult *result;
        leaf->unsure = 0;
        if (leaf->object == NULL || leaf->object->columns_only)
            continue;
        bs_buf_init(&sql, SQL_MAX);
        bs_columns_put_unsure(&sql, t, leaf, &r->origin);
        result = bs_rdb_query(&r->db, &sql, 0, NULL, err);
        bs_buf_fini(&sql);
        if (result == NULL)
            return BS_FAILED;
        leaf->unsure = bs_rdb_number(result, 0, 0);
        PQclear(result);
    }
    return BS_DONE;
}

static bool
writes(const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (bs_columns_writes(&t->columns[i]))
            return true;
    }
    return false;
}

enum bs_done
bs_columns_compare_one(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    if (t->cannot != NULL || !bs_columns_have_types(t))
        return BS_DONE;
    if (load_leaves(r, t, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < t->n_columns; i++) {
        if (look_at_casts(r, t, &t->columns[i], err) != BS_DONE)
            return BS_FAILED;
    }
    if (bs_columns_count(r, t, err) != BS_DONE)
        return BS_FAILED;
    if (count_again(r, t, err) != BS_DONE)
        return BS_FAILED;
    /* A column of its old type whose values are others is given its values, too. */
    for (size_t i = 0; i < t->n_columns; i++) {
        struct bs_columns_column *c = &t->columns[i];
        if (c->saved != NULL && is_compared(c) && c->restored + c->conflicts != 0)
            c->way = BS_COLUMN_RETYPE;
    }
    return writes(t) ? count_unsure(r, t, err) : BS_DONE;
}

enum bs_done
bs_columns_compare(struct bs_restore *r, struct bs_columns *c, struct bs_err *err)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        if (bs_columns_compare_one(r, &c->tables[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Checking. */

int64_t
bs_columns_made(const struct bs_columns_table *t)
{
    int64_t n = 0;

    for (size_t i = 0; i < t->n_leaves; i++)
        n += t->leaves[i].made;
    return n;
}

static enum bs_done
check_column(const struct bs_columns_table *t,
             const struct bs_columns_column *c,
             enum bs_columns_conflict conflict,
             struct bs_err *err)
{
    int64_t made = bs_columns_made(t);

    if (c->way == BS_COLUMN_ADD && c->saved->not_null && !c->counts && c->unmatched == NULL &&
        made != 0) {
        (void)BS_FAIL(err, CONFLICT,
                      "%lld rows of \"%.63s\" have no saved value for its column \"%.63s\", which"
                      " is NOT NULL and has no default",
                      (long long)made, t->object->name, c->name);
        bs_err_hint(err, "restore run loads the saved values into a table of their own");
        return BS_FAILED;
    }
    if (c->way == BS_COLUMN_RETYPE && conflict == BS_COLUMNS_KEEP && !t->origin_known &&
        c->restored == 0 && c->conflicts != 0) {
        (void)BS_FAIL(err, CONFLICT,
                      "%lld rows of \"%.63s\" have another value in \"%.63s\", and it cannot be"
                      " told which of them somebody has changed since",
                      (long long)c->conflicts, t->object->name, c->name);
        bs_err_hint(err, "--conflict overwrite gives all of them their saved value");
        return BS_FAILED;
    }
    return BS_DONE;
}

/* Values would go to rows that they were not of. */
static enum bs_done
check_pairs(const struct bs_columns_table *t, struct bs_err *err)
{
    int64_t unsure = 0;

    for (size_t i = 0; i < t->n_leaves; i++)
        unsure += t->leaves[i].unsure;
    if (unsure == 0)
        return BS_DONE;
    (void)BS_FAIL(
        err, CONFLICT,
        "\"%.63s\" has no key: %lld saved rows differ in nothing but their lost values, and"
        " rows like them were written or deleted since: which value was whose cannot be"
        " told",
        t->object->name, (long long)unsure);
    bs_err_hint(err, "restore run loads the saved values into a table of their own");
    return BS_FAILED;
}

enum bs_done
bs_columns_check(struct bs_restore *r,
                 const struct bs_columns *c,
                 enum bs_columns_conflict conflict,
                 struct bs_err *err)
{
    (void)r;
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        if (t->cannot != NULL) {
            (void)BS_FAIL(err, CONFLICT, "%s", t->cannot);
            bs_err_hint(err, "restore run loads the saved values into a table of their own");
            return BS_FAILED;
        }
        if (check_pairs(t, err) != BS_DONE)
            return BS_FAILED;
        for (size_t k = 0; k < t->n_columns; k++) {
            if (check_column(t, &t->columns[k], conflict, err) != BS_DONE)
                return BS_FAILED;
        }
    }
    return BS_DONE;
}
