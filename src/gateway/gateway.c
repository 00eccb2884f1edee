/*
 * gateway.c - start in the order of dependence, serve, stop in the reverse order.
 *
 * Signals are blocked in every thread and taken by the first one with sigtimedwait: no handler, so
 * nothing that a handler may not do.
 */
#include "gateway/gateway.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "approval/evasion.h"
#include "approval/ticket.h"
#include "audit/record.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/address.h"
#include "gateway/approved.h"
#include "gateway/cancel.h"
#include "gateway/conninfo.h"
#include "gateway/databases.h"
#include "gateway/filing.h"
#include "gateway/inside.h"
#include "gateway/keeper.h"
#include "gateway/late.h"
#include "gateway/limits.h"
#include "gateway/neighbours.h"
#include "gateway/progress.h"
#include "gateway/readiness.h"
#include "gateway/reload.h"
#include "gateway/scheduler.h"
#include "gateway/service.h"
#include "gateway/standing.h"
#include "gateway/waiters.h"
#include "gateway/worker.h"
#include "policy/config.h"
#include "recovery/keys.h"
#include "recovery/warm.h"
#include "state/state.h"
#include "storage/storage.h"
#include "wire/tls.h"

#define JOB_THREADS   "64" /* libuv's own default of 4 is for files, not for captures that last */
#define KILL_SECONDS  5    /* for sessions that are ended, and then for jobs */
#define LOOK_EVERY_MS 50

/* --- opening what all workers share -------------------------------------------------------- */

/* Of an actor that does not exist every gateway says the same, before and after a restart, too: as of one
 * that does. */
static enum bs_done
read_mock_secret(struct bs_gateway *g, struct bs_err *err)
{
    char text[BS_STATE_SECRET];
    enum bs_done done = bs_state_secret(g->state, "mock", text, err);

    if (done == BS_DONE && !bs_unhex(text, sizeof(g->mock_secret), g->mock_secret))
        done = BS_FAIL(err, DAMAGED, "a secret in the state is damaged");
    bs_wipe(text, sizeof(text));
    return done;
}

static enum bs_done
open_state(struct bs_gateway *g, struct bs_err *err)
{
    if (bs_state_open(g->config->state_url, &g->state, err) == BS_DONE &&
        bs_neighbours_join(g, err) == BS_DONE && read_mock_secret(g, err) == BS_DONE)
        return BS_DONE;
    bs_err_prefix(err, "state");
    return BS_FAILED;
}

