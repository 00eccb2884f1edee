/*
 * metrics.c - a block for each thread, in a list that only grows: a thread that ends leaves its
 * block, with all that it counted, to the next that begins.
 */
#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/arena.h"

#define BUCKETS 16 /* each four times as wide as the one before; the last has no end */

enum unit {
    UNIT_SECONDS = 0, /* kept in nanoseconds; the first bucket ends at a microsecond */
    UNIT_BYTES,       /* the first bucket ends at a kilobyte */
};

/* Written by one thread, read by any. */
struct block {
    _Atomic uint64_t counters[BS_COUNTERS];
    _Atomic uint64_t gauges[BS_GAUGES]; /* of one thread perhaps below 0: only the sum counts */
    struct {
        _Atomic uint64_t buckets[BUCKETS];
        _Atomic uint64_t sum;
    } histograms[BS_HISTOGRAMS];
    struct block *next, *next_free;
};

static const struct {
    const char *name, *labels, *help;
} counters[] = {
#define BS_COUNTER(NAME, name, labels, help) {name, labels, help},
#define BS_GAUGE(NAME, name, help)
#define BS_HISTOGRAM(NAME, name, unit, help)
#include "base/metrics_table.h"
#undef BS_COUNTER
#undef BS_GAUGE
#undef BS_HISTOGRAM
};

static const struct {
    const char *name, *help;
} gauges[] = {
#define BS_COUNTER(NAME, name, labels, help)
#define BS_GAUGE(NAME, name, help) {name, help},
#define BS_HISTOGRAM(NAME, name, unit, help)
#include "base/metrics_table.h"
#undef BS_COUNTER
#undef BS_GAUGE
#undef BS_HISTOGRAM
};

static const struct {
    const char *name, *help;
    enum unit unit;
} histograms[] = {
#define BS_COUNTER(NAME, name, labels, help)
#define BS_GAUGE(NAME, name, help)
#define BS_HISTOGRAM(NAME, name, unit, help) {name, help, UNIT_##unit},
#include "base/metrics_table.h"
#undef BS_COUNTER
#undef BS_GAUGE
#undef BS_HISTOGRAM
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the two lists */
static struct block *first, *first_free;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t leaving;
static _Thread_local struct block *mine;

static void
leave(void *arg)
{
    struct block *b = arg;

    mine = NULL;
    pthread_mutex_lock(&lock);
    b->next_free = first_free;
    first_free = b;
    pthread_mutex_unlock(&lock);
}

static void
begin(void)
{
    bs_assert(pthread_key_create(&leaving, leave) == 0);
}

static struct block *
take_block(void)
{
    struct block *b;

    (void)pthread_once(&once, begin);
    pthread_mutex_lock(&lock);
    b = first_free;
    if (b != NULL) {
        first_free = b->next_free;
    } else {
        b = bs_malloc(sizeof(*b));
        b->next = first;
        first = b;
    }
    pthread_mutex_unlock(&lock);
    (void)pthread_setspecific(leaving, b);
    mine = b;
    return b;
}

/* Nobody else writes there: no locked instruction is needed. */
static void
add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void
bs_count(enum bs_counter which)
{
    struct block *b = mine != NULL ? mine : take_block();

    add(&b->counters[which], 1);
}

void
bs_gauge_add(enum bs_gauge which, int64_t more)
{
    struct block *b = mine != NULL ? mine : take_block();

    add(&b->gauges[which], (uint64_t)more);
}

static uint64_t
bucket_end(enum unit unit, size_t i)
{
    return (unit == UNIT_SECONDS ? 1000u : 1024u) * (UINT64_C(1) << (2 * i));
}

void
bs_observe(enum bs_histogram which, int64_t value)
{
    struct block *b = mine != NULL ? mine : take_block();
    uint64_t n = value < 0 ? 0 : (uint64_t)value;
    size_t i = 0;

    while (i < BUCKETS - 1 && n > bucket_end(histograms[which].unit, i))
        i++;
    add(&b->histograms[which].buckets[i], 1);
    add(&b->histograms[which].sum, n);
}

int64_t
bs_mono_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- reading ------------------------------------------------------------------------------- */

/* `what` of every block. */
#define SUM(total, b, what)                                                                        \
    for (const struct block *b = first; b != NULL; b = b->next)                                    \
    (total) += atomic_load_explicit(&b->what, memory_order_relaxed)

static void
put_head(struct bs_buf *out, const char *name, const char *help, const char *type)
{
    bs_put_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
put_counter(struct bs_buf *out, size_t i)
{
    uint64_t n = 0;

    SUM(n, b, counters[i]);
    if (counters[i].help[0] != '\0')
        put_head(out, counters[i].name, counters[i].help, "counter");
    bs_put_fmt(out, "%s{%s} %" PRIu64 "\n", counters[i].name, counters[i].labels, n);
}

static void
put_gauge(struct bs_buf *out, size_t i)
{
    uint64_t n = 0;

    SUM(n, b, gauges[i]);
    put_head(out, gauges[i].name, gauges[i].help, "gauge");
    bs_put_fmt(out, "%s %" PRIu64 "\n", gauges[i].name, n);
}

static void
put_number(struct bs_buf *out, enum unit unit, uint64_t n)
{
    if (unit == UNIT_BYTES)
        bs_put_fmt(out, "%" PRIu64, n);
    else
        bs_put_fmt(out, "%" PRIu64 ".%09" PRIu64, n / 1000000000, n % 1000000000);
}

static void
put_histogram(struct bs_buf *out, size_t i)
{
    enum unit unit = histograms[i].unit;
    const char *name = histograms[i].name;
    uint64_t n = 0, sum = 0;

    put_head(out, name, histograms[i].help, "histogram");
    for (size_t k = 0; k < BUCKETS - 1; k++) {
        SUM(n, b, histograms[i].buckets[k]);
        bs_put_fmt(out, "%s_bucket{le=\"", name);
        put_number(out, unit, bucket_end(unit, k));
        bs_put_fmt(out, "\"} %" PRIu64 "\n", n);
    }
    SUM(n, b, histograms[i].buckets[BUCKETS - 1]);
    SUM(sum, b, histograms[i].sum);
    bs_put_fmt(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, n, name);
    put_number(out, unit, sum);
    bs_put_fmt(out, "\n%s_count %" PRIu64 "\n", name, n);
}

void
bs_metrics_put(struct bs_buf *out)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < BS_COUNTERS; i++)
        put_counter(out, i);
    for (size_t i = 0; i < BS_GAUGES; i++)
        put_gauge(out, i);
    for (size_t i = 0; i < BS_HISTOGRAMS; i++)
        put_histogram(out, i);
    pthread_mutex_unlock(&lock);
}
