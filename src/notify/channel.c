/*
 * channel.c - the request goes out as it was made first; what comes back is looked at no further than
 * it has to be.
 */
#include "notify/channel.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "notify/body.h"
#include "notify/sign.h"
#include "notify/slack.h"
#include "storage/http.h"

#define TRY_S     15 /* for a whole request */
#define STALL_MS  10000
#define ARENA_MAX (64u << 20)

void
bs_channel_open(struct bs_channel *c)
{
    const struct bs_config_notify *t = c->target;
    const char *url = t->url != NULL ? t->url : t->api;
    const struct bs_http_options options = {
        .ca_file = t->ca_file, .direct = strncmp(url, "http://", 7) == 0, .stall_ms = STALL_MS};

    c->http = bs_http_new(&options);
}

void
bs_channel_close(struct bs_channel *c)
{
    bs_http_free(&c->http);
}

/* --- one request --------------------------------------------------------------------------- */

/* A number of seconds; a date is not read, and asks for nothing. */
static int64_t
retry_after(const struct bs_http_answer *a)
{
    char text[32];
    int64_t s = 0;

    if (!bs_http_header(a, "retry-after", text, sizeof(text)))
        return 0;
    for (size_t i = 0; i < 8 && isdigit((unsigned char)text[i]); i++)
        s = s * 10 + (text[i] - '0');
    return s;
}

/* A certificate that is not trusted is somebody else's fault as much as ours: it is tried again. */
static void
judge(enum bs_http_end end,
      const struct bs_http_answer *a,
      const struct bs_err *err,
      struct bs_channel_result *out)
{
    if (end == BS_HTTP_ANSWERED && a->status >= 200 && a->status < 300) {
        out->end = BS_DELIVERY_DONE;
        return;
    }
    out->down = end != BS_HTTP_ANSWERED || a->status == 429 || a->status >= 500;
    if (end == BS_HTTP_FAILED)
        (void)snprintf(out->why, sizeof(out->why), "%.150s",
                       err->code == BS_E_CONFIG ? "its certificate is not trusted" : err->message);
    else if (end == BS_HTTP_BROKEN)
        (void)snprintf(out->why, sizeof(out->why), "%.150s", a->why);
    else
        (void)snprintf(out->why, sizeof(out->why), "it answered %d%s", a->status,
                       a->status >= 300 && a->status < 400 ? "; redirects are not followed" : "");
    if (end == BS_HTTP_ANSWERED && a->status == 410) /* "gone": asks for no more */
        out->end = BS_DELIVERY_DEAD;
    out->after_s = retry_after(a);
}

static void
post(struct bs_channel *c,
     const char *url,
     const char *const *headers,
     const char *body,
     struct bs_http_answer *answer,
     struct bs_channel_result *out)
{
    const struct bs_http_source source = {.bytes = bs_bytes_of(body), .fd = -1};
    struct bs_http_request r = {.method = "POST",
                                .url = url,
                                .source = &source,
                                .watch = c->watch,
                                .deadline_us = bs_mono_us() + (int64_t)TRY_S * 1000000};
    struct bs_err err = {0};
    enum bs_http_end end;

    for (size_t i = 0; headers[i] != NULL; i++)
        r.headers[i] = headers[i];
    end = bs_http_send(c->http, &r, answer, &err);
    judge(end, answer, &err, out);
}

/* --- webhooks ------------------------------------------------------------------------------ */

/* By the secret; and by the old one while there is one, so that receivers change over when they like. */
static void
sign(const struct bs_config_notify *t,
     const char *id,
     int64_t at_s,
     struct bs_bytes body,
     char out[2 * BS_SIGN_TEXT])
{
    const char *const secrets[] = {t->secret, t->old};
    uint8_t key[BS_NOTIFY_KEY_MAX];

    for (size_t i = 0; i < 2 && secrets[i] != NULL; i++) {
        size_t n = bs_notify_key(secrets[i], key);
        if (i != 0)
            *out++ = ' ';
        bs_sign_webhook((struct bs_bytes){key, n}, id, at_s, body, out);
        out += strlen(out);
    }
    bs_wipe(key, sizeof(key));
}

static void
send_webhook(struct bs_channel *c,
             const struct bs_delivery *d,
             const char *body,
             struct bs_channel_result *out)
{
    int64_t at_s = bs_now_us() / 1000000;
    char signatures[2 * BS_SIGN_TEXT], id[64], at[64], signature[128];
    const char *const headers[] = {
        "Content-Type: application/json", "User-Agent: backstop", id, at, signature, NULL};
    struct bs_http_answer answer;

