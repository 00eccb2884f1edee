/*
 * read_rows.c - queries, and the statements that change rows.
 *
 * The target of a change is an effect, not something read; all else is pushed. WITH is bound here:
 * a later query sees the names of earlier ones, with RECURSIVE all see all.
 */
#include "sql/filter.h"
#include "sql/rules.h"

#include <string.h>

static const struct bs_scope *
bind(struct bs_reading *r, const struct bs_scope *up, const CommonTableExpr *cte)
{
    struct bs_scope *scope = bs_arena_take(r->arena, sizeof(*scope));

    if (scope == NULL) {
        r->full = true;
        return up;
    }
    *scope = (struct bs_scope){up, cte->ctename};
    return scope;
}

/* Pushes the queries of a WITH, each with the names it sees; what is pushed later sees all. */
static void
push_with(struct bs_reading *r, const WithClause *with)
{
    const struct bs_scope *all = r->walk.scope;

    if (with == NULL)
        return;
    for (int i = 0; with->recursive && i < bs_list_n(with->ctes); i++)
        all = bind(r, all, (const CommonTableExpr *)(const void *)bs_list_at(with->ctes, i));
    for (int i = 0; i < bs_list_n(with->ctes); i++) {
        const void *cte = bs_list_at(with->ctes, i);
        r->walk.scope = all;
        bs_walk_push(&r->walk, cte);
        if (!with->recursive)
            all = bind(r, all, cte);
    }
    r->walk.scope = all;
}

void
bs_read_into_clause(struct bs_reading *r, const IntoClause *into, enum bs_kind kind)
{
    struct bs_name name = bs_name_of_range(into->rel);

    if (bs_range_is_temp(into->rel))
        kind = BS_KIND_CREATE_TEMP_TABLE;
    bs_reading_enter(r, kind);
    if (!bs_reading_dormant(r))
        (void)bs_reading_effect(r, kind, BS_OBJECT_RELATION, name);
    bs_walk_push_children(&r->walk, (const Node *)(const void *)into, into->rel, NULL);
}

/* INTO of a UNION stands in its first arm; looked for once, at the top. */
static const IntoClause *
find_into(const struct bs_reading *r, const SelectStmt *select)
{
    while (!r->top_known && select->intoClause == NULL && select->larg != NULL)
        select = select->larg;
    return select->intoClause;
}

void
bs_read_select(struct bs_reading *r, const Node *node)
{
    const SelectStmt *select = (const SelectStmt *)(const void *)node;
    bool top = !r->top_known;
    const IntoClause *into = find_into(r, select);

    if (into != NULL && (top || into == select->intoClause))
        bs_read_into_clause(r, into, BS_KIND_SELECT_INTO);
    bs_reading_enter(r, BS_KIND_SELECT);
    if (select->lockingClause != NULL && !bs_reading_dormant(r)) {
        r->locks_rows = true;
        bs_reading_raise(r, BS_RISK_HIGH, "locks_rows",
                         "rows stay locked until the transaction ends");
    }
    if (top)
        bs_read_setting_row(r, select);
    push_with(r, select->withClause);
    bs_walk_push_children(&r->walk, node, select->withClause, select->intoClause);
}

/* Names of the columns that a list of targets assigns, and whether anything of the row is left. */
static void
read_set(struct bs_reading *r, const List *targets, struct bs_effect *effect)
{
    bool first = effect->n_set == 0, kept = false;

    for (int i = 0; i < bs_list_n(targets); i++) {
        const ResTarget *target = (const ResTarget *)(const void *)bs_list_at(targets, i);
        if (target->type == T_ResTarget && target->name != NULL)
            bs_reading_name_list(r, &effect->set, &effect->n_set, target->name);
        kept = kept || target->type != T_ResTarget || target->indirection != NULL ||
               bs_filter_names_row(target->val);
    }
    effect->blanks = !kept && (first || effect->blanks);
}

/* Names of the columns that rows are added to: INSERT has targets, COPY strings. */
static void
read_columns(struct bs_reading *r, const List *columns, struct bs_effect *effect)
{
    for (int i = 0; i < bs_list_n(columns); i++) {
        const Node *node = bs_list_at(columns, i);
        const char *name = NULL;

        if (node->type == T_String)
            name = ((const String *)(const void *)node)->sval;
        else if (node->type == T_ResTarget)
            name = ((const ResTarget *)(const void *)node)->name;
        if (name != NULL)
            bs_reading_name_list(r, &effect->set, &effect->n_set, name);
    }
}

