/*
 * lost.h - the part of a copy-back that makes again what is gone: definitions, rows, what belongs
 * after rows, sequences, materialized views.
 *
 * Layer  restore. Blocks.
 * Spec   RECOVERY.md section 4.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_LOST_H
#define BS_RESTORE_LOST_H

#include "restore/work.h"

/* True for a table that this copy-back makes again. */
bool bs_lost_is(const struct bs_copyback_table *t);

/*
 * The saved rows into a new table that has their columns, none of them generated, within the
 * transaction that made it.
 *
 * object   as saved, with the schema and name where they go
 * sql      empty, and empty again where it is done
 * err      those of bs_rdb_load
 */
BS_MUST_CHECK enum bs_done bs_lost_copy_in(struct bs_restore *r,
                                           const struct bs_point_object *object,
                                           struct bs_buf *sql,
                                           struct bs_err *err);

/*
 * Before rows of living tables are written: lost objects and their rows.
 *
 * sql   empty, and empty again where it is done; any bytes
 * err   DAMAGED, CONFLICT, IO, LIMIT, DATABASE
 */
BS_MUST_CHECK enum bs_done bs_lost_begin(struct bs_work *w, struct bs_buf *sql, struct bs_err *err);
/* After: indexes, constraints and triggers of them; sequences; materialized views. The same. */
BS_MUST_CHECK enum bs_done bs_lost_end(struct bs_work *w, struct bs_buf *sql, struct bs_err *err);

#endif
