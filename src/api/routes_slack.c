/*
 * routes_slack.c - what Slack sends when somebody presses a button or sends in the form that asks why.
 *
 * Nobody has a token here: that it is from Slack, and of now, its signature says; who it is, Slack
 * says, and which operator that is, `operators set --slack`. From there on it is a decision as any
 * other. What went wrong is told to that person alone.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "approval/quorum.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rate.h"
#include "notify/notifier.h"
#include "notify/sign.h"
#include "notify/slack.h"
#include "notify/text.h"
#include "policy/config.h"
#include "policy/notify.h"

#define TOLD_MAX 1000 /* bytes of an answer to a person */

/* One press of a button. */
struct press {
    const struct bs_config_notify *target; /* as it was when the press came in */
    const char *user;
    const char *channel;
    const char *ticket;
    enum bs_decide verdict;
    const char *reason;
};

/* --- is it Slack? -------------------------------------------------------------------------- */

/* Which target's app has signed it. */
static const struct bs_config_notify *
find_target(const struct bs_request *q)
{
    const struct bs_config *c = bs_notifier_config(q->api->notifier);
    const char *at = q->header(q->ctx, "X-Slack-Request-Timestamp");
    const char *signature = q->header(q->ctx, "X-Slack-Signature");

    for (size_t i = 0; i < c->n_notify; i++) {
        const struct bs_config_notify *t = &c->notify[i];
        if (t->signing_secret != NULL &&
            bs_slack_signed(t->signing_secret, at, signature, q->body, bs_now_us() / 1000000))
            return t;
    }
    return NULL;
}

static enum bs_done
authenticate(const struct bs_request *q, const struct bs_config_notify **target, struct bs_err *err)
{
    const char *signature = q->header(q->ctx, "X-Slack-Signature");

    *target = find_target(q);
    if (*target == NULL) {
        BS_LOG(WARNING, "a request was refused that Slack has not signed lately",
               BS_F_STR("client", q->client));
        return BS_FAIL(err, AUTH, "this needs a signature of Slack's, of now");
    }
    if (bs_rates_take(q->api->replays, signature, bs_mono_us()) != 0) {
        BS_LOG(WARNING, "a request of Slack's came twice", BS_F_STR("client", q->client));
        return BS_FAIL(err, AUTH, "this was sent before");
    }
    return BS_DONE;
}

/* "payload=" and JSON, as a form sends it. */
static enum bs_done
take_payload(struct bs_request *q, struct bs_err *err)
{
    static const char name[] = "payload=";
    const char *at = bs_arena_copy(q->arena, q->body);
    char *plus, *text;
    int n = 0;

    if (at == NULL || strncmp(at, name, sizeof(name) - 1) != 0 || strchr(at, '&') != NULL)
        return BS_FAIL(err, DATA, "the body is not a payload");
    plus = bs_arena_str(q->arena, at + sizeof(name) - 1);
    for (size_t i = 0; plus != NULL && plus[i] != '\0'; i++) {
        if (plus[i] == '+')
            plus[i] = ' ';
    }
    text = plus == NULL ? NULL : curl_easy_unescape(NULL, plus, 0, &n);
    q->parsed = text == NULL ? NULL : json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    curl_free(text);
    return json_is_object(q->parsed) ? BS_DONE : BS_FAIL(err, DATA, "the payload is no JSON");
}

/* The text at a path of members. */
static const char *
text_at(const json_t *o, const char *a, const char *b)
{
    const json_t *v = json_object_get(o, a);

    return json_string_value(b == NULL ? v : json_object_get(v, b));
}

/* --- deciding ------------------------------------------------------------------------------ */

/* To that person alone. */
static void
tell(struct bs_request *q, const struct press *p, const char *text)
{
    json_t *o;
    char *body;

    if (p->channel == NULL || text == NULL)
        return;
    o = json_pack("{s:s, s:s, s:s}", "channel", p->channel, "user", p->user, "text",
                  bs_text_slack(q->arena, text, TOLD_MAX));
    body = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (body != NULL)
        bs_notifier_call(q->api->notifier, p->target->name, "chat.postEphemeral", body);
    free(body);
}

static const char *
sentence(struct bs_request *q, const struct press *p, const struct bs_err *err)
{
    const char *console = p->target->console;
    const char *text =
        bs_arena_fmt(q->arena, "Ticket %s was not decided: %s.%s%s", p->ticket, err->message,
                     console == NULL ? "" : " ", console == NULL ? "" : console);

    return text == NULL ? "That did not work." : text;
}

static enum bs_done
identify(struct bs_request *q, const struct press *p, struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_state_slack_user_find(q->gateway->state, p->user, q->arena, &q->by, &why) != BS_DONE) {
        BS_LOG(WARNING, "somebody in Slack who is no operator pressed a button",
               BS_F_STR("user", p->user));
        return BS_FAIL(err, AUTH,
                       "%.40s of Slack is no operator here; an admin can run: backstop operators"
                       " set NAME --slack %.40s",
                       p->user, p->user);
    }
    q->via = bs_arena_fmt(q->arena, "slack:%s", p->user);
    if (!bs_operator_may(&q->by, BS_ROLE_APPROVER, bs_now_us()))
        return BS_FAIL(err, FORBIDDEN, "this needs the role approver; \"%s\" is %s", q->by.name,
                       bs_role_name(q->by.role));
    if (bs_rates_take(q->api->operators, q->by.name, bs_mono_us()) != 0)
        return BS_FAIL(err, TOO_OFTEN, "too many requests");
    return BS_DONE;
}

