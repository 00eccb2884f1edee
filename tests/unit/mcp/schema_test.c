/*
 * schema_test.c - arguments against a schema: each word of it at its bound and beyond.
 */
#include "mcp/schema.h"

#include "tap.h"

static const char schema_text[] = "{\"type\":\"object\",\"properties\":{"
                                  "\"s\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3},"
                                  "\"i\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":5},"
                                  "\"b\":{\"type\":\"boolean\"},"
                                  "\"a\":{\"type\":\"array\",\"maxItems\":2},"
                                  "\"e\":{\"type\":\"string\",\"enum\":[\"x\",\"y\"]}},"
                                  "\"required\":[\"s\"],\"additionalProperties\":false}";

static const struct {
    const char *value;
    bool fits;
} rows[] = {
    {"{\"s\":\"a\"}", true},
    {"{\"s\":\"abc\"}", true},
    {"{\"s\":\"\xc3\xa4\xc3\xa4\xc3\xa4\"}", true}, /* characters, not bytes */
    {"{\"s\":\"abcd\"}", false},
    {"{\"s\":\"\"}", false},
    {"{\"s\":null}", false},
    {"{}", false},
    {"[]", false},
    {"{\"s\":\"a\",\"i\":0,\"b\":false,\"a\":[1,2],\"e\":\"y\"}", true},
    {"{\"s\":\"a\",\"i\":5}", true},
    {"{\"s\":\"a\",\"i\":6}", false},
    {"{\"s\":\"a\",\"i\":-1}", false},
    {"{\"s\":\"a\",\"i\":1.0}", false},
    {"{\"s\":\"a\",\"i\":\"1\"}", false},
    {"{\"s\":\"a\",\"b\":0}", false},
    {"{\"s\":\"a\",\"a\":[1,2,3]}", false},
    {"{\"s\":\"a\",\"a\":{}}", false},
    {"{\"s\":\"a\",\"e\":\"z\"}", false},
    {"{\"s\":\"a\",\"other\":1}", false},
};

static void
fitting(void)
{
    json_t *schema = json_loads(schema_text, 0, NULL);

    REQUIRE(schema != NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *value = json_loads(rows[i].value, 0, NULL);
        struct bs_err err = {0};
        int before = tap_misses;

        EXPECT_EQ(bs_mcp_schema_check(schema, value, &err) == BS_DONE, rows[i].fits);
        EXPECT_EQ(err.code, rows[i].fits ? BS_OK : BS_E_DATA);
        if (tap_misses != before)
            printf("# %s\n", rows[i].value);
        json_decref(value);
    }
    json_decref(schema);
}

int
main(void)
{
    static const struct tap_case cases[] = {{"what fits", fitting}};

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
