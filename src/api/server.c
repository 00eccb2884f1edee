/*
 * server.c - libmicrohttpd on a loopback address; every request is answered whole.
 *
 * What does not parse as HTTP, or has fields beyond FIELDS_MAX, is answered by the library itself.
 */
#include "api/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "api/console.h"
#include "api/events.h"
#include "api/guard.h"
#include "api/idempotent.h"
#include "api/logins.h"
#include "api/restores.h"
#include "api/routes.h"
#include "api/visitors.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rate.h"
#include "notify/notifier.h"
#include "notify/sign.h"
#include "policy/config.h"

#define BODY_MAX     (1u << 20) /* bytes of a request's body */
#define FIELDS_MAX   32768      /* bytes of a request's line and fields */
#define PARAMS_MAX   32
#define ARENA_MAX    (256u << 20)
#define CONNECTIONS  256
#define CROWD        (CONNECTIONS - 16) /* from here on whoever waits longest makes room */
#define OF_ONE       (CONNECTIONS / 2)  /* connections from one address */
#define FIRST_S      10                 /* of silence before a first request is there */
#define TIMEOUT_S    30
#define THREADS      4
#define STREAM_TYPE  "text/event-stream"
#define STREAM_BLOCK 4096
#define STOP_MS      5000 /* for what is being answered at a stop */

#define SECOND_US 1000000

struct server {
    struct bs_api api;
    struct MHD_Daemon *daemon;
    struct bs_visitors *visitors;
    int fd; /* of the listener, which is ours to close once it is quiet */
    atomic_uint serving;
};

/* One request while its body arrives. */
struct arriving {
    bool begun;
    bool nul; /* in the path or a parameter */
    struct bs_buf body;
    struct bs_param params[PARAMS_MAX];
    size_t n_params;
    bool many; /* there were more */
};

/* --- answering ----------------------------------------------------------------------------- */

static void
put_header(struct MHD_Response *r, const char *name, const char *value)
{
    if (value != NULL)
        (void)MHD_add_response_header(r, name, value);
}

#define PAGE_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define DATA_POLICY "default-src 'none'; frame-ancestors 'none'"

/* For every answer. There is no field that lets a page of another origin read it. The console's own
 * files run, and are asked for again each time. */
static void
put_safety(struct MHD_Response *r, bool page)
{
    put_header(r, "Cache-Control", page ? "no-cache" : "no-store");
    put_header(r, "X-Content-Type-Options", "nosniff");
    put_header(r, "X-Frame-Options", "DENY");
    put_header(r, "Referrer-Policy", "no-referrer");
    put_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    put_header(r, "Cross-Origin-Opener-Policy", page ? "same-origin" : NULL);
    put_header(r, "Content-Security-Policy", page ? PAGE_POLICY : DATA_POLICY);
}

static void
stream_sleep(void *ctx)
{
    MHD_suspend_connection(ctx);
}

static void
stream_wake(void *ctx)
{
    MHD_resume_connection(ctx);
}

static ssize_t
stream_read(void *cls, uint64_t at, char *out, size_t room)
{
    int64_t n = bs_stream_read(cls, out, room);

    (void)at;
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)n;
}

static void
stream_close(void *cls)
{
    struct bs_stream *stream = cls;

    bs_stream_close(&stream);
}

/* The stream becomes the library's. */
static struct MHD_Response *
respond_stream(struct MHD_Connection *c, struct bs_answer *a)
{
    struct MHD_Response *r;

    bs_stream_waits(a->stream, (struct bs_stream_wait){stream_sleep, stream_wake, c});
    r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, a->stream,
                                          stream_close);
    if (r != NULL)
        a->stream = NULL;
    return r;
}

/* The text becomes the library's. */
static struct MHD_Response *
respond_text(struct bs_answer *a)
{
    size_t n = a->text == NULL ? 0 : strlen(a->text);
    struct MHD_Response *r = MHD_create_response_from_buffer(
        n, a->text, n == 0 ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);

    if (r != NULL && n != 0)
        a->text = NULL;
    return r;
}

