/*
 * filter.c - a bounded look: what lies deeper than MAX_PENDING is taken for a filter without keys.
 *
 * Tautologies cannot be listed (id % 1 = 0): what the text proves is told apart here, and all the
 * rest is counted before anybody calls it harmless.
 */
#include "sql/filter.h"

#include <string.h>

#include "sql/rules.h"

#define MAX_PENDING 64  /* terms of AND and OR that are looked at */
#define MAX_NODES   512 /* nodes that are searched for a column */
#define MAX_DEPTH   8   /* of AND, OR, NOT, CASE */

/*
 * What a condition says of the rows. Of what holds wherever a column is not NULL (x = x) it is
 * said that it holds: nobody writes that to spare the rows without a value.
 */
enum truth { OF_ROW = 0, FIXED, ALWAYS, NEVER };

/* `*` names all columns of the FROM beside it, never one from outside. */
static bool
is_star(const Node *node)
{
    const List *fields = ((const ColumnRef *)(const void *)node)->fields;

    return bs_list_n(fields) == 1 && bs_list_at(fields, 0)->type == T_A_Star;
}

static void
look_for_row(void *with, const Node *node)
{
    struct bs_walk *w = with;

    if ((node->type == T_ColumnRef && !is_star(node)) || node->type == T_CurrentOfExpr) {
        w->too_large = true; /* found: stands for "yes" below */
        w->n = 0;
        return;
    }
    bs_walk_push_children(w, node, NULL, NULL);
}

bool
bs_filter_names_row(const Node *node)
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

/* Two names of one column, as written. */
static bool
same_column(const Node *a, const Node *b)
{
    const List *x = ((const ColumnRef *)(const void *)a)->fields;
    const List *y = ((const ColumnRef *)(const void *)b)->fields;

    if (bs_list_n(x) != bs_list_n(y))
        return false;
    for (int i = 0; i < bs_list_n(x); i++) {
        const char *one = bs_node_text(bs_list_at(x, i)), *other = bs_node_text(bs_list_at(y, i));
        if (one == NULL || other == NULL || strcmp(one, other) != 0)
            return false;
    }
    return true;
}

/* The same column, or the same constant. */
static bool
same(const Node *a, const Node *b)
{
    char room[32], other_room[32];
    const char *one, *other;

    if (a == NULL || b == NULL || a->type != b->type)
        return false;
    if (a->type == T_ColumnRef)
        return same_column(a, b);
    one = a->type == T_A_Const ? bs_const_text(a, room) : NULL;
    other = one == NULL ? NULL : bs_const_text(b, other_room);
    return other != NULL && strcmp(one, other) == 0;
}

/* PostgreSQL's own operator of a comparison; "" for all else. */
static const char *
symbol_of(const Node *node)
{
    const A_Expr *e = (const A_Expr *)(const void *)node;
    struct bs_name name;

    if (node == NULL || node->type != T_A_Expr || e->kind != AEXPR_OP)
        return "";
    name = bs_name_of_list(e->name);
    return bs_name_may_be_builtin(name) ? name.name : "";
}

