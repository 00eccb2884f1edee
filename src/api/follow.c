/*
 * follow.c - notes are only added or taken away by name; a state that is in doubt stays so until
 * DISCARD ALL.
 */
#include "api/follow.h"

#include <string.h>

#include "sql/settings.h"

struct bs_follow_name {
    const char *name; /* NULL: forgotten */
    bool cursor;
    bool hold;
    const struct bs_stmt *stmt; /* what EXECUTE or FETCH would run */
    struct bs_follow_name *next;
};

static enum bs_done
arena_full(const struct bs_follow *f, struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the %s arena is full", f->arena->name);
}

static const struct bs_stmt *
find(const struct bs_follow *f, bool cursor, const char *name)
{
    for (const struct bs_follow_name *n = f->first; n != NULL; n = n->next) {
        if (n->name != NULL && n->cursor == cursor && strcmp(n->name, name) == 0)
            return n->stmt;
    }
    return NULL;
}

/* Forgets one name, or all of its sort; `kept_with_hold` spares cursors that outlive COMMIT. */
static void
forget(struct bs_follow *f, bool cursor, const char *name, bool kept_with_hold)
{
    for (struct bs_follow_name *n = f->first; n != NULL; n = n->next) {
        if (n->name == NULL || n->cursor != cursor || (kept_with_hold && n->hold))
            continue;
        if (name == NULL || strcmp(n->name, name) == 0)
            n->name = NULL;
    }
}

static enum bs_done
remember(struct bs_follow *f, bool cursor, const struct bs_stmt *stmt, struct bs_err *err)
{
    struct bs_follow_name *n = bs_arena_take(f->arena, sizeof(*n));
    struct bs_stmt *copy = bs_arena_take(f->arena, sizeof(*copy));

    if (n == NULL || copy == NULL)
        return arena_full(f, err);
    *copy = *stmt;
    *n = (struct bs_follow_name){.name = stmt->label,
                                 .cursor = cursor,
                                 .hold = (stmt->flags & BS_FLAG_WITH_HOLD) != 0,
                                 .stmt = copy,
                                 .next = f->first};
    f->first = n;
    return BS_DONE;
}

/* One list behind the other, in the arena. */
static enum bs_done
join_calls(struct bs_follow *f, struct bs_stmt *s, const struct bs_stmt *known, struct bs_err *err)
{
    struct bs_call *calls = bs_arena_array(f->arena, s->n_calls + known->n_calls, sizeof(calls[0]));

    if (calls == NULL)
        return arena_full(f, err);
    if (s->n_calls != 0)
        memcpy(calls, s->calls, s->n_calls * sizeof(calls[0]));
    if (known->n_calls != 0)
        memcpy(calls + s->n_calls, known->calls, known->n_calls * sizeof(calls[0]));
    s->calls = calls;
    s->n_calls += known->n_calls;
    return BS_DONE;
}

