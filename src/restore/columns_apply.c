/*
 * columns_apply.c - the change itself: readers out, values by place, one ALTER TABLE, and a second
 * look.
 */
#include <stdio.h>
#include <string.h>

#include "restore/columns_inside.h"
#include "restore/columns_sql.h"
#include "restore/text.h"

#define SQL_MAX (4u << 20)

enum { TRIES = 3 }; /* for the lock that the change takes */

/*
 * Readers have to go, and one who waits for us must not be drawn into a deadlock: so we give up
 * before the server looks for one, and try again.
 */
static enum bs_done
lock_out(struct bs_restore *r,
         const struct bs_columns_table *t,
         struct bs_buf *sql,
         struct bs_err *err)
{
    struct bs_err why = {0};

    for (int i = 0; i < TRIES; i++) {
        why = (struct bs_err){0};
        bs_put_str(sql, "SAVEPOINT backstop_lock; SET LOCAL lock_timeout = '500ms'; ");
        bs_columns_put_lock(sql, t, "ACCESS EXCLUSIVE");
        bs_put_str(sql, "; RELEASE backstop_lock; SET LOCAL lock_timeout = '10s'");
        if (bs_rdb_flush(&r->db, sql, &why) == BS_DONE)
            return BS_DONE;
        if (bs_rdb_do(&r->db, "ROLLBACK TO backstop_lock; RELEASE backstop_lock", err) != BS_DONE)
            return BS_FAILED;
    }
    *err = why;
    return BS_FAILED;
}

static bool
writes_values(const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (bs_columns_writes(&t->columns[i]))
            return true;
    }
    return false;
}

/* Values that were written since may not be any of the saved type. */
static enum bs_done
say_unfit(const struct bs_columns_table *t, struct bs_err *err)
{
    struct bs_err why = *err;

    if (strncmp(why.sqlstate, "22", 2) != 0 && strncmp(why.sqlstate, "23", 2) != 0)
        return BS_FAILED;
    *err = (struct bs_err){0};
    (void)BS_FAIL(err, CONFLICT,
                  "a value in \"%.63s\" that was written since cannot be turned back, of %lld rows"
                  " without a saved one: %.200s",
                  t->object->name, (long long)bs_columns_made(t), why.message);
    (void)snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", why.sqlstate);
    return BS_FAILED;
}

static enum bs_done
fill_values(struct bs_restore *r,
            const struct bs_columns_table *t,
            enum bs_columns_conflict conflict,
            struct bs_buf *sql,
            struct bs_err *err)
{
    int64_t before = 0;

