/*
 * http_creds.h - who asks over HTTP: credentials that have proven themselves, and what is kept of them.
 *
 * A credential is an agent's name and a secret of it, for one database, from one address: what was let
 * in from here says nothing of the same from elsewhere. It is found by a keyed digest.
 *
 * Layer  mcp. Thread-safe. Entering may log in, and blocks.
 * Spec   RFC 6750 (Bearer), RFC 7617 (Basic), RFC 4648 5 (base64url).
 * Owns   credentials, with their actor and connections, until nobody has used them for a while.
 */
#ifndef BS_MCP_HTTP_CREDS_H
#define BS_MCP_HTTP_CREDS_H

#include "gateway/gateway.h"
#include "mcp/mcp.h"

#define BS_HTTP_SECRET 512 /* bytes of a header's credential, decoded */

/* What a request says of who it is. */
struct bs_http_claim {
    char text[BS_HTTP_SECRET]; /* wipe it */
    const char *agent;         /* both in `text` */
    const char *secret;
    const char *database; /* NULL: the only one that the agent has */
    const char *client;   /* "127.0.0.1:40312" */
};

/*
 * Reads the Authorization field: "Bearer base64url(agent:secret)", or "Basic base64(agent:secret)".
 * False where it is none of an agent: it is not looked at any further.
 */
BS_MUST_CHECK bool bs_http_claim_read(const char *authorization, struct bs_http_claim *out);

struct bs_http_creds; /* opaque */
struct bs_http_cred;  /* opaque */

/* most  connections to the gateway at once, over all credentials */
struct bs_http_creds *bs_http_creds_new(struct bs_gateway *g, struct bs_mcp *mcp, unsigned most);
/* When every credential has been left. Accepts NULL; sets it NULL. */
void bs_http_creds_free(struct bs_http_creds **creds);

/*
 * The credential, which is let in at this moment; bs_http_creds_leave when done with.
 *
 * retry_s  set with TOO_OFTEN
 * err      AUTH: it is not; TOO_OFTEN: too many wrong ones came from that address; FORBIDDEN, NOT_FOUND:
 *          not to that database; USAGE: it has several, and none was named; PAUSED; LIMIT, UNAVAILABLE
 */
BS_MUST_CHECK struct bs_http_cred *bs_http_creds_enter(struct bs_http_creds *creds,
                                                       const struct bs_http_claim *claim,
                                                       int *retry_s,
                                                       struct bs_err *err);
/* One more holder of it. */
void bs_http_creds_hold(struct bs_http_creds *creds, struct bs_http_cred *cred);
void bs_http_creds_leave(struct bs_http_creds *creds, struct bs_http_cred *cred);
/* Forgets what nobody uses. Call it about every second. */
void bs_http_creds_tend(struct bs_http_creds *creds);

struct bs_mcp_actor *bs_http_cred_actor(const struct bs_http_cred *cred);
const char *bs_http_cred_agent(const struct bs_http_cred *cred);
/* It was refused since: whoever holds it should let go. */
bool bs_http_cred_is_refused(const struct bs_http_cred *cred);

#endif
