/*
 * server.c - the server and its actors. A thread of its own looks after what has been idle: a cursor
 * that nobody reads on holds a snapshot of the database, whether or not another message ever comes.
 */
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mcp/actor.h"

#define REMEMBERED_US (INT64_C(86400) * 1000 * 1000) /* what is held; docs/mcp.md */

struct bs_mcp {
    struct bs_mcp_options options;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ends;
    pthread_t keeper;
    struct bs_mcp_actor *actors;
};

/* With the lock held: an actor's free takes it, too, so none goes away under us. */
static void
tend(struct bs_mcp *mcp)
{
    for (struct bs_mcp_actor *a = mcp->actors; a != NULL; a = a->next) {
        bs_mcp_cursors_tend(a);
        bs_mcp_tasks_tend(a);
        bs_mcp_held_tend(a, bs_mono_us() - REMEMBERED_US);
        if (a->door.tend != NULL)
            a->door.tend(a->door.ctx);
    }
}

static void *
keep(void *ctx)
{
    struct bs_mcp *mcp = ctx;
    struct timespec until;

    (void)pthread_mutex_lock(&mcp->lock);
    while (!mcp->ends) {
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&mcp->wake, &mcp->lock, &until);
        if (!mcp->ends)
            tend(mcp);
    }
    (void)pthread_mutex_unlock(&mcp->lock);
    return NULL;
}

struct bs_mcp *
bs_mcp_new(const struct bs_mcp_options *options)
{
    struct bs_mcp *mcp = bs_malloc(sizeof(*mcp));

    mcp->options = *options;
    (void)pthread_mutex_init(&mcp->lock, NULL);
    bs_cond_init(&mcp->wake);
    bs_assert(pthread_create(&mcp->keeper, NULL, keep, mcp) == 0);
    return mcp;
}

void
bs_mcp_free(struct bs_mcp **mcp)
{
    struct bs_mcp *m = *mcp;

    if (m == NULL)
        return;
    bs_assert(m->actors == NULL);
    (void)pthread_mutex_lock(&m->lock);
    m->ends = true;
    (void)pthread_cond_signal(&m->wake);
    (void)pthread_mutex_unlock(&m->lock);
    (void)pthread_join(m->keeper, NULL);
    (void)pthread_cond_destroy(&m->wake);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
    *mcp = NULL;
}

struct bs_mcp_actor *
bs_mcp_actor_new(struct bs_mcp *mcp, const struct bs_mcp_door *door)
{
    struct bs_mcp_actor *a = bs_malloc(sizeof(*a));

    a->mcp = mcp;
    a->door = *door;
    (void)pthread_mutex_init(&a->lock, NULL);
    bs_cond_init(&a->changed);
    (void)pthread_mutex_lock(&mcp->lock);
    a->next = mcp->actors;
    mcp->actors = a;
    (void)pthread_mutex_unlock(&mcp->lock);
    return a;
}

void
bs_mcp_actor_free(struct bs_mcp_actor **actor)
{
    struct bs_mcp_actor *a = *actor;
    struct bs_mcp_actor **at;

    if (a == NULL)
        return;
    (void)pthread_mutex_lock(&a->mcp->lock);
    for (at = &a->mcp->actors; *at != a; at = &(*at)->next)
        continue;
    *at = a->next;
    (void)pthread_mutex_unlock(&a->mcp->lock);
    bs_mcp_tasks_free(a);
    bs_mcp_cursors_free(a);
    bs_mcp_held_free(a);
    (void)pthread_cond_destroy(&a->changed);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
    *actor = NULL;
}

bool
bs_mcp_actor_holds(struct bs_mcp_actor *actor)
{
    bool holds;

    (void)pthread_mutex_lock(&actor->lock);
    holds = actor->cursors != NULL || actor->held != NULL || actor->tasks != NULL;
    (void)pthread_mutex_unlock(&actor->lock);
    return holds;
}

const struct bs_mcp_options *
bs_mcp_options_of(struct bs_mcp_actor *actor)
{
    return &actor->mcp->options;
}

PGconn *
bs_mcp_acquire(struct bs_mcp_actor *actor,
               const char *database,
               const struct bs_watch *watch,
               struct bs_err *err)
{
    return actor->door.acquire(actor->door.ctx, database, watch, err);
}

void
bs_mcp_release(struct bs_mcp_actor *actor, PGconn *conn, enum bs_mcp_conn state)
{
    if (conn != NULL)
        actor->door.release(actor->door.ctx, conn, state);
}
