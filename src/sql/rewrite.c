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
    const List *set; /* UPDATE */
};

static bool
read_change(const List *stmts, enum bs_rewrite_for use, struct change *out)
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
        *out = (struct change){BS_KIND_UPDATE,      update->relation,   update->fromClause,
                               update->whereClause, update->withClause, update->targetList};
    else if (raw->stmt->type == T_DeleteStmt)
        *out = (struct change){BS_KIND_DELETE,      delete->relation,   delete->usingClause,
                               delete->whereClause, delete->withClause, NULL};
    else
        return false;
    return out->with == NULL && (out->where != NULL || use == BS_REWRITE_TO_COUNT);
}

/* One assignment of SET; NULL: of part of a column, of several at once, or of its default. */
static const ResTarget *
assignment(const struct change *change, int i)
{
    const ResTarget *target = (const ResTarget *)(const void *)bs_list_at(change->set, i);

    if (target->type != T_ResTarget || target->name == NULL || target->indirection != NULL ||
        target->val == NULL || target->val->type == T_MultiAssignRef ||
        target->val->type == T_SetToDefault)
        return NULL;
    return target;
}

/* ", value, ..." of what is assigned. */
static void
put_assigned(struct bs_rewriting *w, const struct change *change)
{
    for (int i = 0; i < bs_list_n(change->set) && !w->refused; i++) {
        const ResTarget *target = assignment(change, i);
        uint32_t type = target == NULL ? 0
                                       : w->names->column(w->names->with,
                                                          &w->level->ranges[0].table, target->name);
        if (type == 0) {
            bs_rewriting_refuse(w);
            return;
        }
        bs_put_str(&w->out, ", ");
        bs_rewriting_as(w, target->val, bs_scalar_of(type));
    }
}

/* A target that a join matches twice is changed once. */
static void
put_change(struct bs_rewriting *w, const struct change *change, bool assigned)
{
    struct bs_rewrite_level level = {0};

    add_range(w, &level, change->target, change->kind);
    add_from(w, &level, change->from);
    if (w->refused)
        return;
    w->level = &level;
    bs_put_fmt(&w->out, "SELECT %sr0.tableoid, r0.ctid",
               change->from == NULL || assigned ? "" : "DISTINCT ");
    if (assigned)
        put_assigned(w, change);
    bs_put_str(&w->out, " FROM ");
    put_range(w, &level.ranges[0]);
    put_from(w, ", ", change->from);
    put_where(w, change->where);
    w->level = NULL;
}

/* One SELECT of a change; false where it cannot be told. */
static bool
print_change(struct bs_rewriting *w, const struct change *change, bool assigned)
{
    put_change(w, change, assigned);
    return !w->refused && !w->out.failed && !(w->dated && w->loose) && !(w->asked && w->local);
}

/* What it assigns is told only to be looked at, so it may stay untold. */
static enum bs_done
tell_assigned(const struct bs_rewriting *like,
              const struct change *change,
              struct bs_arena *arena,
              struct bs_rewrite *out,
              struct bs_err *err)
{
    struct bs_rewriting w = {.names = like->names, .clock = like->clock};
    size_t n = (size_t)bs_list_n(change->set);
    enum bs_done done = BS_DONE;

    bs_buf_init(&w.out, MAX_SQL);
    if (print_change(&w, change, true)) {
        out->set = bs_arena_array(arena, n + 1, sizeof(*out->set));
        for (size_t i = 0; i < n && out->set != NULL; i++)
            out->set[i] = bs_arena_str(arena, assignment(change, (int)i)->name);
        out->n_set = n;
        out->n_set_params = w.n_params;
        out->set_sql = bs_arena_copy(arena, bs_buf_view(&w.out));
        if (out->set == NULL || out->set_sql == NULL || (n != 0 && out->set[n - 1] == NULL))
            done = BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    }
    bs_buf_fini(&w.out);
    return done;
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

static enum bs_done
tell(struct bs_rewriting *w,
     const struct change *change,
     struct bs_arena *arena,
     struct bs_rewrite *out,
     struct bs_err *err)
{
    struct bs_rewrite_table table;

    if (!print_change(w, change, false) ||
        !w->names->table(w->names->with,
                         (struct bs_name){change->target->schemaname, change->target->relname},
                         change->kind, &table))
        return BS_DONE;
    if (!keep(w, change, &table, arena, out))
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    return w->clock && change->set != NULL ? tell_assigned(w, change, arena, out, err) : BS_DONE;
}

enum bs_done
bs_rewrite_change(struct bs_bytes text,
                  enum bs_rewrite_for use,
                  const struct bs_rewrite_names *names,
                  struct bs_arena *arena,
                  struct bs_rewrite *out,
                  struct bs_err *err)
{
    struct bs_rewriting w = {.names = names, .clock = use == BS_REWRITE_TO_COUNT};
    struct bs_parse_tree parse;
    struct change change;
    enum bs_done done = BS_DONE;

    *out = (struct bs_rewrite){0};
    if (text.n > MAX_TEXT)
        return BS_DONE;
    bs_buf_init(&w.out, MAX_SQL);
    bs_parse_begin(text, BS_STRINGS_STANDARD, &parse);
    if (!parse.failed && read_change(parse.stmts, use, &change))
        done = tell(&w, &change, arena, out, err);
    bs_parse_end(&parse);
    bs_buf_fini(&w.out);
    return done;
}
