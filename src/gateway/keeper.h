/*
 * keeper.h - what must be put in order at start and kept so: open recovery points, tickets that a
 * crash left running, overdue tickets, changes made from the command line.
 *
 * Layer  gateway. Blocks; has a thread of its own.
 * Owns   its thread, from bs_keeper_start to bs_keeper_stop.
 */
#ifndef BS_GATEWAY_KEEPER_H
#define BS_GATEWAY_KEEPER_H

#include "gateway/gateway.h"

struct bs_keeper;

/*
 * Before the first client: closes by fact what a crash left open, and loads the catalogs. A
 * database that does not answer is said in the log and does not keep the others from being served.
 *
 * err  UNAVAILABLE, IO: state or audit cannot be used
 */
BS_MUST_CHECK enum bs_done bs_keeper_settle(struct bs_gateway *g, struct bs_err *err);

/* What its round begins with, at once: looks who was revoked or paused, and tells the workers. */
void bs_keeper_check(struct bs_gateway *g);

struct bs_keeper *bs_keeper_start(struct bs_gateway *g);
void bs_keeper_stop(struct bs_keeper **k); /* accepts NULL */

#endif
