/*
 * read_session.c - what changes a transaction or the session: settings, prepared statements,
 * cursors. What EXECUTE and FETCH run is known to the session, not to the text.
 */
#include "sql/rules.h"
#include "sql/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Only the statement itself acts on the session; SET inside CREATE FUNCTION, say, does not. */
static bool
is_top(const struct bs_reading *r)
{
    return !r->top_known;
}

static void
control(struct bs_reading *r, enum bs_control what, const char *label)
{
    r->stmt->control = what;
    r->stmt->label = bs_reading_keep(r, label);
}

static const struct {
    enum bs_kind kind;
    enum bs_control control;
} transactions[] = {
    [TRANS_STMT_BEGIN] = {BS_KIND_BEGIN, BS_CONTROL_BEGIN},
    [TRANS_STMT_START] = {BS_KIND_BEGIN, BS_CONTROL_BEGIN},
    [TRANS_STMT_COMMIT] = {BS_KIND_COMMIT, BS_CONTROL_COMMIT},
    [TRANS_STMT_ROLLBACK] = {BS_KIND_ROLLBACK, BS_CONTROL_ROLLBACK},
    [TRANS_STMT_SAVEPOINT] = {BS_KIND_SAVEPOINT, BS_CONTROL_SAVEPOINT},
    [TRANS_STMT_RELEASE] = {BS_KIND_RELEASE_SAVEPOINT, BS_CONTROL_RELEASE},
    [TRANS_STMT_ROLLBACK_TO] = {BS_KIND_ROLLBACK_TO_SAVEPOINT, BS_CONTROL_ROLLBACK_TO},
    [TRANS_STMT_PREPARE] = {BS_KIND_PREPARE_TRANSACTION, BS_CONTROL_PREPARE_TRANSACTION},
    [TRANS_STMT_COMMIT_PREPARED] = {BS_KIND_COMMIT_PREPARED, BS_CONTROL_COMMIT_PREPARED},
    [TRANS_STMT_ROLLBACK_PREPARED] = {BS_KIND_ROLLBACK_PREPARED, BS_CONTROL_ROLLBACK_PREPARED},
};

/* READ WRITE among transaction modes: READ ONLY is a constant other than 0. */
static bool
asks_read_write(const List *modes)
{
    char room[32];

    for (int i = 0; i < bs_list_n(modes); i++) {
        const DefElem *def = (const DefElem *)(const void *)bs_list_at(modes, i);
        const char *value;
        if (def->type != T_DefElem || strcmp(def->defname, "transaction_read_only") != 0)
            continue;
        value = bs_const_text(def->arg, room);
        if (value == NULL || strcmp(value, "0") == 0)
            return true;
    }
    return false;
}

void
bs_read_transaction(struct bs_reading *r, const Node *node)
{
    const TransactionStmt *t = (const TransactionStmt *)(const void *)node;

    if ((size_t)t->kind >= sizeof(transactions) / sizeof(transactions[0]))
        return; /* of no known kind: bs_reading_run says so */
    if (is_top(r)) {
        control(r, transactions[t->kind].control,
                t->savepoint_name != NULL ? t->savepoint_name : t->gid);
        r->stmt->chain = t->chain;
    }
    bs_reading_enter(r, transactions[t->kind].kind);
    if (asks_read_write(t->options))
        r->stmt->flags |= BS_FLAG_READ_WRITE;
}

void
bs_read_prepare(struct bs_reading *r, const Node *node)
{
    const PrepareStmt *prepare = (const PrepareStmt *)(const void *)node;

    if (is_top(r))
        control(r, BS_CONTROL_PREPARE, prepare->name);
    bs_reading_enter(r, BS_KIND_PREPARE);
    bs_read_children(r, node);
}

