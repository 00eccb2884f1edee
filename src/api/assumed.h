/*
 * assumed.h - a statement judged as if its rows had been counted, or as if there were a catalog.
 *
 * Layer  api. Pure.
 * Owns   what is added lives in the caller's arena.
 */
#ifndef BS_API_ASSUMED_H
#define BS_API_ASSUMED_H

#include "catalog/judge.h"
#include "policy/rules.h"
#include "sql/classify.h"

/*
 * Without a catalog: the relations that a unit names are plain tables whose key is `id`, and what
 * has no schema is in `public`. A catalog may say worse.
 */
BS_MUST_CHECK enum bs_done bs_assume_tables(struct bs_unit *unit,
                                            struct bs_arena *arena,
                                            struct bs_facts *out,
                                            struct bs_err *err);

/* As if that had been counted in each table that loses rows; share < 0: next to nothing of it. */
BS_MUST_CHECK enum bs_done bs_assume_rows(const struct bs_policy *policy,
                                          int64_t rows,
                                          double share,
                                          struct bs_unit *unit,
                                          struct bs_facts *facts,
                                          struct bs_arena *arena,
                                          struct bs_err *err);

#endif
