/*
 * effect.c - limits hold for the unit as a whole: a thousand statements of a row each are a
 * thousand rows. What is not counted counts for nothing here, since it stays CRITICAL.
 */
#include "catalog/effect.h"

#include <stdio.h>
#include <string.h>

const char *
bs_measure_name(enum bs_measure how)
{
    static const char *const names[] = {[BS_MEASURE_ESTIMATE] = "estimate",
                                        [BS_MEASURE_COUNT] = "count",
                                        [BS_MEASURE_REHEARSAL] = "rehearsal"};

    return names[how];
}

const char *
bs_table_lock_name(enum bs_table_lock lock)
{
    static const char *const names[] = {[BS_TABLE_LOCK_ACCESS_SHARE] = "ACCESS SHARE",
                                        [BS_TABLE_LOCK_ROW_SHARE] = "ROW SHARE",
                                        [BS_TABLE_LOCK_ROW_EXCLUSIVE] = "ROW EXCLUSIVE",
                                        [BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE] =
                                            "SHARE UPDATE EXCLUSIVE",
                                        [BS_TABLE_LOCK_SHARE] = "SHARE",
                                        [BS_TABLE_LOCK_SHARE_ROW_EXCLUSIVE] = "SHARE ROW EXCLUSIVE",
                                        [BS_TABLE_LOCK_EXCLUSIVE] = "EXCLUSIVE",
                                        [BS_TABLE_LOCK_ACCESS_EXCLUSIVE] = "ACCESS EXCLUSIVE"};

    return names[lock];
}

/*
 * explicit-locking.html, sql-altertable.html. What ALTER TABLE does is ACCESS EXCLUSIVE unless it
 * is here; so is what a form of the statement may do.
 */
/* clang-format off */
static const uint8_t locks[BS_KIND_COUNT] = {
    [BS_KIND_SELECT_FOR_UPDATE] = BS_TABLE_LOCK_ROW_SHARE,
    [BS_KIND_INSERT] = BS_TABLE_LOCK_ROW_EXCLUSIVE, [BS_KIND_UPDATE] = BS_TABLE_LOCK_ROW_EXCLUSIVE,
    [BS_KIND_DELETE] = BS_TABLE_LOCK_ROW_EXCLUSIVE, [BS_KIND_MERGE] = BS_TABLE_LOCK_ROW_EXCLUSIVE,
    [BS_KIND_COPY_FROM_STDIN] = BS_TABLE_LOCK_ROW_EXCLUSIVE,
    [BS_KIND_COPY_FROM_FILE] = BS_TABLE_LOCK_ROW_EXCLUSIVE,
    [BS_KIND_COPY_PROGRAM] = BS_TABLE_LOCK_ROW_EXCLUSIVE,
    [BS_KIND_VACUUM] = BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    [BS_KIND_ANALYZE] = BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    [BS_KIND_COMMENT] = BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    [BS_KIND_SECURITY_LABEL] = BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    [BS_KIND_CREATE_STATISTICS] = BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    [BS_KIND_ALTER_TABLE_VALIDATE] = BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    [BS_KIND_ALTER_TABLE_CLUSTER_ON] = BS_TABLE_LOCK_SHARE_UPDATE_EXCLUSIVE,
    [BS_KIND_CREATE_INDEX] = BS_TABLE_LOCK_SHARE, [BS_KIND_REINDEX] = BS_TABLE_LOCK_SHARE,
    [BS_KIND_CREATE_TRIGGER] = BS_TABLE_LOCK_SHARE_ROW_EXCLUSIVE,
    [BS_KIND_ALTER_TABLE_ENABLE_TRIGGER] = BS_TABLE_LOCK_SHARE_ROW_EXCLUSIVE,
    [BS_KIND_ALTER_TABLE_DISABLE_TRIGGER] = BS_TABLE_LOCK_SHARE_ROW_EXCLUSIVE,
    [BS_KIND_ALTER_TABLE_TRIGGER_MODE] = BS_TABLE_LOCK_SHARE_ROW_EXCLUSIVE,
    [BS_KIND_TRUNCATE] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_REFRESH_MATERIALIZED_VIEW] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_VACUUM_FULL] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_CLUSTER] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_LOCK_TABLE] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_RENAME] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_SET_SCHEMA] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_OWNER_TO] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_REASSIGN_OWNED] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_CREATE_RULE] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_CREATE_POLICY] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_ALTER_POLICY] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_CREATE_OR_REPLACE_VIEW] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_ALTER_VIEW_OPTIONS] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
    [BS_KIND_ALTER_FOREIGN_TABLE_OPTIONS] = BS_TABLE_LOCK_ACCESS_EXCLUSIVE,
};
/* clang-format on */

static bool
starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

enum bs_table_lock
bs_effect_lock(enum bs_kind kind)
{
    const char *name = bs_kind_name(kind);

    if (locks[kind] != BS_TABLE_LOCK_UNKNOWN)
        return (enum bs_table_lock)locks[kind];
    if (starts_with(name, "ALTER TABLE ") || starts_with(name, "DROP "))
        return BS_TABLE_LOCK_ACCESS_EXCLUSIVE;
    return BS_TABLE_LOCK_UNKNOWN;
}

