/*
 * lexcost.h - texts that PostgreSQL's lexer takes quadratic time for.
 *
 * Each comment start inside a comment, and each + or - at the end of an operator, makes the lexer
 * look at the whole run of operator characters again: 1 MB of comment starts takes minutes.
 *
 * Layer  sql. Pure.
 * Spec   scan.l, rules xcstart and operator.
 * Owns   nothing.
 */
#ifndef BS_SQL_LEXCOST_H
#define BS_SQL_LEXCOST_H

#include <stdbool.h>

#include "base/bytes.h"

/* True where lexing would look at more than about a hundred million characters. */
bool bs_lex_is_slow(struct bs_bytes text);

#endif
