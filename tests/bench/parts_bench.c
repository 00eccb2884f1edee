/*
 * parts_bench.c - one part of what a statement costs, so many times, to count instructions by:
 *
 *     bench-parts              names the parts
 *     bench-parts PART TIMES   does it; the difference of two counts is the part's own
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/model.h"
#include "gateway/verdicts.h"
#include "sql/classify.h"
#include "wire/front.h"

#define SQL "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;"
/* As long, and SAFE without a table. */
#define KEPT "SELECT 'abalance', 'pgbench_accounts', 'aid', 12345678;"

struct bench {
    struct bs_arena arena;
    struct bs_policy policy;
    struct bs_snapshot *snapshot;
    struct bs_verdicts *verdicts;
    struct bs_err err;
    bool failed;
};

static const uint8_t message[] = "Q\0\0\0\x3d" SQL;

static void
framing(struct bench *b)
{
    struct bs_bytes in = {message, sizeof(message)};
    struct bs_front_head head;
    struct bs_frame frame;

    if (bs_front_peek(in, 1u << 20, &head, &b->err) != BS_SCAN_GOT ||
        bs_frame_next(&in, 1u << 20, &frame, &b->err) != BS_SCAN_GOT || frame.type != 'Q')
        b->failed = true;
}

static void
miss(struct bench *b)
{
    struct bs_unit unit;

    if (bs_classify(bs_bytes_of(SQL), BS_CLASSIFY_LIMITS, &b->arena, &unit, &b->err) != BS_DONE)
        b->failed = true;
    bs_arena_reset(&b->arena);
}

/* The whole judgement of a text that was kept. */
static void
hit(struct bench *b)
{
    const struct bs_judge by = {.policy = &b->policy,
                                .subject = {"bench", "bench"},
                                .snapshot = b->snapshot,
                                .limits = {.max_bytes = 1 << 30, .rows = true}};
    struct bs_verdict v;
    struct bs_kept *kept;

    if (bs_verdicts_judge(b->verdicts, &by, bs_bytes_of(KEPT), &b->arena, &v, &kept, &b->err) !=
        BS_DONE)
        b->failed = true;
    bs_kept_unref(&kept);
}

static const struct {
    const char *name;
    void (*run)(struct bench *b);
} parts[] = {
    {"framing", framing},
    {"hit", hit},
    {"miss", miss},
};

int
main(int argc, char **argv)
{
    struct bench b = {.failed = false};

    bs_arena_init(&b.arena, "bench", 1u << 20);
    bs_policy_init(&b.policy);
    b.snapshot = bs_snapshot_new();
    b.verdicts = bs_verdicts_new(1u << 20);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (argc == 1)
            printf("%s\n", parts[i].name);
        else if (argc == 3 && strcmp(argv[1], parts[i].name) == 0)
            for (long n = strtol(argv[2], NULL, 10); n > 0; n--)
                parts[i].run(&b);
    }
    bs_verdicts_free(&b.verdicts);
    bs_snapshot_unref(&b.snapshot);
    bs_arena_fini(&b.arena);
    return b.failed ? 1 : 0;
}