/* A change of type between types of the same bytes writes nothing, but who knows both? */
bool
bs_effect_rewrites(enum bs_kind kind)
{
    static const bool list[BS_KIND_COUNT] = {
        [BS_KIND_VACUUM_FULL] = true,
        [BS_KIND_CLUSTER] = true,
        [BS_KIND_REFRESH_MATERIALIZED_VIEW] = true,
        [BS_KIND_ALTER_TABLE_ALTER_TYPE] = true,
        [BS_KIND_ALTER_TABLE_SET_EXPRESSION] = true,
        [BS_KIND_ALTER_TABLE_SET_LOGGED] = true,
        [BS_KIND_ALTER_TABLE_SET_UNLOGGED] = true,
        [BS_KIND_ALTER_TABLE_SET_ACCESS_METHOD] = true,
        [BS_KIND_ALTER_TABLE_SET_TABLESPACE] = true,
        [BS_KIND_ALTER_TABLE_ALL] = true,
    };

    return list[kind];
}

/* A table's rows are gone when this has happened to it, or are other ones. */
static bool
takes_rows(enum bs_kind kind)
{
    return kind == BS_KIND_UPDATE || kind == BS_KIND_DELETE || kind == BS_KIND_TRUNCATE ||
           kind == BS_KIND_REFRESH_MATERIALIZED_VIEW || kind == BS_KIND_ALTER_TABLE_DROP_COLUMN ||
           kind == BS_KIND_ALTER_TABLE_ALTER_TYPE || kind == BS_KIND_ALTER_TABLE_SET_EXPRESSION ||
           kind == BS_KIND_ALTER_TABLE_SET_UNLOGGED || starts_with(bs_kind_name(kind), "DROP ");
}

bool
bs_target_is_named(const struct bs_target *t, const struct bs_effect *e)
{
    return strcmp(t->name, e->name.name) == 0 &&
           (e->name.schema == NULL || strcmp(t->schema, e->name.schema) == 0);
}

bool
bs_target_loses_rows(const struct bs_target *t)
{
    return t->relkind != '\0' && strchr("rpmf", t->relkind) != NULL && takes_rows(t->kind);
}

/* What REFRESH replaces is made anew from the tables that it stands for: HIGH, however much. */
static bool
counts(const struct bs_target *t)
{
    return bs_target_loses_rows(t) && t->kind != BS_KIND_REFRESH_MATERIALIZED_VIEW;
}

/* Another target of the same statement. */
static struct bs_target *
find_target(const struct bs_facts *facts, size_t stmt, uint32_t oid)
{
    for (size_t i = 0; oid != 0 && i < facts->n_targets; i++) {
        if (facts->targets[i].stmt == stmt && facts->targets[i].oid == oid)
            return &facts->targets[i];
    }
    return NULL;
}

/* Sums end at what a number holds; a sum is as good as the worst of its parts. */
static void
add_rows(struct bs_target *to, int64_t rows, enum bs_measure how)
{
    if (to->how == BS_MEASURE_ESTIMATE && how == BS_MEASURE_NONE)
        return; /* of all of it */
    if (to->how == BS_MEASURE_NONE || how == BS_MEASURE_NONE) {
        to->rows = -1;
        to->how = BS_MEASURE_NONE;
        return;
    }
    to->rows = to->rows > INT64_MAX - rows ? INT64_MAX : to->rows + rows;
    if (how < to->how)
        to->how = how;
}

static size_t
depth_of(const struct bs_facts *facts, const struct bs_target *t)
{
    size_t depth = 0;

    for (; depth < facts->n_targets && t->within != 0; depth++) {
        t = find_target(facts, t->stmt, t->within);
        if (t == NULL)
            break;
    }
    return depth;
}

/* The lowest first, so that what is added is complete. */
void
bs_facts_add_up(struct bs_facts *facts)
{
    size_t deepest = 0;

    for (size_t i = 0; i < facts->n_targets; i++) {
        size_t depth = depth_of(facts, &facts->targets[i]);
        deepest = depth > deepest ? depth : deepest;
    }
    for (size_t depth = deepest; depth > 0; depth--) {
        for (size_t i = 0; i < facts->n_targets; i++) {
            const struct bs_target *t = &facts->targets[i];
            struct bs_target *up = find_target(facts, t->stmt, t->within);
            if (up != NULL && depth_of(facts, t) == depth)
                add_rows(up, t->rows, t->how);
        }
    }
}

struct settling {
    struct bs_unit *unit;
    const struct bs_facts *facts;
    struct bs_impact limits;
    struct bs_arena *arena;
    struct bs_err *err;
    int64_t total; /* rows of all statements */
    bool about;    /* some of them estimated */
    bool full;
};

static void
raise_to_critical(struct settling *s, struct bs_stmt *stmt, const char *code, const char *text)
{
    if (bs_stmt_raise(stmt, BS_RISK_CRITICAL, code, text, s->arena, s->err) != BS_DONE)
        s->full = true;
}

