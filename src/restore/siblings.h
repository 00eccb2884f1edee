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

struct bs_sibling {
    const char *id;
    uint32_t *tables; /* oids of relations that it holds rows of */
    size_t n_tables;
};

/*
 * Looks among the points that were made on the same day and nearest in time, and whose transaction
 * was carried out, as far as is known.
 *
 * out   array of n; what cannot be read is left out
 * err   IO, LIMIT
 */
BS_MUST_CHECK enum bs_done
bs_siblings_find(struct bs_restore *r, struct bs_sibling **out, size_t *n, struct bs_err *err);

/* True where it holds rows of one of these objects' relations, too. Pure. */
bool bs_sibling_shares(const struct bs_sibling *s,
                       const struct bs_point_object *const *objects,
                       size_t n);

#endif
