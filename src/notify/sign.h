/*
 * sign.h - the two signatures of what goes out and what comes back.
 *
 * Layer  notify. Pure.
 * Spec   Standard Webhooks 1.0 (symmetric, "v1"); Slack, "Verifying requests from Slack" ("v0").
 * Owns   nothing.
 */
#ifndef BS_NOTIFY_SIGN_H
#define BS_NOTIFY_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define BS_SIGN_TEXT      48  /* "v1,", base 64 of 32 bytes and a NUL */
#define BS_SLACK_WINDOW_S 300 /* that a request of Slack's may be old, or early */

/* The field webhook-signature, of "id.seconds.body". */
void bs_sign_webhook(struct bs_bytes key,
                     const char *id,
                     int64_t at_s,
                     struct bs_bytes body,
                     char out[BS_SIGN_TEXT]);

/*
 * Is a request signed with that secret, and of now? Compared in constant time.
 *
 * timestamp, signature  the fields X-Slack-Request-Timestamp and X-Slack-Signature; NULL: not sent
 */
bool bs_slack_signed(const char *secret,
                     const char *timestamp,
                     const char *signature,
                     struct bs_bytes body,
                     int64_t now_s);

#endif
