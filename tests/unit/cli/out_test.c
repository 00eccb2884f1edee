/*
 * out_test.c - what reaches a terminal, and what must not.
 */
#include <stdlib.h>

#include "cli/out.h"
#include "tap.h"

/* clang-format off */
static const struct {
    const char *what, *text, *want;
} rows[] = {
    {"plain", "DELETE FROM t", "DELETE FROM t"},
    {"tab stays", "a\tb", "a\tb"},
    {"newline", "a\nb", "a\\x0ab"},
    {"escape", "\033[2Jx", "\\x1b[2Jx"},
    {"carriage return", "DROP\rSELECT", "DROP\\x0dSELECT"},
    {"backspace and delete", "a\b\x7f", "a\\x08\\x7f"},
    {"letters of others", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac"},
    {"C1 control", "a\xc2\x9b" "2Jb", "a\\xc2\\x9b2Jb"},
    {"no-break space is none", "a\xc2\xa0" "b", "a\xc2\xa0" "b"},
    {"right-to-left override", "a\xe2\x80\xae" "b", "a\\xe2\\x80\\xaeb"},
    {"isolate", "a\xe2\x81\xa6" "b", "a\\xe2\\x81\\xa6b"},
    {"dash beside it", "a\xe2\x80\x93" "b", "a\xe2\x80\x93" "b"},
    {"not UTF-8", "a\xff" "b\xc3", "a\\xffb\\xc3"},
};
/* clang-format on */

static void
text_of_others(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *out = NULL;
        size_t n = 0;
        FILE *to = open_memstream(&out, &n);

        REQUIRE(to != NULL);
        bs_out_text(to, rows[i].text);
        (void)fclose(to);
        if (strcmp(out, rows[i].want) != 0)
            EXPECT(!"text"), printf("# %s: %s\n", rows[i].what, out);
        free(out);
    }
}

/* Further lines cannot begin where ours do. */
static void
lines_of_others(void)
{
    char *out = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&out, &n);

    REQUIRE(to != NULL);
    bs_out_lines(to, "a\n\033b\nc", 3);
    (void)fclose(to);
    EXPECT(strcmp(out, "a\n   \\x1bb\n   c") == 0);
    free(out);
}

static void
no_colour_off_a_terminal(void)
{
    FILE *to = tmpfile();

    REQUIRE(to != NULL);
    (void)setenv("TERM", "xterm", 1);
    EXPECT(bs_out_paint(to, BS_PAINT_RED)[0] == '\0');
    (void)fclose(to);
    EXPECT_EQ(bs_out_paint_of("CRITICAL"), BS_PAINT_RED);
    EXPECT_EQ(bs_out_paint_of("allow"), BS_PAINT_GREEN);
    EXPECT_EQ(bs_out_paint_of("something"), BS_PAINT_NONE);
}

static void
statuses(void)
{
    static const struct {
        enum bs_code code;
        int want;
    } cases[] = {{BS_E_HELD, 3},  {BS_E_DENIED, 4},       {BS_E_UNCERTAIN, 5}, {BS_E_USAGE, 64},
                 {BS_E_DATA, 65}, {BS_E_UNAVAILABLE, 69}, {BS_E_BLOCKED, 77},  {BS_E_CONFIG, 78}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bs_err err = {.code = cases[i].code};
        EXPECT_EQ(bs_out_fail(&err), cases[i].want);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"text of others", text_of_others},
        {"lines of others", lines_of_others},
        {"no colour off a terminal", no_colour_off_a_terminal},
        {"exit statuses", statuses},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
