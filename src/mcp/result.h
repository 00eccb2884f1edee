/*
 * result.h - what a tool answers: one object, and the same as a text for those who read only that.
 *
 * Three shapes, and a fourth for what went wrong in the ordinary way of a database:
 *
 *     {"status":"completed", ...}
 *     {"status":"pending_approval", "ticket", "expires", "next"}
 *     {"status":"refused", "reason", "next"}
 *     {"status":"failed", "error":{...}}                            isError
 *
 * A refusal says that, and what is next; never why, and never how it would pass.
 *
 * Layer  mcp. Pure.
 * Owns   what it hands out is the caller's.
 */
#ifndef BS_MCP_RESULT_H
#define BS_MCP_RESULT_H

#include "mcp/run.h"

/* A CallToolResult. Takes over `structured`; text: NULL for its JSON. */
json_t *bs_mcp_result(json_t *structured, const char *text, bool is_error);
/* The arguments were wrong, or the server could not be reached: isError, status failed. */
json_t *bs_mcp_result_failed(const char *sqlstate, const char *message, const char *hint);
/* The same of an error of ours. */
json_t *bs_mcp_result_err(const struct bs_err *err);

/* Of such a result: its status. */
bool bs_mcp_result_is_completed(const json_t *result);

/* What was said instead of rows: held, refused or failed. */
json_t *bs_mcp_result_said(const struct bs_mcp_said *said);

/*
 * A ticket as SHOW backstop.ticket has it: pending_approval, refused, or completed with its state and
 * what is next.
 */
json_t *bs_mcp_result_ticket(const json_t *ticket);

/* What is known of a ticket from the DETAIL of an error; NULL: nothing. To be decref'd. */
json_t *bs_mcp_said_detail(const struct bs_mcp_said *said);

#endif
