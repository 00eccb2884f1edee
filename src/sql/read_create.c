/*
 * read_create.c - new objects. What a definition says is not executed now, or only for the new
 * object, so it is dormant; a function in it that is not known still counts.
 */
#include "sql/rules.h"

#include <string.h>

/* Defaults, checks, generated columns, indexes and triggers of another table come along. */
static bool
takes_code(const CreateStmt *create)
{
    for (int i = 0; i < bs_list_n(create->tableElts); i++) {
        const Node *element = bs_list_at(create->tableElts, i);
        if (element->type == T_TableLikeClause &&
            ((const TableLikeClause *)(const void *)element)->options != 0)
            return true;
    }
    return create->inhRelations != NULL;
}

void
bs_read_create_table(struct bs_reading *r, const Node *node)
{
    const CreateStmt *create = (const CreateStmt *)(const void *)node;
    bool temp = bs_range_is_temp(create->relation);
    enum bs_kind kind = temp ? BS_KIND_CREATE_TEMP_TABLE : BS_KIND_CREATE_TABLE;
    struct bs_effect *effect;

    bs_reading_enter(r, kind);
    effect = bs_reading_effect(r, kind, BS_OBJECT_RELATION, bs_name_of_range(create->relation));
    effect->missing_ok = create->if_not_exists;
    if (takes_code(create))
        r->stmt->flags |= BS_FLAG_COPIES;
    r->walk.mode |= BS_WALK_DORMANT;
    bs_walk_push_children(&r->walk, node, create->relation, NULL);
}

void
bs_read_create_table_as(struct bs_reading *r, const Node *node)
{
    const CreateTableAsStmt *create = (const CreateTableAsStmt *)(const void *)node;
    bool view = create->objtype == OBJECT_MATVIEW;

    bs_read_into_clause(r, create->into,
                        view ? BS_KIND_CREATE_MATERIALIZED_VIEW : BS_KIND_CREATE_TABLE_AS);
    if (create->into->skipData)
        r->walk.mode |= BS_WALK_DORMANT;
    bs_walk_push(&r->walk, create->query);
}

void
bs_read_create_view(struct bs_reading *r, const Node *node)
{
    const ViewStmt *view = (const ViewStmt *)(const void *)node;
    bool temp = bs_range_is_temp(view->view);
    enum bs_kind kind = view->replace ? BS_KIND_CREATE_OR_REPLACE_VIEW : BS_KIND_CREATE_VIEW;

    bs_reading_enter_as(r, kind, bs_kind_risk(kind), temp ? BS_POINT_NONE : bs_kind_point(kind));
    if (temp)
        r->stmt->flags |= BS_FLAG_TEMP;
    (void)bs_reading_effect(r, kind, BS_OBJECT_RELATION, bs_name_of_range(view->view));
    r->walk.mode |= BS_WALK_DORMANT;
    bs_walk_push(&r->walk, view->query);
}

void
bs_read_create_index(struct bs_reading *r, const Node *node)
{
    const IndexStmt *index = (const IndexStmt *)(const void *)node;
    struct bs_effect *effect;

    bs_reading_enter(r, BS_KIND_CREATE_INDEX);
    if (index->concurrent)
        r->stmt->flags |= BS_FLAG_NO_BLOCK;
    effect = bs_reading_effect(r, BS_KIND_CREATE_INDEX, BS_OBJECT_RELATION,
                               bs_name_of_range(index->relation));
    effect->only = !index->relation->inh;
    effect->missing_ok = index->if_not_exists;
    r->walk.mode |= BS_WALK_DORMANT;
    bs_walk_push_children(&r->walk, node, index->relation, NULL);
}

