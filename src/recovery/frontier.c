/*
 * frontier.c - from the rows of a closure along its keys: those reached last, a round at a time,
 * until a round reaches nothing new. So rings end, and a row that SET NULL has found first is still
 * followed when CASCADE finds it.
 */
#include <stdlib.h>
#include <string.h>

#include "recovery/facts.h"
#include "recovery/taken.h"

enum { AT_ONCE = 20000 }; /* rows that one query starts from */

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the closure does not fit into memory set aside for it");
}

bool
bs_taken_place(const char *text, uint64_t *out)
{
    char *end = NULL;
    unsigned long block, offset;

    if (text[0] != '(')
        return false;
    block = strtoul(text + 1, &end, 10);
    if (*end != ',' || block > UINT32_MAX)
        return false;
    offset = strtoul(end + 1, &end, 10);
    if (*end != ')' || offset > UINT16_MAX || offset == 0)
        return false;
    *out = (uint64_t)block << 16 | offset;
    return true;
}

const char *
bs_taken_places(const uint64_t *places, size_t n, struct bs_arena *arena)
{
    struct bs_buf b;
    const char *out = NULL;

    bs_buf_init(&b, 3 + 24 * n);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < n; i++)
        bs_put_fmt(&b, "%s\"(%u,%u)\"", i == 0 ? "" : ",", (unsigned)(places[i] >> 16),
                   (unsigned)(places[i] & 0xffff));
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

static enum bs_done
append(struct bs_places *p, uint64_t place, struct bs_arena *arena, struct bs_err *err)
{
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 64 : p->cap * 2;
        uint64_t *more = bs_arena_array(arena, cap, sizeof(*more));
        if (more == NULL)
            return full(err);
        if (p->n != 0)
            memcpy(more, p->list, p->n * sizeof(*more));
        p->list = more;
        p->cap = cap;
    }
    p->list[p->n++] = place;
    return BS_DONE;
}

