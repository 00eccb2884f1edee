/*
 * plan.c - two mechanisms: whole tables, copied under lock before anything runs, and rows, kept
 * before COMMIT by what the audit says was changed.
 *
 * The plan follows the effects, not the risk: what an operator approves, or a rule allows, is
 * covered all the same. What is not understood here, and would not be seen by the audit, is refused.
 */
#include "recovery/plan.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/effect.h"
#include "catalog/seen.h"
#include "recovery/globals.h"
#include "recovery/plan_alter.h"
#include "recovery/plan_globals.h"
#include "recovery/plan_kinds.h"

struct planning {
    const struct bs_unit *unit;
    const struct bs_facts *facts;
    struct bs_plan_limits limits;
    struct bs_arena *arena;
    struct bs_plan *out;
    enum bs_plan_kind *kinds; /* of each statement */
    bool *defines;            /* of each statement: the definition must be kept */
    bool unknown;             /* some statement changes who knows what */
    bool full;                /* the arena is */
};

/* Its rows go with it, or some of their values do. */
static bool
is_exclusive(enum bs_kind kind)
{
    return kind == BS_KIND_DROP_TABLE || kind == BS_KIND_TRUNCATE ||
           kind == BS_KIND_ALTER_TABLE_DROP_COLUMN || kind == BS_KIND_ALTER_TABLE_ALTER_TYPE ||
           kind == BS_KIND_ALTER_TABLE_SET_EXPRESSION || kind == BS_KIND_DROP_MATERIALIZED_VIEW ||
           kind == BS_KIND_REFRESH_MATERIALIZED_VIEW;
}

/* What a copy of the whole table brings back. */
static bool
is_whole(enum bs_kind kind)
{
    return is_exclusive(kind) || kind == BS_KIND_UPDATE || kind == BS_KIND_DELETE;
}

/* What says that rows change, not what would change them unseen. */
static bool
is_ordinary(const char *code)
{
    static const char *const codes[] = {"kind",           "no_filter", BS_REASON_UNMEASURED,
                                        BS_REASON_IMPACT, "cascade",   "locks_rows"};

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
    if (is_whole(kind))
        return BS_PLAN_WHOLE;
    return bs_plan_kind_has_definition(kind) ? BS_PLAN_RECORD : BS_PLAN_REFUSE;
}

/* The plan for one thing that a statement changes. */
static enum bs_plan_kind
by_effect(const struct planning *p, const struct bs_stmt *stmt, const struct bs_effect *e)
{
    bool scoped = e->filtered && (e->kind == BS_KIND_UPDATE || e->kind == BS_KIND_DELETE);

    /* What code that it runs does is known by name only; no copy is made beforehand for that. */
    if (e->inside && (e->kind == BS_KIND_UPDATE || e->kind == BS_KIND_DELETE))
        return p->limits.rows ? BS_PLAN_ROWS : BS_PLAN_REFUSE;
    if (e->kind == BS_KIND_CREATE_OR_REPLACE_VIEW && stmt->point == BS_POINT_RECORD)
        return BS_PLAN_RECORD; /* replaces nothing */
    if (scoped && p->limits.rows)
        return BS_PLAN_ROWS;
    if (bs_plan_effect_is_global(e))
        return BS_PLAN_RECORD;
    if (bs_plan_needs_definition(e->kind) && !bs_plan_effect_has_definition(e))
        return BS_PLAN_REFUSE;
    if (bs_plan_kind_has_definition(e->kind) && !is_whole(e->kind))
        p->defines[stmt - p->unit->stmts] = true;
    return e->upsert ? BS_PLAN_REFUSE : by_kind(e->kind);
}

static void
worsen(enum bs_plan_kind *have, enum bs_plan_kind more)
{
    if (more == BS_PLAN_REFUSE || (*have != BS_PLAN_REFUSE && more > *have))
        *have = more;
}

/* By itself it changes nothing: what is known of it is what it calls. */
static bool
runs_only(enum bs_kind kind)
{
    return bs_kind_point(kind) == BS_POINT_NONE || kind == BS_KIND_DO || kind == BS_KIND_CALL;
}

