/*
 * judged.h - a judged unit as JSON, in the form of DESIGN 12, and as text for people.
 *
 * Layer  cli.
 * Owns   nothing; JSON values belong to the caller.
 */
#ifndef BS_CLI_JUDGED_H
#define BS_CLI_JUDGED_H

#include <jansson.h>

#include "catalog/judge.h"
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
 * {"plan","why","tables":[],"selects":[],"estimated_bytes","definition"}: how what it changes would
 * be kept. NULL: null, nobody knows.
 */
json_t *bs_judged_plan_json(const struct bs_plan *plan);

/* A judged unit on standard output, a paragraph a statement. */
void bs_judged_print(const struct bs_unit *unit, const struct bs_facts *facts);

#endif
