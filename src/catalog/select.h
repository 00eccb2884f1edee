/*
 * select.h - the rows that a statement will change, as a SELECT that the helper may run: the
 * catalog's part of sql/rewrite.h.
 *
 * Layer  catalog. Pure: reads a snapshot, no I/O.
 * Owns   what is made lives in the caller's arena.
 */
#ifndef BS_CATALOG_SELECT_H
#define BS_CATALOG_SELECT_H

#include "catalog/snapshot.h"
#include "sql/classify.h"
#include "sql/rewrite.h"

struct bs_selected {
    const char *sql; /* NULL: none can be told; then nothing else is set */
    uint32_t oid;    /* of the table that the statement names */
    const char *schema;
    const char *name;
    enum bs_kind kind;   /* DELETE or UPDATE */
    int n_params;        /* the highest $n in it; 0: none */
    const char *set_sql; /* as in struct bs_rewrite */
    const char **set;
    size_t n_set;
    int n_set_params;
};

/*
 * use   to count, a table may have triggers and policies: then it has at least as many rows as the
 *       actor sees, and what else its triggers change is not told
 * text  of one statement, as it is classified; its session must not have done anything to names
 * err   LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done bs_catalog_select(const struct bs_snapshot *s,
                                             enum bs_rewrite_for use,
                                             struct bs_bytes text,
                                             struct bs_arena *arena,
                                             struct bs_selected *out,
                                             struct bs_err *err);

#endif
