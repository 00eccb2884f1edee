/*
 * http_route.c - who may ask, and where. In this order: the name that we were called by, the page that
 * asks, the path, the credential; only then the method and the body.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "mcp/http_inside.h"
#include "policy/values.h"

#define HOST_MAX 262
#define METHODS  "GET, POST, DELETE"
#define RETRY_S  1
#define TEXT_MAX 400

void
bs_http_reply_fini(struct bs_http_reply *a)
{
    free(a->text);
    a->text = NULL;
}

void
bs_http_answer(struct bs_http_reply *a, int status, json_t *answer)
{
    a->status = status;
    a->text = answer == NULL ? NULL : json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
}

void
bs_http_refuse(struct bs_http_reply *a, int status, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    bs_http_answer(a, status, bs_mcp_error(NULL, BS_MCP_INVALID_REQUEST, text, NULL));
}

static const char *
header(const struct bs_http_ask *q, const char *name)
{
    return q->header(q->ctx, name);
}

/* --- by which name, from which page -------------------------------------------------------- */

/* "localhost" of "localhost:6590", "::1" of "[::1]:6590"; false where it is no host. */
static bool
host_name(const char *host, char out[HOST_MAX])
{
    bool brackets = host[0] == '[';
    size_t n = brackets ? strcspn(++host, "]") : strcspn(host, ":"), i;
    const char *rest = host + n + (brackets && host[n] == ']');

    if (n == 0 || n >= HOST_MAX || (brackets && host[n] != ']') ||
        (*rest != '\0' && *rest != ':') ||
        (*rest == ':' && strspn(rest + 1, "0123456789") != strlen(rest + 1)))
        return false;
    for (i = 0; i < n; i++) {
        if (!isalnum((unsigned char)host[i]) && strchr(brackets ? ":." : ".-_", host[i]) == NULL)
            return false;
        out[i] = (char)tolower((unsigned char)host[i]);
    }
    out[n] = '\0';
    return true;
}

/* "host:port" of "https://host:port", without what follows; NULL where it is neither of the two. */
static const char *
behind_scheme(const char *url)
{
    if (strncasecmp(url, "https://", 8) == 0)
        return url + 8;
    return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

/* The name in `host` is that in the configured url. */
static bool
is_own_name(const struct bs_http *h, const char *name)
{
    char own[HOST_MAX];

    return h->config->url != NULL && host_name(behind_scheme(h->config->url), own) &&
           strcmp(own, name) == 0;
}

/* A page that has made its own name point here calls us by that name. */
static bool
is_called_right(const struct bs_http_ask *q)
{
    const char *host = header(q, "Host");
    char name[HOST_MAX];

    if (host == NULL || !host_name(host, name))
        return false;
    return !bs_value_is_loopback(q->http->config->listen.host) || bs_value_is_loopback(name) ||
           is_own_name(q->http, name);
}

/* Programs send no Origin; a browser always does. */
static bool
may_page_ask(const struct bs_http_ask *q)
{
    const struct bs_config_agents_http *c = q->http->config;
    const char *origin = header(q, "Origin"), *host;
    char name[HOST_MAX];

    if (origin == NULL)
        return true;
    for (size_t i = 0; i < c->origins.n; i++) {
        if (strcasecmp(c->origins.list[i], origin) == 0)
            return true;
    }
    if (c->url != NULL && strcasecmp(c->url, origin) == 0)
        return true;
    host = behind_scheme(origin);
    return host != NULL && bs_value_is_loopback(c->listen.host) && host_name(host, name) &&
           bs_value_is_loopback(name);
}

/* --- what is told to those who are not let in ----------------------------------------------- */

/* "https://host:port" as clients know us. */
static void
own_url(const struct bs_http_ask *q, char *out, size_t room)
{
    const struct bs_config_agents_http *c = q->http->config;

    if (c->url != NULL)
        (void)snprintf(out, room, "%s", c->url);
    else
        (void)snprintf(out, room, "%s://%s", c->tls_cert == NULL ? "http" : "https",
                       header(q, "Host"));
}

/* "/mcp" or "/mcp/NAME"; `database` is NAME, or NULL. */
static bool
is_ours(const char *path, const char **database)
{
    size_t n = strlen(BS_HTTP_PATH);

    *database = NULL;
    if (strncmp(path, BS_HTTP_PATH, n) != 0)
        return false;
    path += n;
    if (*path == '/' && path[1] != '\0' && strchr(path + 1, '/') == NULL && strlen(path) <= 64 &&
        bs_utf8_valid(bs_bytes_of(path)))
        *database = path + 1;
    return *path == '\0' || *database != NULL;
}

/* RFC 9728 */
static void
tell_metadata(const struct bs_http_ask *q, struct bs_http_reply *a)
{
    const struct bs_config_texts *servers = &q->http->config->authorization_servers;
    const char *path = q->path + strlen(BS_HTTP_METADATA), *database;
    char url[HOST_MAX + 16];
    json_t *list = servers->n == 0 ? NULL : json_array();

    if (*path == '\0')
        path = BS_HTTP_PATH;
    if (!is_ours(path, &database)) {
        bs_http_refuse(a, 404, "there is nothing here");
        return;
    }
    if (strcmp(q->method, "GET") != 0) {
        a->allow = "GET";
        bs_http_refuse(a, 405, "GET it");
        return;
    }
    own_url(q, url, sizeof(url));
    for (size_t i = 0; i < servers->n; i++)
        (void)json_array_append_new(list, json_string(servers->list[i]));
    bs_http_answer(a, 200,
                   json_pack("{s:o, s:o*, s:[s], s:s}", "resource", //
                             json_sprintf("%s%s", url, path), "authorization_servers", list,
                             "bearer_methods_supported", "header", "resource_name",
                             "Backstop: a PostgreSQL database for agents"));
}

/* The path as it may stand between quotes in a field; else that without a database. */
static const char *
plain_path(const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)path[i]) && strchr("/-._~", path[i]) == NULL)
            return BS_HTTP_PATH;
    }
    return path;
}

