/*
 * cmd.h - the verbs' handlers, declared from verbs.h, and what several of them need.
 *
 * Layer  cli.
 * Owns   nothing.
 */
#ifndef BS_CLI_CMD_H
#define BS_CLI_CMD_H

#include "cli/args.h"
#include "policy/config.h"

/* argv[0] is the verb; returns the process's exit status. */
#define BS_VERB(function, name, help) int bs_cmd_##function(int argc, char **argv);
#include "cli/verbs.h"
#undef BS_VERB

/* The whole command line; argv[0] is the program. */
int bs_cmd_run(int argc, char **argv);

/*
 * Loads the configuration that --config names. On failure says all that is wrong with it and
 * answers NULL with *status set to the exit status; otherwise the caller unrefs it.
 */
struct bs_config *bs_cmd_config(const struct bs_args *args, int *status);

/* Says `err`, and every problem on a line of its own. The exit status. */
int bs_cmd_problems(const struct bs_err *err, const struct bs_problems *problems);

struct bs_audit;
/*
 * Opens the audit log of what is done from the command line. A gateway that runs holds the other
 * one, so this lies beside it, in a folder "restore"; another verb may hold it for a moment.
 * UNAVAILABLE, DAMAGED, IO.
 */
BS_MUST_CHECK enum bs_done
bs_cmd_side_audit(const struct bs_config *config, struct bs_audit **out, struct bs_err *err);

#endif
