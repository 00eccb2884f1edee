/*
 * tool_schema.c - backstop_schema: which tables there are, and what one of them is made of.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "mcp/catalog.h"
#include "mcp/result.h"
#include "mcp/tools.h"

#define TABLES_USUAL 50

static int64_t
number(const json_t *args, const char *name, int64_t usual)
{
    const json_t *n = json_object_get(args, name);

    return n == NULL ? usual : json_integer_value(n);
}

static json_t *
one_table(struct bs_mcp_request *r, const json_t *args, const char *table, json_t **failed)
{
    const char *database = json_string_value(json_object_get(args, "database"));
    const char *schema = json_string_value(json_object_get(args, "schema"));
    const char *dot = strchr(table, '.');
    char *own = schema == NULL && dot != NULL ? strndup(table, (size_t)(dot - table)) : NULL;
    json_t *answer = bs_mcp_catalog_table(r, database, own == NULL ? schema : own,
                                          own == NULL ? table : dot + 1, failed);

    free(own);
    return answer;
}

json_t *
bs_mcp_tool_schema(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    const char *table = json_string_value(json_object_get(args, "table"));
    struct bs_mcp_listing listing = {
        .database = json_string_value(json_object_get(args, "database")),
        .schema = json_string_value(json_object_get(args, "schema")),
        .search = json_string_value(json_object_get(args, "search")),
        .limit = number(args, "limit", TABLES_USUAL),
        .offset = number(args, "offset", 0),
    };
    json_t *failed = NULL;
    json_t *answer = table == NULL ? bs_mcp_catalog_list(r, &listing, &failed)
                                   : one_table(r, args, table, &failed);

    (void)fault;
    if (answer == NULL)
        return failed == NULL ? bs_mcp_result_failed("57014", "cancelled", NULL) : failed;
    (void)json_object_set_new(answer, "status", json_string("completed"));
    return bs_mcp_result(answer, NULL, false);
}
