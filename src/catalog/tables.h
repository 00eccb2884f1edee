/*
 * tables.h - the rows of the server's catalogs that a snapshot is worked out from, kept as they
 * were read so that a refresh asks for those that changed only.
 *
 * A table is immutable and shared by the snapshots that follow each other. Its texts and lists live
 * in chunks: one for what was read first, one for each refresh that brought rows.
 *
 * Layer  catalog. Reading rows in needs a result of libpq; the rest is pure.
 * Spec   PostgreSQL manual, catalogs.html.
 * Owns   a table counts its references and holds one to each of its chunks.
 */
#ifndef BS_CATALOG_TABLES_H
#define BS_CATALOG_TABLES_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "catalog/code.h"

/* Each one before those whose reading looks at it. */
enum bs_table_id {
    BS_TABLE_SCHEMA = 0,
    BS_TABLE_LANGUAGE,
    BS_TABLE_EXTENSION,
    BS_TABLE_OTHER, /* what others may hang on and is none of the next; roles */
    BS_TABLE_CLASS,
    BS_TABLE_TYPE,
    BS_TABLE_RANGE,
    BS_TABLE_FUNCTION,
    BS_TABLE_AGGREGATE,
    BS_TABLE_OPERATOR,
    BS_TABLE_ATTRIBUTE,
    BS_TABLE_INDEX,
    BS_TABLE_INHERITS,
    BS_TABLE_CONSTRAINT,
    BS_TABLE_DEFAULT,
    BS_TABLE_STATISTICS,
    BS_TABLE_PARTITIONED,
    BS_TABLE_POLICY,
    BS_TABLE_RULE,
    BS_TABLE_TRIGGER,
    BS_TABLE_CAST,
    BS_TABLE_SUPPORT,  /* functions of operator classes, in the form of casts: so is the next */
    BS_TABLE_COMPARES, /* functions of their operators */
    BS_TABLE_CLASSED,  /* relations whose index or partition key names a class of somebody's own */
    BS_TABLE_EVENT_TRIGGER,
    BS_TABLE_PUBLICATION,
    BS_TABLE_PUBLISHED,
    BS_TABLE_PUBLISHED_SCHEMA,
    BS_TABLE_DEPEND,
    BS_TABLE_BODY,     /* printed by the server, not a catalog */
    BS_TABLE_ESTIMATE, /* of relations: rows and bytes */
    BS_TABLE_COUNT,
};

/* Numbers, or two of them for a reference of stored code, or texts one after the other. Never
 * empty. */
struct bs_list {
    uint32_t n;    /* elements */
    uint32_t size; /* bytes of `data` */
    uint32_t data[];
};

/* A list of stored code's references: element `i`. */
enum bs_code_ref bs_list_ref(const struct bs_list *code, uint32_t i, uint32_t *oid, bool *constant);

/* Rows. The first member of each is what it is sorted and found by; NULL stays NULL. */
struct bs_row_named { /* schemas, extensions */
    uint32_t oid;
    const char *name;
};

struct bs_row_other {
    uint32_t oid, class_oid; /* of its catalog */
    uint32_t schema;         /* 0: none */
    uint32_t owner;          /* pg_roles.oid; 0: it has none */
    const char *name;
};

struct bs_row_language {
    uint32_t oid;
    bool plpgsql; /* its handler is the one that comes with the server */
    const char *name;
};

struct bs_row_class {
    uint32_t oid, schema;
    const char *name;
    uint32_t owner, row_type;
    int16_t columns; /* dropped ones counted */
    char kind, persistence;
    bool partition, rls;
};

struct bs_row_type {
    uint32_t oid, schema;
    const char *name;
    const struct bs_list *value; /* the default of a domain */
    uint32_t base, element, input;
    int16_t length;
    char kind;
};

struct bs_row_range {
    uint32_t oid, multirange, subtype, canonical, difference;
};

struct bs_row_function {
    uint32_t oid, schema;
    const char *name;
    uint32_t language, first; /* type of the first argument; 0 */
    int16_t n_args, n_defaults;
    char kind;
    bool variadic, definer;
    /* Of somebody's own; else zero. */
    bool strict, set, atomic;
    char volatility;
    uint32_t result, owner, support;
    const struct bs_list *in, *all, *modes, *names; /* oids, oids, characters, texts */
    const char *defaults, *source, *config;
};

struct bs_row_aggregate {
    uint32_t oid;
    const struct bs_list *parts;
};

struct bs_row_operator {
    uint32_t oid, schema;
    const char *name;
    uint32_t function, left, right;
};

struct bs_row_attribute {
    uint32_t relation;
    int32_t number;
    const char *name;
    uint32_t type;
    char generated;
    bool dropped; /* only while it is read in */
};

struct bs_row_index {
    uint32_t oid, table;
    const struct bs_list *keys; /* column numbers of a key (objects.h); NULL: it is none */
    const struct bs_list *expressions, *predicate;
    bool primary;
};

struct bs_row_inherits {
    uint32_t child;
    int32_t number;
    uint32_t parent;
};

struct bs_row_constraint {
    uint32_t oid, relation, to, domain;
    const char *name;
    const struct bs_list *columns, *to_columns, *check;
    char kind, on_delete, on_update;
};

/* Defaults, statistics, partition keys, policies: code of a relation. */
struct bs_row_code {
    uint32_t oid, relation;
    int32_t number; /* of a column */
    const char *name;
    const struct bs_list *code, *more;
};

