/*
 * effect_test.c - what measured rows make of a risk: the limits, their edges, and what never lowers.
 */
#include "catalog/effect.h"

#include <string.h>

#include "sql/classify.h"
#include "tap.h"

static struct bs_arena arena;

/* A target of statement 0, named t1, t2, ... */
#define T(oid_, kind_, reach_, rows_, share_, how_, within_)                                       \
    {                                                                                              \
        .oid = oid_, .schema = "public", .name = "t" #oid_, .relkind = 'r',                        \
        .kind = BS_KIND_##kind_, .reach = BS_REACH_##reach_, .est_rows = -1, .rows = rows_,        \
        .share = share_, .how = BS_MEASURE_##how_, .within = within_                               \
    }

struct row {
    const char *what;
    const char *sql;
    struct bs_target targets[4];
    enum bs_risk risk;
    const char *reason; /* that must be there; NULL: none of those below */
    bool still_unmeasured;
    int64_t effect_rows; /* of the first effect */
};

static const struct row rows[] = {
    {"within both limits",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 1000, 0.1, COUNT, 0)},
     BS_RISK_HIGH,
     NULL,
     false,
     1000},
    {"one row over",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 1001, 0.1, COUNT, 0)},
     BS_RISK_CRITICAL,
     "impact",
     false,
     1001},
    {"a share over",
     "UPDATE t1 SET b = 1 WHERE a > 1",
     {T(1, UPDATE, TARGET, 10, 0.1001, COUNT, 0)},
     BS_RISK_CRITICAL,
     "impact",
     false,
     10},
    {"no rows at all",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 0, 0, COUNT, 0)},
     BS_RISK_HIGH,
     NULL,
     false,
     0},
    {"no rows, share not known",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 0, -1, COUNT, 0)},
     BS_RISK_HIGH,
     NULL,
     false,
     0},
    {"share not known",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 5, -1, COUNT, 0)},
     BS_RISK_CRITICAL,
     NULL,
     true,
     5},
    {"an estimate lowers nothing",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 5, 0.01, ESTIMATE, 0)},
     BS_RISK_CRITICAL,
     NULL,
     true,
     5},
    {"an estimate raises",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 5000, 0.01, ESTIMATE, 0)},
     BS_RISK_CRITICAL,
     "impact",
     true,
     5000},
    {"a rehearsal lowers",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 5, 0.01, REHEARSAL, 0)},
     BS_RISK_HIGH,
     NULL,
     false,
     5},
    {"not measured",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, -1, -1, NONE, 0)},
     BS_RISK_CRITICAL,
     NULL,
     true,
     -1},
    {"a tautology",
     "DELETE FROM t1 WHERE a % 1 = 0",
     {T(1, DELETE, TARGET, 120, 1, COUNT, 0)},
     BS_RISK_CRITICAL,
     "no_filter",
     false,
     120},
    {"no filter stays what it is",
     "DELETE FROM t1",
     {T(1, DELETE, TARGET, 5, 0.01, COUNT, 0)},
     BS_RISK_CRITICAL,
     "no_filter",
     false,
     5},
    {"one row by its key in a small table",
     "DELETE FROM t1 WHERE id = 1",
     {T(1, DELETE, TARGET, 1, 1, COUNT, 0)},
     BS_RISK_HIGH,
     NULL,
     false,
     1},
    {"children count",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 600, 0.01, COUNT, 0), T(2, DELETE, CASCADE, 600, 0.01, COUNT, 0)},
     BS_RISK_CRITICAL,
     "impact",
     false,
     600},
    {"a child's share counts",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 6, 0.01, COUNT, 0), T(2, DELETE, CASCADE, 6, 0.5, COUNT, 0)},
     BS_RISK_CRITICAL,
     "impact",
     false,
     6},
    {"one child is not counted",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 6, 0.01, COUNT, 0), T(2, DELETE, CASCADE, -1, -1, NONE, 0)},
     BS_RISK_CRITICAL,
     NULL,
     true,
     6},
    {"what is inserted need not be",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 6, 0.01, COUNT, 0), T(2, INSERT, TARGET, -1, -1, NONE, 0)},
     BS_RISK_HIGH,
     NULL,
     false,
     6},
    {"partitions are in their table's number",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, 900, 0.01, COUNT, 0), T(2, DELETE, TARGET, 900, 1, COUNT, 1)},
     BS_RISK_HIGH,
     NULL,
     false,
     900},
    {"TRUNCATE",
     "TRUNCATE t1",
     {T(1, TRUNCATE, TARGET, 5, 1, COUNT, 0)},
     BS_RISK_CRITICAL,
     NULL,
     false,
     5},
    {"a big TRUNCATE",
     "TRUNCATE t1",
     {T(1, TRUNCATE, TARGET, 5000, 1, COUNT, 0)},
     BS_RISK_CRITICAL,
     "impact",
     false,
     5000},
    {"sums do not wrap",
     "DELETE FROM t1 WHERE a > 1",
     {T(1, DELETE, TARGET, INT64_MAX, 0.01, COUNT, 0),
      T(2, DELETE, CASCADE, INT64_MAX, 0.01, COUNT, 0)},
     BS_RISK_CRITICAL,
     "impact",
     false,
     INT64_MAX},
};

static bool
has(const struct bs_stmt *stmt, const char *code)
{
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (strcmp(stmt->reasons[i].code, code) == 0)
            return true;
    }
    return false;
}

