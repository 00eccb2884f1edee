/*
 * work.h - what a copy-back has to do, found out before anything is locked: which tables are gone
 * and which are there, in which order rows can go in, and what of the definition is missing.
 *
 * Layer  restore. Blocks.
 * Owns   the definition's files; the rest lives in the restore's arena.
 */
#ifndef BS_RESTORE_WORK_H
#define BS_RESTORE_WORK_H

#include "restore/copyback.h"
#include "restore/definition.h"
#include "restore/merge.h"

struct bs_staging;

struct bs_work {
    struct bs_restore *r;
    const struct bs_copyback_options *options;
    struct bs_definition definition;    /* zeroed where nothing is lost */
    struct bs_copyback *out;            /* its tables: parents before children */
    const struct bs_point_object *only; /* whose sequences are set; NULL: all */
    const char *defaults;               /* SQL of bs_defaults_plain; NULL: did not run */
    bool parts;                         /* some tables were saved in part */
    bool defined;                       /* the definition was opened */
    struct bs_staging *staging;         /* tables loaded beside (staging.h); NULL: none */
};

/*
 * Looks at everything; fills out->tables (live side and order) and out->objects.
 *
 * err   CONFLICT: a live table no longer has the saved columns; UNSUPPORTED: a table is gone and
 *       the point has no definition; and those of bs_definition_open, bs_rdb_do, bs_restore_pick
 */
BS_MUST_CHECK enum bs_done bs_work_open(struct bs_restore *r,
                                        const struct bs_copyback_options *options,
                                        struct bs_copyback *out,
                                        struct bs_work *work,
                                        struct bs_err *err);
void bs_work_close(struct bs_work *work); /* accepts a zeroed one */

/* How columns come back, by the options. */
struct bs_columns_how bs_work_columns(const struct bs_work *work);

/* Which changed rows the options say to overwrite. */
enum bs_merge_changed bs_work_changed(const struct bs_work *work);

/* CONFLICT where the live table does not fit the saved rows, with what has moved, or where they
 * cannot be loaded beside it. */
BS_MUST_CHECK enum bs_done
bs_work_fits(const struct bs_live *live, struct bs_arena *arena, struct bs_err *err);

#endif
