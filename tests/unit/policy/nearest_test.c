/*
 * nearest_test.c - what was meant, and when not to guess.
 */
#include "policy/nearest.h"
#include "tap.h"

static const char *const words[] = {"approvals", "agents", "audit", "points", "serve", NULL};

static const char *
word(const void *ctx, size_t i)
{
    (void)ctx;
    return words[i];
}

static void
distances(void)
{
    static const struct {
        const char *a, *b;
        size_t want;
    } rows[] = {
        {"", "", 0},         {"", "ab", 2},       {"ab", "", 2},     {"same", "same", 0},
        {"Same", "sAME", 0}, {"wiat", "wait", 1}, {"abc", "axc", 1}, {"abc", "abcd", 1},
        {"abc", "bc", 1},    {"abc", "xyz", 3},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        EXPECT_EQ(bs_word_distance(rows[i].a, rows[i].b), rows[i].want);
}

static void
too_long(void)
{
    char text[66];

    memset(text, 'a', 65);
    text[65] = '\0';
    EXPECT_EQ(bs_word_distance(text, "a"), SIZE_MAX);
    EXPECT(bs_word_nearest(text, word, NULL) == NULL);
    text[64] = '\0';
    EXPECT_EQ(bs_word_distance(text, "a"), 63);
}

static void
nearest(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"agent", "agents"},  {"aprovals", "approvals"},
        {"adit", "audit"},    {"sreve", "serve"},
        {"zzz", NULL},        {"", NULL},
        {"x", NULL},          {"restore", NULL},
        {"POINTS", "points"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *got = bs_word_nearest(rows[i].text, word, NULL);
        EXPECT(rows[i].want == NULL ? got == NULL : got != NULL && strcmp(got, rows[i].want) == 0);
        if (tap_misses != 0)
            printf("# %s -> %s\n", rows[i].text, got == NULL ? "nothing" : got);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"distances", distances},
        {"too long", too_long},
        {"nearest", nearest},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
