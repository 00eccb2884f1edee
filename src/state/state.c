/*
 * state.c - the front of every backend: finds it by its scheme and lets only checked rows in.
 */
#include "state/state.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cidr.h"
#include "base/clock.h"
#include "state/backend.h"

static const struct bs_state_backend *const backends[] = {&bs_state_sqlite, &bs_state_postgresql,
                                                          &bs_state_postgres};

enum bs_done
bs_state_open(const char *url, struct bs_state **out, struct bs_err *err)
{
    *out = NULL;
    if (url[0] == '/')
        return bs_state_sqlite.open(url, out, err);
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        size_t n = strlen(backends[i]->scheme);
        if (strncmp(url, backends[i]->scheme, n) == 0 && strncmp(url + n, "://", 3) == 0)
            return backends[i]->open(url + n + 3, out, err);
    }
    /* The URL may hold credentials, so it is not quoted. */
    (void)BS_FAIL(err, CONFIG, "the state url has no scheme that this version knows");
    bs_err_hint(err, "use sqlite:///absolute/path or postgresql://...");
    return BS_FAILED;
}

enum bs_done
bs_state_begin(struct bs_state *s, struct bs_err *err)
{
    return s->ops->begin(s, err);
}

enum bs_done
bs_state_end(struct bs_state *s, enum bs_done done, struct bs_err *err)
{
    return s->ops->end(s, done, err);
}

void
bs_state_close(struct bs_state **s)
{
    if (*s != NULL)
        (*s)->ops->close(*s);
    *s = NULL;
}

/* --- several gateways --- */

enum bs_done
bs_state_secret(struct bs_state *s, const char *name, char out[BS_STATE_SECRET], struct bs_err *err)
{
    memset(out, 0, BS_STATE_SECRET);
    return s->ops->secret(s, name, out, err);
}

bool
bs_state_shared(struct bs_state *s)
{
    return s->ops->shared(s);
}

enum bs_done
bs_state_join(struct bs_state *s,
              const char *instance,
              bs_state_news_fn *heard,
              void *ctx,
              struct bs_err *err)
{
    return s->ops->join(s, instance, heard, ctx, err);
}

void
bs_state_leave(struct bs_state *s)
{
    s->ops->leave(s);
}

enum bs_done
bs_state_lease(struct bs_state *s, const char *name, int64_t ms, bool *mine, struct bs_err *err)
{
    *mine = false;
    return s->ops->lease(s, name, ms, mine, err);
}

enum bs_done
bs_state_lease_drop(struct bs_state *s, const char *name, struct bs_err *err)
{
    return s->ops->lease_drop(s, name, err);
}

enum bs_done
bs_state_bury(struct bs_state *s, size_t *n, struct bs_err *err)
{
    *n = 0;
    return s->ops->bury(s, n, err);
}

enum bs_done
bs_state_ticket_orphans(struct bs_state *s,
                        struct bs_arena *arena,
                        struct bs_ticket **out,
                        size_t *n,
                        struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->ticket_orphans(s, arena, out, n, err);
}

/* --- what may come in --- */

static bool
text_ok(const char *text)
{
    return text == NULL || bs_utf8_valid(bs_bytes_of(text));
}

static enum bs_done
name_of_database_check(const char *what, const char *name, struct bs_err *err)
{
    size_t n = strlen(name);

    if (n == 0 || n > BS_NAME_MAX || !text_ok(name))
        return BS_FAIL(err, USAGE, "%s must have 1 to %d bytes", what, BS_NAME_MAX);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return BS_FAIL(err, USAGE, "%s has a control character", what);
    }
    return BS_DONE;
}

#define CERTIFICATE_MAX 1024 /* bytes of what a certificate must say */

/* Enough to keep a clear password out of the table; SCRAM itself reads it with more care. */
static enum bs_done
verifier_check(const char *verifier, struct bs_err *err)
{
    static const char prefix[] = "SCRAM-SHA-256$";

    if (verifier == NULL || strncmp(verifier, prefix, sizeof(prefix) - 1) != 0 ||
        strchr(verifier, ':') == NULL)
        return BS_FAIL(err, USAGE, "not a SCRAM-SHA-256 verifier");
    return BS_DONE;
}

static enum bs_done
check_certificate(const char *certificate, bool only, struct bs_err *err)
{
    if (certificate == NULL && only)
        return BS_FAIL(err, USAGE, "no certificate is named that could be proof enough");
    if (certificate == NULL)
        return BS_DONE;
    if ((strncmp(certificate, "cn:", 3) != 0 && strncmp(certificate, "dn:", 3) != 0) ||
        certificate[3] == '\0' || strlen(certificate) > CERTIFICATE_MAX || !text_ok(certificate))
        return BS_FAIL(err, USAGE, "the name in a certificate is empty, too long or not UTF-8");
    return BS_DONE;
}

