/*
 * taken.h - which tables and rows foreign keys take along when rows are deleted.
 *
 * Of tables first, by the catalog alone: so that they can be locked. Of rows then, by a frontier of
 * places (table, ctid) that goes along the keys, each compared with the key's own operators.
 *
 * Where it cannot be told in full, or where the server would lock rows in passing (what was only
 * locked could then not be told from what was replaced), the closure says so, and nothing is
 * built on it.
 *
 * Layer  recovery. Blocks.
 * Spec   RECOVERY.md section 3 "Referential closure"; catalog-pg-constraint.html.
 * Owns   nothing; all lives in the caller's arena.
 */
#ifndef BS_RECOVERY_TAKEN_H
#define BS_RECOVERY_TAKEN_H

#include "recovery/helper.h"
#include "recovery/plan.h"

/* Rows by where they are: block << 16 | offset. */
struct bs_places {
    uint64_t *list; /* sorted, each once */
    size_t n, cap;
};

/* One table of a closure, and the rows in it once they are known. */
struct bs_reached {
    uint32_t oid;
    const char *schema;
    const char *name;
    enum bs_reach reach;
    enum bs_kind kind; /* DELETE or UPDATE, the stricter */
    double rows;       /* pg_class.reltuples; -1: never counted */
    double scan_cost;  /* of a sequential scan, in the planner's units */
    struct bs_places all;
    struct bs_places gone;    /* those of them that are deleted */
    struct bs_places updated; /* those that are updated; only to count */
};

/* A foreign key that acts. */
struct bs_acting {
    uint32_t parent, child; /* OIDs */
    enum bs_kind on;        /* DELETE or UPDATE of the parent's rows */
    bool tree;              /* the child's rows may be in its partitions; only to count */
    bool deletes;           /* CASCADE; else SET NULL */
    bool indexed;           /* the child's columns lead an index */
    const char *join;       /* condition between p, the parent, and c, the child */
};

enum bs_taken_use {
    BS_TAKEN_TO_KEEP = 0, /* rows are kept: only what is certain */
    /* Only numbers come of it: partitions and children are followed, and keys that act on UPDATE or
     * set defaults; nobody looks for triggers, or for rows that are merely locked. */
    BS_TAKEN_TO_COUNT,
};

struct bs_taken {
    enum bs_taken_use use;
    struct bs_reached *tables;
    size_t n_tables;
    struct bs_acting *keys;
    size_t n_keys;
    const char *not_told; /* why it cannot be told; NULL: it is */
    bool assigns;         /* it is known which columns an UPDATE assigns: */
    const char *assigned; /* as an array, for SQL */
};

/*
 * The tables that selects name, and all that their foreign keys reach.
 *
 * set   to count the one select of an UPDATE: the columns that it assigns; n_set 0: any
 * err   as the helper's; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_taken_tables(struct bs_helper *h,
                                           enum bs_taken_use use,
                                           const struct bs_plan_select *selects,
                                           size_t n_selects,
                                           const char *const *set,
                                           size_t n_set,
                                           struct bs_arena *arena,
                                           struct bs_taken *out,
                                           struct bs_err *err);

/* NULL where it is not reached. */
struct bs_reached *bs_taken_find(const struct bs_taken *c, uint32_t oid);

/* Adds one row that a select gave. A table that is not reached makes `not_told`. LIMIT. */
BS_MUST_CHECK enum bs_done bs_taken_add(
    struct bs_taken *c, uint32_t oid, uint64_t place, struct bs_arena *arena, struct bs_err *err);
/*
 * Once all were added: follows the keys from them, within the helper's open snapshot.
 *
 * max   rows altogether; more make `not_told`
 * err   as the helper's; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_taken_rows(struct bs_helper *h,
                                         struct bs_taken *c,
                                         size_t max,
                                         struct bs_arena *arena,
                                         struct bs_err *err);

/* "{\"(0,1)\"}" for SQL; in the arena. NULL: it is full. */
const char *bs_taken_places(const uint64_t *places, size_t n, struct bs_arena *arena);
/* "(12,3)" as one number; false where it is no place. */
bool bs_taken_place(const char *text, uint64_t *out);

#endif
