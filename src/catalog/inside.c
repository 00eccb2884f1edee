/*
 * inside.c - what the functions do that a statement runs: their bodies' statements are judged like
 * any other, and what comes of it is the statement's own. Each function counts once a statement, so
 * recursion ends, and a budget ends what would take too long.
 *
 * A function that is known to read and compute only, with all that it runs, is passed over as long
 * as the session has done nothing to names: what it reads then may be something else.
 */
#include <stdio.h>
#include <string.h>

#include "catalog/body.h"
#include "catalog/code.h"
#include "catalog/judging.h"
#include "catalog/model.h"
#include "catalog/seen.h"
#include "sql/settings.h"

/* Statements of bodies that are judged for one statement. */
#define MAX_JUDGED  2000
#define MAX_REASONS 64
#define MAX_EFFECTS 256
#define MAX_DEPTH   8
/* What it may take to find out whether a function is harmless. */
#define PROBE_BYTES ((size_t)16 << 20)

/* What a statement in a body does to the session, it does to the one that calls it. */
#define INHERITED                                                                                  \
    (BS_FLAG_NO_FILTER | BS_FLAG_DYNAMIC_SQL | BS_FLAG_SESSION_STATE | BS_FLAG_PRIVILEGE |         \
     BS_FLAG_SERVER_FILE | BS_FLAG_VOLATILE | BS_FLAG_TEMP | BS_FLAG_DDL | BS_FLAG_READ_WRITE |    \
     BS_FLAG_SEARCH_PATH | BS_FLAG_OUTSIDE | BS_FLAG_CLASSES)

bool
bs_function_can_be_read(const struct bs_function *f)
{
    return f != NULL && (f->body != NULL || f->n_parts != 0);
}

/* Nothing that the session, or the unit before this statement, did changes what names mean. */
static bool
names_are_clean(const struct bs_judging *j)
{
    return !j->path_changed && !j->temporary && !j->relations_changed && !j->code_changed;
}

static const char *
name_of(const struct bs_judging *j, uint32_t oid)
{
    const struct bs_function *f = bs_snapshot_function(j->s, oid);
    const char *name;

    if (f == NULL)
        return "a function that is not in the catalog";
    name = bs_arena_fmt(j->arena, "%s.%s()%s", f->id.schema, f->id.name,
                        f->definer ? " (with its owner's rights)" : "");
    return name == NULL ? "a function" : name;
}

static void
raise_opaque(struct bs_judging *j, const char *word, const char *name, const char *what)
{
    j->inside.opaque = true;
    bs_judging_raise(j, BS_RISK_CRITICAL, word, "%s %s", name, what);
}

/* Asked once a function and snapshot. */
static bool
probe(const struct bs_snapshot *s, uint32_t oid)
{
    struct bs_stmt stmt = {.kind = BS_KIND_SELECT,
                           .risk = BS_RISK_SAFE,
                           .point = BS_POINT_NONE,
                           .plain_point = BS_POINT_NONE};
    struct bs_facts facts = {0};
    struct bs_err err = {0};
    struct bs_arena arena;
    struct bs_judging j = {.s = s, .arena = &arena, .err = &err, .out = &facts, .stmt = &stmt};
    bool harmless;

    bs_arena_init(&arena, "probe", PROBE_BYTES);
    j.inside.probing = true;
    bs_judge_run(&j, oid, "function");
    bs_judge_inside(&j);
    harmless = !j.full && !j.inside.opaque && !j.uncoverable && stmt.risk == BS_RISK_SAFE &&
               stmt.flags == 0 && stmt.n_effects == 0 && stmt.plain_point == BS_POINT_NONE &&
               facts.n_targets == 0;
    bs_arena_fini(&arena);
    return harmless;
}