static struct MHD_Response *
respond_file(const struct bs_console_file *file)
{
    /* The library takes a pointer that is not const and does not write. */
    return MHD_create_response_from_buffer(file->len, (void *)(uintptr_t)file->bytes,
                                           MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *
respond(struct MHD_Connection *c, struct bs_answer *a, const char **type)
{
    *type = a->text != NULL ? a->type : NULL;
    if (a->stream != NULL) {
        *type = STREAM_TYPE;
        return respond_stream(c, a);
    }
    if (a->file != NULL) {
        *type = a->file->type;
        return respond_file(a->file);
    }
    return respond_text(a);
}

static enum MHD_Result
send_answer(struct MHD_Connection *c, struct bs_answer *a)
{
    const char *type;
    struct MHD_Response *r = respond(c, a, &type);
    enum MHD_Result result;
    char retry[16];

    if (r == NULL)
        return MHD_NO;
    put_safety(r, a->page);
    put_header(r, "Content-Type", type);
    put_header(r, "ETag", a->etag);
    put_header(r, "Allow", a->allow);
    put_header(r, "Set-Cookie", a->cookie);
    put_header(r, "Location", a->location);
    put_header(r, "Idempotency-Replayed", a->again ? "true" : NULL);
    put_header(r, "WWW-Authenticate", a->status == 401 ? "Bearer" : NULL);
    (void)snprintf(retry, sizeof(retry), "%d", a->retry_s);
    put_header(r, "Retry-After", a->retry_s == 0 ? NULL : retry);
    result = MHD_queue_response(c, (unsigned)a->status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result
refuse(struct MHD_Connection *c, const struct bs_err *err)
{
    struct bs_answer a = {0};
    enum MHD_Result result;

    bs_routes_refuse(err, &a);
    result = send_answer(c, &a);
    bs_answer_fini(&a);
    return result;
}

/* --- asking -------------------------------------------------------------------------------- */

static const char *
header_of(void *ctx, const char *name)
{
    return MHD_lookup_connection_value(ctx, MHD_HEADER_KIND, name);
}

static const char *
cookie_of(void *ctx, const char *name)
{
    return MHD_lookup_connection_value(ctx, MHD_COOKIE_KIND, name);
}

/* An address as a name for its limits. */
static void
name_of(const struct sockaddr *address, char out[BS_VISITOR_NAME])
{
    socklen_t n = sizeof(struct sockaddr_in);

    (void)snprintf(out, BS_VISITOR_NAME, "?");
    if (address->sa_family == AF_INET6)
        n = sizeof(struct sockaddr_in6);
    (void)getnameinfo(address, n, out, BS_VISITOR_NAME, NULL, 0, NI_NUMERICHOST);
}

static void
client_of(struct MHD_Connection *c, char out[BS_VISITOR_NAME])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    (void)snprintf(out, BS_VISITOR_NAME, "?");
    if (info != NULL)
        name_of(info->client_addr, out);
}

static struct bs_visitor *
visitor_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static enum MHD_Result
take_param(void *cls,
           enum MHD_ValueKind kind,
           const char *name,
           size_t name_n,
           const char *value,
           size_t value_n)
{
    struct arriving *a = cls;

    (void)kind;
    a->many = a->many || a->n_params == PARAMS_MAX;
    a->nul = a->nul || memchr(name, 0, name_n) != NULL ||
             (value != NULL && memchr(value, 0, value_n) != NULL);
    if (!a->many)
        a->params[a->n_params++] = (struct bs_param){name, value == NULL ? "" : value};
    return MHD_YES;
}

/* What no handler should have to think of. */
static enum bs_done
check(const struct arriving *a, const char *path, struct bs_err *err)
{
    bool utf8 = bs_utf8_valid(bs_bytes_of(path));

    for (size_t i = 0; i < a->n_params; i++)
        utf8 = utf8 && bs_utf8_valid(bs_bytes_of(a->params[i].name)) &&
               bs_utf8_valid(bs_bytes_of(a->params[i].value));
    if (a->nul || !utf8)
        return BS_FAIL(err, USAGE, "path and parameters are UTF-8 without NUL");
    if (a->many)
        return BS_FAIL(err, LIMIT, "more than %d parameters", PARAMS_MAX);
    if (a->body.failed)
        return BS_FAIL(err, LIMIT, "the body has more than %u bytes", BODY_MAX);
    return BS_DONE;
}

static enum MHD_Result
serve(struct server *server,
      struct MHD_Connection *c,
      const char *method,
      const char *path,
      struct arriving *a)
{
    struct bs_arena arena;
    struct bs_answer answer;
    struct bs_err err = {0};
    enum MHD_Result result;
    char client[BS_VISITOR_NAME];

    bs_visitor_asks(server->visitors, visitor_of(c));
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)TIMEOUT_S);
    (void)MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, take_param, a);
    if (check(a, path, &err) != BS_DONE)
        return refuse(c, &err);
    client_of(c, client);
    bs_arena_init(&arena, "request", ARENA_MAX);
    bs_routes_serve(
        &(struct bs_request){
            .api = &server->api,
            .gateway = server->api.gateway,
            .method = method,
            .path = path,
            .client = client,
            .params = a->params,
            .n_params = a->n_params,
            .body = bs_buf_view(&a->body),
            .header = header_of,
            .find_cookie = cookie_of,
            .ctx = c,
            .arena = &arena,
        },
        &answer);
    result = send_answer(c, &answer);
    bs_answer_fini(&answer);
    bs_arena_fini(&arena);
    return result;
}

