/*
 * sqlite_blocked.c - what the policy blocked, so that a restart forgets none of it.
 */
#include "state/sqlite.h"

#define BLOCKED_COLUMNS "identity, actor, database, at_us, harms, evades"

static enum bs_done
read_blocked(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_blocked *b = item;

    (void)err;
    b->identity = bs_sq_text(r, 0);
    b->actor = bs_sq_text(r, 1);
    b->database = bs_sq_text(r, 2);
    b->at_us = bs_sq_int(r, 3);
    b->harms = bs_sq_text(r, 4);
    b->evades = bs_sq_text(r, 5);
    return BS_DONE;
}

static enum bs_done
put(struct bs_sqlite *q, const struct bs_blocked *row, struct bs_err *err)
{
    if (bs_sq_run(q,
                  "INSERT INTO blocked (" BLOCKED_COLUMNS ") VALUES (?,?,?,?,?,?)"
                  " ON CONFLICT (identity) DO UPDATE SET at_us = excluded.at_us,"
                  " harms = excluded.harms, evades = coalesce(excluded.evades, blocked.evades)",
                  BS_SQ_VALUES(BS_SQ_T(row->identity), BS_SQ_T(row->actor), BS_SQ_T(row->database),
                               BS_SQ_I(row->at_us), BS_SQ_T(row->harms), BS_SQ_T(row->evades)),
                  NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_run(q,
                     "DELETE FROM blocked WHERE identity IN (SELECT identity FROM blocked"
                     " WHERE actor = ? ORDER BY at_us DESC, identity LIMIT 1000000000 OFFSET ?)",
                     BS_SQ_VALUES(BS_SQ_T(row->actor), BS_SQ_I(BS_BLOCKED_MAX)), NULL, err);
}

enum bs_done
bs_sq_blocked_put(struct bs_state *s, const struct bs_blocked *row, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_end(q, put(q, row, err), err);
}

enum bs_done
bs_sq_blocked_list(struct bs_state *s,
                   int64_t since_us,
                   struct bs_arena *arena,
                   struct bs_blocked **out,
                   size_t *n,
                   struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q,
                     "SELECT " BLOCKED_COLUMNS " FROM blocked WHERE at_us >= ?"
                     " ORDER BY at_us, identity",
                     BS_SQ_VALUES(BS_SQ_I(since_us)), arena, sizeof(**out), read_blocked, &rows, n,
                     err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

enum bs_done
bs_sq_blocked_drop(struct bs_state *s, int64_t before_us, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_end(q,
                     bs_sq_run(q, "DELETE FROM blocked WHERE at_us < ?",
                               BS_SQ_VALUES(BS_SQ_I(before_us)), NULL, err),
                     err);
}
