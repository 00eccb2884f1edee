/*
 * guard.c - whoever guesses tokens is soon answered without a look at them, even if one should be
 * right. A token that was right within the last hour is still looked at: else anybody on the same
 * machine could keep operators from deciding by guessing.
 */
#include "api/guard.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rate.h"

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

enum bs_done
bs_guard_token(struct bs_request *q, const char *token, int *retry_s, struct bs_err *err)
{
    struct bs_api *api = q->api;
    int64_t now_us = bs_mono_us();
    char digest[BS_SHA256_TEXT];
    int wait_s = bs_rates_look(api->failures, q->client, now_us);

    bs_sha256_text(token, digest);
    if (wait_s != 0 && !bs_rates_lately(api->known, digest, now_us))
        return too_often(wait_s, retry_s, err);
    if (bs_state_operator_find(q->gateway->state, token, q->arena, &q->by, err) != BS_DONE)
        return refuse_token(q, now_us, err);
    (void)bs_rates_take(api->known, digest, now_us);
    memcpy(q->token_sha256, digest, sizeof(digest));
    return BS_DONE;
}

/* --- from a browser ------------------------------------------------------------------------ */

/* "https://host:port" against "host:port": which of the two schemes it is, whoever ends TLS in front
 * of us knows. A browser that says nothing is told from others by the token of the login. */
enum bs_done
bs_guard_origin(const struct bs_request *q, struct bs_err *err)
{
    const char *site = q->header(q->ctx, "Sec-Fetch-Site");
    const char *origin = q->header(q->ctx, "Origin"), *host = q->header(q->ctx, "Host");
    bool same = site == NULL || strcasecmp(site, "same-origin") == 0;

    if (origin != NULL) {
        size_t n = strncmp(origin, "https://", 8) == 0 ? 8 : 7;
        same = same && host != NULL && (n == 8 || strncmp(origin, "http://", 7) == 0) &&
               strcasecmp(origin + n, host) == 0;
    }
    if (same)
        return BS_DONE;
    BS_LOG(WARNING, "a page of another origin was refused", BS_F_STR("client", q->client));
    return BS_FAIL(err, FORBIDDEN, "a page of another origin asks for this");
}

static bool
is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Did the page ask that the cookie was given to? */
static enum bs_done
check_forged(const struct bs_request *q, struct bs_err *err)
{
    const char *csrf = q->header(q->ctx, "X-CSRF-Token");

    if (is_read(q->method))
        return BS_DONE;
    if (bs_guard_origin(q, err) != BS_DONE)
        return BS_FAILED;
    if (csrf != NULL && strlen(csrf) == strlen(q->login.csrf) &&
        CRYPTO_memcmp(csrf, q->login.csrf, strlen(csrf)) == 0)
        return BS_DONE;
    BS_LOG(WARNING, "a change without its page's token was refused", BS_F_STR("client", q->client));
    (void)BS_FAIL(err, FORBIDDEN, "X-CSRF-Token is not that of this login");
    bs_err_hint(err, "GET /v1/session tells it as \"csrf\".");
    return BS_FAILED;
}

/* A page that nobody need be looking at opens the stream of events again and again, and reads what
 * has changed: it says so itself. */
static enum bs_login_use
use_of(const struct bs_request *q)
{
    bool watches = is_read(q->method) && q->header(q->ctx, "X-Backstop-Watch") != NULL;

    return watches || strcmp(q->path, "/v1/events") == 0 ? BS_LOGIN_WATCH : BS_LOGIN_ACT;
}

static enum bs_done
authenticate_login(struct bs_request *q, struct bs_err *err)
{
    if (!bs_logins_find(q->api->logins, q->cookie, use_of(q), bs_mono_us(), &q->login)) {
        (void)BS_FAIL(err, AUTH, "the login has ended");
        bs_err_hint(err, "Log in again.");
        return BS_FAILED;
    }
    if (bs_state_operator_of(q->gateway->state, q->login.token_sha256, q->arena, &q->by, err) ==
        BS_DONE)
        return BS_DONE;
    if (err->code == BS_E_AUTH)
        bs_logins_end(q->api->logins, q->cookie);
    return BS_FAILED;
}

/* A state that does not answer ends nothing: a stream does not live long. */
bool
bs_guard_may_watch(void *ctx, const struct bs_watcher *who)
{
    struct bs_api *api = ctx;
    struct bs_operator by = {0};
    struct bs_logged_in login;
    struct bs_arena arena;
    struct bs_err err = {0};
    bool may;

    if (who->cookie[0] != '\0' &&
        !bs_logins_find(api->logins, who->cookie, BS_LOGIN_WATCH, bs_mono_us(), &login))
        return false;
    bs_arena_init(&arena, "watcher", 1 << 20);
    if (bs_state_operator_of(api->gateway->state, who->token_sha256, &arena, &by, &err) == BS_DONE)
        may = bs_operator_may(&by, BS_ROLE_VIEWER, bs_now_us());
    else
        may = err.code != BS_E_AUTH;
    bs_arena_fini(&arena);
    return may;
}

/* --- all of it ----------------------------------------------------------------------------- */

static enum bs_done
identify(struct bs_request *q, const char *token, int *retry_s, struct bs_err *err)
{
    if (token != NULL)
        return bs_guard_token(q, token, retry_s, err);
    if (q->cookie != NULL)
        return authenticate_login(q, err);
    (void)BS_FAIL(err, AUTH, "an operator's token is needed");
    bs_err_hint(err, "Send it as \"Authorization: Bearer TOKEN\".");
    return BS_FAILED;
}

/* A proxy lets anybody reach the path of Slack, under its own address: they are not to keep operators
 * who come through it from logging in. */
static const char *
bucket_of(const struct bs_request *q)
{
    return strcmp(q->path, "/v1/slack") == 0 ? q->path : q->client;
}

enum bs_done
bs_guard(struct bs_request *q, enum bs_role role, int *retry_s, struct bs_err *err)
{
    const char *token = bs_request_token(q);
    int64_t now_us = bs_mono_us();
    int wait_s;

    if (role == BS_ROLE_NONE || token == NULL) {
        wait_s = bs_rates_take(q->api->strangers, bucket_of(q), now_us);
        if (wait_s != 0)
            return too_often(wait_s, retry_s, err);
    }
    if (role == BS_ROLE_NONE)
        return BS_DONE;
    q->cookie = token == NULL ? q->find_cookie(q->ctx, BS_LOGIN_COOKIE) : NULL;
    if (identify(q, token, retry_s, err) != BS_DONE)
        return BS_FAILED;
    wait_s = bs_rates_take(q->api->operators, q->by.name, now_us);
    if (wait_s != 0)
        return too_often(wait_s, retry_s, err);
    if (!bs_operator_may(&q->by, role, bs_now_us()))
        return BS_FAIL(err, FORBIDDEN, "this needs the role %s; \"%s\" is %s", bs_role_name(role),
                       q->by.name, bs_role_name(q->by.role));
    return q->cookie == NULL ? BS_DONE : check_forged(q, err);
}
