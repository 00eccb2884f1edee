/*
 * sqlite_tokens.c - short-lived passwords of agents.
 */
#include <stdio.h>

#include "base/clock.h"
#include "state/sqlite.h"

#define COLUMNS "id, agent, verifier, made_by, note, created_us, expires_us, revoked_us"

static enum bs_done
read_token(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_token *t = item;

    (void)err;
    bs_sq_copy(r, 0, t->id, sizeof(t->id));
    t->agent = bs_sq_text(r, 1);
    t->verifier = bs_sq_text(r, 2);
    t->made_by = bs_sq_text(r, 3);
    t->note = bs_sq_text(r, 4);
    t->created_us = bs_sq_int(r, 5);
    t->expires_us = bs_sq_int(r, 6);
    t->revoked_us = bs_sq_int(r, 7);
    return BS_DONE;
}

/* Those that ended long ago go; of those that count there may not be too many. */
static enum bs_done
make_room(struct bs_sqlite *q, const struct bs_token *t, struct bs_err *err)
{
    int64_t count;

    if (bs_sq_run(q, "DELETE FROM tokens WHERE agent = ? AND expires_us < ?",
                  BS_SQ_VALUES(BS_SQ_T(t->agent), BS_SQ_I(t->created_us - BS_TOKEN_KEPT_US)), NULL,
                  err) != BS_DONE ||
        bs_sq_number(q,
                     "SELECT count(*) FROM tokens"
                     " WHERE agent = ? AND revoked_us = 0 AND expires_us > ?",
                     BS_SQ_VALUES(BS_SQ_T(t->agent), BS_SQ_I(t->created_us)), 0, &count,
                     err) != BS_DONE)
        return BS_FAILED;
    if (count < BS_TOKENS_MAX)
        return BS_DONE;
    (void)BS_FAIL(err, LIMIT, "\"%.63s\" has %d tokens already", t->agent, BS_TOKENS_MAX);
    bs_err_hint(err, "wait until one ends, or end it: backstop agents revoke %.63s --token ID",
                t->agent);
    return BS_FAILED;
}

static enum bs_done
insert(struct bs_sqlite *q, const struct bs_token *t, const char *by, struct bs_err *err)
{
    char until[BS_TIME_TEXT];

    if (bs_sq_check_in_force(q, "agents", t->agent, err) != BS_DONE ||
        make_room(q, t, err) != BS_DONE ||
        bs_sq_run(q, "INSERT INTO tokens (" COLUMNS ") VALUES (?,?,?,?,?,?,?,0)",
                  BS_SQ_VALUES(BS_SQ_T(t->id), BS_SQ_T(t->agent), BS_SQ_T(t->verifier), BS_SQ_T(by),
                               BS_SQ_T(t->note), BS_SQ_I(t->created_us), BS_SQ_I(t->expires_us)),
                  NULL, err) != BS_DONE)
        return BS_FAILED;
    bs_time_format(t->expires_us, until);
    return bs_sq_change_put(
        q, by, "token.add", t->agent,
        json_pack("{s:s,s:s,s:s?}", "token", t->id, "expires", until, "note", t->note), err);
}

enum bs_done
bs_sq_token_add(struct bs_state *s,
                const struct bs_token *token,
                const char *by,
                struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_end(q, insert(q, token, by, err), err);
}

enum bs_done
bs_sq_token_list(struct bs_state *s,
                 const char *agent,
                 int64_t counting_us,
                 struct bs_arena *arena,
                 struct bs_token **out,
                 size_t *n,
                 struct bs_err *err)
{
    /* An agent's own by its index: who has many must not be told from who has none by the time. */
    const char *sql = agent == NULL
                          ? "SELECT " COLUMNS " FROM tokens"
                            " WHERE ?1 IS NULL AND (?2 = 0 OR (revoked_us = 0 AND expires_us > ?2))"
                            " ORDER BY id DESC"
                          : "SELECT " COLUMNS " FROM tokens"
                            " WHERE agent = ?1 AND (?2 = 0 OR (revoked_us = 0 AND expires_us > ?2))"
                            " ORDER BY id DESC";
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q, sql, BS_SQ_VALUES(BS_SQ_T(agent), BS_SQ_I(counting_us)), arena,
                     sizeof(**out), read_token, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

static enum bs_done
revoke(struct bs_sqlite *q, const char *agent, const char *id, const char *by, struct bs_err *err)
{
    int64_t now_us = bs_now_us(), ends_us;
    int changed = 0;

    if (bs_sq_number(q, "SELECT expires_us FROM tokens WHERE agent = ? AND id = ?",
                     BS_SQ_VALUES(BS_SQ_T(agent), BS_SQ_T(id)), -1, &ends_us, err) != BS_DONE)
        return BS_FAILED;
    if (ends_us < 0)
        return BS_FAIL(err, NOT_FOUND, "\"%.63s\" has no token %.40s", agent, id);
    if (bs_sq_run(q,
                  "UPDATE tokens SET revoked_us = ?"
                  " WHERE id = ? AND revoked_us = 0 AND expires_us > ?",
                  BS_SQ_VALUES(BS_SQ_I(now_us), BS_SQ_T(id), BS_SQ_I(now_us)), &changed,
                  err) != BS_DONE)
        return BS_FAILED;
    if (changed == 0)
        return BS_FAIL(err, CONFLICT, "the token %.40s has ended already", id);
    return bs_sq_change_put(q, by, "token.revoke", agent, json_pack("{s:s}", "token", id), err);
}

enum bs_done
bs_sq_token_revoke(
    struct bs_state *s, const char *agent, const char *id, const char *by, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_end(q, revoke(q, agent, id, by, err), err);
}