    sign(c->target, d->id, at_s, bs_bytes_of(body), signatures);
    (void)snprintf(id, sizeof(id), "webhook-id: %s", d->id);
    (void)snprintf(at, sizeof(at), "webhook-timestamp: %" PRId64, at_s);
    (void)snprintf(signature, sizeof(signature), "webhook-signature: %s", signatures);
    post(c, c->target->url, headers, body, &answer, out);
    bs_http_answer_fini(&answer);
}

/* --- Slack --------------------------------------------------------------------------------- */

/* "not_in_channel": a word of Slack's, if it is one. */
static void
slack_refused(const json_t *said, struct bs_channel_result *out)
{
    const char *why = json_string_value(json_object_get(said, "error"));
    bool word = why != NULL && why[0] != '\0' && strlen(why) < 80;

    for (size_t i = 0; word && why[i] != '\0'; i++)
        word = islower((unsigned char)why[i]) || isdigit((unsigned char)why[i]) || why[i] == '_';
    out->end = BS_DELIVERY_LATER;
    (void)snprintf(out->why, sizeof(out->why), "Slack refused it: %s", word ? why : "?");
}

/* The answer's JSON where it says ok; NULL, and `out` says why. */
static json_t *
call(struct bs_channel *c, const char *method, const char *body, struct bs_channel_result *out)
{
    char bearer[512], *url = NULL;
    const char *const headers[] = {"Content-Type: application/json; charset=utf-8",
                                   "User-Agent: backstop", bearer, NULL};
    struct bs_http_answer answer;
    json_t *said = NULL;

    (void)snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", c->target->token);
    bs_assert(asprintf(&url, "%s/%s", c->target->api, method) > 0);
    post(c, url, headers, body, &answer, out);
    bs_wipe(bearer, sizeof(bearer));
    free(url);
    if (out->end == BS_DELIVERY_DONE) {
        said = json_loadb((const char *)answer.body.p, answer.body.n, 0, NULL);
        if (!json_is_true(json_object_get(said, "ok"))) {
            slack_refused(said, out);
            json_decref(said);
            said = NULL;
        }
    }
    bs_http_answer_fini(&answer);
    return said;
}

void
bs_channel_call(struct bs_channel *c,
                const char *method,
                const char *body,
                struct bs_channel_result *out)
{
    *out = (struct bs_channel_result){0};
    json_decref(call(c, method, body, out));
}

/* Where the message is, so that it can be brought up to date. */
static void
remember(struct bs_channel *c, const char *ticket, const json_t *said)
{
    const struct bs_slack_message m = {.channel =
                                           json_string_value(json_object_get(said, "channel")),
                                       .ts = json_string_value(json_object_get(said, "ts"))};
    struct bs_err ignored = {0}; /* the next event of that ticket is a message of its own then */

    (void)!bs_state_slack_message_put(c->state, c->target->name, ticket, &m, &ignored);
}

/* Somebody has deleted it: then there is nothing to bring up to date. */
static void
forgive_deleted(struct bs_channel_result *out)
{
    if (strstr(out->why, "message_not_found") != NULL)
        *out = (struct bs_channel_result){.end = BS_DELIVERY_DONE};
}

static void
send_app(struct bs_channel *c,
         const struct bs_delivery *d,
         json_t *message,
         const struct bs_slack_message *there,
         struct bs_channel_result *out)
{
    json_t *said;
    char *text;

    (void)json_object_set_new(message, "channel",
                              json_string(there == NULL ? c->target->channel : there->channel));
    if (there != NULL)
        (void)json_object_set_new(message, "ts", json_string(there->ts));
    (void)json_object_update_new(message,
                                 json_pack("{s:s,s:b,s:b,s:b,s:b}", "parse", "none", "link_names",
                                           0, "mrkdwn", 0, "unfurl_links", 0, "unfurl_media", 0));
    text = json_dumps(message, JSON_COMPACT);
    bs_assert(text != NULL);
    said = call(c, there == NULL ? "chat.postMessage" : "chat.update", text, out);
    free(text);
    if (there != NULL)
        forgive_deleted(out);
    else if (said != NULL && bs_notify_event_state(d->event) != BS_TICKET_NONE)
        remember(c, d->subject, said);
    json_decref(said);
}

