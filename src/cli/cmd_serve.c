/*
 * cmd_serve.c - the daemon, in the foreground; a service manager or a container keeps it.
 */
#include "api/server.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "gateway/gateway.h"
#include "mcp/http.h"

int
bs_cmd_serve(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "serve",
        .operands = "",
        .summary = "run the gateway until SIGTERM or SIGINT",
        .details = "Events go to standard error, one a line: text on a terminal, JSON otherwise.\n"
                   "The line \"ready\" says that clients can connect. The first signal stops\n"
                   "gracefully, a second one at once.",
        .max = 0,
        .examples = "  backstop serve --config /etc/backstop/backstop.yaml\n",
    };
    static const struct bs_gateway_side *const sides[] = {&bs_api_side, &bs_mcp_http_side, NULL};
    struct bs_args got;
    struct bs_config *config;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    config = bs_cmd_config(&got, &status);
    if (config == NULL)
        return status;
    if (bs_gateway_run(config, sides, &err) == BS_FAILED)
        status = bs_out_fail(&err);
    bs_config_unref(&config);
    return status;
}