static enum bs_done
carry_out(struct bs_request *q, const struct press *p, struct bs_err *err)
{
    struct bs_ticket t;

    if (identify(q, p, err) != BS_DONE)
        return BS_FAILED;
    q->name = p->ticket;
    return bs_decide_as(q, p->verdict, p->reason, &t, err);
}

/* --- a button ------------------------------------------------------------------------------ */

static bool
wants_reason(struct bs_request *q, const char *ticket)
{
    struct bs_approvals needs;
    struct bs_ticket t;
    struct bs_err ignored = {0};

    return bs_ticket_get(q->gateway->tickets, ticket, q->arena, &t, &ignored) == BS_DONE &&
           t.state == BS_TICKET_PENDING &&
           bs_approvals_read(t.approvals, q->arena, &needs, &ignored) == BS_DONE && needs.reason;
}

/* Slack keeps what is to be decided while the form is open; it comes back under its signature. */
static void
open_form(struct bs_request *q, const struct press *p, const char *trigger)
{
    json_t *o = json_pack("{s:s, s:b, s:s?}", "ticket", p->ticket, "approve",
                          (int)(p->verdict == BS_DECIDE_APPROVE), "channel", p->channel);
    char *about = json_dumps(o, JSON_COMPACT), *body;
    json_t *form;

    json_decref(o);
    form = bs_slack_reason_form(trigger, p->ticket,
                                p->verdict == BS_DECIDE_APPROVE ? "Approve" : "Deny", about);
    free(about);
    body = json_dumps(form, JSON_COMPACT);
    json_decref(form);
    if (body != NULL)
        bs_notifier_call(q->api->notifier, p->target->name, "views.open", body);
    free(body);
}

static void
on_button(struct bs_request *q, const struct bs_config_notify *target, const json_t *action)
{
    const char *id = text_at(action, "action_id", NULL);
    const char *trigger = text_at(q->parsed, "trigger_id", NULL);
    struct press p = {.target = target,
                      .user = text_at(q->parsed, "user", "id"),
                      .channel = text_at(q->parsed, "channel", "id"),
                      .ticket = text_at(action, "value", NULL)};
    struct bs_err err = {0};

    if (id == NULL || p.user == NULL || p.ticket == NULL)
        return;
    if (strcmp(id, BS_SLACK_APPROVE) == 0)
        p.verdict = BS_DECIDE_APPROVE;
    else if (strcmp(id, BS_SLACK_DENY) != 0)
        return;
    if (trigger != NULL && wants_reason(q, p.ticket)) {
        if (identify(q, &p, &err) == BS_DONE)
            open_form(q, &p, trigger);
    } else {
        (void)!carry_out(q, &p, &err);
    }
    if (err.code != BS_OK)
        tell(q, &p, sentence(q, &p, &err));
}

/* --- the form ------------------------------------------------------------------------------ */

/* What is wrong stands in the form, which stays open. */
static void
answer_form(const struct bs_err *err, struct bs_answer *a)
{
    a->body = json_pack("{s:s, s:{s:s}}", "response_action", "errors", "errors", BS_SLACK_REASON,
                        err->message);
}

static void
on_form(struct bs_request *q, const struct bs_config_notify *target, struct bs_answer *a)
{
    const json_t *view = json_object_get(q->parsed, "view");
    const char *about = text_at(view, "private_metadata", NULL);
    const json_t *values = json_object_get(json_object_get(view, "state"), "values");
    json_t *was = about == NULL ? NULL : json_loads(about, 0, NULL);
    struct press p = {
        .target = target,
        .user = text_at(q->parsed, "user", "id"),
        .ticket = text_at(was, "ticket", NULL),
        .verdict =
            json_is_true(json_object_get(was, "approve")) ? BS_DECIDE_APPROVE : BS_DECIDE_DENY,
        .reason =
            text_at(json_object_get(json_object_get(values, BS_SLACK_REASON), BS_SLACK_REASON),
                    "value", NULL),
    };
    struct bs_err err = {0};

    if (p.user != NULL && p.ticket != NULL && carry_out(q, &p, &err) != BS_DONE)
        answer_form(&err, a);
    json_decref(was);
}

enum bs_done
bs_on_slack(struct bs_request *q, struct bs_answer *a, struct bs_err *err)
{
    const char *type;
    const json_t *action;
    const struct bs_config_notify *target;
    size_t i;

    if (authenticate(q, &target, err) != BS_DONE || take_payload(q, err) != BS_DONE)
        return BS_FAILED;
    type = text_at(q->parsed, "type", NULL);
    if (type != NULL && strcmp(type, "view_submission") == 0) {
        on_form(q, target, a);
    } else if (type != NULL && strcmp(type, "block_actions") == 0) {
        json_array_foreach(json_object_get(q->parsed, "actions"), i, action)
            on_button(q, target, action);
    }
    return BS_DONE;
}
