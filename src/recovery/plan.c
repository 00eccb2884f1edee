/*
 * plan.c - one mechanism for now: whole tables, copied under lock before anything runs.
 *
 * The plan follows the effects, not the risk: what an operator approves, or a rule allows, is
 * covered all the same. What is not understood here is refused.
 */
#include "recovery/plan.h"

#include <stdlib.h>
#include <string.h>

struct planning {
    const struct bs_unit *unit;
    const struct bs_facts *facts;
    struct bs_arena *arena;
    struct bs_plan *out;
};

/* What a copy of the whole table brings back. */
static bool
is_whole(enum bs_kind kind)
{
    return kind == BS_KIND_DROP_TABLE || kind == BS_KIND_TRUNCATE || kind == BS_KIND_UPDATE ||
           kind == BS_KIND_DELETE;
}

static bool
is_exclusive(enum bs_kind kind)
{
    return kind == BS_KIND_DROP_TABLE || kind == BS_KIND_TRUNCATE;
}

/* What says that rows change, not what would change them unseen. */
static bool
is_ordinary(const char *code)
{
    static const char *const codes[] = {"kind", "no_filter", BS_REASON_UNMEASURED, "cascade",
                                        "locks_rows"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i], code) == 0)
            return true;
    }
    return false;
}

/* The reason that tells most about why nothing covers the statement. */
static const char *
why_unknown(struct planning *p, const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (stmt->reasons[i].risk == BS_RISK_CRITICAL && !is_ordinary(stmt->reasons[i].code))
            return stmt->reasons[i].text;
    }
    return bs_arena_fmt(p->arena, "%s cannot be covered by a recovery point",
                        bs_kind_name(stmt->kind));
}

static const char *
why_kind(struct planning *p, enum bs_kind kind)
{
    return bs_arena_fmt(p->arena, "what %s changes cannot be kept by this version",
                        bs_kind_name(kind));
}

/* Advancing a sequence loses nothing; setval does. */
static bool
only_advances(const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_calls; i++) {
        if (stmt->calls[i].kind == BS_CALL_FUNCTION &&
            strcmp(stmt->calls[i].name.name, "setval") == 0)
            return false;
    }
    return true;
}

/* The plan for a kind by its own recovery point. */
static enum bs_plan_kind
by_kind(enum bs_kind kind)
{
    switch (bs_kind_point(kind)) {
    case BS_POINT_NONE:
        return BS_PLAN_NONE;
    case BS_POINT_RECORD:
        return BS_PLAN_RECORD;
    case BS_POINT_UNKNOWN:
    case BS_POINT_STATE:
    case BS_POINT_DEFINITION:
    case BS_POINT_ROWS:
    case BS_POINT_WHOLE:
        break;
    }
    return is_whole(kind) ? BS_PLAN_WHOLE : BS_PLAN_REFUSE;
}

static void
worsen(enum bs_plan_kind *have, enum bs_plan_kind more)
{
    if (more == BS_PLAN_REFUSE || (*have != BS_PLAN_REFUSE && more > *have))
        *have = more;
}

/* The point of a statement that has no effect of its own. */
static enum bs_plan_kind
by_point(const struct bs_stmt *stmt)
{
    switch (stmt->point) {
    case BS_POINT_NONE:
        return BS_PLAN_NONE;
    case BS_POINT_RECORD:
        return BS_PLAN_RECORD;
    case BS_POINT_STATE:
        return only_advances(stmt) && bs_kind_point(stmt->kind) == BS_POINT_NONE ? BS_PLAN_RECORD
                                                                                 : BS_PLAN_REFUSE;
    case BS_POINT_UNKNOWN:
    case BS_POINT_DEFINITION:
    case BS_POINT_ROWS:
    case BS_POINT_WHOLE:
        break;
    }
    return BS_PLAN_REFUSE;
}

static bool
touches_sequence(const struct bs_stmt *stmt)
{
    return stmt->point == BS_POINT_STATE || stmt->plain_point == BS_POINT_STATE;
}

