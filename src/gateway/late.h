/*
 * late.h - ends of tickets that the state has not taken yet: it was locked, or its disk was full. The
 * keeper tries again until it does.
 *
 * Layer  gateway. Thread-safe; bs_late_settle blocks on the state.
 * Owns   copies of what it is given.
 */
#ifndef BS_GATEWAY_LATE_H
#define BS_GATEWAY_LATE_H

#include "approval/ticket.h"

struct bs_late;

struct bs_late *bs_late_new(struct bs_tickets *tickets); /* the tickets outlive it */
void bs_late_free(struct bs_late **l);                   /* accepts NULL */
/* Keeps how a running ticket has ended. Texts may be NULL. */
void bs_late_put(struct bs_late *l,
                 const char *ticket,
                 enum bs_ticket_state end,
                 const char *point,
                 const char *detail);
/* Tries all that are kept, once; stops at the first that the state does not take. */
void bs_late_settle(struct bs_late *l);

#endif
