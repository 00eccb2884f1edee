/*
 * assumed.c - facts made up from the text alone.
 */
#include "api/assumed.h"

#include <string.h>

#include "catalog/effect.h"

#define FIRST_OID 16384u /* made up; only their being different counts */

static bool
is_relation(const struct bs_effect *e)
{
    return e->object == BS_OBJECT_RELATION || e->object == BS_OBJECT_COLUMN;
}

static struct bs_target
table_of(const struct bs_effect *e, size_t stmt, uint32_t oid)
{
    return (struct bs_target){
        .oid = oid,
        .schema = e->name.schema == NULL ? "public" : e->name.schema,
        .name = e->name.name,
        .relkind = 'r',
        .kind = e->kind,
        .est_rows = -1,
        .stmt = stmt,
        .rows = -1,
        .share = -1,
    };
}

static bool
is_by_key(const struct bs_effect *e)
{
    for (size_t i = 0; i < e->n_keys; i++) {
        if (strcmp(e->keys[i], "id") == 0)
            return true;
    }
    return false;
}

/* Columns that are compared may be a key, for all that the text tells. Only `id` is taken for one. */
static enum bs_done
doubt_keys(struct bs_stmt *stmt, struct bs_arena *arena, struct bs_err *err)
{
    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        bool some = e->kind == BS_KIND_UPDATE || e->kind == BS_KIND_DELETE;
        if (!some || e->upsert || e->n_keys == 0 || is_by_key(e))
            continue;
        if (bs_stmt_raise(stmt, BS_RISK_CRITICAL, BS_REASON_UNMEASURED,
                          "nobody has counted the rows that would change", arena, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_assume_tables(struct bs_unit *unit,
                 struct bs_arena *arena,
                 struct bs_facts *out,
                 struct bs_err *err)
{
    size_t most = 1;

    *out = (struct bs_facts){0};
    for (size_t i = 0; i < unit->n_stmts; i++)
        most += unit->stmts[i].n_effects;
    out->targets = bs_arena_array(arena, most, sizeof(out->targets[0]));
    if (out->targets == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_effects; k++) {
            const struct bs_effect *e = &unit->stmts[i].effects[k];
            if (is_relation(e))
                out->targets[out->n_targets] = table_of(e, i, FIRST_OID + (uint32_t)out->n_targets);
            out->n_targets += is_relation(e);
        }
        if (doubt_keys(&unit->stmts[i], arena, err) != BS_DONE)
            return BS_FAILED;
    }
    bs_unit_settle(unit);
    return BS_DONE;
}

enum bs_done
bs_assume_rows(const struct bs_policy *policy,
               int64_t rows,
               double share,
               struct bs_unit *unit,
               struct bs_facts *facts,
               struct bs_arena *arena,
               struct bs_err *err)
{
    const struct bs_impact limits = {policy->impact.rows, policy->impact.share};

    for (size_t i = 0; i < facts->n_targets; i++) {
        struct bs_target *t = &facts->targets[i];
        if (!bs_target_loses_rows(t))
            continue;
        t->rows = rows;
        t->share = share < 0 ? 0 : share;
        t->how = BS_MEASURE_COUNT;
    }
    return bs_catalog_measured(unit, facts, limits, arena, err);
}
