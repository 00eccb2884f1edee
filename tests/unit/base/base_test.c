/*
 * base_test.c - arenas keep their ceiling, errors keep their first cause, times and ULIDs their
 * form, files are there whole or not at all.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/files.h"

#include "tap.h"

static void
an_arena_of_small_pages(void)
{
    struct bs_arena a;

    bs_arena_init_small(&a, "test", 100000);
    EXPECT_EQ(bs_arena_held(&a), 0);
    EXPECT(bs_arena_take(&a, 10) != NULL);
    EXPECT(bs_arena_held(&a) > 10 && bs_arena_held(&a) <= 1032);
    EXPECT(bs_arena_take(&a, 5000) != NULL);
    EXPECT(bs_arena_held(&a) > 5000);
    bs_arena_reset(&a);
    EXPECT(bs_arena_held(&a) > 0 && bs_arena_held(&a) <= 1032);
    bs_arena_fini(&a);
}

static void
an_arena_has_a_ceiling(void)
{
    struct bs_arena a;
    char *p;

    bs_arena_init(&a, "test", 100000);
    p = bs_arena_take(&a, 60000);
    REQUIRE(p != NULL);
    EXPECT_EQ(p[59999], 0);
    EXPECT(bs_arena_take(&a, 60000) == NULL);
    EXPECT(bs_arena_array(&a, SIZE_MAX / 2, 3) == NULL);
    bs_arena_reset(&a);
    EXPECT(bs_arena_take(&a, 60000) != NULL);
    EXPECT_EQ(strcmp(bs_arena_fmt(&a, "%s-%d", "x", 7), "x-7"), 0);
    EXPECT(bs_arena_str(&a, NULL) == NULL);
    bs_arena_fini(&a);
    EXPECT(bs_arena_take(&a, 1) == NULL);
}

static void
the_first_failure_wins(void)
{
    struct bs_err err = {0};

    EXPECT_EQ(BS_FAIL(&err, HELD, "first %d", 1), BS_FAILED);
    EXPECT_EQ(BS_FAIL(&err, IO, "second"), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_HELD);
    EXPECT_EQ(strcmp(err.message, "first 1"), 0);
    EXPECT_EQ(strcmp(bs_err_sqlstate(&err), "ZB001"), 0);
    bs_err_prefix(&err, "while testing");
    EXPECT_EQ(strcmp(err.message, "while testing: first 1"), 0);
    for (int c = BS_OK; c < BS_E_COUNT; c++)
        EXPECT_EQ(strlen(bs_code_get((enum bs_code)c)->sqlstate), 5);
}

static void
times_come_back(void)
{
    static const int64_t at[] = {
        0, 1767226500123456, 1767226500654321, 1767226501000001, 951782400000000, 4102444799999999};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        char text[BS_TIME_TEXT];
        struct bs_err err = {0};
        int64_t back = -1;
        bs_time_format(at[i], text);
        EXPECT_EQ(bs_time_parse(text, &back, &err), BS_DONE);
        EXPECT_EQ(back, at[i]);
    }
    char text[BS_TIME_TEXT];
    bs_time_format(1767226500000000, text);
    EXPECT_EQ(strcmp(text, "2026-01-01T00:15:00.000000Z"), 0);
    bs_time_format(-1, text);
    EXPECT_EQ(strcmp(text, "1969-12-31T23:59:59.999999Z"), 0);
    static const char *const bad[] = {"", "2026", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00",
                                      "2026-01-01 00:00:00Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bs_err err = {0};
        int64_t back;
        EXPECT_EQ(bs_time_parse(bad[i], &back, &err), BS_FAILED);
    }
}

static void
ulids_sort_by_age(void)
{
    char last[BS_ULID_TEXT] = "", next[BS_ULID_TEXT];

    for (int i = 0; i < 10000; i++) {
        bs_ulid_new(next);
        EXPECT_EQ(strlen(next), 26);
        EXPECT(strcmp(last, next) < 0);
        memcpy(last, next, sizeof(last));
    }
}

static void
files_are_whole_or_absent(void)
{
    char dir[] = "/tmp/backstop-files-XXXXXX", path[128];
    struct bs_err err = {0};
    struct bs_buf got;
    struct stat st;

    REQUIRE(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof(path), "%s/a/b", dir);
    EXPECT_EQ(bs_dir_make(path, &err), BS_DONE);
    (void)snprintf(path, sizeof(path), "%s/a/b/file", dir);
    EXPECT_EQ(bs_file_create(path, BS_LIT("one"), 0600, &err), BS_DONE);
    EXPECT_EQ(bs_file_create(path, BS_LIT("two"), 0600, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_CONFLICT);
    err = (struct bs_err){0};
    bs_buf_init(&got, 100);
    EXPECT_EQ(bs_file_read(path, &got, &err), BS_DONE);
    EXPECT(bs_bytes_equal(bs_buf_view(&got), BS_LIT("one")));
    EXPECT_EQ(bs_file_replace(path, BS_LIT("three"), 0640, &err), BS_DONE);
    REQUIRE(stat(path, &st) == 0);
    EXPECT_EQ(st.st_mode & 0777, 0640);
    EXPECT_EQ(st.st_size, 5);
    bs_buf_fini(&got);
    bs_buf_init(&got, 4);
    EXPECT_EQ(bs_file_read(path, &got, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_buf_fini(&got);
    (void)snprintf(path, sizeof(path), "rm -rf %s", dir);
    EXPECT_EQ(system(path), 0);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"an arena has a ceiling", an_arena_has_a_ceiling},
        {"an arena of small pages", an_arena_of_small_pages},
        {"the first failure wins", the_first_failure_wins},
        {"times come back", times_come_back},
        {"ulids sort by age", ulids_sort_by_age},
        {"files are whole or absent", files_are_whole_or_absent},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
