/*
 * fence.h - keep everybody out of a database while it is dumped and dropped, and let them in again
 * whatever happens: what a fence changes is in a file before it is changed.
 *
 * The files are in the folder "fence" of the spool. One that no living process holds is lifted by
 * whoever looks next: at the start of the gateway, and every few seconds while one is left.
 *
 * Layer  recovery. Blocks.
 * Spec   sql-alterdatabase.html; RECOVERY.md section 7.
 * Owns   files.
 */
#ifndef BS_RECOVERY_FENCE_H
#define BS_RECOVERY_FENCE_H

#include "recovery/helper.h"

/* A database as it was before. */
struct bs_fence {
    const char *system_identifier; /* of its server */
    const char *name;
    uint32_t oid;
    int limit;  /* datconnlimit */
    bool allow; /* datallowconn */
};

/*
 * Lets nobody in from now on but superusers, or, where the helper is none, so many sessions as it
 * needs itself.
 *
 * point  id of the point that is being made; names the file
 * h      session in another database of the server
 * limit  connections that may be there
 * err    NO_POINT, the helper's code, IO
 */
BS_MUST_CHECK enum bs_done bs_fence_up(const char *spool,
                                       const char *point,
                                       struct bs_helper *h,
                                       const struct bs_fence *was,
                                       int limit,
                                       struct bs_err *err);
/* Lets nobody in at all: nobody can connect, superusers included. Errors as above. */
BS_MUST_CHECK enum bs_done
bs_fence_shut(struct bs_helper *h, const struct bs_fence *was, struct bs_err *err);

/*
 * Ends the fence of a point, where there is one: a database that is still there is as it was. Where
 * that fails the file stays, for bs_fence_lift.
 *
 * helper  conninfo of a session in another database
 * err     UNAVAILABLE, with the statement that lifts it as a hint; IO
 */
BS_MUST_CHECK enum bs_done
bs_fence_end(const char *spool, const char *helper, const char *point, struct bs_err *err);
/*
 * The same for all fences on the server behind `helper` that no living process holds.
 *
 * left   out: how many are left
 * err    of the last one that failed
 */
BS_MUST_CHECK enum bs_done
bs_fence_lift(const char *spool, const char *helper, size_t *left, struct bs_err *err);

#endif
