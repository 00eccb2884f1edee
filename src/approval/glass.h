/*
 * glass.h - breaking the glass: one admin lets one ticket through without the approvals that it needs,
 * and another operator looks at that afterwards.
 *
 * It is an approval as any other from there on: measured again, kept and proven, used once. What is
 * waived is the number of approvers and their groups, nothing else.
 *
 * Layer  approval. Blocks on the state: never on a worker. Thread-safe.
 * Spec   DESIGN 7; approval/decision.h.
 * Owns   what is handed out lives in the caller's arena.
 */
#ifndef BS_APPROVAL_GLASS_H
#define BS_APPROVAL_GLASS_H

#include "approval/ticket.h"

/*
 * Approve a pending ticket at once.
 *
 * by      an admin, as bs_state_operator_find gave it
 * reason  the admin's words; needed
 * out     the ticket afterwards, APPROVED
 * err     FORBIDDEN: no admin, or the owner of the actor where the policy excludes that one;
 *         NOT_FOUND; CONFLICT: decided already; STALE: expired; DATA: no reason, or not UTF-8
 */
BS_MUST_CHECK enum bs_done bs_glass_break(struct bs_tickets *t,
                                          const char *id,
                                          const struct bs_operator *by,
                                          const char *reason,
                                          struct bs_arena *arena,
                                          struct bs_ticket *out,
                                          struct bs_err *err);

/*
 * Say what became of it, and close the review.
 *
 * by    another operator than the one who broke the glass
 * note  that operator's words; needed
 * err   FORBIDDEN: no approver, or the one who broke it; NOT_FOUND: the glass was not broken for that
 *       ticket; CONFLICT: reviewed already; DATA: no note, or not UTF-8
 */
BS_MUST_CHECK enum bs_done bs_glass_review(struct bs_tickets *t,
                                           const char *id,
                                           const struct bs_operator *by,
                                           const char *note,
                                           struct bs_err *err);

#endif
