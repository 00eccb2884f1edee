/*
 * paused.h - who is held back: paused by an operator, or quarantined for evading. One answer for
 * every place that lets something begin.
 *
 * A pause lets nothing new run but ROLLBACK and what gives things back, so a transaction that is open when it comes cannot
 * commit any more; what runs then may end, unless the pause cancels it. A quarantine lets its actor
 * read on, and commit what it has begun.
 *
 * Layer  gateway. On any thread, unless said otherwise.
 * Spec   DESIGN 7 (ZB006), 12.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_PAUSED_H
#define BS_GATEWAY_PAUSED_H

#include "gateway/refusal.h"
#include "gateway/running.h"
#include "gateway/standing.h"

struct bs_verdict; /* gateway/judge.h */

/* What the session is left. */
struct bs_leave bs_paused_leave(const struct bs_session *s);
/* What may change something may not begin. */
bool bs_paused_stops(const struct bs_session *s);
/* What the client is told: that, and what next. */
struct bs_refusal *bs_paused_refusal(struct bs_leave leave);
/* The same where something was under way, which is cancelled: the server may have been quicker. */
struct bs_refusal *bs_paused_ending(struct bs_leave leave);

/* On the session's worker: refuses what is not left. */
void bs_paused_judge(const struct bs_relay *r, struct bs_verdict *v);

#endif
