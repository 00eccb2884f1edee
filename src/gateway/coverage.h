/*
 * coverage.h - the pre-commit audit: did the transaction change anything that was not captured?
 *
 * Two readings of the actor's own session, one right after BEGIN and one after the closing
 * sequence, are compared with the locks its backend holds and with what the recovery points have.
 * Counters are an upper bound and TRUNCATE resets them, so a relation that was rewritten or
 * dropped is told by its file node and its lock, never by its counters.
 *
 * Layer  gateway. Pure.
 * Spec   PROTECT 3 and 4.
 * Owns   nothing; findings live in the caller's arena.
 */
#ifndef BS_GATEWAY_COVERAGE_H
#define BS_GATEWAY_COVERAGE_H

#include "recovery/capture.h"
#include "recovery/moved.h"

/* One relation as the actor's session sees it. */
struct bs_reading_row {
    uint32_t oid;
    char relkind;
    uint32_t filenode; /* pg_class.relfilenode; 0 for mapped and fileless relations */
    uint32_t toast;    /* pg_class.reltoastrelid */
    bool temporary;    /* the session's own: nobody else can see its rows, or miss them */
    int64_t inserted, updated, deleted; /* pg_stat_get_xact_tuples_* */
    int64_t gone;                       /* columns that were dropped, ever */
};

/* All relations, sorted by oid. */
struct bs_reading {
    struct bs_reading_row *rows;
    size_t n, cap;
};

/*
 * The query that reads it: a constant, without a name that search_path could turn (PROTECT 2).
 * It finds nothing where track_counts is off, since then all counters stand still.
 * Columns: oid, relkind, relfilenode, reltoastrelid, relpersistence, inserted, updated, deleted,
 * dropped columns.
 */
extern const char bs_reading_sql[];
#define BS_READING_COLUMNS 9

/* Adds one row of that query. DATA where a value is not what was asked for; LIMIT. */
BS_MUST_CHECK enum bs_done bs_reading_add(struct bs_reading *reading,
                                          const struct bs_bytes values[BS_READING_COLUMNS],
                                          struct bs_arena *arena,
                                          struct bs_err *err);
void bs_reading_sort(struct bs_reading *reading);
/* The tables that have lost rows, of those that were there before. In the arena. LIMIT. */
BS_MUST_CHECK enum bs_done bs_reading_changed(const struct bs_reading *before,
                                              const struct bs_reading *after,
                                              struct bs_arena *arena,
                                              struct bs_changed **out,
                                              size_t *n,
                                              struct bs_err *err);

/* How many rows of each table were written, of those that were there before. In the arena. LIMIT. */
BS_MUST_CHECK enum bs_done bs_reading_moved(const struct bs_reading *before,
                                            const struct bs_reading *after,
                                            struct bs_arena *arena,
                                            struct bs_moved **out,
                                            size_t *n,
                                            struct bs_err *err);

/* One statement that has run, and what was kept before it did. */
struct bs_covered {
    const struct bs_plan *plan;
    const struct bs_manifest *manifest; /* NULL: nothing was captured */
    const struct bs_changed *rows;      /* of what it has replaced: what was found in the point */
    size_t n_rows;
};

struct bs_coverage {
    const struct bs_reading *before, *after;
    const struct bs_lock *locks;
    size_t n_locks;
    const struct bs_lock *had; /* what the backend held already at the first reading */
    size_t n_had;
    const struct bs_covered *parts; /* all that have run, and were not undone */
    size_t n_parts;
    bool ddl; /* something else that is allowed has changed the catalog */
    bool
        passed; /* some of that has no point, and was not to have one: nobody can tell what it was */
};

struct bs_uncovered {
    char **list; /* what nothing can keep any more; one sentence each */
    size_t n;
    struct bs_changed *changed; /* what a look at the replaced rows can still keep */
    size_t n_changed;
    uint32_t *sequences; /* that were moved, perhaps set */
    size_t n_sequences;
};

/*
 * Fills `out` with everything that neither the plans nor the points account for. Where list, changed
 * and sequences are empty, the transaction may commit.
 *
 * err   DATA: a reading is empty, so it says nothing; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_coverage_check(const struct bs_coverage *in,
                                             struct bs_arena *arena,
                                             struct bs_uncovered *out,
                                             struct bs_err *err);

#endif
