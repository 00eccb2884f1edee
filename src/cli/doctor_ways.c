/*
 * doctor_ways.c - ways round the gateway, as far as the server itself can tell of them: its
 * pg_hba.conf, the addresses it listens on, and roles that an agent would fit.
 *
 * pg_hba_file_rules() reads the file as it is now, which is what the next reload makes of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/doctor.h"
#include "cli/hba.h"
#include "policy/values.h"

struct search {
    struct bs_doctor *d;
    PGconn *helper;
    const struct bs_seen *seen;
    const char **names; /* roles that agents could use: their own names, then the gateway's two */
    size_t n_names;
    size_t n_agents;    /* how many of the names are agents' */
    const char *logins; /* agents' names that are roles with LOGIN, for people; NULL: none */
    bool open;          /* one of them is let in */
};

#define NOTE(s, LEVEL, check, way, ...)                                                            \
    bs_doctor_note((s)->d, BS_FINDING_##LEVEL, (struct bs_topic){(s)->seen->scope, check}, (way),  \
                   __VA_ARGS__)

/* The agents of this database that can connect now, and the roles that the gateway uses. */
static bool
collect_names(struct search *s)
{
    struct bs_doctor *d = s->d;

    s->names = bs_arena_array(&d->arena, d->n_agents + 2, sizeof(*s->names));
    if (s->names == NULL)
        return false;
    for (size_t i = 0; i < d->n_agents; i++) {
        if (bs_agent_may(&d->agents[i], s->seen->scope, bs_now_us()))
            s->names[s->n_names++] = d->agents[i].name;
    }
    s->n_agents = s->n_names;
    s->names[s->n_names++] = s->seen->upstream;
    s->names[s->n_names++] = s->seen->helper;
    return true;
}

static bool
can_log_in(struct search *s, const char *name)
{
    PGresult *res = bs_doctor_ask(s->helper,
                                  "SELECT FROM pg_catalog.pg_roles r WHERE r.rolname "
                                  "OPERATOR(pg_catalog.=) $1 AND r.rolcanlogin",
                                  name);
    bool yes = res == NULL || PQntuples(res) != 0;

    PQclear(res);
    return yes;
}

static void
look_at_roles(struct search *s)
{
    for (size_t i = 0; i < s->n_agents; i++) {
        if (can_log_in(s, s->names[i]))
            s->logins = s->logins == NULL ? s->names[i]
                                          : bs_doctor_fmt(s->d, "%s, %s", s->logins, s->names[i]);
    }
    if (s->logins != NULL)
        NOTE(s, WARN, "ways.roles", "ALTER ROLE ... NOLOGIN: an agent needs no role of its own",
             "roles: on the server, too, there is a role with LOGIN called %s", s->logins);
    else
        NOTE(s, OK, "ways.roles", NULL, "roles: no agent's name is a role that can log in");
}

/* --- pg_hba.conf --- */

static const char *
field(const PGresult *res, int row, int column)
{
    return PQgetisnull(res, row, column) ? NULL : PQgetvalue(res, row, column);
}

/* The lists as JSON: NULL where one cannot be read. */
static const json_t *
list_of(json_t *all, const PGresult *res, int row, int column)
{
    const char *text = field(res, row, column);
    json_t *list = text == NULL ? NULL : json_loads(text, 0, NULL);

    if (!json_is_array(list)) {
        json_decref(list);
        return NULL;
    }
    (void)json_array_append_new(all, list);
    return list;
}

/* Borrows from `res` and `lists`. Lines that are no rule (errors) end the reading: NULL. */
static struct bs_hba_rule *
read_rules(struct search *s, const PGresult *res, json_t *lists)
{
    size_t n = (size_t)PQntuples(res);
    struct bs_hba_rule *rules = bs_arena_array(&s->d->arena, n + 1, sizeof(*rules));

    for (size_t i = 0; rules != NULL && i < n; i++) {
        int row = (int)i;
        rules[i] = (struct bs_hba_rule){
            .line = (int)strtol(PQgetvalue(res, row, 0), NULL, 10),
            .type = field(res, row, 1),
            .databases = list_of(lists, res, row, 2),
            .users = list_of(lists, res, row, 3),
            .address = field(res, row, 4),
            .netmask = field(res, row, 5),
            .method = field(res, row, 6),
        };
        if (rules[i].type == NULL || rules[i].databases == NULL || rules[i].users == NULL ||
            rules[i].method == NULL)
            return NULL;
    }
    return rules;
}

/* An agent's name, and a role: whoever knows the role's password needs no gateway. */
static bool
is_agents_role(struct search *s, const char *name)
{
    for (size_t i = 0; i < s->n_agents; i++) {
        if (strcmp(s->names[i], name) == 0)
            return can_log_in(s, name);
    }
    return false;
}

