/*
 * sqlite_restores.c - restores that operators have begun over the API.
 */
#include "state/sqlite.h"

static enum bs_done
read_restore(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_restore_row *row = item;

    (void)err;
    row->id = bs_sq_text(r, 0);
    row->open = bs_sq_int(r, 1) != 0;
    row->doc = bs_sq_text(r, 2);
    row->plan = bs_sq_text(r, 3);
    row->elsewhere = bs_sq_int(r, 4) != 0;
    return BS_DONE;
}

enum bs_done
bs_sq_restore_put(struct bs_state *s, const struct bs_restore_row *row, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(
        q,
        "INSERT INTO restores (id, open, doc, plan, instance) VALUES (?,?,?,?,?) ON CONFLICT (id)"
        " DO UPDATE SET open = excluded.open, doc = excluded.doc, plan = excluded.plan,"
        " instance = excluded.instance",
        BS_SQ_VALUES(BS_SQ_T(row->id), BS_SQ_I(row->open), BS_SQ_T(row->doc), BS_SQ_T(row->plan),
                     BS_SQ_T(q->instance)),
        NULL, err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_restore_list(struct bs_state *s,
                   const char *before,
                   size_t limit,
                   struct bs_arena *arena,
                   struct bs_restore_row **out,
                   size_t *n,
                   struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done =
        bs_sq_all(q,
                  "SELECT id, open, doc, plan, open <> 0 AND instance <> ?1"
                  " AND " BS_SQ_LIVES(
                      "restores.instance") " FROM restores"
                                           " WHERE ?3 IS NULL OR id < ?3 ORDER BY id DESC LIMIT ?2",
                  BS_SQ_VALUES(BS_SQ_T(q->instance), BS_SQ_I((int64_t)limit), BS_SQ_T(before)),
                  arena, sizeof(**out), read_restore, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

enum bs_done
bs_sq_restore_drop(struct bs_state *s, const char *id, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(q, "DELETE FROM restores WHERE id = ?", BS_SQ_VALUES(BS_SQ_T(id)), NULL, err);
    bs_sq_unlock(q);
    return done;
}
