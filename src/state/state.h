/*
 * state.h - what survives a restart besides audit and recovery points: agents, operators, tickets,
 * what was blocked, the index of points, and changes made from the command line that the audit does not have yet.
 *
 * Every call is one transaction and durable when it returns BS_DONE. Several processes may have
 * the same state open (`agents add` while the gateway runs).
 *
 * Layer  state. Blocks on the disk: job threads, HTTP threads and the command line, never a worker.
 *        Every function is thread-safe.
 * Owns   a bs_state owns its connection. What the functions hand out is copied into the caller's
 *        arena; what they are given is borrowed for the call.
 */
#ifndef BS_STATE_STATE_H
#define BS_STATE_STATE_H

#include "base/arena.h"
#include "base/err.h"
#include "state/notify.h"
#include "state/rows.h"

struct bs_state; /* opaque */

/*
 * Open, and create or migrate where needed.
 *
 * url   "sqlite:///absolute/path", or that path alone; the file is made with mode 0600, its folder
 *       must exist
 * err   CONFIG: another scheme, a file that others can read, a schema of a newer version, no
 *       Backstop state at all; UNAVAILABLE: it cannot be opened
 */
BS_MUST_CHECK enum bs_done
bs_state_open(const char *url, struct bs_state **out, struct bs_err *err);
void bs_state_close(struct bs_state **s); /* accepts NULL; sets it NULL */

/*
 * To read and then write, as one: from here to bs_state_end on the same thread nobody else changes
 * anything, whoever has the same state open. For little: all of them wait.
 */
BS_MUST_CHECK enum bs_done bs_state_begin(struct bs_state *s, struct bs_err *err);
/* done: of what was done in between; unless that is BS_DONE nothing of it has happened. Its answer is
 * what became of all. */
BS_MUST_CHECK enum bs_done bs_state_end(struct bs_state *s, enum bs_done done, struct bs_err *err);

/* Errors of everything below, besides those named: UNAVAILABLE (locked too long, disk), LIMIT
 * (the arena's ceiling). */

/* --- agents --- */

/*
 * Add an agent. A revoked agent's name may be given again.
 *
 * by    who did it, for the audit ("operator:kim", "local:root")
 * err   USAGE: a name, database or verifier is malformed; CONFLICT: the name is taken
 */
BS_MUST_CHECK enum bs_done bs_state_agent_add(struct bs_state *s,
                                              const struct bs_agent *agent,
                                              const char *by,
                                              struct bs_err *err);
/* NOT_FOUND where there is none of that name. A revoked or expired one is found: see bs_agent_may. */
BS_MUST_CHECK enum bs_done bs_state_agent_get(struct bs_state *s,
                                              const char *name,
                                              struct bs_arena *arena,
                                              struct bs_agent *out,
                                              struct bs_err *err);
/* All of them, by name. */
BS_MUST_CHECK enum bs_done bs_state_agent_list(struct bs_state *s,
                                               struct bs_arena *arena,
                                               struct bs_agent **out,
                                               size_t *n,
                                               struct bs_err *err);
/*
 * Replace the verifier (a new password).
 *
 * old_until_us  until when the one that is replaced counts, too; 0: it ends now, and so does an older
 *               one that still counted
 * err           NOT_FOUND; CONFLICT: revoked
 */
BS_MUST_CHECK enum bs_done bs_state_agent_rekey(struct bs_state *s,
                                                const char *name,
                                                const char *verifier,
                                                int64_t old_until_us,
                                                const char *by,
                                                struct bs_err *err);
/* NOT_FOUND; CONFLICT: revoked already. */
BS_MUST_CHECK enum bs_done
bs_state_agent_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err);

/*
 * Write some fields of an agent. A new expiry, and being disabled, count for its open sessions, too
 * (gateway/standing.h); the others for those that begin from now on.
 *
 * row     its name, and the values of `fields`
 * fields  bits of enum bs_agent_field
 * err     NOT_FOUND; CONFLICT: revoked, or disabled (enabled) already; USAGE: a value is malformed
 */
