/*
 * warm.c - a list: one entry for each conninfo that somebody may ask by.
 */
#include "recovery/warm.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MAX = 2 };

struct entry {
    char *conninfo; /* secret */
    size_t users;
    PGconn *idle[IDLE_MAX];
    size_t n_idle;
    struct entry *next;
};

struct bs_warm {
    pthread_mutex_t lock;
    struct entry *list;
};

struct bs_warm *
bs_warm_new(void)
{
    struct bs_warm *w = bs_malloc(sizeof(*w));

    pthread_mutex_init(&w->lock, NULL);
    w->list = NULL;
    return w;
}

static void
close_all(struct entry *e)
{
    while (e->n_idle != 0)
        PQfinish(e->idle[--e->n_idle]);
}

static void
free_entry(struct entry *e)
{
    close_all(e);
    bs_wipe(e->conninfo, strlen(e->conninfo));
    free(e->conninfo);
    free(e);
}

void
bs_warm_free(struct bs_warm **w)
{
    if (*w == NULL)
        return;
    while ((*w)->list != NULL) {
        struct entry *e = (*w)->list;
        (*w)->list = e->next;
        free_entry(e);
    }
    pthread_mutex_destroy(&(*w)->lock);
    free(*w);
    *w = NULL;
}

/* Where it hangs in the list; what it points to is NULL where there is none. */
static struct entry **
find(struct bs_warm *w, const char *conninfo)
{
    struct entry **at = &w->list;

    while (*at != NULL && strcmp((*at)->conninfo, conninfo) != 0)
        at = &(*at)->next;
    return at;
}

void
bs_warm_enter(struct bs_warm *w, const char *conninfo)
{
    struct entry **at;

    bs_assert(pthread_mutex_lock(&w->lock) == 0);
    at = find(w, conninfo);
    if (*at == NULL) {
        *at = bs_malloc(sizeof(**at));
        (*at)->conninfo = bs_strdup(conninfo);
    }
    (*at)->users++;
    bs_assert(pthread_mutex_unlock(&w->lock) == 0);
}

void
bs_warm_leave(struct bs_warm *w, const char *conninfo)
{
    struct entry **at, *last = NULL;

    bs_assert(pthread_mutex_lock(&w->lock) == 0);
    at = find(w, conninfo);
    bs_assert(*at != NULL && (*at)->users != 0);
    if (--(*at)->users == 0) {
        last = *at;
        *at = last->next;
    }
    bs_assert(pthread_mutex_unlock(&w->lock) == 0);
    if (last != NULL)
        free_entry(last);
}

/* The end of its last transaction is taken in; a server that is gone has closed the socket. */
static bool
is_alive(struct bs_helper *h)
{
    struct bs_err ignored = {0};

    if (PQconsumeInput(h->conn) != 1 || PQstatus(h->conn) != CONNECTION_OK ||
        bs_helper_drain(h, &ignored) != BS_DONE)
        return false;
    return PQtransactionStatus(h->conn) == PQTRANS_IDLE;
}

static PGconn *
pop(struct bs_warm *w, const char *conninfo)
{
    PGconn *conn = NULL;
    struct entry *e;

    bs_assert(pthread_mutex_lock(&w->lock) == 0);
    e = *find(w, conninfo);
    if (e != NULL && e->n_idle != 0)
        conn = e->idle[--e->n_idle];
    bs_assert(pthread_mutex_unlock(&w->lock) == 0);
    return conn;
}

bool
bs_warm_take(struct bs_warm *w,
             const char *conninfo,
             const struct bs_watch *watch,
             enum bs_code code,
             struct bs_helper *out)
{
    *out = (struct bs_helper){.watch = watch, .code = code};
    while ((out->conn = pop(w, conninfo)) != NULL) {
        if (is_alive(out))
            return true;
        bs_helper_close(out);
    }
    return false;
}

/* Sent, not waited for: whoever takes it reads the answer. */
static bool
rest(struct bs_helper *h)
{
    return PQstatus(h->conn) == CONNECTION_OK &&
           (PQtransactionStatus(h->conn) == PQTRANS_IDLE ||
            (PQsendQuery(h->conn, "ROLLBACK") == 1 && PQflush(h->conn) == 0));
}

void
bs_warm_put(struct bs_warm *w, const char *conninfo, struct bs_helper *h)
{
    bool rests = rest(h);
    struct entry *e;

    bs_assert(pthread_mutex_lock(&w->lock) == 0);
    e = *find(w, conninfo);
    if (rests && e != NULL && e->n_idle < IDLE_MAX) {
        e->idle[e->n_idle++] = h->conn;
        h->conn = NULL;
    }
    bs_assert(pthread_mutex_unlock(&w->lock) == 0);
    bs_helper_close(h);
}

void
bs_warm_clear(struct bs_warm *w)
{
    bs_assert(pthread_mutex_lock(&w->lock) == 0);
    for (struct entry *e = w->list; e != NULL; e = e->next)
        close_all(e);
    bs_assert(pthread_mutex_unlock(&w->lock) == 0);
}
