/*
 * diff.h - saved rows against live ones: missing, changed, extra.
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

#include "restore/live.h"
#include "restore/restore.h"
#include "restore/text.h"

#define BS_DIFF_EXAMPLES 10

struct bs_diff_examples {
    const char *keys[BS_DIFF_EXAMPLES]; /* JSON objects, {"id": 7} */
    size_t n;
};

struct bs_diff_column {
    const char *name;
    int64_t rows; /* in which it differs */
};

struct bs_diff_table {
    struct bs_live live;
    int64_t saved_rows;
    int64_t live_rows;
    int64_t missing;                                                /* saved, not live */
    int64_t changed;                                                /* both, with other values */
    int64_t extra;                                                  /* live, not saved */
    struct bs_diff_examples missing_keys, changed_keys, extra_keys; /* none without a key */
    struct bs_diff_column *columns; /* that differ in changed rows */
    size_t n_columns;
};

struct bs_diff {
    struct bs_diff_table *tables;
    size_t n_tables;
    bool same; /* no difference anywhere: rows, columns, existence */
};

/*
 * Compares all tables of the point, or one, in one snapshot.
 *
 * err   DAMAGED, NOT_FOUND, CONFLICT, IO, DATABASE, LIMIT
 */
BS_MUST_CHECK enum bs_done
bs_diff_run(struct bs_restore *r, const char *table, struct bs_diff *out, struct bs_err *err);

/* For copyback: the steps of a comparison inside the caller's transaction. */

/*
 * Loads the saved rows of table number `at` into pg_temp."backstop saved <at>", with a row number
 * in column BS_DIFF_ROW.
 */
#define BS_DIFF_ROW "backstop:row"
BS_MUST_CHECK enum bs_done
bs_diff_load(struct bs_restore *r, const struct bs_live *live, size_t at, struct bs_err *err);
/*
 * Compares with the live table into pg_temp."backstop diff <at>" (what "char": m, c, e; saved
 * bigint: row number; live tid), replacing an earlier one, and counts. Examples only where asked.
 */
enum bs_diff_depth {
    BS_DIFF_COUNTS = 0,
    BS_DIFF_WITH_EXAMPLES,
};
BS_MUST_CHECK enum bs_done bs_diff_compare(struct bs_restore *r,
                                           size_t at,
                                           enum bs_diff_depth depth,
                                           struct bs_diff_table *t,
                                           struct bs_err *err);
/* The SQL of these steps. */
void bs_diff_put_load(struct bs_buf *b, const struct bs_shape *shape, size_t at);
void bs_diff_put_copy(struct bs_buf *b, const struct bs_point_object *object, size_t at);
void bs_diff_put_compare(struct bs_buf *b, const struct bs_live *live, size_t at);
/* Names of the saved and the diff table. */
void bs_diff_put_saved(struct bs_buf *b, size_t at);
void bs_diff_put_result(struct bs_buf *b, size_t at);
/* Conditions between a saved row "s" and a live row "l": same key; other values. */
void bs_diff_put_keys_equal(struct bs_buf *b, const struct bs_live *live);
void bs_diff_put_changed(struct bs_buf *b, const struct bs_live *live);
/* True where nothing differs: rows, columns, existence. */
bool bs_diff_same(const struct bs_diff_table *t);

#endif
