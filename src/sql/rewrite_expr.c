/*
 * rewrite_expr.c - expressions, one function a node type. Where the grammar hides an operator (IN,
 * BETWEEN, IS DISTINCT FROM, NULLIF, a simple CASE) it is written out, since only so can it be
 * qualified. Everything is in parentheses: no precedence to get wrong.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sql/rewriting.h"

#define MAX_ALTERNATIVES 64 /* of an IN that is written as OR */

/* clang-format off */
/* All functions of these names and with so many arguments are immutable, and take plain values.
 * length(bytea, name) looks an encoding up. */
const struct bs_rewrite_function bs_rewrite_functions[] = {
    {"abs", 4}, {"ascii", 4}, {"bit_length", 4}, {"btrim", 4}, {"ceil", 4}, {"ceiling", 4},
    {"char_length", 4}, {"character_length", 4}, {"chr", 4}, {"div", 4}, {"floor", 4},
    {"initcap", 4}, {"isfinite", 4}, {"jsonb_array_length", 4}, {"jsonb_typeof", 4}, {"left", 4},
    {"length", 1}, {"like_escape", 4}, {"lower", 4}, {"ltrim", 4}, {"md5", 4}, {"mod", 4},
    {"octet_length", 4}, {"position", 4}, {"power", 4}, {"replace", 4}, {"reverse", 4},
    {"right", 4}, {"round", 4}, {"rtrim", 4}, {"sign", 4}, {"similar_to_escape", 4},
    {"split_part", 4}, {"sqrt", 4}, {"starts_with", 4}, {"strpos", 4}, {"substr", 4},
    {"substring", 4}, {"trunc", 4}, {"upper", 4},
    {NULL, 0}};
/* clang-format on */

static const char *const operators[] = {
    "=",   "<>", "<",   ">",   "<=",   ">=", "+",  "-",  "*",   "/",  "%",   "^",
    "||",  "~~", "~~*", "!~~", "!~~*", "~",  "~*", "!~", "!~*", "->", "->>", "#>",
    "#>>", "@>", "<@",  "?",   "?|",   "?&", "&",  "|",  "#",   "<<", ">>",  "&&",
};

static const void *
as(const Node *node)
{
    return node;
}

static void
put(struct bs_rewriting *w, const char *text)
{
    bs_put_str(&w->out, text);
}

static bool
is_operator(const char *symbol)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (strcmp(operators[i], symbol) == 0)
            return true;
    }
    return false;
}

static bool
is_function(const char *name, int n_args)
{
    for (size_t i = 0; bs_rewrite_functions[i].name != NULL; i++) {
        if (strcmp(bs_rewrite_functions[i].name, name) == 0)
            return n_args <= bs_rewrite_functions[i].max_args;
    }
    return false;
}

void
bs_rewriting_operator(struct bs_rewriting *w, const char *symbol)
{
    if (!is_operator(symbol) || !w->names->operator(w->names->with, symbol))
        bs_rewriting_refuse(w);
    else
        bs_put_fmt(&w->out, " OPERATOR(pg_catalog.%s) ", symbol);
}

/* --- operators ---------------------------------------------------------------------------- */

static void
put_pair(struct bs_rewriting *w, const Node *left, const char *op, const Node *right)
{
    put(w, "(");
    bs_rewriting_as(w, left, bs_rewriting_type_of(w, right));
    bs_rewriting_operator(w, op);
    bs_rewriting_as(w, right, bs_rewriting_type_of(w, left));
    put(w, ")");
}

static void
put_op(struct bs_rewriting *w, const A_Expr *expr)
{
    const char *op = bs_rewriting_own_name(expr->name);

    if (op == NULL || expr->rexpr == NULL) {
        bs_rewriting_refuse(w);
    } else if (expr->lexpr != NULL) {
        put_pair(w, expr->lexpr, op, expr->rexpr);
    } else {
        put(w, "(");
        bs_rewriting_operator(w, op);
        bs_rewriting_expr(w, expr->rexpr);
        put(w, ")");
    }
}

