/*
 * http_door.h - the connections of one credential to the gateway's own door, kept for a while.
 *
 * Who an HTTP client is, is proven by logging in with what it sent, like any client, from its address:
 * expiry, revocation, allowed addresses and databases, and the audit are the gateway's. While a
 * connection that was made so is open, its actor is still let in, for the gateway ends what is not.
 *
 * Layer  mcp. Thread-safe. Connecting blocks.
 * Owns   its connections and a copy of the secret, which is wiped with it.
 */
#ifndef BS_MCP_HTTP_DOOR_H
#define BS_MCP_HTTP_DOOR_H

#include <stdatomic.h>

#include "mcp/mcp.h"

struct bs_inside; /* gateway/inside.h */

/* How many connections there are and may be, over all credentials. */
struct bs_http_room {
    atomic_uint used;
    unsigned max;
};

struct bs_http_door; /* opaque */

struct bs_http_door_options {
    struct bs_inside *inside;
    struct bs_http_room *room; /* outlives the door */
    const char *agent;
    const char *secret;
    const char *database;
    const char *client; /* the address that it comes from: "127.0.0.1:40312" */
};

struct bs_http_door *bs_http_door_new(const struct bs_http_door_options *options);
/* When nobody has a connection of it any more. Accepts NULL; sets it NULL. */
void bs_http_door_free(struct bs_http_door **door);

/* Is there a connection that the gateway has let in and not ended? Does not block. */
bool bs_http_door_is_open(struct bs_http_door *door);
/*
 * Logs in once more, for the next one who needs a connection.
 *
 * err  AUTH; FORBIDDEN, NOT_FOUND: the database; PAUSED; UNAVAILABLE
 */
BS_MUST_CHECK enum bs_done bs_http_door_log_in(struct bs_http_door *door, struct bs_err *err);
/* Closes what has been idle for long. */
void bs_http_door_tend(struct bs_http_door *door);
/* Its connections, as the protocol's server takes them; no other database than its own. */
struct bs_mcp_door bs_http_door_way(struct bs_http_door *door);

#endif