static void
refuse_credential(const struct bs_http_ask *q, bool sent, struct bs_http_reply *a)
{
    char url[HOST_MAX + 16];

    own_url(q, url, sizeof(url));
    (void)snprintf(a->challenge, sizeof(a->challenge), "Bearer resource_metadata=\"%s%s%s\"%s", url,
                   BS_HTTP_METADATA, plain_path(q->path), sent ? ", error=\"invalid_token\"" : "");
    bs_http_refuse(a, 401,
                   sent ? "this credential is not accepted: ask the operator for another"
                        : "a credential is needed, as \"Authorization: Bearer ...\": the operator "
                          "gives it to you");
}

static void
refuse_entry(const struct bs_http_ask *q, const struct bs_err *err, struct bs_http_reply *a)
{
    int status = bs_code_get(err->code)->http_status;

    if (err->code == BS_E_AUTH) {
        refuse_credential(q, true, a);
        return;
    }
    if (err->code == BS_E_LIMIT || err->code == BS_E_UNAVAILABLE)
        status = 503;
    if (status == 503)
        a->retry_s = RETRY_S;
    bs_http_refuse(a, status, "%s", err->message);
}

/* --- letting in ---------------------------------------------------------------------------- */

struct bs_http_cred *
bs_http_admit(const struct bs_http_ask *q, struct bs_http_reply *a)
{
    struct bs_http_claim claim = {.client = q->client};
    struct bs_http_cred *cred = NULL;
    struct bs_err err = {0};

    if (!is_called_right(q)) {
        bs_http_refuse(a, 403, "this is not the name of this server");
    } else if (!may_page_ask(q)) {
        bs_http_refuse(a, 403, "pages of this origin may not ask");
    } else if (strncmp(q->path, BS_HTTP_METADATA, strlen(BS_HTTP_METADATA)) == 0) {
        tell_metadata(q, a);
    } else if (!is_ours(q->path, &claim.database)) {
        bs_http_refuse(a, 404, "there is nothing here: " BS_HTTP_PATH " is the way in");
    } else if (!bs_http_claim_read(header(q, "Authorization"), &claim)) {
        refuse_credential(q, header(q, "Authorization") != NULL, a);
    } else {
        cred = bs_http_creds_enter(q->http->creds, &claim, &a->retry_s, &err);
        if (cred == NULL)
            refuse_entry(q, &err, a);
    }
    bs_wipe(claim.text, sizeof(claim.text));
    return cred;
}

/* --- the session's own methods -------------------------------------------------------------- */

/* The session that is named, in use; NULL: `a` says why not. */
static struct bs_http_session *
find_session(const struct bs_http_ask *q, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    const char *id = header(q, BS_HTTP_SESSION);
    struct bs_http_session *s;

    if (id == NULL) {
        bs_http_refuse(a, 400, BS_HTTP_SESSION " is missing");
        return NULL;
    }
    s = bs_http_sessions_find(q->http->sessions, id, cred);
    if (s == NULL)
        bs_http_refuse(a, 404, "there is no such session: initialize a new one");
    return s;
}

static void
serve_listen(const struct bs_http_ask *q, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    struct bs_http_session *s = find_session(q, cred, a);
    struct bs_http_exchange *x;

    if (s == NULL || !bs_http_session_listen(s)) {
        if (s != NULL) {
            bs_http_refuse(a, 409, "this session has such a stream already");
            bs_http_sessions_leave(q->http->sessions, s);
        }
        bs_http_creds_leave(q->http->creds, cred);
        return;
    }
    x = bs_http_exchange_new(q->http, cred, s, NULL);
    x->listens = true;
    x->stream = bs_http_stream_new();
    bs_http_stream_let_go(x->stream); /* nobody puts anything in but the end */
    q->handles(q->ctx, x);
    a->status = 200;
    a->stream = x;
}

static void
serve_end(const struct bs_http_ask *q, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    struct bs_http_session *s = find_session(q, cred, a);

    if (s != NULL) {
        bs_http_sessions_end(q->http->sessions, s);
        bs_http_sessions_leave(q->http->sessions, s);
        bs_http_answer(a, 204, NULL);
    }
    bs_http_creds_leave(q->http->creds, cred);
}

/* The stateless revision has nothing but POST. */
static bool
is_modern(const struct bs_http_ask *q)
{
    const char *revision = header(q, BS_HTTP_REVISION);

    return revision != NULL && strcmp(revision, BS_MCP_MODERN) == 0;
}

void
bs_http_serve(const struct bs_http_ask *q, struct bs_http_cred *cred, struct bs_http_reply *a)
{
    if (strcmp(q->method, "POST") == 0) {
        bs_http_post(q, cred, a);
    } else if (strcmp(q->method, "GET") == 0 && !is_modern(q)) {
        serve_listen(q, cred, a);
    } else if (strcmp(q->method, "DELETE") == 0 && !is_modern(q)) {
        serve_end(q, cred, a);
    } else {
        a->allow = is_modern(q) ? "POST" : METHODS;
        bs_http_refuse(a, 405, "this path does not take that method");
        bs_http_creds_leave(q->http->creds, cred);
    }
}
