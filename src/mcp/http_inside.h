/*
 * http_inside.h - what the files of the agents' HTTP share.
 *
 * Layer  mcp. For http*.c only.
 * Owns   see each.
 */
#ifndef BS_MCP_HTTP_INSIDE_H
#define BS_MCP_HTTP_INSIDE_H

#include "mcp/http_creds.h"
#include "mcp/http_sessions.h"
#include "mcp/http_stream.h"
#include "policy/config.h"

#define BS_HTTP_PATH      "/mcp"
#define BS_HTTP_METADATA  "/.well-known/oauth-protected-resource"
#define BS_HTTP_REVISION  "MCP-Protocol-Version"
#define BS_HTTP_SESSION   "Mcp-Session-Id"
#define BS_HTTP_CHALLENGE 640 /* bytes of WWW-Authenticate */

/* The whole. */
struct bs_http {
    const struct bs_config_agents_http *config;
    struct bs_mcp *mcp;
    struct bs_http_creds *creds;
    struct bs_http_sessions *sessions;
    atomic_bool stopping;
    atomic_uint threads; /* of exchanges */
};

/*
 * A message that is being handled, with all that it needs meanwhile. Held by each thread that has to do
 * with it; gone with the last.
 */
struct bs_http_exchange {
    struct bs_http *http;
    struct bs_http_cred *cred;
    struct bs_http_session *session; /* NULL: the stateless revision */
    struct bs_mcp_peer *peer;        /* the session's, or its own */
    struct bs_http_stream *stream;   /* NULL: answered with one message */
    json_t *message;
    bool listens; /* the stream that a session has asked for */
    atomic_uint held;
};

/* cred, session, message: taken over; session and message may be NULL. */
struct bs_http_exchange *bs_http_exchange_new(struct bs_http *http,
                                              struct bs_http_cred *cred,
                                              struct bs_http_session *session,
                                              json_t *message);
void bs_http_exchange_let_go(struct bs_http_exchange *x);
/* Handles it here. The answer, the caller's; NULL: none is due. What is sent meanwhile is lost. */
json_t *bs_http_exchange_run(struct bs_http_exchange *x);
/* Handles it in a thread of its own, which puts everything into its stream. */
void bs_http_exchange_start(struct bs_http_exchange *x);
/* Its client has gone. Any thread that has a hold on it. */
void bs_http_exchange_hang_up(struct bs_http_exchange *x);
/* Bytes of its stream, for whoever sends them: as bs_http_stream_read. */
ssize_t bs_http_exchange_read(struct bs_http_exchange *x, char *out, size_t room);

/* One HTTP request. */
struct bs_http_ask {
    struct bs_http *http;
    const char *method;
    const char *path;
    const char *client;                                     /* "127.0.0.1:40312" */
    const char *(*header)(void *ctx, const char *name);     /* NULL: it has none of that name */
    void (*handles)(void *ctx, struct bs_http_exchange *x); /* from now on; NULL: no more */
    void *ctx;
    struct bs_bytes body;
    bool body_too_long;
};

/* Its answer. Zero it first; bs_http_reply_fini afterwards. */
struct bs_http_reply {
    int status; /* 0: none yet */
    char *text; /* JSON, by malloc; NULL: no body */
    const char *allow;
    int retry_s;
    char challenge[BS_HTTP_CHALLENGE];
    char session[BS_HTTP_SESSION_ID];
    struct bs_http_exchange *stream; /* events; held */
};

void bs_http_reply_fini(struct bs_http_reply *a);

/*
 * Who asks, and may it? All that is decided before the body is looked at.
 *
 * Returns the credential, held, for bs_http_serve; NULL where `a` is the answer.
 */
struct bs_http_cred *bs_http_admit(const struct bs_http_ask *q, struct bs_http_reply *a);
/* Answers; takes the credential over. */
void bs_http_serve(const struct bs_http_ask *q, struct bs_http_cred *cred, struct bs_http_reply *a);

/* For http_route.c and http_post.c. */
void bs_http_refuse(struct bs_http_reply *a, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* answer: taken over; NULL: there is no body. */
void bs_http_answer(struct bs_http_reply *a, int status, json_t *answer);
void bs_http_post(const struct bs_http_ask *q, struct bs_http_cred *cred, struct bs_http_reply *a);

#endif
