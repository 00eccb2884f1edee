/*
 * classify.c - a text becomes statements, and statements a unit.
 */
#include "sql/classify.h"

#include <stdio.h>
#include <string.h>

#include "sql/lexcost.h"
#include "sql/parse.h"
#include "sql/reading.h"
#include "sql/shape.h"
#include "sql/stack.h"

struct job {
    struct bs_bytes text;
    struct bs_classify_limits limits;
    struct bs_arena *arena;
    struct bs_unit *unit;
    bool full;
};

static const char nul_inside[] = "the text has a NUL byte inside";
static const char not_utf8[] = "the text is not valid UTF-8";
static const char slow[] = "the text takes too long to read";
static const char no_stack[] = "there is no room to parse a text of that length";

/* The answer for a text of which nothing is known. */
static void
fail_unit(struct job *job, const char *error, uint32_t error_at)
{
    struct bs_unit *unit = job->unit;
    struct bs_reason *reason;

    *unit = (struct bs_unit){.risk = BS_RISK_CRITICAL, .error = error, .error_at = error_at};
    unit->stmts = bs_arena_array(job->arena, 1, sizeof(unit->stmts[0]));
    reason = bs_arena_take(job->arena, sizeof(*reason));
    if (unit->stmts == NULL || reason == NULL || error == NULL) {
        job->full = true;
        return;
    }
    *reason = (struct bs_reason){"unparsable", error, BS_RISK_CRITICAL};
    unit->stmts[0] = (struct bs_stmt){
        .kind = BS_KIND_UNKNOWN,
        .risk = BS_RISK_CRITICAL,
        .point = BS_POINT_UNKNOWN,
        .plain_point = BS_POINT_UNKNOWN,
        .reasons = reason,
        .n_reasons = 1,
        .to = (uint32_t)job->text.n,
    };
    unit->n_stmts = 1;
}

static bool
is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Length 0 means "to the end" in a raw statement. */
static void
set_span(struct bs_stmt *stmt, const RawStmt *raw, struct bs_bytes text)
{
    size_t from = raw->stmt_location < 0 ? 0 : (size_t)raw->stmt_location;
    size_t to = raw->stmt_len == 0 ? text.n : from + (size_t)raw->stmt_len;

    if (to > text.n)
        to = text.n;
    while (from < to && is_space(text.p[from]))
        from++;
    while (to > from && is_space(text.p[to - 1]))
        to--;
    stmt->from = (uint32_t)from;
    stmt->to = (uint32_t)to;
}

static void
read_stmt(struct job *job, const RawStmt *raw, size_t *spent, struct bs_stmt *stmt)
{
    struct bs_reading r;

    bs_reading_init(&r, job->arena, stmt);
    set_span(stmt, raw, job->text);
    bs_walk_init(&r.walk, job->limits.max_nodes);
    r.walk.spent = *spent;
    bs_reading_run(&r, raw->stmt);
    *spent = r.walk.spent;
    job->unit->n_compared += r.n_compared;
    bs_walk_fini(&r.walk);
    job->full = job->full || r.full;
}

static void
read_all(struct job *job, const List *stmts)
{
    struct bs_unit *unit = job->unit;
    size_t n = (size_t)bs_list_n(stmts), spent = 0;
    struct bs_err err = {0};
    bool doubt = false; /* search_path was changed further up */

    *unit = (struct bs_unit){.parsed = true, .n_stmts = n};
    unit->stmts = bs_arena_array(job->arena, n, sizeof(unit->stmts[0]));
    if (unit->stmts == NULL) {
        job->full = true;
        unit->n_stmts = 0;
    }
    for (size_t i = 0; i < unit->n_stmts && !job->full; i++) {
        read_stmt(job, (const RawStmt *)(const void *)bs_list_at(stmts, (int)i), &spent,
                  &unit->stmts[i]);
        if (doubt && bs_stmt_doubt_names(&unit->stmts[i], job->arena, &err) != BS_DONE)
            job->full = true;
        doubt = doubt || (unit->stmts[i].flags & BS_FLAG_SEARCH_PATH) != 0;
    }
    bs_unit_settle(unit);
}

/* Raises every statement: which one hides what is not known. */
static void
raise_all(struct job *job, enum bs_risk risk, const char *code, const char *text)
{
    struct bs_err err = {0};

    for (size_t i = 0; i < job->unit->n_stmts; i++) {
        struct bs_stmt *stmt = &job->unit->stmts[i];
        if (bs_stmt_raise(stmt, risk, code, text, job->arena, &err) != BS_DONE)
            job->full = true;
        stmt->flags |= BS_FLAG_BACKSLASH;
        if (risk == BS_RISK_CRITICAL)
            stmt->point = stmt->plain_point = BS_POINT_UNKNOWN;
    }
}

