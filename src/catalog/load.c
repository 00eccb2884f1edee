/*
 * load.c - the catalog by a dozen queries, all from one MVCC snapshot.
 *
 * Only catalogs are read, never a relation of somebody's: no lock that could wait for a user.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/build.h"

/* Schemas whose objects can be named by an actor. Temporary ones are judged by the session's
 * state, not by a picture of what others have. */
#define NAMEABLE "n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'"

static const char schemas_sql[] =
    "SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE " NAMEABLE " ORDER BY n.oid";

static const char operators_sql[] =
    "SELECT o.oid, o.oprnamespace, o.oprname, o.oprcode::pg_catalog.oid, o.oprleft, o.oprright"
    " FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
    " WHERE o.oid >= 16384 AND " NAMEABLE " ORDER BY o.oid";

static const char types_sql[] =
    "SELECT t.oid, t.typnamespace, t.typname, t.typtype, t.oid < 16384 AND n.nspname IN"
    " ('pg_catalog', 'information_schema'), CASE WHEN t.typtype = 'd' THEN t.typbasetype"
    " WHEN t.typlen = -1 AND t.typelem <> 0 THEN t.typelem"
    " ELSE coalesce(r.rngsubtype, 0::pg_catalog.oid) END, t.typinput::pg_catalog.oid,"
    " r.rngcanonical::pg_catalog.oid, r.rngsubdiff::pg_catalog.oid"
    " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
    " LEFT JOIN pg_catalog.pg_type i ON i.oid = t.typelem"
    " LEFT JOIN pg_catalog.pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)"
    " WHERE t.typtype <> 'c' AND i.typtype IS DISTINCT FROM 'c' AND " NAMEABLE " ORDER BY t.oid";

/* Before release 14 the rows of a table that was never analysed are 0, not -1. */
static const char relations_sql[] =
    "SELECT c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.relispartition,"
    " c.relrowsecurity, c.relowner, c.reltype, CASE WHEN c.reltuples >= 0 THEN c.reltuples"
    " ELSE coalesce(nullif(pg_catalog.pg_stat_get_live_tuples(c.oid), 0), -1) END"
    "::pg_catalog.float8,"
    " (c.relpages::pg_catalog.int8 + coalesce(t.relpages, 0)) *"
    " pg_catalog.current_setting('block_size')::pg_catalog.int8,"
    " c.oid < 16384 AND n.nspname IN ('pg_catalog', 'information_schema')"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c') AND " NAMEABLE
    " ORDER BY c.oid";

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
        (void)BS_FAIL(b->err, DATABASE, "the catalog is too large");
    else
        b->texts.n++;
    return *slot;
}

