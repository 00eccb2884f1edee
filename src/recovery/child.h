/*
 * child.h - pg_dump and pg_restore as child processes that never outlive their purpose.
 *
 * Secrets go by environment, never by argument: arguments are visible to every user of the
 * machine.
 *
 * Layer  recovery. Blocks in bs_child_wait.
 * Spec   app-pgdump.html; libpq-envars.html.
 * Owns   a process and two pipes from start to wait or kill.
 */
#ifndef BS_RECOVERY_CHILD_H
#define BS_RECOVERY_CHILD_H

#include <libpq-fe.h>
#include <limits.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/watch.h"

struct bs_child {
    pid_t pid; /* 0: none */
    int out;   /* its standard output */
    int err;   /* its standard error */
    char said[400];
    size_t n_said;
};

/*
 * Starts a program.
 *
 * argv   argv[0] is its path; ends with NULL
 * conn   connection whose server and credentials it is to use, by environment; NULL: none
 */
BS_MUST_CHECK enum bs_done
bs_child_start(struct bs_child *c, char *const *argv, PGconn *conn, struct bs_err *err);

typedef enum bs_done (*bs_child_sink)(void *ctx, struct bs_bytes out, struct bs_err *err);
/*
 * Reads its output until it ends; kills it where the watch or the sink says so. DONE only for
 * exit status 0. NO_POINT with its last words otherwise, CANCELLED.
 */
BS_MUST_CHECK enum bs_done bs_child_wait(struct bs_child *c,
                                         const struct bs_watch *watch,
                                         bs_child_sink sink,
                                         void *ctx,
                                         struct bs_err *err);
void bs_child_kill(struct bs_child *c); /* accepts one that is not there */

#endif
