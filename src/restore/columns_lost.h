/*
 * columns_lost.h - what went with columns of a table that is still there, as entries of the stored
 * definition: indexes, constraints, views, privileges, a type.
 *
 * Layer  restore. Pure.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_COLUMNS_LOST_H
#define BS_RESTORE_COLUMNS_LOST_H

#include "restore/columns.h"
#include "restore/toc.h"

/*
 * Keys of entries that come back if they are lost: what the manifest says hangs on the columns,
 * their privileges and comments, and whatever the tables themselves need. What somebody else has
 * dropped since is none of them. LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_columns_entries(struct bs_restore *r,
                                              const struct bs_columns *c,
                                              const struct bs_toc *saved,
                                              struct bs_bytes **out,
                                              size_t *n,
                                              struct bs_err *err);
/* Keys of the tables: what needs one of these comes after the columns, all else before. LIMIT. */
BS_MUST_CHECK enum bs_done bs_columns_table_keys(struct bs_restore *r,
                                                 const struct bs_columns *c,
                                                 struct bs_bytes **out,
                                                 size_t *n,
                                                 struct bs_err *err);

#endif
