/*
 * peer.c - one conversation: which revision it speaks, what runs for it, and the way of a message.
 *
 * A request with an envelope in _meta is of the stateless revision, whatever came before it; one without
 * belongs to a session, which begins with `initialize`. One peer may see both.
 */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mcp/inside.h"
#include "mcp/peer.h"

/* More at once are a client's mistake, or worse. */
#define RUNNING_MAX 64

struct bs_mcp_peer *
bs_mcp_peer_new(struct bs_mcp_actor *actor)
{
    struct bs_mcp_peer *p = bs_malloc(sizeof(*p));

    p->actor = actor;
    (void)pthread_mutex_init(&p->lock, NULL);
    bs_cond_init(&p->answered);
    return p;
}

void
bs_mcp_peer_stop(struct bs_mcp_peer *peer)
{
    (void)pthread_mutex_lock(&peer->lock);
    peer->stopped = true;
    for (struct bs_mcp_request *r = peer->running; r != NULL; r = r->next)
        bs_watch_stop(&r->watch);
    (void)pthread_mutex_unlock(&peer->lock);
}

void
bs_mcp_peer_free(struct bs_mcp_peer **peer)
{
    struct bs_mcp_peer *p = *peer;

    if (p == NULL)
        return;
    bs_assert(p->running == NULL);
    json_decref(p->capabilities);
    (void)pthread_cond_destroy(&p->answered);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
    *peer = NULL;
}

const char *
bs_mcp_peer_revision(struct bs_mcp_peer *peer)
{
    const char *revision;

    (void)pthread_mutex_lock(&peer->lock);
    revision = peer->revision;
    (void)pthread_mutex_unlock(&peer->lock);
    return revision;
}

/* Every revision that we speak. */
static json_t *
supported(const char *requested)
{
    return json_pack("{s:o,s:s*}", "supported", bs_mcp_revisions(), "requested", requested);
}

/* The envelope of a modern request. False with a fault where it is not whole. */
static bool
take_envelope(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    const json_t *meta = json_object_get(r->params, "_meta");
    const json_t *version = json_object_get(meta, BS_MCP_META_VERSION);
    json_t *capabilities = json_object_get(meta, BS_MCP_META_CAPABILITIES);

    if (!json_is_string(version) || !json_is_object(capabilities)) {
        (void)bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS,
                            "params._meta must have " BS_MCP_META_VERSION " (a string) and " //
                            BS_MCP_META_CAPABILITIES " (an object)");
        return false;
    }
    if (strcmp(json_string_value(version), BS_MCP_MODERN) != 0) {
        (void)bs_mcp_refuse(fault, BS_MCP_UNSUPPORTED_VERSION, "unsupported protocol version");
        fault->data = supported(json_string_value(version));
        return false;
    }
    r->capabilities = json_incref(capabilities);
    r->log = bs_mcp_log_level(
        json_string_value(json_object_get(meta, "io.modelcontextprotocol/logLevel")));
    return true;
}

/* Its member alone is the sign: no other revision has it, and a half envelope is told what it lacks. */
static bool
has_envelope(const struct bs_mcp_request *r)
{
    return strcmp(r->method, "initialize") != 0 &&
           json_object_get(json_object_get(r->params, "_meta"), BS_MCP_META_VERSION) != NULL;
}

static bool
is_early(const struct bs_mcp_peer *p, const char *method)
{
    return p->revision == NULL && strcmp(method, "initialize") != 0 && strcmp(method, "ping") != 0;
}

/* Under the peer's lock: those that run with this id; how many run at all. */
static size_t
count_running(const struct bs_mcp_peer *p, const json_t *id, size_t *alike)
{
    size_t n = 0;

    *alike = 0;
    for (const struct bs_mcp_request *o = p->running; o != NULL; o = o->next, n++)
        *alike += json_equal(o->id, id) ? 1 : 0;
    return n;
}

/* Under the peer's lock: puts it among those that run, unless there is a reason not to. */
static bool
enter(struct bs_mcp_peer *p, struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    size_t alike;
    size_t n = count_running(p, r->id, &alike);

    if (alike > 0)
        (void)bs_mcp_refuse(fault, BS_MCP_INVALID_REQUEST, "a request with this id is running");
    else if (n >= RUNNING_MAX)
        (void)bs_mcp_refuse(fault, BS_MCP_INTERNAL, "too many requests at once");
    else if (r->modern && !take_envelope(r, fault))
        return false;
    else if (bs_mcp_method_find(r->method, r->modern) == NULL)
        (void)bs_mcp_refuse(fault, BS_MCP_METHOD_NOT_FOUND, "there is no method \"%.64s\"",
                            r->method);
    else if (!r->modern && is_early(p, r->method))
        (void)bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS,
                            "initialize first, or give each request its envelope in params._meta");
    if (fault->code != 0)
        return false;
    if (!r->modern) {
        r->capabilities = json_incref(p->capabilities);
        r->log = p->log_level;
    }
    if (p->stopped)
        bs_watch_stop(&r->watch);
    r->next = p->running;
    p->running = r;
    return true;
}

