/*
 * scratch_types.h - types that only the protected database has, made again for a scratch session:
 * enums, domains and ranges as temporary types. Types of extensions must be there.
 *
 * Layer  recovery. Blocks.
 * Owns   what is found lives in the caller's arena.
 */
#ifndef BS_RECOVERY_SCRATCH_TYPES_H
#define BS_RECOVERY_SCRATCH_TYPES_H

#include "recovery/steps.h"

/* One type as the scratch session knows it. */
struct bs_scratch_type {
    uint32_t oid;     /* in the protected database */
    const char *name; /* SQL, in the scratch session */
    struct bs_scratch_type *next;
};

struct bs_scratch_types {
    struct bs_capture *c;         /* its helper is asked what a type is */
    struct bs_helper *scratch;    /* in its transaction */
    struct bs_scratch_type *made; /* so far */
};

/*
 * The type of a column, as SQL for the scratch session.
 *
 * binary   the values will be in COPY's binary form, which carries the numbers of types in some
 * err      NO_POINT: it cannot be had there; the hint says what would help. CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_scratch_type_find(struct bs_scratch_types *types,
                                                const struct bs_point_column *column,
                                                bool binary,
                                                const char **out,
                                                struct bs_err *err);

#endif
