/*
 * rewrite.c - statements, FROM and sub-selects. Every relation is called r0, r1, ... so that no
 * column can be taken for another one's.
 */
#include "sql/rewrite.h"

#include <string.h>

#include "sql/parse.h"
#include "sql/rewriting.h"

#define MAX_TEXT ((size_t)32 << 10) /* below what a parser needs a thread of its own for */
#define MAX_SQL  ((size_t)128 << 10)

void
bs_rewriting_refuse(struct bs_rewriting *w)
{
    w->refused = true;
}

void
bs_rewriting_ident(struct bs_rewriting *w, const char *name)
{
    bs_put_u8(&w->out, '"');
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '"')
            bs_put_u8(&w->out, '"');
        bs_put_u8(&w->out, (uint8_t)*at);
    }
    bs_put_u8(&w->out, '"');
}

/* --- FROM --------------------------------------------------------------------------------- */

static void
add_range(struct bs_rewriting *w,
          struct bs_rewrite_level *level,
          const RangeVar *node,
          enum bs_kind change)
{
    struct bs_rewrite_range *range;

    if (level->n == BS_REWRITE_RANGES || node->catalogname != NULL || node->relname == NULL ||
        (node->alias != NULL && node->alias->colnames != NULL)) {
        bs_rewriting_refuse(w);
        return;
    }
    range = &level->ranges[level->n];
    *range = (struct bs_rewrite_range){.node = node,
                                       .called = node->alias != NULL ? node->alias->aliasname
                                                                     : node->relname,
                                       .number = w->n_ranges++};
    for (size_t i = 0; i < level->n; i++) {
        if (strcmp(level->ranges[i].called, range->called) == 0)
            bs_rewriting_refuse(w);
    }
    if (!w->names->table(w->names->with, (struct bs_name){node->schemaname, node->relname}, change,
                         &range->table))
        bs_rewriting_refuse(w);
    level->n++;
}

/* NATURAL and USING compare with an operator that nobody writes; an alias hides the names inside. */
static bool
is_plain_join(const JoinExpr *join)
{
    return !join->isNatural && join->usingClause == NULL && join->alias == NULL &&
           join->join_using_alias == NULL;
}

static void
add_from_item(struct bs_rewriting *w, struct bs_rewrite_level *level, const Node *node)
{
    const JoinExpr *join = (const JoinExpr *)(const void *)node;

    if (++w->depth > BS_REWRITE_DEPTH || w->refused) {
        bs_rewriting_refuse(w);
    } else if (node->type == T_RangeVar) {
        add_range(w, level, (const RangeVar *)(const void *)node, BS_KIND_UNKNOWN);
    } else if (node->type == T_JoinExpr && is_plain_join(join)) {
        add_from_item(w, level, join->larg);
        add_from_item(w, level, join->rarg);
    } else {
        bs_rewriting_refuse(w);
    }
    w->depth--;
}

static void
add_from(struct bs_rewriting *w, struct bs_rewrite_level *level, const List *from)
{
    for (int i = 0; i < bs_list_n(from) && !w->refused; i++)
        add_from_item(w, level, bs_list_at(from, i));
}

static void
put_range(struct bs_rewriting *w, const struct bs_rewrite_range *range)
{
    bs_put_str(&w->out, range->node->inh ? "" : "ONLY ");
    bs_rewriting_ident(w, range->table.schema);
    bs_put_u8(&w->out, '.');
    bs_rewriting_ident(w, range->table.name);
    bs_put_fmt(&w->out, " AS r%d", range->number);
}

