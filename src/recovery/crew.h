/*
 * crew.h - several helper sessions of one capture at work at once: on one snapshot they copy tables,
 * and of large ones ranges of blocks; then they store and prove what was copied.
 *
 * Private to the captures of this room. What one of them fails at ends all.
 *
 * Layer  recovery. Blocks; the threads it starts are gone when a call returns.
 * Spec   functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION; a tid range scan (14 and later)
 *        reads the blocks asked for and no others.
 * Owns   the further helpers' connections, during bs_crew_copy.
 */
#ifndef BS_RECOVERY_CREW_H
#define BS_RECOVERY_CREW_H

#include "recovery/steps.h"

#define BS_HELPERS_DEFAULT 2
#define BS_HELPERS_MAX     8

/*
 * Copies every object of the manifest that has rows of its own point, all of each. The capture's own helper, in its
 * transaction, is one of the crew; as many others connect as the request allows and as there is
 * work for. One that the server has no connection for is missed, and no more.
 *
 * err   as bs_copy_rows
 */
BS_MUST_CHECK enum bs_done bs_crew_copy(struct bs_capture *c, struct bs_err *err);

/* Stores every part that is in the spool. IO, CONFLICT, CANCELLED, NO_POINT. */
BS_MUST_CHECK enum bs_done bs_crew_put(struct bs_capture *c, struct bs_err *err);
/* Reads every part back, or asks for its size, by the request's grade. DAMAGED, NO_POINT, IO. */
BS_MUST_CHECK enum bs_done bs_crew_prove(struct bs_capture *c, struct bs_err *err);

#endif
