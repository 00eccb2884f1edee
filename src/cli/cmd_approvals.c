/*
 * cmd_approvals.c - the operator's side of a held statement: see it whole, then decide.
 */
#include <string.h>

#include "base/arena.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/out.h"

static const char *
text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));

    return text == NULL ? "" : text;
}

/* The first line of a statement, cut. */
static void
cell_sql(struct bs_table *t, const char *sql)
{
    size_t n = strcspn(sql, "\n");

    bs_table_cell(t, "%.*s%s", (int)(n > 60 ? 60 : n), sql, n > 60 || sql[n] != '\0' ? "..." : "");
}

/* "2 of dba or security" */
static void
put_need(FILE *to, const json_t *need)
{
    const json_t *group;
    size_t i;

    fprintf(to, "%lld", json_integer_value(json_object_get(need, "quorum")));
    json_array_foreach(json_object_get(need, "groups"), i, group)
    {
        fprintf(to, "%s", i == 0 ? " of " : " or ");
        bs_out_text(to, json_string_value(group));
    }
}

/* What must not be overlooked in a list. */
static const char *
note_of(const json_t *t)
{
    const json_t *evades = json_object_get(t, "evades");

    if (evades == NULL)
        return "";
    return json_is_true(json_object_get(evades, "sure")) ? "refused before" : "refused before?";
}

