/*
 * tasks.h - tasks of the extension io.modelcontextprotocol/tasks, as others of this room see them.
 *
 * Layer  mcp. For this room's own files.
 * Spec   https://modelcontextprotocol.github.io/ext-tasks/specification/2026-07-28/tasks.html
 * Owns   tasks belong to their actor; see actor.h.
 */
#ifndef BS_MCP_TASKS_H
#define BS_MCP_TASKS_H

#include "mcp/actor.h"

/* False, with the fault that the extension wants, where the client has not declared it. */
bool bs_mcp_tasks_allowed(struct bs_mcp_request *r, struct bs_mcp_fault *fault);

/* A DetailedTask, to be decref'd, and when it last changed; NULL: the actor has none of that id. */
json_t *bs_mcp_task_find(struct bs_mcp_actor *actor, const json_t *id, int64_t *changed_us);

#endif
