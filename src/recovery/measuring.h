/*
 * measuring.h - the state while a unit is measured, for measure.c, measure_share.c and sample.c.
 *
 * Layer  recovery. Blocks.
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_MEASURING_H
#define BS_RECOVERY_MEASURING_H

#include "recovery/measure.h"
#include "recovery/steps.h"

struct bs_measuring {
    struct bs_helper helper;
    struct bs_watch *watch;
    const struct bs_measure_ask *ask;
    struct bs_arena *arena;
    struct bs_facts *facts;
    int64_t end_us;  /* bs_mono_us */
    int64_t told_ms; /* the server's own time-out for a statement */
    bool open;       /* a transaction is */
};

/* Is there time left, and a transaction with a snapshot? Begins one. */
BS_MUST_CHECK enum bs_done
bs_measuring_ready(struct bs_measuring *m, bool *ready, struct bs_err *err);
/*
 * What has failed ends the transaction, and is forgotten: returns BS_DONE where measuring goes on.
 *
 * why  of the failure
 */
BS_MUST_CHECK enum bs_done
bs_measuring_forget(struct bs_measuring *m, const struct bs_err *why, struct bs_err *err);
/* The one number that a query answers with. */
BS_MUST_CHECK enum bs_done
bs_measuring_number(struct bs_measuring *m, const char *sql, int64_t *out, struct bs_err *err);
/* The rows of these changes are counted by a select, not with their table. */
bool bs_measuring_by_select(enum bs_kind kind);
/* The select of a statement; NULL. */
const struct bs_plan_select *bs_measuring_select(const struct bs_measuring *m, size_t stmt);

/* It changes nothing but rows of its targets. */
bool bs_measuring_is_plain(const struct bs_stmt *stmt);

/* measure_read.c: everything that is counted, and counted by, could be read by the role that asks. */
BS_MUST_CHECK enum bs_done
bs_measuring_may_know(struct bs_measuring *m, bool *may, struct bs_err *err);

/* rehearse.c */
bool bs_measuring_may_rehearse(const struct bs_measuring *m);
BS_MUST_CHECK enum bs_done bs_measuring_rehearse(struct bs_measuring *m, struct bs_err *err);
/* measure_share.c: which share of its table each target has. */
BS_MUST_CHECK enum bs_done bs_measuring_shares(struct bs_measuring *m, struct bs_err *err);
/* sample.c: some of the rows. */
BS_MUST_CHECK enum bs_done bs_measuring_samples(struct bs_measuring *m, struct bs_err *err);

#endif
