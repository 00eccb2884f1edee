/*
 * retention.h - the configuration's `retention` and `snapshots[].keep` carried out: for the scheduler
 * and for `backstop points prune` alike. One at a time on this machine, by a lock in the spool.
 *
 * Layer  gateway. Blocks; never on a worker.
 * Spec   recovery/retain.h.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_RETENTION_H
#define BS_GATEWAY_RETENTION_H

#include "audit/record.h"
#include "policy/config.h"
#include "recovery/erase.h"
#include "recovery/retain.h"
#include "state/state.h"

struct bs_retention {
    const struct bs_config *config;
    struct bs_store *store;
    struct bs_state *state; /* tickets and plans that name points */
    struct bs_audit *audit; /* what goes is recorded there */
    const char *by;
    bs_retain_tell *tell; /* may be NULL */
    bs_erase_note *note;  /* of bs_retention_erase alone */
    void *ctx;            /* of both */
};

/* Does the configuration let anything go at all? Leftovers and unused definitions always may. */
bool bs_retention_is_set(const struct bs_config *config);

/* err   as bs_retain_look; UNAVAILABLE also: the state */
BS_MUST_CHECK enum bs_done bs_retention_look(const struct bs_retention *r,
                                             struct bs_arena *arena,
                                             struct bs_retain *out,
                                             struct bs_err *err);

/*
 * Looks, and takes away.
 *
 * err   CONFLICT: somebody else does so now; else as bs_retain_do
 */
BS_MUST_CHECK enum bs_done
bs_retention_run(const struct bs_retention *r, struct bs_retain_done *out, struct bs_err *err);

/*
 * Takes one point away for good; see recovery/erase.h. `r->note` puts it into the audit.
 *
 * err   CONFLICT: points are being pruned now; else as bs_erase_run; UNAVAILABLE also: the state
 */
BS_MUST_CHECK enum bs_done bs_retention_erase(const struct bs_retention *r,
                                              const char *point,
                                              const char *reason,
                                              struct bs_erased *out,
                                              struct bs_arena *arena,
                                              struct bs_err *err);

#endif
