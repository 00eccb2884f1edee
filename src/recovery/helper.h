/*
 * helper.h - the helper role's session: libpq without a call that cannot be ended from outside.
 *
 * Every session runs read only, with row security off (a policy is an error, never fewer rows),
 * an empty search path, pinned output settings and server-side timeouts, so that a gateway that
 * stalls leaves nothing behind.
 *
 * Layer  recovery. Blocks.
 * Spec   libpq-async.html, libpq-connect.html; PROTECT.md rule 2.
 * Owns   a connection. PGresults belong to the caller.
 */
#ifndef BS_RECOVERY_HELPER_H
#define BS_RECOVERY_HELPER_H

#include <libpq-fe.h>

#include "base/bytes.h"
#include "base/watch.h"
#include "recovery/bound.h"
#include "recovery/manifest.h"

struct bs_helper {
    PGconn *conn;
    const struct bs_watch *watch;
    enum bs_code code; /* what a failure of the server or the connection is called */
    char sqlstate[6];  /* of the server's last error; "" where it gave none */
};

/*
 * Connects and pins the session.
 *
 * conninfo  secret; never quoted in messages
 * watch     outlives the helper
 * code      NO_POINT, UNAVAILABLE, ...
 * err       `code`, CANCELLED
 */
BS_MUST_CHECK enum bs_done bs_helper_open(struct bs_helper *h,
                                          const char *conninfo,
                                          const struct bs_watch *watch,
                                          enum bs_code code,
                                          struct bs_err *err);
/* The same without pinning anything: as whoever's conninfo it is would find it. */
BS_MUST_CHECK enum bs_done bs_helper_open_plain(struct bs_helper *h,
                                                const char *conninfo,
                                                const struct bs_watch *watch,
                                                enum bs_code code,
                                                struct bs_err *err);
/* Sets the server-side timeouts anew, to what the watch has left. Errors as bs_helper_open. */
BS_MUST_CHECK enum bs_done bs_helper_budget(struct bs_helper *h, struct bs_err *err);
void bs_helper_close(struct bs_helper *h); /* accepts a zeroed one */

/*
 * One statement with text parameters.
 *
 * params  n texts, NULL for null
 * out     the rows; NULL on failure, and for statements without rows where out itself is NULL
 */
BS_MUST_CHECK enum bs_done bs_helper_query(struct bs_helper *h,
                                           const char *sql,
                                           int n,
                                           const char *const *params,
                                           PGresult **out,
                                           struct bs_err *err);

/* Several statements in one message, whose rows nobody wants; none runs behind one that fails. */
BS_MUST_CHECK enum bs_done
bs_helper_several(struct bs_helper *h, const char *sql, struct bs_err *err);
/* Waits for the answers to what was sent. Errors as above. */
BS_MUST_CHECK enum bs_done bs_helper_drain(struct bs_helper *h, struct bs_err *err);

/* One statement with parameters of any format; else as bs_helper_query. LIMIT: too many. */
BS_MUST_CHECK enum bs_done bs_helper_ask(struct bs_helper *h,
                                         const char *sql,
                                         const struct bs_bound *params,
                                         int n,
                                         PGresult **out,
                                         struct bs_err *err);

/* The same; its rows are read, one at a time, and forgotten. */
BS_MUST_CHECK enum bs_done bs_helper_run(
    struct bs_helper *h, const char *sql, const struct bs_bound *params, int n, struct bs_err *err);

typedef enum bs_done (*bs_helper_sink)(void *ctx, struct bs_bytes data, struct bs_err *err);
/*
 * COPY ... TO STDOUT. On failure the connection is of no more use.
 *
 * sink   gets each CopyData
 * rows   out: the command tag's number of rows
 */
BS_MUST_CHECK enum bs_done bs_helper_copy(struct bs_helper *h,
                                          const char *sql,
                                          bs_helper_sink sink,
                                          void *ctx,
                                          int64_t *rows,
                                          struct bs_err *err);

/* COPY ... FROM STDIN: begin, bytes, end. On failure the connection is of no more use. */
BS_MUST_CHECK enum bs_done
bs_helper_copy_in(struct bs_helper *h, const char *sql, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_helper_put(struct bs_helper *h, struct bs_bytes data, struct bs_err *err);
/*
 * why    the server is told that it must not take them; NULL: that is all
 * rows   out: the command tag's number of rows
 */
BS_MUST_CHECK enum bs_done
bs_helper_copy_in_end(struct bs_helper *h, const char *why, int64_t *rows, struct bs_err *err);

/* System identifier, timeline, database, version, encodings; texts live in `arena`. */
BS_MUST_CHECK enum bs_done bs_helper_source(struct bs_helper *h,
                                            struct bs_arena *arena,
                                            struct bs_point_source *out,
                                            struct bs_err *err);

#endif
