/*
 * cmd_agents.c - who may connect: `backstop agents add | set | list | rotate | revoke |
 * release`.
 *
 * Works on the state itself, whether the gateway runs or not. What is done here reaches the audit
 * through the state (approval/changes.h): the log belongs to the gateway.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/actors.h"
#include "cli/out.h"
#include "policy/values.h"
#include "wire/scram.h"

/* --- add and rotate --- */

/* A new password and its verifier. Wipe both. */
static enum bs_done
make_password(char password[BS_ACTOR_SECRET], char verifier[BS_SCRAM_TEXT], struct bs_err *err)
{
    bs_actor_secret("", password);
    return bs_scram_verifier_make(password, verifier, err);
}

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

static const char *
join(struct bs_arena *arena, const struct bs_agent *agent)
{
    const char *all = agent->databases[0];

    for (size_t i = 1; i < agent->n_databases && all != NULL; i++)
        all = bs_arena_fmt(arena, "%s,%s", all, agent->databases[i]);
    return all == NULL ? "..." : all;
}

static void
print_secret(struct bs_actors *a, const struct bs_agent *agent, const char *password)
{
    if (bs_out_json_mode()) {
        json_t *databases = json_array();
        for (size_t i = 0; i < agent->n_databases; i++)
            (void)json_array_append_new(databases, json_string(agent->databases[i]));
        bs_out_json(json_pack("{s:s,s:s?,s:o,s:o}", "name", agent->name, "password",
                              agent->certificate_only ? NULL : password, "databases", databases,
                              "expires", bs_actor_json_time(agent->expires_us)));
        return;
    }
    printf("agent:     %s\ndatabases: %s\n", agent->name, join(&a->arena, agent));
    if (agent->certificate != NULL)
        printf("certificate: %s\n", agent->certificate);
    if (!agent->certificate_only)
        printf("password:  %s\n\nThe password is not stored and not shown again.\n", password);
    print_how_to_connect(a->config, agent->name, agent->databases[0]);
}

