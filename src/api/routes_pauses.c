/*
 * routes_pauses.c - what operators stop, and let go on.
 *
 * Pausing takes an approver: whoever watches the queue at night must be able to stop what they see,
 * and a stop destroys nothing. To let it go on takes an admin: that cannot be taken back by another
 * stop, since something may have run in between.
 */
#include "api/actors.h"
#include "api/handlers.h"
#include "gateway/keeper.h"
#include "policy/config.h"

static json_t *
pause_json(const struct bs_pause *p)
{
    json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:b}", "scope", bs_pause_scope_name(p->scope), "name",
                          p->name, "by", p->by, "reason", p->reason, "cancel", (int)p->cancel);

    (void)json_object_set_new(o, "at", bs_actor_json_time(p->at_us));
    return o;
}

enum bs_done
bs_on_pauses(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_pause *all;
    json_t *list;
    size_t n;

    if (bs_state_pause_list(q->gateway->state, q->arena, &all, &n, err) != BS_DONE)
        return BS_FAILED;
    a->body = json_pack("{s:[]}", "pauses");
    list = json_object_get(a->body, "pauses");
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, pause_json(&all[i]));
    return BS_DONE;
}

static const char *
by(const struct bs_request *q)
{
    return bs_arena_fmt(q->arena, "operator:%s", q->by.name);
}

/* What is meant by a scope and a name; of everything there is no name. */
static enum bs_done
take_scope(const char *word, const char *name, enum bs_pause_scope *out, struct bs_err *err)
{
    *out = bs_pause_scope_find(word);
    if (*out == BS_PAUSE_NONE)
        return BS_FAIL(err, USAGE, "\"scope\" is actor, database or everything");
    if ((*out == BS_PAUSE_EVERYTHING) != (name == NULL))
        return BS_FAIL(err, USAGE, "\"name\" says which actor or database");
    return BS_DONE;
}

enum bs_done
bs_on_pause(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_pause pause = {.name = bs_request_string(q, "name"),
                             .cancel = json_is_true(json_object_get(q->json, "cancel")),
                             .by = by(q),
                             .reason = bs_request_string(q, "reason")};

    if (take_scope(bs_request_string(q, "scope"), pause.name, &pause.scope, err) != BS_DONE)
        return BS_FAILED;
    if (pause.scope == BS_PAUSE_DATABASE &&
        bs_config_database_find(q->gateway->config, pause.name) == NULL)
        return BS_FAIL(err, NOT_FOUND, "no database \"%.63s\" is served", pause.name);
    if (bs_state_pause_put(q->gateway->state, &pause, err) != BS_DONE)
        return BS_FAILED;
    bs_keeper_check(q->gateway);
    return bs_on_pauses(q, a, err);
}

enum bs_done
bs_on_resume(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *name = bs_request_param(q, "name");
    struct bs_resumed lifted = {0};
    enum bs_pause_scope scope;

    if (take_scope(bs_request_param(q, "scope"), name, &scope, err) != BS_DONE ||
        bs_state_resume(q->gateway->state, scope, name, bs_request_param(q, "reason"), by(q),
                        &lifted, err) != BS_DONE)
        return BS_FAILED;
    bs_keeper_check(q->gateway);
    a->body = json_pack("{s:s,s:s,s:b,s:b}", "scope", bs_pause_scope_name(scope), "name",
                        name == NULL ? "" : name, "pause", (int)lifted.pause, "quarantine",
                        (int)lifted.quarantine);
    return BS_DONE;
}
