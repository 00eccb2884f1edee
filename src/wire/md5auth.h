/*
 * md5auth.h - the answer to a server that asks for an md5 password.
 *
 * Layer  wire. Pure.
 * Spec   PostgreSQL manual, protocol-flow.html#PROTOCOL-FLOW-START-UP, AuthenticationMD5Password.
 * Owns   nothing; intermediate values are wiped.
 */
#ifndef BS_WIRE_MD5AUTH_H
#define BS_WIRE_MD5AUTH_H

#include <stdint.h>

#include "base/err.h"

#define BS_MD5_TEXT 36 /* "md5", 32 hex digits and a NUL */

/*
 * "md5" + md5(md5(password + user) + salt), to be sent with bs_msg_put_password; wipe it then.
 *
 * err  UNSUPPORTED: this OpenSSL has no MD5 (FIPS)
 */
BS_MUST_CHECK enum bs_done bs_md5_answer(const char *user,
                                         const char *password,
                                         const uint8_t salt[4],
                                         char out[BS_MD5_TEXT],
                                         struct bs_err *err);

#endif
