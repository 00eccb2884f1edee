/*
 * tool_ticket.c - backstop_ticket and backstop_run_approved: to wait for a decision, and to use it. The
 * decision itself is made elsewhere, by somebody else.
 */
#include <string.h>

#include "mcp/result.h"
#include "mcp/talk.h"
#include "mcp/tools.h"

#define ROWS_USUAL 200

static json_t *
find(struct bs_mcp_request *r, const json_t *args, int64_t wait_us, json_t **failed)
{
    const char *ticket = json_string_value(json_object_get(args, "ticket"));

    *failed = NULL;
    if (!bs_mcp_is_ticket(ticket)) {
        *failed = bs_mcp_result_failed("42704", "this is no ticket", NULL);
        return NULL;
    }
    return bs_mcp_ticket(r->actor, &r->watch, r, ticket, wait_us, failed);
}

static json_t *
cancelled(void)
{
    return bs_mcp_result_failed("57014", "cancelled", NULL);
}

json_t *
bs_mcp_tool_ticket(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    json_int_t wait = json_integer_value(json_object_get(args, "wait"));
    json_t *failed;
    json_t *ticket = find(r, args, (int64_t)wait * 1000000, &failed);
    json_t *result;

    (void)fault;
    if (ticket == NULL)
        return failed == NULL ? cancelled() : failed;
    result = bs_mcp_result_ticket(ticket);
    json_decref(ticket);
    return result;
}

/* Of the call where it has them, else as remembered. */
static void
take_order(const json_t *args, const json_t *held, struct bs_mcp_order *order)
{
    const json_t *from = json_object_get(args, "sql") != NULL ? args : held;

    *order = (struct bs_mcp_order){
        .sql = json_string_value(json_object_get(from, "sql")),
        .params = json_object_get(from, "params"),
        .database = json_string_value(json_object_get(from, "database")),
        .max_rows = ROWS_USUAL,
    };
    if (json_is_integer(json_object_get(from, "max_rows")))
        order->max_rows = json_integer_value(json_object_get(from, "max_rows"));
}

static json_t *
run(struct bs_mcp_request *r, const json_t *args, const char *ticket)
{
    json_t *held = bs_mcp_held_find(r->actor, ticket);
    struct bs_mcp_order order;
    char again[64];
    json_t *result;

    take_order(args, held, &order);
    if (order.sql == NULL)
        return bs_mcp_result_failed("55000", "the statement of this ticket is not remembered here",
                                    "Give sql and params exactly as they were when it was held.");
    result = bs_mcp_execute(r->actor, &r->watch, r, &order, again);
    if (again[0] == '\0')
        bs_mcp_held_drop(r->actor, ticket);
    json_decref(held);
    return result;
}

json_t *
bs_mcp_tool_run_approved(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    json_t *failed;
    json_t *ticket = find(r, args, 0, &failed);
    const char *state = json_string_value(json_object_get(ticket, "state"));
    json_t *result;

    (void)fault;
    if (ticket == NULL)
        return failed == NULL ? cancelled() : failed;
    /* Only then: what is sent for a ticket that is used up would ask for a new one. */
    if (state != NULL && strcmp(state, "approved") == 0)
        result = run(r, args, json_string_value(json_object_get(args, "ticket")));
    else
        result = bs_mcp_result_ticket(ticket);
    json_decref(ticket);
    return result;
}
