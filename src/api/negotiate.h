/*
 * negotiate.h - what the client takes, and what it has already.
 *
 * Layer  api. Pure.
 * Spec   RFC 9110 12.5.1 (Accept), 13.1 (conditions), 8.8.3 (ETag).
 * Owns   nothing.
 */
#ifndef BS_API_NEGOTIATE_H
#define BS_API_NEGOTIATE_H

#include "api/request.h"

/* Does the client take what this path gives? ACCEPT. */
BS_MUST_CHECK enum bs_done
bs_accepts(const struct bs_request *q, const char *path, struct bs_err *err);

/* Does a list of entity tags, or "*", hold one that begins so? A whole one ends with its quote.
 * "W/" is not looked at. */
bool bs_etag_in(const char *list, const char *begin);

/* Gives a GET that was answered an entity tag; 304 where the client has that already. */
void bs_not_modified(const struct bs_request *q, struct bs_answer *a);
/* The entity tag of an answer with that text, in the arena. */
const char *bs_etag_of(struct bs_arena *arena, const char *text);

#endif
