/*
 * routes_actors.c - agents and operators: who there is, and ending what one may do. They are added
 * from the command line, by whoever can write the state itself.
 */
#include <string.h>

#include "api/actors.h"
#include "api/handlers.h"
#include "api/page.h"
#include "base/clock.h"

/* Who did it, for the audit. */
static const char *
by(const struct bs_request *q)
{
    return bs_arena_fmt(q->arena, "operator:%s", q->by.name);
}

enum bs_done
bs_on_actors(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_agent *all;
    struct bs_page page;
    json_t *list;
    size_t n;

    if (bs_page_take(q, &page, err) != BS_DONE ||
        bs_state_agent_list(q->gateway->state, q->arena, &all, &n, err) != BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:[]}", "actors");
    list = json_object_get(a->body, "actors");
    for (size_t i = 0; i < n; i++) {
        if (page.after != NULL && strcmp(all[i].name, page.after) <= 0)
            continue;
        if (json_array_size(list) == page.limit) {
            bs_page_next(a, q, all[i - 1].name);
            break;
        }
        (void)json_array_append_new(list, bs_agent_json(&all[i], bs_now_us()));
    }
    return BS_DONE;
}

enum bs_done
bs_on_actor(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_agent agent;

    if (bs_state_agent_get(q->gateway->state, q->name, q->arena, &agent, err) != BS_DONE)
        return BS_FAILED;
    a->body = bs_agent_json(&agent, bs_now_us());
    return BS_DONE;
}

enum bs_done
bs_on_actor_quarantine(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (bs_state_agent_quarantine(q->gateway->state, q->name, bs_request_string(q, "reason"), by(q),
                                  err) != BS_DONE)
        return BS_FAILED;
    return bs_on_actor(q, a, err);
}

enum bs_done
bs_on_actor_release(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (bs_state_agent_release(q->gateway->state, q->name, bs_request_string(q, "reason"), by(q),
                               err) != BS_DONE)
        return BS_FAILED;
    return bs_on_actor(q, a, err);
}

enum bs_done
bs_on_actor_revoke(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (bs_state_agent_revoke(q->gateway->state, q->name, by(q), err) != BS_DONE)
        return BS_FAILED;
    return bs_on_actor(q, a, err);
}

enum bs_done
bs_on_operators(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_operator *all;
    json_t *list;
    size_t n;

    if (bs_state_operator_list(q->gateway->state, q->arena, &all, &n, err) != BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:[]}", "operators");
    list = json_object_get(a->body, "operators");
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, bs_operator_json(&all[i], bs_now_us()));
    return BS_DONE;
}
