/*
 * clock.h - wall and monotonic time, ISO 8601 text, ULIDs, random bytes.
 *
 * Layer  base.
 * Spec   RFC 3339 for times (UTC, microseconds); ULID: 48 bits of milliseconds and 80 random
 *        bits in Crockford's base 32.
 * Owns   nothing.
 */
#ifndef BS_BASE_CLOCK_H
#define BS_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BS_TIME_TEXT 32 /* "2026-01-01T00:15:00.123456Z" and its NUL fit */
#define BS_ULID_TEXT 27 /* 26 characters and a NUL */

int64_t bs_now_us(void);  /* microseconds since 1970, UTC */
int64_t bs_mono_us(void); /* microseconds of a clock that never goes back */
/* A condition whose timed waits go by that clock, so that nobody who sets the time delays them. */
void bs_cond_init(pthread_cond_t *cond);

void bs_time_format(int64_t at_us, char out[BS_TIME_TEXT]);
/* Reads what bs_time_format writes, with or without a fraction; DATA where it is no such time. */
BS_MUST_CHECK enum bs_done bs_time_parse(const char *text, int64_t *at_us, struct bs_err *err);

/* A new ULID; later ones of the same process sort after earlier ones. Thread-safe. */
void bs_ulid_new(char out[BS_ULID_TEXT]);
/* Random bytes from the system; stops the process where there are none. */
void bs_random(void *out, size_t n);
/* Lower-case hex of n bytes; `out` holds 2n + 1. */
void bs_hex(const void *in, size_t n, char *out);
/* The same back: n bytes of the first 2n characters; false where one is no digit of it. */
bool bs_unhex(const char *in, size_t n, uint8_t *out);

#endif
