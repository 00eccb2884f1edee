/*
 * objects.h - what a snapshot holds: relations, functions, operators and types, and what using
 * each of them would run.
 *
 * Layer  catalog. Pure: reads a snapshot, no I/O, no lock.
 * Spec   PostgreSQL manual, catalogs.html.
 * Owns   nothing; everything lives as long as the snapshot it was found in.
 */
#ifndef BS_CATALOG_OBJECTS_H
#define BS_CATALOG_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "catalog/snapshot.h"
#include "sql/kinds.h"

/* OIDs below are assigned while a cluster is made; none of them is anybody's own object. */
#define BS_FIRST_NORMAL_OID 16384u

/* First member of all that is found by name. */
struct bs_ident {
    uint32_t oid;
    const char *schema;
    const char *name;
};

/* What one does with a relation. Each may run other code. */
enum bs_use {
    BS_USE_READ = 0, /* policies, the view's definition, its children's */
    BS_USE_REFRESH,  /* the definition of a materialized view */
    BS_USE_INSERT,
    BS_USE_UPDATE,
    BS_USE_DELETE,
    BS_USE_TRUNCATE,
    BS_USE_UPKEEP, /* ANALYZE, REINDEX and the like: index expressions */
    BS_USE_COUNT,
};

/* A function that a use runs, whose body can be read. */
struct bs_run {
    uint32_t function; /* pg_proc.oid */
    const char *word;  /* what it is there: "trigger", "view", "default", ...; a code of reasons */
};

/* The worst that a use would run. A zeroed one is UNKNOWN and refuses; SAFE: nothing to tell. */
struct bs_taint {
    enum bs_risk risk;         /* without what `runs` do */
    const char *code;          /* a fixed word: "trigger", "rule", "unlisted_function", ... */
    const char *text;          /* one sentence that names the thing */
    const struct bs_run *runs; /* sorted by function; judged with the statement (inside.c) */
    size_t n_runs;
};

/* A valid unique index without predicate, expression or deferral. */
struct bs_key {
    const char **columns;
    size_t n;
    bool primary;
};

struct bs_column {
    const char *name;
    uint32_t type; /* pg_type.oid */
};

struct bs_relation {
    struct bs_ident id;
    char relkind;     /* pg_class.relkind: r p v m f S i I c */
    char persistence; /* p u; temporary relations are not in a snapshot */
    bool system;      /* came with the cluster: pg_catalog, information_schema */
    bool partition;   /* is a partition */
    bool rls;         /* row level security is on */
    uint32_t owner;
    uint32_t row_type;
    double est_rows;      /* -1: never analysed */
    int64_t est_bytes;    /* heap and TOAST pages; 0 where never analysed */
    uint8_t rules;        /* bit 1 << BS_USE_x: rules other than a view's own */
    uint8_t triggers;     /* bit 1 << BS_USE_x: enabled triggers, foreign keys' own not counted */
    uint8_t published;    /* bit 1 << BS_USE_x: a publication replicates these changes of it */
    struct bs_taint *use; /* BS_USE_COUNT of them; relations with nothing to tell share them */
    struct bs_taint row;  /* what turning a value into a row would run: domains of its columns */
    bool cast;            /* of its rows or of a column: see struct bs_type */
    const struct bs_relation *table;     /* of an index; else NULL */
    const struct bs_relation **children; /* partitions and inheritance children, direct ones */
    size_t n_children;
    const struct bs_relation **parents;
    size_t n_parents;
    const struct bs_relation **reads; /* a view's definition reads these, its policies too */
    size_t n_reads;
    const struct bs_column *columns; /* of tables; a partition has its parent's */
    size_t n_columns;
    const struct bs_key *keys;
    size_t n_keys;
    const struct bs_fk **incoming; /* foreign keys of others (or its own) that point here */
    size_t n_incoming;
    const struct bs_fk **outgoing;
    size_t n_outgoing;
};

struct bs_fk {
    uint32_t oid;
    const struct bs_relation *from, *to;
    char on_delete, on_update; /* a no action, r restrict, c cascade, n set null, d set default */
    const char **from_columns, **to_columns;
    size_t n;
};

/* Who runs a body. What is not one of these is opaque. */
enum bs_language {
    BS_LANGUAGE_OTHER = 0,
    BS_LANGUAGE_INTERNAL,
    BS_LANGUAGE_C,
    BS_LANGUAGE_SQL,
    BS_LANGUAGE_PLPGSQL, /* the handler that comes with the server, whatever its name */
};

/* A parameter of a function, in the order of its declaration, results among them. */
struct bs_arg {
    const char *name; /* NULL: it has none */
    uint32_t type;    /* pg_type.oid */
    char mode; /* pg_proc.proargmodes: i in, o out, b both, v variadic, t column of a result */
};

/* What a body does, as far as it can be told from its text alone: see body.h. */
struct bs_body;

