/*
 * session.c - events of the two sockets go to whoever has the session in its present phase, and
 * the ways a session ends all meet in `finish`.
 */
#include "gateway/session.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit/record.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/cancel.h"
#include "gateway/gateway.h"
#include "gateway/limits.h"
#include "gateway/login.h"
#include "gateway/paused.h"
#include "gateway/relay.h"
#include "gateway/reload.h"
#include "gateway/standing.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"
#include "policy/config.h"
#include "wire/messages.h"

/* Ceilings. A whole message may be as long as the server itself accepts. */
#define LINK_MAX      ((size_t)1024 * 1024 * 1024 + 64 * 1024)
#define ARENA_MAX     ((size_t)16 * 1024 * 1024)
#define PARAMS_MAX    256
#define PROBE_S       15   /* between TCP's questions to a client that is silent */
#define PROBES        4    /* that nobody answers */
#define MEASURE_EVERY 16   /* of a client's turns: the clock costs, too */
#define LINGER_MS     2000 /* for a client that takes nothing more, or does not hang up */

static void on_client(struct bs_link *l, int events);
static void on_timer(uv_timer_t *timer);

/* --- life ---------------------------------------------------------------------------------- */

static void
free_timer(uv_handle_t *timer)
{
    free(timer);
}

static void
keep_alive(struct bs_session *s)
{
    const struct bs_config_clients *c = atomic_load(&s->gateway->clients);
    const struct bs_keep_alive k = {
        .idle_s = (unsigned)((c->keepalive_ms + 999) / 1000),
        .interval_s = PROBE_S,
        .count = PROBES,
        .user_timeout_ms = (unsigned)c->user_timeout_ms,
    };

    bs_link_keep_alive(&s->client, &k);
}

void
bs_session_accept(struct bs_worker *w, int fd, char *address, enum bs_session_way way)
{
    struct bs_session *s = bs_malloc(sizeof(*s));
    BS_FRESH_ERR(err);

    *s = (struct bs_session){
        .worker = w,
        .gateway = bs_worker_gateway(w),
        .phase = BS_PHASE_LOGIN,
        .refs = 1,
        .address = address,
        .way = way,
        .started_us = bs_now_us(),
        .client = {.fd = -1},
        .server = {.fd = -1},
    };
    bs_ulid_new(s->id);
    bs_arena_init_small(&s->arena, "session", ARENA_MAX);
    s->timer = bs_malloc(sizeof(*s->timer));
    (void)uv_timer_init(bs_worker_loop(w), s->timer);
    s->timer->data = s;
    bs_worker_add(w, s);
    if (bs_link_open(&s->client, bs_worker_loop(w), fd, LINK_MAX, LINK_MAX, on_client, s, &err) ==
        BS_FAILED) {
        BS_LOG(WARNING, "client lost", BS_F_STR("reason", err.message));
        bs_session_kill(s);
        return;
    }
    keep_alive(s);
    bs_session_ref(s);
    bs_login_begin(s);
    bs_session_pump(s);
    bs_session_unref(s);
}

static void
free_params(struct bs_param *p)
{
    while (p != NULL) {
        struct bs_param *next = p->next;
        free(p);
        p = next;
    }
}

void
bs_session_ref(struct bs_session *s)
{
    s->refs++;
}

void
bs_session_unref(struct bs_session *s)
{
    bs_assert(s->refs > 0);
    if (--s->refs > 0)
        return;
    bs_assert(s->phase == BS_PHASE_CLOSED);
    free_params(s->params);
    bs_arena_fini(&s->arena);
    bs_wipe(s->server_secret, sizeof(s->server_secret));
    bs_wipe(s->secret, sizeof(s->secret));
    free(s->address);
    free(s);
}

