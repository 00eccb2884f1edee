/*
 * where.h - a condition on saved rows: of a table only those come back, or are looked at, that it
 * is true of.
 *
 * It is the words of whoever restores, and runs with their role; so it sees the temporary table of
 * saved rows and nothing else, in a part of the transaction that is read only. Names that it does
 * not qualify are pg_catalog's: the search path is empty.
 *
 * Layer  restore. Blocks on the database.
 * Spec   sql-expressions.html; RECOVERY.md section 9.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_WHERE_H
#define BS_RESTORE_WHERE_H

#include "restore/restore.h"

/*
 * Before anything is done: it is one expression, and it is about one table or tree of partitions.
 * Nothing where the request has none.
 *
 * table  as it was asked for, NULL: all
 * n      objects that are meant
 * err    USAGE, LIMIT
 */
BS_MUST_CHECK enum bs_done
bs_where_check(const struct bs_restore *r, const char *table, size_t n, struct bs_err *err);

/*
 * Notes which rows of the saved rows' table number `at` the condition is true of, in a temporary
 * table of their numbers. Inside a transaction.
 *
 * name  of the relation, by which the condition may qualify columns
 * rows  out: how many
 * err   USAGE where the server refuses the condition, and those of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_where_choose(
    struct bs_restore *r, const char *name, size_t at, int64_t *rows, struct bs_err *err);

/* For a plan: what choose does. */
void bs_where_put_table(struct bs_buf *b, size_t at);
void bs_where_put_choice(struct bs_buf *b, const struct bs_restore *r, const char *name, size_t at);
/* Puts the name of that temporary table, whose one column is "row". */
void bs_where_put_chosen(struct bs_buf *b, size_t at);
/* Puts DELETE of those results of a comparison that are not about chosen rows. */
void bs_where_put_trim(struct bs_buf *b, size_t at);

#endif