static int
by_place(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Sorted, each once. */
static void
tidy(struct bs_places *p)
{
    size_t kept = 0;

    if (p->n > 1)
        qsort(p->list, p->n, sizeof(*p->list), by_place);
    for (size_t i = 0; i < p->n; i++) {
        if (kept == 0 || p->list[kept - 1] != p->list[i])
            p->list[kept++] = p->list[i];
    }
    p->n = kept;
}

/* Adds all of `more` to `to`; where `news` is not NULL it gets those that were not in it. */
static enum bs_done
join(struct bs_places *to,
     const struct bs_places *more,
     struct bs_places *news,
     struct bs_arena *arena,
     struct bs_err *err)
{
    size_t known = to->n;

    for (size_t i = 0; i < more->n; i++) {
        if (known != 0 &&
            bsearch(&more->list[i], to->list, known, sizeof(*to->list), by_place) != NULL)
            continue;
        if (append(to, more->list[i], arena, err) != BS_DONE ||
            (news != NULL && append(news, more->list[i], arena, err) != BS_DONE))
            return BS_FAILED;
    }
    tidy(to);
    return BS_DONE;
}

enum bs_done
bs_taken_add(
    struct bs_taken *c, uint32_t oid, uint64_t place, struct bs_arena *arena, struct bs_err *err)
{
    struct bs_reached *t = bs_taken_find(c, oid);

    if (t != NULL)
        return append(&t->all, place, arena, err);
    c->not_told = "rows of another table than expected would change";
    return BS_DONE;
}

struct walk {
    struct bs_helper *h;
    struct bs_taken *c;
    struct bs_arena *arena;
    size_t max;
    struct bs_places *front; /* two a table: deleted and updated, and its keys not followed yet */
    struct bs_places *next;
};

/* Of the places of a table by index: those that are deleted come first. */
static size_t
front_of(size_t table, enum bs_kind kind)
{
    return 2 * table + (kind == BS_KIND_DELETE ? 0 : 1);
}

/* Rows of one table that a key has led to: new ones are followed in the next round. */
static enum bs_done
reach_rows(
    struct walk *w, struct bs_reached *t, bool deletes, struct bs_places *got, struct bs_err *err)
{
    size_t table = (size_t)(t - w->c->tables);

    tidy(got);
    if (join(&t->all, got, NULL, w->arena, err) != BS_DONE)
        return BS_FAILED;
    if (deletes)
        return join(&t->gone, got, &w->next[front_of(table, BS_KIND_DELETE)], w->arena, err);
    if (w->c->use == BS_TAKEN_TO_COUNT)
        return join(&t->updated, got, &w->next[front_of(table, BS_KIND_UPDATE)], w->arena, err);
    return BS_DONE;
}

static enum bs_done
sort_children(struct walk *w, const PGresult *res, struct bs_places *got, struct bs_err *err)
{
    for (int i = 0; i < PQntuples(res); i++) {
        uint32_t oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10);
        struct bs_reached *t = bs_taken_find(w->c, oid);
        uint64_t place;
        if (!bs_taken_place(PQgetvalue(res, i, 1), &place))
            return BS_FAIL(err, NO_POINT, "the server gives a place that is none");
        if (t == NULL)
            w->c->not_told = "rows of another table than expected would change";
        else if (append(&got[t - w->c->tables], place, w->arena, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* The children that one key leads to. */
static enum bs_done
take_children(struct walk *w, const struct bs_acting *k, const PGresult *res, struct bs_err *err)
{
    struct bs_places *got = bs_arena_array(w->arena, w->c->n_tables, sizeof(*got));
    size_t total = 0;

    if (got == NULL)
        return full(err);
    if (sort_children(w, res, got, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < w->c->n_tables; i++) {
        if (got[i].n != 0 && reach_rows(w, &w->c->tables[i], k->deletes, &got[i], err) != BS_DONE)
            return BS_FAILED;
        total += w->c->tables[i].all.n;
    }
    if (total > w->max)
        w->c->not_told = "it reaches too many rows";
    return BS_DONE;
}

static enum bs_done
follow_key(
    struct walk *w, const struct bs_acting *k, const uint64_t *places, size_t n, struct bs_err *err)
{
    const struct bs_reached *p = bs_taken_find(w->c, k->parent), *c = bs_taken_find(w->c, k->child);
    const char *params[] = {bs_taken_places(places, n, w->arena)};
    PGresult *res = NULL;
    struct bs_buf sql;
    enum bs_done done = BS_FAILED;

    bs_buf_init(&sql, 64 * 1024);
    bs_put_str(&sql, "SELECT c.tableoid, c.ctid FROM ONLY ");
    bs_facts_put_name(&sql, p->schema, p->name);
    bs_put_str(&sql, k->tree ? " p JOIN " : " p JOIN ONLY ");
    bs_facts_put_name(&sql, c->schema, c->name);
    bs_put_fmt(&sql, " c ON %s WHERE p.ctid = ANY ($1::pg_catalog.tid[]) LIMIT %zu", k->join,
               w->max + 1);
    bs_put_u8(&sql, '\0');
    if (sql.failed || params[0] == NULL)
        (void)full(err);
    else if (bs_helper_query(w->h, (const char *)sql.p, 1, params, &res, err) == BS_DONE)
        done = take_children(w, k, res, err);
    PQclear(res);
    bs_buf_fini(&sql);
    return done;
}

/* All keys of one table that act on such a change, from the rows that were reached last. */
static enum bs_done
follow_table(struct walk *w, size_t table, enum bs_kind on, struct bs_err *err)
{
    const struct bs_places *from = &w->front[front_of(table, on)];

    for (size_t i = 0; i < w->c->n_keys; i++) {
        const struct bs_acting *k = &w->c->keys[i];
        if (k->parent != w->c->tables[table].oid || k->on != on)
            continue;
        for (size_t at = 0; at < from->n && w->c->not_told == NULL; at += AT_ONCE) {
            size_t left = from->n - at;
            if (follow_key(w, k, from->list + at, left < AT_ONCE ? left : AT_ONCE, err) != BS_DONE)
                return BS_FAILED;
        }
    }
    return BS_DONE;
}

static enum bs_done
follow_all(struct walk *w, struct bs_err *err)
{
    size_t n = w->c->n_tables;
    bool more = true;

    while (more && w->c->not_told == NULL) {
        more = false;
        w->next = bs_arena_array(w->arena, 2 * n, sizeof(*w->next));
        if (w->next == NULL)
            return full(err);
        for (size_t i = 0; i < n; i++) {
            if (follow_table(w, i, BS_KIND_DELETE, err) != BS_DONE ||
                follow_table(w, i, BS_KIND_UPDATE, err) != BS_DONE)
                return BS_FAILED;
        }
        for (size_t i = 0; i < 2 * n; i++)
            more = more || w->next[i].n != 0;
        w->front = w->next;
    }
    return BS_DONE;
}

enum bs_done
bs_taken_rows(
    struct bs_helper *h, struct bs_taken *c, size_t max, struct bs_arena *arena, struct bs_err *err)
{
    struct walk w = {.h = h, .c = c, .arena = arena, .max = max};

    w.front = bs_arena_array(arena, 2 * c->n_tables, sizeof(*w.front));
    if (w.front == NULL)
        return full(err);
    for (size_t i = 0; i < c->n_tables; i++) {
        struct bs_reached *t = &c->tables[i];
        bool deleted = t->kind == BS_KIND_DELETE;
        tidy(&t->all);
        if (!deleted && c->use == BS_TAKEN_TO_KEEP)
            continue;
        if (join(deleted ? &t->gone : &t->updated, &t->all, &w.front[front_of(i, t->kind)], arena,
                 err) != BS_DONE)
            return BS_FAILED;
    }
    return follow_all(&w, err);
}
