/*
 * together.h - the points of a group given back in one transaction: all of it, or nothing.
 *
 * Definitions, too: what is there is read by pg_dump before anything is written, and kept in one point;
 * what one of the points has made again, the next leaves. A point whose tables another brings is looked
 * at when they are there.
 *
 * Layer  restore. Blocks.
 * Owns   nothing that outlives the call.
 */
#ifndef BS_RESTORE_TOGETHER_H
#define BS_RESTORE_TOGETHER_H

#include "restore/group.h"

/*
 * Gives them back, in whichever order the constraints allow. Their restores share the first one's
 * session from then on. Where definitions stand against it, nothing is done, g->apart says why, and
 * there is no error.
 *
 * err    as bs_copyback_run: nothing was done, but for UNCERTAIN. Members say why not, too.
 */
BS_MUST_CHECK enum bs_done
bs_together_run(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err);
/* Only whether it can be one: g->apart. */
BS_MUST_CHECK enum bs_done
bs_together_look(struct bs_group *g, const struct bs_copyback_options *options, struct bs_err *err);

#endif