/* op ANY (array): of a parameter, or of an array that is written out. */
static void
put_any(struct bs_rewriting *w, const A_Expr *expr)
{
    const char *op = bs_rewriting_own_name(expr->name);
    const Node *array = expr->rexpr;
    bool fits = array != NULL && (array->type == T_ParamRef || array->type == T_A_ArrayExpr ||
                                  array->type == T_TypeCast);

    if (op == NULL || !fits) {
        bs_rewriting_refuse(w);
        return;
    }
    put(w, "(");
    bs_rewriting_as(w, expr->lexpr, NULL);
    bs_rewriting_operator(w, op);
    put(w, expr->kind == AEXPR_OP_ANY ? "ANY (" : "ALL (");
    bs_rewriting_expr(w, array);
    put(w, "))");
}

/* All elements are constants of one sort: integers, or texts where the type is known. */
static bool
is_even(const List *list, const struct bs_scalar *type)
{
    for (int i = 0; i < bs_list_n(list); i++) {
        const A_Const *value = as(bs_list_at(list, i));
        bool number =
            value->type == T_A_Const && !value->isnull && value->val.node.type == T_Integer;
        bool text = value->type == T_A_Const && !value->isnull &&
                    value->val.node.type == T_String && type != NULL && type->name != NULL;
        if (!number && !text)
            return false;
        if (i != 0 &&
            value->val.node.type != ((const A_Const *)as(bs_list_at(list, 0)))->val.node.type)
            return false;
    }
    return true;
}

static void
put_array_of(struct bs_rewriting *w, const List *list, const struct bs_scalar *type)
{
    put(w, "(ARRAY[");
    for (int i = 0; i < bs_list_n(list); i++) {
        const A_Const *value = as(bs_list_at(list, i));
        bool text = value->val.node.type == T_String;
        put(w, i == 0 ? "" : ", ");
        put(w, text ? "CAST(" : "");
        bs_rewriting_const(w, value, type);
        if (text)
            bs_rewriting_cast_type(w, type, false);
    }
    put(w, "])");
}

/* x IN (1, 2) is x = ANY (ARRAY[1, 2]) or, where elements are no plain constants, x = a OR x = b. */
static void
put_in(struct bs_rewriting *w, const A_Expr *expr)
{
    const char *op = bs_rewriting_own_name(expr->name);
    const List *list = as(expr->rexpr);
    const struct bs_scalar *type = bs_rewriting_type_of(w, expr->lexpr);
    bool negated = op != NULL && strcmp(op, "<>") == 0;

    if (op == NULL || list == NULL || list->type != T_List || list->length == 0) {
        bs_rewriting_refuse(w);
    } else if (list->length > 1 && is_even(list, type)) {
        put(w, "(");
        bs_rewriting_expr(w, expr->lexpr);
        bs_rewriting_operator(w, op);
        put(w, negated ? "ALL " : "ANY ");
        put_array_of(w, list, type);
        put(w, ")");
    } else if (list->length > MAX_ALTERNATIVES) {
        bs_rewriting_refuse(w);
    } else {
        put(w, "(");
        for (int i = 0; i < list->length && !w->refused; i++) {
            put(w, i == 0 ? "" : negated ? " AND " : " OR ");
            put_pair(w, expr->lexpr, op, bs_list_at(list, i));
        }
        put(w, ")");
    }
}

static void
put_within(struct bs_rewriting *w, const Node *value, const Node *low, const Node *high)
{
    put(w, "(");
    put_pair(w, value, ">=", low);
    put(w, " AND ");
    put_pair(w, value, "<=", high);
    put(w, ")");
}

static void
put_between(struct bs_rewriting *w, const A_Expr *expr)
{
    const List *ends = as(expr->rexpr);
    bool negated = expr->kind == AEXPR_NOT_BETWEEN || expr->kind == AEXPR_NOT_BETWEEN_SYM;
    bool both = expr->kind == AEXPR_BETWEEN_SYM || expr->kind == AEXPR_NOT_BETWEEN_SYM;
    const Node *low, *high;

    if (ends == NULL || ends->type != T_List || ends->length != 2) {
        bs_rewriting_refuse(w);
        return;
    }
    low = bs_list_at(ends, 0);
    high = bs_list_at(ends, 1);
    put(w, negated ? "(NOT (" : "((");
    put_within(w, expr->lexpr, low, high);
    if (both) {
        put(w, " OR ");
        put_within(w, expr->lexpr, high, low);
    }
    put(w, "))");
}