/* --- the library's callbacks --------------------------------------------------------------- */

/* Called first, with the request's target as it came. */
static void *
on_target(void *cls, const char *uri, struct MHD_Connection *c)
{
    struct server *server = cls;
    struct arriving *a = bs_malloc(sizeof(*a));

    (void)c;
    (void)atomic_fetch_add(&server->serving, 1);
    a->nul = strstr(uri, "%00") != NULL;
    bs_buf_init(&a->body, BODY_MAX);
    return a;
}

static enum MHD_Result
on_request(void *cls,
           struct MHD_Connection *c,
           const char *path,
           const char *method,
           const char *version,
           const char *data,
           size_t *n,
           void **ctx)
{
    struct arriving *a = *ctx;

    (void)version;
    if (!a->begun) {
        a->begun = true;
        return MHD_YES;
    }
    if (*n != 0) { /* of a body that is too long no more is kept, but all of it is read */
        bs_put_bytes(&a->body, (struct bs_bytes){(const uint8_t *)data, *n});
        *n = 0;
        return MHD_YES;
    }
    return serve(cls, c, method, path, a);
}

static void
on_completed(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_RequestTerminationCode code)
{
    struct server *server = cls;
    struct arriving *a = *ctx;

    (void)code;
    bs_visitor_waits(server->visitors, visitor_of(c));
    if (a == NULL)
        return;
    bs_buf_fini(&a->body);
    free(a);
    *ctx = NULL;
    (void)atomic_fetch_sub(&server->serving, 1);
}

static enum MHD_Result
on_accept(void *cls, const struct sockaddr *address, socklen_t n)
{
    struct server *server = cls;
    char name[BS_VISITOR_NAME];

    (void)n;
    name_of(address, name);
    return bs_visitors_admit(server->visitors, name) ? MHD_YES : MHD_NO;
}

static void
on_connection(void *cls,
              struct MHD_Connection *c,
              void **ctx,
              enum MHD_ConnectionNotificationCode code)
{
    struct server *server = cls;
    char name[BS_VISITOR_NAME];

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct bs_visitor *visitor = *ctx;
        bs_visitors_leave(server->visitors, &visitor);
        *ctx = NULL;
        return;
    }
    client_of(c, name);
    *ctx = bs_visitors_enter(
        server->visitors, name,
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
}

/* --- the listener -------------------------------------------------------------------------- */

/* A listening socket on the configured loopback address. */
static enum bs_done
open_listener(const struct bs_config_listen *where, int *fd, struct bs_err *err)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char port[8];
    int on = 1;

    (void)snprintf(port, sizeof(port), "%u", where->port);
    if (getaddrinfo(where->host, port, &hints, &list) != 0 || list == NULL)
        return BS_FAIL(err, UNAVAILABLE, "operators: cannot resolve \"%.100s\"", where->host);
    *fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(*fd, list->ai_addr, list->ai_addrlen) != 0 || listen(*fd, 128) != 0) {
        (void)BS_FAIL(err, UNAVAILABLE, "operators: cannot listen on %.100s:%u: %s", where->host,
                      where->port, strerror(errno));
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
    }
    freeaddrinfo(list);
    return *fd < 0 ? BS_FAILED : BS_DONE;
}

