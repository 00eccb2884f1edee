/*
 * child.h - another program (pg_dump, one that prints a secret) as a child process that never
 * outlives its purpose.
 *
 * Secrets go by environment, never by argument: arguments are visible to every user of the
 * machine.
 *
 * Layer  base. Blocks in bs_child_wait.
 * Owns   a process and two pipes from start to wait or kill.
 */
#ifndef BS_BASE_CHILD_H
#define BS_BASE_CHILD_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/watch.h"

struct bs_child {
    pid_t pid; /* 0: none */
    int out;   /* its standard output */
    int err;   /* its standard error */
    enum bs_code code;
    char said[400];
    size_t n_said;
};

/* A NULL-terminated list of "NAME=value". Zeroed: empty. */
struct bs_env {
    char **list;
    size_t n;
};
void bs_env_add(struct bs_env *e, const char *name, const char *value);
void bs_env_fini(struct bs_env *e); /* wipes what was in it */

/*
 * Starts a program.
 *
 * argv   argv[0] is its path; ends with NULL
 * more   what its environment has beside ours, which it gets without any PG* and locale; NULL: nothing
 * code   of the error where it cannot be run, or fails
 */
BS_MUST_CHECK enum bs_done bs_child_start(struct bs_child *c,
                                          char *const *argv,
                                          const struct bs_env *more,
                                          enum bs_code code,
                                          struct bs_err *err);

typedef enum bs_done (*bs_child_sink)(void *ctx, struct bs_bytes out, struct bs_err *err);
/*
 * Reads its output until it ends; kills it where the watch or the sink says so. DONE only for
 * exit status 0. Otherwise the code that was given, with the first line of what it said to
 * standard error; CANCELLED.
 */
BS_MUST_CHECK enum bs_done bs_child_wait(struct bs_child *c,
                                         const struct bs_watch *watch,
                                         bs_child_sink sink,
                                         void *ctx,
                                         struct bs_err *err);
void bs_child_kill(struct bs_child *c); /* accepts one that is not there */

#endif
