/*
 * restore_view.h - what `backstop restore` prints, as text and as the JSON of api/restored.h.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_RESTORE_VIEW_H
#define BS_CLI_RESTORE_VIEW_H

#include <stdio.h>

#include "restore/copyback.h"
#include "restore/diff.h"
#include "restore/globals.h"
#include "restore/group.h"
#include "restore/preview.h"
#include "restore/rebuild.h"

/* Each prints one result to standard output, in the process's mode (text or JSON). */

/* unreached: why the live side was not looked at; NULL: it was */
void bs_view_preview(const struct bs_restore *r, const struct bs_preview *p, const char *unreached);
void bs_view_rebuild(const struct bs_restore *r, const struct bs_rebuild *b);
void bs_view_diff(const struct bs_restore *r, const struct bs_diff *d);
void bs_view_discard(const struct bs_restore *r, const struct bs_discard *d);
/* What a copy-back will do, for the question whether it may; text only, to standard error. */
void bs_view_plan(const struct bs_restore *r, const struct bs_copyback *c);
void bs_view_copyback(const struct bs_restore *r, const struct bs_copyback *c);
void bs_view_group(const struct bs_group *g);
void bs_view_group_plan(const struct bs_group *g); /* to standard error */

/* Pieces that several of these have. */

/* Keys of up to ten rows of each kind; nothing where there are none. */
void bs_view_differences(const struct bs_diff_table *t);
void bs_view_parts(const struct bs_diff_table *const *tables, size_t n); /* as a table */

/* One line each, behind `before`. */
void bs_view_put_foreseen(FILE *to, const char *before, const struct bs_foreseen *list, size_t n);

/* Definitions; `diffs`: with the lines that differ. */
enum bs_view_depth {
    BS_VIEW_LIST = 0,
    BS_VIEW_DIFFS,
};
void bs_view_changes(const struct bs_changes *c, enum bs_view_depth depth);
/* What a copy-back has done, or will do, about each. */
void bs_view_given(FILE *to, const struct bs_changes *c);

/* The watcher of a restore: a line on a terminal for steps that take longer than a second. */
void bs_view_progress(void *ctx, const struct bs_restore_progress *progress);
/* Takes that line away again. */
void bs_view_progress_end(void);

/* What of the cluster is not as it was, a line each. */
void bs_view_globals(FILE *to, const struct bs_global_change *list, size_t n);

/* Columns that come back, or would. */
void bs_view_columns(FILE *to, const struct bs_columns *c);

#endif
