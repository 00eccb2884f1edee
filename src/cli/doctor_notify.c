/*
 * doctor_notify.c - whether people hear of what waits for them.
 */
#include "base/clock.h"
#include "cli/doctor.h"
#include "policy/notify.h"

#define NOTE(d, LEVEL, check, way, ...)                                                            \
    bs_doctor_note((d), BS_FINDING_##LEVEL, (struct bs_topic){"host", check}, (way), __VA_ARGS__)

#define LATE_US                                                                                    \
    (INT64_C(600) * 1000000) /* that something waits, before it is a matter to look at */

static void
look_at_target(struct bs_doctor *d, const struct bs_notify_count *c)
{
    int64_t late_us = c->oldest_us == 0 ? 0 : bs_now_us() - c->oldest_us;

    if (c->dead != 0)
        NOTE(d, WARN, "notify.dead", "backstop notify list --dead",
             "%lld notifications for %s were given up", (long long)c->dead, c->target);
    if (c->dropped != 0)
        NOTE(d, WARN, "notify.dropped", "look whether it answers: backstop notify test",
             "%lld notifications for %s were not kept, for too many waited", (long long)c->dropped,
             c->target);
    if (late_us > LATE_US)
        NOTE(d, WARN, "notify.late", bs_doctor_fmt(d, "backstop notify test %s", c->target),
             "%lld notifications wait for %s, for up to %lld minutes", (long long)c->waiting,
             c->target, (long long)(late_us / 60000000));
    else if (c->dead == 0 && c->dropped == 0)
        NOTE(d, OK, "notify", NULL, "nothing is left to tell %s", c->target);
}

void
bs_doctor_notify(struct bs_doctor *d)
{
    struct bs_notify_count *list;
    struct bs_err err = {0};
    size_t n;

    if (d->config->n_notify == 0)
        NOTE(d, INFO, "notify", "configure notify: see docs/notify.md",
             "nobody is told of what is held; operators have to look");
    if (bs_state_notify_count(d->state, &d->arena, &list, &n, &err) != BS_DONE) {
        NOTE(d, WARN, "notify", NULL, "what waits cannot be counted: %s", err.message);
        return;
    }
    for (size_t i = 0; i < n; i++)
        look_at_target(d, &list[i]);
}
