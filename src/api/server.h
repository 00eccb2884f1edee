/*
 * server.h - the operators' HTTP API, on a listener of its own that no actor is given.
 *
 * Layer  api. libmicrohttpd's own threads; handlers may block on state and audit.
 * Spec   RFC 9110, RFC 9457 (problem details); routes.c lists the routes.
 * Owns   the listener and its threads, from start to stop.
 */
#ifndef BS_API_SERVER_H
#define BS_API_SERVER_H

#include "gateway/gateway.h"

/* To be run beside the gateway: see bs_gateway_run. start: UNAVAILABLE where it cannot listen. */
extern const struct bs_gateway_side bs_api_side;

#endif
