/*
 * replies_test.c - what is owed, in order, and what a name may mean while answers are outstanding.
 */
#include "gateway/replies.h"

#include "tap.h"

static struct bs_prepared *
owe_parse(struct bs_replies *r, const char *name)
{
    struct bs_reply *e = bs_replies_push(r, BS_REPLY_PARSE);

    bs_replies_name(r, e, bs_prepared_new(bs_bytes_of(name), BS_LIT("SELECT 1")));
    return e->prepared;
}

static void
order_survives_growth(void)
{
    struct bs_replies r = {0};

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            bs_replies_push(&r, i % 2 == 0 ? BS_REPLY_BIND : BS_REPLY_EXECUTE);
        EXPECT_EQ(r.n, 1000);
        for (int i = 0; i < 1000; i++) {
            EXPECT_EQ(bs_replies_head(&r)->kind, i % 2 == 0 ? BS_REPLY_BIND : BS_REPLY_EXECUTE);
            bs_replies_pop(&r);
        }
        EXPECT(bs_replies_head(&r) == NULL);
        EXPECT(r.cap <= 16); /* who is owed nothing keeps next to nothing */
    }
    bs_replies_fini(&r);
    EXPECT(r.ring == NULL);
}

static void
more_than_one_series_can_add(void)
{
    struct bs_replies r = {0};

    for (size_t i = 0; i < BS_REPLIES_MAX + BS_REPLIES_SERIES; i++)
        bs_replies_push(&r, BS_REPLY_CLOSE);
    EXPECT_EQ(r.n, BS_REPLIES_MAX + BS_REPLIES_SERIES);
    bs_replies_fini(&r);
}

static void
one_is_taken_out_of_the_middle(void)
{
    struct bs_replies r = {0};

    for (int i = 0; i < 20; i++) /* so that the ring is turned */
        bs_replies_push(&r, BS_REPLY_BIND);
    for (int i = 0; i < 20; i++)
        bs_replies_pop(&r);
    bs_replies_push(&r, BS_REPLY_EXECUTE);
    bs_replies_push(&r, BS_REPLY_SYNC);
    bs_replies_push(&r, BS_REPLY_QUERY);
    bs_replies_remove(&r, 1);
    EXPECT_EQ(r.n, 2);
    EXPECT_EQ(bs_replies_at(&r, 0)->kind, BS_REPLY_EXECUTE);
    EXPECT_EQ(bs_replies_at(&r, 1)->kind, BS_REPLY_QUERY);
    EXPECT(bs_replies_at(&r, 2) == NULL);
    bs_replies_fini(&r);
}

/* The last entry's answer gives that name, too. */
static void
give(struct bs_replies *r, const char *name)
{
    bs_replies_name(r, bs_replies_at(r, r->n - 1),
                    bs_prepared_new(bs_bytes_of(name), BS_LIT("PREPARE s AS SELECT 2")));
}

/* A name must never be judged by a Parse that may fail while an older statement has the name. */
static void
what_a_name_may_mean(void)
{
    struct bs_replies r = {0};
    struct bs_prepared *p, *got = NULL;

    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_NONE);
    p = owe_parse(&r, "s");
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_PARSE);
    EXPECT(got == p);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("other"), &got), BS_PENDING_NONE);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("sx"), &got), BS_PENDING_NONE);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT(""), &got), BS_PENDING_NONE);
    p = owe_parse(&r, "s"); /* the last one of the series counts */
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_PARSE);
    EXPECT(got == p);
    bs_replies_push(&r, BS_REPLY_SYNC);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_UNSURE);
    p = owe_parse(&r, "s");
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_PARSE);
    EXPECT(got == p);
    bs_replies_push(&r, BS_REPLY_QUERY);
    give(&r, "s");
    give(&r, "t");
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_UNSURE);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("t"), &got), BS_PENDING_UNSURE);
    EXPECT_EQ(r.naming, 5);
    p = bs_replies_named(&r, bs_replies_at(&r, r.n - 1)); /* of its statements one has ended */
    EXPECT(p != NULL && strcmp(p->name, "s") == 0 && p->next == NULL);
    bs_prepared_unref(&p);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_PARSE);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("t"), &got), BS_PENDING_UNSURE);
    EXPECT_EQ(r.naming, 4);
    bs_replies_remove(&r, 1);
    EXPECT_EQ(r.naming, 3);
    while (r.n != 0)
        bs_replies_pop(&r);
    EXPECT_EQ(r.naming, 0);
    EXPECT_EQ(bs_replies_pending(&r, BS_LIT("s"), &got), BS_PENDING_NONE);
    bs_replies_fini(&r);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"order survives growth", order_survives_growth},
        {"more than one series can add", more_than_one_series_can_add},
        {"one is taken out of the middle", one_is_taken_out_of_the_middle},
        {"what a name may mean", what_a_name_may_mean},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
