/*
 * code.h - which functions, types and relations a stored expression or query uses.
 *
 * The catalog stores parse trees as text (pg_node_tree). They name everything by OID, implicit
 * casts and operators' functions included, so nothing needs to be resolved, nothing is locked and
 * no search_path matters - all of which pg_get_viewdef and a second parse could not give.
 *
 * Layer  catalog. Pure.
 * Spec   src/backend/nodes/outfuncs.c: ":label value"; blanks inside names are escaped.
 * Owns   nothing.
 */
#ifndef BS_CATALOG_CODE_H
#define BS_CATALOG_CODE_H

#include <stdbool.h>
#include <stdint.h>

enum bs_code_ref {
    BS_CODE_END = 0,
    BS_CODE_FUNCTION, /* pg_proc.oid; 0: a function that is not told, so never harmless */
    BS_CODE_TYPE,     /* pg_type.oid that a value is turned into */
    BS_CODE_RELATION, /* pg_class.oid that is read */
    BS_CODE_LOCK,     /* rows that are read are locked, as by FOR UPDATE; oid: how, never 0 */
};

/*
 * The next reference in a tree.
 *
 * at   where to go on; starts at the tree's text, which ends in NUL
 * oid  set unless BS_CODE_END is answered
 */
enum bs_code_ref bs_code_next(const char **at, uint32_t *oid);

/*
 * True where the node that a reference was found in names no column: the planner may evaluate it
 * while it merely plans.
 *
 * tree  the whole tree
 * at    as bs_code_next has left it
 */
bool bs_code_is_constant(const char *tree, const char *at);

#endif
