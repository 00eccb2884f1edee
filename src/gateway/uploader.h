/*
 * uploader.h - finished files of the audit log go to a store, where whoever takes over this machine
 * cannot reach them.
 *
 * Nothing waits for it and it deletes nothing: where the store does not answer, files wait here and it
 * tries again, later and later. One that has arrived is never sent again; one whose arrival was not
 * noted is compared.
 *
 * Layer  gateway. Blocks; has a thread of its own.
 * Owns   its thread, and the store where it is not the gateway's, from start to stop.
 */
#ifndef BS_GATEWAY_UPLOADER_H
#define BS_GATEWAY_UPLOADER_H

#include "gateway/gateway.h"

struct bs_uploader;

/* NULL where the configuration uploads nothing. CONFIG, IO: its store cannot be opened. */
BS_MUST_CHECK enum bs_done
bs_uploader_start(struct bs_gateway *g, struct bs_uploader **out, struct bs_err *err);
void bs_uploader_stop(struct bs_uploader **u); /* accepts NULL */

#endif
