/*
 * scheduler.h - what the gateway does by the clock: snapshots, pruning, and reading points again. One
 * thread, so never two at once.
 *
 * A run is due `every` after the last one began, as the storage has it, and a little later at random
 * (a tenth of it, five minutes at most), so that several gateways do not meet. What was missed
 * while the gateway was down is done once, then it goes on from there. A run that fails is tried
 * again after a minute, then after ever longer, an hour or `every` at most.
 *
 * Layer  gateway. Blocks; has a thread of its own.
 * Owns   its thread, from bs_scheduler_start to bs_scheduler_stop.
 */
#ifndef BS_GATEWAY_SCHEDULER_H
#define BS_GATEWAY_SCHEDULER_H

#include "gateway/gateway.h"

struct bs_scheduler;

struct bs_scheduler *bs_scheduler_start(struct bs_gateway *g);
/*
 * Other settings: `snapshots`, `retention` and `verify` of c, which lives until it is stopped. All of
 * them from the next run on; what is running ends as it began. What has not changed stays due when it
 * was.
 */
void bs_scheduler_reload(struct bs_scheduler *s, const struct bs_config *c);
/* Ends what it is doing. Accepts NULL. */
void bs_scheduler_stop(struct bs_scheduler **s);

#endif
