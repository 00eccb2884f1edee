/*
 * identity_test.c - which requests are the same, and which are not.
 */
#include "approval/identity.h"
#include "tap.h"

enum { BOOL = 16, INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25, FLOAT8 = 701, UUID = 2950 };

static const struct {
    const char *what;
    struct bs_identity_param a, b;
    bool same;
} rows[] = {
    {"int2 and int8, text",
     {INT2, 0, false, BS_LIT_INIT("7")},
     {INT8, 0, false, BS_LIT_INIT("7")},
     true},
    {"text and binary",
     {INT4, 0, false, BS_LIT_INIT("7")},
     {INT4, 1, false, BS_LIT_INIT("\0\0\0\7")},
     true},
    {"int2 and int8, binary",
     {INT2, 1, false, BS_LIT_INIT("\xff\xff")},
     {INT8, 1, false, BS_LIT_INIT("\xff\xff\xff\xff\xff\xff\xff\xff")},
     true},
    {"negative",
     {INT2, 1, false, BS_LIT_INIT("\xff\xff")},
     {INT8, 0, false, BS_LIT_INIT("-1")},
     true},
    {"sign counts", {INT4, 0, false, BS_LIT_INIT("1")}, {INT4, 0, false, BS_LIT_INIT("-1")}, false},
    {"leading zeros",
     {INT4, 0, false, BS_LIT_INIT("007")},
     {INT4, 0, false, BS_LIT_INIT("7")},
     true},
    {"another number",
     {INT4, 0, false, BS_LIT_INIT("7")},
     {INT4, 0, false, BS_LIT_INIT("8")},
     false},
    {"smallest int8",
     {INT8, 0, false, BS_LIT_INIT("-9223372036854775808")},
     {INT8, 1, false, BS_LIT_INIT("\x80\0\0\0\0\0\0\0")},
     true},
    {"largest int8",
     {INT8, 0, false, BS_LIT_INIT("9223372036854775807")},
     {INT8, 1, false, BS_LIT_INIT("\x7f\xff\xff\xff\xff\xff\xff\xff")},
     true},
    {"one past int8 is bytes",
     {INT8, 0, false, BS_LIT_INIT("9223372036854775808")},
     {INT8, 1, false, BS_LIT_INIT("\x80\0\0\0\0\0\0\0")},
     false},
    {"no number is bytes",
     {INT4, 0, false, BS_LIT_INIT("x")},
     {INT4, 0, false, BS_LIT_INIT("x")},
     true},
    {"empty and zero",
     {INT4, 0, false, BS_LIT_INIT("")},
     {INT4, 0, false, BS_LIT_INIT("0")},
     false},
    {"minus alone and zero",
     {INT4, 0, false, BS_LIT_INIT("-")},
     {INT4, 0, false, BS_LIT_INIT("0")},
     false},
    {"int and text", {INT4, 0, false, BS_LIT_INIT("7")}, {TEXT, 0, false, BS_LIT_INIT("7")}, false},
    {"unknown type and int",
     {0, 0, false, BS_LIT_INIT("7")},
     {INT4, 0, false, BS_LIT_INIT("7")},
     false},
    {"text in both formats",
     {TEXT, 0, false, BS_LIT_INIT("7")},
     {TEXT, 1, false, BS_LIT_INIT("7")},
     true},
    {"other types by format",
     {FLOAT8, 0, false, BS_LIT_INIT("7")},
     {FLOAT8, 1, false, BS_LIT_INIT("7")},
     false},
    {"other types by type",
     {FLOAT8, 0, false, BS_LIT_INIT("7")},
     {UUID, 0, false, BS_LIT_INIT("7")},
     false},
    {"bool", {BOOL, 0, false, BS_LIT_INIT("true")}, {BOOL, 1, false, BS_LIT_INIT("\1")}, true},
    {"bool, other", {BOOL, 0, false, BS_LIT_INIT("f")}, {BOOL, 1, false, BS_LIT_INIT("\1")}, false},
    {"null and empty", {TEXT, 0, true, {NULL, 0}}, {TEXT, 0, false, BS_LIT_INIT("")}, false},
    {"null of two ints", {INT2, 0, true, {NULL, 0}}, {INT8, 1, true, {NULL, 0}}, true},
    {"null of two types", {INT2, 0, true, {NULL, 0}}, {TEXT, 0, true, {NULL, 0}}, false},
};

