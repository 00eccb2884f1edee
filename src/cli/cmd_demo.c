/*
 * cmd_demo.c - the demo is a shell script (demo.sh), because it does what a person would do at a
 * prompt; it is carried in the binary and run by bash.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/out.h"

static const unsigned char script[] = {
#include "demo_script.inc"
    0,
};

/* Where this program is, for the script to call. */
static enum bs_done
find_self(char out[PATH_MAX], struct bs_err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);

    if (n <= 0)
        return BS_FAIL(err, UNAVAILABLE, "cannot find this program's own path");
    out[n] = '\0';
    return BS_DONE;
}

int
bs_cmd_demo(int argc, char **argv)
{
    bool keep = false;
    const struct bs_arg args[] = {
        {"keep", 0, BS_ARG_FLAG, NULL, "leave it running and print how to connect and look", &keep},
    };
    const struct bs_usage usage = {
        .verb = "demo",
        .operands = "",
        .summary = "a private PostgreSQL, an agent that goes wrong, and the way back",
        .details =
            "Needs bash, psql and PostgreSQL's server programs (BACKSTOP_PG_BIN names their\n"
            "folder). Everything is in one temporary folder and gone afterwards. Exits 0 only\n"
            "if nothing was lost.",
        .args = args,
        .n_args = 1,
        .examples = "  backstop demo\n  backstop demo --keep\n",
        .without_config = true,
    };
    char self[PATH_MAX];
    struct bs_args got;
    struct bs_err err = {0};

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (find_self(self, &err) != BS_DONE)
        return bs_out_fail(&err);
    (void)setenv("BACKSTOP", self, 1);
    execlp("bash", "bash", "-c", (const char *)script, "backstop demo", keep ? "--keep" : NULL,
           (char *)NULL);
    (void)BS_FAIL(&err, UNAVAILABLE, "bash cannot be run");
    return bs_out_fail(&err);
}
