/*
 * routes_actors.c - agents: who there is, and their quarantine. routes_enroll.c adds and changes them.
 */
#include <string.h>

#include "api/actors.h"
#include "api/changing.h"
#include "api/handlers.h"
#include "api/page.h"
#include "base/clock.h"

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

/* Newest first, ended ones of the last days, too. Their passwords are nowhere. */
enum bs_done
bs_on_actor_tokens(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_agent agent;
    struct bs_token *all;
    struct bs_page page;
    json_t *list;
    size_t n;

    if (bs_page_take(q, &page, err) != BS_DONE ||
        bs_state_agent_get(q->gateway->state, q->name, q->arena, &agent, err) != BS_DONE ||
        bs_state_token_list(q->gateway->state, q->name, 0, q->arena, &all, &n, err) != BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:[]}", "tokens");
    list = json_object_get(a->body, "tokens");
    for (size_t i = 0; i < n; i++) {
        if (page.after != NULL && strcmp(all[i].id, page.after) >= 0)
            continue;
        if (json_array_size(list) == page.limit) {
            bs_page_next(a, q, all[i - 1].id);
            break;
        }
        (void)json_array_append_new(list, bs_token_json(&all[i], bs_now_us()));
    }
    return BS_DONE;
}

enum bs_done
bs_on_actor_quarantine(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (bs_state_agent_quarantine(q->gateway->state, q->name, bs_request_string(q, "reason"),
                                  bs_changing_by(q), err) != BS_DONE)
        return BS_FAILED;
    return bs_on_actor(q, a, err);
}

enum bs_done
bs_on_actor_release(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    if (bs_state_agent_release(q->gateway->state, q->name, bs_request_string(q, "reason"),
                               bs_changing_by(q), err) != BS_DONE)
        return BS_FAILED;
    return bs_on_actor(q, a, err);
}
