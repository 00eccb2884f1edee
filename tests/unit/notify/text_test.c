/*
 * text_test.c - nothing that an agent wrote hides, calls or links.
 */
#include "base/bytes.h"
#include "notify/text.h"
#include "tap.h"

static void
what_hides_is_named(void)
{
    static const struct {
        const char *in, *plain, *slack;
    } rows[] = {
        {"SELECT 1", "SELECT 1", "SELECT 1"},
        {"a\nb\tc", "a\nb\tc", "a\nb\tc"},
        {"<!channel> & <@U1>", "<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;"},
        {"x\xe2\x80\xaey", "x\\u{202E}y", "x\\u{202E}y"},
        {"x\xe2\x80\x8by\x01", "x\\u{200B}y\\u{0001}", "x\\u{200B}y\\u{0001}"},
        {"\xf3\xa0\x81\x81", "\\u{E0041}", "\\u{E0041}"},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98",
         "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98"},
    };
    struct bs_arena arena;
    bool cut;

    bs_arena_init(&arena, "test", 1 << 20);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EXPECT(strcmp(bs_text_plain(&arena, rows[i].in, 1000, &cut), rows[i].plain) == 0);
        EXPECT(!cut);
        EXPECT(strcmp(bs_text_slack(&arena, rows[i].in, 1000), rows[i].slack) == 0);
    }
    bs_arena_fini(&arena);
}

static void
a_cut_is_between_characters_and_said(void)
{
    static const char text[] = "<\xc3\xbc\xe2\x80\xae\xf0\x9f\x90\x98";
    struct bs_arena arena;
    bool cut;

    bs_arena_init(&arena, "test", 1 << 20);
    for (size_t max = 0; max < 40; max++) {
        const char *got = bs_text_plain(&arena, text, max, &cut);
        EXPECT(strlen(got) <= max && bs_utf8_valid(bs_bytes_of(got)));
        EXPECT_EQ(cut, max < 1 + 2 + 8 + 4);
        EXPECT(strlen(bs_text_slack(&arena, text, max)) <= max);
    }
    bs_arena_fini(&arena);
}

static void
a_shape_has_no_values(void)
{
    struct bs_arena arena;
    const char *got;

    bs_arena_init(&arena, "test", 1 << 20);
    got = bs_text_shape(&arena, "DELETE FROM t WHERE a = 'se''cret' /* secret */ AND b = 4711");
    EXPECT(strstr(got, "cret") == NULL && strstr(got, "4711") == NULL);
    EXPECT(strstr(got, "DELETE FROM t WHERE a = ") == got);
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what hides is named", what_hides_is_named},
        {"a cut is between characters, and said", a_cut_is_between_characters_and_said},
        {"a shape has no values", a_shape_has_no_values},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
