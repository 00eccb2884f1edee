/*
 * pool.h - a door of connections that are kept for the next one: of one credential, by a connection
 * string.
 *
 * Layer  mcp. Thread-safe. Connecting blocks.
 * Spec   PostgreSQL manual, libpq-connect.html#LIBPQ-PARAMKEYWORDS.
 * Owns   its connections, and a copy of the connection string, which is wiped.
 */
#ifndef BS_MCP_POOL_H
#define BS_MCP_POOL_H

#include "mcp/mcp.h"

struct bs_mcp_pool; /* opaque */

struct bs_mcp_pool_options {
    /* "host=... user=... password=..." or a URI; what it does not say comes from PG* variables */
    const char *conninfo;
    const char *password; /* stands above that of the string; NULL */
    const char *name;     /* application_name where the string has none */
    bool one_database;    /* no other than the one of the string: FORBIDDEN */
    unsigned max;         /* connections at once, idle ones included; 0: 16 */
};

/* CONFIG: not a connection string. Nothing is connected yet. */
BS_MUST_CHECK enum bs_done bs_mcp_pool_new(const struct bs_mcp_pool_options *options,
                                           struct bs_mcp_pool **out,
                                           struct bs_err *err);
/* After the actor that has its door is freed. Accepts NULL; sets it NULL. */
void bs_mcp_pool_free(struct bs_mcp_pool **pool);
/* The pool as a door. */
struct bs_mcp_door bs_mcp_pool_door(struct bs_mcp_pool *pool);

#endif
