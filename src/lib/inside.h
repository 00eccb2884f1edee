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
#include <locale.h>
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
 * The host's locale may write 0,5 where we and the servers write 0.5: in the calls that read or write
 * numbers, this thread is in the locale C.
 */
struct bs_lib_locale {
    locale_t c, before;
};

void bs_lib_enter(struct bs_lib_locale *l);
void bs_lib_leave(struct bs_lib_locale *l);

#endif
