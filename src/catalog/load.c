/*
 * load.c - the catalog by a dozen queries, all from one MVCC snapshot.
 *
 * Only catalogs are read, never a relation of somebody's: no lock that could wait for a user.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/build.h"
#include "sql/builtins.h"

/* Schemas whose objects can be named by an actor. Temporary ones are judged by the session's
 * state, not by a picture of what others have. */
#define NAMEABLE "n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'"

static const char schemas_sql[] =
    "SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE " NAMEABLE " ORDER BY n.oid";

static const char functions_sql[] =
    "SELECT p.oid, p.pronamespace, p.proname, p.prokind, p.provariadic <> 0, p.prosecdef,"
    " p.pronargs, p.pronargdefaults, l.lanname, e.extname, p.oid < 16384 AND"
    " n.nspname IN ('pg_catalog', 'information_schema'), t.typtype"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
    " JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
    " LEFT JOIN pg_catalog.pg_type t ON p.pronargs > 0 AND t.oid = p.proargtypes[0]"
    " LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass"
    " AND d.objid = p.oid AND d.deptype = 'e'"
    " LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid ORDER BY p.oid";

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

const char *
bs_build_text(struct bs_build *b, const char *text)
{
    const char *copy = bs_arena_str(&b->s->arena, text);

    if (copy == NULL && text != NULL)
        (void)BS_FAIL(b->err, DATABASE, "the catalog is too large");
    return copy;
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

/* False where the schema cannot be named, or the snapshot is full (then the error is set). */
static bool
name_it(struct bs_build *b, const PGresult *res, int row, struct bs_ident *out)
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

/*
 * Extensions whose functions in C only compute. A member in another language may be anything, and
 * membership can be given away by an extension's owner; a function in C needs a superuser.
 */
static bool
computes_only(const char *extension)
{
    static const char *const names[] = {
        "btree_gin", "btree_gist", "citext",   "cube",      "earthdistance", "fuzzystrmatch",
        "hstore",    "intarray",   "isn",      "ltree",     "pg_trgm",       "pgcrypto",
        "postgis",   "seg",        "unaccent", "uuid-ossp", "vector",
    };

    for (size_t i = 0; extension != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], extension) == 0)
            return true;
    }
    return false;
}

static enum bs_risk
risk_of(const struct bs_function *f)
{
    enum bs_risk risk;

    if (!f->builtin) {
        bool native = strcmp(f->language, "c") == 0 || strcmp(f->language, "internal") == 0;
        return native && computes_only(f->extension) ? BS_RISK_SAFE : BS_RISK_CRITICAL;
    }
    if (strcmp(f->id.schema, "information_schema") == 0)
        return bs_builtin_information_schema(f->id.name) ? BS_RISK_SAFE : BS_RISK_CRITICAL;
    risk = bs_builtin_function(f->id.name, f->n_args).risk;
    if (risk == BS_RISK_SAFE || risk == BS_RISK_HIGH)
        return risk;
    return bs_builtin_oid_listed(f->id.oid) && risk == BS_RISK_UNKNOWN ? BS_RISK_SAFE
                                                                       : BS_RISK_CRITICAL;
}

static enum bs_done
load_functions(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    PGresult *res;
    int n;

    if (bs_reader_query(&b->reader, functions_sql, 12, &res, b->err) != BS_DONE)
        return BS_FAILED;
    n = PQntuples(res);
    s->functions = bs_build_array(b, (size_t)n, sizeof(*s->functions));
    for (int i = 0; s->functions != NULL && i < n; i++) {
        struct bs_function *f = &s->functions[s->n_functions];
        /* One row an extension; a function has at most one, but nothing forbids a second row. */
        if (s->n_functions > 0 && f[-1].id.oid == bs_oid_at(res, i, 0))
            continue;
        *f = (struct bs_function){.kind = bs_char_at(res, i, 3),
                                  .variadic = bs_bool_at(res, i, 4),
                                  .definer = bs_bool_at(res, i, 5),
                                  .n_args = bs_int_at(res, i, 6),
                                  .n_defaults = bs_int_at(res, i, 7),
                                  .language = bs_build_text(b, bs_text_at(res, i, 8)),
                                  .extension = bs_build_text(b, bs_text_at(res, i, 9)),
                                  .builtin = bs_bool_at(res, i, 10),
                                  .first = bs_char_at(res, i, 11)};
        if (!name_it(b, res, i, &f->id) || f->language == NULL)
            continue;
        f->risk = risk_of(f);
        s->n_functions++;
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
        s->n_operators += name_it(b, res, i, &o->id);
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
        if (!name_it(b, res, i, &t->id))
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
        s->n_relations += name_it(b, res, i, &r->id);
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
    if (load_schemas(b) != BS_DONE || load_functions(b) != BS_DONE ||
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
    free(b.row_types);
    if (done != BS_DONE)
        bs_snapshot_unref(&b.s);
    *out = b.s;
    return done;
}
