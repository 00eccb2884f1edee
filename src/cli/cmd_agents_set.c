/*
 * cmd_agents_set.c - `backstop agents set | disable | enable`: what is known of an agent changes,
 * its credential does not.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/agents.h"
#include "cli/out.h"

/* The row as it is now; where it cannot be read the change was made all the same. */
static int
print_agent(struct bs_actors *a, const char *name, const char *what)
{
    struct bs_agent agent;
    struct bs_err err = {0};

    if (bs_state_agent_get(a->state, name, &a->arena, &agent, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (bs_out_json_mode())
        bs_out_json(bs_agent_json(&agent, bs_now_us()));
    else
        printf("agent %s is %s\n", name, what);
    return 0;
}

/* --- set --- */

static enum bs_done
set(struct bs_actors *a, const char *name, const struct bs_agent_options *o, struct bs_err *err)
{
    struct bs_agent row = {.name = name};
    unsigned fields;

    if (bs_agent_options_read(o, &a->arena, &row, &fields, err) != BS_DONE)
        return BS_FAILED;
    if (fields == 0) {
        (void)BS_FAIL(err, USAGE, "nothing is to be changed");
        bs_err_hint(err, "say what: --group, --owner, --expires, --address, ...; see --help");
        return BS_FAILED;
    }
    return bs_agent_change(a->state, a->config, &row, fields, a->by, err);
}

int
bs_agents_set(int argc, char **argv)
{
    struct bs_agent_options o = {0};
    const struct bs_arg args[] = {
        BS_AGENT_ARGS(o),
        {"no-owner", 0, BS_ARG_FLAG, NULL, "nobody answers for it", &o.no_owner},
        {"no-group", 'n', BS_ARG_FLAG, NULL, "take it out of its group", &o.no_group},
        {"no-expiry", 0, BS_ARG_FLAG, NULL, "its time never ends", &o.no_expiry},
        {"any-address", 0, BS_ARG_FLAG, NULL, "it may come from anywhere", &o.any_address},
        {"no-role", 0, BS_ARG_FLAG, NULL, "the upstream's role", &o.no_role},
        {"no-certificate", 0, BS_ARG_FLAG, NULL, "let it in without one", &o.no_certificate},
    };
    const struct bs_usage usage = {
        .verb = "agents set",
        .operands = "NAME",
        .summary = "Change what is known of an agent.",
        .details =
            "--database and --address replace the whole list. Sessions that are open stay as\n"
            "they began, but for --expires, which counts for them, too.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = BS_AGENT_ARGS_N + 6,
        .examples = "  backstop agents set cursor-alice --group analysts\n"
                    "  backstop agents set night-job --address 10.1.2.0/24 --address local\n"
                    "  backstop agents set night-job --certificate-cn night-job.example\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status)) {
        if (set(&a, got.operands[0], &o, &err) != BS_DONE)
            status = bs_out_fail(&err);
        else
            status = print_agent(&a, got.operands[0], "changed");
    }
    bs_actors_close(&a);
    return status;
}

/* --- disable and enable --- */

static int
turn(const struct bs_usage *usage, int argc, char **argv, int64_t disabled_us, const char *what)
{
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status)) {
        const struct bs_agent row = {.name = got.operands[0], .disabled_us = disabled_us};
        if (bs_state_agent_alter(a.state, &row, BS_AGENT_DISABLED, a.by, &err) != BS_DONE)
            status = bs_out_fail(&err);
        else
            status = print_agent(&a, row.name, what);
    }
    bs_actors_close(&a);
    return status;
}

int
bs_agents_disable(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "agents disable",
        .operands = "NAME",
        .summary = "Let an agent in no more until it is enabled again, and end its sessions.",
        .details =
            "It keeps its password. A running gateway ends its sessions within about a second;\n"
            "what they were doing is cancelled and rolled back.",
        .min = 1,
        .max = 1,
        .examples = "  backstop agents disable cursor-alice\n",
    };

    return turn(&usage, argc, argv, bs_now_us(), "disabled");
}

int
bs_agents_enable(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "agents enable",
        .operands = "NAME",
        .summary = "Let a disabled agent in again.",
        .min = 1,
        .max = 1,
        .examples = "  backstop agents enable cursor-alice\n",
    };

    return turn(&usage, argc, argv, 0, "enabled");
}
