/*
 * decision.h - what operators say to a ticket: decisions, which are counted, and comments.
 *
 * Layer  approval. Blocks on the state: never on a worker. Thread-safe.
 * Spec   DESIGN 7; approval/quorum.h.
 * Owns   what is handed out lives in the caller's arena.
 */
#ifndef BS_APPROVAL_DECISION_H
#define BS_APPROVAL_DECISION_H

#include "approval/quorum.h"
#include "approval/ticket.h"

enum bs_decide {
    BS_DECIDE_DENY = 0,
    BS_DECIDE_APPROVE,
};

/*
 * Decide a pending ticket. Final for that operator. One denial ends it; it is approved as soon as
 * all that it needs have approved.
 *
 * by      the operator, as bs_state_operator_find gave it
 * reason  the operator's words; may be NULL
 * out     the ticket afterwards: DENIED, APPROVED, or PENDING where more must approve
 * err     FORBIDDEN: may not decide this ticket; NOT_FOUND; CONFLICT: decided already, by this
 *         operator or for good; STALE: expired; DATA: the reason is missing or not UTF-8
 */
BS_MUST_CHECK enum bs_done bs_ticket_decide(struct bs_tickets *t,
                                            const char *id,
                                            const struct bs_operator *by,
                                            enum bs_decide verdict,
                                            const char *reason,
                                            struct bs_arena *arena,
                                            struct bs_ticket *out,
                                            struct bs_err *err);

/* Say something to a ticket, whatever its state, without a decision. FORBIDDEN; NOT_FOUND; DATA. */
BS_MUST_CHECK enum bs_done bs_ticket_comment(struct bs_tickets *t,
                                             const char *id,
                                             const struct bs_operator *by,
                                             const char *text,
                                             struct bs_err *err);

/* STALE: an approver was revoked since, and without that approval there are too few. */
BS_MUST_CHECK enum bs_done bs_ticket_still_approved(struct bs_tickets *t,
                                                    const struct bs_ticket *ticket,
                                                    struct bs_arena *arena,
                                                    struct bs_err *err);

struct bs_standing_need {
    const struct bs_need *need;
    int64_t have;
    const char **could; /* operators whose approval would count, and who have not decided */
    size_t n_could;
};

/* Who has said what, and who is missing. */
struct bs_standing {
    struct bs_approvals approvals;
    struct bs_said_row *said; /* oldest first, comments too */
    size_t n_said;
    struct bs_standing_need *needs;
    size_t n_needs;               /* at least one */
    const struct bs_glass *glass; /* approved by one alone (glass.h); NULL: not */
};

BS_MUST_CHECK enum bs_done bs_ticket_standing(struct bs_tickets *t,
                                              const struct bs_ticket *ticket,
                                              struct bs_arena *arena,
                                              struct bs_standing *out,
                                              struct bs_err *err);

#endif
