/*
 * named.h - the recovery points that an open ticket or plan names, which therefore stay.
 *
 * Tickets are read one after the other: together they may be larger than any memory. What they name
 * is kept, no more.
 *
 * Layer  gateway. Blocks on the state.
 * Owns   the list.
 */
#ifndef BS_GATEWAY_NAMED_H
#define BS_GATEWAY_NAMED_H

#include "base/bytes.h"
#include "state/state.h"

struct bs_named {
    struct bs_buf ids; /* of BS_POINT_ID_TEXT bytes each, in order */
};

/* LIMIT: they name too many; those of the state. bs_named_fini in any case. */
BS_MUST_CHECK enum bs_done
bs_named_read(struct bs_state *state, struct bs_named *out, struct bs_err *err);
void bs_named_fini(struct bs_named *n);
bool bs_named_has(const struct bs_named *n, const char *point);

#endif