static void
put_from_item(struct bs_rewriting *w, const Node *node)
{
    static const char *const joins[] = {[JOIN_INNER] = " JOIN ",
                                        [JOIN_LEFT] = " LEFT JOIN ",
                                        [JOIN_FULL] = " FULL JOIN ",
                                        [JOIN_RIGHT] = " RIGHT JOIN "};
    const JoinExpr *join = (const JoinExpr *)(const void *)node;

    if (node->type == T_RangeVar) {
        for (size_t i = 0; i < w->level->n; i++) {
            if ((const void *)w->level->ranges[i].node == (const void *)node)
                put_range(w, &w->level->ranges[i]);
        }
        return;
    }
    if ((size_t)join->jointype >= sizeof(joins) / sizeof(joins[0])) {
        bs_rewriting_refuse(w);
        return;
    }
    bs_put_u8(&w->out, '(');
    put_from_item(w, join->larg);
    bs_put_str(&w->out, join->quals == NULL ? " CROSS JOIN " : joins[join->jointype]);
    put_from_item(w, join->rarg);
    if (join->quals != NULL) {
        bs_put_str(&w->out, " ON (");
        bs_rewriting_expr(w, join->quals);
        bs_put_u8(&w->out, ')');
    } else if (join->jointype != JOIN_INNER) {
        bs_rewriting_refuse(w);
    }
    bs_put_u8(&w->out, ')');
}

static void
put_from(struct bs_rewriting *w, const char *before, const List *from)
{
    for (int i = 0; i < bs_list_n(from) && !w->refused; i++) {
        bs_put_str(&w->out, i == 0 ? before : ", ");
        put_from_item(w, bs_list_at(from, i));
    }
}

static void
put_where(struct bs_rewriting *w, const Node *where)
{
    if (where == NULL)
        return;
    bs_put_str(&w->out, " WHERE ");
    bs_rewriting_expr(w, where);
}

/* --- sub-selects -------------------------------------------------------------------------- */

/* Nothing but SELECT ... FROM ... WHERE, in which nobody hides a name. */
static bool
is_plain_select(const SelectStmt *s)
{
    return s->distinctClause == NULL && s->intoClause == NULL && s->groupClause == NULL &&
           s->havingClause == NULL && s->windowClause == NULL && s->valuesLists == NULL &&
           s->sortClause == NULL && s->limitOffset == NULL && s->limitCount == NULL &&
           s->lockingClause == NULL && s->withClause == NULL && s->op == SETOP_NONE;
}

/* What EXISTS selects does not count, unless it makes one row of none: count(*). */
static bool
is_any_target(const Node *node)
{
    const ResTarget *target = (const ResTarget *)(const void *)node;

    return target->type == T_ResTarget && target->val != NULL && target->indirection == NULL &&
           (target->val->type == T_A_Const || target->val->type == T_ColumnRef);
}

static void
put_target(struct bs_rewriting *w, const SelectStmt *select, SubLinkType type)
{
    const ResTarget *target;

    for (int i = 0; i < bs_list_n(select->targetList) && type == EXISTS_SUBLINK; i++) {
        if (!is_any_target(bs_list_at(select->targetList, i)))
            bs_rewriting_refuse(w);
    }
    if (type == EXISTS_SUBLINK) {
        bs_put_u8(&w->out, '1');
        return;
    }
    if (bs_list_n(select->targetList) != 1) {
        bs_rewriting_refuse(w);
        return;
    }
    target = (const ResTarget *)(const void *)bs_list_at(select->targetList, 0);
    if (target->indirection != NULL || target->val == NULL)
        bs_rewriting_refuse(w);
    else
        bs_rewriting_expr(w, target->val);
}

void
bs_rewriting_sublink(struct bs_rewriting *w, const SubLink *link)
{
    const SelectStmt *select = (const SelectStmt *)(const void *)link->subselect;
    struct bs_rewrite_level level = {.up = w->level};

    if ((link->subLinkType != ANY_SUBLINK && link->subLinkType != EXISTS_SUBLINK) ||
        select == NULL || select->type != T_SelectStmt || !is_plain_select(select)) {
        bs_rewriting_refuse(w);
        return;
    }
    if (link->subLinkType == ANY_SUBLINK) {
        const char *op = link->operName == NULL ? "=" : bs_list_last_text(link->operName);
        if (bs_list_n(link->operName) > 1 || op == NULL || link->testexpr == NULL) {
            bs_rewriting_refuse(w);
            return;
        }
        bs_rewriting_expr(w, link->testexpr);
        bs_rewriting_operator(w, op);
    }
    add_from(w, &level, select->fromClause);
    w->level = &level;
    bs_put_str(&w->out, link->subLinkType == ANY_SUBLINK ? "ANY (SELECT " : "EXISTS (SELECT ");
    if (!w->refused)
        put_target(w, select, link->subLinkType);
    put_from(w, " FROM ", select->fromClause);
    if (!w->refused)
        put_where(w, select->whereClause);
    bs_put_u8(&w->out, ')');
    w->level = level.up;
}