static void
note_returning(struct bs_reading *r, const List *returning)
{
    if (returning != NULL)
        r->stmt->flags |= BS_FLAG_RETURNING;
}

/* INSERT ... ON CONFLICT DO UPDATE: the rows it may overwrite are those that it proposes. */
static void
read_upsert(struct bs_reading *r, const InsertStmt *insert)
{
    const OnConflictClause *on = insert->onConflictClause;
    const SelectStmt *source = (const SelectStmt *)(const void *)insert->selectStmt;
    struct bs_effect *effect;

    bs_reading_enter_as(r, BS_KIND_UPDATE, BS_RISK_HIGH, BS_POINT_ROWS);
    effect = bs_reading_effect(r, BS_KIND_UPDATE, BS_OBJECT_RELATION,
                               bs_name_of_range(insert->relation));
    effect->upsert = true;
    effect->filtered = true;
    read_set(r, on->targetList, effect);
    for (int i = 0; on->infer != NULL && i < bs_list_n(on->infer->indexElems); i++) {
        const IndexElem *elem =
            (const IndexElem *)(const void *)bs_list_at(on->infer->indexElems, i);
        if (elem->name != NULL)
            bs_reading_name_list(r, &effect->keys, &effect->n_keys, elem->name);
    }
    if (source != NULL && source->valuesLists == NULL && !bs_reading_dormant(r))
        bs_reading_raise(r, BS_RISK_CRITICAL, BS_REASON_UNMEASURED,
                         "nobody has counted the rows of %s that would be overwritten",
                         insert->relation->relname);
}

void
bs_read_insert(struct bs_reading *r, const Node *node)
{
    const InsertStmt *insert = (const InsertStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_INSERT);
    read_columns(r, insert->cols,
                 bs_reading_effect(r, BS_KIND_INSERT, BS_OBJECT_RELATION,
                                   bs_name_of_range(insert->relation)));
    if (insert->onConflictClause != NULL && insert->onConflictClause->action == ONCONFLICT_UPDATE)
        read_upsert(r, insert);
    note_returning(r, insert->returningList);
    push_with(r, insert->withClause);
    bs_walk_push_children(&r->walk, node, insert->withClause, insert->relation);
}

/* UPDATE and DELETE take whom they please until a key or a count says otherwise. */
static void
judge_filter(struct bs_reading *r, const struct bs_effect *effect, const char *table)
{
    const char *verb = effect->kind == BS_KIND_DELETE ? "deleted" : "overwritten";

    if (bs_reading_dormant(r))
        return;
    if (!effect->filtered) {
        r->stmt->flags |= BS_FLAG_NO_FILTER;
        bs_reading_raise(r, BS_RISK_CRITICAL, "no_filter", "all rows of %s would be %s", table,
                         verb);
    } else if (effect->n_keys == 0) {
        bs_reading_raise(r, BS_RISK_CRITICAL, BS_REASON_UNMEASURED,
                         "nobody has counted the rows of %s that would be %s", table, verb);
    }
}

static struct bs_effect *
read_change(struct bs_reading *r, enum bs_kind kind, const RangeVar *target)
{
    struct bs_effect *effect;

    bs_reading_enter_as(r, kind, BS_RISK_HIGH, BS_POINT_ROWS);
    effect = bs_reading_effect(r, kind, BS_OBJECT_RELATION, bs_name_of_range(target));
    effect->only = !target->inh;
    return effect;
}

void
bs_read_update(struct bs_reading *r, const Node *node)
{
    const UpdateStmt *update = (const UpdateStmt *)(const void *)node;
    struct bs_effect *effect = read_change(r, BS_KIND_UPDATE, update->relation);

    bs_filter_read(r, update->relation, update->whereClause, update->fromClause != NULL, effect);
    read_set(r, update->targetList, effect);
    judge_filter(r, effect, update->relation->relname);
    note_returning(r, update->returningList);
    push_with(r, update->withClause);
    bs_walk_push_children(&r->walk, node, update->withClause, update->relation);
}

void
bs_read_delete(struct bs_reading *r, const Node *node)
{
    const DeleteStmt *delete = (const DeleteStmt *)(const void *)node;
    struct bs_effect *effect = read_change(r, BS_KIND_DELETE, delete->relation);

    bs_filter_read(r, delete->relation, delete->whereClause, delete->usingClause != NULL, effect);
    judge_filter(r, effect, delete->relation->relname);
    note_returning(r, delete->returningList);
    push_with(r, delete->withClause);
    bs_walk_push_children(&r->walk, node, delete->withClause, delete->relation);
}

