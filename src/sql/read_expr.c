/*
 * read_expr.c - expressions: what they call, and the relations they name.
 *
 * Calls hide behind syntax: a simple CASE and JOIN ... USING compare with an operator "=", BETWEEN
 * with two, ORDER BY ... USING names one, and f(x) may be a cast to type f.
 */
#include "sql/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct bs_builtin harmless = {BS_RISK_SAFE, BS_POINT_NONE, 0};
static const struct bs_builtin unlisted = {BS_RISK_UNKNOWN, BS_POINT_UNKNOWN, 0};

void
bs_read_leaf(struct bs_reading *r, const Node *node)
{
    (void)r;
    (void)node;
}

void
bs_read_children(struct bs_reading *r, const Node *node)
{
    bs_walk_push_children(&r->walk, node, NULL, NULL);
}

static bool
is_type_listed(struct bs_name name)
{
    static const char *const domains[] = {"cardinal_number", "character_data", "sql_identifier",
                                          "time_stamp", "yes_or_no"};

    if (bs_name_may_be_builtin(name))
        return bs_builtin_type(name.name);
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        if (strcmp(name.name, domains[i]) == 0)
            return strcmp(name.schema, "information_schema") == 0;
    }
    return false;
}

/* Functions of extensions that are known to be dangerous, so that the flags say how. */
static uint32_t
extension_flags(const char *name)
{
    static const struct {
        const char *prefix;
        uint32_t flags;
    } known[] = {
        {"dblink", BS_FLAG_DYNAMIC_SQL | BS_FLAG_OUTSIDE},
        {"crosstab", BS_FLAG_DYNAMIC_SQL},
        {"connectby", BS_FLAG_DYNAMIC_SQL},
        {"xpath_table", BS_FLAG_DYNAMIC_SQL},
        {"pg_file_", BS_FLAG_SERVER_FILE | BS_FLAG_OUTSIDE},
        {"pg_logdir_ls", BS_FLAG_SERVER_FILE | BS_FLAG_OUTSIDE},
        {"postgres_fdw_", BS_FLAG_DYNAMIC_SQL | BS_FLAG_OUTSIDE},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(name, known[i].prefix, strlen(known[i].prefix)) == 0)
            return known[i].flags;
    }
    return 0;
}

/* What a function of that name is worth, if it is PostgreSQL's own. */
static struct bs_builtin
look_up(struct bs_name name, int n_args)
{
    struct bs_builtin known = unlisted;

    if (bs_name_may_be_builtin(name)) {
        known = bs_builtin_function(name.name, n_args);
        /* Of the dangerous ones only those that run SQL, or set something, stay in the session. */
        if (known.risk == BS_RISK_CRITICAL &&
            (known.flags & (BS_FLAG_DYNAMIC_SQL | BS_FLAG_SESSION_STATE)) == 0)
            known.flags |= BS_FLAG_OUTSIDE;
    } else if (strcmp(name.schema, "information_schema") == 0 &&
               bs_builtin_information_schema(name.name))
        known = harmless;
    if (known.risk == BS_RISK_UNKNOWN && n_args == 1 && is_type_listed(name))
        known = harmless; /* text(x) is a cast */
    if (known.risk == BS_RISK_UNKNOWN)
        known.flags |= extension_flags(name.name);
    return known;
}

/* lo_open(id, mode): a mode of reading and nothing else leaves the large object as it is. */
static bool
opens_to_read(struct bs_name name, const FuncCall *call)
{
    char room[32];
    const char *mode;

    if (!bs_name_may_be_builtin(name) || strcmp(name.name, "lo_open") != 0 ||
        bs_list_n(call->args) != 2)
        return false;
    mode = bs_const_text(bs_list_at(call->args, 1), room);
    return mode != NULL && strcmp(mode, "262144") == 0; /* INV_READ of libpq/libpq-fs.h */
}

void
bs_read_call(struct bs_reading *r, const Node *node)
{
    const FuncCall *call = (const FuncCall *)(const void *)node;
    struct bs_name name = bs_name_of_list(call->funcname);
    int n_args = bs_list_n(call->args);

    if (call->agg_within_group)
        n_args += bs_list_n(call->agg_order);
    if (call->func_variadic)
        n_args = -1;
    if (bs_name_may_be_builtin(name) && strcmp(name.name, "set_config") == 0)
        bs_read_set_config(r, call);
    else
        bs_reading_call(r, BS_CALL_FUNCTION, name, n_args,
                        opens_to_read(name, call) ? harmless : look_up(name, n_args));
    bs_walk_push_children(&r->walk, node, call->funcname, NULL);
}

