/*
 * diff.h - saved rows against live ones: missing, changed, extra. Of the changed ones it tells what
 * the transaction has written itself from what others have since, a conflict; of the extra ones,
 * what the transaction has put there.
 *
 * Of a table that was saved in part, only the rows with saved keys are looked at, and those that the
 * transaction has put there. No other live row is its business.
 *
 * The saved rows are loaded into a temporary table, proven on the way, and compared there: by the
 * primary key with the record comparison that every type has (byte by byte, so 1.0 and 1.00
 * differ, and json and xml can be compared, too); without a key as multisets of row texts, where
 * nothing can be called changed.
 *
 * Layer  restore. Blocks; writes temporary tables only.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_DIFF_H
#define BS_RESTORE_DIFF_H

#include "restore/changed.h"
#include "restore/columns.h"
#include "restore/compare.h"
#include "restore/restore.h"

#define BS_DIFF_EXAMPLES 10

struct bs_diff_examples {
    const char *keys[BS_DIFF_EXAMPLES]; /* JSON objects, {"id": 7} */
    size_t n;
};

struct bs_diff_column {
    const char *name;
    int64_t rows; /* in which it differs */
};

/* Of a table without a key (restore/keyless.h). */
struct bs_keyless {
    bool counted; /* the next four are known: what the transaction did, by the server's counters */
    int64_t inserted, updated, deleted;
    bool rewritten; /* it was emptied, or written anew: what was counted before that is not here */
    int64_t own;    /* live rows that the transaction wrote */
    int64_t others; /* live rows that others wrote since, and that no saved row is like */
    /* Of a point that was made for no statement, so that nobody knows what was done since: */
    bool snapshot;
    uint32_t root;      /* of the partitions; itself where it is none */
    int64_t partitions; /* leaves that it has */
    int64_t compared;   /* of these, and others counts them together (bs_keyless_join) */
    bool
        only_newer; /* a live row that is older than the transaction is no saved row's counterpart */
};

struct bs_diff_table {
    struct bs_live live;
    int64_t saved_rows;   /* of a condition's those that it is true of */
    bool chosen;          /* there is a condition: extra and made rows are not looked at */
    int64_t live_rows;    /* of a table saved in part: those that saved rows were matched with */
    int64_t missing;      /* saved, not live */
    int64_t changed;      /* both, with other values */
    int64_t by_statement; /* of changed: what the transaction wrote is still there */
    int64_t conflicts;    /* of changed: written by somebody else, as far as can be told */
    int64_t near;         /* of conflicts: or by a savepoint of the transaction */
    int64_t extra;        /* live, not saved; none where the table was saved in part */
    int64_t made;         /* live rows of the transaction without a saved counterpart: inserted, or
                           * updated to another key; without a key, all it has written */
    struct bs_keyless keyless;
    /* Where it was saved in part. */
    int64_t equal;
    int64_t doubtful; /* of missing, at least: never touched by the transaction, deleted by
                       * somebody else at the same time */
    /* None without a key. */
    struct bs_diff_examples missing_keys, changed_keys, own_keys, conflict_keys, equal_keys,
        made_keys, extra_keys;
    struct bs_diff_examples conflict_rows; /* {"saved": {...}, "live": {...}}, in the keys' order */
    struct bs_diff_column *columns;        /* that differ in changed rows */
    size_t n_columns;
};

struct bs_diff {
    struct bs_diff_table *tables;
    size_t n_tables;
    struct bs_columns columns; /* that were dropped or changed; of bs_diff_run */
    struct bs_changes changes; /* of definitions, where all tables are compared */
    bool same; /* no difference anywhere: rows, columns, existence, definitions; nothing made */
    const char *unknown; /* why no live row can be told to be the transaction's; NULL: they can */
};

/*
 * Compares all tables of the point, or one, in one snapshot.
 *
 * err   DAMAGED, NOT_FOUND, CONFLICT, IO, DATABASE, LIMIT
 */
BS_MUST_CHECK enum bs_done
bs_diff_run(struct bs_restore *r, const char *table, struct bs_diff *out, struct bs_err *err);

/* The same of some objects, inside the caller's transaction. */
BS_MUST_CHECK enum bs_done bs_diff_tables(struct bs_restore *r,
                                          const struct bs_point_object *const *picked,
                                          size_t n,
                                          struct bs_diff *out,
                                          struct bs_err *err);

/* For copyback: the steps of a comparison inside the caller's transaction. */

/* True where there is nothing to compare: a table without columns that had no rows. Pure. */
bool bs_diff_empty(const struct bs_point_object *o);
/*
 * Loads the saved rows of table number `at` into the saved rows' table. Where they are not unique
 * by the key of the live table, `live` loses it.
 */
BS_MUST_CHECK enum bs_done
bs_diff_load(struct bs_restore *r, struct bs_live *live, size_t at, struct bs_err *err);
/* The same of a comparison's table, and chooses the rows that the request's condition is true of. */
BS_MUST_CHECK enum bs_done
bs_diff_take(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err);
/* Compares with the live table, replacing an earlier result, and counts. */
enum bs_diff_depth {
    BS_DIFF_COUNTS = 0,
    BS_DIFF_SAVED, /* counts; of a point of rows without those that the transaction has made */
    BS_DIFF_WITH_EXAMPLES,
};
BS_MUST_CHECK enum bs_done bs_diff_compare(struct bs_restore *r,
                                           size_t at,
                                           enum bs_diff_depth depth,
                                           struct bs_diff_table *t,
                                           struct bs_err *err);
/* True where nothing differs: rows, columns, existence. */
bool bs_diff_same(const struct bs_diff_table *t);

#endif
