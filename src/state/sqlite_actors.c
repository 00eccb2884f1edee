/*
 * sqlite_actors.c - agents, operators, and the changes made to them. A change and its row in
 * `changes` are one transaction, so no agent appears without the audit hearing of it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "state/sqlite.h"

#define AGENT_COLUMNS                                                                              \
    "name, owner, databases, verifier, created_us, expires_us, revoked_us, quarantined_us,"        \
    " quarantine_why, actor_group, certificate, certificate_only"
#define OPERATOR_COLUMNS "name, role, token_sha256, created_us, revoked_us"

/* Takes over the reference to `detail`. */
static enum bs_done
put_change(struct bs_sqlite *q,
           const char *by,
           const char *action,
           const char *subject,
           json_t *detail,
           struct bs_err *err)
{
    char *text = json_dumps(detail, JSON_COMPACT);
    enum bs_done done;

    json_decref(detail);
    if (text == NULL)
        return BS_FAIL(err, INTERNAL, "a change cannot be written as JSON");
    done =
        bs_sq_run(q, "INSERT INTO changes (at_us, by, action, subject, detail) VALUES (?,?,?,?,?)",
                  BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(by), BS_SQ_T(action), BS_SQ_T(subject),
                               BS_SQ_T(text)),
                  NULL, err);
    free(text);
    return done;
}

/* --- agents --- */

static enum bs_done
parse_databases(struct bs_sq_rows *r, struct bs_agent *a, struct bs_err *err)
{
    const char *text = bs_sq_text(r, 2);
    json_t *list = text == NULL ? NULL : json_loads(text, 0, NULL);
    enum bs_done done = BS_DONE;
    size_t i;
    json_t *item;

    if (!json_is_array(list)) {
        json_decref(list);
        return r->full ? BS_DONE : BS_FAIL(err, DAMAGED, "the databases of an agent are damaged");
    }
    a->databases = bs_arena_array(r->arena, json_array_size(list) + 1, sizeof(*a->databases));
    r->full = r->full || a->databases == NULL;
    json_array_foreach(list, i, item)
    {
        if (a->databases == NULL)
            break;
        if (!json_is_string(item)) {
            done = BS_FAIL(err, DAMAGED, "the databases of an agent are damaged");
            break;
        }
        a->databases[i] = bs_arena_str(r->arena, json_string_value(item));
        r->full = r->full || a->databases[i] == NULL;
        a->n_databases++;
    }
    json_decref(list);
    return done;
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
    return parse_databases(r, a, err);
}

static json_t *
json_databases(const struct bs_agent *agent)
{
    json_t *list = json_array();

    for (size_t i = 0; i < agent->n_databases; i++)
        (void)json_array_append_new(list, json_string(agent->databases[i]));
    return list;
}

static void
put_certificate(json_t *detail, const char *certificate, bool only)
{
    (void)json_object_set_new(detail, "certificate", json_string(certificate));
    (void)json_object_set_new(detail, "certificate_only", json_boolean(only));
}

/* Never the verifier. */
static json_t *
agent_detail(const struct bs_agent *agent)
{
    json_t *detail = json_object();
    char at[BS_TIME_TEXT];

    (void)json_object_set_new(detail, "databases", json_databases(agent));
    if (agent->owner != NULL)
        (void)json_object_set_new(detail, "owner", json_string(agent->owner));
    if (agent->group != NULL)
        (void)json_object_set_new(detail, "group", json_string(agent->group));
    if (agent->certificate != NULL)
        put_certificate(detail, agent->certificate, agent->certificate_only);
    if (agent->expires_us != 0) {
        bs_time_format(agent->expires_us, at);
        (void)json_object_set_new(detail, "expires", json_string(at));
    }
    return detail;
}

/*
 * Where an actor's row stands: fails with NOT_FOUND or CONFLICT unless it is there and in force.
 * table is "agents" or "operators".
 */