void *
bs_build_array(struct bs_build *b, size_t n, size_t each)
{
    void *p = bs_arena_array(&b->s->arena, n + 1, each);

    if (p == NULL)
        (void)BS_FAIL(b->err, DATABASE, "the catalog is too large");
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

struct bs_relation *
bs_build_relation(struct bs_build *b, uint32_t oid)
{
    return bs_oid_find(b->s->relations, b->s->n_relations, sizeof(*b->s->relations), oid);
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
bs_build_ident(struct bs_build *b, const PGresult *res, int row, struct bs_ident *out)
{
    const struct bs_schema *schema =
        bs_oid_find(b->s->schemas, b->s->n_schemas, sizeof(*b->s->schemas), bs_oid_at(res, row, 1));

    if (schema == NULL)
        return false;
    *out = (struct bs_ident){bs_oid_at(res, row, 0), schema->name,
                             bs_build_text(b, bs_text_at(res, row, 2))};
    return out->name != NULL;
}

static enum bs_done
load_schemas(struct bs_build *b)
{
    PGresult *res;
    int n;

    if (bs_reader_query(&b->reader, schemas_sql, 2, &res, b->err) != BS_DONE)
        return BS_FAILED;
    n = PQntuples(res);
    b->s->schemas = bs_build_array(b, (size_t)n, sizeof(*b->s->schemas));
    for (int i = 0; b->s->schemas != NULL && i < n; i++) {
        const char *name = bs_build_text(b, bs_text_at(res, i, 1));
        if (name != NULL)
            b->s->schemas[b->s->n_schemas++] = (struct bs_schema){bs_oid_at(res, i, 0), name};
    }
    PQclear(res);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static enum bs_risk
function_risk(const struct bs_build *b, uint32_t oid)
{
    const struct bs_function *f = bs_snapshot_function(b->s, oid);

    return f == NULL ? BS_RISK_CRITICAL : f->risk;
}

static enum bs_done
load_operators(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    PGresult *res;
    int n;

    if (bs_reader_query(&b->reader, operators_sql, 6, &res, b->err) != BS_DONE)
        return BS_FAILED;
    n = PQntuples(res);
    s->operators = bs_build_array(b, (size_t)n, sizeof(*s->operators));
    for (int i = 0; s->operators != NULL && i < n; i++) {
        struct bs_operator *o = &s->operators[s->n_operators];
        *o = (struct bs_operator){.function = bs_oid_at(res, i, 3),
                                  .left = bs_oid_at(res, i, 4),
                                  .right = bs_oid_at(res, i, 5)};
        o->risk = function_risk(b, o->function);
        s->n_operators += bs_build_ident(b, res, i, &o->id);
    }
    PQclear(res);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

/* What a type runs by itself, without the types it is made of. */
static struct bs_taint
type_taint(struct bs_build *b, const struct bs_type *t, const PGresult *res, int row)
{
    static const struct bs_taint none = {BS_RISK_SAFE, NULL, NULL};
    bool array = t->typtype == 'b' && t->base != 0;
    bool worst = false;

    if (t->builtin)
        return none;
    if (t->typtype == 'b' && !array)
        worst = function_risk(b, bs_oid_at(res, row, 6)) != BS_RISK_SAFE;
    for (int column = 7; column <= 8 && t->typtype == 'r'; column++) {
        if (bs_oid_at(res, row, column) != 0)
            worst = worst || function_risk(b, bs_oid_at(res, row, column)) != BS_RISK_SAFE;
    }
    if (!worst)
        return none;
    return (struct bs_taint){BS_RISK_CRITICAL, "unlisted_type",
                             bs_arena_fmt(&b->s->arena,
                                          "type \"%s\".\"%s\" has functions that nobody has vetted",
                                          t->id.schema, t->id.name)};
}

static enum bs_done
load_types(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    PGresult *res;
    int n;

    if (bs_reader_query(&b->reader, types_sql, 9, &res, b->err) != BS_DONE)
        return BS_FAILED;
    n = PQntuples(res);
    s->types = bs_build_array(b, (size_t)n, sizeof(*s->types));
    for (int i = 0; s->types != NULL && i < n; i++) {
        struct bs_type *t = &s->types[s->n_types];
        *t = (struct bs_type){.typtype = bs_char_at(res, i, 3),
                              .builtin = bs_bool_at(res, i, 4),
                              .base = bs_oid_at(res, i, 5)};
        if (!bs_build_ident(b, res, i, &t->id))
            continue;
        t->taint = type_taint(b, t, res, i);
        s->n_types++;
    }
    PQclear(res);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static int
by_row_type(const void *x, const void *y)
{
    const struct bs_relation *const *a = x, *const *b = y;

    return ((*a)->row_type > (*b)->row_type) - ((*a)->row_type < (*b)->row_type);
}

static enum bs_done
list_row_types(struct bs_build *b)
{
    b->row_types = bs_malloc((b->s->n_relations + 1) * sizeof(*b->row_types));
    for (size_t i = 0; i < b->s->n_relations; i++) {
        if (b->s->relations[i].row_type != 0)
            b->row_types[b->n_row_types++] = &b->s->relations[i];
    }
    if (b->n_row_types > 1)
        qsort(b->row_types, b->n_row_types, sizeof(*b->row_types), by_row_type);
    return BS_DONE;
}

static enum bs_done
load_relations(struct bs_build *b)
{
    static const struct bs_taint none = {BS_RISK_SAFE, NULL, NULL};
    struct bs_snapshot *s = b->s;
    PGresult *res;
    int n;

    if (bs_reader_query(&b->reader, relations_sql, 12, &res, b->err) != BS_DONE)
        return BS_FAILED;
    n = PQntuples(res);
    s->relations = bs_build_array(b, (size_t)n, sizeof(*s->relations));
    for (int i = 0; s->relations != NULL && i < n; i++) {
        struct bs_relation *r = &s->relations[s->n_relations];
        *r = (struct bs_relation){.relkind = bs_char_at(res, i, 3),
                                  .persistence = bs_char_at(res, i, 4),
                                  .partition = bs_bool_at(res, i, 5),
                                  .rls = bs_bool_at(res, i, 6),
                                  .owner = bs_oid_at(res, i, 7),
                                  .row_type = bs_oid_at(res, i, 8),
                                  .est_rows = bs_double_at(res, i, 9),
                                  .est_bytes = bs_int8_at(res, i, 10),
                                  .system = bs_bool_at(res, i, 11),
                                  .row = none};
        for (int use = 0; use < BS_USE_COUNT; use++)
            r->use[use] = none;
        s->n_relations += bs_build_ident(b, res, i, &r->id);
    }
    PQclear(res);
    return b->err->code == BS_OK ? list_row_types(b) : BS_FAILED;
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
    return BS_FAIL(b->err, DATABASE, "the catalog is too large");
}

static enum bs_done
build(struct bs_build *b)
{
    if (load_schemas(b) != BS_DONE || bs_build_functions(b) != BS_DONE ||
        load_operators(b) != BS_DONE || load_types(b) != BS_DONE || load_relations(b) != BS_DONE)
        return BS_FAILED;
    if (build_indexes(b) != BS_DONE)
        return BS_FAILED;
    if (bs_build_columns(b) != BS_DONE || bs_build_links(b) != BS_DONE ||
        bs_build_taints(b) != BS_DONE)
        return BS_FAILED;
    return bs_build_reads(b);
}

enum bs_done
bs_snapshot_load(const char *conninfo, struct bs_snapshot **out, struct bs_err *err)
{
    struct bs_build b = {.err = err};
    enum bs_done done = BS_FAILED;

    *out = NULL;
    b.s = bs_snapshot_new();
    /* Taken before anything is read: what changes from here on is newer than the snapshot. */
    b.s->loaded_us = bs_mono_us();
    if (bs_reader_open(&b.reader, conninfo, err) == BS_DONE) {
        b.s->version = b.reader.version;
        done = build(&b);
    }
    bs_reader_close(&b.reader);
    bs_pairs_fini(&b.children);
    bs_pairs_fini(&b.reads);
    free(b.texts.slots);
    free(b.row_types);
    if (done != BS_DONE)
        bs_snapshot_unref(&b.s);
    *out = b.s;
    return done;
}
