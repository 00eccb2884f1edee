/*
 * columns_inside.h - what columns.c (looking), columns_match.c (comparing) and columns_apply.c
 * (changing) share.
 *
 * Layer  restore, private to these files. Blocks.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_COLUMNS_INSIDE_H
#define BS_RESTORE_COLUMNS_INSIDE_H

#include "restore/columns.h"

/* Sets LIMIT. Returns BS_FAILED. */
enum bs_done bs_columns_full(struct bs_err *err);
void bs_columns_put_lock(struct bs_buf *b, const struct bs_columns_table *t, const char *mode);
/* The table, its tree and its columns as they are now; counts are forgotten. */
BS_MUST_CHECK enum bs_done
bs_columns_look_again(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err);
/* Counts by the saved values that were loaded. */
BS_MUST_CHECK enum bs_done
bs_columns_count(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err);
/* Loads them, and counts. */
BS_MUST_CHECK enum bs_done
bs_columns_compare_one(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err);
/* Live rows without a saved one. */
int64_t bs_columns_made(const struct bs_columns_table *t);

#endif
