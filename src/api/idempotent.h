/*
 * idempotent.h - answers to POSTs that carried an Idempotency-Key, so that sending one again is
 * answered again and not done again.
 *
 * Kept in memory for a day, and within bounds: the oldest go first. A restart forgets them; what is
 * decided once stays decided once by the state's own rules.
 *
 * Layer  api. Thread-safe; does not block.
 * Spec   draft-ietf-httpapi-idempotency-key-header.
 * Owns   the table, with copies of the answers.
 */
#ifndef BS_API_IDEMPOTENT_H
#define BS_API_IDEMPOTENT_H

#include "api/request.h"

struct bs_idempotent *bs_idempotent_new(void);
void bs_idempotent_free(struct bs_idempotent **t); /* accepts NULL; sets it NULL */

/*
 * Before the handler. A key counts for one operator and path.
 *
 * a     where it was answered before: that answer, with `again`
 * err   USAGE: no such key can be; DATA: it came with another body; CONFLICT: it is being answered
 *       now, or the answer held a secret that is not kept
 */
BS_MUST_CHECK enum bs_done bs_idempotent_begin(struct bs_idempotent *t,
                                               const struct bs_request *q,
                                               const char *key,
                                               struct bs_answer *a,
                                               struct bs_err *err);
/* After it. An answer of 500 and above is forgotten: it may be tried again. */
void bs_idempotent_end(struct bs_idempotent *t,
                       const struct bs_request *q,
                       const char *key,
                       const struct bs_answer *a);

#endif
