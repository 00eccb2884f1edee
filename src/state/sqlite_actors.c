/*
 * sqlite_actors.c - agents, operators, and the changes made to them. A change and its row in
 * `changes` are one transaction, so no agent appears without the audit hearing of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "state/sqlite.h"

#define AGENT_COLUMNS                                                                              \
    "name, owner, databases, verifier, created_us, expires_us, revoked_us, quarantined_us,"        \
    " quarantine_why, actor_group, certificate, certificate_only, kind, addresses, db_role,"       \
    " disabled_us, old_verifier, old_until_us"
/* And since when a pause holds it back. */
#define AGENT_SELECT                                                                               \
    "SELECT " AGENT_COLUMNS ", (SELECT max(at_us) FROM pauses WHERE scope = 'everything'"          \
    " OR (scope = 'actor' AND pauses.name = agents.name)) FROM agents "
#define ROW_BYTES (1u << 20) /* ceiling of one agent */
#define OPERATOR_COLUMNS                                                                           \
    "name, role, token_sha256, created_us, revoked_us, operator_groups, owners, expires_us,"       \
    " old_until_us, changed_us"

enum bs_done
bs_sq_change_put(struct bs_sqlite *q,
                 const char *by,
                 const char *action,
                 const char *subject,
                 json_t *detail,
                 struct bs_err *err)
{
    enum bs_notify_event event = bs_notify_event_of_change(action);
    char *text = json_dumps(detail, JSON_COMPACT), *told;
    enum bs_done done = BS_DONE;

    if (text == NULL) {
        json_decref(detail);
        return BS_FAIL(err, INTERNAL, "a change cannot be written as JSON");
    }
    if (event != BS_NOTIFY_NONE) {
        (void)json_object_set_new(detail, "by", json_string(by));
        told = json_dumps(detail, JSON_COMPACT);
        done = bs_sq_event_put(q, event, subject, told, err);
        free(told);
    }
    json_decref(detail);
    if (done != BS_DONE) {
        free(text);
        return BS_FAILED;
    }
    done =
        bs_sq_run(q, "INSERT INTO changes (at_us, by, action, subject, detail) VALUES (?,?,?,?,?)",
                  BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(by), BS_SQ_T(action), BS_SQ_T(subject),
                               BS_SQ_T(text)),
                  NULL, err);
    free(text);
    return done != BS_DONE ? BS_FAILED
                           : bs_sq_run(q, "UPDATE counters SET n = n + 1 WHERE name = 'changes'",
                                       BS_SQ_NO_VALUES, NULL, err);
}

/* --- agents --- */

/* A column with a JSON array of texts; what: of which. */
static enum bs_done
read_list(struct bs_sq_rows *r,
          int column,
          const char *what,
          const char ***out,
          size_t *n,
          struct bs_err *err)
{
    if (bs_sq_texts(r, column, out, n, err) != BS_DONE)
        return BS_FAILED;
    if (*out == NULL && !r->full)
        return BS_FAIL(err, DAMAGED, "the %s of an agent are damaged", what);
    return BS_DONE;
}

static enum bs_done
read_agent(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_agent *a = item;

    a->name = bs_sq_text(r, 0);
    a->owner = bs_sq_text(r, 1);
    a->verifier = bs_sq_text(r, 3);
    a->created_us = bs_sq_int(r, 4);
    a->expires_us = bs_sq_int(r, 5);
    a->revoked_us = bs_sq_int(r, 6);
    a->quarantined_us = bs_sq_int(r, 7);
    a->quarantine_why = bs_sq_text(r, 8);
    a->group = bs_sq_text(r, 9);
    a->certificate = bs_sq_text(r, 10);
    a->certificate_only = bs_sq_int(r, 11) != 0;
    a->role = bs_sq_text(r, 14);
    a->disabled_us = bs_sq_int(r, 15);
    a->old_verifier = bs_sq_text(r, 16);
    a->old_until_us = bs_sq_int(r, 17);
    a->paused_us = bs_sq_int(r, 18);
    if (!bs_actor_kind_find(bs_sq_peek(r, 12), &a->kind))
        return BS_FAIL(err, DAMAGED, "the kind of an agent is damaged");
    if (read_list(r, 2, "databases", &a->databases, &a->n_databases, err) != BS_DONE)
        return BS_FAILED;
    return read_list(r, 13, "addresses", &a->addresses, &a->n_addresses, err);
}

