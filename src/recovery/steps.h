/*
 * steps.h - the steps that captures are made of, and what they share: one capture, one point.
 *
 * Private to the captures of this room: capture.c (whole tables), database.c (a whole database),
 * rows.c (what was replaced), locks.c, sequences.c.
 *
 * Layer  recovery. Blocks.
 * Owns   what a capture owns: see capture.h.
 */
#ifndef BS_RECOVERY_STEPS_H
#define BS_RECOVERY_STEPS_H

#include <stdatomic.h>

#include "base/child.h"
#include "recovery/capture.h"
#include "recovery/helper.h"
#include "recovery/keys.h"
#include "recovery/spool.h"
#include "recovery/taken.h"

struct bs_capture {
    struct bs_capture_request req;
    struct bs_arena arena;
    struct bs_watch watch;
    struct bs_store store; /* ends what it does when the watch ends; events go past it */
    struct bs_helper helper;
    struct bs_child dump;
    struct bs_spool spool;
    struct bs_manifest m;
    struct bs_taken *taken;          /* of bs_capture_choose; NULL: not told */
    const char *way_why;             /* why its way was chosen */
    bool rows_before;                /* bs_capture_before made the point */
    struct bs_point_sequence *noted; /* by oid; see bs_capture_sequences_note */
    size_t n_noted;
    const char *dir;                              /* NULL until the point is named */
    const struct bs_point_encryption *encryption; /* NULL: the point is not encrypted */
    struct bs_point_key key;                      /* its key, where it is */
    bool ran;
    bool intended; /* the intent may be in the store */
    bool stored;   /* the manifest is in the store */
    bool fenced;   /* there may be a fence around the plan's database (fence.h) */
    atomic_int phase, busy;
    atomic_llong bytes; /* of its tables on disk; 0: not known yet */
    atomic_llong rows, raw, put, proven;
};

void bs_step_enter(struct bs_capture *c, enum bs_capture_phase phase);

/* All that holds rows: the manifest's objects and, behind them, its globals. */
size_t bs_step_objects(const struct bs_capture *c);
struct bs_point_object *bs_step_object(const struct bs_capture *c, size_t i);

/*
 * What is told to the gateway: CANCELLED, LIMIT and UNCOVERED as they are, all else is NO_POINT.
 * Returns BS_FAILED.
 */
enum bs_done bs_step_no_point(struct bs_err *err, const struct bs_err *why);

/* Names the point; after this its folder is known. `mode` and `why` as in the manifest. */
BS_MUST_CHECK enum bs_done
bs_step_name(struct bs_capture *c, const char *mode, const char *why, struct bs_err *err);

/*
 * Who will run the statement, so that a later start can tell whether it still may. NO_POINT where
 * the actor's backend is in another database than the helper's.
 */
BS_MUST_CHECK enum bs_done bs_step_actor(struct bs_capture *c, struct bs_err *err);

/* Every one of these tables must be locked by the actor's own backend, in this database. */
BS_MUST_CHECK enum bs_done bs_step_locked(struct bs_capture *c,
                                          const struct bs_plan_table *tables,
                                          size_t n,
                                          struct bs_err *err);

/* Begins the transaction whose snapshot all copies share. */
BS_MUST_CHECK enum bs_done bs_step_snapshot(struct bs_capture *c, struct bs_err *err);

/* The same without its BEGIN. */
BS_MUST_CHECK enum bs_done bs_step_snapshot_note(struct bs_capture *c, struct bs_err *err);

/* Starts pg_dump beside the copies, on that snapshot, where the plan wants a definition. */
BS_MUST_CHECK enum bs_done bs_step_dump(struct bs_capture *c, struct bs_err *err);

/* Is there room in the spool for rows that take so many bytes on disk, beside what other captures
 * will need? Then it is reserved for this one. */
BS_MUST_CHECK enum bs_done bs_step_room(struct bs_capture *c, int64_t bytes, struct bs_err *err);

/*
 * Object i into its file in the spool; its counts and digests into the manifest.
 *
 * where   condition on its rows, SQL of our own; NULL: all
 */
BS_MUST_CHECK enum bs_done
bs_step_copy(struct bs_capture *c, size_t i, const char *where, struct bs_err *err);

/*
 * What of the cluster the plan wants kept, into the spool and the manifest, behind all objects; in
 * the capture's transaction. Errors of bs_step_copy; NO_POINT with a hint where the helper's role
 * may not read it.
 */
