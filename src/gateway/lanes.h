/*
 * lanes.h - whose turn it is to have a long text judged, of one worker's sessions.
 *
 * Parsing takes up to 110 bytes of memory for a byte of text, and a core; so in each lane there is
 * one at a time. There are two, by length, so that what takes a moment need not wait for what takes
 * seconds. Those that wait go by actors in turns: who asks for many waits for his own.
 *
 * Layer  gateway. One for each worker, on its thread.
 * Owns   nothing: a turn is its caller's.
 */
#ifndef BS_GATEWAY_LANES_H
#define BS_GATEWAY_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BS_LANES       2
#define BS_LANE_LONGER ((size_t)1 << 20) /* above it the second lane is taken */

/* One turn; zeroed, it waits nowhere. */
struct bs_turn {
    const char *actor;             /* lives as long as the turn */
    size_t bytes;                  /* of text */
    void (*go)(struct bs_turn *t); /* it is its turn now; bs_lanes_leave must follow some time */
    struct bs_lane *lane;          /* the rest is private */
    uint64_t number;
    struct bs_turn *next;
};

struct bs_lane {
    struct bs_turn *running;
    struct bs_turn *first; /* that wait, as they came */
    uint64_t now;          /* number of the one that went last */
};

/* Zeroed: nobody is there. */
struct bs_lanes {
    struct bs_lane lane[BS_LANES];
};

/* Calls t->go, at once or later. */
void bs_lanes_enter(struct bs_lanes *l, struct bs_turn *t);
/* It has had its turn, or wants none any more; the next one goes. Nothing where it is not there. */
void bs_lanes_leave(struct bs_turn *t);
/* It is there, and waits. */
bool bs_turn_waits(const struct bs_turn *t);

#endif
