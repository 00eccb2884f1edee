/*
 * frame.c - lengths are judged before anything is added to them: a length below 4 or over the
 * limit ends the stream, so no later sum can wrap.
 */
#include "wire/frame.h"

#define LENGTH_WORD 4 /* bytes; the length counts itself */

/* Takes the header off `in` where it is whole and sane. */
static enum bs_scan
take_head(
    struct bs_bytes *in, uint32_t max_body, uint8_t *type, uint32_t *body_len, struct bs_err *err)
{
    uint32_t length;

    if (in->n < BS_FRAME_HEAD)
        return BS_SCAN_MORE;
    if (!bs_take_u8(in, type) || !bs_take_u32(in, &length))
        return BS_SCAN_MORE;
    if (length < LENGTH_WORD) {
        BS_FAIL(err, PROTOCOL, "message of type 0x%02x has a length of %u", *type, length);
        return BS_SCAN_BAD;
    }
    *body_len = length - LENGTH_WORD;
    if (*body_len > max_body) {
        BS_FAIL(err, LIMIT, "message of type 0x%02x has %u bytes, more than %u", *type, *body_len,
                max_body);
        return BS_SCAN_BAD;
    }
    return BS_SCAN_GOT;
}

enum bs_scan
bs_frame_peek(struct bs_bytes in, uint8_t *type, uint32_t *body_len, struct bs_err *err)
{
    uint8_t seen;
    uint32_t length;
    enum bs_scan got = take_head(&in, BS_FRAME_MAX_BODY, &seen, &length, err);

    if (got != BS_SCAN_GOT)
        return got;
    *type = seen;
    *body_len = length;
    return BS_SCAN_GOT;
}

enum bs_scan
bs_frame_next(struct bs_bytes *in, uint32_t max_body, struct bs_frame *out, struct bs_err *err)
{
    struct bs_bytes left = *in;
    struct bs_frame frame;
    uint32_t body_len;
    enum bs_scan got = take_head(&left, max_body, &frame.type, &body_len, err);

    if (got != BS_SCAN_GOT)
        return got;
    if (!bs_take_bytes(&left, body_len, &frame.body))
        return BS_SCAN_MORE;
    *in = left;
    *out = frame;
    return BS_SCAN_GOT;
}

size_t
bs_frame_run(struct bs_bytes in, uint8_t type)
{
    const uint8_t *p;
    size_t n = 0;
    uint32_t length;

    while (in.n - n >= BS_FRAME_HEAD && in.p[n] == type) {
        p = in.p + n + 1;
        length = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        if (length < LENGTH_WORD || length > in.n - n - 1)
            break;
        n += 1 + (size_t)length;
    }
    return n;
}
