/*
 * limits_test.c - what an approval covers.
 */
#include <stdlib.h>

#include "approval/limits.h"
#include "tap.h"

static const struct {
    int64_t approved, now;
    bool by_key, grown;
} rows[] = {
    {100, 100, false, false}, {100, 110, false, false},    {100, 111, false, true},
    {10, 20, false, false},   {10, 21, false, true},       {0, 10, false, false},
    {0, 11, false, true},     {1000, 1100, false, false},  {1000, 1101, false, true},
    {100, 0, false, false},   {1, 1, true, false},         {1, 2, true, true},
    {0, 1, true, true},       {-1, 1000000, false, false}, {5, -1, false, true},
    {-1, -1, false, false},   {0, INT64_MAX, false, true}, {INT64_MAX, INT64_MAX, false, false},
};

static void
growth(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int before = tap_misses;
        EXPECT_EQ(bs_rows_grown(rows[i].approved, rows[i].now, rows[i].by_key), rows[i].grown);
        if (tap_misses != before)
            printf("# in row %zu\n", i);
    }
}

static const struct bs_limit_table tables[] = {{"public.a", 100, false}, {"public.b", 1, true}};
static const struct bs_limits base = {tables, 2, "whole", "read-back", "approve"};

static enum bs_code
cover(const struct bs_limits *now)
{
    struct bs_err err = {0};
    enum bs_done done = bs_limits_cover(&base, now, &err);

    EXPECT_EQ(done, err.code == BS_OK ? BS_DONE : BS_FAILED);
    return err.code;
}

static void
covering(void)
{
    const struct bs_limit_table fewer[] = {{"public.b", 1, true}};
    const struct bs_limit_table more[] = {{"public.a", 1, false}, {"public.c", 0, false}};
    const struct bs_limit_table grown[] = {{"public.a", 111, false}};
    struct bs_limits l = base;

    EXPECT_EQ(cover(&l), BS_OK);
    l.tables = fewer;
    l.n_tables = 1;
    EXPECT_EQ(cover(&l), BS_OK);
    l.tables = grown;
    EXPECT_EQ(cover(&l), BS_E_STALE);
    l.tables = more;
    l.n_tables = 2;
    EXPECT_EQ(cover(&l), BS_E_STALE);
    l = base;
    l.plan = "record";
    EXPECT_EQ(cover(&l), BS_E_STALE);
    l.plan = NULL;
    EXPECT_EQ(cover(&l), BS_E_STALE);
    l = base;
    l.grade = "stored";
    EXPECT_EQ(cover(&l), BS_E_STALE);
    l.grade = "restored";
    EXPECT_EQ(cover(&l), BS_OK);
    l.grade = "imagined";
    EXPECT_EQ(cover(&l), BS_E_STALE);
    l = base;
    l.decision = "block";
    EXPECT_EQ(cover(&l), BS_E_STALE);
    l.decision = "allow";
    EXPECT_EQ(cover(&l), BS_OK);
    l.decision = NULL;
    EXPECT_EQ(cover(&l), BS_E_STALE);
}

static void
zeroed_covers_nothing(void)
{
    const struct bs_limits none = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_limits_cover(&none, &base, &err), BS_FAILED);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_limits_cover(&none, &none, &err), BS_FAILED);
}

static void
written_and_read(void)
{
    char *text = bs_limits_write(&base);
    struct bs_arena arena;
    struct bs_limits got;
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 1 << 16);
    EXPECT_EQ(bs_limits_read(text, &arena, &got, &err), BS_DONE);
    REQUIRE(got.n_tables == 2);
    EXPECT(strcmp(got.tables[1].name, "public.b") == 0 && got.tables[1].rows == 1);
    EXPECT(got.tables[1].by_key && !got.tables[0].by_key);
    EXPECT_EQ(bs_limits_cover(&base, &got, &err), BS_DONE);
    EXPECT_EQ(bs_limits_cover(&got, &base, &err), BS_DONE);
    free(text);
    bs_arena_fini(&arena);
}

static void
damaged_is_refused(void)
{
    static const char *const texts[] = {
        NULL,
        "",
        "{",
        "[]",
        "{}",
        "{\"v\":1}",
        "{\"v\":2,\"tables\":[]}",
        "{\"v\":1,\"tables\":{}}",
        "{\"v\":1,\"tables\":[1]}",
        "{\"v\":1,\"tables\":[{\"name\":\"x\"}]}",
        "{\"v\":1,\"tables\":[{\"rows\":1}]}",
        "{\"v\":1,\"v\":1,\"tables\":[]}",
    };
    struct bs_arena arena;

    bs_arena_init(&arena, "test", 1 << 16);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bs_limits got;
        struct bs_err err = {0};
        EXPECT_EQ(bs_limits_read(texts[i], &arena, &got, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_DATA);
        if (err.code != BS_E_DATA)
            printf("# row %zu\n", i);
    }
    bs_arena_fini(&arena);
}

static const struct tap_case cases[] = {
    {"rows may grow a little", growth},
    {"what an approval covers", covering},
    {"a zeroed approval covers nothing", zeroed_covers_nothing},
    {"written and read again", written_and_read},
    {"damaged limits are refused", damaged_is_refused},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
