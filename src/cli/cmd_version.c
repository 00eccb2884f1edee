/*
 * cmd_version.c - `backstop version`.
 */
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "sql/classify.h"

int
bs_cmd_version(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "version",
        .operands = "",
        .summary = "Show the versions of Backstop, its SQL grammar and its main libraries.",
        .without_config = true,
    };
    struct bs_args args;
    int pq = PQlibVersion();

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (args.json) {
        bs_out_json(json_pack("{s:s,s:s,s:i,s:s}", "version", BS_VERSION, "grammar",
                              bs_grammar_version(), "libpq", pq, "openssl",
                              OpenSSL_version(OPENSSL_VERSION_STRING)));
        return 0;
    }
    printf("backstop %s\ngrammar: %s\nlibpq:   %d.%d\nopenssl: %s\n", BS_VERSION,
           bs_grammar_version(), pq / 10000, pq % 10000, OpenSSL_version(OPENSSL_VERSION_STRING));
    return 0;
}
