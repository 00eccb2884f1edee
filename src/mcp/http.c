/*
 * http.c - libmicrohttpd with a thread for each connection: a request may last for minutes, and to
 * wait is all it does then.
 *
 * The library's time-out is one of silence, which a byte now and then keeps away. So a thread looks
 * every second which connection takes too long to send a request, or to take an answer, and whose
 * client has gone while it is being answered.
 */
#include "mcp/http.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "gateway/address.h"
#include "mcp/http_inside.h"

#define FIELDS_MAX   32768 /* bytes of a request's line and fields */
#define STACK        (1u << 20)
#define SILENT_S     30
#define TAKING_US    (120 * 1000000LL) /* for an answer that is no stream */
#define LOOK_MS      500
#define STOP_MS      5000
#define PEM_MAX      (1u << 20)
#define STREAM_BLOCK 4096
#define CIPHERS      "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

enum doing {
    ASKING = 0, /* sends a request, or nothing */
    ANSWERED,   /* waits for its answer */
    TAKING,     /* is sent it */
    STREAMING,
};

/* A connection. */
struct line {
    struct line *next, *prev;
    int fd;
    char *client;
    enum doing doing;
    int64_t since_us;
    struct bs_http_exchange *exchange; /* NULL: nothing is handled */
};

struct pem {
    char *cert, *key;
};

struct side {
    struct bs_http http;
    struct MHD_Daemon *daemons[BS_LISTEN_MAX];
    int fds[BS_LISTEN_MAX];
    size_t n;
    struct pem pem;
    pthread_t looker;
    pthread_mutex_t lock; /* of the lines, and of what their requests handle */
    struct line *lines;
};

/* A request while its body arrives. */
struct arriving {
    struct side *side;
    struct line *line;
    struct bs_http_cred *cred; /* NULL: `reply` is the answer, and the body is not kept */
    struct bs_http_reply reply;
    bool nul;       /* in the path */
    bool ambiguous; /* in its fields: nothing behind it on this connection is believed */
    bool begun;
    struct bs_buf body;
};

/* --- connections --------------------------------------------------------------------------- */

static void
do_now(struct side *s, struct line *l, enum doing doing)
{
    (void)pthread_mutex_lock(&s->lock);
    l->doing = doing;
    l->since_us = bs_mono_us();
    (void)pthread_mutex_unlock(&s->lock);
}

static char *
client_of(struct MHD_Connection *c, int fd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof(struct sockaddr_in);

    if (info == NULL)
        return bs_strdup("unknown:0");
    if (info->client_addr->sa_family == AF_INET6)
        n = sizeof(struct sockaddr_in6);
    memcpy(&from, info->client_addr, n);
    return bs_address_of_peer(fd, &from, n);
}

static void
begin_line(struct side *s, struct MHD_Connection *c, void **context)
{
    struct line *l = bs_malloc(sizeof(*l));

    l->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    l->client = client_of(c, l->fd);
    l->since_us = bs_mono_us();
    (void)pthread_mutex_lock(&s->lock);
    l->next = s->lines;
    if (l->next != NULL)
        l->next->prev = l;
    s->lines = l;
    (void)pthread_mutex_unlock(&s->lock);
    *context = l;
}

