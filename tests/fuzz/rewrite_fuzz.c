/*
 * rewrite_fuzz.c - whatever a statement is, what is made of it for the helper to run is one SELECT
 * that names everything with its schema and uses nothing but the server's own harmless things.
 */
#include "fuzz.h"

#include "sql/classify.h"
#include "sql/rewrite.h"
#include "sql/scalars.h"

#define CAP ((size_t)64 << 20)

static const struct bs_classify_limits limits = {1u << 18, 1000000};

static bool
any_table(const void *with, struct bs_name name, enum bs_kind change, struct bs_rewrite_table *out)
{
    (void)change;
    *out = (struct bs_rewrite_table){with, "sch\"ema", name.name};
    return name.name[0] != 'v';
}

/* Columns of all types, as their first letter says. */
static uint32_t
any_column(const void *with, const struct bs_rewrite_table *table, const char *name)
{
    static const uint32_t types[] = {
        23, 25, 1184, 1082, 16, 3802, BS_SCALAR_ENUM, 2950, 1186, 1043, 0, BS_REWRITE_OTHER};

    (void)with;
    (void)table;
    return types[(uint8_t)name[0] % (sizeof(types) / sizeof(types[0]))];
}

static bool
any_name(const void *with, const char *name)
{
    (void)with;
    return name[0] != '\0';
}

static bool
is_own(struct bs_name name)
{
    return name.schema != NULL && strcmp(name.schema, "pg_catalog") == 0;
}

static void
check_select(const char *sql, struct bs_arena *arena)
{
    struct bs_unit unit = {0};
    struct bs_err err = {0};
    const struct bs_stmt *s;

    HOLD(bs_classify(bs_bytes_of(sql), limits, arena, &unit, &err) == BS_DONE);
    HOLD(unit.parsed && unit.n_stmts == 1);
    s = &unit.stmts[0];
    HOLD(s->kind == BS_KIND_SELECT && s->risk == BS_RISK_SAFE && s->n_effects == 0);
    HOLD(s->point == BS_POINT_NONE && s->flags == 0);
    for (size_t i = 0; i < s->n_calls; i++)
        HOLD(s->calls[i].kind == BS_CALL_FIELD || is_own(s->calls[i].name));
    for (size_t i = 0; i < s->n_reads; i++)
        HOLD(s->reads[i].schema != NULL && strcmp(s->reads[i].schema, "sch\"ema") == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bs_rewrite_names names = {"", any_table, any_column, any_name, any_name};
    struct bs_bytes text = {data, size};
    struct bs_rewrite got;
    struct bs_unit unit = {0};
    struct bs_err err = {0};
    struct bs_arena arena;

    bs_arena_init(&arena, "fuzz", CAP);
    /* As in the gateway: only what was classified before gets here. */
    if (bs_classify(text, limits, &arena, &unit, &err) == BS_DONE && unit.parsed &&
        unit.n_stmts == 1) {
        for (int use = BS_REWRITE_TO_KEEP; use <= BS_REWRITE_TO_COUNT; use++) {
            HOLD(bs_rewrite_change(text, (enum bs_rewrite_for)use, &names, &arena, &got, &err) ==
                 BS_DONE);
            if (got.sql == NULL)
                continue;
            HOLD(got.kind == BS_KIND_DELETE || got.kind == BS_KIND_UPDATE);
            HOLD(got.n_params >= 0 && got.table.name != NULL);
            check_select(got.sql, &arena);
            HOLD(use == BS_REWRITE_TO_COUNT || got.set_sql == NULL);
            if (got.set_sql != NULL)
                check_select(got.set_sql, &arena);
        }
    }
    bs_arena_fini(&arena);
    return 0;
}