/* a IS NOT DISTINCT FROM b: both NULL, or equal. */
static void
put_distinct(struct bs_rewriting *w, const A_Expr *expr)
{
    const char *op = bs_rewriting_own_name(expr->name);

    if (op == NULL || strcmp(op, "=") != 0) {
        bs_rewriting_refuse(w);
        return;
    }
    put(w, expr->kind == AEXPR_DISTINCT ? "(NOT (" : "((");
    put(w, "(");
    put_pair(w, expr->lexpr, "=", expr->rexpr);
    put(w, " IS TRUE) OR (");
    bs_rewriting_as(w, expr->lexpr, bs_rewriting_type_of(w, expr->rexpr));
    put(w, " IS NULL AND ");
    bs_rewriting_as(w, expr->rexpr, bs_rewriting_type_of(w, expr->lexpr));
    put(w, " IS NULL)))");
}

static void
put_nullif(struct bs_rewriting *w, const A_Expr *expr)
{
    put(w, "(CASE WHEN ");
    put_pair(w, expr->lexpr, "=", expr->rexpr);
    put(w, " THEN NULL ELSE ");
    bs_rewriting_expr(w, expr->lexpr);
    put(w, " END)");
}

static void
put_a_expr(struct bs_rewriting *w, const A_Expr *expr)
{
    switch (expr->kind) {
    case AEXPR_OP:
    case AEXPR_LIKE:
    case AEXPR_ILIKE:
    case AEXPR_SIMILAR:
        put_op(w, expr);
        return;
    case AEXPR_OP_ANY:
    case AEXPR_OP_ALL:
        put_any(w, expr);
        return;
    case AEXPR_IN:
        put_in(w, expr);
        return;
    case AEXPR_DISTINCT:
    case AEXPR_NOT_DISTINCT:
        put_distinct(w, expr);
        return;
    case AEXPR_NULLIF:
        put_nullif(w, expr);
        return;
    case AEXPR_BETWEEN:
    case AEXPR_NOT_BETWEEN:
    case AEXPR_BETWEEN_SYM:
    case AEXPR_NOT_BETWEEN_SYM:
        put_between(w, expr);
        return;
    }
    bs_rewriting_refuse(w);
}

/* --- the rest ----------------------------------------------------------------------------- */

static void
put_bool(struct bs_rewriting *w, const BoolExpr *expr)
{
    put(w, expr->boolop == NOT_EXPR ? "(NOT " : "(");
    for (int i = 0; i < bs_list_n(expr->args) && !w->refused; i++) {
        put(w, i == 0 ? "" : expr->boolop == AND_EXPR ? " AND " : " OR ");
        bs_rewriting_expr(w, bs_list_at(expr->args, i));
    }
    put(w, ")");
}

static void
put_test(struct bs_rewriting *w, const Node *arg, const char *test)
{
    put(w, "(");
    bs_rewriting_expr(w, arg);
    put(w, test);
    put(w, ")");
}

static const char *
boolean_test(const BooleanTest *test)
{
    switch (test->booltesttype) {
    case IS_TRUE:
        return " IS TRUE";
    case IS_NOT_TRUE:
        return " IS NOT TRUE";
    case IS_FALSE:
        return " IS FALSE";
    case IS_NOT_FALSE:
        return " IS NOT FALSE";
    case IS_UNKNOWN:
        return " IS UNKNOWN";
    case IS_NOT_UNKNOWN:
        break;
    }
    return " IS NOT UNKNOWN";
}

/* f(a, b), ARRAY[a, b] and the like. */
static void
put_args(struct bs_rewriting *w, const char *open, const List *args, const char *close)
{
    put(w, open);
    for (int i = 0; i < bs_list_n(args) && !w->refused; i++) {
        put(w, i == 0 ? "" : ", ");
        bs_rewriting_expr(w, bs_list_at(args, i));
    }
    put(w, close);
}

/* now(): the helper's transaction began a moment before the actor's will. */
static void
put_clock(struct bs_rewriting *w)
{
    if (!w->clock)
        bs_rewriting_refuse(w);
    w->asked = true;
    w->dated = true;
    put(w, "pg_catalog.now()");
}

