/*
 * erase.c - see erase.h for what in which order, and why.
 */
#include "recovery/erase.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/retain.h"

struct erasing {
    const struct bs_erase *e;
    struct bs_erased *out;
    struct bs_arena *arena;
    struct bs_point_ref ref;
    bool touched; /* something of it is gone, or may be */
};

/* --- may it go? --------------------------------------------------------------------------- */

static bool
same_base(const struct bs_point_ref *a, const struct bs_point_ref *b)
{
    const char *rp = strstr(a->dir, "/rp/");

    return rp != NULL && strncmp(a->dir, b->dir, (size_t)(rp - a->dir) + 4) == 0;
}

/* Does another point's manifest name rows of this one? */
static enum bs_done
other_names(const struct erasing *g, const struct bs_point_ref *other, bool *names)
{
    struct bs_arena arena;
    struct bs_manifest m = {0};
    struct bs_err why = {0};
    enum bs_done done;

    *names = false;
    bs_arena_init(&arena, "manifest", (size_t)BS_MANIFEST_MAX * 4);
    done = bs_points_load(g->e->store, other, &arena, &m, &why);
    for (size_t i = 0; done == BS_DONE && i < m.n_objects; i++) {
        if (m.objects[i].of != NULL && strcmp(m.objects[i].of, g->ref.id) == 0)
            *names = true;
    }
    bs_arena_fini(&arena);
    return done;
}

/* Only snapshots name rows of others, and only those of snapshots. */
static enum bs_done
needed(const struct erasing *g, const struct bs_points *all, struct bs_err *err)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct bs_point_ref *p = &all->list[i];
        bool names = false;
        if (strcmp(p->id, g->ref.id) == 0 || !same_base(&g->ref, p) || p->erased != BS_EVENT_NONE ||
            (p->outcome != BS_EVENT_TAKEN && p->outcome != BS_EVENT_NONE))
            continue;
        if (!p->complete && !p->expired && p->outcome == BS_EVENT_NONE)
            return BS_FAIL(err, CONFLICT, "%s is being made, and could name rows of %s", p->id,
                           g->ref.id);
        if (p->complete && other_names(g, p, &names) != BS_DONE)
            return BS_FAIL(err, CONFLICT,
                           "the manifest of %s cannot be read: it could name rows of %s", p->id,
                           g->ref.id);
        if (names) {
            (void)BS_FAIL(err, CONFLICT, "the later snapshot %s needs rows of %s", p->id,
                          g->ref.id);
            bs_err_hint(err, "erase that one first, or let `backstop points prune` take it");
            return BS_FAILED;
        }
    }
    return BS_DONE;
}

static enum bs_done
may_go(const struct erasing *g, const struct bs_points *all, struct bs_err *err)
{
    const struct bs_point_ref *p = NULL;

    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->list[i].id, g->ref.id) == 0)
            p = &all->list[i];
    }
    if (p == NULL)
        return BS_FAIL(err, NOT_FOUND, "there is no point \"%s\" any more", g->ref.id);
    if (p->held) {
        (void)BS_FAIL(err, CONFLICT, "%s is held", p->id);
        bs_err_hint(err, "`backstop points release` lets it go");
        return BS_FAILED;
    }
    if (p->outcome == BS_EVENT_UNKNOWN) {
        (void)BS_FAIL(err, CONFLICT, "%s is open: nobody knows how its statement ended", p->id);
        bs_err_hint(err, "`backstop points settle` says it");
        return BS_FAILED;
    }
    if (p->outcome == BS_EVENT_ARMED || p->outcome == BS_EVENT_NONE)
        return BS_FAIL(err, CONFLICT, "%s is open: its statement may still take effect", p->id);
    if (g->e->named(g->e->named_ctx, p->id))
        return BS_FAIL(err, CONFLICT, "a ticket or a plan of a restore names %s", p->id);
    return p->outcome == BS_EVENT_TAKEN ? needed(g, all, err) : BS_DONE;
}

/* --- what lies in it ---------------------------------------------------------------------- */

/* In this order things go. With the first two goes the key of all the rest; and where the manifest is
 * there, nothing is gone yet. */