static json_t *
json_list(const char *const *texts, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_string(texts[i]));
    return list;
}

static json_t *
text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

static json_t *
time_or_null(int64_t at_us)
{
    char at[BS_TIME_TEXT];

    if (at_us == 0)
        return json_null();
    bs_time_format(at_us, at);
    return json_string(at);
}

/* What of an agent is told to the audit: those fields. Never the verifier. */
static json_t *
agent_detail(const struct bs_agent *a, unsigned fields)
{
    json_t *detail = json_object();

    if ((fields & BS_AGENT_KIND) != 0)
        (void)json_object_set_new(detail, "kind", json_string(bs_actor_kind_name(a->kind)));
    if ((fields & BS_AGENT_DATABASES) != 0)
        (void)json_object_set_new(detail, "databases", json_list(a->databases, a->n_databases));
    if ((fields & BS_AGENT_OWNER) != 0)
        (void)json_object_set_new(detail, "owner", text_or_null(a->owner));
    if ((fields & BS_AGENT_GROUP) != 0)
        (void)json_object_set_new(detail, "group", text_or_null(a->group));
    if ((fields & BS_AGENT_CERTIFICATE) != 0) {
        (void)json_object_set_new(detail, "certificate", text_or_null(a->certificate));
        (void)json_object_set_new(detail, "certificate_only", json_boolean(a->certificate_only));
    }
    if ((fields & BS_AGENT_ADDRESSES) != 0)
        (void)json_object_set_new(detail, "addresses", json_list(a->addresses, a->n_addresses));
    if ((fields & BS_AGENT_ROLE) != 0)
        (void)json_object_set_new(detail, "role", text_or_null(a->role));
    if ((fields & BS_AGENT_EXPIRES) != 0)
        (void)json_object_set_new(detail, "expires", time_or_null(a->expires_us));
    return detail;
}

/* Those of a new agent that say anything. */
static unsigned
fields_set(const struct bs_agent *a)
{
    return BS_AGENT_DATABASES | (a->kind != BS_ACTOR_AGENT ? BS_AGENT_KIND : 0) |
           (a->owner != NULL ? BS_AGENT_OWNER : 0) | (a->group != NULL ? BS_AGENT_GROUP : 0) |
           (a->certificate != NULL ? BS_AGENT_CERTIFICATE : 0) |
           (a->n_addresses != 0 ? BS_AGENT_ADDRESSES : 0) | (a->role != NULL ? BS_AGENT_ROLE : 0) |
           (a->expires_us != 0 ? BS_AGENT_EXPIRES : 0);
}

/*
 * Where an actor's row stands: fails with NOT_FOUND or CONFLICT unless it is there and in force.
 * table is "agents" or "operators".
 */
enum bs_done
bs_sq_check_in_force(struct bs_sqlite *q, const char *table, const char *name, struct bs_err *err)
{
    char sql[96];
    int64_t revoked_us;

    (void)snprintf(sql, sizeof(sql), "SELECT revoked_us FROM %s WHERE name = ?", table);
    if (bs_sq_number(q, sql, BS_SQ_VALUES(BS_SQ_T(name)), -1, &revoked_us, err) != BS_DONE)
        return BS_FAILED;
    if (revoked_us < 0)
        return BS_FAIL(err, NOT_FOUND, "there is no \"%.63s\" among the %s", name, table);
    if (revoked_us > 0)
        return BS_FAIL(err, CONFLICT, "\"%.63s\" is revoked already", name);
    return BS_DONE;
}

