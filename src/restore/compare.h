/*
 * compare.h - the SQL that holds saved rows against live ones, in temporary tables.
 *
 * Layer  restore. Pure.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_COMPARE_H
#define BS_RESTORE_COMPARE_H

#include "restore/live.h"
#include "restore/origin.h"
#include "restore/text.h"

/* Columns of the saved rows' table beside their own: a number, and the partition they were in. */
#define BS_COMPARE_ROW  "backstop:row"
#define BS_COMPARE_LEAF "backstop:leaf"

/*
 * Why saved rows of it cannot be loaded beside the live ones: it has as many columns as a table can
 * have, or one that is called like these two. NULL: they can. Pure; in the arena.
 */
const char *bs_compare_cannot(const struct bs_point_object *o, struct bs_arena *arena);
/* True where its rows go by way of such a table also when it is made again: they hold generated
 * columns, which COPY does not take. Pure. */
bool bs_compare_of_lost(const struct bs_point_object *o);

/* Names of table number `at`: pg_temp."backstop saved <at>" and pg_temp."backstop diff <at>". */
void bs_compare_put_saved(struct bs_buf *b, size_t at);
void bs_compare_put_result(struct bs_buf *b, size_t at);

/* Puts CREATE TABLE of the saved rows' table, then the COPY into it of one of live's parts. */
void bs_compare_put_table(struct bs_buf *b, const struct bs_shape *shape, size_t at);
void bs_compare_put_copy(struct bs_buf *b, const struct bs_point_object *part, size_t at);
/* Of a table without columns: what its rows are copied into first, and what takes them from there. */
void bs_compare_put_bare(struct bs_buf *b, size_t at);
void bs_compare_put_unbare(struct bs_buf *b, size_t at);
/* Puts what says that the rows of the next COPY are of this partition. */
void bs_compare_put_leaf(struct bs_buf *b, uint32_t leaf, size_t at);
/* Puts a query of one boolean: several saved rows have the same key. */
void bs_compare_put_ambiguous(struct bs_buf *b, const struct bs_live *live, size_t at);

/*
 * Puts CREATE TABLE ... AS of the comparison: what "char", saved bigint (row number), live tid and
 * leaf oid (where the live row is), near boolean.
 *
 * origin   zeroed: whatever differs was changed by somebody else
 *
 * what is m missing; u changed by the transaction itself; c changed by somebody else, or - near - by
 * a savepoint of it; i a row of the transaction that no saved row was matched with; and of a table
 * saved whole e such a row of somebody else, of one saved in part = equal.
 */
void bs_compare_put(struct bs_buf *b,
                    const struct bs_live *live,
                    const struct bs_origin *origin,
                    size_t at);

/* Condition: a saved row "s" and a live row "l" have the same key. */
void bs_compare_put_keys_equal(struct bs_buf *b, const struct bs_live *live);
/* Only what both sides have, and what is written rather than computed. */
bool bs_compare_has(const struct bs_live_column *c);

#endif
