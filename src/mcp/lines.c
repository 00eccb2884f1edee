/*
 * lines.c - see lines.h.
 *
 * The reader never waits for a request: a cancellation must get by one that runs. How many run at once is
 * bounded by the peer, which refuses those beyond.
 */
#include "mcp/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "mcp/inside.h"

#define STACK_BYTES ((size_t)1 << 20)

struct stdio {
    struct bs_mcp_peer *peer;
    int out;
    pthread_mutex_t lock;   /* of all below, and of writing */
    pthread_cond_t changed; /* a request is known */
    struct job *jobs;
    bool gone; /* nobody reads what we write */
};

/* A request and its thread. */
struct job {
    struct stdio *s;
    json_t *message;
    pthread_t thread;
    bool known; /* it runs, or has been refused: the next message may be looked at */
    bool over;  /* its thread does nothing more */
    struct job *next;
};

static bool
send_message(void *ctx, const json_t *message)
{
    struct stdio *s = ctx;
    char *text = json_dumps(message, JSON_COMPACT);
    struct bs_err err = {0};
    struct bs_bytes line;
    bool sent;

    bs_assert(text != NULL);
    line = (struct bs_bytes){(const uint8_t *)text, strlen(text)};
    text[line.n] = '\n'; /* in the place of the NUL */
    line.n++;
    (void)pthread_mutex_lock(&s->lock);
    if (!s->gone && bs_fd_write(s->out, line, "the client", &err) != BS_DONE)
        s->gone = true;
    sent = !s->gone;
    (void)pthread_mutex_unlock(&s->lock);
    free(text);
    return sent;
}

static void
handle(struct stdio *s, const json_t *message, void (*begun)(void *), void *ctx)
{
    struct bs_mcp_sink sink = {s, send_message};
    json_t *answer = bs_mcp_handle_told(s->peer, message, &sink, begun, ctx);

    if (answer != NULL)
        (void)send_message(s, answer);
    json_decref(answer);
}

static void
on_begun(void *ctx)
{
    struct job *job = ctx;
    struct stdio *s = job->s;

    (void)pthread_mutex_lock(&s->lock);
    job->known = true;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

static void *
work(void *ctx)
{
    struct job *job = ctx;
    struct stdio *s = job->s;

    handle(s, job->message, on_begun, job);
    (void)pthread_mutex_lock(&s->lock);
    job->over = true;
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void
drop(struct job *job)
{
    (void)pthread_join(job->thread, NULL);
    json_decref(job->message);
    free(job);
}

/* Threads that are over, at each new one. They are joined, not left to themselves: what belongs to a thread
 * (OpenSSL's random numbers) has to be given up before the process ends. */
static void
reap(struct stdio *s)
{
    struct job **at = &s->jobs, *job, *over = NULL;

    (void)pthread_mutex_lock(&s->lock);
    while ((job = *at) != NULL) {
        if (!job->over) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = over;
        over = job;
    }
    (void)pthread_mutex_unlock(&s->lock);
    while ((job = over) != NULL) {
        over = job->next;
        drop(job);
    }
}

static bool
begin(struct job *job)
{
    pthread_attr_t attr;
    bool begun;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    begun = pthread_create(&job->thread, &attr, work, job) == 0;
    (void)pthread_attr_destroy(&attr);
    return begun;
}

/* In a thread of its own; in this one where there is none to be had. Takes the message over, and returns
 * when it is known, so that what comes next (a cancellation of it) finds it. */
static void
start(struct stdio *s, json_t *message)
{
    struct job *job = bs_malloc(sizeof(*job));

    reap(s);
    job->s = s;
    job->message = message;
    if (!begin(job)) {
        handle(s, message, NULL, NULL);
        json_decref(message);
        free(job);
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    while (!job->known)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    job->next = s->jobs;
    s->jobs = job;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Those that are answered at once are handled in order, before what comes after them is looked at. */
static bool
is_quick(const json_t *message)
{
    const char *method = json_string_value(json_object_get(message, "method"));

    return method == NULL || json_object_get(message, "id") == NULL ||
           strcmp(method, "initialize") == 0 || strcmp(method, "ping") == 0;
}

static void
on_line(struct stdio *s, struct bs_bytes line)
{
    json_t *message = NULL, *refusal = NULL;

    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (line.n == 0)
        return;
    if (!bs_mcp_parse(line, &message, &refusal)) {
        (void)send_message(s, refusal);
        json_decref(refusal);
    } else if (is_quick(message)) {
        handle(s, message, NULL, NULL);
        json_decref(message);
    } else {
        start(s, message);
    }
}

/* Takes whole lines out of the buffer. One that is too long is answered once, and skipped to its end. */
static void
take_lines(struct stdio *s, struct bs_buf *b, bool *skipping)
{
    uint8_t *end;

    while (b->n > 0 && (end = memchr(b->p, '\n', b->n)) != NULL) {
        size_t n = (size_t)(end - b->p);

        if (!*skipping)
            on_line(s, (struct bs_bytes){b->p, n});
        *skipping = false;
        bs_buf_drop(b, n + 1);
    }
    if (b->n > BS_MCP_MESSAGE_MAX) {
        if (!*skipping)
            on_line(s, bs_buf_view(b));
        *skipping = true;
        bs_buf_clear(b);
    }
}

static enum bs_done
read_all(struct stdio *s, int in, const struct bs_watch *stop, struct bs_err *err)
{
    static const size_t chunk = 65536;
    struct bs_buf b;
    bool skipping = false;
    ssize_t got = 1;
    enum bs_done done = BS_DONE;

    bs_buf_init(&b, BS_MCP_MESSAGE_MAX + 2 * chunk);
    while (got > 0 && (stop == NULL || bs_watch_poll(stop, in, POLLIN, err) == BS_DONE)) {
        uint8_t *room = bs_buf_room(&b, chunk);

        bs_assert(room != NULL);
        got = read(in, room, chunk);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        if (got < 0)
            done = BS_FAIL(err, IO, "cannot read from the client: %s", strerror(errno));
        b.n += got > 0 ? (size_t)got : 0;
        take_lines(s, &b, &skipping);
    }
    if (b.n > 0 && !skipping) /* a last line without its end */
        on_line(s, bs_buf_view(&b));
    bs_buf_fini(&b);
    return done;
}

enum bs_done
bs_mcp_stdio(
    struct bs_mcp_actor *actor, int in, int out, const struct bs_watch *stop, struct bs_err *err)
{
    struct stdio s = {.peer = bs_mcp_peer_new(actor), .out = out};
    enum bs_done done;
    struct job *job;

    (void)pthread_mutex_init(&s.lock, NULL);
    (void)pthread_cond_init(&s.changed, NULL);
    done = read_all(&s, in, stop, err);
    bs_mcp_peer_stop(s.peer);
    while ((job = s.jobs) != NULL) {
        s.jobs = job->next;
        drop(job);
    }
    bs_mcp_peer_free(&s.peer);
    (void)pthread_cond_destroy(&s.changed);
    (void)pthread_mutex_destroy(&s.lock);
    return done;
}
