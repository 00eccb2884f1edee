/*
 * nodes.h - the node types of PostgreSQL's own grammar, as the rest of this room sees them.
 *
 * The one place that includes PostgreSQL's headers. They redefine printf and friends for their own
 * portability layer, which would reach into our headers and into the C library's: undone here.
 * Include it after the standard and base headers. Trees are read-only to us.
 *
 * Layer  sql. Pure.
 * Spec   src/include/nodes/parsenodes.h and primnodes.h of PostgreSQL 17, in libpg_query.
 * Owns   nothing; a tree lives until bs_parse_end (parse.h).
 */
#ifndef BS_SQL_NODES_H
#define BS_SQL_NODES_H

#include <postgres.h>

#include <catalog/pg_class.h>
#include <nodes/nodes.h>
#include <nodes/parsenodes.h>
#include <nodes/pg_list.h>
#include <nodes/primnodes.h>
#include <nodes/value.h>
#include <storage/lockdefs.h>

#undef printf
#undef fprintf
#undef sprintf
#undef snprintf
#undef vprintf
#undef vfprintf
#undef vsprintf
#undef vsnprintf
#undef strerror
#undef strerror_r

/* Elements of a List of nodes; 0 for NIL. */
static inline int
bs_list_n(const List *list)
{
    return list == NULL ? 0 : list->length;
}

/* The i-th element of a List of nodes, which may be NULL. */
static inline const Node *
bs_list_at(const List *list, int i)
{
    return list->elements[i].ptr_value;
}

/* The text of a String node; NULL for any other node. */
static inline const char *
bs_node_text(const Node *node)
{
    return node != NULL && node->type == T_String ? ((const String *)(const void *)node)->sval
                                                  : NULL;
}

/* The last element of a list of names, NULL where it is none. */
static inline const char *
bs_list_last_text(const List *names)
{
    int n = bs_list_n(names);

    return n == 0 ? NULL : bs_node_text(bs_list_at(names, n - 1));
}

#endif
