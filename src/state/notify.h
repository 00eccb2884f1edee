/*
 * notify.h - what is told to people, and to whom it still has to be told.
 *
 * An event is written in the transaction of the change that it tells of, one row for each target that
 * wants it: none is lost in a crash, and nobody is told of what did not happen. notify/ sends them.
 *
 * Layer  state. Pure but for what state.h does with it.
 * Owns   nothing; strings belong to the arena they were read into, or to the caller.
 */
#ifndef BS_STATE_NOTIFY_H
#define BS_STATE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/rows.h"

/* Zero is none. Those of tickets come first. */
enum bs_notify_event {
    BS_NOTIFY_NONE = 0,
    BS_NOTIFY_TICKET_OPENED,
    BS_NOTIFY_TICKET_APPROVAL, /* one of several that are needed */
    BS_NOTIFY_TICKET_APPROVED,
    BS_NOTIFY_BREAK_GLASS, /* approved by one, in an emergency */
    BS_NOTIFY_TICKET_DENIED,
    BS_NOTIFY_TICKET_EXPIRED,
    BS_NOTIFY_TICKET_RUNNING,
    BS_NOTIFY_TICKET_DONE,
    BS_NOTIFY_TICKET_FAILED,
    BS_NOTIFY_TICKET_UNCERTAIN,
    BS_NOTIFY_PAUSED, /* the first that is not of a ticket */
    BS_NOTIFY_RESUMED,
    BS_NOTIFY_QUARANTINED,
    BS_NOTIFY_RELEASED,
    BS_NOTIFY_POINT_FAILED, /* a statement did not run, for no recovery point could be made */
    BS_NOTIFY_TEST,         /* sent to one target, on request */
    BS_NOTIFY_EVENTS
};

#define BS_NOTIFY_ID          48    /* "msg_", 32 hex digits, a number and a NUL */
#define BS_NOTIFY_WAITING_MAX 10000 /* deliveries of one target; what comes then is not kept */
#define BS_NOTIFY_DEAD_MAX    1000  /* of one target that were given up; the oldest go first */

/* Who is told. */
struct bs_notify_target {
    const char *name;
    unsigned events; /* bits 1u << enum bs_notify_event */
    int64_t keep_us; /* how long it is tried */
};

/* One event on its way to one target. */
struct bs_delivery {
    char id[BS_NOTIFY_ID]; /* the same at every try */
    const char *target;
    enum bs_notify_event event;
    const char *subject; /* a ticket's id, or whom it is about */
    const char *detail;  /* JSON object; NULL */
    const char *body;    /* as it was sent first; NULL: not yet */
    int64_t at_us;       /* when it happened */
    int64_t due_us;      /* when it is tried next */
    int64_t until_us;    /* it is given up then */
    int64_t tries;
    bool dead;       /* given up */
    const char *why; /* of the last try; NULL */
};

struct bs_delivery_filter {
    const char *target; /* NULL: any */
    const char *id;     /* NULL: any */
    bool dead;          /* only those that were given up */
    size_t limit;       /* 0: all */
};

/* What became of a try. Zero gives nothing up. */
enum bs_delivery_end {
    BS_DELIVERY_LATER = 0,
    BS_DELIVERY_DEAD,
    BS_DELIVERY_DONE,
};

struct bs_notify_count {
    const char *target;
    int64_t waiting;
    int64_t dead;
    int64_t dropped;   /* were never kept, for too many waited */
    int64_t oldest_us; /* of those that wait; 0: none */
};

/* The message in a channel that shows a ticket. */
struct bs_slack_message {
    const char *channel;
    const char *ts;
};

const char *bs_notify_event_name(enum bs_notify_event event); /* "ticket.opened", ... */
enum bs_notify_event bs_notify_event_find(const char *name);  /* NONE where there is none */
/* The event of a ticket that is in this state now; NONE for one that says nothing. */
enum bs_notify_event bs_notify_event_of(enum bs_ticket_state state);
/* The event of a change of agents and the like (struct bs_change); NONE for most. */
enum bs_notify_event bs_notify_event_of_change(const char *action);
/* The state that a ticket was in after this event; NONE for what is not of a ticket. */
enum bs_ticket_state bs_notify_event_state(enum bs_notify_event event);

#endif
