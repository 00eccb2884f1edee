/*
 * judge.c - one statement after the other; what an earlier one of the unit does to names counts
 * for the later ones.
 */
#include "catalog/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "catalog/effect.h"
#include "catalog/judging.h"
#include "catalog/model.h"

/* What temporary objects run, in one unit. */
#define MAX_TOLD 10000

/* What a kind of statement does with the relation that it names. */
enum role {
    ROLE_ALTER = 0, /* changes the relation as such */
    ROLE_INSERT,
    ROLE_UPDATE,
    ROLE_DELETE,
    ROLE_TRUNCATE,
    ROLE_REFRESH,
    ROLE_UPKEEP,  /* evaluates index expressions */
    ROLE_REWRITE, /* ALTER that may do the same, or check every row */
    ROLE_DROP,
    ROLE_CREATE, /* the name is not there yet */
    ROLE_REPLACE,
    ROLE_TOUCH, /* loses nothing: LOCK TABLE */
};

/* clang-format off */
static const uint8_t roles[BS_KIND_COUNT] = {
    [BS_KIND_INSERT] = ROLE_INSERT, [BS_KIND_COPY_FROM_STDIN] = ROLE_INSERT,
    [BS_KIND_COPY_FROM_FILE] = ROLE_INSERT, [BS_KIND_COPY_PROGRAM] = ROLE_INSERT,
    [BS_KIND_UPDATE] = ROLE_UPDATE, [BS_KIND_DELETE] = ROLE_DELETE,
    [BS_KIND_TRUNCATE] = ROLE_TRUNCATE, [BS_KIND_REFRESH_MATERIALIZED_VIEW] = ROLE_REFRESH,
    [BS_KIND_VACUUM] = ROLE_UPKEEP, [BS_KIND_VACUUM_FULL] = ROLE_UPKEEP,
    [BS_KIND_ANALYZE] = ROLE_UPKEEP, [BS_KIND_REINDEX] = ROLE_UPKEEP,
    [BS_KIND_CLUSTER] = ROLE_UPKEEP, [BS_KIND_LOCK_TABLE] = ROLE_TOUCH,
    [BS_KIND_CREATE_INDEX] = ROLE_REWRITE, [BS_KIND_ALTER_TABLE_ADD_COLUMN] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_ADD_CONSTRAINT] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_VALIDATE] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_ALTER_TYPE] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_EXPRESSION] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_LOGGED] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_UNLOGGED] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_ACCESS_METHOD] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_TABLESPACE] = ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_ATTACH_PARTITION] = ROLE_REWRITE,
    [BS_KIND_DROP_TABLE] = ROLE_DROP, [BS_KIND_DROP_VIEW] = ROLE_DROP,
    [BS_KIND_DROP_MATERIALIZED_VIEW] = ROLE_DROP, [BS_KIND_DROP_FOREIGN_TABLE] = ROLE_DROP,
    [BS_KIND_DROP_SEQUENCE] = ROLE_DROP, [BS_KIND_DROP_INDEX] = ROLE_DROP,
    [BS_KIND_CREATE_TABLE] = ROLE_CREATE, [BS_KIND_CREATE_TEMP_TABLE] = ROLE_CREATE,
    [BS_KIND_CREATE_TABLE_AS] = ROLE_CREATE, [BS_KIND_SELECT_INTO] = ROLE_CREATE,
    [BS_KIND_CREATE_MATERIALIZED_VIEW] = ROLE_CREATE, [BS_KIND_CREATE_VIEW] = ROLE_CREATE,
    [BS_KIND_CREATE_SEQUENCE] = ROLE_CREATE, [BS_KIND_CREATE_FOREIGN_TABLE] = ROLE_CREATE,
    [BS_KIND_CREATE_OR_REPLACE_VIEW] = ROLE_REPLACE,
};
/* clang-format on */

bool
bs_schema_is_system(const char *schema)
{
    return strcmp(schema, "pg_catalog") == 0 || strcmp(schema, "information_schema") == 0;
}

static bool
has_reason(const struct bs_stmt *stmt, enum bs_risk risk, const char *code, const char *text)
{
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        const struct bs_reason *r = &stmt->reasons[i];
        if (r->risk == risk && strcmp(r->code, code) == 0 && strcmp(r->text, text) == 0)
            return true;
    }
    return false;
}

