/*
 * databases.c - one lock for the pointer, which is held for an instant; one for loading, which
 * makes those who want the same load wait for it instead of asking the server twice.
 */
#include "gateway/databases.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "catalog/session.h"

#define LOOK_US (INT64_C(2) * 1000000)
/* A refresh that nothing but time asks for shall not cost the server more than a fiftieth; one that
 * counters ask for, which those who make temporary tables all the time move all the time, a tenth. */
#define REFRESH_SHARE  50
#define CHANGED_SHARE  10
#define REFRESH_MAX_US (INT64_C(14) * 1000000)

struct bs_database {
    const struct bs_config_database *config;
    pthread_mutex_t pointer; /* guards snapshot, stale; and who writes checked */
    pthread_mutex_t loading; /* held while the server is asked */
    struct bs_catalog_session *session;
    struct bs_snapshot *snapshot;
    int64_t stale_us;           /* a snapshot that was true before this moment does not count */
    _Atomic int64_t checked_us; /* the snapshot was true then; 0: there is none */
    _Atomic uint64_t epoch;
    int64_t took_us; /* the last refresh; by whoever holds `loading` */
    bool moved;      /* counters have since; by the same */

    pthread_mutex_t watching; /* guards what follows */
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stop;
    unsigned sessions;
    bool failing; /* only of the thread */
};

struct bs_databases {
    struct bs_database *list;
    size_t n;
};

static void
init(struct bs_database *db, const struct bs_config_database *config)
{
    db->config = config;
    db->epoch = 1;
    db->session = bs_catalog_session_new(config->helper);
    pthread_mutex_init(&db->pointer, NULL);
    pthread_mutex_init(&db->loading, NULL);
    pthread_mutex_init(&db->watching, NULL);
    bs_cond_init(&db->wake);
}

static void
fini(struct bs_database *db)
{
    bool started;

    pthread_mutex_lock(&db->watching);
    db->stop = true;
    started = db->started;
    pthread_cond_signal(&db->wake);
    pthread_mutex_unlock(&db->watching);
    if (started)
        pthread_join(db->thread, NULL);
    bs_snapshot_unref(&db->snapshot);
    bs_catalog_session_free(&db->session);
    pthread_mutex_destroy(&db->pointer);
    pthread_mutex_destroy(&db->loading);
    pthread_mutex_destroy(&db->watching);
    pthread_cond_destroy(&db->wake);
}

struct bs_databases *
bs_databases_new(const struct bs_config *config)
{
    struct bs_databases *d = bs_malloc(sizeof(*d));

    d->n = config->n_databases;
    d->list = bs_malloc((d->n + 1) * sizeof(*d->list));
    for (size_t i = 0; i < d->n; i++)
        init(&d->list[i], &config->databases[i]);
    return d;
}

void
bs_databases_free(struct bs_databases **d)
{
    if (*d == NULL)
        return;
    for (size_t i = 0; i < (*d)->n; i++)
        fini(&(*d)->list[i]);
    free((*d)->list);
    free(*d);
    *d = NULL;
}

struct bs_database *
bs_database_find(struct bs_databases *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->list[i].config->name, name) == 0)
            return &d->list[i];
    }
    return NULL;
}

const struct bs_config_database *
bs_database_config(const struct bs_database *db)
{
    return db->config;
}

uint64_t
bs_database_epoch(struct bs_database *db)
{
    return db->epoch;
}

/* Under the pointer's lock: the snapshot, where it was true at or after that moment. */
static struct bs_snapshot *
fresh(struct bs_database *db, int64_t since_us)
{
    int64_t limit = since_us > db->stale_us ? since_us : db->stale_us;

    return db->snapshot == NULL || db->checked_us < limit ? NULL : db->snapshot;
}

static struct bs_snapshot *
newest(struct bs_database *db, int64_t since_us)
{
    struct bs_snapshot *s;

    pthread_mutex_lock(&db->pointer);
    s = fresh(db, since_us);
    if (s != NULL)
        s = bs_snapshot_ref(s);
    pthread_mutex_unlock(&db->pointer);
    return s;
}

struct bs_snapshot *
bs_database_snapshot(struct bs_database *db)
{
    return newest(db, 0);
}

int64_t
bs_database_checked_us(struct bs_database *db)
{
    return atomic_load_explicit(&db->checked_us, memory_order_relaxed);
}

void
bs_database_stale(struct bs_database *db)
{
    pthread_mutex_lock(&db->pointer);
    db->stale_us = bs_mono_us();
    pthread_mutex_unlock(&db->pointer);
    db->epoch++;
}

void
bs_databases_judge_anew(struct bs_databases *d)
{
    for (size_t i = 0; i < d->n; i++)
        d->list[i].epoch++;
}

/* The newest snapshot, stale or not: what changed is asked for from there. */
static struct bs_snapshot *
any_snapshot(struct bs_database *db)
{
    struct bs_snapshot *s;

    pthread_mutex_lock(&db->pointer);
    s = db->snapshot == NULL ? NULL : bs_snapshot_ref(db->snapshot);
    pthread_mutex_unlock(&db->pointer);
    return s;
}

/* `s` says what the catalog was at that moment. Takes the reference. */
static void
install(struct bs_database *db, struct bs_snapshot *s, int64_t at_us)
{
    struct bs_snapshot *old;

    pthread_mutex_lock(&db->pointer);
    old = db->snapshot;
    db->snapshot = s;
    db->checked_us = at_us;
    pthread_mutex_unlock(&db->pointer);
    if (old != s)
        db->epoch++;
    bs_snapshot_unref(&old);
}

