/*
 * audit_bench.c - a log of many records, and how long it takes to find some of them.
 *
 *     bench-audit [RECORDS [FOLDER]]     ten million: about 5 GB in /tmp, and some minutes
 *
 * The log is written by the audit's own code, as fast as it takes it; so the chain is a real one. Of 200
 * agents one makes a third of the records; one record of a hundred is of a ticket, and has effects on one of
 * 400 tables. Each query is timed three times, after the first, which may have to read from the disk; and its CPU
 * time, which says more where others work beside it. A FOLDER with a log in it is asked as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/index.h"
#include "audit/query.h"
#include "audit/record.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "folder.h"

#define BEGIN_US INT64_C(1767225600000000) /* 2026-01-01 */
#define STEP_US  700000                    /* ten million are eighty days */

static void
check(enum bs_done done, const struct bs_err *err)
{
    if (done == BS_DONE)
        return;
    fprintf(stderr, "bench-audit: %s\n", err->message);
    exit(1);
}

static void
write_one(struct bs_audit *a, uint64_t i)
{
    char actor[16], ticket[32], table[32], statement[200];
    struct bs_audit_effect effect = {"DELETE", table, 12};
    bool gated = i % 100 == 7;
    struct bs_audit_record r = {
        .kind = BS_AUDIT_JUDGED,
        .at_us = BEGIN_US + (int64_t)i * STEP_US,
        .actor = actor,
        .owner = "alice",
        .database = "app",
        .role = "app_rw",
        .session = "01M8E6ZYGWSMH2BQM08Q4CBSEY",
        .client = "10.0.0.17:52114",
        .application = "psycopg",
        .ticket = gated ? ticket : NULL,
        .statement_kind = gated ? "DELETE" : "SELECT",
        .risk = gated ? "HIGH" : "SAFE",
        .decision = gated ? "approve" : "allow",
        .policy = "9f86d081884c7d65",
        .effects = &effect,
        .n_effects = gated,
    };
    struct bs_err err = {0};

    (void)snprintf(actor, sizeof(actor), "agent-%03d", (int)(i % 3 == 0 ? 0 : i * 7919 % 200));
    (void)snprintf(ticket, sizeof(ticket), "T-%016llX", (unsigned long long)i);
    (void)snprintf(table, sizeof(table), "public.t%03d", (int)(i / 100 * 104729 % 400));
    (void)snprintf(statement, sizeof(statement),
                   "SELECT id, v, at FROM public.t%03d WHERE id = %llu", (int)(i % 400),
                   (unsigned long long)i);
    r.statement = bs_bytes_of(statement);
    while (bs_audit_enqueue(a, &r, &err) != BS_DONE) {
        if (err.code != BS_E_LIMIT)
            check(BS_FAILED, &err);
        err = (struct bs_err){0};
        (void)usleep(2000); /* the queue is full */
    }
}

static double
seconds_since(int64_t began_ns)
{
    return (double)(bs_mono_ns() - began_ns) / 1e9;
}

static double
cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void
make(const char *folder, uint64_t records)
{
    char key[400];
    struct bs_audit_options o = {.directory = folder, .key = key, .own_files = true};
    int64_t began = bs_mono_ns();
    struct bs_err err = {0};
    struct bs_audit *a;
    uint64_t after = 0;
    size_t made;
    double cpu;

    (void)snprintf(key, sizeof(key), "%s/key", folder);
    check(bs_audit_open(&o, &a, &err), &err);
    for (uint64_t i = 0; i < records; i++)
        write_one(a, i);
    bs_audit_close(&a);
    printf("written      %8.1f s, CPU %.1f s\n", seconds_since(began), cpu_seconds());
    began = bs_mono_ns();
    cpu = cpu_seconds();
    check(bs_audit_index_make_all(folder, &after, NULL, &made, &err), &err);
    printf("indexed      %8.1f s, CPU %.1f s, %zu files\n", seconds_since(began),
           cpu_seconds() - cpu, made);
    (void)fflush(stdout);
}

static void
ask(const char *folder, const char *what, struct bs_audit_query q)
{
    double first = 0, best = 1e9, cpu = 1e9;
    size_t found = 0;

    for (int i = 0; i < 4; i++) {
        int64_t began = bs_mono_ns();
        struct bs_arena arena;
        struct bs_err err = {0};
        const char *next;
        json_t *list;
        double took, used = cpu_seconds();
        bs_arena_init(&arena, "bench", 1u << 20);
        check(bs_audit_find(folder, &q, &arena, &list, &next, &err), &err);
        took = seconds_since(began);
        used = cpu_seconds() - used;
        cpu = used < cpu ? used : cpu;
        found = json_array_size(list);
        json_decref(list);
        bs_arena_fini(&arena);
        first = i == 0 ? took : first;
        best = i != 0 && took < best ? took : best;
        if (q.whole)
            break; /* once is enough */
    }
    best = best < 1e9 ? best : first;
    printf("%-42s %6zu %9.1f ms %9.1f ms %9.1f ms\n", what, found, first * 1000, best * 1000,
           cpu * 1000);
    (void)fflush(stdout);
}

int
main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    char own[] = "/tmp/bs-audit-bench-XXXXXX", ticket[32], head[400];
    const char *folder = argc > 2 ? argv[2] : mkdtemp(own);
    int64_t half = BEGIN_US + (int64_t)(records / 2) * STEP_US;
    uint64_t old = records / 3 / 100 * 100 + 7;

    if (folder == NULL || records < 1000)
        return 64;
    (void)snprintf(head, sizeof(head), "%s/head.json", folder);
    if (access(head, F_OK) != 0)
        make(folder, records);
    (void)snprintf(ticket, sizeof(ticket), "T-%016llX", (unsigned long long)old);
    printf("\n%-42s %6s %12s %12s %12s\n", "query", "found", "first", "again, best", "CPU, best");
    ask(folder, "newest 100", (struct bs_audit_query){.limit = 100});
    ask(folder, "agent of a third of all, newest 100",
        (struct bs_audit_query){.actor = "agent-000", .limit = 100});
    ask(folder, "agent of 0.3 %, newest 100",
        (struct bs_audit_query){.actor = "agent-117", .limit = 100});
    ask(folder, "agent that is not there",
        (struct bs_audit_query){.actor = "agent-999", .limit = 100});
    ask(folder, "one ticket", (struct bs_audit_query){.ticket = ticket, .limit = 100});
    ask(folder, "one table, newest 100",
        (struct bs_audit_query){.table = "public.t042", .limit = 100});
    ask(folder, "one agent and one table",
        (struct bs_audit_query){.actor = "agent-113", .table = "public.t042", .limit = 100});
    ask(folder, "a minute in the middle",
        (struct bs_audit_query){.from_us = half, .until_us = half + 60000000, .limit = 1000});
    ask(folder, "one table in a day in the middle",
        (struct bs_audit_query){.table = "public.t042",
                                .from_us = half,
                                .until_us = half + INT64_C(86400000000),
                                .limit = 1000});
    ask(folder, "one ticket, without an index",
        (struct bs_audit_query){.ticket = ticket, .limit = 100, .whole = true});
    if (argc <= 2)
        (void)folder_remove(folder);
    return 0;
}
