/*
 * preview.h - what a restore would give back, before anything is touched.
 *
 * Layer  restore. Reads the store and, where it can be reached, the database.
 * Owns   everything lives in the restore's arena.
 */
#ifndef BS_RESTORE_PREVIEW_H
#define BS_RESTORE_PREVIEW_H

#include "recovery/verify.h"
#include "restore/changed.h"
#include "restore/counters.h"
#include "restore/diff.h"
#include "restore/foresee.h"
#include "restore/restore.h"
#include "restore/siblings.h"

#define BS_PREVIEW_COMPARES (INT64_C(16) << 20) /* bytes of saved rows, as COPY writes them */

/* What is read again in half a second, without being asked for: each row is hashed for itself. */
#define BS_PREVIEW_READS_BYTES (INT64_C(256) << 20) /* of rows, as COPY writes them */
#define BS_PREVIEW_READS_ROWS  INT64_C(4000000)

struct bs_preview_table {
    const struct bs_point_object *object; /* of a tree of partitions saved in part: made up */
    struct bs_live live;
    int64_t live_rows;            /* counted; -1: not (gone, no access, or it took too long) */
    bool compared;                /* or it was tried */
    struct bs_foreseen *foreseen; /* where it was: what stands against a copy-back */
    size_t n_foreseen;
    const struct bs_diff_table *diff; /* where they were compared: what the rows look like now */
};

struct bs_preview {
    struct bs_preview_table *tables;
    size_t n_tables;
    struct bs_columns columns; /* of tables that are there */
    bool columns_compared;
    struct bs_verify_report proof;
    bool read_again; /* all of it was; else its objects are there, in their sizes */
    bool database;   /* the live side was looked at */
    struct bs_counter_pair *sequences; /* of a point of rows; looked at where `database` */
    size_t n_sequences;
    struct bs_global_change *globals; /* of the cluster; looked at where `database` */
    size_t n_globals;
    struct bs_sibling *siblings; /* other points of the same transaction */
    size_t n_siblings;
    struct bs_changes changes; /* of definitions; none where there is no database */
    const char **conflicts;    /* sentences */
    size_t n_conflicts;
    const char **cannot; /* what restore cannot give back; sentences */
    size_t n_cannot;
};

/* True for a point that a preview reads again whole; of a larger one it looks at the objects' sizes. */
bool bs_preview_reads(const struct bs_manifest *m);

/*
 * Reads every object of the point again, or where that would take long and was not asked for, looks
 * whether each is there in its size; and looks at the live tables. Where the restore is not
 * connected, only the saved side is told. Rows that were saved in part, those that a condition
 * is about, and tables of up to BS_PREVIEW_COMPARES bytes are compared with live ones in temporary
 * tables, which are rolled back.
 *
 * table   NULL: all
 * err     DAMAGED: an object is not what the manifest says; NOT_FOUND, CONFLICT; IO, DATABASE
 */
BS_MUST_CHECK enum bs_done bs_preview_make(struct bs_restore *r,
                                           const char *table,
                                           struct bs_preview *out,
                                           struct bs_err *err);

#endif
