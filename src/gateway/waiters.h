/*
 * waiters.h - which session waits for which ticket, over all workers, so that a decision reaches
 * a held statement at once.
 *
 * Layer  gateway. Thread-safe.
 * Owns   copies of the ids.
 */
#ifndef BS_GATEWAY_WAITERS_H
#define BS_GATEWAY_WAITERS_H

#include "approval/ticket.h"

struct bs_waiters;
struct bs_session;
struct bs_tickets;

/* Subscribes to the tickets, which outlive it. */
BS_MUST_CHECK enum bs_done
bs_waiters_new(struct bs_tickets *tickets, struct bs_waiters **out, struct bs_err *err);
void bs_waiters_free(struct bs_waiters **w); /* accepts NULL */

/* From now on bs_gate_decided, or bs_door_decided, is called on the session's worker when the ticket is decided. A
 * decision made before is not told: look once after adding. */
void bs_waiters_add(struct bs_waiters *w, struct bs_session *s, const char *ticket);
/* Wakes those whose ticket was decided elsewhere. Where the state does not answer they wait on. */
void bs_waiters_look(struct bs_waiters *w);
void bs_waiters_remove(struct bs_waiters *w, struct bs_session *s);

#endif
