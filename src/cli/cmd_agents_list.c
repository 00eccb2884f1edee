/*
 * cmd_agents_list.c - `backstop agents list`.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/agents.h"
#include "cli/out.h"

static void
print_json(const struct bs_agent *agents, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, bs_agent_json(&agents[i], bs_now_us()));
    bs_out_json(list);
}

/* Since when and why, and what a human can do about it. */
static void
print_quarantined(const struct bs_agent *agents, size_t n)
{
    char at[BS_TIME_TEXT];

    for (size_t i = 0; i < n; i++) {
        const struct bs_agent *g = &agents[i];
        if (g->quarantined_us == 0 || g->revoked_us != 0)
            continue;
        bs_actor_time(g->quarantined_us, at);
        printf("\n%s is in quarantine since %s: ", g->name, at);
        bs_out_text(stdout, g->quarantine_why == NULL ? "no reason was given" : g->quarantine_why);
        printf(
            "\nIt may only read. `backstop agents release %s` ends that, or `backstop resume`.\n",
            g->name);
    }
}

/* All that operators have stopped, of an agent or not. */
static void
print_paused(const struct bs_pause *pauses, size_t n)
{
    char at[BS_TIME_TEXT];

    for (size_t i = 0; i < n; i++) {
        const struct bs_pause *p = &pauses[i];
        bs_actor_time(p->at_us, at);
        printf("\n%s%s", p->scope == BS_PAUSE_DATABASE ? "database " : "",
               p->scope == BS_PAUSE_EVERYTHING ? "everything" : "");
        bs_out_text(stdout, p->name);
        printf(" is paused since %s by ", at);
        bs_out_text(stdout, p->by);
        printf(": ");
        bs_out_text(stdout, p->reason);
        printf("\nNothing runs but ROLLBACK. `backstop resume` ends that.\n");
    }
}

static void
print_agents(struct bs_arena *arena, const struct bs_agent *agents, size_t n)
{
    static const char *const heads[] = {"NAME", "KIND",   "OWNER",   "GROUP",  "DATABASES",
                                        "FROM", "STATUS", "CREATED", "EXPIRES"};
    struct bs_table table = {0};
    char at[BS_TIME_TEXT];

    bs_table_init(&table, heads, 9);
    for (size_t i = 0; i < n; i++) {
        const struct bs_agent *g = &agents[i];
        bs_table_cell(&table, "%s", g->name);
        bs_table_cell(&table, "%s", bs_actor_kind_name(g->kind));
        bs_table_cell(&table, "%s", g->owner == NULL ? "-" : g->owner);
        bs_table_cell(&table, "%s", g->group == NULL ? "-" : g->group);
        bs_table_cell(&table, "%s", bs_agent_join(arena, g->databases, g->n_databases));
        bs_table_cell(&table, "%s",
                      g->n_addresses == 0 ? "anywhere"
                                          : bs_agent_join(arena, g->addresses, g->n_addresses));
        bs_table_cell(&table, "%s", bs_agent_status(g, bs_now_us()));
        bs_actor_time(g->created_us, at);
        bs_table_cell(&table, "%s", at);
        bs_actor_time(g->expires_us, at);
        bs_table_cell(&table, "%s", at);
    }
    bs_table_print(&table);
    bs_table_fini(&table);
    print_quarantined(agents, n);
}

int
bs_agents_list(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "agents list",
        .operands = "",
        .summary = "List the agents, revoked ones included.",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_agent *agents;
    struct bs_pause *pauses;
    struct bs_err err = {0};
    size_t n, n_pauses;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!bs_actors_open(&a, &got, &status))
        goto out;
    if (bs_state_agent_list(a.state, &a.arena, &agents, &n, &err) != BS_DONE ||
        bs_state_pause_list(a.state, &a.arena, &pauses, &n_pauses, &err) != BS_DONE) {
        status = bs_out_fail(&err);
    } else if (got.json) {
        print_json(agents, n);
    } else {
        print_agents(&a.arena, agents, n);
        print_paused(pauses, n_pauses);
    }
out:
    bs_actors_close(&a);
    return status;
}
