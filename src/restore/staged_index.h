/*
 * staged_index.h - what a dump says of an index, or of a key, turned into the same for the table
 * under another name.
 *
 * Only the plainest forms are understood: one statement, columns and operator classes by their bare
 * names, no expression, no condition. Nothing that such an index runs is a user's.
 *
 * Layer  restore. Pure.
 * Spec   pg_get_indexdef and pg_get_constraintdef, as pg_dump writes them.
 * Owns   nothing: texts borrow what was parsed.
 */
#ifndef BS_RESTORE_STAGED_INDEX_H
#define BS_RESTORE_STAGED_INDEX_H

#include "base/bytes.h"

struct bs_staged_index {
    bool unique;
    struct bs_bytes name;   /* as it is spelt, with its quotes */
    struct bs_bytes method; /* "btree" */
    struct bs_bytes rest;   /* "(a, b) WITH (fillfactor='70')" */
    const char *key;        /* "PRIMARY KEY", "UNIQUE"; NULL: an index alone */
};

/* False where the text is anything else; `out` is then not to be used. */
bool bs_staged_index_parse(struct bs_bytes text, struct bs_staged_index *out);

/* Puts CREATE INDEX ... on "schema"."table", without a semicolon. */
void bs_put_staged_index(struct bs_buf *b,
                         const struct bs_staged_index *index,
                         const char *schema,
                         const char *table);
/* Puts what makes the index the key that it was made for; `index` has one. Likewise. */
void bs_put_staged_key(struct bs_buf *b,
                       const struct bs_staged_index *index,
                       const char *schema,
                       const char *table);

#endif
