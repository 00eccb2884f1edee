/*
 * patience.h - how long what a session sends may wait for an operator: as long as the gateway would,
 * or less, where the client asks for that when it connects (backstop.wait).
 *
 * Layer  gateway. Pure.
 * Spec   docs/agents.md, backstop.yaml.5 (hold.wait).
 * Owns   nothing.
 */
#ifndef BS_GATEWAY_PATIENCE_H
#define BS_GATEWAY_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/must.h"

#define BS_PATIENCE_TEXT 32

/*
 * What a client wishes.
 *
 * wish     "0", "500ms", "5s"; NULL: nothing
 * most_ms  hold.wait
 *
 * Returns false where it is no duration, or longer than that.
 */
BS_MUST_CHECK bool bs_patience_read(const char *wish, int64_t most_ms, int64_t *out_ms);
/* "20s", "1500ms", "0s". */
void bs_patience_format(int64_t ms, char out[BS_PATIENCE_TEXT]);

#endif
