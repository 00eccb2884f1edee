/*
 * sqlite_points.c - the index of recovery points.
 */
#include "state/sqlite.h"

#define POINT_COLUMNS                                                                              \
    "id, database, state, actor, ticket, kind, tables, manifest, created_us, rows, bytes"

static enum bs_done
read_point(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_point_row *p = item;

    (void)err;
    p->id = bs_sq_text(r, 0);
    p->database = bs_sq_text(r, 1);
    p->state = bs_sq_text(r, 2);
    p->actor = bs_sq_text(r, 3);
    p->ticket = bs_sq_text(r, 4);
    p->kind = bs_sq_text(r, 5);
    p->tables = bs_sq_text(r, 6);
    p->manifest = bs_sq_text(r, 7);
    p->created_us = bs_sq_int(r, 8);
    p->rows = bs_sq_int(r, 9);
    p->bytes = bs_sq_int(r, 10);
    return BS_DONE;
}

enum bs_done
bs_sq_point_put(struct bs_state *s, const struct bs_point_row *row, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(
        q,
        "INSERT INTO points (" POINT_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (id) DO UPDATE SET database = excluded.database, state = excluded.state,"
        " actor = excluded.actor, ticket = excluded.ticket, kind = excluded.kind,"
        " tables = excluded.tables, manifest = excluded.manifest,"
        " created_us = excluded.created_us, rows = excluded.rows, bytes = excluded.bytes",
        BS_SQ_VALUES(BS_SQ_T(row->id), BS_SQ_T(row->database), BS_SQ_T(row->state),
                     BS_SQ_T(row->actor), BS_SQ_T(row->ticket), BS_SQ_T(row->kind),
                     BS_SQ_T(row->tables), BS_SQ_T(row->manifest), BS_SQ_I(row->created_us),
                     BS_SQ_I(row->rows), BS_SQ_I(row->bytes)),
        NULL, err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_point_set(struct bs_state *s, const char *id, const char *state, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int changed = 0;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(q, "UPDATE points SET state = ? WHERE id = ?",
                     BS_SQ_VALUES(BS_SQ_T(state), BS_SQ_T(id)), &changed, err);
    bs_sq_unlock(q);
    if (done == BS_DONE && changed == 0)
        return BS_FAIL(err, NOT_FOUND, "there is no such recovery point");
    return done;
}

enum bs_done
bs_sq_point_get(struct bs_state *s,
                const char *id,
                struct bs_arena *arena,
                struct bs_point_row *out,
                struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q, "SELECT " POINT_COLUMNS " FROM points WHERE id = ?",
                     BS_SQ_VALUES(BS_SQ_T(id)), arena, read_point, out, "recovery point", err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_point_list(struct bs_state *s,
                 const char *database,
                 const char *state,
                 const char *actor,
                 size_t limit,
                 struct bs_arena *arena,
                 struct bs_point_row **out,
                 size_t *n,
                 struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q,
                     "SELECT " POINT_COLUMNS " FROM points"
                     " WHERE (?1 IS NULL OR database = ?1) AND (?2 IS NULL OR state = ?2)"
                     " AND (?3 IS NULL OR actor = ?3)"
                     " ORDER BY created_us DESC, id DESC LIMIT ?4",
                     BS_SQ_VALUES(BS_SQ_T(database), BS_SQ_T(state), BS_SQ_T(actor),
                                  BS_SQ_I(limit == 0 ? BS_SQ_ALL : (int64_t)limit)),
                     arena, sizeof(**out), read_point, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}