void
bs_read_execute(struct bs_reading *r, const Node *node)
{
    const ExecuteStmt *execute = (const ExecuteStmt *)(const void *)node;

    if (is_top(r))
        control(r, BS_CONTROL_EXECUTE, execute->name);
    bs_reading_enter(r, BS_KIND_EXECUTE);
    /* Below EXPLAIN or CREATE TABLE AS the session does not look the name up. */
    bs_reading_raise(r, BS_RISK_CRITICAL, "unknown_prepared",
                     "what the prepared statement does is not in the text");
    bs_reading_point(r, BS_POINT_UNKNOWN);
    bs_read_children(r, node);
}

void
bs_read_deallocate(struct bs_reading *r, const Node *node)
{
    if (is_top(r))
        control(r, BS_CONTROL_DEALLOCATE, ((const DeallocateStmt *)(const void *)node)->name);
    bs_reading_enter(r, BS_KIND_DEALLOCATE);
}

void
bs_read_declare(struct bs_reading *r, const Node *node)
{
    const DeclareCursorStmt *declare = (const DeclareCursorStmt *)(const void *)node;

    if (is_top(r))
        control(r, BS_CONTROL_DECLARE, declare->portalname);
    bs_reading_enter(r, BS_KIND_DECLARE_CURSOR);
    if ((declare->options & CURSOR_OPT_HOLD) != 0)
        r->stmt->flags |= BS_FLAG_WITH_HOLD;
    bs_read_children(r, node);
}

void
bs_read_fetch(struct bs_reading *r, const Node *node)
{
    const FetchStmt *fetch = (const FetchStmt *)(const void *)node;

    if (is_top(r))
        control(r, BS_CONTROL_FETCH, fetch->portalname);
    bs_reading_enter(r, fetch->ismove ? BS_KIND_MOVE : BS_KIND_FETCH);
}

void
bs_read_close(struct bs_reading *r, const Node *node)
{
    if (is_top(r))
        control(r, BS_CONTROL_CLOSE, ((const ClosePortalStmt *)(const void *)node)->portalname);
    bs_reading_enter(r, BS_KIND_CLOSE);
}

void
bs_read_discard(struct bs_reading *r, const Node *node)
{
    bool all = ((const DiscardStmt *)(const void *)node)->target == DISCARD_ALL;

    if (is_top(r) && all)
        control(r, BS_CONTROL_DEALLOCATE, NULL);
    bs_reading_enter(r, all ? BS_KIND_DISCARD_ALL : BS_KIND_DISCARD);
}

/* The last ANALYZE counts, in any spelling; a value that is none is taken for true. */
void
bs_read_explain(struct bs_reading *r, const Node *node)
{
    const ExplainStmt *explain = (const ExplainStmt *)(const void *)node;
    const ExecuteStmt *execute = (const ExecuteStmt *)(const void *)explain->query;
    const DefElem *analyze = bs_def_find(explain->options, "analyze");
    bool runs = analyze != NULL && bs_def_is_true(analyze, true);

    if (is_top(r) && explain->query->type == T_ExecuteStmt)
        r->stmt->label = bs_reading_keep(r, execute->name);
    bs_reading_enter(r, runs ? BS_KIND_EXPLAIN_ANALYZE : BS_KIND_EXPLAIN);
    if (!runs)
        r->walk.mode |= BS_WALK_DORMANT;
    bs_walk_push(&r->walk, explain->query);
}

void
bs_read_lock(struct bs_reading *r, const Node *node)
{
    const LockStmt *lock = (const LockStmt *)(const void *)node;

    /* What every SELECT takes; nothing of the table runs. pg_dump locks all that it will read. */
    if (lock->mode == AccessShareLock) {
        bs_reading_enter_as(r, BS_KIND_LOCK_TABLE, BS_RISK_SAFE, BS_POINT_NONE);
        return;
    }
    bs_reading_enter(r, BS_KIND_LOCK_TABLE);
    for (int i = 0; i < bs_list_n(lock->relations); i++) {
        const RangeVar *range = (const RangeVar *)(const void *)bs_list_at(lock->relations, i);
        struct bs_effect *effect =
            bs_reading_effect(r, BS_KIND_LOCK_TABLE, BS_OBJECT_RELATION, bs_name_of_range(range));
        effect->only = !range->inh;
    }
}