enum rank { MANIFEST = 0, INTENT, OBJECTS, EVENTS };

static enum rank
rank_of(const struct erasing *g, const char *key)
{
    const char *name = key + strlen(g->ref.dir);

    if (strncmp(name, "events/", 7) == 0)
        return EVENTS;
    if (strcmp(name, "manifest.json") == 0)
        return MANIFEST;
    return strcmp(name, "intent.json") == 0 ? INTENT : OBJECTS;
}

static enum bs_done
look_for_lock(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    const struct erasing *g = ctx;
    struct bs_store_info info;
    char until[BS_TIME_TEXT];

    (void)size;
    if (rank_of(g, key) == EVENTS)
        return BS_DONE;
    if (bs_store_head(g->e->store, key, &info, err) != BS_DONE)
        return BS_FAILED;
    if (info.lock[0] == '\0' || info.locked_until_us <= bs_now_us())
        return BS_DONE;
    bs_time_format(info.locked_until_us, until);
    (void)BS_FAIL(err, CONFLICT, "\"%.200s\" is locked (%s) until %.10s, and cannot be erased", key,
                  info.lock, until);
    bs_err_hint(err, "%s",
                g->out->encrypted
                    ? "deleting the configured key makes all points under it unreadable"
                    : "it is not encrypted: it stays readable until then");
    return BS_FAILED;
}

/* Can what is removed here really go? */
static enum bs_done
can_go(struct erasing *g, struct bs_err *err)
{
    enum bs_removed how;

    if (bs_store_list(g->e->store, g->ref.dir, look_for_lock, g, err) != BS_DONE ||
        bs_retain_may_delete(g->e->store, &how, err) != BS_DONE)
        return BS_FAILED;
    if (how != BS_REMOVED_HIDDEN)
        return BS_DONE;
    return BS_FAIL(err, CONFLICT,
                   "the storage only hides what is deleted, and keeps it: %s would not be erased",
                   g->ref.id);
}

/* What its manifest says that is to be known when it is gone. One that is damaged goes, too. */
static enum bs_done
read_it(struct erasing *g, struct bs_err *err)
{
    struct bs_point_ref whole = g->ref;
    struct bs_manifest m = {0};
    struct bs_err why = {0};

    whole.erased = BS_EVENT_NONE;
    if (!whole.complete || bs_points_load(g->e->store, &whole, g->arena, &m, &why) != BS_DONE)
        return bs_store_silent(why.code) ? bs_err_set(err, why.code, "%s", why.message) : BS_DONE;
    g->out->encrypted = m.n_encryption != 0;
    for (size_t i = 0; i < m.n_objects; i++)
        g->out->shared = m.objects[i].of == NULL ? g->out->shared : m.objects[i].of;
    return BS_DONE;
}

/* --- doing it ----------------------------------------------------------------------------- */

static enum bs_done
put_event(const struct erasing *g, enum bs_event_state state, bool hidden, struct bs_err *err)
{
    json_t *details = json_pack("{s:s}", "reason", g->e->reason);
    char *text = NULL;
    struct bs_point_event event = {.state = state, .by = g->e->by};
    enum bs_done done;

    if (hidden)
        (void)json_object_set_new(details, "hidden", json_true());
    text = details == NULL ? NULL : json_dumps(details, JSON_COMPACT);
    event.details = text;
    done = text == NULL ? BS_FAIL(err, DATA, "the reason is not UTF-8")
                        : bs_points_event(g->e->store, g->ref.dir, &event, err);
    free(text);
    json_decref(details);
    return done;
}

struct sweep {
    struct erasing *g;
    enum rank rank;
};

static enum bs_done
sweep_one(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    const struct sweep *s = ctx;
    struct erasing *g = s->g;
    enum bs_removed how;

    if (rank_of(g, key) != s->rank)
        return BS_DONE;
    if (bs_store_remove(g->e->store, key, &how, err) != BS_DONE) {
        g->touched = g->touched || (err->code != BS_E_CONFLICT && err->code != BS_E_FORBIDDEN);
        return BS_FAILED;
    }
    g->touched = true;
    if (how == BS_REMOVED_HIDDEN) {
        if (put_event(g, BS_EVENT_ERASING, true, err) == BS_DONE)
            (void)BS_FAIL(err, CONFLICT,
                          "\"%.200s\" is only hidden behind a delete marker: %s is not erased", key,
                          g->ref.id);
        return BS_FAILED;
    }
    g->out->objects++;
    g->out->bytes += size;
    return BS_DONE;
}

