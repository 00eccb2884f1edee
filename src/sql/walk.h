/*
 * walk.h - visits every node of a raw tree with a stack of its own: the depth of a tree is the
 * client's choice, the depth of our stack is not.
 *
 * What the children of a node are is taken from the lists of fields that PostgreSQL generates for
 * copying nodes: a field that a later grammar adds cannot be forgotten.
 *
 * Layer  sql. Pure.
 * Owns   a struct bs_walk owns its stack from bs_walk_init to bs_walk_fini.
 */
#ifndef BS_SQL_WALK_H
#define BS_SQL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Node; /* nodes/nodes.h */

/* Names of WITH that hide relations, innermost first. */
struct bs_scope {
    const struct bs_scope *up;
    const char *cte;
};

/* Bits of bs_walk.mode. */
enum bs_walk_mode {
    /* what is found is not executed now: EXPLAIN without ANALYZE, a view, a function's body */
    BS_WALK_DORMANT = 1 << 0,
};

struct bs_walk_item {
    const struct Node *node;
    const struct bs_scope *scope;
    uint32_t mode;
    int next; /* of a List: the element to visit next */
};

struct bs_walk {
    struct bs_walk_item *items;
    size_t n, cap;
    struct bs_walk_item first[48]; /* enough for nearly all statements */
    size_t spent;                  /* nodes visited; visitors add what else costs time */
    size_t max;                    /* beyond that: too_large, and the walk ends */
    bool too_large;
    /* of the node that is being visited, and what is pushed inherits it */
    const struct bs_scope *scope;
    uint32_t mode;
};

/* Visits one node; pushes those of its children that are to be visited. Never a List. */
typedef void bs_walk_visit(void *with, const struct Node *node);

void bs_walk_init(struct bs_walk *w, size_t max);
void bs_walk_fini(struct bs_walk *w);

/* To be visited later, before what was pushed earlier. NULL is ignored. */
void bs_walk_push(struct bs_walk *w, const void *node);
/* Pushes all children of a node but `skip` and `skip_too` (either may be NULL). */
void bs_walk_push_children(struct bs_walk *w,
                           const struct Node *node,
                           const void *skip,
                           const void *skip_too);

/* Visits what was pushed, and what that pushes, until nothing is left. */
void bs_walk_run(struct bs_walk *w, bs_walk_visit *visit, void *with);

#endif
