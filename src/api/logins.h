/*
 * logins.h - operators who have logged in with a browser: a cookie in place of the token.
 *
 * Of the cookie's secret only a keyed hash is kept, and the digest of the token that it was given
 * for: whoever uses a login looks that token up, so that a login ends with it. It ends, too, when it
 * is not used for a while, after a longer while whatever is done with it, and with the process,
 * whose key it was hashed with.
 *
 * The table is of fixed size. One operator has BS_LOGINS_OF_ONE at most: the one that was used
 * longest ago makes room.
 *
 * Layer  api. Thread-safe; does not block.
 * Spec   RFC 6265bis (the prefix __Host-).
 * Owns   its table.
 */
#ifndef BS_API_LOGINS_H
#define BS_API_LOGINS_H

#include <stdbool.h>
#include <stdint.h>

#include "state/rows.h"

#define BS_LOGIN_COOKIE  "__Host-backstop"
#define BS_LOGIN_TEXT    65 /* 256 bits in hex and a NUL */
#define BS_LOGINS_OF_ONE 8

struct bs_logins; /* opaque */

struct bs_logged_in {
    char token_sha256[BS_SHA256_TEXT]; /* whose login it is: that token's */
    char csrf[BS_LOGIN_TEXT];          /* what each change has to be sent with */
    int64_t ends_us;                   /* by the clock on the wall, however much it is used */
};

/* How a login is used. */
enum bs_login_use {
    BS_LOGIN_WATCH = 0, /* by a page that nobody need be looking at: it stays as idle as it was */
    BS_LOGIN_ACT,
};

/* idle_us, life_us: after which it ends when it is not used, and in any case */
struct bs_logins *bs_logins_new(int64_t idle_us, int64_t life_us);
void bs_logins_free(struct bs_logins **l); /* accepts NULL; sets it NULL */

/* A new one, of an operator and with a token of theirs. secret: what the cookie holds; wipe it. */
void bs_logins_begin(struct bs_logins *l,
                     const char *operator_,
                     const char *token_sha256,
                     int64_t mono_us,
                     char secret[BS_LOGIN_TEXT],
                     struct bs_logged_in *out);
/* The login of that secret; false: there is none (any more). */
bool bs_logins_find(struct bs_logins *l,
                    const char *secret,
                    enum bs_login_use use,
                    int64_t mono_us,
                    struct bs_logged_in *out);
/* Ends it, where there is one. */
void bs_logins_end(struct bs_logins *l, const char *secret);

#endif
