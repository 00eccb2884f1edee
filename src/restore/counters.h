/*
 * counters.h - sequences after a restore: set as saved where they were made again, never set back
 * where they are still there; but for those of a point of rows, which are set back when told to.
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

/* A sequence of a point, then and now. */
struct bs_counter_pair {
    const struct bs_point_sequence *saved;
    struct bs_counter live;
};

/* Looks at all sequences of the point, or those of one table. Errors of bs_rdb_do, LIMIT. */
BS_MUST_CHECK enum bs_done bs_counters_look(struct bs_restore *r,
                                            const struct bs_point_object *of,
                                            struct bs_counter_pair **out,
                                            size_t *n,
                                            struct bs_err *err);
/*
 * Sets sequences that differ to what they were, each in a transaction of its own that keeps
 * writers from the tables that draw from it. Where a table has a row beyond that already, the
 * sequence stays: its next number would be taken.
 *
 * n      out: how many were set
 * left   out: names of those that stayed, n_left of them, in the restore's arena
 * err    as bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_counters_set_back(struct bs_restore *r,
                                                const struct bs_point_object *of,
                                                size_t *n,
                                                const char ***left,
                                                size_t *n_left,
                                                struct bs_err *err);

/* True where it is a sequence of that object, or `of` is NULL. Pure. */
bool bs_counter_belongs(const struct bs_point_sequence *s, const struct bs_point_object *of);
/* Puts the statement for a plan. */
void bs_counter_put(struct bs_buf *b, const struct bs_point_sequence *s);

#endif
