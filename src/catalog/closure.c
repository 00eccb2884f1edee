/*
 * closure.c - breadth first, every relation and use once, so circles of foreign keys end.
 *
 * Where a precise answer would need the rows (which children a key change reaches), the answer is
 * the larger one: more is captured than needed, never less.
 */
#include "catalog/closure.h"

#include <string.h>

#include "catalog/model.h"

void
bs_closure_init(struct bs_closure *c, const struct bs_snapshot *s, struct bs_arena *arena)
{
    *c = (struct bs_closure){.s = s, .arena = arena};
}

static size_t
slot_of(const struct bs_places *p, uint64_t key)
{
    size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (p->cap - 1);

    while (p->keys[at] != 0 && p->keys[at] != key)
        at = (at + 1) & (p->cap - 1);
    return at;
}

static bool
grow_places(struct bs_closure *c)
{
    struct bs_places old = c->places, *p = &c->places;

    p->cap = old.cap == 0 ? 64 : old.cap * 2;
    p->keys = bs_arena_array(c->arena, p->cap, sizeof(*p->keys));
    p->values = bs_arena_array(c->arena, p->cap, sizeof(*p->values));
    if (p->keys == NULL || p->values == NULL) {
        *p = old;
        c->full = true;
        return false;
    }
    for (size_t i = 0; i < old.cap; i++) {
        if (old.keys[i] != 0) {
            size_t at = slot_of(p, old.keys[i]);
            p->keys[at] = old.keys[i];
            p->values[at] = old.values[i];
        }
    }
    return true;
}

/* The value of a key, which is `value` where it was not there; `added` tells. NULL: full. */
static uint32_t *
place(struct bs_closure *c, uint64_t key, uint32_t value, bool *added)
{
    struct bs_places *p = &c->places;
    size_t at;

    *added = false;
    if (p->n * 2 >= p->cap && !grow_places(c))
        return NULL;
    at = slot_of(p, key);
    if (p->keys[at] == 0) {
        p->keys[at] = key;
        p->values[at] = value;
        p->n++;
        *added = true;
    }
    return &p->values[at];
}

static bool
grow_hits(struct bs_closure *c)
{
    size_t cap = c->cap == 0 ? 16 : c->cap * 2;
    struct bs_hit *hits = bs_arena_array(c->arena, cap, sizeof(*hits));

    if (hits == NULL) {
        c->full = true;
        return false;
    }
    if (c->n != 0)
        memcpy(hits, c->hits, c->n * sizeof(*hits));
    c->hits = hits;
    c->cap = cap;
    return true;
}

/* The columns of a hit that is there already: two different lists become "any". */
static void
widen(struct bs_hit *have, const struct bs_hit *more)
{
    if (have->use == BS_USE_UPDATE && have->n_columns != 0 && have->columns != more->columns) {
        have->n_columns = 0;
        have->queued = true;
    }
    if (more->down && !have->down) {
        have->down = true;
        have->queued = true;
    }
    have->reached =
        have->reached || more->reach == BS_REACH_CASCADE || have->reach == BS_REACH_CASCADE;
    if (more->reach < have->reach)
        have->reach = more->reach;
    have->moves = have->moves || more->moves;
}

static bool
takes_values(enum bs_kind kind)
{
    return kind == BS_KIND_ALTER_TABLE_DROP_COLUMN || kind == BS_KIND_ALTER_TABLE_ALTER_TYPE ||
           kind == BS_KIND_ALTER_TABLE_SET_EXPRESSION;
}

static void
add(struct bs_closure *c, struct bs_hit hit)
{
    uint64_t key = ((uint64_t)1 << 63) | ((uint64_t)hit.use << 32) | hit.relation->id.oid;
    uint32_t *at;
    bool added;

    if (c->n == c->cap && !grow_hits(c))
        return;
    at = place(c, key, (uint32_t)c->n, &added);
    if (at == NULL)
        return;
    if (added) {
        hit.queued = true;
        c->hits[c->n++] = hit;
    } else {
        /* Of the commands of one ALTER TABLE that which takes values, wherever it stands. */
        if (takes_values(hit.kind) && !takes_values(c->hits[*at].kind) &&
            c->hits[*at].kind != BS_KIND_DROP_TABLE) {
            c->hits[*at].kind = hit.kind;
            c->hits[*at].queued = true; /* so it is of partitions and children */
        }
        widen(&c->hits[*at], &hit);
    }
}