/* Marks it, and asks again. */
static enum bs_done
mark(struct erasing *g, struct bs_err *err)
{
    struct bs_points all = {0};
    struct bs_err lost = {0};

    if (put_event(g, BS_EVENT_ERASING, false, err) != BS_DONE)
        return BS_FAILED;
    /* Something of it is gone already: nothing can hold it any more. */
    if (g->ref.erased != BS_EVENT_NONE && !g->ref.complete)
        return BS_DONE;
    if (bs_points_list(g->e->store, "", g->arena, &all, err) == BS_DONE &&
        may_go(g, &all, err) == BS_DONE)
        return BS_DONE;
    (void)!put_event(g, BS_EVENT_KEPT, false, &lost); /* not said: the same again says it */
    return BS_FAILED;
}

/* The key of the rest first. Where the very first may not go, nothing was done, and it stays. */
static enum bs_done
take_away(struct erasing *g, struct bs_err *err)
{
    struct sweep s = {.g = g};
    struct bs_err lost = {0};
    enum bs_done done = BS_DONE;

    for (int rank = MANIFEST; done == BS_DONE && rank < EVENTS; rank++) {
        s.rank = (enum rank)rank;
        done = bs_store_list(g->e->store, g->ref.dir, sweep_one, &s, err);
    }
    if (done == BS_DONE)
        return BS_DONE;
    if (!g->touched && g->ref.complete &&
        (err->code == BS_E_CONFLICT || err->code == BS_E_FORBIDDEN))
        (void)!put_event(g, BS_EVENT_KEPT, false, &lost); /* not said: the same again ends it */
    return BS_FAILED;
}

static enum bs_done
carry_out(struct erasing *g, struct bs_err *err)
{
    const struct bs_erase *e = g->e;

    if (e->note(e->note_ctx, &g->ref, "begun", e->reason, err) != BS_DONE ||
        mark(g, err) != BS_DONE || take_away(g, err) != BS_DONE ||
        put_event(g, BS_EVENT_ERASED, false, err) != BS_DONE)
        return BS_FAILED;
    return e->note(e->note_ctx, &g->ref, "erased", e->reason, err);
}

/* What was begun and may be ended; never one of which something was only hidden. */
static enum bs_done
begun(struct erasing *g, struct bs_err *err)
{
    struct bs_point_erased was;

    if (g->ref.erased == BS_EVENT_NONE)
        return BS_DONE;
    if (bs_points_erased(g->e->store, &g->ref, g->arena, &was, err) != BS_DONE)
        return BS_FAILED;
    if (!was.done && !was.hidden)
        return BS_DONE;
    return bs_points_sound(g->e->store, &g->ref, NULL, err); /* fails: who did it, when and why */
}

enum bs_done
bs_erase_run(const struct bs_erase *e,
             const char *point,
             struct bs_erased *out,
             struct bs_arena *arena,
             struct bs_err *err)
{
    struct erasing g = {.e = e, .out = out, .arena = arena};
    struct bs_points all = {0};

    *out = (struct bs_erased){0};
    if (bs_points_find(e->store, point, arena, &g.ref, err) != BS_DONE || begun(&g, err) != BS_DONE)
        return BS_FAILED;
    (void)snprintf(out->id, sizeof(out->id), "%s", g.ref.id);
    if (g.ref.erased == BS_EVENT_NONE && g.ref.expired)
        return BS_FAIL(err, CONFLICT, "%s has expired: `backstop points prune` removes it",
                       g.ref.id);
    if (g.ref.erased == BS_EVENT_NONE &&
        (bs_points_list(e->store, "", arena, &all, err) != BS_DONE ||
         may_go(&g, &all, err) != BS_DONE))
        return BS_FAILED;
    if (read_it(&g, err) != BS_DONE || can_go(&g, err) != BS_DONE)
        return BS_FAILED;
    return carry_out(&g, err);
}
