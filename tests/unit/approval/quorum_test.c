/*
 * quorum_test.c - what is needed, whether it is there, what is more than what, and the text of it.
 */
#include "approval/quorum.h"

#include <stdlib.h>
#include <string.h>

#include "state/rows.h"
#include "tap.h"

static const char *dba[] = {"dba"}, *sec[] = {"security"}, *both[] = {"security", "dba"};

#define ANY(n)    ((struct bs_need){(n), NULL, 0})
#define DBA(n)    ((struct bs_need){(n), (const char *const *)dba, 1})
#define SEC(n)    ((struct bs_need){(n), (const char *const *)sec, 1})
#define EITHER(n) ((struct bs_need){(n), (const char *const *)both, 2})
#define NEEDS(...)                                                                                 \
    ((struct bs_approvals){(const struct bs_need[]){__VA_ARGS__},                                  \
                           sizeof((const struct bs_need[]){__VA_ARGS__}) / sizeof(struct bs_need), \
                           false, false})
#define SAID(who, what, list)                                                                      \
    {                                                                                              \
        .operator_ = (who), .said = BS_SAID_##what, .groups = (list),                              \
        .n_groups = (list) == NULL ? 0 : 1, .in_force = true                                       \
    }

static void
met_and_not(void)
{
    struct bs_said_row said[] = {SAID("kim", COMMENT, dba), SAID("kim", APPROVE, dba),
                                 SAID("sam", APPROVE, sec), SAID("bob", APPROVE, NULL),
                                 SAID("eve", DENY, dba)};
    const struct bs_approvals none = {0}, two = NEEDS(ANY(2)), dba_one = NEEDS(DBA(1)),
                              dba_two = NEEDS(DBA(2)), each = NEEDS(DBA(1), SEC(1)),
                              either = NEEDS(EITHER(2));

    EXPECT(!bs_approvals_met(&none, said, 1)); /* a comment is no approval */
    EXPECT(bs_approvals_met(&none, said, 2));
    EXPECT(!bs_approvals_met(&two, said, 2) && bs_approvals_met(&two, said, 3));
    EXPECT(bs_approvals_met(&dba_one, said, 2) && !bs_approvals_met(&dba_two, said, 5));
    EXPECT(!bs_approvals_met(&each, said, 2) && bs_approvals_met(&each, said, 3));
    EXPECT(!bs_approvals_met(&either, said, 2) && bs_approvals_met(&either, said, 3));
    said[1].in_force = false; /* kim was revoked */
    EXPECT(!bs_approvals_met(&none, said, 2) && !bs_approvals_met(&each, said, 5));
    EXPECT(!bs_approvals_take(&dba_one, (const char *const *)sec, 1));
    EXPECT(!bs_approvals_take(&dba_one, NULL, 0) && bs_approvals_take(&none, NULL, 0));
    EXPECT(bs_approvals_take(&each, (const char *const *)sec, 1));
}

/* Two operators of one human are one approver. */
static void
humans_count(void)
{
    const char *kims[] = {"Kim@example.com"}, *hers[] = {"kim@EXAMPLE.com", "x"}, *same[] = {"ann"};
    struct bs_said_row said[] = {SAID("kim", APPROVE, dba), SAID("night", APPROVE, dba),
                                 SAID("sam", APPROVE, dba), SAID("ann", APPROVE, dba)};
    const struct bs_need two = DBA(2);

    EXPECT_EQ(bs_need_count(&two, said, 4), 4);
    said[0].owners = kims;
    said[1].owners = hers;
    said[0].n_owners = 1;
    said[1].n_owners = 2;
    EXPECT_EQ(bs_need_count(&two, said, 2), 1);
    EXPECT_EQ(bs_need_count(&two, said, 3), 2);
    said[2].owners = same; /* an operator's name is one of its human's */
    said[2].n_owners = 1;
    EXPECT_EQ(bs_need_count(&two, said, 4), 2);
    said[0].in_force = false; /* what does not count hides nobody */
    EXPECT_EQ(bs_need_count(&two, said, 2), 1);
}

