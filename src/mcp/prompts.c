/*
 * prompts.c - words for an agent that is about to change something: look, explain, ask, wait.
 */
#include <string.h>

#include "mcp/inside.h"

static const char described[] = {
#include "mcp/prompts.inc"
};

#define ARGUMENT_MAX ((size_t)8192)

static json_t *
load(void)
{
    json_t *list = json_loadb(described, sizeof(described), JSON_REJECT_DUPLICATES, NULL);

    bs_assert(json_is_array(list));
    return list;
}

json_t *
bs_mcp_prompts_list(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    json_t *list, *one;
    size_t i;

    if (json_object_get(r->params, "cursor") != NULL)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no such page");
    list = load();
    json_array_foreach(list, i, one)(void) json_object_del(one, "text");
    return json_pack("{s:o,s:i,s:s}", "prompts", list, "ttlMs", 3600000, "cacheScope", "public");
}

/* A prompt of ours has one argument, wherever "{{" names it. */
static void
put_filled(struct bs_buf *b, const char *text, const char *value)
{
    const char *at;

    while ((at = strstr(text, "{{")) != NULL) {
        bs_put_bytes(b, (struct bs_bytes){(const uint8_t *)text, (size_t)(at - text)});
        bs_put_str(b, value);
        text = strstr(at, "}}") + 2;
    }
    bs_put_cstr(b, text);
}

static json_t *
filled(const json_t *prompt, const char *value)
{
    json_t *result;
    struct bs_buf b;

    bs_buf_init(&b, 65536);
    put_filled(&b, json_string_value(json_object_get(prompt, "text")), value);
    bs_assert(!b.failed);
    result = json_pack("{s:O,s:[{s:s,s:{s:s,s:s}}]}", "description",
                       json_object_get(prompt, "description"), "messages", "role", "user",
                       "content", "type", "text", "text", (const char *)b.p);
    bs_buf_fini(&b);
    return result;
}

json_t *
bs_mcp_prompts_get(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    const char *name = json_string_value(json_object_get(r->params, "name"));
    const json_t *args = json_object_get(r->params, "arguments");
    json_t *list = load();
    json_t *one, *result = NULL;
    size_t i;

    (void)bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no such prompt");
    json_array_foreach(list, i, one)
    {
        const json_t *wants = json_array_get(json_object_get(one, "arguments"), 0);
        const char *key = json_string_value(json_object_get(wants, "name"));
        const char *value = json_string_value(json_object_get(args, key));

        if (name == NULL || strcmp(json_string_value(json_object_get(one, "name")), name) != 0)
            continue;
        *fault = (struct bs_mcp_fault){0};
        if (value == NULL || strlen(value) > ARGUMENT_MAX)
            (void)bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "the prompt wants \"%s\"", key);
        else
            result = filled(one, value);
    }
    json_decref(list);
    return result;
}
