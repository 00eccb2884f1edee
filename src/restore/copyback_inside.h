/*
 * copyback_inside.h - the steps of a copy-back, for whoever puts several into one transaction.
 *
 * Begin once, write each work, end once: nothing is there for others before the end, and all of it
 * after. Between two works the caller drops the temporary tables of the first.
 *
 * Layer  restore. Blocks.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_COPYBACK_INSIDE_H
#define BS_RESTORE_COPYBACK_INSIDE_H

#include "restore/safety.h"
#include "restore/work.h"

/* Opens the transaction in the session of the work's restore. After a failure, too, it is ended by
 * bs_copyback_end. Errors of bs_rdb_ask. */
BS_MUST_CHECK enum bs_done
bs_copyback_begin(struct bs_safety *safety, struct bs_work *w, struct bs_err *err);
/* Locks what a work will write, for a recovery point of it that is made before; looks again. */
BS_MUST_CHECK enum bs_done bs_copyback_lock(struct bs_work *w, struct bs_err *err);
/* Locks, counts, and compares with what was agreed to; nothing is written. CONFLICT where it differs. */
BS_MUST_CHECK enum bs_done
bs_copyback_agrees(struct bs_work *w, const struct bs_copyback *plan, struct bs_err *err);
/*
 * Gives back what one work is about, proven, but for what the end proves of the whole transaction.
 *
 * plan     NULL, or what was agreed to
 * phases   of bs_copyback_order
 * err      as bs_copyback_run; but for UNCERTAIN
 */
BS_MUST_CHECK enum bs_done bs_copyback_write(struct bs_work *w,
                                             struct bs_safety *safety,
                                             const struct bs_copyback *plan,
                                             const char *phases,
                                             struct bs_err *err);
/* Ends it: where `done` says so by its last checks and COMMIT, else by ROLLBACK. Gives `safety` up.
 * `w` is any of its works. Errors of bs_safety_check and bs_safety_commit. */
BS_MUST_CHECK enum bs_done
bs_copyback_end(struct bs_safety *safety, struct bs_work *w, enum bs_done done, struct bs_err *err);

/*
 * In which order rows can be inserted, updated and deleted depends on what they are: a row that
 * comes back may need the value that another gives up, and a row can only go when nobody refers to
 * it. So where a constraint stands against it, it is all done again in another order.
 *
 * c    of the try before; at 0 nothing of it is read
 * at   0 and up; NULL: there are no more. Pure.
 */
const char *bs_copyback_order(const struct bs_copyback *c, size_t at);
bool bs_copyback_other_order(const struct bs_err *err); /* true where another one may help. Pure. */

/* Rows that were written, or will be. Pure. */
int64_t bs_copyback_rows(const struct bs_copyback *c);
/* What is done after COMMIT, and told in the result. */
void bs_copyback_after(struct bs_work *w);

#endif
