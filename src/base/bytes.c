/*
 * bytes.c - bounds are compared as `n > left`, never as `at + n > end`, which could wrap.
 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void
bs_assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "backstop: %s:%d: broken guarantee: %s\n", file, line, expr);
    abort();
}

struct bs_bytes
bs_bytes_of(const char *s)
{
    return (struct bs_bytes){(const uint8_t *)s, s == NULL ? 0 : strlen(s)};
}

bool
bs_bytes_equal(struct bs_bytes a, struct bs_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
bs_bytes_equal_secret(struct bs_bytes a, struct bs_bytes b)
{
    unsigned diff = 0;

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        diff |= (unsigned)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

/* Length of the UTF-8 sequence at p (left > 0), or 0 where it is malformed. */
static size_t
utf8_length(const uint8_t *p, size_t left)
{
    uint32_t c;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if ((p[0] & 0xf0) == 0xe0)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (n > left)
        return 0;
    c = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = (c << 6) | (p[i] & 0x3fu);
    }
    if (n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
        return 0;
    if (n == 4 && (c < 0x10000 || c > 0x10ffff))
        return 0;
    return n;
}

/* The first byte from i on that is not ASCII, or b.n: most text has none, so eight at a time. */
static size_t
skip_ascii(struct bs_bytes b, size_t i)
{
    uint64_t eight;

    for (; b.n - i >= sizeof(eight); i += sizeof(eight)) {
        memcpy(&eight, b.p + i, sizeof(eight));
        if ((eight & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (i < b.n && b.p[i] < 0x80)
        i++;
    return i;
}

bool
bs_utf8_valid(struct bs_bytes b)
{
    size_t i = skip_ascii(b, 0);

    while (i < b.n) {
        size_t n = utf8_length(b.p + i, b.n - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool
bs_take_u64(struct bs_bytes *in, uint64_t *out)
{
    uint32_t high, low;
    struct bs_bytes rest = *in;

    if (!bs_take_u32(&rest, &high) || !bs_take_u32(&rest, &low))
        return false;
    *in = rest;
    *out = (uint64_t)high << 32 | low;
    return true;
}

bool
bs_take_cstr(struct bs_bytes *in, struct bs_bytes *out)
{
    const uint8_t *end = in->n == 0 ? NULL : memchr(in->p, 0, in->n);
    struct bs_bytes nul;

    if (end == NULL || !bs_take_bytes(in, (size_t)(end - in->p), out))
        return false;
    return bs_take_bytes(in, 1, &nul);
}

void
bs_buf_init(struct bs_buf *b, size_t max)
{
    *b = (struct bs_buf){.max = max};
}

void
bs_buf_fini(struct bs_buf *b)
{
    free(b->p);
    *b = (struct bs_buf){0};
}

void
bs_buf_clear(struct bs_buf *b)
{
    b->n = 0;
    b->failed = false;
}

void
bs_buf_drop(struct bs_buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

uint8_t *
bs_buf_room(struct bs_buf *b, size_t n)
{
    size_t cap;

    if (b->failed || n > b->max - b->n) {
        b->failed = true;
        return NULL;
    }
    if (n <= b->cap - b->n && b->p != NULL)
        return b->p + b->n;
    cap = b->cap < 256 ? 256 : b->cap;
    while (cap - b->n < n)
        cap = cap > SIZE_MAX / 2 ? b->n + n : cap * 2;
    if (cap > b->max && b->max - b->n >= n)
        cap = b->max < 1 ? 1 : b->max;
    b->p = bs_realloc(b->p, cap);
    b->cap = cap;
    return b->p + b->n;
}

struct bs_bytes
bs_buf_view(const struct bs_buf *b)
{
    return (struct bs_bytes){b->p, b->n};
}

void
bs_put_bytes(struct bs_buf *b, struct bs_bytes v)
{
    uint8_t *at = bs_buf_room(b, v.n);

    if (at == NULL || v.n == 0)
        return;
    memcpy(at, v.p, v.n);
    b->n += v.n;
}

static void
put_uint(struct bs_buf *b, uint64_t v, size_t n)
{
    uint8_t raw[8];

    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    bs_put_bytes(b, (struct bs_bytes){raw, n});
}

void
bs_put_u8(struct bs_buf *b, uint8_t v)
{
    uint8_t *at = bs_buf_room(b, 1);

    if (at == NULL)
        return;
    *at = v;
    b->n++;
}

void
bs_put_u16(struct bs_buf *b, uint16_t v)
{
    put_uint(b, v, 2);
}

void
bs_put_u32(struct bs_buf *b, uint32_t v)
{
    put_uint(b, v, 4);
}

void
bs_put_u64(struct bs_buf *b, uint64_t v)
{
    put_uint(b, v, 8);
}

void
bs_put_str(struct bs_buf *b, const char *s)
{
    bs_put_bytes(b, bs_bytes_of(s));
}

void
bs_put_cstr(struct bs_buf *b, const char *s)
{
    bs_put_bytes(b, (struct bs_bytes){(const uint8_t *)s, strlen(s) + 1});
}

void
bs_put_fmt(struct bs_buf *b, const char *fmt, ...)
{
    size_t left = b->failed || b->p == NULL ? 0 : b->cap - b->n;
    va_list ap, again;
    uint8_t *at;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(left == 0 ? NULL : (char *)b->p + b->n, left, fmt, ap);
    va_end(ap);
    bs_assert(n >= 0);
    at = bs_buf_room(b, (size_t)n + 1); /* vsnprintf writes a NUL that is not kept */
    if (at != NULL) {
        if ((size_t)n >= left)
            (void)vsnprintf((char *)at, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}
