/*
 * condition.c - the text is parsed twice. Alone behind WHERE: then its parentheses are its own. In
 * the parentheses it will stand in: then it means there what it was looked at for.
 */
#include "sql/condition.h"

#include <string.h>

#include "sql/classify.h"
#include "sql/nodes.h"
#include "sql/parse.h"

#define ARENA_MAX (4u << 20)

void
bs_put_condition(struct bs_buf *b, struct bs_bytes text)
{
    bs_put_str(b, "(\n");
    bs_put_bytes(b, text);
    bs_put_str(b, "\n)");
}

/* SELECT WHERE ..., and not one clause more. */
static bool
is_where_only(const SelectStmt *s)
{
    const void *const others[] = {
        s->distinctClause, s->intoClause,    s->targetList,  s->fromClause, s->groupClause,
        s->havingClause,   s->windowClause,  s->valuesLists, s->sortClause, s->limitOffset,
        s->limitCount,     s->lockingClause, s->withClause,  s->larg,       s->rarg};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (others[i] != NULL)
            return false;
    }
    return s->op == SETOP_NONE && s->whereClause != NULL;
}

static bool
is_one_select(const struct List *stmts)
{
    const Node *raw = bs_list_n(stmts) == 1 ? bs_list_at(stmts, 0) : NULL;
    const Node *node = raw == NULL ? NULL : ((const RawStmt *)(const void *)raw)->stmt;

    return node != NULL && node->type == T_SelectStmt &&
           is_where_only((const SelectStmt *)(const void *)node);
}

static enum bs_done
check_shape(struct bs_buf *select, struct bs_err *err)
{
    struct bs_parse_tree tree;
    enum bs_done done = BS_DONE;

    bs_parse_begin(bs_buf_view(select), BS_STRINGS_STANDARD, &tree);
    if (tree.failed)
        done = BS_FAIL(err, USAGE, "the condition is no SQL expression: %.150s", tree.error);
    else if (!is_one_select(tree.stmts))
        done = BS_FAIL(err, USAGE, "the condition is more than one expression");
    bs_parse_end(&tree);
    return done;
}

static enum bs_done
check_call(const struct bs_call *c, struct bs_err *err)
{
    bool own = c->name.schema == NULL || strcmp(c->name.schema, "pg_catalog") == 0;
    bool setting = strcmp(c->name.name, "set_config") == 0; /* harmless elsewhere, but not here */

    if (c->kind != BS_CALL_FUNCTION || (own && !setting && c->risk == BS_RISK_SAFE))
        return BS_DONE;
    (void)BS_FAIL(err, USAGE, "the condition calls the function \"%.63s\"", c->name.name);
    bs_err_hint(err, "only PostgreSQL's own functions are called, and only those that change"
                     " nothing");
    return BS_FAILED;
}

static enum bs_done
check_meaning(const struct bs_unit *unit, struct bs_err *err)
{
    const struct bs_stmt *s = unit->stmts;

    if (unit->n_stmts != 1 || s->n_effects != 0)
        return BS_FAIL(err, USAGE, "the condition does more than look at a row");
    if (s->n_reads != 0)
        return BS_FAIL(err, USAGE,
                       "the condition reads \"%.63s\": it can only look at the saved row",
                       s->reads[0].name);
    for (size_t i = 0; i < s->n_calls; i++) {
        if (check_call(&s->calls[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
check_effects(struct bs_buf *select, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_unit unit = {0};
    enum bs_done done;

    bs_arena_init(&arena, "condition", ARENA_MAX);
    done = bs_classify(bs_buf_view(select), BS_CLASSIFY_LIMITS, &arena, &unit, err);
    if (done == BS_DONE)
        done = check_meaning(&unit, err);
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_condition_check(struct bs_bytes text, struct bs_err *err)
{
    struct bs_buf select;
    enum bs_done done;

    if (text.n > BS_CONDITION_MAX)
        return BS_FAIL(err, LIMIT, "a condition is at most %d bytes long", BS_CONDITION_MAX);
    if (memchr(text.p, 0, text.n) != NULL)
        return BS_FAIL(err, USAGE, "the condition has a NUL in it");
    bs_buf_init(&select, BS_CONDITION_MAX + 64);
    bs_put_str(&select, "SELECT WHERE ");
    bs_put_bytes(&select, text);
    done = check_shape(&select, err);
    bs_buf_clear(&select);
    bs_put_str(&select, "SELECT WHERE ");
    bs_put_condition(&select, text);
    if (done == BS_DONE)
        done = check_shape(&select, err);
    if (done == BS_DONE)
        done = check_effects(&select, err);
    bs_buf_fini(&select);
    return done;
}
