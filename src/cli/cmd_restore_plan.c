/*
 * cmd_restore_plan.c - `backstop restore plan | approve`, and copy-back of an approved plan: one
 * operator writes down what would be done, another one agrees, then exactly that is done, once.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "cli/out.h"
#include "cli/restore_view.h"
#include "cli/restoring.h"
#include "restore/planned.h"

#define NAME "restore plan"

/* Making one. */

static enum bs_done
write_file(const struct bs_planfile *p, const char *file, struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done;

    bs_buf_init(&text, BS_PLANFILE_MAX);
    done = bs_planfile_print(p, &text, err);
    if (done == BS_DONE)
        done = bs_file_create(file, bs_buf_view(&text), 0600, err);
    bs_buf_fini(&text);
    return done;
}

/* The file first: a plan that nobody has cannot be approved. */
static enum bs_done
keep(struct bs_restoring *w,
     const struct bs_planfile *p,
     int64_t now_us,
     const char *file,
     struct bs_err *err)
{
    if (write_file(p, file, err) != BS_DONE)
        return BS_FAILED;
    return bs_planned_keep(w->state, p, now_us, err);
}

static void
show_made(const struct bs_planfile *p, const char *file)
{
    char expires[BS_TIME_TEXT];

    bs_time_format(p->expires_us, expires);
    if (bs_out_json_mode()) {
        bs_out_json(json_pack("{s:s,s:s,s:s,s:s,s:O*,s:O*}", "plan", p->sha256, "point", p->point,
                              "file", file, "expires_at", expires, "tables",
                              json_object_get(p->json, "tables"), "members",
                              json_object_get(p->json, "members")));
        return;
    }
    bs_out_line("plan", p->sha256);
    bs_out_line("expires", expires);
    printf("\nNext: another operator runs backstop restore approve ");
    bs_out_text(stdout, file);
    printf("\nThen: backstop restore copy-back --plan-file ");
    bs_out_text(stdout, file);
    putchar('\n');
}

static int
make(struct bs_restoring *w,
     const struct bs_restoring_options *o,
     const struct bs_copyback_options *how,
     bool all,
     const char *file)
{
    struct bs_planfile_maker maker = {.now_us = bs_now_us()};
    struct bs_planfile p = {0};
    struct bs_group group = {0};
    struct bs_copyback plan;
    struct bs_err err = {0};
    enum bs_done done = bs_restoring_operator(w, o->token_file, &err);

    maker.by = w->operator_.name;
    maker.expires_us = maker.now_us + w->config->plan_life_ms * 1000;
    if (done == BS_DONE && all)
        done = bs_group_open(&w->r, &group, &err);
    if (done == BS_DONE)
        done = all ? bs_planfile_make_group(&w->r, &group, how, &maker, &p, &err)
                   : bs_planfile_make(&w->r, how, &maker, &p, &plan, &err);
    bs_view_progress_end();
    if (done == BS_DONE)
        done = keep(w, &p, maker.now_us, file, &err);
    if (done == BS_DONE) {
        if (!bs_out_json_mode() && all)
            bs_view_group_plan(&group);
        else if (!bs_out_json_mode())
            bs_view_plan(&w->r, &plan);
        show_made(&p, file);
    }
    bs_group_close(&group);
    bs_planfile_fini(&p);
    return done == BS_DONE ? 0 : bs_out_fail(&err);
}

int
bs_restore_plan(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    struct bs_restoring_how how = {0};
    struct bs_copyback_options what;
    const char *file = NULL;
    bool group = false;
    const struct bs_arg options[] = {
        BS_RESTORING_OPTIONS(o),
        BS_RESTORING_WHERE(o),
        BS_RESTORING_HOW(how),
        {"group", 0, BS_ARG_FLAG, NULL, "all points of the same transaction, in one", &group},
        {"output", 'o', BS_ARG_TEXT, "FILE", "the new plan", &file},
        BS_RESTORING_TOKEN(o),
    };
    const struct bs_usage usage = {
        .verb = NAME,
        .operands = "POINT",
        .summary = "Write down what a copy-back would do, for another operator to approve.",
        .details =
            "The file names point, options, rows of each table and the SQL, with a digest over\n"
            "all of it. When it is used, it has to be what would be done then.",
        .examples = "  backstop restore plan RP-01J9 --remove-inserted -o plan.json\n",
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
    if (file == NULL)
        return bs_out_usage(NAME, "-o says which file the plan goes to");
    if (!bs_restoring_take_how(&how, &o, &what))
        return bs_out_usage(NAME, "--conflict is skip, overwrite or abort");
    if (group && (o.table != NULL || o.where != NULL))
        return bs_out_usage(NAME, "--group gives back all of all points");
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_ELSEWHERE, &status, &err))
        status = err.code != BS_OK ? bs_out_fail(&err) : make(&w, &o, &what, group, file);
    bs_restoring_close(&w);
    return status;
}

/* Reading one. */

static enum bs_done
read_file(const char *file, struct bs_planfile *p, struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done;

    bs_buf_init(&text, BS_PLANFILE_MAX);
    done = bs_file_read(file, &text, err);
    if (done == BS_DONE)
        done = bs_planfile_read(bs_buf_view(&text), p, err);
    bs_buf_fini(&text);
    return done;
}

