/*
 * routes_enroll.c - an admin adds agents and changes them, by the command line's own rules. What is
 * shown once is in no other answer, and not kept for an Idempotency-Key.
 */
#include "api/actors.h"
#include "api/changing.h"
#include "api/credentials.h"
#include "api/handlers.h"
#include "base/clock.h"

#define TTL_MS (INT64_C(15) * 60 * 1000)

/* --- what was sent ------------------------------------------------------------------------- */

static unsigned
fields_of(const struct bs_request *q)
{
    static const struct {
        const char *member;
        unsigned field;
    } all[] = {
        {"databases", BS_AGENT_DATABASES}, {"kind", BS_AGENT_KIND},
        {"owner", BS_AGENT_OWNER},         {"group", BS_AGENT_GROUP},
        {"expires", BS_AGENT_EXPIRES},     {"addresses", BS_AGENT_ADDRESSES},
        {"role", BS_AGENT_ROLE},           {"certificate", BS_AGENT_CERTIFICATE},
    };
    unsigned fields = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        fields |= bs_changing_has(q, all[i].member) ? all[i].field : 0;
    return fields;
}

static enum bs_done
read_agent(const struct bs_request *q, struct bs_agent *out, unsigned *fields, struct bs_err *err)
{
    const char *kind = bs_request_string(q, "kind"), *expires = bs_request_string(q, "expires");

    *fields = fields_of(q);
    out->owner = bs_request_string(q, "owner");
    out->group = bs_request_string(q, "group");
    out->role = bs_request_string(q, "role");
    out->certificate = bs_request_string(q, "certificate");
    out->certificate_only = json_is_true(json_object_get(q->json, "certificate_only"));
    if (kind != NULL && !bs_actor_kind_find(kind, &out->kind))
        return BS_FAIL(err, USAGE, "there is no kind \"%.40s\": agent, app or person", kind);
    if (bs_changing_has(q, "certificate_only") && !bs_changing_has(q, "certificate"))
        return BS_FAIL(err, USAGE, "\"certificate_only\" comes with \"certificate\"");
    if (bs_changing_texts(q, "databases", &out->databases, &out->n_databases, err) != BS_DONE ||
        bs_changing_texts(q, "addresses", &out->addresses, &out->n_addresses, err) != BS_DONE)
        return BS_FAILED;
    return expires == NULL ? BS_DONE
                           : bs_expiry_read("\"expires\"", expires, &out->expires_us, err);
}

/* --- what is answered ---------------------------------------------------------------------- */

static json_t *
shown(struct bs_request *q, struct bs_err *err)
{
    struct bs_agent agent;

    if (bs_state_agent_get(q->gateway->state, q->name, q->arena, &agent, err) != BS_DONE)
        return NULL;
    return bs_agent_json(&agent, bs_now_us());
}

/* secret: NULL: it has none to be shown */
static enum bs_done
answer(struct bs_request *q, const char *secret, struct bs_answer *a, struct bs_err *err)
{
    a->body = shown(q, err);
    if (a->body == NULL)
        return BS_FAILED;
    if (secret != NULL) {
        (void)json_object_set_new(a->body, "password", json_string(secret));
        a->secret = true;
    }
    return BS_DONE;
}

/* --- the routes ---------------------------------------------------------------------------- */

enum bs_done
bs_on_actor_add(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_agent agent = {.name = bs_request_string(q, "name")};
    char secret[BS_SECRET_TEXT] = "";
    enum bs_done done;
    unsigned fields;

    q->name = agent.name;
    if (read_agent(q, &agent, &fields, err) != BS_DONE)
        return BS_FAILED;
    done = bs_agent_enroll(q->gateway->state, q->gateway->config, &agent, bs_changing_by(q), secret,
                           err);
    if (done == BS_DONE)
        done = answer(q, agent.certificate_only ? NULL : secret, a, err);
    a->status = 201;
    bs_wipe(secret, sizeof(secret));
    return done;
}

enum bs_done
bs_on_actor_set(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_agent row = {.name = q->name};
    enum bs_done done;
    unsigned fields;

    if (read_agent(q, &row, &fields, err) != BS_DONE)
        return BS_FAILED;
    if (fields == 0)
        return BS_FAIL(err, USAGE, "nothing is to be changed");
    if (bs_changing_begin(q, shown, err) != BS_DONE)
        return BS_FAILED;
    done = bs_agent_change(q->gateway->state, q->gateway->config, &row, fields, bs_changing_by(q),
                           err);
    done = bs_changing_end(q, done, err);
    return done == BS_DONE ? answer(q, NULL, a, err) : BS_FAILED;
}

enum bs_done
bs_on_actor_rotate(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    char secret[BS_SECRET_TEXT] = "";
    struct bs_agent agent;
    int64_t overlap_ms;
    enum bs_done done;

    if (bs_changing_duration(q, "overlap", 0, &overlap_ms, err) != BS_DONE ||
        bs_changing_begin(q, shown, err) != BS_DONE)
        return BS_FAILED;
    done = bs_agent_rotate(q->gateway->state, q->name, overlap_ms, bs_changing_by(q), q->arena,
                           &agent, secret, err);
    done = bs_changing_end(q, done, err);
    if (done == BS_DONE)
        done = answer(q, secret, a, err);
    bs_wipe(secret, sizeof(secret));
    return done;
}

enum bs_done
bs_on_actor_token(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    char secret[BS_SECRET_TEXT] = "";
    struct bs_token token;
    int64_t ttl_ms;
    enum bs_done done;

    if (bs_changing_duration(q, "ttl", TTL_MS, &ttl_ms, err) != BS_DONE)
        return BS_FAILED;
    done = bs_agent_token(q->gateway->state, q->name, ttl_ms, bs_request_string(q, "note"),
                          bs_changing_by(q), q->arena, &token, secret, err);
    if (done == BS_DONE) {
        a->body = json_pack("{s:s,s:s,s:s,s:o}", "name", q->name, "token", token.id, "password",
                            secret, "expires", bs_actor_json_time(token.expires_us));
        a->status = 201;
        a->secret = true;
    }
    bs_wipe(secret, sizeof(secret));
    return done;
}

/* The whole agent, or one of its short-lived passwords. */
enum bs_done
bs_on_actor_revoke(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *token = bs_request_string(q, "token"), *by = bs_changing_by(q);
    enum bs_done done;

    if (bs_changing_begin(q, shown, err) != BS_DONE)
        return BS_FAILED;
    done = token == NULL ? bs_state_agent_revoke(q->gateway->state, q->name, by, err)
                         : bs_state_token_revoke(q->gateway->state, q->name, token, by, err);
    done = bs_changing_end(q, done, err);
    return done == BS_DONE ? answer(q, NULL, a, err) : BS_FAILED;
}

static enum bs_done
turn(struct bs_request *q, int64_t disabled_us, struct bs_answer *a, struct bs_err *err)
{
    const struct bs_agent row = {.name = q->name, .disabled_us = disabled_us};
    enum bs_done done;

    if (bs_changing_begin(q, shown, err) != BS_DONE)
        return BS_FAILED;
    done = bs_state_agent_alter(q->gateway->state, &row, BS_AGENT_DISABLED, bs_changing_by(q), err);
    done = bs_changing_end(q, done, err);
    return done == BS_DONE ? answer(q, NULL, a, err) : BS_FAILED;
}

enum bs_done
bs_on_actor_disable(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return turn(q, bs_now_us(), a, err);
}

enum bs_done
bs_on_actor_enable(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return turn(q, 0, a, err);
}
