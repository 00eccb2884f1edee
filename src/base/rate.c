/*
 * rate.c - a bucket is one time: when it will be full again. Taking a token moves that time on by
 * what a token costs; there is none while it lies further ahead than a whole bucket.
 */
#include "base/rate.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/siphash.h"

#define SLOTS 1024

struct bucket {
    struct bs_hash128 name;
    int64_t full_us; /* 0: of nobody */
};

struct bs_rates {
    pthread_mutex_t lock;
    uint8_t key[16];
    int64_t each_us;
    int64_t burst;
    struct bucket buckets[SLOTS];
};

struct bs_rates *
bs_rates_new(int64_t each_us, int64_t burst)
{
    struct bs_rates *r = bs_malloc(sizeof(*r));

    (void)pthread_mutex_init(&r->lock, NULL);
    bs_random(r->key, sizeof(r->key));
    r->each_us = each_us;
    r->burst = burst;
    return r;
}

void
bs_rates_free(struct bs_rates **r)
{
    if (*r == NULL)
        return;
    (void)pthread_mutex_destroy(&(*r)->lock);
    free(*r);
    *r = NULL;
}

/* The bucket of that name, else the one that is full for longest, emptied of its name. */
static struct bucket *
find(struct bs_rates *r, const char *name)
{
    struct bs_hash128 h = bs_siphash(r->key, bs_bytes_of(name));
    struct bucket *oldest = &r->buckets[0];

    for (size_t i = 0; i < SLOTS; i++) {
        struct bucket *b = &r->buckets[i];
        if (b->full_us != 0 && b->name.lo == h.lo && b->name.hi == h.hi)
            return b;
        if (b->full_us < oldest->full_us)
            oldest = b;
    }
    *oldest = (struct bucket){h, 0};
    return oldest;
}

static int
ask(struct bs_rates *r, const char *name, int64_t mono_us, bool take)
{
    struct bucket *b;
    int64_t full_us, over_us;

    (void)pthread_mutex_lock(&r->lock);
    b = find(r, name);
    full_us = (b->full_us > mono_us ? b->full_us : mono_us) + r->each_us;
    over_us = full_us - mono_us - r->burst * r->each_us;
    if (over_us <= 0 && take)
        b->full_us = full_us;
    (void)pthread_mutex_unlock(&r->lock);
    return over_us <= 0 ? 0 : (int)((over_us + 999999) / 1000000);
}

int
bs_rates_take(struct bs_rates *r, const char *name, int64_t mono_us)
{
    return ask(r, name, mono_us, true);
}

int
bs_rates_look(struct bs_rates *r, const char *name, int64_t mono_us)
{
    return ask(r, name, mono_us, false);
}

bool
bs_rates_lately(struct bs_rates *r, const char *name, int64_t mono_us)
{
    bool lately;

    (void)pthread_mutex_lock(&r->lock);
    lately = find(r, name)->full_us > mono_us;
    (void)pthread_mutex_unlock(&r->lock);
    return lately;
}