/* The point of a statement that has no effect of its own. */
static enum bs_plan_kind
by_point(struct planning *p, const struct bs_stmt *stmt)
{
    switch (stmt->point) {
    case BS_POINT_NONE:
        return BS_PLAN_NONE;
    case BS_POINT_RECORD:
        return BS_PLAN_RECORD;
    case BS_POINT_STATE:
        if (only_advances(stmt) && runs_only(stmt->kind))
            return BS_PLAN_RECORD;
        break;
    case BS_POINT_UNKNOWN:
    case BS_POINT_DEFINITION:
    case BS_POINT_ROWS:
    case BS_POINT_WHOLE:
        break;
    }
    if (!only_advances(stmt) || !bs_plan_kind_has_definition(stmt->kind))
        return BS_PLAN_REFUSE;
    p->defines[stmt - p->unit->stmts] = true;
    return BS_PLAN_RECORD;
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
        enum bs_plan_kind one = by_effect(p, stmt, e);
        p->unknown = p->unknown || (e->inside && one == BS_PLAN_ROWS);
        if (one == BS_PLAN_REFUSE)
            *why = bs_plan_why_refused(e);
        if (one == BS_PLAN_REFUSE && *why == NULL)
            *why = why_kind(p, e->kind);
        worsen(&kind, one);
        if (kind == BS_PLAN_REFUSE)
            return kind;
    }
    return kind;
}

/* What cannot be told from the statement, but will be seen when it has run. */
static bool
is_seen(struct planning *p, const struct bs_stmt *stmt)
{
    if (!p->limits.rows || !bs_stmt_is_seen(stmt, p->facts))
        return false;
    p->unknown = true;
    p->out->unvetted = p->out->unvetted || stmt->point == BS_POINT_UNKNOWN;
    return true;
}

/* Of the cluster alone. Where its kind has a point by itself and it has none, that has a reason. */
static bool
is_global(const struct bs_stmt *stmt)
{
    return bs_plan_is_global(stmt->kind) &&
           (stmt->point != BS_POINT_UNKNOWN || bs_kind_point(stmt->kind) == BS_POINT_UNKNOWN);
}

static enum bs_plan_kind
plan_stmt(struct planning *p, const struct bs_stmt *stmt, const char **why)
{
    bool merge = stmt->kind == BS_KIND_MERGE && !p->limits.rows;
    enum bs_plan_kind kind;

    if (is_global(stmt))
        return BS_PLAN_RECORD;
    if (stmt->point == BS_POINT_UNKNOWN) {
        if (is_seen(p, stmt))
            return BS_PLAN_ROWS;
        *why = why_unknown(p, stmt);
        return BS_PLAN_REFUSE;
    }
    if (merge || (touches_sequence(stmt) && !only_advances(stmt)) || stmt->n_effects == 0) {
        kind = stmt->n_effects == 0 ? by_point(p, stmt) : BS_PLAN_REFUSE;
        if (kind == BS_PLAN_REFUSE && is_seen(p, stmt))
            return BS_PLAN_ROWS;
        if (kind == BS_PLAN_REFUSE)
            *why = why_kind(p, stmt->kind);
        return kind;
    }
    kind = plan_effects(p, stmt, why);
    if (kind == BS_PLAN_NONE && stmt->point != BS_POINT_NONE)
        kind = BS_PLAN_RECORD;
    if (kind != BS_PLAN_RECORD || stmt->point <= BS_POINT_STATE)
        return kind;
    if (stmt->kind == BS_KIND_MERGE) /* that only inserts */
        return kind;
    if (p->defines[stmt - p->unit->stmts] || bs_plan_globals(stmt) != 0)
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

static struct bs_plan_table *
find_table(struct bs_plan *plan, uint32_t oid)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (plan->tables[i].oid == oid)
            return &plan->tables[i];
    }
    return NULL;
}

static bool
is_locked_exclusively(const struct bs_target *t)
{
    return is_exclusive(t->kind) || t->lock == BS_TABLE_LOCK_ACCESS_EXCLUSIVE;
}

struct bs_plan_table
bs_plan_table_of(const struct bs_target *t)
{
    return (struct bs_plan_table){t->oid,   t->schema, t->name,     t->relkind,
                                  t->reach, t->kind,   t->est_rows, t->est_bytes};
}

