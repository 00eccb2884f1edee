/*
 * pool.c - see pool.h. Which connection one gets does not matter: each is as new.
 */
#include "mcp/pool.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"

#define MAX_USUAL    16
#define KEYWORDS_MAX 64
#define IDLE_US      60000000
#define CONNECT_US   15000000
#define PATIENCE_US  10000000
#define APPLICATION  "backstop mcp"

struct idle {
    PGconn *conn;
    int64_t since_us;
    struct idle *next;
};

struct bs_mcp_pool {
    PQconninfoOption *parts;
    char *password; /* above that of the string; NULL */
    char *name;
    char *options; /* start-up options */
    bool one_database;
    unsigned max;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t freed;
    struct idle *idle; /* the one used last first: the others grow old */
    unsigned n;        /* all that are open, or being opened */
};

static const char *
part(const struct bs_mcp_pool *p, const char *keyword)
{
    for (const PQconninfoOption *o = p->parts; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, keyword) == 0)
            return o->val;
    }
    return NULL;
}

/* Those that are asked for, and ours: what is held is told at once, for the caller waits elsewhere. */
static char *
start_up_options(const struct bs_mcp_pool *p)
{
    const char *given = part(p, "options");
    struct bs_buf b;
    char *options;

    if (given == NULL)
        given = getenv("PGOPTIONS");
    bs_buf_init(&b, 65536);
    bs_put_fmt(&b, "%s%s-c backstop.wait=0", given == NULL ? "" : given, given == NULL ? "" : " ");
    bs_put_u8(&b, 0);
    options = bs_strdup(b.failed ? "-c backstop.wait=0" : (const char *)b.p);
    bs_buf_fini(&b);
    return options;
}

enum bs_done
bs_mcp_pool_new(const struct bs_mcp_pool_options *options,
                struct bs_mcp_pool **out,
                struct bs_err *err)
{
    char *wrong = NULL;
    PQconninfoOption *parts = PQconninfoParse(options->conninfo, &wrong);
    struct bs_mcp_pool *p;

    PQfreemem(wrong); /* it may quote the string, and with it a password */
    if (parts == NULL)
        return BS_FAIL(err, CONFIG, "this is no connection string");
    p = bs_malloc(sizeof(*p));
    p->parts = parts;
    p->password = bs_strdup(options->password);
    p->name = bs_strdup(options->name == NULL ? APPLICATION : options->name);
    p->options = start_up_options(p);
    p->one_database = options->one_database;
    p->max = options->max == 0 ? MAX_USUAL : options->max;
    (void)pthread_mutex_init(&p->lock, NULL);
    bs_cond_init(&p->freed);
    *out = p;
    return BS_DONE;
}

static void
drop(struct idle *i)
{
    PQfinish(i->conn);
    free(i);
}