static void
use_operator(struct bs_reading *r, struct bs_name name, int n_args)
{
    bool listed = bs_name_may_be_builtin(name) && bs_builtin_operator(name.name);

    bs_reading_call(r, BS_CALL_OPERATOR, name, n_args, listed ? harmless : unlisted);
}

static void
use_equals(struct bs_reading *r)
{
    use_operator(r, bs_name_of_text("="), 2);
}

static void
use_between(struct bs_reading *r, A_Expr_Kind kind)
{
    bool not = kind == AEXPR_NOT_BETWEEN || kind == AEXPR_NOT_BETWEEN_SYM;

    use_operator(r, bs_name_of_text(not ? "<" : ">="), 2);
    use_operator(r, bs_name_of_text(not ? ">" : "<="), 2);
}

static bool
is_whole_number(const Node *node)
{
    const A_Const *value = (const A_Const *)(const void *)node;

    return node != NULL && node->type == T_A_Const && !value->isnull &&
           value->val.node.type == T_Integer;
}

static bool
is_column(const Node *node)
{
    return node != NULL && node->type == T_ColumnRef;
}

/* column = 1: which number it is has no part in any verdict on what is only read. */
static bool
compares_with_number(const A_Expr *expr)
{
    static const char *const comparisons[] = {"=", "<", ">", "<=", ">=", "<>"};
    struct bs_name name = bs_name_of_list(expr->name);

    if (expr->kind != AEXPR_OP || name.schema != NULL ||
        !((is_column(expr->lexpr) && is_whole_number(expr->rexpr)) ||
          (is_whole_number(expr->lexpr) && is_column(expr->rexpr))))
        return false;
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
        if (strcmp(name.name, comparisons[i]) == 0)
            return true;
    }
    return false;
}

void
bs_read_operator(struct bs_reading *r, const Node *node)
{
    const A_Expr *expr = (const A_Expr *)(const void *)node;

    if (expr->kind >= AEXPR_BETWEEN)
        use_between(r, expr->kind);
    else
        use_operator(r, bs_name_of_list(expr->name), expr->lexpr == NULL ? 1 : 2);
    r->n_compared += compares_with_number(expr);
    bs_walk_push_children(&r->walk, node, expr->name, NULL);
}

void
bs_read_type(struct bs_reading *r, const Node *node)
{
    const TypeName *type = (const TypeName *)(const void *)node;
    struct bs_name name = bs_name_of_list(type->names);

    bs_reading_call(r, BS_CALL_TYPE, name, -1, is_type_listed(name) ? harmless : unlisted);
    bs_walk_push_children(&r->walk, node, type->names, NULL);
}

void
bs_read_case(struct bs_reading *r, const Node *node)
{
    if (((const CaseExpr *)(const void *)node)->arg != NULL)
        use_equals(r);
    bs_read_children(r, node);
}

void
bs_read_sublink(struct bs_reading *r, const Node *node)
{
    const SubLink *link = (const SubLink *)(const void *)node;

    if (link->operName != NULL)
        use_operator(r, bs_name_of_list(link->operName), 2);
    else if (link->testexpr != NULL)
        use_equals(r);
    bs_walk_push_children(&r->walk, node, link->operName, NULL);
}

/* What its operator class runs, the column's type does not tell. */
void
bs_read_index_key(struct bs_reading *r, const Node *node)
{
    if (((const IndexElem *)(const void *)node)->opclass != NULL)
        r->stmt->flags |= BS_FLAG_CLASSES;
    bs_read_children(r, node);
}

void
bs_read_partition_key(struct bs_reading *r, const Node *node)
{
    if (((const PartitionElem *)(const void *)node)->opclass != NULL)
        r->stmt->flags |= BS_FLAG_CLASSES;
    bs_read_children(r, node);
}

void
bs_read_sort(struct bs_reading *r, const Node *node)
{
    const SortBy *sort = (const SortBy *)(const void *)node;

    if (sort->useOp != NULL)
        use_operator(r, bs_name_of_list(sort->useOp), 2);
    bs_walk_push(&r->walk, sort->node);
}

void
bs_read_join(struct bs_reading *r, const Node *node)
{
    const JoinExpr *join = (const JoinExpr *)(const void *)node;

    if (join->usingClause != NULL || join->isNatural)
        use_equals(r);
    bs_walk_push_children(&r->walk, node, join->usingClause, join->alias);
}

/* A sampling method is a function that only the server can call. */
void
bs_read_sample(struct bs_reading *r, const Node *node)
{
    const RangeTableSample *sample = (const RangeTableSample *)(const void *)node;
    struct bs_name name = bs_name_of_list(sample->method);
    bool listed = bs_name_may_be_builtin(name) &&
                  (strcmp(name.name, "bernoulli") == 0 || strcmp(name.name, "system") == 0);

    bs_reading_call(r, BS_CALL_FUNCTION, name, bs_list_n(sample->args),
                    listed ? harmless : unlisted);
    bs_walk_push_children(&r->walk, node, sample->method, NULL);
}