static enum bs_done
check_in_force(struct bs_sqlite *q, const char *table, const char *name, struct bs_err *err)
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
    json_t *list = json_databases(a);
    char *databases = json_dumps(list, JSON_COMPACT);
    enum bs_done done;

    json_decref(list);
    if (databases == NULL)
        return BS_FAIL(err, INTERNAL, "the databases cannot be written as JSON");
    done = bs_sq_run(
        q, "INSERT INTO agents (" AGENT_COLUMNS ") VALUES (?,?,?,?,?,?,0,0,NULL,?,?,?)",
        BS_SQ_VALUES(BS_SQ_T(a->name), BS_SQ_T(a->owner), BS_SQ_T(databases), BS_SQ_T(a->verifier),
                     BS_SQ_I(a->created_us), BS_SQ_I(a->expires_us), BS_SQ_T(a->group),
                     BS_SQ_T(a->certificate), BS_SQ_I(a->certificate_only)),
        NULL, err);
    free(databases);
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
        done = insert_agent(q, agent, err);
    if (done == BS_DONE)
        done = put_change(q, by, "agent.add", agent->name, agent_detail(agent), err);
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
    done = bs_sq_one(q, "SELECT " AGENT_COLUMNS " FROM agents WHERE name = ?",
                     BS_SQ_VALUES(BS_SQ_T(name)), arena, read_agent, out, "agent", err);
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
    done = bs_sq_all(q, "SELECT " AGENT_COLUMNS " FROM agents ORDER BY name", BS_SQ_NO_VALUES,
                     arena, sizeof(**out), read_agent, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

enum bs_done
bs_sq_agent_rekey(
    struct bs_state *s, const char *name, const char *verifier, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "UPDATE agents SET verifier = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_T(verifier), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = put_change(q, by, "agent.rekey", name, json_object(), err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_agent_revoke(struct bs_state *s, const char *name, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "UPDATE agents SET revoked_us = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = put_change(q, by, "agent.revoke", name, json_object(), err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_agent_regroup(
    struct bs_state *s, const char *name, const char *group, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "UPDATE agents SET actor_group = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_T(group), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = put_change(q, by, "agent.regroup", name, json_pack("{s:s?}", "group", group), err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_agent_certify(struct bs_state *s,
                    const char *name,
                    const char *certificate,
                    bool only,
                    const char *by,
                    struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    json_t *detail = json_object();
    enum bs_done done;

    if (certificate != NULL)
        put_certificate(detail, certificate, only);
    if (bs_sq_begin(q, err) != BS_DONE) {
        json_decref(detail);
        return BS_FAILED;
    }
    done = check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done =
            bs_sq_run(q, "UPDATE agents SET certificate = ?, certificate_only = ? WHERE name = ?",
                      BS_SQ_VALUES(BS_SQ_T(certificate), BS_SQ_I(only), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = put_change(q, by, "agent.certify", name, json_incref(detail), err);
    json_decref(detail);
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
    done = check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "UPDATE agents SET quarantined_us = ?, quarantine_why = ?"
                         " WHERE name = ? AND quarantined_us = 0",
                         BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(why), BS_SQ_T(name)), &changed,
                         err);
    if (done == BS_DONE && changed != 0)
        done = put_change(q, by, "agent.quarantine", name, words("why", why), err);
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
    done = check_in_force(q, "agents", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "UPDATE agents SET quarantined_us = 0, quarantine_why = NULL"
                         " WHERE name = ? AND quarantined_us <> 0",
                         BS_SQ_VALUES(BS_SQ_T(name)), &changed, err);
    if (done == BS_DONE && changed == 0)
        done = BS_FAIL(err, CONFLICT, "\"%.63s\" is not quarantined", name);
    if (done == BS_DONE)
        done = put_change(q, by, "agent.release", name, words("reason", reason), err);
    return bs_sq_end(q, done, err);
}

/* --- operators --- */

static enum bs_done
read_operator(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_operator *op = item;

    (void)err;
    op->name = bs_sq_text(r, 0);
    op->role = bs_role_find((const char *)sqlite3_column_text(r->st, 1));
    op->token_sha256 = bs_sq_text(r, 2);
    op->created_us = bs_sq_int(r, 3);
    op->revoked_us = bs_sq_int(r, 4);
    return BS_DONE;
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
        done = bs_sq_run(q, "INSERT INTO operators (" OPERATOR_COLUMNS ") VALUES (?,?,?,?,0)",
                         BS_SQ_VALUES(BS_SQ_T(op->name), BS_SQ_T(bs_role_name(op->role)),
                                      BS_SQ_T(op->token_sha256), BS_SQ_I(op->created_us)),
                         NULL, err);
    if (done == BS_DONE)
        done = put_change(q, by, "operator.add", op->name,
                          json_pack("{s:s}", "role", bs_role_name(op->role)), err);
    return bs_sq_end(q, done, err);
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
    done =
        bs_sq_one(q,
                  "SELECT " OPERATOR_COLUMNS " FROM operators"
                  " WHERE token_sha256 = ? AND revoked_us = 0",
                  BS_SQ_VALUES(BS_SQ_T(token_sha256)), arena, read_operator, out, "operator", &why);
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
    done = check_in_force(q, "operators", name, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "UPDATE operators SET revoked_us = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(name)), NULL, err);
    if (done == BS_DONE)
        done = put_change(q, by, "operator.revoke", name, json_object(), err);
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
        BS_SQ_VALUES(BS_SQ_I(limit == 0 ? -1 : (int64_t)limit)), arena, sizeof(**out), read_change,
        &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
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
