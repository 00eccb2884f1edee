/*
 * strings.h - what a string constant's token stands for: '...', E'...', $x$...$x$.
 *
 * Layer  sql. Pure.
 * Spec   sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS, with standard_conforming_strings on.
 * Owns   nothing.
 */
#ifndef BS_SQL_STRINGS_H
#define BS_SQL_STRINGS_H

#include <stdbool.h>

#include "base/bytes.h"

/* Bytes of what opens and closes a string whose value is easily told; 0: it is not such a one. */
size_t bs_string_quotes(struct bs_bytes token, size_t *close);

/*
 * Appends its value. False: it is none of these, or has an escape by number: then what was appended
 * means nothing.
 */
bool bs_string_value(struct bs_bytes token, struct bs_buf *out);

#endif
