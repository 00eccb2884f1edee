/*
 * request_test.c - what is read from a request before a handler: Accept, entity tags, the body, a
 * page, an Idempotency-Key.
 */
#include "api/request.h"

#include <stdlib.h>

#include "api/body.h"
#include "api/idempotent.h"
#include "api/negotiate.h"
#include "api/page.h"
#include "tap.h"

static struct bs_arena arena;
static const char *accept_field, *type_field;

static const char *
header(void *ctx, const char *name)
{
    (void)ctx;
    if (strcmp(name, "Accept") == 0)
        return accept_field;
    return strcmp(name, "Content-Type") == 0 ? type_field : NULL;
}

static const struct {
    const char *field;
    bool takes_json;
    bool takes_text;
} accepts[] = {
    {NULL, true, true},
    {"", true, true},
    {"*/*", true, true},
    {"application/json", true, false},
    {"application/*", true, false},
    {"APPLICATION/JSON", true, false},
    {"text/html, application/json;q=0.9", true, false},
    {"text/html,*/*;q=0.8", true, true},
    {"application/json;q=0", false, false},
    {"application/json; q=0.000", false, false},
    {"application/json;q=0.001", true, false},
    {"application/jsonx", false, false},
    {"application", false, false},
    {"text/plain", false, true},
    {"image/*", false, false},
    {",,,", false, false},
};

static void
accepted(void)
{
    for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
        struct bs_request q = {.header = header};
        struct bs_err json = {0}, text = {0};
        int before = tap_misses;

        accept_field = accepts[i].field;
        EXPECT_EQ(bs_accepts(&q, "/v1/tickets", &json) == BS_DONE, accepts[i].takes_json);
        EXPECT_EQ(bs_accepts(&q, "/metrics", &text) == BS_DONE, accepts[i].takes_text);
        EXPECT(accepts[i].takes_json || json.code == BS_E_ACCEPT);
        if (tap_misses != before)
            printf("# in row: %s\n", accepts[i].field);
    }
}

static void
tags_are_found(void)
{
    EXPECT(bs_etag_in("\"a\"", "\"a\""));
    EXPECT(bs_etag_in("\"b\", W/\"a\"", "\"a\""));
    EXPECT(bs_etag_in("*", "\"a\""));
    EXPECT(bs_etag_in("\"3.7\"", "\"3."));
    EXPECT(!bs_etag_in("\"33.7\"", "\"3."));
    EXPECT(!bs_etag_in("\"ab\"", "\"a\""));
    EXPECT(!bs_etag_in("", "\"a\""));
    EXPECT(!bs_etag_in("\"b\",,", "\"a\""));
}

static const struct {
    const char *members;
    const char *type;
    const char *body;
    enum bs_code want;
} bodies[] = {
    {"", NULL, "", BS_OK},
    {"", "application/json", "{}", BS_OK},
    {"", "application/json", "{\"reason\":\"x\"}", BS_E_DATA},
    {"", "text/plain", "{}", BS_E_MEDIA},
    {"reason:s", NULL, "", BS_OK},
    {"reason!s", NULL, "", BS_E_DATA},
    {"reason:s", NULL, "{}", BS_E_MEDIA},
    {"reason:s", "application/x-www-form-urlencoded", "{}", BS_E_MEDIA},
    {"reason:s", "text/plain", "{\"reason\":\"x\"}", BS_E_MEDIA},
    {"reason:s", "application/jsonp", "{}", BS_E_MEDIA},
    {"reason:s", "application/json", "{}", BS_OK},
    {"reason:s", "Application/JSON; charset=utf-8", "{\"reason\":\"x\"}", BS_OK},
    {"reason:s", "application/json", "{\"reason\":1}", BS_E_DATA},
    {"reason:s", "application/json", "{\"reason\":null}", BS_E_DATA},
    {"reason:s", "application/json", "{\"reasons\":\"x\"}", BS_E_DATA},
    {"reason:s", "application/json", "{\"reason\":\"x\",\"reason\":\"y\"}", BS_E_DATA},
    {"reason:s", "application/json", "[]", BS_E_DATA},
    {"reason:s", "application/json", "{\"reason\":\"\\u0000\"}", BS_E_DATA},
    {"reason:s", "application/json", "{", BS_E_DATA},
    {"a!s b:i c:b d:a", "application/json", "{\"a\":\"\",\"b\":1,\"c\":true,\"d\":[\"\"]}", BS_OK},
    {"a!s b:i", "application/json", "{\"b\":1}", BS_E_DATA},
    {"b:i", "application/json", "{\"b\":1.5}", BS_E_DATA},
    {"d:a", "application/json", "{\"d\":[1]}", BS_E_DATA},
    {"d:a", "application/json", "{\"d\":\"x\"}", BS_E_DATA},
};

static void
bodies_are_strict(void)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct bs_request q = {.header = header, .body = bs_bytes_of(bodies[i].body)};
        struct bs_err err = {0};

        type_field = bodies[i].type;
        (void)!bs_body_take(&q, bodies[i].members, &err);
        if (!tap_equal(err.code, bodies[i].want, "code", __FILE__, __LINE__))
            printf("# in row: %s of %s: %s\n", bodies[i].body, bodies[i].members, err.message);
        json_decref(q.parsed);
    }
}

