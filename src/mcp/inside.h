/*
 * inside.h - what the parts of this room share: a request while it is handled, and what it can do.
 *
 * Layer  mcp. For this room's own files.
 * Owns   see each; a request lives from bs_mcp_handle's start to its return.
 */
#ifndef BS_MCP_INSIDE_H
#define BS_MCP_INSIDE_H

#include <pthread.h>

#include "mcp/mcp.h"

/* A JSON-RPC error to answer with; code 0: none. First one wins. */
struct bs_mcp_fault {
    int code;
    char text[256];
    json_t *data; /* owned until it is sent */
};

/* Returns NULL, so that a handler may return it. */
json_t *bs_mcp_refuse(struct bs_mcp_fault *fault, enum bs_mcp_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct bs_mcp_request {
    struct bs_mcp_peer *peer;
    struct bs_mcp_actor *actor;
    const struct bs_mcp_sink *sink;
    const json_t *id;
    const char *method;
    const json_t *params; /* an object; an empty one where there was none */
    bool modern;
    json_t *capabilities;        /* of the client: an object, owned */
    struct bs_watch watch;       /* stopped by a cancellation */
    unsigned progressed;         /* notifications of progress sent */
    struct bs_mcp_request *next; /* in the peer's list of those that run */
};

typedef json_t *(*bs_mcp_handler)(struct bs_mcp_request *r, struct bs_mcp_fault *fault);

/* The handler of a method for this revision; NULL: there is none. */
bs_mcp_handler bs_mcp_method_find(const char *method, bool modern);
/* Results of these have a time to live and a scope in the modern revision. */
bool bs_mcp_method_is_cacheable(const char *method);

/* {"name", "version", ...}: who we are. A new reference. */
json_t *bs_mcp_self(void);
/* What we can do, as either revision wants it told. A new reference. */
json_t *bs_mcp_capabilities(bool modern);
extern const char bs_mcp_instructions[];

/* True where the client's capabilities have an object at a path: "elicitation", NULL. */
bool bs_mcp_client_can(const struct bs_mcp_request *r, const char *name, const char *under);

/* Tells of progress, where the request asked for that. False: the client has gone. */
bool bs_mcp_progress(struct bs_mcp_request *r, const char *message);

json_t *bs_mcp_tools_list(struct bs_mcp_request *r, struct bs_mcp_fault *fault);
json_t *bs_mcp_tools_call(struct bs_mcp_request *r, struct bs_mcp_fault *fault);

/* Of an actor. */
struct bs_mcp *bs_mcp_of(struct bs_mcp_actor *actor);
const struct bs_mcp_options *bs_mcp_options_of(struct bs_mcp_actor *actor);
PGconn *bs_mcp_acquire(struct bs_mcp_request *r, const char *database, struct bs_err *err);
void bs_mcp_release(struct bs_mcp_actor *actor, PGconn *conn, enum bs_mcp_conn state);

#endif
