/*
 * http_post.c - one message a request. Which revision it belongs to is in the message; the fields of
 * the request, which those between us may have routed it by, must say the same.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "mcp/http_inside.h"

#define NAME_MAX_BYTES 2048 /* of Mcp-Name */

/* What a message and its request's fields say. */
struct post {
    const struct bs_http_ask *ask;
    json_t *message;
    const char *method; /* NULL: a response */
    const json_t *id;   /* NULL: a notification */
    const json_t *params;
    const json_t *claimed; /* revision in the envelope; NULL: there is none */
    char *revision;        /* field; NULL */
};

static json_t *
mismatch(const struct post *p, const char *text)
{
    return bs_mcp_error(p->id, BS_MCP_HEADER_MISMATCH, text, NULL);
}

/* A field without blanks around it, to be freed; NULL: it is not there. */
static char *
field(const struct bs_http_ask *q, const char *name)
{
    const char *value = q->header(q->ctx, name);
    char *copy;
    size_t n;

    if (value == NULL)
        return NULL;
    value += strspn(value, " \t");
    copy = bs_strdup(value);
    n = strlen(copy);
    while (n > 0 && (copy[n - 1] == ' ' || copy[n - 1] == '\t'))
        copy[--n] = '\0';
    return copy;
}

/* --- media types --------------------------------------------------------------------------- */

static bool
is_json(const char *type)
{
    static const char want[] = "application/json";

    if (type == NULL || strncasecmp(type, want, sizeof(want) - 1) != 0)
        return false;
    return type[sizeof(want) - 1] == '\0' || strchr("; \t", type[sizeof(want) - 1]) != NULL;
}