BS_MUST_CHECK enum bs_done bs_state_agent_alter(struct bs_state *s,
                                                const struct bs_agent *row,
                                                unsigned fields,
                                                const char *by,
                                                struct bs_err *err);

/*
 * Let an agent only read, from now on, until a human releases it. Nothing where it is so already.
 *
 * why   for operators; may be NULL
 * err   NOT_FOUND; CONFLICT: revoked; DATA: not UTF-8
 */
BS_MUST_CHECK enum bs_done bs_state_agent_quarantine(
    struct bs_state *s, const char *name, const char *why, const char *by, struct bs_err *err);
/* reason: the human's words; may be NULL. NOT_FOUND; CONFLICT: revoked, or not quarantined; DATA. */
BS_MUST_CHECK enum bs_done bs_state_agent_release(
    struct bs_state *s, const char *name, const char *reason, const char *by, struct bs_err *err);

/* --- short-lived passwords of agents --- */

/*
 * Add one, and forget those of the agent that ended long ago.
 *
 * token  id, agent, verifier, expires_us
 * err    NOT_FOUND: no such agent; CONFLICT: it is revoked; LIMIT: BS_TOKENS_MAX of it count now;
 *        USAGE: malformed
 */
BS_MUST_CHECK enum bs_done bs_state_token_add(struct bs_state *s,
                                              const struct bs_token *token,
                                              const char *by,
                                              struct bs_err *err);
/* Newest first. agent: NULL: of all. counting_us: those that count then, of one agent BS_TOKENS_MAX at
 * most; 0: those that have ended, too. */
BS_MUST_CHECK enum bs_done bs_state_token_list(struct bs_state *s,
                                               const char *agent,
                                               int64_t counting_us,
                                               struct bs_arena *arena,
                                               struct bs_token **out,
                                               size_t *n,
                                               struct bs_err *err);
/* NOT_FOUND: the agent has none of that id; CONFLICT: it has ended already. */
BS_MUST_CHECK enum bs_done bs_state_token_revoke(
    struct bs_state *s, const char *agent, const char *id, const char *by, struct bs_err *err);

/* --- operators --- */

/* As bs_state_agent_add. USAGE, CONFLICT. */
BS_MUST_CHECK enum bs_done bs_state_operator_add(struct bs_state *s,
                                                 const struct bs_operator *op,
                                                 const char *by,
                                                 struct bs_err *err);
/*
 * The operator whose token this is.
 *
 * token  as the client sent it; hashed before it is compared
 * err    AUTH: nobody's, revoked or expired
 */
BS_MUST_CHECK enum bs_done bs_state_operator_find(struct bs_state *s,
                                                  const char *token,
                                                  struct bs_arena *arena,
                                                  struct bs_operator *out,
                                                  struct bs_err *err);
/* The same by the token's digest, for whoever has looked at the token before. */
BS_MUST_CHECK enum bs_done bs_state_operator_of(struct bs_state *s,
                                                const char *token_sha256,
                                                struct bs_arena *arena,
                                                struct bs_operator *out,
                                                struct bs_err *err);
/* All of them, by name. */
BS_MUST_CHECK enum bs_done bs_state_operator_list(struct bs_state *s,
                                                  struct bs_arena *arena,
                                                  struct bs_operator **out,
                                                  size_t *n,
                                                  struct bs_err *err);
/* Are they one operator, or two of one human? */
BS_MUST_CHECK enum bs_done bs_state_operators_same(
    struct bs_state *s, const char *a, const char *b, bool *out, struct bs_err *err);
/*
 * Write some fields of an operator. What it has decided already counts as it did, but for its role.
 *
 * row     its name, and the values of `fields`
 * fields  bits of enum bs_operator_field
 * err     NOT_FOUND; CONFLICT: revoked; USAGE: a value is malformed
 */
