/*
 * model.h - the inside of a snapshot, for the files of this room that fill it and read it.
 *
 * Layer  catalog.
 * Owns   the arena of a snapshot owns everything it points to.
 */
#ifndef BS_CATALOG_MODEL_H
#define BS_CATALOG_MODEL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "catalog/objects.h"
#include "catalog/tables.h"

/* OIDs of catalogs that dependencies name. The same in every release. */
#define BS_CLASS_TYPE      1247u
#define BS_CLASS_FUNCTION  1255u
#define BS_CLASS_RELATION  1259u
#define BS_CLASS_DEFAULT   2604u
#define BS_CLASS_SCHEMA    2615u
#define BS_CLASS_REWRITE   2618u
#define BS_CLASS_EXTENSION 3079u
#define BS_CLASS_ROLE      1260u

/* A hash from names to places in an array whose elements begin with a struct bs_ident. */
struct bs_index {
    const char *base; /* of the array */
    size_t stride;
    uint32_t mask;
    uint32_t *heads; /* place + 1; 0: none */
    uint32_t *next;
};

/* One object depends on another (pg_depend). */
struct bs_dep {
    uint32_t ref_class, ref_oid;
    int32_t ref_sub;
    int32_t sub;
    uint32_t class_oid, oid;
    char type; /* pg_depend.deptype */
};

struct bs_snapshot {
    _Atomic int refs;
    uint64_t serial;
    int64_t loaded_us;
    int version;
    struct bs_arena arena;
    /* Of the last read that found it true. Whoever reads, one at a time, moves it on; nobody else
     * looks at it. `moment` is on the heap. */
    char *moment;         /* pg_current_snapshot() */
    uint32_t xmin;        /* its xmin */
    double started;       /* when the server was: xids of another one say nothing */
    uint32_t database;    /* pg_database.oid */
    int64_t estimates_us; /* bs_mono_us: estimates were read */
    struct bs_table *tables[BS_TABLE_COUNT];
    const struct bs_row_named *schemas; /* sorted by oid; of their table */
    size_t n_schemas;
    struct bs_relation *relations; /* sorted by oid; so are the next ones */
    size_t n_relations;
    struct bs_function *functions;
    size_t n_functions;
    struct bs_operator *operators;
    size_t n_operators;
    struct bs_type *types;
    size_t n_types;
    struct bs_fk *fks;
    size_t n_fks;
    struct bs_dep *deps; /* sorted by what is depended on */
    size_t n_deps;
    const struct bs_dep **owned; /* internal ones and members of extensions, by what depends */
    size_t n_owned;
    struct bs_index by_relation, by_function, by_operator, by_type;
    struct bs_taint ddl, casts, upkeep;
    struct bs_taint classes;        /* operator classes that run only where they are named */
    struct bs_taint any_type;       /* the worst of all types, for those that have no place here */
    struct bs_relation **row_types; /* relations by their row type */
    size_t n_row_types;
    const struct bs_operator **wild; /* operators whose function is not vetted */
    size_t n_wild;
    /* By place in `functions`: what bs_judge_run has found out. Not 0 never changes. */
    _Atomic uint8_t *harmless;
};

/* refresh.c: see bs_snapshot_refresh. `reader` is open and outside a transaction. */
struct bs_reader;
BS_MUST_CHECK enum bs_done bs_catalog_read(struct bs_reader *reader,
                                           struct bs_snapshot *old,
                                           struct bs_snapshot **out,
                                           struct bs_err *err);

/* Whether a function, with all that it runs, only reads and computes. */
enum { BS_HARMLESS_UNKNOWN = 0, BS_HARMLESS_YES, BS_HARMLESS_NO };

/* A picture of a catalog larger than this is none that we can judge by: of its rows, and of what is
 * worked out from them. Tests make it less. */
extern size_t bs_catalog_max_bytes;

/* An empty snapshot with one reference. */
struct bs_snapshot *bs_snapshot_new(void);

/* Fails at the arena's ceiling. */
BS_MUST_CHECK enum bs_done bs_index_build(
    struct bs_index *index, const void *base, size_t stride, size_t n, struct bs_arena *arena);

/* The element whose oid is that; NULL where there is none. The array is sorted by oid. */
void *bs_oid_find(const void *base, size_t n, size_t stride, uint32_t oid);

/* The first dependency on an object; those on its parts follow directly. */
size_t bs_deps_from(const struct bs_snapshot *s, uint32_t ref_class, uint32_t ref_oid);

#endif
