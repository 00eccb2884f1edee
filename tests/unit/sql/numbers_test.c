/*
 * numbers_test.c - what is blanked is the same token in PostgreSQL's own lexer, and nothing else is.
 */
#include "sql/numbers.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "tap.h"

/* NULL: not to be blanked. */
static bool
blanks(const char *text, const char *want, size_t numbers)
{
    size_t len = strlen(text), n = 99;
    uint8_t *out = bs_malloc(len + 1);
    bool plain = bs_numbers_blank(bs_bytes_of(text), out, &n);
    bool right =
        plain == (want != NULL) && (!plain || (n == numbers && memcmp(out, want, len) == 0));

    if (!right)
        printf("# \"%s\": %s, %zu numbers, \"%.*s\"\n", text, plain ? "plain" : "not plain", n,
               (int)len, (const char *)out);
    free(out);
    return right;
}

static void
whole_numbers(void)
{
    EXPECT(blanks("", "", 0));
    EXPECT(blanks("7", "0", 1));
    EXPECT(blanks("SELECT a1 FROM t2 WHERE id=4711;", "SELECT a1 FROM t2 WHERE id=0000;", 1));
    EXPECT(blanks("(1,23),999999999", "(0,00),000000000", 3));
    EXPECT(blanks("a.b1 < 12\n\t\r+3", "a.b1 < 00\n\t\r+0", 2));
    EXPECT(blanks("_1 x_2 A3", "_1 x_2 A3", 0));
    EXPECT(blanks("a .b = 1 .", "a .b = 0 .", 1));
}

/* A digit in it, or the token around it, may be something else. */
static void
left_to_the_lexer(void)
{
    static const char *const texts[] = {
        "1.5",  "1.",    ".5",  "1e5",   "1E5",   "0x1f",    "1_000",        "1a",    "1234567890",
        "'1'",  "\"1\"", "$1",  "$$1$$", "-- 1",  "/* 1 */", "1 - 2",        "1 / 2", "1::text",
        "a[1]", "\\1",   "@ 1", "1 | 2", "1 ! 2", "1 ~ 2",   "1 # 2",        "1 % 2", "1 & 2",
        "`1`",  "1 ? 2", "{1}", "1 ^ 2", "\f1",   "\v1",     "\xc3\xa4 = 1", "\xff",  "\x01"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        EXPECT(blanks(texts[i], NULL, 0));
}

static void
a_zero_byte(void)
{
    static const uint8_t text[] = {'1', 0, '2'};
    uint8_t out[3];
    size_t n;

    EXPECT(!bs_numbers_blank((struct bs_bytes){text, 3}, out, &n));
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"whole numbers", whole_numbers},
        {"what is left to the lexer", left_to_the_lexer},
        {"a zero byte", a_zero_byte},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
