/*
 * cmd_explain.c - `backstop explain`: api/explain.h for people.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/explain.h"
#include "api/judged.h"
#include "catalog/snapshot.h"
#include "cli/cmd.h"
#include "cli/judged_view.h"
#include "cli/out.h"
#include "policy/decide.h"
#include "policy/values.h"
#include "recovery/plan.h"
#include "state/state.h"

#define MAX_TEXT  ((size_t)16 << 20)
#define MAX_ARENA ((size_t)256 << 20)

/* What one run works with. */
struct answer {
    struct bs_arena arena;
    struct bs_buf input;
    struct bs_explained x;
};

/* The statement: the operand, or standard input where that is "-". */
static enum bs_done
read_sql(const char *sql, struct bs_buf *in, struct bs_err *err)
{
    uint8_t chunk[8192];
    ssize_t got;

    if (strcmp(sql, "-") != 0) {
        bs_put_str(in, sql);
    } else {
        while ((got = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0)
            bs_put_bytes(in, (struct bs_bytes){chunk, (size_t)got});
        if (got < 0)
            return BS_FAIL(err, IO, "cannot read the statement from standard input");
    }
    return in->failed ? BS_FAIL(err, LIMIT, "the statement is longer than %zu bytes", in->max)
                      : BS_DONE;
}

/* The agent's group, where the state can be read and has the agent; else none. */
static const char *
group_of(const struct bs_config *c, const char *agent, struct bs_arena *arena)
{
    struct bs_state *state = NULL;
    struct bs_agent found = {0};
    struct bs_err err = {0};

    if ((c->state_url[0] == '/' && access(c->state_url, R_OK | W_OK) != 0) ||
        bs_state_open(c->state_url, &state, &err) != BS_DONE)
        return NULL;
    (void)!bs_state_agent_get(state, agent, arena, &found, &err);
    bs_state_close(&state);
    return found.group;
}

/* What happens to the statement in the end: the decision and the plan together. */
static const char *
outcome(const struct bs_explained *a)
{
    bool refused = !a->offline && a->plan.kind == BS_PLAN_REFUSE && !a->decision.recovery_waived &&
                   !a->decision.recovery_optional;

    if (a->decision.shadow)
        return "runs as it came: shadow mode protects nothing";
    if (a->decision.action == BS_ACTION_BLOCK && a->decision.needs_rows)
        return "blocked, unless counting the rows says otherwise";
    switch (a->decision.action) {
    case BS_ACTION_BLOCK:
        break;
    case BS_ACTION_APPROVE:
        return refused ? "held; even approved it is refused, for want of a recovery point"
                       : "held until an operator approves";
    case BS_ACTION_ALLOW:
        return refused ? "refused, for want of a recovery point" : "runs";
    }
    return "blocked";
}

static void
print_plan(const struct bs_explained *a)
{
    printf("%s%s",
           a->decision.recovery_waived     ? "waived by the rule; else "
           : a->decision.recovery_optional ? "where one can be made: "
                                           : "",
           bs_plan_kind_name(a->plan.kind));
    for (size_t i = 0; i < a->plan.n_tables; i++) {
        printf("%s", i == 0 ? ": " : ", ");
        bs_out_text(stdout, a->plan.tables[i].schema);
        putchar('.');
        bs_out_text(stdout, a->plan.tables[i].name);
    }
    if (a->plan.why != NULL) {
        printf(" - ");
        bs_out_text(stdout, a->plan.why);
    }
    for (size_t i = 0; i < a->plan.n_selects; i++) {
        printf("\nread by     ");
        bs_out_text(stdout, a->plan.selects[i].sql);
    }
}

static void
print_require(const struct bs_require *r)
{
    printf("\nproof       %s", bs_grade_name(r->grade));
    if (r->snapshot_age_ms != 0)
        printf(", a snapshot that is not older than %" PRId64 " s", r->snapshot_age_ms / 1000);
    if (r->off_host)
        printf(", storage on another machine");
}

static void
print_subject(const struct bs_explained *a)
{
    printf("agent       ");
    bs_out_text(stdout, a->subject.actor);
    if (a->subject.group != NULL) {
        printf(", group ");
        bs_out_text(stdout, a->subject.group);
    }
    printf(", profile %s", bs_profile_name(bs_policy_profile(a->policy, &a->subject)));
    printf("\ndatabase    ");
    bs_out_text(stdout, a->subject.database);
    if (a->subject.environment != NULL && a->subject.environment[0] != '\0') {
        printf(", environment ");
        bs_out_text(stdout, a->subject.environment);
    }
    printf("\n\n");
}

static const char *
session_text(const struct bs_explained *a)
{
    if (!a->shielded)
        return "may write what the rules allow";
    if (bs_policy_profile(a->policy, &a->subject) == BS_PROFILE_READ_ONLY)
        return "read only (its profile)";
    return "read only (no rule lets this agent write without approval)";
}

static void
print_text(const struct bs_explained *a)
{
    const char *action = bs_action_name(a->decision.would);

    print_subject(a);
    bs_judged_print(&a->unit, a->offline ? NULL : &a->facts);
    printf("\n%sreasoning%s\n", bs_out_paint(stdout, BS_PAINT_BOLD),
           bs_out_paint(stdout, BS_PAINT_NONE));
    for (size_t i = 0; i < a->decision.n_lines; i++) {
        printf("  ");
        bs_out_text(stdout, a->decision.lines[i]);
        putchar('\n');
    }
    printf("\ndecision    %s%s%s: ", bs_out_paint(stdout, bs_out_paint_of(action)), action,
           bs_out_paint(stdout, BS_PAINT_NONE));
    bs_out_text(stdout, a->decision.why);
    printf("\nrecovery    ");
    if (a->offline)
        printf("not known without the catalog");
    else
        print_plan(a);
    print_require(&a->require);
    if (a->decision.result_rows != 0)
        printf("\nresult      at most %" PRId64 " rows", a->decision.result_rows);
    printf("\nsession     %s\noutcome     %s\n", session_text(a), outcome(a));
}

static int
run(const struct bs_args *args, struct bs_explain *ask)
{
    struct answer a = {0};
    struct bs_err err = {0};
    int status;
    struct bs_config *config = bs_cmd_config(args, &status);

    if (config == NULL)
        return status;
    bs_arena_init(&a.arena, "explain", MAX_ARENA);
    bs_buf_init(&a.input, MAX_TEXT);
    if (ask->group == NULL)
        ask->group = group_of(config, ask->agent, &a.arena);
    if (read_sql(args->operands[0], &a.input, &err) == BS_DONE)
        ask->sql = bs_buf_view(&a.input);
    if (err.code != BS_OK ||
        bs_explain(config, config->policy, ask, &a.arena, &a.x, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (args->json)
        bs_out_json(bs_explained_json(&a.x));
    else
        print_text(&a.x);
    bs_explained_fini(&a.x);
    bs_buf_fini(&a.input);
    bs_arena_fini(&a.arena);
    bs_config_unref(&config);
    return status;
}

int
bs_cmd_explain(int argc, char **argv)
{
    struct bs_explain ask = {.rows = -1, .share = -1};
    const char *share = NULL;
    const struct bs_arg options[] = {
        {"agent", 'a', BS_ARG_TEXT, "NAME", "the agent that would send it (required)", &ask.agent},
        {"database", 'd', BS_ARG_TEXT, "NAME", "the database, as agents call it", &ask.database},
        {"group", 'g', BS_ARG_TEXT, "GROUP", "as if the agent were in this group", &ask.group},
        {"rows", 0, BS_ARG_NUMBER, "N", "as if so many rows had been counted in each table",
         &ask.rows},
        {"share", 0, BS_ARG_TEXT, "P%", "and they were this share of it", &share},
        {"offline", 0, BS_ARG_FLAG, NULL, "do not ask the database's catalog", &ask.offline},
    };
    const struct bs_usage usage = {
        .verb = "explain",
        .operands = "SQL|-",
        .summary = "Show what would be decided about a statement, and why.",
        .details = "Nothing runs. The catalog is read through the database's helper role. What is\n"
                   "printed is for operators: agents are told that, never why.",
        .examples = "  backstop explain --agent alice 'DELETE FROM orders WHERE true'\n"
                    "  backstop explain --agent alice --database app --json - < migration.sql\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (ask.agent == NULL)
        return bs_out_usage("backstop explain", "--agent is missing");
    if (share != NULL && (ask.rows < 0 || !bs_value_share(share, &ask.share)))
        return bs_out_usage("backstop explain", "--share takes a share such as 5%%, beside --rows");
    return run(&args, &ask);
}
