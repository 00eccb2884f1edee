/*
 * notify.h - what the configuration says about who is told of what happens: `notify`.
 *
 * Layer  policy. Pure; the readers of the keys are private to the room.
 * Spec   backstop.yaml.5; docs/notify.md.
 * Owns   all lives as long as the configuration; secrets are wiped then.
 */
#ifndef BS_POLICY_NOTIFY_H
#define BS_POLICY_NOTIFY_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "policy/config.h"

#define BS_NOTIFY_TARGETS 16 /* each has a thread of its own */
#define BS_NOTIFY_KEY_MAX 64 /* bytes of a webhook's decoded secret, at most */
#define BS_NOTIFY_KEY_MIN 24

/* How much of a statement is told. Zero is nothing of it. */
enum bs_notify_sql {
    BS_NOTIFY_SQL_NONE = 0,
    BS_NOTIFY_SQL_SHAPE, /* without its values */
    BS_NOTIFY_SQL_FULL,  /* with its values and parameters */
};

struct bs_config_notify {
    const char *name;
    unsigned events; /* bits 1u << enum bs_notify_event */
    enum bs_notify_sql sql;
    int64_t retry_ms;    /* how long a delivery is tried */
    const char *console; /* where operators' browsers find the console; NULL */
    const char *ca_file; /* NULL: what the system trusts */
    bool slack;
    const char *url;     /* of the webhook, Slack's too; secret; NULL: Slack by token */
    const char *secret;  /* of the webhook: "whsec_..."; secret */
    const char *old;     /* the one before it, that signs, too; secret; NULL: none */
    const char *token;   /* Slack's; secret */
    const char *channel; /* with the token */
    const char
        *signing_secret; /* of the app, that signs what buttons send; secret; NULL: no buttons */
    const char *api;     /* Slack's, without a final slash */
    int line;
};

/* The key of "whsec_" and base 64: how many bytes, 0 where it is none. */
size_t bs_notify_key(const char *secret, uint8_t out[BS_NOTIFY_KEY_MAX]);
/* https, or http to this machine; no user, password or fragment. CONFIG; nothing of it is quoted. */
BS_MUST_CHECK enum bs_done bs_notify_url_check(const char *url, struct bs_err *err);

#endif