static enum bs_done
check_addresses(const struct bs_agent *agent, struct bs_err *err)
{
    if (agent->n_addresses > BS_ADDRESSES_OF_ACTOR)
        return BS_FAIL(err, USAGE, "more than %d ranges of addresses", BS_ADDRESSES_OF_ACTOR);
    for (size_t i = 0; i < agent->n_addresses; i++) {
        struct bs_cidr range;
        const char *why;
        if (!bs_cidr_parse(agent->addresses[i], &range, &why))
            return BS_FAIL(err, USAGE, "the address \"%.63s\": %s", agent->addresses[i], why);
    }
    return BS_DONE;
}

static enum bs_done
agent_check(const struct bs_agent *agent, struct bs_err *err)
{
    if (bs_name_check("an agent's name", agent->name, err) != BS_DONE)
        return BS_FAILED;
    if (agent->group != NULL && bs_name_check("a group's name", agent->group, err) != BS_DONE)
        return BS_FAILED;
    if (!text_ok(agent->owner))
        return BS_FAIL(err, USAGE, "the owner's name is not UTF-8");
    if (agent->n_databases == 0)
        return BS_FAIL(err, USAGE, "an agent needs at least one database");
    for (size_t i = 0; i < agent->n_databases; i++) {
        if (name_of_database_check("a database's name", agent->databases[i], err) != BS_DONE)
            return BS_FAILED;
    }
    if (agent->role != NULL && name_of_database_check("a role's name", agent->role, err) != BS_DONE)
        return BS_FAILED;
    if (check_certificate(agent->certificate, agent->certificate_only, err) != BS_DONE)
        return BS_FAILED;
    return check_addresses(agent, err);
}

#define GROUPS_MAX 64 /* that one operator is in */

