/*
 * parts_bench.c - one part of what a statement costs, so many times, to count instructions by:
 *
 *     bench-parts              names the parts
 *     bench-parts PART TIMES   does it; the difference of two counts is the part's own
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/classify.h"
#include "wire/front.h"

#define SQL "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;"

struct bench {
    struct bs_arena arena;
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

static const struct {
    const char *name;
    void (*run)(struct bench *b);
} parts[] = {
    {"framing", framing},
    {"miss", miss},
};

int
main(int argc, char **argv)
{
    struct bench b = {.failed = false};

    bs_arena_init(&b.arena, "bench", 1u << 20);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (argc == 1)
            printf("%s\n", parts[i].name);
        else if (argc == 3 && strcmp(argv[1], parts[i].name) == 0)
            for (long n = strtol(argv[2], NULL, 10); n > 0; n--)
                parts[i].run(&b);
    }
    bs_arena_fini(&b.arena);
    return b.failed ? 1 : 0;
}
