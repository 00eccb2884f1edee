/*
 * sqlite_plans.c - plans of restores: who made one, who approved it, whether it was used. Each step
 * is one UPDATE that carries its own conditions, so of two that race one finds them broken.
 */
#include "state/sqlite.h"

#include <string.h>

#define PLAN_COLUMNS                                                                               \
    "sha256, point, made_by, made_us, expires_us, approved_by, approved_us, reason, used_by, "     \
    "used_us"

static enum bs_done
read_plan(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_restore_plan *p = item;

    (void)err;
    bs_sq_copy(r, 0, p->sha256, sizeof(p->sha256));
    p->point = bs_sq_text(r, 1);
    p->made_by = bs_sq_text(r, 2);
    p->made_us = bs_sq_int(r, 3);
    p->expires_us = bs_sq_int(r, 4);
    p->approved_by = bs_sq_text(r, 5);
    p->approved_us = bs_sq_int(r, 6);
    p->reason = bs_sq_text(r, 7);
    p->used_by = bs_sq_text(r, 8);
    p->used_us = bs_sq_int(r, 9);
    return BS_DONE;
}

enum bs_done
bs_sq_plan_add(struct bs_state *s, const struct bs_restore_plan *plan, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int changed = 0;
    enum bs_done done;

    bs_sq_lock(q);
    done =
        bs_sq_run(q,
                  "INSERT INTO plans (" PLAN_COLUMNS ") VALUES (?,?,?,?,?,NULL,0,NULL,NULL,0)"
                  " ON CONFLICT (sha256) DO NOTHING",
                  BS_SQ_VALUES(BS_SQ_T(plan->sha256), BS_SQ_T(plan->point), BS_SQ_T(plan->made_by),
                               BS_SQ_I(plan->made_us), BS_SQ_I(plan->expires_us)),
                  &changed, err);
    bs_sq_unlock(q);
    if (done == BS_DONE && changed == 0)
        return BS_FAIL(err, CONFLICT, "this very plan is there already");
    return done;
}

enum bs_done
bs_sq_plan_get(struct bs_state *s,
               const char *sha256,
               struct bs_arena *arena,
               struct bs_restore_plan *out,
               struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q, "SELECT " PLAN_COLUMNS " FROM plans WHERE sha256 = ?",
                     BS_SQ_VALUES(BS_SQ_T(sha256)), arena, read_plan, out, "plan", err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_plan_list(struct bs_state *s,
                int64_t now_us,
                struct bs_arena *arena,
                struct bs_restore_plan **out,
                size_t *n,
                struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q,
                     "SELECT " PLAN_COLUMNS " FROM plans WHERE used_us = 0 AND expires_us > ?"
                     " ORDER BY made_us DESC",
                     BS_SQ_VALUES(BS_SQ_I(now_us)), arena, sizeof(**out), read_plan, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

static enum bs_done
change(struct bs_state *s, const char *sql, const struct bs_sq_value *values, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int changed = 0;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(q, sql, values, &changed, err);
    bs_sq_unlock(q);
    if (done == BS_DONE && changed == 0)
        return BS_FAIL(err, CONFLICT, "the plan has changed meanwhile");
    return done;
}

enum bs_done
bs_sq_plan_approve(struct bs_state *s,
                   const char *sha256,
                   const char *by,
                   const char *reason,
                   int64_t now_us,
                   struct bs_err *err)
{
    return change(
        s,
        "UPDATE plans SET approved_by = ?2, approved_us = ?3, reason = ?4 WHERE sha256 = ?1"
        " AND made_by <> ?2 AND approved_us = 0 AND used_us = 0 AND expires_us > ?3",
        BS_SQ_VALUES(BS_SQ_T(sha256), BS_SQ_T(by), BS_SQ_I(now_us), BS_SQ_T(reason)), err);
}

enum bs_done
bs_sq_plan_use(
    struct bs_state *s, const char *sha256, const char *by, int64_t now_us, struct bs_err *err)
{
    return change(s,
                  "UPDATE plans SET used_by = ?2, used_us = ?3 WHERE sha256 = ?1"
                  " AND approved_us <> 0 AND approved_by <> made_by AND used_us = 0"
                  " AND expires_us > ?3 AND EXISTS (SELECT 1 FROM operators"
                  " WHERE name = plans.approved_by AND revoked_us = 0"
                  " AND role IN ('approver','admin') AND (expires_us = 0 OR expires_us > ?3))",
                  BS_SQ_VALUES(BS_SQ_T(sha256), BS_SQ_T(by), BS_SQ_I(now_us)), err);
}