struct bs_row_rule {
    uint32_t oid, relation;
    const char *name;
    const struct bs_list *action;
    char event, enabled;
};

struct bs_row_trigger {
    uint32_t oid, relation, function;
    const char *name;
    const struct bs_list *condition;
    int16_t type;
    char enabled;
};

struct bs_row_cast {
    uint32_t oid, source, target, function;
    char context;
};

struct bs_row_classed {
    uint32_t relation, function;
};

struct bs_row_event_trigger {
    uint32_t oid, function;
    const char *name;
};

struct bs_row_publication {
    uint32_t oid;
    const char *name;
    bool all, insert, update, remove, truncate;
};

struct bs_row_published { /* relations, schemas */
    uint32_t oid, publication, what;
};

struct bs_row_depend {
    uint32_t ref_class, ref_oid;
    int32_t ref_sub, sub;
    uint32_t class_oid, oid, xmin;
    char type;
};

struct bs_row_body {
    uint32_t oid;
    const char *source;
};

struct bs_row_estimate {
    uint32_t oid;
    double rows;
    int64_t bytes;
};

/* How what changed is told from what did not. */
enum bs_table_way {
    BS_TABLE_WHOLE = 0, /* small, or nothing tells: read again */
    BS_TABLE_COUNTED,   /* rows by their xmin; that none went, by their number */
    BS_TABLE_FOLLOWS,   /* rows by their xmin; they go with their relation and not without it */
};

enum bs_field_type {
    BS_FIELD_OID = 1,
    BS_FIELD_INT,   /* int2 or int4 into an int32_t */
    BS_FIELD_SMALL, /* int2 */
    BS_FIELD_CHAR,
    BS_FIELD_BOOL,
    BS_FIELD_DOUBLE,
    BS_FIELD_LONG,
    BS_FIELD_TEXT,
    BS_FIELD_CHARS,   /* "char"[] */
    BS_FIELD_OIDS,    /* oid[] or oidvector */
    BS_FIELD_NUMBERS, /* int2[] or int2vector */
    BS_FIELD_NAMES,   /* text[]: texts, "" for NULL */
    BS_FIELD_CODE,    /* pg_node_tree as text, kept as its references */
};

struct bs_field {
    enum bs_field_type type;
    size_t at;
};

struct bs_table_def {
    const char *catalog; /* without schema; NULL where counters say nothing about it */
    const char *columns; /* of the SELECT, as many as fields; its table is called c */
    const char *from;    /* with WHERE */
    enum bs_table_way way;
    size_t stride;
    int n_keys; /* leading 4-byte numbers that a row is found by */
    const struct bs_field *fields;
    int n_fields;
};

extern const struct bs_table_def bs_tables[BS_TABLE_COUNT];

struct bs_chunk {
    _Atomic int refs;
    struct bs_arena arena;
};

#define BS_TABLE_CHUNKS 16

struct bs_table {
    _Atomic int refs;
    char *rows;
    size_t n;
    struct bs_chunk *chunks[BS_TABLE_CHUNKS];
    size_t n_chunks;
};

struct bs_table *bs_table_ref(struct bs_table *t);
void bs_table_unref(struct bs_table **t); /* accepts NULL; sets it NULL */
/* Bytes of the rows and of what hangs on them. */
size_t bs_table_bytes(const struct bs_table *t);

/* Rows on their way in. */
struct bs_intake {
    const struct bs_table_def *def;
    struct bs_table *table;
    struct bs_chunk *chunk;
    size_t cap, max_bytes;
    struct bs_interned *seen; /* texts and lists of the chunk: equal ones once */
    char *text;               /* room for short texts */
    size_t text_left;
    struct bs_err *err;
};

/* max_bytes  ceiling of the rows, and of what they point to */
void
bs_intake_init(struct bs_intake *in, enum bs_table_id id, size_t max_bytes, struct bs_err *err);
/* Row `row` of a binary result. False with the error set: LIMIT. */
bool bs_intake_row(struct bs_intake *in, const PGresult *res, int row);
/* The last row was none of interest. */
void bs_intake_drop(struct bs_intake *in);
void *bs_intake_last(struct bs_intake *in);
/* The table, sorted. Frees the rest. */
struct bs_table *bs_intake_table(struct bs_intake *in);
void bs_intake_fini(struct bs_intake *in); /* accepts a zeroed one */

/* All that rows of a table are compared by, what they point to included. */
bool bs_rows_equal(const struct bs_table_def *def, const void *a, const void *b);
int bs_rows_order(const struct bs_table_def *def, const void *a, const void *b);

/* Drops rows of a table that nobody else has yet. */
void bs_table_filter(const struct bs_table_def *def,
                     struct bs_table *t,
                     bool (*keep)(void *arg, const void *row),
                     void *arg);
/* A row of the table of attributes; NULL. */
const struct bs_row_attribute *
bs_find_attribute(const struct bs_table *t, uint32_t relation, int32_t number);

/*
 * The rows of `old` that `keep` keeps and `news` has no row of the same key of, and those of `news`.
 * NULL where the old table has no room for another chunk: it must be read whole.
 */
struct bs_table *bs_table_merge(const struct bs_table_def *def,
                                struct bs_table *old,
                                struct bs_table *news,
                                bool (*keep)(void *arg, const void *row),
                                void *arg);

#endif
