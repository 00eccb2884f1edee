/*
 * measure.h - how many rows a unit would change, counted by the helper before anybody is asked.
 *
 * A statement's rows are counted through its own condition, rewritten (sql/rewrite.h), and along
 * the foreign keys from there; what goes as a whole is counted as a whole. All in one snapshot of a
 * READ ONLY transaction, without waiting for locks, until the time is over. What takes too long is
 * estimated, and said to be. Nothing runs but vetted built-ins.
 *
 * Layer  recovery. The selects are pure; measuring blocks.
 * Spec   DESIGN 5 and 7, THREATS 3 and E.
 * Owns   nothing; what is made lives in the caller's arena.
 */
#ifndef BS_RECOVERY_MEASURE_H
#define BS_RECOVERY_MEASURE_H

#include "base/watch.h"
#include "recovery/bound.h"
#include "recovery/plan.h"
#include "recovery/warm.h"

#define BS_MEASURE_TIME_MS 1000 /* the policy's default */

/* To run a statement and roll it back: as the actor would. */
struct bs_rehearsal {
    const char *conninfo;                                /* the actors' own; secret */
    const char *text;                                    /* of the unit, as it would be run */
    const char *date_style, *interval_style, *time_zone; /* of the actor's session */
};

struct bs_measure_ask {
    const struct bs_unit *unit;
    const struct bs_plan_select *selects; /* of bs_measure_selects */
    size_t n_selects;
    const struct bs_bounds *bounds; /* of each statement; NULL: no values are known */
    size_t n_bounds;
    int64_t time_ms; /* for all of it, the connection aside; 0: nothing is measured */
    /* Rows were changed in the actor's transaction that nobody else sees: nothing that is counted
     * is more than an estimate */
    bool unseen;
    /* The role that is told what is counted: nothing is, where that role could not read all of it.
     * NULL: it is for the gateway, and operators */
    const char *reader;
    bool samples;                         /* some rows are wanted, too */
    const struct bs_rehearsal *rehearsal; /* for what cannot be counted; NULL: it must not be run */
    struct bs_warm *warm; /* where a session may wait for it, and is left; NULL: one of its own */
};

/* Has the unit anything to be measured? */
bool bs_measure_wants(const struct bs_unit *unit, const struct bs_facts *facts);

/*
 * The selects to count by, of each statement that has one.
 *
 * names, text  as for bs_plan_select
 * err          LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done bs_measure_selects(const struct bs_snapshot *snapshot,
                                              struct bs_session_names names,
                                              const struct bs_unit *unit,
                                              struct bs_bytes text,
                                              struct bs_arena *arena,
                                              struct bs_plan_select **out,
                                              size_t *n,
                                              struct bs_err *err);

/*
 * Fills in what is known of the targets' rows. That nothing can be counted is no failure.
 *
 * conninfo  of the helper; secret
 * watch     ends it early; its deadline, where it has none, is that of the measuring
 * err       UNAVAILABLE: the helper; CANCELLED; LIMIT; STALE: the facts are of a catalog that has
 *           changed, so nothing was measured
 */
BS_MUST_CHECK enum bs_done bs_measure(const char *conninfo,
                                      struct bs_watch *watch,
                                      const struct bs_measure_ask *ask,
                                      struct bs_arena *arena,
                                      struct bs_facts *facts,
                                      struct bs_err *err);

#endif
