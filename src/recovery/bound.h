/*
 * bound.h - a parameter of a statement as a client gave it.
 *
 * Layer  recovery. Pure.
 * Owns   nothing; the value is borrowed.
 */
#ifndef BS_RECOVERY_BOUND_H
#define BS_RECOVERY_BOUND_H

#include "base/bytes.h"

struct bs_bound {
    uint32_t type;         /* OID; 0: not said */
    bool binary;           /* its format */
    struct bs_bytes value; /* p NULL: null */
};

/* Those of one statement: $1 is list[0]. */
struct bs_bounds {
    const struct bs_bound *list;
    size_t n;
};

#endif
