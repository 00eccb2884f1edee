/*
 * prune.c - marks first, then one look at what has come since, then removal. See retain.h for why
 * in this order.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/retain.h"
#include "storage/probe.h"

struct pruning {
    struct bs_store *store;
    const struct bs_retain *what;
    const char *by;
    bs_retain_tell *tell;
    void *ctx;
    struct bs_retain_done *out;
    struct bs_arena arena;
    struct bs_points now;     /* as they are once all that goes is marked */
    struct bs_manifest *late; /* of points that have come since the look */
    size_t n_late;
    bool blind; /* one of them cannot be read: what snapshots or definitions hold stays */
};

bool
bs_retain_mark(const char *definition, char out[BS_KEY_MAX + 1])
{
    static const char end[] = ".dump";
    size_t n = strlen(definition), e = sizeof(end) - 1;

    if (n <= e || n + 2 > BS_KEY_MAX || strcmp(definition + n - e, end) != 0)
        return false;
    (void)snprintf(out, BS_KEY_MAX + 1, "%.*s.going", (int)(n - e), definition);
    return true;
}

static bool
is_mark(const char *key)
{
    static const char end[] = ".going";
    size_t n = strlen(key), e = sizeof(end) - 1;

    return n > e && strcmp(key + n - e, end) == 0;
}

/* --- may we delete at all? ---------------------------------------------------------------- */

/* Where objects are locked a probe would be, too, and stay for as long. */
static bool
locks(struct bs_store *store)
{
    struct bs_err none = {0};
    json_t *record = NULL;
    const char *lock;
    bool yes;

    if (bs_probe_last_record(store, &record, &none) != BS_DONE)
        return false;
    lock = json_string_value(json_object_get(record, "lock"));
    yes = lock != NULL && strcmp(lock, "confirmed") == 0;
    json_decref(record);
    return yes;
}

enum bs_done
bs_retain_may_delete(struct bs_store *store, enum bs_removed *how, struct bs_err *err)
{
    char id[BS_ULID_TEXT], key[64];
    struct bs_err why = {0};

    *how = BS_REMOVED_NOT;
    if (locks(store))
        return BS_DONE;
    bs_ulid_new(id);
    (void)snprintf(key, sizeof(key), "probe/prune-%s", id);
    if (bs_store_put(store, key, BS_LIT("backstop prune was here\n"), err) != BS_DONE)
        return BS_FAILED;
    if (bs_store_remove(store, key, how, &why) == BS_DONE || why.code == BS_E_CONFLICT)
        return BS_DONE;
    (void)bs_err_set(err, why.code, "%s", why.message);
    if (why.code == BS_E_FORBIDDEN)
        bs_err_hint(err,
                    "nothing was marked or removed. A gateway that may not delete is the safer "
                    "one: run `backstop points prune` elsewhere, with a key that may");
    return BS_FAILED;
}

/* --- marks -------------------------------------------------------------------------------- */

