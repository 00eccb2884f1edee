/*
 * condition.h - whether a text is one boolean expression about a row, and nothing besides.
 *
 * For conditions that operators give (`restore --where`): what is accepted may be put into
 * parentheses and follow WHERE. It reads no relation and calls only functions of PostgreSQL's own
 * that change nothing; operators and types of extensions are welcome, by their schema.
 *
 * Layer  sql. Pure.
 * Spec   sql-expressions.html.
 * Owns   nothing.
 */
#ifndef BS_SQL_CONDITION_H
#define BS_SQL_CONDITION_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_CONDITION_MAX 10000 /* bytes */

/* USAGE: it is not, with what is wrong; LIMIT: too long. Whether it is boolean the server knows. */
BS_MUST_CHECK enum bs_done bs_condition_check(struct bs_bytes text, struct bs_err *err);
/* Puts an accepted text in parentheses; a comment at its end ends there. */
void bs_put_condition(struct bs_buf *b, struct bs_bytes text);

#endif
