/*
 * cmd_storage.c - `backstop storage check`: what the store really does, and not what it says.
 */
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/doctor.h"
#include "cli/out.h"

static int
cmd_check(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "storage check",
        .operands = "",
        .summary = "Try out what the storage really does, and keep the answers there.",
        .details =
            "Stores, reads, lists and tries to overwrite a few objects under probe/; on S3 also a\n"
            "body that does not match its digest, an upload in parts (5 MB), an Object Lock and a\n"
            "DELETE of its own probe. The gateway goes by the record that this leaves. Exit "
            "status\n"
            "0: recovery points can be kept there; 1: they cannot, or lie in the database's own\n"
            "folder; 69: it does not answer; 77: it does not let us in; 78: the configuration is\n"
            "wrong.",
        .examples = "  backstop storage check --config /etc/backstop/backstop.yaml\n",
    };
    struct bs_args args;
    struct bs_config *config;
    struct bs_doctor d;
    json_t *facts;
    int status;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    config = bs_cmd_config(&args, &status);
    if (config == NULL)
        return status;
    bs_doctor_begin(&d, config);
    status = bs_doctor_storage_check(&d, &facts);
    if (args.json)
        bs_out_json(json_pack("{s:b,s:i,s:i,s:i,s:i,s:O,s:O}", "usable", status == 0, "ok",
                              d.counts[BS_FINDING_OK], "info", d.counts[BS_FINDING_INFO], "warn",
                              d.counts[BS_FINDING_WARN], "fail", d.counts[BS_FINDING_FAIL], "facts",
                              facts, "checks", d.findings));
    else
        printf("\n%s\n", status == 0 ? "Recovery points can be kept there."
                                     : "Recovery points cannot be kept there.");
    json_decref(facts);
    bs_doctor_end(&d);
    bs_config_unref(&config);
    return status;
}

int
bs_cmd_storage(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"check", "try out what it really does", cmd_check},
    };

    return bs_verbs_run("backstop storage", "The storage: where recovery points go.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