    bs_columns_put_values(sql, t);
    if (bs_rdb_flush(&r->db, sql, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < t->n_leaves; i++) {
        bs_columns_put_fill(sql, t, &t->leaves[i], conflict, before);
        if (bs_rdb_flush(&r->db, sql, err) != BS_DONE)
            return say_unfit(t, err);
        before += t->leaves[i].made;
    }
    return BS_DONE;
}

static enum bs_done
write_values(struct bs_restore *r,
             const struct bs_columns_table *t,
             enum bs_columns_conflict conflict,
             struct bs_buf *sql,
             struct bs_err *err)
{
    if (!writes_values(t))
        return BS_DONE;
    if (fill_values(r, t, conflict, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_clear(sql, t);
    bs_columns_put_functions(sql, t);
    if (bs_rdb_flush(&r->db, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_alter(sql, t);
    if (bs_rdb_flush(&r->db, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_functions_off(sql, t);
    return bs_rdb_flush(&r->db, sql, err);
}

static enum bs_done
apply_table(struct bs_restore *r,
            struct bs_columns_table *t,
            struct bs_columns_how how,
            struct bs_buf *sql,
            struct bs_err *err)
{
    const struct bs_point_object *o = t->object;

    bs_restore_tell(r, bs_arena_fmt(&r->arena, "writing columns of %s.%s", o->schema, o->name), 0,
                    0);
    if (lock_out(r, t, sql, err) != BS_DONE)
        return BS_FAILED;
    /* Only then the defaults go: by the number of the column's own row it is told who wrote rows. */
    bs_columns_put_add(sql, t);
    if (bs_rdb_flush(&r->db, sql, err) != BS_DONE ||
        write_values(r, t, how.conflict, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_generated(sql, t);
    for (size_t i = 0; i < t->n_members; i++)
        bs_columns_put_settings(sql, t, t->members[i]);
    if (how.remove)
        bs_columns_put_remove(sql, t);
    return bs_rdb_flush(&r->db, sql, err);
}

/* Its type came back a moment ago, so only now can its values be looked at. */
static enum bs_done
catch_up(struct bs_restore *r,
         struct bs_columns_table *t,
         struct bs_columns_how how,
         struct bs_err *err)
{
    struct bs_columns one = {.tables = t, .n_tables = 1};

    if (bs_columns_have_types(t))
        return BS_DONE;
    if (bs_columns_look_again(r, t, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (c->saved != NULL && c->type == NULL)
            return BS_FAIL(err, DATA,
                           "the database has no type \"%.100s\", which column \"%.63s\""
                           " had",
                           c->saved->type, c->name);
    }
    if (bs_columns_compare_one(r, t, err) != BS_DONE)
        return BS_FAILED;
    return bs_columns_check(r, &one, how.conflict, err);
}

enum bs_done
bs_columns_apply(struct bs_restore *r,
                 struct bs_columns *c,
                 struct bs_columns_how how,
                 struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done = BS_DONE;

    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && i < c->n_tables; i++) {
        done = catch_up(r, &c->tables[i], how, err);
        if (done == BS_DONE && bs_columns_differ(&c->tables[i], how.remove))
            done = apply_table(r, &c->tables[i], how, &sql, err);
    }
    bs_buf_fini(&sql);
    return done;
}

/* Afterwards. */

/* Numbers that were given to rows without a saved one are used. */
static enum bs_done
advance(struct bs_restore *r,
        const struct bs_columns_table *t,
        const struct bs_columns_column *c,
        struct bs_buf *sql,
        struct bs_err *err)
{
    for (size_t i = 0; i < r->manifest.n_sequences; i++) {
        const struct bs_point_sequence *s = &r->manifest.sequences[i];
        if (!c->counts || bs_columns_made(t) == 0 || !s->owned || s->table_oid != t->object->oid ||
            s->column == NULL || strcmp(s->column, c->name) != 0)
            continue;
        bs_put_fmt(sql,
                   "SELECT pg_catalog.setval(c.oid::pg_catalog.regclass, %lld) FROM"
                   " pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ="
                   " c.relnamespace WHERE c.relkind = 'S' AND n.nspname = ",
                   (long long)(c->next + bs_columns_made(t)));
        bs_put_literal(sql, s->schema);
        bs_put_str(sql, " AND c.relname = ");
        bs_put_literal(sql, s->name);
        if (bs_rdb_flush(&r->db, sql, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
prove_table(struct bs_restore *r,
            const struct bs_columns_table *before,
            struct bs_columns_how how,
            struct bs_buf *sql,
            struct bs_err *err)
{
    struct bs_columns_table now = *before;

    if (bs_columns_look_again(r, &now, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < now.n_columns; i++)
        now.columns[i].forth = true;
    if (now.cannot == NULL && bs_columns_count(r, &now, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < now.n_columns; i++) {
        const struct bs_columns_column *was = &before->columns[i], *is = &now.columns[i];
        int64_t want = was->restored + was->equal;
        if (was->way == BS_COLUMN_ADD && advance(r, before, was, sql, err) != BS_DONE)
            return BS_FAILED;
        want += how.conflict == BS_COLUMNS_OVERWRITE ? was->conflicts : 0;
        if (bs_columns_writes(was) && is->equal < want)
            return BS_FAIL(err, CONFLICT,
                           "\"%.63s\" would not be as planned: %lld rows have their saved value in"
                           " \"%.63s\" instead of %lld",
                           now.object->name, (long long)is->equal, is->name, (long long)want);
    }
    return BS_DONE;
}

enum bs_done
bs_columns_proven(struct bs_restore *r,
                  struct bs_columns *c,
                  struct bs_columns_how how,
                  struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done = BS_DONE;

    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && i < c->n_tables; i++) {
        if (bs_columns_differ(&c->tables[i], false))
            done = prove_table(r, &c->tables[i], how, &sql, err);
    }
    bs_buf_fini(&sql);
    return done;
}
