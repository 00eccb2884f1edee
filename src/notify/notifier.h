/*
 * notifier.h - tells people what happens: one thread for each target of the configuration takes what
 * the state has for it and sends it until it is taken, or given up.
 *
 * A target that is slow, or dead, holds up nobody: not the gateway, which only writes rows, and no
 * other target. What was not sent at a stop is sent after the next start.
 *
 * Layer  notify. Every function is thread-safe; none but stop waits for the network.
 * Spec   docs/notify.md.
 * Owns   its threads, from start to stop. State, tickets and every configuration outlive it.
 */
#ifndef BS_NOTIFY_NOTIFIER_H
#define BS_NOTIFY_NOTIFIER_H

#include <stdbool.h>

#include "approval/ticket.h"
#include "policy/config.h"
#include "policy/notify.h"
#include "state/state.h"

struct bs_notifier; /* opaque */

/* err: UNAVAILABLE, IO, LIMIT. Without targets it does nothing, but gives up what waits for old ones. */
BS_MUST_CHECK enum bs_done bs_notifier_start(const struct bs_config *config,
                                             struct bs_state *state,
                                             struct bs_tickets *tickets,
                                             struct bs_notifier **out,
                                             struct bs_err *err);
/*
 * Another configuration: new targets, others, fewer. What is being sent ends as it began; what waits
 * for a target that is gone is given up and kept. One thread at a time. err: as the state has it;
 * then nothing has changed.
 */
BS_MUST_CHECK enum bs_done
bs_notifier_reload(struct bs_notifier *n, const struct bs_config *config, struct bs_err *err);
/* The one in force. */
const struct bs_config *bs_notifier_config(const struct bs_notifier *n);
void bs_notifier_stop(struct bs_notifier **n); /* accepts NULL; sets it NULL */

/* The targets as the state has to know them. */
void bs_notify_targets(const struct bs_config *config, struct bs_notify_target *out);

/*
 * Call a method of Slack's soon: a word to one person, a form. Where too many wait, or the target is
 * gone, it is not called.
 *
 * target  its name
 * method  constant
 * body    JSON; copied
 */
void
bs_notifier_call(struct bs_notifier *n, const char *target, const char *method, const char *body);

/* When a delivery that has failed `tries` times before is tried again, from now, without Retry-After. */
int64_t bs_notify_backoff_us(int64_t tries, uint32_t chance);

#endif
