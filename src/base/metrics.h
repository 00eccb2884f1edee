/*
 * metrics.h - counters, gauges and histograms of this process, for Prometheus.
 *
 * Each thread counts for itself, without a lock or a shared line of the cache; whoever reads adds
 * them up. Never names, statements or values: what is counted is in metrics_table.h.
 *
 * Layer  base.
 * Spec   Prometheus text exposition format 0.0.4.
 * Owns   one block a thread at a time, kept until the process ends.
 */
#ifndef BS_BASE_METRICS_H
#define BS_BASE_METRICS_H

#include "base/bytes.h"

enum bs_counter {
#define BS_COUNTER(NAME, name, labels, help) BS_COUNT_##NAME,
#define BS_GAUGE(NAME, name, help)
#define BS_HISTOGRAM(NAME, name, unit, help)
#include "base/metrics_table.h"
#undef BS_COUNTER
#undef BS_GAUGE
#undef BS_HISTOGRAM
    BS_COUNTERS
};

enum bs_gauge {
#define BS_COUNTER(NAME, name, labels, help)
#define BS_GAUGE(NAME, name, help) BS_GAUGE_##NAME,
#define BS_HISTOGRAM(NAME, name, unit, help)
#include "base/metrics_table.h"
#undef BS_COUNTER
#undef BS_GAUGE
#undef BS_HISTOGRAM
    BS_GAUGES
};

enum bs_histogram {
#define BS_COUNTER(NAME, name, labels, help)
#define BS_GAUGE(NAME, name, help)
#define BS_HISTOGRAM(NAME, name, unit, help) BS_OBSERVE_##NAME,
#include "base/metrics_table.h"
#undef BS_COUNTER
#undef BS_GAUGE
#undef BS_HISTOGRAM
    BS_HISTOGRAMS
};

/* Any thread. */
void bs_count(enum bs_counter which);
/* What is there has become more, or less; another thread may take away what one has added. */
void bs_gauge_add(enum bs_gauge which, int64_t more);
/* ns or bytes; negative counts as 0. */
void bs_observe(enum bs_histogram which, int64_t value);
int64_t bs_mono_ns(void); /* the clock of bs_mono_us, finer */

/* Appends all of them. */
void bs_metrics_put(struct bs_buf *out);

#endif
