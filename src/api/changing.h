/*
 * changing.h - what the handlers that change agents and operators share.
 *
 * Layer  api. Blocks on the state.
 * Spec   RFC 9110 (If-Match).
 * Owns   nothing; texts live in the request's arena.
 */
#ifndef BS_API_CHANGING_H
#define BS_API_CHANGING_H

#include "api/request.h"

/* "operator:NAME" of whoever asks, for the audit. */
const char *bs_changing_by(const struct bs_request *q);
/* Was that member sent, be it null? */
bool bs_changing_has(const struct bs_request *q, const char *member);
/* A member that is an array of texts; none where it was not sent. LIMIT. */
BS_MUST_CHECK enum bs_done bs_changing_texts(const struct bs_request *q,
                                             const char *member,
                                             const char ***list,
                                             size_t *n,
                                             struct bs_err *err);
/* A duration like "15m"; `otherwise` where it was not sent. USAGE. */
BS_MUST_CHECK enum bs_done bs_changing_duration(const struct bs_request *q,
                                                const char *member,
                                                int64_t otherwise_ms,
                                                int64_t *out_ms,
                                                struct bs_err *err);
/*
 * Begins a change of what is shown as `now`. Where If-Match was sent nobody else, at whatever gateway
 * or command line, changes anything until bs_changing_end. CHANGED: it is not so any more; then
 * nothing was begun.
 */
BS_MUST_CHECK enum bs_done bs_changing_begin(struct bs_request *q,
                                             json_t *(*now)(struct bs_request *q,
                                                            struct bs_err *err),
                                             struct bs_err *err);
/* done: of the change; the answer is what became of it. */
BS_MUST_CHECK enum bs_done
bs_changing_end(struct bs_request *q, enum bs_done done, struct bs_err *err);

#endif
