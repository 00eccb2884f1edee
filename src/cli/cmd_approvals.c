/*
 * cmd_approvals.c - the operator's side of a held statement: see it whole, then decide.
 */
#include <string.h>

#include "base/arena.h"
#include "cli/approvals.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/ticket_view.h"

/* The first line of a statement, cut. */
static void
cell_sql(struct bs_table *t, const char *sql)
{
    size_t n = strcspn(sql, "\n");

    bs_table_cell(t, "%.*s%s", (int)(n > 60 ? 60 : n), sql, n > 60 || sql[n] != '\0' ? "..." : "");
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
        bs_table_cell(&table, "%s", bs_out_member(t, "id"));
        bs_table_cell(&table, "%s", bs_out_member(t, "state"));
        bs_table_cell(&table, "%s", bs_out_member(t, "risk"));
        bs_table_cell(&table, "%s", bs_out_member(t, "actor"));
        bs_table_cell(&table, "%s", bs_out_member(t, "database"));
        bs_table_cell(&table, "%.19s", bs_out_member(t, "created"));
        bs_table_cell(&table, "%s", note_of(t));
        cell_sql(&table, bs_out_member(t, "sql"));
    }
    bs_table_print(&table);
    bs_table_fini(&table);
    json_decref(answer);
    return 0;
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
    bs_ticket_print(stdout, answer);
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
decide(
    const char *verb,
    const char *what,
    const char *words, /* the member of the body, and the option, that has the operator's words */
    const char *summary,
    const char *examples,
    int argc,
    char **argv)
{
    struct bs_client client = {0};
    const char *reason = NULL;
    const struct bs_arg args[] = {
        BS_CLIENT_ARGS(&client),
        {words, words[0], BS_ARG_TEXT, "TEXT", "your words, for the record", &reason},
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
    body = reason == NULL ? json_object() : json_pack("{s:s}", words, reason);
    if (body == NULL)
        return bs_out_usage(verb, "the %s is not UTF-8", words);
    status = show(&client, &got, "POST", path, body);
    json_decref(body);
    return status;
}

static int
run_approve(int argc, char **argv)
{
    return decide(
        "approvals approve", "approve", "reason",
        "approve a held statement: it runs, once, when all that it needs have",
        "  backstop approvals approve T-01JABCDEFGHJKMNPQRSTVWXYZ0 --reason 'asked for in "
        "#42'\n",
        argc, argv);
}

static int
run_deny(int argc, char **argv)
{
    return decide(
        "approvals deny", "deny", "reason", "refuse a held statement",
        "  backstop approvals deny T-01JABCDEFGHJKMNPQRSTVWXYZ0 --reason 'wrong database'\n", argc,
        argv);
}

static int
run_break_glass(int argc, char **argv)
{
    return decide(
        "approvals break-glass", "break-glass", "reason",
        "in an emergency: let a held statement run without the approvals that it needs; "
        "it is kept and proven as ever, and another operator reviews it",
        "  backstop approvals break-glass T-01JABCDEFGHJKMNPQRSTVWXYZ0 --reason 'the shop "
        "is down, nobody else answers'\n",
        argc, argv);
}

static int
run_review(int argc, char **argv)
{
    return decide("approvals review", "review", "note",
                  "close the review of broken glass; not for the one who broke it",
                  "  backstop approvals review T-01JABCDEFGHJKMNPQRSTVWXYZ0 --note 'was needed; "
                  "kim is on call now'\n",
                  argc, argv);
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
        {"watch", "show what waits, live, and decide it with a key", bs_cmd_approvals_watch},
        {"approve", "let a held statement run, once", run_approve},
        {"deny", "refuse a held statement", run_deny},
        {"comment", "say something without deciding", run_comment},
        {"break-glass", "in an emergency: approve alone, reviewed afterwards", run_break_glass},
        {"reviews", "show what was approved so", bs_cmd_approvals_reviews},
        {"review", "say what became of one, and close it", run_review},
    };

    return bs_verbs_run("backstop approvals", "Decide what agents may do.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
