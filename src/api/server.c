/*
 * server.c - libmicrohttpd on a loopback address; every request is answered whole.
 */
#include "api/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "api/routes.h"
#include "base/log.h"
#include "policy/config.h"

#define BODY_MAX    65536 /* bytes of a request's body */
#define ARENA_MAX   (256u << 20)
#define CONNECTIONS 256
#define TIMEOUT_S   30
#define THREADS     2

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct server {
    struct bs_gateway *gateway;
    struct MHD_Daemon *daemon;
};

/* One request while its body arrives. */
struct arriving {
    struct bs_buf body;
};

/* `text` is freed; NULL: there was no room for it. */
static enum MHD_Result
send_text(struct MHD_Connection *c, int status, const char *type, char *text)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (text == NULL)
        return MHD_NO;
    response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type", type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (status == 401)
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    result = MHD_queue_response(c, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
send_json(struct MHD_Connection *c, int status, const json_t *body)
{
    return send_text(c, status, status < 400 ? "application/json" : "application/problem+json",
                     body == NULL ? bs_strdup("") : json_dumps(body, JSON_COMPACT));
}

static const char *
query_parameter(void *ctx, const char *name)
{
    return MHD_lookup_connection_value(ctx, MHD_GET_ARGUMENT_KIND, name);
}

static const char *
bearer_token(struct MHD_Connection *c)
{
    const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");

    return value != NULL && strncmp(value, "Bearer ", 7) == 0 ? value + 7 : NULL;
}

static enum MHD_Result
serve(struct server *server,
      struct MHD_Connection *c,
      const char *method,
      const char *path,
      struct bs_bytes body)
{
    struct bs_arena arena;
    struct bs_answer answer;
    struct bs_request request = {
        .gateway = server->gateway,
        .method = method,
        .path = path,
        .token = bearer_token(c),
        .body = body,
        .query = query_parameter,
        .ctx = c,
        .arena = &arena,
    };
    enum MHD_Result result;

    bs_arena_init(&arena, "request", ARENA_MAX);
    bs_routes_serve(&request, &answer);
    if (answer.text != NULL)
        result = send_text(c, answer.status, METRICS_TYPE, bs_strdup(answer.text));
    else
        result = send_json(c, answer.status, answer.body);
    json_decref(answer.body);
    bs_arena_fini(&arena);
    return result;
}

static enum MHD_Result
too_large(struct MHD_Connection *c)
{
    json_t *body = json_pack("{s:s, s:i, s:s}", "title", "the body is too large", "status", 413,
                             "code", "LIMIT");
    enum MHD_Result result = send_json(c, 413, body);

    json_decref(body);
    return result;
}

static enum MHD_Result
on_request(void *cls,
           struct MHD_Connection *c,
           const char *url,
           const char *method,
           const char *version,
           const char *data,
           size_t *n,
           void **ctx)
{
    struct arriving *a = *ctx;

    (void)version;
    if (a == NULL) {
        a = bs_malloc(sizeof(*a));
        bs_buf_init(&a->body, BODY_MAX);
        *ctx = a;
        return MHD_YES;
    }
    if (*n != 0) {
        bs_put_bytes(&a->body, (struct bs_bytes){(const uint8_t *)data, *n});
        *n = 0;
        return MHD_YES;
    }
    if (a->body.failed)
        return too_large(c);
    return serve(cls, c, method, url, bs_buf_view(&a->body));
}

static void
on_completed(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_RequestTerminationCode code)
{
    struct arriving *a = *ctx;

    (void)cls;
    (void)c;
    (void)code;
    if (a != NULL)
        bs_buf_fini(&a->body);
    free(a);
    *ctx = NULL;
}

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

static enum bs_done
start(struct bs_gateway *g, void **self, struct bs_err *err)
{
    const struct bs_config_listen *where = &g->config->operators;
    struct server *server;
    int fd = -1;

    if (open_listener(where, &fd, err) != BS_DONE)
        return BS_FAILED;
    server = bs_malloc(sizeof(*server));
    server->gateway = g;
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)TIMEOUT_S, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_END);
    if (server->daemon == NULL) {
        close(fd);
        free(server);
        return BS_FAIL(err, UNAVAILABLE, "operators: the HTTP server cannot start");
    }
    BS_LOG(INFO, "listening", BS_F_STR("host", where->host), BS_F_INT("port", where->port),
           BS_F_STR("for", "operators"));
    *self = server;
    return BS_DONE;
}

static void
stop(void *self)
{
    struct server *server = self;

    if (server == NULL)
        return;
    MHD_stop_daemon(server->daemon);
    free(server);
}

const struct bs_gateway_side bs_api_side = {start, stop};