static void
use_field(struct bs_reading *r, const Node *field)
{
    const char *name = bs_node_text(field);

    if (name != NULL)
        bs_reading_call(r, BS_CALL_FIELD, bs_name_of_text(name), 1, harmless);
}

/* A name alone is a column or a whole row; x.name may be a function of the row x. */
void
bs_read_column(struct bs_reading *r, const Node *node)
{
    const List *fields = ((const ColumnRef *)(const void *)node)->fields;

    if (bs_list_n(fields) > 1)
        use_field(r, bs_list_at(fields, bs_list_n(fields) - 1));
}

void
bs_read_indirection(struct bs_reading *r, const Node *node)
{
    const A_Indirection *of = (const A_Indirection *)(const void *)node;

    for (int i = 0; i < bs_list_n(of->indirection); i++)
        use_field(r, bs_list_at(of->indirection, i));
    bs_read_children(r, node);
}

static bool
is_cte(struct bs_reading *r, const RangeVar *range)
{
    if (range->schemaname != NULL || range->relname == NULL)
        return false;
    for (const struct bs_scope *s = r->walk.scope; s != NULL; s = s->up) {
        r->walk.spent++; /* names times names: counts against the budget */
        if (strcmp(s->cte, range->relname) == 0)
            return true;
    }
    return false;
}

void
bs_read_range(struct bs_reading *r, const Node *node)
{
    const RangeVar *range = (const RangeVar *)(const void *)node;

    if (!is_cte(r, range))
        bs_reading_read(r, bs_name_of_range(range));
}

void
bs_read_res_target(struct bs_reading *r, const Node *node)
{
    const ResTarget *target = (const ResTarget *)(const void *)node;

    bs_walk_push(&r->walk, target->indirection);
    bs_walk_push(&r->walk, target->val);
}

/*
 * The value of an option is often a word that the grammar takes for a type: WITH (x = off). Only
 * CREATE SEQUENCE ... AS means one.
 */
void
bs_read_option(struct bs_reading *r, const Node *node)
{
    const DefElem *def = (const DefElem *)(const void *)node;

    if (def->arg == NULL || (def->arg->type == T_TypeName && strcmp(def->defname, "as") != 0))
        return;
    bs_walk_push(&r->walk, def->arg);
}

const DefElem *
bs_def_find(const List *options, const char *name)
{
    for (int i = bs_list_n(options); i-- > 0;) {
        const DefElem *def = (const DefElem *)(const void *)bs_list_at(options, i);
        if (def->type == T_DefElem && strcmp(def->defname, name) == 0)
            return def;
    }
    return NULL;
}

bool
bs_def_is_true(const DefElem *def, bool unclear)
{
    const char *text = bs_node_text(def->arg);

    if (def->arg == NULL)
        return true;
    if (def->arg->type == T_Integer)
        return ((const Integer *)(const void *)def->arg)->ival != 0;
    if (text == NULL)
        return unclear;
    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "on") == 0)
        return true;
    if (strcasecmp(text, "false") == 0 || strcasecmp(text, "off") == 0)
        return false;
    return unclear;
}

/* Each key of a filter is one: too many for the C library's formats. */
const char *
bs_int_text(int value, char room[32])
{
    char *at = room + 31;
    unsigned left = value < 0 ? 0u - (unsigned)value : (unsigned)value;

    *at = '\0';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (value < 0)
        *--at = '-';
    return at;
}

const char *
bs_const_text(const Node *node, char room[32])
{
    const A_Const *value;

    if (node != NULL && node->type == T_TypeCast)
        node = ((const TypeCast *)(const void *)node)->arg;
    if (node == NULL || node->type != T_A_Const)
        return NULL;
    value = (const A_Const *)(const void *)node;
    if (value->isnull)
        return NULL;
    switch ((int)value->val.node.type) {
    case T_String:
        return value->val.sval.sval;
    case T_Float:
        return value->val.fval.fval;
    case T_BitString:
        return value->val.bsval.bsval;
    case T_Boolean:
        return value->val.boolval.boolval ? "true" : "false";
    case T_Integer:
        return bs_int_text(value->val.ival.ival, room);
    default:
        return NULL;
    }
}

bool
bs_node_is_const(const Node *node, bool params)
{
    for (int depth = 0; node != NULL && depth < 8; depth++) {
        if (node->type == T_A_Const)
            return true;
        if (node->type == T_ParamRef)
            return params;
        if (node->type != T_TypeCast)
            return false;
        node = ((const TypeCast *)(const void *)node)->arg;
    }
    return false;
}
