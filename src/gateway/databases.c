/*
 * databases.c - one lock for the pointer, which is held for an instant; one for loading, which
 * makes those who want the same load wait for it instead of asking the server twice.
 */
#include "gateway/databases.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

struct bs_database {
    const struct bs_config_database *config;
    pthread_mutex_t pointer; /* guards snapshot, stale */
    pthread_mutex_t loading; /* held while a snapshot is loaded */
    struct bs_snapshot *snapshot;
    int64_t stale_us; /* a snapshot loaded before this moment does not count */
    _Atomic uint64_t epoch;
};

struct bs_databases {
    struct bs_database *list;
    size_t n;
};

struct bs_databases *
bs_databases_new(const struct bs_config *config)
{
    struct bs_databases *d = bs_malloc(sizeof(*d));

    d->n = config->n_databases;
    d->list = bs_malloc((d->n + 1) * sizeof(*d->list));
    for (size_t i = 0; i < d->n; i++) {
        d->list[i].config = &config->databases[i];
        d->list[i].epoch = 1;
        pthread_mutex_init(&d->list[i].pointer, NULL);
        pthread_mutex_init(&d->list[i].loading, NULL);
    }
    return d;
}

void
bs_databases_free(struct bs_databases **d)
{
    if (*d == NULL)
        return;
    for (size_t i = 0; i < (*d)->n; i++) {
        struct bs_database *db = &(*d)->list[i];
        bs_snapshot_unref(&db->snapshot);
        pthread_mutex_destroy(&db->pointer);
        pthread_mutex_destroy(&db->loading);
    }
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

/* Under the pointer's lock: the snapshot, where it was loaded at or after that moment. */
static struct bs_snapshot *
fresh(struct bs_database *db, int64_t since_us)
{
    int64_t limit = since_us > db->stale_us ? since_us : db->stale_us;

    if (db->snapshot == NULL || bs_snapshot_loaded_us(db->snapshot) < limit)
        return NULL;
    return db->snapshot;
}

struct bs_snapshot *
bs_database_snapshot(struct bs_database *db)
{
    struct bs_snapshot *s;

    pthread_mutex_lock(&db->pointer);
    s = fresh(db, 0);
    if (s != NULL)
        s = bs_snapshot_ref(s);
    pthread_mutex_unlock(&db->pointer);
    return s;
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

static bool
is_fresh(struct bs_database *db, int64_t since_us)
{
    bool yes;

    pthread_mutex_lock(&db->pointer);
    yes = fresh(db, since_us) != NULL;
    pthread_mutex_unlock(&db->pointer);
    return yes;
}

enum bs_done
bs_database_load(struct bs_database *db, int64_t since_us, struct bs_err *err)
{
    struct bs_snapshot *s = NULL, *old = NULL;
    enum bs_done done = BS_DONE;

    pthread_mutex_lock(&db->loading);
    if (!is_fresh(db, since_us))
        done = bs_snapshot_load(db->config->helper, &s, err);
    if (s != NULL) {
        pthread_mutex_lock(&db->pointer);
        old = db->snapshot;
        db->snapshot = s;
        pthread_mutex_unlock(&db->pointer);
        db->epoch++;
        bs_snapshot_unref(&old);
    }
    pthread_mutex_unlock(&db->loading);
    if (done != BS_DONE)
        bs_err_prefix(err, "catalog of database \"%s\"", db->config->name);
    return done;
}
