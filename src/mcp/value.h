/*
 * value.h - values between JSON and PostgreSQL's texts, and rows as a table that is read.
 *
 * A number of PostgreSQL becomes a JSON number where every reader of JSON gets the same number: whole
 * ones up to 2^53, and floating ones, which are doubles on both sides. Everything else is the server's text.
 *
 * Layer  mcp. Pure.
 * Spec   PostgreSQL manual, datatype.html; RFC 8259, 6 (numbers).
 * Owns   what it hands out is the caller's.
 */
#ifndef BS_MCP_VALUE_H
#define BS_MCP_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* A longer value is cut: the end of it is a question of its own. */
#define BS_MCP_VALUE_MAX ((size_t)8192)

/*
 * A value as the server wrote it.
 *
 * type  its type's OID
 * max   a longer one is cut to so many bytes, and *cut set true
 */
json_t *bs_mcp_value(uint32_t type, struct bs_bytes text, size_t max, bool *cut);

/* A parameter's text, to be freed; NULL for null. Arrays and objects: as JSON. */
char *bs_mcp_param(const json_t *value);

/* The name of a type that every server has; NULL: not one of these. */
const char *bs_mcp_type_name(uint32_t type);

/*
 * "id | name", a line, a line a row.
 *
 * columns  [{"name"}]
 * rows     [[value]]
 */
void bs_mcp_table_put(struct bs_buf *out, const json_t *columns, const json_t *rows);

#endif
