/*
 * calls.c - what the functions, operators and types of a statement are.
 *
 * A name is looked up in every schema, whatever the search_path, and the worst candidate counts:
 * a better match by type in a later schema beats PostgreSQL's own function (THREATS A 4).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "catalog/body.h"
#include "catalog/judging.h"
#include "catalog/model.h"

/* Could it be called with that many arguments? */
static bool
fits(const struct bs_function *f, int n_args)
{
    if (n_args < 0)
        return true;
    if (f->variadic)
        return n_args >= f->n_args - 1 - f->n_defaults;
    return n_args <= f->n_args && n_args >= f->n_args - f->n_defaults;
}

static void
run_all(struct bs_judging *j, const struct bs_taint *taint)
{
    for (size_t i = 0; i < taint->n_runs; i++)
        bs_judge_run(j, taint->runs[i].function, taint->runs[i].word);
}

/*
 * The worst of somebody's own types of that name; NULL: there is none that runs anything but what
 * can be read.
 *
 * used  a value is turned into it, so what can be read is run
 */
static const struct bs_taint *
worst_type(struct bs_judging *j, struct bs_name name, bool used, bool *found)
{
    const struct bs_taint *worst = NULL;
    const struct bs_type *t = NULL;
    const struct bs_relation *r = NULL;

    *found = false;
    while ((t = bs_snapshot_find_type(j->s, name.schema, name.name, t)) != NULL) {
        *found = *found || !t->builtin;
        if (used)
            run_all(j, &t->taint);
        if (t->taint.risk != BS_RISK_SAFE)
            worst = &t->taint;
    }
    while ((r = bs_snapshot_find_relation(j->s, name.schema, name.name, r)) != NULL) {
        *found = *found || r->row_type != 0;
        if (used && r->row_type != 0)
            run_all(j, &r->row);
        if (r->row_type != 0 && r->row.risk != BS_RISK_SAFE)
            worst = &r->row;
    }
    return worst;
}

static void
reject(struct bs_judging *j, struct bs_call *call, const char *code, const char *what)
{
    call->listed = false;
    call->risk = BS_RISK_CRITICAL;
    bs_judging_raise(j, BS_RISK_CRITICAL, code, "%s", what);
}

static void
accept(struct bs_call *call)
{
    call->listed = true;
    call->risk = BS_RISK_SAFE;
}

