/*
 * columns.h - columns that a statement dropped or gave other values, back into tables that are
 * still there: what the point has of them, what they are now, and how they come back.
 *
 * A table comes with its partitions and children, as ALTER TABLE reaches them. Its rows are matched
 * with the saved ones by the key that was saved or, where there was none, by all their other
 * columns; among rows that are alike in these by their order, which neither DROP COLUMN nor a rewrite
 * changes, as long as nobody else has written one of them. Then one ALTER TABLE gives every row its saved value: it writes the table anew, so no
 * trigger fires and no row is updated. Rows that were deleted since stay away.
 *
 * Layer  restore. Blocks; until bs_columns_apply it writes temporary tables only.
 * Spec   RECOVERY.md section 7; sql-altertable.html (ALTER COLUMN TYPE ... USING).
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_COLUMNS_H
#define BS_RESTORE_COLUMNS_H

#include "restore/restore.h"

enum bs_column_way {
    BS_COLUMN_FITS = 0, /* it is as it was; perhaps some of its values are not */
    BS_COLUMN_ADD,      /* it is gone: added at the end, with the saved values */
    BS_COLUMN_RETYPE,   /* it has another type, or other values: gets its own back */
    BS_COLUMN_COMPUTE,  /* generated, and gone, or one now that cannot be altered back: added at the
                         * end again */
    BS_COLUMN_EXPRESS,  /* generated from another expression, or as another type */
    BS_COLUMN_REMOVE,   /* the transaction had added it */
};

struct bs_columns_column {
    const char *name;
    const struct bs_point_column *saved; /* REMOVE: NULL */
    enum bs_column_way way;
    const char *type;      /* as the server spells it */
    const char *bare;      /* without modifiers */
    const char *collation; /* NULL: none */
    bool domain;
    const char *live_type; /* NULL: it is gone */
    bool same_type;
    bool live_default;
    bool live_generated;
    bool expresses; /* generated: the server can give it another expression */
    bool live_identity;
    bool forth;            /* a saved value can be turned into the live type */
    bool matches;          /* so turned it tells rows apart, where they have no key */
    bool back_by_text;     /* a live value becomes one of the saved type by way of text */
    const char *unmatched; /* expression for rows without a saved value; NULL: null */
    int64_t next;          /* where the column counts: the last number given; `counts` */
    bool counts;
    int64_t restored;  /* rows that get their saved value */
    int64_t equal;     /* rows that have it */
    int64_t conflicts; /* rows with a value that the statement did not give them, as far as it can
                        * be told: somebody has changed them since */
};

/* One table with rows of its own. */
struct bs_columns_leaf {
    const struct bs_point_object *object; /* NULL: the point does not know it */
    uint32_t oid;
    const char *schema;
    const char *name;
    size_t at;           /* number of its saved rows' table */
    const char **equals; /* by the object's columns: operator of key columns; NULL: no key */
    int64_t saved;       /* rows */
    int64_t live;
    int64_t gone;   /* saved, and deleted since */
    int64_t made;   /* live, and not saved: inserted since, or changed so that they match nothing */
    int64_t unsure; /* without a key: saved rows that only differ in the columns, and were alike in
                     * number and order no longer: which value is whose cannot be told */
};

/* A table that the statement named, with what it reached below it. */
struct bs_columns_table {
    const struct bs_point_object *object;
    uint32_t oid; /* 0: it is gone */
    struct bs_columns_column *columns;
    size_t n_columns;
    struct bs_columns_leaf *leaves;
    size_t n_leaves;
    const struct bs_point_object **members; /* of the point, parents first */
    uint32_t *oids;                         /* of each, as it is now */
    size_t n_members;
    uint32_t *oids_all; /* of the whole tree */
    size_t n_oids;
    size_t most_columns; /* that one of these has had */
    size_t at;
    bool origin_known;  /* rows that the statement has written can be told by their number */
    const char *cannot; /* why it cannot be done; NULL: it can */
};

struct bs_columns {
    struct bs_columns_table *tables;
    size_t n_tables;
};

