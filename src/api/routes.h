/*
 * routes.h - what the API can be asked, as a table: method, path, role, handler.
 *
 * A handler calls the same functions as the command line does. Whether the caller may call it is
 * read from the row, never decided in the handler.
 *
 * Layer  api. Handlers block.
 * Owns   an answer's body belongs to whoever sent the request.
 */
#ifndef BS_API_ROUTES_H
#define BS_API_ROUTES_H

#include <jansson.h>

#include "gateway/gateway.h"
#include "state/state.h"

struct bs_request {
    struct bs_gateway *gateway;
    const char *method;
    const char *path;  /* without the query */
    const char *token; /* NULL: none was sent */
    struct bs_bytes body;
    const char *(*query)(void *ctx, const char *name); /* a query parameter, or NULL */
    void *ctx;
    struct bs_operator by; /* filled in before a handler runs */
    const char *name;      /* the variable part of the path; NULL */
    struct bs_arena *arena;
};

struct bs_answer {
    int status;
    json_t *body;     /* freed by the caller; NULL: no body */
    const char *text; /* plain text in its place, in the request's arena; NULL: none */
};

/* Finds the route, checks the caller, runs the handler. Errors become problem details. */
void bs_routes_serve(struct bs_request *request, struct bs_answer *answer);

#endif