/* Sessions that were let in are told to the audit when they end, too. */
static void
record_end(const struct bs_session *s)
{
    char detail[128];
    const struct bs_audit_record r = {
        .kind = BS_AUDIT_SESSION_CLOSE,
        .actor = s->actor,
        .group = s->group,
        .owner = s->owner,
        .database = s->database,
        .session = s->id,
        .client = s->address,
        .outcome = s->phase == BS_PHASE_RELAY ? "done" : "failed",
        .duration_us = bs_now_us() - s->started_us,
        .detail = detail,
    };
    BS_FRESH_ERR(err);

    if (s->actor == NULL || (s->phase != BS_PHASE_RELAY && s->phase != BS_PHASE_UPSTREAM))
        return;
    (void)snprintf(detail, sizeof(detail),
                   "{\"from_client\":%" PRIu64 ",\"to_client\":%" PRIu64 "}", s->client.bytes_in,
                   s->client.bytes_out);
    if (bs_audit_enqueue(s->gateway->audit, &r, &err) == BS_FAILED)
        BS_LOG(ERROR, "the audit log refuses", BS_F_STR("reason", err.message));
}

/* Everything that makes the session act is given back; only the client's last bytes remain. */
static void
leave_phase(struct bs_session *s)
{
    struct bs_err ignored = {0};

    s->generation++;
    record_end(s);
    if (s->relay != NULL)
        bs_relay_free(s);
    if (s->phase == BS_PHASE_RELAY && bs_link_is_open(&s->server)) {
        bs_msg_put_terminate(&s->server.out);
        (void)!bs_link_write(&s->server, &ignored);
    }
    s->relay = NULL;
    if (s->counted_as != NULL)
        bs_limits_leave(s->gateway->limits, s->counted_as);
    s->counted_as = NULL;
    bs_login_free(s);
    bs_upstream_free(s);
    bs_cancels_remove(s->gateway->cancels, s);
    bs_link_close(&s->server);
    (void)uv_timer_stop(s->timer);
}

void
bs_session_kill(struct bs_session *s)
{
    if (s->phase == BS_PHASE_CLOSED)
        return;
    leave_phase(s);
    s->phase = BS_PHASE_CLOSED;
    bs_link_close(&s->client);
    uv_close((uv_handle_t *)s->timer, free_timer);
    s->timer = NULL;
    bs_worker_remove(s->worker, s);
    bs_session_unref(s);
}

/*
 * Closing a socket whose received bytes nobody read resets the connection, and the reset can
 * overtake our last message. So: send, say that no more will come, and read until the client
 * hangs up or its time is over.
 */
static void
linger(struct bs_session *s)
{
    BS_FRESH_ERR(err);

    if (s->phase != BS_PHASE_CLOSING)
        return;
    if (!bs_link_is_open(&s->client) || s->client.eof ||
        (!s->client.deaf && bs_link_write(&s->client, &err) == BS_FAILED)) {
        bs_session_kill(s);
        return;
    }
    if (bs_link_pending(&s->client) < s->owed)
        bs_session_set_timer(s, LINGER_MS); /* it reads slowly, but it reads */
    s->owed = bs_link_pending(&s->client);
    if ((s->client.deaf || bs_link_pending(&s->client) == 0) && !s->client.said_last)
        bs_link_say_last(&s->client);
    bs_buf_clear(&s->client.in);
    bs_link_resume(&s->client);
}

static void
begin_closing(struct bs_session *s)
{
    leave_phase(s);
    s->phase = BS_PHASE_CLOSING;
    bs_session_set_timer(s, LINGER_MS);
    linger(s);
}

void
bs_session_close(struct bs_session *s)
{
    if (s->phase == BS_PHASE_CLOSED || s->phase == BS_PHASE_CLOSING)
        return;
    bs_session_ref(s);
    begin_closing(s);
    bs_session_unref(s);
}

