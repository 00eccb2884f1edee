/*
 * cmd_restore.c - `backstop restore preview|run|diff|discard`: the way back. Works on the store and
 * the database alone; the gateway need not run. cmd_copy_back.c has `copy-back`,
 * cmd_restore_plan.c its plan files.
 */
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/restore_view.h"
#include "cli/restoring.h"

static int
cmd_preview(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const struct bs_arg options[] = {
        BS_RESTORING_OPTIONS(o),
        BS_RESTORING_WHERE(o),
        {"verify", 0, BS_ARG_FLAG, NULL, "read the point again however large it is", &o.verify},
    };
    const struct bs_usage usage = {
        .verb = "restore preview",
        .operands = "POINT",
        .summary = "Show what a restore would give back. Touches nothing.",
        .details =
            "A point of up to 4 million rows and 256 MB of them is read again and compared with\n"
            "its proof; of a larger one each object has to be there in its size, but with\n"
            "--verify. A damaged one is refused; run, diff and copy-back compare what they read\n"
            "in any case.",
        .examples = "  backstop restore preview RP-01J9\n"
                    "  backstop restore preview RP-01J9 --verify\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_preview preview;
    struct bs_err err = {0}, unreached = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_ELSEWHERE, &status,
                          &unreached)) {
        if (bs_preview_make(&w.r, o.table, &preview, &err) != BS_DONE)
            status = bs_out_fail(&err);
        bs_view_progress_end();
        if (err.code == BS_OK)
            bs_view_preview(&w.r, &preview, unreached.code == BS_OK ? NULL : unreached.message);
    }
    bs_restoring_close(&w);
    return status;
}

static int
cmd_run(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const char *into = NULL;
    const struct bs_arg options[] = {
        BS_RESTORING_OPTIONS(o),
        BS_RESTORING_WHERE(o),
        {"into", 0, BS_ARG_TEXT, "SCHEMA.NAME", "load one table here instead", &into},
    };
    const struct bs_usage usage = {
        .verb = "restore run",
        .operands = "POINT",
        .summary = "Load saved rows into tables beside the live ones.",
        .details =
            "The tables go into schema recovery_<end of the point's id>, never over one that\n"
            "is there. Rows and row hashes are compared before it commits.",
        .examples =
            "  backstop restore run RP-01J9 --table public.users --into public.users_then\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_rebuild rebuild;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_ELSEWHERE, &status, &err)) {
        if (err.code != BS_OK || bs_rebuild_run(&w.r, o.table, into, &rebuild, &err) != BS_DONE)
            status = bs_out_fail(&err);
        bs_view_progress_end();
        if (err.code == BS_OK)
            bs_view_rebuild(&w.r, &rebuild);
    }
    bs_restoring_close(&w);
    return status;
}

static int
cmd_diff(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const struct bs_arg options[] = {BS_RESTORING_OPTIONS(o), BS_RESTORING_WHERE(o)};
    const struct bs_usage usage = {
        .verb = "restore diff",
        .operands = "POINT",
        .summary = "Compare saved rows with live ones: missing, changed, extra.",
        .details =
            "Changed ones are told apart: by the statement, or since by others; extra ones, too:\n"
            "those that the transaction made. Of a point that holds the rows of one transaction,\n"
            "only these are looked at.\n\nExit status 0: no difference, 1: there is one.",
        .examples = "  backstop restore diff RP-01J9 --json\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_diff diff;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_ELSEWHERE, &status, &err)) {
        if (err.code != BS_OK || bs_diff_run(&w.r, o.table, &diff, &err) != BS_DONE)
            status = bs_out_fail(&err);
        bs_view_progress_end();
        if (err.code == BS_OK) {
            bs_view_diff(&w.r, &diff);
            status = diff.same ? 0 : 1;
        }
    }
    bs_restoring_close(&w);
    return status;
}

static int
cmd_discard(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const struct bs_arg options[] = {BS_RESTORING_OPTIONS(o)};
    const struct bs_usage usage = {
        .verb = "restore discard",
        .operands = "POINT",
        .summary = "Drop the tables that `restore run` made from this point, and only those.",
        .examples = "  backstop restore discard RP-01J9 --yes\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_discard discard;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_ELSEWHERE, &status, &err)) {
        if (err.code != BS_OK)
            status = bs_out_fail(&err);
        else if (bs_restoring_confirmed(&o, "restore discard", "Drop the rebuilt tables?",
                                        &status)) {
            if (bs_discard_run(&w.r, &discard, &err) == BS_DONE)
                bs_view_discard(&w.r, &discard);
            else
                status = bs_out_fail(&err);
        }
    }
    bs_restoring_close(&w);
    return status;
}

static const struct bs_verb verbs[] = {
    {"preview", "show what a restore would give back", cmd_preview},
    {"run", "load saved rows into tables beside the live ones", cmd_run},
    {"diff", "compare saved rows with live ones", cmd_diff},
    {"copy-back", "put lost tables and rows back into their place", bs_restore_copy_back},
    {"database", "make a dropped database anew", bs_restore_database},
    {"plan", "write down what a copy-back would do, for approval", bs_restore_plan},
    {"approve", "agree to another operator's plan", bs_restore_approve},
    {"discard", "drop the tables that run has made", cmd_discard},
};

int
bs_cmd_restore(int argc, char **argv)
{
    return bs_verbs_run("backstop restore", "Give back what a recovery point holds.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
