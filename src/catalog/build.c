/*
 * build.c - operators, types and relations out of their rows, and everything in its order.
 */
#include "catalog/build.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. */
static uint32_t
hash_of(const char *text)
{
    uint32_t h = 2166136261u;

    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h ^ h >> 16;
}

/* Where a text is, or belongs. */
static const char **
slot_of(const struct bs_texts *t, const char *text)
{
    size_t at = hash_of(text) & (t->cap - 1);

    while (t->slots[at] != NULL && strcmp(t->slots[at], text) != 0)
        at = (at + 1) & (t->cap - 1);
    return &t->slots[at];
}

static void
grow_texts(struct bs_texts *t)
{
    struct bs_texts grown = {.n = t->n, .cap = t->cap == 0 ? 4096 : t->cap * 2};

    grown.slots = bs_malloc(grown.cap * sizeof(*grown.slots));
    for (size_t i = 0; i < t->cap; i++) {
        if (t->slots[i] != NULL)
            *slot_of(&grown, t->slots[i]) = t->slots[i];
    }
    free(t->slots);
    *t = grown;
}

const char *
bs_build_text(struct bs_build *b, const char *text)
{
    const char **slot;

    if (text == NULL)
        return NULL;
    if (b->texts.n * 2 >= b->texts.cap)
        grow_texts(&b->texts);
    slot = slot_of(&b->texts, text);
    if (*slot != NULL)
        return *slot;
    *slot = bs_arena_str(&b->s->arena, text);
    if (*slot == NULL)
        (void)BS_FAIL(b->err, LIMIT, "the catalog is too large");
    else
        b->texts.n++;
    return *slot;
}

void *
bs_build_array(struct bs_build *b, size_t n, size_t each)
{
    void *p = bs_arena_array(&b->s->arena, n + 1, each);

    if (p == NULL)
        (void)BS_FAIL(b->err, LIMIT, "the catalog is too large");
    return p;
}

void
bs_pairs_add(struct bs_pairs *p, uint32_t from, uint32_t to)
{
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 256 : p->cap * 2;
        p->list = bs_realloc(p->list, p->cap * sizeof(*p->list));
    }
    p->list[p->n++] = (struct bs_pair){from, to};
}

void
bs_pairs_fini(struct bs_pairs *p)
{
    free(p->list);
    *p = (struct bs_pairs){0};
}

/* Multiplied so that OIDs that follow each other do not make one long run with their neighbours. */
static size_t
place_of(const struct bs_build *b, uint32_t oid)
{
    return (oid * 2654435769u >> 7) & (b->n_places - 1);
}

struct bs_relation *
bs_build_relation(struct bs_build *b, uint32_t oid)
{
    for (size_t at = place_of(b, oid); b->places[at] != 0; at = (at + 1) & (b->n_places - 1)) {
        struct bs_relation *r = &b->s->relations[b->places[at] - 1];
        if (r->id.oid == oid)
            return r;
    }
    return NULL;
}

struct bs_type *
bs_build_type(struct bs_build *b, uint32_t oid)
{
    return bs_oid_find(b->s->types, b->s->n_types, sizeof(*b->s->types), oid);
}

struct bs_relation *
bs_build_row_type(struct bs_build *b, uint32_t type)
{
    size_t low = 0, high = b->n_row_types;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->row_types[middle]->row_type == type)
            return b->row_types[middle];
        if (b->row_types[middle]->row_type < type)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint32_t
bs_build_place(const struct bs_build *b, const struct bs_relation *r)
{
    return (uint32_t)(r - b->s->relations);
}

bool
bs_build_ident(
    struct bs_build *b, uint32_t oid, uint32_t schema, const char *name, struct bs_ident *out)
{
    const struct bs_row_named *found =
        bs_oid_find(b->s->schemas, b->s->n_schemas, sizeof(*b->s->schemas), schema);

    if (found == NULL)
        return false;
    *out = (struct bs_ident){oid, found->name, name};
    return name != NULL;
}

static enum bs_risk
function_risk(const struct bs_build *b, uint32_t oid)
{
    const struct bs_function *f = bs_snapshot_function(b->s, oid);

    return f == NULL ? BS_RISK_CRITICAL : f->risk;
}