static void
end_line(struct side *s, void **context)
{
    struct line *l = *context;

    *context = NULL;
    if (l == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        s->lines = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    (void)pthread_mutex_unlock(&s->lock);
    free(l->client);
    free(l);
}

static void
on_connection(void *cls,
              struct MHD_Connection *c,
              void **context,
              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        begin_line(cls, c, context);
    else
        end_line(cls, context);
}

/* With the lock. */
static void
look_at(const struct side *s, struct line *l, int64_t now_us)
{
    int64_t most_us = l->doing == ASKING   ? s->http.config->request_ms * 1000
                      : l->doing == TAKING ? TAKING_US
                                           : INT64_MAX;
    struct pollfd p = {.fd = l->fd, .events = POLLRDHUP};

    if (now_us - l->since_us > most_us)
        (void)shutdown(l->fd, SHUT_RDWR);
    else if (l->exchange != NULL && poll(&p, 1, 0) > 0)
        bs_http_exchange_hang_up(l->exchange);
}

static void *
look(void *arg)
{
    struct side *s = arg;

    while (!atomic_load(&s->http.stopping)) {
        (void)usleep(LOOK_MS * 1000);
        (void)pthread_mutex_lock(&s->lock);
        for (struct line *l = s->lines; l != NULL; l = l->next)
            look_at(s, l, bs_mono_us());
        (void)pthread_mutex_unlock(&s->lock);
        bs_http_sessions_tend(s->http.sessions);
        bs_http_creds_tend(s->http.creds);
    }
    return NULL;
}

/* --- answering ----------------------------------------------------------------------------- */

static void
put_header(struct MHD_Response *r, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        (void)MHD_add_response_header(r, name, value);
}

struct sending {
    struct side *side;
    struct line *line;
    struct bs_http_exchange *exchange;
};

static ssize_t
on_read(void *cls, uint64_t at, char *out, size_t room)
{
    const struct sending *sending = cls;
    ssize_t n = bs_http_exchange_read(sending->exchange, out, room);

    (void)at;
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

/* From here on nobody looks whether its client has gone. */
static void
set_exchange(struct side *s, struct line *l, struct bs_http_exchange *x)
{
    (void)pthread_mutex_lock(&s->lock);
    l->exchange = x;
    (void)pthread_mutex_unlock(&s->lock);
}

static void
on_sent(void *cls)
{
    struct sending *sending = cls;
    struct bs_http_exchange *x = sending->exchange;

    set_exchange(sending->side, sending->line, NULL);
    bs_http_exchange_hang_up(x); /* it ended, or its client did */
    bs_http_stream_let_go(x->stream);
    bs_http_exchange_let_go(x);
    free(sending);
}

static struct MHD_Response *
respond_stream(const struct arriving *a)
{
    struct sending *sending = bs_malloc(sizeof(*sending));
    struct MHD_Response *r;

    *sending = (struct sending){a->side, a->line, a->reply.stream};
    r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, sending,
                                          on_sent);
    if (r == NULL) {
        on_sent(sending);
        return NULL;
    }
    put_header(r, "Content-Type", "text/event-stream");
    put_header(r, "X-Accel-Buffering", "no");
    return r;
}

/* The text becomes the library's. */
static struct MHD_Response *
respond_text(struct bs_http_reply *reply)
{
    size_t n = reply->text == NULL ? 0 : strlen(reply->text);
    struct MHD_Response *r = MHD_create_response_from_buffer(
        n, reply->text, n == 0 ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);

    if (r == NULL)
        return NULL;
    if (n != 0) {
        reply->text = NULL;
        put_header(r, "Content-Type", "application/json");
    }
    return r;
}

static enum MHD_Result
send_reply(struct MHD_Connection *c, struct arriving *a)
{
    struct bs_http_reply *reply = &a->reply;
    bool streams = reply->stream != NULL;
    struct MHD_Response *r;
    enum MHD_Result result;
    char retry[16] = "";

    do_now(a->side, a->line, streams ? STREAMING : TAKING);
    r = streams ? respond_stream(a) : respond_text(reply);
    if (r == NULL)
        return MHD_NO;
    if (reply->retry_s != 0)
        (void)snprintf(retry, sizeof(retry), "%d", reply->retry_s);
    put_header(r, "Cache-Control", "no-store");
    put_header(r, "X-Content-Type-Options", "nosniff");
    put_header(r, "Connection", a->ambiguous ? "close" : NULL);
    put_header(r, "Allow", reply->allow);
    put_header(r, "Retry-After", retry);
    put_header(r, "WWW-Authenticate", reply->challenge);
    put_header(r, BS_HTTP_SESSION, reply->session);
    result = MHD_queue_response(c, (unsigned)reply->status, r);
    MHD_destroy_response(r);
    return result;
}

/* --- asking -------------------------------------------------------------------------------- */

struct asking {
    struct MHD_Connection *connection;
    const struct arriving *arriving;
};

static const char *
header_of(void *ctx, const char *name)
{
    const struct asking *asking = ctx;

    return MHD_lookup_connection_value(asking->connection, MHD_HEADER_KIND, name);
}

static void
on_handles(void *ctx, struct bs_http_exchange *x)
{
    const struct asking *asking = ctx;

    set_exchange(asking->arriving->side, asking->arriving->line, x);
}

static struct bs_http_ask
ask_of(struct asking *asking, const char *method, const char *path)
{
    const struct arriving *a = asking->arriving;

    return (struct bs_http_ask){
        .http = &a->side->http,
        .method = method,
        .path = path,
        .client = a->line->client,
        .header = header_of,
        .handles = on_handles,
        .ctx = asking,
        .body = bs_buf_view(&a->body),
        .body_too_long = a->body.failed,
    };
}

struct fields {
    unsigned host, origin, authorization, length, encoding;
};

static enum MHD_Result
count_field(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct fields *n = cls;

    (void)kind;
    (void)value;
    n->host += strcasecmp(name, "Host") == 0;
    n->origin += strcasecmp(name, "Origin") == 0;
    n->authorization += strcasecmp(name, "Authorization") == 0;
    n->length += strcasecmp(name, "Content-Length") == 0;
    n->encoding += strcasecmp(name, "Transfer-Encoding") == 0;
    return MHD_YES;
}

/* Whoever is between us and the client may go by another of two, or end the body elsewhere. */
static bool
is_ambiguous(struct MHD_Connection *c)
{
    struct fields n = {0};

    (void)MHD_get_connection_values(c, MHD_HEADER_KIND, count_field, &n);
    return n.host > 1 || n.origin > 1 || n.authorization > 1 || n.length + n.encoding > 1;
}

/* The line and the fields are here. */
static void
begin(struct MHD_Connection *c, const char *method, const char *path, struct arriving *a)
{
    struct asking asking = {c, a};
    struct bs_http_ask q;

    a->begun = true;
    a->line = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    a->ambiguous = is_ambiguous(c);
    q = ask_of(&asking, method, path);
    if (a->nul)
        bs_http_refuse(&a->reply, 400, "there is a NUL in the path");
    else if (a->ambiguous)
        bs_http_refuse(&a->reply, 400, "a field that counts once is there twice");
    else
        a->cred = bs_http_admit(&q, &a->reply);
}

/* All of it is here. The library would count the time that we need as the client's silence. */
static enum MHD_Result
serve(struct MHD_Connection *c, const char *method, const char *path, struct arriving *a)
{
    struct asking asking = {c, a};
    struct bs_http_ask q = ask_of(&asking, method, path);
    struct bs_http_cred *cred = a->cred;

    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    do_now(a->side, a->line, ANSWERED);
    a->cred = NULL;
    if (cred != NULL)
        bs_http_serve(&q, cred, &a->reply);
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)SILENT_S);
    return send_reply(c, a);
}

