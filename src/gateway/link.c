/*
 * link.c - recv and send on the descriptor, TLS in between where there is some.
 *
 * TCP_USER_TIMEOUT only where it is asked for: it also counts while the far side's window is
 * closed, and a client that looks at its rows slowly is not a dead one. Keepalive finds those.
 */
#include "gateway/link.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arena.h"
#include "wire/tls.h"

#define CHUNK      ((size_t)64 * 1024) /* of one recv */
#define SPARES_MAX 32
#define TRIM_ABOVE ((size_t)256)

/* Buffers of CHUNK bytes that nobody uses now: sessions borrow one only while bytes are in flight. */
static _Thread_local struct {
    uint8_t *p[SPARES_MAX];
    size_t n;
} spares;

void
bs_link_thread_fini(void)
{
    while (spares.n > 0)
        free(spares.p[--spares.n]);
}

static void
borrow(struct bs_buf *b)
{
    if (b->p != NULL || spares.n == 0 || b->max < CHUNK)
        return;
    b->p = spares.p[--spares.n];
    b->cap = CHUNK;
}

static void
give_back(struct bs_buf *b)
{
    if (b->p == NULL || b->n != 0 || b->cap <= TRIM_ABOVE)
        return;
    if (b->cap == CHUNK && spares.n < SPARES_MAX)
        spares.p[spares.n++] = b->p;
    else
        free(b->p);
    b->p = NULL;
    b->cap = 0;
}

void
bs_link_trim(struct bs_link *l)
{
    give_back(&l->in);
    give_back(&l->out);
    give_back(&l->wire);
}

/* --- open and close ------------------------------------------------------------------------ */

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    struct bs_link *l = poll->data;
    int seen = 0;

    if (l == NULL)
        return;
    if (status < 0) { /* libuv has stopped watching; the next read or write tells what it is */
        l->armed = 0;
        l->hung_up = true;
        seen = BS_LINK_HANGUP | BS_LINK_READABLE;
    }
    if ((events & UV_READABLE) != 0)
        seen |= BS_LINK_READABLE;
    if ((events & UV_WRITABLE) != 0)
        seen |= BS_LINK_WRITABLE;
    if ((events & UV_DISCONNECT) != 0) {
        l->hung_up = true;
        seen |= BS_LINK_HANGUP;
    }
    l->on_event(l, seen);
}

static bool
is_tcp(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);

    return getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.ss_family != AF_UNIX;
}

static void
set_number(int fd, int option, unsigned value)
{
    int number = (int)value;

    if (value != 0 && value <= INT_MAX)
        (void)setsockopt(fd, IPPROTO_TCP, option, &number, sizeof(number));
}

void
bs_link_keep_alive(struct bs_link *l, const struct bs_keep_alive *k)
{
    int on = !k->off;

    if (!is_tcp(l->fd))
        return;
    (void)setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_KEEPIDLE
    set_number(l->fd, TCP_KEEPIDLE, k->idle_s);
#endif
    set_number(l->fd, TCP_KEEPINTVL, k->interval_s);
    set_number(l->fd, TCP_KEEPCNT, k->count);
#ifdef TCP_USER_TIMEOUT
    set_number(l->fd, TCP_USER_TIMEOUT, k->user_timeout_ms);
#endif
}

enum bs_done
bs_link_open(struct bs_link *l,
             uv_loop_t *loop,
             int fd,
             size_t in_max,
             size_t out_max,
             bs_link_fn *on_event,
             void *owner,
             struct bs_err *err)
{
    uv_poll_t *poll = bs_malloc(sizeof(*poll));
    int on = 1;

    *l = (struct bs_link){.fd = -1, .on_event = on_event, .owner = owner};
    if (is_tcp(fd))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (uv_poll_init(loop, poll, fd) != 0) { /* also makes it non-blocking */
        free(poll);
        (void)close(fd);
        return BS_FAIL(err, IO, "cannot watch a socket");
    }
    poll->data = l;
    l->poll = poll;
    l->fd = fd;
    bs_buf_init(&l->in, in_max);
    bs_buf_init(&l->out, out_max);
    bs_buf_init(&l->wire, out_max);
    return BS_DONE;
}

bool
bs_link_is_open(const struct bs_link *l)
{
    return l->poll != NULL;
}

static void
free_poll(uv_handle_t *poll)
{
    free(poll);
}

/* Buffers may hold a password or a row. */
static void
wipe_buf(struct bs_buf *b)
{
    if (b->p != NULL)
        bs_wipe(b->p, b->n);
    bs_buf_fini(b);
}

void
bs_link_close(struct bs_link *l)
{
    if (l->poll == NULL)
        return;
    l->poll->data = NULL;
    uv_close((uv_handle_t *)l->poll, free_poll);
    l->poll = NULL;
    (void)close(l->fd);
    l->fd = -1;
    bs_tls_free(&l->tls);
    wipe_buf(&l->in);
    wipe_buf(&l->out);
    wipe_buf(&l->wire);
}

