/*
 * filing.h - what becomes of finished files of the audit log: each gets an index, for searches, and goes to
 * a store, where whoever takes over this machine cannot reach it.
 *
 * Nothing waits for it and it deletes nothing. Where the store does not answer, files wait here and it
 * tries again, later and later. One that has arrived is never sent again; one whose arrival was not
 * noted is compared.
 *
 * Layer  gateway. Blocks; has a thread of its own.
 * Owns   its thread, and the store where it is not the gateway's, from start to stop.
 */
#ifndef BS_GATEWAY_FILING_H
#define BS_GATEWAY_FILING_H

#include "gateway/gateway.h"

struct bs_filing;

/* CONFIG, IO: the store that it uploads to cannot be opened. */
BS_MUST_CHECK enum bs_done
bs_filing_start(struct bs_gateway *g, struct bs_filing **out, struct bs_err *err);
void bs_filing_stop(struct bs_filing **u); /* accepts NULL */

#endif
