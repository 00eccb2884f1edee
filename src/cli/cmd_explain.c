/*
 * cmd_explain.c - `backstop explain`: the five calls of the gateway's judgement, with nobody
 * waiting, and everything said.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "catalog/snapshot.h"
#include "cli/assumed.h"
#include "cli/cmd.h"
#include "cli/judged.h"
#include "cli/out.h"
#include "policy/decide.h"
#include "policy/values.h"
#include "recovery/plan.h"
#include "state/state.h"

#define MAX_TEXT  ((size_t)16 << 20)
#define MAX_ARENA ((size_t)256 << 20)

/* What one run finds out. */
struct answer {
    struct bs_arena arena;
    struct bs_buf input;
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_decision decision;
    struct bs_plan plan;
    struct bs_snapshot *snapshot; /* the facts' names may live in it */
    struct bs_subject subject;
    const struct bs_policy *policy;
    struct bs_require require; /* of its point */
    bool shielded;
};

/* What was asked. */
struct asked {
    const char *agent;
    const char *group; /* NULL: as the state has it */
    const char *database;
    bool offline;
    int64_t rows; /* as if so many were counted; -1: count */
    double share;
    const char *sql;
};

/* The statement: the operand, or standard input where that is "-". */
static enum bs_done
read_sql(const struct asked *ask, struct bs_buf *in, struct bs_err *err)
{
    uint8_t chunk[8192];
    ssize_t got;

    if (strcmp(ask->sql, "-") != 0) {
        bs_put_str(in, ask->sql);
    } else {
        while ((got = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0)
            bs_put_bytes(in, (struct bs_bytes){chunk, (size_t)got});
        if (got < 0)
            return BS_FAIL(err, IO, "cannot read the statement from standard input");
    }
    return in->failed ? BS_FAIL(err, LIMIT, "the statement is longer than %zu bytes", in->max)
                      : BS_DONE;
}

/* Which database: the one named, or the only one there is. */
static const struct bs_config_database *
find_database(const struct bs_config *c, const char *name, struct bs_err *err)
{
    const struct bs_config_database *db;

    if (name == NULL && c->n_databases == 1)
        return &c->databases[0];
    db = name == NULL ? NULL : bs_config_database_find(c, name);
    if (db == NULL && name == NULL)
        (void)BS_FAIL(err, USAGE, "there are several databases; name one with --database");
    else if (db == NULL)
        (void)BS_FAIL(err, NOT_FOUND, "the configuration has no database \"%.63s\"", name);
    return db;
}

/* The agent's group, where the state can be read and has the agent; else none. */
static const char *
group_of(const struct bs_config *c, const char *agent, struct bs_arena *arena)
{
    struct bs_state *state = NULL;
    struct bs_agent found = {0};
    struct bs_err err = {0};

    if (access(c->state_path, R_OK | W_OK) != 0 ||
        bs_state_open(c->state_path, &state, &err) != BS_DONE)
        return NULL;
    (void)!bs_state_agent_get(state, agent, arena, &found, &err);
    bs_state_close(&state);
    return found.group;
}

/* With the catalog, as the gateway does: the policy's limits settle what was counted. */
static enum bs_done
judge(const struct bs_config *c,
      const struct asked *ask,
      const struct bs_config_database *db,
      struct answer *a,
      struct bs_err *err)
{
    const struct bs_impact limits = {c->policy->impact.rows, c->policy->impact.share};
    const struct bs_session_names fresh = {0};
    const struct bs_bounds none = {0};

    if (bs_snapshot_load(db->helper, &a->snapshot, err) != BS_DONE) {
        bs_err_prefix(err, "catalog of \"%.63s\"", db->name);
        bs_err_hint(err, "--offline explains without the catalog");
        return BS_FAILED;
    }
    if (bs_catalog_judge(a->snapshot, fresh, &a->unit, &a->arena, &a->facts, err) != BS_DONE)
        return BS_FAILED;
    if (ask->rows >= 0)
        return bs_assume_rows(c->policy, ask->rows, ask->share, &a->unit, &a->facts, &a->arena,
                              err);
    return bs_judged_measure(db->helper, a->snapshot, fresh, bs_buf_view(&a->input), none,
                             c->policy->measure.time_ms, limits, &a->unit, &a->facts, &a->arena,
                             err);
}

static enum bs_done
decide(const struct bs_config *c, const struct asked *ask, struct answer *a, struct bs_err *err)
{
    const struct bs_facts *facts = ask->offline ? NULL : &a->facts;

    a->policy = c->policy;
    a->shielded = bs_policy_shielded(c->policy, &a->subject);
    if (bs_policy_protect(c->policy, &a->unit, facts, &a->arena, err) != BS_DONE)
        return BS_FAILED;
    if (bs_decide_explain(c->policy, &a->subject, &a->unit, facts, &a->arena, &a->decision, err) !=
        BS_DONE)
        return BS_FAILED;
    a->require = c->require;
    bs_require_add(&a->require, &a->decision.require);
    return BS_DONE;
}

static enum bs_done
explain(const struct bs_config *c, const struct asked *ask, struct answer *a, struct bs_err *err)
{
    const struct bs_config_database *db = find_database(c, ask->database, err);
    const struct bs_session_names fresh = {0};
    const struct bs_plan_limits limits = {.max_bytes = c->max_bytes,
                                          .rows = true,
                                          .databases = c->drop_database == BS_CONFIG_DROP_DUMP};

    if (db == NULL || read_sql(ask, &a->input, err) != BS_DONE)
        return BS_FAILED;
    if (bs_classify(bs_buf_view(&a->input), BS_CLASSIFY_LIMITS, &a->arena, &a->unit, err) !=
        BS_DONE)
        return BS_FAILED;
    a->subject = (struct bs_subject){
        .actor = ask->agent,
        .group = ask->group != NULL ? ask->group : group_of(c, ask->agent, &a->arena),
        .database = db->name,
        .environment = db->environment,
    };
    if (!ask->offline && judge(c, ask, db, a, err) != BS_DONE)
        return BS_FAILED;
    if (decide(c, ask, a, err) != BS_DONE)
        return BS_FAILED;
    /* Without the catalog nobody knows what would be lost: the plan stays a refusal. */
    if (ask->offline)
        return BS_DONE;
    if (bs_plan_make(&a->unit, &a->facts, limits, &a->arena, &a->plan, err) != BS_DONE)
        return BS_FAILED;
    return bs_plan_select(a->snapshot, fresh, &a->unit, bs_buf_view(&a->input), &a->arena, &a->plan,
                          err);
}

static json_t *
plan_json(const struct asked *ask, const struct answer *a)
{
    json_t *out = bs_judged_plan_json(ask->offline ? NULL : &a->plan);

    if (json_is_object(out))
        (void)json_object_set_new(out, "waived", json_boolean(a->decision.recovery_waived));
    if (json_is_object(out))
        (void)json_object_set_new(out, "optional", json_boolean(a->decision.recovery_optional));
    return out;
}

static json_t *
optional(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

/* Of its point, by the configuration and by the rules. */
static json_t *
require_json(const struct bs_require *r)
{
    json_t *out = json_pack("{s:s}", "grade", bs_grade_name(r->grade));

    if (r->snapshot_age_ms != 0)
        (void)json_object_set_new(out, "snapshot_age_seconds",
                                  json_integer(r->snapshot_age_ms / 1000));
    if (r->off_host)
        (void)json_object_set_new(out, "off_host", json_true());
    return out;
}

static void
print_json(const struct asked *ask, const struct answer *a)
{
    json_t *out = bs_judged_json(&a->unit, ask->offline ? NULL : &a->facts);
    json_t *lines = json_array();

    for (size_t i = 0; i < a->decision.n_lines; i++)
        (void)json_array_append_new(lines, json_string(a->decision.lines[i]));
    (void)json_object_set_new(out, "decision", json_string(bs_action_name(a->decision.would)));
    (void)json_object_set_new(out, "mode", json_string(bs_policy_mode_name(a->policy->mode)));
    (void)json_object_set_new(out, "group", optional(a->subject.group));
    (void)json_object_set_new(
        out, "profile", json_string(bs_profile_name(bs_policy_profile(a->policy, &a->subject))));
    (void)json_object_set_new(out, "needs_rows", json_boolean(a->decision.needs_rows));
    (void)json_object_set_new(out, "result_rows",
                              a->decision.result_rows == 0 ? json_null()
                                                           : json_integer(a->decision.result_rows));
    (void)json_object_set_new(out, "rule", optional(a->decision.rule));
    (void)json_object_set_new(out, "why", json_string(a->decision.why));
    (void)json_object_set_new(out, "reasoning", lines);
    (void)json_object_set_new(out, "recovery", plan_json(ask, a));
    (void)json_object_set_new(out, "require", require_json(&a->require));
    (void)json_object_set_new(out, "shielded", json_boolean(a->shielded));
    (void)json_object_set_new(out, "policy_digest", json_string(a->decision.digest));
    bs_out_json(out);
}

/* What happens to the statement in the end: the decision and the plan together. */
static const char *
outcome(const struct asked *ask, const struct answer *a)
{
    bool refused = !ask->offline && a->plan.kind == BS_PLAN_REFUSE &&
                   !a->decision.recovery_waived && !a->decision.recovery_optional;

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
print_plan(const struct answer *a)
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
print_subject(const struct answer *a)
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
session_text(const struct answer *a)
{
    if (!a->shielded)
        return "may write what the rules allow";
    if (bs_policy_profile(a->policy, &a->subject) == BS_PROFILE_READ_ONLY)
        return "read only (its profile)";
    return "read only (no rule lets this agent write without approval)";
}

static void
print_text(const struct asked *ask, const struct answer *a)
{
    const char *action = bs_action_name(a->decision.would);

    print_subject(a);
    bs_judged_print(&a->unit, ask->offline ? NULL : &a->facts);
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
    if (ask->offline)
        printf("not known without the catalog");
    else
        print_plan(a);
    print_require(&a->require);
    if (a->decision.result_rows != 0)
        printf("\nresult      at most %" PRId64 " rows", a->decision.result_rows);
    printf("\nsession     %s\noutcome     %s\n", session_text(a), outcome(ask, a));
}

static int
run(const struct bs_args *args, const struct asked *ask)
{
    struct answer a = {0};
    struct bs_err err = {0};
    int status;
    struct bs_config *config = bs_cmd_config(args, &status);

    if (config == NULL)
        return status;
    bs_arena_init(&a.arena, "explain", MAX_ARENA);
    bs_buf_init(&a.input, MAX_TEXT);
    if (explain(config, ask, &a, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (args->json)
        print_json(ask, &a);
    else
        print_text(ask, &a);
    bs_buf_fini(&a.input);
    bs_arena_fini(&a.arena);
    bs_snapshot_unref(&a.snapshot);
    bs_config_unref(&config);
    return status;
}

int
bs_cmd_explain(int argc, char **argv)
{
    struct asked ask = {.rows = -1, .share = -1};
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
    ask.sql = args.operands[0];
    return run(&args, &ask);
}
