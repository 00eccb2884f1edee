/*
 * functions.c - functions, and what those that did not come with the cluster are made of.
 */
#include <string.h>

#include "catalog/body.h"
#include "catalog/build.h"
#include "sql/builtins.h"

/* pg_language.oid of those that are part of the server. */
enum { INTERNAL = 12, NATIVE = 13, SQL = 14 };

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
        /* An aggregate has PostgreSQL's own language, and parts that anybody may have written. */
        return native && f->kind != 'a' && computes_only(f->extension) ? BS_RISK_SAFE
                                                                       : BS_RISK_CRITICAL;
    }
    if (strcmp(f->id.schema, "information_schema") == 0)
        return bs_builtin_information_schema(f->id.name) ? BS_RISK_SAFE : BS_RISK_CRITICAL;
    risk = bs_builtin_function(f->id.name, f->n_args).risk;
    if (risk == BS_RISK_SAFE || risk == BS_RISK_HIGH)
        return risk;
    return bs_builtin_oid_listed(f->id.oid) && risk == BS_RISK_UNKNOWN ? BS_RISK_SAFE
                                                                       : BS_RISK_CRITICAL;
}

static const struct bs_row_language *
language_of(struct bs_build *b, uint32_t oid)
{
    size_t n;
    const struct bs_row_language *rows = BS_ROWS(b, LANGUAGE, n);

    return bs_oid_find(rows, n, sizeof(*rows), oid);
}

static enum bs_language
runs_as(const struct bs_row_language *language)
{
    switch (language->oid) {
    case INTERNAL:
        return BS_LANGUAGE_INTERNAL;
    case NATIVE:
        return BS_LANGUAGE_C;
    case SQL:
        return BS_LANGUAGE_SQL;
    default:
        return language->plpgsql ? BS_LANGUAGE_PLPGSQL : BS_LANGUAGE_OTHER;
    }
}

/* Without modes all are in. A name that is empty is none. */
static void
read_args(struct bs_build *b, struct bs_function *f, const struct bs_row_function *row)
{
    const struct bs_list *types = row->all != NULL ? row->all : row->in;
    const char *name = row->names == NULL ? NULL : (const char *)row->names->data;
    struct bs_arg *args;

    if (types == NULL)
        return;
    args = bs_build_array(b, types->n, sizeof(*args));
    for (uint32_t i = 0; args != NULL && i < types->n; i++) {
        bool named = name != NULL && i < row->names->n;
        args[i].type = types->data[i];
        args[i].mode = row->modes != NULL && i < row->modes->n ? (char)row->modes->data[i] : 'i';
        args[i].name = named && *name != '\0' ? name : NULL;
        name = named ? name + strlen(name) + 1 : NULL;
    }
    f->args = args;
    f->n_params = args == NULL ? 0 : types->n;
}

static const char *
printed_body(struct bs_build *b, uint32_t oid)
{
    size_t n;
    const struct bs_row_body *rows = BS_ROWS(b, BODY, n);
    const struct bs_row_body *found = bs_oid_find(rows, n, sizeof(*rows), oid);

    return found == NULL ? NULL : found->source;
}

static void
read_details(struct bs_build *b, struct bs_function *f, const struct bs_row_function *row)
{
    f->volatility = row->volatility;
    f->strict = row->strict;
    f->set = row->set;
    f->atomic = row->atomic;
    f->result = row->result;
    f->owner = row->owner;
    f->support = row->support;
    f->defaults = row->defaults;
    f->config = row->config;
    read_args(b, f, row);
    if (f->atomic)
        f->source = printed_body(b, row->oid);
    else if (f->runs == BS_LANGUAGE_SQL || f->runs == BS_LANGUAGE_PLPGSQL)
        f->source = row->source;
}

static void
build_function(struct bs_build *b, const struct bs_row_function *row)
{
    struct bs_snapshot *s = b->s;
    const struct bs_row_language *language = language_of(b, row->language);
    struct bs_function *f = &s->functions[s->n_functions];

    *f = (struct bs_function){.kind = row->kind,
                              .variadic = row->variadic,
                              .definer = row->definer,
                              .n_args = row->n_args,
                              .n_defaults = row->n_defaults};
    if (language == NULL || !bs_build_ident(b, row->oid, row->schema, row->name, &f->id))
        return;
    f->builtin =
        f->id.oid < BS_FIRST_NORMAL_OID && (strcmp(f->id.schema, "pg_catalog") == 0 ||
                                            strcmp(f->id.schema, "information_schema") == 0);
    f->language = language->name;
    f->runs = runs_as(language);
    if (!f->builtin)
        read_details(b, f, row);
    s->n_functions++;
}

