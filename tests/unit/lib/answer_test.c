/*
 * answer_test.c - every SQLSTATE with every sort of DETAIL: who stands in for whom, and what it leads to.
 */
#include "backstop.h"

#include "tap.h"

#define TICKET "T-01J8ZQ4V7Y8Z9A0B1C2D3E4F5G"
#define A_DETAIL                                                                                   \
    "{\"v\":1,\"ticket\":\"" TICKET                                                                \
    "\",\"state\":\"pending\",\"expires\":\"2026-01-01T00:15:00Z\","                               \
    "\"retry\":\"same-statement\"}"
#define EXPIRES INT64_C(1767226500000000)

static const struct {
    const char *what, *sqlstate, *detail;
    int outcome;
    const char *ticket, *state, *retry;
    int64_t expires;
} rows[] = {
    {"held", "ZB001", A_DETAIL, BACKSTOP_HELD, TICKET, "pending", "same-statement", EXPIRES},
    {"held, and the client lost the DETAIL", "ZB001", NULL, BACKSTOP_HELD, NULL, NULL,
     "same-statement", -1},
    {"held, DETAIL cut short", "ZB001", "{\"v\":1,\"tick", BACKSTOP_HELD, NULL, NULL,
     "same-statement", -1},
    {"no version", "ZB001", "{\"ticket\":\"" TICKET "\"}", BACKSTOP_HELD, NULL, NULL,
     "same-statement", -1},
    {"members of other types", "ZB001", "{\"v\":1,\"ticket\":5,\"state\":[],\"expires\":{}}",
     BACKSTOP_HELD, NULL, NULL, "same-statement", -1},
    {"no time", "ZB001", "{\"v\":1,\"expires\":\"soon\"}", BACKSTOP_HELD, NULL, NULL,
     "same-statement", -1},
    {"a list", "ZB001", "[1]", BACKSTOP_HELD, NULL, NULL, "same-statement", -1},
    {"denied", "ZB002", "{\"v\":1,\"state\":\"denied\"}", BACKSTOP_DENIED, NULL, "denied", "never",
     -1},
    {"expired", "ZB003", NULL, BACKSTOP_EXPIRED, NULL, NULL, "ask-again", -1},
    {"the gateway's advice comes first", "ZB003", "{\"v\":1,\"retry\":\"same-statement\"}",
     BACKSTOP_EXPIRED, NULL, NULL, "same-statement", -1},
    {"no point", "ZB004", "", BACKSTOP_NOT_RECOVERABLE, NULL, NULL, "never", -1},
    {"uncovered", "ZB005", NULL, BACKSTOP_NOT_RECOVERABLE, NULL, NULL, "never", -1},
    {"paused", "ZB006", NULL, BACKSTOP_PAUSED, NULL, NULL, "never", -1},
    {"a newer gateway's", "ZB0ZZ", NULL, BACKSTOP_BLOCKED, NULL, NULL, "never", -1},
    {"blocked", "42501", "{\"v\":1,\"state\":\"blocked\",\"retry\":\"never\"}", BACKSTOP_BLOCKED,
     NULL, "blocked", "never", -1},
    {"PostgreSQL's own 42501", "42501", NULL, BACKSTOP_NONE, NULL, NULL, NULL, -1},
    {"another 42501", "42501", "{\"v\":1,\"state\":\"pending\"}", BACKSTOP_NONE, NULL, NULL, NULL,
     -1},
    {"somebody's RAISE that looks like it", "P0001", A_DETAIL, BACKSTOP_NONE, NULL, NULL, NULL, -1},
    {"a syntax error", "42601", NULL, BACKSTOP_NONE, NULL, NULL, NULL, -1},
};

static bool
same(const char *got, const char *want)
{
    return got == want || (got != NULL && want != NULL && strcmp(got, want) == 0);
}

