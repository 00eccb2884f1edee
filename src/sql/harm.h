/*
 * harm.h - what a unit would do to which objects, whatever the words: DELETE of all rows, TRUNCATE,
 * DROP, UPDATE of all rows and ALTER TYPE ... USING NULL are one harm. Two units can be compared:
 * does one do at least what the other would have done?
 *
 * What a text does not show counts as wide: an unmeasured filter as none, code that nobody has read
 * as anything. Where two harms cannot be told apart for sure the answer is "maybe". Who makes them
 * out of a unit is catalog/harm.h.
 *
 * Layer  sql. Pure.
 * Owns   nothing.
 */
#ifndef BS_SQL_HARM_H
#define BS_SQL_HARM_H

#include "sql/classify.h"

enum bs_harm {
    BS_HARM_NONE = 0,
    BS_HARM_ADD,       /* rows or objects come */
    BS_HARM_CHANGE,    /* an object is another one, or gone, but no rows with it */
    BS_HARM_SAFEGUARD, /* privileges widened, triggers or policies off: compared among themselves */
    BS_HARM_OVERWRITE, /* some rows have other values */
    BS_HARM_DELETE,    /* some rows are gone */
    BS_HARM_DESTROY,   /* the rows of the object, or a column of them, are lost, all of them */
};

enum bs_extent {
    BS_EXTENT_NONE = 0, /* rows are not what it is about */
    BS_EXTENT_KEY,      /* one row, by a key */
    BS_EXTENT_SOME,
    BS_EXTENT_ALL, /* or nearly all, or nobody knows how many */
};

/* A value that begins with '?' was read from bytes whose type nobody knows: it says nothing for
 * sure but beside another such. */
struct bs_harm_key {
    const char *column;
    const char *value;
};

/* One harm to one object. Neither oid nor name: any object of the database. */
struct bs_harm_item {
    enum bs_harm harm;
    enum bs_extent extent;
    enum bs_object object;
    uint32_t oid;                   /* of a relation; 0: not known */
    const char *schema;             /* NULL: not qualified, or it is in no schema */
    const char *name;               /* NULL: any */
    const char *column;             /* only this one; NULL: all */
    int64_t rows;                   /* measured; -1: not known */
    const struct bs_harm_key *keys; /* columns compared with known values, ANDed */
    size_t n_keys;
    bool main; /* what it is about, not what follows from it */
    bool gone; /* the object itself is dropped */
    bool code; /* by code that nobody has read: it may do nothing of the kind */
};

#define BS_HARM_ITEMS 64 /* what is kept of one unit */

struct bs_harms {
    struct bs_harm_item *items; /* what is about first */
    size_t n;
    bool more; /* there are objects that are not listed */
};

/* In order. */
enum bs_covers {
    BS_COVERS_NO = 0,
    BS_COVERS_MAYBE, /* it may do the same: nobody can tell */
    BS_COVERS_YES,
};

/* Would `now` do to the object of `before` at least what that would have done? */
enum bs_covers bs_harms_cover_item(const struct bs_harms *now, const struct bs_harm_item *before);
/* The same for all that `before` is about, objects that only follow left out. NO where it is empty. */
enum bs_covers bs_harms_cover(const struct bs_harms *now, const struct bs_harms *before);
/* Is it one of those that bs_harms_cover asks for? */
bool bs_harms_counts(const struct bs_harms *harms, const struct bs_harm_item *item);

/* About rows, not about what holds them. */
bool bs_harm_is_rows(enum bs_harm harm);
/* Any object of the database may be meant. */
bool bs_harm_is_any(const struct bs_harm_item *item);

/* Words for storing: "destroy"; "all". The zero value for a word that there is not. */
const char *bs_harm_name(enum bs_harm harm);
enum bs_harm bs_harm_find(const char *name);
const char *bs_extent_name(enum bs_extent extent);
enum bs_extent bs_extent_find(const char *name);

#endif
