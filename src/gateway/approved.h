/*
 * approved.h - which actors hold an approved ticket that has not been used: their next transaction is
 * begun READ WRITE, since it cannot be made so once it has read something (PROTECT 9).
 *
 * Layer  gateway. Thread-safe.
 * Owns   copies of ids and names.
 */
#ifndef BS_GATEWAY_APPROVED_H
#define BS_GATEWAY_APPROVED_H

#include "approval/ticket.h"

struct bs_approved;

/* Subscribes to the tickets, which outlive it, and looks at those that are approved already. */
BS_MUST_CHECK enum bs_done
bs_approved_new(struct bs_tickets *tickets, struct bs_approved **out, struct bs_err *err);
void bs_approved_free(struct bs_approved **a); /* accepts NULL */

/* Looks at all that are approved, as at the start. */
BS_MUST_CHECK enum bs_done bs_approved_look(struct bs_approved *a, struct bs_err *err);

/* May be a moment behind: a hint that decides nothing but how a transaction is begun. */
bool bs_approved_any(struct bs_approved *a, const char *actor, const char *database);

#endif