static void
put_call(struct bs_rewriting *w, const FuncCall *call)
{
    const char *name = bs_rewriting_own_name(call->funcname);
    bool plain = call->agg_order == NULL && call->agg_filter == NULL && call->over == NULL &&
                 !call->agg_within_group && !call->agg_star && !call->agg_distinct &&
                 !call->func_variadic;

    if (name != NULL && strcmp(name, "now") == 0 && bs_list_n(call->args) == 0 && plain &&
        w->names->function(w->names->with, name)) {
        put_clock(w);
        return;
    }
    if (name == NULL || !plain || !is_function(name, bs_list_n(call->args)) ||
        !w->names->function(w->names->with, name)) {
        bs_rewriting_refuse(w);
        return;
    }
    put(w, "pg_catalog.");
    bs_rewriting_ident(w, name);
    put_args(w, "(", call->args, ")");
}

static void
put_case(struct bs_rewriting *w, const CaseExpr *expr)
{
    put(w, "(CASE");
    for (int i = 0; i < bs_list_n(expr->args) && !w->refused; i++) {
        const CaseWhen *when = as(bs_list_at(expr->args, i));
        put(w, " WHEN ");
        if (expr->arg != NULL)
            put_pair(w, (const Node *)(const void *)expr->arg, "=",
                     (const Node *)(const void *)when->expr);
        else
            bs_rewriting_expr(w, (const Node *)(const void *)when->expr);
        put(w, " THEN ");
        bs_rewriting_expr(w, (const Node *)(const void *)when->result);
    }
    put(w, " ELSE ");
    if (expr->defresult == NULL)
        put(w, "NULL");
    else
        bs_rewriting_expr(w, (const Node *)(const void *)expr->defresult);
    put(w, " END)");
}

static void
put_node(struct bs_rewriting *w, const Node *node)
{
    switch ((int)node->type) {
    case T_ColumnRef:
        bs_rewriting_column(w, node);
        return;
    case T_A_Const:
        bs_rewriting_const(w, as(node), NULL);
        return;
    case T_ParamRef:
        bs_rewriting_param(w, as(node));
        return;
    case T_TypeCast:
        bs_rewriting_cast(w, as(node));
        return;
    case T_A_Expr:
        put_a_expr(w, as(node));
        return;
    case T_BoolExpr:
        put_bool(w, as(node));
        return;
    case T_NullTest:
        put_test(w, (const Node *)(const void *)((const NullTest *)as(node))->arg,
                 ((const NullTest *)as(node))->nulltesttype == IS_NULL ? " IS NULL"
                                                                       : " IS NOT NULL");
        return;
    case T_BooleanTest:
        put_test(w, (const Node *)(const void *)((const BooleanTest *)as(node))->arg,
                 boolean_test(as(node)));
        return;
    case T_FuncCall:
        put_call(w, as(node));
        return;
    case T_SQLValueFunction:
        if (((const SQLValueFunction *)as(node))->op == SVFOP_CURRENT_TIMESTAMP)
            put_clock(w);
        else
            bs_rewriting_refuse(w);
        return;
    case T_CaseExpr:
        put_case(w, as(node));
        return;
    case T_CoalesceExpr:
        put_args(w, "COALESCE(", ((const CoalesceExpr *)as(node))->args, ")");
        return;
    case T_MinMaxExpr:
        put_args(w, ((const MinMaxExpr *)as(node))->op == IS_GREATEST ? "GREATEST(" : "LEAST(",
                 ((const MinMaxExpr *)as(node))->args, ")");
        return;
    case T_A_ArrayExpr:
        put_args(w, "ARRAY[", ((const A_ArrayExpr *)as(node))->elements, "]");
        return;
    case T_SubLink:
        put(w, "(");
        bs_rewriting_sublink(w, as(node));
        put(w, ")");
        return;
    default:
        bs_rewriting_refuse(w);
    }
}

void
bs_rewriting_expr(struct bs_rewriting *w, const Node *node)
{
    if (w->refused || node == NULL || w->depth == BS_REWRITE_DEPTH) {
        bs_rewriting_refuse(w);
        return;
    }
    w->depth++;
    put_node(w, node);
    w->depth--;
}
