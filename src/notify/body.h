/*
 * body.h - an event as JSON: what a webhook is sent, and what a Slack message is made of.
 *
 * Layer  notify. Pure.
 * Spec   docs/notify.md; Standard Webhooks 1.0 (type, timestamp, data).
 * Owns   the caller owns what is returned.
 */
#ifndef BS_NOTIFY_BODY_H
#define BS_NOTIFY_BODY_H

#include <jansson.h>

#include "base/arena.h"
#include "policy/notify.h"
#include "state/notify.h"

/* What an event is about. Zeroed: no ticket. */
struct bs_notify_about {
    const struct bs_ticket *ticket; /* NULL: none */
    enum bs_ticket_state state;     /* to show it in: that of the event, or the ticket's own */
    const struct bs_said_row *said; /* to the ticket, so far */
    size_t n_said;
};

json_t *bs_notify_body(const struct bs_delivery *d,
                       const struct bs_notify_about *about,
                       enum bs_notify_sql sql,
                       struct bs_arena *arena);

#endif
