/*
 * own.h - what a session has given names to where no snapshot shows it: temporary objects, and what
 * its open transaction has made or changed.
 *
 * With it a read needs not be doubted because something else is temporary, or not committed. Names
 * that are noted and gone by then do no harm: a name is judged by all that it could mean.
 *
 * Layer  catalog. Pure.
 * Owns   nothing; names live in the arena that they are noted with.
 */
#ifndef BS_CATALOG_OWN_H
#define BS_CATALOG_OWN_H

#include "sql/classify.h"

struct bs_own_name {
    const char *schema; /* as written; NULL */
    const char *name;
    bool plain;     /* reading it runs nothing */
    bool changed;   /* not made: altered, or referred to by a foreign key that is new */
    bool temporary; /* stays after the transaction */
    bool perhaps;   /* made, if it was not there before and nothing has undone it */
    bool gone;
    struct bs_own_name *next;
};

struct bs_own {
    struct bs_own_name *names;
    bool relations; /* the open transaction changed what reading any relation may run */
    bool code;      /* ... what any function, operator or type may be */
    bool keys;      /* ... which rows any UPDATE or DELETE picks */
    bool classes;   /* ... which operator classes indexes and partition keys run */
    bool lost;      /* any relation or type may be a temporary one: those are found first */
};

/* Nothing of the session's own. */
extern const struct bs_own bs_own_nothing;

/* A statement that is sent. Where the arena is full, all is in doubt. */
void bs_own_note(struct bs_own *own, const struct bs_stmt *stmt, struct bs_arena *arena);

/* A list of its own, so that what is noted in one does not show in the other. */
struct bs_own bs_own_copy(const struct bs_own *own, struct bs_arena *arena);

/* The transaction has ended: what it made is committed, and for a snapshot to show, or undone. */
void bs_own_end(struct bs_own *own);

enum bs_own_is {
    BS_OWN_DOUBTFUL = 0,
    BS_OWN_NOT,   /* no meaning of the session's own */
    BS_OWN_PLAIN, /* that of a table of its own, beside all that others gave it */
};

/* What reading a relation of that name is. */
enum bs_own_is bs_own_read(const struct bs_own *own, struct bs_name name);

enum bs_own_use {
    BS_OWN_ADDS = 0, /* rows, or what cannot take rows away: INSERT, CREATE INDEX, ADD COLUMN */
    BS_OWN_TAKES, /* UPDATE, DELETE, MERGE: with what hangs on the rows, picked by a key or not */
};

/* What changing a relation of that name is. PLAIN: a table that nobody else can see yet. */
enum bs_own_is bs_own_write(const struct bs_own *own, struct bs_name name, enum bs_own_use use);

/* True where a type or function of that name may be of the session's own; `lost` apart. */
bool bs_own_has_code(const struct bs_own *own, struct bs_name name);

/* True where functions, operators and types mean after it what they did before. */
bool bs_own_leaves_code(enum bs_kind kind);

#endif