/* --- the library's callbacks --------------------------------------------------------------- */

/* Called first, with the request's target as it came. */
static void *
on_target(void *cls, const char *uri, struct MHD_Connection *c)
{
    struct arriving *a = bs_malloc(sizeof(*a));

    (void)c;
    a->side = cls;
    a->nul = strstr(uri, "%00") != NULL;
    bs_buf_init(&a->body, BS_MCP_MESSAGE_MAX);
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

    (void)cls;
    (void)version;
    if (!a->begun) {
        begin(c, method, path, a);
        return MHD_YES;
    }
    if (*n == 0)
        return serve(c, method, path, a);
    if (a->cred != NULL) /* else all of it is read, and nothing kept */
        bs_put_bytes(&a->body, (struct bs_bytes){(const uint8_t *)data, *n});
    *n = 0;
    return MHD_YES;
}

static void
on_completed(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_RequestTerminationCode code)
{
    struct side *s = cls;
    struct arriving *a = *ctx;

    (void)c;
    (void)code;
    if (a == NULL)
        return;
    if (a->cred != NULL) /* its body never came */
        bs_http_creds_leave(s->http.creds, a->cred);
    if (a->line != NULL)
        do_now(s, a->line, ASKING);
    bs_http_reply_fini(&a->reply);
    bs_buf_fini(&a->body);
    free(a);
    *ctx = NULL;
}

/* --- the listener -------------------------------------------------------------------------- */

static enum bs_done
read_pem(const char *path, char **out, struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done;

    if (path == NULL)
        return BS_DONE;
    bs_buf_init(&text, PEM_MAX);
    done = bs_file_read(path, &text, err);
    if (done == BS_DONE) {
        *out = bs_malloc(text.n + 1);
        memcpy(*out, text.p, text.n);
        bs_wipe(text.p, text.n);
    } else {
        bs_err_prefix(err, "agents_http.tls");
    }
    bs_buf_fini(&text);
    return done;
}

