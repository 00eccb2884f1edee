/*
 * cmd_agents.c - who may connect: `backstop agents add | rotate | revoke | release`; set, enable and
 * disable are in cmd_agents_set.c, token and tokens in cmd_agents_token.c, list is in
 * cmd_agents_list.c.
 *
 * Works on the state itself, whether the gateway runs or not. What is done here reaches the audit
 * through the state (approval/changes.h): the log belongs to the gateway.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/agents.h"
#include "cli/out.h"

/* --- add and rotate --- */

/* The listener that libpq would be pointed at. */
static void
print_how_to_connect(const struct bs_config *config, const char *name, const char *database)
{
    const struct bs_config_listen *l = config->n_listen > 0 ? &config->listen[0] : NULL;

    if (l == NULL)
        return;
    printf("\nconnect:   psql \"host=%s port=%u dbname=%s user=%s\"\n",
           l->host != NULL ? l->host : l->dir, (unsigned)l->port, database, name);
}

static void
print_secret_json(const struct bs_agent *agent, const char *password, const char *bearer)
{
    bool none = agent->certificate_only;

    bs_out_json(json_pack("{s:s,s:s?,s:s?,s:o,s:o}", "name", agent->name, "password",
                          none ? NULL : password, "bearer", none ? NULL : bearer, "databases",
                          bs_agent_json_list(agent->databases, agent->n_databases), "expires",
                          bs_actor_json_time(agent->expires_us)));
}

static void
print_secret_text(struct bs_actors *a,
                  const struct bs_agent *agent,
                  const char *password,
                  const char *bearer)
{
    printf("agent:     %s\ndatabases: %s\n", agent->name,
           bs_agent_join(&a->arena, agent->databases, agent->n_databases));
    if (agent->certificate != NULL)
        printf("certificate: %s\n", agent->certificate);
    if (!agent->certificate_only)
        printf("password:  %s\n", password);
    if (!agent->certificate_only && a->config->agents_http.listen.host != NULL)
        printf("bearer:    %s\n", bearer);
    if (!agent->certificate_only)
        printf("\nThe password is not stored and not shown again.\n");
    print_how_to_connect(a->config, agent->name, agent->databases[0]);
}

static void
print_secret(struct bs_actors *a, const struct bs_agent *agent, const char *password)
{
    char bearer[BS_BEARER_TEXT];

    bs_agent_bearer(agent->name, password, bearer);
    if (bs_out_json_mode())
        print_secret_json(agent, password, bearer);
    else
        print_secret_text(a, agent, password, bearer);
    bs_wipe(bearer, sizeof(bearer));
}

static enum bs_done
add(struct bs_actors *a, const char *name, const struct bs_agent_options *o, struct bs_err *err)
{
    char password[BS_SECRET_TEXT];
    struct bs_agent agent = {.name = name};
    enum bs_done done;
    unsigned fields;

    if (bs_agent_options_read(o, &a->arena, &agent, &fields, err) != BS_DONE)
        return BS_FAILED;
    done = bs_agent_enroll(a->state, a->config, &agent, a->by, password, err);
    if (done == BS_DONE)
        print_secret(a, &agent, password);
    bs_wipe(password, sizeof(password));
    return done;
}

