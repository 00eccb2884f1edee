/*
 * classes.c - what operator classes of somebody's own run: ORDER BY, DISTINCT, UNION, indexes and
 * partition keys compare and hash without a word. An extension's code in C is left out of that for
 * PostgreSQL's own types.
 *
 * A class that is not its type's default is run by the indexes and partition keys that name it, and
 * by nothing else (tables.c): their relations are told, so that others may be read.
 */
#include <stdlib.h>

#include "catalog/build.h"

static bool
is_extension(struct bs_build *b, uint32_t function)
{
    const struct bs_function *f = bs_snapshot_function(b->s, function);

    return f != NULL && f->runs == BS_LANGUAGE_C && f->extension != NULL;
}

static void
taint_support(struct bs_build *b, const struct bs_row_cast *c)
{
    bool own = c->source >= BS_FIRST_NORMAL_OID || c->target >= BS_FIRST_NORMAL_OID;
    struct bs_taint t;

    if (!bs_build_hidden(b, c->function, "operator_class", "an operator class", &t))
        return;
    if (c->source >= BS_FIRST_NORMAL_OID)
        bs_build_taint_values(b, c->source, t);
    if (c->target >= BS_FIRST_NORMAL_OID)
        bs_build_taint_values(b, c->target, t);
    if (!own && !is_extension(b, c->function))
        bs_build_worsen(b, c->context == 'n' ? &b->s->classes : &b->s->casts, t);
}

void
bs_build_classes(struct bs_build *b)
{
    size_t n;
    const struct bs_row_cast *rows = BS_ROWS(b, SUPPORT, n);

    for (size_t i = 0; i < n; i++)
        taint_support(b, &rows[i]);
    rows = BS_ROWS(b, COMPARES, n);
    for (size_t i = 0; i < n; i++)
        taint_support(b, &rows[i]);
}

/* True where that made it worse. */
static bool
tell(struct bs_build *b, struct bs_taint *t, const struct bs_taint *more)
{
    enum bs_risk risk = t->risk;
    size_t n = t->n_runs;

    bs_build_worsen(b, t, *more);
    return t->risk != risk || t->n_runs != n;
}

/* A partition routes and checks by its parent's key, and who reads a table reads its children. */
static void
tell_family(struct bs_build *b, struct bs_taint *of)
{
    bool worse = true;

    while (worse) {
        worse = false;
        for (size_t i = 0; i < b->children.n; i++) {
            struct bs_pair p = b->children.list[i];
            worse = tell(b, &of[p.from], &of[p.to]) || worse;
            worse = tell(b, &of[p.to], &of[p.from]) || worse;
        }
    }
}

/* A foreign key is checked by a query on the other table. */
static void
tell_partners(struct bs_build *b, const struct bs_taint *of)
{
    for (size_t i = 0; i < b->s->n_fks; i++) {
        uint32_t from = bs_build_place(b, b->s->fks[i].from);
        uint32_t to = bs_build_place(b, b->s->fks[i].to);
        bs_build_worsen_use(b, &b->s->relations[from], BS_USE_INSERT, of[to]);
        bs_build_worsen_use(b, &b->s->relations[from], BS_USE_UPDATE, of[to]);
        bs_build_worsen_use(b, &b->s->relations[to], BS_USE_UPDATE, of[from]);
        bs_build_worsen_use(b, &b->s->relations[to], BS_USE_DELETE, of[from]);
    }
}

/* The planner asks indexes and partition keys, too. TRUNCATE compares nothing. */
static void
tell_uses(struct bs_build *b, const struct bs_taint *of)
{
    for (size_t i = 0; i < b->s->n_relations; i++) {
        for (int use = 0; use < BS_USE_COUNT; use++) {
            if (use != BS_USE_TRUNCATE)
                bs_build_worsen_use(b, &b->s->relations[i], (enum bs_use)use, of[i]);
        }
    }
}

void
bs_build_classed(struct bs_build *b)
{
    size_t n;
    const struct bs_row_classed *rows = BS_ROWS(b, CLASSED, n);
    struct bs_taint *of = n == 0 ? NULL : bs_malloc(b->s->n_relations * sizeof(*of));

    if (of == NULL)
        return;
    for (size_t i = 0; i < b->s->n_relations; i++)
        of[i].risk = BS_RISK_SAFE;
    for (size_t i = 0; i < n; i++) {
        const struct bs_relation *r = bs_build_relation(b, rows[i].relation);
        struct bs_taint t;
        if (r != NULL && !is_extension(b, rows[i].function) &&
            bs_build_hidden(b, rows[i].function, "operator_class", "an operator class", &t))
            bs_build_worsen(b, &of[bs_build_place(b, r)], t);
    }
    tell_family(b, of);
    tell_uses(b, of);
    tell_partners(b, of);
    free(of);
}
