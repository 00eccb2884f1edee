/*
 * filter.h - what the WHERE of an UPDATE or DELETE says about how many rows it takes.
 *
 * Tautologies cannot be listed by pattern (THREATS E), so nothing here lowers a risk but one thing:
 * columns of the target compared for equality with constants or parameters. Whether they are a
 * key, the catalog says.
 *
 * Layer  sql. Pure.
 * Owns   nothing.
 */
#ifndef BS_SQL_FILTER_H
#define BS_SQL_FILTER_H

#include "sql/reading.h"

/*
 * Fills `filtered` and `keys` of an effect.
 *
 * where  NULL: none
 * joined another relation is in scope: then only qualified columns count as the target's
 */
void bs_filter_read(struct bs_reading *r,
                    const RangeVar *target,
                    const Node *where,
                    bool joined,
                    struct bs_effect *effect);

/* Whether a column or a cursor occurs in it; a large expression counts as yes. `*` does not. */
bool bs_filter_names_row(const Node *node);

#endif