enum bs_columns_conflict {
    BS_COLUMNS_KEEP = 0,  /* live values stay, turned into the saved type */
    BS_COLUMNS_OVERWRITE, /* saved values go over them */
};

/* True where the point has columns to give back. Pure. */
bool bs_columns_any(const struct bs_manifest *m);

/*
 * Looks at the tables, all or those that hold one of the picked objects, and decides how each
 * column comes back.
 *
 * picked  NULL: all
 * err     those of bs_rdb_do, DATA (a type is missing), LIMIT
 */
BS_MUST_CHECK enum bs_done bs_columns_look(struct bs_restore *r,
                                           const struct bs_point_object *const *picked,
                                           size_t n,
                                           struct bs_columns *out,
                                           struct bs_err *err);

/* Anything left to do for this table; `remove` also counts columns that the transaction added. */
bool bs_columns_differ(const struct bs_columns_table *t, bool remove);

/* False where the type of a column is gone, too: until it is back its values cannot be read. */
bool bs_columns_have_types(const struct bs_columns_table *t);
/* Rows that get a saved value of some column. Pure. */
int64_t bs_columns_rows(const struct bs_columns *c);
/* True where both would do the same. Pure. */
bool bs_columns_same(const struct bs_columns *a, const struct bs_columns *b);
/* Leaves objects out of a list that are there for their columns; how many are left. Pure. */
size_t bs_columns_leave_out(const struct bs_point_object **list, size_t n);

/*
 * A sentence about how a column comes back.
 *
 * compared  its rows were counted
 */
const char *bs_columns_text(struct bs_arena *arena,
                            const struct bs_columns_table *t,
                            const struct bs_columns_column *c,
                            bool compared);
/* One about rows that were inserted or deleted since; NULL: there are none. */
const char *bs_columns_rows_text(struct bs_arena *arena, const struct bs_columns_table *t);

/* SHARE ROW EXCLUSIVE on each, in OID order, before what follows; then looks again. */
BS_MUST_CHECK enum bs_done
bs_columns_lock(struct bs_restore *r, struct bs_columns *c, struct bs_err *err);

/* Loads the saved values and counts. Within a transaction. Errors of bs_diff_load. */
BS_MUST_CHECK enum bs_done
bs_columns_compare(struct bs_restore *r, struct bs_columns *c, struct bs_err *err);

/*
 * Adds the tables whose columns will change to a plan that has room for them, and the definition
 * where the point has one: for the recovery point of what is there. LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_columns_plan(struct bs_restore *r,
                                           const struct bs_columns *c,
                                           bool remove,
                                           struct bs_plan *plan,
                                           struct bs_err *err);

/*
 * CONFLICT, with the numbers, where it cannot be done so: rows that somebody else has changed
 * cannot be told, rows without a key cannot be told from each other, values written since do not fit the old type, or there is no value for a column
 * that must have one.
 */
BS_MUST_CHECK enum bs_done bs_columns_check(struct bs_restore *r,
                                            const struct bs_columns *c,
                                            enum bs_columns_conflict conflict,
                                            struct bs_err *err);

/*
 * Does it. What a column needs that was lost, too - its type, a sequence - is there already; what
 * needs the column comes after.
 *
 * remove  also drop columns that the transaction had added
 * err     CONFLICT, FORBIDDEN, DATABASE, LIMIT
 */
struct bs_columns_how {
    enum bs_columns_conflict conflict;
    bool remove;
};
BS_MUST_CHECK enum bs_done bs_columns_apply(struct bs_restore *r,
                                            struct bs_columns *c,
                                            struct bs_columns_how how,
                                            struct bs_err *err);

/* Puts the SQL of it for people to read: what the run decides by counting stands as it is now. */
BS_MUST_CHECK enum bs_done bs_columns_print(struct bs_restore *r,
                                            const struct bs_columns *c,
                                            struct bs_columns_how how,
                                            struct bs_buf *out,
                                            struct bs_err *err);

/* After it: every row that was to have its saved value has it. CONFLICT. */
BS_MUST_CHECK enum bs_done bs_columns_proven(struct bs_restore *r,
                                             struct bs_columns *c,
                                             struct bs_columns_how how,
                                             struct bs_err *err);

#endif
