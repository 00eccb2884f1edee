/*
 * refusal.h - what a client is told instead of an answer of the server's, and the text that makes
 * the server refuse.
 *
 * Layer  gateway. Pure.
 * Spec   PROTECT 13, DESIGN 7.
 * Owns   a refusal owns its texts.
 */
#ifndef BS_GATEWAY_REFUSAL_H
#define BS_GATEWAY_REFUSAL_H

#include "base/bytes.h"
#include "base/err.h"

struct bs_refusal {
    char sqlstate[6];
    char *message;
    char *detail;      /* NULL: none */
    char *hint;        /* NULL: none */
    uint32_t position; /* in the client's text, in characters from 1; 0: none */
};

/* DETAIL of a 42501 of ours, by which it differs from the server's own. */
#define BS_BLOCKED_DETAIL "{\"v\":1,\"state\":\"blocked\",\"retry\":\"never\"}"

/* Texts are copied; detail and hint may be NULL. */
struct bs_refusal *
bs_refusal_new(const char *sqlstate, const char *message, const char *detail, const char *hint);
struct bs_refusal *bs_refusal_of(const struct bs_err *err);
struct bs_refusal *bs_refusal_copy(const struct bs_refusal *f);
void bs_refusal_free(struct bs_refusal **f); /* accepts NULL; sets it NULL */
/* An ErrorResponse with it. */
void bs_refusal_put(struct bs_buf *out, const struct bs_refusal *f);

/* What PostgreSQL says about anything but ROLLBACK in a failed transaction: 25P02. */
struct bs_refusal *bs_refusal_aborted(void);
/* And about a name that no prepared statement has ("" is the one without a name): 26000. */
struct bs_refusal *bs_refusal_no_statement(struct bs_bytes name);
/* And about a cancel: 57014. */
struct bs_refusal *bs_refusal_cancelled(void);

/* Deliberately unparsable: the server itself does the rollback, the status and the skipping, and
 * its log says whose doing it is. */
#define BS_POISON "!backstop refused"

#endif
