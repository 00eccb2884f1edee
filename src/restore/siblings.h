/*
 * siblings.h - other points of the same transaction: one for each statement that needed one before
 * it ran, and one for the rows that it had changed in the end.
 *
 * Layer  restore. Reads the store only.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_SIBLINGS_H
#define BS_RESTORE_SIBLINGS_H

#include "restore/restore.h"

/*
 * Looks among the points that were made on the same day and nearest in time.
 *
 * out   ids, n of them; what cannot be read is left out
 * err   IO, LIMIT
 */
BS_MUST_CHECK enum bs_done
bs_siblings_find(struct bs_restore *r, const char ***out, size_t *n, struct bs_err *err);

#endif
