/*
 * keeper.c - a small round every second.
 */
#include "gateway/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "approval/changes.h"
#include "approval/evasion.h"
#include "approval/ticket.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/databases.h"
#include "gateway/late.h"
#include "gateway/neighbours.h"
#include "gateway/standing.h"
#include "gateway/worker.h"
#include "policy/config.h"
#include "recovery/capture.h"
#include "recovery/fence.h"
#include "recovery/journal.h"
#include "recovery/points.h"

#define CLOSE_WAIT_MS 5000 /* at start: for a transaction that is still in progress */
#define LOOK_AGAIN_S  3    /* at what could not be closed */

struct bs_keeper {
    struct bs_gateway *g;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned rounds;
    int64_t seen; /* changes that evasion knows of */
    bool stop;
};

/* --- recovery points ---------------------------------------------------------------------- */

/* A crash leaves its statements running in the server until they end by themselves; and a
 * database, or the storage, may not answer for a while. So this is done until nothing is open. */
static void
close_points(struct bs_gateway *g, const struct bs_config_database *db, int wait_ms)
{
    struct bs_points_closed closed = {0};
    struct bs_err err = {0}, why = {0};
    size_t left;

    if (bs_fence_lift(g->config->spool, db->helper, &left, &why) != BS_DONE) {
        atomic_store(&g->points_open, true);
        BS_LOG(ERROR, "a fence is still up", BS_F_STR("database", db->name),
               BS_F_STR("reason", why.message), BS_F_STR("hint", why.hint));
    }
    if (bs_points_open_close(g->store, db->helper, wait_ms, &closed, &err) != BS_DONE) {
        atomic_store(&g->points_open, true);
        BS_LOG(WARNING, "open points could not be looked at", BS_F_STR("database", db->name),
               BS_F_STR("reason", err.message));
        return;
    }
    if (closed.open != 0)
        atomic_store(&g->points_open, true);
    if (closed.committed + closed.rolled_back + closed.not_used + closed.unknown +
            closed.abandoned + closed.damaged !=
        0)
        BS_LOG(INFO, "open points closed", BS_F_STR("database", db->name),
               BS_F_INT("committed", closed.committed), BS_F_INT("rolled_back", closed.rolled_back),
               BS_F_INT("not_used", closed.not_used), BS_F_INT("unknown", closed.unknown),
               BS_F_INT("abandoned", closed.abandoned), BS_F_INT("open", closed.open),
               BS_F_INT("damaged", closed.damaged));
}

/* What this process or one before it knows of the ends of points, and the storage does not. */
static void
replay_journal(struct bs_gateway *g)
{
    struct bs_err err = {0};
    size_t left;

    if (bs_journal_replay(g->config->spool, g->store, &left, &err) == BS_DONE)
        return;
    atomic_store(&g->points_open, true);
    BS_LOG(WARNING, "events of points are not in the storage yet", BS_F_INT("events", left),
           BS_F_STR("reason", err.message));
}

static void
close_all_points(struct bs_gateway *g, int wait_ms)
{
    replay_journal(g);
    for (size_t i = 0; i < g->config->n_databases; i++)
        close_points(g, &g->config->databases[i], wait_ms);
    replay_journal(g);
}

/* --- at start ----------------------------------------------------------------------------- */

static void
load_catalog(struct bs_gateway *g, const struct bs_config_database *db)
{
    struct bs_err err = {0};

    if (bs_database_load(bs_database_find(g->databases, db->name), 0, &err) != BS_DONE)
        BS_LOG(WARNING, "no catalog: nothing runs there until it can be read",
               BS_F_STR("database", db->name), BS_F_STR("reason", err.message));
}

enum bs_done
bs_keeper_settle(struct bs_gateway *g, struct bs_err *err)
{
    if (bs_neighbours_end_running(g, err) != BS_DONE ||
        bs_changes_record(g->state, g->audit, NULL, err) != BS_DONE)
        return BS_FAILED;
    bs_capture_sweep(g->config->spool);
    close_all_points(g, CLOSE_WAIT_MS);
    for (size_t i = 0; i < g->config->n_databases; i++)
        load_catalog(g, &g->config->databases[i]);
    return BS_DONE;
}

/* --- from then on ------------------------------------------------------------------------- */

/* Agents may be quarantined, released, or revoked, by another process: the change tells, whichever
 * gateway's audit gets it. */
static enum bs_done
keep_quarantine(struct bs_keeper *k, struct bs_err *err)
{
    struct bs_gateway *g = k->g;
    int64_t changes;

    if (bs_evasion_save(g->evasion, g->state, err) != BS_DONE ||
        bs_changes_record(g->state, g->audit, NULL, err) != BS_DONE ||
        bs_state_change_count(g->state, &changes, err) != BS_DONE)
        return BS_FAILED;
    if (changes == k->seen && !bs_evasion_any_quarantined(g->evasion))
        return BS_DONE;
    if (bs_evasion_reload(g->evasion, g->state, err) != BS_DONE)
        return BS_FAILED;
    k->seen = changes;
    return BS_DONE;
}

/* Whoever is let in no more: also where the audit cannot take the news of it. */
void
bs_keeper_check(struct bs_gateway *g)
{
    struct bs_err err = {0};

    if (bs_standings_look(g->standings, g->state, &err) != BS_DONE)
        BS_LOG(WARNING, "it is not known who was revoked or paused",
               BS_F_STR("reason", err.message));
    for (unsigned i = 0; i < g->n_workers; i++)
        bs_worker_check_standings(g->workers[i]);
}

static void
go_round(struct bs_keeper *k)
{
    struct bs_gateway *g = k->g;
    struct bs_err err = {0};

    bs_keeper_check(g);
    bs_neighbours_look(g);
    bs_late_settle(g->late);
    if (bs_tickets_sweep(g->tickets, NULL, &err) != BS_DONE || keep_quarantine(k, &err) != BS_DONE)
        BS_LOG(WARNING, "housekeeping failed", BS_F_STR("reason", err.message));
    if (++k->rounds % LOOK_AGAIN_S == 0 && atomic_exchange(&g->points_open, false))
        close_all_points(g, 0);
}

static void *
keep(void *arg)
{
    struct bs_keeper *k = arg;

    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until); /* one that nobody sets back */
        until.tv_sec++;
        (void)pthread_cond_timedwait(&k->wake, &k->lock, &until);
        if (k->stop)
            break;
        pthread_mutex_unlock(&k->lock);
        go_round(k);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

struct bs_keeper *
bs_keeper_start(struct bs_gateway *g)
{
    struct bs_keeper *k = bs_malloc(sizeof(*k));

    k->g = g;
    pthread_mutex_init(&k->lock, NULL);
    bs_cond_init(&k->wake);
    bs_assert(pthread_create(&k->thread, NULL, keep, k) == 0);
    return k;
}

void
bs_keeper_stop(struct bs_keeper **k)
{
    if (*k == NULL)
        return;
    pthread_mutex_lock(&(*k)->lock);
    (*k)->stop = true;
    pthread_cond_signal(&(*k)->wake);
    pthread_mutex_unlock(&(*k)->lock);
    pthread_join((*k)->thread, NULL);
    pthread_mutex_destroy(&(*k)->lock);
    pthread_cond_destroy(&(*k)->wake);
    free(*k);
    *k = NULL;
}
