/*
 * startup.c - start-up packets have no type byte; the number behind the length tells them apart.
 * Each part is judged as soon as its bytes are there, so that garbage is never waited for.
 */
#include "wire/startup.h"

#include <string.h>

#define CODE_CANCEL 80877102u /* 1234 << 16 | 5678, and the next two */
#define CODE_SSL    80877103u
#define CODE_GSSENC 80877104u

#define HEAD           8 /* bytes of the length word and the number behind it */
#define PROTOCOL_MAJOR 3u

/* Reads the packet's length and number where they are there and sane. */
static enum bs_scan
take_head(struct bs_bytes *in, uint32_t *length, uint32_t *code, struct bs_err *err)
{
    if (!bs_take_u32(in, length))
        return BS_SCAN_MORE;
    if (*length < HEAD) {
        BS_FAIL(err, PROTOCOL, "start-up packet has a length of %u", *length);
        return BS_SCAN_BAD;
    }
    if (*length > BS_STARTUP_MAX) {
        BS_FAIL(err, LIMIT, "start-up packet has %u bytes, more than %d", *length, BS_STARTUP_MAX);
        return BS_SCAN_BAD;
    }
    if (!bs_take_u32(in, code))
        return BS_SCAN_MORE;
    if (*code != CODE_SSL && *code != CODE_GSSENC && *code != CODE_CANCEL &&
        *code >> 16 != PROTOCOL_MAJOR) {
        BS_FAIL(err, UNSUPPORTED, "protocol %u.%u is not supported", *code >> 16, *code & 0xffff);
        return BS_SCAN_BAD;
    }
    return BS_SCAN_GOT;
}

/* Pairs of C strings with a name each, one NUL behind the last, nothing more. */
static bool
read_params(struct bs_bytes body, struct bs_bytes *params)
{
    struct bs_bytes left = body, name, value;

    while (bs_take_cstr(&left, &name)) {
        if (name.n == 0) {
            *params = (struct bs_bytes){body.p, body.n - 1};
            return left.n == 0;
        }
        if (!bs_take_cstr(&left, &value))
            return false;
    }
    return false;
}

static bool
read_cancel(struct bs_bytes body, struct bs_startup *out)
{
    if (!bs_take_u32(&body, &out->pid))
        return false;
    out->secret = body;
    return body.n >= BS_STARTUP_SECRET_MIN && body.n <= BS_STARTUP_SECRET_MAX;
}

static bool
read_body(uint32_t code, struct bs_bytes body, struct bs_startup *out)
{
    switch (code) {
    case CODE_SSL:
        out->kind = BS_STARTUP_SSL;
        return body.n == 0;
    case CODE_GSSENC:
        out->kind = BS_STARTUP_GSSENC;
        return body.n == 0;
    case CODE_CANCEL:
        out->kind = BS_STARTUP_CANCEL;
        return read_cancel(body, out);
    default:
        out->kind = BS_STARTUP_MESSAGE;
        out->minor = (uint16_t)code;
        return read_params(body, &out->params);
    }
}

enum bs_scan
bs_startup_next(struct bs_bytes *in, struct bs_startup *out, struct bs_err *err)
{
    struct bs_startup packet = {0};
    struct bs_bytes left = *in, body;
    uint32_t length, code;
    enum bs_scan got = take_head(&left, &length, &code, err);

    if (got != BS_SCAN_GOT)
        return got;
    if (!bs_take_bytes(&left, length - HEAD, &body))
        return BS_SCAN_MORE;
    if (!read_body(code, body, &packet)) {
        BS_FAIL(err, PROTOCOL, "malformed start-up packet");
        return BS_SCAN_BAD;
    }
    *in = left;
    *out = packet;
    return BS_SCAN_GOT;
}

bool
bs_startup_param_next(struct bs_bytes *params, struct bs_bytes *name, struct bs_bytes *value)
{
    return bs_take_cstr(params, name) && bs_take_cstr(params, value);
}

/* A packet's length, or what was put of it taken back. */
static void
close_packet(struct bs_buf *b, size_t start)
{
    size_t length = b->n - start;

    if (length > BS_STARTUP_MAX)
        b->failed = true;
    if (b->failed) {
        b->n = start;
        return;
    }
    for (size_t i = 0; i < 4; i++)
        b->p[start + i] = (uint8_t)(length >> (8 * (3 - i)));
}

void
bs_startup_put(struct bs_buf *b, uint16_t minor, const struct bs_setting *settings, size_t n)
{
    size_t start = b->n;

    bs_put_u32(b, 0);
    bs_put_u32(b, PROTOCOL_MAJOR << 16 | minor);
    for (size_t i = 0; i < n; i++) {
        if (settings[i].name[0] == '\0') /* would end the list */
            b->failed = true;
        bs_put_cstr(b, settings[i].name);
        bs_put_cstr(b, settings[i].value);
    }
    bs_put_u8(b, 0);
    close_packet(b, start);
}

void
bs_startup_put_ssl(struct bs_buf *b)
{
    size_t start = b->n;

    bs_put_u32(b, 0);
    bs_put_u32(b, CODE_SSL);
    close_packet(b, start);
}

void
bs_startup_put_cancel(struct bs_buf *b, uint32_t pid, struct bs_bytes secret)
{
    size_t start = b->n;

    if (secret.n < BS_STARTUP_SECRET_MIN || secret.n > BS_STARTUP_SECRET_MAX)
        b->failed = true;
    bs_put_u32(b, 0);
    bs_put_u32(b, CODE_CANCEL);
    bs_put_u32(b, pid);
    bs_put_bytes(b, secret);
    close_packet(b, start);
}