static struct server *
server_new(struct bs_gateway *g, struct bs_events *events)
{
    struct server *s = bs_malloc(sizeof(*s));
    int64_t each_us = SECOND_US / g->config->operators_requests;

    s->api = (struct bs_api){
        .gateway = g,
        .operators = bs_rates_new(each_us, 4 * g->config->operators_requests),
        .strangers = bs_rates_new(each_us, 4 * g->config->operators_requests),
        .failures = bs_rates_new(6 * SECOND_US, 10),
        .known = bs_rates_new((int64_t)3600 * SECOND_US, 1),
        .logins = bs_logins_new(g->config->operators_session_idle_ms * 1000,
                                g->config->operators_session_ms * 1000),
        .idempotent = bs_idempotent_new(),
        .replays = bs_rates_new((int64_t)2 * BS_SLACK_WINDOW_S * SECOND_US, 1),
        .events = events,
    };
    s->visitors = bs_visitors_new(CROWD, OF_ONE);
    bs_events_ask(events, bs_guard_may_watch, &s->api);
    return s;
}

static void
server_free(struct server *s)
{
    bs_rates_free(&s->api.operators);
    bs_rates_free(&s->api.strangers);
    bs_rates_free(&s->api.failures);
    bs_rates_free(&s->api.known);
    bs_logins_free(&s->api.logins);
    bs_idempotent_free(&s->api.idempotent);
    bs_notifier_stop(&s->api.notifier);
    bs_rates_free(&s->api.replays);
    bs_restores_free(&s->api.restores);
    bs_events_free(&s->api.events);
    bs_visitors_free(&s->visitors);
    free(s);
}

static enum bs_done
start(struct bs_gateway *g, void **self, struct bs_err *err)
{
    const struct bs_config_listen *where = &g->config->operators;
    struct bs_events *events;
    struct server *server;
    int fd = -1;

    if (bs_events_new(g->tickets, &events, err) != BS_DONE)
        return BS_FAILED;
    server = server_new(g, events);
    if (bs_restores_new(g, events, &server->api.restores, err) != BS_DONE ||
        bs_notifier_start(g->config, g->state, g->tickets, &server->api.notifier, err) != BS_DONE ||
        open_listener(where, &fd, err) != BS_DONE) {
        server_free(server);
        return BS_FAILED;
    }
    server->fd = fd;
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, server,
        on_request, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)FIELDS_MAX, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)FIRST_S, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)THREADS, MHD_OPTION_END);
    if (server->daemon == NULL) {
        close(fd);
        server_free(server);
        return BS_FAIL(err, UNAVAILABLE, "operators: the HTTP server cannot start");
    }
    BS_LOG(INFO, "listening", BS_F_STR("host", where->host), BS_F_INT("port", where->port),
           BS_F_STR("for", "operators"));
    *self = server;
    return BS_DONE;
}

/* Nobody new; what is being answered is answered, and a copy-back may end. */
static void
stop(void *self)
{
    struct server *server = self;
    int64_t until_us = bs_mono_us() + (int64_t)STOP_MS * 1000;

    if (server == NULL)
        return;
    if (MHD_quiesce_daemon(server->daemon) != MHD_INVALID_SOCKET)
        (void)close(server->fd);
    bs_events_end(server->api.events);
    while (atomic_load(&server->serving) != 0 && bs_mono_us() < until_us)
        (void)usleep(10 * 1000);
    MHD_stop_daemon(server->daemon);
    server_free(server);
}

static enum bs_done
reload(void *self, const struct bs_config *config, struct bs_err *err)
{
    struct server *server = self;

    return bs_notifier_reload(server->api.notifier, config, err);
}

const struct bs_gateway_side bs_api_side = {start, reload, stop};
