/*
 * nested.h - values of a row type inside columns of other tables: a column that the type loses is
 * gone from them, too, and no lock, counter or dependency says so.
 *
 * Layer  recovery. Blocks.
 * Spec   catalog-pg-type.html; rowtypes.html.
 */
#ifndef BS_RECOVERY_NESTED_H
#define BS_RECOVERY_NESTED_H

#include "base/arena.h"
#include "recovery/helper.h"
#include "recovery/manifest.h"
#include "recovery/plan.h"

/*
 * $1: OIDs of relations. The stored columns that hold values of their row types, in arrays, domains,
 * ranges and other composites, too: table, number, schema, table's name, column's name.
 */
extern const char bs_nested_users_sql[];

/*
 * Once m->objects and m->closure are known: of each table or composite type that loses a column,
 * no stored relation that is not in the point holds values (in arrays, domains, ranges and other
 * composites, too). NO_POINT, CANCELLED, LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_nested_held(struct bs_helper *h,
                                          const struct bs_plan *plan,
                                          struct bs_arena *arena,
                                          const struct bs_manifest *m,
                                          struct bs_err *err);

#endif
