/*
 * warm.h - helper sessions that are there already when somebody has decided.
 *
 * To connect takes longer than to count. So the session that counted for a unit is kept while the
 * unit waits for its decision, and counts once more when it comes. Nothing is open on it
 * meanwhile, and it is kept no longer than the waiting session stays in the same database: whoever
 * wants that database for themselves is never kept out by it alone.
 *
 * Layer  recovery. Thread-safe; taking, leaving and clearing may close connections, so no worker
 *        calls them while it serves.
 * Owns   connections, two for each conninfo at most.
 */
#ifndef BS_RECOVERY_WARM_H
#define BS_RECOVERY_WARM_H

#include "recovery/helper.h"

struct bs_warm;

struct bs_warm *bs_warm_new(void);
void bs_warm_free(struct bs_warm **w); /* accepts NULL */

/* Somebody may soon ask by this conninfo, from here to bs_warm_leave. */
void bs_warm_enter(struct bs_warm *w, const char *conninfo);
/* The last one closes what is left of it. */
void bs_warm_leave(struct bs_warm *w, const char *conninfo);

/*
 * A session that was put back. False: there is none that still works.
 *
 * out  as bs_helper_open leaves it, but for its timeouts, which are those of its first watch
 */
bool bs_warm_take(struct bs_warm *w,
                  const char *conninfo,
                  const struct bs_watch *watch,
                  enum bs_code code,
                  struct bs_helper *out);
/* Ends the transaction that is open on it, and keeps it; closes it where nobody may ask, or enough
 * wait. */
void bs_warm_put(struct bs_warm *w, const char *conninfo, struct bs_helper *h);

/* None that waits now is taken any more. */
void bs_warm_clear(struct bs_warm *w);

#endif