BS_MUST_CHECK enum bs_done bs_step_globals(struct bs_capture *c, struct bs_err *err);

/*
 * Puts those of the given sequences into the manifest whose state is not the noted one any more.
 *
 * hidden   OIDs under the actor's ACCESS EXCLUSIVE lock, so not to be read
 * err      UNCOVERED: one was not noted, or is hidden; NO_POINT, CANCELLED, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_step_sequences(struct bs_capture *c,
                                             const uint32_t *oids,
                                             size_t n,
                                             const uint32_t *hidden,
                                             size_t n_hidden,
                                             struct bs_err *err);

/* Describes the database of a plan that has one, before anything is copied: NO_POINT with numbers where
 * it is too large, or where it cannot be fenced. */
BS_MUST_CHECK enum bs_done bs_step_database_look(struct bs_capture *c, struct bs_err *err);
/*
 * Fences the database of the plan, dumps it into the spool and shuts it, and describes it in the
 * manifest; afterwards the capture's `fenced` says that the fence is up. In no transaction.
 * NO_POINT with numbers where it is too large, CANCELLED, LIMIT, IO.
 */
BS_MUST_CHECK enum bs_done bs_step_database(struct bs_capture *c, struct bs_err *err);

/* Stores the dump and reads it back. NO_POINT, DAMAGED, IO. */
BS_MUST_CHECK enum bs_done bs_step_database_store(struct bs_capture *c, struct bs_err *err);

/* The intent, where it is not stored yet. */
BS_MUST_CHECK enum bs_done bs_step_intend(struct bs_capture *c, struct bs_err *err);

/* Adds to the manifest the state of the sequences that its closure names, but for those that the
 * actor's transaction has made unreadable. */
BS_MUST_CHECK enum bs_done bs_step_closure_sequences(struct bs_capture *c, struct bs_err *err);

/* The intent, then all parts of objects and the definition, where there is one, from the spool to the store,
 * and proven. */
BS_MUST_CHECK enum bs_done bs_step_store(struct bs_capture *c, struct bs_err *err);

/* The manifest, stored and read back: after this it is a point. Fills out but for copied_us. */
BS_MUST_CHECK enum bs_done bs_step_manifest(struct bs_capture *c,
                                            int64_t start_us,
                                            struct bs_capture_result *out,
                                            struct bs_err *err);

/* Closes what is open however it went; `why` is what failed. Returns `done`. */
enum bs_done bs_step_end(struct bs_capture *c,
                         enum bs_done done,
                         const struct bs_err *why,
                         struct bs_capture_result *out,
                         struct bs_err *err);

/* Rows found before a statement runs; more are better scanned for afterwards. */
#define BS_ROWS_BEFORE_MAX 100000

/* One of a plan's selects between `prefix` and `suffix`, with the parameters of its statement. */
BS_MUST_CHECK enum bs_done bs_select_ask(struct bs_helper *h,
                                         const char *prefix,
                                         const struct bs_plan_select *s,
                                         const char *suffix,
                                         const struct bs_bounds *params,
                                         PGresult **res,
                                         struct bs_err *err);
/* "Plan Rows" and "Total Cost" of EXPLAIN (FORMAT JSON). */
bool bs_select_plan(const char *text, double *rows, double *cost);
/* Has the select's statement got all its parameters, of types that came with the cluster? */
bool bs_select_has_values(const struct bs_plan_select *s, const struct bs_bounds *params, size_t n);
/* The same by the capture's helper. */
BS_MUST_CHECK enum bs_done bs_step_select(struct bs_capture *c,
                                          const char *prefix,
                                          const struct bs_plan_select *s,
                                          const char *suffix,
                                          const struct bs_bounds *params,
                                          PGresult **res,
                                          struct bs_err *err);
/* The server has refused what was asked last: it is still there, and so is time. */
bool bs_step_only_refused(const struct bs_capture *c);
/* The tables of the closure as a plan has them, in the order in which they are locked. LIMIT. */
BS_MUST_CHECK enum bs_done
bs_step_reached(struct bs_capture *c, struct bs_rows_choice *out, struct bs_err *err);

/* Asks; a helper that was lost while the statement ran is replaced once. */
BS_MUST_CHECK enum bs_done bs_step_ask_again(struct bs_capture *c,
                                             const char *sql,
                                             int n,
                                             const char *const *params,
                                             PGresult **res,
                                             struct bs_err *err);

#endif