static enum bs_plan_kind
plan_effects(struct planning *p, const struct bs_stmt *stmt, const char **why)
{
    enum bs_plan_kind kind = BS_PLAN_NONE;

    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        enum bs_plan_kind one = e->upsert ? BS_PLAN_REFUSE : by_kind(e->kind);
        if (e->kind == BS_KIND_CREATE_OR_REPLACE_VIEW && stmt->point == BS_POINT_RECORD)
            one = BS_PLAN_RECORD; /* replaces nothing */
        if (one == BS_PLAN_REFUSE)
            *why = e->upsert ? "rows that ON CONFLICT overwrites cannot be kept by this version"
                             : why_kind(p, e->kind);
        worsen(&kind, one);
        if (kind == BS_PLAN_REFUSE)
            return kind;
    }
    return kind;
}

static enum bs_plan_kind
plan_stmt(struct planning *p, const struct bs_stmt *stmt, const char **why)
{
    enum bs_plan_kind kind;

    if (stmt->point == BS_POINT_UNKNOWN) {
        *why = why_unknown(p, stmt);
        return BS_PLAN_REFUSE;
    }
    if (stmt->kind == BS_KIND_MERGE || (touches_sequence(stmt) && !only_advances(stmt)) ||
        stmt->n_effects == 0) {
        kind = stmt->n_effects == 0 ? by_point(stmt) : BS_PLAN_REFUSE;
        if (kind == BS_PLAN_REFUSE)
            *why = why_kind(p, stmt->kind);
        return kind;
    }
    kind = plan_effects(p, stmt, why);
    if (kind == BS_PLAN_NONE && stmt->point != BS_POINT_NONE)
        kind = BS_PLAN_RECORD;
    if (kind != BS_PLAN_RECORD || stmt->point <= BS_POINT_STATE)
        return kind;
    *why = why_kind(p, stmt->kind); /* it needs more than its effects tell */
    return BS_PLAN_REFUSE;
}

/* DROP before TRUNCATE before DELETE before UPDATE. */
static int
weight(enum bs_kind kind)
{
    if (kind == BS_KIND_UPDATE)
        return 0;
    return kind == BS_KIND_DELETE ? 1 : kind == BS_KIND_TRUNCATE ? 2 : 3;
}

static void
add_table(struct planning *p, const struct bs_target *t)
{
    struct bs_plan *out = p->out;
    struct bs_plan_table *have = NULL;

    for (size_t i = 0; i < out->n_tables && have == NULL; i++) {
        if (out->tables[i].oid == t->oid)
            have = &out->tables[i];
    }
    if (have == NULL) {
        out->tables[out->n_tables++] = (struct bs_plan_table){.oid = t->oid,
                                                              .schema = t->schema,
                                                              .name = t->name,
                                                              .relkind = t->relkind,
                                                              .reach = t->reach,
                                                              .kind = t->kind,
                                                              .est_rows = t->est_rows,
                                                              .est_bytes = t->est_bytes,
                                                              .exclusive = is_exclusive(t->kind)};
        out->est_bytes += t->relkind == 'p' ? 0 : t->est_bytes;
        return;
    }
    have->exclusive = have->exclusive || is_exclusive(t->kind);
    if (t->reach < have->reach)
        have->reach = t->reach;
    if (weight(t->kind) > weight(have->kind))
        have->kind = t->kind;
}

/* What the unit's targets are copied for. False where one of them cannot be copied. */
static bool
add_tables(struct planning *p)
{
    for (size_t i = 0; i < p->facts->n_targets; i++) {
        const struct bs_target *t = &p->facts->targets[i];
        if (!is_whole(t->kind))
            continue;
        if (t->relkind == 'f') {
            p->out->why = bs_arena_fmt(p->arena, "%s.%s is a foreign table", t->schema, t->name);
            return false;
        }
        if (strchr("rpm", t->relkind) != NULL)
            add_table(p, t);
    }
    return true;
}

static int
by_oid(const void *x, const void *y)
{
    const struct bs_plan_table *a = x, *b = y;

    return (a->oid > b->oid) - (a->oid < b->oid);
}

static bool
has_reason(const struct bs_unit *unit, const char *code)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_reasons; k++) {
            if (strcmp(unit->stmts[i].reasons[k].code, code) == 0)
                return true;
        }
    }
    return false;
}

static void
refuse(struct bs_plan *out, const char *why)
{
    *out = (struct bs_plan){.why = why};
}

