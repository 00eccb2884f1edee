/*
 * actors.c - see actors.h.
 */
#include "api/actors.h"

#include "base/clock.h"

json_t *
bs_actor_json_time(int64_t at_us)
{
    char at[BS_TIME_TEXT];

    if (at_us == 0)
        return json_null();
    bs_time_format(at_us, at);
    return json_string(at);
}
json_t *
bs_agent_json_list(const char *const *texts, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_string(texts[i]));
    return list;
}

static void
put(json_t *o, const char *name, json_t *value)
{
    (void)json_object_set_new(o, name, value);
}

json_t *
bs_agent_json(const struct bs_agent *g, int64_t now_us)
{
    json_t *o = json_pack("{s:s,s:s,s:s?,s:s?,s:s?,s:s,s:s?,s:s?,s:b}", "name", g->name, "kind",
                          bs_actor_kind_name(g->kind), "owner", g->owner, "group", g->group, "role",
                          g->role, "status", bs_agent_status(g, now_us), "quarantine_why",
                          g->quarantine_why, "certificate", g->certificate, "certificate_only",
                          (int)g->certificate_only);

    put(o, "databases", bs_agent_json_list(g->databases, g->n_databases));
    put(o, "addresses", bs_agent_json_list(g->addresses, g->n_addresses));
    put(o, "created", bs_actor_json_time(g->created_us));
    put(o, "expires", bs_actor_json_time(g->expires_us));
    put(o, "old_password_until",
        bs_actor_json_time(g->old_verifier == NULL || g->old_until_us <= now_us ? 0
                                                                                : g->old_until_us));
    put(o, "disabled", bs_actor_json_time(g->disabled_us));
    put(o, "revoked", bs_actor_json_time(g->revoked_us));
    put(o, "quarantined", bs_actor_json_time(g->quarantined_us));
    put(o, "paused", bs_actor_json_time(g->paused_us));
    return o;
}
const char *
bs_token_status(const struct bs_token *t, int64_t now_us)
{
    if (t->revoked_us != 0)
        return "revoked";
    return bs_token_counts(t, now_us) ? "active" : "expired";
}

json_t *
bs_token_json(const struct bs_token *t, int64_t now_us)
{
    return json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:o,s:o,s:o}", "token", t->id, "agent", t->agent,
                     "status", bs_token_status(t, now_us), "note", t->note, "by", t->made_by,
                     "created", bs_actor_json_time(t->created_us), "expires",
                     bs_actor_json_time(t->expires_us), "revoked",
                     bs_actor_json_time(t->revoked_us));
}

json_t *
bs_operator_json(const struct bs_operator *op, int64_t now_us)
{
    json_t *o = json_pack("{s:s,s:s,s:s}", "name", op->name, "role", bs_role_name(op->role),
                          "status", bs_operator_status(op, now_us));

    put(o, "groups", bs_agent_json_list(op->groups, op->n_groups));
    put(o, "owners", bs_agent_json_list(op->owners, op->n_owners));
    put(o, "created", bs_actor_json_time(op->created_us));
    put(o, "expires", bs_actor_json_time(op->expires_us));
    put(o, "old_token_until",
        bs_actor_json_time(op->old_until_us <= now_us ? 0 : op->old_until_us));
    put(o, "revoked", bs_actor_json_time(op->revoked_us));
    return o;
}
