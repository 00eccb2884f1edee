/*
 * parts_bench.c - single parts of what a statement costs in a worker: microseconds of CPU, the best
 * of several rounds; or one part so many times, to count instructions by.
 *
 *     bench-parts CONNINFO               names and times the parts; CONNINFO has pgbench's tables
 *     bench-parts CONNINFO PART TIMES    does it; the difference of two counts is the part's own
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/line.h"
#include "cpu.h"
#include "gateway/verdicts.h"
#include "wire/front.h"

#define SQL    "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;"
#define ROUNDS 20
#define TIMES  5000

struct bench {
    struct bs_policy policy;
    struct bs_judge by;
    struct bs_verdicts *verdicts;
    struct bs_arena arena;
    struct bs_buf text;
    bool failed;
};

static const uint8_t message[] = "Q\0\0\0\x3d" SQL;

/* A whole Query, as it lies in the buffer. */
static bool
framing(struct bench *b)
{
    struct bs_bytes in = {message, sizeof(message)};
    struct bs_front_head head;
    struct bs_frame frame;
    struct bs_err err = {0};

    (void)b;
    return bs_front_peek(in, 1u << 20, &head, &err) == BS_SCAN_GOT &&
           bs_frame_next(&in, 1u << 20, &frame, &err) == BS_SCAN_GOT && frame.type == 'Q';
}

static bool
passes(struct bench *b, struct bs_verdicts *verdicts)
{
    struct bs_verdict verdict;
    struct bs_kept *kept = NULL;
    struct bs_err err = {0};
    bool done = bs_verdicts_judge(verdicts, &b->by, bs_bytes_of(SQL), &b->arena, &verdict, &kept,
                                  &err) == BS_DONE &&
                verdict.way == BS_WAY_PASS;

    if (done && (kept != NULL) != (verdicts == b->verdicts))
        done = false; /* measured something else than it says */
    bs_kept_unref(&kept);
    bs_arena_reset(&b->arena);
    return done;
}

static bool
hit(struct bench *b)
{
    return passes(b, b->verdicts);
}

static bool
miss(struct bench *b)
{
    struct bs_verdict verdict;
    struct bs_err err = {0};
    bool done = bs_judge(&b->by, bs_bytes_of(SQL), &b->arena, &verdict, &err) == BS_DONE &&
                verdict.way == BS_WAY_PASS;

    bs_arena_reset(&b->arena);
    return done;
}

/* The text of a record as SAFE traffic makes it. */
static bool
line(struct bench *b)
{
    static struct bs_audit_record record = {
        .kind = BS_AUDIT_JUDGED,
        .actor = "bench-agent",
        .owner = "alice",
        .database = "bench",
        .role = "app_rw",
        .session = "01KB1P7V5V1ZJ5N0GX7T5W2Q9M",
        .client = "127.0.0.1:40312",
        .application = "pgbench",
        .statement = BS_LIT_INIT(SQL),
        .statement_kind = "SELECT",
        .risk = "SAFE",
        .decision = "allow",
        .policy = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    };

    if (record.who.n == 0) { /* a session has it already */
        static struct bs_buf who;
        bs_buf_init(&who, 1024);
        bs_audit_who(&record, &who);
        record.who = bs_buf_view(&who);
    }
    bs_buf_clear(&b->text);
    bs_audit_line(&record, &b->text);
    return !b->text.failed;
}

static const struct {
    const char *name;
    bool (*run)(struct bench *b);
} parts[] = {{"framing", framing}, {"cache hit", hit}, {"cache miss", miss}, {"audit line", line}};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

static void
repeat(struct bench *b, size_t part, long times)
{
    while (times-- > 0)
        if (!parts[part].run(b))
            b->failed = true;
}

static void
timed(struct bench *b, size_t part)
{
    double best = 1e9;

    for (int k = 0; k < ROUNDS; k++) {
        double start = cpu_us();
        repeat(b, part, TIMES);
        double us = (cpu_us() - start) / TIMES;
        if (us < best)
            best = us;
    }
    printf("%-16s %6.3f us\n", parts[part].name, best);
}

int
main(int argc, char **argv)
{
    struct bench b = {.failed = false};
    struct bs_snapshot *snapshot = NULL;
    struct bs_err err = {0};

    if (argc != 2 && argc != 4)
        return 64;
    if (bs_snapshot_load(argv[1], &snapshot, &err) != BS_DONE) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    bs_policy_init(&b.policy);
    bs_arena_init(&b.arena, "bench", 1u << 20);
    bs_buf_init(&b.text, 1u << 20);
    b.by = (struct bs_judge){.policy = &b.policy,
                             .subject = {"bench", "bench"},
                             .snapshot = snapshot,
                             .limits = {.max_bytes = 1 << 30, .rows = true}};
    b.verdicts = bs_verdicts_new(1u << 20);
    (void)hit(&b); /* the first time it is only noted, the second time kept */
    (void)hit(&b);
    for (size_t i = 0; i < PARTS; i++) {
        if (argc == 2)
            timed(&b, i);
        else if (strcmp(argv[2], parts[i].name) == 0)
            repeat(&b, i, strtol(argv[3], NULL, 10));
    }
    bs_verdicts_free(&b.verdicts);
    bs_arena_fini(&b.arena);
    bs_buf_fini(&b.text);
    bs_snapshot_unref(&snapshot);
    if (b.failed)
        fprintf(stderr, "a part did not do what it is named for\n");
    return b.failed ? 1 : 0;
}
