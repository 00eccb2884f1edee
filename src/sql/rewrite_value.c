/*
 * rewrite_value.c - what stands at the ends of an expression: columns, constants, casts, parameters.
 *
 * A literal means what the value beside it makes of it, so its type is known before it is printed.
 */
#include <string.h>

#include "sql/rewriting.h"

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

/* A name that is not qualified, or by pg_catalog; NULL for any other. */
const char *
bs_rewriting_own_name(const List *names)
{
    const char *schema = bs_list_n(names) == 2 ? bs_node_text(bs_list_at(names, 0)) : "pg_catalog";

    if (bs_list_n(names) < 1 || bs_list_n(names) > 2 || schema == NULL ||
        strcmp(schema, "pg_catalog") != 0)
        return NULL;
    return bs_list_last_text(names);
}

/* How a column is written: x, t.x or s.t.x. */
struct reference {
    const char *schema, *table; /* NULL: not written */
    const char *name;
};

static bool
read_reference(const Node *node, struct reference *out)
{
    const ColumnRef *ref = as(node);
    int n = node->type == T_ColumnRef ? bs_list_n(ref->fields) : 0;

    *out = (struct reference){0};
    if (n < 1 || n > 3)
        return false;
    out->name = bs_node_text(bs_list_at(ref->fields, n - 1));
    if (n > 1)
        out->table = bs_node_text(bs_list_at(ref->fields, n - 2));
    if (n > 2)
        out->schema = bs_node_text(bs_list_at(ref->fields, 0));
    return out->name != NULL && (n < 2 || out->table != NULL) && (n < 3 || out->schema != NULL);
}

static bool
may_be_in(const struct reference *ref, const struct bs_rewrite_range *range)
{
    if (ref->table == NULL)
        return true;
    if (strcmp(ref->table, range->called) != 0)
        return false;
    return ref->schema == NULL || (range->node->alias == NULL && range->node->schemaname != NULL &&
                                   strcmp(ref->schema, range->node->schemaname) == 0);
}

static uint32_t
column_type(const struct bs_rewriting *w, const struct bs_rewrite_range *range, const char *name)
{
    if (strcmp(name, "ctid") == 0)
        return bs_scalar_named("tid")->oid;
    return w->names->column(w->names->with, &range->table, name);
}

/*
 * Whose column it is: of the innermost FROM that has one of that name. NULL where that is none,
 * or several, or its type is not plain.
 */
static const struct bs_rewrite_range *
find_column(const struct bs_rewriting *w, const Node *node, const struct bs_scalar **type)
{
    struct reference ref;
    const struct bs_rewrite_range *found = NULL;

    if (!read_reference(node, &ref))
        return NULL;
    for (const struct bs_rewrite_level *level = w->level; level != NULL && found == NULL;
         level = level->up) {
        for (size_t i = 0; i < level->n; i++) {
            const struct bs_rewrite_range *range = &level->ranges[i];
            uint32_t oid = may_be_in(&ref, range) ? column_type(w, range, ref.name) : 0;
            if (oid == 0)
                continue;
            if (found != NULL)
                return NULL;
            found = range;
            *type = bs_scalar_of(oid);
        }
    }
    return found == NULL || *type == NULL ? NULL : found;
}

static void
note_time(struct bs_rewriting *w, const struct bs_scalar *type)
{
    w->dated = w->dated || type->input != BS_INPUT_PLAIN;
    w->local = w->local || type->input == BS_INPUT_DATE || type->input == BS_INPUT_TIME ||
               type->input == BS_INPUT_TIMESTAMP;
}

void
bs_rewriting_column(struct bs_rewriting *w, const Node *node)
{
    const struct bs_scalar *type = NULL;
    const struct bs_rewrite_range *range = find_column(w, node, &type);
    struct reference ref;

    if (range == NULL || !read_reference(node, &ref)) {
        bs_rewriting_refuse(w);
        return;
    }
    note_time(w, type);
    bs_put_fmt(&w->out, "r%d.", range->number);
    bs_rewriting_ident(w, ref.name);
}

