/*
 * mcp_clients.h - the clients of the Model Context Protocol that we can be put into: where each keeps its
 * configuration, and how it wants a server written down there.
 *
 * No password goes into such a file: what is written names a file of ours, a program, or a variable of the
 * environment that the client fills in.
 *
 * Layer  cli. Pure, but for bs_mcp_client_path, which reads the environment.
 * Spec   each client's own documentation; docs/mcp.md names them.
 * Owns   texts that are handed out are the caller's.
 */
#ifndef BS_CLI_MCP_CLIENTS_H
#define BS_CLI_MCP_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

struct bs_mcp_client; /* opaque */

/* NULL: there is none of that name. */
const struct bs_mcp_client *bs_mcp_client_find(const char *name);
/* "claude, cursor, ..." */
extern const char bs_mcp_client_names[];

/* Where this user's configuration is; to be freed. NULL: no home folder is known. */
char *bs_mcp_client_path(const struct bs_mcp_client *client);

/* A server as it is to be written down. */
struct bs_mcp_entry {
    const char *name;        /* "backstop" */
    const char *program;     /* stdio: what the client starts; NULL where there is a url */
    const char *const *args; /* NULL-terminated */
    const char *url;         /* HTTP; NULL */
    const char *token;       /* HTTP: the variable that holds the bearer token */
};

/*
 * The configuration with the entry in it, in the place of one of the same name; all else stays.
 *
 * was  as it is now; empty where there is no file
 * err  DATA: it cannot be read as what it should be, or has the entry in a form that is not ours to change
 */
BS_MUST_CHECK enum bs_done bs_mcp_client_merge(const struct bs_mcp_client *client,
                                               const struct bs_mcp_entry *entry,
                                               struct bs_bytes was,
                                               struct bs_buf *out,
                                               struct bs_err *err);

#endif