/* shape: see struct bs_plan_table */
static void
add_table(struct planning *p, const struct bs_target *t, bool shape)
{
    struct bs_plan *out = p->out;
    struct bs_plan_table *have = find_table(out, t->oid);
    struct bs_plan_table table = bs_plan_table_of(t);

    table.exclusive = is_locked_exclusively(t);
    table.rewrites = t->rewrites;
    table.shape = shape;
    p->full = p->full || (!shape && !bs_plan_columns(p->unit, t, p->arena, &table));
    if (have == NULL) {
        have = &out->tables[out->n_tables++];
        *have = table;
    } else {
        p->full = p->full || !bs_plan_unite_columns(have, &table, p->arena);
        have->exclusive = have->exclusive || table.exclusive;
        have->rewrites = have->rewrites || table.rewrites;
        have->shape = have->shape && shape;
        if (t->reach < have->reach)
            have->reach = t->reach;
        if (weight(t->kind) > weight(have->kind))
            have->kind = t->kind;
    }
}

/* Somebody who drops a table locks those exclusively that its foreign keys point to. */
static bool
drops(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_effects; k++) {
            if (unit->stmts[i].effects[k].kind == BS_KIND_DROP_TABLE)
                return true;
        }
    }
    return false;
}

static bool
changes_rows(enum bs_kind kind)
{
    return kind == BS_KIND_INSERT || kind == BS_KIND_UPDATE || kind == BS_KIND_DELETE ||
           kind == BS_KIND_COPY_FROM_STDIN || kind == BS_KIND_COPY_FROM_FILE;
}

/* The unit does more to it than change rows: nobody else may be able to read it afterwards. */
static bool
is_altered(const struct planning *p, uint32_t oid)
{
    for (size_t i = 0; i < p->facts->n_targets; i++) {
        const struct bs_target *t = &p->facts->targets[i];
        if (t->oid == oid && !changes_rows(t->kind))
            return true;
    }
    return false;
}

/* It loses rows, and is copied whole for that before anything runs. */
static bool
is_copied(const struct planning *p, const struct bs_target *t)
{
    enum bs_plan_kind kind = p->kinds[t->stmt];

    if (!is_whole(t->kind))
        return false;
    /* Code that the statement runs changes its rows: kept afterwards, where it can be read then. */
    if (t->reach == BS_REACH_CALL && !drops(p->unit) && !is_altered(p, t->oid))
        return false;
    if (kind == BS_PLAN_WHOLE)
        return true;
    return p->unit->stmts[t->stmt].point != BS_POINT_UNKNOWN &&
           (drops(p->unit) || is_altered(p, t->oid));
}

/* The unit's targets: those that are copied whole or, where there are none, all that lose rows.
 * False where one of them cannot be copied. */
static bool
add_tables(struct planning *p)
{
    bool whole = false;

    for (size_t i = 0; i < p->facts->n_targets; i++)
        whole = whole || is_copied(p, &p->facts->targets[i]);
    p->out->kind = whole || !p->limits.rows ? BS_PLAN_WHOLE : BS_PLAN_ROWS;
    for (size_t i = 0; i < p->facts->n_targets; i++) {
        const struct bs_target *t = &p->facts->targets[i];
        /* Of code that also does what nobody can tell, no table is known to go. */
        if (whole ? !is_copied(p, t) : !is_whole(t->kind) || is_exclusive(t->kind))
            continue;
        if (t->relkind == 'f') {
            p->out->why = bs_arena_fmt(p->arena, "%s.%s is a foreign table", t->schema, t->name);
            return false;
        }
        if (strchr("rpm", t->relkind) != NULL)
            add_table(p, t, false);
    }
    return true;
}

/* The unit's targets that are changed as such, where somebody else could change them, too. */
static void
add_shapes(struct planning *p)
{
    for (size_t i = 0; i < p->facts->n_targets; i++) {
        const struct bs_target *t = &p->facts->targets[i];
        if ((t->relkind == 'r' || t->relkind == 'p') && !changes_rows(t->kind) &&
            t->lock >= BS_TABLE_LOCK_SHARE_ROW_EXCLUSIVE &&
            (p->defines[t->stmt] || (t->rewrites && p->kinds[t->stmt] == BS_PLAN_RECORD)))
            add_table(p, t, true);
    }
}

static void
add_named(struct planning *p)
{
    struct bs_plan *out = p->out;

    for (size_t i = 0; i < p->unit->n_stmts; i++) {
        const struct bs_stmt *stmt = &p->unit->stmts[i];
        for (size_t k = 0; p->defines[i] && k < stmt->n_effects; k++) {
            const struct bs_effect *e = &stmt->effects[k];
            if (bs_plan_needs_definition(e->kind) && e->name.name[0] != '\0')
                out->named[out->n_named++] =
                    (struct bs_plan_named){e->object, e->name.schema, e->name.name, e->cascade,
                                           e->kind,   e->replaces,    e->column,    e->to};
        }
        out->definition = out->definition || p->defines[i];
    }
}

