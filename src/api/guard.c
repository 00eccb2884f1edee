/*
 * guard.c - whoever guesses tokens is soon answered without a look at them, even if one should be
 * right. A token that was right within the last hour is still looked at: else anybody on the same
 * machine could keep operators from deciding by guessing.
 */
#include "api/guard.h"

#include "api/rate.h"
#include "base/clock.h"
#include "base/log.h"

static enum bs_done
too_often(int retry_s, int *out, struct bs_err *err)
{
    *out = retry_s;
    (void)BS_FAIL(err, TOO_OFTEN, "too many requests");
    bs_err_hint(err, "Try again in %d seconds.", retry_s);
    return BS_FAILED;
}

static enum bs_done
refuse_token(const struct bs_request *q, int64_t now_us, struct bs_err *err)
{
    if (err->code == BS_E_AUTH) {
        (void)bs_rates_take(q->api->failures, q->client, now_us);
        BS_LOG(WARNING, "an operator's token was refused", BS_F_STR("client", q->client));
    }
    return BS_FAILED;
}

static enum bs_done
authenticate(
    struct bs_request *q, const char *token, int64_t now_us, int *retry_s, struct bs_err *err)
{
    struct bs_api *api = q->api;
    char digest[BS_SHA256_TEXT];
    int wait_s = bs_rates_look(api->failures, q->client, now_us);

    bs_sha256_text(token, digest);
    if (wait_s != 0 && !bs_rates_lately(api->known, digest, now_us))
        return too_often(wait_s, retry_s, err);
    if (bs_state_operator_find(q->gateway->state, token, q->arena, &q->by, err) != BS_DONE)
        return refuse_token(q, now_us, err);
    (void)bs_rates_take(api->known, digest, now_us);
    return BS_DONE;
}

enum bs_done
bs_guard(struct bs_request *q, enum bs_role role, int *retry_s, struct bs_err *err)
{
    const char *token = bs_request_token(q);
    int64_t now_us = bs_mono_us();
    int wait_s;

    if (role == BS_ROLE_NONE || token == NULL) {
        wait_s = bs_rates_take(q->api->strangers, q->client, now_us);
        if (wait_s != 0)
            return too_often(wait_s, retry_s, err);
    }
    if (role == BS_ROLE_NONE)
        return BS_DONE;
    if (token == NULL) {
        (void)BS_FAIL(err, AUTH, "an operator's token is needed");
        bs_err_hint(err, "Send it as \"Authorization: Bearer TOKEN\".");
        return BS_FAILED;
    }
    if (authenticate(q, token, now_us, retry_s, err) != BS_DONE)
        return BS_FAILED;
    wait_s = bs_rates_take(q->api->operators, q->by.name, now_us);
    if (wait_s != 0)
        return too_often(wait_s, retry_s, err);
    if (!bs_operator_may(&q->by, role))
        return BS_FAIL(err, FORBIDDEN, "this needs the role %s; \"%s\" is %s", bs_role_name(role),
                       q->by.name, bs_role_name(q->by.role));
    return BS_DONE;
}
