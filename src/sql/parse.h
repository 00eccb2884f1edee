/*
 * parse.h - text to raw parse tree, and text to tokens, by PostgreSQL's own lexer and grammar.
 *
 * With plpgsql.c and fingerprint.c the only file that calls libpg_query. It keeps its state per thread
 * and reports errors by longjmp; neither gets out of here. The raw route is used because the others recurse on input
 * and die of it (THREATS 17). The grammar itself recurses in one place, the position of an
 * expression for an error message: see stack.h for how much room a text needs.
 *
 * Layer  sql. Pure.
 * Spec   pg_query.h; PostgreSQL manual, sql-syntax-lexical.html.
 * Owns   a struct bs_parse_tree owns its tree until bs_parse_end.
 */
#ifndef BS_SQL_PARSE_H
#define BS_SQL_PARSE_H

#include <stdbool.h>

#include "base/bytes.h"

struct List; /* nodes/pg_list.h */

/* How '...' is read: the server's standard_conforming_strings. */
enum bs_strings {
    BS_STRINGS_STANDARD = 0, /* on: a backslash is a backslash */
    BS_STRINGS_ESCAPE,       /* off: a backslash escapes */
};

struct bs_parse_tree {
    const struct List *stmts; /* of RawStmt; NULL for an empty text */
    bool failed;
    bool bad_literal;  /* failed because the lexer refuses a literal, as every release does */
    char error[256];   /* the parser's message */
    uint32_t error_at; /* 1-based character position; 0: none */
    void *memory;
};

/*
 * Parses. Never fails but by `failed`; bs_parse_end must follow on the same thread.
 *
 * text  UTF-8, without a NUL inside
 */
void bs_parse_begin(struct bs_bytes text, enum bs_strings strings, struct bs_parse_tree *out);
void bs_parse_end(struct bs_parse_tree *parse);

/* One token of a text; comments and white space are none. */
struct bs_token {
    uint32_t from, to; /* byte span */
};

/*
 * Calls `on` for every token in order, with standard_conforming_strings on. `on` answers false to
 * end early. False where the text cannot be lexed to its end.
 */
bool bs_lex(struct bs_bytes text, bool (*on)(void *with, struct bs_token token), void *with);

/* libpg_query's grammar, for bs_grammar_version. */
const char *bs_parse_version(void);

#endif
