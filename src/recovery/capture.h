/*
 * capture.h - make a recovery point: helper session, snapshot, copy, definition, store, read back,
 * manifest. Either of whole tables, which the actor has locked, before the statement runs; or of
 * the rows that it has replaced, after it ran and before COMMIT. A transaction may need several:
 * one capture each.
 *
 * How the gateway uses it, all on one job thread but for abort and progress:
 *
 *   bs_capture_open      connects as the helper; may be done while the actor still locks
 *   bs_capture_run       after every LOCK was answered: the point, stored and proven
 *     or, in another capture:
 *   bs_capture_sequences_note   before the statement, where it may reach setval
 *   ... the statement ran, the closing sequence ended and the counters were read ...
 *   bs_capture_replaced  the point of what no other capture has, stored and proven
 *   ... the worker runs the client's messages and the closing sequence ...
 *   bs_capture_locks     what the actor's backend holds now, for the pre-commit audit
 *   bs_capture_event     ARMED (with the xid) before COMMIT, then COMMITTED or ROLLED_BACK
 *   bs_capture_close
 *
 * Layer  recovery. Blocks; never on a worker's thread.
 * Spec   PROTECT.md "Order" and rules 2-4, 6-8; RECOVERY.md 0-5, 8, 10.
 * Owns   a capture owns its connection, its files in the spool (removed by the time run returns),
 *        its pg_dump child and the manifest it hands out.
 */
#ifndef BS_RECOVERY_CAPTURE_H
#define BS_RECOVERY_CAPTURE_H

#include "recovery/bound.h"
#include "recovery/manifest.h"
#include "recovery/plan.h"
#include "storage/storage.h"

struct bs_capture;

/* How far the point is proven before run returns. */
enum bs_capture_grade {
    BS_CAPTURE_READ_BACK = 0, /* every object downloaded, walked and compared */
    BS_CAPTURE_STORED,        /* stored and its size asked for; the manifest is read back */
    BS_CAPTURE_RESTORED,      /* read back, then loaded into a scratch database (scratch.h) */
};

/* A pg_dump that may be used. */
struct bs_pg_dump {
    int major;
    const char *path;
};

/* All pointers are borrowed until bs_capture_close. */
struct bs_capture_request {
    const char *helper;     /* conninfo of the helper role (config: databases.*.helper) */
    struct bs_store *store; /* where the point goes */
    const char *spool;      /* folder for copies on their way; made where missing */
    const struct bs_pg_dump *pg_dumps; /* config: recovery.pg_dump; may be empty */
    size_t n_pg_dumps;
    int64_t deadline_us; /* bs_mono_us() by which the lock budget is spent; 0: 30 s from open */
    enum bs_capture_grade grade;
    const char *scratch; /* of RESTORED: conninfo of a database that nobody needs; secret; NULL */
    int64_t
        max_bytes; /* of tables on disk that run copies whole, at most; 0: any (config: recovery.max_bytes) */
    size_t helpers; /* that may copy at once, this one included (config: recovery.helpers); 0: 2 */
    int64_t part_bytes;          /* larger tables are copied in parts of about so much; 0: 16 MiB */
    const struct bs_plan *plan;  /* of run: see bs_plan_makes_point */
    int actor_pid;               /* BackendKeyData of the actor's server connection */
    uint64_t actor_xid;          /* xid8 where known, 0 otherwise */
    struct bs_point_actor actor; /* backend_* are filled in by the capture */
    struct bs_point_statement statement; /* kind, text, sha256 */
    /* Of run: points of the same open transaction that were made before, and are in force. What they
     * hold whole, and the definition, is not read again. */
    const struct bs_manifest *const *earlier;
    size_t n_earlier;
};

struct bs_capture_result {
    const struct bs_manifest *manifest;   /* lives until bs_capture_close */
    const char *dir;                      /* key prefix of the point, with a '/' at its end */
    char manifest_sha256[BS_SHA256_TEXT]; /* of manifest.json, for the audit */
    int64_t copied_us;                    /* from run to the last row in the spool */
    int64_t total_us;                     /* from run to the manifest read back */
};

/* What the counters say about one table: upper bounds, both. */
struct bs_changed {
    uint32_t oid;
    int64_t replaced; /* updated and deleted rows */
    int64_t inserted;
    /* {"(0,1)","(7,2)"} as a text, where the versions are that were replaced, as far as is known; NULL: it is
     * not. It saves time only: where not all are found there, the whole table is looked at. */
    const char *places;
};

