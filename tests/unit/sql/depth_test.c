/*
 * depth_test.c - texts made to exhaust a stack, a heap or patience (THREATS 17). Each must get an
 * answer in seconds on an ordinary stack; that it is not a crash is half of the test.
 */
#include "base/clock.h"
#include "unit.h"

#include <stdlib.h>

/* clang-format off */
/* head, then n times part, then middle, then n times close, then tail */
static const struct {
    const char *what, *head, *part, *middle, *close, *tail;
    size_t n;
    enum bs_risk risk;
} rows[] = {
    {"terms", "SELECT 1", "+1", "", "", "", 1000000, BS_RISK_SAFE},
    {"union arms", "SELECT 1", " UNION SELECT 1", "", "", "", 50000, BS_RISK_SAFE},
    {"parentheses", "SELECT ", "(", "1", ")", "", 10000, BS_RISK_CRITICAL},
    {"NOTs", "SELECT ", "NOT ", "true", "", "", 10000, BS_RISK_CRITICAL},
    {"casts", "SELECT 1", "::int", "", "", "", 500000, BS_RISK_SAFE},
    {"list", "SELECT 1 WHERE 1 IN (0", ",1", ")", "", "", 1000000, BS_RISK_SAFE},
    {"joins", "SELECT 1 FROM a", " CROSS JOIN b", "", "", "", 200000, BS_RISK_SAFE},
    {"ANDs", "DELETE FROM t WHERE a = 1", " AND b = 2", "", "", "", 200000, BS_RISK_HIGH},
    {"statements", "SELECT 1", ";SELECT 1", "", "", "", 100000, BS_RISK_SAFE},
    {"subscripts", "SELECT (x)", "[1].y", "", "", "", 300000, BS_RISK_SAFE},
    {"nested queries", "SELECT ", "(SELECT ", "1", ")", "", 1500, BS_RISK_SAFE},
    {"nested comments", "", "/*", "", "*/", "SELECT 1", 500000, BS_RISK_CRITICAL},
    {"some nested comments", "", "/*", "", "*/", "SELECT 1", 500, BS_RISK_SAFE},
    {"nested comments apart", "", "/* ", "", "*/ ", "SELECT 1", 200000, BS_RISK_SAFE},
    {"pluses", "SELECT ", "+", "1", "", "", 1000000, BS_RISK_CRITICAL},
    {"pluses and minuses", "SELECT 1", "+-", "1", "", "", 500000, BS_RISK_CRITICAL},
    {"a line of minuses", "", "-", "\nSELECT 1", "", "", 1000000, BS_RISK_SAFE},
    {"a banner", "/", "*", "/ SELECT 1", "", "", 1000000, BS_RISK_SAFE},
    {"lines in a literal", "SELECT '", "----+----\n", "'", "", "", 100000, BS_RISK_SAFE},
    {"dollars", "SELECT ", "$a", " $$ $$", "", "", 200000, BS_RISK_CRITICAL},
    {"literals in pieces", "SELECT 'a'", "\n'a'", "", "", "", 200000, BS_RISK_SAFE},
    {"not null", "CREATE TABLE t(a int", " NOT NULL COLLATE \"C\"", ")", "", "", 50000, BS_RISK_CRITICAL},
    {"columns", "SELECT 1", ",a.b", " FROM a", "", "", 500000, BS_RISK_SAFE},
    {"one comment", "/*", "xxxxxxxxxx", "*/ DELETE FROM t", "", "", 100000, BS_RISK_CRITICAL},
    /* The grammar's own recursion: where is that expression? Overflows 8 MB from 500,000 on. */
    {"LIMIT twice", "(SELECT 1 LIMIT 1) LIMIT 1", "+1", "", "", "", 1000000, BS_RISK_CRITICAL},
    {"OFFSET twice", "(SELECT 1 OFFSET 1) OFFSET 1", "+1", "", "", "", 16000, BS_RISK_CRITICAL},
    /* Under both settings of standard_conforming_strings. */
    {"terms and a backslash", "SELECT '\\a'", "||'\\b'", "", "", "", 200000, BS_RISK_SAFE},
    {"LIMIT twice and a backslash", "(SELECT '\\' LIMIT 1) LIMIT 1", "+1", "", "", "", 1000000, BS_RISK_CRITICAL},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
repeat(struct bs_buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bs_put_str(b, text);
}

/* Nobody waits longer for any of them; sanitizers are several times slower. */
#define MAX_SECONDS 30

static void
every_row(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bs_arena arena;
        struct bs_buf text;
        bs_arena_init(&arena, "test", 256u << 20);
        bs_buf_init(&text, 32u << 20);
        bs_put_str(&text, rows[i].head);
        repeat(&text, rows[i].part, rows[i].n);
        bs_put_str(&text, rows[i].middle);
        repeat(&text, rows[i].close, rows[i].n);
        bs_put_str(&text, rows[i].tail);

        int64_t start = bs_mono_us();
        struct bs_unit unit = unit_of_bytes(bs_buf_view(&text), &arena);
        int64_t took = bs_mono_us() - start;
        EXPECT_EQ(unit.risk, rows[i].risk);
        EXPECT(took < MAX_SECONDS * INT64_C(1000000));
        printf("# %s: %zu bytes in %.2f s\n", rows[i].what, text.n, (double)took / 1e6);
        bs_buf_fini(&text);
        bs_arena_fini(&arena);
    }
}

/* n names of WITH, each looked for among all that came before: the budget ends it. */
static void
names_times_names(void)
{
    struct bs_arena arena;
    struct bs_buf text;
    bs_arena_init(&arena, "test", 256u << 20);
    bs_buf_init(&text, 16u << 20);

    bs_put_str(&text, "WITH c AS (SELECT 1)");
    for (int i = 0; i < 100000; i++)
        bs_put_fmt(&text, ", c%d AS (SELECT * FROM c)", i);
    bs_put_str(&text, " SELECT 1");
    int64_t start = bs_mono_us();
    struct bs_unit unit = unit_of_bytes(bs_buf_view(&text), &arena);
    EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
    EXPECT(bs_mono_us() - start < MAX_SECONDS * INT64_C(1000000));
    bs_buf_fini(&text);
    bs_arena_fini(&arena);
}

/* The limits themselves, at and one past the edge. */
static void
limits(void)
{
    struct bs_arena arena;
    struct bs_unit unit;
    struct bs_err err = {0};
    bs_arena_init(&arena, "test", 1u << 20);

    EXPECT_EQ(
        bs_classify(BS_LIT("SELECT 1"), (struct bs_classify_limits){8, 100}, &arena, &unit, &err),
        BS_DONE);
    EXPECT_EQ(unit.risk, BS_RISK_SAFE);
    EXPECT_EQ(
        bs_classify(BS_LIT("SELECT 11"), (struct bs_classify_limits){8, 100}, &arena, &unit, &err),
        BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    EXPECT_EQ(unit.risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_classify(BS_LIT("SELECT 1, 2"), (struct bs_classify_limits){99, 5}, &arena, &unit,
                          &(struct bs_err){0}),
              BS_DONE);
    EXPECT_EQ(unit.risk, BS_RISK_SAFE);
    EXPECT_EQ(bs_classify(BS_LIT("SELECT 1, 2"), (struct bs_classify_limits){99, 4}, &arena, &unit,
                          &(struct bs_err){0}),
              BS_DONE);
    EXPECT_EQ(unit.risk, BS_RISK_CRITICAL);
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"deep and large texts", every_row},
        {"names times names", names_times_names},
        {"limits", limits},
    };
    return tap_main(cases, COUNT(cases));
}
