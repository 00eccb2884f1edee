/*
 * resources.c - what a client may read without calling a tool: the tables, one table, and what this agent
 * may do now. Never the rules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mcp/catalog.h"
#include "mcp/talk.h"

#define SCHEMA     "backstop://schema"
#define STATUS     "backstop://status"
#define PAGE       100
#define TABLES_MAX 500

static json_t *
described(const char *uri, const char *name, const char *title, const char *description)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s}", "uri", uri, "name", name, "title", title,
                     "description", description, "mimeType", "application/json");
}

/* A name as a part of a URI. */
static void
put_part(struct bs_buf *b, const char *name)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

    for (; *name != '\0'; name++) {
        if (strchr(plain, *name) != NULL)
            bs_put_u8(b, (uint8_t)*name);
        else
            bs_put_fmt(b, "%%%02X", (unsigned)(uint8_t)*name);
    }
}

/* The same back, in place; false where it is none. */
static bool
read_part(char *text)
{
    uint8_t byte;
    char *to = text;

    for (; *text != '\0'; text++) {
        if (*text != '%') {
            *to++ = *text;
        } else if (bs_unhex(text + 1, 1, &byte) && byte != 0) {
            *to++ = (char)byte;
            text += 2;
        } else {
            return false;
        }
    }
    *to = '\0';
    return true;
}

static json_t *
table_resource(const json_t *table)
{
    const char *schema = json_string_value(json_object_get(table, "schema"));
    const char *name = json_string_value(json_object_get(table, "name"));
    const char *comment = json_string_value(json_object_get(table, "comment"));
    const char *kind = json_string_value(json_object_get(table, "kind"));
    struct bs_buf uri, full;
    json_t *one;

    bs_buf_init(&uri, 4096);
    bs_buf_init(&full, 4096);
    bs_put_str(&uri, SCHEMA "/");
    put_part(&uri, schema == NULL ? "" : schema);
    bs_put_str(&uri, "/");
    put_part(&uri, name == NULL ? "" : name);
    bs_put_u8(&uri, 0);
    bs_put_fmt(&full, "%s.%s", schema, name);
    bs_put_u8(&full, 0);
    one = described((const char *)uri.p, (const char *)full.p, (const char *)full.p,
                    comment == NULL ? (kind == NULL ? "" : kind) : comment);
    bs_buf_fini(&full);
    bs_buf_fini(&uri);
    return one;
}

/* The offset that a page begins at; -1: it is none of ours. */
static int64_t
read_cursor(const json_t *cursor)
{
    const char *text = json_string_value(cursor);
    char *end;
    long n;

    if (cursor == NULL)
        return 0;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    n = strtol(text, &end, 10);
    return *end != '\0' || n > 100000000 ? -1 : n;
}

/* Tables behind the two that are always there; none where the database does not answer. */
static void
add_tables(struct bs_mcp_request *r, int64_t offset, json_t *list, json_t *result)
{
    struct bs_mcp_listing listing = {.limit = PAGE, .offset = offset};
    json_t *failed = NULL;
    json_t *answer = bs_mcp_catalog_list(r, &listing, &failed);
    const json_t *more = json_object_get(answer, "next_offset");
    const json_t *table;
    char cursor[24];
    size_t i;

    json_array_foreach(json_object_get(answer, "tables"), i, table)
    {
        json_t *one = table_resource(table);

        if (one != NULL)
            (void)json_array_append_new(list, one);
    }
    if (more != NULL) {
        (void)snprintf(cursor, sizeof(cursor), "%lld", (long long)json_integer_value(more));
        (void)json_object_set_new(result, "nextCursor", json_string(cursor));
    }
    json_decref(answer);
    json_decref(failed);
}

json_t *
bs_mcp_resources_list(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    int64_t offset = read_cursor(json_object_get(r->params, "cursor"));
    json_t *list, *result;

    if (offset < 0)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no such page");
    list = json_array();
    result = json_pack("{s:O}", "resources", list);
    if (offset == 0) {
        (void)json_array_append_new(
            list, described(SCHEMA, "schema", "Tables", "All tables, with sizes and comments"));
        (void)json_array_append_new(
            list, described(STATUS, "status", "What this agent may do",
                            "Whether writes run, ask or are refused; open tickets"));
    }
    add_tables(r, offset, list, result);
    json_decref(list);
    return result;
}

json_t *
bs_mcp_resources_templates(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    if (json_object_get(r->params, "cursor") != NULL)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "there is no such page");
    return json_pack("{s:[{s:s,s:s,s:s,s:s,s:s}]}", "resourceTemplates", "uriTemplate",
                     SCHEMA "/{schema}/{table}", "name", "table", "title", "One table",
                     "description", "Columns, keys, constraints, indexes and comments of a table",
                     "mimeType", "application/json");
}

/* "public/users" */
static json_t *
read_table(struct bs_mcp_request *r, const char *path, json_t **failed)
{
    char *schema = bs_strdup(path);
    char *name = strchr(schema, '/');
    json_t *answer = NULL;

    if (name != NULL) {
        *name++ = '\0';
        if (read_part(schema) && read_part(name))
            answer = bs_mcp_catalog_table(r, NULL, schema, name, failed);
    }
    free(schema);
    return answer;
}

static json_t *
read_uri(struct bs_mcp_request *r, const char *uri, json_t **failed)
{
    struct bs_mcp_listing listing = {.limit = TABLES_MAX};
    struct bs_mcp_order status = {.sql = "SHOW backstop.status"};

    *failed = NULL;
    if (strcmp(uri, SCHEMA) == 0)
        return bs_mcp_catalog_list(r, &listing, failed);
    if (strcmp(uri, STATUS) == 0)
        return bs_mcp_talk(r->actor, &r->watch, r, &status, failed);
    if (strncmp(uri, SCHEMA "/", strlen(SCHEMA "/")) == 0)
        return read_table(r, uri + strlen(SCHEMA "/"), failed);
    return NULL;
}

/* The text that a tool would have shown. */
static const char *
text_of(const json_t *result)
{
    const json_t *first = json_array_get(json_object_get(result, "content"), 0);
    const char *text = json_string_value(json_object_get(first, "text"));

    return text == NULL ? "it cannot be read" : text;
}

json_t *
bs_mcp_resources_read(struct bs_mcp_request *r, struct bs_mcp_fault *fault)
{
    const char *uri = json_string_value(json_object_get(r->params, "uri"));
    json_t *answer, *failed, *result;
    char *text;

    if (uri == NULL)
        return bs_mcp_refuse(fault, BS_MCP_INVALID_PARAMS, "\"uri\" must be a string");
    answer = read_uri(r, uri, &failed);
    if (failed != NULL) {
        (void)bs_mcp_refuse(fault, BS_MCP_INTERNAL, "%s", text_of(failed));
        json_decref(failed);
        return NULL;
    }
    if (answer == NULL) {
        (void)bs_mcp_refuse(fault, r->modern ? BS_MCP_INVALID_PARAMS : BS_MCP_RESOURCE_NOT_FOUND,
                            "there is no such resource");
        fault->data = json_pack("{s:s}", "uri", uri);
        return NULL;
    }
    (void)json_object_del(answer, "v");
    (void)json_object_del(answer, "hold_wait"); /* of this connection, on which nothing waits */
    text = json_dumps(answer, JSON_COMPACT);
    result = json_pack("{s:[{s:s,s:s,s:s}]}", "contents", "uri", uri, "mimeType",
                       "application/json", "text", text);
    free(text);
    json_decref(answer);
    return result;
}