static enum bs_done
check_databases(const struct bs_config *config, const struct bs_agent *agent, struct bs_err *err)
{
    for (size_t i = 0; i < agent->n_databases; i++) {
        if (bs_config_database_find(config, agent->databases[i]) != NULL)
            continue;
        (void)BS_FAIL(err, USAGE, "no database \"%.63s\" is configured", agent->databases[i]);
        bs_err_hint(err, "databases are the keys under `databases:` in %.150s", config->file);
        return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
read_expiry(const char *text, struct bs_agent *agent, struct bs_err *err)
{
    int64_t ms;

    if (text == NULL)
        return BS_DONE;
    if (!bs_value_duration(text, &ms) || ms <= 0 || ms > INT64_C(100) * 366 * 86400 * 1000)
        return BS_FAIL(err, USAGE, "--expires takes a duration like 30d or 12h");
    agent->expires_us = bs_now_us() + ms * 1000;
    return BS_DONE;
}

static enum bs_done
add(struct bs_actors *a, struct bs_agent *agent, const char *expires, struct bs_err *err)
{
    char password[BS_ACTOR_SECRET], verifier[BS_SCRAM_TEXT];
    enum bs_done done;

    if (check_databases(a->config, agent, err) != BS_DONE ||
        read_expiry(expires, agent, err) != BS_DONE)
        return BS_FAILED;
    done = make_password(password, verifier, err);
    agent->verifier = verifier;
    if (done == BS_DONE)
        done = bs_state_agent_add(a->state, agent, a->by, err);
    if (done == BS_DONE)
        print_secret(a, agent, password);
    bs_wipe(password, sizeof(password));
    bs_wipe(verifier, sizeof(verifier));
    agent->verifier = NULL;
    return done;
}

/* The options that name an agent's certificate. */
struct certificate {
    const char *common_name, *subject;
    bool only, none;
};

/* As the state has it; NULL: no certificate is asked for. */
static const char *
certificate_text(struct bs_arena *arena, const struct certificate *c)
{
    if (c->subject != NULL)
        return bs_arena_fmt(arena, "dn:%s", c->subject);
    return c->common_name == NULL ? NULL : bs_arena_fmt(arena, "cn:%s", c->common_name);
}

/* What is wrong with them together; NULL: nothing. */
static const char *
certificate_wrong(const struct certificate *c)
{
    bool named = c->common_name != NULL || c->subject != NULL;

    if (c->common_name != NULL && c->subject != NULL)
        return "give it --certificate-cn or --certificate-dn, not both";
    if (c->only && !named)
        return "--certificate-only needs --certificate-cn or --certificate-dn";
    return c->none && named ? "--no-certificate takes no certificate" : NULL;
}

#define CERTIFICATE_ARGS(c)                                                                        \
    {"certificate-cn", 0, BS_ARG_TEXT, "NAME", "the common name in the certificate it shows",      \
     &(c).common_name},                                                                            \
        {"certificate-dn",                                                                         \
         0,                                                                                        \
         BS_ARG_TEXT,                                                                              \
         "SUBJECT",                                                                                \
         "the same by the whole subject, as RFC 2253 writes it",                                   \
         &(c).subject},                                                                            \
    {                                                                                              \
        "certificate-only", 0, BS_ARG_FLAG, NULL,                                                  \
            "the certificate is enough; no password is asked for", &(c).only                       \
    }

static int
agents_add(int argc, char **argv)
{
    struct bs_arg_texts databases = {.n = 0};
    struct certificate certificate = {0};
    const char *wrong;
    const char *owner = NULL, *expires = NULL, *group = NULL;
    const struct bs_arg args[] = {
        {"database", 'd', BS_ARG_TEXTS, "NAME", "configured database it may use; may be repeated",
         &databases},
        {"owner", 'o', BS_ARG_TEXT, "WHO", "the human who answers for it", &owner},
        {"group", 'g', BS_ARG_TEXT, "GROUP", "what policies may name instead of it", &group},
        {"expires", 'e', BS_ARG_TEXT, "TIME", "from now, like 30d or 12h (default: never)",
         &expires},
        CERTIFICATE_ARGS(certificate),
    };
    const struct bs_usage usage = {
        .verb = "agents add",
        .operands = "NAME",
        .summary = "Add an agent and show its password, once.",
        .details = "The agent connects with its own name and password; it never learns a database\n"
                   "credential. A running gateway knows the agent at once.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = 7,
        .examples =
            "  backstop agents add cursor-alice --database app --owner alice\n"
            "  backstop agents add night-job --database app --database shop --expires 30d\n",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (databases.n == 0)
        return bs_out_usage("backstop agents add", "--database is missing");
    wrong = certificate_wrong(&certificate);
    if (wrong != NULL)
        return bs_out_usage("backstop agents add", "%s", wrong);
    if (bs_actors_open(&a, &got, &status)) {
        struct bs_agent agent = {.name = got.operands[0],
                                 .owner = owner,
                                 .group = group,
                                 .databases = databases.list,
                                 .n_databases = databases.n,
                                 .certificate = certificate_text(&a.arena, &certificate),
                                 .certificate_only = certificate.only};
        if (add(&a, &agent, expires, &err) != BS_DONE)
            status = bs_out_fail(&err);
    }
    bs_actors_close(&a);
    return status;
}

static enum bs_done
rotate(struct bs_actors *a, const char *name, struct bs_err *err)
{
    char password[BS_ACTOR_SECRET], verifier[BS_SCRAM_TEXT];
    struct bs_agent agent;
    enum bs_done done = make_password(password, verifier, err);

    if (done == BS_DONE)
        done = bs_state_agent_get(a->state, name, &a->arena, &agent, err);
    if (done == BS_DONE && agent.certificate_only)
        done = BS_FAIL(err, CONFLICT, "\"%.63s\" has no password: it logs in by certificate alone",
                       name);
    if (done == BS_DONE)
        done = bs_state_agent_rekey(a->state, name, verifier, a->by, err);
    if (done == BS_DONE)
        print_secret(a, &agent, password);
    bs_wipe(password, sizeof(password));
    bs_wipe(verifier, sizeof(verifier));
    return done;
}

static int
agents_rotate(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "agents rotate",
        .operands = "NAME",
        .summary = "Give an agent a new password and show it, once; the old one ends.",
        .details = "Sessions that are open stay open.",
        .min = 1,
        .max = 1,
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status) && rotate(&a, got.operands[0], &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_actors_close(&a);
    return status;
}

/* --- set --- */

struct changes {
    const char *group;
    bool no_group;
    struct certificate certificate;
};

static bool
changes_group(const struct changes *c)
{
    return c->group != NULL || c->no_group;
}

static bool
changes_certificate(const struct changes *c)
{
    return c->certificate.common_name != NULL || c->certificate.subject != NULL ||
           c->certificate.none;
}

static void
say_changes(const char *name, const struct changes *c, const char *certificate)
{
    if (bs_out_json_mode()) {
        json_t *all = json_pack("{s:s}", "name", name);
        if (changes_group(c))
            (void)json_object_update_new(all, json_pack("{s:s?}", "group", c->group));
        if (changes_certificate(c))
            (void)json_object_update_new(all, json_pack("{s:s?,s:b}", "certificate", certificate,
                                                        "certificate_only", c->certificate.only));
        bs_out_json(all);
        return;
    }
    if (c->no_group)
        printf("agent %s is in no group\n", name);
    else if (c->group != NULL)
        printf("agent %s is in the group %s\n", name, c->group);
    if (c->certificate.none)
        printf("agent %s needs no certificate\n", name);
    else if (certificate != NULL)
        printf("agent %s logs in with the certificate %s%s\n", name, certificate,
               c->certificate.only ? " alone" : " and its password");
}

static int
set(struct bs_actors *a, const char *name, const struct changes *c)
{
    const char *certificate = certificate_text(&a->arena, &c->certificate);
    struct bs_err err = {0};

    if (changes_group(c) &&
        bs_state_agent_regroup(a->state, name, c->group, a->by, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (changes_certificate(c) &&
        bs_state_agent_certify(a->state, name, certificate, c->certificate.only, a->by, &err) !=
            BS_DONE)
        return bs_out_fail(&err);
    say_changes(name, c, certificate);
    return 0;
}

static int
agents_set(int argc, char **argv)
{
    struct changes c = {0};
    const struct bs_arg args[] = {
        {"group", 'g', BS_ARG_TEXT, "GROUP", "what policies may name instead of it", &c.group},
        {"no-group", 'n', BS_ARG_FLAG, NULL, "take it out of its group", &c.no_group},
        CERTIFICATE_ARGS(c.certificate),
        {"no-certificate", 0, BS_ARG_FLAG, NULL, "let it in without one", &c.certificate.none},
    };
    const struct bs_usage usage = {
        .verb = "agents set",
        .operands = "NAME",
        .summary = "Put an agent into a group or out of it, or name its certificate.",
        .details = "Sessions that are open stay as they began.",
        .min = 1,
        .max = 1,
        .args = args,
        .n_args = 6,
        .examples = "  backstop agents set cursor-alice --group analysts\n"
                    "  backstop agents set night-job --certificate-cn night-job.example\n",
    };
    struct bs_args got;
    struct bs_actors a;
    const char *wrong;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    wrong = certificate_wrong(&c.certificate);
    if (wrong == NULL &&
        ((c.group != NULL && c.no_group) || (!changes_group(&c) && !changes_certificate(&c))))
        wrong = "give it --group or --no-group, or what its certificate says";
    if (wrong != NULL)
        return bs_out_usage("backstop agents set", "%s", wrong);
    if (bs_actors_open(&a, &got, &status))
        status = set(&a, got.operands[0], &c);
    bs_actors_close(&a);
    return status;
}

/* --- list --- */

static const char *
agent_status(const struct bs_agent *agent, int64_t now_us)
{
    if (agent->revoked_us != 0)
        return "revoked";
    if (agent->expires_us != 0 && agent->expires_us <= now_us)
        return "expired";
    return agent->quarantined_us != 0 ? "quarantined" : "active";
}

static void
print_agents_json(const struct bs_agent *agents, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct bs_agent *g = &agents[i];
        json_t *databases = json_array();
        for (size_t d = 0; d < g->n_databases; d++)
            (void)json_array_append_new(databases, json_string(g->databases[d]));
        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s?,s:s?,s:o,s:s,s:o,s:o,s:o,s:o,s:s?,s:s?,s:b}", "name", g->name,
                      "owner", g->owner, "group", g->group, "databases", databases, "status",
                      agent_status(g, bs_now_us()), "created", bs_actor_json_time(g->created_us),
                      "expires", bs_actor_json_time(g->expires_us), "revoked",
                      bs_actor_json_time(g->revoked_us), "quarantined",
                      bs_actor_json_time(g->quarantined_us), "quarantine_why", g->quarantine_why,
                      "certificate", g->certificate, "certificate_only", g->certificate_only));
    }
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
        printf("\nIt may only read. `backstop agents release %s` ends that.\n", g->name);
    }
}

