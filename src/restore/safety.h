/*
 * safety.h - what a copy-back owes to what is there now: a recovery point of the tables that it
 * will change, proof that it changed no others, and a COMMIT whose outcome is known.
 *
 * Several works may share one transaction: each is taken, then all are checked and committed
 * together. What one has kept whole, the next does not keep again.
 *
 * Layer  restore. Blocks.
 * Spec   PROTECT.md rules 3, 4, 8; RECOVERY.md sections 9 and 10.
 * Owns   captures, from bs_safety_take to bs_safety_fini. All else is in the arenas of the works'
 *        restores, which live until then.
 */
#ifndef BS_RESTORE_SAFETY_H
#define BS_RESTORE_SAFETY_H

#include "restore/work.h"

/* Of one table without partitions. */
struct bs_safety_places {
    uint32_t oid;
    const char *places; /* {"(0,1)","(7,2)"} as a text */
};

/* A recovery point of what is there. */
struct bs_safety_point {
    struct bs_capture *capture;
    const struct bs_plan *plan;
    bool whole;                /* it holds the tables of its plan whole */
    char id[BS_POINT_ID_TEXT]; /* "" where it was not made, or nothing is in it */
};

struct bs_safety {
    struct bs_safety_point *points; /* none: nothing live is changed */
    size_t n_points;
    struct bs_work **works; /* taken so far */
    size_t n_works;
    bool parts;                      /* of any of them */
    struct bs_plan plan;             /* of all that are kept in part */
    struct bs_safety_places *places; /* where the rows are that are about to be replaced */
    size_t n_places;
    const struct bs_safety_point *kept; /* of bs_safety_take_all; NULL: each work keeps its own */
    struct bs_safety_count *before;     /* what the server had counted when the transaction began */
    size_t n_before;
    bool named; /* what is not in a work's changes got its name back, under a lock as of TRUNCATE */
};

/* After BEGIN: reads the counters that the later ones are compared with. Errors of bs_rdb_ask. */
BS_MUST_CHECK enum bs_done
bs_safety_begin(struct bs_safety *s, struct bs_work *w, struct bs_err *err);
/*
 * Before the work writes anything, where its point holds tables whole: captures every living table
 * that the copy-back will change. Its transaction holds SHARE ROW EXCLUSIVE on them. Nothing to change:
 * nothing is captured. NO_POINT, LIMIT.
 */
BS_MUST_CHECK enum bs_done
bs_safety_take(struct bs_safety *s, struct bs_work *w, struct bs_err *err);
/*
 * The same for several works at once, before any of them writes: one point of the definition, of all
 * living tables that works with whole tables are about, changed or not, and of the cluster. What it has
 * bs_safety_take does not keep again. Where there is nothing to keep: no point. The session has locked
 * the tables.
 */
BS_MUST_CHECK enum bs_done
bs_safety_take_all(struct bs_safety *s, struct bs_work *const *works, size_t n, struct bs_err *err);
/*
 * After all is written: from here on the transaction is read only. `w` is any of the works. UNCOVERED where
 * rows were updated or deleted that were not to be, or a table emptied. Where a point holds rows of
 * tables in part, makes the point of the rows that were replaced: exactly
 * those. NO_POINT, LIMIT.
 */
BS_MUST_CHECK enum bs_done
bs_safety_check(struct bs_safety *s, struct bs_work *w, struct bs_err *err);
/*
 * Arms the points, commits, and tells the points what became of it. A lost answer is looked up.
 * UNCERTAIN, CONFLICT, IO, DATABASE.
 */
BS_MUST_CHECK enum bs_done
bs_safety_commit(struct bs_safety *s, struct bs_work *w, struct bs_err *err);
void bs_safety_rollback(struct bs_safety *s, struct bs_work *w);
void bs_safety_fini(struct bs_safety *s); /* accepts a zeroed one */

#endif
