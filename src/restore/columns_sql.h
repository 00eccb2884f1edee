/*
 * columns_sql.h - the statements that match rows with saved values of columns, and give them back.
 *
 * Layer  restore. Pure.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_COLUMNS_SQL_H
#define BS_RESTORE_COLUMNS_SQL_H

#include "restore/columns.h"

/*
 * Puts a query of one row: saved, live, gone and made rows of a leaf, rows that the statement itself
 * has written; then of each column that is there equal, restored and conflicting ones.
 */
void bs_columns_put_count(struct bs_buf *b,
                          const struct bs_columns_table *t,
                          const struct bs_columns_leaf *leaf);
/*
 * Puts a query of the saved rows of a leaf without a key that are alike but for the columns, and
 * whose order says nothing any more.
 *
 * origin  of the point: rows that are neither older than its transaction nor written by it have
 *         moved, perhaps
 */
void bs_columns_put_unsure(struct bs_buf *b,
                           const struct bs_columns_table *t,
                           const struct bs_columns_leaf *leaf,
                           const struct bs_origin *origin);
/* Puts a query that fails where a saved value cannot become one of the column's live type. */
void bs_columns_put_forth(struct bs_buf *b,
                          const struct bs_columns_column *c,
                          const struct bs_columns_leaf *leaf);
/* Puts CREATE of the temporary table of values by place, of columns that are added or retyped. */
void bs_columns_put_values(struct bs_buf *b, const struct bs_columns_table *t);
/* Puts the INSERT of a leaf's rows into it. `before`: rows of other leaves without a saved one. */
void bs_columns_put_fill(struct bs_buf *b,
                         const struct bs_columns_table *t,
                         const struct bs_columns_leaf *leaf,
                         enum bs_columns_conflict conflict,
                         int64_t before);
/* Puts the functions over it, the one ALTER TABLE that calls them, and DROP of the functions. */
void bs_columns_put_functions(struct bs_buf *b, const struct bs_columns_table *t);
void bs_columns_put_alter(struct bs_buf *b, const struct bs_columns_table *t);
void bs_columns_put_functions_off(struct bs_buf *b, const struct bs_columns_table *t);
/* Puts what has to go before: defaults and checks that would stand in the way. */
void bs_columns_put_clear(struct bs_buf *b, const struct bs_columns_table *t);
/* Puts ADD COLUMN for those that are gone. */
void bs_columns_put_add(struct bs_buf *b, const struct bs_columns_table *t);
/* Puts what makes generated columns again. */
void bs_columns_put_generated(struct bs_buf *b, const struct bs_columns_table *t);
/* Puts default, NOT NULL, storage and the like, then checks, of one table of the tree. */
void bs_columns_put_settings(struct bs_buf *b,
                             const struct bs_columns_table *t,
                             const struct bs_point_object *member);
/* Puts DROP COLUMN of those that the transaction had added. */
void bs_columns_put_remove(struct bs_buf *b, const struct bs_columns_table *t);
/* A value of it is written: it is added or retyped, not computed. */
bool bs_columns_writes(const struct bs_columns_column *c);

#endif
