/*
 * tools.c - which tools there are, and the way of a call: known? arguments right? done. None of them can
 * approve, deny or pause, and none ever will: those belong to operators, on a listener of their own.
 */
#include "mcp/tools.h"

#include <string.h>

#include "mcp/result.h"
#include "mcp/schema.h"

static const char described[] = {
#include "mcp/tools.inc"
};

static const struct tool {
    const char *name;
    bs_mcp_tool call;
} tools[] = {
    /* clang-format off */
    {"backstop_query",           bs_mcp_tool_query},
    {"backstop_explain",         bs_mcp_tool_explain},
    {"backstop_schema",          bs_mcp_tool_schema},
    {"backstop_ticket",          bs_mcp_tool_ticket},
    {"backstop_run_approved",    bs_mcp_tool_run_approved},
    {"backstop_recovery_points", bs_mcp_tool_points},
    {"backstop_status",          bs_mcp_tool_status},
    /* clang-format on */
};

json_t *
bs_mcp_tools_load(void)
{
    json_t *list = json_loadb(described, sizeof(described), JSON_REJECT_DUPLICATES, NULL);

    bs_assert(json_is_array(list));
    return list;
}

static const struct tool *
find(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(tools) / sizeof(tools[0]); i++) {
        if (strcmp(tools[i].name, name) == 0)
            return &tools[i];
    }
    return NULL;
}

static const json_t *
schema_of(const json_t *list, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
            return json_object_get(one, "inputSchema");
    }
    return NULL;
}

json_t *
bs_mcp_tools_list(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    if (json_object_get(r->params, "cursor") != NULL)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no such page");
    return json_pack("{s:o,s:i,s:s}", "tools", bs_mcp_tools_load(), "ttlMs", 3600000, "cacheScope",
                     "public");
}

json_t *
bs_mcp_tools_call(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    const char *name = json_string_value(json_object_get(r->params, "name"));
    const json_t *args = json_object_get(r->params, "arguments");
    const struct tool *tool = find(name);
    struct bs_err err = {0};
    json_t *none, *list, *result;

    if (tool == NULL)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no tool \"%.64s\"",
                             name == NULL ? "" : name);
    none = json_object();
    list = bs_mcp_tools_load();
    if (args == NULL)
        args = none;
    if (bs_mcp_schema_check(schema_of(list, name), args, &err) != BS_DONE)
        result = bs_mcp_result_err(&err);
    else
        result = tool->call(r, args, fault);
    json_decref(list);
    json_decref(none);
    return result;
}