/* Does Accept name the type, or everything? */
static bool
accepts(const struct bs_http_ask *q, const char *type)
{
    const char *list = q->header(q->ctx, "Accept");
    size_t slash = strcspn(type, "/");

    if (list == NULL)
        return true;
    while (*list != '\0') {
        size_t n;
        list += strspn(list, ", \t");
        n = strcspn(list, ",; \t");
        if ((n == strlen(type) && strncasecmp(list, type, n) == 0) ||
            (n == 3 && strncmp(list, "*/*", 3) == 0) ||
            (n == slash + 2 && strncasecmp(list, type, slash + 1) == 0 && list[n - 1] == '*'))
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

/* --- the stateless revision ---------------------------------------------------------------- */

static const struct {
    const char *method;
    const char *member; /* of params, which Mcp-Name repeats */
} named[] = {
    {"tools/call", "name"},  {"prompts/get", "name"},    {"resources/read", "uri"},
    {"tasks/get", "taskId"}, {"tasks/update", "taskId"}, {"tasks/cancel", "taskId"},
};

/* What Mcp-Name says, decoded where it says that it is not plain; false where that is wrong. */
static bool
decode_name(const char *text, char out[NAME_MAX_BYTES])
{
    static const char before[] = "=?base64?", behind[] = "?=";
    size_t n = strlen(text), b = sizeof(before) - 1, e = sizeof(behind) - 1, pad;
    unsigned char all[NAME_MAX_BYTES];
    int got;

    if (n >= NAME_MAX_BYTES)
        return false;
    if (n < b + e || strncmp(text, before, b) != 0 || strcmp(text + n - e, behind) != 0) {
        memcpy(out, text, n + 1);
        return true;
    }
    text += b;
    n -= b + e;
    pad = n < 2 ? 0 : (size_t)(text[n - 1] == '=') + (size_t)(text[n - 2] == '=');
    got = n % 4 != 0 ? -1 : EVP_DecodeBlock(all, (const unsigned char *)text, (int)n);
    if (got < 0)
        return false;
    memcpy(out, all, (size_t)got - pad);
    out[(size_t)got - pad] = '\0';
    return true;
}

/* NULL: Mcp-Name is as it should be. */
static json_t *
check_name(const struct post *p)
{
    char name[NAME_MAX_BYTES];
    json_t *wrong = NULL;
    const char *body = NULL;
    char *text;

    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (strcmp(p->method, named[i].method) == 0)
            body = json_string_value(json_object_get(p->params, named[i].member));
    }
    if (body == NULL)
        return NULL;
    text = field(p->ask, "Mcp-Name");
    if (text == NULL)
        wrong = mismatch(p, "Mcp-Name is missing");
    else if (!decode_name(text, name))
        wrong = mismatch(p, "Mcp-Name cannot be decoded");
    else if (strcmp(name, body) != 0)
        wrong = mismatch(p, "Mcp-Name and the message do not name the same");
    free(text);
    return wrong;
}

/* NULL: the fields of a request say what it says. */
static json_t *
check_fields(const struct post *p)
{
    char *method = field(p->ask, "Mcp-Method");
    json_t *wrong = NULL;

    if (p->revision == NULL)
        wrong = mismatch(p, BS_HTTP_REVISION " is missing");
    else if (method == NULL)
        wrong = mismatch(p, "Mcp-Method is missing");
    else if (strcmp(method, p->method) != 0)
        wrong = mismatch(p, "Mcp-Method and the message do not name the same method");
    else
        wrong = check_name(p);
    free(method);
    return wrong;
}

static bool
is_envelope(const struct post *p)
{
    const json_t *meta = json_object_get(p->params, "_meta");

    return json_is_string(p->claimed) &&
           json_is_object(json_object_get(meta, BS_MCP_META_CAPABILITIES));
}

/* A tool's own failure is a result; what is wrong with the request has a status of its own. */
static int
status_of(const struct post *p, const json_t *answer)
{
    const json_t *code = json_object_get(json_object_get(answer, "error"), "code");

    switch (json_integer_value(code)) {
    case BS_MCP_METHOD_NOT_FOUND:
        return 404;
    case BS_MCP_PARSE_ERROR:
    case BS_MCP_INVALID_REQUEST:
    case BS_MCP_HEADER_MISMATCH:
    case BS_MCP_MISSING_CAPABILITY:
    case BS_MCP_UNSUPPORTED_VERSION:
        return 400;
    case BS_MCP_INVALID_PARAMS:
        return is_envelope(p) ? 200 : 400;
    default:
        return 200;
    }
}

/* --- handling ------------------------------------------------------------------------------ */

/* Something may be sent before the answer, and the client takes that. */
static bool
may_stream(const struct post *p, const struct bs_http_session *session)
{
    const json_t *meta = json_object_get(p->params, "_meta");

    if (p->method == NULL || p->id == NULL || !accepts(p->ask, "text/event-stream"))
        return false;
    return json_object_get(meta, "progressToken") != NULL ||
           strcmp(p->method, "subscriptions/listen") == 0 ||
           (session != NULL && bs_http_session_asks(session) &&
            strcmp(p->method, "tools/call") == 0);
}

static void
give(const struct post *p, bool modern, json_t *answer, struct bs_http_reply *a)
{
    if (answer == NULL)
        bs_http_answer(a, 202, NULL);
    else
        bs_http_answer(a, modern ? status_of(p, answer) : 200, answer);
}

/* Takes the credential and the session over, and the message. */
static void
handle(struct post *p,
       struct bs_http_cred *cred,
       struct bs_http_session *session,
       struct bs_http_reply *a)
{
    const struct bs_http_ask *q = p->ask;
    bool streams = may_stream(p, session), modern = session == NULL;
    struct bs_http_exchange *x =
        bs_http_exchange_new(q->http, cred, session, json_incref(p->message));
    json_t *answer;

    if (streams)
        bs_http_exchange_start(x);
    q->handles(q->ctx, x);
    if (!streams) {
        answer = bs_http_exchange_run(x);
    } else if (bs_http_stream_begin(x->stream, &answer)) {
        a->status = 200;
        a->stream = x;
        return;
    }
    q->handles(q->ctx, NULL);
    if (streams)
        bs_http_stream_let_go(x->stream);
    give(p, modern, answer, a);
    bs_http_exchange_let_go(x);
}

/* --- sessions ------------------------------------------------------------------------------ */

static void
begin_session(struct post *p, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    struct bs_http *h = p->ask->http;
    const json_t *can = json_object_get(p->params, "capabilities");
    struct bs_http_session *s;
    struct bs_err err = {0};

    s = bs_http_sessions_begin(h->sessions, cred, json_object_get(can, "elicitation") != NULL,
                               &err);
    if (s == NULL) {
        a->retry_s = 1;
        bs_http_refuse(a, 503, "%s", err.message);
        bs_http_creds_leave(h->creds, cred);
        return;
    }
    memcpy(a->session, bs_http_session_id(s), BS_HTTP_SESSION_ID);
    handle(p, cred, s, a);
}

/* Initialize has agreed on something; a session where it has not is none. */
static void
check_begun(const struct post *p, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    struct bs_http_sessions *all = p->ask->http->sessions;
    struct bs_http_session *s = bs_http_sessions_find(all, a->session, cred);

    if (s == NULL)
        return;
    if (bs_mcp_peer_revision(bs_http_session_peer(s)) == NULL) {
        bs_http_sessions_end(all, s);
        a->session[0] = '\0';
    }
    bs_http_sessions_leave(all, s);
}

static void
serve_session(struct post *p, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    struct bs_http *h = p->ask->http;
    const char *id = p->ask->header(p->ask->ctx, BS_HTTP_SESSION);
    struct bs_http_session *s = NULL;

    if (p->revision != NULL && !bs_mcp_is_legacy(p->revision)) {
        bs_http_refuse(a, 400, BS_HTTP_REVISION " names a revision that is not spoken here");
    } else if (id == NULL && p->method != NULL && strcmp(p->method, "initialize") == 0) {
        bs_http_creds_hold(h->creds, cred);
        begin_session(p, cred, a);
        check_begun(p, cred, a);
    } else if (id == NULL) {
        bs_http_refuse(a, 400, BS_HTTP_SESSION " is missing");
    } else {
        s = bs_http_sessions_find(h->sessions, id, cred);
        if (s == NULL)
            bs_http_refuse(a, 404, "there is no such session: initialize a new one");
    }
    if (s == NULL)
        bs_http_creds_leave(h->creds, cred);
    else
        handle(p, cred, s, a);
}

/* --- which of the two ----------------------------------------------------------------------- */

/* The revision of the fields is not one of a session: so it is of a request with an envelope. */
static bool
is_field_modern(const struct post *p)
{
    return p->revision != NULL && strcmp(p->revision, BS_MCP_MODERN) == 0;
}

/* What is wrong with a request of the stateless revision before it is handled; NULL: nothing, or what
 * whoever handles it says. */
static json_t *
check_modern(const struct post *p)
{
    bool first = strcmp(p->method, "initialize") == 0;

    if (p->claimed == NULL && first)
        return mismatch(p, "there is no handshake in the revision that " BS_HTTP_REVISION " names");
    if (p->claimed == NULL)
        return bs_mcp_error(p->id, BS_MCP_INVALID_PARAMS,
                            "params._meta has no " BS_MCP_META_VERSION, NULL);
    if (!is_envelope(p))
        return NULL;
    if (p->revision != NULL && strcmp(p->revision, json_string_value(p->claimed)) != 0)
        return mismatch(p, BS_HTTP_REVISION " and the message do not name the same revision");
    if (strcmp(json_string_value(p->claimed), BS_MCP_MODERN) != 0)
        return NULL;
    if (first)
        return bs_mcp_error(p->id, BS_MCP_METHOD_NOT_FOUND, "there is no handshake here", NULL);
    return check_fields(p);
}

static void
serve_modern(struct post *p, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    struct bs_http *h = p->ask->http;
    json_t *wrong = NULL;

    if (p->method == NULL)
        wrong =
            bs_mcp_error(NULL, BS_MCP_INVALID_REQUEST, "this revision has no responses here", NULL);
    else if (p->id != NULL)
        wrong = check_modern(p);
    if (wrong != NULL) {
        bs_http_answer(a, status_of(p, wrong), wrong);
        bs_http_creds_leave(h->creds, cred);
    } else {
        handle(p, cred, NULL, a);
    }
}

static void
serve(struct post *p, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    p->method = json_string_value(json_object_get(p->message, "method"));
    p->id = json_object_get(p->message, "id");
    p->params = json_object_get(p->message, "params");
    p->claimed = json_object_get(json_object_get(p->params, "_meta"), BS_MCP_META_VERSION);
    p->revision = field(p->ask, BS_HTTP_REVISION);
    if (p->claimed != NULL || is_field_modern(p))
        serve_modern(p, cred, a);
    else
        serve_session(p, cred, a);
    free(p->revision);
}

void
bs_http_post(const struct bs_http_ask *q, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    struct post p = {.ask = q};
    json_t *refusal = NULL;

    if (!is_json(q->header(q->ctx, "Content-Type"))) {
        bs_http_refuse(a, 415, "Content-Type is not application/json");
    } else if (!accepts(q, "application/json") && !accepts(q, "text/event-stream")) {
        bs_http_refuse(a, 406, "Accept names neither application/json nor text/event-stream");
    } else if (q->body_too_long) {
        bs_http_refuse(a, 413, "the message has more than %zu bytes", BS_MCP_MESSAGE_MAX);
    } else if (!bs_mcp_parse(q->body, &p.message, &refusal)) {
        bs_http_answer(a, 400, refusal);
    } else {
        serve(&p, cred, a);
        json_decref(p.message);
        return;
    }
    bs_http_creds_leave(q->http->creds, cred);
}
