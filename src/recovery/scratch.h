/*
 * scratch.h - the last proof of a point: its tables are loaded into a scratch database, copied out
 * again and compared, before the statement runs.
 *
 * All of it are temporary tables and types of one transaction that is rolled back: whatever happens,
 * nothing of it stays, and no lasting object of that database is read or changed. The protected
 * database itself is refused.
 *
 * Private to the captures of this room.
 *
 * Layer  recovery. Blocks.
 * Spec   RECOVERY.md section 5, grade V4.
 * Owns   its session, while it runs.
 */
#ifndef BS_RECOVERY_SCRATCH_H
#define BS_RECOVERY_SCRATCH_H

#include "recovery/steps.h"

/*
 * Every object of the manifest that has rows, those of earlier points, too. What the scratch
 * database lacks, or cannot hold, is no proof: a failure. Ends with the capture's watch.
 *
 * err   NO_POINT, with the table, the reason and the way out; CANCELLED; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_scratch_prove(struct bs_capture *c, struct bs_err *err);

#endif