/* EXECUTE of a known statement does what that one says; its own arguments come on top. */
static enum bs_done
resolve(struct bs_follow *f, struct bs_stmt *s, const struct bs_stmt *known, struct bs_err *err)
{
    bs_stmt_excuse(s, "kind");
    bs_stmt_excuse(s, "unknown_prepared");
    s->effects = known->effects;
    s->n_effects = known->n_effects;
    s->reads = known->reads;
    s->n_reads = known->n_reads;
    s->flags |= known->flags;
    s->plain_point = known->plain_point;
    if (join_calls(f, s, known, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < known->n_reasons; i++) {
        const struct bs_reason *r = &known->reasons[i];
        if (bs_stmt_raise(s, r->risk, r->code, r->text, f->arena, err) != BS_DONE)
            return BS_FAILED;
    }
    bs_stmt_settle_calls(s);
    return BS_DONE;
}

static void
end_block(struct bs_follow *f)
{
    f->in_block = false;
    f->names.uncommitted_ddl = false;
    bs_own_end(&f->own);
    forget(f, true, NULL, true);
}

static void
discard_all(struct bs_follow *f)
{
    forget(f, false, NULL, false);
    forget(f, true, NULL, false);
    f->names = (struct bs_session_names){0};
    f->own = bs_own_nothing;
    f->lexing = false;
}

static enum bs_done
follow_control(struct bs_follow *f, struct bs_stmt *s, struct bs_err *err)
{
    const struct bs_stmt *known;

    switch (s->control) {
    case BS_CONTROL_BEGIN:
        f->in_block = true;
        break;
    case BS_CONTROL_COMMIT:
    case BS_CONTROL_ROLLBACK:
    case BS_CONTROL_PREPARE_TRANSACTION:
        end_block(f);
        f->in_block = s->chain;
        break;
    case BS_CONTROL_PREPARE:
    case BS_CONTROL_DECLARE:
        return remember(f, s->control == BS_CONTROL_DECLARE, s, err);
    case BS_CONTROL_EXECUTE:
    case BS_CONTROL_FETCH:
        known = find(f, s->control == BS_CONTROL_FETCH, s->label);
        return known == NULL ? BS_DONE : resolve(f, s, known, err);
    case BS_CONTROL_DEALLOCATE:
        forget(f, false, s->label, false);
        break;
    case BS_CONTROL_CLOSE:
        forget(f, true, s->label, false);
        break;
    case BS_CONTROL_NONE:
    case BS_CONTROL_SAVEPOINT:
    case BS_CONTROL_RELEASE:
    case BS_CONTROL_ROLLBACK_TO:
    case BS_CONTROL_COMMIT_PREPARED:
    case BS_CONTROL_ROLLBACK_PREPARED:
    case BS_CONTROL_SET:
        break;
    }
    return BS_DONE;
}

/* standard_conforming_strings, backslash_quote, client_encoding to what the gateway does not pin. */
static bool
changes_lexing(const struct bs_stmt *s)
{
    static const char *const settings[] = {"standard_conforming_strings", "backslash_quote",
                                           "client_encoding"};

    if (s->control != BS_CONTROL_SET || s->label == NULL)
        return false;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strcmp(s->label, settings[i]) == 0)
            return bs_setting_judge(s->label, s->value) != BS_SETTING_HARMLESS;
    }
    return false;
}

static void
follow_names(struct bs_follow *f, const struct bs_stmt *s)
{
    /* Code that nobody has read, or a text that nobody could, may have done anything. */
    bool anything =
        s->kind == BS_KIND_UNKNOWN || (s->flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0;

    if (s->kind == BS_KIND_DISCARD_ALL)
        discard_all(f);
    f->lexing = f->lexing || changes_lexing(s);
    if (anything || (s->flags & BS_FLAG_SEARCH_PATH) != 0)
        f->names.path_changed = true;
    if (anything || (s->flags & BS_FLAG_TEMP) != 0)
        f->names.temporary = true;
    if (f->in_block && (anything || (s->flags & BS_FLAG_DDL) != 0))
        f->names.uncommitted_ddl = true;
    bs_own_note(&f->own, s, f->arena);
    if (!f->in_block)
        bs_own_end(&f->own);
}

enum bs_done
bs_follow_unit(struct bs_follow *f, struct bs_unit *unit, struct bs_err *err)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        if (follow_control(f, &unit->stmts[i], err) != BS_DONE)
            return BS_FAILED;
        follow_names(f, &unit->stmts[i]);
    }
    bs_unit_settle(unit);
    return BS_DONE;
}

enum bs_done
bs_follow_doubt(const struct bs_follow *f, struct bs_unit *unit, struct bs_err *err)
{
    bool doubt = f->names.path_changed || f->names.temporary || f->names.uncommitted_ddl;

    for (size_t i = 0; doubt && i < unit->n_stmts; i++) {
        if (bs_stmt_doubt_names(&unit->stmts[i], f->arena, err) != BS_DONE)
            return BS_FAILED;
    }
    bs_unit_settle(unit);
    return BS_DONE;
}

enum bs_done
bs_follow_distrust(const struct bs_follow *f, struct bs_unit *unit, struct bs_err *err)
{
    for (size_t i = 0; f->lexing && i < unit->n_stmts; i++) {
        struct bs_stmt *s = &unit->stmts[i];
        s->point = s->plain_point = BS_POINT_UNKNOWN;
        if (bs_stmt_raise(s, BS_RISK_CRITICAL, "lexing",
                          "the session may read this text as another one", f->arena,
                          err) != BS_DONE)
            return BS_FAILED;
    }
    bs_unit_settle(unit);
    return BS_DONE;
}
