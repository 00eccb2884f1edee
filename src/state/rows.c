/*
 * rows.c - names of enums and what may stand in a row. Zero and unknown names refuse.
 */
#include "state/rows.h"

#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

#include "base/cidr.h"
#include "base/clock.h"

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

bool
bs_text_is_blank(const char *text)
{
    return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

enum bs_done
bs_name_check(const char *what, const char *name, struct bs_err *err)
{
    size_t n = name == NULL ? 0 : strlen(name);

    if (n == 0)
        return BS_FAIL(err, USAGE, "%s must not be empty", what);
    if (n > BS_NAME_MAX)
        return BS_FAIL(err, USAGE, "%s is longer than %d bytes", what, BS_NAME_MAX);
    if (strspn(name, name_letters) != n)
        return BS_FAIL(err, USAGE, "%s may only have a-z, 0-9, '.', '_' and '-'", what);
    if (name[0] == '.' || name[0] == '-')
        return BS_FAIL(err, USAGE, "%s must start with a letter, a digit or '_'", what);
    return BS_DONE;
}

const char *
bs_agent_shut_out(const struct bs_agent *agent, int64_t now_us)
{
    if (agent->revoked_us != 0)
        return "revoked";
    if (agent->disabled_us != 0)
        return "disabled";
    return agent->expires_us != 0 && agent->expires_us <= now_us ? "expired" : NULL;
}

const char *
bs_agent_status(const struct bs_agent *agent, int64_t now_us)
{
    const char *out = bs_agent_shut_out(agent, now_us);

    if (out != NULL)
        return out;
    if (agent->paused_us != 0)
        return "paused";
    return agent->quarantined_us != 0 ? "quarantined" : "active";
}

bool
bs_token_counts(const struct bs_token *token, int64_t now_us)
{
    return token->revoked_us == 0 && now_us < token->expires_us;
}

bool
bs_agent_may_come(const struct bs_agent *agent, const char *client)
{
    for (size_t i = 0; i < agent->n_addresses; i++) {
        struct bs_cidr range;
        const char *why;
        if (bs_cidr_parse(agent->addresses[i], &range, &why) && bs_cidr_has(&range, client))
            return true;
    }
    return agent->n_addresses == 0;
}

void
bs_agent_overlay(struct bs_agent *to, const struct bs_agent *from, unsigned fields)
{
    if ((fields & BS_AGENT_OWNER) != 0)
        to->owner = from->owner;
    if ((fields & BS_AGENT_GROUP) != 0)
        to->group = from->group;
    if ((fields & BS_AGENT_DATABASES) != 0) {
        to->databases = from->databases;
        to->n_databases = from->n_databases;
    }
    if ((fields & BS_AGENT_EXPIRES) != 0)
        to->expires_us = from->expires_us;
    if ((fields & BS_AGENT_CERTIFICATE) != 0) {
        to->certificate = from->certificate;
        to->certificate_only = from->certificate_only;
    }
    if ((fields & BS_AGENT_ADDRESSES) != 0) {
        to->addresses = from->addresses;
        to->n_addresses = from->n_addresses;
    }
    if ((fields & BS_AGENT_ROLE) != 0)
        to->role = from->role;
    if ((fields & BS_AGENT_KIND) != 0)
        to->kind = from->kind;
    if ((fields & BS_AGENT_DISABLED) != 0)
        to->disabled_us = from->disabled_us;
}

static const char *const actor_kinds[] = {
    [BS_ACTOR_AGENT] = "agent", [BS_ACTOR_APP] = "app", [BS_ACTOR_PERSON] = "person"};

const char *
bs_actor_kind_name(enum bs_actor_kind kind)
{
    return (unsigned)kind < BS_ACTOR_KINDS ? actor_kinds[kind] : actor_kinds[BS_ACTOR_AGENT];
}

bool
bs_actor_kind_find(const char *name, enum bs_actor_kind *out)
{
    for (enum bs_actor_kind k = BS_ACTOR_AGENT; name != NULL && k < BS_ACTOR_KINDS; k++) {
        if (strcmp(actor_kinds[k], name) != 0)
            continue;
        *out = k;
        return true;
    }
    return false;
}

bool
bs_agent_may(const struct bs_agent *agent, const char *database, int64_t now_us)
{
    if (bs_agent_shut_out(agent, now_us) != NULL)
        return false;
    for (size_t i = 0; i < agent->n_databases; i++) {
        if (strcmp(agent->databases[i], database) == 0)
            return true;
    }
    return false;
}

static const char *const roles[] = {
    [BS_ROLE_NONE] = "none",
    [BS_ROLE_VIEWER] = "viewer",
    [BS_ROLE_APPROVER] = "approver",
    [BS_ROLE_ADMIN] = "admin",
};

const char *
bs_role_name(enum bs_role role)
{
    return (unsigned)role <= BS_ROLE_ADMIN ? roles[role] : roles[BS_ROLE_NONE];
}

enum bs_role
bs_role_find(const char *name)
{
    for (enum bs_role r = BS_ROLE_VIEWER; name != NULL && r <= BS_ROLE_ADMIN; r++) {
        if (strcmp(roles[r], name) == 0)
            return r;
    }
    return BS_ROLE_NONE;
}

bool
bs_operator_may(const struct bs_operator *op, enum bs_role needed, int64_t now_us)
{
    return needed != BS_ROLE_NONE && op->revoked_us == 0 && op->role >= needed &&
           op->role <= BS_ROLE_ADMIN && (op->expires_us == 0 || now_us < op->expires_us);
}

const char *
bs_operator_status(const struct bs_operator *op, int64_t now_us)
{
    if (op->revoked_us != 0)
        return "revoked";
    return op->expires_us != 0 && op->expires_us <= now_us ? "expired" : "active";
}

void
bs_operator_overlay(struct bs_operator *to, const struct bs_operator *from, unsigned fields)
{
    if ((fields & BS_OPERATOR_ROLE) != 0)
        to->role = from->role;
    if ((fields & BS_OPERATOR_GROUPS) != 0) {
        to->groups = from->groups;
        to->n_groups = from->n_groups;
    }
    if ((fields & BS_OPERATOR_OWNERS) != 0) {
        to->owners = from->owners;
        to->n_owners = from->n_owners;
    }
    if ((fields & BS_OPERATOR_EXPIRES) != 0)
        to->expires_us = from->expires_us;
}

struct bs_human
bs_operator_human(const struct bs_operator *op)
{
    return (struct bs_human){op->name, op->owners, op->n_owners};
}

struct bs_human
bs_said_human(const struct bs_said_row *said)
{
    return (struct bs_human){said->operator_, said->owners, said->n_owners};
}

struct bs_human
bs_glass_human(const struct bs_glass *glass)
{
    return (struct bs_human){glass->operator_, glass->owners, glass->n_owners};
}

bool
bs_operator_was(const struct bs_operator *op, int64_t then_us)
{
    return op->created_us < then_us && op->changed_us < then_us;
}

bool
bs_human_is(const struct bs_human *h, const char *name)
{
    for (size_t i = 0; i < h->n_also; i++) {
        if (strcasecmp(h->also[i], name) == 0)
            return true;
    }
    return strcasecmp(h->name, name) == 0;
}

bool
bs_humans_same(const struct bs_human *a, const struct bs_human *b)
{
    for (size_t i = 0; i < a->n_also; i++) {
        if (bs_human_is(b, a->also[i]))
            return true;
    }
    return bs_human_is(b, a->name);
}

static const char *const said_names[] = {
    [BS_SAID_COMMENT] = "comment",
    [BS_SAID_DENY] = "deny",
    [BS_SAID_APPROVE] = "approve",
};

static const char *const pause_scopes[] = {"none", "actor", "database", "everything"};

const char *
bs_pause_scope_name(enum bs_pause_scope scope)
{
    return (unsigned)scope <= BS_PAUSE_EVERYTHING ? pause_scopes[scope] : pause_scopes[0];
}

enum bs_pause_scope
bs_pause_scope_find(const char *name)
{
    for (unsigned i = BS_PAUSE_ACTOR; name != NULL && i <= BS_PAUSE_EVERYTHING; i++) {
        if (strcmp(pause_scopes[i], name) == 0)
            return (enum bs_pause_scope)i;
    }
    return BS_PAUSE_NONE;
}

const char *
bs_said_name(enum bs_said said)
{
    return (unsigned)said <= BS_SAID_APPROVE ? said_names[said] : said_names[BS_SAID_COMMENT];
}

enum bs_said
bs_said_find(const char *name)
{
    for (enum bs_said s = BS_SAID_DENY; name != NULL && s <= BS_SAID_APPROVE; s++) {
        if (strcmp(said_names[s], name) == 0)
            return s;
    }
    return BS_SAID_COMMENT;
}

static const char *const ticket_states[] = {
    [BS_TICKET_NONE] = "none",           [BS_TICKET_PENDING] = "pending",
    [BS_TICKET_APPROVED] = "approved",   [BS_TICKET_DENIED] = "denied",
    [BS_TICKET_EXPIRED] = "expired",     [BS_TICKET_RUNNING] = "running",
    [BS_TICKET_DONE] = "done",           [BS_TICKET_FAILED] = "failed",
    [BS_TICKET_UNCERTAIN] = "uncertain",
};

const char *
bs_ticket_state_name(enum bs_ticket_state state)
{
    return (unsigned)state < BS_TICKET_STATES ? ticket_states[state] : ticket_states[0];
}

enum bs_ticket_state
bs_ticket_state_find(const char *name)
{
    for (enum bs_ticket_state s = BS_TICKET_PENDING; name != NULL && s < BS_TICKET_STATES; s++) {
        if (strcmp(ticket_states[s], name) == 0)
            return s;
    }
    return BS_TICKET_NONE;
}

void
bs_sha256_text(const char *text, char out[BS_SHA256_TEXT])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)text, strlen(text), digest);
    bs_hex(digest, sizeof(digest), out);
}