BS_MUST_CHECK enum bs_done bs_state_operator_alter(struct bs_state *s,
                                                   const struct bs_operator *row,
                                                   unsigned fields,
                                                   const char *by,
                                                   struct bs_err *err);
/*
 * Replace the token.
 *
 * old_until_us  until when the one that is replaced counts, too; 0: it ends now
 * err           NOT_FOUND; CONFLICT: revoked
 */
BS_MUST_CHECK enum bs_done bs_state_operator_rekey(struct bs_state *s,
                                                   const char *name,
                                                   const char *token_sha256,
                                                   int64_t old_until_us,
                                                   const char *by,
                                                   struct bs_err *err);
/* NOT_FOUND where there is none of that name. A revoked or expired one is found. */
BS_MUST_CHECK enum bs_done bs_state_operator_get(struct bs_state *s,
                                                 const char *name,
                                                 struct bs_arena *arena,
                                                 struct bs_operator *out,
                                                 struct bs_err *err);
/* NOT_FOUND; CONFLICT: revoked already. */
BS_MUST_CHECK enum bs_done
bs_state_operator_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err);
/* Has an operator ever been registered (revoked ones count)? `out` stays false on failure. */
BS_MUST_CHECK enum bs_done
bs_state_operator_ever(struct bs_state *s, bool *out, struct bs_err *err);

/* --- tickets: storage only; the rules are in approval/ticket.h, which is what to call --- */

/*
 * Store a new ticket, or find the open one (pending or approved) of the same identity.
 *
 * row   id, identity, state PENDING and the facts are set
 * out   the stored ticket; out->id differs from row->id where one was found, whose `asked` was
 *       counted up
 * err   DATA: a text is not UTF-8; LIMIT: BS_TICKETS_PENDING_MAX of this actor are pending already, or
 *       of BS_TICKETS_PENDING_TEXT
 */
