/*
 * readiness.c - nobody waits for the storage twice in a minute.
 */
#include "gateway/readiness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "policy/config.h"
#include "recovery/snapshot.h"
#include "storage/probe.h"
#include "storage/storage.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define SMALL     (INT64_C(1) << 20) /* bytes; what such a point takes is what every point takes */
#define WEIGHT    0.3                /* of the last capture */

enum { LOOK_MS = 2000, ARENA = 64 << 20 };

struct database {
    const struct bs_config_database *config;
    double base_us;      /* what any point takes; 0: not known */
    double bytes_per_us; /* on top; 0: not known */
    int64_t snapshots_us;
    struct bs_arena arena; /* of the next */
    struct bs_snapshot_age *ages;
    size_t n_ages;
};

struct bs_readiness {
    pthread_mutex_t lock;
    pthread_mutex_t asking; /* of those who ask the database about snapshots */
    int64_t looked_us;
    struct bs_store_state store;
    struct database *databases;
    size_t n;
};

struct bs_readiness *
bs_readiness_new(const struct bs_config *config)
{
    struct bs_readiness *r = bs_malloc(sizeof(*r));

    r->databases = bs_malloc(config->n_databases * sizeof(*r->databases));
    r->n = config->n_databases;
    for (size_t i = 0; i < r->n; i++) {
        r->databases[i].config = &config->databases[i];
        bs_arena_init(&r->databases[i].arena, "ages of snapshots", ARENA);
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->asking, NULL);
    return r;
}

void
bs_readiness_free(struct bs_readiness **r)
{
    if (*r == NULL)
        return;
    for (size_t i = 0; i < (*r)->n; i++)
        bs_arena_fini(&(*r)->databases[i].arena);
    free((*r)->databases);
    pthread_mutex_destroy(&(*r)->lock);
    pthread_mutex_destroy(&(*r)->asking);
    free(*r);
    *r = NULL;
}

static struct database *
find(struct bs_readiness *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->databases[i].config->name, name) == 0)
            return &r->databases[i];
    }
    return NULL;
}

/* --- speed -------------------------------------------------------------------------------- */

static double
blend(double was, double now)
{
    return was == 0 ? now : was + (now - was) * WEIGHT;
}

void
bs_readiness_note(struct bs_readiness *r, const char *database, int64_t bytes, int64_t us)
{
    struct database *d = find(r, database);

    if (d == NULL || us <= 0)
        return;
    pthread_mutex_lock(&r->lock);
    if (bytes < SMALL)
        d->base_us = blend(d->base_us, (double)us);
    else
        d->bytes_per_us = blend(
            d->bytes_per_us,
            (double)bytes / ((double)us > 2 * d->base_us ? (double)us - d->base_us : (double)us));
    pthread_mutex_unlock(&r->lock);
}

void
bs_readiness_at_least(struct bs_readiness *r, const char *database, int64_t bytes, int64_t us)
{
    struct database *d = find(r, database);
    double most = (double)bytes / (double)us;

    if (d == NULL || us <= 0)
        return;
    pthread_mutex_lock(&r->lock);
    if (bytes < SMALL && d->base_us < (double)us)
        d->base_us = (double)us;
    else if (bytes >= SMALL && (d->bytes_per_us == 0 || d->bytes_per_us > most))
        d->bytes_per_us = most;
    pthread_mutex_unlock(&r->lock);
}

int64_t
bs_readiness_estimate_us(struct bs_readiness *r, const char *database, int64_t bytes)
{
    struct database *d = find(r, database);
    double us = 0;

    if (d == NULL)
        return -1;
    pthread_mutex_lock(&r->lock);
    if (bytes >= SMALL && d->bytes_per_us != 0)
        us = d->base_us + (double)bytes / d->bytes_per_us;
    else if (bytes < SMALL)
        us = d->base_us;
    pthread_mutex_unlock(&r->lock);
    return us == 0 ? -1 : (int64_t)us;
}

/* --- storage ------------------------------------------------------------------------------ */

static void
take_record(struct bs_store *store, struct bs_store_state *out)
{
    struct bs_err none = {0};
    json_t *record = NULL;
    const char *lock, *deletes;

    if (bs_probe_last_record(store, &record, &none) != BS_DONE)
        return;
    lock = json_string_value(json_object_get(record, "lock"));
    deletes = json_string_value(json_object_get(record, "delete"));
    (void)snprintf(out->lock, sizeof(out->lock), "%s", lock == NULL ? "" : lock);
    (void)snprintf(out->deletes, sizeof(out->deletes), "%s", deletes == NULL ? "" : deletes);
    json_decref(record);
}

/* A question that costs nothing: is there an object that never is? */
static void
ask_store(struct bs_gateway *g, struct bs_store_state *out)
{
    struct bs_watch watch;
    struct bs_store view;
    struct bs_store_info info;
    struct bs_err err = {0};
    struct statvfs fs;
    int64_t began = bs_mono_us();

    *out = (struct bs_store_state){.free_bytes = -1};
    if (bs_watch_init(&watch, began + (int64_t)LOOK_MS * 1000, &err) != BS_DONE)
        return;
    watch.late = BS_E_UNAVAILABLE;
    view = bs_store_watched(g->store, &watch);
    out->answers = bs_store_head(&view, "probe/readiness", &info, &err) == BS_DONE ||
                   err.code == BS_E_NOT_FOUND;
    out->ms = (bs_mono_us() - began) / 1000;
    if (out->answers)
        take_record(&view, out);
    else
        (void)snprintf(out->why, sizeof(out->why), "%.199s", err.message);
    if (g->config->storage_path != NULL && statvfs(g->config->storage_path, &fs) == 0)
        out->free_bytes = (int64_t)((uint64_t)fs.f_bavail * fs.f_frsize);
    bs_watch_fini(&watch);
}

