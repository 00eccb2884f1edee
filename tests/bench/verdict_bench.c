/*
 * verdict_bench.c - microseconds from a text that was not seen before to what is done with it:
 * classify, look the names up in the catalog, ask the policy, plan. The best of several rounds of
 * CPU time, since other work on the machine only ever adds.
 *
 *     ninja -C build tests/bench/bench-verdict
 *     build/tests/bench/bench-verdict NAME=CONNINFO...     catalogs to compare, in turns
 */
#include <stdio.h>
#include <string.h>

#include "cpu.h"
#include "gateway/judge.h"

#define ROUNDS   20
#define TIMES    2000
#define CATALOGS 4

/* Relations that every database has, built-in functions and operators, and names on top. */
static const struct {
    const char *name, *sql;
} texts[] = {
    {"SELECT 1", "SELECT 1"},
    {"SELECT by key", "SELECT relname FROM pg_class WHERE oid = 12345"},
    {"calls", "SELECT upper(relname), length(relname) + 1, coalesce(relpages, 0), now(),"
              " to_char(now(), 'YYYY') FROM pg_class WHERE relname LIKE 'a%' ORDER BY 1 LIMIT 10"},
    {"aggregate", "SELECT n.nspname, count(*), max(c.relpages), sum(c.reltuples)"
                  " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                  " GROUP BY 1 HAVING count(*) > 2 ORDER BY 2 DESC"},
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

struct with {
    const char *name;
    struct bs_snapshot *snapshot;
};

static double
round_us(const struct bs_judge *by, struct bs_bytes text, struct bs_arena *arena)
{
    double start = cpu_us();

    for (int i = 0; i < TIMES; i++) {
        struct bs_verdict v;
        struct bs_err err = {0};
        if (bs_judge(by, text, arena, &v, &err) != BS_DONE || v.way != BS_WAY_PASS)
            return 0;
        bs_arena_reset(arena);
    }
    return (cpu_us() - start) / TIMES;
}

static void
compare(const struct with *with, int n, const char *name, const char *sql)
{
    struct bs_policy policy;
    struct bs_arena arena;
    double best[CATALOGS];

    bs_policy_init(&policy);
    bs_arena_init(&arena, "bench", 4u << 20);
    for (int i = 0; i < n; i++)
        best[i] = 1e9;
    for (int k = 0; k < ROUNDS; k++) {
        for (int i = 0; i < n; i++) {
            const struct bs_judge by = {.policy = &policy,
                                        .subject = {"bench", "bench"},
                                        .snapshot = with[i].snapshot,
                                        .limits = {.max_bytes = 1 << 30, .rows = true}};
            double us = round_us(&by, bs_bytes_of(sql), &arena);
            if (us < best[i])
                best[i] = us;
        }
    }
    printf("%-16s", name);
    for (int i = 0; i < n; i++)
        printf(" %14.2f", best[i]);
    printf("\n");
    bs_arena_fini(&arena);
}

int
main(int argc, char **argv)
{
    struct with with[CATALOGS] = {{0}};
    int n = 0;

    for (; n < argc - 1 && n < CATALOGS; n++) {
        char *conninfo = strchr(argv[n + 1], '=');
        struct bs_err err = {0};
        if (conninfo == NULL)
            return 64;
        *conninfo = '\0';
        with[n].name = argv[n + 1];
        if (bs_snapshot_load(conninfo + 1, &with[n].snapshot, &err) != BS_DONE) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    printf("%-16s", "us, 0: held");
    for (int i = 0; i < n; i++)
        printf(" %14s", with[i].name);
    printf("\n");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        compare(with, n, texts[i].name, texts[i].sql);
    for (int i = 0; i < n; i++)
        bs_snapshot_unref(&with[i].snapshot);
    return 0;
}