struct bs_function {
    struct bs_ident id;
    char kind;    /* pg_proc.prokind: f p a w */
    bool builtin; /* came with the cluster */
    bool variadic;
    bool definer;   /* SECURITY DEFINER */
    int n_args;     /* input arguments */
    int n_defaults; /* how many of them may be left out */
    char first;     /* pg_type.typtype of the first argument's type; NUL: it has none */
    const char *language;
    const char *extension; /* whose member it is; NULL */
    enum bs_risk risk;     /* of calling it: SAFE or HIGH where vetted, else CRITICAL */

    /* What follows is set for functions that did not come with the cluster. */
    enum bs_language runs;
    char volatility; /* pg_proc.provolatile: i s v; a claim, not a proof */
    bool strict;
    bool set;        /* returns a set */
    bool atomic;     /* BEGIN ATOMIC or RETURN: `source` is the server's print of what was parsed */
    uint32_t result; /* pg_type.oid */
    uint32_t owner;
    uint32_t support; /* pg_proc.oid of the planner's support function; 0: none */
    const struct bs_arg *args;
    size_t n_params;      /* length of `args`; n_args counts what a call may pass */
    const char *defaults; /* stored expressions for code.h: a call that leaves some out runs them */
    const uint32_t *parts; /* pg_proc.oid of what an aggregate runs */
    size_t n_parts;
    /*
     * The text that runs, of SQL and PL/pgSQL. NULL: there is none that can be told, so the
     * function is opaque. It is the same pointer as before a refresh where nothing of it changed,
     * and functions with the same text share it.
     */
    const char *source;
    const char *config; /* SET clauses, "name=value" each, divided by newlines; NULL: none */
    /*
     * Made by bs_build_bodies from language, source, config and args and nothing else; kept across
     * refreshes as long as these are the same. One reference a function and snapshot. NULL: opaque.
     */
    struct bs_body *body;
};

/* Operators that did not come with the cluster. */
struct bs_operator {
    struct bs_ident id;
    uint32_t left, right; /* pg_type.oid of its sides; 0: it has none there */
    uint32_t function;
    enum bs_risk risk;
};

/* Types but the row types of tables and views: find the relation for those. */
struct bs_type {
    struct bs_ident id;
    char typtype; /* pg_type.typtype: b c d e r m p */
    bool builtin;
    uint32_t base; /* of a domain; of an array its element; of a range its subtype; else 0 */
    bool cast;     /* has a cast or comparison by an unlisted function, which may run unseen */
    struct bs_taint taint; /* what turning a value into it would run */
};

/* NULL where there is none. */
const struct bs_relation *bs_snapshot_relation(const struct bs_snapshot *s, uint32_t oid);
const struct bs_function *bs_snapshot_function(const struct bs_snapshot *s, uint32_t oid);
const struct bs_type *bs_snapshot_type(const struct bs_snapshot *s, uint32_t oid);
/* True where there is a schema of that name. */
bool bs_snapshot_has_schema(const struct bs_snapshot *s, const char *schema);

/*
 * Iterate over all objects of a name.
 *
 * schema  NULL: in every schema
 * after   the one found before, NULL for the first; NULL is answered after the last
 */
const struct bs_relation *bs_snapshot_find_relation(const struct bs_snapshot *s,
                                                    const char *schema,
                                                    const char *name,
                                                    const struct bs_relation *after);
const struct bs_function *bs_snapshot_find_function(const struct bs_snapshot *s,
                                                    const char *schema,
                                                    const char *name,
                                                    const struct bs_function *after);
const struct bs_operator *bs_snapshot_find_operator(const struct bs_snapshot *s,
                                                    const char *schema,
                                                    const char *symbol,
                                                    const struct bs_operator *after);
const struct bs_type *bs_snapshot_find_type(const struct bs_snapshot *s,
                                            const char *schema,
                                            const char *name,
                                            const struct bs_type *after);

/* What turning a value into a type would run, whatever it is made of. Never NULL. */
const struct bs_taint *bs_snapshot_type_taint(const struct bs_snapshot *s, uint32_t type);
/* What any DDL would run: event triggers. */
const struct bs_taint *bs_snapshot_ddl(const struct bs_snapshot *s);
/* What any expression may run unseen: casts between built-in types that somebody added. */
const struct bs_taint *bs_snapshot_casts(const struct bs_snapshot *s);
/* What an index or a partition key may run that names an operator class of somebody's own. */
const struct bs_taint *bs_snapshot_classes(const struct bs_snapshot *s);
/* The worst of all relations' BS_USE_UPKEEP, for statements that name none. */
const struct bs_taint *bs_snapshot_upkeep(const struct bs_snapshot *s);
/* The worst of what turning text into a value of any type would run, for what names it in a value. */
const struct bs_taint *bs_snapshot_any_type(const struct bs_snapshot *s);

#endif
