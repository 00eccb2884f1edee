/*
 * cmd_copy_back.c - `backstop restore copy-back`: lost tables and rows back into their place.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/restore_view.h"
#include "cli/restoring.h"

static const char who[] =
    "In a table that is there, missing rows come back, and rows that the transaction was\n"
    "the last to write get their saved values back; what others have changed since is a\n"
    "conflict. What is replaced gets a recovery point of its own.\n\n"
    "The role that connects must own what it changes; rows of row security\n"
    "policies and objects of other owners need a superuser (--dsn).";

/* Who watches sees the plan and is asked; the run then keeps to what was agreed to. */
static int
copy_back(struct bs_restoring *w,
          const struct bs_restoring_options *o,
          const struct bs_copyback_options *how)
{
    struct bs_copyback plan, done;
    struct bs_err err = {0};
    int status = 0;

    if (!o->yes) {
        if (isatty(STDIN_FILENO) == 1 && bs_copyback_plan(&w->r, how, &plan, &err) != BS_DONE)
            return bs_out_fail(&err);
        bs_view_progress_end();
        if (isatty(STDIN_FILENO) == 1)
            bs_view_plan(&w->r, &plan);
        if (!bs_restoring_confirmed(o, "restore copy-back", "Do this?", &status))
            return status;
    }
    if (bs_copyback_run(&w->r, how, o->yes ? NULL : &plan, &done, &err) != BS_DONE)
        return bs_out_fail(&err);
    bs_view_progress_end();
    bs_view_copyback(&w->r, &done);
    return 0;
}

static int
print_plan(struct bs_restoring *w, const struct bs_copyback_options *how)
{
    struct bs_buf sql;
    struct bs_err err = {0};
    int status = 0;

    bs_buf_init(&sql, 512u << 20);
    if (bs_copyback_print(&w->r, how, &sql, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:s%}", "point", w->r.manifest.id, "sql", sql.p, sql.n));
    else
        (void)fwrite(sql.p, 1, sql.n, stdout);
    bs_buf_fini(&sql);
    return status;
}

static bool
take_conflict(const char *word, struct bs_copyback_options *how)
{
    static const char *const words[] = {
        [BS_COPYBACK_SKIP] = "skip",
        [BS_COPYBACK_ABORT] = "abort",
        [BS_COPYBACK_OVERWRITE] = "overwrite",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            how->conflict = (enum bs_copyback_conflict)i;
            return true;
        }
    }
    return false;
}

int
bs_restore_copy_back(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    struct bs_copyback_options how = {0};
    const char *conflict = "skip";
    bool plan = false, no_triggers = false, remove_inserted = false, set_sequences = false;
    const struct bs_arg options[] = {
        BS_RESTORING_OPTIONS(o),
        BS_RESTORING_WHERE(o),
        {"plan", 0, BS_ARG_FLAG, NULL, "print the SQL and do nothing", &plan},
        {"conflict", 0, BS_ARG_TEXT, "skip|overwrite|abort",
         "rows that others changed since (skip)", &conflict},
        {"no-triggers", 0, BS_ARG_FLAG, NULL, "user triggers do not fire", &no_triggers},
        {"remove-inserted", 0, BS_ARG_FLAG, NULL, "rows that the transaction made go, too",
         &remove_inserted},
        {"set-sequences", 0, BS_ARG_FLAG, NULL, "sequences go back to what they were",
         &set_sequences},
        {"all-missing", 0, BS_ARG_FLAG, NULL, "bring back all that the database had and lacks",
         &how.all_missing},
    };
    const struct bs_usage usage = {
        .verb = "restore copy-back",
        .operands = "POINT",
        .summary = "Put lost tables and rows back into their place.",
        .details = who,
        .examples =
            "backstop restore copy-back RP-01J9 --plan\n"
            "backstop restore copy-back RP-01J9 --remove-inserted\n"
            "backstop restore copy-back RP-01J9 --table public.users --conflict overwrite\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (!take_conflict(conflict, &how))
        return bs_out_usage("restore copy-back", "--conflict is skip, overwrite or abort");
    how.table = o.table;
    how.triggers = no_triggers ? BS_COPYBACK_SUPPRESS : BS_COPYBACK_FIRE;
    how.made = remove_inserted ? BS_COPYBACK_REMOVE : BS_COPYBACK_KEEP;
    how.sequences = set_sequences ? BS_COPYBACK_SET_BACK : BS_COPYBACK_LEAVE;
    if (bs_restoring_open(&w, &args, &o, BS_RESTORING_HERE, &status, &err)) {
        if (err.code != BS_OK)
            status = bs_out_fail(&err);
        else
            status = plan ? print_plan(&w, &how) : copy_back(&w, &o, &how);
    }
    bs_restoring_close(&w);
    return status;
}