/* --- TLS ----------------------------------------------------------------------------------- */

/* Records in, plain bytes out; a handshake moves on. */
static enum bs_done
decrypt(struct bs_link *l, struct bs_bytes records, struct bs_err *err)
{
    bool more = false;
    enum bs_done done;

    if (bs_tls_feed(l->tls, records, err) == BS_FAILED)
        return BS_FAILED;
    borrow(&l->in);
    done = bs_tls_read(l->tls, &l->in, &more, err);
    bs_tls_drain(l->tls, &l->wire);
    if (done == BS_DONE && more)
        return BS_FAIL(err, LIMIT, "a message is longer than the buffer for it");
    return done;
}

enum bs_done
bs_link_start_tls(struct bs_link *l, struct bs_tls_ctx *ctx, const char *host, struct bs_err *err)
{
    struct bs_buf records = l->in;
    enum bs_done done;

    if (bs_tls_new(ctx, host, &l->tls, err) == BS_FAILED)
        return BS_FAILED;
    bs_buf_init(&l->in, records.max);
    done = decrypt(l, bs_buf_view(&records), err);
    bs_buf_fini(&records);
    return done;
}

bool
bs_link_tls_open(const struct bs_link *l)
{
    enum bs_tls_state state = l->tls == NULL ? BS_TLS_HANDSHAKE : bs_tls_state(l->tls);

    return state == BS_TLS_OPEN || state == BS_TLS_CLOSED;
}

/* --- reading ------------------------------------------------------------------------------- */

/* recv with its answers sorted; *n is set on GOT. */
static enum bs_link_got
receive(struct bs_link *l, uint8_t *at, size_t room, size_t *n, struct bs_err *err)
{
    ssize_t got;

    do
        got = recv(l->fd, at, room, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *n = (size_t)got;
        return BS_LINK_GOT;
    }
    if (got == 0) {
        l->eof = true;
        return BS_LINK_EOF;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return BS_LINK_AGAIN;
    l->broken = l->eof = true;
    (void)BS_FAIL(err, IO, "receive: %s", strerror(errno));
    return BS_LINK_ERROR;
}

static enum bs_link_got
read_tls(struct bs_link *l, struct bs_err *err)
{
    uint8_t records[CHUNK];
    size_t before = l->in.n, n = 0;
    enum bs_link_got got = receive(l, records, sizeof(records), &n, err);

    if (got != BS_LINK_GOT)
        return got;
    if (l->deaf)
        return BS_LINK_AGAIN;
    if (decrypt(l, (struct bs_bytes){records, n}, err) == BS_FAILED) {
        struct bs_err ignored = {0};
        (void)!bs_link_write(l, &ignored); /* the alert tells the far side why */
        l->broken = l->deaf = true;
        return BS_LINK_ERROR;
    }
    l->bytes_in += l->in.n - before;
    if (l->in.n != before)
        return BS_LINK_GOT;
    if (bs_tls_state(l->tls) != BS_TLS_CLOSED)
        return BS_LINK_AGAIN;
    l->eof = true;
    return BS_LINK_EOF;
}

static enum bs_link_got
read_plain(struct bs_link *l, struct bs_err *err)
{
    size_t room, n = 0;
    enum bs_link_got got;
    uint8_t *at;

    borrow(&l->in);
    /* What is left of the buffer, so that a piece of a message at its end does not double it. */
    room = l->in.cap - l->in.n;
    if (room < CHUNK / 8)
        room = CHUNK;
    if (room > l->in.max - l->in.n)
        room = l->in.max - l->in.n;
    if (room == 0) {
        (void)BS_FAIL(err, LIMIT, "a message is longer than the buffer for it");
        return BS_LINK_ERROR;
    }
    at = bs_buf_room(&l->in, room);
    got = receive(l, at, room, &n, err);
    l->in.n += n;
    l->bytes_in += n;
    return got;
}

enum bs_link_got
bs_link_read(struct bs_link *l, struct bs_err *err)
{
    if (l->poll == NULL || l->eof)
        return BS_LINK_EOF;
    return l->tls != NULL ? read_tls(l, err) : read_plain(l, err);
}

/* --- writing ------------------------------------------------------------------------------- */

/* What is meant for a broken connection is forgotten, so that nothing waits for it. */
static bool
is_broken(struct bs_link *l, struct bs_err *err)
{
    if (l->poll != NULL && !l->broken)
        return false;
    bs_buf_clear(&l->out);
    bs_buf_clear(&l->wire);
    (void)BS_FAIL(err, IO, "the connection is broken");
    return true;
}

/* One send of both, of which the first may be empty; *n bytes were taken, perhaps none. */
static enum bs_done
transmit(struct bs_link *l, struct bs_bytes ahead, struct bs_bytes b, size_t *n, struct bs_err *err)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)ahead.p, ahead.n}, {(void *)(uintptr_t)b.p, b.n}};
    const struct msghdr both = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;

    do
        sent = ahead.n == 0 ? send(l->fd, b.p, b.n, MSG_NOSIGNAL)
                            : sendmsg(l->fd, &both, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    *n = sent < 0 ? 0 : (size_t)sent;
    if (sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK)
        return BS_DONE;
    l->broken = true; /* what the far side said before it went can still be read */
    return BS_FAIL(err, IO, "send: %s", strerror(errno));
}

