/*
 * tool_ticket.c - backstop_ticket and backstop_run_approved: to wait for a decision, and to use it. The
 * decision itself is made elsewhere, by somebody else.
 */
#include <string.h>

#include "mcp/actor.h"
#include "mcp/result.h"
#include "mcp/talk.h"
#include "mcp/text.h"
#include "mcp/tools.h"

#define ROWS_USUAL 200

static json_t *
no_ticket(void)
{
    return bs_mcp_result_failed("42704", "this is no ticket", NULL);
}

static json_t *
find(struct bs_mcp_request *r, const json_t *args, int64_t wait_us, json_t **failed)
{
    const char *ticket = json_string_value(json_object_get(args, "ticket"));

    *failed = NULL;
    if (!bs_mcp_is_ticket(ticket)) {
        *failed = no_ticket();
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
take_order(const json_t *given, const json_t *held, struct bs_mcp_order *order)
{
    const json_t *from = held != NULL ? held : given;

    *order = (struct bs_mcp_order){
        .sql = json_string_value(json_object_get(from, "sql")),
        .params = json_object_get(from, "params"),
        .database = json_string_value(json_object_get(from, "database")),
        .max_rows = ROWS_USUAL,
    };
    if (json_is_integer(json_object_get(from, "max_rows")))
        order->max_rows = json_integer_value(json_object_get(from, "max_rows"));
}

/* As remembered, or as it was before its purpose was put behind it. */
static bool
is_same_sql(const char *given, const char *held)
{
    size_t n = strlen(given);

    return strncmp(given, held, n) == 0 && (held[n] == '\0' || bs_mcp_is_purpose(held + n));
}

/* What the call gives is the remembered statement; it need not give any of it. */
static bool
is_same(const json_t *given, const json_t *held)
{
    const char *sql = json_string_value(json_object_get(given, "sql"));
    const json_t *params = json_object_get(given, "params"), *own = json_object_get(held, "params");
    const json_t *database = json_object_get(given, "database");

    return (sql == NULL || is_same_sql(sql, json_string_value(json_object_get(held, "sql")))) &&
           (params == NULL || json_equal(params, own) ||
            json_array_size(params) + json_array_size(own) == 0) &&
           (database == NULL || json_equal(database, json_object_get(held, "database")));
}

static json_t *
send_it(struct bs_mcp_actor *actor,
        const struct bs_watch *watch,
        struct bs_mcp_request *tells,
        const char *ticket,
        const json_t *given,
        bool *ran)
{
    json_t *held = bs_mcp_held_find(actor, ticket);
    struct bs_mcp_order order;
    char again[64];
    json_t *result;

    take_order(given, held, &order);
    if (order.sql == NULL) {
        result =
            bs_mcp_result_failed("55000", "the statement of this ticket is not remembered here",
                                 "Give sql and params exactly as they were when it was held.");
    } else if (held != NULL && !is_same(given, held)) {
        result = bs_mcp_result_failed("55000", "this is not the statement of this ticket",
                                      "Give the ticket alone.");
    } else {
        result = bs_mcp_execute(actor, watch, tells, &order, again);
        *ran = bs_mcp_result_is_completed(result);
    }
    if (*ran)
        bs_mcp_held_drop(actor, ticket);
    json_decref(held);
    return result;
}

static json_t *
is_running(const char *ticket)
{
    json_t *state = json_pack("{s:s,s:s}", "ticket", ticket, "state", "running");
    json_t *result = bs_mcp_result_ticket(state);

    json_decref(state);
    return result;
}

json_t *
bs_mcp_redeem(struct bs_mcp_actor *actor,
              const struct bs_watch *watch,
              struct bs_mcp_request *tells,
              const char *ticket,
              const json_t *given,
              bool *ran)
{
    struct bs_mcp_claim claim = {.ticket = ticket};
    json_t *found, *result = NULL;
    const char *state;

    *ran = false;
    if (!bs_mcp_claim(actor, &claim))
        return is_running(ticket);
    found = bs_mcp_ticket(actor, watch, tells, ticket, 0, &result);
    state = json_string_value(json_object_get(found, "state"));
    /* Only then: what is sent for a ticket that is used up would ask for a new one. */
    if (state != NULL && strcmp(state, "approved") == 0)
        result = send_it(actor, watch, tells, ticket, given, ran);
    else if (found != NULL)
        result = bs_mcp_result_ticket(found);
    bs_mcp_claim_release(actor, &claim);
    json_decref(found);
    return result;
}

json_t *
bs_mcp_tool_run_approved(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    const char *ticket = json_string_value(json_object_get(args, "ticket"));
    json_t *result;
    bool ran;

    (void)fault;
    if (!bs_mcp_is_ticket(ticket))
        return no_ticket();
    result = bs_mcp_redeem(r->actor, &r->watch, r, ticket, args, &ran);
    return result == NULL ? cancelled() : result;
}
