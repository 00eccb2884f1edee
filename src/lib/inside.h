/*
 * inside.h - what the library's files share: how a failure becomes an object, and the locale of a call.
 *
 * Layer  lib.
 * Spec   include/backstop.h is the contract.
 * Owns   nothing.
 */
#ifndef BS_LIB_INSIDE_H
#define BS_LIB_INSIDE_H

#include <jansson.h>
#include <stdlib.h>

#include "backstop.h"
#include "base/bytes.h"
#include "base/err.h"

/* Leaves an object of `err` at `out` where the caller wants one; its code. */
int bs_lib_fail(const struct bs_err *err, backstop_error **out);
/* The same of a mistake in the arguments. */
int bs_lib_misused(const char *message, backstop_error **out);

/* What a caller hands in; a NULL text has no bytes, whatever is said. */
struct bs_bytes bs_lib_bytes(const char *text, size_t bytes);

/* A judgement of its JSON, which it takes over, also where it fails. */
int bs_lib_judgement(json_t *json, backstop_judgement **out, backstop_error **error);

/*
 * Runs what reads SQL or numbers, as it needs to be run whatever the caller's thread is like: with enough
 * stack, and in the locale C, for the host's may write 0,5 where we and the servers write 0.5.
 *
 * err  LIMIT: there is no room for a stack, the job did not run
 */
BS_MUST_CHECK enum bs_done bs_lib_run(void (*job)(void *with), void *with, struct bs_err *err);

#endif
