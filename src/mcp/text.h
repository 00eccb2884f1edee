/*
 * text.h - what a statement is by its text alone. Nothing is allowed or refused by it: that is the
 * gateway's, which sees the statement again. It decides how a result is read, and whether one asks first.
 *
 * Layer  mcp. Pure.
 * Owns   what it hands out is the caller's.
 */
#ifndef BS_MCP_TEXT_H
#define BS_MCP_TEXT_H

#include <stdbool.h>

/* True where it only reads, and leaves nothing behind in its session. */
bool bs_mcp_only_reads(const char *sql);

/* True where it changes or destroys rows or objects that are there. */
bool bs_mcp_destroys(const char *sql);

/*
 * The statement with a claim of its purpose, as a comment at its end; it does not change what the
 * statement is. To be freed. purpose: NULL for a plain copy.
 */
char *bs_mcp_with_purpose(const char *sql, const char *purpose);

/* What bs_mcp_with_purpose has put behind a statement begins here. */
bool bs_mcp_is_purpose(const char *text);

#endif