static bool
is_word(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

/* 1 = 1, x = x, x LIKE '%': true of every row that has a value. */
static enum truth
truth_of_operator(const Node *node)
{
    static const char *const equal[] = {"=", ">=", "<="};
    static const char *const like[] = {"~~", "~~*"};
    const A_Expr *e = (const A_Expr *)(const void *)node;
    bool alike = same(e->lexpr, e->rexpr);
    char room[32];
    const char *text;

    if (alike && (e->kind == AEXPR_NOT_DISTINCT || is_word(symbol_of(node), equal, 3)))
        return ALWAYS;
    if (e->kind != AEXPR_LIKE && e->kind != AEXPR_ILIKE)
        return OF_ROW;
    text = bs_const_text(e->rexpr, room);
    return text != NULL && strcmp(text, "%") == 0 && is_word(bs_list_last_text(e->name), like, 2)
               ? ALWAYS
               : OF_ROW;
}

/* The columns that every row has. */
static enum truth
truth_of_null_test(const NullTest *test)
{
    static const char *const system[] = {"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"};
    const Node *arg = (const Node *)(const void *)test->arg;
    const char *name;

    if (test->nulltesttype != IS_NOT_NULL || arg == NULL || arg->type != T_ColumnRef)
        return OF_ROW;
    name = bs_list_last_text(((const ColumnRef *)(const void *)arg)->fields);
    return name != NULL && is_word(name, system, 6) ? ALWAYS : OF_ROW;
}

/* Of two conditions one holds: x IS NULL OR x IS NOT NULL, x < 1 OR x >= 1. */
static bool
are_opposites(const Node *a, const Node *b)
{
    static const char *const pairs[][2] = {{"=", "<>"}, {"<", ">="}, {">", "<="}};
    const A_Expr *e = (const A_Expr *)(const void *)a, *f = (const A_Expr *)(const void *)b;
    const NullTest *s = (const NullTest *)(const void *)a, *t = (const NullTest *)(const void *)b;

    if (a->type == T_NullTest && b->type == T_NullTest)
        return s->nulltesttype != t->nulltesttype &&
               same((const Node *)(const void *)s->arg, (const Node *)(const void *)t->arg);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        bool there =
            strcmp(symbol_of(a), pairs[i][0]) == 0 && strcmp(symbol_of(b), pairs[i][1]) == 0;
        bool back =
            strcmp(symbol_of(b), pairs[i][0]) == 0 && strcmp(symbol_of(a), pairs[i][1]) == 0;
        if (there || back)
            return same(e->lexpr, f->lexpr) && same(e->rexpr, f->rexpr);
    }
    return false;
}

static enum truth truth_of(const Node *node, int depth);

static bool
has_opposites(const List *args)
{
    for (int i = 0; i < bs_list_n(args) && i < MAX_PENDING; i++) {
        for (int k = i + 1; k < bs_list_n(args) && k < MAX_PENDING; k++) {
            if (are_opposites(bs_list_at(args, i), bs_list_at(args, k)))
                return true;
        }
    }
    return false;
}

/* OR lets every row pass as soon as one side does not depend on the row, unless that is false. */
static enum truth
truth_of_either(const List *args, int depth)
{
    enum truth all = bs_list_n(args) > MAX_PENDING ? OF_ROW : NEVER;

    if (has_opposites(args))
        return ALWAYS;
    for (int i = 0; i < bs_list_n(args) && i < MAX_PENDING; i++) {
        enum truth one = truth_of(bs_list_at(args, i), depth + 1);
        if (one == ALWAYS)
            return ALWAYS;
        if (one == FIXED || (one == OF_ROW && all == NEVER))
            all = one;
    }
    return all;
}

/* AND depends on the row where one side does. */
static enum truth
truth_of_both(const List *args, int depth)
{
    enum truth all = bs_list_n(args) > MAX_PENDING ? OF_ROW : ALWAYS;

    for (int i = 0; i < bs_list_n(args) && i < MAX_PENDING; i++) {
        enum truth one = truth_of(bs_list_at(args, i), depth + 1);
        if (one == NEVER)
            return NEVER;
        if (one == OF_ROW || (one == FIXED && all == ALWAYS))
            all = one;
    }
    return all;
}

static enum truth
opposite(enum truth one)
{
    if (one == ALWAYS)
        return NEVER;
    return one == NEVER ? ALWAYS : one;
}

static enum truth
truth_of_bool(const BoolExpr *e, int depth)
{
    if (e->boolop == NOT_EXPR)
        return opposite(truth_of(bs_list_at(e->args, 0), depth + 1));
    return e->boolop == OR_EXPR ? truth_of_either(e->args, depth) : truth_of_both(e->args, depth);
}

/* Every arm says the same, or the first one is always taken. */
static enum truth
truth_of_case(const CaseExpr *e, int depth)
{
    enum truth all = e->defresult == NULL
                         ? FIXED
                         : truth_of((const Node *)(const void *)e->defresult, depth + 1);

    for (int i = 0; i < bs_list_n(e->args) && i < MAX_PENDING; i++) {
        const CaseWhen *when = (const CaseWhen *)(const void *)bs_list_at(e->args, i);
        enum truth one = truth_of((const Node *)(const void *)when->result, depth + 1);
        if (i == 0 && e->arg == NULL &&
            truth_of((const Node *)(const void *)when->expr, depth + 1) == ALWAYS)
            return one;
        if (one != all)
            return OF_ROW;
    }
    return bs_list_n(e->args) > MAX_PENDING ? OF_ROW : all;
}

