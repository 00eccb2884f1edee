/*
 * siphash.h - SipHash-2-4 with 128 bits: a hash that whoever does not know the key can neither
 * foresee nor make collide, for tables whose keys strangers choose.
 *
 * Layer  base. Pure.
 * Spec   Aumasson, Bernstein: "SipHash: a fast short-input PRF"; vectors of their reference code.
 */
#ifndef BS_BASE_SIPHASH_H
#define BS_BASE_SIPHASH_H

#include "base/bytes.h"

struct bs_hash128 {
    uint64_t lo, hi;
};

struct bs_hash128 bs_siphash(const uint8_t key[16], struct bs_bytes in);

#endif
