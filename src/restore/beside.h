/*
 * beside.h - rows of a table that a run has made beside the live ones, a page at a time.
 *
 * Values are as the server prints them. No cast and no function of anybody is called: types and casts
 * may be an agent's. Nobody writes into such a table, so a row's place is where a page goes on.
 *
 * Layer  restore. Blocks on the database.
 * Spec   ddl-system-columns.html (ctid).
 * Owns   a page's JSON belongs to the caller.
 */
#ifndef BS_RESTORE_BESIDE_H
#define BS_RESTORE_BESIDE_H

#include <jansson.h>

#include "restore/restore.h"

#define BS_BESIDE_VALUE 8192              /* stored bytes of a value that is shown */
#define BS_BESIDE_PAGE  ((size_t)4 << 20) /* bytes of values that end a page early */

struct bs_beside {
    const char *table; /* "schema.name" of the made one; NULL: the only one */
    const char *after; /* place of the last row of the page before; NULL: the first page */
    size_t limit;      /* rows, at least 1 */
};

struct bs_beside_page {
    json_t *
        rows; /* {"table", "columns", "rows"}; a value is a text, null, or {"bytes"} of a long one */
    char next[32]; /* place of the last row where there are more; "" */
};

/*
 * Recorded as step "rows".
 *
 * err   NOT_FOUND: run has made no such table of this point; CONFLICT: several, and none was named;
 *       USAGE: `after` is no place; errors of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_beside_rows(struct bs_restore *r,
                                          const struct bs_beside *ask,
                                          struct bs_beside_page *out,
                                          struct bs_err *err);

#endif
