/*
 * siblings.c - points of one transaction are neighbours in the list of a day, which is in the order
 * of time; so a few on either side are enough.
 */
#include "restore/siblings.h"

#include <string.h>

enum { NEAREST = 64 }; /* points looked at on either side */

/* The day's prefix: the point's own without its last segment. */
static const char *
day_of(struct bs_restore *r)
{
    const char *dir = r->ref.dir;
    size_t n = strlen(dir);

    n -= n != 0;
    while (n != 0 && dir[n - 1] != '/')
        n--;
    return bs_arena_copy(&r->arena, (struct bs_bytes){(const uint8_t *)dir, n});
}

static bool
is_text(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* The same transaction number, or where one has none, the same ticket. */
static bool
is_sibling(const struct bs_restore *r, uint64_t mine, uint64_t xid, const struct bs_manifest *m)
{
    if (mine != 0 && xid != 0)
        return mine == xid;
    return is_text(m->actor.ticket, r->manifest.actor.ticket);
}

static enum bs_done
take(struct bs_restore *r,
     const struct bs_manifest *m,
     struct bs_sibling *out,
     size_t *n,
     struct bs_err *err)
{
    struct bs_sibling s = {.id = bs_arena_str(&r->arena, m->id)};

    s.tables = bs_arena_array(&r->arena, m->n_objects + 1, sizeof(*s.tables));
    if (s.id == NULL || s.tables == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0; i < m->n_objects; i++) {
        if (m->objects[i].format != BS_ROWS_NONE)
            s.tables[s.n_tables++] = m->objects[i].oid;
    }
    out[(*n)++] = s;
    return BS_DONE;
}

/* A savepoint that was rolled back, or a first try, leaves a point that nobody needs. */
static bool
was_carried_out(const struct bs_point_ref *p)
{
    return p->outcome != BS_EVENT_ROLLED_BACK && p->outcome != BS_EVENT_NOT_USED;
}

static enum bs_done
look_at(struct bs_restore *r,
        uint64_t mine,
        const struct bs_point_ref *other,
        struct bs_sibling *out,
        size_t *n,
        struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_manifest m = {0};
    struct bs_err ignored = {0};
    enum bs_done done = BS_DONE;
    uint64_t xid = 0;

    bs_arena_init(&arena, "sibling", BS_MANIFEST_MAX * 2u);
    if (other->complete && was_carried_out(other) &&
        bs_points_load(r->request.store, other, &arena, &m, &ignored) == BS_DONE &&
        bs_origin_xid(r->request.store, other, &m, &arena, &xid, NULL, &ignored) == BS_DONE &&
        is_sibling(r, mine, xid, &m))
        done = take(r, &m, out, n, err);
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_siblings_find(struct bs_restore *r, struct bs_sibling **out, size_t *n, struct bs_err *err)
{
    const char *day = day_of(r);
    struct bs_points points;
    size_t at = 0;
    uint64_t mine;

    *n = 0;
    *out = bs_arena_array(&r->arena, 2 * NEAREST + 1, sizeof(**out));
    if (day == NULL || *out == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    if (!was_carried_out(&r->ref))
        return BS_DONE;
    if (bs_origin_xid(r->request.store, &r->ref, &r->manifest, &r->arena, &mine, NULL, err) !=
            BS_DONE ||
        bs_points_list(r->request.store, day, &r->arena, &points, err) != BS_DONE)
        return BS_FAILED;
    while (at < points.n && strcmp(points.list[at].id, r->manifest.id) != 0)
        at++;
    for (size_t i = at > NEAREST ? at - NEAREST : 0; i < points.n && i <= at + NEAREST; i++) {
        if (i != at && look_at(r, mine, &points.list[i], *out, n, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

bool
bs_sibling_shares(const struct bs_sibling *s,
                  const struct bs_point_object *const *objects,
                  size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < s->n_tables; k++) {
            if (objects[i]->oid == s->tables[k])
                return true;
        }
    }
    return false;
}
