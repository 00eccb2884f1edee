/*
 * told.h - what the server says of a session's temporary objects: their names, and what reading
 * each of them runs.
 *
 * No snapshot shows them, and a text that made one does not say what became of it since. So the
 * session itself is asked, and what its catalog stores of them is judged by OID like any view.
 *
 * Layer  catalog. Pure: somebody else asks.
 * Spec   catalogs.html (pg_rewrite, pg_policy, pg_constraint, pg_index, pg_partitioned_table,
 *        pg_statistic_ext, pg_attrdef), rules-views.html.
 * Owns   what is told lives in the caller's arena.
 */
#ifndef BS_CATALOG_TOLD_H
#define BS_CATALOG_TOLD_H

#include "base/arena.h"
#include "catalog/own.h"

#define BS_TOLD_COLUMNS 6

/* One query without parameters, by which a session is asked; its rows are for bs_told_row. */
extern const char bs_told_sql[];

/* The server is about to answer: temporary objects that were noted or told of count no more. */
void bs_told_begin(struct bs_own *own);

/*
 * One row of the answer.
 *
 * values  as text, BS_TOLD_COLUMNS of them; p NULL: NULL
 * arena   lives as long as what is told; where it is full, all names are in doubt
 */
void bs_told_row(struct bs_own *own, const struct bs_bytes *values, struct bs_arena *arena);

#endif
