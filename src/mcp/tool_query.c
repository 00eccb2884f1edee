/*
 * tool_query.c - backstop_query: one statement, and its rows a page at a time.
 */
#include <string.h>

#include "mcp/result.h"
#include "mcp/tools.h"
#include "mcp/value.h"

#define ROWS_USUAL 200
#define BYTES_MAX  ((size_t)65536)

static void
put_counts(struct bs_buf *b, const struct bs_mcp_run *run)
{
    size_t n = json_array_size(run->rows);

    if (run->rows != NULL)
        bs_put_fmt(b, "\n(%zu %s)", n, n == 1 ? "row" : "rows");
    if (run->skipped > 0)
        bs_put_fmt(b, "\n%lld more rows were not given.", (long long)run->skipped);
    if (run->cut > 0)
        bs_put_fmt(b, "\n%lld values were cut to %zu bytes.", (long long)run->cut,
                   BS_MCP_VALUE_MAX);
}

static void
put_notices(struct bs_buf *b, const json_t *notices)
{
    const json_t *one;
    size_t i;

    json_array_foreach(notices, i, one) bs_put_fmt(b, "\nNOTICE: %s", json_string_value(one));
}

static json_t *
completed(const struct bs_mcp_run *run)
{
    json_t *s =
        json_pack("{s:s,s:s,s:O*,s:O*,s:O*}", "status", "completed", "command", run->command,
                  "columns", run->columns, "rows", run->rows, "notices", run->notices);
    struct bs_buf b;
    json_t *result;

    if (run->rows != NULL)
        (void)json_object_set_new(s, "row_count",
                                  json_integer((json_int_t)json_array_size(run->rows)));
    if (run->skipped > 0)
        (void)json_object_set_new(s, "skipped_rows", json_integer(run->skipped));
    if (run->cut > 0)
        (void)json_object_set_new(s, "cut_values", json_integer(run->cut));
    bs_buf_init(&b, (size_t)16 << 20);
    if (run->columns != NULL)
        bs_mcp_table_put(&b, run->columns, run->rows);
    else
        bs_put_str(&b, run->command[0] == '\0' ? "Done." : run->command);
    put_counts(&b, run);
    put_notices(&b, run->notices);
    bs_put_u8(&b, 0);
    result = bs_mcp_result(s, b.failed ? NULL : (const char *)b.p, false);
    bs_buf_fini(&b);
    return result;
}

static json_t *
answer(const struct bs_mcp_run *run)
{
    switch (run->ran) {
    case BS_MCP_RAN_DONE:
    case BS_MCP_RAN_OPEN:
        return completed(run);
    case BS_MCP_RAN_FAILED:
        return bs_mcp_result_said(&run->said);
    case BS_MCP_RAN_CANCELLED:
        return bs_mcp_result_failed("57014", "cancelled", NULL);
    case BS_MCP_RAN_UNCERTAIN:
        break;
    }
    return bs_mcp_result_failed(
        "08007", "the connection was lost: it is not known whether the statement ran",
        "Look before sending it again.");
}

json_t *
bs_mcp_tool_query(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    const char *sql = json_string_value(json_object_get(args, "sql"));
    const char *database = json_string_value(json_object_get(args, "database"));
    const json_t *rows = json_object_get(args, "max_rows");
    struct bs_mcp_statement statement = {
        .sql = sql,
        .params = json_object_get(args, "params"),
        .max_rows = rows == NULL ? ROWS_USUAL : json_integer_value(rows),
        .max_bytes = BYTES_MAX,
    };
    struct bs_err err = {0};
    struct bs_mcp_run run;
    json_t *result;
    PGconn *conn;

    (void)fault;
    if (sql == NULL)
        return bs_mcp_result_failed(NULL, "give sql, or the cursor of an earlier answer", NULL);
    conn = bs_mcp_acquire(r, database, &err);
    if (conn == NULL)
        return bs_mcp_result_err(&err);
    bs_mcp_run(conn, &r->watch, &statement, &run);
    result = answer(&run);
    bs_mcp_run_fini(&run);
    bs_mcp_release(r->actor, conn, bs_mcp_clean(conn, !bs_mcp_only_reads(sql)));
    return result;
}