static bool
is_harmless(const struct bs_judging *j, const struct bs_function *f)
{
    size_t at = (size_t)(f - j->s->functions);
    uint8_t known;

    if (j->s->harmless == NULL || !names_are_clean(j))
        return false;
    known = atomic_load_explicit(&j->s->harmless[at], memory_order_relaxed);
    if (known == BS_HARMLESS_UNKNOWN && !j->inside.probing) {
        known = probe(j->s, f->id.oid) ? BS_HARMLESS_YES : BS_HARMLESS_NO;
        atomic_store_explicit(&j->s->harmless[at], known, memory_order_relaxed);
    }
    return known == BS_HARMLESS_YES;
}

/* False where it was met before in this statement. */
static bool
meet(struct bs_judging *j, const struct bs_function *f)
{
    size_t at = (size_t)(f - j->s->functions);
    uint8_t bit = (uint8_t)(1u << (at % 8));

    if (j->inside.met == NULL)
        j->inside.met = bs_arena_take(j->arena, j->s->n_functions / 8 + 1);
    if (j->inside.met == NULL) {
        j->full = true;
        return false;
    }
    if ((j->inside.met[at / 8] & bit) != 0)
        return false;
    j->inside.met[at / 8] |= bit;
    return true;
}

static void
enqueue(struct bs_judging *j, uint32_t oid, const char *word)
{
    struct bs_inside *in = &j->inside;
    struct bs_run *list = (struct bs_run *)(uintptr_t)in->queue;

    list = bs_judging_grow(j, list, in->n, &in->cap, sizeof(*list));
    if (list == NULL)
        return;
    list[in->n++] = (struct bs_run){oid, word};
    in->queue = list;
}

/* nextval and the like, where a body or an aggregate is made of it. */
static void
run_builtin(struct bs_judging *j, const struct bs_function *f, const char *word)
{
    bs_judging_raise(j, f->risk, word, "%s.%s() is %s", f->id.schema, f->id.name,
                     bs_risk_name(f->risk));
    j->inside.opaque = true; /* what would have to be kept is not known here */
}

/* The open transaction, or an earlier statement of the unit, may have put another body in its place. */
static bool
may_be_replaced(const struct bs_judging *j, const struct bs_function *f)
{
    struct bs_name name = {f->id.schema, f->id.name};

    if (j->own == NULL)
        return j->code_changed;
    return j->replaced || bs_own_has_function(j->own, name) || bs_own_has_function(&j->here, name);
}

/* Values are turned into the types of parameters and results. */
static void
judge_types(struct bs_judging *j, const struct bs_function *f)
{
    for (size_t i = 0; i < f->n_params; i++)
        bs_judging_taint(j, bs_snapshot_type_taint(j->s, f->args[i].type));
    bs_judging_taint(j, bs_snapshot_type_taint(j->s, f->result));
}

void
bs_judge_run(struct bs_judging *j, uint32_t function, const char *word)
{
    const struct bs_function *f = bs_snapshot_function(j->s, function);

    if (f != NULL && f->risk == BS_RISK_SAFE) {
        judge_types(j, f); /* of the constructor of a range over a domain, say */
        return;
    }
    if (j->inside.word != NULL) /* a trigger's function calls it: it is the trigger still */
        word = j->inside.word;
    if (!bs_function_can_be_read(f)) {
        if (f != NULL && f->risk == BS_RISK_HIGH)
            run_builtin(j, f, word);
        else
            raise_opaque(j, word, name_of(j, function), "is not known to be harmless");
        return;
    }
    if (may_be_replaced(j, f))
        raise_opaque(j, word, name_of(j, function), "may have been replaced in this transaction");
    if (!is_harmless(j, f) && meet(j, f))
        enqueue(j, function, word);
}

