/*
 * condition_test.c - one boolean expression about a row, and whatever else is refused.
 */
#include "sql/condition.h"

#include "tap.h"

static const char *const good[] = {
    "id = 7",
    "id IN (1, 2, 3) AND NOT deleted",
    "name ILIKE '%x%' -- a comment",
    "(a OR b)",
    "t.id BETWEEN 1 AND 5 OR t.\"Strange Name\" IS NULL",
    "lower(name) = 'x' AND pg_catalog.length(name) > 3",
    "created < now() - interval '1 day'",
    "tags && ARRAY['a','b'] AND j ->> 'k' = 'v'",
    "email OPERATOR(public.=) 'X'::public.citext",
    "CASE WHEN a > 1 THEN true ELSE false END",
    "ROW(a, b) = ROW(1, 2)",
    "true",
};

static const char *const bad[] = {
    "",
    "   -- nothing",
    "id = 7; DROP TABLE t",
    "id = 7) OR (true",
    "true) UNION SELECT (1 = 1",
    "true GROUP BY id",
    "true ORDER BY id",
    "true LIMIT 1",
    "true FOR UPDATE",
    "true) FOR UPDATE --",
    "true UNION SELECT 1",
    "id IN (SELECT id FROM t)",
    "EXISTS (TABLE t)",
    "EXISTS (WITH d AS (DELETE FROM t RETURNING 1) SELECT FROM d)",
    "id = nextval('s')",
    "lo_unlink(5) = 1",
    "pg_terminate_backend(1)",
    "set_config('a.b', 'c', false) = 'c'",
    "public.mine(id)",
    "mine(id)",
    "query_to_xml('DELETE FROM t', true, true, '') IS NULL",
    "pg_read_file('/etc/passwd') IS NULL",
    "id = 'unclosed",
    "/* unclosed",
    "RETURNING 1",
};

static enum bs_code
checked(const char *text)
{
    struct bs_err err = {0};

    (void)!bs_condition_check(bs_bytes_of(text), &err);
    return err.code;
}

static void
expressions_are_accepted(void)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT_EQ(checked(good[i]), BS_OK);
        if (tap_misses != 0)
            printf("# in: %s\n", good[i]);
    }
}

static void
everything_else_is_refused(void)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT_EQ(checked(bad[i]), BS_E_USAGE);
        if (tap_misses != 0)
            printf("# in: %s\n", bad[i]);
    }
}

static void
its_length_is_bounded(void)
{
    static char text[BS_CONDITION_MAX + 2];
    struct bs_err err = {0};

    memset(text, ' ', sizeof(text));
    memcpy(text, "true", 4);
    EXPECT_EQ(bs_condition_check((struct bs_bytes){(const uint8_t *)text, BS_CONDITION_MAX}, &err),
              BS_DONE);
    EXPECT_EQ(
        bs_condition_check((struct bs_bytes){(const uint8_t *)text, BS_CONDITION_MAX + 1}, &err),
        BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    err = (struct bs_err){0};
    EXPECT_EQ(bs_condition_check((struct bs_bytes){(const uint8_t *)"a\0b", 3}, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_USAGE);
}

static void
it_stands_in_parentheses(void)
{
    struct bs_buf b;

    bs_buf_init(&b, 100);
    bs_put_condition(&b, bs_bytes_of("a -- b"));
    bs_put_u8(&b, 0);
    EXPECT(!b.failed && strcmp((const char *)b.p, "(\na -- b\n)") == 0);
    bs_buf_fini(&b);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"expressions are accepted", expressions_are_accepted},
        {"everything else is refused", everything_else_is_refused},
        {"its length is bounded", its_length_is_bounded},
        {"it stands in parentheses", it_stands_in_parentheses},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
