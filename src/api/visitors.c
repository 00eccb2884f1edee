/*
 * visitors.c - one list, by how long they wait: who waits anew goes to its end.
 */
#include "api/visitors.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/err.h"

struct bs_visitor {
    char address[BS_VISITOR_NAME];
    int fd;
    bool waits;
    bool sent_away; /* the library has yet to notice */
    struct bs_visitor *before, *after;
};

struct bs_visitors {
    pthread_mutex_t lock;
    size_t most, most_each;
    struct bs_visitor *first, *last;
};

struct bs_visitors *
bs_visitors_new(size_t most, size_t most_each)
{
    struct bs_visitors *v = bs_malloc(sizeof(*v));

    (void)pthread_mutex_init(&v->lock, NULL);
    v->most = most;
    v->most_each = most_each;
    return v;
}

void
bs_visitors_free(struct bs_visitors **v)
{
    if (*v == NULL)
        return;
    bs_assert((*v)->first == NULL);
    (void)pthread_mutex_destroy(&(*v)->lock);
    free(*v);
    *v = NULL;
}

static void
put_last(struct bs_visitors *v, struct bs_visitor *one)
{
    one->before = v->last;
    one->after = NULL;
    *(v->last == NULL ? &v->first : &v->last->after) = one;
    v->last = one;
}

static void
take_out(struct bs_visitors *v, struct bs_visitor *one)
{
    *(one->before == NULL ? &v->first : &one->before->after) = one->after;
    *(one->after == NULL ? &v->last : &one->after->before) = one->before;
}

/* How many are there, of that address; NULL: of any. The one that waits longest. */
static size_t
count(const struct bs_visitors *v, const char *address, struct bs_visitor **longest)
{
    size_t n = 0;

    *longest = NULL;
    for (struct bs_visitor *one = v->first; one != NULL; one = one->after) {
        if (one->sent_away || (address != NULL && strcmp(one->address, address) != 0))
            continue;
        n++;
        if (*longest == NULL && one->waits)
            *longest = one;
    }
    return n;
}

/* The library's thread finds the end of the connection there, and closes it. */
static void
send_away(struct bs_visitor *one)
{
    one->sent_away = true;
    (void)shutdown(one->fd, SHUT_RDWR);
}

bool
bs_visitors_admit(struct bs_visitors *v, const char *address)
{
    struct bs_visitor *longest;
    bool room = true;

    (void)pthread_mutex_lock(&v->lock);
    if (count(v, address, &longest) >= v->most_each) {
        room = longest != NULL;
    } else if (count(v, NULL, &longest) < v->most) {
        longest = NULL;
    }
    if (longest != NULL)
        send_away(longest);
    (void)pthread_mutex_unlock(&v->lock);
    return room;
}

struct bs_visitor *
bs_visitors_enter(struct bs_visitors *v, const char *address, int fd)
{
    struct bs_visitor *one = bs_malloc(sizeof(*one));

    (void)snprintf(one->address, sizeof(one->address), "%s", address);
    one->fd = fd;
    one->waits = true;
    (void)pthread_mutex_lock(&v->lock);
    put_last(v, one);
    (void)pthread_mutex_unlock(&v->lock);
    return one;
}

void
bs_visitors_leave(struct bs_visitors *v, struct bs_visitor **visitor)
{
    if (*visitor == NULL)
        return;
    (void)pthread_mutex_lock(&v->lock);
    take_out(v, *visitor);
    (void)pthread_mutex_unlock(&v->lock);
    free(*visitor);
    *visitor = NULL;
}

void
bs_visitor_asks(struct bs_visitors *v, struct bs_visitor *visitor)
{
    (void)pthread_mutex_lock(&v->lock);
    visitor->waits = false;
    (void)pthread_mutex_unlock(&v->lock);
}

void
bs_visitor_waits(struct bs_visitors *v, struct bs_visitor *visitor)
{
    (void)pthread_mutex_lock(&v->lock);
    take_out(v, visitor);
    visitor->waits = true;
    put_last(v, visitor);
    (void)pthread_mutex_unlock(&v->lock);
}
