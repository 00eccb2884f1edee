/*
 * plan_select.c - which rows will change, told before anything runs. All or nothing: where one
 * statement of a unit cannot be told, its rows are read afterwards, and the others' with them.
 */
#include <string.h>

#include "catalog/effect.h"
#include "catalog/select.h"
#include "recovery/plan.h"

/* Reasons that tell how many rows change, and of nothing that would run or change others. */
static bool
is_plain(const struct bs_stmt *stmt)
{
    static const char *const codes[] = {"kind", BS_REASON_UNMEASURED, BS_REASON_IMPACT, "cascade"};

    for (size_t i = 0; i < stmt->n_reasons; i++) {
        size_t k = 0;
        while (k < sizeof(codes) / sizeof(codes[0]) && strcmp(codes[k], stmt->reasons[i].code) != 0)
            k++;
        if (k == sizeof(codes) / sizeof(codes[0]))
            return false;
    }
    return (stmt->flags & BS_FLAG_BACKSLASH) == 0;
}

static bool
loses_nothing(const struct bs_stmt *stmt)
{
    return stmt->point == BS_POINT_NONE || stmt->point == BS_POINT_RECORD;
}

static bool
may_select(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        const struct bs_stmt *stmt = &unit->stmts[i];
        if (!is_plain(stmt) || (stmt->point != BS_POINT_ROWS && !loses_nothing(stmt)))
            return false;
    }
    return true;
}

enum bs_done
bs_plan_select(const struct bs_snapshot *snapshot,
               struct bs_session_names names,
               const struct bs_unit *unit,
               struct bs_bytes text,
               struct bs_arena *arena,
               struct bs_plan *plan,
               struct bs_err *err)
{
    struct bs_plan_select *list;
    size_t n = 0;

    if (plan->kind != BS_PLAN_ROWS || names.path_changed || names.uncommitted_ddl ||
        names.temporary || !may_select(unit))
        return BS_DONE;
    list = bs_arena_array(arena, unit->n_stmts + 1, sizeof(*list));
    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    for (size_t i = 0; i < unit->n_stmts; i++) {
        const struct bs_stmt *stmt = &unit->stmts[i];
        struct bs_bytes span = {text.p + stmt->from, stmt->to - stmt->from};
        struct bs_selected got;
        if (loses_nothing(stmt))
            continue;
        if (bs_catalog_select(snapshot, BS_REWRITE_TO_KEEP, span, arena, &got, err) != BS_DONE)
            return BS_FAILED;
        if (got.sql == NULL)
            return BS_DONE;
        list[n++] = (struct bs_plan_select){.oid = got.oid,
                                            .schema = got.schema,
                                            .name = got.name,
                                            .kind = got.kind,
                                            .sql = got.sql,
                                            .n_params = got.n_params,
                                            .stmt = i};
    }
    plan->selects = list;
    plan->n_selects = n;
    return BS_DONE;
}