void
bs_closure_rows(struct bs_closure *c,
                const struct bs_relation *r,
                enum bs_use use,
                enum bs_kind kind,
                bool only,
                const char **columns,
                size_t n_columns)
{
    add(c, (struct bs_hit){.relation = r,
                           .use = use,
                           .kind = kind,
                           .reach = BS_REACH_TARGET,
                           .down = !only,
                           .moves = use == BS_USE_UPDATE && r->relkind == 'p',
                           .columns = columns,
                           .n_columns = n_columns});
}

void
bs_closure_alter(struct bs_closure *c, const struct bs_relation *r, enum bs_kind kind, bool only)
{
    add(c, (struct bs_hit){.relation = r,
                           .use = BS_USE_COUNT,
                           .kind = kind,
                           .reach = BS_REACH_TARGET,
                           .down = !only});
}

/* INSERT goes to partitions, never to inheritance children; so do actions of foreign keys. */
static void
follow_children(struct bs_closure *c, struct bs_hit hit)
{
    bool partitions_only = hit.use == BS_USE_INSERT || hit.reach == BS_REACH_CASCADE;

    if (!hit.down || (partitions_only && hit.relation->relkind != 'p'))
        return;
    for (size_t i = 0; i < hit.relation->n_children; i++) {
        struct bs_hit child = hit;
        child.relation = hit.relation->children[i];
        add(c, child);
    }
}

/* A view that is written to passes it on to what it reads. */
static void
follow_view(struct bs_closure *c, struct bs_hit hit)
{
    if (hit.relation->relkind != 'v' || hit.use == BS_USE_COUNT)
        return;
    for (size_t i = 0; i < hit.relation->n_reads; i++) {
        struct bs_hit base = hit;
        base.relation = hit.relation->reads[i];
        base.n_columns = 0; /* the view may call them otherwise */
        base.down = true;
        base.moves = hit.use == BS_USE_UPDATE && base.relation->relkind == 'p';
        add(c, base);
    }
}