/* COALESCE(true, ...): what comes behind is never asked. */
static enum truth
truth_of_first(const List *args, int depth)
{
    enum truth one = truth_of(bs_list_at(args, 0), depth + 1);

    return one == FIXED ? OF_ROW : one;
}

static enum truth
truth_of_const(const A_Const *value)
{
    if (value->isnull || value->val.node.type != T_Boolean)
        return FIXED;
    return value->val.boolval.boolval ? ALWAYS : NEVER;
}

/* What its form alone proves; OF_ROW where that is nothing. */
static enum truth
truth_of_form(const Node *node, int depth)
{
    const void *any = node;

    switch ((int)node->type) {
    case T_A_Const:
        return truth_of_const(any);
    case T_BoolExpr:
        return truth_of_bool(any, depth);
    case T_A_Expr:
        return truth_of_operator(node);
    case T_NullTest:
        return truth_of_null_test(any);
    case T_CaseExpr:
        return truth_of_case(any, depth);
    case T_CoalesceExpr:
        return truth_of_first(((const CoalesceExpr *)any)->args, depth);
    default:
        return OF_ROW;
    }
}

static enum truth
truth_of(const Node *node, int depth)
{
    enum truth form;

    if (node == NULL)
        return FIXED;
    form = depth > MAX_DEPTH ? OF_ROW : truth_of_form(node, depth);
    return form != OF_ROW || bs_filter_names_row(node) ? form : FIXED;
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

/* The column that is compared with a constant or a parameter, and that; else NULL. */
static const char *
key_of(const RangeVar *target, const Node *node, bool joined, const Node **value)
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
    *value = right;
    if (bs_node_is_const(right, true))
        return own_column(target, expr->lexpr, joined);
    *value = expr->lexpr;
    if (expr->kind == AEXPR_OP && bs_node_is_const(expr->lexpr, true))
        return own_column(target, right, joined);
    return NULL;
}

static const char *
marked(struct bs_reading *r, char mark, const char *text)
{
    size_t n = strlen(text) + 1;
    char *all = bs_arena_take(r->arena, n + 1);

    if (all == NULL)
        return NULL;
    all[0] = mark;
    memcpy(all + 1, text, n);
    return all;
}

/* As text, so that two filters can be compared; "" where it cannot be written down. */
static const char *
value_text(struct bs_reading *r, const Node *node)
{
    char room[32];
    const char *text;

    while (node != NULL && node->type == T_TypeCast)
        node = ((const TypeCast *)(const void *)node)->arg;
    if (node != NULL && node->type == T_ParamRef)
        return marked(r, '$', bs_int_text(((const ParamRef *)(const void *)node)->number, room));
    text = bs_const_text(node, room);
    return text == NULL ? "" : marked(r, '=', text);
}

static void
add_key(struct bs_reading *r, struct bs_effect *effect, const char *key, const Node *value)
{
    const char *text = value_text(r, value);
    size_t n = effect->n_keys;

    bs_reading_name_list(r, &effect->key_values, &n, text == NULL ? "" : text);
    bs_reading_name_list(r, &effect->keys, &effect->n_keys, key);
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
        const Node *value = NULL;
        const char *key;
        if (node != NULL && node->type == T_BoolExpr && both->boolop == AND_EXPR) {
            int some = bs_list_n(both->args);
            if ((size_t)some > MAX_PENDING - n)
                some = (int)(MAX_PENDING - n);
            while (some-- > 0)
                pending[n++] = bs_list_at(both->args, some);
            continue;
        }
        key = key_of(target, node, joined, &value);
        if (key != NULL)
            add_key(r, effect, key, value);
    }
}

void
bs_filter_read(struct bs_reading *r,
               const RangeVar *target,
               const Node *where,
               bool joined,
               struct bs_effect *effect)
{
    effect->filtered = truth_of(where, 0) == OF_ROW;
    if (effect->filtered)
        read_keys(r, target, where, joined, effect);
}