static int
agents_add(int argc, char **argv)
{
    struct bs_agent_options options = {0};
    const struct bs_arg args[] = {BS_AGENT_ARGS(options)};
    const struct bs_usage usage = {
        .verb = "agents add",
        .operands = "NAME",
        .summary = "Add an agent, an app or a person and show the password, once.",
        .details = "It connects with its own name and password; it never learns a database\n"
                   "credential. A running gateway knows it at once.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = BS_AGENT_ARGS_N,
        .examples = "  backstop agents add cursor-alice --database app --owner alice\n"
                    "  backstop agents add night-job --kind app --database app --database shop \\\n"
                    "      --expires 30d --address 10.1.0.0/16 --role night_rw\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (options.databases.n == 0)
        return bs_out_usage("backstop agents add", "--database is missing");
    if (bs_actors_open(&a, &got, &status) && add(&a, got.operands[0], &options, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

static enum bs_done
rotate(struct bs_actors *a, const char *name, int64_t overlap_ms, struct bs_err *err)
{
    char password[BS_SECRET_TEXT];
    struct bs_agent agent;
    enum bs_done done =
        bs_agent_rotate(a->state, name, overlap_ms, a->by, &a->arena, &agent, password, err);

    if (done == BS_DONE)
        print_secret(a, &agent, password);
    if (done == BS_DONE && agent.old_until_us != 0 && !bs_out_json_mode())
        bs_actor_print_until("\nThe old password counts until ", agent.old_until_us);
    bs_wipe(password, sizeof(password));
    return done;
}

static int
agents_rotate(int argc, char **argv)
{
    const char *overlap = NULL;
    const struct bs_arg args[] = {
        {"overlap", 'o', BS_ARG_TEXT, "TIME", "let the old one count for so long, too, like 24h",
         &overlap},
    };
    const struct bs_usage usage = {
        .verb = "agents rotate",
        .operands = "NAME",
        .summary = "Give an agent a new password and show it, once; the old one ends.",
        .details =
            "Sessions that are open stay open, and tokens go on. With --overlap both passwords\n"
            "count for a while; a further `agents rotate` ends all but its own and the last.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = 1,
        .examples = "  backstop agents rotate cursor-alice\n"
                    "  backstop agents rotate night-job --overlap 24h\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int64_t overlap_ms;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!bs_actor_overlap("backstop agents rotate", overlap, &overlap_ms, &status))
        return status;
    if (bs_actors_open(&a, &got, &status) &&
        rotate(&a, got.operands[0], overlap_ms, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

/* --- revoke --- */

static void
say_revoked(const char *name, const char *token)
{
    if (bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:s*,s:s}", "name", name, "token", token, "status", "revoked"));
    else if (token != NULL)
        printf("token %s of agent %s is revoked\n", token, name);
    else
        printf("agent %s is revoked\n", name);
}

static int
agents_revoke(int argc, char **argv)
{
    const char *token = NULL;
    const struct bs_arg args[] = {
        {"token", 't', BS_ARG_TEXT, "ID", "only this short-lived password", &token},
    };
    const struct bs_usage usage = {
        .verb = "agents revoke",
        .operands = "NAME",
        .summary = "Let an agent in no more, and end its sessions.",
        .details =
            "For good: `agents disable` is for a while. A running gateway ends its sessions\n"
            "within about a second; what they were doing is cancelled and rolled back. With\n"
            "--token only sessions end that logged in with it.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = 1,
        .examples = "  backstop agents revoke cursor-alice\n"
                    "  backstop agents revoke cursor-alice --token K-01J9ZQ5W3N8V7XG2M4T6B1C0DE\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    enum bs_done done;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status)) {
        const char *name = got.operands[0];
        done = token != NULL ? bs_state_token_revoke(a.state, name, token, a.by, &err)
                             : bs_state_agent_revoke(a.state, name, a.by, &err);
        if (done == BS_DONE)
            say_revoked(name, token);
        else
            status = bs_out_fail(&err);
    }
    bs_actors_close(&a);
    return status;
}

/* --- release --- */

static int
agents_release(int argc, char **argv)
{
    const char *reason = NULL;
    const struct bs_arg args[] = {
        {"reason", 'r', BS_ARG_TEXT, "TEXT", "your words, for the record", &reason},
    };
    const struct bs_usage usage = {
        .verb = "agents release",
        .operands = "NAME",
        .summary = "End an agent's quarantine.",
        .details =
            "An agent that asks in other words for what was refused may only read from then\n"
            "on. A running gateway lets it go on within seconds; what was denied stays denied.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = 1,
        .examples = "  backstop agents release cursor-alice --reason 'the prompt was at fault'\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status)) {
        if (bs_state_agent_release(a.state, got.operands[0], reason, a.by, &err) != BS_DONE)
            status = bs_out_fail(&err);
        else if (got.json)
            bs_out_json(json_pack("{s:s}", "released", got.operands[0]));
        else
            printf("%s is released\n", got.operands[0]);
    }
    bs_actors_close(&a);
    return status;
}

int
bs_cmd_agents(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"add", "add an agent and show its password, once", agents_add},
        {"list", "list the agents", bs_agents_list},
        {"set", "change what is known of an agent", bs_agents_set},
        {"rotate", "give an agent a new password", agents_rotate},
        {"token", "give an agent a short-lived password", bs_agents_token},
        {"tokens", "list the short-lived passwords", bs_agents_tokens},
        {"disable", "let an agent in no more, for a while", bs_agents_disable},
        {"enable", "let it in again", bs_agents_enable},
        {"revoke", "let an agent in no more, for good", agents_revoke},
        {"release", "end an agent's quarantine", agents_release},
    };

    return bs_verbs_run("backstop agents", "Who may connect through the gateway.", verbs, 10, argc,
                        argv);
}
