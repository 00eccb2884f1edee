/*
 * sqlite_pauses.c - who or what is paused, and the end of that. A pause and its row in `changes` are one
 * transaction: the change is also what tells a running gateway to look.
 */
#include <string.h>

#include "base/clock.h"
#include "state/sqlite.h"

static json_t *
detail_of(enum bs_pause_scope scope, const char *reason)
{
    json_t *detail = json_pack("{s:s}", "scope", bs_pause_scope_name(scope));

    if (reason != NULL)
        (void)json_object_set_new(detail, "reason", json_string(reason));
    return detail;
}

static const char *
subject_of(enum bs_pause_scope scope, const char *name)
{
    return scope == BS_PAUSE_EVERYTHING ? "everything" : name;
}

enum bs_done
bs_sq_pause_put(struct bs_state *s, const struct bs_pause *pause, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    json_t *detail = detail_of(pause->scope, pause->reason);
    enum bs_done done = BS_DONE;

    (void)json_object_set_new(detail, "cancel", json_boolean(pause->cancel));
    if (bs_sq_begin(q, err) != BS_DONE) {
        json_decref(detail);
        return BS_FAILED;
    }
    if (pause->scope == BS_PAUSE_ACTOR)
        done = bs_sq_check_in_force(q, "agents", pause->name, err);
    if (done == BS_DONE)
        done =
            bs_sq_run(q,
                      "INSERT INTO pauses (scope, name, at_us, by, reason, cancel)"
                      " VALUES (?,?,?,?,?,?) ON CONFLICT (scope, name) DO UPDATE SET"
                      " at_us = excluded.at_us, by = excluded.by, reason = excluded.reason,"
                      " cancel = CASE pauses.cancel WHEN 0 THEN excluded.cancel ELSE 1 END",
                      BS_SQ_VALUES(BS_SQ_T(bs_pause_scope_name(pause->scope)), BS_SQ_T(pause->name),
                                   BS_SQ_I(pause->at_us), BS_SQ_T(pause->by),
                                   BS_SQ_T(pause->reason), BS_SQ_I(pause->cancel)),
                      NULL, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, pause->by, "pause", subject_of(pause->scope, pause->name),
                                json_incref(detail), err);
    json_decref(detail);
    return bs_sq_end(q, done, err);
}

static enum bs_done
read_pause(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_pause *p = item;

    p->scope = bs_pause_scope_find(bs_sq_peek(r, 0));
    p->name = bs_sq_text(r, 1);
    p->at_us = bs_sq_int(r, 2);
    p->by = bs_sq_text(r, 3);
    p->reason = bs_sq_text(r, 4);
    p->cancel = bs_sq_int(r, 5) != 0;
    return p->scope != BS_PAUSE_NONE ? BS_DONE : BS_FAIL(err, DAMAGED, "a pause is damaged");
}

enum bs_done
bs_sq_pause_list(struct bs_state *s,
                 struct bs_arena *arena,
                 struct bs_pause **out,
                 size_t *n,
                 struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q,
                     "SELECT scope, name, at_us, by, reason, cancel FROM pauses"
                     " ORDER BY at_us, scope, name",
                     BS_SQ_NO_VALUES, arena, sizeof(**out), read_pause, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

/* The rows that hold it back; a quarantine is lifted with a pause. */
static enum bs_done
lift(struct bs_sqlite *q,
     enum bs_pause_scope scope,
     const char *name,
     struct bs_resumed *out,
     struct bs_err *err)
{
    int changed = 0;

    if (bs_sq_run(q, "DELETE FROM pauses WHERE scope = ? AND name = ?",
                  BS_SQ_VALUES(BS_SQ_T(bs_pause_scope_name(scope)), BS_SQ_T(name)), &changed,
                  err) != BS_DONE)
        return BS_FAILED;
    out->pause = changed != 0;
    if (scope != BS_PAUSE_ACTOR)
        return BS_DONE;
    if (bs_sq_run(q,
                  "UPDATE agents SET quarantined_us = 0, quarantine_why = NULL"
                  " WHERE name = ? AND quarantined_us <> 0",
                  BS_SQ_VALUES(BS_SQ_T(name)), &changed, err) != BS_DONE)
        return BS_FAILED;
    out->quarantine = changed != 0;
    return BS_DONE;
}

enum bs_done
bs_sq_resume(struct bs_state *s,
             enum bs_pause_scope scope,
             const char *name,
             const char *reason,
             const char *by,
             struct bs_resumed *out,
             struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    json_t *detail = detail_of(scope, reason);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE) {
        json_decref(detail);
        return BS_FAILED;
    }
    done = lift(q, scope, name, out, err);
    (void)json_object_set_new(detail, "pause", json_boolean(out->pause));
    (void)json_object_set_new(detail, "quarantine", json_boolean(out->quarantine));
    if (done == BS_DONE && !out->pause && !out->quarantine)
        done = BS_FAIL(err, CONFLICT, "\"%.63s\" is not paused", subject_of(scope, name));
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "resume", subject_of(scope, name), json_incref(detail), err);
    json_decref(detail);
    return bs_sq_end(q, done, err);
}
