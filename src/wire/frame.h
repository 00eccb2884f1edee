/*
 * frame.h - cut a PostgreSQL v3 byte stream into typed messages.
 *
 * Layer  wire. Pure: no I/O, no clock, no allocation, no globals.
 * Spec   PostgreSQL manual, protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS (framing) and
 *        protocol-message-formats.html (types). Start-up packets have no type byte: see startup.h.
 * Owns   nothing. Every view borrows the caller's input buffer and dies with it.
 */
#ifndef BS_WIRE_FRAME_H
#define BS_WIRE_FRAME_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_FRAME_HEAD     5          /* bytes: the type and the length word */
#define BS_FRAME_MAX_BODY 0x3ffffffa /* bytes: PostgreSQL's own limit, 1 GB - 1 with the length */

/* One whole message. `body` excludes the type byte and the length word. */
struct bs_frame {
    uint8_t type;
    struct bs_bytes body;
};

enum bs_scan {
    BS_SCAN_BAD = 0, /* the stream cannot be trusted any more; `err` is set */
    BS_SCAN_MORE,    /* no whole message yet; `in` and `out` are untouched */
    BS_SCAN_GOT,     /* `out` is filled and `in` starts at the next message */
};

/*
 * Take the next whole message from the front of `in`.
 *
 * in        bytes received so far; advanced only on BS_SCAN_GOT
 * max_body  largest body accepted, in bytes; a longer one is refused before it is buffered
 * out       borrowed view into `in`, valid until that buffer is compacted or refilled
 * err       set on BS_SCAN_BAD: PROTOCOL (length below 4) or LIMIT (body over max_body)
 */
BS_MUST_CHECK enum bs_scan
bs_frame_next(struct bs_bytes *in, uint32_t max_body, struct bs_frame *out, struct bs_err *err);

/*
 * Look at the header of the next message without needing its body, for messages that are counted
 * through. Nothing is consumed: the message is the next BS_FRAME_HEAD + body_len bytes.
 *
 * err  set on BS_SCAN_BAD: PROTOCOL (length below 4) or LIMIT (body over BS_FRAME_MAX_BODY)
 */
BS_MUST_CHECK enum bs_scan
bs_frame_peek(struct bs_bytes in, uint8_t *type, uint32_t *body_len, struct bs_err *err);

/*
 * Bytes of the whole messages of one type at the front of `in`: for rows and COPY data, of which
 * there are so many that a call for each is what a bulk result costs. It ends before the first that
 * is of another type, not whole or not sane; bs_frame_peek says which.
 */
size_t bs_frame_run(struct bs_bytes in, uint8_t type);

#endif