static bool
has_name(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* Does an UPDATE of those columns change what the key points to? */
static bool
changes_key(const struct bs_hit *hit, const struct bs_fk *fk)
{
    if (hit->n_columns == 0)
        return true;
    for (size_t i = 0; i < fk->n; i++) {
        if (has_name(hit->columns, hit->n_columns, fk->to_columns[i]))
            return true;
    }
    return false;
}

static void
follow_action(struct bs_closure *c, const struct bs_fk *fk, char action, bool deleted)
{
    struct bs_hit hit = {.relation = fk->from, .reach = BS_REACH_CASCADE, .down = true};

    if (action == 'c' && deleted) {
        hit.use = BS_USE_DELETE;
        hit.kind = BS_KIND_DELETE;
    } else if (action == 'c' || action == 'n' || action == 'd') {
        hit.use = BS_USE_UPDATE;
        hit.kind = BS_KIND_UPDATE;
        hit.moves = fk->from->relkind == 'p' || fk->from->partition;
        hit.columns = fk->from_columns;
        hit.n_columns = fk->n;
    } else {
        return;
    }
    add(c, hit);
}

static void
follow_keys(struct bs_closure *c, struct bs_hit hit, bool cascade)
{
    /* Until release 15 a row that moved to another partition was deleted for foreign keys. */
    bool leaves = hit.use == BS_USE_UPDATE && hit.moves && c->s->version < 150000;

    for (size_t i = 0; i < hit.relation->n_incoming; i++) {
        const struct bs_fk *fk = hit.relation->incoming[i];
        if (hit.use == BS_USE_DELETE || leaves)
            follow_action(c, fk, fk->on_delete, true);
        if (hit.use == BS_USE_UPDATE && changes_key(&hit, fk))
            follow_action(c, fk, fk->on_update, false);
        if (hit.use == BS_USE_TRUNCATE && cascade)
            add(c, (struct bs_hit){.relation = fk->from,
                                   .use = BS_USE_TRUNCATE,
                                   .kind = BS_KIND_TRUNCATE,
                                   .reach = BS_REACH_CASCADE,
                                   .down = true});
    }
}

void
bs_closure_follow(struct bs_closure *c, bool cascade)
{
    bool again = true;

    while (again && !c->full) {
        again = false;
        for (size_t i = 0; i < c->n && !c->full; i++) {
            if (!c->hits[i].queued)
                continue;
            c->hits[i].queued = false;
            again = true;
            follow_children(c, c->hits[i]);
            follow_view(c, c->hits[i]);
            follow_keys(c, c->hits[i], cascade);
        }
    }
}

static uint64_t
key_of(uint32_t class_oid, uint32_t oid, int32_t sub)
{
    return ((uint64_t)(class_oid & 0x7fff) << 48) | ((uint64_t)oid << 16) |
           ((uint64_t)sub & 0xffff);
}

static bool
is_gone(const struct bs_closure *c, uint32_t class_oid, uint32_t oid)
{
    uint64_t key = key_of(class_oid, oid, 0);

    return c->places.keys[slot_of(&c->places, key)] == key;
}

static void
lose(struct bs_closure *c, uint32_t class_oid, uint32_t oid, int32_t sub)
{
    uint64_t key = key_of(class_oid, oid, sub);
    bool added;

    if (place(c, key, 0, &added) == NULL || !added)
        return;
    if (c->n_gone == c->cap_gone) {
        size_t cap = c->cap_gone == 0 ? 64 : c->cap_gone * 2;
        struct bs_gone *list = bs_arena_array(c->arena, cap, sizeof(*list));
        if (list == NULL) {
            c->full = true;
            return;
        }
        if (c->n_gone != 0)
            memcpy(list, c->gone, c->n_gone * sizeof(*list));
        c->gone = list;
        c->cap_gone = cap;
    }
    c->gone[c->n_gone++] = (struct bs_gone){class_oid, oid, sub};
}

/* What depends on it: without CASCADE the server refuses where that is anything but a part. */
static void
lose_dependents(struct bs_closure *c, struct bs_gone g, bool cascade)
{
    const struct bs_snapshot *s = c->s;

    for (size_t i = bs_deps_from(s, g.class_oid, g.oid);
         i < s->n_deps && s->deps[i].ref_class == g.class_oid && s->deps[i].ref_oid == g.oid; i++) {
        const struct bs_dep *dep = &s->deps[i];
        if (g.sub != 0 && dep->ref_sub != g.sub)
            continue;
        if (dep->type == 'n' && !cascade)
            continue;
        lose(c, dep->class_oid, dep->oid, dep->sub);
    }
}

/* The first of what owns it. */
static size_t
owners_from(const struct bs_snapshot *s, struct bs_gone g)
{
    size_t low = 0, high = s->n_owned;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct bs_dep *dep = s->owned[middle];
        if (dep->class_oid < g.class_oid || (dep->class_oid == g.class_oid && dep->oid < g.oid))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
is_owner_at(const struct bs_snapshot *s, size_t i, struct bs_gone g)
{
    return i < s->n_owned && s->owned[i]->class_oid == g.class_oid && s->owned[i]->oid == g.oid;
}

static const char *
extension_name(const struct bs_snapshot *s, const struct bs_dep *dep)
{
    const struct bs_table *t = s->tables[BS_TABLE_EXTENSION];
    const struct bs_row_named *e =
        t == NULL ? NULL : bs_oid_find(t->rows, t->n, sizeof(*e), dep->ref_oid);

    return e == NULL ? "?" : e->name;
}

/* A part is never lost alone: what it is a part of goes too (a view with its rule, an extension
 * with its member). */
static void
lose_owner(struct bs_closure *c, struct bs_gone g)
{
    const struct bs_snapshot *s = c->s;

    for (size_t i = owners_from(s, g); is_owner_at(s, i, g); i++) {
        const struct bs_dep *dep = s->owned[i];
        if (dep->type == 'e' && !is_gone(c, dep->ref_class, dep->ref_oid))
            c->torn = extension_name(s, dep);
        if (dep->sub == g.sub)
            lose(c, dep->ref_class, dep->ref_oid, dep->ref_sub);
    }
}

/* What it is to a relation that it goes along with something else. */
static enum bs_kind
drop_of(char relkind)
{
    switch (relkind) {
    case 'm':
        return BS_KIND_DROP_MATERIALIZED_VIEW;
    case 'v':
        return BS_KIND_DROP_VIEW;
    case 'f':
        return BS_KIND_DROP_FOREIGN_TABLE;
    default:
        return BS_KIND_DROP_TABLE;
    }
}

/* The extension that it is a member of; NULL. */
static const char *
extension_of(const struct bs_snapshot *s, struct bs_gone g)
{
    for (size_t i = owners_from(s, g); is_owner_at(s, i, g); i++) {
        if (s->owned[i]->type == 'e')
            return extension_name(s, s->owned[i]);
    }
    return NULL;
}

/* Sequences go with the tables that own them, which are hit. */
static void
hit_gone(struct bs_closure *c, struct bs_gone g)
{
    const struct bs_relation *r;

    if (g.class_oid != BS_CLASS_RELATION || g.sub != 0)
        return;
    r = bs_snapshot_relation(c->s, g.oid);
    if (r != NULL && strchr("rpvmf", r->relkind) != NULL)
        add(c, (struct bs_hit){.relation = r,
                               .use = BS_USE_COUNT,
                               .kind = drop_of(r->relkind),
                               .reach = BS_REACH_DEPENDENT,
                               .extension = extension_of(c->s, g)});
}

void
bs_closure_drop(struct bs_closure *c,
                uint32_t class_oid,
                uint32_t oid,
                const struct bs_relation *named,
                enum bs_kind kind,
                bool cascade)
{
    if (named != NULL)
        bs_closure_alter(c, named, kind, true);
    lose(c, class_oid, oid, 0);
    for (; c->n_followed < c->n_gone && !c->full; c->n_followed++) {
        struct bs_gone g = c->gone[c->n_followed];
        lose_dependents(c, g, cascade);
        lose_owner(c, g);
        hit_gone(c, g);
    }
}

/* No column before it is of the same table. */
static bool
is_first(const struct bs_closure *c, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (c->gone[i].class_oid == BS_CLASS_RELATION && c->gone[i].sub != 0 &&
            c->gone[i].oid == c->gone[at].oid)
            return false;
    }
    return true;
}

/* A name that is not found leaves it open which columns go. */
static void
lose_columns_of(struct bs_closure *c, const struct bs_relation *r)
{
    struct bs_hit hit = {.relation = r,
                         .use = BS_USE_COUNT,
                         .kind = BS_KIND_ALTER_TABLE_DROP_COLUMN,
                         .reach = BS_REACH_DEPENDENT,
                         .down = true};

    hit.columns = bs_arena_array(c->arena, c->n_gone, sizeof(*hit.columns));
    c->full = c->full || hit.columns == NULL;
    for (size_t i = 0; !c->full && i < c->n_gone; i++) {
        const struct bs_gone *g = &c->gone[i];
        const struct bs_row_attribute *a;
        if (g->class_oid != BS_CLASS_RELATION || g->sub == 0 || g->oid != r->id.oid)
            continue;
        a = c->s->tables[BS_TABLE_ATTRIBUTE] == NULL
                ? NULL
                : bs_find_attribute(c->s->tables[BS_TABLE_ATTRIBUTE], g->oid, g->sub);
        if (a == NULL) {
            hit.n_columns = 0;
            break;
        }
        hit.columns[hit.n_columns++] = a->name;
    }
    add(c, hit);
}

void
bs_closure_lose_columns(struct bs_closure *c)
{
    for (size_t i = 0; i < c->n_gone; i++) {
        const struct bs_gone *g = &c->gone[i];
        const struct bs_relation *r;
        if (g->class_oid != BS_CLASS_RELATION || g->sub == 0 ||
            is_gone(c, BS_CLASS_RELATION, g->oid))
            continue;
        r = bs_snapshot_relation(c->s, g->oid);
        if (r != NULL && strchr("rpmf", r->relkind) != NULL && is_first(c, i))
            lose_columns_of(c, r);
    }
}
