/*
 * sign_test.c - signatures as others make them.
 */
#include "notify/notifier.h"
#include "notify/sign.h"
#include "tap.h"

/* The example of the Standard Webhooks specification's own libraries. */
static void
webhooks_are_signed_as_the_standard_says(void)
{
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    uint8_t key[BS_NOTIFY_KEY_MAX];
    size_t n = bs_notify_key(secret, key);
    char sign[BS_SIGN_TEXT];

    REQUIRE(n == 24);
    bs_sign_webhook((struct bs_bytes){key, n}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                    BS_LIT("{\"test\": 2432232314}"), sign);
    EXPECT(strcmp(sign, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=") == 0);
}

static void
keys_are_taken_strictly(void)
{
    static const struct {
        const char *what, *secret;
        size_t n;
    } rows[] = {
        {"24 bytes", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 24},
        {"32 bytes", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", 32},
        {"no prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0},
        {"nothing", "whsec_", 0},
        {"short", "whsec_c2hvcnQ=", 0},
        {"not base 64", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!!", 0},
        {"no padding", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE", 0},
    };
    uint8_t key[BS_NOTIFY_KEY_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = bs_notify_key(rows[i].secret, key);
        EXPECT_EQ(n, rows[i].n);
        if (n != rows[i].n)
            printf("# in row: %s\n", rows[i].what);
    }
}

/* The example of Slack's documentation. */
#define SLACK_SECRET "8f742231b10e8888abcd99yyyzzz85a5"
#define SLACK_AT     1531420618
#define SLACK_BODY                                                                                 \
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id="         \
    "G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2F"             \
    "webhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%"     \
    "2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14"  \
    "d10d2c447fce8b6703c"
#define SLACK_SIGN "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"

static void
slack_is_believed_when_it_has_signed_lately(void)
{
    static const struct {
        const char *what, *secret, *at, *sign, *body;
        int64_t now_s;
        bool want;
    } rows[] = {
        {"as documented", SLACK_SECRET, "1531420618", SLACK_SIGN, SLACK_BODY, SLACK_AT, true},
        {"at the window's end", SLACK_SECRET, "1531420618", SLACK_SIGN, SLACK_BODY, SLACK_AT + 300,
         true},
        {"old", SLACK_SECRET, "1531420618", SLACK_SIGN, SLACK_BODY, SLACK_AT + 301, false},
        {"of the future", SLACK_SECRET, "1531420618", SLACK_SIGN, SLACK_BODY, SLACK_AT - 301,
         false},
        {"another time", SLACK_SECRET, "1531420619", SLACK_SIGN, SLACK_BODY, SLACK_AT, false},
        {"another secret", "x" SLACK_SECRET, "1531420618", SLACK_SIGN, SLACK_BODY, SLACK_AT, false},
        {"another body", SLACK_SECRET, "1531420618", SLACK_SIGN, SLACK_BODY "&", SLACK_AT, false},
        {"cut", SLACK_SECRET, "1531420618", "v0=a2114d57", SLACK_BODY, SLACK_AT, false},
        {"another version", SLACK_SECRET, "1531420618",
         "v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", SLACK_BODY,
         SLACK_AT, false},
        {"no signature", SLACK_SECRET, "1531420618", NULL, SLACK_BODY, SLACK_AT, false},
        {"no time", SLACK_SECRET, NULL, SLACK_SIGN, SLACK_BODY, SLACK_AT, false},
        {"a time that is none", SLACK_SECRET, "1531420618x", SLACK_SIGN, SLACK_BODY, SLACK_AT,
         false},
        {"a time too long", SLACK_SECRET, "99999999999999999999", SLACK_SIGN, SLACK_BODY, SLACK_AT,
         false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool got = bs_slack_signed(rows[i].secret, rows[i].at, rows[i].sign,
                                   bs_bytes_of(rows[i].body), rows[i].now_s);
        EXPECT_EQ(got, rows[i].want);
        if (got != rows[i].want)
            printf("# in row: %s\n", rows[i].what);
    }
}

static void
tries_become_rarer_and_have_a_ceiling(void)
{
    int64_t before = 0;

    for (int64_t tries = 0; tries < 100; tries++) {
        int64_t least = bs_notify_backoff_us(tries, 0), most = bs_notify_backoff_us(tries, 1023);
        EXPECT(least >= before && most >= least && most < 2 * least);
        EXPECT(least >= 1000000 && most <= INT64_C(3600) * 1000000);
        before = least;
    }
    EXPECT_EQ(bs_notify_backoff_us(1000000000, 1023) / 1000000, 3598);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"webhooks are signed as the standard says", webhooks_are_signed_as_the_standard_says},
        {"keys are taken strictly", keys_are_taken_strictly},
        {"Slack is believed when it has signed lately",
         slack_is_believed_when_it_has_signed_lately},
        {"tries become rarer and have a ceiling", tries_become_rarer_and_have_a_ceiling},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