/* What bs_capture_replaced is to keep. */
struct bs_replaced {
    /* Tables with their own rows (relkind r), leaves of partitioned ones, each in its own right.
     * TOAST tables go with their main table and are not listed. */
    const struct bs_changed *changed;
    size_t n_changed;
    /* Keep those that have only got rows, too: an object without rows, which says how many, so that
     * whoever restores can tell by the transaction's number which they are. Left out where the
     * transaction has locked one ACCESS EXCLUSIVE. */
    bool grown;
    const uint32_t *sequences; /* that the actor's backend has locked ROW EXCLUSIVE */
    size_t n_sequences;
    uint64_t xid;        /* xid8 of the actor's transaction, the top level's */
    int64_t deadline_us; /* bs_mono_us() for this pass; 0: the request's */
};

/* How the rows that a plan ROWS is about are best kept. */
enum bs_rows_way {
    BS_ROWS_AFTER = 0, /* bs_capture_replaced: always possible, scans what has changed */
    BS_ROWS_BEFORE,    /* bs_capture_before: cheaper where few rows of a large table are found */
    BS_ROWS_WHOLE,     /* lock and copy whole, as a plan WHOLE of the same tables */
};

struct bs_rows_choice {
    enum bs_rows_way way;
    const char *why; /* one sentence with the numbers; for operators and the manifest */
    /* BEFORE, WHOLE: what must be locked SHARE ROW EXCLUSIVE first, sorted by oid. */
    struct bs_plan_table *tables;
    size_t n_tables;
    double est_rows; /* of the targets */
    double cost_before, cost_after;
};

/* Where a capture is; readable at any time from any thread. */
enum bs_capture_phase {
    BS_CAPTURE_IDLE = 0,
    BS_CAPTURE_CHECKING,  /* locks, names, columns, room in the spool */
    BS_CAPTURE_COPYING,   /* tables to the spool, pg_dump beside it */
    BS_CAPTURE_STORING,   /* spool to the store */
    BS_CAPTURE_PROVING,   /* read back */
    BS_CAPTURE_RESTORING, /* loaded into the scratch database */
    BS_CAPTURE_PROVEN,    /* the manifest is stored and read back */
    BS_CAPTURE_FAILED,
};

/* "copying", "proving", ...: what it is busy with. */
const char *bs_capture_phase_name(enum bs_capture_phase phase);

struct bs_capture_progress {
    enum bs_capture_phase phase;
    enum bs_capture_phase busy; /* the last that was work: where one has ended that failed */
    int64_t rows;               /* copied so far */
    int64_t raw_bytes;          /* copied so far */
    int64_t stored_bytes;       /* written to the store so far */
    int64_t proven_bytes;       /* read back so far */
    int64_t est_bytes; /* of the tables on disk; the plan's estimate until they were asked for */
};

/* One row of pg_locks. NULL and 0 where PostgreSQL says NULL, or the object is not visible to
 * others yet (created by the open transaction). */
struct bs_lock {
    const char *locktype; /* "relation", "object", "transactionid", "advisory", ... */
    const char *mode;     /* "AccessExclusiveLock" */
    bool granted;
    uint32_t database_oid; /* 0: shared object */
    uint32_t relation_oid;
    char relkind;        /* 0: not known */
    const char *schema;  /* of the relation; NULL: not known */
    const char *name;    /* of the relation; NULL: not known */
    bool system;         /* pg_catalog, pg_toast, information_schema */
    uint32_t parent_oid; /* relkind i: the table; relkind t: its main table; else 0 */
    uint32_t class_oid;  /* locktype object: catalog that holds it */
    uint32_t object_oid;
    int object_sub;
    uint32_t transaction; /* locktype transactionid: 32 bits */
};

/*
 * Connects the helper and records which database answers. Cheap: the plan is not looked at.
 *
 * out   freed by bs_capture_close; set NULL on failure
 * err   NO_POINT, whatever failed, with the reason in the message
 */
BS_MUST_CHECK enum bs_done bs_capture_open(const struct bs_capture_request *request,
                                           struct bs_capture **out,
                                           struct bs_err *err);

/*
 * Makes the point, of whole tables, of definitions or of both. Once per capture.
 *
 * It first makes sure through pg_locks that actor_pid holds SHARE ROW EXCLUSIVE or
 * EXCLUSIVE on every table that bs_plan_locks names (under ACCESS EXCLUSIVE nobody can copy; materialized views
 * cannot be locked and are let through), that OID, schema and name still agree, and that every
 * partition of a planned partitioned table is planned. On success everything is stored and read
 * back (grade read-back). On failure the statement must not run: there is no manifest, or, where
 * only its proof failed, it is closed as not_used.
 *
 * err   NO_POINT (budget spent, lock missing, names differ, no room, no pg_dump, store failed,
 *       proof differs, helper lost), CANCELLED (bs_capture_abort was called)
 */
