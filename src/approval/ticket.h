/*
 * ticket.h - held statements: opened by an actor, decided by operators (decision.h), redeemed
 * exactly once.
 *
 * The rules of tickets in one place, for the gateway, the API and the command line alike. Every
 * change is one compare-and-set in the state: of several who try, one succeeds and the others get
 * CONFLICT. Two clocks run: a ticket is decided in time or expires, and an approved one is redeemed
 * in time or expires. Whatever is overdue is expired before any call looks at it.
 *
 * Layer  approval. Blocks on the state: never on a worker. Thread-safe.
 * Spec   DESIGN 7, PROTECT 14.
 * Owns   a bs_tickets borrows its state; what is handed out lives in the caller's arena.
 */
#ifndef BS_APPROVAL_TICKET_H
#define BS_APPROVAL_TICKET_H

#include "base/arena.h"
#include "base/err.h"
#include "state/state.h"

struct bs_tickets; /* opaque */

struct bs_tickets_options {
    int64_t decide_us;       /* life of a pending ticket; 0: 15 minutes */
    int64_t redeem_us;       /* life of an approved one; 0: 15 minutes */
    int64_t (*now_us)(void); /* wall clock; NULL: bs_now_us */
};

/* state   outlives the tickets */
struct bs_tickets *bs_tickets_new(struct bs_state *state, const struct bs_tickets_options *options);
void bs_tickets_free(struct bs_tickets **t); /* accepts NULL; sets it NULL */

/*
 * A ticket changed, in this process. Called on the thread that made the change, after it is
 * durable: be quick, do not block, do not subscribe or unsubscribe in it. Changes made by two
 * threads may be told in either order: what counts is what bs_ticket_redeem answers.
 *
 * ticket   as it is now; borrowed for the call
 */
typedef void bs_ticket_fn(const struct bs_ticket *ticket, void *arg);

/* Be told of every change: opened, decided, expired, redeemed, finished. LIMIT: 16 are there. */
BS_MUST_CHECK enum bs_done
bs_tickets_subscribe(struct bs_tickets *t, bs_ticket_fn *fn, void *arg, struct bs_err *err);
/* No call is under way or comes any more once this returns. */
void bs_tickets_unsubscribe(struct bs_tickets *t, bs_ticket_fn *fn, void *arg);

/*
 * Open a ticket, or find the pending or approved one of the same identity.
 *
 * ask   identity, actor, database, sql and the facts to show; id, state and times are ignored
 * out   PENDING: hold on out->id; APPROVED: redeem it
 * err   BLOCKED: no operator was ever registered, nobody could decide; DATA: something needed is
 *       missing or not UTF-8; LIMIT: too many of this actor's are pending already
 */
BS_MUST_CHECK enum bs_done bs_ticket_open(struct bs_tickets *t,
                                          const struct bs_ticket *ask,
                                          struct bs_arena *arena,
                                          struct bs_ticket *out,
                                          struct bs_err *err);

BS_MUST_CHECK enum bs_done bs_ticket_get(struct bs_tickets *t,
                                         const char *id,
                                         struct bs_arena *arena,
                                         struct bs_ticket *out,
                                         struct bs_err *err);
/* Newest first. */
BS_MUST_CHECK enum bs_done bs_ticket_list(struct bs_tickets *t,
                                          const struct bs_ticket_filter *filter,
                                          struct bs_arena *arena,
                                          struct bs_ticket **out,
                                          size_t *n,
                                          struct bs_err *err);

/*
 * Take an approved ticket for one run: approved -> running. Exactly one caller succeeds, once.
 *
 * identity  of what is about to run, by bs_ticket_identity
 * out       the running ticket
 * err       NOT_FOUND; CONFLICT: not approved, redeemed by another, or another identity;
 *           DENIED: denied; STALE: expired, or an approver was revoked since
 */
BS_MUST_CHECK enum bs_done bs_ticket_redeem(struct bs_tickets *t,
                                            const char *id,
                                            const char *identity,
                                            struct bs_arena *arena,
                                            struct bs_ticket *out,
                                            struct bs_err *err);

/*
 * Tell how a running ticket ended.
 *
 * end     DONE, FAILED or UNCERTAIN
 * point   recovery point id; may be NULL
 * detail  a sentence for operators; may be NULL
 * err     NOT_FOUND; CONFLICT: not running; USAGE: not an end
 */
BS_MUST_CHECK enum bs_done bs_ticket_finish(struct bs_tickets *t,
                                            const char *id,
                                            enum bs_ticket_state end,
                                            const char *point,
                                            const char *detail,
                                            struct bs_err *err);

/*
 * Give a running ticket back, approved as it was and with the time that it had left: its transaction
 * was rolled back because another statement of it still waits for a decision. NOT_FOUND; CONFLICT:
 * not running.
 */
BS_MUST_CHECK enum bs_done
bs_ticket_release(struct bs_tickets *t, const char *id, struct bs_err *err);

/* A stricter policy or another reason ends a pending or approved ticket: EXPIRED. CONFLICT. */
BS_MUST_CHECK enum bs_done
bs_ticket_void(struct bs_tickets *t, const char *id, const char *why, struct bs_err *err);

/* Expire what is overdue and tell the subscribers; call it now and then. `n` may be NULL. */
BS_MUST_CHECK enum bs_done bs_tickets_sweep(struct bs_tickets *t, size_t *n, struct bs_err *err);

/* Another gateway says that it has changed: the subscribers are told what it is now. Nothing where it
 * cannot be read; whoever waits for it looks by itself, too. id: whatever somebody may have said. */
void bs_ticket_heard(struct bs_tickets *t, const char *id);

/* Is a step from one state to another legal at all? Pure. */
bool bs_ticket_step_legal(enum bs_ticket_state from, enum bs_ticket_state to);

#endif
