/*
 * routes_session.c - an operator logs in with a browser, and out.
 */
#include "api/actors.h"
#include "api/guard.h"
#include "api/handlers.h"
#include "api/logins.h"
#include "audit/record.h"
#include "base/clock.h"
#include "policy/config.h"

/* Secure: browsers take it from a page on this machine without TLS, too. */
#define COOKIE_RULES "Path=/; Secure; HttpOnly; SameSite=Strict"

/* On record before there is a login; the end of one needs no permission. */
static enum bs_done
record(const struct bs_request *q, const char *action, struct bs_err *err)
{
    const struct bs_audit_record r = {
        .kind = BS_AUDIT_OPERATOR,
        .operator_ = q->by.name,
        .client = q->client,
        .action = action,
        .subject = q->by.name,
    };

    return bs_audit_write(q->gateway->audit, &r, NULL, err);
}

/* login: NULL: the operator came with a token */
static void
answer(const struct bs_request *q, const struct bs_logged_in *login, struct bs_answer *a)
{
    int64_t ends_us = login == NULL ? q->by.expires_us : login->ends_us;

    if (q->by.expires_us != 0 && q->by.expires_us < ends_us)
        ends_us = q->by.expires_us;
    a->body = json_pack("{s:s,s:s,s:s?}", "operator", q->by.name, "role", bs_role_name(q->by.role),
                        "csrf", login == NULL ? NULL : login->csrf);
    (void)json_object_set_new(a->body, "expires", bs_actor_json_time(ends_us));
}

/* One that the browser had before would only be forgotten. */
enum bs_done
bs_on_session_begin(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    char secret[BS_LOGIN_TEXT];
    struct bs_logged_in login;
    const char *old = q->find_cookie(q->ctx, BS_LOGIN_COOKIE);

    if (bs_guard_origin(q, err) != BS_DONE ||
        bs_guard_token(q, bs_request_string(q, "token"), &a->retry_s, err) != BS_DONE ||
        record(q, "operator.login", err) != BS_DONE)
        return BS_FAILED;
    if (old != NULL)
        bs_logins_end(q->api->logins, old);
    bs_logins_begin(q->api->logins, q->by.name, q->token_sha256, bs_mono_us(), secret, &login);
    a->cookie = bs_arena_fmt(q->arena, BS_LOGIN_COOKIE "=%s; " COOKIE_RULES "; Max-Age=%lld",
                             secret, (long long)q->gateway->config->operators_session_ms / 1000);
    a->secret = true;
    bs_wipe(secret, sizeof(secret));
    answer(q, &login, a);
    return BS_DONE;
}

enum bs_done
bs_on_session(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    (void)err;
    answer(q, q->cookie == NULL ? NULL : &q->login, a);
    return BS_DONE;
}

/* Whoever came with a token has nothing to end: the cookie goes, if there is one. */
enum bs_done
bs_on_session_end(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    (void)err;
    if (q->cookie != NULL) {
        struct bs_err ignored = {0};
        bs_logins_end(q->api->logins, q->cookie);
        (void)!record(q, "operator.logout", &ignored);
    }
    a->status = 204;
    a->cookie = BS_LOGIN_COOKIE "=; " COOKIE_RULES "; Max-Age=0";
    return BS_DONE;
}
