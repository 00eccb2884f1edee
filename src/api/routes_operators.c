/*
 * routes_operators.c - who may look, approve and administer; an admin adds and changes them.
 */
#include "api/actors.h"
#include "api/changing.h"
#include "api/credentials.h"
#include "api/handlers.h"
#include "base/clock.h"

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

static json_t *
shown(struct bs_request *q, struct bs_err *err)
{
    struct bs_operator op;

    if (bs_state_operator_get(q->gateway->state, q->name, q->arena, &op, err) != BS_DONE)
        return NULL;
    return bs_operator_json(&op, bs_now_us());
}

/* secret: NULL: none is to be shown */
static enum bs_done
answer(struct bs_request *q, const char *secret, struct bs_answer *a, struct bs_err *err)
{
    a->body = shown(q, err);
    if (a->body == NULL)
        return BS_FAILED;
    if (secret != NULL) {
        (void)json_object_set_new(a->body, "token", json_string(secret));
        a->secret = true;
    }
    return BS_DONE;
}

enum bs_done
bs_on_operator(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    return answer(q, NULL, a, err);
}

static enum bs_done
read_operator(const struct bs_request *q,
              struct bs_operator *out,
              unsigned *fields,
              struct bs_err *err)
{
    const char *role = bs_request_string(q, "role"), *expires = bs_request_string(q, "expires");

    *fields = (role != NULL ? BS_OPERATOR_ROLE : 0) |
              (bs_changing_has(q, "groups") ? BS_OPERATOR_GROUPS : 0) |
              (bs_changing_has(q, "owners") ? BS_OPERATOR_OWNERS : 0) |
              (bs_changing_has(q, "expires") ? BS_OPERATOR_EXPIRES : 0);
    out->role = role == NULL ? BS_ROLE_APPROVER : bs_role_find(role);
    if (out->role == BS_ROLE_NONE)
        return BS_FAIL(err, USAGE, "there is no role \"%.40s\": viewer, approver or admin", role);
    if (bs_changing_texts(q, "groups", &out->groups, &out->n_groups, err) != BS_DONE ||
        bs_changing_texts(q, "owners", &out->owners, &out->n_owners, err) != BS_DONE)
        return BS_FAILED;
    return expires == NULL ? BS_DONE
                           : bs_expiry_read("\"expires\"", expires, &out->expires_us, err);
}

enum bs_done
bs_on_operator_add(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_operator op = {.name = bs_request_string(q, "name")};
    char secret[BS_SECRET_TEXT] = "";
    enum bs_done done;
    unsigned fields;

    q->name = op.name;
    if (read_operator(q, &op, &fields, err) != BS_DONE)
        return BS_FAILED;
    done = bs_operator_enroll(q->gateway->state, &op, bs_changing_by(q), secret, err);
    if (done == BS_DONE)
        done = answer(q, secret, a, err);
    a->status = 201;
    bs_wipe(secret, sizeof(secret));
    return done;
}

enum bs_done
bs_on_operator_set(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    struct bs_operator row = {.name = q->name};
    enum bs_done done;
    unsigned fields;

    if (read_operator(q, &row, &fields, err) != BS_DONE)
        return BS_FAILED;
    if (fields == 0)
        return BS_FAIL(err, USAGE, "nothing is to be changed");
    if (bs_changing_begin(q, shown, err) != BS_DONE)
        return BS_FAILED;
    done = bs_state_operator_alter(q->gateway->state, &row, fields, bs_changing_by(q), err);
    done = bs_changing_end(q, done, err);
    return done == BS_DONE ? answer(q, NULL, a, err) : BS_FAILED;
}

enum bs_done
bs_on_operator_rotate(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    char secret[BS_SECRET_TEXT] = "";
    int64_t overlap_ms;
    enum bs_done done;

    if (bs_changing_duration(q, "overlap", 0, &overlap_ms, err) != BS_DONE ||
        bs_changing_begin(q, shown, err) != BS_DONE)
        return BS_FAILED;
    done =
        bs_operator_rotate(q->gateway->state, q->name, overlap_ms, bs_changing_by(q), secret, err);
    done = bs_changing_end(q, done, err);
    if (done == BS_DONE)
        done = answer(q, secret, a, err);
    bs_wipe(secret, sizeof(secret));
    return done;
}

enum bs_done
bs_on_operator_revoke(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    enum bs_done done;

    if (bs_changing_begin(q, shown, err) != BS_DONE)
        return BS_FAILED;
    done = bs_state_operator_revoke(q->gateway->state, q->name, bs_changing_by(q), err);
    done = bs_changing_end(q, done, err);
    return done == BS_DONE ? answer(q, NULL, a, err) : BS_FAILED;
}
