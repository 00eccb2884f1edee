/*
 * others.c - what is no relation, type or function: extensions, servers, collations and the like,
 * which tables and columns hang on; and all that a role owns.
 */
#include <string.h>

#include "catalog/judging.h"
#include "catalog/model.h"

#define OPERATOR_FAMILY 2753u

/* clang-format off */
/* Of DROP: the catalog whose objects it is about. */
static const struct {
    enum bs_kind kind;
    uint32_t class_oid;
} classes[] = {
    {BS_KIND_DROP_EXTENSION, BS_CLASS_EXTENSION},
    {BS_KIND_DROP_SERVER, 1417},
    {BS_KIND_DROP_FOREIGN_DATA_WRAPPER, 2328},
    {BS_KIND_DROP_LANGUAGE, 2612},
    {BS_KIND_DROP_ACCESS_METHOD, 2601},
    {BS_KIND_DROP_COLLATION, 3456},
    {BS_KIND_DROP_CONVERSION, 2607},
    {BS_KIND_DROP_OPERATOR, 2617},
    {BS_KIND_DROP_OPERATOR_CLASS, 2616},
    {BS_KIND_DROP_OPERATOR_CLASS, OPERATOR_FAMILY},
    {BS_KIND_DROP_TEXT_SEARCH, 3602}, {BS_KIND_DROP_TEXT_SEARCH, 3600},
    {BS_KIND_DROP_TEXT_SEARCH, 3601}, {BS_KIND_DROP_TEXT_SEARCH, 3764},
};
/* clang-format on */

static const struct bs_row_other *
rows_of(const struct bs_snapshot *s, size_t *n)
{
    const struct bs_table *t = s->tables[BS_TABLE_OTHER];

    *n = t == NULL ? 0 : t->n;
    return t == NULL ? NULL : (const void *)t->rows;
}

static bool
is_about(enum bs_kind kind, uint32_t class_oid)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (classes[i].kind == kind && classes[i].class_oid == class_oid)
            return true;
    }
    return false;
}

static bool
has_class(enum bs_kind kind)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (classes[i].kind == kind)
            return true;
    }
    return false;
}

static bool
is_named(const struct bs_judging *j, const struct bs_row_other *o, struct bs_name name)
{
    return strcmp(o->name, name.name) == 0 && (name.schema == NULL || o->schema == 0 ||
                                               bs_judging_schema(j, name.schema) == o->schema);
}

/*
 * What hangs on it is not known, so what goes with it is not either. What the session itself has made
 * a fresh snapshot does not show.
 */
static void
unknown(struct bs_judging *j, const char *what, const char *name)
{
    bs_judging_raise(j, BS_RISK_CRITICAL, "unknown_name", "%s \"%.100s\" is not known", what, name);
    j->uncoverable = true;
    if (j->inside.routine != NULL || j->inside.probing || j->relations_changed || name[0] == '\0' ||
        j->out->unknown_name)
        return;
    j->out->unknown_name = j->out->unknown_object = true;
    j->out->unknown = bs_arena_str(j->arena, name);
    j->full = j->full || j->out->unknown == NULL;
}

void
bs_judge_other(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e)
{
    size_t n;
    const struct bs_row_other *o = rows_of(j->s, &n);
    bool found = false;

    if (!has_class(e->kind))
        return;
    for (size_t i = 0; i < n; i++) {
        if (!is_about(e->kind, o[i].class_oid) || !is_named(j, &o[i], e->name))
            continue;
        found = true;
        bs_closure_drop(c, o[i].class_oid, o[i].oid, NULL, e->kind, e->cascade);
    }
    if (!found && !e->missing_ok && (e->cascade || e->kind == BS_KIND_DROP_EXTENSION))
        unknown(j, "the object", e->name.name);
}

static uint32_t
find_role(const struct bs_snapshot *s, const char *name)
{
    size_t n;
    const struct bs_row_other *o = rows_of(s, &n);

    for (size_t i = 0; i < n; i++) {
        if (o[i].class_oid == BS_CLASS_ROLE && strcmp(o[i].name, name) == 0)
            return o[i].oid;
    }
    return 0;
}

static void
drop_owned(const struct bs_judging *j,
           struct bs_closure *c,
           const struct bs_effect *e,
           uint32_t role)
{
    const struct bs_snapshot *s = j->s;
    size_t n;
    const struct bs_row_other *o = rows_of(s, &n);

    /* Extensions before their members. */
    for (size_t i = 0; i < n; i++) {
        if (o[i].owner == role && o[i].class_oid != BS_CLASS_ROLE)
            bs_closure_drop(c, o[i].class_oid, o[i].oid, NULL, e->kind, e->cascade);
    }
    for (size_t i = 0; i < s->n_relations; i++) {
        const struct bs_relation *r = &s->relations[i];
        if (r->owner == role && !r->system)
            bs_closure_drop(c, BS_CLASS_RELATION, r->id.oid, NULL, e->kind, e->cascade);
    }
    for (size_t i = 0; i < s->n_functions; i++) {
        if (s->functions[i].owner == role && !s->functions[i].builtin)
            bs_closure_drop(c, BS_CLASS_FUNCTION, s->functions[i].id.oid, NULL, e->kind,
                            e->cascade);
    }
}

static void
reassign_owned(const struct bs_judging *j,
               struct bs_closure *c,
               const struct bs_effect *e,
               uint32_t role)
{
    for (size_t i = 0; i < j->s->n_relations; i++) {
        const struct bs_relation *r = &j->s->relations[i];
        if (r->owner == role && !r->system && (r->relkind == 'r' || r->relkind == 'p'))
            bs_closure_alter(c, r, e->kind, true);
    }
}

void
bs_judge_owned(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e)
{
    uint32_t role;

    if (e->kind != BS_KIND_DROP_OWNED && e->kind != BS_KIND_REASSIGN_OWNED)
        return;
    role = find_role(j->s, e->name.name);
    if (role == 0)
        unknown(j, "the role", e->name.name);
    else if (e->kind == BS_KIND_DROP_OWNED)
        drop_owned(j, c, e, role);
    else
        reassign_owned(j, c, e, role);
}
