/*
 * session.h - a lasting session of the helper role that loads, refreshes and watches one catalog.
 *
 * Layer  catalog. Blocks (libpq); one thread at a time.
 * Spec   monitoring-stats.html (cumulative statistics), functions-info.html (pg_current_snapshot).
 * Owns   its connection, which is made when it is needed and lost without harm.
 */
#ifndef BS_CATALOG_SESSION_H
#define BS_CATALOG_SESSION_H

#include "catalog/snapshot.h"

struct bs_catalog_session;

/* conninfo  of the helper role; borrowed, outlives the session */
struct bs_catalog_session *bs_catalog_session_new(const char *conninfo);
void bs_catalog_session_free(struct bs_catalog_session **c); /* accepts NULL; sets it NULL */
/* Ends the connection; the next call makes another. */
void bs_catalog_session_rest(struct bs_catalog_session *c);

/*
 * The catalog as it is now, by what changed since `old`.
 *
 * old  NULL: everything is read
 * out  another reference to `old` where nothing changed
 * err  UNAVAILABLE, DATABASE, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_catalog_session_read(struct bs_catalog_session *c,
                                                   struct bs_snapshot *old,
                                                   struct bs_snapshot **out,
                                                   struct bs_err *err);

enum bs_change {
    BS_CHANGE_LIKELY = 0, /* the server has counted writes to a catalog since the last look */
    BS_CHANGE_POSSIBLE,   /* transactions have ended; none is known to have written to a catalog */
    BS_CHANGE_NONE,       /* no transaction that writes has ended since the snapshot was read */
};

/*
 * Whether the catalog may be another than the snapshot says: one look of less than a millisecond.
 *
 * NONE is certain. The server's counters, which make LIKELY of POSSIBLE, come late: a backend tells
 * what it has written when its transaction has ended and a second has passed since it told before,
 * up to ten seconds after it fell idle, and never before its next transaction has ended; a crash or
 * a reset loses them. So POSSIBLE says nothing for certain: only a read does.
 *
 * err  as for a read
 */
BS_MUST_CHECK enum bs_done bs_catalog_session_look(struct bs_catalog_session *c,
                                                   const struct bs_snapshot *s,
                                                   enum bs_change *out,
                                                   struct bs_err *err);

#endif