void
bs_read_create_sequence(struct bs_reading *r, const Node *node)
{
    const CreateSeqStmt *create = (const CreateSeqStmt *)(const void *)node;
    bool temp = bs_range_is_temp(create->sequence);

    bs_reading_enter_as(r, BS_KIND_CREATE_SEQUENCE, BS_RISK_HIGH,
                        temp ? BS_POINT_NONE : BS_POINT_RECORD);
    if (temp)
        r->stmt->flags |= BS_FLAG_TEMP;
    (void)bs_reading_effect(r, BS_KIND_CREATE_SEQUENCE, BS_OBJECT_RELATION,
                            bs_name_of_range(create->sequence));
    bs_walk_push_children(&r->walk, node, create->sequence, NULL);
}

void
bs_read_create_function(struct bs_reading *r, const Node *node)
{
    const CreateFunctionStmt *create = (const CreateFunctionStmt *)(const void *)node;
    enum bs_kind kind = create->is_procedure ? BS_KIND_CREATE_PROCEDURE : BS_KIND_CREATE_FUNCTION;
    struct bs_effect *effect;

    bs_reading_enter(r, kind);
    effect = bs_reading_effect(r, kind, BS_OBJECT_FUNCTION, bs_name_of_list(create->funcname));
    effect->replaces = create->replace;
    r->walk.mode |= BS_WALK_DORMANT;
    bs_walk_push(&r->walk, create->parameters);
    bs_walk_push(&r->walk, create->sql_body);
}

/* A range over a known type is data; `canonical` and `subtype_diff` bring code. */
void
bs_read_create_range(struct bs_reading *r, const Node *node)
{
    const CreateRangeStmt *create = (const CreateRangeStmt *)(const void *)node;
    const DefElem *subtype = bs_def_find(create->params, "subtype");
    bool code = bs_def_find(create->params, "canonical") != NULL ||
                bs_def_find(create->params, "subtype_diff") != NULL;
    enum bs_kind kind = code ? BS_KIND_CREATE_BASE_TYPE : BS_KIND_CREATE_TYPE;

    bs_reading_enter(r, kind);
    (void)bs_reading_effect(r, kind, BS_OBJECT_TYPE, bs_name_of_list(create->typeName));
    if (subtype != NULL)
        bs_walk_push(&r->walk, subtype->arg);
}

/* CREATE AGGREGATE, OPERATOR, TYPE, TEXT SEARCH ..., COLLATION have one node. */
void
bs_read_define(struct bs_reading *r, const Node *node)
{
    const DefineStmt *define = (const DefineStmt *)(const void *)node;
    enum bs_kind kind = BS_KIND_CREATE_TEXT_SEARCH;
    enum bs_object object = BS_OBJECT_OTHER;
    struct bs_effect *effect;

    if (define->kind == OBJECT_AGGREGATE) {
        kind = BS_KIND_CREATE_AGGREGATE;
        object = BS_OBJECT_FUNCTION;
    } else if (define->kind == OBJECT_TYPE) {
        kind = BS_KIND_CREATE_BASE_TYPE;
        object = BS_OBJECT_TYPE;
    } else if (define->kind == OBJECT_OPERATOR) {
        kind = BS_KIND_CREATE_OPERATOR;
    } else if (define->kind == OBJECT_COLLATION) {
        kind = BS_KIND_CREATE_COLLATION;
    }
    bs_reading_enter(r, kind);
    effect = bs_reading_effect(r, kind, object, bs_name_of_list(define->defnames));
    effect->replaces = define->replace;
}

void
bs_read_refresh(struct bs_reading *r, const Node *node)
{
    const RefreshMatViewStmt *refresh = (const RefreshMatViewStmt *)(const void *)node;
    struct bs_name name = bs_name_of_range(refresh->relation);

    bs_reading_enter(r, BS_KIND_REFRESH_MATERIALIZED_VIEW);
    (void)bs_reading_effect(r, BS_KIND_REFRESH_MATERIALIZED_VIEW, BS_OBJECT_RELATION, name);
    if (refresh->skipData && !bs_reading_dormant(r))
        bs_reading_raise(r, BS_RISK_CRITICAL, "no_data", "WITH NO DATA empties %s", name.name);
}
