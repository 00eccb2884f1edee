/*
 * message_test.c - texts of others: what is a message, what is refused, and with which code.
 */
#include "mcp/mcp.h"

#include <stdlib.h>

#include "tap.h"

static const struct {
    const char *text;
    int code; /* 0: a message */
} rows[] = {
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", 0},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\",\"params\":{}}", 0},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}", 0},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", 0},
    {"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{}}", 0},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{\"s\":\"[[[[{{{{\\\"[\"}}", 0},
    {"", BS_MCP_PARSE_ERROR},
    {"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"method\":\"a\"}", BS_MCP_PARSE_ERROR},
    {"{\"jsonrpc\":\"2.0\",\"id\":9223372036854775808,\"method\":\"a\"}", BS_MCP_PARSE_ERROR},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\u0000\"}", BS_MCP_PARSE_ERROR},
    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", BS_MCP_INVALID_REQUEST},
    {"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"a\"}", BS_MCP_INVALID_REQUEST},
    {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"a\"}", BS_MCP_INVALID_REQUEST},
    {"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"a\"}", BS_MCP_INVALID_REQUEST},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":null}", BS_MCP_INVALID_REQUEST},
};

static int
code_of(const json_t *refusal)
{
    return (int)json_integer_value(json_object_get(json_object_get(refusal, "error"), "code"));
}

static void
messages(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *message, *refusal;
        bool is = bs_mcp_parse(bs_bytes_of(rows[i].text), &message, &refusal);

        EXPECT_EQ(is, rows[i].code == 0);
        EXPECT_EQ((message != NULL) + (refusal != NULL), 1);
        EXPECT_EQ(code_of(refusal), rows[i].code);
        EXPECT(json_object_get(refusal, "id") == NULL ||
               json_is_integer(json_object_get(refusal, "id")));
        json_decref(message);
        json_decref(refusal);
    }
}

/* 64 levels are read, 65 are not; brackets in strings are none. */
static void
depth(void)
{
    for (int levels = 62; levels <= 63; levels++) {
        json_t *message, *refusal;
        struct bs_buf b;

        bs_buf_init(&b, 4096);
        bs_put_str(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{\"a\":");
        for (int i = 0; i < levels; i++)
            bs_put_u8(&b, '[');
        for (int i = 0; i < levels; i++)
            bs_put_u8(&b, ']');
        bs_put_str(&b, "}}");
        EXPECT_EQ(bs_mcp_parse(bs_buf_view(&b), &message, &refusal), levels == 62);
        json_decref(message);
        json_decref(refusal);
        bs_buf_fini(&b);
    }
}

static void
size(void)
{
    json_t *message, *refusal;
    struct bs_bytes text = {calloc(1, BS_MCP_MESSAGE_MAX + 1), BS_MCP_MESSAGE_MAX + 1};

    REQUIRE(text.p != NULL);
    EXPECT(!bs_mcp_parse(text, &message, &refusal));
    EXPECT_EQ(code_of(refusal), BS_MCP_PARSE_ERROR);
    json_decref(refusal);
    free((void *)(uintptr_t)text.p);
}

static void
revisions(void)
{
    EXPECT(bs_mcp_is_legacy("2025-11-25"));
    EXPECT(bs_mcp_is_legacy("2025-06-18"));
    EXPECT(!bs_mcp_is_legacy(BS_MCP_MODERN));
    EXPECT(!bs_mcp_is_legacy("2024-11-05"));
    EXPECT(!bs_mcp_is_legacy(NULL));
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what is a message", messages},
        {"how deep", depth},
        {"how long", size},
        {"revisions", revisions},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
