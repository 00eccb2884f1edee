/*
 * body.h - the JSON object of a POST or PATCH, checked against the row of its route.
 *
 * A row says "sql!s database:s rows:i": names, '!' where one is needed, ':' where it may be left
 * out, and the type: s text, S text or null, i integer, n number, b boolean, a array of texts.
 *
 * Layer  api. Pure.
 * Owns   q->parsed belongs to the request.
 */
#ifndef BS_API_BODY_H
#define BS_API_BODY_H

#include "api/request.h"

#define BS_BODY_RAW "*" /* a row's: whatever is sent, for the handler to read */

/*
 * Fills in q->json. Where no body was sent and none is needed it stays NULL.
 *
 * members  as above; "": none, and no body is needed
 * err      MEDIA: not application/json; DATA: no JSON object, or not with these members
 */
BS_MUST_CHECK enum bs_done
bs_body_take(struct bs_request *q, const char *members, struct bs_err *err);

#endif
