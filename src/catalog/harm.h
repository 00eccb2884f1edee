/*
 * harm.h - a judged unit as a list of harms (sql/harm.h).
 *
 * Layer  catalog. Pure.
 * Owns   nothing; everything handed out lives in the caller's arena.
 */
#ifndef BS_CATALOG_HARM_H
#define BS_CATALOG_HARM_H

#include "catalog/judge.h"
#include "sql/harm.h"

/*
 * The harms of a judged unit.
 *
 * params  values of $1 and so on as text, guesses with a '?' before them, NULL in it: not known; may be NULL where n_params is 0
 * out     n 0: it harms nothing
 * err     LIMIT
 */
BS_MUST_CHECK enum bs_done bs_harms_of(const struct bs_unit *unit,
                                       const struct bs_facts *facts,
                                       const char *const *params,
                                       size_t n_params,
                                       struct bs_arena *arena,
                                       struct bs_harms *out,
                                       struct bs_err *err);

/* Adds those of another text of the same unit; what is too much is marked as `more`. LIMIT. */
BS_MUST_CHECK enum bs_done bs_harms_add(struct bs_harms *to,
                                        const struct bs_harms *more,
                                        struct bs_arena *arena,
                                        struct bs_err *err);

#endif
