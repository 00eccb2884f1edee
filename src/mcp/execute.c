/*
 * execute.c - a statement sent, and the answer of the tool that sent it.
 */
#include <stdlib.h>
#include <string.h>

#include "mcp/actor.h"
#include "mcp/result.h"
#include "mcp/value.h"

#define BYTES_MAX ((size_t)65536)
#define TEXT_MAX  ((size_t)16 << 20)

static void
put_counts(struct bs_buf *b, const struct bs_mcp_run *run, const char *cursor)
{
    size_t n = json_array_size(run->rows);

    if (run->rows != NULL)
        bs_put_fmt(b, "\n(%zu %s)", n, n == 1 ? "row" : "rows");
    if (cursor != NULL)
        bs_put_fmt(b, "\nThere are more: call backstop_query with cursor %s.", cursor);
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
structured(const struct bs_mcp_run *run, const char *cursor)
{
    json_t *s = json_pack("{s:s,s:s*,s:O*,s:O*,s:O*,s:s*}", "status", "completed", "command",
                          run->command[0] == '\0' ? NULL : run->command, "columns", run->columns,
                          "rows", run->rows, "notices", run->notices, "cursor", cursor);

    if (run->rows != NULL)
        (void)json_object_set_new(s, "row_count",
                                  json_integer((json_int_t)json_array_size(run->rows)));
    if (run->skipped > 0)
        (void)json_object_set_new(s, "skipped_rows", json_integer(run->skipped));
    if (run->cut > 0)
        (void)json_object_set_new(s, "cut_values", json_integer(run->cut));
    return s;
}

/* cursor: where there are more rows to read; NULL */
static json_t *
completed(const struct bs_mcp_run *run, const char *cursor, bool rolled_back)
{
    struct bs_buf b;
    json_t *result;

    bs_buf_init(&b, TEXT_MAX);
    if (run->columns != NULL)
        bs_mcp_table_put(&b, run->columns, run->rows);
    else
        bs_put_str(&b, run->command[0] == '\0' ? "Done." : run->command);
    put_counts(&b, run, cursor);
    put_notices(&b, run->notices);
    if (rolled_back)
        bs_put_str(&b, "\nA transaction does not stay open between calls: it was rolled back.");
    bs_put_u8(&b, 0);
    result = bs_mcp_result(structured(run, cursor), b.failed ? NULL : (const char *)b.p, false);
    bs_buf_fini(&b);
    return result;
}

static json_t *
answer(const struct bs_mcp_run *run, const char *cursor, bool rolled_back)
{
    switch (run->ran) {
    case BS_MCP_RAN_DONE:
    case BS_MCP_RAN_OPEN:
        return completed(run, cursor, rolled_back);
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

/* Where it is held: remembers it under its ticket. */
static void
remember(struct bs_mcp_actor *actor,
         const struct bs_mcp_order *order,
         const struct bs_mcp_said *said,
         char ticket[64])
{
    json_t *detail = strcmp(said->sqlstate, "ZB001") == 0 ? bs_mcp_said_detail(said) : NULL;
    const char *id = json_string_value(json_object_get(detail, "ticket"));

    if (id != NULL && strlen(id) < 64) {
        (void)memcpy(ticket, id, strlen(id) + 1);
        bs_mcp_held_put(actor, ticket, order);
    }
    json_decref(detail);
}

json_t *
bs_mcp_execute(struct bs_mcp_actor *actor,
               const struct bs_watch *watch,
               struct bs_mcp_request *tells,
               const struct bs_mcp_order *order,
               char ticket[64])
{
    struct bs_mcp_statement statement = {.sql = order->sql,
                                         .params = order->params,
                                         .max_rows = order->max_rows,
                                         .max_bytes = BYTES_MAX,
                                         .max_value = BS_MCP_VALUE_MAX,
                                         .may_stay = order->may_stay,
                                         .tells = tells};
    struct bs_err err = {0};
    struct bs_mcp_run run;
    char cursor[BS_MCP_KEY];
    json_t *result;
    PGconn *conn = bs_mcp_acquire(actor, order->database, watch, &err);

    ticket[0] = '\0';
    if (conn == NULL)
        return bs_mcp_result_err(&err);
    bs_mcp_run(conn, watch, &statement, &run);
    remember(actor, order, &run.said, ticket);
    if (run.ran == BS_MCP_RAN_OPEN) {
        bs_mcp_cursor_put(actor, conn, json_incref(run.columns), run.next, cursor);
        run.next = NULL;
        result = answer(&run, cursor, false);
    } else {
        result = answer(&run, NULL, PQtransactionStatus(conn) == PQTRANS_INTRANS);
        bs_mcp_release(actor, conn, bs_mcp_clean(conn, !order->may_stay));
    }
    bs_mcp_run_fini(&run);
    return result;
}

json_t *
bs_mcp_read_on(struct bs_mcp_actor *actor,
               const struct bs_watch *watch,
               struct bs_mcp_request *tells,
               const char *key,
               int64_t max_rows)
{
    struct bs_mcp_statement page = {.max_rows = max_rows,
                                    .max_bytes = BYTES_MAX,
                                    .max_value = BS_MCP_VALUE_MAX,
                                    .may_stay = true,
                                    .tells = tells};
    struct bs_mcp_run run = {0};
    struct bs_mcp_cursor c;
    char next[BS_MCP_KEY];
    json_t *result;

    if (!bs_mcp_cursor_take(actor, key, &c))
        return bs_mcp_result_failed("34000",
                                    "there is no such cursor, or it was not used for too long",
                                    "Send the statement again.");
    run.columns = c.columns;
    run.next = c.row;
    bs_mcp_run_on(c.conn, watch, &page, &run);
    if (run.ran == BS_MCP_RAN_OPEN) {
        bs_mcp_cursor_put(actor, c.conn, json_incref(run.columns), run.next, next);
        run.next = NULL;
        result = answer(&run, next, false);
    } else {
        result = answer(&run, NULL, false);
        bs_mcp_release(actor, c.conn, bs_mcp_clean(c.conn, false));
    }
    bs_mcp_run_fini(&run);
    return result;
}
