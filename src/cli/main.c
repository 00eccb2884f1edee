/*
 * main.c - the table of verbs. Each is a file of its own: see verbs.h.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

static const struct bs_verb verbs[] = {
#define BS_VERB(function, name, help) {name, help, bs_cmd_##function},
#include "cli/verbs.h"
#undef BS_VERB
};

int
bs_cmd_run(int argc, char **argv)
{
    return bs_verbs_run("backstop", "Backstop stands between AI agents and PostgreSQL.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}

int
main(int argc, char **argv)
{
    int status;

    /* A reader that goes away (`backstop audit tail | head`) is an error of write(2), not a death
     * in the middle of a change. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        argv[1] = (char[]){"version"};
    status = bs_cmd_run(argc, argv);
    if (fflush(stdout) != 0 && status == 0)
        status = 74; /* EX_IOERR: the answer did not reach its reader */
    return status;
}