/* --- the statement ------------------------------------------------------------------------ */

/* The parts that UPDATE and DELETE have in common. */
struct change {
    enum bs_kind kind;
    const RangeVar *target;
    const List *from;
    const Node *where;
    const WithClause *with;
};

static bool
read_change(const List *stmts, struct change *out)
{
    const RawStmt *raw;
    const UpdateStmt *update;
    const DeleteStmt *delete;

    if (bs_list_n(stmts) != 1)
        return false;
    raw = (const RawStmt *)(const void *)bs_list_at(stmts, 0);
    update = (const UpdateStmt *)(const void *)raw->stmt;
    delete = (const DeleteStmt *)(const void *)raw->stmt;
    if (raw->stmt->type == T_UpdateStmt)
        *out = (struct change){BS_KIND_UPDATE, update->relation, update->fromClause,
                               update->whereClause, update->withClause};
    else if (raw->stmt->type == T_DeleteStmt)
        *out = (struct change){BS_KIND_DELETE, delete->relation, delete->usingClause,
                               delete->whereClause, delete->withClause};
    else
        return false;
    return out->with == NULL && out->where != NULL;
}

/* A target that a join matches twice is changed once. */
static void
put_change(struct bs_rewriting *w, const struct change *change)
{
    struct bs_rewrite_level level = {0};

    add_range(w, &level, change->target, change->kind);
    add_from(w, &level, change->from);
    if (w->refused)
        return;
    w->level = &level;
    bs_put_fmt(&w->out, "SELECT %sr0.tableoid, r0.ctid FROM ",
               change->from == NULL ? "" : "DISTINCT ");
    put_range(w, &level.ranges[0]);
    put_from(w, ", ", change->from);
    put_where(w, change->where);
    w->level = NULL;
}

/* The table's names are the catalog's, which may be gone before the arena is. */
static bool
keep(struct bs_rewriting *w,
     const struct change *change,
     const struct bs_rewrite_table *table,
     struct bs_arena *arena,
     struct bs_rewrite *out)
{
    *out = (struct bs_rewrite){.sql = bs_arena_copy(arena, bs_buf_view(&w->out)),
                               .table = {.with = table->with,
                                         .schema = bs_arena_str(arena, table->schema),
                                         .name = bs_arena_str(arena, table->name)},
                               .kind = change->kind,
                               .n_params = w->n_params};
    if (out->sql != NULL && out->table.schema != NULL && out->table.name != NULL)
        return true;
    *out = (struct bs_rewrite){0};
    return false;
}

enum bs_done
bs_rewrite_change(struct bs_bytes text,
                  const struct bs_rewrite_names *names,
                  struct bs_arena *arena,
                  struct bs_rewrite *out,
                  struct bs_err *err)
{
    struct bs_rewriting w = {.names = names};
    struct bs_rewrite_table table;
    struct bs_parse_tree parse;
    struct change change;
    enum bs_done done = BS_DONE;

    *out = (struct bs_rewrite){0};
    if (text.n > MAX_TEXT)
        return BS_DONE;
    bs_buf_init(&w.out, MAX_SQL);
    bs_parse_begin(text, BS_STRINGS_STANDARD, &parse);
    if (!parse.failed && read_change(parse.stmts, &change)) {
        put_change(&w, &change);
        w.refused = w.refused || w.out.failed || (w.dated && w.loose);
        if (!w.refused &&
            names->table(names->with,
                         (struct bs_name){change.target->schemaname, change.target->relname},
                         change.kind, &table) &&
            !keep(&w, &change, &table, arena, out))
            done = BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    }
    bs_parse_end(&parse);
    bs_buf_fini(&w.out);
    return done;
}
