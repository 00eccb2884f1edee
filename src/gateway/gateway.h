/*
 * gateway.h - the running daemon: what all workers share, its start and its stop.
 *
 * Layer  gateway.
 * Owns   state, audit, storage, cancel table and workers, from the start to the end of
 *        bs_gateway_run.
 */
#ifndef BS_GATEWAY_GATEWAY_H
#define BS_GATEWAY_GATEWAY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bs_audit;   /* audit/record.h */
struct bs_beside;  /* gateway/gateway.c */
struct bs_cancels; /* gateway/cancel.h */
struct bs_config;  /* policy/config.h */
struct bs_config_clients;
struct bs_conninfo;  /* gateway/conninfo.h */
struct bs_databases; /* gateway/databases.h */
struct bs_evasion;   /* approval/evasion.h */
struct bs_inside;    /* gateway/inside.h */
struct bs_limits;    /* gateway/limits.h */
struct bs_policy;    /* policy/rules.h */
struct bs_progress;  /* gateway/progress.h */
struct bs_readiness; /* gateway/readiness.h */
struct bs_reloaded;  /* gateway/reload.c */
struct bs_scheduler; /* gateway/scheduler.h */
struct bs_standings; /* gateway/standing.h */
struct bs_state;     /* state/state.h */
struct bs_store;     /* storage/storage.h */
struct bs_tls_ctx;   /* wire/tls.h */
struct bs_warm;      /* recovery/warm.h */
struct bs_worker;    /* gateway/worker.h */

/* Read by every thread; what is not atomic is changed by none once the workers run. */
struct bs_gateway {
    const struct bs_config *config; /* as at the start; its policy may be replaced: reload.h */
    _Atomic(const struct bs_policy *) policy; /* in force: bs_gateway_policy */
    struct bs_reloaded *reloaded;             /* the first thread's alone */
    struct bs_scheduler *scheduler;           /* the same; NULL: not yet, or no more */
    struct bs_beside *beside;                 /* the same: the sides that run */
    struct bs_state *state;
    struct bs_audit *audit;
    struct bs_tickets *tickets;
    struct bs_waiters *waiters;     /* sessions that wait for a decision */
    struct bs_approved *approved;   /* actors with a ticket to use */
    struct bs_evasion *evasion;     /* what was refused, and who is quarantined */
    struct bs_standings *standings; /* which actors are let in */
    struct bs_late *late;           /* ends of tickets that the state must still take */
    struct bs_store *store;
    struct bs_databases *databases;
    struct bs_warm *warm; /* helper sessions, while somebody waits for a decision */
    struct bs_readiness *readiness;
    struct bs_progress *progress;  /* captures that are being made */
    struct bs_conninfo *upstreams; /* one for each of config->databases, in that order */
    _Atomic(struct bs_tls_ctx **)
        upstream_tls;        /* the same, in force; of them NULL where sslmode is disable */
    uint8_t mock_secret[32]; /* from the state: makes the verifiers of actors that do not exist */
    struct bs_cancels *cancels;
    struct bs_limits *limits;
    struct bs_inside *inside; /* NULL: no way in but config->listen */
    _Atomic(struct bs_tls_ctx *)
        tls; /* towards clients, in force; NULL: no certificate configured */
    _Atomic(const struct bs_config_clients *) clients; /* in force */
    struct bs_worker **workers;
    unsigned n_workers;
    size_t n_listening; /* of config->listen: their socket files are ours to remove */
    atomic_bool ready;  /* clients can connect */
    atomic_bool stopping;
    atomic_bool points_open; /* some point could not be closed: the keeper looks again */
    atomic_uint running;     /* workers whose thread has not ended */
};

#define BS_GATEWAY_SIDES 4 /* at most */

/*
 * A way to run something beside the gateway (the operators' API lives on a higher floor): started
 * after the state is open and before the first client is accepted, stopped after the last.
 */
struct bs_gateway_side {
    /* err: the gateway does not start */
    enum bs_done (*start)(struct bs_gateway *g, void **self, struct bs_err *err);
    /*
     * Another configuration, good as a whole, is about to be in force; it lives until after stop.
     * On the first thread. NULL: nothing is reloaded. err: then nothing has changed, and none of
     * the configuration is taken.
     */
    enum bs_done (*reload)(void *self, const struct bs_config *config, struct bs_err *err);
    void (*stop)(void *self);
};

/* Tell every side; of those that can fail there is one, so that all or none take it. */
BS_MUST_CHECK enum bs_done
bs_gateway_reload_sides(struct bs_gateway *g, const struct bs_config *config, struct bs_err *err);

/*
 * Serve until SIGTERM or SIGINT; on SIGHUP the configuration is read anew. A first signal stops gracefully
 * (within a deadline), a second one at once. Logs one line "ready" with the addresses once clients can connect.
 *
 * config   immutable, outlives the call
 * sides    a list that NULL ends, started in this order and stopped in the other
 * err      CONFIG, UNAVAILABLE, IO: it never became ready
 */
BS_MUST_CHECK enum bs_done bs_gateway_run(const struct bs_config *config,
                                          const struct bs_gateway_side *const *sides,
                                          struct bs_err *err);

#endif
