/*
 * worker.c - the first worker owns every listener and gives each client to the worker with the
 * fewest. Several listeners on one port (SO_REUSEPORT) would hash a handful of clients unevenly,
 * and would let a second gateway take the port of a running one without an error.
 */
#include "gateway/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "gateway/address.h"
#include "gateway/gateway.h"
#include "gateway/inside.h"
#include "gateway/lanes.h"
#include "gateway/login.h"
#include "gateway/relay.h"
#include "gateway/verdicts.h"
#include "policy/config.h"

#define LISTENERS_MAX  32
#define ACCEPTS_A_TURN 32  /* then the sessions get their turn */
#define ACCEPT_REST_MS 200 /* after running out of descriptors */
#define MESSAGE_MAX    ((size_t)512 << 20)

struct letter {
    bs_post_fn *fn;
    void *arg;
    struct letter *next;
};

struct listener {
    uv_poll_t poll;
    int fd;
    bool inside; /* inside.h */
    struct bs_worker *worker;
};

struct bs_worker {
    struct bs_gateway *gateway;
    unsigned index;
    uv_loop_t loop;
    uv_async_t bell;
    uv_timer_t rest; /* accepting pauses while it runs */
    pthread_t thread;
    bool started;
    bool stopping;
    unsigned jobs; /* posted and not yet answered */
    struct bs_session *sessions;
    struct bs_logins logins;
    struct bs_verdicts *verdicts;
    struct bs_lanes lanes;
    struct bs_arena message;
    atomic_uint load; /* sessions here, or on their way here */
    struct listener listeners[LISTENERS_MAX];
    size_t n_listeners;

    pthread_mutex_t lock; /* of the mailbox */
    struct letter *first, **last;
};

struct job {
    uv_work_t request;
    struct bs_worker *worker;
    struct bs_session *session;
    uint64_t generation;
    bs_work_fn *work;
    bs_work_done_fn *done;
    void *arg;
};

/* A client on its way from the accepting worker to its own. */
struct arrival {
    int fd;
    char *address;
    bool inside;
};

/* --- mailbox ------------------------------------------------------------------------------- */

static void
read_mail(struct bs_worker *w)
{
    struct letter *l, *next;

    pthread_mutex_lock(&w->lock);
    l = w->first;
    w->first = NULL;
    w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    for (; l != NULL; l = next) {
        next = l->next;
        l->fn(w, l->arg);
        free(l);
    }
}

static void
on_bell(uv_async_t *bell)
{
    read_mail(bell->data);
}

void
bs_worker_post(struct bs_worker *w, bs_post_fn *fn, void *arg)
{
    struct letter *l = bs_malloc(sizeof(*l));

    l->fn = fn;
    l->arg = arg;
    pthread_mutex_lock(&w->lock);
    *w->last = l;
    w->last = &l->next;
    /* Under the lock: an ended worker has closed the bell, and then nobody may ring it. */
    if (!uv_is_closing((uv_handle_t *)&w->bell))
        (void)uv_async_send(&w->bell);
    pthread_mutex_unlock(&w->lock);
}

/* --- the end of the loop ------------------------------------------------------------------- */

/* The loop ends by itself once nothing is left that could wake it. */
static void
end_if_idle(struct bs_worker *w)
{
    if (!w->stopping || w->sessions != NULL || w->jobs != 0 ||
        uv_is_closing((uv_handle_t *)&w->bell))
        return;
    pthread_mutex_lock(&w->lock);
    uv_close((uv_handle_t *)&w->bell, NULL);
    pthread_mutex_unlock(&w->lock);
    uv_close((uv_handle_t *)&w->rest, NULL);
}

/* --- jobs ---------------------------------------------------------------------------------- */

static void
run_job(uv_work_t *request)
{
    struct job *j = request->data;

    j->work(j->arg);
}

static void
end_job(uv_work_t *request, int status)
{
    struct job *j = request->data;
    struct bs_worker *w = j->worker;
    struct bs_session *s = j->session;
    bool current =
        status == 0 && (s == NULL || (s->phase != BS_PHASE_CLOSED && s->phase != BS_PHASE_CLOSING &&
                                      s->generation == j->generation));

    w->jobs--;
    j->done(s, current, j->arg);
    free(j);
    if (s != NULL) {
        bs_session_pump(s);
        bs_session_unref(s);
    }
    end_if_idle(w);
}

void
bs_worker_job(
    struct bs_worker *w, struct bs_session *s, bs_work_fn *work, bs_work_done_fn *done, void *arg)
{
    struct job *j = bs_malloc(sizeof(*j));
    int failed;

    *j = (struct job){.worker = w, .session = s, .work = work, .done = done, .arg = arg};
    j->request.data = j;
    if (s != NULL) {
        bs_session_ref(s);
        j->generation = s->generation;
    }
    w->jobs++;
    failed = uv_queue_work(&w->loop, &j->request, run_job, end_job);
    bs_assert(failed == 0);
}

/* --- accepting ----------------------------------------------------------------------------- */