void
bs_readiness_look(struct bs_gateway *g, struct bs_store_state *out)
{
    struct bs_readiness *r = g->readiness;
    struct bs_store_state now;
    bool ask;

    pthread_mutex_lock(&r->lock);
    ask = r->looked_us == 0 || bs_mono_us() - r->looked_us > MINUTE_US;
    *out = r->store;
    pthread_mutex_unlock(&r->lock);
    if (!ask)
        return;
    ask_store(g, &now);
    pthread_mutex_lock(&r->lock);
    r->store = now;
    r->looked_us = bs_mono_us();
    *out = now;
    pthread_mutex_unlock(&r->lock);
}

/* --- snapshots ---------------------------------------------------------------------------- */

/* Under `asking`. */
static enum bs_done
refresh(struct bs_gateway *g, struct database *d, struct bs_err *err)
{
    if (d->snapshots_us != 0 && bs_mono_us() - d->snapshots_us < MINUTE_US)
        return BS_DONE;
    bs_arena_reset(&d->arena);
    d->ages = NULL;
    d->n_ages = 0;
    d->snapshots_us = 0;
    if (bs_snapshot_ages(g->store, d->config->helper, &d->arena, &d->ages, &d->n_ages, err) !=
        BS_DONE)
        return BS_FAILED;
    d->snapshots_us = bs_mono_us();
    return BS_DONE;
}

static int64_t
taken_us(const struct database *d, const struct bs_plan_table *t)
{
    for (size_t i = 0; i < d->n_ages; i++) {
        if (strcmp(d->ages[i].schema, t->schema) == 0 && strcmp(d->ages[i].name, t->name) == 0)
            return d->ages[i].taken_us;
    }
    return 0;
}

static enum bs_done
check(const struct database *d, const struct bs_plan *plan, int64_t most_us, struct bs_err *err)
{
    int64_t now = bs_now_us();

    for (size_t i = 0; i < plan->n_tables; i++) {
        const struct bs_plan_table *t = &plan->tables[i];
        int64_t at = taken_us(d, t);
        if (at != 0 && now - at <= most_us)
            continue;
        if (at == 0)
            (void)BS_FAIL(err, NO_POINT, "\"%.60s\".\"%.60s\" has no snapshot, and one is required",
                          t->schema, t->name);
        else
            (void)BS_FAIL(
                err, NO_POINT,
                "the last snapshot of \"%.60s\".\"%.60s\" is %lld s old, more than %lld s",
                t->schema, t->name, (long long)((now - at) / 1000000),
                (long long)(most_us / 1000000));
        bs_err_hint(err, "run `backstop snapshot %.60s.%.60s`, or see why `snapshots` did not",
                    t->schema, t->name);
        return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_readiness_require(struct bs_gateway *g,
                     const char *database,
                     const struct bs_require *require,
                     const struct bs_plan *plan,
                     struct bs_err *err)
{
    struct bs_readiness *r = g->readiness;
    struct database *d = find(r, database);
    int64_t most_us = require->snapshot_age_ms * 1000;
    struct bs_err why = {0};
    enum bs_done done;

    /* A policy that was reloaded was read beside another storage, perhaps, than is in force. */
    if (require->off_host && bs_store_is_here(g->config->storage_url)) {
        (void)BS_FAIL(err, NO_POINT, "the storage is on this machine, and must not be");
        bs_err_hint(err, "restart the gateway where `storage` has changed since its start");
        return BS_FAILED;
    }
    if (most_us == 0 || plan->n_tables == 0)
        return BS_DONE;
    if (d == NULL)
        return BS_FAIL(err, NO_POINT, "the database is not configured any more");
    pthread_mutex_lock(&r->asking);
    done = refresh(g, d, &why);
    if (done == BS_DONE && check(d, plan, most_us, &why) != BS_DONE) {
        why = (struct bs_err){0}; /* one may have been taken within the minute */
        d->snapshots_us = 0;
        done = refresh(g, d, &why);
        if (done == BS_DONE)
            done = check(d, plan, most_us, &why);
    }
    pthread_mutex_unlock(&r->asking);
    if (done == BS_DONE)
        return BS_DONE;
    (void)BS_FAIL(err, NO_POINT, "%s", why.message);
    bs_err_hint(err, "%s", why.hint);
    return BS_FAILED;
}

enum bs_done
bs_readiness_require_kept(struct bs_gateway *g,
                          const char *database,
                          const struct bs_require *require,
                          const struct bs_manifest *kept,
                          struct bs_err *err)
{
    struct bs_plan plan = {.tables = bs_malloc((kept->n_objects + 1) * sizeof(*plan.tables))};
    enum bs_done done;

    for (size_t i = 0; i < kept->n_objects; i++) {
        const struct bs_point_object *o = &kept->objects[i];
        if (o->replaced != 0) /* what has only got rows has lost nothing */
            plan.tables[plan.n_tables++] =
                (struct bs_plan_table){.schema = o->schema, .name = o->name};
    }
    done = bs_readiness_require(g, database, require, &plan, err);
    free(plan.tables);
    return done;
}
