/*
 * snapshots.h - one run of a snapshot, as the configuration has it, for the scheduler and for
 * `backstop snapshot` alike.
 *
 * Layer  gateway. Blocks; never on a worker.
 * Spec   recovery/snapshot.h.
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_SNAPSHOTS_H
#define BS_GATEWAY_SNAPSHOTS_H

#include "policy/config.h"
#include "policy/keeping.h"
#include "recovery/snapshot.h"

struct bs_snapshot_job {
    const struct bs_config *config;
    struct bs_store *store;
    const struct bs_config_database *db;
    const struct bs_config_snapshot *schedule; /* NULL: by hand */
    const struct bs_object_globs *tables;
    int64_t budget_ms;
    const char *by; /* "schedule", an operator */
    /* Called with the capture while it can be aborted, and with NULL before it is closed. */
    void (*running)(void *ctx, struct bs_capture *c);
    void *ctx;
};

struct bs_snapshot_done {
    char point[BS_POINT_ID_TEXT];
    struct bs_snapshot_report report;
    int64_t rows;
    int64_t stored_bytes; /* by this run */
    int64_t us;
};

/* Errors as bs_capture_snapshot. */
BS_MUST_CHECK enum bs_done
bs_snapshot_do(const struct bs_snapshot_job *job, struct bs_snapshot_done *out, struct bs_err *err);

#endif
