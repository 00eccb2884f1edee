/*
 * http_sessions.c - a list under one lock. A session that was begun with another credential is none,
 * to whoever asks: that it exists is nobody's business.
 */
#include "mcp/http_sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

#define SESSIONS_MAX 2048
#define AGENT_MAX    64 /* of one agent */

struct bs_http_session {
    struct bs_http_session *next;
    char id[BS_HTTP_SESSION_ID];
    struct bs_http_cred *cred;
    struct bs_mcp_peer *peer;
    bool asks;
    unsigned used; /* by requests that are being answered */
    int64_t used_us;
    atomic_bool ended; /* and out of the list */
    atomic_flag listens;
};

struct bs_http_sessions {
    struct bs_http_creds *creds;
    int64_t idle_us;
    pthread_mutex_t lock;
    struct bs_http_session *all;
    size_t n;
};

struct bs_http_sessions *
bs_http_sessions_new(struct bs_http_creds *creds, int64_t idle_ms)
{
    struct bs_http_sessions *all = bs_malloc(sizeof(*all));

    all->creds = creds;
    all->idle_us = idle_ms * 1000;
    bs_assert(pthread_mutex_init(&all->lock, NULL) == 0);
    return all;
}

void
bs_http_sessions_free(struct bs_http_sessions **sessions)
{
    struct bs_http_sessions *all = *sessions;

    *sessions = NULL;
    if (all == NULL)
        return;
    bs_http_sessions_end_all(all);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

static void
session_free(struct bs_http_sessions *all, struct bs_http_session *s)
{
    bs_mcp_peer_free(&s->peer);
    bs_http_creds_leave(all->creds, s->cred);
    bs_wipe(s->id, sizeof(s->id));
    free(s);
}

/* With the lock. True where nobody uses it, and the caller frees it. */
static bool
end(struct bs_http_sessions *all, struct bs_http_session *s)
{
    struct bs_http_session **at = &all->all;

    if (bs_http_session_has_ended(s))
        return false;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    all->n--;
    atomic_store(&s->ended, true);
    bs_mcp_peer_stop(s->peer);
    return s->used == 0;
}

/* With the lock: the agent's that was not used for longest; NULL: it has fewer than it may have. */
static struct bs_http_session *
surplus(const struct bs_http_sessions *all, const char *agent)
{
    struct bs_http_session *oldest = NULL;
    size_t n = 0;

    for (struct bs_http_session *s = all->all; s != NULL; s = s->next) {
        if (strcmp(bs_http_cred_agent(s->cred), agent) != 0)
            continue;
        n++;
        if (oldest == NULL || s->used_us < oldest->used_us)
            oldest = s;
    }
    return n < AGENT_MAX ? NULL : oldest;
}

struct bs_http_session *
bs_http_sessions_begin(struct bs_http_sessions *all,
                       struct bs_http_cred *cred,
                       bool asks,
                       struct bs_err *err)
{
    struct bs_http_session *s = NULL, *gone = NULL;
    uint8_t bytes[(BS_HTTP_SESSION_ID - 1) / 2];

    bs_random(bytes, sizeof(bytes));
    (void)pthread_mutex_lock(&all->lock);
    gone = surplus(all, bs_http_cred_agent(cred));
    if (gone != NULL && !end(all, gone))
        gone = NULL;
    if (all->n < SESSIONS_MAX) {
        s = bs_malloc(sizeof(*s));
        bs_hex(bytes, sizeof(bytes), s->id);
        s->cred = cred;
        s->peer = bs_mcp_peer_new(bs_http_cred_actor(cred));
        s->asks = asks;
        s->used = 1;
        s->used_us = bs_mono_us();
        s->next = all->all;
        all->all = s;
        all->n++;
        bs_http_creds_hold(all->creds, cred);
    }
    (void)pthread_mutex_unlock(&all->lock);
    if (gone != NULL)
        session_free(all, gone);
    if (s == NULL)
        (void)BS_FAIL(err, LIMIT, "too many sessions");
    return s;
}

struct bs_http_session *
bs_http_sessions_find(struct bs_http_sessions *all, const char *id, struct bs_http_cred *cred)
{
    struct bs_http_session *s;

    (void)pthread_mutex_lock(&all->lock);
    for (s = all->all; s != NULL; s = s->next) {
        if (s->cred == cred && bs_bytes_equal_secret(bs_bytes_of(s->id), bs_bytes_of(id)))
            break;
    }
    if (s != NULL) {
        s->used++;
        s->used_us = bs_mono_us();
    }
    (void)pthread_mutex_unlock(&all->lock);
    return s;
}

void
bs_http_sessions_leave(struct bs_http_sessions *all, struct bs_http_session *s)
{
    bool last;

    (void)pthread_mutex_lock(&all->lock);
    s->used_us = bs_mono_us();
    last = --s->used == 0 && bs_http_session_has_ended(s);
    (void)pthread_mutex_unlock(&all->lock);
    if (last)
        session_free(all, s);
}

void
bs_http_sessions_end(struct bs_http_sessions *all, struct bs_http_session *s)
{
    (void)pthread_mutex_lock(&all->lock);
    (void)end(all, s);
    (void)pthread_mutex_unlock(&all->lock);
}

/* Ends the first that should, and frees it where nobody uses it. False: there was none. */
static bool
end_one(struct bs_http_sessions *all, bool every, int64_t now_us)
{
    struct bs_http_session *s;
    bool unused = false;

    (void)pthread_mutex_lock(&all->lock);
    for (s = all->all; s != NULL; s = s->next) {
        if (every || bs_http_cred_is_refused(s->cred) ||
            (s->used == 0 && now_us - s->used_us > all->idle_us))
            break;
    }
    if (s != NULL)
        unused = end(all, s);
    (void)pthread_mutex_unlock(&all->lock);
    if (unused)
        session_free(all, s);
    return s != NULL;
}

void
bs_http_sessions_end_all(struct bs_http_sessions *all)
{
    while (end_one(all, true, 0))
        continue;
}

void
bs_http_sessions_tend(struct bs_http_sessions *all)
{
    int64_t now_us = bs_mono_us();

    while (end_one(all, false, now_us))
        continue;
}

const char *
bs_http_session_id(const struct bs_http_session *session)
{
    return session->id;
}

struct bs_mcp_peer *
bs_http_session_peer(const struct bs_http_session *session)
{
    return session->peer;
}

bool
bs_http_session_asks(const struct bs_http_session *session)
{
    return session->asks;
}

bool
bs_http_session_has_ended(const struct bs_http_session *session)
{
    return atomic_load(&session->ended);
}

bool
bs_http_session_listen(struct bs_http_session *session)
{
    return !atomic_flag_test_and_set(&session->listens);
}

void
bs_http_session_unlisten(struct bs_http_session *session)
{
    atomic_flag_clear(&session->listens);
}
