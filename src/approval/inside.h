/*
 * inside.h - what the files of tickets share: their state, their clock, and who is told.
 *
 * Layer  approval. Only ticket.c, decision.c and glass.c include this.
 * Owns   nothing.
 */
#ifndef BS_APPROVAL_INSIDE_H
#define BS_APPROVAL_INSIDE_H

#include <pthread.h>

#include "approval/ticket.h"

#define BS_TICKET_SUBSCRIBERS 16
#define BS_TICKET_TRIES       5 /* every lost one means that the ticket went a step, and it goes few */

struct bs_ticket_subscriber {
    bs_ticket_fn *fn;
    void *arg;
};

struct bs_tickets {
    struct bs_state *state;
    int64_t decide_us;
    int64_t redeem_us;
    int64_t (*now_us)(void);
    pthread_mutex_t lock; /* guards the subscribers, and is held while they are told */
    struct bs_ticket_subscriber subscribers[BS_TICKET_SUBSCRIBERS];
    size_t n_subscribers;
};

/* Tells the subscribers. */
void bs_ticket_tell(struct bs_tickets *t, const struct bs_ticket *ticket);
/* FORBIDDEN: whoever cannot be told from the one who answers for the requester does not approve. */
BS_MUST_CHECK enum bs_done bs_ticket_check_owner(const struct bs_ticket *ticket,
                                                 const struct bs_operator *by,
                                                 struct bs_err *err);
/* The code that says best why a ticket in that state cannot go where it should. */
enum bs_done bs_ticket_refuse(const struct bs_ticket *ticket, struct bs_err *err);

#endif
