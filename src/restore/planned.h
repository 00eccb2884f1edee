/*
 * planned.h - a plan's way: kept, agreed to by a second operator where the configuration asks for
 * one, compared with what would be done by now, and done. The command line and the API both go it.
 *
 * Layer  restore. Blocks on store, database and state.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_PLANNED_H
#define BS_RESTORE_PLANNED_H

#include "restore/planfile.h"
#include "state/state.h"

/* Makes it known, so that a second operator can agree. Errors of bs_state_plan_add. */
BS_MUST_CHECK enum bs_done bs_planned_keep(struct bs_state *state,
                                           const struct bs_planfile *p,
                                           int64_t now_us,
                                           struct bs_err *err);
/* A second operator agrees; recorded. Errors of bs_state_plan_approve, and those of the audit. */
BS_MUST_CHECK enum bs_done bs_planned_approve(struct bs_restore *r,
                                              struct bs_state *state,
                                              const struct bs_planfile *p,
                                              const char *by,
                                              const char *reason,
                                              struct bs_err *err);

/* What a plan has become; zeroed by the caller, closed in either case. */
struct bs_planned {
    const struct bs_planfile *plan;
    struct bs_state *state;  /* where a second operator must have agreed; NULL: nobody needs to */
    struct bs_copyback now;  /* what would be done by now; of one point */
    struct bs_copyback done; /* what was done; of one point */
    struct bs_group group;   /* of a group: both */
};

/*
 * Does it still hold? Nothing is used up by that.
 *
 * err   HELD: nobody has agreed; CONFLICT: what would be done by now is something else; NOT_FOUND,
 *       those of bs_planfile_compare
 */
BS_MUST_CHECK enum bs_done
bs_planned_check(struct bs_restore *r, struct bs_planned *p, struct bs_err *err);
/*
 * Does what was checked, once. Errors of bs_state_plan_use, bs_copyback_run and bs_group_run.
 *
 * by   the operator who does it
 */
BS_MUST_CHECK enum bs_done
bs_planned_do(struct bs_restore *r, struct bs_planned *p, const char *by, struct bs_err *err);
void bs_planned_close(struct bs_planned *p); /* accepts a zeroed one */

/* Has a copy-back given all back that it could have? Pure. */
bool bs_copyback_whole(const struct bs_copyback *done);

#endif
