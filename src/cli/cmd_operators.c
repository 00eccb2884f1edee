/*
 * cmd_operators.c - who may look, approve and administer: `backstop operators add | list | set | revoke`.
 *
 * As with agents, this works on the state itself: whoever can write that file is trusted, which is
 * why there is no API for it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/actors.h"
#include "cli/out.h"

static enum bs_done
add(struct bs_actors *a,
    const char *name,
    enum bs_role role,
    struct bs_arg_texts *groups,
    struct bs_err *err)
{
    char token[BS_ACTOR_SECRET], hash[BS_SHA256_TEXT];
    const struct bs_operator op = {.name = name,
                                   .role = role,
                                   .token_sha256 = hash,
                                   .groups = groups->list,
                                   .n_groups = groups->n};
    enum bs_done done;

    bs_actor_secret("bso_", token);
    bs_sha256_text(token, hash);
    done = bs_state_operator_add(a->state, &op, a->by, err);
    if (done == BS_DONE && bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:s,s:s,s:o}", "name", name, "role", bs_role_name(role),
                              "token", token, "groups",
                              bs_agent_json_list(groups->list, groups->n)));
    else if (done == BS_DONE)
        printf("operator:  %s (%s)\ntoken:     %s\n\nThe token is not stored and not shown again. "
               "Put it into BACKSTOP_TOKEN.\n",
               name, bs_role_name(role), token);
    bs_wipe(token, sizeof(token));
    return done;
}

static int
operators_add(int argc, char **argv)
{
    const char *role = "approver";
    struct bs_arg_texts groups = {0};
    const struct bs_arg args[] = {
        {"group", 'g', BS_ARG_TEXTS, "GROUP", "of approvers that policies name; may be repeated",
         &groups},
        {"role", 'r', BS_ARG_TEXT, "ROLE", "viewer, approver or admin (default: approver)", &role},
    };
    const struct bs_usage usage = {
        .verb = "operators add",
        .operands = "NAME",
        .summary = "Add an operator and show the token, once.",
        .details = "A viewer looks, an approver also decides tickets and restores, an admin does\n"
                   "everything. Keep tokens away from agents: no agent can approve without one.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop operators add kim --role approver --group dba\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_role_find(role) == BS_ROLE_NONE)
        return bs_out_usage("backstop operators add", "there is no role \"%.40s\"", role);
    if (bs_actors_open(&a, &got, &status) &&
        add(&a, got.operands[0], bs_role_find(role), &groups, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

static void
print_operators_json(const struct bs_operator *ops, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, bs_operator_json(&ops[i]));
    bs_out_json(list);
}

static void
cell_groups(struct bs_table *table, const struct bs_operator *op)
{
    char text[160] = "-";

    for (size_t i = 0; i < op->n_groups; i++) {
        size_t used = i == 0 ? 0 : strlen(text);
        (void)snprintf(text + used, sizeof(text) - used, "%s%s", i == 0 ? "" : ",", op->groups[i]);
    }
    bs_table_cell(table, "%s", text);
}

static void
print_operators(const struct bs_operator *ops, size_t n)
{
    static const char *const heads[] = {"NAME", "ROLE", "GROUPS", "STATUS", "CREATED"};
    struct bs_table table = {0};
    char at[BS_TIME_TEXT];

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < n; i++) {
        bs_table_cell(&table, "%s", ops[i].name);
        bs_table_cell(&table, "%s", bs_role_name(ops[i].role));
        cell_groups(&table, &ops[i]);
        bs_table_cell(&table, "%s", ops[i].revoked_us != 0 ? "revoked" : "active");
        bs_actor_time(ops[i].created_us, at);
        bs_table_cell(&table, "%s", at);
    }
    bs_table_print(&table);
    bs_table_fini(&table);
}

static int
operators_list(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "operators list",
        .operands = "",
        .summary = "List the operators, revoked ones included.",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_operator *ops;
    struct bs_err err = {0};
    size_t n;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!bs_actors_open(&a, &got, &status))
        goto out;
    if (bs_state_operator_list(a.state, &a.arena, &ops, &n, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (got.json)
        print_operators_json(ops, n);
    else
        print_operators(ops, n);
out:
    bs_actors_close(&a);
    return status;
}

static int
operators_set(int argc, char **argv)
{
    struct bs_arg_texts groups = {0};
    bool none = false;
    const struct bs_arg args[] = {
        {"group", 'g', BS_ARG_TEXTS, "GROUP",
         "into this one, out of those it was in; may be repeated", &groups},
        {"no-groups", 0, BS_ARG_FLAG, NULL, "out of all", &none},
    };
    const struct bs_usage usage = {
        .verb = "operators set",
        .operands = "NAME",
        .summary = "Put an operator into groups of approvers.",
        .details = "Policies name such groups where not everybody may approve. What the operator\n"
                   "has decided already counts as it did.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop operators set kim --group dba --group security\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if ((groups.n == 0) == !none)
        return bs_out_usage("backstop operators set", "give it --group, or --no-groups");
    if (bs_actors_open(&a, &got, &status) &&
        bs_state_operator_regroup(a.state, got.operands[0], groups.list, groups.n, a.by, &err) !=
            BS_DONE)
        status = bs_out_fail(&err);
    else if (status == 0 && got.json)
        bs_out_json(json_pack("{s:s,s:o}", "name", got.operands[0], "groups",
                              bs_agent_json_list(groups.list, groups.n)));
    else if (status == 0)
        printf("operator %s is in %zu groups\n", got.operands[0], groups.n);
    bs_actors_close(&a);
    return status;
}

static int
operators_revoke(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "operators revoke",
        .operands = "NAME",
        .summary = "End an operator's token.",
        .min = 1,
        .max = 1,
    };

    return bs_actors_revoke(&usage, argc, argv, "operator", bs_state_operator_revoke);
}

int
bs_cmd_operators(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"add", "add an operator and show the token, once", operators_add},
        {"list", "list the operators", operators_list},
        {"set", "put an operator into groups of approvers", operators_set},
        {"revoke", "end an operator's token", operators_revoke},
    };

    return bs_verbs_run("backstop operators", "Who may approve.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
