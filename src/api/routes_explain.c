/*
 * routes_explain.c - what would be decided about a statement, and why. Nothing runs.
 */
#include "api/explain.h"
#include "api/handlers.h"
#include "gateway/reload.h"

/* The actor's group as the state has it, so that its rules count. */
static enum bs_done
group_of(struct bs_request *q, struct bs_explain *ask, struct bs_err *err)
{
    struct bs_agent agent;

    if (bs_state_agent_get(q->gateway->state, ask->agent, q->arena, &agent, err) != BS_DONE)
        return BS_FAILED;
    ask->group = agent.group;
    return BS_DONE;
}

enum bs_done
bs_on_explain(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const json_t *rows = json_object_get(q->json, "rows");
    struct bs_explained x = {0};
    struct bs_explain ask = {
        .agent = bs_request_string(q, "actor"),
        .database = bs_request_string(q, "database"),
        .offline = json_is_true(json_object_get(q->json, "offline")),
        .rows = rows == NULL ? -1 : json_integer_value(rows),
        .share = -1,
        .sql = bs_bytes_of(bs_request_string(q, "sql")),
    };

    if (rows != NULL && ask.rows < 0)
        return BS_FAIL(err, DATA, "\"rows\" is less than 0");
    if (group_of(q, &ask, err) == BS_DONE &&
        bs_explain(q->gateway->config, bs_gateway_policy(q->gateway), &ask, q->arena, &x, err) ==
            BS_DONE)
        a->body = bs_explained_json(&x);
    bs_explained_fini(&x);
    return a->body == NULL ? BS_FAILED : BS_DONE;
}
