/*
 * lines.h - the transport of a program that a client has started: a message a line, on its standard
 * input and output.
 *
 * Requests are handled beside each other, each in a thread of its own; answers come as they are ready.
 *
 * Layer  mcp. Blocks until the input ends.
 * Spec   https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
 * Owns   nothing that outlives the call.
 */
#ifndef BS_MCP_LINES_H
#define BS_MCP_LINES_H

#include "mcp/mcp.h"

/*
 * Serves one client until it closes `in`, or `stop` is set from another thread or a signal's watcher.
 *
 * stop  NULL: only the end of the input ends it
 * err   IO: `in` cannot be read, or `out` cannot be written while the client has not gone
 */
BS_MUST_CHECK enum bs_done bs_mcp_stdio(
    struct bs_mcp_actor *actor, int in, int out, const struct bs_watch *stop, struct bs_err *err);

#endif
