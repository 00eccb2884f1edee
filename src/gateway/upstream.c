/*
 * upstream.c - addresses are tried in order, each first the way sslmode prefers; the first that
 * lets us in is taken.
 *
 * The server is as little trusted as a client: sizes are bounded, an AuthenticationOk counts only
 * where the exchange before it was complete, and the pinned settings are read back before a single
 * statement can pass. What went wrong is for the operator's log; the client hears that the
 * database cannot be reached, and the server's own class of error where that helps it to retry.
 */
#include "gateway/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/conninfo.h"
#include "gateway/gateway.h"
#include "gateway/upstream_parts.h"
#include "gateway/worker.h"
#include "wire/tls.h"

#define LOOKUP_MS   30000
#define MESSAGE_MAX (64 * 1024) /* of a server that is still logging us in */
#define NOTICES_MAX (256 * 1024)
#define LINK_MAX    ((size_t)1024 * 1024 * 1024 + 64 * 1024)

static void try_next(struct bs_session *s);

/* --- begin and end ------------------------------------------------------------------------- */

static void
looked_up(struct bs_session *s, bool current, void *arg)
{
    struct bs_lookup *k = arg;

    if (!current) {
        bs_lookup_free(k);
        return;
    }
    s->upstream->found = k;
    if (k->n_ways == 0)
        BS_LOG(WARNING, "no address of the database", BS_F_STR("database", s->database),
               BS_F_STR("reason", k->why));
    try_next(s);
}

void
bs_upstream_begin(struct bs_session *s, const struct bs_setting *settings, size_t n_settings)
{
    struct bs_upstream *u = bs_malloc(sizeof(*u));
    struct bs_lookup *k = bs_malloc(sizeof(*k));

    u->info = &s->gateway->upstreams[s->database_at];
    u->settings = settings;
    u->n_settings = n_settings;
    u->sqlstate = "08001";
    bs_buf_init(&u->notices, NOTICES_MAX);
    s->upstream = u;
    if (s->server_user == NULL)
        s->server_user = u->info->user;
    k->info = u->info;
    k->user = s->server_user; /* in the session's arena, or the conninfo: outlives the job */
    bs_session_set_timer(s, LOOKUP_MS);
    bs_worker_job(s->worker, s, bs_lookup_run, looked_up, k);
}

void
bs_upstream_free(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;

    if (u == NULL)
        return;
    s->upstream = NULL;
    bs_lookup_free(u->found);
    bs_scram_client_fini(&u->scram);
    bs_buf_fini(&u->notices);
    free(u);
}

const struct bs_way *
bs_upstream_way(const struct bs_session *s)
{
    return &s->upstream->found->ways[s->upstream->trying - 1];
}

/* No address is left. The client learns nothing about where its database lives. */
static void
give_up(struct bs_session *s)
{
    const char *sqlstate = s->upstream->sqlstate;
    const char *what = "cannot be reached now";

    if (strcmp(sqlstate, "53300") == 0)
        what = "has too many connections already";
    else if (strcmp(sqlstate, "57P03") == 0)
        what = "is starting up or shutting down";
    bs_session_fail(s, sqlstate, "the server of database \"%s\" %s", s->database, what);
}

/* This way in does not work: say why to the operator and go on to the next. */
void
bs_upstream_way_failed(struct bs_session *s, const char *why)
{
    const struct bs_way *t = bs_upstream_way(s);
    const struct bs_conn_host *h = &s->upstream->info->hosts[t->host];

    BS_LOG(WARNING, "login to the database failed", BS_F_STR("session", s->id),
           BS_F_STR("database", s->database), BS_F_STR("host", h->host), BS_F_STR("port", h->port),
           BS_F_STR("role", s->server_user), BS_F_STR("tls", t->tls ? "yes" : "no"),
           BS_F_STR("reason", why));
    bs_link_close(&s->server);
    try_next(s);
}

void
bs_upstream_way_failed_err(struct bs_session *s, const struct bs_err *err)
{
    bs_upstream_way_failed(s, err->message);
}

void
bs_upstream_on_timer(struct bs_session *s)
{
    if (s->upstream->found == NULL)
        bs_session_fail(s, "08001", "the server of database \"%s\" cannot be reached now",
                        s->database);
    else
        bs_upstream_way_failed(s, "no answer in time");
}

/* --- connect ------------------------------------------------------------------------------- */

/* A connecting socket, or -1 with the reason in errno. */
static int
open_socket(const struct bs_way *t)
{
    int fd = socket(t->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int reason;

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&t->at, t->len) == 0 || errno == EINPROGRESS)
        return fd;
    reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

static enum bs_done
start_tls(struct bs_session *s, struct bs_err *err)
{
    const struct bs_conninfo *info = s->upstream->info;

    s->upstream->step = BS_UPSTREAM_HANDSHAKE;
    return bs_link_start_tls(&s->server, atomic_load(&s->gateway->upstream_tls)[s->database_at],
                             info->hosts[bs_upstream_way(s)->host].host, err);
}

