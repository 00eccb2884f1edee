/*
 * numbers.h - texts that differ in their whole numbers only: SELECT ... WHERE id = 4711.
 *
 * Layer  sql. Pure.
 */
#ifndef BS_SQL_NUMBERS_H
#define BS_SQL_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/*
 * Copies a text with a 0 for each digit of its numbers, so that two texts with the same copy are the
 * same tokens at the same places but for the values of whole numbers.
 *
 * out     room for text.n bytes
 * n       how many numbers; each of them is an integer constant of the grammar (ICONST)
 * false   where that takes more than a look at its bytes: anything beyond words, spaces, whole
 *         numbers below a thousand million and , ( ) . = < > * + ; is left to the lexer, as are quotes and
 *         comments, in which a digit is something else
 */
bool bs_numbers_blank(struct bs_bytes text, uint8_t *out, size_t *n);

#endif
