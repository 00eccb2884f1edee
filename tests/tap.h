/*
 * tap.h - the whole unit-test harness: one program per module, TAP on stdout.
 *
 * EXPECT records and goes on; REQUIRE records and leaves the test. No signal handlers and no
 * longjmp, so a sanitizer's own report is what one sees when the code under test crashes.
 */
#ifndef BS_TEST_TAP_H
#define BS_TEST_TAP_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct tap_case {
    const char *name;
    void (*run)(void);
};

static int tap_misses; /* failed checks in the test now running */

static inline bool
tap_check(bool ok, const char *expr, const char *file, int line)
{
    if (!ok) {
        tap_misses++;
        printf("# %s:%d: %s\n", file, line, expr);
    }
    return ok;
}

static inline bool
tap_equal(intmax_t got, intmax_t want, const char *expr, const char *file, int line)
{
    bool ok = tap_check(got == want, expr, file, line);
    if (!ok)
        printf("#   got %jd, want %jd\n", got, want);
    return ok;
}

#define EXPECT(cond) (void)tap_check((cond), #cond, __FILE__, __LINE__)
#define EXPECT_EQ(got, want)                                                                       \
    (void)tap_equal((intmax_t)(got), (intmax_t)(want), #got " == " #want, __FILE__, __LINE__)
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!tap_check((cond), #cond, __FILE__, __LINE__))                                         \
            return;                                                                                \
    } while (0)

static inline int
tap_main(const struct tap_case *cases, size_t n)
{
    int failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        tap_misses = 0;
        cases[i].run();
        printf("%s %zu - %s\n", tap_misses == 0 ? "ok" : "not ok", i + 1, cases[i].name);
        failed += tap_misses != 0;
    }
    return failed != 0;
}

#endif
