/*
 * schema.h - arguments compared with the JSON Schema that their tool publishes, so that there is one
 * truth about them. Only the words that our own schemas use: type, enum, minimum, maximum, minLength,
 * maxLength, maxItems, properties, required, additionalProperties.
 *
 * Layer  mcp. Pure.
 * Spec   JSON Schema 2020-12.
 * Owns   nothing.
 */
#ifndef BS_MCP_SCHEMA_H
#define BS_MCP_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* err DATA: the first thing that does not fit, as one sentence without the value */
BS_MUST_CHECK enum bs_done
bs_mcp_schema_check(const json_t *schema, const json_t *value, struct bs_err *err);

#endif
