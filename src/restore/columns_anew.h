/*
 * columns_anew.h - what goes when a copy-back itself drops a column, to compute it anew: as entries
 * of the stored definition, which then come back like those that the statement dropped.
 *
 * Layer  restore. Asks the database; blocks.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_COLUMNS_ANEW_H
#define BS_RESTORE_COLUMNS_ANEW_H

#include "restore/columns.h"
#include "restore/definition.h"

/* The copy-back drops the column, and adds it at the end. Pure. */
bool bs_columns_is_anew(const struct bs_columns_column *c);

/*
 * Marks in d->there and d->also what will hang on such columns until they are dropped: indexes,
 * constraints, statistics, with their comments; the columns' own comments and privileges. Checks
 * come back with the columns. Where something else hangs on one, the server refuses to drop it.
 *
 * err   those of bs_rdb_ask
 */
BS_MUST_CHECK enum bs_done bs_columns_mark_anew(struct bs_restore *r,
                                                const struct bs_columns *c,
                                                struct bs_definition *d,
                                                struct bs_err *err);

#endif
