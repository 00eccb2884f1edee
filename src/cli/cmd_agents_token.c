/*
 * cmd_agents_token.c - `backstop agents token | tokens`: short-lived passwords.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/agents.h"
#include "cli/out.h"
#include "policy/values.h"

/* --- token --- */

static void
print_token(struct bs_actors *a, const struct bs_token *t, const char *password, const char *bearer)
{
    char at[BS_TIME_TEXT];

    if (bs_out_json_mode()) {
        bs_out_json(json_pack("{s:s,s:s,s:s,s:s,s:o}", "name", t->agent, "token", t->id, "password",
                              password, "bearer", bearer, "expires",
                              bs_actor_json_time(t->expires_us)));
        return;
    }
    bs_actor_time(t->expires_us, at);
    printf("agent:     %s\ntoken:     %s\npassword:  %s\n", t->agent, t->id, password);
    if (a->config->agents_http.listen.host != NULL)
        printf("bearer:    %s\n", bearer);
    printf("expires:   %s UTC\n\nThe password is not stored and not shown again.\n", at);
}

static enum bs_done
make_token(
    struct bs_actors *a, const char *name, int64_t ttl_ms, const char *note, struct bs_err *err)
{
    char password[BS_SECRET_TEXT], bearer[BS_BEARER_TEXT];
    struct bs_token t;
    enum bs_done done =
        bs_agent_token(a->state, name, ttl_ms, note, a->by, &a->arena, &t, password, err);

    if (done == BS_DONE) {
        bs_agent_bearer(name, password, bearer);
        print_token(a, &t, password, bearer);
        bs_wipe(bearer, sizeof(bearer));
    }
    bs_wipe(password, sizeof(password));
    return done;
}

int
bs_agents_token(int argc, char **argv)
{
    const char *ttl = "15m", *note = NULL;
    const struct bs_arg args[] = {
        {"ttl", 't', BS_ARG_TEXT, "TIME", "how long it counts, 1s to 24h (default: 15m)", &ttl},
        {"note", 'n', BS_ARG_TEXT, "TEXT", "what it is for, for the record", &note},
    };
    const struct bs_usage usage = {
        .verb = "agents token",
        .operands = "NAME",
        .summary = "Give an agent a short-lived password beside its own, and show it, once.",
        .details =
            "For a run, a job, a container: it logs in with the agent's name. When its time is\n"
            "over, or it is revoked, sessions that logged in with it end, too. An agent has at\n"
            "most 8 at a time.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = 2,
        .examples =
            "  backstop agents token cursor-alice --ttl 15m\n"
            "  PGPASSWORD=$(backstop agents token ci --ttl 5m --json | jq -r .password) psql ...\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int64_t ttl_ms;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!bs_value_duration(ttl, &ttl_ms) || ttl_ms < BS_TTL_MIN_MS || ttl_ms > BS_TTL_MAX_MS)
        return bs_out_usage("backstop agents token", "--ttl takes a duration like 15m, up to 24h");
    if (bs_actors_open(&a, &got, &status) &&
        make_token(&a, got.operands[0], ttl_ms, note, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

/* --- tokens --- */

static void
print_tokens_json(const struct bs_token *tokens, size_t n, int64_t now_us)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, bs_token_json(&tokens[i], now_us));
    bs_out_json(list);
}

static void
print_tokens(const struct bs_token *tokens, size_t n, int64_t now_us)
{
    static const char *const heads[] = {"TOKEN", "AGENT", "STATUS", "CREATED", "EXPIRES", "NOTE"};
    struct bs_table table = {0};
    char at[BS_TIME_TEXT];

    bs_table_init(&table, heads, 6);
    for (size_t i = 0; i < n; i++) {
        const struct bs_token *t = &tokens[i];
        bs_table_cell(&table, "%s", t->id);
        bs_table_cell(&table, "%s", t->agent);
        bs_table_cell(&table, "%s", bs_token_status(t, now_us));
        bs_actor_time(t->created_us, at);
        bs_table_cell(&table, "%s", at);
        bs_actor_time(t->expires_us, at);
        bs_table_cell(&table, "%s", at);
        bs_table_cell(&table, "%s", t->note == NULL ? "-" : t->note);
    }
    bs_table_print(&table);
    bs_table_fini(&table);
}

int
bs_agents_tokens(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "agents tokens",
        .operands = "[NAME]",
        .summary = "List the short-lived passwords, those that ended within a week included.",
        .max = 1,
        .examples = "  backstop agents tokens cursor-alice\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_token *tokens;
    struct bs_err err = {0};
    size_t n;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status)) {
        const char *name = got.n_operands > 0 ? got.operands[0] : NULL;
        if (bs_state_token_list(a.state, name, 0, &a.arena, &tokens, &n, &err) != BS_DONE)
            status = bs_out_fail(&err);
        else if (got.json)
            print_tokens_json(tokens, n, bs_now_us());
        else
            print_tokens(tokens, n, bs_now_us());
    }
    bs_actors_close(&a);
    return status;
}
