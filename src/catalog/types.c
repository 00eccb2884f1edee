/*
 * types.c - what turning a value into a type runs: checks of domains, casts and comparisons that
 * somebody made, and all of that again for what is made of such types.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/tainting.h"

/* Type names are looked up on every level: what is not known and not the cluster's own is not
 * harmless. */
struct bs_taint
bs_tainting_type(struct bs_build *b, uint32_t oid)
{
    const struct bs_type *t = bs_build_type(b, oid);
    const struct bs_relation *row;

    if (t != NULL)
        return t->taint;
    row = bs_build_row_type(b, oid);
    if (row != NULL)
        return row->row;
    if (oid < BS_FIRST_NORMAL_OID)
        return bs_taint_none;
    return (struct bs_taint){.risk = BS_RISK_CRITICAL,
                             .code = "unlisted_type",
                             .text = bs_tainting_say(b, "a type with OID %u is not known", oid)};
}

void
bs_build_taint_values(struct bs_build *b, uint32_t type_oid, struct bs_taint t)
{
    struct bs_type *type = bs_build_type(b, type_oid);
    struct bs_relation *row = bs_build_row_type(b, type_oid);

    if (type != NULL) {
        bs_build_worsen(b, &type->taint, t);
        type->cast = true;
    }
    if (row != NULL) {
        bs_build_worsen(b, &row->row, t);
        row->cast = true;
    }
}

bool
bs_build_hidden(
    struct bs_build *b, uint32_t oid, const char *word, const char *what, struct bs_taint *out)
{
    const struct bs_function *function = bs_snapshot_function(b->s, oid);

    if (oid == 0 || (function != NULL && function->risk == BS_RISK_SAFE))
        return false;
    *out = (struct bs_taint){.risk = BS_RISK_CRITICAL, .code = word};
    if (bs_tainting_can_read(function))
        *out = bs_tainting_run(b, oid, word);
    else
        out->text = bs_tainting_say(b, "%s runs %s", what, bs_tainting_function(b, oid));
    return true;
}

static void
taint_cast(struct bs_build *b, const struct bs_row_cast *c)
{
    uint32_t ends[2] = {c->source, c->target};
    bool own = ends[0] >= BS_FIRST_NORMAL_OID || ends[1] >= BS_FIRST_NORMAL_OID;
    struct bs_taint t;

    if (!bs_build_hidden(b, c->function, "cast", "a cast", &t))
        return;
    for (int k = 0; k < 2; k++) {
        /* Whoever gets to PostgreSQL's own end comes from the other one. */
        if (!own || ends[k] >= BS_FIRST_NORMAL_OID)
            bs_build_taint_values(b, ends[k], t);
    }
    if (!own && c->context != 'e')
        bs_build_worsen(b, &b->s->casts, t);
}

void
bs_build_taint_casts(struct bs_build *b)
{
    size_t n;
    const struct bs_row_cast *rows = BS_ROWS(b, CAST, n);

    for (size_t i = 0; i < n; i++)
        taint_cast(b, &rows[i]);
}

static void
taint_domain(struct bs_build *b, uint32_t oid, const struct bs_list *refs)
{
    struct bs_type *t = refs == NULL ? NULL : bs_build_type(b, oid);
    struct bs_stored c = {refs, "domain", "the domain", NULL};
    struct bs_taint found;

    if (t == NULL || t->typtype != 'd')
        return;
    found = bs_taint_critical(bs_tainting_code(b, &c, NULL));
    if (found.risk != BS_RISK_SAFE) {
        found.code = "domain";
        found.text = bs_tainting_say(b, "the domain %s.%s runs a function that nobody has vetted",
                                     t->id.schema, t->id.name);
    }
    bs_build_worsen(b, &t->taint, found);
}

void
bs_build_taint_domains(struct bs_build *b)
{
    size_t n, n_constraints;
    const struct bs_row_type *types = BS_ROWS(b, TYPE, n);
    const struct bs_row_constraint *constraints = BS_ROWS(b, CONSTRAINT, n_constraints);

    for (size_t i = 0; i < n; i++) {
        if (types[i].oid >= BS_FIRST_NORMAL_OID)
            taint_domain(b, types[i].oid, types[i].value);
    }
    for (size_t i = 0; i < n_constraints; i++)
        taint_domain(b, constraints[i].domain, constraints[i].check);
}