void
bs_judging_raise(struct bs_judging *j, enum bs_risk risk, const char *code, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (has_reason(j->stmt, risk, code, text))
        return;
    if (bs_stmt_raise(j->stmt, risk, code, text, j->arena, j->err) != BS_DONE)
        j->full = true;
}

void
bs_judging_taint(struct bs_judging *j, const struct bs_taint *taint)
{
    for (size_t i = 0; i < taint->n_runs; i++)
        bs_judge_run(j, taint->runs[i].function, taint->runs[i].word);
    if (taint->risk == BS_RISK_SAFE)
        return;
    bs_judging_raise(j, taint->risk, taint->code == NULL ? "unknown" : taint->code, "%s",
                     taint->text == NULL ? "what this would run is not known" : taint->text);
}

void *
bs_judging_grow(struct bs_judging *j, void *list, size_t n, size_t *cap, size_t each)
{
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *bigger;

    if (n < *cap)
        return list;
    bigger = bs_arena_array(j->arena, more, each);
    if (bigger == NULL) {
        j->full = true;
        return NULL;
    }
    if (n != 0)
        memcpy(bigger, list, n * each);
    *cap = more;
    return bigger;
}

static void
name_unknown(struct bs_judging *j, struct bs_name name)
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
    j->out->unknown = bs_arena_str(j->arena, name.name);
    j->full = j->full || j->out->unknown == NULL;
}

static bool
is_temporary(struct bs_name name)
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
    return j->relations_changed || is_temporary(name);
}

static void
doubt_name(struct bs_judging *j, struct bs_name name)
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

static bool
creates(const struct bs_effect *e)
{
    return roles[e->kind] == ROLE_CREATE || roles[e->kind] == ROLE_REPLACE;
}

static bool
is_new(const struct bs_effect *e)
{
    return e->object == BS_OBJECT_RELATION && creates(e);
}

/* A statement of the same body makes it. */
static bool
is_made_inside(const struct bs_judging *j, struct bs_name name)
{
    const struct bs_routine *r = j->inside.routine;

    for (size_t i = 0; r != NULL && i < r->n_stmts; i++) {
        for (size_t k = 0; k < r->stmts[i].n_effects; k++) {
            if (is_new(&r->stmts[i].effects[k]) && is_that(&r->stmts[i].effects[k], name))
                return true;
        }
    }
    return false;
}

