/*
 * actor.h - what one credential has between its requests.
 *
 * Layer  mcp. For this room's own files.
 * Owns   see mcp.h.
 */
#ifndef BS_MCP_ACTOR_H
#define BS_MCP_ACTOR_H

#include "mcp/inside.h"

struct bs_mcp_actor {
    struct bs_mcp *mcp;
    struct bs_mcp_door door;
    pthread_mutex_t lock;      /* of all below */
    struct bs_mcp_actor *next; /* of the server; under its lock */
};

#endif
