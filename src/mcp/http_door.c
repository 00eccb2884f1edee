/*
 * http_door.c - a handful of places for connections. One is closed rather than reused where there is
 * anything to read on it: all that an idle one is ever told is that it has ended.
 */
#include "mcp/http_door.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "gateway/inside.h"

#define PLACES     16               /* connections of one credential */
#define IDLE_US    (60 * 1000000LL) /* that one is kept for nobody */
#define CONNECT_US (15 * 1000000LL)
#define WAIT_US    (10 * 1000000LL) /* for a place, where all are taken */
#define TEXT(n)    TEXT_OF(n)
#define TEXT_OF(n) #n

enum use {
    FREE = 0,
    OPENING,
    IDLE,
    BUSY,
};

struct place {
    enum use use;
    PGconn *conn;
    int fd; /* of conn: may be looked at while another thread has it */
    int64_t since_us;
};

struct bs_http_door {
    struct bs_inside *inside;
    struct bs_http_room *room;
    char *agent, *secret, *database, *client;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* a place may have become free */
    struct place places[PLACES];
};

struct bs_http_door *
bs_http_door_new(const struct bs_http_door_options *o)
{
    struct bs_http_door *d = bs_malloc(sizeof(*d));

    d->inside = o->inside;
    d->room = o->room;
    d->agent = bs_strdup(o->agent);
    d->secret = bs_strdup(o->secret);
    d->database = bs_strdup(o->database);
    d->client = bs_strdup(o->client);
    bs_assert(pthread_mutex_init(&d->lock, NULL) == 0);
    bs_cond_init(&d->wake);
    return d;
}

static void
vacate(struct bs_http_door *d, struct place *p)
{
    if (p->conn != NULL)
        PQfinish(p->conn);
    *p = (struct place){.use = FREE};
    (void)atomic_fetch_sub(&d->room->used, 1);
    (void)pthread_cond_signal(&d->wake);
}

void
bs_http_door_free(struct bs_http_door **door)
{
    struct bs_http_door *d = *door;

    *door = NULL;
    if (d == NULL)
        return;
    for (size_t i = 0; i < PLACES; i++) {
        bs_assert(d->places[i].use == FREE || d->places[i].use == IDLE);
        if (d->places[i].use == IDLE)
            vacate(d, &d->places[i]);
    }
    bs_wipe(d->secret, strlen(d->secret));
    free(d->agent);
    free(d->secret);
    free(d->database);
    free(d->client);
    (void)pthread_cond_destroy(&d->wake);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

/* --- connecting ---------------------------------------------------------------------------- */

/* "... FATAL:  28P01: password authentication failed ..." */
static enum bs_done
refused(const PGconn *conn, struct bs_err *err)
{
    static const struct {
        const char *sqlstate;
        enum bs_code code;
    } known[] = {{"28P01", BS_E_AUTH},      {"28000", BS_E_AUTH},   {"42501", BS_E_FORBIDDEN},
                 {"3D000", BS_E_NOT_FOUND}, {"ZB006", BS_E_PAUSED}, {"53300", BS_E_LIMIT}};
    const char *text = strstr(PQerrorMessage(conn), "FATAL:  ");

    if (text == NULL || strlen(text) < 15)
        return BS_FAIL(err, UNAVAILABLE, "the gateway does not let sessions begin now");
    text += 8;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(text, known[i].sqlstate, 5) == 0)
            return bs_err_set(err, known[i].code, "%.*s", (int)strcspn(text + 7, "\n"), text + 7);
    }
    return BS_FAIL(err, UNAVAILABLE, "%.*s", (int)strcspn(text + 7, "\n"), text + 7);
}

static enum bs_done
await(PGconn *conn, const struct bs_watch *watch, struct bs_err *err)
{
    const struct bs_watch patience = {.wake = {-1, -1},
                                      .deadline_us = bs_mono_us() + CONNECT_US,
                                      .late = BS_E_UNAVAILABLE,
                                      .above = watch};
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;

    while (next != PGRES_POLLING_OK) {
        if (PQstatus(conn) == CONNECTION_BAD || next == PGRES_POLLING_FAILED)
            return refused(conn, err);
        if (bs_watch_poll(&patience, PQsocket(conn),
                          next == PGRES_POLLING_READING ? POLLIN : POLLOUT, err) != BS_DONE)
            return BS_FAILED;
        next = PQconnectPoll(conn);
    }
    return BS_DONE;
}

/* NULL: err says why. */
static PGconn *
connect_inside(struct bs_http_door *d, const struct bs_watch *watch, struct bs_err *err)
{
    static const char *const keys[] = {
        "host",    "port",       "user",     "password",         "dbname", "options",
        "sslmode", "gssencmode", "passfile", "application_name", NULL};
    char word[BS_INSIDE_WORD], options[BS_INSIDE_WORD + 48];
    const char *const values[] = {bs_inside_folder(d->inside),
                                  TEXT(BS_INSIDE_PORT),
                                  d->agent,
                                  d->secret,
                                  d->database,
                                  options,
                                  "disable",
                                  "disable",
                                  "/dev/null",
                                  "mcp",
                                  NULL};
    PGconn *conn;
    enum bs_done done;

    bs_inside_announce(d->inside, d->client, "mcp", word);
    /* What is held is told at once: who waits does so by the ticket. */
    (void)snprintf(options, sizeof(options), "-c backstop.wait=0 -c backstop.via=%s", word);
    conn = PQconnectStartParams(keys, values, 0);
    bs_assert(conn != NULL);
    (void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* for the SQLSTATE */
    done = await(conn, watch, err);
    bs_inside_forget(d->inside, word);
    bs_wipe(options, sizeof(options));
    bs_wipe(word, sizeof(word));
    if (done != BS_DONE) {
        PQfinish(conn);
        return NULL;
    }
    (void)PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    return conn;
}

/* --- places -------------------------------------------------------------------------------- */

static bool
has_something(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, 0) != 0;
}

