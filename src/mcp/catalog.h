/*
 * catalog.h - tables as the database's catalog has them, read through the gateway like anything else.
 *
 * Layer  mcp. Blocks; ended by the request's watch.
 * Spec   PostgreSQL manual, catalogs.html.
 * Owns   what it hands out is the caller's.
 */
#ifndef BS_MCP_CATALOG_H
#define BS_MCP_CATALOG_H

#include "mcp/inside.h"

struct bs_mcp_listing {
    const char *database; /* NULL: the door's own */
    const char *schema;   /* NULL: every one but the system's */
    const char *search;   /* part of a name; NULL */
    int64_t limit, offset;
};

/* {"tables":[{"schema","name","kind","comment","rows_estimated","bytes"}], "next_offset"}; NULL with
 * `failed`, a CallToolResult, or NULL where it was cancelled. */
json_t *bs_mcp_catalog_list(struct bs_mcp_request *r,
                            const struct bs_mcp_listing *listing,
                            json_t **failed);

/*
 * {"table":{"schema","name","columns":[...],"constraints":[...],"referenced_by":[...],"indexes":[...]}}
 *
 * schema  NULL: where the name is found first
 */
json_t *bs_mcp_catalog_table(struct bs_mcp_request *r,
                             const char *database,
                             const char *schema,
                             const char *name,
                             json_t **failed);

#endif