static void
arrive(struct bs_worker *w, void *arg)
{
    struct arrival *a = arg;

    if (w->stopping) {
        (void)close(a->fd);
        free(a->address);
        atomic_fetch_sub(&w->load, 1);
    } else {
        bs_session_accept(w, a->fd, a->address, a->inside ? BS_SESSION_INSIDE : BS_SESSION_OUTSIDE);
    }
    free(a);
}

static struct bs_worker *
least_loaded(const struct bs_gateway *g)
{
    struct bs_worker *best = g->workers[0];

    for (unsigned i = 1; i < g->n_workers; i++)
        if (atomic_load(&g->workers[i]->load) < atomic_load(&best->load))
            best = g->workers[i];
    return best;
}

static void
give_away(struct bs_worker *from, int fd, char *address, bool inside)
{
    struct bs_worker *to = least_loaded(from->gateway);
    struct arrival *a = bs_malloc(sizeof(*a));

    *a = (struct arrival){fd, address, inside};
    atomic_fetch_add(&to->load, 1);
    if (to == from)
        arrive(to, a);
    else
        bs_worker_post(to, arrive, a);
}

static void on_listener(uv_poll_t *poll, int status, int events);

static void
after_rest(uv_timer_t *timer)
{
    struct bs_worker *w = timer->data;

    for (size_t i = 0; i < w->n_listeners && !w->stopping; i++)
        (void)uv_poll_start(&w->listeners[i].poll, UV_READABLE, on_listener);
}

/* Out of descriptors: the listeners would be readable for ever, so look away for a moment. */
static void
rest(struct bs_worker *w, int reason)
{
    BS_LOG(WARNING, "cannot accept clients for a moment", BS_F_STR("reason", strerror(reason)));
    for (size_t i = 0; i < w->n_listeners; i++)
        (void)uv_poll_stop(&w->listeners[i].poll);
    (void)uv_timer_start(&w->rest, after_rest, ACCEPT_REST_MS, 0);
}

static void
on_listener(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && !l->worker->stopping; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        int fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                rest(l->worker, errno);
            return;
        }
        if (l->inside && !bs_inside_is_ours(fd)) {
            BS_LOG(WARNING, "another process came to a socket of our own", {NULL, NULL, 0});
            (void)close(fd);
            continue;
        }
        give_away(l->worker, fd, bs_address_of_peer(fd, &from, len), l->inside);
    }
}

static enum bs_done
add_listener(struct bs_worker *w, int fd, bool inside, struct bs_err *err)
{
    struct listener *l = &w->listeners[w->n_listeners];

    if (w->n_listeners == LISTENERS_MAX) {
        (void)close(fd);
        return BS_FAIL(err, LIMIT, "more than %d listeners", LISTENERS_MAX);
    }
    *l = (struct listener){.fd = fd, .inside = inside, .worker = w};
    l->poll.data = l;
    if (uv_poll_init(&w->loop, &l->poll, fd) != 0) {
        (void)close(fd);
        return BS_FAIL(err, IO, "cannot watch a listener");
    }
    w->n_listeners++;
    return uv_poll_start(&l->poll, UV_READABLE, on_listener) == 0
               ? BS_DONE
               : BS_FAIL(err, IO, "cannot watch a listener");
}

enum bs_done
bs_worker_listen(struct bs_worker *w, int fd, struct bs_err *err)
{
    return add_listener(w, fd, false, err);
}

enum bs_done
bs_worker_listen_inside(struct bs_worker *w, int fd, struct bs_err *err)
{
    return add_listener(w, fd, true, err);
}

static void
stop_listening(struct bs_worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++) {
        uv_close((uv_handle_t *)&w->listeners[i].poll, NULL);
        (void)close(w->listeners[i].fd);
    }
    w->n_listeners = 0;
}

/* --- life ---------------------------------------------------------------------------------- */

enum bs_done
bs_worker_new(struct bs_gateway *g, unsigned index, struct bs_worker **out, struct bs_err *err)
{
    struct bs_worker *w = bs_malloc(sizeof(*w));

    w->gateway = g;
    w->index = index;
    w->last = &w->first;
    if (uv_loop_init(&w->loop) != 0) {
        free(w);
        return BS_FAIL(err, IO, "cannot make an event loop");
    }
    w->loop.data = w;
    if (pthread_mutex_init(&w->lock, NULL) != 0 ||
        uv_async_init(&w->loop, &w->bell, on_bell) != 0 || uv_timer_init(&w->loop, &w->rest) != 0) {
        free(w); /* the process ends anyway */
        return BS_FAIL(err, IO, "cannot make an event loop");
    }
    w->bell.data = w;
    w->rest.data = w;
    bs_arena_init(&w->message, "message", MESSAGE_MAX);
    w->verdicts = bs_verdicts_new((size_t)g->config->verdict_bytes);
    *out = w;
    return BS_DONE;
}

static void *
run(void *arg)
{
    struct bs_worker *w = arg;

    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    bs_link_thread_fini();
    atomic_fetch_sub(&w->gateway->running, 1);
    return NULL;
}

