/*
 * http_stream.c - a buffer, and a condition to wait on it.
 */
#include "mcp/http_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"

#define WAITING_MAX (64u << 20) /* bytes that the client has not taken */
#define SILENCE_S   15          /* until a comment tells whoever is between us that we are there */

struct bs_http_stream {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned held;
    struct bs_buf waiting;
    bool begun; /* something was put in before the end */
    bool ended;
    bool left;
    json_t *answer; /* of one that ended before it began */
};

struct bs_http_stream *
bs_http_stream_new(void)
{
    struct bs_http_stream *s = bs_malloc(sizeof(*s));

    bs_assert(pthread_mutex_init(&s->lock, NULL) == 0);
    bs_cond_init(&s->wake);
    bs_buf_init(&s->waiting, WAITING_MAX);
    s->held = 2;
    return s;
}

void
bs_http_stream_let_go(struct bs_http_stream *s)
{
    bool last;

    (void)pthread_mutex_lock(&s->lock);
    last = --s->held == 0;
    (void)pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    json_decref(s->answer);
    bs_buf_fini(&s->waiting);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* With the lock. */
static void
put(struct bs_http_stream *s, const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);

    bs_assert(text != NULL);
    bs_put_str(&s->waiting, "event: message\ndata: ");
    bs_put_str(&s->waiting, text);
    bs_put_str(&s->waiting, "\n\n");
    s->left = s->left || s->waiting.failed; /* it takes nothing: as good as gone */
    free(text);
}

bool
bs_http_stream_put(struct bs_http_stream *s, const json_t *message)
{
    bool there;

    (void)pthread_mutex_lock(&s->lock);
    s->begun = true;
    if (!s->left)
        put(s, message);
    there = !s->left;
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
    return there;
}

void
bs_http_stream_end(struct bs_http_stream *s, json_t *answer)
{
    (void)pthread_mutex_lock(&s->lock);
    s->ended = true;
    if (!s->begun) {
        s->answer = answer;
    } else {
        if (answer != NULL && !s->left)
            put(s, answer);
        json_decref(answer);
    }
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

void
bs_http_stream_leave(struct bs_http_stream *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->left = true;
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

bool
bs_http_stream_begin(struct bs_http_stream *s, json_t **answer)
{
    bool streams;

    (void)pthread_mutex_lock(&s->lock);
    while (!s->begun && !s->ended)
        (void)pthread_cond_wait(&s->wake, &s->lock);
    streams = s->begun;
    *answer = s->answer;
    s->answer = NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return streams;
}

/* With the lock: until there is something, or a second has passed. */
static void
doze(struct bs_http_stream *s)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec++;
    (void)pthread_cond_timedwait(&s->wake, &s->lock, &at);
}

static ssize_t
take(struct bs_http_stream *s, char *out, size_t room)
{
    size_t n = s->waiting.n < room ? s->waiting.n : room;

    memcpy(out, s->waiting.p, n);
    bs_buf_drop(&s->waiting, n);
    return (ssize_t)n;
}

ssize_t
bs_http_stream_read(
    struct bs_http_stream *s, char *out, size_t room, bool (*alive)(void *ctx), void *ctx)
{
    int64_t quiet_us = bs_mono_us() + SILENCE_S * 1000000LL;
    ssize_t n = -1;

    (void)pthread_mutex_lock(&s->lock);
    while (s->waiting.n == 0 && !s->ended && !s->left && bs_mono_us() < quiet_us && alive(ctx))
        doze(s);
    if (s->waiting.n == 0 && !s->ended && !s->left && alive(ctx))
        bs_put_str(&s->waiting, ":\n\n");
    if (s->waiting.n != 0 && !s->left)
        n = take(s, out, room);
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}
