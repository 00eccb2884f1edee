/*
 * cmd_operators.c - who may look, approve and administer:
 * `backstop operators add | list | set | rotate | revoke`.
 *
 * As with agents, this works on the state itself: whoever can write that file is trusted. Over the
 * API an admin can do the same (api/routes_operators.c).
 */
#include <stdio.h>
#include <string.h>

#include "cli/agents.h"
#include "cli/out.h"

/* --- options ------------------------------------------------------------------------------- */

struct options {
    struct bs_arg_texts groups, owners;
    const char *role, *expires;
    bool no_groups, no_expiry; /* `operators set` */
};

/* clang-format off */
#define OPERATOR_ARGS(o)                                                                           \
    {"group", 'g', BS_ARG_TEXTS, "GROUP", "of approvers that policies name; may be repeated",      \
     &(o).groups},                                                                                 \
    {"owner", 'o', BS_ARG_TEXTS, "WHO",                                                            \
     "a name of the human who holds the token, as agents have it; may be repeated", &(o).owners},  \
    {"role", 'r', BS_ARG_TEXT, "ROLE", "viewer, approver or admin (default: approver)",            \
     &(o).role},                                                                                   \
    {"expires", 'e', BS_ARG_TEXT, "TIME", "from now, like 30d or 12h, or a time in UTC (default: never)", \
     &(o).expires}
#define OPERATOR_ARGS_N 4
/* clang-format on */

static enum bs_done
read_options(struct options *o, struct bs_operator *out, unsigned *fields, struct bs_err *err)
{
    *fields = (o->groups.n > 0 || o->no_groups ? BS_OPERATOR_GROUPS : 0) |
              (o->owners.n > 0 ? BS_OPERATOR_OWNERS : 0) |
              (o->role != NULL ? BS_OPERATOR_ROLE : 0) |
              (o->expires != NULL || o->no_expiry ? BS_OPERATOR_EXPIRES : 0);
    if (o->groups.n > 0 && o->no_groups)
        return BS_FAIL(err, USAGE, "give it --group or --no-groups");
    if (o->expires != NULL && o->no_expiry)
        return BS_FAIL(err, USAGE, "give it --expires or --no-expiry");
    out->groups = o->groups.list;
    out->n_groups = o->groups.n;
    out->owners = o->owners.list;
    out->n_owners = o->owners.n;
    out->role = o->role == NULL ? BS_ROLE_NONE : bs_role_find(o->role);
    if (o->role != NULL && out->role == BS_ROLE_NONE)
        return BS_FAIL(err, USAGE, "there is no role \"%.40s\": viewer, approver or admin",
                       o->role);
    return o->expires == NULL ? BS_DONE
                              : bs_expiry_read("--expires", o->expires, &out->expires_us, err);
}

/* --- add and rotate ------------------------------------------------------------------------ */

static void
print_secret(const struct bs_operator *op, const char *token)
{
    json_t *o;

    if (bs_out_json_mode()) {
        o = bs_operator_json(op, bs_now_us());
        (void)json_object_set_new(o, "token", json_string(token));
        bs_out_json(o);
        return;
    }
    printf("operator:  %s (%s)\ntoken:     %s\n\nThe token is not stored and not shown again. "
           "Put it into BACKSTOP_TOKEN.\n",
           op->name, bs_role_name(op->role), token);
}

/* What became of it, with its secret. */
static enum bs_done
show_secret(struct bs_actors *a, const char *name, const char *token, struct bs_err *err)
{
    struct bs_operator op;

    if (bs_state_operator_get(a->state, name, &a->arena, &op, err) != BS_DONE)
        return BS_FAILED;
    print_secret(&op, token);
    if (op.old_until_us != 0 && !bs_out_json_mode())
        bs_actor_print_until("The old token counts until ", op.old_until_us);
    return BS_DONE;
}

static enum bs_done
add(struct bs_actors *a, const char *name, struct options *o, struct bs_err *err)
{
    struct bs_operator op = {.name = name};
    char token[BS_SECRET_TEXT];
    enum bs_done done;
    unsigned fields;

    if (read_options(o, &op, &fields, err) != BS_DONE)
        return BS_FAILED;
    if (op.role == BS_ROLE_NONE)
        op.role = BS_ROLE_APPROVER;
    done = bs_operator_enroll(a->state, &op, a->by, token, err);
    if (done == BS_DONE)
        done = show_secret(a, name, token, err);
    bs_wipe(token, sizeof(token));
    return done;
}

