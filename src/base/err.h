/*
 * err.h - how failure is told: an enum that must be looked at, and a fixed-size struct bs_err.
 *
 * Layer  base. No allocation.
 * Owns   nothing; messages are copied into the struct. The first failure wins.
 */
#ifndef BS_BASE_ERR_H
#define BS_BASE_ERR_H

#include <stdbool.h>

#include "base/must.h"

enum bs_code {
    BS_OK = 0,
#define BS_ERR(NAME, exit, http, sqlstate, retry, text) BS_E_##NAME,
#include "base/err_codes.h"
#undef BS_ERR
    BS_E_COUNT
};

/* What a function that can fail returns. Zero refuses. */
enum bs_done {
    BS_FAILED = 0,
    BS_DONE,
};

struct bs_err {
    enum bs_code code; /* BS_OK: nothing failed yet */
    char message[512]; /* one lower-case sentence; never a literal, password, token or row */
    char hint[256];    /* the way out; may be empty */
    char sqlstate[6];  /* set only where it differs from the code's own (a server's answer) */
};

static inline void
bs_err_clear(struct bs_err *err)
{
    err->code = BS_OK;
    err->message[0] = err->hint[0] = err->sqlstate[0] = '\0';
}

/* Declares an empty one. {0} would write all its bytes, which counts where it is done for every message. */
#define BS_FRESH_ERR(name)                                                                         \
    struct bs_err name;                                                                            \
    bs_err_clear(&name)

/* What the table says about a code. */
struct bs_code_info {
    const char *name;     /* "PROTOCOL" */
    int exit_status;      /* of the command line */
    int http_status;      /* of the HTTP API */
    const char *sqlstate; /* five characters */
    bool retryable;
    const char *text;
};

const struct bs_code_info *bs_code_get(enum bs_code code);
/* The error's own SQLSTATE, or its code's. */
const char *bs_err_sqlstate(const struct bs_err *err);

/* Record a failure; later calls on the same err change nothing. Returns BS_FAILED. */
enum bs_done bs_err_set(struct bs_err *err, enum bs_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void bs_err_hint(struct bs_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "what: " before the message. */
void bs_err_prefix(struct bs_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define BS_FAIL(err, CODE, ...) bs_err_set((err), BS_E_##CODE, __VA_ARGS__)

#endif