/* Columns of types that somebody made; arrays as their elements. */
struct own_columns {
    struct own_column {
        struct bs_relation *of;
        uint32_t type;
    } * list;
    size_t n;
};

/* Arrays of rows are in no table of types, but their own. */
static uint32_t
element_of(const struct bs_row_type *types, size_t n, uint32_t oid)
{
    const struct bs_row_type *t = bs_oid_find(types, n, sizeof(*types), oid);

    return t != NULL && t->length == -1 && t->element != 0 ? t->element : oid;
}

static void
list_columns(struct bs_build *b, struct own_columns *out)
{
    size_t n, n_types;
    const struct bs_row_attribute *rows = BS_ROWS(b, ATTRIBUTE, n);
    const struct bs_row_type *types = BS_ROWS(b, TYPE, n_types);

    for (size_t i = 0; i < n; i++)
        out->n += rows[i].type >= BS_FIRST_NORMAL_OID;
    out->list = bs_malloc((out->n + 1) * sizeof(*out->list));
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct bs_relation *r;
        if (rows[i].type < BS_FIRST_NORMAL_OID || rows[i].dropped)
            continue;
        r = bs_build_relation(b, rows[i].relation);
        if (r != NULL)
            out->list[out->n++] = (struct own_column){r, element_of(types, n_types, rows[i].type)};
    }
}

/* A domain is cast as what it is made of. */
static bool
is_cast(struct bs_build *b, const struct bs_type *t)
{
    const struct bs_type *base = t->typtype == 'd' ? bs_build_type(b, t->base) : NULL;
    const struct bs_relation *row = t->typtype == 'd' ? bs_build_row_type(b, t->base) : NULL;

    return t->cast || (base != NULL && base->cast) || (row != NULL && row->cast);
}

/* Rows are compared column by column. */
static bool
is_cast_column(struct bs_build *b, uint32_t oid)
{
    const struct bs_type *t = bs_build_type(b, oid);
    const struct bs_relation *row = bs_build_row_type(b, oid);

    return (t != NULL && t->cast) || (row != NULL && row->cast);
}

/* One round over all that types are made of; true where something got worse. */
static bool
spread_types(struct bs_build *b, const struct own_columns *columns)
{
    bool changed = false;

    for (size_t i = 0; i < b->s->n_types; i++) {
        struct bs_type *t = &b->s->types[i];
        enum bs_risk was = t->taint.risk;
        size_t ran = t->taint.n_runs;
        bool cast = is_cast(b, t);
        if (t->base != 0 && !t->builtin)
            bs_build_worsen(b, &t->taint, bs_tainting_type(b, t->base));
        changed = changed || t->taint.risk != was || t->taint.n_runs != ran || t->cast != cast;
        t->cast = cast;
    }
    for (size_t i = 0; i < columns->n; i++) {
        struct bs_relation *r = columns->list[i].of;
        enum bs_risk was = r->row.risk;
        size_t ran = r->row.n_runs;
        bool cast = r->cast || is_cast_column(b, columns->list[i].type);
        bs_build_worsen(b, &r->row, bs_tainting_type(b, columns->list[i].type));
        changed = changed || r->row.risk != was || r->row.n_runs != ran || r->cast != cast;
        r->cast = cast;
    }
    return changed;
}

void
bs_build_taint_columns(struct bs_build *b)
{
    struct own_columns columns = {0};

    list_columns(b, &columns);
    while (spread_types(b, &columns))
        ;
    free(columns.list);
    for (size_t i = 0; i < b->s->n_relations; i++) {
        struct bs_relation *r = &b->s->relations[i];
        if (r->cast) {
            bs_build_worsen_use(b, r, BS_USE_READ, r->row);
            bs_build_worsen_use(b, r, BS_USE_UPKEEP, r->row);
        }
        bs_build_worsen_use(b, r, BS_USE_INSERT, r->row);
        bs_build_worsen_use(b, r, BS_USE_UPDATE, r->row);
    }
}