static enum bs_code
page(const char *limit, const char *cursor, struct bs_page *out)
{
    const struct bs_param params[] = {{"limit", limit}, {"cursor", cursor}};
    struct bs_request q = {.params = params, .n_params = 2, .arena = &arena};
    struct bs_err err = {0};

    q.n_params = cursor == NULL ? 1 : 2;
    (void)!bs_page_take(&q, out, &err);
    return err.code;
}

static void
pages(void)
{
    static const char *const bad[] = {"0", "1001", "", "-1", "1x", "99999999999999999999999", " 1"};
    static const char *const not_ours[] = {"", "4", "zz", "00", "54-2", "ff"};
    struct bs_request q = {.arena = &arena};
    struct bs_answer a = {.body = json_object()};
    struct bs_page p;

    EXPECT_EQ(page("1000", NULL, &p), BS_OK);
    EXPECT_EQ(p.limit, 1000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT_EQ(page(bad[i], NULL, &p), BS_E_USAGE);
    for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
        EXPECT_EQ(page("1", not_ours[i], &p), BS_E_USAGE);
    bs_page_next(&a, &q, "T-01");
    EXPECT_EQ(page("7", json_string_value(json_object_get(a.body, "next")), &p), BS_OK);
    EXPECT(p.after != NULL && strcmp(p.after, "T-01") == 0);
    EXPECT_EQ(p.limit, 7);
    bs_answer_fini(&a);
}

static enum bs_code
begin(
    struct bs_idempotent *t, const char *by, const char *key, const char *body, struct bs_answer *a)
{
    struct bs_request q = {.by = {.name = by}, .method = "POST", .path = "/x", .arena = &arena};
    struct bs_err err = {0};

    *a = (struct bs_answer){0};
    q.body = bs_bytes_of(body);
    (void)!bs_idempotent_begin(t, &q, key, a, &err);
    return err.code;
}

static void
end(struct bs_idempotent *t, const char *by, const char *key, int status, bool secret)
{
    struct bs_request q = {.by = {.name = by}, .method = "POST", .path = "/x", .arena = &arena};
    struct bs_answer a = {.status = status, .text = bs_strdup("{}"), .secret = secret};

    bs_idempotent_end(t, &q, key, &a);
    bs_answer_fini(&a);
}

static void
done_once(void)
{
    struct bs_idempotent *t = bs_idempotent_new();
    struct bs_answer a;

    EXPECT_EQ(begin(t, "kim", "k", "1", &a), BS_OK);
    EXPECT(!a.again);
    EXPECT_EQ(begin(t, "kim", "k", "1", &a), BS_E_CONFLICT);
    EXPECT_EQ(begin(t, "kim", "k", "2", &a), BS_E_DATA);
    end(t, "kim", "k", 409, false);
    EXPECT_EQ(begin(t, "kim", "k", "1", &a), BS_OK);
    EXPECT(a.again && a.status == 409 && strcmp(a.text, "{}") == 0);
    bs_answer_fini(&a);
    EXPECT_EQ(begin(t, "kim", "k", "2", &a), BS_E_DATA);
    EXPECT_EQ(begin(t, "lee", "k", "2", &a), BS_OK);
    EXPECT(!a.again);
    end(t, "lee", "k", 503, false);
    EXPECT_EQ(begin(t, "lee", "k", "3", &a), BS_OK);
    EXPECT(!a.again);
    end(t, "lee", "k", 201, true);
    EXPECT_EQ(begin(t, "lee", "k", "3", &a), BS_E_CONFLICT);
    EXPECT_EQ(begin(t, "kim", "", "1", &a), BS_E_USAGE);
    EXPECT_EQ(begin(t, "kim", "a b", "1", &a), BS_E_USAGE);
    bs_idempotent_free(&t);
}

/* More keys than rows: the oldest answers go. */
static void
keys_are_bounded(void)
{
    struct bs_idempotent *t = bs_idempotent_new();
    struct bs_answer a;
    char key[16];

    for (int i = 0; i < 1100; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        EXPECT_EQ(begin(t, "kim", key, "1", &a), BS_OK);
        end(t, "kim", key, 200, false);
    }
    EXPECT_EQ(begin(t, "kim", "1099", "2", &a), BS_E_DATA);
    EXPECT_EQ(begin(t, "kim", "0", "2", &a), BS_OK);
    EXPECT(!a.again);
    bs_idempotent_free(&t);
}

static const struct tap_case cases[] = {
    {"what Accept takes", accepted},           {"entity tags are found", tags_are_found},
    {"bodies are strict", bodies_are_strict},  {"pages", pages},
    {"with a key it is done once", done_once}, {"keys are bounded", keys_are_bounded},
};

int
main(void)
{
    int status;

    bs_arena_init(&arena, "test", 1 << 20);
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_arena_fini(&arena);
    return status;
}
