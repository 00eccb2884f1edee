/*
 * cancel.c - one table under one lock: cancels are rare, and every entry is compared so that the
 * time tells nothing about where in it a secret is.
 */
#include "gateway/cancel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/conninfo.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/running.h"
#include "gateway/worker.h"
#include "wire/startup.h"
#include "wire/tls.h"

#define SEND_TIMEOUT_MS 10000

struct bs_cancel_entry {
    uint32_t pid;
    uint8_t secret[BS_SECRET_MAX];
    size_t secret_len;
    char id[BS_ULID_TEXT];
    struct bs_worker *worker;
    struct bs_cancel_entry *next, *prev;
};

struct bs_cancels {
    pthread_mutex_t lock;
    struct bs_cancel_entry *first;
};

struct bs_cancels *
bs_cancels_new(void)
{
    struct bs_cancels *c = bs_malloc(sizeof(*c));

    bs_assert(pthread_mutex_init(&c->lock, NULL) == 0);
    return c;
}

void
bs_cancels_free(struct bs_cancels **cp)
{
    struct bs_cancels *c = *cp;

    *cp = NULL;
    if (c == NULL)
        return;
    while (c->first != NULL) {
        struct bs_cancel_entry *next = c->first->next;
        free(c->first);
        c->first = next;
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void
bs_cancels_add(struct bs_cancels *c, struct bs_session *s)
{
    struct bs_cancel_entry *e = bs_malloc(sizeof(*e));

    bs_assert(s->secret_len != 0);
    bs_random(s->secret, s->secret_len);
    e->pid = s->server_pid;
    memcpy(e->secret, s->secret, s->secret_len);
    e->secret_len = s->secret_len;
    memcpy(e->id, s->id, sizeof(e->id));
    e->worker = s->worker;
    s->cancel = e;
    pthread_mutex_lock(&c->lock);
    e->next = c->first;
    if (e->next != NULL)
        e->next->prev = e;
    c->first = e;
    pthread_mutex_unlock(&c->lock);
}

void
bs_cancels_remove(struct bs_cancels *c, struct bs_session *s)
{
    struct bs_cancel_entry *e = s->cancel;

    if (e == NULL)
        return;
    s->cancel = NULL;
    pthread_mutex_lock(&c->lock);
    if (e->next != NULL)
        e->next->prev = e->prev;
    if (e->prev != NULL)
        e->prev->next = e->next;
    else
        c->first = e->next;
    pthread_mutex_unlock(&c->lock);
    bs_wipe(e, sizeof(*e));
    free(e);
}

/* A CancelRequest on its way to the session that it is for, and back to the one that brought it. */
struct errand {
    char to[BS_ULID_TEXT];
    char from[BS_ULID_TEXT];
    struct bs_worker *worker; /* of `from` */
    void (*then)(struct bs_session *from);
};

/* Either may have ended meanwhile. */
static void
answer(struct bs_worker *w, void *arg)
{
    struct errand *e = arg;
    struct bs_session *s = bs_worker_session(w, e->from);

    if (s != NULL)
        e->then(s);
    free(e);
}

static void
deliver(struct bs_worker *w, void *arg)
{
    struct errand *e = arg;
    struct bs_session *s = bs_worker_session(w, e->to);

    if (s != NULL) {
        bs_session_ref(s);
        if (s->phase == BS_PHASE_RELAY)
            bs_relay_on_cancel(s);
        bs_session_pump(s);
        bs_session_unref(s);
    }
    bs_worker_post(e->worker, answer, e);
}

static struct errand *
new_errand(const struct bs_cancel_entry *to,
           const struct bs_session *from,
           void (*then)(struct bs_session *from))
{
    struct errand *e = bs_malloc(sizeof(*e));

    memcpy(e->to, to->id, sizeof(e->to));
    memcpy(e->from, from->id, sizeof(e->from));
    e->worker = from->worker;
    e->then = then;
    return e;
}

bool
bs_cancels_request(struct bs_cancels *c,
                   uint32_t pid,
                   struct bs_bytes secret,
                   const struct bs_session *from,
                   void (*then)(struct bs_session *from))
{
    const struct bs_cancel_entry *found = NULL;

    pthread_mutex_lock(&c->lock);
    for (const struct bs_cancel_entry *e = c->first; e != NULL; e = e->next) {
        struct bs_bytes own = {e->secret, e->secret_len};
        if (bs_bytes_equal_secret(own, secret) && e->pid == pid)
            found = e;
    }
    if (found != NULL)
        bs_worker_post(found->worker, deliver, new_errand(found, from, then));
    pthread_mutex_unlock(&c->lock);
    return found != NULL;
}

/* --- towards the server -------------------------------------------------------------------- */

/* A CancelRequest on its way; everything it needs, so that the session may end meanwhile. */
struct request {
    struct sockaddr_storage at;
    socklen_t len;
    uint32_t pid;
    uint8_t secret[BS_STARTUP_SECRET_MAX];
    size_t secret_len;
    struct bs_tls_ctx *tls; /* NULL: plain, as the session itself */
    bool direct;            /* TLS from the first byte */
    const char *host;       /* lives as long as the gateway */
    char database[64];
    void (*then)(struct bs_relay *r, void *arg); /* NULL: nobody waits for it */
};

static enum bs_done
wait_for(int fd, short events, struct bs_err *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    int got;

    do
        got = poll(&p, 1, SEND_TIMEOUT_MS);
    while (got < 0 && errno == EINTR);
    return got > 0 ? BS_DONE : BS_FAIL(err, IO, "no answer in time");
}

static enum bs_done
send_all(int fd, struct bs_buf *b, struct bs_err *err)
{
    while (b->n > 0) {
        ssize_t n;
        if (wait_for(fd, POLLOUT, err) == BS_FAILED)
            return BS_FAILED;
        n = send(fd, b->p, b->n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return BS_FAIL(err, IO, "send: %s", strerror(errno));
        if (n > 0)
            bs_buf_drop(b, (size_t)n);
    }
    return BS_DONE;
}

/* At least one byte, or the end of the stream (*n == 0). */
static enum bs_done
receive_some(int fd, uint8_t *to, size_t room, size_t *n, struct bs_err *err)
{
    ssize_t got;

    do {
        if (wait_for(fd, POLLIN, err) == BS_FAILED)
            return BS_FAILED;
        got = recv(fd, to, room, 0);
    } while (got < 0 && (errno == EAGAIN || errno == EINTR));
    if (got < 0)
        return BS_FAIL(err, IO, "receive: %s", strerror(errno));
    *n = (size_t)got;
    return BS_DONE;
}

static enum bs_done
shake_hands(int fd, struct bs_tls *tls, struct bs_buf *out, struct bs_err *err)
{
    uint8_t records[4096];
    struct bs_buf plain;
    bool more;
    enum bs_done done = BS_DONE;

    bs_buf_init(&plain, 1024); /* a server says nothing before it has the request */
    while (done == BS_DONE) {
        size_t n = 0;
        done = bs_tls_read(tls, &plain, &more, err);
        bs_tls_drain(tls, out);
        if (send_all(fd, out, err) == BS_FAILED)
            done = BS_FAILED;
        if (done == BS_FAILED || bs_tls_state(tls) == BS_TLS_OPEN)
            break;
        done = receive_some(fd, records, sizeof(records), &n, err);
        if (done == BS_DONE && n == 0)
            done = BS_FAIL(err, IO, "the server closed the connection");
        if (done == BS_DONE)
            done = bs_tls_feed(tls, (struct bs_bytes){records, n}, err);
    }
    bs_buf_fini(&plain);
    return done;
}

static enum bs_done
ask_for_tls(int fd, struct bs_buf *out, struct bs_err *err)
{
    uint8_t answer = 0;
    size_t n = 0;

    bs_startup_put_ssl(out);
    if (send_all(fd, out, err) == BS_FAILED || receive_some(fd, &answer, 1, &n, err) == BS_FAILED)
        return BS_FAILED;
    if (n == 1 && answer == 'S')
        return BS_DONE;
    return BS_FAIL(err, PROTOCOL, "the server does not do TLS for a cancel request");
}

/* The secret goes the way the session's own bytes go: encrypted where those are. */
static enum bs_done
send_encrypted(int fd, const struct request *r, struct bs_buf *out, struct bs_err *err)
{
    struct bs_buf packet;
    struct bs_tls *tls = NULL;
    enum bs_done done = BS_FAILED;

    bs_buf_init(&packet, BS_STARTUP_SECRET_MAX + 64);
    if (!r->direct && ask_for_tls(fd, out, err) == BS_FAILED)
        goto out;
    if (bs_tls_new(r->tls, r->host, &tls, err) == BS_FAILED ||
        shake_hands(fd, tls, out, err) == BS_FAILED)
        goto out;
    if (r->direct && !bs_tls_is_postgresql(tls)) {
        (void)BS_FAIL(err, PROTOCOL, "direct TLS was answered without ALPN \"postgresql\"");
        goto out;
    }
    bs_startup_put_cancel(&packet, r->pid, (struct bs_bytes){r->secret, r->secret_len});
    if (bs_tls_write(tls, bs_buf_view(&packet), err) == BS_FAILED)
        goto out;
    bs_tls_drain(tls, out);
    done = send_all(fd, out, err);
out:
    bs_buf_fini(&packet);
    bs_tls_free(&tls);
    return done;
}

static enum bs_done
exchange(int fd, const struct request *r, struct bs_err *err)
{
    struct bs_buf out;
    uint8_t byte;
    size_t n = 0;
    enum bs_done done;

    bs_buf_init(&out, 64 * 1024);
    if (connect(fd, (const struct sockaddr *)&r->at, r->len) != 0 && errno != EINPROGRESS) {
        done = BS_FAIL(err, IO, "connect: %s", strerror(errno));
    } else if (r->tls != NULL) {
        done = send_encrypted(fd, r, &out, err);
    } else {
        bs_startup_put_cancel(&out, r->pid, (struct bs_bytes){r->secret, r->secret_len});
        done = send_all(fd, &out, err);
    }
    /* The server closes once it has passed the signal on. */
    if (done == BS_DONE)
        done = receive_some(fd, &byte, 1, &n, err);
    bs_buf_fini(&out);
    return done;
}

static void
send_request(void *arg)
{
    struct request *r = arg;
    struct bs_err err = {0};
    int fd = socket(r->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        (void)BS_FAIL(&err, IO, "socket: %s", strerror(errno));
    else
        (void)!exchange(fd, r, &err);
    if (fd >= 0)
        (void)close(fd);
    if (err.code != BS_OK)
        BS_LOG(WARNING, "cancel request not delivered", BS_F_STR("database", r->database),
               BS_F_STR("reason", err.message));
}

/*
 * The server has had the signal; ReadyForQuery has waited, lest the next statement be hit by it, and
 * by one more.
 */
static void
cancelled(struct bs_relay *r, void *arg)
{
    struct bs_session *s = r->s;
    bool again = s->cancel_again && !s->cancel_over && !bs_relay_quiet(r);

    (void)arg;
    s->cancelling = s->cancel_again = s->cancel_over = false;
    if (again)
        bs_cancel_upstream(s);
    else
        bs_answers_pump(r);
}

static void
request_done(struct bs_session *s, bool current, void *arg)
{
    const struct request *r = arg;

    if (current)
        bs_relay_act(s, r->then != NULL ? r->then : cancelled, NULL);
    bs_wipe(arg, sizeof(struct request));
    free(arg);
}

/*
 * One at a time, and one more behind it however often it is asked for: whoever floods us with the
 * key of its own session takes one job thread, not all of them, and not the server's time either.
 */
void
bs_cancel_upstream(struct bs_session *s)
{
    if (s->cancelling)
        s->cancel_again = true;
    else
        s->cancelling = bs_cancel_upstream_then(s, NULL);
}

bool
bs_cancel_upstream_then(struct bs_session *s, void (*then)(struct bs_relay *r, void *arg))
{
    struct request *r;

    if (!bs_link_is_open(&s->server) || s->server_secret_len == 0)
        return false;
    r = bs_malloc(sizeof(*r));
    r->len = sizeof(r->at);
    if (getpeername(s->server.fd, (struct sockaddr *)&r->at, &r->len) != 0) {
        free(r);
        return false;
    }
    r->pid = s->server_pid;
    memcpy(r->secret, s->server_secret, s->server_secret_len);
    r->secret_len = s->server_secret_len;
    r->tls = s->server.tls != NULL ? atomic_load(&s->gateway->upstream_tls)[s->database_at] : NULL;
    r->direct = s->gateway->upstreams[s->database_at].direct;
    r->host = s->server_host;
    r->then = then;
    (void)snprintf(r->database, sizeof(r->database), "%s", s->database);
    bs_worker_job(s->worker, s, send_request, request_done, r);
    return true;
}
