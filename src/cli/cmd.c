/*
 * cmd.c - what several verbs need.
 */
#include "cli/cmd.h"

#include <stdio.h>
#include <unistd.h>

#include "audit/record.h"
#include "cli/out.h"

int
bs_cmd_problems(const struct bs_err *err, const struct bs_problems *problems)
{
    json_t *list = json_array();
    int status;

    for (size_t i = 0; i < problems->n; i++)
        (void)json_array_append_new(list, json_pack("{s:i,s:s}", "line", problems->list[i].line,
                                                    "message", problems->list[i].message));
    status = bs_out_fail_with(err, json_pack("{s:o}", "problems", list));
    for (size_t i = 0; i < problems->n; i++) {
        if (problems->list[i].line != 0)
            fprintf(stderr, "  line %d: ", problems->list[i].line);
        else
            fputs("  ", stderr);
        bs_out_text(stderr, problems->list[i].message);
        fputc('\n', stderr);
    }
    return status;
}

struct bs_config *
bs_cmd_config(const struct bs_args *args, int *status)
{
    struct bs_config *config = NULL;
    struct bs_problems problems = {0};
    struct bs_err err = {0};

    *status = 0;
    if (bs_config_load(args->config, &config, &problems, &err) == BS_DONE)
        return config;
    if (problems.n != 0) {
        struct bs_err all = {0};
        (void)BS_FAIL(&all, CONFIG, "%zu problem%s in \"%.300s\"", problems.n,
                      problems.n == 1 ? "" : "s", args->config);
        *status = bs_cmd_problems(&all, &problems);
    } else {
        /* A configuration that is not there is a wrong configuration: 78, not 65. */
        if (err.code == BS_E_NOT_FOUND) {
            err.code = BS_E_CONFIG;
            bs_err_hint(&err, "name the configuration with --config, or write one with "
                              "`backstop init`");
        }
        *status = bs_out_fail(&err);
    }
    bs_problems_fini(&problems);
    return NULL;
}

enum bs_done
bs_cmd_side_audit(const struct bs_config *config, struct bs_audit **out, struct bs_err *err)
{
    enum { TRIES = 100, PAUSE_US = 100000 };
    char directory[4096];
    struct bs_audit_options options = {.directory = directory,
                                       .key = config->audit_key,
                                       .own_files = config->audit_upload != NULL,
                                       .redact = config->audit_redact,
                                       .redact_key = config->audit_redact_key};

    (void)snprintf(directory, sizeof(directory), "%s/restore", config->audit_directory);
    for (int i = 0; i < TRIES; i++) {
        *err = (struct bs_err){0};
        if (bs_audit_open(&options, out, err) == BS_DONE)
            return BS_DONE;
        if (err->code != BS_E_UNAVAILABLE)
            return BS_FAILED;
        (void)usleep(PAUSE_US);
    }
    return BS_FAILED;
}