static void
print_agents(struct bs_arena *arena, const struct bs_agent *agents, size_t n)
{
    static const char *const heads[] = {"NAME",   "OWNER",   "GROUP",  "DATABASES",
                                        "STATUS", "CREATED", "EXPIRES"};
    struct bs_table table = {0};
    char at[BS_TIME_TEXT];

    bs_table_init(&table, heads, 7);
    for (size_t i = 0; i < n; i++) {
        const struct bs_agent *g = &agents[i];
        bs_table_cell(&table, "%s", g->name);
        bs_table_cell(&table, "%s", g->owner == NULL ? "-" : g->owner);
        bs_table_cell(&table, "%s", g->group == NULL ? "-" : g->group);
        bs_table_cell(&table, "%s", join(arena, g));
        bs_table_cell(&table, "%s", agent_status(g, bs_now_us()));
        bs_actor_time(g->created_us, at);
        bs_table_cell(&table, "%s", at);
        bs_actor_time(g->expires_us, at);
        bs_table_cell(&table, "%s", at);
    }
    bs_table_print(&table);
    bs_table_fini(&table);
    print_quarantined(agents, n);
}

static int
agents_list(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "agents list",
        .operands = "",
        .summary = "List the agents, revoked ones included.",
    };
    struct bs_args got;
    struct bs_actors a;
    struct bs_agent *agents;
    struct bs_err err = {0};
    size_t n;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!bs_actors_open(&a, &got, &status))
        goto out;
    if (bs_state_agent_list(a.state, &a.arena, &agents, &n, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (got.json)
        print_agents_json(agents, n);
    else
        print_agents(&a.arena, agents, n);
out:
    bs_actors_close(&a);
    return status;
}

/* --- revoke --- */

static int
agents_revoke(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "agents revoke",
        .operands = "NAME",
        .summary = "Let an agent in no more.",
        .min = 1,
        .max = 1,
    };

    return bs_actors_revoke(&usage, argc, argv, "agent", bs_state_agent_revoke);
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
        {"list", "list the agents", agents_list},
        {"set", "put an agent into a group", agents_set},
        {"rotate", "give an agent a new password", agents_rotate},
        {"revoke", "let an agent in no more", agents_revoke},
        {"release", "end an agent's quarantine", agents_release},
    };

    return bs_verbs_run("backstop agents", "Who may connect through the gateway.", verbs, 6, argc,
                        argv);
}
