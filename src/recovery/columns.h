/*
 * columns.h - of a table that loses or changes columns, these and a key are enough: which key, and
 * what must be known of the columns so that they can come back as they were.
 *
 * Layer  recovery. Blocks.
 * Spec   RECOVERY.md section 7 (DROP COLUMN, ALTER COLUMN TYPE); catalog-pg-attribute.html.
 * Owns   what is found lives in the arena and in the manifest.
 */
#ifndef BS_RECOVERY_COLUMNS_H
#define BS_RECOVERY_COLUMNS_H

#include "recovery/helper.h"
#include "recovery/manifest.h"
#include "recovery/plan.h"

/*
 * For each table that the plan names columns of: leaves its object those and the columns of the
 * primary key, or else of the smallest unique key of NOT NULL columns - one that none of them is
 * in. Where there is no such key all columns stay, and the named ones are marked. A table that has
 * none of the named columns is left without rows. To be asked once m->objects have their columns.
 *
 * bytes  in and out: the size of what will be copied, added to
 * err    NO_POINT, CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_columns_choose(struct bs_helper *h,
                                             const struct bs_plan *plan,
                                             struct bs_arena *arena,
                                             struct bs_manifest *m,
                                             int64_t *bytes,
                                             struct bs_err *err);

/*
 * Once m->closure is known: no column of another table may go with those of the plan, unseen by
 * whoever planned (a view with them, and a table with a column of its row type). NO_POINT.
 */
BS_MUST_CHECK enum bs_done
bs_columns_closed(const struct bs_plan *plan, const struct bs_manifest *m, struct bs_err *err);

#endif
