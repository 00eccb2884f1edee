/*
 * front.h - which messages a client may send, and how large they may be.
 *
 * Layer  wire. Pure: no I/O, no clock, no allocation, no globals.
 * Spec   PostgreSQL manual, protocol-message-formats.html, the messages marked (F).
 * Owns   nothing.
 */
#ifndef BS_WIRE_FRONT_H
#define BS_WIRE_FRONT_H

#include "wire/frame.h"

/* Type bytes of the messages a client sends: BS_FRONT_QUERY == 'Q'. */
enum bs_front_type {
#define BS_FRONT(byte, NAME, min, max, section) BS_FRONT_##NAME = byte,
#include "wire/front_msgs.h"
#undef BS_FRONT
};

#define BS_FRONT_MAX_SMALL 9996 /* bytes of body: PostgreSQL's 10,000 less the length word */

struct bs_front_head {
    uint8_t type;
    uint32_t body_len; /* bytes of body; the message is BS_FRAME_HEAD + body_len bytes */
};

/*
 * Look at the header of the client's next message and judge its type and size. Nothing is
 * consumed, and the body need not be there: take it with bs_frame_next, or count it through.
 *
 * cap  largest body of Query, Parse, Bind and FunctionCall, in bytes
 * err  set on BS_SCAN_BAD: PROTOCOL (unknown type, length below 4 or too short for the type) or
 *      LIMIT (too long). On LIMIT of a Query, Parse, Bind or FunctionCall of at most
 *      BS_FRAME_MAX_BODY `out` is filled all the same, so that a caller may count the body through
 *      and answer with an error instead of ending the session; otherwise out->type is 0.
 */
BS_MUST_CHECK enum bs_scan
bs_front_peek(struct bs_bytes in, uint32_t cap, struct bs_front_head *out, struct bs_err *err);

/* Name of a message for logs ("QUERY"), or NULL where a client may not send that type. */
const char *bs_front_name(uint8_t type);

#endif
