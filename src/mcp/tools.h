/*
 * tools.h - the tools, as a table, and what their handlers share.
 *
 * Layer  mcp. For this room's own files.
 * Owns   nothing.
 */
#ifndef BS_MCP_TOOLS_H
#define BS_MCP_TOOLS_H

#include "mcp/inside.h"

/* A CallToolResult, or NULL with a fault. The arguments fit the tool's schema. */
typedef json_t *(*bs_mcp_tool)(struct bs_mcp_request *r,
                               const json_t *args,
                               struct bs_mcp_fault *fault);

/* [{"name", "inputSchema", ...}] as tools.json has it, parsed anew. */
json_t *bs_mcp_tools_load(void);

json_t *
bs_mcp_tool_explain(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault);
json_t *
bs_mcp_tool_points(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault);
json_t *
bs_mcp_tool_run_approved(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault);
json_t *
bs_mcp_tool_schema(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault);
json_t *
bs_mcp_tool_status(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault);
json_t *
bs_mcp_tool_ticket(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault);
json_t *bs_mcp_tool_query(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault);

#endif
