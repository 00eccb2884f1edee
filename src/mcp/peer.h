/*
 * peer.h - the state of one conversation.
 *
 * Layer  mcp. For this room's own files.
 * Owns   see mcp.h.
 */
#ifndef BS_MCP_PEER_H
#define BS_MCP_PEER_H

#include "mcp/inside.h"

/* A request of ours to the client, while its answer is awaited. */
struct bs_mcp_question {
    char id[24];
    json_t *answer; /* the whole response */
    struct bs_mcp_question *next;
};

struct bs_mcp_peer {
    struct bs_mcp_actor *actor;
    pthread_mutex_t lock; /* of all below */
    const char *revision; /* agreed on by initialize; NULL */
    json_t *capabilities; /* of a session's client; NULL */
    bool stopped;
    struct bs_mcp_request *running;
    struct bs_mcp_question *questions;
    pthread_cond_t answered;
    unsigned asked;            /* questions so far */
    enum bs_mcp_log log_level; /* of a session, as logging/setLevel has it */
};

#endif
