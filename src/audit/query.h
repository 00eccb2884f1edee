/*
 * query.h - records of the audit by time, actor, table, ticket and the like.
 *
 * What is asked for is looked for in the text of a line, and only what may fit is parsed. Finished files
 * with an index (index.h) are read where something may be, others from end to end.
 *
 * Layer  audit. Reads files only; works while the logs are being written. Checks no chain.
 * Owns   JSON values belong to the caller.
 */
#ifndef BS_AUDIT_QUERY_H
#define BS_AUDIT_QUERY_H

#include <jansson.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

/* NULL and 0: any. What is given all has to fit. */
struct bs_audit_query {
    int64_t from_us, until_us; /* not before, before */
    const char *kind, *actor, *operator_, *database, *ticket, *point, *session;
    const char *risk;
    const char *table;  /* an object of its effects */
    const char *before; /* a position that was handed out: only older ones */
    size_t limit;
    bool whole; /* without any index */
};

/*
 * The newest that fit, newest first.
 *
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

/* Takes a record; line and log live during the call. BS_FAILED (err set) ends the search. */
typedef enum bs_done (*bs_audit_visit)(
    void *ctx, json_t *record, struct bs_bytes line, const char *log, struct bs_err *err);

/*
 * All that fit, log by log, oldest first; `before` and `limit` count for nothing.
 *
 * err   NOT_FOUND, IO, DAMAGED: a line is not JSON; or what the visitor said
 */
BS_MUST_CHECK enum bs_done bs_audit_each(const char *directory,
                                         const struct bs_audit_query *query,
                                         bs_audit_visit visit,
                                         void *ctx,
                                         struct bs_err *err);

#endif
