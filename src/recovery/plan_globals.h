/*
 * plan_globals.h - what of the cluster a statement changes: which rows of recovery/globals.h have
 * to be kept before it runs.
 *
 * Layer  recovery. Pure.
 * Spec   RECOVERY.md section 7; catalogs.html (the shared ones).
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_PLAN_GLOBALS_H
#define BS_RECOVERY_PLAN_GLOBALS_H

#include "recovery/plan.h"

/* Bits of enum bs_global that the statement by itself needs; 0: it changes nothing of the cluster. */
unsigned bs_plan_globals(const struct bs_stmt *stmt);

/* That is all that it changes: no schema dump has anything of it, and it runs nobody's code. */
bool bs_plan_is_global(enum bs_kind kind);
/* The same of one thing that it changes: GRANT ... ON DATABASE, COMMENT ON ROLE. */
bool bs_plan_effect_is_global(const struct bs_effect *e);

/* Adds what a statement needs to a plan, and the names that it says. LIMIT: the arena's ceiling. */
BS_MUST_CHECK enum bs_done bs_plan_add_globals(const struct bs_stmt *stmt,
                                               struct bs_arena *arena,
                                               struct bs_plan *plan,
                                               struct bs_err *err);

/* A shared catalog (its OID) whose changes are explained by what these classes keep. */
bool bs_globals_explain(unsigned classes, uint32_t catalog);

#endif
