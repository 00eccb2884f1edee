/*
 * tool_query.c - backstop_query: one statement, and its rows a page at a time.
 *
 * Where it is held and the client has tasks, the call becomes one: the client is told when it is over.
 */
#include <stdlib.h>

#include "mcp/actor.h"
#include "mcp/result.h"
#include "mcp/text.h"
#include "mcp/tools.h"

#define ROWS_USUAL 200

static json_t *
unconfirmed(void)
{
    static const char reason[] = "The user did not confirm it.";
    static const char next[] =
        "Nothing was sent. Do not send it again unless the user asks for it.";

    return bs_mcp_result(
        json_pack("{s:s,s:s,s:s}", "status", "refused", "reason", reason, "next", next),
        "Refused: The user did not confirm it. Nothing was sent. Do not send it again unless the "
        "user "
        "asks for it.",
        false);
}

static json_t *
execute(struct bs_mcp_request *r, const struct bs_mcp_order *order)
{
    char ticket[64];
    json_t *result = bs_mcp_execute(r->actor, &r->watch, r, order, ticket);
    json_t *task = NULL;

    if (ticket[0] != '\0' && r->modern && bs_mcp_client_can(r, "extensions", BS_MCP_TASKS))
        task = bs_mcp_task_new(r->actor, ticket);
    if (task == NULL)
        return result;
    json_decref(result);
    return task;
}

json_t *
bs_mcp_tool_query(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    const char *sql = json_string_value(json_object_get(args, "sql"));
    const char *cursor = json_string_value(json_object_get(args, "cursor"));
    const json_t *rows = json_object_get(args, "max_rows");
    struct bs_mcp_order order = {
        .params = json_object_get(args, "params"),
        .database = json_string_value(json_object_get(args, "database")),
        .max_rows = rows == NULL ? ROWS_USUAL : json_integer_value(rows),
    };
    enum bs_mcp_confirmed confirmed = BS_MCP_CONFIRM_UNASKED;
    json_t *result = NULL;
    char *text;

    (void)fault;
    if ((sql == NULL) == (cursor == NULL))
        return bs_mcp_result_failed(NULL, "give sql, or the cursor of an earlier answer", NULL);
    if (cursor != NULL)
        return bs_mcp_read_on(r->actor, &r->watch, r, cursor, order.max_rows);
    if (bs_mcp_destroys(sql))
        confirmed = bs_mcp_confirm(r, sql, &result);
    if (confirmed == BS_MCP_CONFIRM_FIRST)
        return result;
    if (confirmed == BS_MCP_CONFIRM_NO)
        return unconfirmed();
    text = bs_mcp_with_purpose(sql, json_string_value(json_object_get(args, "purpose")));
    order.sql = text;
    order.may_stay = bs_mcp_only_reads(sql);
    result = execute(r, &order);
    free(text);
    return result;
}
