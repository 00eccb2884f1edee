/*
 * unit_json.h - a judged unit as JSON, the form that `classify --jsonl`, the API and tools share.
 *
 * Layer  sql. Pure but for jansson's heap.
 * Spec   DESIGN 12.
 * Owns   what it returns is a new reference of the caller's.
 */
#ifndef BS_SQL_UNIT_JSON_H
#define BS_SQL_UNIT_JSON_H

#include <jansson.h>

#include "sql/classify.h"

/*
 * {"risk","catalog","statements":[{"kind","risk","point","effects":[{"kind","object","rows"}],
 * "reads":[],"functions":[],"flags":[],"reasons":[{"code","text"}],"span":[from,to]}],"error"}
 *
 * "object" is schema.name as written (schema.name.column for a column), null where the effect is
 * on no named thing; "rows" null where nobody counted; "functions" are functions, not operators
 * and types; "error" null where the text was parsed. Reasons are for operators, not for agents.
 */
json_t *bs_unit_json(const struct bs_unit *unit);

/* "no_filter", "ddl", ...: the word for one bit of enum bs_flag; NULL where there is none. */
const char *bs_flag_name(uint32_t bit);

#endif
