/*
 * door.h - what an agent asks of the gateway itself, in words that a driver sends like any other
 * statement: SHOW backstop.status, EXPLAIN (BACKSTOP) DELETE ...
 *
 * Recognised by PostgreSQL's lexer, not by its grammar: EXPLAIN takes five kinds of statements there,
 * and here any. None of these texts reaches a server, so nothing depends on what it would have made
 * of them; one that is not recognised goes the way of every statement, and the server says that it
 * knows no such setting or option.
 *
 * Layer  sql. Pure.
 * Spec   PostgreSQL manual, sql-show.html, sql-explain.html.
 * Owns   nothing.
 */
#ifndef BS_SQL_DOOR_H
#define BS_SQL_DOOR_H

#include <stdbool.h>

#include "base/bytes.h"

enum bs_door_kind {
    BS_DOOR_NONE = 0, /* a statement for the server */
    BS_DOOR_STATUS,   /* SHOW backstop.status */
    BS_DOOR_TICKETS,  /* SHOW backstop.tickets */
    BS_DOOR_TICKET,   /* SHOW backstop.ticket."T-..." */
    BS_DOOR_WAIT,     /* SHOW backstop.wait."T-..." */
    BS_DOOR_POINTS,   /* SHOW backstop.points */
    BS_DOOR_EXPLAIN,  /* EXPLAIN (BACKSTOP) statement */
};

/* What a server runs in its place, once the gateway has set that. */
#define BS_DOOR_SETTING "backstop.answer"
#define BS_DOOR_SQL     "SHOW " BS_DOOR_SETTING
#define BS_DOOR_COLUMN  "backstop" /* what the client sees it called */

#define BS_DOOR_NAME 63 /* NAMEDATALEN - 1: what the server would keep of a name */

struct bs_door {
    enum bs_door_kind kind;
    char ticket[BS_DOOR_NAME + 1]; /* TICKET, WAIT; no ticket has a longer name */
    size_t inner;                  /* EXPLAIN: where its statement begins in the text */
    bool options;                  /* EXPLAIN: it has others than BACKSTOP and FORMAT JSON */
    bool mixed;                    /* SHOW: another statement follows */
};

/* What the text asks for. Of a long text only the beginning is looked at. */
struct bs_door bs_door_read(struct bs_bytes text);

#endif