/* The values of constants may be others: take the worse verdict of each statement. */
static void
keep_worse(struct job *job, const struct bs_unit *other)
{
    for (size_t i = 0; i < job->unit->n_stmts; i++) {
        struct bs_stmt *stmt = &job->unit->stmts[i];
        if (i < other->n_stmts && bs_risk_worse(stmt->risk, other->stmts[i].risk) != stmt->risk)
            *stmt = other->stmts[i];
        stmt->flags |= BS_FLAG_BACKSLASH;
    }
    bs_unit_settle(job->unit);
}

/*
 * A backslash in an ordinary literal: the same text under the other setting of
 * standard_conforming_strings. Where the lexer refuses a literal then, nothing would run.
 */
static void
read_other_way(struct job *job, uint64_t shape)
{
    struct bs_unit other = {0};
    struct job again = *job;
    struct bs_parse_tree parse;

    bs_parse_begin(job->text, BS_STRINGS_ESCAPE, &parse);
    if (!parse.failed && bs_shape_of(parse.stmts, job->limits.max_nodes) == shape) {
        again.unit = &other;
        read_all(&again, parse.stmts);
        job->full = again.full;
        keep_worse(job, &other);
    } else if (parse.bad_literal) {
        keep_worse(job, &other);
    } else {
        raise_all(job, BS_RISK_CRITICAL, "backslash",
                  "with standard_conforming_strings off the text reads differently");
    }
    bs_parse_end(&parse);
    bs_unit_settle(job->unit);
}

static bool
find_backslash(void *with, struct bs_token token)
{
    struct job *job = with;
    const uint8_t *at = job->text.p + token.from;

    job->full = at[0] == '\'' && memchr(at, '\\', token.to - token.from) != NULL;
    return !job->full;
}

static bool
has_backslash(const struct job *job)
{
    struct job search = {.text = job->text};

    if (job->text.n == 0 || memchr(job->text.p, '\\', job->text.n) == NULL)
        return false;
    return !bs_lex(job->text, find_backslash, &search) || search.full;
}

static void
classify(void *with)
{
    struct job *job = with;
    struct bs_parse_tree parse;
    bool backslash = false;
    uint64_t shape = 0;

    bs_parse_begin(job->text, BS_STRINGS_STANDARD, &parse);
    if (parse.failed) {
        fail_unit(job, bs_arena_str(job->arena, parse.error), parse.error_at);
    } else {
        read_all(job, parse.stmts);
        backslash = has_backslash(job);
        if (backslash)
            shape = bs_shape_of(parse.stmts, job->limits.max_nodes);
    }
    bs_parse_end(&parse);
    if (backslash && !job->full)
        read_other_way(job, shape);
}

enum bs_done
bs_classify(struct bs_bytes text,
            struct bs_classify_limits limits,
            struct bs_arena *arena,
            struct bs_unit *out,
            struct bs_err *err)
{
    struct job job = {.text = text, .limits = limits, .arena = arena, .unit = out};

    *out = (struct bs_unit){.risk = BS_RISK_UNKNOWN};
    if (text.n > limits.max_text || text.n > INT32_MAX / 2)
        return BS_FAIL(err, LIMIT, "a text of %zu bytes is over the limit of %zu", text.n,
                       limits.max_text);
    if (text.n != 0 && memchr(text.p, '\0', text.n) != NULL)
        fail_unit(&job, nul_inside, 0);
    else if (!bs_utf8_valid(text))
        fail_unit(&job, not_utf8, 0);
    else if (bs_lex_is_slow(text))
        fail_unit(&job, slow, 0);
    else if (bs_stack_run(text.n, classify, &job) != BS_DONE)
        fail_unit(&job, no_stack, 0);
    if (!job.full)
        return BS_DONE;
    *out = (struct bs_unit){.risk = BS_RISK_UNKNOWN};
    return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
}

enum bs_done
bs_stmt_raise(struct bs_stmt *stmt,
              enum bs_risk risk,
              const char *code,
              const char *text,
              struct bs_arena *arena,
              struct bs_err *err)
{
    struct bs_reason *more = bs_arena_array(arena, stmt->n_reasons + 1, sizeof(stmt->reasons[0]));

    if (more != NULL) {
        if (stmt->n_reasons != 0)
            memcpy(more, stmt->reasons, stmt->n_reasons * sizeof(more[0]));
        more[stmt->n_reasons] = (struct bs_reason){
            .code = bs_arena_str(arena, code),
            .text = bs_arena_str(arena, text),
            .risk = risk,
        };
    }
    if (more == NULL || more[stmt->n_reasons].code == NULL || more[stmt->n_reasons].text == NULL) {
        stmt->risk = BS_RISK_UNKNOWN;
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    }
    stmt->reasons = more;
    stmt->n_reasons++;
    stmt->risk = bs_risk_worse(stmt->risk, risk);
    return BS_DONE;
}