static const char *told(struct bs_judging *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static const char *
told(struct bs_judging *j, const char *fmt, ...)
{
    char text[320];
    va_list ap;
    const char *copy;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    copy = bs_arena_str(j->arena, text);
    j->full = j->full || copy == NULL;
    return copy == NULL ? "" : copy;
}

/* Why a call of it cannot be let through; NULL: what it does is judged by its body. */
static const char *
why_not(struct bs_judging *j, const struct bs_function *f)
{
    const char *why;

    if (!bs_function_can_be_read(f))
        return told(j, "%s.%s() is not a function that anybody has vetted", f->id.schema,
                    f->id.name);
    why = f->n_parts != 0 ? NULL : bs_body_of(f)->opaque;
    return why == NULL ? NULL : told(j, "%s.%s() %s", f->id.schema, f->id.name, why);
}

/* PostgreSQL's own that turn text into a type which only their arguments name at run time. */
static bool
takes_any_type(const char *name)
{
    static const char *const names[] = {
        "json_populate_record",        "json_populate_recordset", "jsonb_populate_record",
        "jsonb_populate_recordset",    "pg_input_is_valid",       "pg_input_error_info",
        "jsonb_populate_record_valid",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static void
judge_any_type(struct bs_judging *j, struct bs_call *call)
{
    const struct bs_taint *worst = bs_snapshot_any_type(j->s);

    if (worst->risk != BS_RISK_SAFE)
        return;
    run_all(j, worst);
    accept(call);
}

static void
judge_function(struct bs_judging *j, struct bs_call *call)
{
    const struct bs_function *f = NULL, *other = NULL;
    const char *why = NULL;
    const struct bs_taint *type;
    bool is_type, builtin = false, as_cast = call->n_args == 1 || call->n_args == -1;

    while ((f = bs_snapshot_find_function(j->s, call->name.schema, call->name.name, f)) != NULL) {
        builtin = builtin || f->builtin;
        if (f->builtin || !fits(f, call->n_args))
            continue;
        other = f;
        if (f->risk != BS_RISK_SAFE && why == NULL)
            why = why_not(j, f);
        bs_judge_run(j, f->id.oid, "function");
    }
    /* f(x) is also a cast to a type f, which may be a domain with a check. */
    type = worst_type(j, call->name, as_cast, &is_type);
    is_type = (as_cast && bs_judge_told(j, call->name)) || is_type;
    if (why != NULL)
        reject(j, call, BS_REASON_UNLISTED_FUNCTION, why);
    else if (type != NULL && as_cast)
        reject(j, call, BS_REASON_UNLISTED_FUNCTION, type->text);
    else if (!call->listed && !builtin && other != NULL)
        accept(call);
    else if (!call->listed && builtin && takes_any_type(call->name.name))
        judge_any_type(j, call);
    else if (!call->listed && !builtin && is_type && call->n_args == 1)
        accept(call);
}

/*
 * The planner may take a negator or a commutator instead: operators of somebody's own on the same
 * types count as one.
 */
static const struct bs_operator *
run_operator(struct bs_judging *j, const struct bs_operator *o)
{
    const struct bs_operator *worst = NULL;

    for (size_t i = 0; i < j->s->n_wild; i++) {
        const struct bs_operator *p = j->s->wild[i];
        bool same = (p->left == o->left && p->right == o->right) ||
                    (p->left == o->right && p->right == o->left);
        if (!same)
            continue;
        if (bs_function_can_be_read(bs_snapshot_function(j->s, p->function)))
            bs_judge_run(j, p->function, "function");
        else
            worst = p;
    }
    return worst;
}

static void
judge_operator(struct bs_judging *j, struct bs_call *call)
{
    const struct bs_operator *o = NULL, *worst = NULL, *other = NULL;

    while ((o = bs_snapshot_find_operator(j->s, call->name.schema, call->name.name, o)) != NULL) {
        const struct bs_operator *here = run_operator(j, o);
        other = o;
        worst = here != NULL ? here : worst;
    }
    if (worst != NULL)
        reject(j, call, BS_REASON_UNLISTED_OPERATOR,
               told(j, "the operator %s of schema %s runs a function that nobody has vetted",
                    worst->id.name, worst->id.schema));
    else if (!call->listed && other != NULL)
        accept(call);
}

static void
judge_type(struct bs_judging *j, struct bs_call *call)
{
    bool found, told = bs_judge_told(j, call->name);
    const struct bs_taint *worst = worst_type(j, call->name, true, &found);

    if (worst != NULL)
        reject(j, call, BS_REASON_UNLISTED_TYPE, worst->text);
    else if (!call->listed && (found || told))
        accept(call);
}

/* Takes a row: of some type, of a domain over one, or whatever it is given. */
static bool
takes_row(const struct bs_function *f)
{
    return fits(f, 1) && (f->first == 'c' || f->first == 'd' || f->first == 'p');
}

/* x.name calls a function of that name where x has no such column: SELECT o.purge FROM orders o. */
static void
judge_field(struct bs_judging *j, struct bs_call *call)
{
    const struct bs_function *f = NULL;

    while ((f = bs_snapshot_find_function(j->s, call->name.schema, call->name.name, f)) != NULL) {
        if (f->builtin || f->risk == BS_RISK_SAFE || !takes_row(f))
            continue;
        if (why_not(j, f) == NULL) {
            bs_judge_run(j, f->id.oid, "function");
            continue;
        }
        reject(j, call, BS_REASON_UNLISTED_FIELD,
               told(j, "%s.%s() can be called like a column, and nobody has vetted it",
                    f->id.schema, f->id.name));
        return;
    }
}

static bool
has_own(const struct bs_judging *j, const struct bs_call *call)
{
    const struct bs_name none = {NULL, ""}; /* where any code may be another one */

    if (j->replaced || (call->kind == BS_CALL_TYPE && (j->own->lost || j->here.lost)))
        return true;
    switch (call->kind) {
    case BS_CALL_FUNCTION:
    case BS_CALL_TYPE:
        return bs_own_has_code(j->own, call->name) || bs_own_has_code(&j->here, call->name);
    case BS_CALL_FIELD:
        return bs_own_has_function(j->own, call->name) || bs_own_has_function(&j->here, call->name);
    case BS_CALL_OPERATOR:
        break;
    }
    return bs_own_has_function(j->own, none) || bs_own_has_function(&j->here, none);
}

/* Temporary objects hide relations and types, but are never looked through for functions. */
static bool
session_hides(const struct bs_judging *j, const struct bs_call *call)
{
    bool qualified = call->name.schema != NULL;

    if (qualified && bs_schema_is_system(call->name.schema))
        return false;
    if (qualified && strncmp(call->name.schema, "pg_temp", 7) == 0)
        return true;
    if (j->own == NULL ? j->code_changed : has_own(j, call))
        return true;
    switch (call->kind) {
    case BS_CALL_FUNCTION:
        return !qualified && j->path_changed;
    case BS_CALL_TYPE:
        return !qualified && (j->path_changed || (j->own == NULL && j->temporary));
    case BS_CALL_FIELD:
    case BS_CALL_OPERATOR:
        break; /* every schema is looked at below, so a path adds nothing */
    }
    return false;
}

static const char *
unlisted_code(enum bs_call_kind kind)
{
    switch (kind) {
    case BS_CALL_FUNCTION:
        return BS_REASON_UNLISTED_FUNCTION;
    case BS_CALL_OPERATOR:
        return BS_REASON_UNLISTED_OPERATOR;
    case BS_CALL_FIELD:
        return BS_REASON_UNLISTED_FIELD;
    case BS_CALL_TYPE:
        break;
    }
    return BS_REASON_UNLISTED_TYPE;
}

static void
judge_call(struct bs_judging *j, struct bs_call *call)
{
    if (session_hides(j, call)) {
        reject(j, call, unlisted_code(call->kind),
               told(j, "what \"%s\" means in this session is not known", call->name.name));
        return;
    }
    switch (call->kind) {
    case BS_CALL_FUNCTION:
        judge_function(j, call);
        return;
    case BS_CALL_OPERATOR:
        judge_operator(j, call);
        return;
    case BS_CALL_TYPE:
        judge_type(j, call);
        return;
    case BS_CALL_FIELD:
        judge_field(j, call);
        return;
    }
    reject(j, call, "unlisted", "something of an unknown sort is called");
}

/*
 * Casts and comparisons of somebody's own have no name in the text: rows of a UNION, values on their
 * way into a column, rows that are sorted or indexed, are cast and compared without a word.
 */
static bool
may_cast(const struct bs_stmt *stmt)
{
    static const enum bs_kind kinds[] = {
        BS_KIND_INSERT,      BS_KIND_UPDATE,          BS_KIND_DELETE,  BS_KIND_VACUUM,
        BS_KIND_ANALYZE,     BS_KIND_COPY_FROM_STDIN, BS_KIND_REINDEX, BS_KIND_CLUSTER,
        BS_KIND_VACUUM_FULL, BS_KIND_CREATE_INDEX,
    };

    for (size_t i = 0; i < stmt->n_effects; i++) {
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            if (stmt->effects[i].kind == kinds[k])
                return true;
        }
    }
    return stmt->n_calls != 0 || stmt->n_reads != 0;
}

/* The relations that the snapshot knows are told of theirs; not those that come just now. */
static bool
may_name_class(const struct bs_judging *j)
{
    bool own = (j->own != NULL && j->own->classes) || j->here.classes;

    return (j->stmt->flags & BS_FLAG_CLASSES) != 0 || (own && may_cast(j->stmt));
}

void
bs_judge_calls(struct bs_judging *j)
{
    for (size_t i = 0; i < j->stmt->n_calls; i++)
        judge_call(j, &j->stmt->calls[i]);
    bs_stmt_settle_calls(j->stmt);
    if (may_cast(j->stmt))
        bs_judging_taint(j, bs_snapshot_casts(j->s));
    if (may_name_class(j))
        bs_judging_taint(j, bs_snapshot_classes(j->s));
}
