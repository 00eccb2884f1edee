/*
 * request.h - a request as a handler sees it, and the answer that it fills in.
 *
 * Layer  api. Knows nothing of the HTTP library: server.c does.
 * Spec   RFC 9110 (fields, conditions), RFC 6750 (bearer tokens).
 * Owns   a request borrows all it has for as long as it is served; an answer owns its JSON,
 *        text and stream until bs_answer_fini.
 */
#ifndef BS_API_REQUEST_H
#define BS_API_REQUEST_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/logins.h"
#include "base/arena.h"
#include "base/err.h"
#include "gateway/gateway.h"
#include "state/state.h"

struct bs_console_file; /* api/console.h */
struct bs_events;       /* api/events.h */
struct bs_idempotent;   /* api/idempotent.h */
struct bs_notifier;     /* notify/notifier.h */
struct bs_rates;        /* base/rate.h */
struct bs_restores;     /* api/restores.h */
struct bs_stream;       /* api/events.h */

/* What lives as long as the listener does. */
struct bs_api {
    struct bs_gateway *gateway;
    struct bs_rates *operators; /* requests, by operator */
    struct bs_rates *strangers; /* requests without a token, by address */
    struct bs_rates *failures;  /* tokens that were nobody's, by address */
    struct bs_rates *known;     /* digests of tokens that were somebody's lately */
    struct bs_logins *logins;
    struct bs_idempotent *idempotent;
    struct bs_events *events;
    atomic_bool verifying; /* the audit; one at a time, for it reads all of it */
    struct bs_restores *restores;
    struct bs_notifier *notifier;
    struct bs_rates *replays; /* what Slack has sent lately, by signature */
};

/* A query parameter, decoded. */
struct bs_param {
    const char *name;
    const char *value;
};

struct bs_request {
    struct bs_api *api;
    struct bs_gateway *gateway;
    const char *method;
    const char *path;   /* decoded, without the query */
    const char *client; /* address */
    const struct bs_param *params;
    size_t n_params;
    struct bs_bytes body;
    const char *(*header)(void *ctx, const char *name); /* NULL: not sent */
    const char *(*find_cookie)(void *ctx, const char *name);
    void *ctx;
    struct bs_arena *arena;
    /* Filled in before a handler runs. */
    struct bs_operator by;
    char token_sha256[BS_SHA256_TEXT]; /* of the token that it came with */
    const char *cookie; /* the secret of the login that it came with; NULL: it came with a token */
    struct bs_logged_in login; /* with `cookie` */
    const char *via;           /* where it came in, where not from the operator; NULL */
    const char *name;          /* the variable part of the path; NULL */
    const json_t *json;        /* the body, an object; NULL: none was sent */
    json_t *parsed;            /* what owns it: routes.c frees it */
};

struct bs_answer {
    int status;
    json_t *body;             /* NULL: no body */
    char *text;               /* what is sent, on the heap: the body written out, or another text */
    const char *type;         /* of the text */
    struct bs_stream *stream; /* sent in place of a text, for as long as it lasts */
    const struct bs_console_file *file; /* the same, of the binary's own */
    const char *etag;                   /* with its quotes; NULL: the digest of the body */
    const char *cookie;                 /* Set-Cookie */
    const char *allow;
    const char *location; /* of what was begun; NULL */
    int retry_s;          /* Retry-After; 0: none */
    bool secret;          /* holds what is shown once: never kept */
    bool page;            /* of the console: a browser may run it, and keep it as long as it asks */
    bool again;           /* given before, for the same Idempotency-Key */
};

void bs_answer_fini(struct bs_answer *a);

/* A query parameter, or NULL. */
const char *bs_request_param(const struct bs_request *q, const char *name);
/* The token of "Authorization: Bearer", or NULL. */
const char *bs_request_token(const struct bs_request *q);
/* A text of the body's object, in the arena; NULL: it is not there. */
const char *bs_request_string(const struct bs_request *q, const char *name);

#endif
