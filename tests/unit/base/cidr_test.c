/*
 * cidr_test.c - ranges, and peers at their edges.
 */
#include "base/cidr.h"

#include "tap.h"

static const struct {
    const char *range;
    const char *peer;
    bool in;
} rows[] = {
    {"10.0.0.0/8", "10.255.255.255:1", true},
    {"10.0.0.0/8", "11.0.0.0:1", false},
    {"10.0.0.0/8", "9.255.255.255:1", false},
    {"192.0.2.7", "192.0.2.7:40312", true},
    {"192.0.2.7", "192.0.2.70:40312", false},
    {"192.0.2.128/25", "192.0.2.127:1", false},
    {"192.0.2.128/25", "192.0.2.128:1", true},
    {"0.0.0.0/0", "127.0.0.1:1", true},
    {"0.0.0.0/0", "[::1]:1", false},
    {"0.0.0.0/0", "unix:/run/backstop", false},
    {"::/0", "[2001:db8::1]:5", true},
    {"::/0", "127.0.0.1:1", false},
    {"2001:db8::/32", "[2001:db8:ffff::1]:5", true},
    {"2001:db8::/32", "[2001:db9::1]:5", false},
    {"fe80::/10", "[fe80::1%eth0]:5", true},
    {"::1", "[::1]:40312", true},
    {"local", "unix:/run/backstop/.s.PGSQL.6543", true},
    {"local", "127.0.0.1:1", false},
    {"10.0.0.0/8", "unknown", false},
    {"10.0.0.0/8", "", false},
};

static void
who_is_in(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_cidr c;
        const char *why = NULL;
        EXPECT(bs_cidr_parse(rows[i].range, &c, &why));
        EXPECT_EQ(bs_cidr_has(&c, rows[i].peer), rows[i].in);
        if (tap_misses != 0)
            printf("# in row: %s %s\n", rows[i].range, rows[i].peer);
    }
}

static void
what_is_refused(void)
{
    static const char *const bad[] = {
        "",           "/8",           "10.0.0.1/8",  "10.0.0.0/33", "10.0.0.0/",  "10.0.0.0/08",
        "10.0.0.0/x", "10.0.0.0/8/8", "10.0.0",      "010.0.0.1",   "::/129",     "2001:db8::1/32",
        "localhost",  "all",          "10.0.0.0/-1", "Local",       "10.0.0.0/ 8"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bs_cidr c;
        const char *why = NULL;
        EXPECT(!bs_cidr_parse(bad[i], &c, &why));
        EXPECT(why != NULL && !bs_cidr_has(&c, "10.0.0.1:1"));
        if (tap_misses != 0)
            printf("# in row: %s\n", bad[i]);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"who is in a range", who_is_in},
        {"what is refused", what_is_refused},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
