/*
 * evade.h - what was refused and comes again in other words, and whom that has put into quarantine.
 *
 * Layer  gateway. On the session's worker thread, unless said otherwise.
 * Spec   DESIGN 1 (wording), 7; approval/evasion.h.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_EVADE_H
#define BS_GATEWAY_EVADE_H

#include "gateway/gating.h"

/*
 * A gated unit is about to be recorded: sets g->harms and g->evades, and records an evasion. On
 * a job thread, after the identity.
 *
 * err   PAUSED: it is one too many; LIMIT; or why it could not be recorded
 */
BS_MUST_CHECK enum bs_done bs_evade_gate(struct bs_gate *g, struct bs_err *err);

/*
 * What is refused at once is compared with what was refused before; what the policy has blocked is
 * remembered, too. Nothing where the verdict is no refusal, or one for the statement's form.
 *
 * bind      body of the Bind; empty for a Query
 * prepared  of the Bind; NULL for a Query
 */
void bs_evade_refused(struct bs_relay *r,
                      struct bs_verdict *v,
                      struct bs_bytes bind,
                      struct bs_prepared *prepared);

/* The same for a gate whose measured rows the policy blocks. On a job thread. */
void bs_evade_gate_blocked(struct bs_gate *g);

#endif
