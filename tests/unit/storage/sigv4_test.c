/*
 * sigv4_test.c - the signatures that AWS has published: its signing test suite (service
 * "service") and the examples of the S3 manual.
 */
#include "storage/sigv4.h"

#include <stdlib.h>

#include "base/clock.h"
#include "tap.h"

#define EMPTY   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
#define FORM    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
#define ALL     "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

#define SUITE_DATE "20150830T123600Z"
#define S3_DATE    "20130524T000000Z"
#define HOST                                                                                       \
    {"Host", "example.amazonaws.com"},                                                             \
    {                                                                                              \
        "X-Amz-Date", SUITE_DATE                                                                   \
    }
#define S3_HOST(sha)                                                                               \
    {"Host", "examplebucket.s3.amazonaws.com"}, {"x-amz-date", S3_DATE},                           \
    {                                                                                              \
        "x-amz-content-sha256", sha                                                                \
    }

static const struct bs_sigv4_key suite = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                          "us-east-1", "service"};
static const struct bs_sigv4_key s3 = {
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3"};

struct row {
    const char *what;
    const struct bs_sigv4_key *key;
    const char *method, *path;
    struct bs_sigv4_pair query[4], headers[6];
    const char *sha256, *signed_names, *signature;
};

/* clang-format off */
static const struct row rows[] = {
    {"get-vanilla", &suite, "GET", "/", {{0}}, {HOST}, EMPTY, "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case", &suite, "GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}}, {HOST},
     EMPTY, "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-encoded", &suite, "GET", "/",
     {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\xe1\x88\xb4", "Value1"}}, {HOST},
     EMPTY, "host;x-amz-date", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {"get-vanilla-empty-query-key", &suite, "GET", "/", {{"Param1", "value1"}}, {HOST}, EMPTY, "host;x-amz-date",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-unreserved", &suite, "GET", "/", {{ALL, ALL}}, {HOST}, EMPTY, "host;x-amz-date",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query", &suite, "GET", "/", {{"\xe1\x88\xb4", "bar"}}, {HOST}, EMPTY, "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-vanilla-with-session-token", &suite, "GET", "/", {{0}},
     {HOST, {"X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}}, EMPTY,
     "host;x-amz-date;x-amz-security-token", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {"get-utf8", &suite, "GET", "/\xe1\x88\xb4", {{0}}, {HOST}, EMPTY, "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-unreserved", &suite, "GET", "/" ALL, {{0}}, {HOST}, EMPTY, "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-space-unnormalized", &suite, "GET", "/example space/", {{0}}, {HOST}, EMPTY, "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-slashes-unnormalized", &suite, "GET", "//example//", {{0}}, {HOST}, EMPTY, "host;x-amz-date",
     "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
    {"get-header-value-trim", &suite, "GET", "/", {{0}},
     {HOST, {"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}, EMPTY,
     "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-header-key-duplicate", &suite, "GET", "/", {{0}},
     {HOST, {"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}, EMPTY,
     "host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"post-header-key-sort", &suite, "POST", "/", {{0}}, {{"My-Header1", "value1"}, HOST}, EMPTY,
     "host;my-header1;x-amz-date", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case", &suite, "POST", "/", {{0}}, {{"My-Header1", "VALUE1"}, HOST}, EMPTY,
     "host;my-header1;x-amz-date", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-x-www-form-urlencoded", &suite, "POST", "/", {{0}},
     {{"Content-Type", "application/x-www-form-urlencoded"}, HOST, {"Content-Length", "13"},
      {"x-amz-content-sha256", FORM}}, FORM, "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
    {"S3: GET object with Range", &s3, "GET", "/test.txt", {{0}}, {S3_HOST(EMPTY), {"Range", "bytes=0-9"}}, EMPTY,
     "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"S3: PUT object", &s3, "PUT", "/test$file.text", {{0}},
     {S3_HOST(WELCOME), {"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}, WELCOME,
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"S3: GET bucket lifecycle", &s3, "GET", "/", {{"lifecycle", ""}}, {S3_HOST(EMPTY)}, EMPTY,
     "host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"S3: list objects", &s3, "GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {S3_HOST(EMPTY)}, EMPTY,
     "host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};
/* clang-format on */

static struct bs_sigv4_request
request_of(const struct row *row)
{
    struct bs_sigv4_request r = {.method = row->method,
                                 .path = row->path,
                                 .query = row->query,
                                 .headers = row->headers,
                                 .payload_sha256 = row->sha256};

    while (r.n_query < 4 && row->query[r.n_query].name != NULL)
        r.n_query++;
    while (r.n_headers < 6 && row->headers[r.n_headers].name != NULL)
        r.n_headers++;
    return r;
}

static void
published_signatures(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_sigv4_request r = request_of(&rows[i]);
        const char *date = rows[i].key == &s3 ? S3_DATE : SUITE_DATE;
        char want[1024];
        struct bs_buf got;
        (void)snprintf(want, sizeof(want),
                       "AWS4-HMAC-SHA256 Credential=%s/%.8s/us-east-1/%s/aws4_request, "
                       "SignedHeaders=%s, Signature=%s",
                       rows[i].key->id, date, rows[i].key->service, rows[i].signed_names,
                       rows[i].signature);
        bs_buf_init(&got, 4096);
        bs_sigv4_put_authorization(&got, &r, rows[i].key, date);
        if (!tap_check(bs_bytes_equal(bs_buf_view(&got), bs_bytes_of(want)), rows[i].what, __FILE__,
                       __LINE__))
            printf("#   got  %.*s\n#   want %s\n", (int)got.n, (const char *)got.p, want);
        bs_buf_fini(&got);
    }
}

static void
canonical_request_is_as_documented(void)
{
    struct bs_sigv4_request r = request_of(&rows[sizeof(rows) / sizeof(rows[0]) - 3]);
    struct bs_buf got;

    bs_buf_init(&got, 4096);
    bs_sigv4_put_canonical(&got, &r);
    EXPECT(bs_bytes_equal(
        bs_buf_view(&got),
        BS_LIT("PUT\n/test%24file.text\n\ndate:Fri, 24 May 2013 00:00:00 GMT\n"
               "host:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:" WELCOME
               "\nx-amz-date:" S3_DATE "\nx-amz-storage-class:REDUCED_REDUNDANCY\n\n"
               "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class\n" WELCOME)));
    bs_buf_fini(&got);
}

static void
names_sort_before_what_follows_them(void)
{
    /* "a" comes before "a-b", though '=' comes after '-'. */
    const struct bs_sigv4_pair query[] = {{"a-b", "1"}, {"a", "2"}, {"a", "10"}, {"A", "%+ /"}};
    struct bs_buf got;

    bs_buf_init(&got, 256);
    bs_sigv4_put_query(&got, query, 4);
    EXPECT(bs_bytes_equal(bs_buf_view(&got), BS_LIT("A=%25%2B%20%2F&a=10&a=2&a-b=1")));
    bs_buf_fini(&got);
}

static void
times_are_compact(void)
{
    char date[BS_SIGV4_DATE];

    bs_sigv4_date(INT64_C(1369353600) * 1000000 + 999999, date);
    EXPECT(strcmp(date, S3_DATE) == 0);
    bs_sigv4_date(INT64_C(1440938160) * 1000000, date);
    EXPECT(strcmp(date, SUITE_DATE) == 0);
}

/* What does not fit is told, never cut. */
static void
no_room_is_told(void)
{
    struct bs_sigv4_request r = request_of(&rows[0]);
    char *value = malloc(70000);
    struct bs_sigv4_pair query = {"x", value};
    struct bs_buf got;

    memset(value, 'v', 69999);
    value[69999] = '\0';
    r.query = &query;
    r.n_query = 1;
    bs_buf_init(&got, 4096);
    bs_sigv4_put_authorization(&got, &r, &suite, SUITE_DATE);
    EXPECT(got.failed && got.n == 0);
    bs_buf_fini(&got);
    free(value);
}

static const struct tap_case cases[] = {
    {"published signatures", published_signatures},
    {"canonical request is as documented", canonical_request_is_as_documented},
    {"names sort before what follows them", names_sort_before_what_follows_them},
    {"times are compact", times_are_compact},
    {"no room is told", no_room_is_told},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