/* One effect for each kind of action, so that rules on DELETE match a MERGE that deletes. */
static void
read_action(struct bs_reading *r, const MergeStmt *merge, CmdType command, enum bs_kind kind)
{
    struct bs_effect *effect = NULL;

    for (int i = 0; i < bs_list_n(merge->mergeWhenClauses); i++) {
        const MergeWhenClause *when =
            (const MergeWhenClause *)(const void *)bs_list_at(merge->mergeWhenClauses, i);
        if (when->commandType != command)
            continue;
        if (effect == NULL) {
            bs_reading_enter_as(r, kind, BS_RISK_HIGH, bs_kind_point(kind));
            effect =
                bs_reading_effect(r, kind, BS_OBJECT_RELATION, bs_name_of_range(merge->relation));
            effect->only = !merge->relation->inh;
            effect->filtered = true;
        }
        if (command == CMD_UPDATE)
            read_set(r, when->targetList, effect);
    }
}

void
bs_read_merge(struct bs_reading *r, const Node *node)
{
    const MergeStmt *merge = (const MergeStmt *)(const void *)node;

    bs_reading_enter_as(r, BS_KIND_MERGE, BS_RISK_HIGH, BS_POINT_ROWS);
    if (bs_reading_dormant(r))
        bs_reading_read(r, bs_name_of_range(merge->relation));
    else
        bs_reading_raise(r, BS_RISK_CRITICAL, BS_REASON_UNMEASURED,
                         "nobody has counted the rows of %s that would be merged into",
                         merge->relation->relname);
    read_action(r, merge, CMD_DELETE, BS_KIND_DELETE);
    read_action(r, merge, CMD_UPDATE, BS_KIND_UPDATE);
    read_action(r, merge, CMD_INSERT, BS_KIND_INSERT);
    note_returning(r, merge->returningList);
    push_with(r, merge->withClause);
    bs_walk_push_children(&r->walk, node, merge->withClause, merge->relation);
}

static enum bs_kind
copy_kind(const CopyStmt *copy)
{
    if (copy->is_program)
        return BS_KIND_COPY_PROGRAM;
    if (copy->is_from)
        return copy->filename == NULL ? BS_KIND_COPY_FROM_STDIN : BS_KIND_COPY_FROM_FILE;
    return copy->filename == NULL ? BS_KIND_COPY_TO_STDOUT : BS_KIND_COPY_TO_FILE;
}

void
bs_read_copy(struct bs_reading *r, const Node *node)
{
    const CopyStmt *copy = (const CopyStmt *)(const void *)node;
    enum bs_kind kind = copy_kind(copy);

    bs_reading_enter(r, kind);
    if (copy->is_from && copy->relation != NULL)
        read_columns(
            r, copy->attlist,
            bs_reading_effect(r, kind, BS_OBJECT_RELATION, bs_name_of_range(copy->relation)));
    else if (copy->relation != NULL)
        bs_reading_read(r, bs_name_of_range(copy->relation));
    if (!copy->is_from && bs_def_find(copy->options, "header") != NULL)
        r->stmt->flags |= BS_FLAG_COPY_HEADER;
    bs_walk_push(&r->walk, copy->query);
    bs_walk_push(&r->walk, copy->whereClause);
}

void
bs_read_truncate(struct bs_reading *r, const Node *node)
{
    const TruncateStmt *truncate = (const TruncateStmt *)(const void *)node;

    bs_reading_enter(r, BS_KIND_TRUNCATE);
    for (int i = 0; i < bs_list_n(truncate->relations); i++) {
        const RangeVar *range = (const RangeVar *)(const void *)bs_list_at(truncate->relations, i);
        struct bs_effect *effect =
            bs_reading_effect(r, BS_KIND_TRUNCATE, BS_OBJECT_RELATION, bs_name_of_range(range));
        effect->only = !range->inh;
        effect->cascade = truncate->behavior == DROP_CASCADE;
        effect->restart_identity = truncate->restart_seqs;
    }
    if (truncate->behavior == DROP_CASCADE)
        bs_reading_raise(r, BS_RISK_CRITICAL, "cascade", "CASCADE empties further tables");
}
