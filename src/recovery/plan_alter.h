/*
 * plan_alter.h - which columns of a table a unit takes away or gives other values, so that no more
 * than these must be kept.
 *
 * Layer  recovery, private to the plan and to who merges plans. Pure.
 * Spec   RECOVERY.md section 7 (DROP COLUMN, ALTER COLUMN TYPE).
 * Owns   lists live in the caller's arena.
 */
#ifndef BS_RECOVERY_PLAN_ALTER_H
#define BS_RECOVERY_PLAN_ALTER_H

#include "recovery/plan.h"

/* Values of a column go, or become others; the rows stay. */
bool bs_plan_alters(enum bs_kind kind);

/*
 * The columns that a target of such a kind loses or changes: those that its statement names, or
 * those that the catalog says go with something else. None, where they cannot be told: all of the
 * table must be kept. False: the arena is full.
 */
BS_MUST_CHECK bool bs_plan_columns(const struct bs_unit *unit,
                                   const struct bs_target *t,
                                   struct bs_arena *arena,
                                   struct bs_plan_table *out);

/*
 * The same table in another plan, or for another statement: the columns of both, or all where one
 * of them needs all. False: the arena is full.
 */
BS_MUST_CHECK bool bs_plan_unite_columns(struct bs_plan_table *have,
                                         const struct bs_plan_table *more,
                                         struct bs_arena *arena);

#endif
