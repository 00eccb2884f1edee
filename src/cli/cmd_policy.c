/*
 * cmd_policy.c - `backstop policy check | test`: what a policy says, before it says it to agents.
 */
#include <stdio.h>
#include <string.h>

#include "api/assumed.h"
#include "api/judged.h"
#include "base/clock.h"
#include "catalog/snapshot.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "policy/decide.h"
#include "policy/expect.h"

#define MAX_ARENA ((size_t)256 << 20)

/* --- check --- */

static void
print_check(const struct bs_config *c)
{
    const struct bs_policy *p = c->policy;

    bs_out_text(stdout, c->file);
    printf(": %sok%s, %zu rule%s, mode %s\npolicy %s\n", bs_out_paint(stdout, BS_PAINT_GREEN),
           bs_out_paint(stdout, BS_PAINT_NONE), p->n_rules, p->n_rules == 1 ? "" : "s",
           bs_policy_mode_name(p->mode), p->digest);
    if (p->mode == BS_POLICY_SHADOW)
        printf("%swarning:%s shadow mode: nothing is held, blocked or protected\n",
               bs_out_paint(stdout, BS_PAINT_YELLOW), bs_out_paint(stdout, BS_PAINT_NONE));
}

static int
policy_check(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "policy check",
        .operands = "[FILE]",
        .summary = "Read a policy and say all that is wrong with it.",
        .details =
            "The file is a whole configuration. Every problem is told at once, each with its\n"
            "line. Exit status 0: usable; 78: not.",
        .examples = "  backstop policy check /etc/backstop/backstop.yaml\n",
        .max = 1,
    };
    struct bs_args args;
    struct bs_config *config;
    int status;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (args.n_operands == 1)
        args.config = args.operands[0];
    config = bs_cmd_config(&args, &status);
    if (config == NULL)
        return status;
    if (args.json)
        bs_out_json(json_pack("{s:b,s:s,s:o,s:s}", "ok", 1, "file", config->file, "policy",
                              bs_policy_json(config->policy), "policy_digest",
                              config->policy->digest));
    else
        print_check(config);
    bs_config_unref(&config);
    return 0;
}

/* --- test --- */

struct tester {
    const struct bs_config *config;
    const char *dsn; /* NULL: no catalog */
    struct bs_snapshot *snapshot;
    struct bs_arena arena; /* of one expectation */
    json_t *different;
};

/* What an expectation comes to. */
struct answer {
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_decision decision;
};

static const struct bs_config_database *
database_of(const struct tester *t, const struct bs_expectation *e, struct bs_err *err)
{
    const struct bs_config *c = t->config;
    const struct bs_config_database *db = NULL;

    if (e->database != NULL)
        db = bs_config_database_find(c, e->database);
    else if (c->n_databases == 1)
        db = &c->databases[0];
    if (db == NULL && e->database != NULL)
        (void)BS_FAIL(err, DATA, "line %d: the configuration has no database \"%.63s\"", e->line,
                      e->database);
    else if (db == NULL)
        (void)BS_FAIL(err, DATA, "line %d: there are several databases; name one", e->line);
    return db;
}

static enum bs_done
bind(struct tester *t, const struct bs_expectation *e, struct bs_bounds *out, struct bs_err *err)
{
    struct bs_bound *list = bs_arena_array(&t->arena, e->n_params + 1, sizeof(*list));

    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", t->arena.name);
    for (size_t i = 0; i < e->n_params; i++) {
        if (e->params[i] != NULL)
            list[i].value = bs_bytes_of(e->params[i]);
    }
    *out = (struct bs_bounds){list, e->n_params};
    return BS_DONE;
}

/* With the catalog: rows are those of the table, or counted. */
static enum bs_done
judge_live(struct tester *t, const struct bs_expectation *e, struct answer *a, struct bs_err *err)
{
    const struct bs_policy *p = t->config->policy;
    const struct bs_impact limits = {p->impact.rows, p->impact.share};
    const struct bs_session_names fresh = {0};
    struct bs_bounds params;

    if (t->snapshot == NULL && bs_snapshot_load(t->dsn, &t->snapshot, err) != BS_DONE)
        return BS_FAILED;
    if (bs_catalog_judge(t->snapshot, fresh, &a->unit, &t->arena, &a->facts, err) != BS_DONE ||
        bind(t, e, &params, err) != BS_DONE)
        return BS_FAILED;
    if (e->rows >= 0)
        return bs_assume_rows(p, e->rows, e->share, &a->unit, &a->facts, &t->arena, err);
    return bs_judged_measure(t->dsn, t->snapshot, fresh, bs_bytes_of(e->sql), params,
                             p->measure.time_ms, limits, &a->unit, &a->facts, &t->arena, err);
}