/* A unit as bs_catalog_judge leaves it where the table has the key `id`. */
static void
classify(const char *sql, struct bs_unit *unit)
{
    struct bs_err err = {0};

    bs_arena_reset(&arena);
    EXPECT(bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &arena, unit, &err) == BS_DONE);
    if (unit->stmts[0].n_effects != 0 && unit->stmts[0].effects[0].n_keys == 0 &&
        unit->stmts[0].kind != BS_KIND_TRUNCATE && !has(&unit->stmts[0], BS_REASON_UNMEASURED))
        EXPECT(bs_stmt_raise(&unit->stmts[0], BS_RISK_CRITICAL, BS_REASON_UNMEASURED, "x", &arena,
                             &err) == BS_DONE);
}

static void
settles(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct bs_target targets[4];
        struct bs_facts facts = {.targets = targets};
        struct bs_unit unit;
        struct bs_err err = {0};

        memcpy(targets, row->targets, sizeof(targets));
        while (facts.n_targets < 4 && targets[facts.n_targets].oid != 0)
            facts.n_targets++;
        classify(row->sql, &unit);
        EXPECT(bs_catalog_measured(&unit, &facts, BS_IMPACT_DEFAULT, &arena, &err) == BS_DONE);
        EXPECT_EQ(unit.risk, row->risk);
        EXPECT_EQ(has(&unit.stmts[0], BS_REASON_UNMEASURED), row->still_unmeasured);
        EXPECT(row->reason == NULL || has(&unit.stmts[0], row->reason));
        EXPECT(row->reason != NULL || !has(&unit.stmts[0], "impact"));
        EXPECT_EQ(unit.stmts[0].effects[0].rows, row->effect_rows);
        if (tap_misses != 0)
            printf("# in row: %s\n", row->what);
    }
}

/* Statements of a unit are one: what each may do, all together may not. */
static void
a_unit_is_one(void)
{
    struct bs_target targets[] = {T(1, DELETE, TARGET, 600, 0.06, COUNT, 0),
                                  T(1, DELETE, TARGET, 300, 0.06, COUNT, 0)};
    struct bs_facts facts = {.targets = targets, .n_targets = 2};
    struct bs_unit unit;
    struct bs_err err = {0};

    targets[1].stmt = 1;
    classify("DELETE FROM t1 WHERE a > 1; DELETE FROM t1 WHERE a < 0", &unit);
    EXPECT(bs_catalog_measured(&unit, &facts, BS_IMPACT_DEFAULT, &arena, &err) == BS_DONE);
    EXPECT(has(&unit.stmts[0], "impact") && has(&unit.stmts[1], "impact"));
    targets[0].share = targets[1].share = 0.05;
    classify("DELETE FROM t1 WHERE a > 1; DELETE FROM t1 WHERE a < 0", &unit);
    EXPECT(bs_catalog_measured(&unit, &facts, BS_IMPACT_DEFAULT, &arena, &err) == BS_DONE);
    EXPECT(!has(&unit.stmts[0], "impact"));
    targets[1].rows = 401;
    classify("DELETE FROM t1 WHERE a > 1; DELETE FROM t1 WHERE a < 0", &unit);
    EXPECT(bs_catalog_measured(&unit, &facts, BS_IMPACT_DEFAULT, &arena, &err) == BS_DONE);
    EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
}

static void
zero_lets_nothing_through(void)
{
    struct bs_target targets[] = {T(1, DELETE, TARGET, 1, 0.001, COUNT, 0)};
    struct bs_facts facts = {.targets = targets, .n_targets = 1};
    struct bs_unit unit;
    struct bs_err err = {0};

    classify("DELETE FROM t1 WHERE a > 1", &unit);
    EXPECT(bs_catalog_measured(&unit, &facts, (struct bs_impact){0}, &arena, &err) == BS_DONE);
    EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
}

static void
adds_up(void)
{
    struct bs_target targets[] = {
        T(1, DELETE, TARGET, 1, -1, COUNT, 0), T(2, DELETE, TARGET, 20, -1, COUNT, 1),
        T(3, DELETE, TARGET, 300, -1, ESTIMATE, 2), T(4, DELETE, CASCADE, 7, -1, COUNT, 0)};
    struct bs_facts facts = {.targets = targets, .n_targets = 4};

    bs_facts_add_up(&facts);
    EXPECT_EQ(targets[0].rows, 321);
    EXPECT_EQ(targets[0].how, BS_MEASURE_ESTIMATE);
    EXPECT_EQ(targets[1].rows, 320);
    EXPECT_EQ(targets[2].rows, 300);
    EXPECT_EQ(targets[3].rows, 7);

    /* What is only estimated as a whole stays so. */
    struct bs_target whole[] = {T(1, DELETE, TARGET, 50, -1, ESTIMATE, 0),
                                T(2, DELETE, TARGET, -1, -1, NONE, 1)};
    facts = (struct bs_facts){.targets = whole, .n_targets = 2};
    bs_facts_add_up(&facts);
    EXPECT_EQ(whole[0].rows, 50);

    struct bs_target holes[] = {T(1, DELETE, TARGET, 1, -1, COUNT, 0),
                                T(2, DELETE, TARGET, -1, -1, NONE, 1)};
    facts = (struct bs_facts){.targets = holes, .n_targets = 2};
    bs_facts_add_up(&facts);
    EXPECT_EQ(holes[0].rows, -1);
    EXPECT_EQ(holes[0].how, BS_MEASURE_NONE);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"the limits, their edges, and what never lowers", settles},
        {"statements of a unit are one", a_unit_is_one},
        {"limits of zero let nothing through", zero_lets_nothing_through},
        {"partitions are added to what they are within", adds_up},
    };
    int failed;

    bs_arena_init(&arena, "test", 64u << 20);
    failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_arena_fini(&arena);
    return failed;
}
