/*
 * tell.c - what goes to the client while a request is handled: progress, notices, and the one question
 * that we ask.
 *
 * A question has two ways. In a session it is a request of ours, whose answer comes in beside others. In the
 * stateless revision the call itself is answered with the question, and comes again with its answer; what
 * it says is the client's word either way, so no state of ours has to be kept or sealed.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "mcp/peer.h"

#define ANSWER_US ((int64_t)300 * 1000000)
#define SHOWN_MAX 600 /* bytes of the statement */
#define KEY       "confirm"

static const char *const levels[] = {
    [BS_MCP_LOG_EMERGENCY] = "emergency", [BS_MCP_LOG_ALERT] = "alert",
    [BS_MCP_LOG_CRITICAL] = "critical",   [BS_MCP_LOG_ERROR] = "error",
    [BS_MCP_LOG_WARNING] = "warning",     [BS_MCP_LOG_NOTICE] = "notice",
    [BS_MCP_LOG_INFO] = "info",           [BS_MCP_LOG_DEBUG] = "debug",
};

bool
bs_mcp_client_can(const struct bs_mcp_request *r, const char *name, const char *under)
{
    const json_t *can = json_object_get(r->capabilities, name);

    if (under != NULL)
        can = json_object_get(can, under);
    return json_is_object(can);
}

bool
bs_mcp_notify(struct bs_mcp_request *r, const char *method, json_t *params)
{
    json_t *note = json_pack("{s:s,s:s,s:o}", "jsonrpc", "2.0", "method", method, "params", params);
    bool sent = r->sink->send(r->sink->ctx, note);

    json_decref(note);
    return sent;
}

bool
bs_mcp_progress(struct bs_mcp_request *r, const char *message)
{
    json_t *token = json_object_get(json_object_get(r->params, "_meta"), "progressToken");

    if (!json_is_string(token) && !json_is_integer(token))
        return true;
    return bs_mcp_notify(r, "notifications/progress",
                         json_pack("{s:O,s:i,s:s}", "progressToken", token, "progress",
                                   (int)++r->progressed, "message", message));
}

enum bs_mcp_log
bs_mcp_log_level(const char *word)
{
    for (int i = BS_MCP_LOG_EMERGENCY; word != NULL && i <= BS_MCP_LOG_DEBUG; i++) {
        if (strcmp(levels[i], word) == 0)
            return (enum bs_mcp_log)i;
    }
    return BS_MCP_LOG_NONE;
}

void
bs_mcp_log(struct bs_mcp_request *r, enum bs_mcp_log level, json_t *data)
{
    if (level <= r->log)
        (void)bs_mcp_notify(r, "notifications/message",
                            json_pack("{s:s,s:s,s:O}", "level", levels[level], "logger",
                                      "postgresql", "data", data));
}

/* Only what a form may have: one boolean. */
static json_t *
question(const char *sql)
{
    char text[SHOWN_MAX + 200];
    int n = (int)strlen(sql);

    if (n > SHOWN_MAX)
        n = SHOWN_MAX;
    while (n > 0 && ((uint8_t)sql[n] & 0xC0) == 0x80)
        n--;
    (void)snprintf(
        text, sizeof(text),
        "The agent wants to run a statement that changes or destroys what is there. Is it "
        "meant? This is no approval: it may still be held for one.\n\n%.*s%s",
        n, sql, sql[n] == '\0' ? "" : " ...");
    return json_pack("{s:s,s:s,s:{s:s,s:{s:{s:s,s:s,s:b}},s:[s]}}", "mode", "form", "message", text,
                     "requestedSchema", "type", "object", "properties", KEY, "type", "boolean",
                     "title", "Run this statement", "default", 0, "required", KEY);
}

/* An ElicitResult. */
static enum bs_mcp_confirmed
read_answer(const json_t *result)
{
    const char *action = json_string_value(json_object_get(result, "action"));
    const json_t *content = json_object_get(result, "content");

    if (action != NULL && strcmp(action, "accept") == 0 &&
        json_is_true(json_object_get(content, KEY)))
        return BS_MCP_CONFIRM_YES;
    return BS_MCP_CONFIRM_NO;
}

