/*
 * talk.c - see talk.h. A wait is asked for again and again, for the gateway waits as long as its own
 * configuration says and no longer.
 */
#include "mcp/talk.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mcp/result.h"

#define ANSWER_MAX ((size_t)1 << 20)
#define PAUSE_US   300000

static json_t *
read_answer(const struct bs_mcp_run *run)
{
    const char *text = json_string_value(json_array_get(json_array_get(run->rows, 0), 0));

    return text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}

json_t *
bs_mcp_talk(struct bs_mcp_actor *actor,
            const struct bs_watch *watch,
            struct bs_mcp_request *tells,
            const struct bs_mcp_order *order,
            json_t **failed)
{
    struct bs_mcp_statement statement = {.sql = order->sql,
                                         .params = order->params,
                                         .max_rows = 1,
                                         .max_bytes = ANSWER_MAX,
                                         .max_value = ANSWER_MAX,
                                         .tells = tells};
    struct bs_mcp_run run;
    struct bs_err err = {0};
    PGconn *conn = bs_mcp_acquire(actor, order->database, watch, &err);
    json_t *answer = NULL;

    *failed = NULL;
    if (conn == NULL) {
        *failed = err.code == BS_E_CANCELLED ? NULL : bs_mcp_result_err(&err);
        return NULL;
    }
    bs_mcp_run(conn, watch, &statement, &run);
    if (run.ran == BS_MCP_RAN_DONE)
        answer = read_answer(&run);
    if (run.ran == BS_MCP_RAN_FAILED)
        *failed = bs_mcp_result_said(&run.said);
    else if (answer == NULL && bs_watch_check(watch, &err) == BS_DONE)
        *failed = bs_mcp_result_failed("08P01", "the gateway's answer cannot be read", NULL);
    bs_mcp_run_fini(&run);
    bs_mcp_release(actor, conn, bs_mcp_clean(conn, false));
    return answer;
}

bool
bs_mcp_is_ticket(const char *ticket)
{
    size_t n = strspn(ticket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");

    return n > 0 && n <= 40 && ticket[n] == '\0';
}

static json_t *
ask(struct bs_mcp_actor *actor,
    const struct bs_watch *watch,
    struct bs_mcp_request *tells,
    const char *what,
    const char *ticket,
    json_t **failed)
{
    char sql[100];
    struct bs_mcp_order order = {.sql = sql};

    (void)snprintf(sql, sizeof(sql), "SHOW backstop.%s.\"%s\"", what, ticket);
    return bs_mcp_talk(actor, watch, tells, &order, failed);
}

static bool
is_pending(const json_t *answer)
{
    const char *state = json_string_value(json_object_get(answer, "state"));

    return state != NULL && strcmp(state, "pending") == 0;
}

static void
rest(const struct bs_watch *watch)
{
    struct bs_watch pause = {
        .wake = {-1, -1}, .deadline_us = bs_mono_us() + PAUSE_US, .above = watch};
    struct bs_err err = {0};

    while (bs_watch_poll(&pause, -1, 0, &err) == BS_DONE)
        continue;
}

json_t *
bs_mcp_ticket(struct bs_mcp_actor *actor,
              const struct bs_watch *watch,
              struct bs_mcp_request *tells,
              const char *ticket,
              int64_t wait_us,
              json_t **failed)
{
    struct bs_watch until = {.wake = {-1, -1},
                             .deadline_us = bs_mono_us() + wait_us,
                             .late = BS_E_CANCELLED,
                             .above = watch};
    struct bs_err err = {0};
    json_t *answer = NULL;

    while (wait_us > 0 && bs_watch_check(&until, &err) == BS_DONE) {
        json_decref(answer);
        answer = ask(actor, &until, tells, "wait", ticket, failed);
        if (*failed != NULL || (answer != NULL && !is_pending(answer)))
            return answer;
        rest(&until); /* a gateway whose own wait is short is not asked without pause */
    }
    json_decref(answer);
    return ask(actor, watch, tells, "ticket", ticket, failed);
}