/* The first name that search_path decides on: an operator's too, but not a type's of the grammar
 * (int is pg_catalog.int4). A field is looked for in the row that it is written behind. */
static const struct bs_name *
doubtful_name(const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_reads; i++) {
        if (bs_name_is_doubtful(stmt->reads[i]))
            return &stmt->reads[i];
    }
    for (size_t i = 0; i < stmt->n_calls; i++) {
        if (stmt->calls[i].kind != BS_CALL_FIELD && bs_name_is_doubtful(stmt->calls[i].name))
            return &stmt->calls[i].name;
    }
    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        bool lasting = e->object != BS_OBJECT_SCHEMA && e->object != BS_OBJECT_DATABASE &&
                       e->object != BS_OBJECT_ROLE;
        if (lasting && e->name.name[0] != '\0' && bs_name_is_doubtful(e->name))
            return &e->name;
    }
    return NULL;
}

enum bs_done
bs_stmt_doubt_names(struct bs_stmt *stmt, struct bs_arena *arena, struct bs_err *err)
{
    const struct bs_name *name = doubtful_name(stmt);
    char text[128];

    if (name == NULL)
        return BS_DONE;
    (void)snprintf(text, sizeof(text), "what %.63s means in this session is not known", name->name);
    stmt->point = stmt->plain_point = BS_POINT_UNKNOWN;
    return bs_stmt_raise(stmt, BS_RISK_CRITICAL, "session_names", text, arena, err);
}

static void
settle_risk(struct bs_stmt *stmt)
{
    stmt->risk = BS_RISK_SAFE;
    for (size_t i = 0; i < stmt->n_reasons; i++)
        stmt->risk = bs_risk_worse(stmt->risk, stmt->reasons[i].risk);
}

bool
bs_stmt_has_reason(const struct bs_stmt *stmt, const char *code)
{
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (strcmp(stmt->reasons[i].code, code) == 0)
            return true;
    }
    return false;
}

void
bs_stmt_excuse(struct bs_stmt *stmt, const char *code)
{
    size_t n = 0;

    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (strcmp(stmt->reasons[i].code, code) != 0)
            stmt->reasons[n++] = stmt->reasons[i];
    }
    stmt->n_reasons = n;
    settle_risk(stmt);
}

#define CALL_SORTS (BS_CALL_FIELD + 1)

/* Which sort of calls a reason is of; CALL_SORTS: of none. */
static size_t
sort_of_reason(const struct bs_reason *reason)
{
    static const char *const codes[CALL_SORTS] = {
        [BS_CALL_FUNCTION] = BS_REASON_UNLISTED_FUNCTION,
        [BS_CALL_OPERATOR] = BS_REASON_UNLISTED_OPERATOR,
        [BS_CALL_TYPE] = BS_REASON_UNLISTED_TYPE,
        [BS_CALL_FIELD] = BS_REASON_UNLISTED_FIELD,
    };
    size_t sort = 0;

    while (sort < CALL_SORTS && strcmp(reason->code, codes[sort]) != 0)
        sort++;
    return sort;
}

void
bs_stmt_settle_calls(struct bs_stmt *stmt)
{
    bool left[CALL_SORTS + 1] = {[CALL_SORTS] = true}, any = false;
    size_t n = 0;

    for (size_t i = 0; i < stmt->n_calls; i++) {
        left[stmt->calls[i].kind] = left[stmt->calls[i].kind] || !stmt->calls[i].listed;
        any = any || !stmt->calls[i].listed;
    }
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (left[sort_of_reason(&stmt->reasons[i])])
            stmt->reasons[n++] = stmt->reasons[i];
    }
    if (stmt->n_reasons != 0) {
        stmt->n_reasons = n;
        settle_risk(stmt);
    }
    stmt->point = any ? BS_POINT_UNKNOWN : stmt->plain_point;
    stmt->flags &= ~(uint32_t)BS_FLAG_VOLATILE;
    if (any)
        stmt->flags |= BS_FLAG_VOLATILE;
}

void
bs_unit_settle(struct bs_unit *unit)
{
    unit->risk = unit->parsed ? BS_RISK_SAFE : BS_RISK_CRITICAL;
    unit->flags = 0;
    for (size_t i = 0; i < unit->n_stmts; i++) {
        unit->risk = bs_risk_worse(unit->risk, unit->stmts[i].risk);
        unit->flags |= unit->stmts[i].flags;
    }
}

const char *
bs_grammar_version(void)
{
    return bs_parse_version();
}