static enum bs_done
mark_points(struct pruning *p, struct bs_err *err)
{
    for (size_t i = 0; i < p->what->n_points; i++) {
        const struct bs_retain_point *r = &p->what->points[i];
        const struct bs_point_event event = {.state = BS_EVENT_EXPIRED, .by = p->by};
        if (r->fate == BS_RETAIN_GOES && !r->ref.expired &&
            bs_points_event(p->store, r->ref.dir, &event, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
mark_definitions(struct pruning *p, struct bs_err *err)
{
    for (size_t i = 0; i < p->what->n_definitions; i++) {
        char key[BS_KEY_MAX + 1];
        struct bs_err why = {0};
        if (is_mark(p->what->definitions[i]) || !bs_retain_mark(p->what->definitions[i], key))
            continue;
        if (bs_store_put(p->store, key, BS_LIT("{}"), &why) != BS_DONE && why.code != BS_E_CONFLICT)
            return bs_err_set(err, why.code, "%s", why.message);
    }
    return BS_DONE;
}

/* --- what has come since ------------------------------------------------------------------ */

static bool
was_seen(const struct pruning *p, const char *id)
{
    for (size_t i = 0; i < p->what->n_points; i++) {
        const struct bs_point_ref *r = &p->what->points[i].ref;
        if (strcmp(r->id, id) == 0)
            return r->complete;
    }
    return false;
}

/* Points that were not, or not whole, when it was looked. */
static enum bs_done
look_again(struct pruning *p, struct bs_err *err)
{
    if (bs_points_list(p->store, "", &p->arena, &p->now, err) != BS_DONE)
        return BS_FAILED;
    p->late = bs_arena_array(&p->arena, p->now.n + 1, sizeof(*p->late));
    if (p->late == NULL)
        return BS_FAIL(err, LIMIT, "there are more points than memory set aside for them");
    for (size_t i = 0; i < p->now.n; i++) {
        const struct bs_point_ref *r = &p->now.list[i];
        struct bs_err why = {0};
        if (!r->complete || was_seen(p, r->id))
            continue;
        if (bs_points_load(p->store, r, &p->arena, &p->late[p->n_late], &why) == BS_DONE)
            p->n_late++;
        else if (bs_store_silent(why.code) || why.code == BS_E_LIMIT)
            return bs_err_set(err, why.code, "%s", why.message);
        else
            p->blind = true;
    }
    return BS_DONE;
}

/* Is there a capture under way whose point will be in this database? */
static bool
under_way(const struct pruning *p, const char *base)
{
    for (size_t i = 0; i < p->now.n; i++) {
        const struct bs_point_ref *r = &p->now.list[i];
        if (!r->complete && !r->expired && r->outcome == BS_EVENT_NONE &&
            strncmp(r->dir, base, strlen(base)) == 0)
            return true;
    }
    return false;
}

static bool
late_names(const struct pruning *p, const char *point, const char *definition)
{
    for (size_t i = 0; i < p->n_late; i++) {
        const struct bs_manifest *m = &p->late[i];
        if (definition != NULL && m->schema.key != NULL && strcmp(m->schema.key, definition) == 0)
            return true;
        for (size_t k = 0; point != NULL && k < m->n_objects; k++) {
            if (m->objects[k].of != NULL && strcmp(m->objects[k].of, point) == 0)
                return true;
        }
    }
    return false;
}

static const struct bs_point_ref *
as_it_is(const struct pruning *p, const char *id)
{
    for (size_t i = 0; i < p->now.n; i++) {
        if (strcmp(p->now.list[i].id, id) == 0)
            return &p->now.list[i];
    }
    return NULL;
}

/* --- removal ------------------------------------------------------------------------------ */

/* In this order things go. */
enum rank { OBJECTS = 0, DOCUMENTS, EVENTS, MARKS, RANKS };

struct sweep {
    struct pruning *p;
    const struct bs_retain_point *point;
    enum rank rank;
};

static enum rank
rank_of(const struct bs_retain_point *point, const char *key)
{
    static const char mark[] = "-expired.json";
    const char *name = key + strlen(point->ref.dir);
    size_t n = strlen(name), m = sizeof(mark) - 1;

    if (strncmp(name, "events/", 7) == 0)
        return n > m && strcmp(name + n - m, mark) == 0 ? MARKS : EVENTS;
    return strcmp(name, "manifest.json") == 0 || strcmp(name, "intent.json") == 0 ? DOCUMENTS
                                                                                  : OBJECTS;
}

static enum bs_done
sweep_one(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    const struct sweep *s = ctx;
    enum bs_removed how;

    if (rank_of(s->point, key) != s->rank)
        return BS_DONE;
    if (bs_store_remove(s->p->store, key, &how, err) != BS_DONE)
        return BS_FAILED;
    s->p->out->hidden += how == BS_REMOVED_HIDDEN;
    s->p->out->bytes += how == BS_REMOVED_GONE ? size : 0;
    return BS_DONE;
}

static enum bs_done
take_back(struct pruning *p, const struct bs_retain_point *r, struct bs_err *err)
{
    const struct bs_point_event event = {.state = BS_EVENT_KEPT, .by = p->by};

    if (bs_points_event(p->store, r->ref.dir, &event, err) != BS_DONE)
        return BS_FAILED;
    p->out->kept++;
    p->tell(p->ctx, r, "is kept after all");
    return BS_DONE;
}

static enum bs_done
remove_point(struct pruning *p, const struct bs_retain_point *r, struct bs_err *err)
{
    struct sweep s = {p, r, OBJECTS};
    struct bs_err why = {0};

    for (int rank = OBJECTS; rank < RANKS && why.code == BS_OK; rank++) {
        s.rank = (enum rank)rank;
        (void)!bs_store_list(p->store, r->ref.dir, sweep_one, &s, &why);
    }
    if (why.code == BS_OK) {
        p->out->points++;
        p->tell(p->ctx, r, NULL);
        return BS_DONE;
    }
    if (why.code != BS_E_CONFLICT)
        return bs_err_set(err, why.code, "%s", why.message);
    p->out->locked++;
    (void)snprintf(p->out->locked_why, sizeof(p->out->locked_why), "%.255s", why.message);
    p->tell(p->ctx, r, why.message);
    return BS_DONE;
}

static enum bs_done
settle_point(struct pruning *p, const struct bs_retain_point *r, struct bs_err *err)
{
    const struct bs_point_ref *now = as_it_is(p, r->ref.id);

    if (r->fate == BS_RETAIN_KEEPS)
        return take_back(p, r, err);
    if (r->fate != BS_RETAIN_GOES || now == NULL)
        return BS_DONE;
    if (now->held || late_names(p, now->id, NULL))
        return take_back(p, r, err);
    /* Only snapshots are named by others. */
    if (r->ref.outcome == BS_EVENT_TAKEN && (p->blind || under_way(p, r->base))) {
        p->out->deferred++;
        return BS_DONE;
    }
    return remove_point(p, r, err);
}

/* The definition, then its mark; only the mark where it is needed, or could be. */
static enum bs_done
settle_definition(struct pruning *p, const char *key, struct bs_err *err)
{
    char mark[BS_KEY_MAX + 1], base[BS_KEY_MAX + 1];
    enum bs_removed how;
    struct bs_err why = {0};
    bool stays;

    if (is_mark(key))
        return bs_store_remove(p->store, key, &how, err);
    (void)snprintf(base, sizeof(base), "%.*s", (int)(strstr(key, "schema/") - key), key);
    stays = p->blind || under_way(p, base) || late_names(p, NULL, key);
    if (!stays && bs_store_remove(p->store, key, &how, &why) == BS_DONE) {
        p->out->definitions++;
        p->out->hidden += how == BS_REMOVED_HIDDEN;
    }
    if (why.code != BS_OK && why.code != BS_E_CONFLICT)
        return bs_err_set(err, why.code, "%s", why.message);
    why = (struct bs_err){0};
    /* One without a mark is of one point alone, and encrypted. */
    if (!bs_retain_mark(key, mark) || bs_store_remove(p->store, mark, &how, &why) == BS_DONE ||
        why.code == BS_E_CONFLICT)
        return BS_DONE;
    return bs_err_set(err, why.code, "%s", why.message);
}

static enum bs_done
settle(struct pruning *p, struct bs_err *err)
{
    for (size_t i = 0; i < p->what->n_points; i++) {
        if (settle_point(p, &p->what->points[i], err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < p->what->n_definitions; i++) {
        if (settle_definition(p, p->what->definitions[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static bool
nothing_to_do(const struct bs_retain *what)
{
    if (what->n_definitions != 0 || what->going != 0)
        return false;
    for (size_t i = 0; i < what->n_points; i++) {
        if (what->points[i].fate == BS_RETAIN_KEEPS)
            return false;
    }
    return true;
}

enum bs_done
bs_retain_do(struct bs_store *store,
             const struct bs_retain *what,
             const char *by,
             bs_retain_tell *tell,
             void *ctx,
             struct bs_retain_done *out,
             struct bs_err *err)
{
    struct pruning p = {
        .store = store, .what = what, .by = by, .tell = tell, .ctx = ctx, .out = out};
    enum bs_removed how;
    enum bs_done done = BS_FAILED;

    *out = (struct bs_retain_done){0};
    if (nothing_to_do(what))
        return BS_DONE;
    if (bs_retain_may_delete(store, &how, err) != BS_DONE)
        return BS_FAILED;
    bs_arena_init(&p.arena, "pruning", (size_t)BS_MANIFEST_MAX * 8);
    if (mark_points(&p, err) == BS_DONE && mark_definitions(&p, err) == BS_DONE &&
        look_again(&p, err) == BS_DONE)
        done = settle(&p, err);
    bs_arena_fini(&p.arena);
    return done;
}