BS_MUST_CHECK enum bs_done
bs_capture_run(struct bs_capture *c, struct bs_capture_result *out, struct bs_err *err);

/*
 * Chooses how rows are kept, before anything is locked or runs: request.plan is ROWS and has
 * selects, which are explained, not run. Whatever cannot be told is AFTER, which needs nothing
 * beforehand; so is a select that the server refuses.
 *
 * params   of each statement of the unit, by index; borrowed until bs_capture_before
 * out      its texts and tables live until bs_capture_close
 * err      NO_POINT (helper lost, budget spent), CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_capture_choose(struct bs_capture *c,
                                             const struct bs_bounds *params,
                                             size_t n_params,
                                             struct bs_rows_choice *out,
                                             struct bs_err *err);

/*
 * After bs_capture_choose said BEFORE and the actor's backend has locked choice.tables: makes a
 * point, mode "rows-before", of the rows that the selects find and of those that foreign keys take
 * along. Once per capture, instead of bs_capture_run. Where it turns out that they cannot be told,
 * or that there are none, it is done without a point (out->manifest NULL) and the pass after the
 * statement has to settle them.
 *
 * err   as bs_capture_run
 */
BS_MUST_CHECK enum bs_done bs_capture_before(struct bs_capture *c,
                                             const struct bs_bounds *params,
                                             size_t n_params,
                                             struct bs_capture_result *out,
                                             struct bs_err *err);

/*
 * Asks, right after the statement and before anything else of the actor runs, whether what
 * bs_capture_before has is all that was replaced: in each table at least as many of its rows as the
 * counters say now carry the transaction's own xid. Rows that it only locks would, too; so the
 * plan's selects are for statements that lock no rows, and the closure for keys that lock none.
 *
 * changed   differences over this statement alone
 * xid       xid8 of the transaction's top level
 * covered   one for each of changed; false: bs_capture_replaced has to settle that table
 * err       NO_POINT (helper lost, budget spent), CANCELLED: all are false
 */
BS_MUST_CHECK enum bs_done bs_capture_covers(struct bs_capture *c,
                                             const struct bs_changed *changed,
                                             size_t n,
                                             uint64_t xid,
                                             bool *covered,
                                             struct bs_err *err);

/*
 * Reads the state of every sequence of the database: setval survives a ROLLBACK, so what it
 * destroys must be known before the statement runs. May be called again, before each statement; the
 * first state seen of a sequence is kept.
 *
 * err   NO_POINT, CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_capture_sequences_note(struct bs_capture *c, struct bs_err *err);

/*
 * Tables that a statement will lock ACCESS EXCLUSIVE beside those of its plan: at the other end of
 * foreign keys that go. In `arena`, by oid, as tables that are copied `ahead`.
 *
 * err   NO_POINT, CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_capture_linked(struct bs_capture *c,
                                             const struct bs_plan *plan,
                                             struct bs_arena *arena,
                                             struct bs_plan_table **out,
                                             size_t *n,
                                             struct bs_err *err);

/*
 * Does everybody else see a column of that name in the table, or tables that inherit from it? For
 * columns that an open transaction has added: true in doubt.
 *
 * err   NO_POINT, CANCELLED
 */
BS_MUST_CHECK enum bs_done bs_capture_column(
    struct bs_capture *c, uint32_t table, const char *column, bool *seen, struct bs_err *err);

/*
 * Before COMMIT: has nobody changed what a point of definitions is about since its snapshot? What
 * cannot be locked may have been, and would be missing in it. Nor may somebody have made a table
 * meanwhile that stores values of a type that loses a part. By another capture than the point's.
 *
 * err   UNCOVERED: somebody has; NO_POINT, CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_capture_still(struct bs_capture *c,
                                            const struct bs_manifest *point,
                                            const struct bs_plan *plan,
                                            struct bs_arena *arena,
                                            struct bs_err *err);

/* How far the point will be proven, where that has become more since the capture was opened. */
void bs_capture_demand(struct bs_capture *c, enum bs_capture_grade grade);

/* More time, for what is asked between a run and the end of the transaction. */
void bs_capture_extend(struct bs_capture *c, int64_t deadline_us);

