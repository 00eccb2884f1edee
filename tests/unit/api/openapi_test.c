/*
 * openapi_test.c - the description of the API and the table of routes say the same.
 */
#include <ctype.h>
#include <stdlib.h>

#include "api/body.h"
#include "api/handlers.h"
#include "tap.h"

static json_t *doc;

static bool
has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at += n) {
        if ((at == words || at[-1] == ' ') && strchr(" :!", at[n]) != NULL)
            return true;
    }
    return false;
}

static size_t
count_words(const char *words)
{
    size_t n = words[0] != '\0';

    for (; *words != '\0'; words++)
        n += *words == ' ';
    return n;
}

/* Follows a "$ref" of the description. */
static const json_t *
resolve(const json_t *o)
{
    const char *ref = json_string_value(json_object_get(o, "$ref"));
    char part[64];

    if (ref == NULL)
        return o;
    o = doc;
    for (ref += 2; *ref != '\0'; ref += ref[0] == '/') {
        size_t n = strcspn(ref, "/");
        (void)snprintf(part, sizeof(part), "%.*s", (int)n, ref);
        o = json_object_get(o, part);
        ref += n;
    }
    return o;
}

static const json_t *
operation(const char *path, const char *method)
{
    char low[16] = "";

    for (size_t i = 0; method[i] != '\0' && i < sizeof(low) - 1; i++)
        low[i] = (char)tolower((unsigned char)method[i]);
    return json_object_get(json_object_get(json_object_get(doc, "paths"), path), low);
}

static void
params_agree(const struct bs_route *r, const json_t *op)
{
    const json_t *list = json_object_get(op, "parameters");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = resolve(json_array_get(list, i));
        const char *name = json_string_value(json_object_get(p, "name"));
        const char *in = json_string_value(json_object_get(p, "in"));
        REQUIRE(name != NULL && in != NULL);
        if (strcmp(in, "query") != 0)
            continue;
        n++;
        EXPECT(has_word(r->params, name));
    }
    EXPECT_EQ(n, count_words(r->params));
}

static bool
is_needed(const json_t *schema, const char *name)
{
    const json_t *list = json_object_get(schema, "required");

    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
            return true;
    }
    return false;
}

static void
body_agrees(const struct bs_route *r, const json_t *op)
{
    const json_t *body = json_object_get(op, "requestBody");
    const json_t *schema = resolve(json_object_get(
        json_object_get(json_object_get(body, "content"), "application/json"), "schema"));
    const json_t *all = json_object_get(schema, "properties");
    bool needed = false;
    const char *name;
    json_t *value;

    EXPECT_EQ(body != NULL, r->body[0] != '\0');
    if (strcmp(r->body, BS_BODY_RAW) == 0) /* somebody else's format, signed as it is sent */
        return;
    EXPECT_EQ(json_object_size(all), count_words(r->body));
    EXPECT(body == NULL || json_is_false(json_object_get(schema, "additionalProperties")));
    json_object_foreach((json_t *)(uintptr_t)all, name, value)
    {
        const json_t *types = json_object_get(value, "type");
        const char *type = json_string_value(types);
        bool null = json_array_size(types) == 2; /* "or null" */
        char member[64];

        (void)snprintf(member, sizeof(member), "%s%c%c", name, is_needed(schema, name) ? '!' : ':',
                       null           ? 'S'
                       : type == NULL ? '?'
                                      : type[0]);
        EXPECT(strstr(r->body, member) != NULL);
        needed = needed || is_needed(schema, name);
    }
    EXPECT_EQ(json_is_true(json_object_get(body, "required")), needed);
}

/* What a browser loads is no part of the API. */
static bool
is_page(const struct bs_route *r)
{
    return r->handler == bs_on_console;
}

static void
each_route_is_described(void)
{
    for (size_t i = 0; i < bs_n_routes; i++) {
        const struct bs_route *r = &bs_routes[i];
        if (is_page(r))
            continue;
        const json_t *op = operation(r->path, r->method);
        int before = tap_misses;

        EXPECT(op != NULL);
        const char *role = json_string_value(json_object_get(op, "x-role"));
        EXPECT(role != NULL && strcmp(role, bs_role_name(r->role)) == 0);
        EXPECT_EQ(json_array_size(json_object_get(op, "security")),
                  r->role != BS_ROLE_NONE ? 2 : 0);
        params_agree(r, op);
        body_agrees(r, op);
        if (tap_misses != before)
            printf("# in route: %s %s\n", r->method, r->path);
    }
}

static bool
routed(const char *path, const char *method)
{
    for (size_t i = 0; i < bs_n_routes; i++) {
        const json_t *op = operation(bs_routes[i].path, bs_routes[i].method);
        if (strcmp(bs_routes[i].path, path) == 0 && op == operation(path, method))
            return true;
    }
    return false;
}

static void
what_is_described_is_there(void)
{
    const char *path, *method;
    json_t *item, *op;

    json_object_foreach(json_object_get(doc, "paths"), path, item)
    {
        json_object_foreach(item, method, op)
        {
            if (!tap_check(routed(path, method), "a route", __FILE__, __LINE__))
                printf("# described but not there: %s %s\n", method, path);
        }
    }
}

/* The guard's own promise: only what tells nothing is open to all, and what checks for itself:
 * the login, and what Slack signs. */
static void
open_routes_are_few(void)
{
    for (size_t i = 0; i < bs_n_routes; i++) {
        const struct bs_route *r = &bs_routes[i];
        if (r->role != BS_ROLE_NONE || is_page(r) || r->handler == bs_on_session_begin)
            continue;
        if (r->handler == bs_on_slack) {
            EXPECT(json_object_get(operation(r->path, r->method), "x-signed") != NULL);
            continue;
        }
        EXPECT(strstr(" /healthz /readyz /metrics /v1/openapi.json ", r->path) != NULL);
        EXPECT(strcmp(r->method, "GET") == 0);
    }
}

static const struct tap_case cases[] = {
    {"each route is described", each_route_is_described},
    {"what is described is there", what_is_described_is_there},
    {"open routes are few, and only read or log in", open_routes_are_few},
};

int
main(void)
{
    struct bs_answer a = {0};
    struct bs_err err = {0};
    int status;

    (void)!bs_on_openapi(&(struct bs_request){0}, &a, &err);
    doc = json_loads(a.text, 0, NULL);
    if (doc == NULL) {
        printf("Bail out! the description is no JSON\n");
        return 1;
    }
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    json_decref(doc);
    bs_answer_fini(&a);
    return status;
}