/* The opposite: the name is free, or was revoked and is forgotten now. */
static enum bs_done
check_free(struct bs_sqlite *q, const char *table, const char *name, struct bs_err *err)
{
    char sql[96];
    int64_t taken;

    (void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE name = ? AND revoked_us <> 0", table);
    if (bs_sq_run(q, sql, BS_SQ_VALUES(BS_SQ_T(name)), NULL, err) != BS_DONE)
        return BS_FAILED;
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE name = ?", table);
    if (bs_sq_number(q, sql, BS_SQ_VALUES(BS_SQ_T(name)), 0, &taken, err) != BS_DONE)
        return BS_FAILED;
    if (taken != 0)
        return BS_FAIL(err, CONFLICT, "the name \"%.63s\" is taken", name);
    return BS_DONE;
}

static enum bs_done
insert_agent(struct bs_sqlite *q, const struct bs_agent *a, struct bs_err *err)
{
    char *databases = bs_sq_texts_write(a->databases, a->n_databases);
    char *addresses = bs_sq_texts_write(a->addresses, a->n_addresses);
    enum bs_done done = bs_sq_run(
        q,
        "INSERT INTO agents (" AGENT_COLUMNS ") VALUES (?,?,?,?,?,?,0,0,NULL,?,?,?,?,?,?,0,NULL,0)",
        BS_SQ_VALUES(BS_SQ_T(a->name), BS_SQ_T(a->owner), BS_SQ_T(databases), BS_SQ_T(a->verifier),
                     BS_SQ_I(a->created_us), BS_SQ_I(a->expires_us), BS_SQ_T(a->group),
                     BS_SQ_T(a->certificate), BS_SQ_I(a->certificate_only),
                     BS_SQ_T(bs_actor_kind_name(a->kind)), BS_SQ_T(addresses), BS_SQ_T(a->role)),
        NULL, err);

    free(databases);
    free(addresses);
    return done;
}

enum bs_done
bs_sq_agent_add(struct bs_state *s,
                const struct bs_agent *agent,
                const char *by,
                struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = check_free(q, "agents", agent->name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "DELETE FROM tokens WHERE agent = ?", /* of who had the name before */
                         BS_SQ_VALUES(BS_SQ_T(agent->name)), NULL, err);
    if (done == BS_DONE)
        done = insert_agent(q, agent, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "agent.add", agent->name,
                                agent_detail(agent, fields_set(agent)), err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_agent_get(struct bs_state *s,
                const char *name,
                struct bs_arena *arena,
                struct bs_agent *out,
                struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q, AGENT_SELECT "WHERE name = ?", BS_SQ_VALUES(BS_SQ_T(name)), arena,
                     read_agent, out, "agent", err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_agent_list(struct bs_state *s,
                 struct bs_arena *arena,
                 struct bs_agent **out,
                 size_t *n,
                 struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q, AGENT_SELECT "ORDER BY name", BS_SQ_NO_VALUES, arena, sizeof(**out),
                     read_agent, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

enum bs_done
bs_sq_agent_rekey(struct bs_state *s,
                  const char *name,
                  const char *verifier,
                  int64_t old_until_us,
                  const char *by,
                  struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(
            q,
            "UPDATE agents SET old_verifier = CASE ?1 WHEN 0 THEN NULL ELSE verifier END,"
            " old_until_us = ?1, verifier = ?2 WHERE name = ?3",
            BS_SQ_VALUES(BS_SQ_I(old_until_us), BS_SQ_T(verifier), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "agent.rekey", name,
                                json_pack("{s:o}", "old_until", time_or_null(old_until_us)), err);
    return bs_sq_end(q, done, err);
}

/* What it has asked for is due at once: whoever gets the name after it gets none of its approvals. */
static enum bs_done
end_tickets(struct bs_sqlite *q, const char *actor, struct bs_err *err)
{
    int64_t now_us = bs_now_us();

    if (bs_sq_run(q,
                  "UPDATE tickets SET decide_by_us = ? WHERE actor = ? AND state = 'pending'"
                  " AND decide_by_us > ?",
                  BS_SQ_VALUES(BS_SQ_I(now_us), BS_SQ_T(actor), BS_SQ_I(now_us)), NULL,
                  err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_run(q,
                     "UPDATE tickets SET redeem_by_us = ? WHERE actor = ? AND state = 'approved'"
                     " AND redeem_by_us > ?",
                     BS_SQ_VALUES(BS_SQ_I(now_us), BS_SQ_T(actor), BS_SQ_I(now_us)), NULL, err);
}

enum bs_done
bs_sq_agent_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "UPDATE agents SET revoked_us = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = end_tickets(q, name, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "agent.revoke", name, json_object(), err);
    return bs_sq_end(q, done, err);
}

static enum bs_done
update_agent(struct bs_sqlite *q, const struct bs_agent *a, struct bs_err *err)
{
    char *databases = bs_sq_texts_write(a->databases, a->n_databases);
    char *addresses = bs_sq_texts_write(a->addresses, a->n_addresses);
    enum bs_done done = BS_FAILED;

    if (databases == NULL || addresses == NULL)
        (void)BS_FAIL(err, INTERNAL, "an agent cannot be written as JSON");
    else
        done = bs_sq_run(q,
                         "UPDATE agents SET owner = ?, actor_group = ?, databases = ?,"
                         " expires_us = ?, certificate = ?, certificate_only = ?, addresses = ?,"
                         " db_role = ?, kind = ?, disabled_us = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_T(a->owner), BS_SQ_T(a->group), BS_SQ_T(databases),
                                      BS_SQ_I(a->expires_us), BS_SQ_T(a->certificate),
                                      BS_SQ_I(a->certificate_only), BS_SQ_T(addresses),
                                      BS_SQ_T(a->role), BS_SQ_T(bs_actor_kind_name(a->kind)),
                                      BS_SQ_I(a->disabled_us), BS_SQ_T(a->name)),
                         NULL, err);
    free(databases);
    free(addresses);
    return done;
}

/* Inside a transaction; `arena` for the row as it is. */
static enum bs_done
alter(struct bs_sqlite *q,
      const struct bs_agent *row,
      unsigned fields,
      struct bs_arena *arena,
      struct bs_err *err)
{
    struct bs_agent a = {0};

    if (bs_sq_check_in_force(q, "agents", row->name, err) != BS_DONE ||
        bs_sq_one(q, AGENT_SELECT "WHERE name = ?", BS_SQ_VALUES(BS_SQ_T(row->name)), arena,
                  read_agent, &a, "agent", err) != BS_DONE)
        return BS_FAILED;
    if ((fields & BS_AGENT_DISABLED) != 0 && (a.disabled_us != 0) == (row->disabled_us != 0))
        return BS_FAIL(err, CONFLICT, "\"%.63s\" is %s", row->name,
                       row->disabled_us != 0 ? "disabled already" : "not disabled");
    bs_agent_overlay(&a, row, fields);
    return update_agent(q, &a, err);
}

enum bs_done
bs_sq_agent_alter(struct bs_state *s,
                  const struct bs_agent *row,
                  unsigned fields,
                  const char *by,
                  struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    const char *action = "agent.set";
    struct bs_arena arena;
    enum bs_done done;

    if (fields == BS_AGENT_DISABLED)
        action = row->disabled_us != 0 ? "agent.disable" : "agent.enable";
    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    bs_arena_init(&arena, "agent", ROW_BYTES);
    done = alter(q, row, fields, &arena, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, action, row->name, agent_detail(row, fields), err);
    bs_arena_fini(&arena);
    return bs_sq_end(q, done, err);
}

/* A reason in somebody's words. */
static json_t *
words(const char *name, const char *text)
{
    json_t *detail = json_object();

    if (text != NULL)
        (void)json_object_set_new(detail, name, json_string(text));
    return detail;
}

enum bs_done
bs_sq_agent_quarantine(
    struct bs_state *s, const char *name, const char *why, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;
    int changed = 0;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "UPDATE agents SET quarantined_us = ?, quarantine_why = ?"
                         " WHERE name = ? AND quarantined_us = 0",
                         BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(why), BS_SQ_T(name)), &changed,
                         err);
    if (done == BS_DONE && changed != 0)
        done = bs_sq_change_put(q, by, "agent.quarantine", name, words("why", why), err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_agent_release(
    struct bs_state *s, const char *name, const char *reason, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;
    int changed = 0;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "UPDATE agents SET quarantined_us = 0, quarantine_why = NULL"
                         " WHERE name = ? AND quarantined_us <> 0",
                         BS_SQ_VALUES(BS_SQ_T(name)), &changed, err);
    if (done == BS_DONE && changed == 0)
        done = BS_FAIL(err, CONFLICT, "\"%.63s\" is not quarantined", name);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "agent.release", name, words("reason", reason), err);
    return bs_sq_end(q, done, err);
}

/* --- operators --- */

static enum bs_done
read_operator(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_operator *op = item;

    op->name = bs_sq_text(r, 0);
    op->role = bs_role_find(bs_sq_peek(r, 1));
    op->token_sha256 = bs_sq_text(r, 2);
    op->created_us = bs_sq_int(r, 3);
    op->revoked_us = bs_sq_int(r, 4);
    op->expires_us = bs_sq_int(r, 7);
    op->old_until_us = bs_sq_int(r, 8);
    op->changed_us = bs_sq_int(r, 9);
    if (bs_sq_texts(r, 5, &op->groups, &op->n_groups, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_texts(r, 6, &op->owners, &op->n_owners, err);
}

static enum bs_done
insert_operator(struct bs_sqlite *q, const struct bs_operator *op, struct bs_err *err)
{
    char *groups = bs_sq_texts_write(op->groups, op->n_groups);
    char *owners = bs_sq_texts_write(op->owners, op->n_owners);
    enum bs_done done =
        bs_sq_run(q, "INSERT INTO operators (" OPERATOR_COLUMNS ") VALUES (?,?,?,?,0,?,?,?,0,?)",
                  BS_SQ_VALUES(BS_SQ_T(op->name), BS_SQ_T(bs_role_name(op->role)),
                               BS_SQ_T(op->token_sha256), BS_SQ_I(op->created_us), BS_SQ_T(groups),
                               BS_SQ_T(owners), BS_SQ_I(op->expires_us), BS_SQ_I(bs_now_us())),
                  NULL, err);

    free(groups);
    free(owners);
    return done;
}

/* What is told to the audit: those fields. Never the token. */
static json_t *
operator_detail(const struct bs_operator *op, unsigned fields)
{
    json_t *detail = json_object();

    if ((fields & BS_OPERATOR_ROLE) != 0)
        (void)json_object_set_new(detail, "role", json_string(bs_role_name(op->role)));
    if ((fields & BS_OPERATOR_GROUPS) != 0)
        (void)json_object_set_new(detail, "groups", json_list(op->groups, op->n_groups));
    if ((fields & BS_OPERATOR_OWNERS) != 0)
        (void)json_object_set_new(detail, "owners", json_list(op->owners, op->n_owners));
    if ((fields & BS_OPERATOR_EXPIRES) != 0)
        (void)json_object_set_new(detail, "expires", time_or_null(op->expires_us));
    return detail;
}

/* Those of a new operator that say anything. */
static unsigned
operator_fields_set(const struct bs_operator *op)
{
    return BS_OPERATOR_ROLE | (op->n_groups != 0 ? BS_OPERATOR_GROUPS : 0) |
           (op->n_owners != 0 ? BS_OPERATOR_OWNERS : 0) |
           (op->expires_us != 0 ? BS_OPERATOR_EXPIRES : 0);
}

enum bs_done
bs_sq_operator_add(struct bs_state *s,
                   const struct bs_operator *op,
                   const char *by,
                   struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = check_free(q, "operators", op->name, err);
    if (done == BS_DONE)
        done = insert_operator(q, op, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "operator.add", op->name,
                                operator_detail(op, operator_fields_set(op)), err);
    return bs_sq_end(q, done, err);
}

static enum bs_done
update_operator(struct bs_sqlite *q, const struct bs_operator *op, struct bs_err *err)
{
    char *groups = bs_sq_texts_write(op->groups, op->n_groups);
    char *owners = bs_sq_texts_write(op->owners, op->n_owners);
    enum bs_done done =
        bs_sq_run(q,
                  "UPDATE operators SET role = ?, operator_groups = ?, owners = ?, expires_us = ?,"
                  " changed_us = ? WHERE name = ?",
                  BS_SQ_VALUES(BS_SQ_T(bs_role_name(op->role)), BS_SQ_T(groups), BS_SQ_T(owners),
                               BS_SQ_I(op->expires_us), BS_SQ_I(op->changed_us), BS_SQ_T(op->name)),
                  NULL, err);

    free(groups);
    free(owners);
    return done;
}

static bool
same_texts(const char *const *a, size_t n_a, const char *const *b, size_t n_b)
{
    bool same = n_a == n_b;

    for (size_t i = 0; same && i < n_a; i++)
        same = strcmp(a[i], b[i]) == 0;
    return same;
}

/* An earlier end takes something away, and gives nothing. */
static bool
may_act_otherwise(const struct bs_operator *was, const struct bs_operator *is)
{
    bool longer = was->expires_us != 0 && (is->expires_us == 0 || is->expires_us > was->expires_us);

    return longer || was->role != is->role ||
           !same_texts(was->groups, was->n_groups, is->groups, is->n_groups) ||
           !same_texts(was->owners, was->n_owners, is->owners, is->n_owners);
}

/* Inside a transaction; `arena` for the row as it is. */
static enum bs_done
alter_operator(struct bs_sqlite *q,
               const struct bs_operator *row,
               unsigned fields,
               struct bs_arena *arena,
               struct bs_err *err)
{
    struct bs_operator op = {0}, was;

    if (bs_sq_check_in_force(q, "operators", row->name, err) != BS_DONE ||
        bs_sq_one(q, "SELECT " OPERATOR_COLUMNS " FROM operators WHERE name = ?",
                  BS_SQ_VALUES(BS_SQ_T(row->name)), arena, read_operator, &op, "operator",
                  err) != BS_DONE)
        return BS_FAILED;
    was = op;
    bs_operator_overlay(&op, row, fields);
    if (may_act_otherwise(&was, &op))
        op.changed_us = bs_now_us();
    return update_operator(q, &op, err);
}

enum bs_done
bs_sq_operator_alter(struct bs_state *s,
                     const struct bs_operator *row,
                     unsigned fields,
                     const char *by,
                     struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    struct bs_arena arena;
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    bs_arena_init(&arena, "operator", ROW_BYTES);
    done = alter_operator(q, row, fields, &arena, err);
    if (done == BS_DONE)
        done =
            bs_sq_change_put(q, by, "operator.set", row->name, operator_detail(row, fields), err);
    bs_arena_fini(&arena);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_operator_rekey(struct bs_state *s,
                     const char *name,
                     const char *token_sha256,
                     int64_t old_until_us,
                     const char *by,
                     struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_check_in_force(q, "operators", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "UPDATE operators SET"
                         " old_token_sha256 = CASE ?1 WHEN 0 THEN NULL ELSE token_sha256 END,"
                         " old_until_us = ?1, token_sha256 = ?2, changed_us = ?4 WHERE name = ?3",
                         BS_SQ_VALUES(BS_SQ_I(old_until_us), BS_SQ_T(token_sha256), BS_SQ_T(name),
                                      BS_SQ_I(bs_now_us())),
                         NULL, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "operator.rekey", name,
                                json_pack("{s:o}", "old_until", time_or_null(old_until_us)), err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_operator_get(struct bs_state *s,
                   const char *name,
                   struct bs_arena *arena,
                   struct bs_operator *out,
                   struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q, "SELECT " OPERATOR_COLUMNS " FROM operators WHERE name = ?",
                     BS_SQ_VALUES(BS_SQ_T(name)), arena, read_operator, out, "operator", err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_operator_find(struct bs_state *s,
                    const char *token_sha256,
                    struct bs_arena *arena,
                    struct bs_operator *out,
                    struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    struct bs_err why = {0};
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q,
                     "SELECT " OPERATOR_COLUMNS " FROM operators WHERE revoked_us = 0"
                     " AND (expires_us = 0 OR expires_us > ?2) AND (token_sha256 = ?1"
                     " OR (old_token_sha256 = ?1 AND old_until_us > ?2))",
                     BS_SQ_VALUES(BS_SQ_T(token_sha256), BS_SQ_I(bs_now_us())), arena,
                     read_operator, out, "operator", &why);
    bs_sq_unlock(q);
    if (done == BS_DONE)
        return BS_DONE;
    if (why.code == BS_E_NOT_FOUND)
        return BS_FAIL(err, AUTH, "the token is not that of an operator");
    return bs_err_set(err, why.code, "%s", why.message);
}

enum bs_done
bs_sq_operator_list(struct bs_state *s,
                    struct bs_arena *arena,
                    struct bs_operator **out,
                    size_t *n,
                    struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q, "SELECT " OPERATOR_COLUMNS " FROM operators ORDER BY name", BS_SQ_NO_VALUES,
                     arena, sizeof(**out), read_operator, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

enum bs_done
bs_sq_operator_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_check_in_force(q, "operators", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "UPDATE operators SET revoked_us = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "operator.revoke", name, json_object(), err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_operator_ever(struct bs_state *s, bool *out, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int64_t any = 0;
    enum bs_done done;

    bs_sq_lock(q);
    done =
        bs_sq_number(q, "SELECT EXISTS (SELECT 1 FROM operators)", BS_SQ_NO_VALUES, 0, &any, err);
    bs_sq_unlock(q);
    *out = done == BS_DONE && any != 0;
    return done;
}

/* --- changes --- */

static enum bs_done
read_change(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_change *c = item;

    (void)err;
    c->id = bs_sq_int(r, 0);
    c->at_us = bs_sq_int(r, 1);
    c->by = bs_sq_text(r, 2);
    c->action = bs_sq_text(r, 3);
    c->subject = bs_sq_text(r, 4);
    c->detail = bs_sq_text(r, 5);
    return BS_DONE;
}

enum bs_done
bs_sq_change_list(struct bs_state *s,
                  size_t limit,
                  struct bs_arena *arena,
                  struct bs_change **out,
                  size_t *n,
                  struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(
        q, "SELECT id, at_us, by, action, subject, detail FROM changes ORDER BY id LIMIT ?",
        BS_SQ_VALUES(BS_SQ_I(limit == 0 ? BS_SQ_ALL : (int64_t)limit)), arena, sizeof(**out),
        read_change, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

/* Counted in the transaction that makes it: whoever sees a number sees all changes up to it. */
enum bs_done
bs_sq_change_count(struct bs_state *s, int64_t *out, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_number(q, "SELECT n FROM counters WHERE name = 'changes'", BS_SQ_NO_VALUES, 0, out,
                        err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_change_drop(struct bs_state *s, int64_t id, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(q, "DELETE FROM changes WHERE id = ?", BS_SQ_VALUES(BS_SQ_I(id)), NULL, err);
    bs_sq_unlock(q);
    return done;
}
