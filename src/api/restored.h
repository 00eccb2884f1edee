/*
 * restored.h - what a restore has found out and done as JSON, for `backstop restore --json` and for
 * the API.
 *
 * Layer  api. Pure.
 * Owns   JSON values belong to the caller.
 */
#ifndef BS_API_RESTORED_H
#define BS_API_RESTORED_H

#include <jansson.h>

#include "restore/diff.h"
#include "restore/globals.h"
#include "restore/group.h"
#include "restore/preview.h"
#include "restore/rebuild.h"

/* unreached: why the live side was not looked at; NULL: it was */
json_t *
bs_restored_preview(const struct bs_restore *r, const struct bs_preview *p, const char *unreached);
json_t *bs_restored_rebuild(const struct bs_restore *r, const struct bs_rebuild *b);
json_t *bs_restored_diff(const struct bs_restore *r, const struct bs_diff *d);
json_t *bs_restored_discard(const struct bs_restore *r, const struct bs_discard *d);
json_t *bs_restored_copyback(const struct bs_restore *r, const struct bs_copyback *c);
json_t *bs_restored_group(const struct bs_group *g);

/* Pieces that several of these have. */

json_t *bs_restored_texts(const char *const *list, size_t n);
json_t *bs_restored_moved(const struct bs_live *live); /* columns that are not as they were saved */
json_t *bs_restored_part(const struct bs_diff_table *t);
json_t *
bs_restored_examples(const struct bs_diff_table *t); /* keys of up to ten rows of each kind */
json_t *bs_restored_foreseen(const struct bs_foreseen *list, size_t n);
json_t *bs_restored_changes(const struct bs_changes *c);
json_t *bs_restored_columns(const struct bs_columns *c); /* that come back, or would */
json_t *bs_restored_globals(const struct bs_global_change *list, size_t n);

/* Does it go by the cascade, and is no part of what was dropped? */
bool bs_restored_by_cascade(const struct bs_point_dependent *d);
/* Rows of a dropped database. */
int64_t bs_restored_dump_rows(const struct bs_point_database *db);
/* Nothing can write rows into a materialized view; of one that was refreshed the point has the old. */
bool bs_restored_beside(const struct bs_point_object *o);

#endif
