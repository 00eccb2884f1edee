/*
 * names.c - what the name of a relation may mean for the session, and what reading it runs: all that
 * others gave it, and what the session, its transaction or the unit itself has made.
 */
#include <string.h>

#include "catalog/judging.h"
#include "catalog/model.h"

/* What temporary objects run, in one unit. */
#define MAX_TOLD 10000

void
bs_judging_unknown(struct bs_judging *j, struct bs_name name)
{
    bs_judging_raise(j, BS_RISK_CRITICAL, "unknown_name", "there is no relation \"%s%s%s\"",
                     name.schema == NULL ? "" : name.schema, name.schema == NULL ? "" : ".",
                     name.name);
    /* A body may name what is not there, in a branch that nobody takes: no reason to refuse. */
    if (j->inside.routine != NULL || j->inside.probing) {
        j->uncoverable = true;
        return;
    }
    if (j->own != NULL && bs_own_write(j->own, name, BS_OWN_ADDS) != BS_OWN_NOT)
        return; /* it is there, for this session: a temporary table, say */
    /* What a session hides from everybody else a fresh snapshot does not show either. */
    if ((j->own == NULL && (j->relations_changed || j->temporary)) || j->out->unknown_name)
        return;
    j->out->unknown_name = true;
    j->out->unknown = bs_arena_fmt(j->arena, "%s%s%s", name.schema == NULL ? "" : name.schema,
                                   name.schema == NULL ? "" : ".", name.name);
    j->full = j->full || j->out->unknown == NULL;
}

bool
bs_name_is_temporary(struct bs_name name)
{
    return name.schema != NULL && strncmp(name.schema, "pg_temp", 7) == 0;
}

/* Whether what the session did may have changed what a relation's name means, or what it is. */
static bool
session_hides(const struct bs_judging *j, struct bs_name name)
{
    if (name.schema == NULL)
        return j->path_changed || j->temporary || j->relations_changed;
    if (bs_schema_is_system(name.schema))
        return false;
    return j->relations_changed || bs_name_is_temporary(name);
}

void
bs_judging_doubt(struct bs_judging *j, struct bs_name name)
{
    bs_judging_raise(j, BS_RISK_CRITICAL, "session_names",
                     "what \"%s\" means in this session is not known", name.name);
}

static bool
is_that(const struct bs_effect *made, struct bs_name name)
{
    const char *schema = made->name.schema;

    return (schema == NULL || name.schema == NULL || strcmp(schema, name.schema) == 0) &&
           strcmp(made->name.name, name.name) == 0;
}

bool
bs_effect_creates(const struct bs_effect *e)
{
    return bs_roles[e->kind] == BS_ROLE_CREATE || bs_roles[e->kind] == BS_ROLE_REPLACE;
}

bool
bs_effect_is_new(const struct bs_effect *e)
{
    return e->object == BS_OBJECT_RELATION && bs_effect_creates(e);
}

/* A statement of the same body makes it. */
static bool
is_made_inside(const struct bs_judging *j, struct bs_name name)
{
    const struct bs_routine *r = j->inside.routine;

    for (size_t i = 0; r != NULL && i < r->n_stmts; i++) {
        for (size_t k = 0; k < r->stmts[i].n_effects; k++) {
            if (bs_effect_is_new(&r->stmts[i].effects[k]) && is_that(&r->stmts[i].effects[k], name))
                return true;
        }
    }
    return false;
}

/* An earlier statement of the unit makes it: nothing of it is committed. */
bool
bs_judging_made(const struct bs_judging *j, struct bs_name name)
{
    for (size_t i = 0; i < j->n_made; i++) {
        if (is_that(j->made[i], name))
            return true;
    }
    if (j->own != NULL && bs_own_write(j->own, name, BS_OWN_ADDS) == BS_OWN_PLAIN)
        return true;
    return is_made_inside(j, name);
}

/* What changing it is, for all that the session and the unit have done. */
enum bs_own_is
bs_judging_written(const struct bs_judging *j, const struct bs_effect *e)
{
    bool takes = bs_roles[e->kind] == BS_ROLE_UPDATE || bs_roles[e->kind] == BS_ROLE_DELETE ||
                 e->kind == BS_KIND_MERGE;
    enum bs_own_use use = takes ? BS_OWN_TAKES : BS_OWN_ADDS;

    if (j->own == NULL)
        return session_hides(j, e->name) ? BS_OWN_DOUBTFUL : BS_OWN_NOT;
    if (j->replaced || bs_own_write(j->own, e->name, use) == BS_OWN_DOUBTFUL ||
        bs_own_write(&j->here, e->name, use) == BS_OWN_DOUBTFUL || bs_name_is_temporary(e->name) ||
        (e->name.schema == NULL && j->path_changed))
        return BS_OWN_DOUBTFUL;
    return BS_OWN_NOT;
}