static enum bs_done
judge_text(struct tester *t, const struct bs_expectation *e, struct answer *a, struct bs_err *err)
{
    if (bs_assume_tables(&a->unit, &t->arena, &a->facts, err) != BS_DONE)
        return BS_FAILED;
    if (e->rows < 0)
        return BS_DONE;
    return bs_assume_rows(t->config->policy, e->rows, e->share, &a->unit, &a->facts, &t->arena,
                          err);
}

static enum bs_done
answer(struct tester *t, const struct bs_expectation *e, struct answer *a, struct bs_err *err)
{
    const struct bs_policy *p = t->config->policy;
    const struct bs_config_database *db = database_of(t, e, err);
    struct bs_subject subject = {.actor = e->actor, .group = e->group};
    enum bs_done done;

    *a = (struct answer){0};
    if (db == NULL ||
        bs_classify(bs_bytes_of(e->sql), BS_CLASSIFY_LIMITS, &t->arena, &a->unit, err) != BS_DONE)
        return BS_FAILED;
    done = t->dsn != NULL ? judge_live(t, e, a, err) : judge_text(t, e, a, err);
    if (done != BS_DONE)
        return BS_FAILED;
    subject.database = db->name;
    subject.environment = db->environment;
    if (bs_policy_protect(p, &a->unit, &a->facts, &t->arena, err) != BS_DONE)
        return BS_FAILED;
    return bs_decide(p, &subject, &a->unit, &a->facts, &t->arena, &a->decision, err);
}

static bool
is_expected(const struct bs_expectation *e, const struct answer *a)
{
    const char *rule = a->decision.rule == NULL ? BS_EXPECT_NO_RULE : a->decision.rule;

    return a->decision.would == e->expect &&
           (e->risk == BS_RISK_UNKNOWN || a->unit.risk == e->risk) &&
           (e->rule == NULL || strcmp(e->rule, rule) == 0);
}

static json_t *
expected_json(const struct bs_expectation *e)
{
    json_t *out = json_pack("{s:s}", "decision", bs_action_name(e->expect));

    if (e->risk != BS_RISK_UNKNOWN)
        (void)json_object_set_new(out, "risk", json_string(bs_risk_name(e->risk)));
    if (e->rule != NULL)
        (void)json_object_set_new(out, "rule", json_string(e->rule));
    return out;
}

static json_t *
reasons_json(const struct bs_unit *unit)
{
    json_t *list = json_array();

    for (size_t i = 0; i < unit->n_stmts; i++) {
        for (size_t k = 0; k < unit->stmts[i].n_reasons; k++)
            (void)json_array_append_new(list, json_string(unit->stmts[i].reasons[k].text));
    }
    return list;
}

static void
note_difference(struct tester *t, const struct bs_expectation *e, const struct answer *a)
{
    const char *rule = a->decision.rule == NULL ? BS_EXPECT_NO_RULE : a->decision.rule;
    json_t *got = json_pack("{s:s,s:s,s:s,s:s,s:o}", "decision", bs_action_name(a->decision.would),
                            "risk", bs_risk_name(a->unit.risk), "rule", rule, "why",
                            a->decision.why, "reasons", reasons_json(&a->unit));

    (void)json_array_append_new(t->different,
                                json_pack("{s:i,s:s,s:s,s:o,s:o}", "line", e->line, "name", e->name,
                                          "sql", e->sql, "expected", expected_json(e), "got", got));
}

