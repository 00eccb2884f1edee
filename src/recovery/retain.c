/*
 * retain.c - what stays and what may go. One pass from the newest point to the oldest: whatever a
 * point names is older than itself, so it is known by then who still needs it.
 */
#include "recovery/retain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 512 };

/* A table in the points of one database: of one schedule, or of all others. */
struct seen {
    const char *base, *schedule, *schema, *name;
    int64_t count, bytes; /* in points that are newer than the one that is looked at */
    bool snapshot;        /* one of them is a good snapshot */
};

struct look {
    struct bs_store *store;
    const struct bs_retain_rules *rules;
    struct bs_arena *arena;
    struct bs_retain *out;
    struct seen *seen;
    size_t n_seen, cap_seen;
    const char **needed; /* ids of points whose objects those that stay name */
    size_t n_needed, cap_needed;
    const char **definitions; /* keys that manifests name */
    size_t n_definitions, cap_definitions;
    const char **blind; /* bases with a manifest that cannot be read, or a capture under way */
    size_t n_blind, cap_blind;
    struct seen **mine; /* rows of `seen` of the point at hand */
    size_t cap_mine;
};

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "there are more points than memory set aside for them");
}

/* Room for one more; false at the arena's ceiling. */
static bool
grow(struct bs_arena *arena, const char ***list, size_t n, size_t *cap)
{
    const char **more;

    if (n < *cap)
        return true;
    more = bs_arena_array(arena, *cap == 0 ? 64 : *cap * 2, sizeof(**list));
    if (more == NULL)
        return false;
    if (n != 0)
        memcpy(more, *list, n * sizeof(**list));
    *list = more;
    *cap = *cap == 0 ? 64 : *cap * 2;
    return true;
}

static bool
has(const char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], text) == 0)
            return true;
    }
    return false;
}

static enum bs_done
note(struct bs_arena *arena,
     const char ***list,
     size_t *n,
     size_t *cap,
     const char *text,
     struct bs_err *err)
{
    if (has(*list, *n, text))
        return BS_DONE;
    if (!grow(arena, list, *n, cap) || ((*list)[*n] = bs_arena_str(arena, text)) == NULL)
        return full(err);
    (*n)++;
    return BS_DONE;
}

static bool
same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct seen *
row_of(struct look *l, const char *base, const struct bs_retain_table *t)
{
    struct seen *s;

    for (size_t i = 0; i < l->n_seen; i++) {
        s = &l->seen[i];
        if (strcmp(s->base, base) == 0 && same(s->schedule, t->schedule) &&
            same(s->schema, t->schema) && same(s->name, t->name))
            return s;
    }
    s = &l->seen[l->n_seen];
    *s = (struct seen){.base = base,
                       .schedule = bs_arena_str(l->arena, t->schedule),
                       .schema = bs_arena_str(l->arena, t->schema),
                       .name = bs_arena_str(l->arena, t->name)};
    if ((t->schedule != NULL && s->schedule == NULL) || (t->schema != NULL && s->schema == NULL) ||
        (t->name != NULL && s->name == NULL))
        return NULL;
    l->n_seen++;
    return s;
}

/* Rows do not move: what points to them stays right. */
static bool
more_rows(struct look *l, size_t n)
{
    struct seen *more;

    if (l->n_seen + n <= l->cap_seen)
        return true;
    more = bs_arena_array(l->arena, (l->cap_seen + n) * 2, sizeof(*more));
    if (more == NULL)
        return false;
    if (l->n_seen != 0)
        memcpy(more, l->seen, l->n_seen * sizeof(*more));
    l->seen = more;
    l->cap_seen = (l->cap_seen + n) * 2;
    return true;
}

/* --- what holds a point ------------------------------------------------------------------- */

static bool
is_open(const struct bs_point_ref *p)
{
    return p->outcome == BS_EVENT_ARMED || p->outcome == BS_EVENT_UNKNOWN ||
           (p->outcome == BS_EVENT_NONE && p->complete);
}

/* Its statement was carried out, or it is for none: it gives something back. */
static bool
is_good(const struct bs_point_ref *p)
{
    return p->complete && !p->expired && p->proof != BS_EVENT_DAMAGED &&
           (p->outcome == BS_EVENT_TAKEN || p->outcome == BS_EVENT_COMMITTED);
}

/* NULL: nothing of what its events and others say holds it. */
static const char *
held_by(struct look *l, const struct bs_point_ref *p)
{
    if (p->held)
        return "held";
    if (is_open(p))
        return "open: its statement may still take effect";
    if (l->rules->named(l->rules->ctx, p->id))
        return "a ticket or a plan names it";
    if (has(l->needed, l->n_needed, p->id))
        return "a later snapshot needs it";
    return NULL;
}

static bool
past(const struct bs_retain_limits *k, const struct seen *s, int64_t age_us)
{
    return (k->count != 0 && s->count >= k->count) || (k->age_us != 0 && age_us > k->age_us) ||
           (k->bytes != 0 && s->bytes >= k->bytes);
}

/* --- a whole point ------------------------------------------------------------------------ */

