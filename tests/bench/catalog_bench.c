/*
 * catalog_bench.c - what loading a catalog costs: time, the server's share of it, memory.
 *
 *     bench-catalog CONNINFO [ROUNDS]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "catalog/model.h"

static double
cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double
peak_mb(void)
{
    struct rusage r;

    (void)getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_maxrss / 1024;
}

static int
load(const char *conninfo, struct bs_snapshot **s)
{
    struct bs_err err = {0};
    int64_t from = bs_mono_us();
    double cpu = cpu_ms();

    bs_snapshot_unref(s);
    if (bs_snapshot_load(conninfo, s, &err) != BS_DONE) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("load: %.0f ms, %.0f of them here; arena %.1f MB, heap %.1f MB, peak RSS %.1f MB\n",
           (double)(bs_mono_us() - from) / 1e3, cpu_ms() - cpu,
           (double)(*s)->arena.used / (1 << 20),
           (double)mallinfo2().uordblks / (1 << 20) + (double)mallinfo2().hblkhd / (1 << 20),
           peak_mb());
    return 0;
}

int
main(int argc, char **argv)
{
    struct bs_snapshot *s = NULL;
    int rounds = argc > 2 ? atoi(argv[2]) : 3, failed = 0;

    if (argc < 2) {
        fputs("usage: bench-catalog CONNINFO [ROUNDS]\n", stderr);
        return 64;
    }
    for (int i = 0; failed == 0 && i < rounds; i++)
        failed = load(argv[1], &s);
    if (s != NULL)
        printf("%zu relations, %zu functions, %zu types, %zu dependencies\n", s->n_relations,
               s->n_functions, s->n_types, s->n_deps);
    bs_snapshot_unref(&s);
    return failed;
}
