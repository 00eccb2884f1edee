/*
 * http.h - MCP for agents over HTTP, on a listener of its own: neither the operators' nor the wire's.
 *
 * An agent comes with its name and a secret, which are proven at the gateway's own door; nothing that
 * is asked here passes it by. There is no way from here to what operators do.
 *
 * Layer  mcp. libmicrohttpd's threads, one a connection, for a request may wait for people.
 * Spec   https://modelcontextprotocol.io/specification/2025-11-25/basic/transports and the same of
 *        2026-07-28; RFC 9728 (protected resource metadata).
 * Owns   the listener and its threads, from start to stop.
 */
#ifndef BS_MCP_HTTP_H
#define BS_MCP_HTTP_H

#include "gateway/gateway.h"

/* To be run beside the gateway: see bs_gateway_run. Does nothing where it is not configured. start:
 * UNAVAILABLE where it cannot listen, CONFIG where its certificate cannot be read. */
extern const struct bs_gateway_side bs_mcp_http_side;

#endif
