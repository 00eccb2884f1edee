/*
 * fuzz.h - what the libFuzzer targets share: a check that stays on, and input taken in pieces.
 */
#ifndef BS_TEST_FUZZ_H
#define BS_TEST_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A property that must hold for every input. */
#define HOLD(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message from the front of the input: a length of two bytes, then as many (or what is left). */
static inline struct bs_bytes
fuzz_piece(struct bs_bytes *in)
{
    struct bs_bytes piece = {0};
    uint16_t n;

    if (!bs_take_u16(in, &n))
        return piece;
    if (!bs_take_bytes(in, n > in->n ? in->n : n, &piece))
        return piece;
    return piece;
}

/* Touches every byte of a view, so that a sanitizer sees one that is out of bounds. */
static inline void
fuzz_touch(struct bs_bytes b)
{
    static volatile uint8_t sink;

    for (size_t i = 0; i < b.n; i++)
        sink = (uint8_t)(sink ^ b.p[i]);
}

#endif