/*
 * The statement has run: gives back the helper's connection, of which the server has few. Events
 * can still be appended; whatever else is asked connects again. Blocks.
 */
void bs_capture_rest(struct bs_capture *c);

/* What the point will say it is for, where that has become more since the capture was opened.
 * Borrows the texts until bs_capture_close. */
void bs_capture_describe(struct bs_capture *c, const struct bs_point_statement *statement);

/*
 * Hold-commit: makes a point, mode "rows", of every committed row version that the actor's open
 * transaction has replaced in the given tables, and of the noted state of the given sequences
 * where it is another now. Once per capture, instead of bs_capture_run; request.plan may be NULL or
 * of any kind. Nothing is locked, nothing runs as the actor; the snapshot is taken now.
 *
 * What it keeps is never less than what was replaced, but may be more (struct bs_point_object).
 * Where there is nothing to keep, no row and no sequence, it is done without a point:
 * out->manifest is NULL. A table that only the actor's transaction can see has no committed rows,
 * and a temporary one is its session's own.
 *
 * err   UNCOVERED: a table or sequence that cannot be settled this way (under the actor's ACCESS
 *       EXCLUSIVE lock, so dropped, truncated or another shape; not an ordinary table; a system
 *       table; a sequence that was not noted): ROLLBACK. NO_POINT: budget spent, no room, store or
 *       proof failed, helper lost, the transaction is not open any more; CANCELLED; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_capture_replaced(struct bs_capture *c,
                                               const struct bs_replaced *what,
                                               struct bs_capture_result *out,
                                               struct bs_err *err);

/*
 * Every lock that backend `pid` holds or waits for now. Not while run is going on.
 *
 * out   array in `arena`, n rows
 * err   NO_POINT (helper lost, timeout), CANCELLED, LIMIT (arena)
 */
BS_MUST_CHECK enum bs_done bs_capture_locks(struct bs_capture *c,
                                            int pid,
                                            struct bs_arena *arena,
                                            struct bs_lock **out,
                                            size_t *n,
                                            struct bs_err *err);

/*
 * May somebody else be ended as part of a deadlock if the statement waits for a lock now? The server
 * looks for deadlocks once, deadlock_timeout after a wait began, and ends the one for whom it looks.
 * So nobody may wait now who holds a lock that the statement could wait for; nor, whatever he holds,
 * anybody for whom the server will look while the statement waits. Not while run is going on.
 *
 * wait_ms  how long the statement will wait before it gives up
 * circle   true: somebody might; look again a little later. For the first kind, a lock of any mode
 *          where the statement upgrades its lock, else one of those that row locks need
 * err      NO_POINT (helper lost, budget spent), CANCELLED, LIMIT (arena)
 */
BS_MUST_CHECK enum bs_done
bs_capture_circle(struct bs_capture *c, int wait_ms, bool *circle, struct bs_err *err);

/*
 * Makes the server remember, whatever happens to it, that the numbers of all transactions that have
 * changed something are used: had it not written anything of one when it crashed, it would give its
 * number to another, and be asked about that. For before the first event ARMED.
 *
 * xid    of the actor's transaction
 * until  out: a number that none of its savepoints has reached
 * err   NO_POINT (helper lost, budget spent), CANCELLED
 */
BS_MUST_CHECK enum bs_done
bs_capture_keep_xid(struct bs_capture *c, uint64_t xid, uint64_t *until, struct bs_err *err);

/*
 * Appends an event to the point, durable when it returns; on the local disk first (journal.h), so
 * an end that the store does not take is not lost. Needs no helper, so it works after an abort. CONFLICT where run has made no point; DATA; IO.
 */
BS_MUST_CHECK enum bs_done
bs_capture_event(struct bs_capture *c, const struct bs_point_event *event, struct bs_err *err);

/*
 * Ends whatever the capture is doing, at once, also a COPY that hangs, and its pg_dump. Any
 * thread, any number of times, until bs_capture_close begins. Does not block.
 */
void bs_capture_abort(struct bs_capture *c);

/* Any thread, until bs_capture_close begins. Does not block. */
void bs_capture_progress(const struct bs_capture *c, struct bs_capture_progress *out);

/*
 * At start, before the first capture: removes what captures of dead processes left in the spool.
 * Never fails; what cannot be removed stays.
 */
void bs_capture_sweep(const char *spool);

/* Frees all; accepts a NULL capture and sets it NULL. */
void bs_capture_close(struct bs_capture **c);

#endif
