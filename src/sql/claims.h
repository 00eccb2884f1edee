/*
 * claims.h - what a client says of itself: which run it is, what for, and what started it; in
 * start-up options, or in a comment of a statement as sqlcommenter writes it, whose inside is
 *
 *     run_id='7f3a',purpose='nightly%20report',traceparent='00-...-01'
 *
 * For people and for records. Nobody has proven any of it, so nothing is ever decided by it.
 *
 * Layer  sql. Pure.
 * Spec   https://google.github.io/sqlcommenter/spec/ and W3C Trace Context.
 * Owns   nothing.
 */
#ifndef BS_SQL_CLAIMS_H
#define BS_SQL_CLAIMS_H

#include <stdbool.h>

#include "base/bytes.h"

#define BS_CLAIM_MAX 128 /* bytes of one */

enum bs_claim {
    BS_CLAIM_RUN = 0,
    BS_CLAIM_PURPOSE,
    BS_CLAIM_PARENT,
    BS_CLAIM_TRACE, /* traceparent */
    BS_CLAIMS
};

/* "" where it is not said. */
struct bs_claims {
    char text[BS_CLAIMS][BS_CLAIM_MAX + 1];
};

const char *bs_claim_name(enum bs_claim claim); /* "run", "purpose", "parent", "traceparent" */

/*
 * Take one as it was said.
 *
 * name  as clients write it: "run", "run_id", ...; any other is not taken
 * Returns false, and takes nothing, where it is longer than BS_CLAIM_MAX, not UTF-8 or has a control
 * character.
 */
BS_MUST_CHECK bool bs_claim_take(struct bs_claims *to, struct bs_bytes name, struct bs_bytes value);

/*
 * Those in the comment that a text ends with, else in the one that it begins with. What is malformed
 * is skipped. A text without such a comment costs a look at its two ends.
 */
void bs_claims_of_text(struct bs_claims *to, struct bs_bytes text);

bool bs_claims_any(const struct bs_claims *c);

#endif
