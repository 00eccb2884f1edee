/*
 * unchanged.h - whether a table is, row for row, what it was when an earlier snapshot was taken.
 * The rules, and why they cannot miss a change: snapshot.h.
 *
 * Layer  recovery. Blocks on the database.
 * Spec   ddl-system-columns.html, routine-vacuuming.html#VACUUM-FOR-WRAPAROUND.
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_UNCHANGED_H
#define BS_RECOVERY_UNCHANGED_H

#include "recovery/helper.h"
#include "recovery/manifest.h"

/* The same table under the same name, with the same columns in the same format. Pure. */
bool bs_unchanged_shape(const struct bs_point_object *was, const struct bs_point_object *is);

/*
 * Asks about the rows, inside the snapshot that the helper has open.
 *
 * source   of the snapshot that is being taken
 * earlier  the manifest of the earlier snapshot, and `was` the table in it
 * same     out: it is as it was; false also where numbers of transactions do not tell
 * err      what the helper says
 */
BS_MUST_CHECK enum bs_done bs_unchanged_rows(struct bs_helper *h,
                                             const struct bs_point_source *source,
                                             const struct bs_manifest *earlier,
                                             const struct bs_point_object *was,
                                             bool *same,
                                             struct bs_err *err);

#endif
