/*
 * gate.h - a unit that does not simply pass: it waits for a human where the policy says so, and it
 * runs inside a protected execution.
 *
 * gate.c has its life up to the run: the record, the ticket, the wait, the redemption. protect.c
 * has the run: locks, recovery point, the client's own messages. closing.c has the end of the
 * transaction: closing sequence, audit, what is still to be kept, COMMIT. ending.c has what the
 * client is told and what is undone.
 *
 * Layer  gateway. On the session's worker thread.
 * Spec   PROTECT, DESIGN 7.
 * Owns   r->gate while the unit waits or runs; from then on it is in r->ledger until the
 *        transaction ends.
 */
#ifndef BS_GATEWAY_GATE_H
#define BS_GATEWAY_GATE_H

#include "gateway/running.h"

struct bs_gate;
struct bs_kept; /* gateway/verdicts.h */

/* A new, empty gate. */
struct bs_gate *bs_gate_new(struct bs_relay *r);
struct bs_arena *bs_gate_arena(struct bs_gate *g);
/*
 * Adds a text of the unit.
 *
 * verdict   in the gate's arena; may be filled in until bs_gate_begin
 * bind      body of the Bind, borrowed until bs_gate_begin; empty for a Query
 * prepared  of the Bind; NULL for a Query. Takes a reference of its own
 * err       LIMIT
 */
BS_MUST_CHECK enum bs_done bs_gate_add(struct bs_gate *g,
                                       struct bs_verdict *verdict,
                                       struct bs_bytes bind,
                                       struct bs_prepared *prepared,
                                       struct bs_err *err);
/* A verdict of the unit borrows from it. Takes the reference. */
void bs_gate_keep(struct bs_gate *g, struct bs_kept *kept);
/*
 * Begin. Nothing may be in flight. Takes the gate.
 *
 * messages  the client's whole messages that make the unit: a Query, or a series up to Sync; copied
 */
void bs_gate_begin(struct bs_relay *r, struct bs_gate *g, struct bs_bytes messages);
void bs_gate_free(struct bs_gate **g); /* one that was not begun; accepts NULL */
/* What the i-th text does that was added; NULL: there are not so many. */
const struct bs_verdict *bs_gate_verdict(const struct bs_gate *g, size_t i);
/* Some text must be judged with a catalog that was read just now. */
bool bs_gate_needs_fresh(const struct bs_gate *g);
/* The first and the last text that was added. */
const struct bs_verdict *bs_gate_first(const struct bs_gate *g);
const struct bs_verdict *bs_gate_last(const struct bs_gate *g);

/* The actor ends a transaction with a ledger: messages is that COMMIT, alone. */
void bs_gate_close_transaction(struct bs_relay *r, struct bs_bytes messages);

/* --- events, from relay.c, asks.c and answers.c --- */

/* May the client's COPY data flow to the server now? */
bool bs_gate_takes_copy(const struct bs_relay *r);
/* Where the server's message goes while the gate has the session. */
enum bs_sink bs_gate_sink(struct bs_relay *r, uint8_t type);
void bs_gate_withhold(struct bs_relay *r, struct bs_bytes bytes);
/* A whole message of the server's, before it goes anywhere. */
void bs_gate_look(struct bs_relay *r, uint8_t type, struct bs_bytes body);
/* ReadyForQuery arrived, for a gate or in a transaction with a ledger; not for what we injected. */
void bs_gate_ready(struct bs_relay *r);
void bs_gate_cancel(struct bs_relay *r);
/* Its actor is paused or quarantined: what waits for a decision is refused. False: it does not wait. */
bool bs_gate_held_back(struct bs_relay *r);
/* What runs answers with too much and is cancelled: it fails as that. Takes the refusal. */
void bs_gate_cut(struct bs_relay *r, struct bs_refusal *refusal);
/* The ticket has changed: see what it is now. */
void bs_gate_decided(struct bs_relay *r, const char *ticket);
void bs_gate_timer(struct bs_relay *r);
void bs_gate_server_gone(struct bs_relay *r);
/* The statement is past its approval: it should run to its end. Only in mode GATE. */
bool bs_gate_runs(const struct bs_relay *r);
/* COMMIT is under way: its answer must be awaited. */
bool bs_gate_committing(const struct bs_relay *r);
/* The session ends: whatever is open is settled as far as it can be known. */
void bs_gate_abandon(struct bs_relay *r);

#endif