static enum bs_mcp_confirmed
confirm_modern(struct bs_mcp_request *r, const char *sql, json_t **result)
{
    const json_t *given = json_object_get(json_object_get(r->params, "inputResponses"), KEY);

    if (json_is_object(given))
        return read_answer(given);
    *result = json_pack("{s:s,s:{s:{s:s,s:o}}}", "resultType", "input_required", "inputRequests",
                        KEY, "method", "elicitation/create", "params", question(sql));
    return BS_MCP_CONFIRM_FIRST;
}

/* Under the peer's lock: until it is there, or nobody waits any more. */
static void
await_answer(struct bs_mcp_request *r, struct bs_mcp_question *q)
{
    int64_t until_us = bs_mono_us() + ANSWER_US;
    struct bs_err err = {0};
    struct timespec soon;

    while (q->answer == NULL && bs_mono_us() < until_us &&
           bs_watch_check(&r->watch, &err) == BS_DONE) {
        (void)clock_gettime(CLOCK_MONOTONIC, &soon);
        soon.tv_sec++;
        (void)pthread_cond_timedwait(&r->peer->answered, &r->peer->lock, &soon);
    }
}

static void
forget_question(struct bs_mcp_peer *p, struct bs_mcp_question *q)
{
    struct bs_mcp_question **at;

    for (at = &p->questions; *at != q; at = &(*at)->next)
        continue;
    *at = q->next;
}

static enum bs_mcp_confirmed
confirm_legacy(struct bs_mcp_request *r, const char *sql)
{
    struct bs_mcp_question q = {.answer = NULL};
    struct bs_mcp_peer *p = r->peer;
    enum bs_mcp_confirmed said;
    json_t *ask;

    (void)pthread_mutex_lock(&p->lock);
    (void)snprintf(q.id, sizeof(q.id), "backstop-%u", ++p->asked);
    q.next = p->questions;
    p->questions = &q;
    (void)pthread_mutex_unlock(&p->lock);
    ask = json_pack("{s:s,s:s,s:s,s:o}", "jsonrpc", "2.0", "id", q.id, "method",
                    "elicitation/create", "params", question(sql));
    /* The first revision that has this knows no modes. */
    if (strcmp(bs_mcp_peer_revision(p), BS_MCP_LEGACY) != 0)
        (void)json_object_del(json_object_get(ask, "params"), "mode");
    if (r->sink->send(r->sink->ctx, ask)) {
        (void)pthread_mutex_lock(&p->lock);
        await_answer(r, &q);
        (void)pthread_mutex_unlock(&p->lock);
    }
    json_decref(ask);
    (void)pthread_mutex_lock(&p->lock);
    forget_question(p, &q);
    (void)pthread_mutex_unlock(&p->lock);
    said = read_answer(json_object_get(q.answer, "result"));
    json_decref(q.answer);
    return said;
}

void
bs_mcp_answered(struct bs_mcp_peer *peer, const json_t *response)
{
    const char *id = json_string_value(json_object_get(response, "id"));

    (void)pthread_mutex_lock(&peer->lock);
    for (struct bs_mcp_question *q = peer->questions; id != NULL && q != NULL; q = q->next) {
        if (q->answer == NULL && strcmp(q->id, id) == 0)
            q->answer = json_deep_copy(response);
    }
    (void)pthread_cond_broadcast(&peer->answered);
    (void)pthread_mutex_unlock(&peer->lock);
}

/* An empty object is how the first revision says "forms". */
static bool
has_forms(const struct bs_mcp_request *r)
{
    const json_t *can = json_object_get(r->capabilities, "elicitation");

    return json_is_object(can) &&
           (json_object_size(can) == 0 || json_is_object(json_object_get(can, "form")));
}

enum bs_mcp_confirmed
bs_mcp_confirm(struct bs_mcp_request *r, const char *sql, json_t **result)
{
    if (bs_mcp_options_of(r->actor)->no_confirm || !has_forms(r))
        return BS_MCP_CONFIRM_UNASKED;
    return r->modern ? confirm_modern(r, sql, result) : confirm_legacy(r, sql);
}