/* Adds a reason of something that runs inside. Those that do not fit raise nothing more. */
static void
take_reason(struct bs_judging *j, const struct bs_reason *r, const char *word, const char *name)
{
    struct bs_stmt *stmt = j->stmt;
    bool seen = bs_reason_is_seen(r->code), have = false;

    for (size_t i = 0; i < stmt->n_reasons && !seen; i++)
        have = have || strcmp(stmt->reasons[i].code, r->code) == 0;
    if (stmt->n_reasons >= MAX_REASONS && (seen || have) &&
        bs_risk_worse(stmt->risk, r->risk) == stmt->risk)
        return;
    bs_judging_raise(j, r->risk, seen ? word : r->code, "%s: %s", name, r->text);
}

/* What it changes is changed by the statement. */
static void
take_effects(struct bs_judging *j, const struct bs_stmt *from)
{
    struct bs_stmt *to = j->stmt;
    struct bs_effect *all;

    if (from->n_effects == 0)
        return;
    if (to->n_effects + from->n_effects > MAX_EFFECTS) {
        j->inside.opaque = true;
        return;
    }
    all = bs_arena_array(j->arena, to->n_effects + from->n_effects, sizeof(*all));
    if (all == NULL) {
        j->full = true;
        return;
    }
    if (to->n_effects != 0)
        memcpy(all, to->effects, to->n_effects * sizeof(*all));
    for (size_t i = 0; i < from->n_effects; i++) {
        all[to->n_effects] = from->effects[i];
        all[to->n_effects++].inside = true;
    }
    to->effects = all;
}

/* setval takes something away, and nobody looks into a body for what. */
static bool
sets_sequence(const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_calls; i++) {
        if (stmt->calls[i].kind == BS_CALL_FUNCTION &&
            strcmp(stmt->calls[i].name.name, "setval") == 0)
            return true;
    }
    return false;
}

/* Tables that go whole are copied whole before it runs, whether or not the body gets there. */
static bool
drops_tables(const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        if ((e->kind != BS_KIND_DROP_TABLE && e->kind != BS_KIND_TRUNCATE) || e->restart_identity)
            return false;
    }
    return stmt->n_effects != 0;
}

/* The definition is kept before it runs; and nobody loses anything by another name. */
static bool
only_renames(const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_effects; i++) {
        if (!bs_kind_renames(stmt->effects[i].kind))
            return false;
    }
    return stmt->n_effects != 0;
}

/* Rows are kept by what the server says was changed, whoever did it; the rest is not. */
static bool
is_coverable(const struct bs_stmt *stmt)
{
    switch (stmt->plain_point) {
    case BS_POINT_NONE:
    case BS_POINT_RECORD:
    case BS_POINT_ROWS:
        return true;
    case BS_POINT_STATE:
        return !sets_sequence(stmt) && stmt->n_effects == 0;
    case BS_POINT_WHOLE:
        return drops_tables(stmt);
    case BS_POINT_DEFINITION:
        return only_renames(stmt);
    case BS_POINT_UNKNOWN:
        break;
    }
    return false;
}

static enum bs_point
worse_point(enum bs_point a, enum bs_point b)
{
    if (a == BS_POINT_UNKNOWN || b == BS_POINT_UNKNOWN)
        return BS_POINT_UNKNOWN;
    return a > b ? a : b;
}

static void
take_stmt(struct bs_judging *j, const struct bs_stmt *from, const char *word, const char *name)
{
    struct bs_stmt *to = j->stmt;

    for (size_t i = 0; i < from->n_reasons && !j->full; i++)
        take_reason(j, &from->reasons[i], word, name);
    take_effects(j, from);
    to->flags |= from->flags & INHERITED;
    if (from->point == BS_POINT_UNKNOWN || !is_coverable(from))
        j->inside.opaque = true;
    else
        to->plain_point = worse_point(to->plain_point, from->plain_point);
    if ((from->flags & BS_FLAG_SEARCH_PATH) != 0)
        raise_opaque(j, word, name, "changes search_path while it runs");
    if (from->control != BS_CONTROL_NONE && from->control != BS_CONTROL_SET)
        raise_opaque(j, word, name, "runs what changes the transaction, or names in the session");
}