static enum bs_done
groups_check(const char *const *groups, size_t n, struct bs_err *err)
{
    if (n > GROUPS_MAX)
        return BS_FAIL(err, USAGE, "an operator is in %d groups at most", GROUPS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (bs_name_check("a group's name", groups[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
token_check(const char *token_sha256, struct bs_err *err)
{
    if (token_sha256 == NULL || strlen(token_sha256) != BS_SHA256_TEXT - 1 ||
        strspn(token_sha256, "0123456789abcdef") != BS_SHA256_TEXT - 1)
        return BS_FAIL(err, USAGE, "a token is stored as its SHA-256 in lower-case hex");
    return BS_DONE;
}

static enum bs_done
owners_check(const struct bs_operator *op, struct bs_err *err)
{
    if (op->n_owners > BS_OWNERS_OF_OPERATOR)
        return BS_FAIL(err, USAGE, "an operator has %d names of its owner at most",
                       BS_OWNERS_OF_OPERATOR);
    for (size_t i = 0; i < op->n_owners; i++) {
        const char *name = op->owners[i];
        if (!text_ok(name) || name[0] == '\0' || strlen(name) > BS_OWNER_MAX)
            return BS_FAIL(err, USAGE, "an owner's name is UTF-8 of 1 to %d bytes", BS_OWNER_MAX);
    }
    return BS_DONE;
}

static enum bs_done
operator_check(const struct bs_operator *op, struct bs_err *err)
{
    if (bs_name_check("an operator's name", op->name, err) != BS_DONE)
        return BS_FAILED;
    if (op->role <= BS_ROLE_NONE || op->role > BS_ROLE_ADMIN)
        return BS_FAIL(err, USAGE, "a role is viewer, approver or admin");
    if (groups_check(op->groups, op->n_groups, err) != BS_DONE)
        return BS_FAILED;
    return owners_check(op, err);
}

static enum bs_done
ticket_texts_check(const struct bs_ticket *t, struct bs_err *err)
{
    const char *const texts[] = {
        t->actor,  t->owner,   t->database,  t->role,   t->environment, t->session,
        t->client, t->sql,     t->params,    t->risk,   t->effects,     t->plan,
        t->limits, t->reasons, t->reason,    t->detail, t->decided_by,  t->point,
        t->harms,  t->evades,  t->approvals, t->claims,
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!text_ok(texts[i]))
            return BS_FAIL(err, DATA, "a text of the ticket is not UTF-8");
    }
    return BS_DONE;
}

/* --- agents and operators --- */

enum bs_done
bs_state_agent_add(struct bs_state *s,
                   const struct bs_agent *agent,
                   const char *by,
                   struct bs_err *err)
{
    struct bs_agent row = *agent;

    if (agent_check(agent, err) != BS_DONE || verifier_check(agent->verifier, err) != BS_DONE)
        return BS_FAILED;
    row.revoked_us = row.disabled_us = 0;
    if (row.created_us == 0)
        row.created_us = bs_now_us();
    return s->ops->agent_add(s, &row, by, err);
}

enum bs_done
bs_state_agent_get(struct bs_state *s,
                   const char *name,
                   struct bs_arena *arena,
                   struct bs_agent *out,
                   struct bs_err *err)
{
    *out = (struct bs_agent){0};
    return s->ops->agent_get(s, name, arena, out, err);
}

enum bs_done
bs_state_agent_list(struct bs_state *s,
                    struct bs_arena *arena,
                    struct bs_agent **out,
                    size_t *n,
                    struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->agent_list(s, arena, out, n, err);
}

enum bs_done
bs_state_agent_rekey(struct bs_state *s,
                     const char *name,
                     const char *verifier,
                     int64_t old_until_us,
                     const char *by,
                     struct bs_err *err)
{
    if (verifier_check(verifier, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->agent_rekey(s, name, verifier, old_until_us, by, err);
}

enum bs_done
bs_state_agent_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err)
{
    return s->ops->agent_revoke(s, name, by, err);
}

enum bs_done
bs_state_agent_alter(struct bs_state *s,
                     const struct bs_agent *row,
                     unsigned fields,
                     const char *by,
                     struct bs_err *err)
{
    const char *databases[] = {"any"};
    struct bs_agent looked_at = {.name = row->name, .databases = databases, .n_databases = 1};

    bs_agent_overlay(&looked_at, row, fields);
    if (agent_check(&looked_at, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->agent_alter(s, row, fields, by, err);
}

enum bs_done
bs_state_agent_quarantine(
    struct bs_state *s, const char *name, const char *why, const char *by, struct bs_err *err)
{
    if (!text_ok(why))
        return BS_FAIL(err, DATA, "the reason is not UTF-8");
    return s->ops->agent_quarantine(s, name, why, by, err);
}

enum bs_done
bs_state_agent_release(
    struct bs_state *s, const char *name, const char *reason, const char *by, struct bs_err *err)
{
    if (!text_ok(reason))
        return BS_FAIL(err, DATA, "the reason is not UTF-8");
    return s->ops->agent_release(s, name, reason, by, err);
}

/* --- pauses --- */

static enum bs_done
pause_name_check(enum bs_pause_scope scope, const char *name, struct bs_err *err)
{
    if (scope == BS_PAUSE_NONE || (scope != BS_PAUSE_EVERYTHING && name == NULL))
        return BS_FAIL(err, USAGE, "a pause is of an actor, of a database, or of everything");
    if (scope == BS_PAUSE_EVERYTHING)
        return BS_DONE;
    return scope == BS_PAUSE_ACTOR ? bs_name_check("an agent's name", name, err)
                                   : name_of_database_check("a database's name", name, err);
}

enum bs_done
bs_state_pause_put(struct bs_state *s, const struct bs_pause *pause, struct bs_err *err)
{
    struct bs_pause row = *pause;

    if (pause_name_check(pause->scope, pause->name, err) != BS_DONE)
        return BS_FAILED;
    if (bs_text_is_blank(pause->reason) || !text_ok(pause->reason))
        return BS_FAIL(err, DATA, "a pause needs a reason, in UTF-8");
    if (row.scope == BS_PAUSE_EVERYTHING)
        row.name = "";
    if (row.at_us == 0)
        row.at_us = bs_now_us();
    return s->ops->pause_put(s, &row, err);
}

enum bs_done
bs_state_pause_list(struct bs_state *s,
                    struct bs_arena *arena,
                    struct bs_pause **out,
                    size_t *n,
                    struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->pause_list(s, arena, out, n, err);
}

enum bs_done
bs_state_resume(struct bs_state *s,
                enum bs_pause_scope scope,
                const char *name,
                const char *reason,
                const char *by,
                struct bs_resumed *out,
                struct bs_err *err)
{
    struct bs_resumed lifted = {0};
    enum bs_done done;

    if (pause_name_check(scope, name, err) != BS_DONE)
        return BS_FAILED;
    if (!text_ok(reason))
        return BS_FAIL(err, DATA, "the reason is not UTF-8");
    if (scope == BS_PAUSE_EVERYTHING)
        name = "";
    done = s->ops->resume(s, scope, name, reason, by, &lifted, err);
    if (out != NULL)
        *out = lifted;
    return done;
}

/* --- short-lived passwords --- */

enum bs_done
bs_state_token_add(struct bs_state *s,
                   const struct bs_token *token,
                   const char *by,
                   struct bs_err *err)
{
    struct bs_token row = *token;

    if (verifier_check(token->verifier, err) != BS_DONE)
        return BS_FAILED;
    if (token->id[0] == '\0' || token->agent == NULL || token->expires_us <= 0)
        return BS_FAIL(err, USAGE, "a token needs an id, an agent and an end");
    if (!text_ok(token->note))
        return BS_FAIL(err, USAGE, "the note is not UTF-8");
    if (token->note != NULL && strlen(token->note) > BS_TOKEN_NOTE_MAX)
        return BS_FAIL(err, USAGE, "the note is longer than %d bytes", BS_TOKEN_NOTE_MAX);
    row.revoked_us = 0;
    if (row.created_us == 0)
        row.created_us = bs_now_us();
    return s->ops->token_add(s, &row, by, err);
}

enum bs_done
bs_state_token_list(struct bs_state *s,
                    const char *agent,
                    int64_t counting_us,
                    struct bs_arena *arena,
                    struct bs_token **out,
                    size_t *n,
                    struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->token_list(s, agent, counting_us, arena, out, n, err);
}

enum bs_done
bs_state_token_revoke(
    struct bs_state *s, const char *agent, const char *id, const char *by, struct bs_err *err)
{
    return s->ops->token_revoke(s, agent, id, by, err);
}

enum bs_done
bs_state_operator_add(struct bs_state *s,
                      const struct bs_operator *op,
                      const char *by,
                      struct bs_err *err)
{
    struct bs_operator row = *op;

    if (operator_check(op, err) != BS_DONE || token_check(op->token_sha256, err) != BS_DONE)
        return BS_FAILED;
    row.revoked_us = 0;
    if (row.created_us == 0)
        row.created_us = bs_now_us();
    return s->ops->operator_add(s, &row, by, err);
}

enum bs_done
bs_state_operator_find(struct bs_state *s,
                       const char *token,
                       struct bs_arena *arena,
                       struct bs_operator *out,
                       struct bs_err *err)
{
    char hash[BS_SHA256_TEXT];

    bs_sha256_text(token, hash);
    return bs_state_operator_of(s, hash, arena, out, err);
}

enum bs_done
bs_state_operator_of(struct bs_state *s,
                     const char *token_sha256,
                     struct bs_arena *arena,
                     struct bs_operator *out,
                     struct bs_err *err)
{
    *out = (struct bs_operator){0};
    return s->ops->operator_find(s, token_sha256, arena, out, err);
}

enum bs_done
bs_state_operator_list(struct bs_state *s,
                       struct bs_arena *arena,
                       struct bs_operator **out,
                       size_t *n,
                       struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->operator_list(s, arena, out, n, err);
}

enum bs_done
bs_state_operator_get(struct bs_state *s,
                      const char *name,
                      struct bs_arena *arena,
                      struct bs_operator *out,
                      struct bs_err *err)
{
    *out = (struct bs_operator){0};
    return s->ops->operator_get(s, name, arena, out, err);
}

enum bs_done
bs_state_operator_alter(struct bs_state *s,
                        const struct bs_operator *row,
                        unsigned fields,
                        const char *by,
                        struct bs_err *err)
{
    struct bs_operator looked_at = {.name = row->name, .role = BS_ROLE_VIEWER};

    bs_operator_overlay(&looked_at, row, fields);
    if (operator_check(&looked_at, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->operator_alter(s, row, fields, by, err);
}

enum bs_done
bs_state_operator_rekey(struct bs_state *s,
                        const char *name,
                        const char *token_sha256,
                        int64_t old_until_us,
                        const char *by,
                        struct bs_err *err)
{
    if (token_check(token_sha256, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->operator_rekey(s, name, token_sha256, old_until_us, by, err);
}

enum bs_done
bs_state_operator_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err)
{
    return s->ops->operator_revoke(s, name, by, err);
}

static const struct bs_operator *
find_operator(const struct bs_operator *ops, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    }
    return NULL;
}

enum bs_done
bs_state_operators_same(
    struct bs_state *s, const char *a, const char *b, bool *out, struct bs_err *err)
{
    const struct bs_operator *one, *other;
    struct bs_operator *ops;
    struct bs_arena arena;
    size_t n;
    enum bs_done done;

    *out = strcmp(a, b) == 0;
    if (*out)
        return BS_DONE;
    bs_arena_init(&arena, "operators", 8u << 20);
    done = bs_state_operator_list(s, &arena, &ops, &n, err);
    one = done == BS_DONE ? find_operator(ops, n, a) : NULL;
    other = done == BS_DONE ? find_operator(ops, n, b) : NULL;
    if (one != NULL && other != NULL) {
        const struct bs_human x = bs_operator_human(one), y = bs_operator_human(other);
        *out = bs_humans_same(&x, &y);
    }
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_state_operator_ever(struct bs_state *s, bool *out, struct bs_err *err)
{
    *out = false;
    return s->ops->operator_ever(s, out, err);
}

/* --- tickets --- */

enum bs_done
bs_state_ticket_open(struct bs_state *s,
                     const struct bs_ticket *row,
                     struct bs_arena *arena,
                     struct bs_ticket *out,
                     struct bs_err *err)
{
    *out = (struct bs_ticket){0};
    if (row->id[0] == '\0' || strlen(row->identity) != BS_SHA256_TEXT - 1 ||
        row->state != BS_TICKET_PENDING)
        return BS_FAIL(err, DATA, "a new ticket needs an id, an identity and the state pending");
    if (row->actor == NULL || row->database == NULL || row->sql == NULL)
        return BS_FAIL(err, DATA, "a new ticket needs an actor, a database and a statement");
    if (ticket_texts_check(row, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->ticket_open(s, row, arena, out, err);
}

enum bs_done
bs_state_ticket_get(struct bs_state *s,
                    const char *id,
                    struct bs_arena *arena,
                    struct bs_ticket *out,
                    struct bs_err *err)
{
    *out = (struct bs_ticket){0};
    return s->ops->ticket_get(s, id, arena, out, err);
}

enum bs_done
bs_state_ticket_move(struct bs_state *s, const struct bs_ticket *row, struct bs_err *err)
{
    if (row->state <= BS_TICKET_NONE || row->state >= BS_TICKET_STATES)
        return BS_FAIL(err, DATA, "not a state of a ticket");
    if (ticket_texts_check(row, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->ticket_move(s, row, err);
}

static enum bs_done
said_check(const struct bs_said_row *said, struct bs_err *err)
{
    if (said->ticket[0] == '\0' ||
        bs_name_check("an operator's name", said->operator_, err) != BS_DONE ||
        groups_check(said->groups, said->n_groups, err) != BS_DONE)
        return BS_FAIL(err, DATA, "what is said to a ticket needs an operator and a ticket");
    if (!text_ok(said->text))
        return BS_FAIL(err, DATA, "the operator's words are not UTF-8");
    return BS_DONE;
}

enum bs_done
bs_state_ticket_decide(struct bs_state *s,
                       const struct bs_ticket *row,
                       const struct bs_said_row *said,
                       struct bs_err *err)
{
    if (said->said != BS_SAID_DENY && said->said != BS_SAID_APPROVE)
        return BS_FAIL(err, DATA, "a comment decides nothing");
    if (row->state <= BS_TICKET_NONE || row->state >= BS_TICKET_STATES)
        return BS_FAIL(err, DATA, "not a state of a ticket");
    if (said_check(said, err) != BS_DONE || ticket_texts_check(row, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->ticket_decide(s, row, said, err);
}

enum bs_done
bs_state_ticket_comment(struct bs_state *s, const struct bs_said_row *said, struct bs_err *err)
{
    if (said->said != BS_SAID_COMMENT || said->text == NULL || said->text[0] == '\0')
        return BS_FAIL(err, DATA, "a comment needs a text");
    if (said_check(said, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->ticket_comment(s, said, err);
}

enum bs_done
bs_state_ticket_said(struct bs_state *s,
                     const char *ticket,
                     struct bs_arena *arena,
                     struct bs_said_row **out,
                     size_t *n,
                     struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->ticket_said(s, ticket, arena, out, n, err);
}

enum bs_done
bs_state_ticket_list(struct bs_state *s,
                     const struct bs_ticket_filter *filter,
                     struct bs_arena *arena,
                     struct bs_ticket **out,
                     size_t *n,
                     struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->ticket_list(s, filter, arena, out, n, err);
}

enum bs_done
bs_state_ticket_expire(struct bs_state *s,
                       int64_t now_us,
                       struct bs_arena *arena,
                       struct bs_ticket **out,
                       size_t *n,
                       struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->ticket_expire(s, now_us, arena, out, n, err);
}

enum bs_done
bs_state_ticket_denials(
    struct bs_state *s, const char *actor, int64_t since_us, uint64_t *out, struct bs_err *err)
{
    *out = 0;
    return s->ops->ticket_denials(s, actor, since_us, out, err);
}

/* --- broken glass --- */

enum bs_done
bs_state_glass_break(struct bs_state *s,
                     const struct bs_ticket *row,
                     const struct bs_glass *glass,
                     struct bs_err *err)
{
    if (!text_ok(glass->reason))
        return BS_FAIL(err, DATA, "the reason is not UTF-8");
    return s->ops->glass_break(s, row, glass, err);
}

enum bs_done
bs_state_glass_get(struct bs_state *s,
                   const char *ticket,
                   struct bs_arena *arena,
                   struct bs_glass *out,
                   struct bs_err *err)
{
    *out = (struct bs_glass){0};
    return s->ops->glass_get(s, ticket, arena, out, err);
}

enum bs_done
bs_state_glass_list(struct bs_state *s,
                    const struct bs_glass_filter *filter,
                    struct bs_arena *arena,
                    struct bs_glass **out,
                    size_t *n,
                    struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->glass_list(s, filter, arena, out, n, err);
}

enum bs_done
bs_state_glass_review(struct bs_state *s,
                      const char *ticket,
                      const char *by,
                      const char *note,
                      int64_t now_us,
                      struct bs_err *err)
{
    if (!text_ok(note))
        return BS_FAIL(err, DATA, "the note is not UTF-8");
    return s->ops->glass_review(s, ticket, by, note, now_us, err);
}

enum bs_done
bs_state_glass_open(struct bs_state *s, int64_t *out, struct bs_err *err)
{
    *out = 0;
    return s->ops->glass_open(s, out, err);
}

/* --- what was blocked --- */

enum bs_done
bs_state_blocked_put(struct bs_state *s, const struct bs_blocked *row, struct bs_err *err)
{
    const char *const texts[] = {row->identity, row->actor, row->database, row->harms};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i] == NULL || !text_ok(texts[i]))
            return BS_FAIL(err, DATA, "a text of what was blocked is missing or not UTF-8");
    }
    if (!text_ok(row->evades))
        return BS_FAIL(err, DATA, "a text of what was blocked is not UTF-8");
    return s->ops->blocked_put(s, row, err);
}

enum bs_done
bs_state_blocked_list(struct bs_state *s,
                      int64_t since_us,
                      struct bs_arena *arena,
                      struct bs_blocked **out,
                      size_t *n,
                      struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->blocked_list(s, since_us, arena, out, n, err);
}

enum bs_done
bs_state_blocked_drop(struct bs_state *s, int64_t before_us, struct bs_err *err)
{
    return s->ops->blocked_drop(s, before_us, err);
}

/* --- plans of restores --- */

enum bs_done
bs_state_plan_add(struct bs_state *s, const struct bs_restore_plan *plan, struct bs_err *err)
{
    if (plan->point == NULL || plan->sha256[0] == '\0')
        return BS_FAIL(err, USAGE, "a plan needs a digest and a point");
    if (plan->made_by == NULL || bs_name_check("an operator's name", plan->made_by, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->plan_add(s, plan, err);
}

enum bs_done
bs_state_plan_get(struct bs_state *s,
                  const char *sha256,
                  struct bs_arena *arena,
                  struct bs_restore_plan *out,
                  struct bs_err *err)
{
    *out = (struct bs_restore_plan){0};
    return s->ops->plan_get(s, sha256, arena, out, err);
}

enum bs_done
bs_state_plan_list(struct bs_state *s,
                   int64_t now_us,
                   struct bs_arena *arena,
                   struct bs_restore_plan **out,
                   size_t *n,
                   struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->plan_list(s, now_us, arena, out, n, err);
}

enum plan_step {
    PLAN_APPROVE,
    PLAN_USE,
};

/* Which condition does not hold; nothing where all do. */
static enum bs_done
plan_allows(const struct bs_restore_plan *p,
            enum plan_step step,
            const char *by,
            int64_t now_us,
            struct bs_err *err)
{
    if (p->used_us != 0)
        return BS_FAIL(err, CONFLICT, "the plan was used by %.64s: it is for one time",
                       p->used_by == NULL ? "?" : p->used_by);
    if (p->expires_us <= now_us)
        return BS_FAIL(err, STALE, "the plan has expired");
    if (step == PLAN_APPROVE && strcmp(p->made_by, by) == 0)
        return BS_FAIL(err, FORBIDDEN, "whoever made a plan cannot approve it");
    if (step == PLAN_APPROVE && p->approved_us != 0)
        return BS_FAIL(err, CONFLICT, "the plan was approved by %.64s",
                       p->approved_by == NULL ? "?" : p->approved_by);
    if (step == PLAN_USE && p->approved_us == 0)
        return BS_FAIL(err, HELD, "nobody has approved the plan");
    return BS_DONE;
}

/* Their word ends with their token, and with their role. */
static enum bs_done
approver_is_there(struct bs_state *s,
                  const struct bs_restore_plan *p,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    struct bs_operator *ops;
    size_t n;

    if (bs_state_operator_list(s, arena, &ops, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(ops[i].name, p->approved_by) != 0 ||
            strcmp(bs_operator_status(&ops[i], bs_now_us()), "active") != 0)
            continue;
        if (bs_operator_may(&ops[i], BS_ROLE_APPROVER, bs_now_us()))
            return BS_DONE;
        return BS_FAIL(err, FORBIDDEN, "%.64s, who approved the plan, may not approve any more",
                       p->approved_by);
    }
    return BS_FAIL(err, FORBIDDEN, "%.64s, who approved the plan, is no operator any more",
                   p->approved_by);
}

/* Who made the plan and who approves it are those that they were before: else whoever may change
 * operators is both. Of whoever made it on the host no operator is left to look at. */
static enum bs_done
plan_people_were(struct bs_state *s,
                 const struct bs_restore_plan *p,
                 const char *by,
                 struct bs_arena *arena,
                 struct bs_err *err)
{
    struct bs_operator *ops;
    size_t n;

    if (bs_state_operator_list(s, arena, &ops, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        bool is_one = strcmp(ops[i].name, p->made_by) == 0 || strcmp(ops[i].name, by) == 0;
        if (!is_one || bs_operator_was(&ops[i], p->made_us))
            continue;
        (void)BS_FAIL(err, FORBIDDEN, "\"%.63s\" was made or changed after the plan was made",
                      ops[i].name);
        bs_err_hint(err, "make the plan anew");
        return BS_FAILED;
    }
    return BS_DONE;
}

/* Whoever holds two operators makes a plan as one of them, and cannot approve it as the other. The
 * backend itself compares the operators. */
static enum bs_done
plan_of_another(struct bs_state *s, const char *sha256, const char *by, struct bs_err *err)
{
    struct bs_restore_plan p;
    struct bs_arena arena;
    bool same = false;
    enum bs_done done;

    bs_arena_init(&arena, "plan", 8u << 20);
    done = bs_state_plan_get(s, sha256, &arena, &p, err);
    if (done == BS_DONE)
        done = bs_state_operators_same(s, p.made_by, by, &same, err);
    if (done == BS_DONE && same)
        done =
            BS_FAIL(err, FORBIDDEN, "whoever made a plan cannot approve it, as %.63s or as %.63s",
                    p.made_by, by);
    if (done == BS_DONE)
        done = plan_people_were(s, &p, by, &arena, err);
    bs_arena_fini(&arena);
    return done;
}

/* The backend has refused at the very moment; the row says why, or it was the other of two. */
static enum bs_done
plan_say_why(struct bs_state *s,
             const char *sha256,
             enum plan_step step,
             const char *by,
             int64_t now_us,
             struct bs_err *err)
{
    struct bs_restore_plan p;
    struct bs_arena arena;
    struct bs_err why = {0};

    if (err->code != BS_E_CONFLICT)
        return BS_FAILED;
    bs_arena_init(&arena, "plan", 1u << 20);
    if (bs_state_plan_get(s, sha256, &arena, &p, &why) != BS_DONE ||
        plan_allows(&p, step, by, now_us, &why) != BS_DONE ||
        (step == PLAN_USE && approver_is_there(s, &p, &arena, &why) != BS_DONE))
        *err = why;
    bs_arena_fini(&arena);
    return BS_FAILED;
}

enum bs_done
bs_state_plan_approve(struct bs_state *s,
                      const char *sha256,
                      const char *by,
                      const char *reason,
                      int64_t now_us,
                      struct bs_err *err)
{
    if (bs_name_check("an operator's name", by, err) != BS_DONE)
        return BS_FAILED;
    if (!text_ok(reason))
        return BS_FAIL(err, DATA, "the reason is not UTF-8");
    if (plan_of_another(s, sha256, by, err) != BS_DONE)
        return BS_FAILED;
    if (s->ops->plan_approve(s, sha256, by, reason, now_us, err) == BS_DONE)
        return BS_DONE;
    return plan_say_why(s, sha256, PLAN_APPROVE, by, now_us, err);
}

enum bs_done
bs_state_plan_use(
    struct bs_state *s, const char *sha256, const char *by, int64_t now_us, struct bs_err *err)
{
    if (s->ops->plan_use(s, sha256, by, now_us, err) == BS_DONE)
        return BS_DONE;
    return plan_say_why(s, sha256, PLAN_USE, by, now_us, err);
}

/* --- restores over the API --- */

enum bs_done
bs_state_restore_put(struct bs_state *s, const struct bs_restore_row *row, struct bs_err *err)
{
    if (row->id == NULL || row->id[0] == '\0' || row->doc == NULL)
        return BS_FAIL(err, USAGE, "a restore needs an id and a text");
    if (!text_ok(row->doc) || !text_ok(row->plan))
        return BS_FAIL(err, DATA, "the restore's text is not UTF-8");
    return s->ops->restore_put(s, row, err);
}

enum bs_done
bs_state_restore_list(struct bs_state *s,
                      const char *before,
                      size_t limit,
                      struct bs_arena *arena,
                      struct bs_restore_row **out,
                      size_t *n,
                      struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->restore_list(s, before, limit, arena, out, n, err);
}

enum bs_done
bs_state_restore_drop(struct bs_state *s, const char *id, struct bs_err *err)
{
    return s->ops->restore_drop(s, id, err);
}

/* --- what is told to people --- */

enum bs_done
bs_state_notify_targets_set(struct bs_state *s,
                            const struct bs_notify_target *list,
                            size_t n,
                            struct bs_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (bs_name_check("a target's name", list[i].name, err) != BS_DONE)
            return BS_FAILED;
    }
    return s->ops->notify_targets_set(s, list, n, err);
}

enum bs_done
bs_state_notify_put(struct bs_state *s,
                    enum bs_notify_event event,
                    const char *subject,
                    const char *detail,
                    struct bs_err *err)
{
    if (event <= BS_NOTIFY_NONE || event >= BS_NOTIFY_EVENTS)
        return BS_FAIL(err, DATA, "no such event");
    if (!text_ok(subject) || !text_ok(detail))
        return BS_FAIL(err, DATA, "what an event says is not UTF-8");
    return s->ops->notify_put(s, event, subject, detail, err);
}

enum bs_done
bs_state_notify_count(struct bs_state *s,
                      struct bs_arena *arena,
                      struct bs_notify_count **out,
                      size_t *n,
                      struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->notify_count(s, arena, out, n, err);
}

enum bs_done
bs_state_delivery_first(struct bs_state *s,
                        const char *target,
                        struct bs_arena *arena,
                        struct bs_delivery *out,
                        bool *found,
                        struct bs_err *err)
{
    *out = (struct bs_delivery){0};
    *found = false;
    return s->ops->delivery_first(s, target, arena, out, found, err);
}

enum bs_done
bs_state_delivery_render(struct bs_state *s, const char *id, const char *body, struct bs_err *err)
{
    if (body == NULL || !text_ok(body))
        return BS_FAIL(err, DATA, "what is sent is not UTF-8");
    return s->ops->delivery_render(s, id, body, err);
}

enum bs_done
bs_state_delivery_end(struct bs_state *s,
                      const char *id,
                      enum bs_delivery_end end,
                      int64_t due_us,
                      const char *why,
                      struct bs_err *err)
{
    return s->ops->delivery_end(s, id, end, due_us, text_ok(why) ? why : "?", err);
}

enum bs_done
bs_state_delivery_list(struct bs_state *s,
                       const struct bs_delivery_filter *filter,
                       struct bs_arena *arena,
                       struct bs_delivery **out,
                       size_t *n,
                       struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->delivery_list(s, filter, arena, out, n, err);
}

enum bs_done
bs_state_delivery_retry(struct bs_state *s,
                        const struct bs_delivery_filter *filter,
                        const char *by,
                        int64_t *n,
                        struct bs_err *err)
{
    *n = 0;
    return s->ops->delivery_retry(s, filter, by, n, err);
}

enum bs_done
bs_state_delivery_drop(struct bs_state *s,
                       const struct bs_delivery_filter *filter,
                       const char *by,
                       int64_t *n,
                       struct bs_err *err)
{
    *n = 0;
    return s->ops->delivery_drop(s, filter, by, n, err);
}

enum bs_done
bs_state_slack_message_get(struct bs_state *s,
                           const char *target,
                           const char *ticket,
                           struct bs_arena *arena,
                           struct bs_slack_message *out,
                           bool *found,
                           struct bs_err *err)
{
    *out = (struct bs_slack_message){0};
    *found = false;
    return s->ops->slack_message_get(s, target, ticket, arena, out, found, err);
}

enum bs_done
bs_state_slack_message_put(struct bs_state *s,
                           const char *target,
                           const char *ticket,
                           const struct bs_slack_message *message,
                           struct bs_err *err)
{
    if (message->channel == NULL || message->ts == NULL || !text_ok(message->channel) ||
        !text_ok(message->ts))
        return BS_FAIL(err, DATA, "a message in Slack has a channel and a time");
    return s->ops->slack_message_put(s, target, ticket, message, err);
}

/* Letters and digits: "U012ABCDEF", "W012ABCDEF". */
static enum bs_done
slack_user_check(const char *slack, struct bs_err *err)
{
    size_t n = strspn(slack, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

    if (n >= 2 && n <= 32 && slack[n] == '\0' && (slack[0] == 'U' || slack[0] == 'W'))
        return BS_DONE;
    return BS_FAIL(err, USAGE, "\"%.40s\" is no member id of Slack, as U012ABCDEF", slack);
}

enum bs_done
bs_state_slack_user_set(struct bs_state *s,
                        const char *operator_,
                        const char *slack,
                        const char *by,
                        struct bs_err *err)
{
    if (slack != NULL && slack_user_check(slack, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->slack_user_set(s, operator_, slack, by, err);
}

enum bs_done
bs_state_slack_user_find(struct bs_state *s,
                         const char *slack,
                         struct bs_arena *arena,
                         struct bs_operator *out,
                         struct bs_err *err)
{
    *out = (struct bs_operator){0};
    if (slack_user_check(slack, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->slack_user_find(s, slack, arena, out, err);
}

/* --- points and changes --- */

enum bs_done
bs_state_point_put(struct bs_state *s, const struct bs_point_row *row, struct bs_err *err)
{
    struct bs_point_row put = *row;

    if (row->id == NULL || row->id[0] == '\0' || row->state == NULL || row->state[0] == '\0')
        return BS_FAIL(err, USAGE, "a recovery point needs an id and a state");
    if (put.created_us == 0)
        put.created_us = bs_now_us();
    return s->ops->point_put(s, &put, err);
}

enum bs_done
bs_state_point_set(struct bs_state *s, const char *id, const char *state, struct bs_err *err)
{
    return s->ops->point_set(s, id, state, err);
}

enum bs_done
bs_state_point_get(struct bs_state *s,
                   const char *id,
                   struct bs_arena *arena,
                   struct bs_point_row *out,
                   struct bs_err *err)
{
    *out = (struct bs_point_row){0};
    return s->ops->point_get(s, id, arena, out, err);
}

enum bs_done
bs_state_point_list(struct bs_state *s,
                    const char *database,
                    const char *state,
                    const char *actor,
                    size_t limit,
                    struct bs_arena *arena,
                    struct bs_point_row **out,
                    size_t *n,
                    struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->point_list(s, database, state, actor, limit, arena, out, n, err);
}

enum bs_done
bs_state_change_list(struct bs_state *s,
                     size_t limit,
                     struct bs_arena *arena,
                     struct bs_change **out,
                     size_t *n,
                     struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    return s->ops->change_list(s, limit, arena, out, n, err);
}

enum bs_done
bs_state_change_count(struct bs_state *s, int64_t *out, struct bs_err *err)
{
    *out = 0;
    return s->ops->change_count(s, out, err);
}

enum bs_done
bs_state_change_drop(struct bs_state *s, int64_t id, struct bs_err *err)
{
    return s->ops->change_drop(s, id, err);
}
