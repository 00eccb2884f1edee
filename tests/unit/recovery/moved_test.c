/*
 * moved_test.c - what an event says of rows is read as it was written, and nothing else is.
 */
#include "recovery/moved.h"

#include <string.h>

#include "tap.h"

static struct bs_moved *list;
static size_t n;

static enum bs_done
take(const char *details, struct bs_arena *arena)
{
    return bs_moved_take(details, arena, &list, &n);
}

static void
what_is_put_is_taken(void)
{
    static const struct bs_moved some[] = {{16400, 1, 2, 3, false},
                                           {4294967295, INT64_MAX, 0, 0, true}};
    struct bs_arena arena = {0};
    struct bs_buf b;

    bs_arena_init(&arena, "test", 1u << 20);
    for (size_t many = 0; many <= 2; many++) {
        bs_buf_init(&b, 4096);
        bs_moved_put(&b, some, many);
        bs_put_u8(&b, '\0');
        EXPECT_EQ(take((const char *)b.p, &arena), BS_DONE);
        EXPECT_EQ(n, many);
        for (size_t i = 0; i < many && i < n; i++) {
            EXPECT_EQ(list[i].oid, some[i].oid);
            EXPECT_EQ(list[i].inserted, some[i].inserted);
            EXPECT_EQ(list[i].updated, some[i].updated);
            EXPECT_EQ(list[i].deleted, some[i].deleted);
            EXPECT_EQ(list[i].rewritten, some[i].rewritten);
        }
        bs_buf_fini(&b);
    }
    bs_arena_fini(&arena);
}

static void
of_too_many_nothing_is_said(void)
{
    static const struct bs_moved many[BS_MOVED_MAX + 1];
    struct bs_arena arena = {0};
    struct bs_buf b;

    bs_arena_init(&arena, "test", 1u << 20);
    bs_buf_init(&b, 1u << 20);
    bs_moved_put(&b, many, BS_MOVED_MAX + 1);
    bs_put_u8(&b, '\0');
    EXPECT(strcmp((const char *)b.p, "{}") == 0);
    EXPECT_EQ(take((const char *)b.p, &arena), BS_FAILED);
    bs_buf_fini(&b);
    bs_arena_fini(&arena);
}

static void
anything_else_says_nothing(void)
{
    static const char *const texts[] = {
        NULL,
        "",
        "[]",
        "{\"rows\":7}",
        "{\"rows\":[{\"oid\":1,\"inserted\":0,\"updated\":0}]}",
        "{\"rows\":[{\"oid\":1,\"inserted\":-1,\"updated\":0,\"deleted\":0}]}",
        "{\"rows\":[{\"oid\":4294967296,\"inserted\":1,\"updated\":0,\"deleted\":0}]}",
        "{\"rows\":[{\"oid\":1,\"inserted\":\"1\",\"updated\":0,\"deleted\":0}]}",
        "{\"rows\":[7]}",
    };
    struct bs_arena arena = {0};

    bs_arena_init(&arena, "test", 1u << 20);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        EXPECT_EQ(take(texts[i], &arena), BS_FAILED);
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what is put is taken", what_is_put_is_taken},
        {"of too many nothing is said", of_too_many_nothing_is_said},
        {"anything else says nothing", anything_else_says_nothing},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
