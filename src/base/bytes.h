/*
 * bytes.h - borrowed views, bounded buffers, and the only functions that touch wire pointers.
 *
 * Layer  base. No I/O, no clock; bs_buf allocates.
 * Spec   integers are big-endian ("network order"), as in the PostgreSQL manual,
 *        protocol-message-types.html.
 * Owns   struct bs_buf owns its memory from bs_buf_init to bs_buf_fini.
 */
#ifndef BS_BASE_BYTES_H
#define BS_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

/* A borrowed view; whoever hands it out says how long it lives. */
struct bs_bytes {
    const uint8_t *p;
    size_t n;
};

/* A growing buffer with a ceiling set at birth. A zeroed one has ceiling 0 and refuses all. */
struct bs_buf {
    uint8_t *p;
    size_t n;    /* bytes in use */
    size_t cap;  /* bytes allocated */
    size_t max;  /* ceiling in bytes */
    bool failed; /* a put went past the ceiling; nothing after it was stored */
};

/* A view of a string literal, without its final NUL. */
#define BS_LIT(s) ((struct bs_bytes){(const uint8_t *)(s), sizeof(s) - 1})

/* The same as an initialiser of static data. */
#define BS_LIT_INIT(s)                                                                             \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

/* A view of a C string; NULL gives an empty view. */
struct bs_bytes bs_bytes_of(const char *s);
bool bs_bytes_equal(struct bs_bytes a, struct bs_bytes b);
/* Constant-time in the length of the contents; false at once where the lengths differ. */
bool bs_bytes_equal_secret(struct bs_bytes a, struct bs_bytes b);
/* True where the whole view is well-formed UTF-8 (no surrogates, no overlong forms). */
bool bs_utf8_valid(struct bs_bytes b);

/* Takers: false, and `in` untouched, where fewer bytes are left than asked for. Here, since every
 * message of every session is read with them. */
BS_MUST_CHECK static inline bool
bs_take_bytes(struct bs_bytes *in, size_t n, struct bs_bytes *out)
{
    if (n > in->n)
        return false;
    *out = (struct bs_bytes){in->p, n};
    if (n != 0)
        in->p += n;
    in->n -= n;
    return true;
}

BS_MUST_CHECK static inline bool
bs_take_u8(struct bs_bytes *in, uint8_t *out)
{
    struct bs_bytes b;

    if (!bs_take_bytes(in, 1, &b))
        return false;
    *out = b.p[0];
    return true;
}

BS_MUST_CHECK static inline bool
bs_take_u16(struct bs_bytes *in, uint16_t *out)
{
    struct bs_bytes b;

    if (!bs_take_bytes(in, 2, &b))
        return false;
    *out = (uint16_t)(b.p[0] << 8 | b.p[1]);
    return true;
}

BS_MUST_CHECK static inline bool
bs_take_u32(struct bs_bytes *in, uint32_t *out)
{
    struct bs_bytes b;

    if (!bs_take_bytes(in, 4, &b))
        return false;
    *out = (uint32_t)b.p[0] << 24 | (uint32_t)b.p[1] << 16 | (uint32_t)b.p[2] << 8 | b.p[3];
    return true;
}

BS_MUST_CHECK bool bs_take_u64(struct bs_bytes *in, uint64_t *out);
/* A NUL-terminated string: `out` excludes the NUL but out.p[out.n] == 0, so it is a C string. */
BS_MUST_CHECK bool bs_take_cstr(struct bs_bytes *in, struct bs_bytes *out);

void bs_buf_init(struct bs_buf *b, size_t max);
void bs_buf_fini(struct bs_buf *b);  /* frees; the buffer is zeroed and may be fini-ed again */
void bs_buf_clear(struct bs_buf *b); /* forgets the contents, keeps memory and ceiling */
/* Drops the first n bytes (all of them where n is larger). */
void bs_buf_drop(struct bs_buf *b, size_t n);
/* Room for n more bytes at p + n, or NULL past the ceiling. The caller adds to `n` itself. */
uint8_t *bs_buf_room(struct bs_buf *b, size_t n);
struct bs_bytes bs_buf_view(const struct bs_buf *b);

/* Putters: past the ceiling they set `failed` and store nothing, so a caller may check once. */
void bs_put_u8(struct bs_buf *b, uint8_t v);
void bs_put_u16(struct bs_buf *b, uint16_t v);
void bs_put_u32(struct bs_buf *b, uint32_t v);
void bs_put_u64(struct bs_buf *b, uint64_t v);
void bs_put_bytes(struct bs_buf *b, struct bs_bytes v);
void bs_put_str(struct bs_buf *b, const char *s);  /* without the NUL */
void bs_put_cstr(struct bs_buf *b, const char *s); /* with the NUL */
void bs_put_fmt(struct bs_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
