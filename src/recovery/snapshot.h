/*
 * snapshot.h - a recovery point of tables as they are now, for no statement: what a schedule or a
 * human asks for, so that what bypasses the gateway can be given back, too. All tables of one run
 * are read on one snapshot, so they come back to one moment.
 *
 * The helper locks the tables ACCESS SHARE only, and before its snapshot is taken: TRUNCATE is not
 * held up by older snapshots, but by that lock. Nobody who reads or writes waits for it; who wants
 * ACCESS EXCLUSIVE (ALTER, DROP, TRUNCATE) waits until all is copied, as for pg_dump.
 *
 * A table that has not changed since an earlier snapshot is not stored again: the manifest names
 * the earlier point's object, which is read back once more first. Two rules say so, and neither can
 * miss a change:
 *
 *   1. No row that is there now can have been written since, and there are as many as then. Rows
 *      carry the number of the transaction that wrote them; those not older than the oldest one that
 *      was running then count as new. What is there now was there then; as many: all of it. Asked
 *      only where numbers mean that: an ordinary (heap) table, the same timeline, fewer than 2^30
 *      transactions since, the earlier snapshot known to be durable (a crash may give numbers of
 *      lost commits to others), and columns of built-in types in binary (whose bytes do not depend
 *      on a definition that could have changed).
 *   2. Else it is copied as ever, and where rows, bytes and row hash are those of the earlier object
 *      the copy is thrown away.
 *
 * No counter of the statistics system is asked: they are lost in a crash and can be reset.
 *
 * Layer  recovery. Blocks; never on a worker's thread.
 * Spec   RECOVERY.md sections 2 and 8; sql-lock.html, mvcc-caveats.html.
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_SNAPSHOT_H
#define BS_RECOVERY_SNAPSHOT_H

#include "recovery/capture.h"
#include "recovery/points.h"

/* Is this table to be in it? Temporary tables and those of the system are not asked about. */
typedef bool bs_snapshot_want(void *ctx, const char *schema, const char *name);

struct bs_snapshot_request {
    const char *schedule; /* the schedule's name; NULL: by hand, and all is copied */
    bs_snapshot_want *want;
    /* Asked once all tables were: what was wanted and is not there; NULL: all is. May be NULL. */
    const char *(*missing)(void *ctx);
    void *ctx;
    int64_t reuse_since_us; /* objects of points made before that are not named again; 0: all are */
    int lock_ms;            /* how long each lock is waited for */
};

struct bs_snapshot_report {
    size_t tables; /* with rows of their own */
    size_t copied; /* and stored */
    size_t kept;   /* unchanged: an earlier object is named */
    size_t equal;  /* of those, found so by rule 2 */
    size_t faulty; /* earlier objects that were not what they should be, so copied anew */
    char damaged[BS_POINT_ID_TEXT]; /* whose it was, the last of them; "" where there is none */
};

/*
 * Makes the point, mode "snapshot", and closes it as taken. Once per capture, instead of
 * bs_capture_run; request.plan and request.actor_pid are not looked at.
 *
 * out   as bs_capture_run
 * err   NOT_FOUND: no table is wanted; else as bs_capture_run
 */
BS_MUST_CHECK enum bs_done bs_capture_snapshot(struct bs_capture *c,
                                               const struct bs_snapshot_request *what,
                                               struct bs_snapshot_report *report,
                                               struct bs_capture_result *out,
                                               struct bs_err *err);

/*
 * When the newest whole snapshot of a schedule was begun: taken, not expired, not known to be
 * damaged.
 *
 * helper  conninfo of the database's helper role
 * at_us   out; 0: there is none
 * err     UNAVAILABLE (no database), IO, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_snapshot_when(struct bs_store *store,
                                            const char *helper,
                                            const char *schedule,
                                            int64_t *at_us,
                                            struct bs_err *err);

/* When the newest good snapshot of a table was begun. */
struct bs_snapshot_age {
    const char *schema;
    const char *name;
    int64_t taken_us;
};

/* Of every table of the database that has one, in the newest 500 snapshots. Errors as
 * bs_snapshot_when. */
BS_MUST_CHECK enum bs_done bs_snapshot_ages(struct bs_store *store,
                                            const char *helper,
                                            struct bs_arena *arena,
                                            struct bs_snapshot_age **out,
                                            size_t *n,
                                            struct bs_err *err);

#endif