/* What changing one setting does to the statement. */
static void
judge_setting(struct bs_reading *r, const char *name, const char *value)
{
    switch (bs_setting_judge(name, value)) {
    case BS_SETTING_HARMLESS:
        return;
    case BS_SETTING_SEARCH_PATH:
        r->stmt->flags |= BS_FLAG_SEARCH_PATH;
        return;
    case BS_SETTING_ROLE:
    case BS_SETTING_SESSION_AUTHORIZATION:
        r->stmt->flags |= BS_FLAG_PRIVILEGE;
        bs_reading_raise(r, BS_RISK_CRITICAL, BS_REASON_ROLE,
                         "the session would act as another role");
        return;
    case BS_SETTING_READ_WRITE:
        r->stmt->flags |= BS_FLAG_READ_WRITE;
        bs_reading_raise(r, BS_RISK_CRITICAL, "read_write", "%s would lift the read-only net",
                         name);
        return;
    case BS_SETTING_OTHER:
        break;
    }
    bs_reading_raise(r, BS_RISK_CRITICAL, "setting",
                     "setting %s is not one that may change without asking", name);
}

/* The constants of SET x TO a, b as one text; NULL where there is none or one is no constant. */
static const char *
value_of(struct bs_reading *r, const List *args)
{
    const char *all = NULL;
    char room[32];

    for (int i = 0; i < bs_list_n(args) && i < 64; i++) {
        const char *one = bs_const_text(bs_list_at(args, i), room);
        if (one == NULL)
            return NULL;
        all = all == NULL ? bs_reading_keep(r, one) : bs_arena_fmt(r->arena, "%s, %s", all, one);
        if (all == NULL) {
            r->full = true;
            return NULL;
        }
    }
    return bs_list_n(args) > 64 ? NULL : all;
}

