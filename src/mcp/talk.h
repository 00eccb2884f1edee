/*
 * talk.h - the gateway's own answers: what SHOW backstop.... and EXPLAIN (BACKSTOP) say, as JSON.
 *
 * Layer  mcp. Blocks; ended by the watch.
 * Owns   nothing; what it hands out is the caller's.
 */
#ifndef BS_MCP_TALK_H
#define BS_MCP_TALK_H

#include "mcp/actor.h"

/*
 * One statement that answers with one JSON text.
 *
 * failed  where NULL is returned: the CallToolResult that says why, to be decref'd; NULL where the watch
 *         has ended it
 */
json_t *bs_mcp_talk(struct bs_mcp_actor *actor,
                    const struct bs_watch *watch,
                    struct bs_mcp_request *tells,
                    const struct bs_mcp_order *order,
                    json_t **failed);

/* True where it may be put between quotes in a statement of ours. */
bool bs_mcp_is_ticket(const char *ticket);

/*
 * The state of one of the actor's own tickets, as {"ticket","state",...}; NULL as above.
 *
 * wait_us  answers when it is decided, or so much later; 0: at once
 */
json_t *bs_mcp_ticket(struct bs_mcp_actor *actor,
                      const struct bs_watch *watch,
                      struct bs_mcp_request *tells,
                      const char *ticket,
                      int64_t wait_us,
                      json_t **failed);

#endif