/* A plain type without a modifier, or an array of it; NULL: another. */
static const struct bs_scalar *
named_type(const TypeName *type, bool array)
{
    const char *name = bs_rewriting_own_name(type->names);
    bool fits = type->typmods == NULL && !type->setof && !type->pct_type &&
                bs_list_n(type->arrayBounds) <= (array ? 1 : 0);

    return name == NULL || !fits ? NULL : bs_scalar_named(name);
}

/* What is known of the type of an expression; NULL: nothing. */
const struct bs_scalar *
bs_rewriting_type_of(const struct bs_rewriting *w, const Node *node)
{
    const struct bs_scalar *type = NULL;

    if (node == NULL)
        return NULL;
    if (node->type == T_TypeCast)
        return named_type(((const TypeCast *)as(node))->typeName, false);
    return find_column(w, node, &type) == NULL ? NULL : type;
}

static void
put_literal(struct bs_rewriting *w, const char *text, const struct bs_scalar *type)
{
    if (!bs_scalar_is_steady(type, text))
        bs_rewriting_refuse(w);
    w->loose = w->loose || type == NULL;
    bs_put_u8(&w->out, '\'');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'')
            bs_put_u8(&w->out, '\'');
        bs_put_u8(&w->out, (uint8_t)*at);
    }
    bs_put_u8(&w->out, '\'');
}

void
bs_rewriting_const(struct bs_rewriting *w, const A_Const *value, const struct bs_scalar *type)
{
    if (value->isnull) {
        put(w, "NULL");
        return;
    }
    switch ((int)value->val.node.type) {
    case T_Integer:
        bs_put_fmt(&w->out, "(%d)", value->val.ival.ival);
        return;
    case T_Float:
        if (strspn(value->val.fval.fval, "0123456789.eE+-") != strlen(value->val.fval.fval))
            bs_rewriting_refuse(w); /* 0x10, 1_000 */
        bs_put_fmt(&w->out, "(%s)", value->val.fval.fval);
        return;
    case T_Boolean:
        put(w, value->val.boolval.boolval ? "true" : "false");
        return;
    case T_String:
        put_literal(w, value->val.sval.sval, type);
        return;
    default:
        bs_rewriting_refuse(w);
    }
}

/* A value next to another of a known type: a literal is read as that. */
void
bs_rewriting_as(struct bs_rewriting *w, const Node *node, const struct bs_scalar *type)
{
    if (node != NULL && node->type == T_A_Const)
        bs_rewriting_const(w, as(node), type);
    else
        bs_rewriting_expr(w, node);
}

void
bs_rewriting_cast_type(struct bs_rewriting *w, const struct bs_scalar *type, bool array)
{
    put(w, " AS pg_catalog.");
    bs_rewriting_ident(w, type->name);
    put(w, array ? "[])" : ")");
}

void
bs_rewriting_cast(struct bs_rewriting *w, const TypeCast *cast)
{
    const struct bs_scalar *type = named_type(cast->typeName, true);
    bool array = cast->typeName->arrayBounds != NULL;

    /* Into an array only what is one by itself, so that no element is read by settings. */
    if (type == NULL ||
        (array && cast->arg->type != T_ParamRef && cast->arg->type != T_A_ArrayExpr)) {
        bs_rewriting_refuse(w);
        return;
    }
    note_time(w, type);
    put(w, "CAST(");
    bs_rewriting_as(w, cast->arg, type);
    bs_rewriting_cast_type(w, type, array);
}

void
bs_rewriting_param(struct bs_rewriting *w, const ParamRef *param)
{
    if (param->number < 1)
        bs_rewriting_refuse(w);
    if (param->number > w->n_params)
        w->n_params = param->number;
    bs_put_fmt(&w->out, "$%d", param->number);
}
