/*
 * snapshot.c - life and look-ups of a snapshot. load.c fills it.
 */
#include "catalog/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/body.h"
#include "catalog/model.h"

size_t bs_catalog_max_bytes = (size_t)2 << 30;

struct bs_snapshot *
bs_snapshot_new(void)
{
    static _Atomic uint64_t last;
    struct bs_snapshot *s = bs_malloc(sizeof(*s));

    s->refs = 1;
    s->serial = ++last;
    bs_arena_init(&s->arena, "snapshot", bs_catalog_max_bytes);
    return s;
}

struct bs_snapshot *
bs_snapshot_ref(struct bs_snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void
bs_snapshot_unref(struct bs_snapshot **s)
{
    if (*s == NULL)
        return;
    if (atomic_fetch_sub_explicit(&(*s)->refs, 1, memory_order_acq_rel) == 1) {
        for (size_t i = 0; i < (*s)->n_functions; i++)
            bs_body_unref(&(*s)->functions[i].body);
        for (int id = 0; id < BS_TABLE_COUNT; id++)
            bs_table_unref(&(*s)->tables[id]);
        bs_arena_fini(&(*s)->arena);
        free((*s)->moment);
        free(*s);
    }
    *s = NULL;
}

uint64_t
bs_snapshot_serial(const struct bs_snapshot *s)
{
    return s->serial;
}

int64_t
bs_snapshot_loaded_us(const struct bs_snapshot *s)
{
    return s->loaded_us;
}

int
bs_snapshot_server_version(const struct bs_snapshot *s)
{
    return s->version;
}

/* FNV-1a. */
static uint32_t
hash_of(const char *name)
{
    uint32_t h = 2166136261u;

    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

static const struct bs_ident *
named_at(const struct bs_index *index, size_t place)
{
    return (const struct bs_ident *)(const void *)(index->base + place * index->stride);
}

enum bs_done
bs_index_build(
    struct bs_index *index, const void *base, size_t stride, size_t n, struct bs_arena *arena)
{
    uint32_t size = 16;

    while (size < n)
        size *= 2;
    *index = (struct bs_index){.base = base, .stride = stride, .mask = size - 1};
    index->heads = bs_arena_array(arena, size, sizeof(*index->heads));
    index->next = bs_arena_array(arena, n + 1, sizeof(*index->next));
    if (index->heads == NULL || index->next == NULL)
        return BS_FAILED;
    for (size_t i = n; i-- > 0;) {
        uint32_t *head = &index->heads[hash_of(named_at(index, i)->name) & index->mask];
        index->next[i] = *head;
        *head = (uint32_t)i + 1;
    }
    return BS_DONE;
}

/* The first object from `place` (+ 1) of a chain on that has the name. */
static const void *
find_from(const struct bs_index *index, uint32_t place, const char *schema, const char *name)
{
    for (; place != 0; place = index->next[place - 1]) {
        const struct bs_ident *id = named_at(index, place - 1);
        if (strcmp(id->name, name) == 0 && (schema == NULL || strcmp(id->schema, schema) == 0))
            return id;
    }
    return NULL;
}

static const void *
find_after(const struct bs_index *index, const char *schema, const char *name, const void *after)
{
    size_t place;

    if (index->heads == NULL)
        return NULL;
    if (after == NULL)
        return find_from(index, index->heads[hash_of(name) & index->mask], schema, name);
    place = (size_t)((const char *)after - index->base) / index->stride;
    return find_from(index, index->next[place], schema, name);
}

const struct bs_relation *
bs_snapshot_find_relation(const struct bs_snapshot *s,
                          const char *schema,
                          const char *name,
                          const struct bs_relation *after)
{
    return find_after(&s->by_relation, schema, name, after);
}

const struct bs_function *
bs_snapshot_find_function(const struct bs_snapshot *s,
                          const char *schema,
                          const char *name,
                          const struct bs_function *after)
{
    return find_after(&s->by_function, schema, name, after);
}

const struct bs_operator *
bs_snapshot_find_operator(const struct bs_snapshot *s,
                          const char *schema,
                          const char *symbol,
                          const struct bs_operator *after)
{
    return find_after(&s->by_operator, schema, symbol, after);
}

const struct bs_type *
bs_snapshot_find_type(const struct bs_snapshot *s,
                      const char *schema,
                      const char *name,
                      const struct bs_type *after)
{
    return find_after(&s->by_type, schema, name, after);
}

void *
bs_oid_find(const void *base, size_t n, size_t stride, uint32_t oid)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *at = (const char *)base + middle * stride;
        uint32_t here = *(const uint32_t *)(const void *)at;
        if (here == oid)
            return (void *)(uintptr_t)at;
        if (here < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct bs_relation *
bs_snapshot_relation(const struct bs_snapshot *s, uint32_t oid)
{
    return bs_oid_find(s->relations, s->n_relations, sizeof(*s->relations), oid);
}

const struct bs_function *
bs_snapshot_function(const struct bs_snapshot *s, uint32_t oid)
{
    return bs_oid_find(s->functions, s->n_functions, sizeof(*s->functions), oid);
}

const struct bs_type *
bs_snapshot_type(const struct bs_snapshot *s, uint32_t oid)
{
    return bs_oid_find(s->types, s->n_types, sizeof(*s->types), oid);
}

bool
bs_snapshot_has_schema(const struct bs_snapshot *s, const char *schema)
{
    for (size_t i = 0; i < s->n_schemas; i++) {
        if (strcmp(s->schemas[i].name, schema) == 0)
            return true;
    }
    return false;
}

const struct bs_taint *
bs_snapshot_type_taint(const struct bs_snapshot *s, uint32_t type)
{
    static const struct bs_taint none = {.risk = BS_RISK_SAFE};
    const struct bs_type *t = bs_snapshot_type(s, type);
    size_t low = 0, high = s->n_row_types;

    if (t != NULL)
        return &t->taint;
    if (type < BS_FIRST_NORMAL_OID)
        return &none;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->row_types[middle]->row_type == type)
            return &s->row_types[middle]->row;
        if (s->row_types[middle]->row_type < type)
            low = middle + 1;
        else
            high = middle;
    }
    return &s->any_type; /* an array of rows, say */
}

size_t
bs_deps_from(const struct bs_snapshot *s, uint32_t ref_class, uint32_t ref_oid)
{
    size_t low = 0, high = s->n_deps;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct bs_dep *d = &s->deps[middle];
        if (d->ref_class < ref_class || (d->ref_class == ref_class && d->ref_oid < ref_oid))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct bs_taint *
bs_snapshot_ddl(const struct bs_snapshot *s)
{
    return &s->ddl;
}

const struct bs_taint *
bs_snapshot_casts(const struct bs_snapshot *s)
{
    return &s->casts;
}

const struct bs_taint *
bs_snapshot_classes(const struct bs_snapshot *s)
{
    return &s->classes;
}

const struct bs_taint *
bs_snapshot_upkeep(const struct bs_snapshot *s)
{
    return &s->upkeep;
}

const struct bs_taint *
bs_snapshot_any_type(const struct bs_snapshot *s)
{
    return &s->any_type;
}