/* An earlier statement of the unit makes it: nothing of it is committed. */
static bool
is_made(const struct bs_judging *j, struct bs_name name)
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
static enum bs_own_is
own_written(const struct bs_judging *j, const struct bs_effect *e)
{
    bool takes =
        roles[e->kind] == ROLE_UPDATE || roles[e->kind] == ROLE_DELETE || e->kind == BS_KIND_MERGE;
    enum bs_own_use use = takes ? BS_OWN_TAKES : BS_OWN_ADDS;

    if (j->own == NULL)
        return session_hides(j, e->name) ? BS_OWN_DOUBTFUL : BS_OWN_NOT;
    if (j->replaced || bs_own_write(j->own, e->name, use) == BS_OWN_DOUBTFUL ||
        bs_own_write(&j->here, e->name, use) == BS_OWN_DOUBTFUL || is_temporary(e->name) ||
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
    return is_temporary(name) ? BS_OWN_DOUBTFUL : BS_OWN_NOT;
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
        doubt_name(j, (struct bs_name){NULL, from->name}); /* made just now, or changed */
}

/* What reading a temporary relation runs, as the server has told it. */
static void
read_told(struct bs_judging *j, const struct bs_own_name *n)
{
    for (size_t i = 0; i < n->n_refs && !j->full; i++) {
        const struct bs_own_ref *ref = &n->refs[i];
        if (j->told++ >= MAX_TOLD) {
            doubt_name(j, (struct bs_name){NULL, n->name});
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

static void
judge_read(struct bs_judging *j, struct bs_name name)
{
    const struct bs_relation *r = NULL;
    enum bs_own_is own = bs_judging_own(j, name);
    bool found = own == BS_OWN_PLAIN;

    if (own == BS_OWN_DOUBTFUL)
        doubt_name(j, name);
    if (own == BS_OWN_PLAIN)
        (void)bs_judge_told(j, name);
    while ((r = bs_snapshot_find_relation(j->s, name.schema, name.name, r)) != NULL) {
        found = true;
        read_relation(j, r);
    }
    if (!found && !is_made(j, name) && !is_temporary(name))
        name_unknown(j, name);
}

/* At most one row has these values. Keys of a table say nothing about its inheritance children. */
static bool
is_by_key(const struct bs_relation *r, const struct bs_effect *e)
{
    bool alone = r->relkind == 'p' || (r->relkind == 'r' && (e->only || r->n_children == 0));

    for (size_t i = 0; alone && i < r->n_keys; i++) {
        size_t have = 0;
        for (size_t k = 0; k < r->keys[i].n; k++) {
            for (size_t w = 0; w < e->n_keys; w++) {
                if (strcmp(r->keys[i].columns[k], e->keys[w]) == 0) {
                    have++;
                    break;
                }
            }
        }
        if (have == r->keys[i].n)
            return true;
    }
    return false;
}

static void
check_measured(struct bs_judging *j, const struct bs_relation *r, const struct bs_effect *e)
{
    if (e->upsert || is_by_key(r, e))
        return;
    bs_judging_raise(j, BS_RISK_CRITICAL, BS_REASON_UNMEASURED,
                     "nobody has counted the rows of %s.%s that would be %s", r->id.schema,
                     r->id.name, e->kind == BS_KIND_DELETE ? "deleted" : "overwritten");
}

/* The uses that come with one: a row that moves to another partition is deleted and inserted. */
static uint32_t
uses_of(const struct bs_hit *h)
{
    uint32_t uses = h->use < BS_USE_COUNT ? 1u << h->use : 0;

    if (h->moves || (h->use == BS_USE_UPDATE && h->relation->partition))
        uses |= 1u << BS_USE_DELETE | 1u << BS_USE_INSERT;
    /* Policies, and a view's own definition; foreign-key actions pass policies by. */
    if (h->use <= BS_USE_DELETE && h->reach == BS_REACH_TARGET && h->use != BS_USE_REFRESH)
        uses |= 1u << BS_USE_READ;
    return uses;
}

static void
check_code(struct bs_judging *j, const struct bs_hit *h)
{
    const struct bs_relation *r = h->relation;
    uint32_t uses = uses_of(h);

    for (int use = 0; use < BS_USE_COUNT; use++) {
        if ((uses & 1u << use) != 0)
            bs_judging_taint(j, &r->use[use]);
    }
    if (h->use <= BS_USE_DELETE)
        bs_judging_taint(j, &r->row); /* as for those that read it, and for its triggers */
    if ((r->rules & uses) != 0 || (r->relkind == 'f' && uses != 0))
        j->uncoverable = true;
}

/* The more of a relation is lost, the more its kind counts. */
static int
weight(enum bs_kind kind)
{
    switch ((enum role)roles[kind]) {
    case ROLE_DROP:
        return 4;
    case ROLE_TRUNCATE:
        return 3;
    case ROLE_DELETE:
        return 2;
    case ROLE_UPDATE:
        return 1;
    case ROLE_ALTER:
    case ROLE_INSERT:
    case ROLE_REFRESH:
    case ROLE_UPKEEP:
    case ROLE_REWRITE:
    case ROLE_CREATE:
    case ROLE_REPLACE:
    case ROLE_TOUCH:
        break;
    }
    return 0;
}

/* The planner evaluates calls of constants in checks and in expressions of indexes. */
static bool
reads_quietly(const struct bs_relation *r)
{
    const struct bs_taint *read = &r->use[BS_USE_READ];

    return r->relkind != 'f' && read->risk == BS_RISK_SAFE && read->n_runs == 0;
}

/* The names of what a table loses with something else. */
static bool
keep_columns(struct bs_judging *j, const struct bs_hit *h, struct bs_target *t)
{
    if (h->use != BS_USE_COUNT || h->n_columns == 0)
        return true;
    t->columns = bs_arena_array(j->arena, h->n_columns, sizeof(*t->columns));
    for (; t->columns != NULL && t->n_columns < h->n_columns; t->n_columns++) {
        t->columns[t->n_columns] = bs_arena_str(j->arena, h->columns[t->n_columns]);
        if (t->columns[t->n_columns] == NULL)
            return false;
    }
    return t->columns != NULL;
}

static void
add_target(struct bs_judging *j, const struct bs_hit *h)
{
    const struct bs_relation *r = h->relation;
    enum bs_reach reach = j->inside.routine != NULL ? BS_REACH_CALL : h->reach;
    struct bs_facts *out = j->out;
    struct bs_target *list;

    for (size_t i = out->n_targets; i-- > 0 && out->targets[i].stmt == j->at;) {
        struct bs_target *t = &out->targets[i];
        if (t->oid != r->id.oid)
            continue;
        t->again = t->again || h->reached || reach != t->reach || reach == BS_REACH_CASCADE;
        if (reach < t->reach)
            t->reach = reach;
        if (reach == BS_REACH_CALL)
            t->by_key = false; /* and other rows of it, who knows */
        if (weight(h->kind) > weight(t->kind))
            t->kind = h->kind;
        if (t->n_columns != 0 || h->n_columns != 0)
            t->n_columns = 0; /* of more than one: whichever */
        return;
    }
    list = bs_judging_grow(j, out->targets, out->n_targets, &j->cap_targets, sizeof(*list));
    if (list == NULL)
        return;
    out->targets = list;
    /* Copies: a verdict outlives the snapshot that it was made with. */
    list[out->n_targets++] = (struct bs_target){.oid = r->id.oid,
                                                .schema = bs_arena_str(j->arena, r->id.schema),
                                                .name = bs_arena_str(j->arena, r->id.name),
                                                .relkind = r->relkind,
                                                .kind = h->kind,
                                                .reach = reach,
                                                .est_rows = r->est_rows,
                                                .est_bytes = r->est_bytes,
                                                .stmt = j->at,
                                                .rows = -1,
                                                .share = -1,
                                                .quiet = reads_quietly(r),
                                                .again = h->reached,
                                                .lock = bs_effect_lock(h->kind),
                                                .rewrites = bs_effect_rewrites(h->kind)};
    if (list[out->n_targets - 1].schema == NULL || list[out->n_targets - 1].name == NULL ||
        !keep_columns(j, h, &list[out->n_targets - 1]))
        j->full = true;
}

static void
check_system(struct bs_judging *j, const struct bs_relation *r, enum bs_kind kind)
{
    if (!r->system || bs_kind_point(kind) == BS_POINT_NONE)
        return;
    bs_judging_raise(j, BS_RISK_CRITICAL, "system_catalog",
                     "%s.%s belongs to the server's catalogs", r->id.schema, r->id.name);
    j->uncoverable = true;
}

static struct bs_target *
find_target(const struct bs_judging *j, uint32_t oid)
{
    struct bs_facts *out = j->out;

    for (size_t i = out->n_targets; i-- > 0 && out->targets[i].stmt == j->at;) {
        if (out->targets[i].oid == oid)
            return &out->targets[i];
    }
    return NULL;
}

/* A partition or child whose table is a target, too. */
static void
note_within(struct bs_judging *j, const struct bs_relation *r)
{
    struct bs_target *t = r->n_parents == 0 ? NULL : find_target(j, r->id.oid);

    for (size_t i = 0; t != NULL && t->within == 0 && i < r->n_parents; i++) {
        if (find_target(j, r->parents[i]->id.oid) != NULL)
            t->within = r->parents[i]->id.oid;
    }
}

static void
take_hits(struct bs_judging *j, const struct bs_closure *c)
{
    j->full = j->full || c->full;
    for (size_t i = 0; i < c->n && !j->full; i++) {
        const struct bs_hit *h = &c->hits[i];
        bool rows = h->use == BS_USE_UPDATE || h->use == BS_USE_DELETE;
        check_system(j, h->relation, h->kind);
        check_code(j, h);
        if ((h->reach == BS_REACH_CASCADE || h->reached) && rows)
            bs_judging_raise(j, BS_RISK_CRITICAL, "cascade",
                             "a foreign key takes rows of %s.%s along", h->relation->id.schema,
                             h->relation->id.name);
        if (h->relation->relkind == 'v' && rows) {
            bs_judging_raise(j, BS_RISK_CRITICAL, "through_view", "%s.%s is a view",
                             h->relation->id.schema, h->relation->id.name);
            j->uncoverable = true;
        }
        add_target(j, h);
    }
    for (size_t i = 0; i < c->n && !j->full; i++)
        note_within(j, c->hits[i].relation);
}

/* Tables that stay, but lose something by it. */
static void
note_lost_columns(struct bs_judging *j, struct bs_closure *c)
{
    size_t n = c->n;

    bs_closure_lose_columns(c);
    for (; n < c->n && !j->full; n++)
        bs_judging_raise(j, BS_RISK_CRITICAL, "lost_column", "%s.%s would lose a column",
                         c->hits[n].relation->id.schema, c->hits[n].relation->id.name);
}

static void
effect_on(struct bs_judging *j,
          struct bs_closure *c,
          const struct bs_relation *r,
          const struct bs_effect *e)
{
    const struct bs_relation *table = r->table == NULL ? r : r->table;

    switch ((enum role)roles[e->kind]) {
    case ROLE_INSERT:
        bs_closure_rows(c, r, BS_USE_INSERT, e->kind, false, NULL, 0);
        return;
    case ROLE_UPDATE:
        check_measured(j, r, e);
        bs_closure_rows(c, r, BS_USE_UPDATE, e->kind, e->only, e->set, e->n_set);
        return;
    case ROLE_DELETE:
        check_measured(j, r, e);
        bs_closure_rows(c, r, BS_USE_DELETE, e->kind, e->only, NULL, 0);
        return;
    case ROLE_TRUNCATE:
        bs_closure_rows(c, r, BS_USE_TRUNCATE, e->kind, e->only, NULL, 0);
        return;
    case ROLE_REFRESH:
        bs_closure_rows(c, r, BS_USE_REFRESH, e->kind, true, NULL, 0);
        return;
    case ROLE_UPKEEP:
        bs_closure_rows(c, table, BS_USE_UPKEEP, e->kind, false, NULL, 0);
        return;
    case ROLE_REWRITE:
        /* Every row is looked at as if it came now. */
        if (e->kind == BS_KIND_ALTER_TABLE_VALIDATE)
            bs_closure_rows(c, table, BS_USE_INSERT, e->kind, e->only, NULL, 0);
        bs_closure_rows(c, table, BS_USE_UPKEEP, e->kind, e->only, NULL, 0);
        return;
    case ROLE_DROP:
        bs_closure_drop(c, BS_CLASS_RELATION, r->id.oid, r, e->kind, e->cascade);
        return;
    case ROLE_ALTER:
        bs_closure_alter(c, r, e->kind, e->only);
        return;
    case ROLE_TOUCH:
        bs_closure_alter(c, r, e->kind, e->only);
        return;
    case ROLE_REPLACE:
        bs_closure_alter(c, r, e->kind, true);
        return;
    case ROLE_CREATE:
        return;
    }
}

/* CREATE OR REPLACE of what is not there replaces nothing. */
static void
create_only(struct bs_judging *j, const struct bs_effect *e)
{
    if (roles[e->kind] == ROLE_REPLACE && j->stmt->plain_point == BS_POINT_DEFINITION &&
        j->stmt->n_effects == 1)
        j->stmt->plain_point = BS_POINT_RECORD;
}

static void
effect_on_relation(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e)
{
    const struct bs_relation *r = NULL;
    bool found = false;

    if (e->name.name[0] == '\0')
        return;
    if (!creates(e) && own_written(j, e) == BS_OWN_DOUBTFUL)
        doubt_name(j, e->name);
    while ((r = bs_snapshot_find_relation(j->s, e->name.schema, e->name.name, r)) != NULL) {
        found = true;
        effect_on(j, c, r, e);
    }
    if (found || e->missing_ok || is_made(j, e->name))
        return;
    if (creates(e)) {
        create_only(j, e);
        return;
    }
    if (!is_temporary(e->name))
        name_unknown(j, e->name);
    /* What only the session has may be filled, whatever it is: that takes nothing away. */
    if (roles[e->kind] != ROLE_INSERT || j->out->unknown_name)
        j->uncoverable = true;
}

static uint32_t
schema_oid(const struct bs_judging *j, const char *name)
{
    for (size_t i = 0; i < j->s->n_schemas; i++) {
        if (strcmp(j->s->schemas[i].name, name) == 0)
            return j->s->schemas[i].oid;
    }
    return 0;
}

static void
effect_on_schema(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e)
{
    uint32_t oid = schema_oid(j, e->name.name);

    if (roles[e->kind] == ROLE_UPKEEP)
        bs_judging_taint(j, bs_snapshot_upkeep(j->s));
    if (e->kind == BS_KIND_DROP_SCHEMA && oid != 0)
        bs_closure_drop(c, BS_CLASS_SCHEMA, oid, NULL, e->kind, e->cascade);
}

/* DROP TYPE, DOMAIN, FUNCTION: what hangs on them may hold rows. */
static void
effect_on_code(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e)
{
    const struct bs_function *f = NULL;
    const struct bs_type *t = NULL;
    const struct bs_relation *r = NULL;
    const char *schema = e->name.schema, *name = e->name.name;

    if (strncmp(bs_kind_name(e->kind), "DROP ", 5) != 0)
        return;
    if (e->object == BS_OBJECT_FUNCTION) {
        while ((f = bs_snapshot_find_function(j->s, schema, name, f)) != NULL)
            bs_closure_drop(c, BS_CLASS_FUNCTION, f->id.oid, NULL, e->kind, e->cascade);
        return;
    }
    while ((t = bs_snapshot_find_type(j->s, schema, name, t)) != NULL)
        bs_closure_drop(c, BS_CLASS_TYPE, t->id.oid, NULL, e->kind, e->cascade);
    while ((r = bs_snapshot_find_relation(j->s, schema, name, r)) != NULL) {
        if (r->relkind == 'c')
            bs_closure_drop(c, BS_CLASS_RELATION, r->id.oid, r, e->kind, e->cascade);
    }
}

static void
judge_effect(struct bs_judging *j, struct bs_closure *c, const struct bs_effect *e)
{
    switch (e->object) {
    case BS_OBJECT_RELATION:
    case BS_OBJECT_COLUMN:
        effect_on_relation(j, c, e);
        return;
    case BS_OBJECT_SCHEMA:
        effect_on_schema(j, c, e);
        return;
    case BS_OBJECT_FUNCTION:
    case BS_OBJECT_TYPE:
        effect_on_code(j, c, e);
        return;
    case BS_OBJECT_NONE:
    case BS_OBJECT_DATABASE:
    case BS_OBJECT_ROLE:
    case BS_OBJECT_LARGE_OBJECT:
    case BS_OBJECT_OTHER:
    case BS_OBJECT_SHARED:
        return;
    }
}

static void
judge_effects(struct bs_judging *j)
{
    const struct bs_stmt *stmt = j->stmt;
    struct bs_closure c;
    bool cascade = false;

    bs_closure_init(&c, j->s, j->arena);
    for (size_t i = 0; i < stmt->n_effects && !j->full; i++) {
        cascade =
            cascade || (stmt->effects[i].kind == BS_KIND_TRUNCATE && stmt->effects[i].cascade);
        judge_effect(j, &c, &stmt->effects[i]);
    }
    if (stmt->n_effects == 0 && roles[stmt->kind] == ROLE_UPKEEP)
        bs_judging_taint(j, bs_snapshot_upkeep(j->s));
    note_lost_columns(j, &c);
    bs_closure_follow(&c, cascade);
    take_hits(j, &c);
}

/* All it writes is made by the unit itself: whatever happens to that, nothing committed is lost. */
static bool
writes_only_new(const struct bs_judging *j)
{
    for (size_t i = 0; i < j->stmt->n_effects; i++) {
        const struct bs_effect *e = &j->stmt->effects[i];
        if (e->object != BS_OBJECT_RELATION || !is_made(j, e->name))
            return false;
    }
    return j->stmt->n_effects != 0;
}

static bool
has_targets(const struct bs_judging *j)
{
    return j->out->n_targets != 0 && j->out->targets[j->out->n_targets - 1].stmt == j->at;
}

/* The point that is left when the catalog has said what is there. */
static void
settle_point(struct bs_judging *j)
{
    struct bs_stmt *stmt = j->stmt;

    if (j->uncoverable) {
        stmt->point = stmt->plain_point = BS_POINT_UNKNOWN;
        return;
    }
    if (stmt->point != BS_POINT_UNKNOWN && writes_only_new(j) && !has_targets(j))
        stmt->plain_point = BS_POINT_RECORD;
    if (stmt->point != BS_POINT_UNKNOWN)
        stmt->point = stmt->plain_point;
}

/* Nothing tells what runs a function that the snapshot takes for harmless: a type's input, say. */
static bool
replaces_harmless(const struct bs_judging *j, const struct bs_own *own)
{
    for (const struct bs_own_name *n = own->names; n != NULL; n = n->next) {
        const struct bs_function *f = NULL;
        while (n->code && !n->gone &&
               (f = bs_snapshot_find_function(j->s, n->schema, n->name, f)) != NULL) {
            if (f->risk == BS_RISK_SAFE || f->risk == BS_RISK_HIGH)
                return true;
        }
    }
    return false;
}

/* What the statements after this one cannot rely on. */
static void
note_changes(struct bs_judging *j)
{
    const struct bs_stmt *stmt = j->stmt;

    j->path_changed = j->path_changed || (stmt->flags & BS_FLAG_SEARCH_PATH) != 0;
    j->temporary = j->temporary || (stmt->flags & BS_FLAG_TEMP) != 0;
    if ((stmt->flags & BS_FLAG_DDL) != 0) {
        j->relations_changed = true;
        j->code_changed = j->code_changed || !bs_own_leaves_code(stmt->kind);
    }
    bs_own_note(&j->here, stmt, j->arena);
    if (j->own != NULL) {
        bool touched = j->own->moved || j->here.moved;
        j->here.lost =
            j->here.lost ||
            bs_own_goes_back(&(struct bs_own){.asked = j->own->asked, .moved = touched}, stmt);
    }
    j->replaced = j->replaced || replaces_harmless(j, &j->here);
    /* DO, CALL and unvetted functions may do anything. */
    if (stmt->point == BS_POINT_UNKNOWN &&
        (stmt->flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0)
        j->relations_changed = j->code_changed = j->temporary = j->path_changed = true;
    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect **list;
        if (!is_new(&stmt->effects[i]))
            continue;
        list =
            bs_judging_grow(j, j->made, j->n_made, &j->cap_made, sizeof(const struct bs_effect *));
        if (list == NULL)
            return;
        j->made = list;
        list[j->n_made++] = &stmt->effects[i];
    }
}

/* What nobody need count is picked by a key. */
static void
note_keys(struct bs_judging *j)
{
    const struct bs_stmt *stmt = j->stmt;
    bool keys = stmt->n_effects == 1 && !stmt->effects[0].upsert &&
                (stmt->kind == BS_KIND_UPDATE || stmt->kind == BS_KIND_DELETE) &&
                (stmt->flags & BS_FLAG_NO_FILTER) == 0;

    for (size_t i = 0; i < stmt->n_reasons; i++)
        keys = keys && strcmp(stmt->reasons[i].code, BS_REASON_UNMEASURED) != 0;
    for (size_t i = 0; keys && i < j->out->n_targets; i++) {
        struct bs_target *t = &j->out->targets[i];
        t->by_key =
            t->by_key || (t->stmt == j->at && t->reach == BS_REACH_TARGET && t->kind == stmt->kind);
    }
}

/* Of several commands that alter a table the strongest lock counts, for those below it, too. */
static void
note_lock(struct bs_judging *j, const struct bs_effect *e)
{
    const struct bs_relation *r = NULL;
    enum bs_table_lock lock = bs_effect_lock(e->kind);

    if (e->object != BS_OBJECT_RELATION && e->object != BS_OBJECT_COLUMN)
        return;
    while ((r = bs_snapshot_find_relation(j->s, e->name.schema, e->name.name, r)) != NULL) {
        for (size_t i = 0; i < j->out->n_targets; i++) {
            struct bs_target *t = &j->out->targets[i];
            if (t->stmt != j->at || (t->oid != r->id.oid && (e->only || t->within != r->id.oid)))
                continue;
            t->lock = lock > t->lock ? lock : t->lock;
            t->rewrites = t->rewrites || e->rewrites || bs_effect_rewrites(e->kind);
        }
    }
}

/* Not among those that change the catalog, but event triggers hear of them. */
static bool
fires_event(enum bs_kind kind)
{
    return kind == BS_KIND_REFRESH_MATERIALIZED_VIEW || kind == BS_KIND_REINDEX;
}

void
bs_judge_named(struct bs_judging *j)
{
    bs_judge_calls(j);
    for (size_t i = 0; i < j->stmt->n_reads && !j->full; i++)
        judge_read(j, j->stmt->reads[i]);
    judge_effects(j);
    if ((j->stmt->flags & BS_FLAG_DDL) != 0 || fires_event(j->stmt->kind))
        bs_judging_taint(j, bs_snapshot_ddl(j->s));
}

/* DROP ... IF EXISTS of what nobody has, in any schema, and the session neither. */
static bool
drops_nothing(const struct bs_judging *j)
{
    const struct bs_stmt *stmt = j->stmt;

    for (size_t i = 0; i < stmt->n_reasons; i++) {
        const char *code = stmt->reasons[i].code;
        if (strcmp(code, "kind") != 0 && strcmp(code, "cascade") != 0)
            return false;
    }
    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        bool schema = e->kind == BS_KIND_DROP_SCHEMA;
        if (!e->missing_ok || e->name.name[0] == '\0' || (!schema && roles[e->kind] != ROLE_DROP))
            return false;
        if (schema
                ? schema_oid(j, e->name.name) != 0 ||
                      is_temporary((struct bs_name){e->name.name, ""})
                : own_written(j, e) != BS_OWN_NOT || is_made(j, e->name) ||
                      bs_snapshot_find_relation(j->s, e->name.schema, e->name.name, NULL) != NULL)
            return false;
    }
    return stmt->n_effects != 0 && (stmt->flags & BS_FLAG_NO_BLOCK) == 0;
}

/* It is run under the eyes of the audit all the same: somebody may make it meanwhile. */
static void
know_nothing(struct bs_judging *j)
{
    if (!drops_nothing(j))
        return;
    bs_stmt_excuse(j->stmt, "kind");
    bs_stmt_excuse(j->stmt, "cascade");
    j->stmt->plain_point = BS_POINT_RECORD;
    bs_judging_raise(j, BS_RISK_HIGH, BS_REASON_NOTHING, "nothing of that name is there");
}

static void
judge_stmt(struct bs_judging *j)
{
    j->uncoverable = false;
    j->inside = (struct bs_inside){0};
    bs_judge_named(j);
    know_nothing(j);
    note_keys(j);
    bs_judge_inside(j);
    for (size_t i = 0; i < j->stmt->n_effects && !j->full; i++)
        note_lock(j, &j->stmt->effects[i]);
    settle_point(j);
    note_changes(j);
}

bool
bs_catalog_type_runs_code(const struct bs_snapshot *snapshot, uint32_t type)
{
    const struct bs_taint *t = bs_snapshot_type_taint(snapshot, type);

    return type >= BS_FIRST_OWN_TYPE && (t->risk != BS_RISK_SAFE || t->n_runs != 0);
}

enum bs_done
bs_catalog_judge(const struct bs_snapshot *snapshot,
                 struct bs_session_names names,
                 struct bs_unit *unit,
                 struct bs_arena *arena,
                 struct bs_facts *out,
                 struct bs_err *err)
{
    struct bs_judging j = {.s = snapshot,
                           .arena = arena,
                           .err = err,
                           .out = out,
                           .path_changed = names.path_changed,
                           .temporary = names.temporary,
                           .relations_changed = names.uncommitted_ddl,
                           .code_changed = names.uncommitted_ddl,
                           .own = names.own};

    if (names.own == NULL && !names.uncommitted_ddl && !names.temporary)
        j.own = &bs_own_nothing;

    j.replaced = j.own != NULL && replaces_harmless(&j, j.own);
    *out = (struct bs_facts){0};
    for (size_t i = 0; i < unit->n_stmts && !j.full; i++) {
        j.stmt = &unit->stmts[i];
        j.at = i;
        judge_stmt(&j);
    }
    unit->catalog = true;
    bs_unit_settle(unit);
    if (!j.full)
        return BS_DONE;
    unit->risk = BS_RISK_UNKNOWN;
    return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
}
