/*
 * guard.h - who asks, whether they may, and whether they ask too often.
 *
 * Layer  api. Blocks on the state.
 * Spec   RFC 6750; RFC 6585 (429).
 * Owns   nothing.
 */
#ifndef BS_API_GUARD_H
#define BS_API_GUARD_H

#include "api/request.h"

/*
 * Lets a request in, and fills in q->by.
 *
 * role     least role that it needs; NONE: anyone
 * retry_s  set with TOO_OFTEN: seconds until there is a chance
 * err      AUTH, FORBIDDEN, TOO_OFTEN; those of the state
 */
BS_MUST_CHECK enum bs_done
bs_guard(struct bs_request *q, enum bs_role role, int *retry_s, struct bs_err *err);

#endif