static enum bs_done
build_operators(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    size_t n;
    const struct bs_row_operator *rows = BS_ROWS(b, OPERATOR, n);

    s->operators = bs_build_array(b, n, sizeof(*s->operators));
    for (size_t i = 0; s->operators != NULL && i < n; i++) {
        struct bs_operator *o = &s->operators[s->n_operators];
        *o = (struct bs_operator){
            .function = rows[i].function, .left = rows[i].left, .right = rows[i].right};
        o->risk = function_risk(b, o->function);
        s->n_operators += bs_build_ident(b, rows[i].oid, rows[i].schema, rows[i].name, &o->id);
    }
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static bool
is_system(const struct bs_ident *id)
{
    return id->oid < BS_FIRST_NORMAL_OID &&
           (strcmp(id->schema, "pg_catalog") == 0 || strcmp(id->schema, "information_schema") == 0);
}

static void
run_unvetted(struct bs_build *b, struct bs_type *t)
{
    t->taint = (struct bs_taint){
        BS_RISK_CRITICAL, "unlisted_type",
        bs_arena_fmt(&b->s->arena, "type \"%s\".\"%s\" has functions that nobody has vetted",
                     t->id.schema, t->id.name)};
}

/* Arrays of rows are no types of their own: their element is in no table. */
static bool
is_array_of_rows(const struct bs_row_type *rows, size_t n, const struct bs_row_type *t)
{
    return t->element != 0 && bs_oid_find(rows, n, sizeof(*rows), t->element) == NULL;
}

static enum bs_done
build_types(struct bs_build *b)
{
    static const struct bs_taint none = {BS_RISK_SAFE, NULL, NULL};
    struct bs_snapshot *s = b->s;
    size_t n;
    const struct bs_row_type *rows = BS_ROWS(b, TYPE, n);

    s->types = bs_build_array(b, n, sizeof(*s->types));
    for (size_t i = 0; s->types != NULL && i < n; i++) {
        struct bs_type *t = &s->types[s->n_types];
        bool array = rows[i].length == -1 && rows[i].element != 0;
        *t = (struct bs_type){.typtype = rows[i].kind,
                              .base = rows[i].kind == 'd' ? rows[i].base
                                      : array             ? rows[i].element
                                                          : 0,
                              .taint = none};
        if (!bs_build_ident(b, rows[i].oid, rows[i].schema, rows[i].name, &t->id) ||
            is_array_of_rows(rows, n, &rows[i]))
            continue;
        t->builtin = is_system(&t->id);
        if (!t->builtin && t->typtype == 'b' && t->base == 0 &&
            function_risk(b, rows[i].input) != BS_RISK_SAFE)
            run_unvetted(b, t);
        s->n_types++;
    }
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static void
add_range(struct bs_build *b, struct bs_type *t, const struct bs_row_range *range)
{
    if (t == NULL)
        return;
    if (t->base == 0)
        t->base = range->subtype;
    if (t->builtin || t->typtype != 'r')
        return;
    if ((range->canonical != 0 && function_risk(b, range->canonical) != BS_RISK_SAFE) ||
        (range->difference != 0 && function_risk(b, range->difference) != BS_RISK_SAFE))
        run_unvetted(b, t);
}

static enum bs_done
build_ranges(struct bs_build *b)
{
    size_t n;
    const struct bs_row_range *rows = BS_ROWS(b, RANGE, n);

    for (size_t i = 0; i < n; i++) {
        add_range(b, bs_build_type(b, rows[i].oid), &rows[i]);
        add_range(b, bs_build_type(b, rows[i].multirange), &rows[i]);
    }
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static int
by_row_type(const void *x, const void *y)
{
    const struct bs_relation *const *a = x, *const *b = y;

    return ((*a)->row_type > (*b)->row_type) - ((*a)->row_type < (*b)->row_type);
}

static void
list_relations(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;

    for (b->n_places = 64; b->n_places < s->n_relations * 2; b->n_places *= 2)
        ;
    b->places = bs_malloc(b->n_places * sizeof(*b->places));
    b->row_types = bs_malloc((s->n_relations + 1) * sizeof(*b->row_types));
    for (size_t i = 0; i < s->n_relations; i++) {
        size_t at = place_of(b, s->relations[i].id.oid);
        while (b->places[at] != 0)
            at = (at + 1) & (b->n_places - 1);
        b->places[at] = (uint32_t)i + 1;
        if (s->relations[i].row_type != 0)
            b->row_types[b->n_row_types++] = &s->relations[i];
    }
    if (b->n_row_types > 1)
        qsort(b->row_types, b->n_row_types, sizeof(*b->row_types), by_row_type);
}

static void
add_estimates(struct bs_build *b)
{
    size_t n;
    const struct bs_row_estimate *rows = BS_ROWS(b, ESTIMATE, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_relation *r = bs_build_relation(b, rows[i].oid);
        if (r == NULL)
            continue;
        r->est_rows = rows[i].rows;
        r->est_bytes = rows[i].bytes;
    }
}

static enum bs_done
build_relations(struct bs_build *b)
{
    static const struct bs_taint none = {BS_RISK_SAFE, NULL, NULL};
    struct bs_snapshot *s = b->s;
    size_t n;
    const struct bs_row_class *rows = BS_ROWS(b, CLASS, n);

    b->clean = bs_build_array(b, BS_USE_COUNT, sizeof(*b->clean));
    for (int use = 0; b->clean != NULL && use < BS_USE_COUNT; use++)
        b->clean[use] = none;
    s->relations = b->clean == NULL ? NULL : bs_build_array(b, n, sizeof(*s->relations));
    for (size_t i = 0; s->relations != NULL && i < n; i++) {
        struct bs_relation *r = &s->relations[s->n_relations];
        *r = (struct bs_relation){.relkind = rows[i].kind,
                                  .persistence = rows[i].persistence,
                                  .partition = rows[i].partition,
                                  .rls = rows[i].rls,
                                  .owner = rows[i].owner,
                                  .row_type = rows[i].row_type,
                                  .est_rows = -1,
                                  .use = b->clean,
                                  .row = none};
        if (!bs_build_ident(b, rows[i].oid, rows[i].schema, rows[i].name, &r->id))
            continue;
        r->system = is_system(&r->id);
        s->n_relations++;
    }
    if (b->err->code != BS_OK)
        return BS_FAILED;
    list_relations(b);
    add_estimates(b);
    return BS_DONE;
}

static enum bs_done
build_indexes(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;

    if (bs_index_build(&s->by_relation, s->relations, sizeof(*s->relations), s->n_relations,
                       &s->arena) == BS_DONE &&
        bs_index_build(&s->by_function, s->functions, sizeof(*s->functions), s->n_functions,
                       &s->arena) == BS_DONE &&
        bs_index_build(&s->by_operator, s->operators, sizeof(*s->operators), s->n_operators,
                       &s->arena) == BS_DONE &&
        bs_index_build(&s->by_type, s->types, sizeof(*s->types), s->n_types, &s->arena) == BS_DONE)
        return BS_DONE;
    return BS_FAIL(b->err, LIMIT, "the catalog is too large");
}

static enum bs_done
build(struct bs_build *b)
{
    if (bs_build_functions(b) != BS_DONE || build_operators(b) != BS_DONE ||
        build_types(b) != BS_DONE || build_ranges(b) != BS_DONE || build_relations(b) != BS_DONE)
        return BS_FAILED;
    if (build_indexes(b) != BS_DONE)
        return BS_FAILED;
    if (bs_build_columns(b) != BS_DONE || bs_build_links(b) != BS_DONE ||
        bs_build_taints(b) != BS_DONE)
        return BS_FAILED;
    bs_build_published(b);
    return bs_build_reads(b);
}

enum bs_done
bs_build(struct bs_snapshot *s, const struct bs_snapshot *old, struct bs_err *err)
{
    struct bs_build b = {.s = s, .old = old, .err = err};
    enum bs_done done;

    s->schemas = BS_ROWS(&b, SCHEMA, s->n_schemas);
    done = build(&b);
    bs_pairs_fini(&b.children);
    bs_pairs_fini(&b.reads);
    free(b.texts.slots);
    free(b.places);
    free(b.row_types);
    return done;
}
