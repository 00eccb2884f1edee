/*
 * literals.h - a statement without the values in it: its shape stays, what its constants stand for goes.
 *
 * Layer  sql. Pure.
 * Spec   sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS.
 * Owns   nothing.
 */
#ifndef BS_SQL_LITERALS_H
#define BS_SQL_LITERALS_H

#include "base/bytes.h"

/* Appends what stands for a value. */
typedef void (*bs_put_value)(void *with, struct bs_bytes value, struct bs_buf *out);

/*
 * Appends a text with each string, bit string and number replaced by what `put` appends, in quotes. A
 * string's value is what it stands for, not how it is written: 'a''b' and $$a'b$$ are one. One with an
 * escape by number, and U&'...', are taken as they are written. Comments, in which anything may stand,
 * become a space. From where a text cannot be lexed all of it is one value, as is all that is no UTF-8.
 */
void bs_without_literals(struct bs_bytes text, bs_put_value put, void *with, struct bs_buf *out);

/*
 * The same of a sentence, as a server writes it: what is in quotes of any kind or behind "=(" up to its
 * parenthesis, and each number. Names are in quotes, too, and go with the values.
 */
void bs_without_quoted(struct bs_bytes text, bs_put_value put, void *with, struct bs_buf *out);

#endif