enum bs_own_is
bs_judging_own(const struct bs_judging *j, struct bs_name name)
{
    enum bs_own_is before, here;

    if (name.schema != NULL && bs_schema_is_system(name.schema))
        return BS_OWN_NOT;
    if (j->own == NULL)
        return session_hides(j, name) ? BS_OWN_DOUBTFUL : BS_OWN_NOT;
    if (j->replaced)
        return BS_OWN_DOUBTFUL;
    before = bs_own_read(j->own, name);
    here = bs_own_read(&j->here, name);
    if (before == BS_OWN_DOUBTFUL || here == BS_OWN_DOUBTFUL ||
        (name.schema == NULL && j->path_changed))
        return BS_OWN_DOUBTFUL;
    if (before == BS_OWN_PLAIN || here == BS_OWN_PLAIN)
        return BS_OWN_PLAIN;
    return bs_name_is_temporary(name) ? BS_OWN_DOUBTFUL : BS_OWN_NOT;
}

static void
read_relation(struct bs_judging *j, const struct bs_relation *r)
{
    const struct bs_taint *taint = &r->use[BS_USE_READ];

    bs_judging_taint(j, taint);
    /* Literals beside its columns, and fields of records, become values of their types. */
    bs_judging_taint(j, &r->row);
    /* For the new table it runs unseen. */
    for (int use = 0; (j->stmt->flags & BS_FLAG_COPIES) != 0 && use < BS_USE_COUNT; use++)
        bs_judging_taint(j, &r->use[use]);
    /* What it runs beside the statement is not known, so neither is what it would change. */
    if (taint->risk != BS_RISK_SAFE && strcmp(taint->code, "locks_rows") != 0)
        j->uncoverable = true;
}

static void read_told(struct bs_judging *j, const struct bs_own_name *n);

/* A relation that a temporary one reads. */
static void
read_behind(struct bs_judging *j, const struct bs_own_name *from, uint32_t oid)
{
    const struct bs_relation *r = bs_snapshot_relation(j->s, oid);
    const struct bs_own_name *n = j->own->told;

    while (r == NULL && n != NULL && n->oid != oid)
        n = n->next;
    if (r == NULL && n != NULL && n->plain) {
        read_told(j, n);
        return;
    }
    if (r != NULL)
        read_relation(j, r);
    if (r == NULL ||
        bs_judging_own(j, (struct bs_name){r->id.schema, r->id.name}) == BS_OWN_DOUBTFUL)
        bs_judging_doubt(j, (struct bs_name){NULL, from->name}); /* made just now, or changed */
}

/* What reading a temporary relation runs, as the server has told it. */
static void
read_told(struct bs_judging *j, const struct bs_own_name *n)
{
    for (size_t i = 0; i < n->n_refs && !j->full; i++) {
        const struct bs_own_ref *ref = &n->refs[i];
        if (j->told++ >= MAX_TOLD) {
            bs_judging_doubt(j, (struct bs_name){NULL, n->name});
            return;
        }
        if (ref->what == BS_CODE_FUNCTION)
            bs_judge_run(j, ref->oid, "view");
        else if (ref->what == BS_CODE_TYPE)
            bs_judging_taint(j, bs_snapshot_type_taint(j->s, ref->oid));
        else if (ref->what == BS_CODE_LOCK)
            bs_judging_raise(j, BS_RISK_HIGH, "locks_rows", "%s locks the rows that it reads",
                             n->name);
        else if (ref->oid != n->oid) /* views name themselves */
            read_behind(j, n, ref->oid);
    }
}

bool
bs_judge_told(struct bs_judging *j, struct bs_name name)
{
    const struct bs_own_name *n = NULL;
    bool any = false;

    while (j->own != NULL && (n = bs_own_next_told(j->own, name, n)) != NULL) {
        any = true;
        read_told(j, n);
    }
    return any;
}

void
bs_judge_read(struct bs_judging *j, struct bs_name name)
{
    const struct bs_relation *r = NULL;
    enum bs_own_is own = bs_judging_own(j, name);
    bool found = own == BS_OWN_PLAIN;

    if (own == BS_OWN_DOUBTFUL)
        bs_judging_doubt(j, name);
    if (own == BS_OWN_PLAIN)
        (void)bs_judge_told(j, name);
    while ((r = bs_snapshot_find_relation(j->s, name.schema, name.name, r)) != NULL) {
        found = true;
        read_relation(j, r);
    }
    if (!found && !bs_judging_made(j, name) && !bs_name_is_temporary(name))
        bs_judging_unknown(j, name);
}
