/*
 * slack.h - events as messages of Slack, in its Block Kit.
 *
 * Texts of agents stand in plain_text and rich_text, which Slack does not read as markup; nothing in
 * them is a link, calls somebody or hides what stands beside it.
 *
 * Layer  notify. Pure.
 * Spec   Slack: Block Kit (3000 characters a text, 10 fields, 50 blocks), Escaping text.
 * Owns   the caller owns what is returned.
 */
#ifndef BS_NOTIFY_SLACK_H
#define BS_NOTIFY_SLACK_H

#include <jansson.h>

#include "base/arena.h"
#include "policy/notify.h"
#include "state/notify.h"

#define BS_SLACK_APPROVE                                                                           \
    "backstop_approve" /* action ids of the buttons; their value is the ticket's id */
#define BS_SLACK_DENY   "backstop_deny"
#define BS_SLACK_REASON "backstop_reason" /* callback id of the form; and of its only field */

/* "text" and "blocks". body: bs_notify_body of a ticket as it is now, or of another event. */
json_t *
bs_slack_message(const struct bs_config_notify *target, const json_t *body, struct bs_arena *arena);
/* A form that asks why: views.open. `about` comes back with what is sent in. */
json_t *
bs_slack_reason_form(const char *trigger, const char *ticket, const char *verb, const char *about);

#endif
