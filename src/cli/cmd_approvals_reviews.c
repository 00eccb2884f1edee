/*
 * cmd_approvals_reviews.c - `backstop approvals reviews`: the glass that was broken.
 */
#include <string.h>

#include "cli/approvals.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/out.h"

static void
print_reviews(const json_t *list)
{
    static const char *const heads[] = {"TICKET", "STATE", "ACTOR",       "DATABASE",
                                        "BROKEN", "BY",    "REVIEWED BY", "REASON"};
    struct bs_table table = {0};
    const json_t *r;
    size_t i;

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    json_array_foreach(list, i, r)
    {
        const char *by = bs_out_member(r, "reviewed_by");
        bs_table_cell(&table, "%s", bs_out_member(r, "ticket"));
        bs_table_cell(&table, "%s", bs_out_member(r, "state"));
        bs_table_cell(&table, "%s", bs_out_member(r, "actor"));
        bs_table_cell(&table, "%s", bs_out_member(r, "database"));
        bs_table_cell(&table, "%.19s", bs_out_member(r, "at"));
        bs_table_cell(&table, "%s", bs_out_member(r, "operator"));
        bs_table_cell(&table, "%s", by[0] == '\0' ? "-" : by);
        bs_table_cell(&table, "%s", bs_out_member(r, "reason"));
    }
    bs_table_print(&table);
    bs_table_fini(&table);
}

int
bs_cmd_approvals_reviews(int argc, char **argv)
{
    struct bs_client client = {0};
    bool all = false;
    const struct bs_arg args[] = {
        BS_CLIENT_ARGS(&client),
        {"all", 'a', BS_ARG_FLAG, NULL, "those that were reviewed, too", &all},
    };
    const struct bs_usage usage = {
        .verb = "approvals reviews",
        .operands = "",
        .summary = "show what went through by breaking the glass and waits for a review",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop approvals reviews\n  backstop approvals reviews --all --json\n",
        .without_config = true,
    };
    struct bs_args got;
    struct bs_err err = {0};
    json_t *answer;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_client_list(&client, all ? "/v1/reviews?limit=1000&state=all" : "/v1/reviews?limit=1000",
                       "reviews", &answer, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (got.json) {
        bs_out_json(answer);
        return 0;
    }
    print_reviews(json_object_get(answer, "reviews"));
    json_decref(answer);
    return 0;
}