static int
operators_add(int argc, char **argv)
{
    struct options o = {0};
    const struct bs_arg args[] = {OPERATOR_ARGS(o)};
    const struct bs_usage usage = {
        .verb = "operators add",
        .operands = "NAME",
        .summary = "Add an operator and show the token, once.",
        .details =
            "A viewer looks, an approver also decides tickets and restores, an admin does\n"
            "everything. Keep tokens away from agents: no agent can approve without one.\n"
            "Where the policy excludes an agent's owner from approving, NAME and every --owner\n"
            "count as names of whoever holds the token; two operators of one human are one "
            "approver.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = OPERATOR_ARGS_N,
        .examples = "  backstop operators add kim --role approver --group dba\n"
                    "  backstop operators add night-shift --owner kim --owner kim@example.com \\\n"
                    "      --expires 30d\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status) && add(&a, got.operands[0], &o, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

static enum bs_done
rotate(struct bs_actors *a, const char *name, int64_t overlap_ms, struct bs_err *err)
{
    char token[BS_SECRET_TEXT];
    enum bs_done done = bs_operator_rotate(a->state, name, overlap_ms, a->by, token, err);

    if (done == BS_DONE)
        done = show_secret(a, name, token, err);
    bs_wipe(token, sizeof(token));
    return done;
}

static int
operators_rotate(int argc, char **argv)
{
    const char *overlap = NULL;
    const struct bs_arg args[] = {
        {"overlap", 'o', BS_ARG_TEXT, "TIME", "let the old one count for so long, too, like 24h",
         &overlap},
    };
    const struct bs_usage usage = {
        .verb = "operators rotate",
        .operands = "NAME",
        .summary = "Give an operator a new token and show it, once; the old one ends.",
        .details = "Logins with a browser end with the token that they were begun with. What the\n"
                   "operator has decided counts on.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = 1,
        .examples = "  backstop operators rotate kim\n"
                    "  backstop operators rotate deploy-bot --overlap 1h\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int64_t overlap_ms;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!bs_actor_overlap("backstop operators rotate", overlap, &overlap_ms, &status))
        return status;
    if (bs_actors_open(&a, &got, &status) &&
        rotate(&a, got.operands[0], overlap_ms, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

/* --- list ---------------------------------------------------------------------------------- */

static void
print_operators_json(const struct bs_operator *ops, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, bs_operator_json(&ops[i], bs_now_us()));
    bs_out_json(list);
}

static void
print_operators(struct bs_arena *arena, const struct bs_operator *ops, size_t n)
{
    static const char *const heads[] = {"NAME",   "ROLE",    "OWNER",  "GROUPS",
                                        "STATUS", "CREATED", "EXPIRES"};
    struct bs_table table = {0};
    char at[BS_TIME_TEXT];

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < n; i++) {
        bs_table_cell(&table, "%s", ops[i].name);
        bs_table_cell(&table, "%s", bs_role_name(ops[i].role));
        bs_table_cell(&table, "%s", bs_agent_join(arena, ops[i].owners, ops[i].n_owners));
        bs_table_cell(&table, "%s", bs_agent_join(arena, ops[i].groups, ops[i].n_groups));
        bs_table_cell(&table, "%s", bs_operator_status(&ops[i], bs_now_us()));
        bs_actor_time(ops[i].created_us, at);
        bs_table_cell(&table, "%s", at);
        bs_actor_time(ops[i].expires_us, at);
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
        print_operators(&a.arena, ops, n);
out:
    bs_actors_close(&a);
    return status;
}

/* --- set and revoke ------------------------------------------------------------------------ */

static enum bs_done
set(struct bs_actors *a, const char *name, struct options *o, struct bs_err *err)
{
    struct bs_operator op = {.name = name};
    unsigned fields;

    if (read_options(o, &op, &fields, err) != BS_DONE)
        return BS_FAILED;
    if (fields == 0) {
        (void)BS_FAIL(err, USAGE, "nothing is to be changed");
        bs_err_hint(err, "say what: --group, --owner, --role, --expires; see --help");
        return BS_FAILED;
    }
    if (bs_state_operator_alter(a->state, &op, fields, a->by, err) != BS_DONE ||
        bs_state_operator_get(a->state, name, &a->arena, &op, err) != BS_DONE)
        return BS_FAILED;
    if (bs_out_json_mode())
        bs_out_json(bs_operator_json(&op, bs_now_us()));
    else
        printf("operator %s is changed\n", name);
    return BS_DONE;
}

static bool
is_untouched(const struct options *o)
{
    return o->groups.n == 0 && o->owners.n == 0 && o->role == NULL && o->expires == NULL &&
           !o->no_groups && !o->no_expiry;
}

static int
set_slack(const struct bs_args *got, const char *slack)
{
    const char *name = got->operands[0], *id = slack[0] == '\0' ? NULL : slack;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_actors_open(&a, got, &status) &&
        bs_state_slack_user_set(a.state, name, id, a.by, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (status == 0 && got->json)
        bs_out_json(json_pack("{s:s,s:s?}", "name", name, "slack", id));
    else if (status == 0)
        printf("operator %s is %s in Slack\n", name, id == NULL ? "nobody" : id);
    bs_actors_close(&a);
    return status;
}

static int
operators_set(int argc, char **argv)
{
    struct options o = {0};
    const char *slack = NULL;
    const struct bs_arg args[] = {
        OPERATOR_ARGS(o),
        {"no-groups", 0, BS_ARG_FLAG, NULL, "out of all groups", &o.no_groups},
        {"no-expiry", 0, BS_ARG_FLAG, NULL, "its time never ends", &o.no_expiry},
        {"slack", 0, BS_ARG_TEXT, "ID", "who it is in Slack, a member ID; \"\": nobody", &slack},
    };
    const struct bs_usage usage = {
        .verb = "operators set",
        .operands = "NAME",
        .summary = "Change what is known of an operator.",
        .details = "--group and --owner replace the whole list. Policies name groups where not\n"
                   "everybody may approve; what the operator has decided already keeps the groups\n"
                   "of then.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = OPERATOR_ARGS_N + 3,
        .examples = "  backstop operators set kim --group dba --group security\n"
                    "  backstop operators set night-shift --owner lee --expires 12h\n"
                    "  backstop operators set kim --slack U012ABCDEF\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (slack != NULL && is_untouched(&o))
        return set_slack(&got, slack);
    if (slack != NULL)
        return bs_out_usage("backstop operators set", "--slack goes by itself");
    if (bs_actors_open(&a, &got, &status) && set(&a, got.operands[0], &o, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

static int
operators_revoke(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "operators revoke",
        .operands = "NAME",
        .summary = "End an operator's token, and logins with it.",
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
        {"set", "change what is known of an operator", operators_set},
        {"rotate", "give an operator a new token", operators_rotate},
        {"revoke", "end an operator's token", operators_revoke},
    };

    return bs_verbs_run("backstop operators", "Who may approve.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