/* Its own lists, since judging changes them. */
static bool
copy_stmt(struct bs_judging *j, const struct bs_stmt *from, struct bs_stmt *to)
{
    *to = *from;
    to->calls = bs_arena_array(j->arena, from->n_calls + 1, sizeof(*to->calls));
    to->reasons = bs_arena_array(j->arena, from->n_reasons + 1, sizeof(*to->reasons));
    if (to->calls == NULL || to->reasons == NULL) {
        j->full = true;
        return false;
    }
    if (from->n_calls != 0)
        memcpy(to->calls, from->calls, from->n_calls * sizeof(*to->calls));
    if (from->n_reasons != 0)
        memcpy(to->reasons, from->reasons, from->n_reasons * sizeof(*to->reasons));
    return true;
}

static void judge_code(struct bs_judging *j);

/* One statement of a body, as part of the one that is being judged. */
static void
judge_one(struct bs_judging *j,
          const struct bs_routine *routine,
          const struct bs_stmt *stmt,
          const char *word,
          const char *name)
{
    struct bs_stmt *const outer = j->stmt, copy;
    const struct bs_routine *const within = j->inside.routine;
    bool uncoverable = j->uncoverable;

    if (j->inside.judged++ >= MAX_JUDGED) {
        raise_opaque(j, word, name, "runs more than can be looked at");
        j->inside.at = j->inside.n;
        return;
    }
    if (!copy_stmt(j, stmt, &copy))
        return;
    j->stmt = &copy;
    j->inside.routine = routine;
    j->uncoverable = false;
    bs_judge_named(j);
    judge_code(j);
    if (j->uncoverable)
        copy.point = BS_POINT_UNKNOWN;
    j->stmt = outer;
    j->inside.routine = within;
    j->uncoverable = uncoverable;
    take_stmt(j, &copy, word, name);
}

static void
judge_routine(struct bs_judging *j,
              const struct bs_routine *routine,
              const char *word,
              const char *name)
{
    if (routine->opaque != NULL)
        raise_opaque(j, word, name, routine->opaque);
    if (routine->dynamic)
        j->stmt->flags |= BS_FLAG_DYNAMIC_SQL;
    for (size_t i = 0; i < routine->n_stmts && !j->full; i++)
        judge_one(j, routine, &routine->stmts[i], word, name);
}

/* DO and CALL are CRITICAL because nobody knows what they do: until somebody does. */
static void
know_kind(struct bs_judging *j)
{
    struct bs_stmt *stmt = j->stmt;

    for (size_t i = 0; i < stmt->n_calls; i++) {
        if (!stmt->calls[i].listed || stmt->calls[i].risk != BS_RISK_SAFE)
            return;
    }
    bs_stmt_excuse(stmt, "kind");
    stmt->plain_point = BS_POINT_NONE;
    stmt->flags &= ~(uint32_t)BS_FLAG_DYNAMIC_SQL;
    bs_stmt_settle_calls(stmt);
    bs_judging_raise(j, BS_RISK_HIGH, "kind", "%s runs code", bs_kind_name(stmt->kind));
}

static void
judge_do(struct bs_judging *j)
{
    const char *language = j->stmt->code_language;
    struct bs_plpgsql_shape shape = {.name = NULL};
    struct bs_routine *routine = bs_arena_take(j->arena, sizeof(*routine));

    if (language != NULL && strcmp(language, "plpgsql") != 0)
        return;
    if (j->inside.depth == MAX_DEPTH || routine == NULL) {
        j->full = j->full || routine == NULL;
        return;
    }
    if (bs_routine_plpgsql(bs_bytes_of(j->stmt->code), &shape, j->arena, routine, j->err) !=
        BS_DONE) {
        j->full = true;
        return;
    }
    if (routine->opaque == NULL)
        know_kind(j);
    j->inside.depth++;
    judge_routine(j, routine, "code", "the block");
    j->inside.depth--;
}

