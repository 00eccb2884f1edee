/*
 * fingerprint.h - one number for all statements that differ in their values only, as libpg_query has it.
 *
 * To group statements: pg_query in Ruby, Go, Rust, Python says the same of the same text. Deep trees are
 * cut off at a hundred levels, so nothing may be allowed because something of its fingerprint was.
 *
 * Layer  sql. Pure; heap and stack as in classify.h.
 * Spec   pg_query.h, pg_query_fingerprint.
 * Owns   nothing.
 */
#ifndef BS_SQL_FINGERPRINT_H
#define BS_SQL_FINGERPRINT_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_FINGERPRINT_TEXT 17 /* 16 lower-case hex digits and a NUL */

/*
 * text  any bytes
 * err   SYNTAX: it cannot be parsed; LIMIT: it is too long, or takes too long to read
 */
BS_MUST_CHECK enum bs_done
bs_fingerprint(struct bs_bytes text, char out[BS_FINGERPRINT_TEXT], struct bs_err *err);

#endif
