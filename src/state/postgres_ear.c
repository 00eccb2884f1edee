/*
 * postgres_ear.c - a thread with a connection of its own, so that nothing that is slow elsewhere makes
 * this gateway look dead to the others, and no news wait behind a statement.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/postgres.h"

#define BEAT_US (INT64_C(1) * 1000000) /* between two signs of life */

struct bs_pg_ear {
    struct bs_pg_link link;
    bs_state_news_fn *heard;
    void *ctx;
    pthread_t thread;
    int stop; /* eventfd */
    int64_t beat_us;
};

/* It was taken away where others thought this gateway dead. */
static enum bs_done
beat(struct bs_pg_ear *e, struct bs_err *err)
{
    char sql[512];

    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO backstop.leases (name, holder, until_us) VALUES"
                   " ('gateway:%s', '%s', backstop.now_us() + %d) ON CONFLICT (name)"
                   " DO UPDATE SET until_us = excluded.until_us",
                   e->link.instance, e->link.instance, BS_LEASE_MS * 1000);
    e->beat_us = bs_mono_us() + BEAT_US;
    return bs_pg_script(&e->link, sql, err);
}

/* "tickets T-01... 01...": the table, the row, and whose doing it is. Anybody who may connect to the
 * database can say such a thing, so no more follows from it than that somebody looks. */
static void
take(struct bs_pg_ear *e, const char *said)
{
    char table[16] = "", id[64] = "", by[64] = "";
    char *const into[] = {table, id, by};
    const size_t sizes[] = {sizeof(table), sizeof(id), sizeof(by)};

    for (size_t i = 0; i < 3 && *said != '\0'; i++) {
        size_t n = strcspn(said, " ");
        (void)snprintf(into[i], sizes[i], "%.*s", (int)n, said);
        said += n + (said[n] == ' ');
    }
    if (strcmp(by, e->link.instance) == 0)
        return;
    if (strcmp(table, "tickets") == 0)
        e->heard(e->ctx, BS_NEWS_TICKET, id);
    else if (strcmp(table, "changes") == 0)
        e->heard(e->ctx, BS_NEWS_CHANGE, "");
}

static void
take_all(struct bs_pg_ear *e)
{
    PGnotify *n;

    if (e->link.conn == NULL || PQconsumeInput(e->link.conn) != 1) {
        bs_pg_drop(&e->link);
        return;
    }
    while (e->link.conn != NULL && (n = PQnotifies(e->link.conn)) != NULL) {
        take(e, n->extra);
        PQfreemem(n);
    }
}

/* What was said before is not heard: so all of it is looked at. */
static void
begin(struct bs_pg_ear *e)
{
    struct bs_err err = {0};

    if (bs_pg_connected(&e->link, &err) == BS_DONE &&
        bs_pg_script(&e->link, "SET synchronous_commit = off; LISTEN backstop", &err) == BS_DONE &&
        beat(e, &err) == BS_DONE)
        e->heard(e->ctx, BS_NEWS_ALL, "");
    else
        bs_pg_drop(&e->link);
}

/* Until there is something to do. */
static void
rest(struct bs_pg_ear *e)
{
    int64_t until_us = e->link.conn != NULL ? e->beat_us : e->link.again_us, now_us = bs_mono_us();
    struct pollfd fds[] = {
        {.fd = e->stop, .events = POLLIN},
        {.fd = e->link.conn == NULL ? -1 : PQsocket(e->link.conn), .events = POLLIN}};

    (void)poll(fds, 2, until_us <= now_us ? 0 : (int)((until_us - now_us) / 1000) + 1);
}

static bool
is_over(const struct bs_pg_ear *e)
{
    struct pollfd fd = {.fd = e->stop, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}

static void *
listen_on(void *arg)
{
    struct bs_pg_ear *e = arg;
    struct bs_err err = {0};

    while (!is_over(e)) {
        if (e->link.conn == NULL)
            begin(e);
        rest(e);
        if (e->link.conn != NULL)
            take_all(e);
        err = (struct bs_err){0};
        if (e->link.conn != NULL && bs_mono_us() >= e->beat_us && beat(e, &err) != BS_DONE)
            bs_pg_drop(&e->link);
    }
    return NULL;
}

enum bs_done
bs_pg_ear_new(const char *url,
              const char *instance,
              bs_state_news_fn *heard,
              void *ctx,
              struct bs_pg_ear **out,
              struct bs_err *err)
{
    struct bs_pg_ear *e = bs_malloc(sizeof(*e));

    e->link = (struct bs_pg_link){.url = url, .name = "backstop/news", .instance = instance};
    e->heard = heard;
    e->ctx = ctx;
    e->stop = eventfd(0, EFD_CLOEXEC);
    if (e->stop >= 0 && pthread_create(&e->thread, NULL, listen_on, e) == 0) {
        *out = e;
        return BS_DONE;
    }
    if (e->stop >= 0)
        (void)close(e->stop);
    free(e);
    return BS_FAIL(err, UNAVAILABLE, "no thread that listens to other gateways");
}

void
bs_pg_deafen(struct bs_pg_ear **e)
{
    const uint64_t one = 1;

    if (*e == NULL)
        return;
    (void)!write((*e)->stop, &one, sizeof(one));
    (void)pthread_join((*e)->thread, NULL);
    bs_pg_drop(&(*e)->link);
    (void)close((*e)->stop);
    free(*e);
    *e = NULL;
}
