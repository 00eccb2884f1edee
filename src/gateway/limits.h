/*
 * limits.h - how many sessions an actor may have and how many there may be, over all workers; how often
 * a host may be wrong with a CancelRequest, and an actor have a statement explained.
 *
 * A cancel key of protocol 3.0 is four bytes, and nobody proves anything before trying one: a host
 * may be wrong a few times at once and then a few times a second. What it sends beyond that is not
 * looked at. Those who are right are not counted.
 *
 * Layer  gateway. Any thread.
 * Owns   the names that it counts.
 */
#ifndef BS_GATEWAY_LIMITS_H
#define BS_GATEWAY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/must.h"

struct bs_limits;

enum bs_limit {
    BS_LIMIT_ALL = 0, /* too many sessions */
    BS_LIMIT_ACTOR,   /* too many of this actor */
    BS_LIMIT_NONE,    /* counted: bs_limits_leave when it ends */
};

struct bs_limits *bs_limits_new(void);
void bs_limits_free(struct bs_limits **l); /* accepts NULL */

/* One more session of the actor. most_*: 0 means any number. */
BS_MUST_CHECK enum bs_limit
bs_limits_enter(struct bs_limits *l, const char *actor, int64_t most_actor, int64_t most_all);
void bs_limits_leave(struct bs_limits *l, const char *actor);
int64_t bs_limits_sessions(struct bs_limits *l); /* now */

#define BS_EXPLAINED_MAX                                                                           \
    60 /* statements that an actor may have explained at once, and then in a minute */

/* One more, where that may be: 0. Else how many milliseconds it takes until it may. now_us: bs_mono_us */
int64_t bs_limits_explain(struct bs_limits *l, const char *actor, int64_t now_us);

/*
 * May this host's CancelRequest be looked at?
 *
 * address  "127.0.0.1:40312", "[::1]:40312" or "unix:/run/backstop": the port does not count
 * now_us   bs_mono_us
 */
bool bs_limits_may_cancel(struct bs_limits *l, const char *address, int64_t now_us);
/* It was, and nobody has such a key. */
void bs_limits_wrong_cancel(struct bs_limits *l, const char *address, int64_t now_us);

#endif