/* With the lock of loading: what changed is read. */
static enum bs_done
refresh(struct bs_database *db, struct bs_err *err)
{
    struct bs_snapshot *old = any_snapshot(db), *s = NULL;
    int64_t from_us = bs_mono_us();
    enum bs_done done = bs_catalog_session_read(db->session, old, &s, err);

    if (done == BS_DONE)
        install(db, s, from_us);
    db->took_us = bs_mono_us() - from_us;
    db->moved = false;
    bs_snapshot_unref(&old);
    return done;
}

static bool
is_used(struct bs_database *db)
{
    bool used;

    pthread_mutex_lock(&db->watching);
    used = db->sessions != 0 && !db->stop;
    pthread_mutex_unlock(&db->watching);
    return used;
}

enum bs_done
bs_database_load(struct bs_database *db, int64_t since_us, struct bs_err *err)
{
    struct bs_snapshot *s;
    enum bs_done done = BS_DONE;

    pthread_mutex_lock(&db->loading);
    s = newest(db, since_us);
    if (s == NULL)
        done = refresh(db, err);
    if (!is_used(db))
        bs_catalog_session_rest(db->session);
    pthread_mutex_unlock(&db->loading);
    bs_snapshot_unref(&s);
    if (done != BS_DONE)
        bs_err_prefix(err, "catalog of database \"%s\"", db->config->name);
    return done;
}

/* --- watching ----------------------------------------------------------------------------- */

static bool
is_due(struct bs_database *db, enum bs_change change, int64_t now_us)
{
    int64_t wait_us = db->took_us * (change == BS_CHANGE_LIKELY ? CHANGED_SHARE : REFRESH_SHARE);

    if (wait_us > REFRESH_MAX_US)
        wait_us = REFRESH_MAX_US;
    return now_us - bs_database_checked_us(db) >= wait_us;
}

static enum bs_done
look(struct bs_database *db, struct bs_err *err)
{
    struct bs_snapshot *s = any_snapshot(db);
    enum bs_change change = BS_CHANGE_LIKELY;
    int64_t from_us = bs_mono_us();
    enum bs_done done = BS_DONE;

    if (s != NULL)
        done = bs_catalog_session_look(db->session, s, &change, err);
    db->moved = db->moved || change == BS_CHANGE_LIKELY;
    if (db->moved && change == BS_CHANGE_POSSIBLE)
        change = BS_CHANGE_LIKELY;
    if (done == BS_DONE && change == BS_CHANGE_NONE)
        install(db, bs_snapshot_ref(s), from_us);
    else if (done == BS_DONE && is_due(db, change, from_us))
        done = refresh(db, err);
    bs_snapshot_unref(&s);
    return done;
}

/* Said once, not every two seconds. */
static void
tell(struct bs_database *db, enum bs_done done, const struct bs_err *err)
{
    bool failing = done != BS_DONE;

    if (failing && !db->failing)
        BS_LOG(WARNING, "the catalog cannot be watched", BS_F_STR("database", db->config->name),
               BS_F_STR("reason", err->message));
    db->failing = failing;
}

static void
look_once(struct bs_database *db)
{
    struct bs_err err = {0};
    enum bs_done done = BS_DONE;

    pthread_mutex_lock(&db->loading);
    if (is_used(db))
        done = look(db, &err);
    pthread_mutex_unlock(&db->loading);
    tell(db, done, &err);
}

static void
rest(struct bs_database *db)
{
    pthread_mutex_lock(&db->loading);
    if (!is_used(db))
        bs_catalog_session_rest(db->session);
    pthread_mutex_unlock(&db->loading);
}

/* With the lock of watching: until the next look is due, or there is something else to do. */
static void
sleep_on(struct bs_database *db)
{
    struct timespec until;
    int64_t at_us = bs_mono_us() + LOOK_US;

    until.tv_sec = (time_t)(at_us / 1000000);
    until.tv_nsec = (long)(at_us % 1000000) * 1000;
    while (!db->stop && db->sessions != 0 &&
           pthread_cond_timedwait(&db->wake, &db->watching, &until) == 0)
        ;
}

static void *
watch(void *arg)
{
    struct bs_database *db = arg;

    pthread_mutex_lock(&db->watching);
    while (!db->stop) {
        bool used = db->sessions != 0;
        pthread_mutex_unlock(&db->watching);
        if (used)
            look_once(db);
        else
            rest(db);
        pthread_mutex_lock(&db->watching);
        if (used)
            sleep_on(db);
        while (!db->stop && !used && db->sessions == 0)
            pthread_cond_wait(&db->wake, &db->watching);
    }
    pthread_mutex_unlock(&db->watching);
    return NULL;
}

void
bs_database_enter(struct bs_database *db)
{
    pthread_mutex_lock(&db->watching);
    db->sessions++;
    if (!db->started)
        bs_assert(pthread_create(&db->thread, NULL, watch, db) == 0);
    db->started = true;
    if (db->sessions == 1)
        pthread_cond_signal(&db->wake);
    pthread_mutex_unlock(&db->watching);
}

void
bs_database_leave(struct bs_database *db)
{
    pthread_mutex_lock(&db->watching);
    bs_assert(db->sessions != 0);
    if (--db->sessions == 0)
        pthread_cond_signal(&db->wake);
    pthread_mutex_unlock(&db->watching);
}