static void
wipe_pem(struct pem *pem)
{
    if (pem->key != NULL)
        bs_wipe(pem->key, strlen(pem->key));
    free(pem->key);
    free(pem->cert);
    *pem = (struct pem){0};
}

static struct MHD_Daemon *
start_daemon(struct side *s, int fd)
{
    const struct bs_config_agents_http *c = s->http.config;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, s->pem.cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, s->pem.key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)CIPHERS},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;

    if (s->pem.cert == NULL)
        tls[0] = tls[3];
    else
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)FIELDS_MAX, MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)c->per_address, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SILENT_S, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
}

static enum bs_done
listen_on(struct side *s, struct bs_err *err)
{
    const struct bs_config_agents_http *c = s->http.config;
    size_t n = 0;

    if (bs_listen_open(&c->listen, s->fds, &n, err) != BS_DONE) {
        bs_err_prefix(err, "agents_http");
        return BS_FAILED;
    }
    for (; s->n < n; s->n++) {
        char *text = bs_address_of_socket(s->fds[s->n]);
        s->daemons[s->n] = start_daemon(s, s->fds[s->n]);
        if (s->daemons[s->n] != NULL)
            BS_LOG(INFO, "listening", BS_F_STR("address", text), BS_F_STR("for", "agents' HTTP"));
        free(text);
        if (s->daemons[s->n] == NULL) {
            for (size_t i = s->n; i < n; i++)
                (void)close(s->fds[i]);
            return BS_FAIL(err, UNAVAILABLE, "agents_http: the HTTP server cannot start");
        }
    }
    return BS_DONE;
}

/* What is being answered ends, in its own thread. */
static void
hang_up_all(struct side *s)
{
    (void)pthread_mutex_lock(&s->lock);
    for (struct line *l = s->lines; l != NULL; l = l->next) {
        if (l->exchange != NULL)
            bs_http_exchange_hang_up(l->exchange);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void
end(struct side *s)
{
    int64_t until_us = bs_mono_us() + STOP_MS * 1000LL;
    bool told = false;

    atomic_store(&s->http.stopping, true);
    for (size_t i = 0; i < s->n; i++) {
        if (MHD_quiesce_daemon(s->daemons[i]) != MHD_INVALID_SOCKET)
            (void)close(s->fds[i]);
    }
    bs_http_sessions_end_all(s->http.sessions);
    hang_up_all(s);
    for (size_t i = 0; i < s->n; i++)
        MHD_stop_daemon(s->daemons[i]);
    while (atomic_load(&s->http.threads) != 0) {
        if (!told && bs_mono_us() > until_us) {
            BS_LOG(WARNING, "a request of an agent does not end", {NULL, NULL, 0});
            told = true;
        }
        (void)usleep(10 * 1000);
    }
}

static void
stop(void *self)
{
    struct side *s = self;

    if (s == NULL)
        return;
    end(s);
    (void)pthread_join(s->looker, NULL);
    bs_http_sessions_free(&s->http.sessions);
    bs_http_creds_free(&s->http.creds);
    bs_mcp_free(&s->http.mcp);
    (void)pthread_mutex_destroy(&s->lock);
    wipe_pem(&s->pem);
    free(s);
}

static enum bs_done
start(struct bs_gateway *g, void **self, struct bs_err *err)
{
    const struct bs_config_agents_http *c = &g->config->agents_http;
    struct side *s;
    enum bs_done done;

    *self = NULL;
    if (c->listen.host == NULL)
        return BS_DONE;
    s = bs_malloc(sizeof(*s));
    s->http.config = c;
    s->http.mcp = bs_mcp_new(&(struct bs_mcp_options){0});
    s->http.creds = bs_http_creds_new(g, s->http.mcp, (unsigned)c->connections);
    s->http.sessions = bs_http_sessions_new(s->http.creds, c->session_idle_ms);
    bs_assert(pthread_mutex_init(&s->lock, NULL) == 0 &&
              pthread_create(&s->looker, NULL, look, s) == 0);
    done = read_pem(c->tls_cert, &s->pem.cert, err);
    if (done == BS_DONE)
        done = read_pem(c->tls_key, &s->pem.key, err);
    if (done == BS_DONE)
        done = listen_on(s, err);
    if (done == BS_DONE)
        *self = s;
    else
        stop(s);
    return done;
}

const struct bs_gateway_side bs_mcp_http_side = {start, NULL, stop};