static struct bs_retain_table
table_of(const struct bs_manifest *m, size_t i)
{
    const struct bs_point_object *o = i < m->n_objects ? &m->objects[i] : NULL;

    return (struct bs_retain_table){m->capture.schedule, o == NULL ? NULL : o->schema,
                                    o == NULL ? NULL : o->name};
}

/* The rows of its tables; of a point without tables, of that. */
static enum bs_done
rows_of(
    struct look *l, const struct bs_manifest *m, const char *base, size_t *n, struct bs_err *err)
{
    *n = m->n_objects == 0 ? 1 : m->n_objects;
    if (*n > l->cap_mine) {
        l->mine = bs_arena_array(l->arena, *n * 2, sizeof(struct seen *));
        l->cap_mine = *n * 2;
    }
    if (l->mine == NULL || !more_rows(l, *n))
        return full(err);
    for (size_t i = 0; i < *n; i++) {
        const struct bs_retain_table t = table_of(m, i);
        l->mine[i] = row_of(l, base, &t);
        if (l->mine[i] == NULL)
            return full(err);
    }
    return BS_DONE;
}

static bool
let_go(struct look *l, const struct bs_manifest *m, size_t n, int64_t age_us)
{
    for (size_t i = 0; i < n; i++) {
        const struct bs_retain_table t = table_of(m, i);
        const struct bs_retain_limits k = l->rules->limits(l->rules->ctx, &t);
        if (!past(&k, l->mine[i], age_us))
            return false;
    }
    return true;
}

static bool
is_newest_snapshot(struct look *l, const struct bs_point_ref *p, const struct bs_manifest *m)
{
    if (!is_good(p) || p->outcome != BS_EVENT_TAKEN)
        return false;
    for (size_t i = 0; i < m->n_objects; i++) {
        if (m->objects[i].format != BS_ROWS_NONE && !l->mine[i]->snapshot)
            return true;
    }
    return false;
}

static void
count(struct look *l, const struct bs_point_ref *p, const struct bs_manifest *m, size_t n)
{
    if (!is_good(p))
        return;
    for (size_t i = 0; i < n; i++) {
        l->mine[i]->count++;
        if (i < m->n_objects && m->objects[i].of == NULL)
            l->mine[i]->bytes += m->objects[i].stored_bytes;
        l->mine[i]->snapshot = l->mine[i]->snapshot || p->outcome == BS_EVENT_TAKEN;
    }
}

/* A point that stays needs what it names. */
static enum bs_done
need(struct look *l, const struct bs_manifest *m, struct bs_err *err)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        if (m->objects[i].of != NULL && note(l->arena, &l->needed, &l->n_needed, &l->cap_needed,
                                             m->objects[i].of, err) != BS_DONE)
            return BS_FAILED;
    }
    if (m->schema.key == NULL)
        return BS_DONE;
    return note(l->arena, &l->definitions, &l->n_definitions, &l->cap_definitions, m->schema.key,
                err);
}

static enum bs_done
decide(struct look *l, const struct bs_manifest *m, struct bs_retain_point *p, struct bs_err *err)
{
    int64_t age_us = l->rules->now_us - p->created_us;
    const char *holds = held_by(l, &p->ref);
    size_t n;

    if (rows_of(l, m, p->base, &n, err) != BS_DONE)
        return BS_FAILED;
    if (holds == NULL && !p->ref.expired && is_newest_snapshot(l, &p->ref, m))
        holds = "the newest snapshot of a table";
    if (holds != NULL) {
        p->why = holds;
        p->fate = p->ref.expired ? BS_RETAIN_KEEPS : BS_RETAIN_STAYS;
    } else if (p->ref.expired || let_go(l, m, n, age_us)) {
        p->fate = BS_RETAIN_GOES;
        p->why = p->ref.expired ? "was being removed" : "past what is kept";
    } else {
        p->why = "within what is kept";
    }
    count(l, &p->ref, m, n);
    return p->fate == BS_RETAIN_GOES ? BS_DONE : need(l, m, err);
}

/* --- what is no whole point --------------------------------------------------------------- */

static void
decide_unfinished(struct look *l, struct bs_retain_point *p)
{
    bool spoken_of = p->ref.proof != BS_EVENT_NONE || p->ref.restored ||
                     (p->ref.outcome != BS_EVENT_NONE && p->ref.outcome != BS_EVENT_ABANDONED);

    if (p->ref.expired) {
        p->fate = BS_RETAIN_GOES;
        p->why = "was being removed";
    } else if (p->ref.held) {
        p->why = "held";
    } else if (spoken_of) {
        p->why = "its manifest is missing";
    } else if (l->rules->now_us - p->created_us > l->rules->unfinished_us) {
        p->fate = BS_RETAIN_GOES;
        p->why = "was never completed";
    } else {
        p->why = "never completed, and recent";
    }
}

/* A capture that may still go on: what it will name is not known yet. */
static bool
under_way(const struct bs_point_ref *p)
{
    return !p->complete && !p->expired && p->outcome == BS_EVENT_NONE;
}

