/*
 * http_exchange.c - in the stateless revision a client that goes away ends what it asked for; in a
 * session it does not, and says so with a notification if it means that.
 */
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "mcp/http_inside.h"

struct bs_http_exchange *
bs_http_exchange_new(struct bs_http *http,
                     struct bs_http_cred *cred,
                     struct bs_http_session *session,
                     json_t *message)
{
    struct bs_http_exchange *x = bs_malloc(sizeof(*x));

    x->http = http;
    x->cred = cred;
    x->session = session;
    x->message = message;
    x->peer =
        session != NULL ? bs_http_session_peer(session) : bs_mcp_peer_new(bs_http_cred_actor(cred));
    atomic_init(&x->held, 1);
    return x;
}

void
bs_http_exchange_let_go(struct bs_http_exchange *x)
{
    if (atomic_fetch_sub(&x->held, 1) != 1)
        return;
    if (x->listens)
        bs_http_session_unlisten(x->session);
    if (x->session == NULL)
        bs_mcp_peer_free(&x->peer);
    else
        bs_http_sessions_leave(x->http->sessions, x->session);
    json_decref(x->message);
    bs_http_creds_leave(x->http->creds, x->cred);
    free(x);
}

static bool
lose(void *ctx, const json_t *message)
{
    (void)ctx;
    (void)message;
    return true;
}

json_t *
bs_http_exchange_run(struct bs_http_exchange *x)
{
    const struct bs_mcp_sink sink = {.send = lose};

    return bs_mcp_handle(x->peer, x->message, &sink);
}

static bool
put(void *ctx, const json_t *message)
{
    return bs_http_stream_put(ctx, message);
}

static void *
run(void *arg)
{
    struct bs_http_exchange *x = arg;
    struct bs_http *http = x->http;
    const struct bs_mcp_sink sink = {.ctx = x->stream, .send = put};

    bs_http_stream_end(x->stream, bs_mcp_handle(x->peer, x->message, &sink));
    bs_http_stream_let_go(x->stream);
    bs_http_exchange_let_go(x);
    OPENSSL_thread_stop(); /* the process may end before this thread has */
    (void)atomic_fetch_sub(&http->threads, 1);
    return NULL;
}

void
bs_http_exchange_start(struct bs_http_exchange *x)
{
    pthread_attr_t detached;
    pthread_t thread;

    x->stream = bs_http_stream_new();
    (void)atomic_fetch_add(&x->held, 1);
    (void)atomic_fetch_add(&x->http->threads, 1);
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, run, x) != 0) /* then this one has to do */
        (void)run(x);
    (void)pthread_attr_destroy(&detached);
}

void
bs_http_exchange_hang_up(struct bs_http_exchange *x)
{
    if (x->stream != NULL)
        bs_http_stream_leave(x->stream);
    if (x->session == NULL)
        bs_mcp_peer_stop(x->peer);
}

static bool
goes_on(void *ctx)
{
    const struct bs_http_exchange *x = ctx;

    return !atomic_load(&x->http->stopping) && !bs_http_cred_is_refused(x->cred) &&
           (x->session == NULL || !bs_http_session_has_ended(x->session));
}

ssize_t
bs_http_exchange_read(struct bs_http_exchange *x, char *out, size_t room)
{
    return bs_http_stream_read(x->stream, out, room, goes_on, x);
}
