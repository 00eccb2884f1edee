/*
 * classify_bench.c - microseconds of CPU to classify a text that was not seen before; the best of
 * several rounds, since other work on the machine only ever adds.
 *
 *     ninja -C build tests/bench/bench-classify && build/tests/bench/bench-classify
 */
#include <stdio.h>

#include "cpu.h"
#include "sql/classify.h"

#define ROUNDS 20
#define TIMES  5000

static const struct {
    const char *name, *sql;
} texts[] = {
    {"pgbench SELECT", "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;"},
    {"pgbench UPDATE", "UPDATE pgbench_accounts SET abalance = abalance + 5 WHERE aid = 12345;"},
    {"psql \\dt", "SELECT n.nspname as \"Schema\", c.relname as \"Name\",\n"
                  "  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN "
                  "'materialized view' "
                  "WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' "
                  "WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' "
                  "WHEN 'I' THEN 'partitioned index' END as \"Type\",\n"
                  "  pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\"\n"
                  "FROM pg_catalog.pg_class c\n"
                  "     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace\n"
                  "     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam\n"
                  "WHERE c.relkind IN ('r','p','') AND n.nspname <> 'pg_catalog'\n"
                  "      AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema'\n"
                  "  AND pg_catalog.pg_table_is_visible(c.oid)\nORDER BY 1,2;"},
};

/* One round; 0 where the text could not be judged. */
static double
round_us(struct bs_bytes text, struct bs_arena *arena)
{
    double start = cpu_us();

    for (int i = 0; i < TIMES; i++) {
        struct bs_unit unit;
        struct bs_err err = {0};
        if (bs_classify(text, BS_CLASSIFY_LIMITS, arena, &unit, &err) != BS_DONE)
            return 0;
        bs_arena_reset(arena);
    }
    return (cpu_us() - start) / TIMES;
}

int
main(void)
{
    struct bs_arena arena;

    bs_arena_init(&arena, "bench", 1u << 20);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double best = 1e9;
        for (int k = 0; k < ROUNDS; k++) {
            double us = round_us(bs_bytes_of(texts[i].sql), &arena);
            if (us < best)
                best = us;
        }
        printf("%-16s %6.2f us\n", texts[i].name, best);
    }
    bs_arena_fini(&arena);
    return 0;
}