/* With the lock: an idle one that has not ended; NULL: there is none. */
static struct place *
find_idle(struct bs_http_door *d)
{
    for (size_t i = 0; i < PLACES; i++) {
        struct place *p = &d->places[i];
        if (p->use != IDLE)
            continue;
        if (!has_something(p->fd, POLLIN))
            return p;
        vacate(d, p);
    }
    return NULL;
}

/* With the lock: a place for one more; NULL: there is none. */
static struct place *
find_free(struct bs_http_door *d)
{
    struct place *p = d->places;

    while (p < d->places + PLACES && p->use != FREE)
        p++;
    if (p == d->places + PLACES)
        return NULL;
    if (atomic_fetch_add(&d->room->used, 1) >= d->room->max) {
        (void)atomic_fetch_sub(&d->room->used, 1);
        return NULL;
    }
    p->use = OPENING;
    return p;
}

/* With the lock, which is let go meanwhile: connects in a place that was found free. */
static bool
fill(struct bs_http_door *d,
     struct place *p,
     enum use use,
     const struct bs_watch *watch,
     struct bs_err *err)
{
    PGconn *conn;

    (void)pthread_mutex_unlock(&d->lock);
    conn = connect_inside(d, watch, err);
    (void)pthread_mutex_lock(&d->lock);
    if (conn == NULL) {
        vacate(d, p);
        return false;
    }
    *p = (struct place){use, conn, PQsocket(conn), bs_mono_us()};
    (void)pthread_cond_signal(&d->wake);
    return true;
}

bool
bs_http_door_is_open(struct bs_http_door *d)
{
    bool open;

    (void)pthread_mutex_lock(&d->lock);
    open = find_idle(d) != NULL;
    for (size_t i = 0; i < PLACES && !open; i++)
        open = d->places[i].use == BUSY && !has_something(d->places[i].fd, POLLRDHUP);
    (void)pthread_mutex_unlock(&d->lock);
    return open;
}

enum bs_done
bs_http_door_log_in(struct bs_http_door *d, struct bs_err *err)
{
    struct place *p;
    bool filled = false;

    (void)pthread_mutex_lock(&d->lock);
    p = find_free(d);
    if (p == NULL)
        (void)BS_FAIL(err, LIMIT, "too many connections");
    else
        filled = fill(d, p, IDLE, NULL, err);
    (void)pthread_mutex_unlock(&d->lock);
    return filled ? BS_DONE : BS_FAILED;
}

void
bs_http_door_tend(struct bs_http_door *d)
{
    int64_t now_us = bs_mono_us();

    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < PLACES; i++) {
        struct place *p = &d->places[i];
        if (p->use == IDLE && (now_us - p->since_us > IDLE_US || has_something(p->fd, POLLIN)))
            vacate(d, p);
    }
    (void)pthread_mutex_unlock(&d->lock);
}

/* --- as the protocol's server takes them ---------------------------------------------------- */

/* With the lock. */
static PGconn *
take(struct bs_http_door *d, const struct bs_watch *watch, struct bs_err *err)
{
    int64_t until_us = bs_mono_us() + WAIT_US;
    struct timespec at;

    while (bs_watch_check(watch, err) == BS_DONE) {
        struct place *p = find_idle(d);
        if (p != NULL) {
            p->use = BUSY;
            return p->conn;
        }
        p = find_free(d);
        if (p != NULL)
            return fill(d, p, BUSY, watch, err) ? p->conn : NULL;
        if (bs_mono_us() >= until_us) {
            (void)BS_FAIL(err, LIMIT, "all connections of this credential are in use");
            return NULL;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec++;
        (void)pthread_cond_timedwait(&d->wake, &d->lock, &at);
    }
    return NULL;
}

static PGconn *
acquire(void *ctx, const char *database, const struct bs_watch *watch, struct bs_err *err)
{
    struct bs_http_door *d = ctx;
    PGconn *conn;

    if (database != NULL && strcmp(database, d->database) != 0) {
        (void)BS_FAIL(err, FORBIDDEN, "this is the way to the database \"%s\" alone", d->database);
        return NULL;
    }
    (void)pthread_mutex_lock(&d->lock);
    conn = take(d, watch, err);
    (void)pthread_mutex_unlock(&d->lock);
    return conn;
}

static void
release(void *ctx, PGconn *conn, enum bs_mcp_conn state)
{
    struct bs_http_door *d = ctx;
    struct place *p = d->places;

    (void)pthread_mutex_lock(&d->lock);
    while (p->conn != conn)
        p++;
    if (state == BS_MCP_CONN_CLEAN && PQtransactionStatus(conn) == PQTRANS_IDLE) {
        p->use = IDLE;
        p->since_us = bs_mono_us();
        (void)pthread_cond_signal(&d->wake);
    } else {
        vacate(d, p);
    }
    (void)pthread_mutex_unlock(&d->lock);
}

struct bs_mcp_door
bs_http_door_way(struct bs_http_door *door)
{
    return (struct bs_mcp_door){.ctx = door, .acquire = acquire, .release = release};
}
