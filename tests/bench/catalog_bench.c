/*
 * catalog_bench.c - what the catalog costs: loading it, refreshing it after this and that, memory.
 *
 *     bench-catalog CONNINFO [ROUNDS]
 *
 * CONNINFO may create tables; what is created is dropped again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "catalog/model.h"
#include "catalog/reader.h"

static double
cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* CPU of the server's process for this connection, where it is on this machine; else 0. */
static double
server_ms(const struct bs_reader *reader)
{
    char path[64];
    double ns = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(reader->conn));
    f = fopen(path, "r");
    if (f != NULL && fscanf(f, "%lf", &ns) != 1)
        ns = 0;
    if (f != NULL)
        (void)fclose(f);
    return ns / 1e6;
}

static double
peak_mb(void)
{
    struct rusage r;

    (void)getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_maxrss / 1024;
}

static double
size_mb(const struct bs_snapshot *s)
{
    size_t n = s->arena.used;

    for (int id = 0; id < BS_TABLE_COUNT; id++)
        n += bs_table_bytes(s->tables[id]) + s->tables[id]->n * bs_tables[id].stride;
    return (double)n / (1 << 20);
}

/* Reads the catalog anew, or what changed since `*s`. */
static int
step(struct bs_reader *reader, const char *what, struct bs_snapshot **s)
{
    struct bs_snapshot *next = NULL;
    struct bs_err err = {0};
    int64_t from = bs_mono_us();
    double cpu = cpu_ms(), server = server_ms(reader);

    if (bs_catalog_read(reader, *s, &next, &err) != BS_DONE) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%-34s %7.1f ms; CPU here %5.1f, there %6.1f ms; %.1f MB, peak RSS %.1f MB%s\n", what,
           (double)(bs_mono_us() - from) / 1e3, cpu_ms() - cpu, server_ms(reader) - server,
           size_mb(next), peak_mb(), next == *s ? "; unchanged" : "");
    bs_snapshot_unref(s);
    *s = next;
    return 0;
}

static const struct {
    const char *what, *sql;
} changes[] = {
    {"refresh, nothing happened", "SELECT 1"},
    {"refresh, a row was written", "SELECT txid_current()"},
    {"refresh, a table was created",
     "CREATE TABLE bench_t (id serial PRIMARY KEY, n int REFERENCES app_0.table_0)"},
    {"refresh, a column was added", "ALTER TABLE bench_t ADD COLUMN x text DEFAULT 'y'"},
    {"refresh, a function was created",
     "CREATE FUNCTION bench_f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'"},
    {"refresh, the table was dropped", "DROP TABLE bench_t"},
    {"refresh, the function was dropped", "DROP FUNCTION bench_f(int)"},
};

static int
rounds_of(const char *conninfo, int rounds)
{
    struct bs_reader reader = {0};
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};
    PGconn *other = PQconnectdb(conninfo);
    int failed = bs_reader_open(&reader, conninfo, &err) != BS_DONE;

    for (int i = 0; failed == 0 && i < rounds; i++) {
        bs_snapshot_unref(&s);
        failed = step(&reader, "load", &s);
        for (size_t k = 0; failed == 0 && k < sizeof(changes) / sizeof(changes[0]); k++) {
            PQclear(PQexec(other, changes[k].sql));
            failed = step(&reader, changes[k].what, &s);
        }
    }
    if (s != NULL)
        printf("%zu relations, %zu functions, %zu types, %zu dependencies\n", s->n_relations,
               s->n_functions, s->n_types, s->n_deps);
    bs_snapshot_unref(&s);
    bs_reader_close(&reader);
    PQfinish(other);
    return failed;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: bench-catalog CONNINFO [ROUNDS]\n", stderr);
        return 64;
    }
    return rounds_of(argv[1], argc > 2 ? atoi(argv[2]) : 3);
}
