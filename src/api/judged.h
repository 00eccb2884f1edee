/*
 * judged.h - a judged unit as JSON, in the form of `backstop classify`.
 *
 * Layer  api.
 * Owns   nothing; JSON values belong to the caller.
 */
#ifndef BS_API_JUDGED_H
#define BS_API_JUDGED_H

#include <jansson.h>

#include "base/arena.h"
#include "catalog/effect.h"
#include "catalog/judge.h"
#include "recovery/bound.h"
#include "recovery/plan.h"
#include "sql/classify.h"

/*
 * {"risk","catalog","statements":[{"kind","risk","effects":[{"kind","object","rows"}],"reads",
 * "functions","flags","reasons":[{"code","text"}],"span":[from,to]}],"error"}
 *
 * facts  objects are named as the catalog found them; NULL: as written
 */
json_t *bs_judged_json(const struct bs_unit *unit, const struct bs_facts *facts);

/*
 * Counts what a unit would change and settles its risk by that, as the gateway does before a hold.
 * Where nothing can be counted the risk is as it was. Blocks.
 *
 * conninfo  of the helper, or of whoever asks; secret
 * text      of the unit
 * params    by statement; n_params 0: no values are known
 * err       LIMIT
 */
BS_MUST_CHECK enum bs_done bs_judged_measure(const char *conninfo,
                                             const struct bs_snapshot *snapshot,
                                             struct bs_session_names names,
                                             struct bs_bytes text,
                                             struct bs_bounds params,
                                             int64_t time_ms,
                                             struct bs_impact limits,
                                             struct bs_unit *unit,
                                             struct bs_facts *facts,
                                             struct bs_arena *arena,
                                             struct bs_err *err);

/*
 * {"plan","why","tables":[],"selects":[],"estimated_bytes","definition"}: how what it changes would
 * be kept. NULL: null, nobody knows.
 */
json_t *bs_judged_plan_json(const struct bs_plan *plan);

/* What an effect is on, as text; null where that is nothing with a name. */
json_t *bs_judged_object(const struct bs_effect *e);
/* How a statement reaches a table: "target", "cascade", ... */
const char *bs_judged_reach(enum bs_reach reach);

#endif