static enum bs_done
test_all(struct tester *t, const struct bs_expectations *all, struct bs_err *err)
{
    for (size_t i = 0; i < all->n; i++) {
        struct answer a;
        enum bs_done done;
        bs_arena_init(&t->arena, "policy test", MAX_ARENA);
        done = answer(t, &all->list[i], &a, err);
        if (done == BS_DONE && !is_expected(&all->list[i], &a))
            note_difference(t, &all->list[i], &a);
        bs_arena_fini(&t->arena);
        if (done != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static void
print_pairs(const char *head, const json_t *pairs)
{
    const char *key, *before = head;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)pairs, key, value)
    {
        if (!json_is_string(value) || strcmp(key, "why") == 0)
            continue;
        printf("%s%s ", before, key);
        bs_out_text(stdout, json_string_value(value));
        before = ", ";
    }
    putchar('\n');
}

static void
print_difference(const json_t *one)
{
    const json_t *got = json_object_get(one, "got"), *reason;
    size_t i;

    printf("line %d: ", (int)json_integer_value(json_object_get(one, "line")));
    bs_out_text(stdout, json_string_value(json_object_get(one, "name")));
    print_pairs("\n  expected  ", json_object_get(one, "expected"));
    print_pairs("  got       ", got);
    printf("  why       ");
    bs_out_text(stdout, json_string_value(json_object_get(got, "why")));
    json_array_foreach(json_object_get(got, "reasons"), i, reason)
    {
        printf("\n  risk      ");
        bs_out_text(stdout, json_string_value(reason));
    }
    printf("\n\n");
}

static int
report(const struct tester *t, const char *file, size_t n, bool json)
{
    size_t differ = json_array_size(t->different), i;
    const json_t *one;

    if (json) {
        bs_out_json(json_pack("{s:s,s:I,s:O,s:s}", "file", file, "expectations", (json_int_t)n,
                              "different", t->different, "policy_digest",
                              t->config->policy->digest));
        return differ == 0 ? 0 : 1;
    }
    json_array_foreach(t->different, i, one) print_difference(one);
    bs_out_text(stdout, file);
    if (differ == 0)
        printf(": %zu expectation%s, all met\n", n, n == 1 ? "" : "s");
    else
        printf(": %zu of %zu expectations not met\n", differ, n);
    return differ == 0 ? 0 : 1;
}

/* With the table read. */
static int
run_test(const struct bs_args *args, const struct bs_expectations *all, const char *dsn)
{
    struct tester t = {.dsn = dsn, .different = json_array()};
    struct bs_err err = {0};
    int status;
    struct bs_config *config = bs_cmd_config(args, &status);

    t.config = config;
    if (config != NULL && test_all(&t, all, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (config != NULL)
        status = report(&t, args->operands[0], all->n, args->json);
    json_decref(t.different);
    bs_snapshot_unref(&t.snapshot);
    bs_config_unref(&config);
    return status;
}

static int
policy_test(int argc, char **argv)
{
    const char *dsn = NULL;
    const struct bs_arg options[] = {
        {"dsn", 0, BS_ARG_TEXT, "DSN", "judge with this database's catalog and count there", &dsn},
    };
    const struct bs_usage usage = {
        .verb = "policy test",
        .operands = "FILE",
        .summary = "Ask the policy about a table of statements, and compare.",
        .details =
            "FILE is a YAML list of maps: name, sql and expect (allow, approve, block); "
            "and, where\n"
            "wanted, actor, group, database, params, rows, share, risk, rule. Nothing runs. "
            "Without\n"
            "--dsn what is named are plain tables with the key `id`, in public where no schema is\n"
            "given.\n"
            "Exit status 0: all as expected; 1: something differs.",
        .examples = "  backstop policy test expectations.yaml\n"
                    "  backstop policy test --dsn 'dbname=app user=backstop' expectations.yaml\n",
        .args = options,
        .n_args = 1,
        .min = 1,
        .max = 1,
    };
    struct bs_expectations all = {0};
    struct bs_problems problems = {0};
    struct bs_args args;
    struct bs_err err = {0};
    int status;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (bs_expectations_load(args.operands[0], &all, &problems, &err) == BS_DONE)
        status = run_test(&args, &all, dsn);
    else if (problems.n != 0)
        status = bs_cmd_problems(&err, &problems);
    else
        status = bs_out_fail(&err);
    bs_problems_fini(&problems);
    bs_expectations_fini(&all);
    return status;
}

int
bs_cmd_policy(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"check", "read a policy and say all that is wrong with it", policy_check},
        {"test", "ask the policy about a table of statements", policy_test},
    };

    return bs_verbs_run("backstop policy", "What agents may do, tried out.", verbs, 2, argc, argv);
}
