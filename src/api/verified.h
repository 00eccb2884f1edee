/*
 * verified.h - what was found in logs of the audit, as the command line and the API tell it.
 *
 * Layer  api. Pure.
 * Owns   what it returns belongs to the caller.
 */
#ifndef BS_API_VERIFIED_H
#define BS_API_VERIFIED_H

#include <jansson.h>

#include "audit/verify.h"

/* A log of the directory and what was found in it. */
struct bs_verified {
    const char *log; /* "": the gateway's own */
    struct bs_audit_verdict v;
};

/* The sums, the first break, and each log for itself. */
json_t *bs_verified_json(const struct bs_verified *all, size_t n);

#endif
