/*
 * follow_test.c - a text means what its session has made of it.
 */
#include "api/follow.h"

#include "tap.h"

#define MAX_BEFORE 6

/* clang-format off */
static const struct {
    const char *before[MAX_BEFORE];
    const char *sql;
    enum bs_risk risk;
} rows[] = {
#define S BS_RISK_SAFE
#define H BS_RISK_HIGH
#define C BS_RISK_CRITICAL
    {{NULL}, "EXECUTE p", C},
    {{"PREPARE p AS SELECT 1"}, "EXECUTE p", S},
    {{"PREPARE p AS SELECT 1"}, "EXECUTE q", C},
    {{"PREPARE p AS SELECT 1", "DEALLOCATE p"}, "EXECUTE p", C},
    {{"PREPARE p AS SELECT 1", "DEALLOCATE ALL"}, "EXECUTE p", C},
    {{"PREPARE p AS SELECT 1", "DISCARD ALL"}, "EXECUTE p", C},
    {{"PREPARE p AS SELECT 1", "CLOSE ALL"}, "EXECUTE p", S},
    {{"BEGIN", "PREPARE p AS SELECT 1", "ROLLBACK"}, "EXECUTE p", S},
    {{"PREPARE p AS SELECT 1"}, "EXECUTE p(trap())", C},
    {{"PREPARE p AS DELETE FROM t WHERE id = $1"}, "EXECUTE p(1)", H},
    {{"PREPARE p AS DELETE FROM t"}, "EXECUTE p", C},
    {{"PREPARE p AS SELECT trap()"}, "EXECUTE p", C},
    {{"PREPARE p AS SELECT 1"}, "EXPLAIN EXECUTE p", C},
    {{NULL}, "PREPARE p AS SELECT 1; EXECUTE p", S},

    {{NULL}, "FETCH c", C},
    {{"BEGIN", "DECLARE c CURSOR FOR SELECT 1"}, "FETCH 5 FROM c", S},
    {{"BEGIN", "DECLARE c CURSOR FOR SELECT 1"}, "MOVE c", S},
    {{"BEGIN", "DECLARE c CURSOR FOR SELECT trap()"}, "FETCH c", C},
    {{"BEGIN", "DECLARE c CURSOR FOR SELECT 1", "CLOSE c"}, "FETCH c", C},
    {{"BEGIN", "DECLARE c CURSOR FOR SELECT 1", "COMMIT"}, "FETCH c", C},
    {{"BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "COMMIT"}, "FETCH c", S},
    {{"PREPARE c AS SELECT 1"}, "FETCH c", C},

    {{"SET search_path = shadow, pg_catalog"}, "SELECT * FROM t", C},
    {{"SET search_path = shadow, pg_catalog"}, "SELECT * FROM public.t", S},
    {{"SET search_path = shadow, pg_catalog"}, "INSERT INTO t VALUES (1)", C},
    {{"SET search_path = shadow, pg_catalog", "SET search_path = public"}, "SELECT * FROM t", C},
    {{"SET search_path = shadow, pg_catalog", "DISCARD ALL"}, "SELECT * FROM t", S},
    {{"SET search_path = public"}, "SELECT * FROM t", S},
    {{"SET search_path = shadow, public"}, "SELECT lower(x) FROM t", S},
    {{"SELECT set_config('search_path', '', false)"}, "SELECT * FROM public.t", S},
    {{"CREATE TEMP TABLE x(a int)"}, "SELECT * FROM x", C},
    {{"CREATE TEMP TABLE x(a int)"}, "SELECT * FROM pg_temp.x", C},
    {{"CREATE TEMP TABLE x(a int)"}, "SELECT * FROM public.x", S},
    {{"CREATE TEMP TABLE x(a int)", "DISCARD ALL"}, "SELECT * FROM x", S},
    {{"BEGIN", "CREATE TABLE x(a int)"}, "SELECT * FROM x", C},
    {{"BEGIN", "CREATE TABLE x(a int)", "COMMIT"}, "SELECT * FROM x", S},
    {{"CREATE TABLE x(a int)"}, "SELECT * FROM x", S},
    {{"BEGIN", "INSERT INTO x VALUES (1)"}, "SELECT * FROM x", S},
    {{"DO 'x'"}, "SELECT * FROM t", C},
    {{"SELECT trap()"}, "SELECT * FROM t", C},
    {{"not parsable"}, "SELECT * FROM t", C},
    {{"SELECT trap()"}, "SELECT 1", S},
#undef S
#undef H
#undef C
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct bs_unit
judge(struct bs_follow *f, const char *sql, struct bs_err *err)
{
    struct bs_unit unit = {0};

    EXPECT_EQ(bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, f->arena, &unit, err), BS_DONE);
    EXPECT_EQ(bs_follow_unit(f, &unit, err), BS_DONE);
    return unit;
}

static void
every_row(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bs_arena arena;
        struct bs_err err = {0};
        bs_arena_init(&arena, "test", 1u << 20);
        struct bs_follow f = {.arena = &arena};

        for (size_t k = 0; k < MAX_BEFORE && rows[i].before[k] != NULL; k++)
            (void)judge(&f, rows[i].before[k], &err);
        struct bs_follow before = f;
        struct bs_unit unit = judge(&f, rows[i].sql, &err);
        EXPECT_EQ(bs_follow_doubt(&before, &unit, &err), BS_DONE);
        EXPECT_EQ(unit.risk, rows[i].risk);
        if (unit.risk != rows[i].risk)
            printf("# row %zu: %s\n", i, rows[i].sql);
        bs_arena_fini(&arena);
    }
}

/* What EXECUTE would change is told as its own. */
static void
effects_of_execute(void)
{
    struct bs_arena arena;
    struct bs_err err = {0};
    bs_arena_init(&arena, "test", 1u << 20);
    struct bs_follow f = {.arena = &arena};

    (void)judge(&f, "PREPARE p AS DELETE FROM s.t WHERE id = $1", &err);
    struct bs_unit unit = judge(&f, "EXECUTE p(1)", &err);
    REQUIRE(unit.n_stmts == 1 && unit.stmts[0].n_effects == 1);
    EXPECT_EQ(unit.stmts[0].kind, BS_KIND_EXECUTE);
    EXPECT_EQ(unit.stmts[0].effects[0].kind, BS_KIND_DELETE);
    EXPECT_EQ(unit.stmts[0].point, BS_POINT_ROWS);
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"sessions, row by row", every_row},
        {"effects of EXECUTE", effects_of_execute},
    };
    return tap_main(cases, COUNT(cases));
}
