/*
 * rows.c - names of enums and what may stand in a row. Zero and unknown names refuse.
 */
#include "state/rows.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/clock.h"

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

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

bool
bs_agent_may(const struct bs_agent *agent, const char *database, int64_t now_us)
{
    if (agent->revoked_us != 0 || (agent->expires_us != 0 && agent->expires_us <= now_us))
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
bs_operator_may(const struct bs_operator *op, enum bs_role needed)
{
    return needed != BS_ROLE_NONE && op->revoked_us == 0 && op->role >= needed &&
           op->role <= BS_ROLE_ADMIN;
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
