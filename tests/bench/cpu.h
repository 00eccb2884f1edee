/*
 * cpu.h - CPU time of this thread in microseconds: what others on the machine do does not count.
 */
#ifndef BS_BENCH_CPU_H
#define BS_BENCH_CPU_H

#include <time.h>

static inline double
cpu_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

#endif