/* All of it: whoever approves has to see what. */
static void
show(const struct bs_planfile *p)
{
    const json_t *tables = json_object_get(p->json, p->group ? "members" : "tables");
    char *options = json_dumps(json_object_get(p->json, "options"), JSON_COMPACT);
    size_t i;
    json_t *t;

    bs_out_lines(stderr, p->sql, 0);
    fprintf(stderr,
            p->group ? "\nCopy-back of %s and all points of its transaction, planned by "
                     : "\nCopy-back of %s, planned by ",
            p->point);
    bs_out_text(stderr, p->made_by);
    fputs("\noptions ", stderr);
    bs_out_text(stderr, options == NULL ? "?" : options);
    fputc('\n', stderr);
    free(options);
    json_array_foreach(tables, i, t)
    {
        char *text = json_dumps(t, JSON_COMPACT);
        bs_out_text(stderr, text == NULL ? "?" : text);
        fputc('\n', stderr);
        free(text);
    }
}

/* Approving. */

static int
approve(struct bs_restoring *w,
        const struct bs_restoring_options *o,
        const struct bs_planfile *p,
        const char *reason)
{
    struct bs_restore_plan row;
    struct bs_err err = {0};
    int status = 0;

    if (bs_restoring_operator(w, o->token_file, &err) != BS_DONE ||
        bs_planfile_check_point(&w->r, p, &err) != BS_DONE ||
        bs_state_plan_get(w->state, p->sha256, &w->arena, &row, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (!bs_out_json_mode())
        show(p);
    if (!bs_restoring_confirmed(o, "restore approve", "Approve this?", &status))
        return status;
    if (bs_planned_approve(&w->r, w->state, p, w->operator_.name, reason, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:s,s:s,s:s}", "plan", p->sha256, "point", p->point, "made_by",
                              p->made_by, "approved_by", w->operator_.name));
    else
        printf("approved: %s\n", p->sha256);
    return 0;
}

int
bs_restore_approve(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const char *reason = NULL;
    const struct bs_arg options[] = {
        {"reason", 'r', BS_ARG_TEXT, "TEXT", "why; kept with the approval", &reason},
        {"database", 'd', BS_ARG_TEXT, "NAME", "the configured database, where several fit",
         &o.database},
        {"yes", 'y', BS_ARG_FLAG, NULL, "do not ask", &o.yes},
        BS_RESTORING_TOKEN(o),
    };
    const struct bs_usage usage = {
        .verb = "restore approve",
        .operands = "FILE",
        .summary = "Agree to a plan that another operator has made.",
        .details = "Shows the plan, its SQL included, and asks. Whoever made it cannot approve it.",
        .examples = "  backstop restore approve plan.json --reason 'agreed in #42'\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_planfile p = {0};
    struct bs_err err = {0}, unreached = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (read_file(args.operands[0], &p, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (bs_restoring_open(&w, &args, p.point, &o, BS_RESTORING_ELSEWHERE, &status,
                               &unreached)) {
        w.r.request.where = p.where;
        status = approve(&w, &o, &p, reason);
    }
    bs_restoring_close(&w);
    bs_planfile_fini(&p);
    return status;
}

/* Carrying it out. */

static int
carry_out_now(struct bs_restoring *w, struct bs_planned *p)
{
    struct bs_err err = {0};

    if (bs_planned_do(&w->r, p, w->operator_.name, &err) != BS_DONE)
        return bs_out_fail(&err);
    bs_view_progress_end();
    if (p->plan->group)
        bs_view_group(&p->group);
    else
        bs_view_copyback(&w->r, &p->done);
    return 0;
}

static int
carry_out(struct bs_restoring *w, const struct bs_restoring_options *o, const struct bs_planfile *p)
{
    struct bs_planned planned = {.plan = p};
    struct bs_err err = {0};
    int status = 0;
    enum bs_done done = bs_restoring_operator(w, o->token_file, &err);

    planned.state = w->state;
    if (done == BS_DONE)
        done = bs_planned_check(&w->r, &planned, &err);
    bs_view_progress_end();
    if (done != BS_DONE) {
        if (err.code == BS_E_HELD)
            bs_err_hint(&err, "another operator runs: backstop restore approve FILE");
        status = bs_out_fail(&err);
    } else {
        if (!o->yes && isatty(STDIN_FILENO) == 1 && p->group)
            bs_view_group_plan(&planned.group);
        else if (!o->yes && isatty(STDIN_FILENO) == 1)
            bs_view_plan(&w->r, &planned.now);
        if (bs_restoring_confirmed(o, "restore copy-back", "Do this?", &status))
            status = carry_out_now(w, &planned);
    }
    bs_planned_close(&planned);
    return status;
}

int
bs_restore_carry_out(const struct bs_args *args,
                     const struct bs_restoring_options *o,
                     const char *file)
{
    struct bs_restoring_options with = *o;
    struct bs_restoring w = {0};
    struct bs_planfile p = {0};
    struct bs_err err = {0};
    int status = 0;

    if (read_file(file, &p, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else {
        with.where = p.where;
        if (bs_restoring_open(&w, args, p.point, &with, BS_RESTORING_ELSEWHERE, &status, &err))
            status = err.code != BS_OK ? bs_out_fail(&err) : carry_out(&w, o, &p);
    }
    bs_restoring_close(&w);
    bs_planfile_fini(&p);
    return status;
}
