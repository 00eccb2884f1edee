/*
 * clock.c - times and identifiers.
 */
#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

static int64_t
clock_us(clockid_t which)
{
    struct timespec ts;

    bs_assert(clock_gettime(which, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
bs_now_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t
bs_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

void
bs_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;

    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

void
bs_time_format(int64_t at_us, char out[BS_TIME_TEXT])
{
    static _Thread_local struct {
        bool known;
        time_t s;
        char text[24];
    } last; /* most times are of the second that was asked for before */
    int64_t us = at_us % 1000000;
    time_t s = (time_t)(at_us / 1000000);
    struct tm tm;

    if (us < 0) {
        us += 1000000;
        s--;
    }
    if (!last.known || s != last.s) {
        if (gmtime_r(&s, &tm) == NULL ||
            strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
            (void)snprintf(last.text, sizeof(last.text), "0000-00-00T00:00:00");
        last.known = true;
        last.s = s;
    }
    memcpy(out, last.text, 19);
    out[19] = '.';
    for (size_t i = 25; i >= 20; i--, us /= 10)
        out[i] = (char)('0' + us % 10);
    out[26] = 'Z';
    out[27] = '\0';
}

/* Days since 1970-01-01 of a Gregorian date (years from March, so that leap days come last). */
static int64_t
days_from_civil(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* Exactly n digits at *p, as a number; -1 where they are not there. */
static int64_t
digits(const char **p, size_t n)
{
    int64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        if ((*p)[i] < '0' || (*p)[i] > '9')
            return -1;
        v = v * 10 + ((*p)[i] - '0');
    }
    *p += n;
    return v;
}

/* A number of n digits and the character after it. */
static bool
field(const char **p, size_t n, char after, int64_t *out)
{
    *out = digits(p, n);
    if (*out < 0 || (after != '\0' && **p != after))
        return false;
    *p += after != '\0';
    return true;
}

enum bs_done
bs_time_parse(const char *text, int64_t *at_us, struct bs_err *err)
{
    const char *p = text;
    int64_t y, mo, d, h, mi, s, us = 0;

    if (!field(&p, 4, '-', &y) || !field(&p, 2, '-', &mo) || !field(&p, 2, 'T', &d) ||
        !field(&p, 2, ':', &h) || !field(&p, 2, ':', &mi) || !field(&p, 2, '\0', &s) || mo < 1 ||
        mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60)
        return BS_FAIL(err, DATA, "not a time like 2026-01-01T00:15:00Z: \"%.40s\"", text);
    if (*p == '.') {
        int64_t scale = 100000;
        for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
            us += (*p - '0') * scale;
    }
    if (strcmp(p, "Z") != 0)
        return BS_FAIL(err, DATA, "not a time in UTC that ends in Z: \"%.40s\"", text);
    *at_us = (days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + s) * 1000000 + us;
    return BS_DONE;
}

void
bs_random(void *out, size_t n)
{
    bs_assert(n <= 1u << 20 && RAND_bytes(out, (int)n) == 1);
}

void
bs_hex(const void *in, size_t n, char *out)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *p = in;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digit[p[i] >> 4];
        out[2 * i + 1] = digit[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int
digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
bs_unhex(const char *in, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit_of(in[2 * i]), low = high < 0 ? -1 : digit_of(in[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void
bs_ulid_new(char out[BS_ULID_TEXT])
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint8_t last[16];
    uint8_t id[16];
    uint64_t ms = (uint64_t)(bs_now_us() / 1000);

    for (int i = 5; i >= 0; i--, ms >>= 8)
        id[i] = (uint8_t)ms;
    bs_random(id + 6, 10);
    pthread_mutex_lock(&lock);
    if (memcmp(id, last, 6) <= 0) { /* the same millisecond, or the clock went back: count on */
        memcpy(id, last, sizeof(id));
        for (int i = 15; i >= 0 && ++id[i] == 0; i--)
            continue;
    }
    memcpy(last, id, sizeof(id));
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 26; i++) { /* 130 bits: two zero bits, then the 128 */
        unsigned v = 0;
        for (int b = 0; b < 5; b++) {
            int bit = i * 5 + b - 2;
            v = v << 1 | (bit < 0 ? 0u : (unsigned)(id[bit / 8] >> (7 - bit % 8)) & 1u);
        }
        out[i] = alphabet[v];
    }
    out[26] = '\0';
}
