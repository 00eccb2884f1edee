/*
 * value_test.c - values of PostgreSQL as JSON: exact, or a text.
 */
#include "mcp/value.h"

#include <stdlib.h>

#include "tap.h"

static const struct {
    uint32_t type;
    const char *text;
    const char *json;
} rows[] = {
    {16, "t", "true"},
    {16, "f", "false"},
    {23, "-5", "-5"},
    {20, "9007199254740992", "9007199254740992"},
    {20, "9007199254740993", "\"9007199254740993\""},
    {20, "-9007199254740992", "-9007199254740992"},
    {20, "-9223372036854775808", "\"-9223372036854775808\""},
    {701, "0.5", "0.5"},
    {701, "NaN", "\"NaN\""},
    {701, "Infinity", "\"Infinity\""},
    {701, "-Infinity", "\"-Infinity\""},
    {1700, "1.50", "\"1.50\""},
    {1700, "7", "\"7\""},
    {25, "", "\"\""},
    {25, "12", "\"12\""},
    {3802, "{\"a\": 1}", "\"{\\\"a\\\": 1}\""},
    {23, "not a number", "\"not a number\""},
};

static void
values(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool cut = false;
        json_t *v = bs_mcp_value(rows[i].type, bs_bytes_of(rows[i].text), 100, &cut);
        char *text = json_dumps(v, JSON_ENCODE_ANY);

        EXPECT(!cut);
        EXPECT(strcmp(text, rows[i].json) == 0);
        if (tap_misses != 0)
            printf("# row %zu: %s\n", i, text);
        free(text);
        json_decref(v);
    }
}

static void
cutting(void)
{
    static const struct {
        const char *text;
        size_t max;
        const char *kept; /* NULL: all of it */
    } cuts[] = {
        {"abcd", 4, NULL},
        {"abcde", 4, "abcd"},
        {"abc\xc3\xa4x", 4, "abc"}, /* not in the middle of an a with dots */
        {"abc\xc3\xa4x", 5, "abc\xc3\xa4"},
        {"\xf0\x9f\x98\x80z", 3, ""},
    };

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        bool cut = false;
        json_t *v = bs_mcp_value(25, bs_bytes_of(cuts[i].text), cuts[i].max, &cut);

        EXPECT_EQ(cut, cuts[i].kept != NULL);
        EXPECT(strcmp(json_string_value(v), cut ? cuts[i].kept : cuts[i].text) == 0);
        json_decref(v);
    }
}

static void
parameters(void)
{
    static const struct {
        const char *json;
        const char *text; /* NULL: null */
    } params[] = {
        {"null", NULL},
        {"true", "true"},
        {"false", "false"},
        {"\"x\"", "x"},
        {"-12", "-12"},
        {"0.1", "0.1"},
        {"1e300", "1e+300"},
        {"[1,2]", "[1,2]"},
        {"{\"a\":null}", "{\"a\":null}"},
        {"0.30000000000000004", "0.30000000000000004"},
    };

    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        json_t *v = json_loads(params[i].json, JSON_DECODE_ANY, NULL);
        char *text = bs_mcp_param(v);

        EXPECT((text == NULL) == (params[i].text == NULL));
        EXPECT(text == NULL || strcmp(text, params[i].text) == 0);
        free(text);
        json_decref(v);
    }
}

static void
table(void)
{
    json_t *columns = json_loads("[{\"name\":\"a\"},{\"name\":\"b\\nc\"}]", 0, NULL);
    json_t *values_ = json_loads("[[1,null],[0.1,\"x\\r\\ny\"],[true,\"\"]]", 0, NULL);
    struct bs_buf b;

    bs_buf_init(&b, 4096);
    bs_mcp_table_put(&b, columns, values_);
    bs_put_u8(&b, 0);
    EXPECT(strcmp((const char *)b.p, "a | b\\nc\n1 | null\n0.1 | x\\r\\ny\ntrue | ") == 0);
    bs_buf_fini(&b);
    json_decref(columns);
    json_decref(values_);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"values", values},
        {"long ones", cutting},
        {"parameters", parameters},
        {"a table", table},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