static void
decoded(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        backstop_answer *a = NULL;
        backstop_error *error = NULL;

        EXPECT_EQ(backstop_decode(rows[i].sqlstate, "words", rows[i].detail, &a, &error),
                  BACKSTOP_OK);
        EXPECT(error == NULL);
        EXPECT_EQ(backstop_answer_outcome(a), rows[i].outcome);
        EXPECT(same(backstop_answer_ticket(a), rows[i].ticket));
        EXPECT(same(backstop_answer_state(a), rows[i].state));
        EXPECT(same(backstop_answer_retry(a), rows[i].retry));
        EXPECT_EQ(backstop_answer_expires(a), rows[i].expires);
        EXPECT(same(backstop_answer_message(a), "words"));
        backstop_answer_free(a);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].what);
    }
}

static void
no_sqlstate(void)
{
    static const char *const bad[] = {NULL, "", "ZB00", "ZB0011"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        backstop_answer *a = (backstop_answer *)1;
        backstop_error *error = NULL;
        EXPECT_EQ(backstop_decode(bad[i], NULL, NULL, &a, &error), BACKSTOP_E_USAGE);
        EXPECT(a == NULL);
        EXPECT_EQ(backstop_error_code(error), BACKSTOP_E_USAGE);
        backstop_error_free(error);
    }
    EXPECT_EQ(backstop_decode("ZB001", NULL, NULL, NULL, NULL), BACKSTOP_E_USAGE);
}

static void
names(void)
{
    EXPECT(same(backstop_outcome_name(BACKSTOP_NOT_RECOVERABLE), "NotRecoverable"));
    EXPECT(same(backstop_outcome_name(BACKSTOP_PAUSED), "Paused"));
    EXPECT(same(backstop_outcome_name(-1), "None"));
    EXPECT(same(backstop_outcome_name(BACKSTOP_PAUSED + 1), "None"));
    EXPECT(same(backstop_risk_name(BACKSTOP_RISK_CRITICAL), "CRITICAL"));
    EXPECT(same(backstop_risk_name(BACKSTOP_RISK_CRITICAL + 1), "UNKNOWN"));
    EXPECT(same(backstop_risk_name(-1), "UNKNOWN"));
}

static void
nothing(void)
{
    EXPECT_EQ(backstop_answer_outcome(NULL), BACKSTOP_NONE);
    EXPECT(backstop_answer_ticket(NULL) == NULL && backstop_answer_retry(NULL) == NULL);
    EXPECT_EQ(backstop_answer_expires(NULL), -1);
    backstop_answer_free(NULL);
    EXPECT_EQ(backstop_error_code(NULL), BACKSTOP_OK);
    EXPECT(same(backstop_error_message(NULL), "") && same(backstop_error_sqlstate(NULL), ""));
    backstop_error_free(NULL);
    backstop_text_free(NULL);
}

/* What is no ticket gets nowhere near a server. */
static void
no_ticket(void)
{
    static const char *const bad[] = {NULL,       "",         "T-",
                                      TICKET "0", "X" TICKET, "T-01J8ZQ4V7Y8Z9A0B1C2D3E4F\";"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        backstop_answer *a = NULL;
        EXPECT_EQ(backstop_wait("host=/nowhere", bad[i], 0, &a, NULL), BACKSTOP_E_USAGE);
    }
    EXPECT_EQ(backstop_wait(NULL, TICKET, 0, NULL, NULL), BACKSTOP_E_USAGE);
}

static void
no_gateway(void)
{
    backstop_answer *a = NULL;
    backstop_error *error = NULL;

    EXPECT_EQ(backstop_wait("host=/nowhere password=hush", TICKET, 60000, &a, &error),
              BACKSTOP_E_UNAVAILABLE);
    EXPECT(a == NULL && strstr(backstop_error_message(error), "hush") == NULL);
    backstop_error_free(error);
    EXPECT_EQ(backstop_wait("no conninfo", TICKET, 0, &a, NULL), BACKSTOP_E_UNAVAILABLE);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"errors are decoded", decoded},
        {"without an SQLSTATE", no_sqlstate},
        {"names", names},
        {"of no object", nothing},
        {"what is no ticket", no_ticket},
        {"no gateway there", no_gateway},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
