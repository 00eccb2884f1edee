/*
 * shape.h - a number that two trees share when they differ in the text of constants only.
 *
 * Layer  sql. Pure.
 * Owns   nothing.
 */
#ifndef BS_SQL_SHAPE_H
#define BS_SQL_SHAPE_H

#include <stddef.h>
#include <stdint.h>

struct List;

/*
 * The shape of a list of RawStmt: node types, names, spans, and how they hang together.
 *
 * max_nodes  a larger tree has no shape: 0, and no tree that has one gives 0
 */
uint64_t bs_shape_of(const struct List *stmts, size_t max_nodes);

#endif