/* Outside a block nothing can be held back, so there only what loses nothing may run. */
static void
settle_block(struct planning *p)
{
    struct bs_plan *out = p->out;

    if (out->in_block || out->kind == BS_PLAN_REFUSE || p->unit->risk == BS_RISK_SAFE)
        return;
    if (p->unit->risk != BS_RISK_HIGH) { /* runs code of index expressions, say */
        refuse(out, "it runs outside a transaction, where nobody sees what it changes");
        return;
    }
    if (out->kind == BS_PLAN_NONE)
        return;
    if (out->kind == BS_PLAN_RECORD && !has_reason(p->unit, "event_trigger")) {
        out->kind = BS_PLAN_NONE;
        out->why = "adds something, outside a transaction; nothing is lost";
        return;
    }
    refuse(out, "it cannot run inside a transaction, so it could not be taken back in time");
}

static void
settle_whole(struct planning *p, struct bs_plan_limits limits)
{
    struct bs_plan *out = p->out;

    if (out->n_tables == 0) {
        /* DROP TABLE IF EXISTS of nothing, or rows of what the unit itself makes. */
        out->kind = BS_PLAN_RECORD;
        out->why = "nothing that is there would be lost";
        return;
    }
    if (out->est_bytes > limits.max_bytes) {
        refuse(out,
               bs_arena_fmt(p->arena, "about %lld bytes would have to be copied, the limit is %lld",
                            (long long)out->est_bytes, (long long)limits.max_bytes));
        return;
    }
    qsort(out->tables, out->n_tables, sizeof(*out->tables), by_oid);
    out->definition = true;
    out->why =
        bs_arena_fmt(p->arena, "%zu table%s, about %lld bytes, copied before it runs",
                     out->n_tables, out->n_tables == 1 ? "" : "s", (long long)out->est_bytes);
}

static bool
writes_catalog(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_effects; k++) {
            if (unit->stmts[i].effects[k].kind == BS_KIND_TRUNCATE)
                return true; /* gives the table another file */
        }
    }
    return (unit->flags & BS_FLAG_DDL) != 0;
}

static void
plan_unit(struct planning *p, struct bs_plan_limits limits)
{
    enum bs_plan_kind kind = BS_PLAN_NONE;
    struct bs_plan *out = p->out;
    const char *why = NULL;

    for (size_t i = 0; i < p->unit->n_stmts && kind != BS_PLAN_REFUSE; i++)
        worsen(&kind, plan_stmt(p, &p->unit->stmts[i], &why));
    if (kind == BS_PLAN_REFUSE || !p->unit->parsed) {
        refuse(out, p->unit->parsed ? why : "it cannot be parsed");
        return;
    }
    out->kind = kind;
    out->why = kind == BS_PLAN_NONE ? "nothing is lost" : "it only adds";
    out->in_block = (p->unit->flags & BS_FLAG_NO_BLOCK) == 0;
    out->ddl = writes_catalog(p->unit);
    if (kind == BS_PLAN_WHOLE && !add_tables(p))
        refuse(out, out->why);
    else if (kind == BS_PLAN_WHOLE)
        settle_whole(p, limits);
    settle_block(p);
    out->audited = out->kind == BS_PLAN_RECORD && p->unit->risk != BS_RISK_HIGH &&
                   p->unit->risk != BS_RISK_SAFE;
}

enum bs_done
bs_plan_make(const struct bs_unit *unit,
             const struct bs_facts *facts,
             struct bs_plan_limits limits,
             struct bs_arena *arena,
             struct bs_plan *out,
             struct bs_err *err)
{
    struct planning p = {.unit = unit, .facts = facts, .arena = arena, .out = out};

    *out = (struct bs_plan){0};
    out->tables = bs_arena_array(arena, facts->n_targets + 1, sizeof(*out->tables));
    if (out->tables != NULL)
        plan_unit(&p, limits);
    if (out->why != NULL)
        return BS_DONE;
    *out = (struct bs_plan){.why = "there was no memory left to plan"};
    return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
}

const char *
bs_plan_kind_name(enum bs_plan_kind kind)
{
    static const char *const names[] = {[BS_PLAN_REFUSE] = "refuse",
                                        [BS_PLAN_NONE] = "none",
                                        [BS_PLAN_RECORD] = "record",
                                        [BS_PLAN_ROWS] = "rows",
                                        [BS_PLAN_WHOLE] = "whole"};

    return names[kind];
}
