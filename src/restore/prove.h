/*
 * prove.h - rows that were just loaded are the saved ones.
 *
 * Layer  restore. Blocks on the database.
 * Spec   RECOVERY.md section 5.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_PROVE_H
#define BS_RESTORE_PROVE_H

#include "restore/restore.h"

/*
 * Copies a table out again and compares number and hash of its rows with the object's. Inside the
 * transaction that loaded it.
 *
 * Where a type of the table has been made again since, the bytes cannot be the same: arrays and
 * composites carry the OIDs of their types. Then the object is read once more beside it, and the
 * rows of both are compared.
 *
 * object   as saved, with the schema and name where the rows are now
 * at       number for the temporary tables; "saved" may be there already
 * err      DAMAGED where rows differ; those of bs_rdb_do and bs_rdb_load
 */
BS_MUST_CHECK enum bs_done bs_prove_rows(struct bs_restore *r,
                                         const struct bs_point_object *object,
                                         size_t at,
                                         struct bs_err *err);

#endif
