/*
 * http_sessions.h - the sessions of revision 2025-11-25: an id that only who began it can use.
 *
 * Layer  mcp. Thread-safe.
 * Spec   https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
 * Owns   sessions, each with its peer and a hold on its credential.
 */
#ifndef BS_MCP_HTTP_SESSIONS_H
#define BS_MCP_HTTP_SESSIONS_H

#include "mcp/http_creds.h"

#define BS_HTTP_SESSION_ID 65 /* hex and a NUL */

struct bs_http_sessions; /* opaque */
struct bs_http_session;  /* opaque */

struct bs_http_sessions *bs_http_sessions_new(struct bs_http_creds *creds, int64_t idle_ms);
/* When none is in use. Accepts NULL; sets it NULL. */
void bs_http_sessions_free(struct bs_http_sessions **sessions);

/*
 * A new one, in use until bs_http_sessions_leave. Of an agent that has many, the one that was not used
 * for longest makes room.
 *
 * asks  its client can be asked something while it waits for an answer
 * err   LIMIT
 */
BS_MUST_CHECK struct bs_http_session *bs_http_sessions_begin(struct bs_http_sessions *sessions,
                                                             struct bs_http_cred *cred,
                                                             bool asks,
                                                             struct bs_err *err);
/* The one of that id, in use; NULL: there is none that this credential has begun. */
struct bs_http_session *
bs_http_sessions_find(struct bs_http_sessions *sessions, const char *id, struct bs_http_cred *cred);
void bs_http_sessions_leave(struct bs_http_sessions *sessions, struct bs_http_session *session);
/* Nobody finds it any more, and what runs for it ends. It is still in use by the caller. */
void bs_http_sessions_end(struct bs_http_sessions *sessions, struct bs_http_session *session);
void bs_http_sessions_end_all(struct bs_http_sessions *sessions);
/* Ends those that are idle, or whose credential is let in no more. Call it about every second. */
void bs_http_sessions_tend(struct bs_http_sessions *sessions);

const char *bs_http_session_id(const struct bs_http_session *session);
struct bs_mcp_peer *bs_http_session_peer(const struct bs_http_session *session);
bool bs_http_session_asks(const struct bs_http_session *session);
bool bs_http_session_has_ended(const struct bs_http_session *session);
/* The one stream of it that was asked for by GET: false where there is one already. */
BS_MUST_CHECK bool bs_http_session_listen(struct bs_http_session *session);
void bs_http_session_unlisten(struct bs_http_session *session);

#endif