/* The first argument's kind of type. Types that are not in their table are rows. */
static void
add_first(struct bs_build *b, struct bs_function *f, uint32_t oid)
{
    size_t n;
    const struct bs_row_type *rows = BS_ROWS(b, TYPE, n);
    const struct bs_row_type *t = oid == 0 ? NULL : bs_oid_find(rows, n, sizeof(*rows), oid);

    f->first = oid == 0 ? '\0' : t == NULL ? 'c' : t->kind;
}

static struct bs_function *
function_at(struct bs_build *b, uint32_t oid)
{
    return bs_oid_find(b->s->functions, b->s->n_functions, sizeof(*b->s->functions), oid);
}

static void
add_parts(struct bs_build *b)
{
    size_t n;
    const struct bs_row_aggregate *rows = BS_ROWS(b, AGGREGATE, n);

    for (size_t i = 0; i < n; i++) {
        struct bs_function *f = function_at(b, rows[i].oid);
        uint32_t *parts = f == NULL || rows[i].parts == NULL
                              ? NULL
                              : bs_build_array(b, rows[i].parts->n, sizeof(*parts));
        if (parts == NULL)
            continue;
        f->parts = parts;
        for (uint32_t k = 0; k < rows[i].parts->n; k++) {
            if (rows[i].parts->data[k] != 0)
                parts[f->n_parts++] = rows[i].parts->data[k];
        }
    }
}

/* Members of extensions. */
static void
add_extensions(struct bs_build *b)
{
    size_t n, n_extensions;
    const struct bs_row_depend *rows = BS_ROWS(b, DEPEND, n);
    const struct bs_row_named *extensions = BS_ROWS(b, EXTENSION, n_extensions);

    for (size_t i = 0; i < n; i++) {
        const struct bs_row_named *e;
        struct bs_function *f;
        if (rows[i].type != 'e' || rows[i].ref_class != BS_CLASS_EXTENSION ||
            rows[i].class_oid != BS_CLASS_FUNCTION)
            continue;
        e = bs_oid_find(extensions, n_extensions, sizeof(*extensions), rows[i].ref_oid);
        f = function_at(b, rows[i].oid);
        if (e != NULL && f != NULL)
            f->extension = e->name;
    }
}

/*
 * As harmless as PostgreSQL's own functions of the same code, under another name. All aggregates
 * have the same code, which only stands there: what they run are their parts.
 */
static bool
is_alias(struct bs_build *b, const struct bs_function *f)
{
    size_t n;
    const struct bs_row_function *rows = BS_ROWS(b, FUNCTION, n);
    const struct bs_row_function *own = bs_oid_find(rows, n, sizeof(*rows), f->id.oid);
    bool any = false;

    if (f->kind == 'a' || own == NULL || own->source == NULL || f->config != NULL ||
        f->support >= BS_FIRST_NORMAL_OID)
        return false;
    for (size_t i = 0; i < n && rows[i].oid < BS_FIRST_NORMAL_OID; i++) {
        const struct bs_function *same;
        if (rows[i].language != INTERNAL || rows[i].source == NULL ||
            strcmp(rows[i].source, own->source) != 0)
            continue;
        same = function_at(b, rows[i].oid);
        if (same == NULL || same->risk != BS_RISK_SAFE)
            return false;
        any = true;
    }
    return any;
}

static void
add_risks(struct bs_build *b)
{
    for (size_t i = 0; i < b->s->n_functions; i++) {
        struct bs_function *f = &b->s->functions[i];
        f->risk = risk_of(f);
        if (f->runs == BS_LANGUAGE_INTERNAL && !f->builtin && is_alias(b, f))
            f->risk = BS_RISK_SAFE;
    }
}

enum bs_done
bs_build_functions(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    size_t n;
    const struct bs_row_function *rows = BS_ROWS(b, FUNCTION, n);

    s->functions = bs_build_array(b, n, sizeof(*s->functions));
    for (size_t i = 0; s->functions != NULL && i < n && b->err->code == BS_OK; i++) {
        size_t before = s->n_functions;
        build_function(b, &rows[i]);
        if (s->n_functions != before)
            add_first(b, &s->functions[before], rows[i].first);
    }
    if (b->err->code != BS_OK)
        return BS_FAILED;
    add_parts(b);
    add_extensions(b);
    add_risks(b);
    return b->err->code == BS_OK ? bs_build_bodies(b) : BS_FAILED;
}