/* Opens the next way in. False: it failed at once. */
static bool
begin_try(struct bs_session *s, const struct bs_way *t)
{
    struct bs_upstream *u = s->upstream;
    struct bs_err err = {0};
    int fd = open_socket(t);

    if (fd < 0)
        (void)BS_FAIL(&err, IO, "connect: %s", strerror(errno));
    else if (bs_link_open(&s->server, bs_worker_loop(s->worker), fd, LINK_MAX, LINK_MAX,
                          bs_session_on_server, s, &err) == BS_DONE) {
        s->server_host = u->info->hosts[t->host].host;
        bs_link_keep_alive(&s->server, &u->info->keep_alive);
        bs_session_set_timer(s, (uint64_t)u->info->connect_timeout * 1000);
        if (!t->tls) {
            bs_upstream_send_startup(s);
            return true;
        }
        if (!u->info->direct) {
            bs_startup_put_ssl(&s->server.out);
            u->step = BS_UPSTREAM_SSL;
            return true;
        }
        if (start_tls(s, &err) == BS_DONE)
            return true;
        bs_link_close(&s->server);
    }
    BS_LOG(WARNING, "cannot connect to the database", BS_F_STR("database", s->database),
           BS_F_STR("host", u->info->hosts[t->host].host),
           BS_F_STR("port", u->info->hosts[t->host].port), BS_F_STR("reason", err.message));
    return false;
}

static void
try_next(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;

    bs_scram_client_fini(&u->scram);
    bs_buf_clear(&u->notices);
    u->step = BS_UPSTREAM_STOPPED;
    u->minor = u->info->minor_max;
    u->negotiated = false;
    s->generation++; /* a derivation of the try before comes too late */
    while (u->trying < u->found->n_ways)
        if (begin_try(s, &u->found->ways[u->trying++]))
            return;
    give_up(s);
}

/* --- TLS ----------------------------------------------------------------------------------- */

static void
on_ssl_answer(struct bs_session *s)
{
    const struct bs_way *t = bs_upstream_way(s);
    struct bs_buf *in = &s->server.in;
    struct bs_err err = {0};
    uint8_t answer = in->p[0];

    if (in->n > 1) { /* CVE-2021-23222: whatever it is, it did not come through TLS */
        bs_upstream_way_failed(s, "unencrypted bytes behind the answer to the SSL request");
        return;
    }
    bs_buf_drop(in, 1);
    if (answer == 'N' && t->may_stay_plain) {
        bs_upstream_send_startup(s);
        return;
    }
    if (answer != 'S') {
        bs_upstream_way_failed(s, "the server does not do TLS");
        return;
    }
    if (start_tls(s, &err) == BS_FAILED)
        bs_upstream_way_failed_err(s, &err);
}

/* Without ALPN, who answered a direct handshake may be something else than a database. */
static void
on_tls_open(struct bs_session *s)
{
    if (s->upstream->info->direct && !bs_tls_is_postgresql(s->server.tls))
        bs_upstream_way_failed(s, "direct TLS was answered without ALPN \"postgresql\"");
    else
        bs_upstream_send_startup(s);
}

/* --- events -------------------------------------------------------------------------------- */

/* One message of the server; true where one was taken and the same connection goes on. */
static bool
take_message(struct bs_session *s)
{
    struct bs_bytes in = bs_buf_view(&s->server.in);
    size_t trying = s->upstream->trying, used;
    struct bs_frame frame;
    struct bs_err err = {0};
    enum bs_scan scan = bs_frame_next(&in, MESSAGE_MAX, &frame, &err);

    if (scan == BS_SCAN_MORE)
        return false;
    if (scan == BS_SCAN_BAD) {
        bs_upstream_way_failed_err(s, &err);
        return false;
    }
    used = s->server.in.n - in.n;
    bs_upstream_on_frame(s, &frame);
    if (s->phase != BS_PHASE_UPSTREAM || s->upstream->trying != trying)
        return false;
    bs_buf_drop(&s->server.in, used);
    if (s->upstream->step == BS_UPSTREAM_READY)
        bs_session_ready(s, bs_buf_view(&s->upstream->notices));
    return true;
}

static void
advance(struct bs_session *s)
{
    struct bs_upstream *u = s->upstream;

    if (u->step == BS_UPSTREAM_SSL && s->server.in.n > 0)
        on_ssl_answer(s);
    if (s->phase == BS_PHASE_UPSTREAM && u->step == BS_UPSTREAM_HANDSHAKE &&
        bs_link_tls_open(&s->server))
        on_tls_open(s);
    while (s->phase == BS_PHASE_UPSTREAM && s->upstream->step >= BS_UPSTREAM_AUTH &&
           take_message(s))
        continue;
}

void
bs_upstream_on_server(struct bs_session *s, int events)
{
    struct bs_err err = {0};

    /* A server that went away may have said why: the next read tells. */
    if ((events & BS_LINK_WRITABLE) != 0 && bs_link_write(&s->server, &err) == BS_FAILED &&
        !s->server.broken) {
        bs_upstream_way_failed_err(s, &err);
        return;
    }
    if ((events & (BS_LINK_READABLE | BS_LINK_HANGUP)) == 0 || s->server.paused)
        return;
    switch (bs_link_read(&s->server, &err)) {
    case BS_LINK_GOT:
    case BS_LINK_AGAIN:
        advance(s);
        break;
    case BS_LINK_EOF:
        bs_upstream_way_failed(s, "the server closed the connection");
        break;
    case BS_LINK_ERROR:
    default:
        bs_upstream_way_failed_err(s, &err);
        break;
    }
}
