/*
 * neighbours.h - other gateways on the same state: what they do is done here too, and what one of them
 * left behind when it died is settled.
 *
 * Layer  gateway. bs_neighbours_* where nothing is said of the thread: on the one that starts the gateway.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_NEIGHBOURS_H
#define BS_GATEWAY_NEIGHBOURS_H

#include "base/err.h"

struct bs_gateway;

/* From now on the others count this one among those that live. Nothing where the state is not shared. */
BS_MUST_CHECK enum bs_done bs_neighbours_join(struct bs_gateway *g, struct bs_err *err);
/* The gateway is ready: what was said until now, and not heard, is looked at; then all that is said. */
void bs_neighbours_hear(struct bs_gateway *g);
/* A round of the keeper's, each second. */
void bs_neighbours_look(struct bs_gateway *g);
/* Tickets that were running where nobody runs them any more end as uncertain: their points say more. */
BS_MUST_CHECK enum bs_done bs_neighbours_end_running(struct bs_gateway *g, struct bs_err *err);

#endif