enum bs_done
bs_worker_start(struct bs_worker *w, struct bs_err *err)
{
    atomic_fetch_add(&w->gateway->running, 1);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        atomic_fetch_sub(&w->gateway->running, 1);
        return BS_FAIL(err, IO, "cannot start a thread");
    }
    w->started = true;
    return BS_DONE;
}

/* Calls `act` for every session; each may leave the list while it is told. */
static void
for_each(struct bs_worker *w, void (*act)(struct bs_session *))
{
    struct bs_session *s = w->sessions, *next;

    if (s != NULL)
        bs_session_ref(s);
    for (; s != NULL; s = next) {
        next = s->next;
        if (next != NULL)
            bs_session_ref(next);
        act(s);
        bs_session_unref(s);
    }
}

static void
stop_session(struct bs_session *s)
{
    if (s->phase == BS_PHASE_RELAY) {
        bs_relay_on_shutdown(s);
        bs_session_pump(s);
    } else {
        bs_session_fail(s, "57P01", "the gateway is shutting down");
    }
}

static void
stop(struct bs_worker *w, void *arg)
{
    (void)arg;
    if (w->stopping)
        return;
    w->stopping = true;
    stop_listening(w);
    (void)uv_timer_stop(&w->rest);
    for_each(w, stop_session);
    end_if_idle(w);
}

void
bs_worker_stop(struct bs_worker *w)
{
    bs_worker_post(w, stop, NULL);
}

static void
end_session(struct bs_session *s)
{
    if (s->phase == BS_PHASE_RELAY)
        bs_relay_on_deadline(s);
    else
        bs_session_fail(s, "57P01", "terminating connection: the gateway is shutting down");
    bs_session_pump(s);
}

static void
end_all(struct bs_worker *w, void *arg)
{
    (void)arg;
    for_each(w, end_session);
}

void
bs_worker_end(struct bs_worker *w)
{
    bs_worker_post(w, end_all, NULL);
}

static void
kill_all(struct bs_worker *w, void *arg)
{
    stop(w, arg);
    for_each(w, bs_session_kill);
    end_if_idle(w);
}

void
bs_worker_kill(struct bs_worker *w)
{
    bs_worker_post(w, kill_all, NULL);
}

static void
tell_policy(struct bs_worker *w, void *arg)
{
    (void)arg;
    for_each(w, bs_session_policy_changed);
}

void
bs_worker_policy_changed(struct bs_worker *w)
{
    bs_worker_post(w, tell_policy, NULL);
}

static void
check_standings(struct bs_worker *w, void *arg)
{
    (void)arg;
    for_each(w, bs_session_check_standing);
}

void
bs_worker_check_standings(struct bs_worker *w)
{
    bs_worker_post(w, check_standings, NULL);
}

void
bs_worker_join(struct bs_worker *w)
{
    if (!w->started)
        return; /* bs_worker_free ends its loop, and a letter that stops it would be in the way */
    (void)pthread_join(w->thread, NULL);
    w->started = false;
    /* Letters that came too late own something, too, and may be answered by another worker. */
    read_mail(w);
}

void
bs_worker_free(struct bs_worker **wp)
{
    struct bs_worker *w = *wp;

    *wp = NULL;
    if (w == NULL)
        return;
    bs_assert(!w->started);
    if (!w->stopping) { /* never ran */
        stop(w, NULL);
        (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    }
    read_mail(w);
    bs_assert(uv_loop_close(&w->loop) == 0);
    (void)pthread_mutex_destroy(&w->lock);
    bs_verdicts_free(&w->verdicts);
    bs_arena_fini(&w->message);
    free(w);
}

/* --- sessions ------------------------------------------------------------------------------ */

void
bs_worker_add(struct bs_worker *w, struct bs_session *s)
{
    s->next = w->sessions;
    if (s->next != NULL)
        s->next->prev = s;
    w->sessions = s;
}

void
bs_worker_remove(struct bs_worker *w, struct bs_session *s)
{
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        w->sessions = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    s->next = s->prev = NULL;
    atomic_fetch_sub(&w->load, 1);
    end_if_idle(w);
}

struct bs_session *
bs_worker_session(struct bs_worker *w, const char *id)
{
    for (struct bs_session *s = w->sessions; s != NULL; s = s->next)
        if (strcmp(s->id, id) == 0)
            return s;
    return NULL;
}

uv_loop_t *
bs_worker_loop(struct bs_worker *w)
{
    return &w->loop;
}

struct bs_logins *
bs_worker_logins(struct bs_worker *w)
{
    return &w->logins;
}

struct bs_arena *
bs_worker_message(struct bs_worker *w)
{
    return &w->message;
}

struct bs_verdicts *
bs_worker_verdicts(struct bs_worker *w)
{
    return w->verdicts;
}

struct bs_lanes *
bs_worker_lanes(struct bs_worker *w)
{
    return &w->lanes;
}

struct bs_gateway *
bs_worker_gateway(struct bs_worker *w)
{
    return w->gateway;
}