static void
note_open(struct search *s, const struct bs_hba_rule *r, enum bs_hba_who who, const char *name)
{
    bool free_entry = strcmp(r->method, "trust") == 0;
    const char *whom = who == BS_HBA_NAMED ? bs_doctor_fmt(s->d, "\"%s\"", name)
                       : who == BS_HBA_ALL ? "every role"
                                           : "a group or pattern of roles";
    const char *from = r->address == NULL ? "?" : r->address;
    const char *mask = r->netmask == NULL ? "" : r->netmask;
    bool sure = free_entry || (who == BS_HBA_NAMED && is_agents_role(s, name)) ||
                (who == BS_HBA_ALL && s->logins != NULL);

    s->open = true;
    bs_doctor_note(s->d, sure ? BS_FINDING_FAIL : BS_FINDING_WARN,
                   (struct bs_topic){s->seen->scope, "ways.pg_hba"},
                   "let in only the gateway's roles from the gateway's address, and nobody else "
                   "that agents could be",
                   "pg_hba.conf line %d lets %s in from %s%s%s by %s, past the gateway", r->line,
                   whom, from, mask[0] == '\0' ? "" : "/", mask, r->method);
}

/* The helper's own way in is from the gateway, too, so one address stands for both. */
static void
look_at_rules(struct search *s, const PGresult *res, json_t *lists)
{
    struct bs_hba_rule *rules = read_rules(s, res, lists);
    struct bs_net gateway;
    struct bs_hba_ask ask = {.database = s->seen->database,
                             .names = s->names,
                             .n_names = s->n_names,
                             .inside = &gateway,
                             .n_inside = bs_net_read(s->seen->address, NULL, &gateway)};
    const char *trusting = "";

    if (rules == NULL) {
        NOTE(s, WARN, "ways.pg_hba", "see pg_hba_file_rules",
             "pg_hba.conf: there are lines in it that the server cannot read");
        return;
    }
    for (size_t i = 0; i < (size_t)PQntuples(res); i++) {
        const char *name;
        enum bs_hba_who who = bs_hba_opens(rules, i, &ask, &name);
        if (who != BS_HBA_NOBODY)
            note_open(s, &rules[i], who, name);
        else if (bs_hba_trusts_here(&rules[i], &ask))
            trusting = bs_doctor_fmt(s->d, "%s%s%d", trusting, trusting[0] == '\0' ? "" : ", ",
                                     rules[i].line);
    }
    if (trusting[0] != '\0')
        NOTE(s, WARN, "ways.trust", "peer, or scram-sha-256",
             "pg_hba.conf: whoever has a shell on the server's host gets in without a password by "
             "line %s",
             trusting);
    if (!s->open)
        NOTE(s, OK, "ways.pg_hba", NULL,
             "pg_hba.conf: no agent is let in from another host than the gateway's");
}

static void
look_at_hba(struct search *s)
{
    PGresult *res =
        bs_doctor_ask(s->helper,
                      "SELECT h.line_number, h.type, pg_catalog.to_json(h.database),"
                      " pg_catalog.to_json(h.user_name), h.address, h.netmask, h.auth_method"
                      " FROM pg_catalog.pg_hba_file_rules() h",
                      NULL);
    json_t *lists = json_array();

    if (res == NULL)
        NOTE(s, WARN, "ways.pg_hba",
             "as a superuser, in this database: GRANT EXECUTE ON FUNCTION "
             "pg_catalog.pg_hba_file_rules() TO the helper's role",
             "pg_hba.conf: the helper may not read it, so a way round cannot be excluded");
    else
        look_at_rules(s, res, lists);
    json_decref(lists);
    PQclear(res);
}

/* --- where the server listens --- */

/* "localhost, ::1": every name is one of this host; so is an empty list. */
static bool
listens_here_only(const char *list)
{
    char name[64];

    while (*list != '\0') {
        size_t n = strcspn(list, ", ");
        if (n >= sizeof(name))
            return false;
        (void)snprintf(name, sizeof(name), "%.*s", (int)n, list);
        if (n != 0 && !bs_value_is_loopback(name))
            return false;
        list += n + (list[n] != '\0');
    }
    return true;
}

static void
look_at_addresses(struct search *s)
{
    PGresult *res =
        bs_doctor_ask(s->helper, "SELECT pg_catalog.current_setting('listen_addresses')", NULL);
    const char *list = res == NULL ? "*" : PQgetvalue(res, 0, 0);
    bool gateway_here = s->seen->address == NULL || bs_value_is_loopback(s->seen->address);

    if (listens_here_only(list))
        NOTE(s, OK, "ways.listen", NULL, "server: listens on its own host only");
    else if (gateway_here)
        NOTE(s, WARN, "ways.listen", "listen_addresses = 'localhost', or a firewall",
             "server: listens on the network (%s) although the gateway is on its own host", list);
    else
        NOTE(s, INFO, "ways.listen", "let a firewall pass only the gateway",
             "server: listens on the network (%s), where the gateway comes from %s", list,
             s->seen->address);
    PQclear(res);
}

void
bs_doctor_ways(struct bs_doctor *d, PGconn *helper, const struct bs_seen *seen)
{
    struct search s = {.d = d, .helper = helper, .seen = seen};

    if (!collect_names(&s))
        return;
    look_at_addresses(&s);
    look_at_roles(&s);
    look_at_hba(&s);
}