static bool
only_renames(const struct planning *p)
{
    for (size_t i = 0; i < p->unit->n_stmts; i++) {
        const struct bs_stmt *stmt = &p->unit->stmts[i];
        for (size_t k = 0; p->defines[i] && k < stmt->n_effects; k++) {
            enum bs_kind kind = stmt->effects[k].kind;
            if (bs_plan_needs_definition(kind) && !bs_kind_renames(kind))
                return false;
        }
        if (p->defines[i] && stmt->n_effects == 0)
            return false;
    }
    return p->out->definition && p->out->kind == BS_PLAN_RECORD;
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

/* Where it could run is still said: a policy may let it run without a recovery point. */
static void
refuse(struct bs_plan *out, const char *why)
{
    *out = (struct bs_plan){.why = why, .in_block = out->in_block, .ddl = out->ddl};
}

/* It changes only what a point that is made before holds. */
static bool
is_kept_by_kind(const struct bs_plan *plan, enum bs_kind kind)
{
    if (kind == BS_KIND_DROP_DATABASE)
        return plan->database != NULL;
    if (kind == BS_KIND_ALTER_SYSTEM)
        return plan->globals == BS_GLOBAL_SYSTEM;
    return plan->definition &&
           (kind == BS_KIND_DROP_INDEX || kind == BS_KIND_ALTER_TABLE_DETACH_PARTITION);
}

/* DROP INDEX and DETACH PARTITION CONCURRENTLY change nothing but definitions, ALTER SYSTEM nothing
 * but a file of settings; none of them runs code. */
static bool
is_kept_before(const struct planning *p)
{
    const struct bs_stmt *stmt = p->unit->stmts;
    bool plain = p->unit->n_stmts == 1 && p->out->kind == BS_PLAN_RECORD &&
                 is_kept_by_kind(p->out, stmt->kind);

    for (size_t i = 0; plain && i < p->out->n_tables; i++)
        plain = p->out->tables[i].shape;
    for (size_t i = 0; plain && i < stmt->n_reasons; i++)
        plain = strcmp(stmt->reasons[i].code, "kind") == 0;
    return plain;
}

/* A name, of one statement alone, where that is allowed. */
static void
add_database(struct planning *p)
{
    const struct bs_stmt *stmt = p->unit->stmts;

    if (!p->limits.databases || p->unit->n_stmts != 1 || stmt->kind != BS_KIND_DROP_DATABASE ||
        stmt->n_effects != 1 || stmt->effects[0].name.name[0] == '\0')
        return;
    p->out->database = stmt->effects[0].name.name;
}

/* Outside a block nothing can be held back, so there only what loses nothing may run. */
static void
settle_block(struct planning *p)
{
    struct bs_plan *out = p->out;

    if (out->in_block || out->kind == BS_PLAN_REFUSE || p->unit->risk == BS_RISK_SAFE)
        return;
    if (is_kept_before(p)) {
        out->n_tables = 0; /* no lock can be held until it runs */
        out->why = bs_arena_fmt(p->arena,
                                "%s kept before it runs, outside of a transaction: nothing holds "
                                "it back afterwards",
                                out->database != NULL ? "a dump of the database is"
                                : out->definition     ? "the definition is"
                                                      : "the old values are");
        return;
    }
    if (p->unit->n_stmts == 1 && p->unit->stmts->kind == BS_KIND_DROP_DATABASE) {
        refuse(out, p->limits.databases
                        ? "a dump would not hold all that goes"
                        : "a database is dumped before it goes only where recovery.drop_database "
                          "says so");
        return;
    }
    if (p->unit->risk != BS_RISK_HIGH) { /* runs code of index expressions, say */
        refuse(out, "it runs outside a transaction, where nobody sees what it changes");
        return;
    }
    if (out->kind == BS_PLAN_NONE)
        return;
    if (out->kind == BS_PLAN_RECORD && !out->definition && out->globals == 0 &&
        !has_reason(p->unit, "event_trigger")) {
        out->kind = BS_PLAN_NONE;
        out->why = "adds something, outside a transaction; nothing is lost";
        return;
    }
    refuse(out, "it cannot run inside a transaction, so it could not be taken back in time");
}

static bool
drops_tables(const struct bs_plan *plan)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (plan->tables[i].kind == BS_KIND_DROP_TABLE)
            return true;
    }
    return false;
}