BS_MUST_CHECK enum bs_done bs_state_ticket_open(struct bs_state *s,
                                                const struct bs_ticket *row,
                                                struct bs_arena *arena,
                                                struct bs_ticket *out,
                                                struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_state_ticket_get(struct bs_state *s,
                                               const char *id,
                                               struct bs_arena *arena,
                                               struct bs_ticket *out,
                                               struct bs_err *err);
/*
 * Write the parts of a ticket that change (state and all after it in the struct), if nobody has
 * changed it since it was read.
 *
 * row   as read, with new values; row->version is the one that was read
 * err   CONFLICT: it has changed meanwhile; NOT_FOUND
 */
BS_MUST_CHECK enum bs_done
bs_state_ticket_move(struct bs_state *s, const struct bs_ticket *row, struct bs_err *err);
/*
 * Newest first. Unless they are asked for whole, and in what expires, sql, params, effects, plan,
 * reasons and limits are NULL: together they may be larger than any memory. LIMIT: they do not fit.
 */
BS_MUST_CHECK enum bs_done bs_state_ticket_list(struct bs_state *s,
                                                const struct bs_ticket_filter *filter,
                                                struct bs_arena *arena,
                                                struct bs_ticket **out,
                                                size_t *n,
                                                struct bs_err *err);
/*
 * Expire what is overdue at `now_us`: pending past decide_by_us, approved past redeem_by_us.
 *
 * out   the tickets that were expired by this call, as they are now
 */
BS_MUST_CHECK enum bs_done bs_state_ticket_expire(struct bs_state *s,
                                                  int64_t now_us,
                                                  struct bs_arena *arena,
                                                  struct bs_ticket **out,
                                                  size_t *n,
                                                  struct bs_err *err);
/*
 * bs_state_ticket_move, and what an operator has said that made it so, both or neither.
 *
 * said  DENY or APPROVE; `in_force` is ignored
 * err   CONFLICT: the ticket has changed meanwhile; NOT_FOUND; DATA: not UTF-8, not a decision
 */
BS_MUST_CHECK enum bs_done bs_state_ticket_decide(struct bs_state *s,
                                                  const struct bs_ticket *row,
                                                  const struct bs_said_row *said,
                                                  struct bs_err *err);
/* A comment; the ticket stays as it is. NOT_FOUND; DATA: empty or not UTF-8. */
BS_MUST_CHECK enum bs_done
bs_state_ticket_comment(struct bs_state *s, const struct bs_said_row *said, struct bs_err *err);
/* All that operators have said to a ticket, oldest first. */
BS_MUST_CHECK enum bs_done bs_state_ticket_said(struct bs_state *s,
                                                const char *ticket,
                                                struct bs_arena *arena,
                                                struct bs_said_row **out,
                                                size_t *n,
                                                struct bs_err *err);
/* How many tickets of this actor were denied at or after `since_us`. */
BS_MUST_CHECK enum bs_done bs_state_ticket_denials(
    struct bs_state *s, const char *actor, int64_t since_us, uint64_t *out, struct bs_err *err);

/* --- glass that was broken: storage only; the rules are in approval/glass.h --- */

/* bs_state_ticket_move, and that the glass was broken for it, both or neither. CONFLICT; NOT_FOUND;
 * DATA: not UTF-8. */
BS_MUST_CHECK enum bs_done bs_state_glass_break(struct bs_state *s,
                                                const struct bs_ticket *row,
                                                const struct bs_glass *glass,
                                                struct bs_err *err);
/* NOT_FOUND: it was not broken for that ticket. */
BS_MUST_CHECK enum bs_done bs_state_glass_get(struct bs_state *s,
                                              const char *ticket,
                                              struct bs_arena *arena,
                                              struct bs_glass *out,
                                              struct bs_err *err);
/* By ticket, newest first. */
BS_MUST_CHECK enum bs_done bs_state_glass_list(struct bs_state *s,
                                               const struct bs_glass_filter *filter,
                                               struct bs_arena *arena,
                                               struct bs_glass **out,
                                               size_t *n,
                                               struct bs_err *err);
/* CONFLICT: it is reviewed, or `by` broke it; DATA: not UTF-8. */
BS_MUST_CHECK enum bs_done bs_state_glass_review(struct bs_state *s,
                                                 const char *ticket,
                                                 const char *by,
                                                 const char *note,
                                                 int64_t now_us,
                                                 struct bs_err *err);
/* How many nobody has reviewed. */
BS_MUST_CHECK enum bs_done
bs_state_glass_open(struct bs_state *s, int64_t *out, struct bs_err *err);

/* --- what the policy blocked: kept for as long as it is compared with --- */

/* Insert, or replace the row of that identity; forgets the actor's oldest above BS_BLOCKED_MAX.
 * DATA: a text is not UTF-8 or is missing. */
BS_MUST_CHECK enum bs_done
bs_state_blocked_put(struct bs_state *s, const struct bs_blocked *row, struct bs_err *err);
/* Those since then, oldest first. */
BS_MUST_CHECK enum bs_done bs_state_blocked_list(struct bs_state *s,
                                                 int64_t since_us,
                                                 struct bs_arena *arena,
                                                 struct bs_blocked **out,
                                                 size_t *n,
                                                 struct bs_err *err);
/* Forget those before. */
BS_MUST_CHECK enum bs_done
bs_state_blocked_drop(struct bs_state *s, int64_t before_us, struct bs_err *err);

/* --- index of recovery points; the truth is in the storage, this finds it --- */

/* Insert, or replace the row of that id. USAGE: no id or no state. */
BS_MUST_CHECK enum bs_done
bs_state_point_put(struct bs_state *s, const struct bs_point_row *row, struct bs_err *err);
/* Set the state ("armed", "committed", ...: the name of the point's last event). NOT_FOUND. */
BS_MUST_CHECK enum bs_done
bs_state_point_set(struct bs_state *s, const char *id, const char *state, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_state_point_get(struct bs_state *s,
                                              const char *id,
                                              struct bs_arena *arena,
                                              struct bs_point_row *out,
                                              struct bs_err *err);
/*
 * Newest first.
 *
 * database, state, actor   NULL: any
 * limit             0: all
 */
BS_MUST_CHECK enum bs_done bs_state_point_list(struct bs_state *s,
                                               const char *database,
                                               const char *state,
                                               const char *actor,
                                               size_t limit,
                                               struct bs_arena *arena,
                                               struct bs_point_row **out,
                                               size_t *n,
                                               struct bs_err *err);

/* --- pauses: what an operator has stopped --- */

/*
 * Nothing new runs of an actor, in a database, or at all. What is paused already is paused anew, with
 * these words; `cancel` stays set once it was.
 *
 * pause  scope, name, by, reason; at_us 0: now
 * err    NOT_FOUND: no such actor; CONFLICT: it is revoked; DATA: no reason, or it is not UTF-8;
 *        USAGE: no scope, or a name that none can have
 */
BS_MUST_CHECK enum bs_done
bs_state_pause_put(struct bs_state *s, const struct bs_pause *pause, struct bs_err *err);
/* Those in force, oldest first. */
BS_MUST_CHECK enum bs_done bs_state_pause_list(struct bs_state *s,
                                               struct bs_arena *arena,
                                               struct bs_pause **out,
                                               size_t *n,
                                               struct bs_err *err);
/*
 * A human ends a pause, and an actor's quarantine with it.
 *
 * name    ignored for EVERYTHING
 * reason  may be NULL
 * out     what was lifted; may be NULL
 * err     CONFLICT: neither paused nor quarantined; DATA; USAGE
 */
BS_MUST_CHECK enum bs_done bs_state_resume(struct bs_state *s,
                                           enum bs_pause_scope scope,
                                           const char *name,
                                           const char *reason,
                                           const char *by,
                                           struct bs_resumed *out,
                                           struct bs_err *err);

/* --- plans of restores: made by one operator, approved by another, used once --- */

/* Note a new one; its approval and use are not looked at. CONFLICT: it is there; USAGE, DATA. */
BS_MUST_CHECK enum bs_done
bs_state_plan_add(struct bs_state *s, const struct bs_restore_plan *plan, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_state_plan_get(struct bs_state *s,
                                             const char *sha256,
                                             struct bs_arena *arena,
                                             struct bs_restore_plan *out,
                                             struct bs_err *err);
/* Those that may still be used at `now_us`, newest first. */
BS_MUST_CHECK enum bs_done bs_state_plan_list(struct bs_state *s,
                                              int64_t now_us,
                                              struct bs_arena *arena,
                                              struct bs_restore_plan **out,
                                              size_t *n,
                                              struct bs_err *err);
/*
 * Approve it, once.
 *
 * reason  may be NULL
 * err     NOT_FOUND; FORBIDDEN: whoever made it; CONFLICT: approved or used already; STALE: expired
 */
BS_MUST_CHECK enum bs_done bs_state_plan_approve(struct bs_state *s,
                                                 const char *sha256,
                                                 const char *by,
                                                 const char *reason,
                                                 int64_t now_us,
                                                 struct bs_err *err);
/* Use it up. NOT_FOUND; HELD: nobody has approved it; CONFLICT: used already; STALE: expired;
 * FORBIDDEN: whoever approved it may not any more. */
BS_MUST_CHECK enum bs_done bs_state_plan_use(
    struct bs_state *s, const char *sha256, const char *by, int64_t now_us, struct bs_err *err);

/* --- restores that were asked for over the API --- */

/* Adds one, or replaces it. DATA: its texts are not UTF-8. */
BS_MUST_CHECK enum bs_done
bs_state_restore_put(struct bs_state *s, const struct bs_restore_row *row, struct bs_err *err);
/* Newest first. before: id: only older ones; NULL: any. */
BS_MUST_CHECK enum bs_done bs_state_restore_list(struct bs_state *s,
                                                 const char *before,
                                                 size_t limit,
                                                 struct bs_arena *arena,
                                                 struct bs_restore_row **out,
                                                 size_t *n,
                                                 struct bs_err *err);
/* Nothing where there is none. */
BS_MUST_CHECK enum bs_done
bs_state_restore_drop(struct bs_state *s, const char *id, struct bs_err *err);

/* --- what is told to people: state/notify.h --- */

/*
 * Who is told from now on. What waits for another target is given up.
 *
 * list  name, events, keep_us
 */
BS_MUST_CHECK enum bs_done bs_state_notify_targets_set(struct bs_state *s,
                                                       const struct bs_notify_target *list,
                                                       size_t n,
                                                       struct bs_err *err);
/* Something happened that is no change of the state. detail: a JSON object; NULL. DATA: not UTF-8. */
BS_MUST_CHECK enum bs_done bs_state_notify_put(struct bs_state *s,
                                               enum bs_notify_event event,
                                               const char *subject,
                                               const char *detail,
                                               struct bs_err *err);
/* One for each target, by name, and those of targets that are gone. */
BS_MUST_CHECK enum bs_done bs_state_notify_count(struct bs_state *s,
                                                 struct bs_arena *arena,
                                                 struct bs_notify_count **out,
                                                 size_t *n,
                                                 struct bs_err *err);
/* What a target is to be told next, now or later; found: false where nothing waits. */
BS_MUST_CHECK enum bs_done bs_state_delivery_first(struct bs_state *s,
                                                   const char *target,
                                                   struct bs_arena *arena,
                                                   struct bs_delivery *out,
                                                   bool *found,
                                                   struct bs_err *err);
/* Keep what is about to be sent: every try sends the same. */
BS_MUST_CHECK enum bs_done
bs_state_delivery_render(struct bs_state *s, const char *id, const char *body, struct bs_err *err);
/*
 * What became of a try: DONE forgets it, DEAD gives it up.
 *
 * due_us  with LATER: the next try
 * why     of a failure, for people; without secrets
 */
BS_MUST_CHECK enum bs_done bs_state_delivery_end(struct bs_state *s,
                                                 const char *id,
                                                 enum bs_delivery_end end,
                                                 int64_t due_us,
                                                 const char *why,
                                                 struct bs_err *err);
/* Oldest first. */
BS_MUST_CHECK enum bs_done bs_state_delivery_list(struct bs_state *s,
                                                  const struct bs_delivery_filter *filter,
                                                  struct bs_arena *arena,
                                                  struct bs_delivery **out,
                                                  size_t *n,
                                                  struct bs_err *err);
/* Those that were given up are tried anew, from now on. n: how many. */
BS_MUST_CHECK enum bs_done bs_state_delivery_retry(struct bs_state *s,
                                                   const struct bs_delivery_filter *filter,
                                                   const char *by,
                                                   int64_t *n,
                                                   struct bs_err *err);
/* Forget them, given up or not as the filter says. */
BS_MUST_CHECK enum bs_done bs_state_delivery_drop(struct bs_state *s,
                                                  const struct bs_delivery_filter *filter,
                                                  const char *by,
                                                  int64_t *n,
                                                  struct bs_err *err);
/* The message of a target that shows a ticket; found: false where there is none. */
BS_MUST_CHECK enum bs_done bs_state_slack_message_get(struct bs_state *s,
                                                      const char *target,
                                                      const char *ticket,
                                                      struct bs_arena *arena,
                                                      struct bs_slack_message *out,
                                                      bool *found,
                                                      struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_state_slack_message_put(struct bs_state *s,
                                                      const char *target,
                                                      const char *ticket,
                                                      const struct bs_slack_message *message,
                                                      struct bs_err *err);
/* Who an operator is in Slack ("U012ABCDEF"); NULL: nobody. NOT_FOUND; CONFLICT: revoked, or that user
 * is another operator; USAGE: no such id. */
BS_MUST_CHECK enum bs_done bs_state_slack_user_set(struct bs_state *s,
                                                   const char *operator_,
                                                   const char *slack,
                                                   const char *by,
                                                   struct bs_err *err);
/* The operator that this user of Slack is. AUTH: nobody, or revoked. */
BS_MUST_CHECK enum bs_done bs_state_slack_user_find(struct bs_state *s,
                                                    const char *slack,
                                                    struct bs_arena *arena,
                                                    struct bs_operator *out,
                                                    struct bs_err *err);
/* --- several gateways on one state --- */

#define BS_STATE_SECRET 65 /* 32 random bytes in hex, and the NUL */

/* A secret that is made at the first call, and the same ever after, for every gateway of the state. */
BS_MUST_CHECK enum bs_done bs_state_secret(struct bs_state *s,
                                           const char *name,
                                           char out[BS_STATE_SECRET],
                                           struct bs_err *err);

#define BS_LEASE_MS 15000 /* a gateway that has given no sign of life for so long is dead */

enum bs_news {
    BS_NEWS_ALL = 0, /* it is not known what: look at everything */
    BS_NEWS_TICKET,  /* a ticket is new, or went a step */
    BS_NEWS_CHANGE,  /* an agent, an operator or a pause */
};

/* On a thread of the state. id: of the ticket, as whoever told it wrote it; "" otherwise. */
typedef void bs_state_news_fn(void *ctx, enum bs_news what, const char *id);

/* Other gateways may have it open. */
bool bs_state_shared(struct bs_state *s);
/*
 * This process is a gateway, and lives until it leaves or gives no more signs of it; what others do is
 * told from now on, in milliseconds. Nothing where the state is not shared.
 *
 * instance  a ULID of its own
 * heard     may ask the state; must not leave it
 */
BS_MUST_CHECK enum bs_done bs_state_join(struct bs_state *s,
                                         const char *instance,
                                         bs_state_news_fn *heard,
                                         void *ctx,
                                         struct bs_err *err);
void bs_state_leave(struct bs_state *s); /* nothing where it has not joined */
/*
 * Take something that one gateway does at a time, for so long or until this one dies; who has it takes
 * it for longer.
 *
 * mine  this gateway has it now; always where the state is not shared
 */
BS_MUST_CHECK enum bs_done
bs_state_lease(struct bs_state *s, const char *name, int64_t ms, bool *mine, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_state_lease_drop(struct bs_state *s, const char *name, struct bs_err *err);
/* Forget gateways that have died. n: how many; of several that ask, one is told of each. */
BS_MUST_CHECK enum bs_done bs_state_bury(struct bs_state *s, size_t *n, struct bs_err *err);
/* Tickets that run in no gateway that lives; where the state is not shared, all that run. */
BS_MUST_CHECK enum bs_done bs_state_ticket_orphans(struct bs_state *s,
                                                   struct bs_arena *arena,
                                                   struct bs_ticket **out,
                                                   size_t *n,
                                                   struct bs_err *err);

/* --- changes of agents and operators: written with the change itself, then told to the audit by
 *     approval/changes.h --- */

/* Oldest first, at most `limit`. */
BS_MUST_CHECK enum bs_done bs_state_change_list(struct bs_state *s,
                                                size_t limit,
                                                struct bs_arena *arena,
                                                struct bs_change **out,
                                                size_t *n,
                                                struct bs_err *err);
/*
 * A number that grows with each change, by any process: who has seen it knows whether there is
 * something to look at again. Cheap.
 */
BS_MUST_CHECK enum bs_done
bs_state_change_count(struct bs_state *s, int64_t *out, struct bs_err *err);
/* The audit has it: forget it. */
BS_MUST_CHECK enum bs_done bs_state_change_drop(struct bs_state *s, int64_t id, struct bs_err *err);

#endif
