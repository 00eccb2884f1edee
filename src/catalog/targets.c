/*
 * targets.c - what a statement changes: its effects become stored relations, with all that follows.
 */
#include <string.h>

#include "catalog/effect.h"
#include "catalog/judging.h"
#include "catalog/model.h"

/* clang-format off */
const uint8_t bs_roles[BS_KIND_COUNT] = {
    [BS_KIND_INSERT] = BS_ROLE_INSERT, [BS_KIND_COPY_FROM_STDIN] = BS_ROLE_INSERT,
    [BS_KIND_COPY_FROM_FILE] = BS_ROLE_INSERT, [BS_KIND_COPY_PROGRAM] = BS_ROLE_INSERT,
    [BS_KIND_UPDATE] = BS_ROLE_UPDATE, [BS_KIND_DELETE] = BS_ROLE_DELETE,
    [BS_KIND_TRUNCATE] = BS_ROLE_TRUNCATE, [BS_KIND_REFRESH_MATERIALIZED_VIEW] = BS_ROLE_REFRESH,
    [BS_KIND_VACUUM] = BS_ROLE_UPKEEP, [BS_KIND_VACUUM_FULL] = BS_ROLE_UPKEEP,
    [BS_KIND_ANALYZE] = BS_ROLE_UPKEEP, [BS_KIND_REINDEX] = BS_ROLE_UPKEEP,
    [BS_KIND_CLUSTER] = BS_ROLE_UPKEEP, [BS_KIND_LOCK_TABLE] = BS_ROLE_TOUCH,
    [BS_KIND_CREATE_INDEX] = BS_ROLE_REWRITE, [BS_KIND_ALTER_TABLE_ADD_COLUMN] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_ADD_CONSTRAINT] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_VALIDATE] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_ALTER_TYPE] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_EXPRESSION] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_LOGGED] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_UNLOGGED] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_ACCESS_METHOD] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_SET_TABLESPACE] = BS_ROLE_REWRITE,
    [BS_KIND_ALTER_TABLE_ATTACH_PARTITION] = BS_ROLE_REWRITE,
    [BS_KIND_DROP_TABLE] = BS_ROLE_DROP, [BS_KIND_DROP_VIEW] = BS_ROLE_DROP,
    [BS_KIND_DROP_MATERIALIZED_VIEW] = BS_ROLE_DROP, [BS_KIND_DROP_FOREIGN_TABLE] = BS_ROLE_DROP,
    [BS_KIND_DROP_SEQUENCE] = BS_ROLE_DROP, [BS_KIND_DROP_INDEX] = BS_ROLE_DROP,
    [BS_KIND_CREATE_TABLE] = BS_ROLE_CREATE, [BS_KIND_CREATE_TEMP_TABLE] = BS_ROLE_CREATE,
    [BS_KIND_CREATE_TABLE_AS] = BS_ROLE_CREATE, [BS_KIND_SELECT_INTO] = BS_ROLE_CREATE,
    [BS_KIND_CREATE_MATERIALIZED_VIEW] = BS_ROLE_CREATE, [BS_KIND_CREATE_VIEW] = BS_ROLE_CREATE,
    [BS_KIND_CREATE_SEQUENCE] = BS_ROLE_CREATE, [BS_KIND_CREATE_FOREIGN_TABLE] = BS_ROLE_CREATE,
    [BS_KIND_CREATE_OR_REPLACE_VIEW] = BS_ROLE_REPLACE,
};
/* clang-format on */

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
    /* Of one ALTER TABLE the command that takes values, wherever it stands among the others. */
    if (kind == BS_KIND_ALTER_TABLE_DROP_COLUMN || kind == BS_KIND_ALTER_TABLE_ALTER_TYPE ||
        kind == BS_KIND_ALTER_TABLE_SET_EXPRESSION)
        return 3;
    switch ((enum bs_role)bs_roles[kind]) {
    case BS_ROLE_DROP:
        return 4;
    case BS_ROLE_TRUNCATE:
        return 3;
    case BS_ROLE_DELETE:
        return 2;
    case BS_ROLE_UPDATE:
        return 1;
    case BS_ROLE_ALTER:
    case BS_ROLE_INSERT:
    case BS_ROLE_REFRESH:
    case BS_ROLE_UPKEEP:
    case BS_ROLE_REWRITE:
    case BS_ROLE_CREATE:
    case BS_ROLE_REPLACE:
    case BS_ROLE_TOUCH:
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

/* CREATE EXTENSION makes its tables with the rows that its script has, and no dump has the others. */
static void
check_extension(struct bs_judging *j, const struct bs_hit *h)
{
    if (h->extension == NULL || strchr("rpm", h->relation->relkind) == NULL)
        return;
    bs_judging_raise(j, BS_RISK_CRITICAL, "extension_table",
                     "the extension %s has the table %s.%s, whose rows would not come back with it",
                     h->extension, h->relation->id.schema, h->relation->id.name);
    j->uncoverable = true;
}

static void
take_hits(struct bs_judging *j, const struct bs_closure *c)
{
    j->full = j->full || c->full;
    if (c->torn != NULL) {
        bs_judging_raise(j, BS_RISK_CRITICAL, "extension_member",
                         "a part of the extension %s would go, and all of it with that", c->torn);
        j->uncoverable = true;
    }
    for (size_t i = 0; i < c->n && !j->full; i++) {
        const struct bs_hit *h = &c->hits[i];
        bool rows = h->use == BS_USE_UPDATE || h->use == BS_USE_DELETE;
        check_system(j, h->relation, h->kind);
        check_code(j, h);
        check_extension(j, h);
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

    switch ((enum bs_role)bs_roles[e->kind]) {
    case BS_ROLE_INSERT:
        bs_closure_rows(c, r, BS_USE_INSERT, e->kind, false, NULL, 0);
        return;
    case BS_ROLE_UPDATE:
        check_measured(j, r, e);
        bs_closure_rows(c, r, BS_USE_UPDATE, e->kind, e->only, e->set, e->n_set);
        return;
    case BS_ROLE_DELETE:
        check_measured(j, r, e);
        bs_closure_rows(c, r, BS_USE_DELETE, e->kind, e->only, NULL, 0);
        return;
    case BS_ROLE_TRUNCATE:
        bs_closure_rows(c, r, BS_USE_TRUNCATE, e->kind, e->only, NULL, 0);
        return;
    case BS_ROLE_REFRESH:
        bs_closure_rows(c, r, BS_USE_REFRESH, e->kind, true, NULL, 0);
        return;
    case BS_ROLE_UPKEEP:
        bs_closure_rows(c, table, BS_USE_UPKEEP, e->kind, false, NULL, 0);
        return;
    case BS_ROLE_REWRITE:
        /* Every row is looked at as if it came now. */
        if (e->kind == BS_KIND_ALTER_TABLE_VALIDATE)
            bs_closure_rows(c, table, BS_USE_INSERT, e->kind, e->only, NULL, 0);
        bs_closure_rows(c, table, BS_USE_UPKEEP, e->kind, e->only, NULL, 0);
        return;
    case BS_ROLE_DROP:
        bs_closure_drop(c, BS_CLASS_RELATION, r->id.oid, r, e->kind, e->cascade);
        return;
    case BS_ROLE_ALTER:
        bs_closure_alter(c, r, e->kind, e->only);
        return;
    case BS_ROLE_TOUCH:
        bs_closure_alter(c, r, e->kind, e->only);
        return;
    case BS_ROLE_REPLACE:
        bs_closure_alter(c, r, e->kind, true);
        return;
    case BS_ROLE_CREATE:
        return;
    }
}

/* CREATE OR REPLACE of what is not there replaces nothing. */
static void
create_only(struct bs_judging *j, const struct bs_effect *e)
{
    if (bs_roles[e->kind] == BS_ROLE_REPLACE && j->stmt->plain_point == BS_POINT_DEFINITION &&
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
    if (!bs_effect_creates(e) && bs_judging_written(j, e) == BS_OWN_DOUBTFUL)
        bs_judging_doubt(j, e->name);
    while ((r = bs_snapshot_find_relation(j->s, e->name.schema, e->name.name, r)) != NULL) {
        found = true;
        effect_on(j, c, r, e);
    }
    if (found || e->missing_ok || bs_judging_made(j, e->name))
        return;
    if (bs_effect_creates(e)) {
        create_only(j, e);
        return;
    }
    if (!bs_name_is_temporary(e->name))
        bs_judging_unknown(j, e->name);
    /* What only the session has may be filled, whatever it is: that takes nothing away. */
    if (bs_roles[e->kind] != BS_ROLE_INSERT || j->out->unknown_name)
        j->uncoverable = true;
}

uint32_t
bs_judging_schema(const struct bs_judging *j, const char *name)
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
    uint32_t oid = bs_judging_schema(j, e->name.name);

    if (bs_roles[e->kind] == BS_ROLE_UPKEEP)
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
    case BS_OBJECT_OTHER:
        bs_judge_other(j, c, e);
        return;
    case BS_OBJECT_ROLE:
        bs_judge_owned(j, c, e);
        return;
    case BS_OBJECT_NONE:
    case BS_OBJECT_DATABASE:
    case BS_OBJECT_LARGE_OBJECT:
    case BS_OBJECT_SHARED:
        return;
    }
}

void
bs_judge_effects(struct bs_judging *j)
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
    if (stmt->n_effects == 0 && bs_roles[stmt->kind] == BS_ROLE_UPKEEP)
        bs_judging_taint(j, bs_snapshot_upkeep(j->s));
    note_lost_columns(j, &c);
    bs_closure_follow(&c, cascade);
    take_hits(j, &c);
}
