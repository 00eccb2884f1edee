/*
 * group.h - all points of one transaction, given back together.
 *
 * Every one of them holds what was committed before the transaction, so their order matters only
 * where one needs what another brings: a table, a parent row. They go back newest first; what a
 * constraint or a missing table stands against waits for the others. Rows that the transaction made
 * are taken away in a second round: by then what it changed has been written anew and cannot be
 * mistaken for them.
 *
 * All goes back in one transaction, definitions, too, or nothing. Where definitions stand against that -
 * one needs what only a dump after another would show - each point is a transaction of its own, with its
 * own proof and its own recovery point; `apart` says why.
 *
 * Layer  restore. Blocks.
 * Owns   a bs_group owns its members' restores, until bs_group_close.
 */
#ifndef BS_RESTORE_GROUP_H
#define BS_RESTORE_GROUP_H

#include "restore/copyback.h"

struct bs_group_member {
    struct bs_restore r;
    struct bs_copyback back; /* what was done; of the last round */
    int64_t removed;         /* rows that the transaction had made */
    bool done;
    bool planned; /* `back` is what was agreed to; where the group is bound, it has to be that */
    struct bs_err err; /* why not; code BS_OK where it was not tried */
};

struct bs_group {
    struct bs_group_member *members; /* newest first */
    size_t n;
    size_t n_done;
    bool bound;        /* to what was agreed to: in one transaction, or not at all */
    const char *apart; /* why each is given back by itself; NULL: in one transaction */
};

/*
 * Finds the points of a restore's transaction, itself among them, and opens each with the same
 * request.
 *
 * out   zeroed by the caller; closed in either case
 * err   as bs_siblings_find, bs_restore_open, bs_restore_connect
 */
BS_MUST_CHECK enum bs_done
bs_group_open(struct bs_restore *r, struct bs_group *out, struct bs_err *err);
/* Only finds out whether it can be one transaction: `apart`. As bs_together_run. */
BS_MUST_CHECK enum bs_done
bs_group_look(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err);
/* Counts what each would do by itself; where one needs another first, its `err` says so. */
void bs_group_plan(struct bs_group *g, const struct bs_copyback_options *options);
/*
 * Gives them back. BS_FAILED where any is left: `err` is one's that failed, and what is done is done,
 * as the members say: nothing, where it is one transaction. With UNCERTAIN it ends at once.
 */
BS_MUST_CHECK enum bs_done
bs_group_run(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err);
/* It may be another one's turn first: a parent's row, or the table itself, is not there yet. Pure. */
bool bs_group_may_wait(const struct bs_err *err);
void bs_group_close(struct bs_group *g); /* accepts a zeroed one */

#endif