static void
send_incoming(struct bs_channel *c, json_t *message, struct bs_channel_result *out)
{
    static const char *const headers[] = {"Content-Type: application/json; charset=utf-8",
                                          "User-Agent: backstop", NULL};
    char *text = json_dumps(message, JSON_COMPACT);
    struct bs_http_answer answer;

    bs_assert(text != NULL);
    post(c, c->target->url, headers, text, &answer, out);
    bs_http_answer_fini(&answer);
    free(text);
}

/* --- one try ------------------------------------------------------------------------------- */

static void
give_up(struct bs_channel_result *out, const struct bs_err *err)
{
    out->end = err->code == BS_E_UNAVAILABLE ? BS_DELIVERY_LATER : BS_DELIVERY_DEAD;
    (void)snprintf(out->why, sizeof(out->why), "%.150s", err->message);
}

/* The body as it was sent first, or as it is now. NULL: `out` says why. */
static char *
text_for(struct bs_channel *c,
         const struct bs_delivery *d,
         const struct bs_notify_about *about,
         struct bs_arena *arena,
         struct bs_channel_result *out)
{
    struct bs_err err = {0};
    json_t *body;
    char *text;

    if (d->body != NULL)
        return bs_strdup(d->body);
    body = bs_notify_body(d, about, c->target->sql, arena);
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    bs_assert(text != NULL);
    if (bs_state_delivery_render(c->state, d->id, text, &err) == BS_DONE)
        return text;
    give_up(out, &err);
    free(text);
    return NULL;
}

static void
try_webhook(struct bs_channel *c,
            const struct bs_delivery *d,
            const struct bs_notify_about *about,
            struct bs_arena *arena,
            struct bs_channel_result *out)
{
    char *text = text_for(c, d, about, arena, out);

    if (text != NULL)
        send_webhook(c, d, text, out);
    free(text);
}

/* A message shows the ticket as it is now, whichever event comes through first. */
static void
try_slack(struct bs_channel *c,
          const struct bs_delivery *d,
          const struct bs_notify_about *about,
          struct bs_arena *arena,
          struct bs_channel_result *out)
{
    struct bs_slack_message there = {0};
    struct bs_err err = {0};
    bool found = false;
    json_t *body, *message;

    if (about->ticket != NULL && c->target->token != NULL &&
        bs_state_slack_message_get(c->state, c->target->name, d->subject, arena, &there, &found,
                                   &err) != BS_DONE) {
        give_up(out, &err);
        return;
    }
    if (!found && (c->target->events & (1u << d->event)) == 0 && d->event != BS_NOTIFY_TEST) {
        out->end = BS_DELIVERY_DONE; /* wanted only to bring a message up to date */
        return;
    }
    body = bs_notify_body(d, about, c->target->sql, arena);
    message = bs_slack_message(c->target, body, arena);
    if (c->target->token != NULL)
        send_app(c, d, message, found ? &there : NULL, out);
    else
        send_incoming(c, message, out);
    json_decref(message);
    json_decref(body);
}

/* The ticket and what was said to it. */
static enum bs_done
look_up(struct bs_channel *c,
        const struct bs_delivery *d,
        struct bs_ticket *ticket,
        struct bs_notify_about *about,
        struct bs_arena *arena,
        struct bs_err *err)
{
    struct bs_said_row *said;

    if (d->subject == NULL)
        return BS_FAIL(err, DATA, "there is no such ticket");
    if (bs_state_ticket_get(c->state, d->subject, arena, ticket, err) != BS_DONE ||
        bs_state_ticket_said(c->state, d->subject, arena, &said, &about->n_said, err) != BS_DONE)
        return BS_FAILED;
    about->ticket = ticket;
    about->said = said;
    about->state = c->target->slack ? ticket->state : bs_notify_event_state(d->event);
    return BS_DONE;
}

void
bs_channel_try(struct bs_channel *c, const struct bs_delivery *d, struct bs_channel_result *out)
{
    bool of_ticket = bs_notify_event_state(d->event) != BS_TICKET_NONE;
    struct bs_notify_about about = {0};
    struct bs_ticket ticket;
    struct bs_arena arena;
    struct bs_err err = {0};

    *out = (struct bs_channel_result){0};
    bs_arena_init(&arena, "notify", ARENA_MAX);
    if (of_ticket && look_up(c, d, &ticket, &about, &arena, &err) != BS_DONE)
        give_up(out, &err);
    else if (c->target->slack)
        try_slack(c, d, &about, &arena, out);
    else
        try_webhook(c, d, &about, &arena, out);
    bs_arena_fini(&arena);
}
