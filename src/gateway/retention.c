/*
 * retention.c - limits from the configuration, names from the state.
 */
#include "gateway/retention.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "gateway/named.h"
#include "policy/keeping.h"

enum { ARENA = 512 << 20 };

/* What the rules ask. */
struct names {
    const struct bs_config *config;
    struct bs_named points;
};

static struct bs_retain_limits
limits_from(const struct bs_keep_limits *k)
{
    return (struct bs_retain_limits){k->count, k->age_ms * 1000, k->bytes};
}

static struct bs_retain_limits
limits(void *ctx, const struct bs_retain_table *t)
{
    const struct bs_config *c = ((const struct names *)ctx)->config;

    for (size_t i = 0; t->schedule != NULL && i < c->n_snapshots; i++) {
        if (strcmp(c->snapshots[i].name, t->schedule) == 0)
            return limits_from(&c->snapshots[i].keep);
    }
    for (size_t i = 0; t->name != NULL && i < c->retention->n_tables; i++) {
        if (bs_tables_match(&c->retention->tables[i].tables, t->schema, t->name))
            return limits_from(&c->retention->tables[i].keep);
    }
    return limits_from(&c->retention->keep);
}

static bool
named(void *ctx, const char *point)
{
    return bs_named_has(&((const struct names *)ctx)->points, point);
}

bool
bs_retention_is_set(const struct bs_config *config)
{
    return !bs_keep_is_empty(&config->retention->keep) || config->retention->n_tables != 0 ||
           config->n_snapshots != 0;
}

enum bs_done
bs_retention_look(const struct bs_retention *r,
                  struct bs_arena *arena,
                  struct bs_retain *out,
                  struct bs_err *err)
{
    struct names names = {.config = r->config};
    struct bs_retain_rules rules = {.limits = limits,
                                    .named = named,
                                    .ctx = &names,
                                    .now_us = bs_now_us(),
                                    .unfinished_us = r->config->retention->unfinished_ms * 1000};

    enum bs_done done;

    *out = (struct bs_retain){0};
    done = bs_named_read(r->state, &names.points, err);
    if (done == BS_DONE)
        done = bs_retain_look(r->store, &rules, arena, out, err);
    bs_named_fini(&names.points);
    return done;
}

/* A descriptor that holds the lock; -1 with err set. */
static int
take_lock(const char *spool, struct bs_err *err)
{
    char path[PATH_MAX];
    int fd;

    if (bs_dir_make(spool, err) != BS_DONE)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/prune.lock", spool);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    (void)close(fd);
    (void)BS_FAIL(err, CONFLICT, "points are being pruned already");
    return -1;
}

/* --- one of them, for good --------------------------------------------------------------- */

enum bs_done
bs_retention_erase(const struct bs_retention *r,
                   const char *point,
                   const char *reason,
                   struct bs_erased *out,
                   struct bs_arena *arena,
                   struct bs_err *err)
{
    struct names names = {.config = r->config};
    struct bs_erase e = {.store = r->store,
                         .named = named,
                         .named_ctx = &names,
                         .by = r->by,
                         .reason = reason,
                         .note = r->note,
                         .note_ctx = r->ctx};
    enum bs_done done = BS_FAILED;
    int lock = take_lock(r->config->spool, err);

    *out = (struct bs_erased){0};
    if (lock < 0)
        return BS_FAILED;
    if (bs_named_read(r->state, &names.points, err) == BS_DONE)
        done = bs_erase_run(&e, point, out, arena, err);
    bs_named_fini(&names.points);
    (void)close(lock);
    return done;
}

/* --- carrying it out ---------------------------------------------------------------------- */

static void
record(const struct bs_retention *r, const struct bs_retain_point *p, const char *why)
{
    struct bs_err err = {0};
    const struct bs_audit_record said = {
        .kind = BS_AUDIT_POINT,
        .operator_ = r->by,
        .database = p->database,
        .action = "prune",
        .point = p->ref.id,
        .outcome = why == NULL ? "removed" : "kept",
        .text = why == NULL ? p->why : why,
    };

    if (bs_audit_write(r->audit, &said, NULL, &err) != BS_DONE)
        BS_LOG(ERROR, "a pruned point is not in the audit", BS_F_STR("point", p->ref.id),
               BS_F_STR("reason", err.message));
}

static void
tell(void *ctx, const struct bs_retain_point *p, const char *why)
{
    const struct bs_retention *r = ctx;

    record(r, p, why);
    if (r->tell != NULL)
        r->tell(r->ctx, p, why);
}

enum bs_done
bs_retention_run(const struct bs_retention *r, struct bs_retain_done *out, struct bs_err *err)
{
    struct bs_retain found;
    struct bs_arena arena;
    struct bs_retention self = *r;
    enum bs_done done;
    int lock = take_lock(r->config->spool, err);

    *out = (struct bs_retain_done){0};
    if (lock < 0)
        return BS_FAILED;
    bs_arena_init(&arena, "retention", ARENA);
    done = bs_retention_look(r, &arena, &found, err);
    if (done == BS_DONE)
        done = bs_retain_do(r->store, &found, r->by, tell, &self, out, err);
    bs_arena_fini(&arena);
    (void)close(lock);
    return done;
}