static void
fail(struct bs_session *s, const struct bs_report *report)
{
    if (s->phase == BS_PHASE_CLOSED || s->phase == BS_PHASE_CLOSING)
        return;
    BS_LOG(INFO, "session refused", BS_F_STR("session", s->id), BS_F_STR("client", s->address),
           BS_F_STR("actor", s->actor), BS_F_STR("database", s->database),
           BS_F_STR("sqlstate", report->sqlstate), BS_F_STR("reason", report->message));
    bs_session_ref(s);
    if (!bs_link_is_open(&s->client) || (s->relay != NULL && bs_relay_midway(s)))
        bs_session_close(s); /* there is nobody to tell, or no way to */
    if (s->phase != BS_PHASE_CLOSED && s->phase != BS_PHASE_CLOSING) {
        bs_msg_put_error(&s->client.out, report);
        begin_closing(s);
    }
    bs_session_unref(s);
}

void
bs_session_fail(struct bs_session *s, const char *sqlstate, const char *fmt, ...)
{
    char message[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    fail(s, &(struct bs_report){.severity = "FATAL", .sqlstate = sqlstate, .message = message});
}

void
bs_session_fail_err(struct bs_session *s, const struct bs_err *err)
{
    fail(s, &(struct bs_report){.severity = "FATAL",
                                .sqlstate = bs_err_sqlstate(err),
                                .message = err->message,
                                .hint = err->hint[0] == '\0' ? NULL : err->hint});
}

void
bs_session_fail_with(struct bs_session *s, const struct bs_refusal *f)
{
    fail(s, &(struct bs_report){.severity = "FATAL",
                                .sqlstate = f->sqlstate,
                                .message = f->message,
                                .detail = f->detail,
                                .hint = f->hint});
}

/* --- events -------------------------------------------------------------------------------- */

/*
 * With TLS 1.3 a client has finished before its certificate is judged, and may have sent more: the
 * alert that says what is wrong with it must not be overtaken by a reset.
 */
static void
tls_failed(struct bs_session *s, const struct bs_err *err)
{
    BS_LOG(INFO, "TLS with a client failed", BS_F_STR("client", s->address),
           BS_F_STR("reason", err->message));
    bs_session_close(s);
}

static void
client_gone(struct bs_session *s)
{
    if (s->client_gone)
        return;
    s->client_gone = true;
    if (s->phase == BS_PHASE_RELAY)
        bs_relay_on_client_gone(s);
    else
        bs_session_kill(s);
}

static void
server_gone(struct bs_session *s)
{
    if (s->server_gone)
        return;
    s->server_gone = true;
    if (s->phase == BS_PHASE_RELAY)
        bs_relay_on_server_gone(s);
}

static void
read_client(struct bs_session *s)
{
    BS_FRESH_ERR(err);

    switch (bs_link_read(&s->client, &err)) {
    case BS_LINK_GOT:
        if (s->phase == BS_PHASE_RELAY)
            bs_relay_on_client(s);
        else if (s->phase == BS_PHASE_LOGIN)
            bs_login_on_client(s);
        break;
    case BS_LINK_AGAIN:
        if (s->phase == BS_PHASE_LOGIN)
            bs_login_on_client(s); /* the TLS handshake moved */
        break;
    case BS_LINK_ERROR:
        if (s->phase == BS_PHASE_LOGIN && s->client.deaf) {
            tls_failed(s, &err);
            break;
        }
        client_gone(s);
        break;
    case BS_LINK_EOF:
    default:
        client_gone(s);
        break;
    }
}

static void
read_server(struct bs_session *s)
{
    BS_FRESH_ERR(err);

    switch (bs_link_read(&s->server, &err)) {
    case BS_LINK_GOT:
        bs_relay_on_server(s);
        break;
    case BS_LINK_AGAIN:
        break;
    case BS_LINK_EOF:
    case BS_LINK_ERROR:
    default:
        server_gone(s);
        break;
    }
}

static void
on_client(struct bs_link *l, int events)
{
    struct bs_session *s = l->owner;
    bool measured = s->phase == BS_PHASE_RELAY && s->turns++ % MEASURE_EVERY == 0;
    int64_t began_ns = measured ? bs_mono_ns() : 0;

    bs_session_ref(s);
    if ((events & BS_LINK_READABLE) != 0)
        read_client(s);
    bs_session_pump(s);
    bs_session_unref(s);
    if (measured)
        bs_observe(BS_OBSERVE_RELAY, bs_mono_ns() - began_ns);
}

/* Also for upstream.c, which opens the server's link with it. */
void
bs_session_on_server(struct bs_link *l, int events)
{
    struct bs_session *s = l->owner;

    bs_session_ref(s);
    if (s->phase == BS_PHASE_UPSTREAM)
        bs_upstream_on_server(s, events);
    else if (s->phase == BS_PHASE_RELAY && (events & BS_LINK_READABLE) != 0)
        read_server(s);
    bs_session_pump(s);
    bs_session_unref(s);
}

static void
on_timer(uv_timer_t *timer)
{
    struct bs_session *s = timer->data;

    bs_session_ref(s);
    if (s->phase == BS_PHASE_RELAY)
        bs_relay_on_timer(s);
    else if (s->phase == BS_PHASE_LOGIN)
        bs_login_on_timer(s);
    else if (s->phase == BS_PHASE_UPSTREAM)
        bs_upstream_on_timer(s);
    else
        bs_session_kill(s);
    bs_session_pump(s);
    bs_session_unref(s);
}

void
bs_session_set_timer(struct bs_session *s, uint64_t ms)
{
    if (s->timer == NULL)
        return;
    uv_update_time(
        bs_worker_loop(s->worker)); /* the loop's clock stands still during a long turn */
    if (ms == 0)
        (void)uv_timer_stop(s->timer);
    else
        (void)uv_timer_start(s->timer, on_timer, ms, 0);
}

/* Flushes one link; true while it works. */
static bool
flush(struct bs_link *l)
{
    BS_FRESH_ERR(err);

    return !bs_link_is_open(l) || bs_link_write(l, &err) == BS_DONE;
}

static bool
is_live(const struct bs_session *s)
{
    return s->phase != BS_PHASE_CLOSED && s->phase != BS_PHASE_CLOSING;
}

/* One round; true where a callback ran that may have left something to flush. */
static bool
pump_once(struct bs_session *s)
{
    bool client = flush(&s->client), server = s->phase == BS_PHASE_UPSTREAM || flush(&s->server);

    if (s->phase == BS_PHASE_RELAY)
        bs_relay_balance(s);
    if ((!client || (s->client.hung_up && s->client.paused)) && !s->client_gone) {
        client_gone(s);
        return true;
    }
    if (s->phase == BS_PHASE_RELAY && !s->server_gone &&
        (!server || (s->server.hung_up && s->server.paused))) {
        server_gone(s);
        return true;
    }
    return false;
}

void
bs_session_pump(struct bs_session *s)
{
    bs_session_ref(s);
    while (is_live(s) && pump_once(s))
        continue;
    linger(s);
    bs_link_want(&s->client);
    bs_link_want(&s->server);
    bs_link_trim(&s->client);
    bs_link_trim(&s->server);
    bs_session_unref(s);
}

/* --- parameters and the hand-over ---------------------------------------------------------- */

static struct bs_param *
find_param(const struct bs_session *s, struct bs_bytes name)
{
    for (struct bs_param *p = s->params; p != NULL; p = p->next)
        if (bs_bytes_equal(bs_bytes_of(p->name), name))
            return p;
    return NULL;
}

void
bs_session_check_standing(struct bs_session *s)
{
    if (s->actor == NULL || s->ended != NULL || !is_live(s))
        return;
    s->ended = bs_standings_judge(s->gateway->standings, s);
    if (s->ended == NULL) {
        if (s->phase == BS_PHASE_RELAY && bs_paused_stops(s)) {
            bs_relay_on_paused(s);
            bs_session_pump(s);
        }
        return;
    }
    if (s->phase == BS_PHASE_RELAY)
        bs_relay_on_ended(s);
    else
        bs_session_fail(s, "57P01", "terminating connection: %s", s->ended);
    bs_session_pump(s);
}

/* The shield is set when the server session begins, so another one needs another session. */
void
bs_session_policy_changed(struct bs_session *s)
{
    struct bs_subject subject;

    if (s->actor == NULL)
        return;
    subject = bs_session_subject(s);
    s->outdated = s->shielded != bs_policy_shielded(bs_gateway_policy(s->gateway), &subject);
    if (!s->outdated || s->phase != BS_PHASE_RELAY)
        return;
    bs_relay_on_outdated(s);
    bs_session_pump(s);
}

struct bs_subject
bs_session_subject(const struct bs_session *s)
{
    return (struct bs_subject){
        .actor = s->actor,
        .database = s->database,
        .group = s->group,
        .environment = s->gateway->config->databases[s->database_at].environment,
    };
}

const char *
bs_session_param(const struct bs_session *s, const char *name)
{
    const struct bs_param *p = find_param(s, bs_bytes_of(name));

    return p == NULL ? NULL : p->value;
}

/* One block for all of it: every session keeps more than a dozen. */
static struct bs_param *
new_param(struct bs_bytes name, struct bs_bytes value, struct bs_param *next)
{
    struct bs_param *p = bs_malloc(sizeof(*p) + name.n + 1 + value.n + 1);

    p->next = next;
    p->name = p->text;
    p->value = p->text + name.n + 1;
    if (name.n != 0)
        memcpy(p->name, name.p, name.n);
    if (value.n != 0)
        memcpy(p->value, value.p, value.n);
    return p;
}

enum bs_done
bs_session_set_param(struct bs_session *s,
                     struct bs_bytes name,
                     struct bs_bytes value,
                     struct bs_err *err)
{
    struct bs_param **at = &s->params, *old;
    size_t n = 0;

    for (; *at != NULL && !bs_bytes_equal(bs_bytes_of((*at)->name), name); at = &(*at)->next)
        n++;
    old = *at;
    if (old == NULL && n >= PARAMS_MAX)
        return BS_FAIL(err, LIMIT, "the server reports more than %d parameters", PARAMS_MAX);
    *at = new_param(name, value, old == NULL ? NULL : old->next);
    free(old);
    return BS_DONE;
}

/* What the client is told: the truth, but for the shield, which is ours and not its business. */
static const char *
reported(const struct bs_session *s, const struct bs_param *p)
{
    if (s->shielded && strcmp(p->name, "default_transaction_read_only") == 0)
        return "off";
    return p->value;
}

void
bs_session_ready(struct bs_session *s, struct bs_bytes notices)
{
    struct bs_buf *out = &s->client.out;

    bs_session_set_timer(s, 0);
    bs_cancels_add(s->gateway->cancels, s);
    bs_msg_put_auth_ok(out);
    for (const struct bs_param *p = s->params; p != NULL; p = p->next)
        bs_msg_put_parameter_status(out, p->name, reported(s, p));
    bs_msg_put_key_data(out, s->server_pid, (struct bs_bytes){s->secret, s->secret_len});
    bs_put_bytes(out, notices);
    bs_msg_put_ready(out, 'I');
    bs_upstream_free(s);
    s->phase = BS_PHASE_RELAY;
    BS_LOG(INFO, "session started", BS_F_STR("session", s->id), BS_F_STR("actor", s->actor),
           BS_F_STR("database", s->database), BS_F_STR("client", s->address),
           BS_F_INT("server_pid", s->server_pid));
    bs_link_resume(&s->client);
    bs_relay_start(s);
    if (s->phase == BS_PHASE_RELAY && s->client.in.n > 0)
        bs_relay_on_client(s); /* a hasty client: sent while it was being let in */
    if (s->phase == BS_PHASE_RELAY && s->server.in.n > 0)
        bs_relay_on_server(s);
}