static enum bs_done
flush(struct bs_link *l, struct bs_buf *b, struct bs_err *err)
{
    size_t n = 0;

    if (b->failed)
        return BS_FAIL(err, LIMIT, "too many bytes wait for a socket");
    if (b->n == 0)
        return BS_DONE;
    if (transmit(l, (struct bs_bytes){NULL, 0}, bs_buf_view(b), &n, err) == BS_FAILED)
        return BS_FAILED;
    bs_buf_drop(b, n);
    return BS_DONE;
}

static enum bs_done
write_tls(struct bs_link *l, struct bs_err *err)
{
    if (l->out.failed)
        return BS_FAIL(err, LIMIT, "too many bytes wait for a socket");
    if (l->out.n > 0 && bs_link_tls_open(l)) {
        if (bs_tls_write(l->tls, bs_buf_view(&l->out), err) == BS_FAILED)
            return BS_FAILED;
        l->bytes_out += l->out.n;
        bs_buf_clear(&l->out);
    }
    bs_tls_drain(l->tls, &l->wire);
    return flush(l, &l->wire, err);
}

enum bs_done
bs_link_write(struct bs_link *l, struct bs_err *err)
{
    size_t before = l->out.n;
    enum bs_done done;

    if (is_broken(l, err))
        return BS_FAILED;
    if (l->tls != NULL)
        return write_tls(l, err);
    done = flush(l, &l->out, err);
    l->bytes_out += before - l->out.n;
    return done;
}

enum bs_done
bs_link_send(struct bs_link *l, struct bs_bytes bytes, struct bs_err *err)
{
    return bs_link_send_two(l, (struct bs_bytes){NULL, 0}, bytes, err);
}

/* The first n bytes of *b were sent, or as many as it has; the rest of n. */
static size_t
sent_of(struct bs_bytes *b, size_t n)
{
    size_t some = n < b->n ? n : b->n;

    if (some != 0)
        *b = (struct bs_bytes){b->p + some, b->n - some};
    return n - some;
}

enum bs_done
bs_link_send_two(struct bs_link *l,
                 struct bs_bytes ahead,
                 struct bs_bytes bytes,
                 struct bs_err *err)
{
    size_t n = 0;

    if (is_broken(l, err))
        return BS_FAILED;
    if (l->tls == NULL && l->out.n == 0 && ahead.n + bytes.n > 0) {
        if (transmit(l, ahead, bytes, &n, err) == BS_FAILED)
            return BS_FAILED;
        l->bytes_out += n;
    }
    n = sent_of(&ahead, n);
    (void)sent_of(&bytes, n);
    bs_put_bytes(&l->out, ahead);
    bs_put_bytes(&l->out, bytes);
    return l->out.failed ? BS_FAIL(err, LIMIT, "too many bytes wait for a socket") : BS_DONE;
}

size_t
bs_link_pending(const struct bs_link *l)
{
    size_t n = l->out.n + l->wire.n;

    return l->tls == NULL ? n : n + bs_tls_pending(l->tls);
}

void
bs_link_say_last(struct bs_link *l)
{
    struct bs_err ignored = {0};

    if (l->poll == NULL || l->said_last)
        return;
    l->said_last = true;
    if (l->tls != NULL) {
        bs_tls_shutdown(l->tls);
        (void)!bs_link_write(l, &ignored);
    }
    (void)shutdown(l->fd, SHUT_WR);
}

/* --- readiness ----------------------------------------------------------------------------- */

/* Bytes that the socket could take now. During a handshake `out` has to wait. */
static bool
wants_to_send(const struct bs_link *l)
{
    if (l->broken)
        return false;
    if (l->tls == NULL)
        return l->out.n > 0;
    return l->wire.n > 0 || bs_tls_pending(l->tls) > 0 || (l->out.n > 0 && bs_link_tls_open(l));
}

void
bs_link_want(struct bs_link *l)
{
    int events = 0;

    if (l->poll == NULL)
        return;
    if (!l->paused && !l->eof)
        events |= UV_READABLE;
    if (wants_to_send(l))
        events |= UV_WRITABLE;
    if (!l->hung_up)
        events |= UV_DISCONNECT;
    if (events == l->armed)
        return;
    if (events == 0)
        (void)uv_poll_stop(l->poll);
    else
        (void)uv_poll_start(l->poll, events, on_poll);
    l->armed = events;
}

void
bs_link_pause(struct bs_link *l)
{
    l->paused = true;
}

void
bs_link_resume(struct bs_link *l)
{
    l->paused = false;
}
