/*
 * moved.h - how many rows of each table a transaction had written when it was about to commit, as
 * the server counts. The event that arms a point says it: a table without a key is given back by
 * counting.
 *
 * The details of such an event:
 *   {"rows": [{"oid": 16400, "inserted": 0, "updated": 2, "deleted": 0, "rewritten": true}]}
 *
 * Layer  recovery. Pure.
 * Owns   nothing; lists live in the caller's arena.
 */
#ifndef BS_RECOVERY_MOVED_H
#define BS_RECOVERY_MOVED_H

#include "base/arena.h"
#include "base/err.h"

/* Row versions: a row that is updated twice counts twice, one in a savepoint that was rolled back,
 * too. Of partitions, each counts for itself. */
struct bs_moved {
    uint32_t oid;
    int64_t inserted, updated, deleted;
    bool rewritten; /* it has another file: emptied, or written anew; what was counted before says
                     * nothing */
};

/* Puts the details, without an end. Of more than BS_MOVED_MAX tables nothing is said: {}. */
#define BS_MOVED_MAX 1000
void bs_moved_put(struct bs_buf *b, const struct bs_moved *list, size_t n);

/*
 * Reads details; BS_FAILED where they say nothing of rows, or cannot be read.
 *
 * details   text of a JSON object; may be NULL
 */
BS_MUST_CHECK enum bs_done
bs_moved_take(const char *details, struct bs_arena *arena, struct bs_moved **out, size_t *n);

#endif
