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

/*
 * ticket  of an event that is of one; NULL: of none
 * state   to show it in: that of the event, or the ticket's own
 */
json_t *bs_notify_body(const struct bs_delivery *d,
                       const struct bs_ticket *ticket,
                       enum bs_ticket_state state,
                       enum bs_notify_sql sql,
                       struct bs_arena *arena);

#endif
