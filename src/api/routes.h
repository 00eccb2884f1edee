/*
 * routes.h - what the API can be asked, as one table; and the way of a request through its row.
 *
 * Whether the caller may, what parameters there are and what the body holds is read from the row,
 * never decided in a handler. openapi.json says the same to others; a test compares the two.
 *
 * Layer  api. Handlers block.
 * Spec   RFC 9110, RFC 9457 (problem details).
 * Owns   nothing.
 */
#ifndef BS_API_ROUTES_H
#define BS_API_ROUTES_H

#include "api/request.h"

typedef enum bs_done bs_handler_fn(struct bs_request *q, struct bs_answer *a, struct bs_err *err);

struct bs_route {
    const char *method;
    const char *path;   /* "{...}" stands for one segment, "{...*}" for all that is left */
    enum bs_role role;  /* least role; NONE: anyone who can reach the listener */
    const char *params; /* names of query parameters, a blank between them */
    const char *body;   /* members of a POST's or PATCH's object: see body.h; "" none */
    bs_handler_fn *handler;
};

extern const struct bs_route bs_routes[];
extern const size_t bs_n_routes;

/*
 * Finds the route, checks the caller and what was sent, runs the handler. Errors become problem
 * details. The answer belongs to the caller.
 */
void bs_routes_serve(struct bs_request *q, struct bs_answer *a);

/* The same for what server.c finds wrong before there is a route. */
void bs_routes_refuse(const struct bs_err *err, struct bs_answer *a);

#endif
