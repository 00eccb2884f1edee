/*
 * channel.h - one try of one delivery: what is sent, and what the answer means.
 *
 * Layer  notify. Blocks on the network and the state: on a thread of its own.
 * Spec   Standard Webhooks 1.0; Slack: chat.postMessage, chat.update, incoming webhooks.
 * Owns   a channel owns its connections.
 */
#ifndef BS_NOTIFY_CHANNEL_H
#define BS_NOTIFY_CHANNEL_H

#include "base/watch.h"
#include "policy/notify.h"
#include "state/state.h"

struct bs_http;

struct bs_channel {
    const struct bs_config_notify *target;
    struct bs_http *http;
    struct bs_state *state;
    const struct bs_watch *watch; /* ends a try at once; NULL: none */
};

/* What became of a try. Zero is a failure that may pass. */
struct bs_channel_result {
    enum bs_delivery_end end;
    bool down;       /* it is the target that does not answer, not this delivery that it refuses */
    int64_t after_s; /* Retry-After; 0: none was asked for */
    char why[160];   /* of a failure; without secrets */
};

void bs_channel_open(struct bs_channel *c);
void bs_channel_close(struct bs_channel *c);

/* Send one. The same body and id at every try. */
void
bs_channel_try(struct bs_channel *c, const struct bs_delivery *d, struct bs_channel_result *out);
/* Call a method of Slack's with a body: to one person, or a form. */
void bs_channel_call(struct bs_channel *c,
                     const char *method,
                     const char *body,
                     struct bs_channel_result *out);

#endif
