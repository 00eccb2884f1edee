#include "base/rate.h"

#include "tap.h"

#define SECOND ((int64_t)1000000)

static void
a_burst_then_one_at_a_time(void)
{
    struct bs_rates *r = bs_rates_new(6 * SECOND, 3);
    int64_t now = 100 * SECOND;

    for (int i = 0; i < 3; i++)
        EXPECT_EQ(bs_rates_take(r, "a", now), 0);
    EXPECT_EQ(bs_rates_look(r, "a", now), 6);
    EXPECT_EQ(bs_rates_take(r, "a", now), 6);
    EXPECT_EQ(bs_rates_take(r, "a", now + 5 * SECOND), 1);
    EXPECT_EQ(bs_rates_look(r, "a", now + 6 * SECOND), 0);
    EXPECT_EQ(bs_rates_take(r, "a", now + 6 * SECOND), 0);
    EXPECT_EQ(bs_rates_take(r, "a", now + 6 * SECOND), 6);
    EXPECT_EQ(bs_rates_take(r, "b", now), 0);
    bs_rates_free(&r);
    EXPECT(r == NULL);
}

static void
it_fills_up_and_not_beyond(void)
{
    struct bs_rates *r = bs_rates_new(SECOND, 2);
    int64_t now = 100 * SECOND;

    EXPECT_EQ(bs_rates_take(r, "a", now), 0);
    EXPECT(bs_rates_lately(r, "a", now));
    now += 1000 * SECOND;
    EXPECT(!bs_rates_lately(r, "a", now));
    EXPECT_EQ(bs_rates_take(r, "a", now), 0);
    EXPECT_EQ(bs_rates_take(r, "a", now), 0);
    EXPECT_EQ(bs_rates_take(r, "a", now), 1);
    bs_rates_free(&r);
}

/* A stranger under thousands of names neither grows the table nor frees who is empty. */
static void
strangers_make_no_room_for_themselves(void)
{
    struct bs_rates *r = bs_rates_new(SECOND, 1);
    int64_t now = 100 * SECOND;
    char name[16];

    EXPECT_EQ(bs_rates_take(r, "mine", now + SECOND), 0);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        EXPECT_EQ(bs_rates_take(r, name, now), 0);
    }
    EXPECT(bs_rates_take(r, "mine", now + SECOND) > 0);
    bs_rates_free(&r);
}

static const struct tap_case cases[] = {
    {"a burst, then one at a time", a_burst_then_one_at_a_time},
    {"it fills up and not beyond", it_fills_up_and_not_beyond},
    {"strangers make no room for themselves", strangers_make_no_room_for_themselves},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
