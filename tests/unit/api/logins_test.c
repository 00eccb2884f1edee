/*
 * logins_test.c - logins begin, are found, and end: by time, by number, by hand.
 */
#include "api/logins.h"

#include "base/clock.h"
#include "tap.h"

#define SECOND ((int64_t)1000000)
#define IDLE   (30 * SECOND)
#define LIFE   (100 * SECOND)
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct bs_logged_in got;

static void
begun_found_and_ended(void)
{
    struct bs_logins *l = bs_logins_new(IDLE, LIFE);
    char secret[BS_LOGIN_TEXT], other[BS_LOGIN_TEXT];
    struct bs_logged_in begun, second;

    bs_logins_begin(l, "kim", DIGEST, SECOND, secret, &begun);
    bs_logins_begin(l, "kim", DIGEST, SECOND, other, &second);
    EXPECT_EQ(strlen(secret), 64);
    EXPECT(strcmp(secret, other) != 0 && strcmp(begun.csrf, second.csrf) != 0);
    EXPECT(strcmp(begun.csrf, secret) != 0);
    EXPECT(bs_logins_find(l, secret, BS_LOGIN_ACT, SECOND, &got));
    EXPECT(strcmp(got.csrf, begun.csrf) == 0 && strcmp(got.token_sha256, DIGEST) == 0);
    EXPECT(got.ends_us == begun.ends_us && got.ends_us > bs_now_us() &&
           got.ends_us <= bs_now_us() + LIFE);
    EXPECT(!bs_logins_find(l, "", BS_LOGIN_ACT, SECOND, &got));
    EXPECT(!bs_logins_find(l, begun.csrf, BS_LOGIN_ACT, SECOND, &got));
    other[0] = other[0] == '0' ? '1' : '0';
    EXPECT(!bs_logins_find(l, other, BS_LOGIN_ACT, SECOND, &got));
    EXPECT(got.csrf[0] == '\0' && got.token_sha256[0] == '\0');
    bs_logins_end(l, secret);
    EXPECT(!bs_logins_find(l, secret, BS_LOGIN_ACT, SECOND, &got));
    bs_logins_end(l, secret);
    bs_logins_free(&l);
    EXPECT(l == NULL);
}

/* Nothing of another process's counts. */
static void
a_restart_ends_all(void)
{
    struct bs_logins *l = bs_logins_new(IDLE, LIFE), *next = bs_logins_new(IDLE, LIFE);
    char secret[BS_LOGIN_TEXT];

    bs_logins_begin(l, "kim", DIGEST, SECOND, secret, &got);
    EXPECT(!bs_logins_find(next, secret, BS_LOGIN_ACT, SECOND, &got));
    bs_logins_free(&l);
    bs_logins_free(&next);
}

static void
they_end_in_time(void)
{
    struct bs_logins *l = bs_logins_new(IDLE, LIFE);
    char idle[BS_LOGIN_TEXT], busy[BS_LOGIN_TEXT], watched[BS_LOGIN_TEXT];

    bs_logins_begin(l, "kim", DIGEST, 0, idle, &got);
    bs_logins_begin(l, "kim", DIGEST, 0, busy, &got);
    bs_logins_begin(l, "kim", DIGEST, 0, watched, &got);
    EXPECT(bs_logins_find(l, watched, BS_LOGIN_WATCH, IDLE - 1, &got));
    EXPECT(bs_logins_find(l, busy, BS_LOGIN_ACT, IDLE - 1, &got));
    EXPECT(!bs_logins_find(l, idle, BS_LOGIN_ACT, IDLE, &got));
    EXPECT(!bs_logins_find(l, watched, BS_LOGIN_ACT, IDLE, &got));
    for (int64_t at = IDLE; at < LIFE; at += IDLE - SECOND)
        EXPECT(bs_logins_find(l, busy, BS_LOGIN_ACT, at, &got));
    EXPECT(bs_logins_find(l, busy, BS_LOGIN_ACT, LIFE - 1, &got));
    EXPECT(!bs_logins_find(l, busy, BS_LOGIN_ACT, LIFE, &got));
    bs_logins_free(&l);
}

/* The one that was used longest ago makes room; another operator's never does for one. */
static void
one_operator_has_so_many(void)
{
    struct bs_logins *l = bs_logins_new(IDLE, LIFE);
    char lees[BS_LOGIN_TEXT], secrets[BS_LOGINS_OF_ONE + 1][BS_LOGIN_TEXT];

    bs_logins_begin(l, "lee", DIGEST, 0, lees, &got);
    for (int i = 0; i < BS_LOGINS_OF_ONE; i++)
        bs_logins_begin(l, "kim", DIGEST, SECOND + i, secrets[i], &got);
    EXPECT(bs_logins_find(l, secrets[0], BS_LOGIN_ACT, 2 * SECOND, &got));
    bs_logins_begin(l, "kim", DIGEST, 3 * SECOND, secrets[BS_LOGINS_OF_ONE], &got);
    for (int i = 0; i <= BS_LOGINS_OF_ONE; i++)
        EXPECT_EQ(bs_logins_find(l, secrets[i], BS_LOGIN_ACT, 3 * SECOND, &got), i != 1);
    EXPECT(bs_logins_find(l, lees, BS_LOGIN_ACT, 3 * SECOND, &got));
    bs_logins_free(&l);
}

/* More operators than rows: as many as there are rows stay. */
static void
the_table_is_bounded(void)
{
    struct bs_logins *l = bs_logins_new(IDLE, LIFE);
    char name[16], first[BS_LOGIN_TEXT], last[BS_LOGIN_TEXT];

    for (int i = 0; i < 600; i++) {
        (void)snprintf(name, sizeof(name), "op%d", i);
        bs_logins_begin(l, name, DIGEST, SECOND + i, i == 0 ? first : last, &got);
    }
    EXPECT(!bs_logins_find(l, first, BS_LOGIN_ACT, 2 * SECOND, &got));
    EXPECT(bs_logins_find(l, last, BS_LOGIN_ACT, 2 * SECOND, &got));
    bs_logins_free(&l);
}

static const struct tap_case cases[] = {
    {"begun, found and ended", begun_found_and_ended},
    {"a restart ends all", a_restart_ends_all},
    {"they end in time", they_end_in_time},
    {"one operator has so many", one_operator_has_so_many},
    {"the table is bounded", the_table_is_bounded},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
