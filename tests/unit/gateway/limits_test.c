/*
 * limits_test.c - who is counted, and who may try another cancel key.
 */
#include "gateway/limits.h"

#include <stdio.h>

#include "tap.h"

static void
sessions(void)
{
    struct bs_limits *l = bs_limits_new();

    EXPECT_EQ(bs_limits_enter(l, "ann", 2, 3), BS_LIMIT_NONE);
    EXPECT_EQ(bs_limits_enter(l, "ann", 2, 3), BS_LIMIT_NONE);
    EXPECT_EQ(bs_limits_enter(l, "ann", 2, 3), BS_LIMIT_ACTOR);
    EXPECT_EQ(bs_limits_enter(l, "bob", 2, 3), BS_LIMIT_NONE);
    EXPECT_EQ(bs_limits_enter(l, "bob", 2, 3), BS_LIMIT_ALL);
    EXPECT_EQ(bs_limits_sessions(l), 3);
    EXPECT_EQ(bs_limits_enter(l, "bob", 0, 0), BS_LIMIT_NONE);
    bs_limits_leave(l, "ann");
    EXPECT_EQ(bs_limits_enter(l, "ann", 2, 4), BS_LIMIT_NONE);
    for (int i = 0; i < 2; i++) {
        bs_limits_leave(l, "ann");
        bs_limits_leave(l, "bob");
    }
    EXPECT_EQ(bs_limits_sessions(l), 0);
    bs_limits_free(&l);
    bs_limits_free(&l);
}

/* Whether the host may try, and that it was wrong. */
static bool
tries(struct bs_limits *l, const char *address, int64_t now_us)
{
    if (!bs_limits_may_cancel(l, address, now_us))
        return false;
    bs_limits_wrong_cancel(l, address, now_us);
    return true;
}

static void
wrong_cancels(void)
{
    struct bs_limits *l = bs_limits_new();
    const int64_t day_us = INT64_C(86400) * 1000000;
    int n = 0;

    for (int port = 1; port <= 100; port++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "192.0.2.1:%d", port);
        n += tries(l, address, day_us);
    }
    EXPECT_EQ(n, 20);
    EXPECT(!tries(l, "192.0.2.1:1", day_us + 100000));
    EXPECT(tries(l, "192.0.2.1:1", day_us + 300000));
    EXPECT(!tries(l, "192.0.2.1:1", day_us + 300000));
    EXPECT(tries(l, "192.0.2.2:1", day_us));
    EXPECT(tries(l, "[2001:db8::1]:1", day_us));
    EXPECT(tries(l, "unix:/run/a", day_us));
    n = 0;
    for (int i = 0; i < 100; i++)
        n += tries(l, "192.0.2.1:1", 2 * day_us);
    EXPECT_EQ(n, 20);
    bs_limits_free(&l);
}

/* An actor may have 60 explained at once, and then one in a second; others are not concerned. */
static void
explaining(void)
{
    struct bs_limits *l = bs_limits_new();
    int64_t now_us = 5000000;

    for (int i = 0; i < BS_EXPLAINED_MAX; i++)
        EXPECT_EQ(bs_limits_explain(l, "ann", now_us), 0);
    EXPECT_EQ(bs_limits_explain(l, "ann", now_us), 1000);
    EXPECT_EQ(bs_limits_explain(l, "ann", now_us + 400001), 600);
    EXPECT_EQ(bs_limits_explain(l, "bob", now_us), 0);
    EXPECT_EQ(bs_limits_explain(l, "ann", now_us + 1000000), 0);
    EXPECT_EQ(bs_limits_explain(l, "ann", now_us + 1000000), 1000);
    now_us += 3600 * INT64_C(1000000);
    for (int i = 0; i < BS_EXPLAINED_MAX; i++)
        EXPECT_EQ(bs_limits_explain(l, "ann", now_us), 0);
    EXPECT_EQ(bs_limits_explain(l, "ann", now_us), 1000);
    bs_limits_free(&l);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"sessions are counted by actor and in all", sessions},
        {"a host that is wrong too often has to wait", wrong_cancels},
        {"an actor has so many statements explained", explaining},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
