/*
 * changed.h - what differs between two configurations: a running gateway takes the policy,
 * the certificate, the limits of clients, what it does by the clock and who is told; the rest needs a
 * restart.
 *
 * Layer  policy. Pure.
 * Owns   nothing.
 */
#ifndef BS_POLICY_CHANGED_H
#define BS_POLICY_CHANGED_H

#include <stdbool.h>

#include "policy/config.h"

/* The same databases, in the same order, of the same environments: what rules name. */
bool bs_config_same_places(const struct bs_config *a, const struct bs_config *b);

/* The same `snapshots`, `retention` and `verify`. */
bool bs_config_same_keeping(const struct bs_config *a, const struct bs_config *b);

/* The same `notify`, secrets and all; and of one target. */
bool bs_config_same_notify(const struct bs_config *a, const struct bs_config *b);
bool bs_notify_same(const struct bs_config_notify *a, const struct bs_config_notify *b);

/*
 * The keys that need a restart and whose values differ.
 *
 * i  0, 1, 2, ... until it answers NULL
 */
const char *bs_config_changed_key(const struct bs_config *a, const struct bs_config *b, size_t i);

#endif
