/*
 * client.h - a request to the operators' API, for verbs that act on a running gateway.
 *
 * Layer  cli.
 * Owns   the caller frees what is returned.
 */
#ifndef BS_CLI_CLIENT_H
#define BS_CLI_CLIENT_H

#include <jansson.h>

#include "base/err.h"

/* How every such verb finds the gateway and says who asks. */
struct bs_client {
    const char *server;     /* --server, else BACKSTOP_SERVER, else http://127.0.0.1:6580 */
    const char *token_file; /* --token-file; else BACKSTOP_TOKEN is the token itself */
    long timeout_s;         /* 0: 60 */
};

/* Rows for a verb's table of options. */
#define BS_CLIENT_ARGS(client)                                                                     \
    {"server",                                                                                     \
     's',                                                                                          \
     BS_ARG_TEXT,                                                                                  \
     "URL",                                                                                        \
     "operators' API (default $BACKSTOP_SERVER or http://127.0.0.1:6580)",                         \
     &(client)->server},                                                                           \
    {                                                                                              \
        "token-file", 't', BS_ARG_TEXT, "FILE", "operator's token (default $BACKSTOP_TOKEN)",      \
            &(client)->token_file                                                                  \
    }

/* The operator's token, without the newline an editor leaves; USAGE where none was given. The
 * caller frees it with bs_free_secret. */
BS_MUST_CHECK char *bs_client_token(const char *token_file, struct bs_err *err);

/*
 * Asks.
 *
 * path  "/v1/tickets", with its query
 * body  for POST; NULL: none. Borrowed
 * out   the answer's JSON; NULL on failure
 * err   UNAVAILABLE: no answer; USAGE: no token; else what the gateway said
 */
BS_MUST_CHECK enum bs_done bs_client_ask(const struct bs_client *client,
                                         const char *method,
                                         const char *path,
                                         const json_t *body,
                                         json_t **out,
                                         struct bs_err *err);

/*
 * All pages of a list, as if they were one.
 *
 * path  with a query
 * list  the member that holds the items ("tickets")
 * out   the first answer, with the items of all; errors as above
 */
BS_MUST_CHECK enum bs_done bs_client_list(const struct bs_client *client,
                                          const char *path,
                                          const char *list,
                                          json_t **out,
                                          struct bs_err *err);

#endif
