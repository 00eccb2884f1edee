/*
 * audit_query.h - records of the audit by time, actor, ticket and the like, newest first.
 *
 * All files of all logs are read through, from the first line: what is asked for is looked for in
 * the text of a line, and only what may fit is parsed.
 *
 * Layer  api. Reads files only; works while the logs are being written. Checks no chain.
 * Owns   JSON values belong to the caller.
 */
#ifndef BS_API_AUDIT_QUERY_H
#define BS_API_AUDIT_QUERY_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"

/* NULL and 0: any. */
struct bs_audit_query {
    int64_t from_us, until_us;
    const char *kind, *actor, *operator_, *database, *ticket, *point;
    const char *before; /* a position that was handed out: only older ones */
    size_t limit;
};

/*
 * out   array of records as the log has them, each with "log" where it is not the gateway's own
 * next  position of the last one, where there are more; else NULL. In the arena
 * err   NOT_FOUND: no log; IO
 */
BS_MUST_CHECK enum bs_done bs_audit_find(const char *directory,
                                         const struct bs_audit_query *query,
                                         struct bs_arena *arena,
                                         json_t **out,
                                         const char **next,
                                         struct bs_err *err);

#endif