static size_t
n_copied(const struct bs_plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_tables; i++)
        n += !plan->tables[i].shape;
    return n;
}

static const char *
plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void
settle_whole(struct planning *p)
{
    struct bs_plan *out = p->out;
    int64_t max_bytes = p->limits.max_bytes;
    bool rest = p->unknown;

    if (out->est_bytes > max_bytes) {
        refuse(out,
               bs_arena_fmt(p->arena, "about %lld bytes would have to be copied, the limit is %lld",
                            (long long)out->est_bytes, (long long)max_bytes));
        return;
    }
    for (size_t i = 0; i < p->unit->n_stmts; i++)
        rest = rest || p->kinds[i] == BS_PLAN_ROWS;
    /* Rows that go back into a table that is still there need no definition. */
    out->definition = out->definition || !p->limits.rows || (p->unit->flags & BS_FLAG_DDL) != 0 ||
                      drops_tables(out);
    out->why =
        bs_arena_fmt(p->arena, "%zu table%s, about %lld bytes, copied before it runs%s",
                     n_copied(out), plural(n_copied(out)), (long long)out->est_bytes,
                     rest ? "; other rows that it changes are kept before it is committed" : "");
}

static void
settle_rows(struct planning *p)
{
    struct bs_plan *out = p->out;

    if (!p->unknown)
        out->why = bs_arena_fmt(p->arena,
                                "the rows of %zu table%s that it changes are kept before it is"
                                " committed",
                                n_copied(out), plural(n_copied(out)));
    else
        out->why = "which rows it changes is known when it has run; they are kept before it is"
                   " committed, and what is no change of rows is taken back";
}

/* Some table of it is not there for its shape alone. */
static bool
has_rows(const struct bs_plan *plan)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (!plan->tables[i].shape)
            return true;
    }
    return false;
}

static void
settle_tables(struct planning *p)
{
    struct bs_plan *out = p->out;

    if (out->unvetted && out->ddl) {
        refuse(out, "code that nobody has vetted runs beside a change of the schema, so that nobody"
                    " could tell which of them changed what");
    } else if (!has_rows(out) && !p->unknown) {
        /* DROP TABLE IF EXISTS of nothing, or rows of what the unit itself makes. */
        out->kind = BS_PLAN_RECORD;
        out->why = has_reason(p->unit, "session_names")
                       ? "only what the session or its transaction has made may have that name:"
                         " what it changes of anything else is taken back"
                       : "nothing that is there would be lost";
    } else if (out->kind == BS_PLAN_ROWS) {
        settle_rows(p);
    } else {
        settle_whole(p);
    }
}

static bool
writes_catalog(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_effects; k++) {
            const struct bs_effect *e = &unit->stmts[i].effects[k];
            if (e->inside && unit->stmts[i].point == BS_POINT_UNKNOWN)
                continue;
            if (e->kind == BS_KIND_TRUNCATE || e->kind == BS_KIND_REFRESH_MATERIALIZED_VIEW)
                return true; /* gives the relation another file */
        }
    }
    return (unit->flags & BS_FLAG_DDL) != 0;
}

/* CASCADE drops what holds rows, or columns of it, beside what the statement names. */
static bool
takes_rows_along(const struct planning *p, size_t stmt)
{
    for (size_t i = 0; i < p->facts->n_targets; i++) {
        const struct bs_target *t = &p->facts->targets[i];
        if (t->stmt == stmt && t->reach == BS_REACH_DEPENDENT && is_exclusive(t->kind))
            return true;
    }
    return false;
}

static bool
add_globals(struct planning *p)
{
    struct bs_err full = {0};

    for (size_t i = 0; i < p->unit->n_stmts; i++) {
        if (bs_plan_add_globals(&p->unit->stmts[i], p->arena, p->out, &full) != BS_DONE)
            return false;
    }
    return true;
}

