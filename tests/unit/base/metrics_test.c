/*
 * metrics_test.c - what threads have counted, those that ended too, and how it is told.
 */
#include "base/metrics.h"

#include <pthread.h>
#include <string.h>

#include "tap.h"

static bool
told(const char *line)
{
    struct bs_buf out;
    bool found;

    bs_buf_init(&out, 1 << 20);
    bs_metrics_put(&out);
    bs_put_u8(&out, 0);
    found = !out.failed && strstr((const char *)out.p, line) != NULL;
    bs_buf_fini(&out);
    return found;
}

static void *
count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        bs_count(BS_COUNT_ALLOWED);
    bs_observe(BS_OBSERVE_HOLD, 2000000000);
    return NULL;
}

static void
threads(void)
{
    pthread_t all[4];

    EXPECT(told("\nbackstop_decisions_total{decision=\"allow\"} 0\n"));
    for (size_t turn = 0; turn < 2; turn++) { /* the second takes the blocks of the first */
        for (size_t i = 0; i < 4; i++)
            REQUIRE(pthread_create(&all[i], NULL, count, NULL) == 0);
        for (size_t i = 0; i < 4; i++)
            (void)pthread_join(all[i], NULL);
    }
    EXPECT(told("\nbackstop_decisions_total{decision=\"allow\"} 8000\n"));
    EXPECT(told("\nbackstop_decisions_total{decision=\"block\"} 0\n"));
    EXPECT(told("\nbackstop_hold_seconds_count 8\n"));
    EXPECT(told("\nbackstop_hold_seconds_sum 16.000000000\n"));
}

static void
buckets(void)
{
    bs_observe(BS_OBSERVE_RELAY, -5);
    bs_observe(BS_OBSERVE_RELAY, 1000);
    bs_observe(BS_OBSERVE_RELAY, 1001);
    bs_observe(BS_OBSERVE_RELAY, INT64_C(1000) << 40);
    EXPECT(told("# TYPE backstop_relay_seconds histogram\n"
                "backstop_relay_seconds_bucket{le=\"0.000001000\"} 2\n"
                "backstop_relay_seconds_bucket{le=\"0.000004000\"} 3\n"));
    EXPECT(told("backstop_relay_seconds_bucket{le=\"268.435456000\"} 3\n"
                "backstop_relay_seconds_bucket{le=\"+Inf\"} 4\n"));
    bs_observe(BS_OBSERVE_CAPTURE_BYTES, 5000);
    EXPECT(told("backstop_capture_bytes_bucket{le=\"4096\"} 0\n"
                "backstop_capture_bytes_bucket{le=\"16384\"} 1\n"));
    EXPECT(told("backstop_capture_bytes_sum 5000\n"));
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what threads count is added up", threads},
        {"values fall into buckets", buckets},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
