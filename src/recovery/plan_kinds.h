/*
 * plan_kinds.h - which kinds of statement need the definition of what they change, and whether the
 * schema dump has it.
 *
 * Layer  recovery, private to the plan and to what looks ahead for it. Pure.
 * Spec   RECOVERY.md section 7; RISK.md (column "point").
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_PLAN_KINDS_H
#define BS_RECOVERY_PLAN_KINDS_H

#include "sql/classify.h"

/* It changes a definition, privileges or an owner, so that what they were must be kept. */
bool bs_plan_needs_definition(enum bs_kind kind);
/* The dump of the database's schema is enough to give back what such a kind changes. */
bool bs_plan_kind_has_definition(enum bs_kind kind);
/* The same of one thing that it changes: not of what belongs to the cluster. */
bool bs_plan_effect_has_definition(const struct bs_effect *e);
/* Why nothing covers it, where there is more to say than its kind; static text, or NULL. */
const char *bs_plan_why_refused(const struct bs_effect *e);

#endif
