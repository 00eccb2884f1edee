/*
 * lanes.c - fair queuing by start numbers: what an actor asks for beside something else of his own
 * gets the number after that one's, and the lowest number goes first.
 */
#include "gateway/lanes.h"

#include <string.h>

bool
bs_turn_waits(const struct bs_turn *t)
{
    return t->lane != NULL && t->lane->running != t;
}

static void
go_on(struct bs_lane *lane)
{
    struct bs_turn **best = &lane->first, *t;

    if (lane->running != NULL || lane->first == NULL)
        return;
    for (struct bs_turn **at = &lane->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->number < (*best)->number)
            best = at;
    }
    t = *best;
    *best = t->next;
    lane->running = t;
    lane->now = t->number;
    t->go(t);
}

void
bs_lanes_enter(struct bs_lanes *l, struct bs_turn *t)
{
    struct bs_turn **last;

    t->lane = &l->lane[t->bytes > BS_LANE_LONGER];
    t->number = t->lane->now;
    t->next = NULL;
    if (t->lane->running != NULL && strcmp(t->lane->running->actor, t->actor) == 0)
        t->number++;
    for (last = &t->lane->first; *last != NULL; last = &(*last)->next) {
        if ((*last)->number >= t->number && strcmp((*last)->actor, t->actor) == 0)
            t->number = (*last)->number + 1;
    }
    *last = t;
    go_on(t->lane);
}

void
bs_lanes_leave(struct bs_turn *t)
{
    struct bs_lane *lane = t->lane;
    struct bs_turn **at;

    if (lane == NULL)
        return;
    t->lane = NULL;
    if (lane->running == t) {
        lane->running = NULL;
        go_on(lane);
        return;
    }
    for (at = &lane->first; *at != t; at = &(*at)->next)
        continue;
    *at = t->next;
}
