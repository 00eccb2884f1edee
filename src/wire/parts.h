/*
 * parts.h - pieces that several messages share. For src/wire/messages_*.c only.
 *
 * Layer  wire. Pure.
 * Spec   PostgreSQL manual, protocol-message-formats.html.
 * Owns   nothing; views borrow the body they were taken from.
 */
#ifndef BS_WIRE_PARTS_H
#define BS_WIRE_PARTS_H

#include "wire/messages.h"

/* The takers leave `out` alone and return false where the bytes do not fit the form. */

/* One value: a length (-1: NULL) and as many bytes. */
BS_MUST_CHECK bool bs_part_value(struct bs_bytes *in, struct bs_value *out);
/* A count of two bytes and as many values, each checked. */
BS_MUST_CHECK bool bs_part_values(struct bs_bytes *in, struct bs_values *out);
/* A count of two bytes and as many type OIDs. */
BS_MUST_CHECK bool bs_part_oids(struct bs_bytes *in, struct bs_oids *out);
/* Sets PROTOCOL: "malformed <what> message". */
enum bs_done bs_part_malformed(const char *what, struct bs_err *err);

#endif