static void
sum_up(struct planning *p)
{
    struct bs_plan *out = p->out;

    qsort(out->tables, out->n_tables, sizeof(*out->tables), by_oid);
    for (size_t i = 0; i < out->n_tables; i++) {
        const struct bs_plan_table *t = &out->tables[i];
        out->est_bytes += t->relkind == 'p' || t->shape ? 0 : t->est_bytes;
    }
}

static void
plan_unit(struct planning *p)
{
    enum bs_plan_kind kind = BS_PLAN_NONE;
    struct bs_plan *out = p->out;
    const char *why = NULL;

    for (size_t i = 0; i < p->unit->n_stmts && kind != BS_PLAN_REFUSE; i++) {
        p->kinds[i] = plan_stmt(p, &p->unit->stmts[i], &why);
        if (p->kinds[i] == BS_PLAN_RECORD && takes_rows_along(p, i))
            p->kinds[i] = BS_PLAN_WHOLE;
        worsen(&kind, p->kinds[i]);
    }
    out->in_block = p->unit->parsed && (p->unit->flags & BS_FLAG_NO_BLOCK) == 0;
    out->ddl = writes_catalog(p->unit);
    if (kind == BS_PLAN_REFUSE || !p->unit->parsed) {
        refuse(out, p->unit->parsed ? why : "it cannot be parsed");
        /* Where the policy waives the point it runs all the same, and then like others. */
        out->in_block = p->unit->parsed && (p->unit->flags & BS_FLAG_NO_BLOCK) == 0;
        out->ddl = out->in_block && writes_catalog(p->unit);
        return;
    }
    out->kind = kind;
    out->why = kind == BS_PLAN_NONE ? "nothing is lost" : "it only adds";
    add_named(p);
    if (!add_globals(p)) {
        refuse(out, "there was no memory left to plan");
        return;
    }
    if (out->globals != 0)
        out->why = "what it changes of the cluster is kept before it runs";
    if (out->definition)
        out->why = "the definition of what it changes is kept before it runs";
    if (kind >= BS_PLAN_ROWS && !add_tables(p)) {
        refuse(out, out->why);
        return;
    }
    add_database(p);
    add_shapes(p);
    sum_up(p);
    if (kind >= BS_PLAN_ROWS)
        settle_tables(p);
    settle_block(p);
    out->renames = only_renames(p);
    out->audited =
        out->kind == BS_PLAN_RECORD &&
        (out->definition || out->globals != 0 || has_reason(p->unit, BS_REASON_NOTHING) ||
         (p->unit->risk != BS_RISK_HIGH && p->unit->risk != BS_RISK_SAFE));
}

enum bs_done
bs_plan_make(const struct bs_unit *unit,
             const struct bs_facts *facts,
             struct bs_plan_limits limits,
             struct bs_arena *arena,
             struct bs_plan *out,
             struct bs_err *err)
{
    struct planning p = {
        .unit = unit, .facts = facts, .limits = limits, .arena = arena, .out = out};
    size_t n_effects = 0;

    *out = (struct bs_plan){0};
    out->tables = bs_arena_array(arena, facts->n_targets + 1, sizeof(*out->tables));
    p.kinds = bs_arena_array(arena, unit->n_stmts + 1, sizeof(*p.kinds));
    p.defines = bs_arena_array(arena, unit->n_stmts + 1, sizeof(*p.defines));
    for (size_t i = 0; i < unit->n_stmts; i++)
        n_effects += unit->stmts[i].n_effects;
    out->named = bs_arena_array(arena, n_effects + 1, sizeof(*out->named));
    if (out->tables != NULL && out->named != NULL && p.kinds != NULL && p.defines != NULL)
        plan_unit(&p);
    if (out->why != NULL && !p.full)
        return BS_DONE;
    *out = (struct bs_plan){.why = "there was no memory left to plan"};
    return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
}

bool
bs_plan_makes_point(const struct bs_plan *plan)
{
    return plan->kind == BS_PLAN_WHOLE || plan->kind == BS_PLAN_RECORD ||
           ((plan->definition || plan->globals != 0) && plan->kind == BS_PLAN_ROWS);
}

bool
bs_plan_locks(const struct bs_plan *plan, const struct bs_plan_table *table, bool rows)
{
    if (table->relkind != 'r' && table->relkind != 'p')
        return false; /* materialized views cannot be locked; their rows are computed again */
    if (table->shape)
        return !table->unlockable;
    return plan->kind == BS_PLAN_WHOLE || (plan->kind == BS_PLAN_ROWS && rows);
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