static int
run_list(int argc, char **argv)
{
    static const char *const heads[] = {"TICKET",   "STATE",   "RISK", "ACTOR",
                                        "DATABASE", "CREATED", "NOTE", "STATEMENT"};
    struct bs_client client = {0};
    const char *state = "pending";
    const struct bs_arg args[] = {
        BS_CLIENT_ARGS(&client),
        {"state", 0, BS_ARG_TEXT, "STATE", "pending (default), approved, denied, ..., or all",
         &state},
    };
    const struct bs_usage usage = {
        .verb = "approvals list",
        .operands = "",
        .summary = "show what waits for a decision",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop approvals list\n  backstop approvals list --state all --json\n",
        .without_config = true,
    };
    struct bs_args got;
    struct bs_err err = {0};
    struct bs_table table = {0};
    json_t *answer, *t;
    char path[128];
    size_t i;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (strspn(state, "abcdefghijklmnopqrstuvwxyz") != strlen(state))
        return bs_out_usage("approvals list", "there is no ticket state \"%.40s\"", state);
    (void)snprintf(path, sizeof(path), "/v1/tickets?limit=1000&state=%.40s", state);
    if (bs_client_list(&client, path, "tickets", &answer, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (got.json) {
        bs_out_json(answer);
        return 0;
    }
    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    json_array_foreach(json_object_get(answer, "tickets"), i, t)
    {
        bs_table_cell(&table, "%s", text_of(t, "id"));
        bs_table_cell(&table, "%s", text_of(t, "state"));
        bs_table_cell(&table, "%s", text_of(t, "risk"));
        bs_table_cell(&table, "%s", text_of(t, "actor"));
        bs_table_cell(&table, "%s", text_of(t, "database"));
        bs_table_cell(&table, "%.19s", text_of(t, "created"));
        bs_table_cell(&table, "%s", note_of(t));
        cell_sql(&table, text_of(t, "sql"));
    }
    bs_table_print(&table);
    bs_table_fini(&table);
    json_decref(answer);
    return 0;
}

static void
print_field(const char *label, const char *text)
{
    if (text[0] == '\0')
        return;
    printf("%-12s ", label);
    bs_out_lines(stdout, text, 13);
    printf("\n");
}

/* One row of a sample: values cut by whoever took them. */
static void
print_row(const char *label, const json_t *columns, const json_t *row, const json_t *other)
{
    const json_t *value;
    size_t i;

    printf("%-12s   %-7s", "", label);
    json_array_foreach(row, i, value)
    {
        const char *text = json_string_value(value);
        if (other != NULL && json_equal(value, json_array_get(other, i)))
            continue; /* it stays as it is */
        printf(" ");
        bs_out_text(stdout, json_string_value(json_array_get(columns, i)));
        printf("=");
        bs_out_text(stdout, text == NULL ? "NULL" : text);
    }
    printf("\n");
}

static void
print_sample(const json_t *sample)
{
    const json_t *columns = json_object_get(sample, "columns");
    const json_t *before = json_object_get(sample, "before");
    const json_t *after = json_object_get(sample, "after"), *row;
    size_t i;

    json_array_foreach(before, i, row)
    {
        print_row(after == NULL ? "row" : "before", columns, row, NULL);
        if (after != NULL)
            print_row("after", columns, json_array_get(after, i), row);
    }
}

static void
print_rows(const json_t *e)
{
    double known = json_number_value(json_object_get(e, "estimated_rows"));
    const json_t *rows = json_object_get(e, "rows"), *share = json_object_get(e, "share");
    bool about = strcmp(text_of(e, "measured"), "estimate") == 0;

    if (json_is_integer(rows))
        printf(", %s%lld rows", about ? "about " : "", (long long)json_integer_value(rows));
    else
        printf(", rows not counted");
    if (json_is_number(share))
        printf(", %.3g %% of them", json_number_value(share) * 100);
    else if (known >= 0)
        printf(" of about %.0f", known);
    if (strcmp(text_of(e, "measured"), "rehearsal") == 0)
        printf(" (rehearsed)");
}

static void
print_effects(const json_t *list)
{
    const json_t *e;
    size_t i;

    json_array_foreach(list, i, e)
    {
        printf("%-12s %s%s ", i == 0 ? "effects" : "",
               json_is_true(json_object_get(e, "part")) ? "  " : "", text_of(e, "kind"));
        bs_out_text(stdout, text_of(e, "object"));
        if (strcmp(text_of(e, "reach"), "target") != 0)
            printf(" (%s)", text_of(e, "reach"));
        print_rows(e);
        if (text_of(e, "lock")[0] != '\0')
            printf("; locks %s", text_of(e, "lock"));
        if (json_is_true(json_object_get(e, "rewrites")))
            printf(", rewrites the table");
        printf("\n");
        print_sample(json_object_get(e, "sample"));
    }
}

/* The point that will be made, and whether it can be. */
static void
print_plan(const json_t *plan)
{
    const json_t *store = json_object_get(plan, "store"), *item;
    const json_t *seconds = json_object_get(plan, "estimated_seconds");
    char size[24];
    size_t i;

    printf("%-12s %s, grade %s: ", "recovery", text_of(plan, "kind"), text_of(plan, "grade"));
    bs_out_text(stdout, text_of(plan, "why"));
    putchar('\n');
    printf("%-12s about %s, %lld rows", "",
           bs_out_size(size, json_integer_value(json_object_get(plan, "estimated_bytes"))),
           json_integer_value(json_object_get(plan, "estimated_rows")));
    if (seconds != NULL)
        printf(", %.1f s as the last ones took", json_real_value(seconds));
    putchar('\n');
    if (json_is_false(json_object_get(plan, "fits")))
        printf(
            "%-12s %sDOES NOT FIT%s: recovery.lock_budget is %.1f s, recovery.max_bytes %s, so it "
            "would be refused; raise them, or have it done in parts\n",
            "", bs_out_paint(stdout, BS_PAINT_RED), bs_out_paint(stdout, BS_PAINT_NONE),
            json_real_value(json_object_get(plan, "budget_seconds")),
            bs_out_size(size, json_integer_value(json_object_get(plan, "max_bytes"))));
    if (store != NULL && !json_is_true(json_object_get(store, "answers")))
        printf("%-12s %sdoes not answer%s: %s\n", "storage", bs_out_paint(stdout, BS_PAINT_RED),
               bs_out_paint(stdout, BS_PAINT_NONE), text_of(store, "error"));
    else if (store != NULL)
        printf("%-12s answers%s%s%s\n", "storage",
               json_is_false(json_object_get(store, "room")) ? ", HAS NO ROOM" : "",
               strcmp(text_of(store, "lock"), "confirmed") == 0 ? ", objects are locked"
                                                                : ", objects are not locked",
               strcmp(text_of(store, "delete"), "refused") == 0 ? ", cannot be deleted from here"
                                                                : "");
    json_array_foreach(json_object_get(plan, "not_covered"), i, item)
        print_field(i == 0 ? "not covered" : "", json_string_value(item));
}

/* Of the capture that is being made for it; NULL: none is. */
static void
print_progress(const json_t *p)
{
    char done[24], of[24];

    if (p == NULL)
        return;
    printf("%-12s %s, %lld rows, %s of about %s, %.1f s", "progress", text_of(p, "phase"),
           json_integer_value(json_object_get(p, "rows")),
           bs_out_size(done, json_integer_value(json_object_get(p, "bytes"))),
           bs_out_size(of, json_integer_value(json_object_get(p, "of"))),
           json_real_value(json_object_get(p, "seconds")));
    if (json_object_get(p, "seconds_left") != NULL)
        printf(", %.1f s left", json_real_value(json_object_get(p, "seconds_left")));
    putchar('\n');
}

/* "kim approved 2026-01-01T00:15:00: agreed in #42" */
static void
print_one_said(const char *label, const json_t *said, const char *what, const char *words)
{
    printf("%-12s %s %s %.19s", label, text_of(said, "operator"), what, text_of(said, "at"));
    if (json_is_false(json_object_get(said, "counts")))
        printf(" (may not approve any more: does not count)");
    if (words[0] != '\0') {
        printf(": ");
        bs_out_lines(stdout, words, 13);
    }
    putchar('\n');
}

/* Who has decided, who is missing, and what was said beside it. */
static void
print_said(const json_t *t)
{
    const json_t *item, *name;
    size_t i, k;

    json_array_foreach(json_object_get(t, "decisions"), i, item)
        print_one_said(i == 0 ? "decisions" : "", item,
                       strcmp(text_of(item, "decision"), "approve") == 0 ? "approved" : "denied",
                       text_of(item, "reason"));
    json_array_foreach(json_object_get(t, "missing"), i, item)
    {
        printf("%-12s ", i == 0 ? "needs" : "");
        put_need(stdout, item);
        printf(", has %lld; could approve:", json_integer_value(json_object_get(item, "have")));
        json_array_foreach(json_object_get(item, "could"), k, name)
            printf("%s %s", k == 0 ? "" : ",", json_string_value(name));
        printf("%s\n", k == 0 ? " NOBODY" : "");
    }
    json_array_foreach(json_object_get(t, "comments"), i, item)
        print_one_said(i == 0 ? "comments" : "", item, "said", text_of(item, "text"));
}

/* Nobody has proven them. */
static void
print_claims(const json_t *claims)
{
    static const char *const names[] = {"run", "purpose", "parent", "traceparent"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char head[32];
        (void)snprintf(head, sizeof(head), "%s *", names[i]);
        print_field(head, text_of(claims, names[i]));
    }
    if (claims != NULL)
        print_field("", "(*: what the client says of itself)");
}

static void
print_ticket(const json_t *t)
{
    const char *risk = text_of(t, "risk");
    const json_t *plan = json_object_get(t, "plan"), *reason;
    const char *evades = text_of(json_object_get(t, "evades"), "text");
    size_t i;

    printf("%-12s %s (%s)\n", "ticket", text_of(t, "id"), text_of(t, "state"));
    printf("%-12s %s%s%s\n", "risk", bs_out_paint(stdout, bs_out_paint_of(risk)), risk,
           bs_out_paint(stdout, BS_PAINT_NONE));
    if (evades[0] != '\0')
        printf("%-12s %s%s%s\n", "evasion", bs_out_paint(stdout, BS_PAINT_RED), evades,
               bs_out_paint(stdout, BS_PAINT_NONE));
    print_field("actor", text_of(t, "actor"));
    print_field("owner", text_of(t, "owner"));
    print_field("from", text_of(t, "client"));
    print_claims(json_object_get(t, "claims"));
    print_field("database", text_of(t, "database"));
    print_field("environment", text_of(t, "environment"));
    print_field("statement", text_of(t, "sql"));
    print_field("parameters", text_of(t, "params"));
    print_effects(json_object_get(t, "effects"));
    json_array_foreach(json_object_get(t, "reasons"), i, reason)
        print_field(i == 0 ? "why" : "", text_of(reason, "text"));
    if (plan != NULL)
        print_plan(plan);
    print_progress(json_object_get(t, "progress"));
    print_field("created", text_of(t, "created"));
    print_field("decide by", text_of(t, "decide_by"));
    print_said(t);
    print_field("decided", text_of(t, "decided"));
    print_field("decided by", text_of(t, "decided_by"));
    print_field("redeem by", text_of(t, "redeem_by"));
    print_field("point", text_of(t, "point"));
    print_field("ended", text_of(t, "detail"));
}

/* A ticket id goes into a path: only what ids are made of. */
static bool
is_ticket(const char *id)
{
    return strncmp(id, "T-", 2) == 0 && strlen(id) < 40 &&
           strspn(id + 2, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == strlen(id + 2);
}

static int
show(const struct bs_client *client,
     const struct bs_args *got,
     const char *method,
     const char *path,
     const json_t *body)
{
    struct bs_err err = {0};
    json_t *answer;

    if (bs_client_ask(client, method, path, body, &answer, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (got->json) {
        bs_out_json(answer);
        return 0;
    }
    print_ticket(answer);
    json_decref(answer);
    return 0;
}

static int
run_show(int argc, char **argv)
{
    struct bs_client client = {0};
    const struct bs_arg args[] = {BS_CLIENT_ARGS(&client)};
    const struct bs_usage usage = {
        .verb = "approvals show",
        .operands = "TICKET",
        .summary = "show who wants what, what it would do, and what could be given back",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop approvals show T-01JABCDEFGHJKMNPQRSTVWXYZ0\n",
        .without_config = true,
    };
    struct bs_args got;
    char path[128];

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!is_ticket(got.operands[0]))
        return bs_out_usage("approvals show", "not a ticket id: \"%.60s\"", got.operands[0]);
    (void)snprintf(path, sizeof(path), "/v1/tickets/%.40s", got.operands[0]);
    return show(&client, &got, "GET", path, NULL);
}

static int
decide(const char *verb,
       const char *what,
       const char *summary,
       const char *examples,
       int argc,
       char **argv)
{
    struct bs_client client = {0};
    const char *reason = NULL;
    const struct bs_arg args[] = {
        BS_CLIENT_ARGS(&client),
        {"reason", 'r', BS_ARG_TEXT, "TEXT", "your words, for the record", &reason},
    };
    const struct bs_usage usage = {
        .verb = verb,
        .operands = "TICKET",
        .summary = summary,
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = examples,
        .without_config = true,
    };
    struct bs_args got;
    char path[128];
    json_t *body;
    int status;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!is_ticket(got.operands[0]))
        return bs_out_usage(verb, "not a ticket id: \"%.60s\"", got.operands[0]);
    (void)snprintf(path, sizeof(path), "/v1/tickets/%.40s/%s", got.operands[0], what);
    body = reason == NULL ? json_object() : json_pack("{s:s}", "reason", reason);
    if (body == NULL)
        return bs_out_usage(verb, "the reason is not UTF-8");
    status = show(&client, &got, "POST", path, body);
    json_decref(body);
    return status;
}

static int
run_approve(int argc, char **argv)
{
    return decide(
        "approvals approve", "approve",
        "approve a held statement: it runs, once, when all that it needs have",
        "  backstop approvals approve T-01JABCDEFGHJKMNPQRSTVWXYZ0 --reason 'asked for in "
        "#42'\n",
        argc, argv);
}

static int
run_deny(int argc, char **argv)
{
    return decide(
        "approvals deny", "deny", "refuse a held statement",
        "  backstop approvals deny T-01JABCDEFGHJKMNPQRSTVWXYZ0 --reason 'wrong database'\n", argc,
        argv);
}

static int
run_comment(int argc, char **argv)
{
    struct bs_client client = {0};
    const struct bs_arg args[] = {BS_CLIENT_ARGS(&client)};
    const struct bs_usage usage = {
        .verb = "approvals comment",
        .operands = "TICKET TEXT",
        .summary = "say something to a ticket without deciding it",
        .min = 2,
        .max = 2,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop approvals comment T-01JABCDEFGHJKMNPQRSTVWXYZ0 'asked the owner'\n",
        .without_config = true,
    };
    struct bs_args got;
    char path[128];
    json_t *body;
    int status;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!is_ticket(got.operands[0]))
        return bs_out_usage("approvals comment", "not a ticket id: \"%.60s\"", got.operands[0]);
    body = json_pack("{s:s}", "text", got.operands[1]);
    if (body == NULL)
        return bs_out_usage("approvals comment", "the text is not UTF-8");
    (void)snprintf(path, sizeof(path), "/v1/tickets/%.40s/comment", got.operands[0]);
    status = show(&client, &got, "POST", path, body);
    json_decref(body);
    return status;
}

int
bs_cmd_approvals(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"list", "show what waits for a decision", run_list},
        {"show", "show one ticket whole", run_show},
        {"approve", "let a held statement run, once", run_approve},
        {"deny", "refuse a held statement", run_deny},
        {"comment", "say something without deciding", run_comment},
    };

    return bs_verbs_run("backstop approvals", "Decide what agents may do.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
