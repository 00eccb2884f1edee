/*
 * peer.h - the state of one conversation.
 *
 * Layer  mcp. For this room's own files.
 * Owns   see mcp.h.
 */
#ifndef BS_MCP_PEER_H
#define BS_MCP_PEER_H

#include "mcp/inside.h"

enum bs_mcp_era {
    BS_MCP_ERA_NONE = 0, /* nothing has been asked yet */
    BS_MCP_ERA_LEGACY,   /* a session */
    BS_MCP_ERA_MODERN,   /* stateless */
};

struct bs_mcp_peer {
    struct bs_mcp_actor *actor;
    pthread_mutex_t lock; /* of all below */
    enum bs_mcp_era era;
    const char *revision; /* agreed on by initialize; NULL */
    json_t *capabilities; /* of a session's client; NULL */
    bool stopped;
    struct bs_mcp_request *running;
};

#endif
