/*
 * cmd_operators.c - who may look, approve and administer: `backstop operators add | list | revoke`.
 *
 * As with agents, this works on the state itself: whoever can write that file is trusted, which is
 * why there is no API for it.
 */
#include <stdio.h>

#include "cli/actors.h"
#include "cli/out.h"

static enum bs_done
add(struct bs_actors *a, const char *name, enum bs_role role, struct bs_err *err)
{
    char token[BS_ACTOR_SECRET], hash[BS_SHA256_TEXT];
    const struct bs_operator op = {.name = name, .role = role, .token_sha256 = hash};
    enum bs_done done;

    bs_actor_secret("bso_", token);
    bs_sha256_text(token, hash);
    done = bs_state_operator_add(a->state, &op, a->by, err);
    if (done == BS_DONE && bs_out_json_mode())
        bs_out_json(
            json_pack("{s:s,s:s,s:s}", "name", name, "role", bs_role_name(role), "token", token));
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
    const struct bs_arg args[] = {
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
        .n_args = 1,
        .examples = "  backstop operators add kim --role approver\n",
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
        add(&a, got.operands[0], bs_role_find(role), &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

static void
print_operators_json(const struct bs_operator *ops, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:s,s:s,s:o,s:o}", "name", ops[i].name, "role",
                                              bs_role_name(ops[i].role), "status",
                                              ops[i].revoked_us != 0 ? "revoked" : "active",
                                              "created", bs_actor_json_time(ops[i].created_us),
                                              "revoked", bs_actor_json_time(ops[i].revoked_us)));
    bs_out_json(list);
}

static void
print_operators(const struct bs_operator *ops, size_t n)
{
    static const char *const heads[] = {"NAME", "ROLE", "STATUS", "CREATED"};
    struct bs_table table = {0};
    char at[BS_TIME_TEXT];

    bs_table_init(&table, heads, 4);
    for (size_t i = 0; i < n; i++) {
        bs_table_cell(&table, "%s", ops[i].name);
        bs_table_cell(&table, "%s", bs_role_name(ops[i].role));
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
        {"revoke", "end an operator's token", operators_revoke},
    };

    return bs_verbs_run("backstop operators", "Who may approve.", verbs, 3, argc, argv);
}