static enum bs_done
open_audit(struct bs_gateway *g, struct bs_err *err)
{
    const struct bs_audit_options options = {
        .directory = g->config->audit_directory,
        .key = g->config->audit_key,
        .segment_bytes = (uint64_t)g->config->audit_file_bytes,
        .segment_age_us = g->config->audit_file_age_ms * 1000,
        .own_files = g->config->audit_upload != NULL,
        .redact = g->config->audit_redact,
        .redact_key = g->config->audit_redact_key,
    };

    if (bs_audit_open(&options, &g->audit, err) == BS_FAILED) {
        bs_err_prefix(err, "audit");
        return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
open_tickets(struct bs_gateway *g, struct bs_err *err)
{
    const struct bs_tickets_options options = {
        .decide_us = g->config->hold_decide_ms * 1000,
        .redeem_us = g->config->hold_redeem_ms * 1000,
    };

    g->tickets = bs_tickets_new(g->state, &options);
    if (bs_waiters_new(g->tickets, &g->waiters, err) != BS_DONE)
        return BS_FAILED;
    g->late = bs_late_new(g->tickets);
    g->standings = bs_standings_new();
    if (bs_standings_look(g->standings, g->state, err) != BS_DONE)
        return BS_FAILED;
    g->evasion = bs_evasion_new();
    if (bs_tickets_subscribe(g->tickets, bs_evasion_on_ticket, g->evasion, err) != BS_DONE ||
        bs_evasion_load(g->evasion, g->state, g->config->policy->evasion.window_ms * 1000, err) !=
            BS_DONE)
        return BS_FAILED;
    return bs_approved_new(g->tickets, &g->approved, err);
}

static enum bs_done
open_store(struct bs_gateway *g, struct bs_err *err)
{
    if (bs_keys_open_store(g->config->storage_url, g->config->keys, g->config->key, &g->store,
                           err) == BS_FAILED) {
        bs_err_prefix(err, "storage");
        return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
read_upstreams(struct bs_gateway *g, struct bs_err *err)
{
    const struct bs_config *c = g->config;

    g->upstreams = bs_malloc(c->n_databases * sizeof(*g->upstreams));
    for (size_t i = 0; i < c->n_databases; i++) {
        if (bs_conninfo_parse(c->databases[i].upstream, &g->upstreams[i], err) == BS_FAILED) {
            bs_err_prefix(err, "databases: %s: upstream", c->databases[i].name);
            return BS_FAILED;
        }
    }
    return BS_DONE;
}

static enum bs_done
make_workers(struct bs_gateway *g, struct bs_err *err)
{
    unsigned n = (unsigned)g->config->workers;

    g->cancels = bs_cancels_new();
    g->limits = bs_limits_new();
    g->databases = bs_databases_new(g->config);
    g->warm = bs_warm_new();
    g->readiness = bs_readiness_new(g->config);
    g->progress = bs_progress_new();
    g->workers = bs_malloc(n * sizeof(struct bs_worker *));
    for (; g->n_workers < n; g->n_workers++)
        if (bs_worker_new(g, g->n_workers, &g->workers[g->n_workers], err) == BS_FAILED)
            return BS_FAILED;
    return BS_DONE;
}

/* The first worker owns all listeners; each address is logged as it was bound. Takes them all. */
static enum bs_done
watch(struct bs_gateway *g, const int *fds, size_t n, struct bs_err *err)
{
    for (size_t i = 0; i < n; i++) {
        char *text = bs_address_of_socket(fds[i]);
        BS_LOG(INFO, "listening", BS_F_STR("address", text), BS_F_STR("for", "actors"));
        free(text);
        if (bs_worker_listen(g->workers[0], fds[i], err) == BS_FAILED) {
            while (++i < n)
                (void)close(fds[i]);
            return BS_FAILED;
        }
    }
    return BS_DONE;
}

/* What a service manager has opened for us stands in place of `listen`. */
static enum bs_done
listen_on_all(struct bs_gateway *g, struct bs_err *err)
{
    int given[BS_SERVICE_SOCKETS];
    size_t n_given;

    if (bs_service_listeners(given, &n_given, err) == BS_FAILED)
        return BS_FAILED;
    if (n_given != 0)
        return watch(g, given, n_given, err);
    for (size_t i = 0; i < g->config->n_listen; i++) {
        int fds[BS_LISTEN_MAX];
        size_t n;
        if (bs_listen_open(&g->config->listen[i], fds, &n, err) == BS_FAILED)
            return BS_FAILED;
        g->n_listening = i + 1;
        if (watch(g, fds, n, err) == BS_FAILED)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Before the sides: the agents' HTTP connects to it. */
static enum bs_done
open_inside(struct bs_gateway *g, struct bs_err *err)
{
    int fd;

    if (g->config->agents_http.listen.host == NULL)
        return BS_DONE;
    if (bs_inside_open(&g->inside, &fd, err) == BS_FAILED)
        return BS_FAILED;
    return bs_worker_listen_inside(g->workers[0], fd, err);
}

static enum bs_done
start_workers(struct bs_gateway *g, struct bs_err *err)
{
    for (unsigned i = 0; i < g->n_workers; i++)
        if (bs_worker_start(g->workers[i], err) == BS_FAILED)
            return BS_FAILED;
    return BS_DONE;
}

/* --- signals ------------------------------------------------------------------------------- */

static void
take_signals(sigset_t *set)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of that write */
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* The signal that came within the time, else 0. */
static int
wait_any(const sigset_t *set, int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    int got = sigtimedwait(set, NULL, &time);

    return got < 0 ? 0 : got;
}

/* SIGTERM or SIGINT within the time, else 0. */
static int
wait_signal(const sigset_t *set, int64_t ms)
{
    int got = wait_any(set, ms);

    return got == SIGHUP ? 0 : got;
}

static void
serve(struct bs_gateway *g, const sigset_t *set)
{
    int got;

    while ((got = wait_any(set, 3600 * 1000)) == 0 || got == SIGHUP) {
        if (got == SIGHUP) {
            bs_service_reloading();
            bs_reload(g);
            bs_service_ready();
        }
    }
    bs_service_stopping();
    BS_LOG(INFO, "stopping", BS_F_STR("signal", got == SIGTERM ? "SIGTERM" : "SIGINT"));
}

static void
end_workers(struct bs_gateway *g)
{
    BS_LOG(WARNING, "ending what still runs", BS_F_STR("key", "clients.drain"));
    for (unsigned i = 0; i < g->n_workers; i++)
        bs_worker_end(g->workers[i]);
}

static void
kill_workers(struct bs_gateway *g, const char *why)
{
    BS_LOG(WARNING, "closing what is left", BS_F_STR("why", why));
    for (unsigned i = 0; i < g->n_workers; i++)
        bs_worker_kill(g->workers[i]);
}

/* Sessions end by themselves, or by the clock, or by a second signal. */
static void
stop_workers(struct bs_gateway *g, const sigset_t *set)
{
    const struct bs_config_clients *c = atomic_load(&g->clients);
    int64_t end_us = bs_mono_us() + (c == NULL ? 0 : c->drain_ms * 1000);
    bool ended = false, killed = false;

    atomic_store(&g->stopping, true);
    for (unsigned i = 0; i < g->n_workers; i++)
        bs_worker_stop(g->workers[i]);
    while (atomic_load(&g->running) > 0) {
        bool again = wait_signal(set, LOOK_EVERY_MS) != 0;
        if (!again && bs_mono_us() < end_us)
            continue;
        if (killed) { /* a job is stuck; everything durable is so already */
            BS_LOG(ERROR, "a job does not end: leaving it", BS_F_INT("pid", getpid()));
            _exit(EXIT_FAILURE);
        }
        end_us = bs_mono_us() + (int64_t)KILL_SECONDS * 1000000;
        killed = again || ended;
        ended = true;
        if (killed)
            kill_workers(g, again ? "signal" : "deadline");
        else
            end_workers(g);
    }
    for (unsigned i = 0; i < g->n_workers; i++)
        bs_worker_join(g->workers[i]);
}

/* --- the whole ----------------------------------------------------------------------------- */

static void
close_all(struct bs_gateway *g)
{
    if (g->state != NULL)
        bs_state_leave(g->state); /* first: what it tells goes to all that follows */
    for (unsigned i = 0; i < g->n_workers; i++)
        bs_worker_free(&g->workers[i]);
    free(g->workers);
    for (size_t i = 0; i < g->n_listening; i++)
        bs_listen_remove(&g->config->listen[i]);
    bs_reload_end(g);
    bs_inside_close(&g->inside);
    bs_cancels_free(&g->cancels);
    bs_limits_free(&g->limits);
    bs_databases_free(&g->databases);
    bs_readiness_free(&g->readiness);
    bs_warm_free(&g->warm);
    bs_progress_free(&g->progress);
    for (size_t i = 0; g->upstreams != NULL && i < g->config->n_databases; i++)
        bs_conninfo_fini(&g->upstreams[i]);
    free(g->upstreams);
    bs_wipe(g->mock_secret, sizeof(g->mock_secret));
    bs_store_close(&g->store);
    bs_standings_free(&g->standings);
    bs_late_free(&g->late);
    bs_approved_free(&g->approved);
    bs_waiters_free(&g->waiters);
    if (g->evasion != NULL)
        bs_tickets_unsubscribe(g->tickets, bs_evasion_on_ticket, g->evasion);
    bs_evasion_free(&g->evasion);
    bs_tickets_free(&g->tickets);
    bs_audit_close(&g->audit);
    bs_state_close(&g->state);
}

/* Every session has two sockets; the usual soft limit of 1024 would be 500 sessions. */
static void
raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum bs_done
open_all(struct bs_gateway *g, struct bs_err *err)
{
    static enum bs_done (*const steps[])(struct bs_gateway *, struct bs_err *) = {
        read_upstreams,  open_state,   open_audit,  open_tickets,     open_store,
        bs_reload_begin, make_workers, open_inside, bs_keeper_settle,
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i](g, err) == BS_FAILED)
            return BS_FAILED;
    return BS_DONE;
}

/* The sides of a running gateway. */
struct bs_beside {
    const struct bs_gateway_side *const *sides;
    void *selves[BS_GATEWAY_SIDES];
    size_t n; /* started */
};

static enum bs_done
start_sides(struct bs_gateway *g, struct bs_beside *b, struct bs_err *err)
{
    for (; b->sides[b->n] != NULL; b->n++) {
        bs_assert(b->n < BS_GATEWAY_SIDES);
        if (b->sides[b->n]->start(g, &b->selves[b->n], err) == BS_FAILED)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_gateway_reload_sides(struct bs_gateway *g, const struct bs_config *config, struct bs_err *err)
{
    const struct bs_beside *b = g->beside;

    for (size_t i = 0; i < b->n; i++) {
        if (b->sides[i]->reload != NULL &&
            b->sides[i]->reload(b->selves[i], config, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static void
stop_sides(struct bs_beside *b)
{
    while (b->n > 0) {
        b->n--;
        b->sides[b->n]->stop(b->selves[b->n]);
    }
}

enum bs_done
bs_gateway_run(const struct bs_config *config,
               const struct bs_gateway_side *const *sides,
               struct bs_err *err)
{
    struct bs_gateway g = {.config = config};
    enum bs_done done = BS_FAILED;
    struct bs_keeper *keeper = NULL;
    struct bs_filing *filing = NULL;
    struct bs_beside beside = {.sides = sides};
    sigset_t set;

    g.beside = &beside;
    take_signals(&set);
    raise_descriptors();
    (void)setenv("UV_THREADPOOL_SIZE", JOB_THREADS, 0);
    if (open_all(&g, err) == BS_FAILED)
        goto out;
    if (start_sides(&g, &beside, err) == BS_FAILED)
        goto out;
    if (listen_on_all(&g, err) == BS_FAILED || start_workers(&g, err) == BS_FAILED)
        goto out;
    if (bs_filing_start(&g, &filing, err) == BS_FAILED)
        goto out;
    keeper = bs_keeper_start(&g);
    g.scheduler = bs_scheduler_start(&g);
    BS_LOG(INFO, "ready", BS_F_INT("workers", g.n_workers), BS_F_INT("pid", getpid()));
    atomic_store(&g.ready, true);
    bs_neighbours_hear(&g);
    bs_service_ready();
    serve(&g, &set);
    done = BS_DONE;
out:
    stop_workers(&g, &set);
    bs_scheduler_stop(&g.scheduler);
    bs_keeper_stop(&keeper);
    bs_filing_stop(&filing);
    stop_sides(&beside);
    close_all(&g);
    if (done == BS_DONE)
        BS_LOG(INFO, "stopped", {NULL, NULL, 0});
    return done;
}
