/*
 * plpgsql.h - a body of PL/pgSQL taken apart into the SQL that it runs, by PostgreSQL's own grammar
 * of that language.
 *
 * What is handed out is text, in no order that means anything: branches and loops may run or not.
 * The grammar is used without its catalog, so types are not looked up. A body that it does not
 * accept then, although a server may, is "failed" and nothing is known of it.
 *
 * Layer  sql. Pure.
 * Spec   PostgreSQL manual, plpgsql.html; src/pl/plpgsql/src/pl_gram.y and plpgsql.h of
 *        PostgreSQL 17, in libpg_query. This file and parse.c are the only ones that call it.
 * Owns   everything handed out lives in the caller's arena.
 */
#ifndef BS_SQL_PLPGSQL_H
#define BS_SQL_PLPGSQL_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

/* How a piece of text is to be read. */
enum bs_piece_kind {
    BS_PIECE_OPAQUE = 0, /* something runs of which no text tells; `text` says what */
    BS_PIECE_STATEMENT,  /* SQL as it stands */
    BS_PIECE_EXPRESSION, /* what may follow SELECT */
    BS_PIECE_ASSIGNMENT, /* target := what may follow SELECT */
    BS_PIECE_DYNAMIC,    /* an expression whose value is run as SQL */
    BS_PIECE_TYPE,       /* of a variable, as declared; %TYPE and %ROWTYPE included */
    BS_PIECE_END,        /* COMMIT or ROLLBACK */
};

struct bs_piece {
    enum bs_piece_kind kind;
    const char *text; /* never NULL */
    int line;         /* in the body, from 1; 0: not known */
};

/* What the grammar has to know of the function beside its body. All zero: a DO block. */
struct bs_plpgsql_shape {
    const char *name;        /* NULL: none */
    const char *const *args; /* names of all arguments, results included; NULL: one has no name */
    size_t n_args;
    bool results;       /* has OUT, INOUT or TABLE arguments */
    bool set;           /* returns a set */
    bool value;         /* returns something other than void */
    bool trigger;       /* NEW, OLD and TG_x are there */
    bool event_trigger; /* TG_EVENT and TG_TAG are */
};

struct bs_plpgsql {
    const char *error; /* the grammar's message; NULL: the body was read to its end */
    struct bs_piece *pieces;
    size_t n_pieces;
};

/* Longest body that is read, in bytes. */
#define BS_PLPGSQL_MAX ((size_t)128 << 10)

/*
 * Take a body apart.
 *
 * source  UTF-8 without a NUL inside
 * err     LIMIT: the arena's ceiling. Whatever else is wrong is an answer (`error`).
 */
BS_MUST_CHECK enum bs_done bs_plpgsql_read(struct bs_bytes source,
                                           const struct bs_plpgsql_shape *shape,
                                           struct bs_arena *arena,
                                           struct bs_plpgsql *out,
                                           struct bs_err *err);

#endif
