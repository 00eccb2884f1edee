/*
 * actors.h - agents and operators as JSON. No secret is in it.
 *
 * Layer  api. Pure.
 * Owns   JSON values belong to the caller.
 */
#ifndef BS_API_ACTORS_H
#define BS_API_ACTORS_H

#include <jansson.h>

#include "state/rows.h"

/* RFC 3339, or null for 0. */
json_t *bs_actor_json_time(int64_t at_us);
json_t *bs_agent_json_list(const char *const *texts, size_t n);
/* An agent as `agents list --json` has it. */
json_t *bs_agent_json(const struct bs_agent *agent, int64_t now_us);
const char *bs_token_status(const struct bs_token *t,
                            int64_t now_us); /* "active", "expired", "revoked" */
/* A short-lived password as `agents tokens --json` has it. */
json_t *bs_token_json(const struct bs_token *t, int64_t now_us);
json_t *bs_operator_json(const struct bs_operator *op, int64_t now_us);

#endif
