/*
 * neighbours.c - news from the state reach the same places as what happens in this process. What is not
 * heard is found all the same: standings and waiting tickets are looked at each second.
 */
#include "gateway/neighbours.h"

#include <stdatomic.h>

#include "approval/ticket.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/approved.h"
#include "gateway/gateway.h"
#include "gateway/keeper.h"
#include "gateway/waiters.h"

#define ARENA_MAX (64u << 20)

static void
look_at_all(struct bs_gateway *g)
{
    struct bs_err err = {0};

    bs_keeper_check(g);
    bs_waiters_look(g->waiters);
    if (bs_approved_look(g->approved, &err) != BS_DONE)
        BS_LOG(WARNING, "it is not known what was approved", BS_F_STR("reason", err.message));
}

/* On a thread of the state. Before the gateway is ready there is nobody to be told. */
static void
on_news(void *ctx, enum bs_news what, const char *id)
{
    struct bs_gateway *g = ctx;

    if (!atomic_load(&g->ready) || atomic_load(&g->stopping))
        return;
    switch (what) {
    case BS_NEWS_TICKET:
        bs_ticket_heard(g->tickets, id);
        return;
    case BS_NEWS_CHANGE:
        bs_keeper_check(g);
        return;
    case BS_NEWS_ALL:
    default:
        look_at_all(g);
    }
}

enum bs_done
bs_neighbours_join(struct bs_gateway *g, struct bs_err *err)
{
    char instance[BS_ULID_TEXT];

    bs_ulid_new(instance);
    if (bs_state_join(g->state, instance, on_news, g, err) != BS_DONE)
        return BS_FAILED;
    if (bs_state_shared(g->state))
        BS_LOG(INFO, "the state is shared", BS_F_STR("instance", instance));
    return BS_DONE;
}

void
bs_neighbours_hear(struct bs_gateway *g)
{
    if (bs_state_shared(g->state))
        look_at_all(g);
}

enum bs_done
bs_neighbours_end_running(struct bs_gateway *g, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_ticket *list;
    struct bs_err why = {0};
    enum bs_done done;
    size_t n = 0;

    bs_arena_init(&arena, "tickets", ARENA_MAX);
    done = bs_state_ticket_orphans(g->state, &arena, &list, &n, err);
    for (size_t i = 0; done == BS_DONE && i < n; i++) {
        why = (struct bs_err){0};
        if (bs_ticket_finish(g->tickets, list[i].id, BS_TICKET_UNCERTAIN, list[i].point,
                             "the gateway stopped while it ran; see its recovery point",
                             &why) != BS_DONE &&
            why.code != BS_E_CONFLICT) /* another gateway was faster */
            done = bs_err_set(err, why.code, "%s", why.message);
    }
    bs_arena_fini(&arena);
    return done;
}

void
bs_neighbours_look(struct bs_gateway *g)
{
    struct bs_err err = {0};
    size_t dead;

    if (!bs_state_shared(g->state))
        return;
    bs_waiters_look(g->waiters);
    if (bs_state_bury(g->state, &dead, &err) != BS_DONE ||
        bs_neighbours_end_running(g, &err) != BS_DONE) {
        BS_LOG(WARNING, "it is not known whether other gateways live",
               BS_F_STR("reason", err.message));
        return;
    }
    if (dead == 0)
        return;
    BS_LOG(WARNING, "another gateway has died: settling what it left", BS_F_INT("gateways", dead));
    atomic_store(&g->points_open, true);
}
