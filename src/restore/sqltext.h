/*
 * sqltext.h - text as pg_dump writes it, cut into statements and searched outside of quotes.
 *
 * Not a parser: it knows where strings, quoted names, dollar quotes, comments and brackets end,
 * which is all that such text needs. Bodies in BEGIN ATOMIC are not cut: who has a function takes
 * its text whole.
 *
 * Layer  restore. Pure.
 * Spec   sql-syntax-lexical.html.
 * Owns   nothing.
 */
#ifndef BS_RESTORE_SQLTEXT_H
#define BS_RESTORE_SQLTEXT_H

#include "base/bytes.h"

/* Takes the next statement, without its semicolon, the white space around it and comments before
 * it; false: none. */
bool bs_sql_next(struct bs_bytes *text, struct bs_bytes *out);

/*
 * Where `words` begins in the text, outside of quotes, comments and brackets; SIZE_MAX: nowhere.
 * Compared byte by byte: pg_dump writes key words in capitals and one space between.
 */
size_t bs_sql_find(struct bs_bytes text, const char *words);

/*
 * Puts stars into every string of statements that may hold a password: foreign servers and wrappers,
 * user mappings, subscriptions.
 */
void bs_sql_hide(struct bs_buf *script);

bool bs_bytes_begin(struct bs_bytes b, const char *with);

#endif
