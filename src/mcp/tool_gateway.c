/*
 * tool_gateway.c - what the gateway itself tells an agent: what a statement would do, what the agent may
 * do now, and which recovery points it has left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "mcp/result.h"
#include "mcp/talk.h"
#include "mcp/tools.h"

/* The gateway's JSON as a completed result. Takes `answer` over. */
static json_t *
completed(json_t *answer, const char *text)
{
    json_t *result;

    (void)json_object_del(answer, "v");
    (void)json_object_set_new(answer, "status", json_string("completed"));
    result = bs_mcp_result(json_incref(answer), text, false);
    json_decref(answer);
    return result;
}

static json_t *
ask(struct bs_mcp_request *r, const json_t *args, const char *sql, json_t **failed)
{
    struct bs_mcp_order order = {
        .sql = sql,
        .params = json_object_get(args, "params"),
        .database = json_string_value(json_object_get(args, "database")),
    };
    json_t *answer = bs_mcp_talk(r->actor, &r->watch, r, &order, failed);

    if (answer == NULL && *failed == NULL)
        *failed = bs_mcp_result_failed("57014", "cancelled", NULL);
    if (answer != NULL && !json_is_object(answer)) {
        json_decref(answer);
        *failed = bs_mcp_result_failed("08P01", "the gateway's answer cannot be read", NULL);
        return NULL;
    }
    return answer;
}

static void
put_effects(struct bs_buf *b, const json_t *effects)
{
    const json_t *one;
    size_t i;

    json_array_foreach(effects, i, one)
    {
        const char *kind = json_string_value(json_object_get(one, "kind"));
        const char *object = json_string_value(json_object_get(one, "object"));
        const json_t *rows = json_object_get(one, "rows");

        bs_put_fmt(b, "\n  %s %s", kind == NULL ? "?" : kind, object == NULL ? "" : object);
        if (json_is_integer(rows))
            bs_put_fmt(b, ": %s%lld rows",
                       json_is_true(json_object_get(one, "exact")) ? "" : "about ",
                       (long long)json_integer_value(rows));
    }
}

static char *
explain_text(const json_t *answer)
{
    const char *risk = json_string_value(json_object_get(answer, "risk"));
    const char *outcome = json_string_value(json_object_get(answer, "outcome"));
    const json_t *one;
    struct bs_buf b;
    char *text;
    size_t i;

    bs_buf_init(&b, (size_t)1 << 20);
    bs_put_fmt(&b, "Risk %s. If it were sent, it %s. Nothing has run.", risk == NULL ? "?" : risk,
               outcome == NULL                ? "would be judged"
               : strcmp(outcome, "runs") == 0 ? "would run"
               : strcmp(outcome, "asks") == 0 ? "would be held until a person approves it"
                                              : "would be refused");
    json_array_foreach(json_object_get(answer, "statements"), i, one)
    {
        const char *kind = json_string_value(json_object_get(one, "kind"));

        bs_put_fmt(&b, "\n%s", kind == NULL ? "?" : kind);
        put_effects(&b, json_object_get(one, "effects"));
    }
    bs_put_u8(&b, 0);
    text = b.failed ? NULL : bs_strdup((const char *)b.p);
    bs_buf_fini(&b);
    return text;
}

json_t *
bs_mcp_tool_explain(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    const char *sql = json_string_value(json_object_get(args, "sql"));
    struct bs_buf b;
    json_t *answer, *failed, *result;
    char *text;

    (void)fault;
    bs_buf_init(&b, strlen(sql) + 32);
    bs_put_fmt(&b, "EXPLAIN (BACKSTOP) %s", sql);
    bs_put_u8(&b, 0);
    answer = ask(r, args, (const char *)b.p, &failed);
    bs_buf_fini(&b);
    if (answer == NULL)
        return failed;
    text = explain_text(answer);
    result = completed(answer, text);
    free(text);
    return result;
}

json_t *
bs_mcp_tool_points(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    json_t *failed;
    json_t *answer = ask(r, args, "SHOW backstop.points", &failed);

    (void)fault;
    return answer == NULL ? failed : completed(answer, NULL);
}

/* With the tickets, for that is what one asks next. */
json_t *
bs_mcp_tool_status(struct bs_mcp_request *r, const json_t *args, struct bs_mcp_fault *fault)
{
    json_t *failed;
    json_t *answer = ask(r, args, "SHOW backstop.status", &failed);
    json_t *tickets;

    (void)fault;
    if (answer == NULL)
        return failed;
    tickets = ask(r, args, "SHOW backstop.tickets", &failed);
    if (tickets == NULL) {
        json_decref(answer);
        return failed;
    }
    (void)json_object_del(answer, "hold_wait"); /* of this connection, on which nothing waits */
    (void)json_object_set(answer, "tickets", json_object_get(tickets, "tickets"));
    json_decref(tickets);
    return completed(answer, NULL);
}
