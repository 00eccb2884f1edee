/*
 * own.h - what a session has given names to where no snapshot shows it: temporary objects, and what
 * its open transaction has made or changed.
 *
 * With it a read needs not be doubted because something else is temporary, or not committed. Names
 * that are noted and gone by then do no harm: a name is judged by all that it could mean. Whoever
 * can ask the server learns of temporary objects what they run (recalled.h).
 *
 * Layer  catalog. Pure.
 * Owns   nothing; names live in the arena that they are noted with.
 */
#ifndef BS_CATALOG_OWN_H
#define BS_CATALOG_OWN_H

#include "catalog/code.h"
#include "sql/classify.h"

/* One thing that stored code uses (code.h). */
struct bs_own_ref {
    enum bs_code_ref what;
    uint32_t oid;
};

struct bs_own_name {
    const char *schema; /* as written; NULL */
    const char *name;
    bool plain;     /* reading it runs nothing, or `refs` */
    bool changed;   /* not made: altered, or referred to by a foreign key that is new */
    bool temporary; /* stays after the transaction */
    bool perhaps;   /* made, if it was not there before and nothing has undone it */
    bool code;      /* a function or type; a table's rows are a type, too */
    bool gone;
    /* Of those that the server told of: */
    uint32_t oid;
    const struct bs_own_ref *refs;
    size_t n_refs;
    struct bs_own_name *next;
};

struct bs_own {
    struct bs_own_name *names;
    struct bs_own_name *told; /* all temporary ones there were when the server was asked */
    bool relations;           /* the open transaction changed what reading any relation may run */
    bool code;                /* ... what any function, operator or type may be */
    bool writes;              /* ... what any INSERT, UPDATE or DELETE may run */
    bool keys;                /* ... which rows any UPDATE or DELETE picks */
    bool classes;             /* ... which operator classes indexes and partition keys run */
    bool lost;  /* any relation or type may be a temporary one: those are found first */
    bool asked; /* the server was: what was there before it is not noted any more */
    bool stale; /* what `told` says may not be so any more */
    bool moved; /* the open transaction has made, changed or dropped something temporary */
};

/* Nothing of the session's own. */
extern const struct bs_own bs_own_nothing;

/* No judgement with it differs from one with bs_own_nothing; false where that would take a look. */
bool bs_own_is_nothing(const struct bs_own *own);

/* A statement that is sent. Where the arena is full, all is in doubt. */
void bs_own_note(struct bs_own *own, const struct bs_stmt *stmt, struct bs_arena *arena);

/* Temporary objects that the server has not told of may be there again after that statement. */
bool bs_own_goes_back(const struct bs_own *own, const struct bs_stmt *stmt);

/* A list of its own, so that what is noted in one does not show in the other. */
struct bs_own bs_own_copy(const struct bs_own *own, struct bs_arena *arena);

/* The transaction has ended: what it made is committed, and for a snapshot to show, or undone. */
void bs_own_end(struct bs_own *own);

enum bs_own_is {
    BS_OWN_DOUBTFUL = 0,
    BS_OWN_NOT,   /* no meaning of the session's own */
    BS_OWN_PLAIN, /* of its own, beside all that others gave it; it runs what its `refs` say */
};

/* The next of those that a relation's name may mean, but for what is only changed; NULL. */
const struct bs_own_name *
bs_own_next(const struct bs_own *own, struct bs_name name, const struct bs_own_name *after);

/* The next of those that the server told of, types among them; NULL. */
const struct bs_own_name *
bs_own_next_told(const struct bs_own *own, struct bs_name name, const struct bs_own_name *after);

/* There may be something temporary. */
bool bs_own_has_temporary(const struct bs_own *own);

/* What reading a relation of that name is. */
enum bs_own_is bs_own_read(const struct bs_own *own, struct bs_name name);

enum bs_own_use {
    BS_OWN_ADDS = 0, /* rows, or what cannot take rows away: INSERT, CREATE INDEX, ADD COLUMN */
    BS_OWN_TAKES, /* UPDATE, DELETE, MERGE: with what hangs on the rows, picked by a key or not */
};

/* What changing a relation of that name is. PLAIN: a table that nobody else can see yet. */
enum bs_own_is bs_own_write(const struct bs_own *own, struct bs_name name, enum bs_own_use use);

/* True where a type or function of that name may be of the session's own; `lost` apart, and those
 * of which the server has told what they run. */
bool bs_own_has_code(const struct bs_own *own, struct bs_name name);
/* The same of functions alone, which x.name may call. */
bool bs_own_has_function(const struct bs_own *own, struct bs_name name);

/* True where functions, operators and types mean after it what they did before. */
bool bs_own_leaves_code(enum bs_kind kind);

#endif