static void
identity(const struct bs_identity *in, char out[BS_SHA256_TEXT])
{
    bs_ticket_identity(in, out);
    EXPECT_EQ(strlen(out), 64);
}

static void
params(void)
{
    const struct bs_bytes sql = BS_LIT("DELETE FROM t WHERE id = $1");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_identity a = {.actor = "a",
                                .database = "d",
                                .statements = &sql,
                                .n_statements = 1,
                                .params = &rows[i].a,
                                .n_params = 1};
        struct bs_identity b = a;
        char one[BS_SHA256_TEXT], two[BS_SHA256_TEXT];
        int before = tap_misses;
        b.params = &rows[i].b;
        identity(&a, one);
        identity(&b, two);
        EXPECT_EQ(strcmp(one, two) == 0, rows[i].same);
        if (tap_misses != before)
            printf("# in row: %s\n", rows[i].what);
    }
}

static void
every_part_counts(void)
{
    const struct bs_bytes one[] = {BS_LIT_INIT("ab"), BS_LIT_INIT("c")};
    const struct bs_bytes two[] = {BS_LIT_INIT("a"), BS_LIT_INIT("bc")};
    const struct bs_identity_param p[] = {{TEXT, 0, false, BS_LIT_INIT("x")},
                                          {TEXT, 0, false, BS_LIT_INIT("y")}};
    const struct bs_identity_param q[] = {{TEXT, 0, false, BS_LIT_INIT("y")},
                                          {TEXT, 0, false, BS_LIT_INIT("x")}};
    const struct bs_identity all[] = {
        {"a", "d", "r", "p", one, 2, p, 2},  {"b", "d", "r", "p", one, 2, p, 2},
        {"a", "e", "r", "p", one, 2, p, 2},  {"a", "d", "s", "p", one, 2, p, 2},
        {"a", "d", NULL, "p", one, 2, p, 2}, {"a", "d", "r", "q", one, 2, p, 2},
        {"a", "d", "r", NULL, one, 2, p, 2}, {"a", "d", "r", "p", one, 1, p, 2},
        {"a", "d", "r", "p", two, 2, p, 2},  {"a", "d", "r", "p", one, 2, p, 1},
        {"a", "d", "r", "p", one, 2, q, 2},  {"a", "d", "r", "p", one, 2, NULL, 0},
        {"ad", "", "r", "p", one, 2, p, 2},  {"a", "d", "rp", "", one, 2, p, 2},
    };
    enum { N = sizeof(all) / sizeof(all[0]) };
    char hashes[N][BS_SHA256_TEXT];

    for (size_t i = 0; i < N; i++) {
        identity(&all[i], hashes[i]);
        for (size_t j = 0; j < i; j++) {
            EXPECT(strcmp(hashes[i], hashes[j]) != 0);
            if (strcmp(hashes[i], hashes[j]) == 0)
                printf("# rows %zu and %zu\n", i, j);
        }
    }
}

/* Stored with tickets: a change of the recipe would make old tickets unfindable. */
static void
stays_the_same_over_versions(void)
{
    const struct bs_bytes sql = BS_LIT("DROP TABLE t");
    const struct bs_identity in = {
        .actor = "a", .database = "d", .statements = &sql, .n_statements = 1};
    char out[BS_SHA256_TEXT];

    identity(&in, out);
    EXPECT(strcmp(out, "f30a2379d6af81e95619f491772b7d6e39a5ba696b785867c1b4dd164ede0ff9") == 0);
}

static const struct tap_case cases[] = {
    {"parameters: which values are equal", params},
    {"every part counts", every_part_counts},
    {"the recipe stays", stays_the_same_over_versions},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
