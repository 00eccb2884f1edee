/*
 * foresee.h - which constraints of the live table stand against rows that are to be written into
 * it, counted before anything is.
 *
 * Looked at are NOT NULL, CHECK, foreign keys in both directions, and unique indexes of plain
 * columns. Not foreseen: exclusion constraints, unique indexes of expressions or with a WHERE,
 * domains, partition bounds, and what triggers do.
 *
 * Layer  restore. Blocks on the database; everything runs in read-only subtransactions.
 * Spec   RECOVERY.md section 9.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_FORESEE_H
#define BS_RESTORE_FORESEE_H

#include "restore/diff.h"

enum bs_foreseen_kind {
    BS_FORESEEN_NOT_NULL = 0,
    BS_FORESEEN_CHECK,
    BS_FORESEEN_ORPHANS, /* rows whose parent is not there, and does not come back with them */
    BS_FORESEEN_TAKEN,   /* rows whose unique value another live row has */
    BS_FORESEEN_USED,    /* live rows that refer to a row which is to go */
};

struct bs_foreseen {
    enum bs_foreseen_kind kind;
    const char *name;  /* of the constraint, index or column */
    const char *other; /* the parent or child, "schema.name"; else NULL */
    int64_t rows;      /* -1: it could not be looked at */
    const char *why;   /* that is why */
};

/* Rows that are to be written, and what goes with them. */
struct bs_foresee {
    struct bs_restore *r;
    const struct bs_diff_table *const *tables; /* as their temporary tables are numbered */
    size_t n_tables;
    const char *written; /* kinds of bs_compare_put that are written: "'m', 'u'" */
    bool removed;        /* rows that the transaction made go */
};

/*
 * Of table number `at`.
 *
 * out   array of n in the arena: only what stands against some rows, or could not be looked at
 * err   LIMIT, UNAVAILABLE, DATABASE; what the role may not look at is in `out` instead
 */
BS_MUST_CHECK enum bs_done bs_foresee_table(
    const struct bs_foresee *f, size_t at, struct bs_foreseen **out, size_t *n, struct bs_err *err);
/*
 * Of rows in a table of their own, by the constraints of the live one: NOT NULL, CHECK and orphans.
 *
 * live  of the saved relation; where it is gone nothing is found
 * rows  quoted name of the table that has the rows, with the saved columns
 */
BS_MUST_CHECK enum bs_done bs_foresee_rows(struct bs_restore *r,
                                           const struct bs_live *live,
                                           const char *rows,
                                           struct bs_foreseen **out,
                                           size_t *n,
                                           struct bs_err *err);

const char *bs_foreseen_name(enum bs_foreseen_kind kind); /* "not null", "orphans" */
/* A sentence for people. */
const char *bs_foreseen_text(const struct bs_foreseen *f, struct bs_arena *arena);

#endif
