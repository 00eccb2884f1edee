/*
 * planned.c - see planned.h.
 */
#include "restore/planned.h"

#include <string.h>

#include "base/clock.h"

enum bs_done
bs_planned_keep(struct bs_state *state,
                const struct bs_planfile *p,
                int64_t now_us,
                struct bs_err *err)
{
    struct bs_restore_plan row = {
        .point = p->point, .made_by = p->made_by, .made_us = now_us, .expires_us = p->expires_us};

    memcpy(row.sha256, p->sha256, sizeof(row.sha256));
    return bs_state_plan_add(state, &row, err);
}

enum bs_done
bs_planned_approve(struct bs_restore *r,
                   struct bs_state *state,
                   const struct bs_planfile *p,
                   const char *by,
                   const char *reason,
                   struct bs_err *err)
{
    struct bs_restore_step step = {
        .action = "approve", .table = p->options.table, .rows = -1, .plan = p->sha256};

    if (bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    return bs_restore_end(
        r, &step, bs_state_plan_approve(state, p->sha256, by, reason, bs_now_us(), err), err);
}

static enum bs_done
check_approved(struct bs_restore *r, const struct bs_planned *p, struct bs_err *err)
{
    struct bs_restore_plan row;

    if (p->state == NULL)
        return BS_DONE;
    if (bs_state_plan_get(p->state, p->plan->sha256, &r->arena, &row, err) != BS_DONE)
        return BS_FAILED;
    if (row.approved_us != 0)
        return BS_DONE;
    return BS_FAIL(err, HELD, "nobody has approved the plan");
}

enum bs_done
bs_planned_check(struct bs_restore *r, struct bs_planned *p, struct bs_err *err)
{
    if (bs_planfile_check_point(r, p->plan, err) != BS_DONE || check_approved(r, p, err) != BS_DONE)
        return BS_FAILED;
    if (!p->plan->group)
        return bs_planfile_compare(r, p->plan, &p->now, err);
    if (bs_group_open(r, &p->group, err) != BS_DONE)
        return BS_FAILED;
    return bs_planfile_compare_group(r, &p->group, p->plan, err);
}

enum bs_done
bs_planned_do(struct bs_restore *r, struct bs_planned *p, const char *by, struct bs_err *err)
{
    struct bs_copyback_options how = p->plan->options;

    how.plan = p->plan->sha256;
    if (p->state != NULL &&
        bs_state_plan_use(p->state, p->plan->sha256, by, bs_now_us(), err) != BS_DONE)
        return BS_FAILED;
    return p->plan->group ? bs_group_run(&p->group, &how, err)
                          : bs_copyback_run(r, &how, &p->now, &p->done, err);
}

void
bs_planned_close(struct bs_planned *p)
{
    bs_group_close(&p->group);
}

/* Is something left that nobody can be sure of? It is to be done by hand. */
static bool
is_left(const struct bs_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct bs_altered *x = &c->list[i];
        if (x->kind != BS_CHANGE_MADE &&
            (x->why != NULL || (x->by == BS_CHANGE_OTHERS && !x->given)))
            return true;
    }
    return false;
}

bool
bs_copyback_whole(const struct bs_copyback *done)
{
    if (done->n_again != 0)
        return false;
    if (done->compared && done->difference == NULL)
        return true; /* whatever else was tried: nothing is left to give back */
    return !is_left(&done->changes);
}