static void
leave(struct bs_mcp_peer *p, struct bs_mcp_request *r)
{
    struct bs_mcp_request **at;

    (void)pthread_mutex_lock(&p->lock);
    for (at = &p->running; *at != NULL && *at != r; at = &(*at)->next)
        continue;
    if (*at != NULL)
        *at = r->next;
    (void)pthread_mutex_unlock(&p->lock);
}

/* What every result of the modern revision has, and no other. */
static void
dress(const struct bs_mcp_request *r, json_t *result)
{
    json_t *meta = json_object_get(result, "_meta");

    if (!r->modern) {
        (void)json_object_del(result, "ttlMs");
        (void)json_object_del(result, "cacheScope");
        return;
    }
    if (json_object_get(result, "resultType") == NULL)
        (void)json_object_set_new(result, "resultType", json_string("complete"));
    if (meta == NULL) {
        meta = json_object();
        (void)json_object_set_new(result, "_meta", meta);
    }
    (void)json_object_set_new(meta, "io.modelcontextprotocol/serverInfo", bs_mcp_self());
    if (bs_mcp_method_is_cacheable(r->method) && json_object_get(result, "ttlMs") == NULL) {
        (void)json_object_set_new(result, "ttlMs", json_integer(0));
        (void)json_object_set_new(result, "cacheScope", json_string("private"));
    }
}

/* Who is told that a request is known. */
struct begun {
    void (*tell)(void *ctx);
    void *ctx;
};

static json_t *
run(struct bs_mcp_peer *p,
    struct bs_mcp_request *r,
    const struct begun *begun,
    struct bs_mcp_fault *fault)
{
    json_t *result = NULL;
    bool entered;

    (void)pthread_mutex_lock(&p->lock);
    entered = enter(p, r, fault);
    (void)pthread_mutex_unlock(&p->lock);
    if (begun->tell != NULL)
        begun->tell(begun->ctx);
    if (entered) {
        result = bs_mcp_method_find(r->method, r->modern)(r, fault);
        leave(p, r);
    }
    if (result == NULL && fault->code == 0)
        (void)bs_mcp_refuse(fault, BS_MCP_INTERNAL, "this should not happen; please report it");
    return result;
}

static json_t *
handle_request(struct bs_mcp_peer *p,
               const json_t *m,
               const struct bs_mcp_sink *sink,
               const struct begun *begun)
{
    struct bs_mcp_request r = {
        .peer = p,
        .actor = p->actor,
        .sink = sink,
        .id = json_object_get(m, "id"),
        .method = json_string_value(json_object_get(m, "method")),
    };
    struct bs_mcp_fault fault = {0};
    struct bs_err err = {0};
    json_t *nothing = json_object();
    json_t *answer = NULL;
    json_t *result;

    r.params = json_object_get(m, "params") == NULL ? nothing : json_object_get(m, "params");
    r.modern = has_envelope(&r);
    if (bs_watch_init(&r.watch, 0, &err) != BS_DONE) {
        json_decref(nothing);
        if (begun->tell != NULL)
            begun->tell(begun->ctx);
        return bs_mcp_error(r.id, BS_MCP_INTERNAL, err.message, NULL);
    }
    result = run(p, &r, begun, &fault);
    if (bs_watch_check(&r.watch, &err) != BS_DONE) {
        json_decref(result); /* cancelled: nothing is due */
        json_decref(fault.data);
    } else if (result != NULL) {
        dress(&r, result);
        answer = json_pack("{s:s,s:O,s:o}", "jsonrpc", "2.0", "id", r.id, "result", result);
    } else {
        answer = bs_mcp_error(r.id, (enum bs_mcp_code)fault.code, fault.text, fault.data);
    }
    bs_watch_fini(&r.watch);
    json_decref(r.capabilities);
    json_decref(nothing);
    return answer;
}

static void
cancel(struct bs_mcp_peer *p, const json_t *id)
{
    (void)pthread_mutex_lock(&p->lock);
    for (struct bs_mcp_request *r = p->running; r != NULL; r = r->next) {
        if (json_equal(r->id, id) && strcmp(r->method, "initialize") != 0)
            bs_watch_stop(&r->watch);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

json_t *
bs_mcp_handle(struct bs_mcp_peer *peer, const json_t *message, const struct bs_mcp_sink *sink)
{
    return bs_mcp_handle_told(peer, message, sink, NULL, NULL);
}

json_t *
bs_mcp_handle_told(struct bs_mcp_peer *peer,
                   const json_t *message,
                   const struct bs_mcp_sink *sink,
                   void (*tell)(void *ctx),
                   void *ctx)
{
    const struct begun begun = {tell, ctx};
    const char *method = json_string_value(json_object_get(message, "method"));

    if (method != NULL && json_object_get(message, "id") != NULL)
        return handle_request(peer, message, sink, &begun);
    if (method != NULL && strcmp(method, "notifications/cancelled") == 0)
        cancel(peer, json_object_get(json_object_get(message, "params"), "requestId"));
    else if (method == NULL)
        bs_mcp_answered(peer, message);
    return NULL;
}
