/*
 * limits.c - a table of names with their counts, and a table of hosts of a fixed size. Two hosts may
 * share a place in that, and then they share what they may; so it cannot be filled.
 */
#include "gateway/limits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define BUCKETS   256
#define HOSTS     1024
#define WRONG_MAX 20     /* wrong cancels of a host at once */
#define WRONG_US  200000 /* until one of them is forgotten */

#define EXPLAINED_US (60 * INT64_C(1000000) / BS_EXPLAINED_MAX)

struct count {
    char *actor;
    int64_t n;
    struct count *next;
};

/* Kept until the end: an actor that connects again is the same. */
struct pace {
    char *actor;
    int64_t forgotten_us; /* when the last that it had explained will be */
    struct pace *next;
};

struct bs_limits {
    pthread_mutex_t lock;
    struct pace *paces;
    int64_t all;
    struct count *actors[BUCKETS];
    int64_t forgotten_us[HOSTS]; /* when the last wrong cancel of a host will be */
};

struct bs_limits *
bs_limits_new(void)
{
    struct bs_limits *l = bs_malloc(sizeof(*l));

    bs_assert(pthread_mutex_init(&l->lock, NULL) == 0);
    return l;
}

void
bs_limits_free(struct bs_limits **lp)
{
    struct bs_limits *l = *lp;

    *lp = NULL;
    if (l == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        bs_assert(l->actors[i] == NULL); /* every session has ended */
    while (l->paces != NULL) {
        struct pace *next = l->paces->next;
        free(l->paces->actor);
        free(l->paces);
        l->paces = next;
    }
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

static size_t
hash(const char *text, size_t n)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)text[i]) * 16777619u;
    return h;
}

/* Where the actor's count is, or where it would be. */
static struct count **
place(struct bs_limits *l, const char *actor)
{
    struct count **at = &l->actors[hash(actor, strlen(actor)) % BUCKETS];

    while (*at != NULL && strcmp((*at)->actor, actor) != 0)
        at = &(*at)->next;
    return at;
}

static enum bs_limit
enter(struct bs_limits *l, const char *actor, int64_t most_actor, int64_t most_all)
{
    struct count **at = place(l, actor);

    if (most_all != 0 && l->all >= most_all)
        return BS_LIMIT_ALL;
    if (most_actor != 0 && *at != NULL && (*at)->n >= most_actor)
        return BS_LIMIT_ACTOR;
    if (*at == NULL) {
        *at = bs_malloc(sizeof(**at));
        (*at)->actor = bs_strdup(actor);
    }
    (*at)->n++;
    l->all++;
    return BS_LIMIT_NONE;
}

enum bs_limit
bs_limits_enter(struct bs_limits *l, const char *actor, int64_t most_actor, int64_t most_all)
{
    enum bs_limit got;

    pthread_mutex_lock(&l->lock);
    got = enter(l, actor, most_actor, most_all);
    pthread_mutex_unlock(&l->lock);
    return got;
}

void
bs_limits_leave(struct bs_limits *l, const char *actor)
{
    struct count **at, *gone;

    pthread_mutex_lock(&l->lock);
    at = place(l, actor);
    gone = *at;
    bs_assert(gone != NULL);
    l->all--;
    if (--gone->n == 0) {
        *at = gone->next;
        free(gone->actor);
        free(gone);
    }
    pthread_mutex_unlock(&l->lock);
}

int64_t
bs_limits_sessions(struct bs_limits *l)
{
    int64_t n;

    pthread_mutex_lock(&l->lock);
    n = l->all;
    pthread_mutex_unlock(&l->lock);
    return n;
}

static int64_t *
host_of(struct bs_limits *l, const char *address)
{
    const char *port = strrchr(address, ':');
    size_t n = strlen(address);

    if (port != NULL && strncmp(address, "unix:", 5) != 0)
        n = (size_t)(port - address);
    return &l->forgotten_us[hash(address, n) % HOSTS];
}

bool
bs_limits_may_cancel(struct bs_limits *l, const char *address, int64_t now_us)
{
    bool may;

    pthread_mutex_lock(&l->lock);
    may = *host_of(l, address) - now_us <= (int64_t)(WRONG_MAX - 1) * WRONG_US;
    pthread_mutex_unlock(&l->lock);
    return may;
}

void
bs_limits_wrong_cancel(struct bs_limits *l, const char *address, int64_t now_us)
{
    int64_t *at;

    pthread_mutex_lock(&l->lock);
    at = host_of(l, address);
    *at = (*at > now_us ? *at : now_us) + WRONG_US;
    pthread_mutex_unlock(&l->lock);
}

/* --- explaining --------------------------------------------------------------------------- */

static struct pace *
pace_of(struct bs_limits *l, const char *actor)
{
    struct pace *p = l->paces;

    while (p != NULL && strcmp(p->actor, actor) != 0)
        p = p->next;
    if (p != NULL)
        return p;
    p = bs_malloc(sizeof(*p));
    p->actor = bs_strdup(actor);
    p->next = l->paces;
    l->paces = p;
    return p;
}

int64_t
bs_limits_explain(struct bs_limits *l, const char *actor, int64_t now_us)
{
    int64_t left_us;
    struct pace *p;

    pthread_mutex_lock(&l->lock);
    p = pace_of(l, actor);
    left_us = p->forgotten_us - now_us - (BS_EXPLAINED_MAX - 1) * EXPLAINED_US;
    if (left_us <= 0)
        p->forgotten_us = (p->forgotten_us > now_us ? p->forgotten_us : now_us) + EXPLAINED_US;
    pthread_mutex_unlock(&l->lock);
    return left_us <= 0 ? 0 : (left_us + 999) / 1000;
}