static const char *
lower(struct bs_reading *r, const char *name)
{
    char *copy = name == NULL ? NULL : bs_arena_str(r->arena, name);

    if (name != NULL && copy == NULL)
        r->full = true;
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

static enum bs_kind
set_kind(const VariableSetStmt *set)
{
    if (set->kind == VAR_SET_MULTI)
        return BS_KIND_SET_TRANSACTION;
    if (set->name != NULL && strcasecmp(set->name, "role") == 0)
        return BS_KIND_SET_ROLE;
    if (set->name != NULL && strcasecmp(set->name, "session_authorization") == 0)
        return BS_KIND_SET_SESSION_AUTHORIZATION;
    if (set->kind == VAR_RESET || set->kind == VAR_RESET_ALL || set->kind == VAR_SET_DEFAULT)
        return BS_KIND_RESET;
    return BS_KIND_SET;
}

void
bs_read_set(struct bs_reading *r, const Node *node)
{
    const VariableSetStmt *set = (const VariableSetStmt *)(const void *)node;
    bool top = is_top(r);
    const char *value = top ? value_of(r, set->args) : NULL;

    if (!top)
        return; /* of a function, role or database: CRITICAL as that */
    bs_reading_enter(r, set_kind(set));
    r->stmt->control = BS_CONTROL_SET;
    r->stmt->label = lower(r, set->name);
    if (set->kind == VAR_SET_MULTI) {
        if (asks_read_write(set->args))
            judge_setting(r, "transaction_read_only", NULL);
        return;
    }
    r->stmt->value = value;
    /* Back to what the session started with, which for search_path and RESET ALL is vetted. */
    if (set->kind != VAR_RESET_ALL &&
        (set_kind(set) != BS_KIND_RESET || strcasecmp(set->name, "search_path") != 0))
        judge_setting(r, set->name, value);
    for (int i = 0; i < bs_list_n(set->args); i++)
        bs_walk_push(&r->walk, bs_list_at(set->args, i));
}

/* A column of no table in particular. */
static bool
is_column(const Node *node, const char *name)
{
    const ColumnRef *ref = (const ColumnRef *)(const void *)node;

    return node != NULL && node->type == T_ColumnRef && bs_list_n(ref->fields) == 1 &&
           bs_list_last_text(ref->fields) != NULL &&
           strcmp(bs_list_last_text(ref->fields), name) == 0;
}

/* The constant text that WHERE compares with the column `name`; NULL for any other WHERE. */
static const char *
name_of_where(const Node *where)
{
    const A_Expr *e = (const A_Expr *)(const void *)where;
    const A_Const *value;

    if (where == NULL || where->type != T_A_Expr || e->kind != AEXPR_OP ||
        bs_list_n(e->name) != 1 || bs_list_last_text(e->name) == NULL ||
        strcmp(bs_list_last_text(e->name), "=") != 0 || !is_column(e->lexpr, "name") ||
        e->rexpr == NULL || e->rexpr->type != T_A_Const)
        return NULL;
    value = (const A_Const *)(const void *)e->rexpr;
    return value->isnull || value->val.node.type != T_String ? NULL : value->val.sval.sval;
}

/* The table of the only name in FROM is pg_settings. */
static bool
is_from_settings(const List *from)
{
    const RangeVar *range;

    if (bs_list_n(from) != 1 || bs_list_at(from, 0)->type != T_RangeVar)
        return false;
    range = (const RangeVar *)(const void *)bs_list_at(from, 0);
    return bs_name_may_be_builtin(bs_name_of_range(range)) && range->alias == NULL &&
           strcmp(range->relname, "pg_settings") == 0;
}

/*
 * pg_dump asks the server whether it has a setting before it sets it:
 *
 *     SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'setting'
 *
 * In exactly this form the text does tell which one.
 */
void
bs_read_setting_row(struct bs_reading *r, const SelectStmt *select)
{
    const ResTarget *target;
    const FuncCall *call;

    if (select->op != SETOP_NONE || bs_list_n(select->targetList) != 1 ||
        !is_from_settings(select->fromClause) || select->withClause != NULL)
        return;
    target = (const ResTarget *)(const void *)bs_list_at(select->targetList, 0);
    if (target->type != T_ResTarget || target->val == NULL || target->val->type != T_FuncCall)
        return;
    call = (const FuncCall *)(const void *)target->val;
    if (bs_list_n(call->args) != 3 || !is_column(bs_list_at(call->args, 0), "name"))
        return;
    r->setting_name = name_of_where(select->whereClause);
    r->setting_call = call;
}

/*
 * set_config(name, value, is_local) is SET. Its name must be a constant; a value that is none
 * (drivers bind it) is like DEFAULT: not known, which only settings of the harmless list allow.
 */
void
bs_read_set_config(struct bs_reading *r, const FuncCall *call)
{
    bool three = bs_list_n(call->args) == 3;
    struct bs_builtin known = bs_builtin_function("set_config", 3);
    char name_room[32], value_room[32];
    const char *name = NULL, *value = NULL;

    if (three) {
        name = bs_const_text(bs_list_at(call->args, 0), name_room);
        value = bs_const_text(bs_list_at(call->args, 1), value_room);
    }
    if (call == r->setting_call)
        name = r->setting_name;
    if (name != NULL)
        known = (struct bs_builtin){BS_RISK_SAFE, BS_POINT_NONE, known.flags};
    bs_reading_call(r, BS_CALL_FUNCTION, bs_name_of_list(call->funcname), three ? 3 : -1, known);
    if (name == NULL) {
        bs_reading_raise(r, BS_RISK_CRITICAL, "setting",
                         "which setting set_config changes is not in the text");
        bs_reading_point(r, BS_POINT_UNKNOWN);
        return;
    }
    judge_setting(r, name, value);
    if (r->stmt->control == BS_CONTROL_NONE && !bs_reading_dormant(r)) {
        r->stmt->control = BS_CONTROL_SET;
        r->stmt->label = lower(r, name);
        r->stmt->value = bs_reading_keep(r, value);
    }
}
