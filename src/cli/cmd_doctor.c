/*
 * cmd_doctor.c - `backstop doctor`: is everything in place for protection to work, and is there a
 * way round it?
 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/doctor.h"
#include "cli/out.h"

static void
print_summary(const struct bs_doctor *d)
{
    bool good = d->counts[BS_FINDING_FAIL] == 0;

    printf("%s%d ok, %d info, %d warn, %d fail%s\n",
           bs_out_paint(stdout, good ? BS_PAINT_GREEN : BS_PAINT_RED), d->counts[BS_FINDING_OK],
           d->counts[BS_FINDING_INFO], d->counts[BS_FINDING_WARN], d->counts[BS_FINDING_FAIL],
           bs_out_paint(stdout, BS_PAINT_NONE));
}

static int
examine(const struct bs_config *config, const char *only)
{
    struct bs_doctor d;
    int status;

    bs_doctor_begin(&d, config);
    bs_doctor_host(&d);
    for (size_t i = 0; i < config->n_databases; i++) {
        if (only == NULL || strcmp(only, config->databases[i].name) == 0)
            bs_doctor_database(&d, &config->databases[i]);
    }
    if (d.unreachable)
        status = bs_code_get(BS_E_UNAVAILABLE)->exit_status;
    else
        status = d.counts[BS_FINDING_FAIL] != 0;
    if (bs_out_json_mode())
        bs_out_json(json_pack("{s:b,s:i,s:i,s:i,s:i,s:O}", "healthy", status == 0, "ok",
                              d.counts[BS_FINDING_OK], "info", d.counts[BS_FINDING_INFO], "warn",
                              d.counts[BS_FINDING_WARN], "fail", d.counts[BS_FINDING_FAIL],
                              "checks", d.findings));
    else
        print_summary(&d);
    bs_doctor_end(&d);
    return status;
}

int
bs_cmd_doctor(int argc, char **argv)
{
    const char *database = NULL;
    const struct bs_arg options[] = {
        {"database", 'd', BS_ARG_TEXT, "NAME", "only this database (default: all of them)",
         &database},
    };
    const struct bs_usage usage = {
        .verb = "doctor",
        .operands = "",
        .summary = "Look whether protection can work, and whether there is a way round it.",
        .details =
            "One line for each thing looked at: ok, info, warn or fail, and the way out. Changes\n"
            "nothing in a database; puts one small object a day into the storage. Run it as the\n"
            "user that serves. Exit status 0: nothing failed; 1: something did; 69: a database\n"
            "cannot be reached.",
        .examples = "  backstop doctor --config /etc/backstop/backstop.yaml\n",
        .args = options,
        .n_args = 1,
    };
    struct bs_args args;
    struct bs_config *config;
    int status;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    config = bs_cmd_config(&args, &status);
    if (config == NULL)
        return status;
    if (database != NULL && bs_config_database_find(config, database) == NULL)
        status = bs_out_usage("backstop doctor", "no database \"%.63s\" is configured", database);
    else
        status = examine(config, database);
    bs_config_unref(&config);
    return status;
}
