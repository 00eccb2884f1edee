/*
 * build.h - how a snapshot is worked out from the catalogs' rows.
 *
 * Layer  catalog. Pure, but for the check of the server's labels.
 * Owns   what is collected on the way; the snapshot owns the rest.
 */
#ifndef BS_CATALOG_BUILD_H
#define BS_CATALOG_BUILD_H

#include "catalog/model.h"
#include "catalog/reader.h"

/* Places in the array of relations. */
struct bs_pair {
    uint32_t from, to;
};

struct bs_pairs {
    struct bs_pair *list;
    size_t n, cap;
};

/* Texts that the snapshot has: equal ones are kept once. */
struct bs_texts {
    const char **slots;
    size_t n, cap;
};

struct bs_build {
    struct bs_snapshot *s;         /* its tables are filled */
    const struct bs_snapshot *old; /* the one before, whose parts may be kept; NULL: none */
    struct bs_err *err;
    struct bs_pairs children; /* parent to child */
    struct bs_pairs reads;    /* view or table with policies to what they read */
    struct bs_texts texts;
    struct bs_taint *clean; /* of every use of a relation that nothing is told of */
    uint32_t *places;       /* hash of relations by OID: place + 1; 0: free */
    size_t n_places;
    struct bs_relation **row_types; /* sorted by row_type */
    size_t n_row_types;
};

/*
 * Works out all that is looked up, from s->tables.
 *
 * old  the snapshot before it; NULL
 * err  LIMIT: too large
 */
BS_MUST_CHECK enum bs_done
bs_build(struct bs_snapshot *s, const struct bs_snapshot *old, struct bs_err *err);

/*
 * The rows of a table, and how many they are:
 *
 *     const struct bs_row_class *rows = BS_ROWS(b, CLASS, n);
 */
#define BS_ROWS(b, TABLE, count)                                                                   \
    ((count) = (b)->s->tables[BS_TABLE_##TABLE]->n,                                                \
     (const void *)(b)->s->tables[BS_TABLE_##TABLE]->rows)

/* Copies into the snapshot, equal texts once; NULL, with the error set, where that is full. NULL
 * stays NULL. */
const char *bs_build_text(struct bs_build *b, const char *text);
/* An array in the snapshot, of at least one element. */
void *bs_build_array(struct bs_build *b, size_t n, size_t each);

/* False where the schema is none that can be named. `name` must live as long as the snapshot. */
bool bs_build_ident(
    struct bs_build *b, uint32_t oid, uint32_t schema, const char *name, struct bs_ident *out);

void bs_pairs_add(struct bs_pairs *p, uint32_t from, uint32_t to);
void bs_pairs_fini(struct bs_pairs *p);

/* To change what is found. */
struct bs_relation *bs_build_relation(struct bs_build *b, uint32_t oid);
struct bs_type *bs_build_type(struct bs_build *b, uint32_t oid);
/* The relation whose row type that is; NULL. */
struct bs_relation *bs_build_row_type(struct bs_build *b, uint32_t type);
uint32_t bs_build_place(const struct bs_build *b, const struct bs_relation *r);

/* functions.c: with their bodies' texts. First of all. */
BS_MUST_CHECK enum bs_done bs_build_functions(struct bs_build *b);
/* links.c: children, keys, foreign keys, dependencies. After the relations. */
BS_MUST_CHECK enum bs_done bs_build_links(struct bs_build *b);
/* columns.c: after the relations. */
BS_MUST_CHECK enum bs_done bs_build_columns(struct bs_build *b);
/* published.c: which changes of relations are replicated. After the links. */
void bs_build_published(struct bs_build *b);
/* links.c: turns b->reads into the relations' lists. After the taints. */
BS_MUST_CHECK enum bs_done bs_build_reads(struct bs_build *b);
/* taint.c: what using everything would run. After the links. */
BS_MUST_CHECK enum bs_done bs_build_taints(struct bs_build *b);

/* worsen.c: what is known, made worse; of one use of a relation. */
void bs_build_worsen(struct bs_build *b, struct bs_taint *t, struct bs_taint more);
void bs_build_worsen_use(struct bs_build *b,
                         struct bs_relation *r,
                         enum bs_use use,
                         struct bs_taint more);
/* types.c: a cast or a comparison of a type's values, which no text needs to name. */
void bs_build_taint_values(struct bs_build *b, uint32_t type, struct bs_taint t);
/* What running a function unseen is; false where it is harmless. */
bool bs_build_hidden(struct bs_build *b,
                     uint32_t function,
                     const char *word,
                     const char *what,
                     struct bs_taint *out);
/* classes.c: operator classes of somebody's own: their types, and the relations that use them. */
void bs_build_classes(struct bs_build *b);
void bs_build_classed(struct bs_build *b);

/* taint.c: the server stores code in a way that can be read. err: DATABASE: it does not */
BS_MUST_CHECK enum bs_done bs_build_check_labels(struct bs_reader *reader, struct bs_err *err);

#endif
