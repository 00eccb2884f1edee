/*
 * together.h - the points of a group given back in one transaction: all of it, or nothing.
 *
 * For points whose tables are all there. What comes back as a definition is read by pg_dump, in a
 * session that does not see what is not committed.
 *
 * Layer  restore. Blocks.
 * Owns   nothing that outlives the call.
 */
#ifndef BS_RESTORE_TOGETHER_H
#define BS_RESTORE_TOGETHER_H

#include "restore/group.h"

/*
 * Gives them back, in whichever order the constraints allow. Their restores share the first one's
 * session from then on.
 *
 * fits   out: false where a definition has to come back: nothing was done, and there is no error
 * err    as bs_copyback_run: nothing was done, but for UNCERTAIN. Members say why not, too.
 */
BS_MUST_CHECK enum bs_done bs_together_run(struct bs_group *g,
                                           const struct bs_copyback_options *options,
                                           bool *fits,
                                           struct bs_err *err);

#endif
