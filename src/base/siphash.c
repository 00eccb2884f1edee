/*
 * siphash.c - OpenSSL has it, too, but behind an allocation and a look-up that cost ten times as
 * much as the hash of a statement.
 */
#include "base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t
rotl(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

/* Little-endian whatever the machine; compilers make one load of it. */
static uint64_t
word(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

/* The last bytes, fewer than eight, and the length. */
static uint64_t
last_word(struct bs_bytes in, size_t from)
{
    uint64_t w = (uint64_t)in.n << 56;

    for (size_t i = from; i < in.n; i++)
        w |= (uint64_t)in.p[i] << (8 * (i - from));
    return w;
}

static inline void
mix(struct state *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

static inline void
take(struct state *s, uint64_t w)
{
    s->v3 ^= w;
    mix(s, 2);
    s->v0 ^= w;
}

struct bs_hash128
bs_siphash(const uint8_t key[16], struct bs_bytes in)
{
    uint64_t k0 = word(key), k1 = word(key + 8);
    struct state s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                      k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    struct bs_hash128 out;
    size_t i = 0;

    for (; in.n - i >= 8; i += 8)
        take(&s, word(in.p + i));
    take(&s, last_word(in, i));
    s.v2 ^= 0xee;
    mix(&s, 4);
    out.lo = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    mix(&s, 4);
    out.hi = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return out;
}
