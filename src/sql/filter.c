/*
 * filter.c - a bounded look: what lies deeper than MAX_PENDING is taken for a filter without keys.
 */
#include "sql/filter.h"

#include <string.h>

#include "sql/rules.h"

#define MAX_PENDING 64  /* terms of AND that are looked at */
#define MAX_NODES   512 /* nodes that are searched for a column */

/* Does a term depend on the row? */
enum depends { ON_NOTHING = 0, ON_ROW, FALSE_FOR_ALL };

static void
look_for_row(void *with, const Node *node)
{
    struct bs_walk *w = with;

    switch ((int)node->type) {
    case T_ColumnRef:
    case T_CurrentOfExpr:
    case T_SubLink:
        w->too_large = true; /* found: stands for "yes" below */
        w->n = 0;
        return;
    default:
        bs_walk_push_children(w, node, NULL, NULL);
    }
}

/* Whether a column, a cursor or a sub-select occurs in it; a large expression counts as yes. */
static bool
names_row(const Node *node)
{
    struct bs_walk w;
    bool found;

    bs_walk_init(&w, MAX_NODES);
    bs_walk_push(&w, node);
    bs_walk_run(&w, look_for_row, &w);
    found = w.too_large;
    bs_walk_fini(&w);
    return found;
}

static bool
is_false(const Node *node)
{
    char room[32];
    const char *text = bs_const_text(node, room);

    return text != NULL && node->type == T_A_Const && strcmp(text, "false") == 0;
}

static enum depends depends_on(const Node *node, int depth);

/* OR lets every row pass as soon as one side does not depend on the row, unless that is false. */
static enum depends
depends_either(const List *args, int depth)
{
    enum depends all = FALSE_FOR_ALL;

    for (int i = 0; i < bs_list_n(args) && i < MAX_PENDING; i++) {
        enum depends one = depends_on(bs_list_at(args, i), depth + 1);
        if (one == ON_NOTHING)
            return ON_NOTHING;
        if (one == ON_ROW)
            all = ON_ROW;
    }
    return bs_list_n(args) > MAX_PENDING ? ON_ROW : all;
}

/* AND depends on the row where one side does. */
static enum depends
depends_both(const List *args, int depth)
{
    for (int i = 0; i < bs_list_n(args); i++) {
        if (i == MAX_PENDING || depends_on(bs_list_at(args, i), depth + 1) == ON_ROW)
            return ON_ROW;
    }
    return ON_NOTHING;
}

static enum depends
depends_on(const Node *node, int depth)
{
    const BoolExpr *expr = (const BoolExpr *)(const void *)node;

    if (node == NULL || is_false(node))
        return node == NULL ? ON_NOTHING : FALSE_FOR_ALL;
    if (node->type != T_BoolExpr || expr->boolop == NOT_EXPR || depth > 8)
        return names_row(node) ? ON_ROW : ON_NOTHING;
    if (expr->boolop == OR_EXPR)
        return depends_either(expr->args, depth);
    return depends_both(expr->args, depth);
}

/* For schema.table.column: another schema may have a table of that name in the same statement. */
static bool
is_schema_of(const RangeVar *target, const char *schema)
{
    return target->alias == NULL && target->schemaname != NULL && schema != NULL &&
           strcmp(target->schemaname, schema) == 0;
}

/* The column's name where it is one of the target's, else NULL. */
static const char *
own_column(const RangeVar *target, const Node *node, bool joined)
{
    const ColumnRef *ref = (const ColumnRef *)(const void *)node;
    const char *owner = target->alias != NULL ? target->alias->aliasname : target->relname;
    const char *name, *qualifier;
    int n;

    if (node == NULL || node->type != T_ColumnRef)
        return NULL;
    n = bs_list_n(ref->fields);
    name = bs_list_last_text(ref->fields);
    if (n == 1)
        return joined ? NULL : name;
    qualifier = bs_node_text(bs_list_at(ref->fields, n - 2));
    if (qualifier == NULL || strcmp(qualifier, owner) != 0 || n > 3)
        return NULL;
    return n == 2 || is_schema_of(target, bs_node_text(bs_list_at(ref->fields, 0))) ? name : NULL;
}

/* x IN (1) is x = 1. */
static const Node *
right_side(const A_Expr *expr)
{
    const List *list = (const List *)(const void *)expr->rexpr;

    if (expr->kind != AEXPR_IN)
        return expr->rexpr;
    return list != NULL && list->type == T_List && list->length == 1 ? bs_list_at(list, 0) : NULL;
}

static const char *
key_of(const RangeVar *target, const Node *node, bool joined)
{
    const A_Expr *expr = (const A_Expr *)(const void *)node;
    const Node *right;
    struct bs_name op;

    if (node == NULL || node->type != T_A_Expr ||
        (expr->kind != AEXPR_OP && expr->kind != AEXPR_IN))
        return NULL;
    op = bs_name_of_list(expr->name);
    if (strcmp(op.name, "=") != 0 || !bs_name_may_be_builtin(op))
        return NULL;
    right = right_side(expr);
    if (bs_node_is_const(right, true))
        return own_column(target, expr->lexpr, joined);
    if (expr->kind == AEXPR_OP && bs_node_is_const(expr->lexpr, true))
        return own_column(target, right, joined);
    return NULL;
}

static void
read_keys(struct bs_reading *r,
          const RangeVar *target,
          const Node *where,
          bool joined,
          struct bs_effect *effect)
{
    const Node *pending[MAX_PENDING];
    size_t n = 0;

    pending[n++] = where;
    while (n != 0) {
        const Node *node = pending[--n];
        const BoolExpr *both = (const BoolExpr *)(const void *)node;
        const char *key;
        if (node != NULL && node->type == T_BoolExpr && both->boolop == AND_EXPR) {
            int some = bs_list_n(both->args);
            if ((size_t)some > MAX_PENDING - n)
                some = (int)(MAX_PENDING - n);
            while (some-- > 0)
                pending[n++] = bs_list_at(both->args, some);
            continue;
        }
        key = key_of(target, node, joined);
        if (key != NULL)
            bs_reading_name_list(r, &effect->keys, &effect->n_keys, key);
    }
}

void
bs_filter_read(struct bs_reading *r,
               const RangeVar *target,
               const Node *where,
               bool joined,
               struct bs_effect *effect)
{
    effect->filtered = depends_on(where, 0) == ON_ROW;
    if (effect->filtered)
        read_keys(r, target, where, joined, effect);
}
