/*
 * cmd_mcp.c - `backstop mcp`: the database as a server of the Model Context Protocol, for a client that
 * starts it. It is a client of the gateway like any other: it has an agent's password and nothing more.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/secret.h"
#include "base/watch.h"
#include "cli/cmd.h"
#include "cli/mcp_install.h"
#include "cli/out.h"
#include "mcp/lines.h"
#include "mcp/pool.h"

static struct bs_watch ending;

static void
on_signal(int number)
{
    (void)number;
    bs_watch_stop(&ending); /* a flag and a write(2) */
}

/* file:PATH, command:PROGRAM, env:NAME. */
static enum bs_done
read_password(const char *source, struct bs_buf *out, struct bs_err *err)
{
    const char *value;

    if (strncmp(source, "file:", 5) == 0)
        return bs_secret_of_file(source + 5, out, err);
    if (strncmp(source, "command:", 8) == 0)
        return bs_secret_of_command(source + 8, out, err);
    if (strncmp(source, "env:", 4) != 0)
        return BS_FAIL(err, USAGE, "--password must be file:PATH, command:PROGRAM or env:NAME");
    value = getenv(source + 4);
    if (value == NULL)
        return BS_FAIL(err, CONFIG, "the variable %.100s is not set", source + 4);
    bs_put_str(out, value);
    return BS_DONE;
}

/* The pool has a copy of its own of the password. */
static enum bs_done
open_pool(const char *dsn, const char *source, struct bs_mcp_pool **pool, struct bs_err *err)
{
    struct bs_mcp_pool_options options = {.conninfo = dsn};
    enum bs_done done = BS_DONE;
    struct bs_buf password;

    bs_buf_init(&password, BS_SECRET_MAX);
    if (source != NULL) {
        done = read_password(source, &password, err);
        bs_put_u8(&password, 0);
        options.password = (const char *)password.p;
    }
    if (done == BS_DONE)
        done = bs_mcp_pool_new(&options, pool, err);
    if (password.p != NULL)
        bs_wipe(password.p, password.cap);
    bs_buf_fini(&password);
    return done;
}

static int
serve(const char *dsn, const char *source, const struct bs_mcp_options *options)
{
    struct bs_mcp_actor *actor = NULL;
    struct bs_mcp_pool *pool = NULL;
    struct bs_err err = {0};
    struct bs_mcp *mcp;
    struct bs_mcp_door door;

    if (bs_watch_init(&ending, 0, &err) != BS_DONE ||
        open_pool(dsn, source, &pool, &err) != BS_DONE)
        return bs_out_fail(&err);
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    door = bs_mcp_pool_door(pool);
    mcp = bs_mcp_new(options);
    actor = bs_mcp_actor_new(mcp, &door);
    if (bs_mcp_stdio(actor, STDIN_FILENO, STDOUT_FILENO, &ending, &err) == BS_DONE)
        bs_err_clear(&err); /* a stop by a signal is an end like another */
    bs_mcp_actor_free(&actor);
    bs_mcp_free(&mcp);
    bs_mcp_pool_free(&pool);
    return err.code == BS_OK ? 0 : bs_out_fail(&err);
}

int
bs_cmd_mcp(int argc, char **argv)
{
    const char *dsn = NULL, *source = NULL;
    struct bs_mcp_options options = {0};
    const struct bs_arg args[] = {
        {"dsn", 'd', BS_ARG_TEXT, "DSN", "the gateway, the agent's name and its database", &dsn},
        {"password", 0, BS_ARG_TEXT, "SOURCE", "file:PATH, command:PROGRAM or env:NAME", &source},
        {"no-confirm", 0, BS_ARG_FLAG, NULL, "never ask the user before what destroys is sent",
         &options.no_confirm},
    };
    const struct bs_usage usage = {
        .verb = "mcp",
        .operands = "",
        .summary = "Serve an agent's database to a client of the Model Context Protocol, on stdin "
                   "and stdout.",
        .details = "Without --dsn: BACKSTOP_DATABASE_URL; what neither says comes from PGHOST and "
                   "the other\n"
                   "variables of libpq, a password also from its password file.\n"
                   "`backstop mcp install CLIENT` puts this into the configuration of a client.",
        .examples = "  backstop mcp --dsn postgresql://alice@127.0.0.1:6543/app --password "
                    "file:alice.password\n",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .without_config = true,
    };
    struct bs_args got;

    if (argc > 1 && strcmp(argv[1], "install") == 0)
        return bs_mcp_install(argc - 1, argv + 1);
    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (dsn == NULL)
        dsn = getenv("BACKSTOP_DATABASE_URL");
    return serve(dsn == NULL ? "" : dsn, source, &options);
}