static const char *
about(enum bs_measure how)
{
    return how == BS_MEASURE_ESTIMATE ? "about " : "";
}

/* Of one table, what all statements of the unit together take. */
static double
share_of(const struct settling *s, const struct bs_target *t)
{
    double share = 0;

    for (size_t i = 0; i < s->facts->n_targets; i++) {
        const struct bs_target *o = &s->facts->targets[i];
        if (o->oid == t->oid && bs_target_loses_rows(o) && o->share > 0)
            share += o->share;
    }
    return share > 1 ? 1 : share;
}

static void
check_share(struct settling *s, struct bs_stmt *stmt, const struct bs_target *t)
{
    double share = share_of(s, t);
    char text[400];

    if (t->rows <= 0 || share <= s->limits.max_share)
        return;
    (void)snprintf(text, sizeof(text),
                   "%s%lld rows of %.100s.%.100s, %s%.3g %% of them; the limit is %g %%",
                   about(t->how), (long long)t->rows, t->schema, t->name, about(t->how),
                   share * 100, s->limits.max_share * 100);
    raise_to_critical(s, stmt, BS_REASON_IMPACT, text);
}

/* A condition that holds for every row is none. */
static void
check_filter(struct settling *s, struct bs_stmt *stmt, const struct bs_target *t)
{
    char text[400];

    if (t->rows <= 0 || t->share < 1 || t->how < BS_MEASURE_COUNT || t->reach != BS_REACH_TARGET ||
        bs_stmt_has_reason(stmt, "no_filter"))
        return;
    (void)snprintf(text, sizeof(text), "its condition holds for all %lld rows of %.100s.%.100s",
                   (long long)t->rows, t->schema, t->name);
    raise_to_critical(s, stmt, "no_filter", text);
}

static void
check_total(struct settling *s, struct bs_stmt *stmt)
{
    char text[200];

    if (s->total <= s->limits.max_rows)
        return;
    (void)snprintf(text, sizeof(text), "%s%lld rows would change; the limit is %lld",
                   s->about ? "about " : "", (long long)s->total, (long long)s->limits.max_rows);
    raise_to_critical(s, stmt, BS_REASON_IMPACT, text);
}

static void
settle_stmt(struct settling *s, size_t at)
{
    struct bs_stmt *stmt = &s->unit->stmts[at];
    bool any = false, counted = true, takes = false;

    for (size_t i = 0; i < s->facts->n_targets && !s->full; i++) {
        const struct bs_target *t = &s->facts->targets[i];
        if (t->stmt != at || !counts(t))
            continue;
        any = true;
        takes = takes || t->rows > 0;
        counted = counted && t->how >= BS_MEASURE_COUNT && (t->rows == 0 || t->share >= 0);
        /* One row by its key is one row, however small its table is. */
        if (t->within != 0 || !bs_stmt_has_reason(stmt, BS_REASON_UNMEASURED))
            continue;
        check_share(s, stmt, t);
        check_filter(s, stmt, t);
    }
    if (takes && !s->full)
        check_total(s, stmt);
    if (any && counted && !s->full)
        bs_stmt_excuse(stmt, BS_REASON_UNMEASURED);
}

/* The table that the effect names has the number of all that is below it. */
static void
fill_effects(struct bs_stmt *stmt, size_t at, const struct bs_facts *facts)
{
    for (size_t i = 0; i < stmt->n_effects; i++) {
        struct bs_effect *e = &stmt->effects[i];
        for (size_t k = 0; k < facts->n_targets; k++) {
            const struct bs_target *t = &facts->targets[k];
            if (t->stmt == at && t->reach == BS_REACH_TARGET && t->how != BS_MEASURE_NONE &&
                bs_target_is_named(t, e))
                e->rows = t->rows > e->rows ? t->rows : e->rows;
        }
    }
}

static void
sum_up(struct settling *s)
{
    for (size_t i = 0; i < s->facts->n_targets; i++) {
        const struct bs_target *t = &s->facts->targets[i];
        if (!counts(t) || t->rows <= 0 || t->within != 0)
            continue;
        s->total = s->total > INT64_MAX - t->rows ? INT64_MAX : s->total + t->rows;
        s->about = s->about || t->how == BS_MEASURE_ESTIMATE;
    }
}

enum bs_done
bs_catalog_measured(struct bs_unit *unit,
                    const struct bs_facts *facts,
                    struct bs_impact limits,
                    struct bs_arena *arena,
                    struct bs_err *err)
{
    struct settling s = {
        .unit = unit, .facts = facts, .limits = limits, .arena = arena, .err = err};

    sum_up(&s);
    for (size_t i = 0; i < unit->n_stmts && !s.full; i++) {
        settle_stmt(&s, i);
        fill_effects(&unit->stmts[i], i, facts);
    }
    bs_unit_settle(unit);
    if (!s.full)
        return BS_DONE;
    unit->risk = BS_RISK_UNKNOWN;
    return BS_FAILED;
}
