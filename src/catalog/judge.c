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

/* All it writes is made by the unit itself: whatever happens to that, nothing committed is lost. */
static bool
writes_only_new(const struct bs_judging *j)
{
    for (size_t i = 0; i < j->stmt->n_effects; i++) {
        const struct bs_effect *e = &j->stmt->effects[i];
        if (e->object != BS_OBJECT_RELATION || !bs_judging_made(j, e->name))
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
        if (!bs_effect_is_new(&stmt->effects[i]))
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
        bs_judge_read(j, j->stmt->reads[i]);
    bs_judge_effects(j);
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
        if (!e->missing_ok || e->name.name[0] == '\0' ||
            (!schema && bs_roles[e->kind] != BS_ROLE_DROP))
            return false;
        if (schema
                ? bs_judging_schema(j, e->name.name) != 0 ||
                      bs_name_is_temporary((struct bs_name){e->name.name, ""})
                : bs_judging_written(j, e) != BS_OWN_NOT || bs_judging_made(j, e->name) ||
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
    const struct bs_taint *t;

    if (type < BS_FIRST_OWN_TYPE) /* nearly all; not looked up, since each Bind asks for several */
        return false;
    t = bs_snapshot_type_taint(snapshot, type);
    return t->risk != BS_RISK_SAFE || t->n_runs != 0;
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
