/*
 * rows.h - bytes as a test writes them, and a copy of them with nothing behind, so that reading
 * past the end is seen by the sanitizer.
 */
#ifndef BS_TEST_WIRE_ROWS_H
#define BS_TEST_WIRE_ROWS_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A literal without its final NUL, as an initialiser; NULs inside count. */
#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

/* A heap copy of exactly n bytes; free its p. */
static inline struct bs_bytes
exact(struct bs_bytes in)
{
    uint8_t *p = malloc(in.n == 0 ? 1 : in.n);

    if (in.n != 0)
        memcpy(p, in.p, in.n);
    return (struct bs_bytes){p, in.n};
}

static inline void
drop(struct bs_bytes copy)
{
    union {
        const uint8_t *in;
        void *out;
    } p = {.in = copy.p};

    free(p.out);
}

static inline bool
same(struct bs_bytes got, const char *want)
{
    return bs_bytes_equal(got, bs_bytes_of(want));
}

#endif
