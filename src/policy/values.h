/*
 * values.h - the small languages inside configuration values: durations, sizes, shares, addresses.
 *
 * Layer  policy. Pure.
 * Owns   nothing.
 */
#ifndef BS_POLICY_VALUES_H
#define BS_POLICY_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "policy/config.h"

/* Digits only, no sign, no overflow. */
BS_MUST_CHECK bool bs_value_integer(const char *text, int64_t *out);
/* A whole number and one of ms, s, m, h, d: "500ms", "15m". */
BS_MUST_CHECK bool bs_value_duration(const char *text, int64_t *ms);
/* A whole number and one of kB, MB, GB, TB (of 1024, as PostgreSQL counts) or B: "64MB". */
BS_MUST_CHECK bool bs_value_size(const char *text, int64_t *bytes);
/* A percentage with up to six decimals, above 0% and up to 100%: "10%", "0.5%"; out: 0.1, 0.005. */
BS_MUST_CHECK bool bs_value_share(const char *text, double *share);
/* "true" or "false". */
BS_MUST_CHECK bool bs_value_bool(const char *text, bool *out);

/*
 * "host:port", "[::1]:port" or "unix:DIR".
 *
 * out   host or dir in the arena; a dir is as written and its port is 0: config.c completes both
 * why   a literal that says what is wrong, only where it answers false
 */
BS_MUST_CHECK bool bs_value_listen(const char *text,
                                   struct bs_arena *arena,
                                   struct bs_config_listen *out,
                                   const char **why);
/* True for localhost and numeric loopback addresses. */
bool bs_value_is_loopback(const char *host);

#endif
