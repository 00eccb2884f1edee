/*
 * mcp.h - a server of the Model Context Protocol, whatever carries its messages.
 *
 * A transport makes one `struct bs_mcp`; for each credential an *actor*, which owns what outlives a
 * request (open cursors, statements that are held, tasks) and has the door to the database; and for
 * each conversation a *peer*: a session of revision 2025-11-25, or one request of the stateless
 * 2026-07-28. Nothing of one actor can be reached with another's. Messages go into
 * bs_mcp_handle, which answers in the same call; what is sent meanwhile goes to the request's sink.
 *
 *     struct bs_mcp *mcp = bs_mcp_new(&(struct bs_mcp_options){0});
 *     struct bs_mcp_actor *actor = bs_mcp_actor_new(mcp, &door);     one for a credential
 *     struct bs_mcp_peer *peer = bs_mcp_peer_new(actor);             one for a conversation
 *     if (bs_mcp_parse(text, &message, &answer))                     else `answer` is the error to send
 *         answer = bs_mcp_handle(peer, message, &sink);              NULL: nothing to send
 *
 * Threads. Every function may be called from any thread; calls for one peer may overlap, and must be
 * able to: a cancellation, and the answer to a question of ours, come in while the request that they
 * are about is still being handled. bs_mcp_handle blocks until the request is answered (a wait for
 * an approval: five minutes; subscriptions/listen: until it is ended), so it wants a thread of its own.
 *
 * Layer  mcp. Uses libpq and jansson.
 * Spec   https://modelcontextprotocol.io/specification/2025-11-25 and /2026-07-28.
 * Owns   each object until its free. Order: peers, then actors (with their doors), then the server.
 */
#ifndef BS_MCP_MCP_H
#define BS_MCP_MCP_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/watch.h"

/* Revisions, the newest first. Modern: stateless, every request says who it is in _meta. */
#define BS_MCP_MODERN "2026-07-28"
#define BS_MCP_LEGACY "2025-11-25"
/* NULL-terminated: those of the handshake that `initialize` may agree on, the newest first. */
extern const char *const bs_mcp_legacy_revisions[];
bool bs_mcp_is_legacy(const char *revision); /* accepts NULL */

/* Members of _meta that carry the envelope of a modern request. */
#define BS_MCP_META_VERSION      "io.modelcontextprotocol/protocolVersion"
#define BS_MCP_META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

/* Codes of JSON-RPC errors. A transport over HTTP gives them its statuses. */
enum bs_mcp_code {
    BS_MCP_PARSE_ERROR = -32700,
    BS_MCP_INVALID_REQUEST = -32600,
    BS_MCP_METHOD_NOT_FOUND = -32601,
    BS_MCP_INVALID_PARAMS = -32602,
    BS_MCP_INTERNAL = -32603,
    BS_MCP_RESOURCE_NOT_FOUND = -32002, /* of the legacy revisions */
    BS_MCP_HEADER_MISMATCH = -32020,    /* the transport's own */
    BS_MCP_MISSING_CAPABILITY = -32021,
    BS_MCP_UNSUPPORTED_VERSION = -32022,
};

/* A longer message is refused before it is parsed. */
#define BS_MCP_MESSAGE_MAX ((size_t)4 << 20)

struct bs_mcp;       /* opaque */
struct bs_mcp_actor; /* opaque */
struct bs_mcp_peer;  /* opaque */

struct bs_mcp_options {
    /* Never ask the person at the client to confirm what destroys something (elicitation). That is
     * no approval, and nothing passes for it. */
    bool no_confirm;
};

struct bs_mcp *bs_mcp_new(const struct bs_mcp_options *options);
void bs_mcp_free(struct bs_mcp **mcp); /* accepts NULL; sets it NULL */

/* What a connection that is given back can be used for. Zero refuses. */
enum bs_mcp_conn {
    BS_MCP_CONN_USED = 0, /* something of the session may be left: close it */
    BS_MCP_CONN_CLEAN,    /* idle, and as it was: the next one may have it */
};

/*
 * The way to the database: connections to the gateway's own listener, as the actor. All functions are
 * called from several threads at once.
 */
struct bs_mcp_door {
    void *ctx; /* outlives the actor */
    /*
     * A connection that is idle, not in a transaction, and as new; NULL with `err` where there is none.
     *
     * database  as the caller of a tool asked for; NULL: the peer's own. A transport that serves one
     *           database only answers FORBIDDEN for any other
     * watch     ends the waiting
     * err       AUTH, FORBIDDEN, UNAVAILABLE, LIMIT (all are in use), CANCELLED
     */
    PGconn *(*acquire)(void *ctx,
                       const char *database,
                       const struct bs_watch *watch,
                       struct bs_err *err);
    void (*release)(void *ctx, PGconn *conn, enum bs_mcp_conn state);
    /* Called about every second: closes what has been idle for long. May be NULL. */
    void (*tend)(void *ctx);
};

/* door  copied */
struct bs_mcp_actor *bs_mcp_actor_new(struct bs_mcp *mcp, const struct bs_mcp_door *door);
/* Ends its tasks and cursors, giving back their connections. Accepts NULL; sets it NULL. */
void bs_mcp_actor_free(struct bs_mcp_actor **actor);
/* True where it has open cursors, statements that are held, or tasks: worth keeping while no peer is. */
bool bs_mcp_actor_holds(struct bs_mcp_actor *actor);

struct bs_mcp_peer *bs_mcp_peer_new(struct bs_mcp_actor *actor);
/* Everything that runs for it ends soon, and its bs_mcp_handle calls answer NULL: the client has gone. */
void bs_mcp_peer_stop(struct bs_mcp_peer *peer);
/* After the last bs_mcp_handle call has returned. Accepts NULL; sets it NULL. */
void bs_mcp_peer_free(struct bs_mcp_peer **peer);
/* What `initialize` has agreed on; NULL where there was none. Lives as long as the program. */
const char *bs_mcp_peer_revision(struct bs_mcp_peer *peer);

/* Where messages go that are sent while a request is handled. */
struct bs_mcp_sink {
    void *ctx;
    /* Sends a notification, or (legacy revisions only) a request of ours, and takes no reference. Only
     * called from within bs_mcp_handle, in its thread. False: the client has gone. */
    bool (*send)(void *ctx, const json_t *message);
};

/*
 * Takes a text apart, which nobody has looked at yet.
 *
 * message  one JSON-RPC object, to be decref'd: a request, a notification or a response
 * refusal  where it is none: the error response to send, to be decref'd
 */
BS_MUST_CHECK bool bs_mcp_parse(struct bs_bytes text, json_t **message, json_t **refusal);

/*
 * Does what a message asks for.
 *
 * message  as bs_mcp_parse gave it; not changed
 * sink     used until the call returns
 * Returns the response, to be decref'd; NULL where none is due: to a notification or a response, and
 * to a request that was cancelled.
 */
json_t *
bs_mcp_handle(struct bs_mcp_peer *peer, const json_t *message, const struct bs_mcp_sink *sink);

/* An error response of a transport's own. id: of the request, NULL where there is none; data: taken
 * over, may be NULL. */
json_t *bs_mcp_error(const json_t *id, enum bs_mcp_code code, const char *message, json_t *data);

#endif
