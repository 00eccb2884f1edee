/*
 * secrets.h - the text of a statement as people may read it: without the passwords in it.
 *
 * What tickets, the audit log and recovery points say of a statement is this text. What is bound by an
 * approval, and what runs, is the real one.
 *
 * Layer  sql. Pure.
 * Spec   sql-createrole.html, sql-createusermapping.html, sql-createsubscription.html.
 * Owns   nothing.
 */
#ifndef BS_SQL_SECRETS_H
#define BS_SQL_SECRETS_H

#include "sql/classify.h"

/*
 * Puts '***' where a string may be a password: behind PASSWORD in statements about roles, every string of
 * those about foreign servers, wrappers, user mappings and subscriptions, and settings that hold one.
 * Whole strings only, and only where a string is nothing but a value: nobody can hide what runs from
 * the one who reads it. The same in the bodies of DO and of functions in SQL and PL/pgSQL, and in a constant
 * that EXECUTE runs there; what a body puts together from parts stays, as do other languages.
 *
 * unit  the text's own judgement; NULL: none. Of what was not parsed, strings behind PASSWORD
 * out   `text` itself where there is nothing to hide
 * err   LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done bs_without_secrets(struct bs_bytes text,
                                              const struct bs_unit *unit,
                                              struct bs_arena *arena,
                                              struct bs_bytes *out,
                                              struct bs_err *err);

#endif