static void
more_than(void)
{
    const struct {
        const char *what;
        struct bs_approvals a, b;
        bool exceeds;
    } rows[] = {
        {"nothing and nothing", {0}, {0}, false},
        {"one by anybody is always asked for", NEEDS(ANY(1)), {0}, false},
        {"two", NEEDS(ANY(2)), {0}, true},
        {"two, and two of a group", NEEDS(ANY(2)), NEEDS(DBA(2)), false},
        {"a group", NEEDS(DBA(1)), NEEDS(ANY(5)), true},
        {"another group", NEEDS(DBA(1)), NEEDS(SEC(5)), true},
        {"either of two groups, and one of them", NEEDS(EITHER(1)), NEEDS(SEC(1)), false},
        {"one of two groups, and either", NEEDS(SEC(1)), NEEDS(EITHER(1)), true},
        {"a greater number", NEEDS(DBA(3)), NEEDS(DBA(2)), true},
        {"one more need", NEEDS(DBA(1), SEC(1)), NEEDS(DBA(1)), true},
        {"a reason", {.reason = true}, {0}, true},
        {"somebody else", {.exclude_owner = true}, {.reason = true}, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!tap_check(bs_approvals_exceed(&rows[i].a, &rows[i].b) == rows[i].exceeds, rows[i].what,
                       __FILE__, __LINE__))
            continue;
    }
}

static void
added_written_and_read(void)
{
    struct bs_arena arena;
    struct bs_approvals all = {0}, got;
    const struct bs_approvals more = NEEDS(DBA(2), SEC(1)), reason = {.reason = true};
    const struct bs_need less = DBA(1);
    struct bs_err err = {0};
    char *text;

    bs_arena_init(&arena, "test", 1 << 20);
    EXPECT_EQ(bs_approvals_need(&all, &less, &arena, &err), BS_DONE);
    EXPECT_EQ(bs_approvals_add(&all, &more, &arena, &err), BS_DONE);
    EXPECT_EQ(bs_approvals_add(&all, &reason, &arena, &err), BS_DONE);
    REQUIRE(all.n_needs == 2 && all.needs[0].quorum == 2 && all.reason && !all.exclude_owner);
    text = bs_approvals_write(&all);
    EXPECT_EQ(bs_approvals_read(text, &arena, &got, &err), BS_DONE);
    EXPECT(!bs_approvals_exceed(&all, &got) && !bs_approvals_exceed(&got, &all));
    EXPECT(strcmp(bs_need_text(&got.needs[0], &arena), "2 of dba") == 0);
    free(text);
    EXPECT_EQ(bs_approvals_read(NULL, &arena, &got, &err), BS_DONE);
    EXPECT(got.n_needs == 0);
    bs_arena_fini(&arena);
}

/* Nobody may take what cannot be read for "anybody may approve". */
static void
damaged_is_refused(void)
{
    static const char *const texts[] = {
        "",
        "{}",
        "{\"v\":2,\"needs\":[]}",
        "{\"v\":1}",
        "{\"v\":1,\"needs\":[{}]}",
        "{\"v\":1,\"needs\":[{\"quorum\":0,\"groups\":[]}]}",
        "{\"v\":1,\"needs\":[{\"quorum\":1,\"groups\":[7]}]}",
    };
    struct bs_arena arena;
    struct bs_approvals got;

    bs_arena_init(&arena, "test", 1 << 20);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bs_err err = {0};
        EXPECT_EQ(bs_approvals_read(texts[i], &arena, &got, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_DATA);
    }
    bs_arena_fini(&arena);
}

static const struct tap_case cases[] = {
    {"what is met, and what is not", met_and_not},
    {"humans are counted", humans_count},
    {"what asks for more", more_than},
    {"added, written and read", added_written_and_read},
    {"what is damaged is refused", damaged_is_refused},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
