/*
 * message.c - texts that nobody has looked at yet, and the two forms of an answer.
 *
 * jansson refuses what is no UTF-8, members that stand twice, a NUL inside a string, and numbers that do
 * not fit. Its own limit of depth is 2048 levels, which later parts would have to walk: ours is lower,
 * and looked at before anything is built. Batches (arrays) were in one revision that we do not serve.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mcp/inside.h"

#define DEPTH_MAX 64

const char *const bs_mcp_legacy_revisions[] = {BS_MCP_LEGACY, "2025-06-18", NULL};

bool
bs_mcp_is_legacy(const char *revision)
{
    for (size_t i = 0; revision != NULL && bs_mcp_legacy_revisions[i] != NULL; i++) {
        if (strcmp(revision, bs_mcp_legacy_revisions[i]) == 0)
            return true;
    }
    return false;
}

json_t *
bs_mcp_revisions(void)
{
    json_t *list = json_pack("[s]", BS_MCP_MODERN);

    for (size_t i = 0; bs_mcp_legacy_revisions[i] != NULL; i++)
        (void)json_array_append_new(list, json_string(bs_mcp_legacy_revisions[i]));
    return list;
}

json_t *
bs_mcp_refuse(struct bs_mcp_fault *fault, enum bs_mcp_code code, const char *fmt, ...)
{
    va_list args;

    if (fault->code == 0) {
        fault->code = (int)code;
        va_start(args, fmt);
        (void)vsnprintf(fault->text, sizeof(fault->text), fmt, args);
        va_end(args);
    }
    return NULL;
}

json_t *
bs_mcp_string(const char *text)
{
    size_t n = strlen(text);
    json_t *string = json_stringn(text, n);

    while (string == NULL)
        string = json_stringn(text, --n);
    return string;
}

json_t *
bs_mcp_error(const json_t *id, enum bs_mcp_code code, const char *message, json_t *data)
{
    json_t *error = json_pack("{s:i,s:o,s:o*}", "code", (int)code, "message",
                              bs_mcp_string(message), "data", data);
    json_t *answer = json_pack("{s:s,s:o}", "jsonrpc", "2.0", "error", error);

    /* The protocol's schema knows no id of null: an error about no request has none. */
    if (id != NULL)
        (void)json_object_set_new(answer, "id", json_deep_copy(id));
    return answer;
}

/* No deeper than we go. A bracket inside a string counts for nothing. */
static bool
is_shallow(struct bs_bytes text)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[') && ++depth > DEPTH_MAX)
            return false;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return true;
}

static bool
is_id(const json_t *id)
{
    return json_is_string(id) || json_is_integer(id);
}

/* What is wrong with it as a JSON-RPC message; NULL: nothing. */
static const char *
malformed(const json_t *m)
{
    const char *version = json_string_value(json_object_get(m, "jsonrpc"));
    const json_t *id = json_object_get(m, "id");
    const json_t *method = json_object_get(m, "method");
    const json_t *params = json_object_get(m, "params");

    if (!json_is_object(m))
        return "a message is one JSON object";
    if (version == NULL || strcmp(version, "2.0") != 0)
        return "jsonrpc must be \"2.0\"";
    if (id != NULL && !is_id(id) && !(method == NULL && json_is_null(id)))
        return "an id is a string or a whole number";
    if (method == NULL && json_object_get(m, "result") == NULL &&
        json_object_get(m, "error") == NULL)
        return "a message has a method, a result or an error";
    if (method != NULL && !json_is_string(method))
        return "a method is a string";
    if (params != NULL && !json_is_object(params))
        return "params must be an object";
    return NULL;
}

bool
bs_mcp_parse(struct bs_bytes text, json_t **message, json_t **refusal)
{
    json_error_t at;
    json_t *m = NULL;
    const char *wrong = NULL;
    const json_t *id;

    *message = *refusal = NULL;
    if (text.n > BS_MCP_MESSAGE_MAX)
        wrong = "the message is too long";
    else if (!is_shallow(text))
        wrong = "the message is nested too deeply";
    else if ((m = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &at)) == NULL &&
             json_error_code(&at) != json_error_invalid_syntax)
        wrong = "the message is not JSON that can be read";
    else if (m == NULL)
        wrong = "the message is not JSON";
    if (wrong != NULL) {
        *refusal = bs_mcp_error(NULL, BS_MCP_PARSE_ERROR, wrong, NULL);
        return false;
    }
    wrong = malformed(m);
    if (wrong != NULL) {
        id = json_object_get(m, "id");
        *refusal = bs_mcp_error(is_id(id) ? id : NULL, BS_MCP_INVALID_REQUEST, wrong, NULL);
        json_decref(m);
        return false;
    }
    *message = m;
    return true;
}
