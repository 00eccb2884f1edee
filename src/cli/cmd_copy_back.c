/*
 * cmd_copy_back.c - `backstop restore copy-back`: lost tables and rows back into their place.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/restore_view.h"
#include "cli/restoring.h"
#include "restore/planned.h"

static const char who[] =
    "In a table that is there, missing rows come back, and rows that the transaction was\n"
    "the last to write get their saved values back; what others have changed since is a\n"
    "conflict. What is replaced gets a recovery point of its own.\n\n"
    "Definitions that the statement dropped, changed or renamed are made again what they\n"
    "were saved as; what the statement made goes with --remove-inserted, unless it may hold\n"
    "rows. Exit status 1: something was given back in part or not at all, with the reason\n"
    "and the saved SQL.\n\n"
    "The role that connects must own what it changes; rows of row security\n"
    "policies and objects of other owners need another role (--dsn), with BYPASSRLS and\n"
    "as a member of the owners. As a superuser, what agents wrote into triggers, checks\n"
    "and domains of these tables would run with all rights.";

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
    return bs_copyback_whole(&done) ? 0 : 1;
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
    else if (isatty(STDOUT_FILENO) == 1) {
        bs_put_u8(&sql, '\0');
        bs_out_lines(stdout, sql.failed ? "?" : (const char *)sql.p, 0);
    } else
        (void)fwrite(sql.p, 1, sql.n, stdout);
    bs_buf_fini(&sql);
    return status;
}

/* Where a second operator has to agree, only their word counts. */
static enum bs_done
may_go(const struct bs_restoring *w, struct bs_err *err)
{
    if (w->config->restore_approval != BS_CONFIG_RESTORE_SECOND)
        return BS_DONE;
    (void)BS_FAIL(err, BLOCKED,
                  "a copy-back here needs a plan that a second operator has approved");
    bs_err_hint(err, "restore plan, restore approve, restore copy-back --plan-file");
    return BS_FAILED;
}

/* All points of the transaction; each is proven, and all of it can be undone. */
static enum bs_done
give_group_back(struct bs_restoring *w,
                const struct bs_restoring_options *o,
                const struct bs_copyback_options *how,
                int *status,
                struct bs_err *err)
{
    struct bs_group group = {0};
    enum bs_done done = bs_group_open(&w->r, &group, err);

    if (done == BS_DONE && !o->yes && isatty(STDIN_FILENO) == 1) {
        done = bs_group_look(&group, how, err);
        if (done == BS_DONE)
            bs_group_plan(&group, how);
        bs_view_progress_end();
        if (done == BS_DONE)
            bs_view_group_plan(&group);
    }
    if (done == BS_DONE && bs_restoring_confirmed(o, "restore copy-back", "Do this?", status)) {
        done = bs_group_run(&group, how, err);
        bs_view_progress_end();
        if (done == BS_DONE || !bs_out_json_mode())
            bs_view_group(&group);
        if (done != BS_DONE)
            *status = bs_out_fail_with(err, json_pack("{s:I,s:I}", "points", (json_int_t)group.n,
                                                      "done", (json_int_t)group.n_done));
    }
    bs_group_close(&group);
    return done;
}

static int
run_group(struct bs_restoring *w,
          const struct bs_restoring_options *o,
          const struct bs_copyback_options *how)
{
    struct bs_err err = {0};
    int status = 0;

    if (give_group_back(w, o, how, &status, &err) != BS_DONE && status == 0)
        status = bs_out_fail(&err);
    return status;
}

enum extent {
    ONE_POINT = 0,
    THE_GROUP,
    ONLY_SQL,
};

static int
run(struct bs_args *args,
    const struct bs_restoring_options *o,
    const struct bs_copyback_options *how,
    enum extent extent)
{
    struct bs_restoring w = {0};
    struct bs_err err = {0};
    int status = 0;

    if (bs_restoring_open(&w, args, args->operands[0], o, BS_RESTORING_ELSEWHERE, &status, &err)) {
        if (err.code != BS_OK || (extent != ONLY_SQL && may_go(&w, &err) != BS_DONE))
            status = bs_out_fail(&err);
        else
            status = extent == ONLY_SQL    ? print_plan(&w, how)
                     : extent == THE_GROUP ? run_group(&w, o, how)
                                           : copy_back(&w, o, how);
    }
    bs_restoring_close(&w);
    return status;
}

/* What an approved plan says, nobody can say otherwise. */
static bool
only_plan_file(const struct bs_args *args,
               const struct bs_restoring_options *o,
               const struct bs_restoring_how *how,
               bool plan)
{
    return args->n_operands == 0 && o->table == NULL && o->where == NULL && !plan &&
           how->conflict == NULL && !how->no_triggers && !how->remove_inserted &&
           !how->set_sequences && !how->all_missing;
}

int
bs_restore_copy_back(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    struct bs_restoring_how how = {0};
    struct bs_copyback_options what;
    const char *file = NULL;
    bool plan = false, group = false;
    const struct bs_arg options[] = {
        BS_RESTORING_OPTIONS(o),
        BS_RESTORING_WHERE(o),
        BS_RESTORING_HOW(how),
        {"plan", 0, BS_ARG_FLAG, NULL, "print the SQL and do nothing", &plan},
        {"group", 0, BS_ARG_FLAG, NULL, "all points of the same transaction; rows: all or nothing",
         &group},
        {"plan-file", 0, BS_ARG_TEXT, "FILE", "do what this approved plan says, once", &file},
        BS_RESTORING_TOKEN(o),
    };
    const struct bs_usage usage = {
        .verb = "restore copy-back",
        .operands = "POINT | --plan-file FILE",
        .summary = "Put lost tables and rows back into their place.",
        .details = who,
        .examples =
            "  backstop restore copy-back RP-01J9 --plan\n"
            "  backstop restore copy-back RP-01J9 --remove-inserted\n"
            "  backstop restore copy-back RP-01J9 --table public.users --conflict overwrite\n"
            "  backstop restore copy-back RP-01J9 --group\n"
            "  backstop restore copy-back --plan-file plan.json\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .max = 1,
    };
    struct bs_args args;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (file != NULL && !group && only_plan_file(&args, &o, &how, plan))
        return bs_restore_carry_out(&args, &o, file);
    if (file != NULL)
        return bs_out_usage("restore copy-back", "a plan file says it all: point and options");
    if (args.n_operands != 1)
        return bs_out_usage("restore copy-back", "name a point, or a plan with --plan-file");
    if (!bs_restoring_take_how(&how, &o, &what))
        return bs_out_usage("restore copy-back", "--conflict is skip, overwrite or abort");
    if (group && (plan || o.table != NULL || o.where != NULL))
        return bs_out_usage("restore copy-back", "--group gives back all of all points");
    return run(&args, &o, &what, plan ? ONLY_SQL : group ? THE_GROUP : ONE_POINT);
}
