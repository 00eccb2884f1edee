/*
 * closure.h - what a change takes along: partitions and children, foreign-key actions, and what is
 * dropped with what it depends on.
 *
 * Layer  catalog. Pure.
 * Spec   PostgreSQL manual, ddl-constraints.html (actions), ddl-depend.html, sql-truncate.html.
 * Owns   everything lives in the caller's arena.
 */
#ifndef BS_CATALOG_CLOSURE_H
#define BS_CATALOG_CLOSURE_H

#include "base/arena.h"
#include "catalog/judge.h"
#include "catalog/objects.h"

/* A change of one relation that follows from a statement. No two have the same relation and use. */
struct bs_hit {
    const struct bs_relation *relation;
    enum bs_use use; /* BS_USE_COUNT: the relation itself is dropped or altered */
    enum bs_kind kind;
    enum bs_reach reach;
    bool down;            /* children follow */
    bool moves;           /* rows may move to other partitions */
    const char **columns; /* UPDATE: those that change; n_columns 0: any */
    size_t n_columns;
    bool queued;
    bool reached;          /* by a foreign key, and by another or by its name as well */
    const char *extension; /* goes with that one, which it is a member of; NULL */
};

/* Places by a key of 64 bits. */
struct bs_places {
    uint64_t *keys; /* 0: free */
    uint32_t *values;
    size_t n, cap;
};

/* An object, or a part of one, on its way out. */
struct bs_gone {
    uint32_t class_oid, oid;
    int32_t sub;
};

struct bs_closure {
    const struct bs_snapshot *s;
    struct bs_arena *arena;
    struct bs_hit *hits;
    size_t n, cap;
    struct bs_places places;
    struct bs_gone *gone; /* everything that is dropped, relations or not */
    size_t n_gone, cap_gone, n_followed;
    const char *torn; /* an extension of which a member goes, so it goes, too; NULL */
    bool full;        /* the arena's ceiling was reached: nothing here is complete */
};

void bs_closure_init(struct bs_closure *c, const struct bs_snapshot *s, struct bs_arena *arena);

/*
 * Rows of a relation change. Follow what is added with bs_closure_follow.
 *
 * only     its children are not meant
 * columns  UPDATE: what is assigned; n 0: any
 */
void bs_closure_rows(struct bs_closure *c,
                     const struct bs_relation *r,
                     enum bs_use use,
                     enum bs_kind kind,
                     bool only,
                     const char **columns,
                     size_t n_columns);
/* The relation is changed as such, and its children unless `only`. */
void
bs_closure_alter(struct bs_closure *c, const struct bs_relation *r, enum bs_kind kind, bool only);
/* All that rows added so far take along. `cascade`: TRUNCATE follows foreign keys. */
void bs_closure_follow(struct bs_closure *c, bool cascade);

/*
 * An object is dropped with all that depends on it; without `cascade` only what the server drops
 * silently. Relations that hold or show rows are hit.
 *
 * class_oid  BS_CLASS_x (model.h)
 * named      the relation that the statement names, NULL where it names something else
 */
void bs_closure_drop(struct bs_closure *c,
                     uint32_t class_oid,
                     uint32_t oid,
                     const struct bs_relation *named,
                     enum bs_kind kind,
                     bool cascade);
/* Tables that stay, but lose columns by all drops so far, are hit as by DROP COLUMN. */
void bs_closure_lose_columns(struct bs_closure *c);

#endif