void
bs_mcp_pool_free(struct bs_mcp_pool **pool)
{
    struct bs_mcp_pool *p = *pool;
    struct idle *i;

    if (p == NULL)
        return;
    while ((i = p->idle) != NULL) {
        p->idle = i->next;
        drop(i);
    }
    for (PQconninfoOption *o = p->parts; o->keyword != NULL; o++) {
        if (o->val != NULL && strcmp(o->keyword, "password") == 0)
            bs_wipe(o->val, strlen(o->val));
    }
    PQconninfoFree(p->parts);
    bs_free_secret(&p->password);
    free(p->name);
    free(p->options);
    (void)pthread_cond_destroy(&p->freed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
    *pool = NULL;
}

struct words {
    const char *keys[KEYWORDS_MAX + 4];
    const char *values[KEYWORDS_MAX + 4];
    size_t n;
};

static void
add(struct words *w, const char *key, const char *value)
{
    if (value != NULL && w->n < KEYWORDS_MAX) {
        w->keys[w->n] = key;
        w->values[w->n++] = value;
    }
}

/* Later words stand above earlier ones. */
static void
put_words(const struct bs_mcp_pool *p, const char *database, struct words *w)
{
    add(w, "fallback_application_name", p->name);
    add(w, "connect_timeout", "10");
    for (const PQconninfoOption *o = p->parts; o->keyword != NULL; o++)
        add(w, o->keyword, o->val);
    add(w, "password", p->password);
    add(w, "dbname", database);
    add(w, "options", p->options);
    add(w, "client_encoding", "UTF8");
    w->keys[w->n] = w->values[w->n] = NULL;
}

/* Goes on until it stands, or cannot. */
static bool
finish(PGconn *conn, const struct bs_watch *watch, struct bs_err *err)
{
    struct bs_watch patience = {.wake = {-1, -1},
                                .deadline_us = bs_mono_us() + CONNECT_US,
                                .late = BS_E_UNAVAILABLE,
                                .above = watch};
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (want != PGRES_POLLING_OK && want != PGRES_POLLING_FAILED) {
        short events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;

        if (bs_watch_poll(&patience, PQsocket(conn), events, err) != BS_DONE)
            return false;
        want = PQconnectPoll(conn);
    }
    return want == PGRES_POLLING_OK;
}

static void
say(PGconn *conn, struct bs_err *err)
{
    char line[300];

    (void)snprintf(line, sizeof(line), "%s", PQerrorMessage(conn));
    line[strcspn(line, "\n")] = '\0';
    if (PQconnectionNeedsPassword(conn) || strstr(line, "authentication failed") != NULL)
        (void)BS_FAIL(err, AUTH, "%s", line);
    else
        (void)BS_FAIL(err, UNAVAILABLE, "%s", line);
}

static PGconn *
open_conn(const struct bs_mcp_pool *p,
          const char *database,
          const struct bs_watch *watch,
          struct bs_err *err)
{
    struct words words;
    PGconn *conn;

    words.n = 0;
    put_words(p, database, &words);
    conn = PQconnectStartParams(words.keys, words.values, 0);
    bs_assert(conn != NULL);
    if (PQstatus(conn) != CONNECTION_BAD && finish(conn, watch, err))
        return conn;
    say(conn, err);
    PQfinish(conn);
    return NULL;
}

/* An idle connection has nothing to say: what comes in is that it has ended. */
static bool
is_alive(PGconn *conn)
{
    struct pollfd fd = {PQsocket(conn), POLLIN, 0};

    if (poll(&fd, 1, 0) == 0)
        return true;
    return PQconsumeInput(conn) != 0 && PQstatus(conn) == CONNECTION_OK;
}

static bool
fits(const struct idle *i, const char *database)
{
    return database == NULL || strcmp(PQdb(i->conn), database) == 0;
}

/* Under the lock. Takes an idle one of that database; or makes room, where there is a use for it. */
static PGconn *
take(struct bs_mcp_pool *p, const char *database)
{
    struct idle **at = &p->idle;
    struct idle *i;

    while ((i = *at) != NULL) {
        PGconn *conn = i->conn;
        bool wanted = fits(i, database);

        if (!wanted && p->n < p->max) {
            at = &i->next;
            continue;
        }
        *at = i->next;
        if (wanted && is_alive(conn)) {
            free(i);
            return conn;
        }
        p->n--;
        drop(i);
    }
    return NULL;
}

/* Under the lock. False where all are in use, for long. */
static bool
wait_for_room(struct bs_mcp_pool *p,
              int64_t until_us,
              const struct bs_watch *watch,
              struct bs_err *err)
{
    struct timespec soon;

    if (bs_watch_check(watch, err) != BS_DONE)
        return false;
    if (bs_mono_us() >= until_us)
        return BS_FAIL(err, LIMIT, "all %u connections of this agent are in use", p->max) ==
               BS_DONE;
    (void)clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 100000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_sec++;
        soon.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&p->freed, &p->lock, &soon);
    return true;
}

static void
give_place(struct bs_mcp_pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->n--;
    (void)pthread_cond_signal(&p->freed);
    (void)pthread_mutex_unlock(&p->lock);
}

static PGconn *
acquire(void *ctx, const char *database, const struct bs_watch *watch, struct bs_err *err)
{
    struct bs_mcp_pool *p = ctx;
    int64_t until_us = bs_mono_us() + PATIENCE_US;
    const char *own = part(p, "dbname");
    PGconn *conn;
    bool room = true;

    if (p->one_database && database != NULL && (own == NULL || strcmp(own, database) != 0)) {
        (void)BS_FAIL(err, FORBIDDEN, "this agent uses one database only: leave \"database\" out");
        return NULL;
    }
    if (database == NULL)
        database = own;
    (void)pthread_mutex_lock(&p->lock);
    while ((conn = take(p, database)) == NULL && p->n >= p->max && room)
        room = wait_for_room(p, until_us, watch, err);
    if (conn == NULL && room)
        p->n++;
    (void)pthread_mutex_unlock(&p->lock);
    if (conn != NULL || !room)
        return conn;
    conn = open_conn(p, database, watch, err);
    if (conn == NULL)
        give_place(p);
    return conn;
}

static void
release(void *ctx, PGconn *conn, enum bs_mcp_conn state)
{
    struct bs_mcp_pool *p = ctx;
    struct idle *i;

    if (state != BS_MCP_CONN_CLEAN) {
        PQfinish(conn);
        give_place(p);
        return;
    }
    i = bs_malloc(sizeof(*i));
    i->conn = conn;
    i->since_us = bs_mono_us();
    (void)pthread_mutex_lock(&p->lock);
    i->next = p->idle;
    p->idle = i;
    (void)pthread_cond_signal(&p->freed);
    (void)pthread_mutex_unlock(&p->lock);
}

static void
tend(void *ctx)
{
    struct bs_mcp_pool *p = ctx;
    int64_t old_us = bs_mono_us() - IDLE_US;
    struct idle **at, *i;

    (void)pthread_mutex_lock(&p->lock);
    for (at = &p->idle; (i = *at) != NULL;) {
        if (i->since_us > old_us) {
            at = &i->next;
            continue;
        }
        *at = i->next;
        p->n--;
        drop(i);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

struct bs_mcp_door
bs_mcp_pool_door(struct bs_mcp_pool *pool)
{
    return (struct bs_mcp_door){.ctx = pool, .acquire = acquire, .release = release, .tend = tend};
}
