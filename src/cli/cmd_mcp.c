/*
 * cmd_mcp.c - `backstop mcp`: the database as a server of the Model Context Protocol, for a client that
 * starts it. It is a client of the gateway like any other: it has an agent's password and nothing more.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/watch.h"
#include "cli/cmd.h"
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

static int
serve(const char *dsn, const struct bs_mcp_options *options)
{
    struct bs_mcp_pool_options want = {.conninfo = dsn};
    struct bs_mcp_actor *actor = NULL;
    struct bs_mcp_pool *pool = NULL;
    struct bs_err err = {0};
    struct bs_mcp *mcp;
    struct bs_mcp_door door;

    if (bs_watch_init(&ending, 0, &err) != BS_DONE ||
        bs_mcp_pool_new(&want, &pool, &err) != BS_DONE)
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
    const char *dsn = NULL;
    struct bs_mcp_options options = {0};
    const struct bs_arg args[] = {
        {"dsn", 'd', BS_ARG_TEXT, "DSN", "the gateway, and the agent's name and database", &dsn},
    };
    const struct bs_usage usage = {
        .verb = "mcp",
        .operands = "",
        .summary = "Serve an agent's database to a client of the Model Context Protocol, on stdin "
                   "and stdout.",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .without_config = true,
    };
    struct bs_args got;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (dsn == NULL)
        dsn = getenv("BACKSTOP_DATABASE_URL");
    return serve(dsn == NULL ? "" : dsn, &options);
}
