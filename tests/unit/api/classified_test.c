/*
 * classified_test.c - the line of `classify --jsonl`, and the text alone, say the same.
 */
#include "api/classified.h"

#include "tap.h"

static void
a_text(void)
{
    struct bs_classifier c = {0};
    struct bs_err err = {0};
    json_t *text, *line;

    REQUIRE(bs_classifier_init(&c, NULL, &err) == BS_DONE);
    REQUIRE(bs_classifier_text(&c, BS_LIT("DELETE FROM t"), &text, &err) == BS_DONE);
    line = bs_classifier_line(&c, BS_LIT("{\"id\": 1, \"sql\": \"DELETE FROM t\"}"));
    EXPECT_EQ(json_integer_value(json_object_get(line, "id")), 1);
    (void)json_object_del(line, "id");
    EXPECT(json_equal(text, line));
    json_decref(text);
    json_decref(line);
    bs_classifier_fini(&c);
}

static void
bad_lines(void)
{
    static const struct bs_bytes lines[] = {BS_LIT_INIT(""), BS_LIT_INIT("null"),
                                            BS_LIT_INIT("{\"sql\": 1}"),
                                            BS_LIT_INIT("{\"sql\": \"SELECT 1\", \"params\": 1}")};
    struct bs_classifier c = {0};
    struct bs_err err = {0};

    REQUIRE(bs_classifier_init(&c, NULL, &err) == BS_DONE);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        json_t *line = bs_classifier_line(&c, lines[i]);
        EXPECT(strcmp(json_string_value(json_object_get(line, "risk")), "CRITICAL") == 0);
        EXPECT(json_is_string(json_object_get(line, "error")));
        json_decref(line);
    }
    bs_classifier_fini(&c);
}

static void
too_long(void)
{
    struct bs_classifier c = {0};
    struct bs_bytes text = {(const uint8_t *)"", BS_CLASSIFIED_MAX_TEXT + 1};
    struct bs_err err = {0};
    json_t *out;

    REQUIRE(bs_classifier_init(&c, NULL, &err) == BS_DONE);
    EXPECT_EQ(bs_classifier_text(&c, text, &out, &err), BS_FAILED);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    EXPECT(out == NULL);
    bs_classifier_fini(&c);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"a text and a line of it", a_text},
        {"lines that are none", bad_lines},
        {"one byte too many", too_long},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