/* A statement that runs code which it brings along, or a procedure. */
static void
judge_code(struct bs_judging *j)
{
    if (j->stmt->kind == BS_KIND_DO && j->stmt->code != NULL)
        judge_do(j);
    else if (j->stmt->kind == BS_KIND_CALL && !j->code_changed)
        know_kind(j);
}

/* SET clauses: true where search_path is one of them, so that the session's does not matter. */
static bool
judge_config(struct bs_judging *j, const struct bs_function *f, const char *word, const char *name)
{
    const char *at = f->config;
    bool path = false;
    char setting[64], value[512];

    while (at != NULL && *at != '\0') {
        const char *end = strchr(at, '\n'), *equals = strchr(at, '=');
        size_t n = end == NULL ? strlen(at) : (size_t)(end - at);
        size_t left = equals == NULL ? n : (size_t)(equals - at);
        enum bs_setting_sort meaning = BS_SETTING_OTHER;
        if (left < n && left < sizeof(setting) && n - left - 1 < sizeof(value)) {
            memcpy(setting, at, left);
            setting[left] = '\0';
            memcpy(value, equals + 1, n - left - 1);
            value[n - left - 1] = '\0';
            path = path || strcmp(setting, "search_path") == 0;
            meaning = strcmp(setting, "search_path") == 0 ? BS_SETTING_HARMLESS
                                                          : bs_setting_judge(setting, value);
        }
        if (meaning != BS_SETTING_HARMLESS)
            raise_opaque(j, word, name, "runs with settings that are not vetted");
        at = end == NULL ? NULL : end + 1;
    }
    return path;
}

/* Expressions of parameters that a call may leave out; the planner's own helper. */
static void
judge_extras(struct bs_judging *j, const struct bs_function *f, const char *word)
{
    const char *at = f->defaults;
    enum bs_code_ref ref;
    uint32_t oid;

    while (at != NULL && (ref = bs_code_next(&at, &oid)) != BS_CODE_END) {
        if (ref == BS_CODE_FUNCTION)
            bs_judge_run(j, oid, word);
        else if (ref == BS_CODE_TYPE)
            bs_judging_taint(j, bs_snapshot_type_taint(j->s, oid));
        else if (ref == BS_CODE_RELATION) /* not that PostgreSQL would allow it */
            raise_opaque(j, word, name_of(j, f->id.oid), "reads a table for a default");
    }
    if (f->support != 0)
        bs_judge_run(j, f->support, word);
}

static void
judge_function(struct bs_judging *j, const struct bs_function *f, const char *word)
{
    const char *name = name_of(j, f->id.oid);
    bool path_changed = j->path_changed;

    j->inside.word = word;
    judge_types(j, f);
    judge_extras(j, f, word);
    for (size_t i = 0; i < f->n_parts; i++)
        bs_judge_run(j, f->parts[i], word);
    if (f->n_parts == 0) {
        if (judge_config(j, f, word, name))
            j->path_changed = false;
        judge_routine(j, bs_body_of(f), word, name);
        j->path_changed = path_changed;
    }
    j->inside.word = NULL;
}

void
bs_judge_inside(struct bs_judging *j)
{
    struct bs_inside *in = &j->inside;
    uint32_t own = j->stmt->flags;

    judge_code(j);
    while (in->at < in->n && !j->full) {
        struct bs_run run = in->queue[in->at++];
        judge_function(j, bs_snapshot_function(j->s, run.function), run.word);
    }
    if (!in->opaque)
        return;
    /* No change of the catalog is expected then: whatever it was, it could be another one. */
    j->uncoverable = true;
    j->stmt->flags =
        (j->stmt->flags & ~(uint32_t)BS_FLAG_DDL) | (own & BS_FLAG_DDL) | BS_FLAG_VOLATILE;
}
