/*
 * canonical_test.c - the same statement in another lay-out is the same; any other token is not.
 */
#include "unit.h"

/* clang-format off */
static const struct { const char *in, *want; } rows[] = {
    {"", ""}, {"  \n", ""}, {"-- nothing", ""},
    {"SELECT  1", "select 1"},
    {"select/* c */1 -- x\n", "select 1"},
    {"SELECT a.B, \"C d\" FROM t", "select a . b , \"C d\" from t"},
    {"SELECT 'It''s  -- no comment'", "select 'It''s  -- no comment'"},
    {"SELECT E'a\\'b', U&'d\\0061t', $$ x  y $$, B'01', X'Ff', N'Q'",
     "select E'a\\'b' , U&'d\\0061t' , $$ x  y $$ , B'01' , X'Ff' , n'Q'"},
    {"a>=b", "a >= b"}, {"a > =b", "a > = b"}, {"$1::INT", "$1 :: int"},
    {"SELECT 'a'\n  'b'", "select 'a'\n  'b'"},
    {"SELECT 1; -- x\n;", "select 1 ; ;"},
    {"SELECT /* a /* b */ c */ 1.5E3", "select 1.5E3"},
    {"\xc3\x84 x", "\xc3\x84 x"},
    /* Cannot be lexed: taken as it is. */
    {"SELECT 'open  ", "SELECT 'open  "},
    {"SELECT /* open", "SELECT /* open"},
    {"SELECT  \xff", "SELECT  \xff"},
};

/* Must differ. */
static const char *const pairs[][2] = {
    {"SELECT 1", "SELECT 2"}, {"SELECT 'a'", "SELECT 'A'"}, {"SELECT \"a\"", "SELECT a"},
    {"SELECT 'a' 'b'", "SELECT 'a'\n'b'"}, {"SELECT a b", "SELECT ab"}, {"SELECT - -1", "SELECT --1"},
    {"SELECT 'a  b'", "SELECT 'a b'"}, {"DELETE FROM t WHERE id=1", "DELETE FROM t WHERE id=2"},
    {"SELECT E'x'", "SELECT e'x'"}, {"SELECT $a$x$a$", "SELECT $b$x$b$"}, {"SELECT a.b", "SELECT \"a.b\""},
    {"SELECT 1", "SELECT 1;"}, {"SELECT N'x'", "SELECT N 'x'"}, {"SELECT an'x'", "SELECT a n'x'"},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct bs_bytes
canonical(const char *sql, struct bs_arena *arena)
{
    struct bs_bytes out = {0};
    struct bs_err err = {0};

    EXPECT_EQ(bs_canonical(bs_bytes_of(sql), arena, &out, &err), BS_DONE);
    return out;
}

static void
every_row(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 16);
        struct bs_bytes got = canonical(rows[i].in, &arena);
        bool same = bs_bytes_equal(got, bs_bytes_of(rows[i].want));
        EXPECT(same);
        if (!same)
            printf("# in %s\n# got %.*s\n", rows[i].in, (int)got.n, (const char *)got.p);
        bs_arena_fini(&arena);
    }
}

/* What comes out reads as what went in: again it gives itself. */
static void
is_stable(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 16);
        struct bs_bytes again = canonical(rows[i].want, &arena);
        EXPECT(bs_bytes_equal(again, bs_bytes_of(rows[i].want)));
        bs_arena_fini(&arena);
    }
}

static void
differs(void)
{
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 16);
        bool same = bs_bytes_equal(canonical(pairs[i][0], &arena), canonical(pairs[i][1], &arena));
        EXPECT(!same);
        if (same)
            printf("# %s | %s\n", pairs[i][0], pairs[i][1]);
        bs_arena_fini(&arena);
    }
}

static void
refuses(void)
{
    struct bs_arena arena;
    struct bs_bytes out = {0};
    struct bs_err err = {0};

    bs_arena_init(&arena, "test", 8);
    EXPECT_EQ(bs_canonical(BS_LIT("SELECT 1"), &arena, &out, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"lay-out goes, tokens stay", every_row},
        {"canonical text is its own", is_stable},
        {"other tokens give another text", differs},
        {"a full arena is an error", refuses},
    };
    return tap_main(cases, COUNT(cases));
}
