/*
 * copyback.h - saved rows and lost objects back into their place, in one transaction.
 *
 * A relation that is gone is made again from the stored definition, with everything the dump
 * knows: pre-data, rows, post-data, sequences, materialized views. In a relation that is still
 * there, missing rows are put back under a lock, after a recovery point of what is there now.
 *
 * What a point holds of the cluster - roles, settings - comes back by statements, in the same
 * transaction where that is possible.
 *
 * Columns that a statement dropped or changed come back into tables that are still there
 * (columns.h), with what hung on them.
 *
 * Where the point holds rows of tables in part, exactly those rows are looked at. What the
 * copy-back replaces is kept like what an agent's statement replaces: by a point of rows, made
 * after the writing and before COMMIT.
 *
 * Layer  restore. Blocks.
 * Spec   RECOVERY.md sections 4 and 9.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_COPYBACK_H
#define BS_RESTORE_COPYBACK_H

#include "restore/columns.h"
#include "restore/diff.h"
#include "restore/foresee.h"
#include "restore/restore.h"

/*
 * What to do about rows that somebody else has given other values. What the transaction itself has
 * written is no conflict: the saved values go back.
 */
enum bs_copyback_conflict {
    BS_COPYBACK_SKIP = 0, /* leave them */
    BS_COPYBACK_ABORT,    /* refuse the whole copy-back */
    BS_COPYBACK_OVERWRITE,
};

enum bs_copyback_triggers {
    BS_COPYBACK_FIRE = 0,
    BS_COPYBACK_SUPPRESS, /* user triggers are disabled in the transaction; needs ownership */
};

/* Rows that the transaction has put there (bs_diff_table.made). */
enum bs_copyback_made {
    BS_COPYBACK_KEEP = 0,
    BS_COPYBACK_REMOVE,
};

/* Sequences of a point of rows; those of whole tables only ever go forward. */
enum bs_copyback_sequences {
    BS_COPYBACK_LEAVE = 0,
    BS_COPYBACK_SET_BACK, /* to what they were, where no row in the table is beyond that */
};

struct bs_copyback_options {
    const char *table; /* NULL: all */
    enum bs_copyback_conflict conflict;
    enum bs_copyback_triggers triggers;
    enum bs_copyback_made made;
    enum bs_copyback_sequences sequences;
    bool all_missing;   /* also what the live database lacks for other reasons */
    bool others_back;   /* the transaction's other points have been given back already */
    bool removes_later; /* rows that the transaction made go in another round */
    const char *plan; /* digest of the plan file that is carried out, for the record; NULL: none */
};

struct bs_copyback_table {
    struct bs_diff_table diff; /* before; where the table is gone, all rows are missing */
    int64_t inserted;          /* done, or planned */
    int64_t updated;
    int64_t removed;              /* rows that the transaction had made */
    struct bs_foreseen *foreseen; /* of a plan: what stands against it */
    size_t n_foreseen;
};

struct bs_global_change; /* restore/globals.h */

struct bs_copyback {
    struct bs_copyback_table *tables; /* parents before children */
    size_t n_tables;
    struct bs_columns columns; /* of tables that are there: as they were found */
    const char **objects; /* entries of the definition that come back, as pg_restore -l tells */
    size_t n_objects;
    const char **again; /* tables under another name: their rows only once they have their own */
    size_t n_again;
    struct bs_changes changes;   /* of definitions; what of it is done: struct bs_altered.given */
    size_t n_sequences;          /* set or advanced */
    const char **sequences_left; /* that could not be set back: rows are beyond that already */
    size_t n_sequences_left;
    const char
        *sequences_failed; /* why setting back ended early, after the rows; NULL: it did not */
    size_t n_refreshed;    /* materialized views */
    struct bs_global_change *globals; /* of the cluster: what differs, and how it comes back */
    size_t n_globals;
    const char *globals_failed; /* why what runs after COMMIT did not; NULL: it did */
    bool reloaded;              /* the server reads its settings anew */
    const char **restart;       /* settings that came back, and count from its next start on */
    size_t n_restart;
    char point[BS_POINT_ID_TEXT]; /* of the state before; "" where nothing live was changed */
    bool compared;                /* the definition was compared afterwards */
    const char *difference;       /* lines that differ, "-" saved and "+" live; NULL: identical */
    const char *uncompared; /* why it could not be compared; NULL: it was, or nothing was lost */
};

/* What would be done, counted. Touches nothing but temporary tables. Errors as bs_copyback_run. */
BS_MUST_CHECK enum bs_done bs_copyback_plan(struct bs_restore *r,
                                            const struct bs_copyback_options *options,
                                            struct bs_copyback *out,
                                            struct bs_err *err);
/* The SQL of it. Neither rows nor locks are touched. `out` is initialised by the caller. */
BS_MUST_CHECK enum bs_done bs_copyback_print(struct bs_restore *r,
                                             const struct bs_copyback_options *options,
                                             struct bs_buf *out,
                                             struct bs_err *err);
/*
 * Does it.
 *
 * plan   NULL, or what was agreed to: where the counts differ now, nothing is done
 * err    CONFLICT (plan and reality differ, conflicts, locks, constraints), DAMAGED, NO_POINT,
 *        FORBIDDEN, UNSUPPORTED (no definition was stored), UNCOVERED (a trigger changed what has no
 *        recovery point), UNCERTAIN (the answer to COMMIT was lost), UNAVAILABLE, DATABASE, IO
 */
BS_MUST_CHECK enum bs_done bs_copyback_run(struct bs_restore *r,
                                           const struct bs_copyback_options *options,
                                           const struct bs_copyback *plan,
                                           struct bs_copyback *out,
                                           struct bs_err *err);

#endif
