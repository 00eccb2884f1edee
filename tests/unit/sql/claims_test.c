/*
 * claims_test.c - what comments say, and what is no claim.
 */
#include "sql/claims.h"

#include <string.h>

#include "tap.h"

/* clang-format off */
static const struct { const char *sql, *run, *purpose, *parent, *trace; } rows[] = {
    {"SELECT 1", "", "", "", ""},
    {"SELECT 1 /*run_id='7'*/", "7", "", "", ""},
    {"SELECT 1 /* run='7' , purpose='a%20b',parent='p' */ ;\n", "7", "a b", "p", ""},
    {"/*run_id='7'*/ SELECT 1", "7", "", "", ""},
    {"/*run_id='1'*/ SELECT 1 /*run_id='2'*/", "2", "", "", ""},
    {"SELECT 1 /*action='x',traceparent='00-a-b-01',run_id='7'*/", "7", "", "", "00-a-b-01"},
    {"SELECT 1 /*purpose='it\\'s'*/", "", "it's", "", ""},
    {"SELECT 1 /*run_id='7'*/ -- more", "", "", "", ""},
    {"SELECT 1 /*run_id=7*/", "", "", "", ""},
    {"SELECT 1 /*run_id='7*/", "", "", "", ""},
    {"SELECT 1 /*run_id='%0a'*/", "", "", "", ""},
    {"SELECT 1 /*run_id='%1b[31m'*/", "", "", "", ""},
    {"SELECT 1 /*run_id='%ff'*/", "", "", "", ""},
    {"SELECT 1 /*run_id='%4'*/", "", "", "", ""},
    {"SELECT 1 /*run_id='%00'*/", "", "", "", ""},
    {"SELECT '/*run_id=7*/'", "", "", "", ""},
    {"*/", "", "", "", ""}, {"/*/", "", "", "", ""}, {"/**/", "", "", "", ""}, {"", "", "", "", ""},
    {"/*", "", "", "", ""}, {"/*=''*/", "", "", "", ""}, {"/*run='\\*/", "", "", "", ""},
};
/* clang-format on */

static void
of_a_text(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_claims c = {.text = {{0}}};
        bs_claims_of_text(&c, bs_bytes_of(rows[i].sql));
        EXPECT(strcmp(c.text[BS_CLAIM_RUN], rows[i].run) == 0);
        EXPECT(strcmp(c.text[BS_CLAIM_PURPOSE], rows[i].purpose) == 0);
        EXPECT(strcmp(c.text[BS_CLAIM_PARENT], rows[i].parent) == 0);
        EXPECT(strcmp(c.text[BS_CLAIM_TRACE], rows[i].trace) == 0);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].sql);
    }
}

static void
only_so_long(void)
{
    char sql[200] = "/*run_id='";
    size_t n = strlen(sql);
    struct bs_claims c = {.text = {{0}}};

    memset(sql + n, 'x', BS_CLAIM_MAX + 1);
    memcpy(sql + n + BS_CLAIM_MAX + 1, "'*/", 4);
    bs_claims_of_text(&c, bs_bytes_of(sql));
    EXPECT(!bs_claims_any(&c));
    memcpy(sql + n + BS_CLAIM_MAX, "'*/", 4);
    bs_claims_of_text(&c, bs_bytes_of(sql));
    EXPECT_EQ(strlen(c.text[BS_CLAIM_RUN]), BS_CLAIM_MAX);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"claims in a comment", of_a_text},
        {"a claim is only so long", only_so_long},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