static enum bs_done
blind(struct look *l, const char *base, struct bs_err *err)
{
    return note(l->arena, &l->blind, &l->n_blind, &l->cap_blind, base, err);
}

/* "v1/.../16384-app/" of a point's folder. */
static const char *
base_of(struct look *l, const char *dir)
{
    const char *rp = strstr(dir, "/rp/");

    return bs_arena_copy(l->arena, (struct bs_bytes){(const uint8_t *)dir, (size_t)(rp - dir) + 1});
}

static enum bs_done
look_at(struct look *l, struct bs_retain_point *p, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_manifest m = {0};
    struct bs_err why = {0};
    enum bs_done done = BS_DONE;

    p->created_us = bs_point_id_time_us(p->ref.id);
    p->base = base_of(l, p->ref.dir);
    if (p->base == NULL)
        return full(err);
    /* Whoever erases says so in its events: they stay, and so does what was begun and not ended. */
    if (p->ref.erased != BS_EVENT_NONE) {
        p->why = p->ref.erased == BS_EVENT_ERASED ? "was erased: only who did it and why is left"
                                                  : "is being erased";
        return BS_DONE;
    }
    if (!p->ref.complete) {
        decide_unfinished(l, p);
        return under_way(&p->ref) ? blind(l, p->base, err) : BS_DONE;
    }
    bs_arena_init(&arena, "manifest", (size_t)BS_MANIFEST_MAX * 4);
    if (bs_points_load(l->store, &p->ref, &arena, &m, &why) == BS_DONE) {
        p->created_us = m.created_us;
        p->database = bs_arena_str(l->arena, m.source.database);
        for (size_t i = 0; i < m.n_objects; i++)
            p->stored_bytes += m.objects[i].of == NULL ? m.objects[i].stored_bytes : 0;
        done = decide(l, &m, p, err);
    } else if (bs_store_silent(why.code) || why.code == BS_E_LIMIT) {
        done = bs_err_set(err, why.code, "%s", why.message);
    } else if (p->ref.expired) {
        p->fate = BS_RETAIN_GOES; /* it is marked, so nobody needs to know what it was */
        p->why = "was being removed";
    } else {
        p->why = "its manifest cannot be read";
        l->out->blind = true;
        done = blind(l, p->base, err);
    }
    bs_arena_fini(&arena);
    return done;
}

/* Where it is not known what will be named, no snapshot goes: it could be one that is. */
static void
spare(struct look *l)
{
    for (size_t i = 0; i < l->out->n_points; i++) {
        struct bs_retain_point *p = &l->out->points[i];
        if (p->fate != BS_RETAIN_GOES || p->ref.outcome != BS_EVENT_TAKEN || p->ref.expired ||
            !has(l->blind, l->n_blind, p->base))
            continue;
        p->fate = BS_RETAIN_STAYS;
        p->why = "a capture is under way, or a manifest cannot be read";
    }
}

/* --- definitions -------------------------------------------------------------------------- */

struct dumps {
    struct look *l;
    size_t cap;
};

/* The base of "v1/../16384-app/schema/x.dump"; false where it is no such key. */
static bool
schema_base(const char *key, char out[BS_KEY_MAX + 1])
{
    const char *at = strstr(key, "/schema/");

    if (at == NULL || strncmp(key, "v1/", 3) != 0 || strchr(at + 8, '/') != NULL)
        return false;
    (void)snprintf(out, BS_KEY_MAX + 1, "%.*s/", (int)(at - key), key);
    return true;
}

static enum bs_done
visit_dump(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    struct dumps *d = ctx;
    struct look *l = d->l;
    char base[BS_KEY_MAX + 1];

    (void)size;
    if (!schema_base(key, base) || has(l->definitions, l->n_definitions, key) ||
        has(l->blind, l->n_blind, base))
        return BS_DONE;
    return note(l->arena, &l->out->definitions, &l->out->n_definitions, &d->cap, key, err);
}

enum bs_done
bs_retain_look(struct bs_store *store,
               const struct bs_retain_rules *rules,
               struct bs_arena *arena,
               struct bs_retain *out,
               struct bs_err *err)
{
    struct look l = {.store = store, .rules = rules, .arena = arena, .out = out};
    struct dumps d = {&l, 0};
    struct bs_points all = {0};

    *out = (struct bs_retain){0};
    if (bs_points_list(store, "", arena, &all, err) != BS_DONE)
        return BS_FAILED;
    out->points = bs_arena_array(arena, all.n + 1, sizeof(*out->points));
    if (out->points == NULL)
        return full(err);
    for (size_t i = 0; i < all.n; i++) {
        out->points[i].ref = all.list[i];
        out->n_points++;
        if (look_at(&l, &out->points[i], err) != BS_DONE)
            return BS_FAILED;
    }
    spare(&l);
    for (size_t i = 0; i < out->n_points; i++) {
        out->going += out->points[i].fate == BS_RETAIN_GOES;
        out->bytes += out->points[i].fate == BS_RETAIN_GOES ? out->points[i].stored_bytes : 0;
    }
    return bs_store_list(store, "v1/", visit_dump, &d, err);
}
