/*
 * guard.h - who asks, whether they may, and whether they ask too often.
 *
 * An operator comes with a token, or from a browser with the cookie of a login (logins.h). A browser
 * sends that along whoever made it ask, so that such a request has to prove more.
 *
 * Layer  api. Blocks on the state.
 * Spec   RFC 6750; RFC 6585 (429); OWASP Cross-Site Request Forgery Prevention (synchronizer token,
 *        origin, Fetch Metadata).
 * Owns   nothing.
 */
#ifndef BS_API_GUARD_H
#define BS_API_GUARD_H

#include "api/events.h"
#include "api/request.h"

/*
 * Lets a request in, and fills in q->by, and q->cookie and q->login where it came with a cookie.
 *
 * role     least role that it needs; NONE: anyone
 * retry_s  set with TOO_OFTEN: seconds until there is a chance
 * err      AUTH, FORBIDDEN, TOO_OFTEN; those of the state
 */
BS_MUST_CHECK enum bs_done
bs_guard(struct bs_request *q, enum bs_role role, int *retry_s, struct bs_err *err);

/* Whose token that is: fills in q->by and q->token_sha256. Wrong ones are counted. AUTH, TOO_OFTEN; those of the state. */
BS_MUST_CHECK enum bs_done
bs_guard_token(struct bs_request *q, const char *token, int *retry_s, struct bs_err *err);

/* May whoever opened a stream of events go on with it? A bs_events_may_fn; `api`: a struct bs_api. */
bool bs_guard_may_watch(void *api, const struct bs_watcher *who);

/* FORBIDDEN: the browser says that a page of another origin asks. */
BS_MUST_CHECK enum bs_done bs_guard_origin(const struct bs_request *q, struct bs_err *err);

#endif
