/*
 * counters.h - sequences after a restore: set as saved where they were made again, never set back
 * where they are still there.
 *
 * Layer  restore. Blocks on the database.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_COUNTERS_H
#define BS_RESTORE_COUNTERS_H

#include "restore/restore.h"

struct bs_counter {
    bool exists;
    int64_t last_value;
    bool is_called;
    int64_t increment;
};

/* True where the saved state is ahead of the live one in the sequence's own direction. Pure. */
bool bs_counter_behind(const struct bs_counter *live, const struct bs_point_sequence *saved);

/* Whether a sequence was made again in this transaction. */
typedef bool (*bs_counter_made)(void *ctx, const struct bs_point_sequence *s);

/*
 * Sets or advances the sequences of the point, or those of one table.
 *
 * of    NULL: all
 * n     out: how many were set
 * err   as bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_counters_set(struct bs_restore *r,
                                           const struct bs_point_object *of,
                                           bs_counter_made made,
                                           void *ctx,
                                           size_t *n,
                                           struct bs_err *err);

/* True where it is a sequence of that object, or `of` is NULL. Pure. */
bool bs_counter_belongs(const struct bs_point_sequence *s, const struct bs_point_object *of);
/* Puts the statement for a plan. */
void bs_counter_put(struct bs_buf *b, const struct bs_point_sequence *s);

#endif
