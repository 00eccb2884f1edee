/*
 * sqlite_tickets.c - tickets as rows. A change is a compare-and-set on `version`; which changes are
 * right is decided in approval/ticket.c.
 */
#include <stdio.h>
#include <string.h>

#include "state/sqlite.h"

/* In the order of struct bs_ticket but for the last three; read_ticket and insert follow it. */
#define TICKET_COLUMNS                                                                             \
    "id, identity, actor, owner, database, role, environment, session, client, sql, params, risk," \
    " effects, plan, reasons, limits, created_us, decide_by_us, state, decided_us, decided_by,"    \
    " reason, redeem_by_us, started_us, finished_us, detail, point, asked, version, harms, "       \
    "evades,"                                                                                      \
    " approvals, claims"

/* Without the texts that are as long as an agent makes them: of many tickets they fit nowhere. */
#define BRIEF_COLUMNS                                                                              \
    "id, identity, actor, owner, database, role, environment, session, client, NULL, NULL, risk,"  \
    " NULL, NULL, NULL, NULL, created_us, decide_by_us, state, decided_us, decided_by,"            \
    " reason, redeem_by_us, started_us, finished_us, detail, point, asked, version, harms, "       \
    "evades,"                                                                                      \
    " approvals, claims"

static enum bs_done
read_ticket(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_ticket *t = item;
    const char **const texts[] = {
        &t->actor, &t->owner,  &t->database, &t->role,    &t->environment, &t->session, &t->client,
        &t->sql,   &t->params, &t->risk,     &t->effects, &t->plan,        &t->reasons, &t->limits};

    bs_sq_copy(r, 0, t->id, sizeof(t->id));
    bs_sq_copy(r, 1, t->identity, sizeof(t->identity));
    for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
        *texts[i] = bs_sq_text(r, 2 + i);
    t->created_us = bs_sq_int(r, 16);
    t->decide_by_us = bs_sq_int(r, 17);
    t->state = bs_ticket_state_find(bs_sq_peek(r, 18));
    t->decided_us = bs_sq_int(r, 19);
    t->decided_by = bs_sq_text(r, 20);
    t->reason = bs_sq_text(r, 21);
    t->redeem_by_us = bs_sq_int(r, 22);
    t->started_us = bs_sq_int(r, 23);
    t->finished_us = bs_sq_int(r, 24);
    t->detail = bs_sq_text(r, 25);
    t->point = bs_sq_text(r, 26);
    t->asked = bs_sq_int(r, 27);
    t->version = bs_sq_int(r, 28);
    t->harms = bs_sq_text(r, 29);
    t->evades = bs_sq_text(r, 30);
    t->approvals = bs_sq_text(r, 31);
    t->claims = bs_sq_text(r, 32);
    if (t->state == BS_TICKET_NONE)
        return BS_FAIL(err, DAMAGED, "ticket %s has no known state", t->id);
    return BS_DONE;
}

static enum bs_done
insert(struct bs_sqlite *q, const struct bs_ticket *t, struct bs_err *err)
{
    return bs_sq_run(
        q,
        "INSERT INTO tickets (" TICKET_COLUMNS ") VALUES"
        " (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,'pending',0,NULL,NULL,0,0,0,NULL,NULL,1,1,?,?,?,?)",
        BS_SQ_VALUES(BS_SQ_T(t->id), BS_SQ_T(t->identity), BS_SQ_T(t->actor), BS_SQ_T(t->owner),
                     BS_SQ_T(t->database), BS_SQ_T(t->role), BS_SQ_T(t->environment),
                     BS_SQ_T(t->session), BS_SQ_T(t->client), BS_SQ_T(t->sql), BS_SQ_T(t->params),
                     BS_SQ_T(t->risk), BS_SQ_T(t->effects), BS_SQ_T(t->plan), BS_SQ_T(t->reasons),
                     BS_SQ_T(t->limits), BS_SQ_I(t->created_us), BS_SQ_I(t->decide_by_us),
                     BS_SQ_T(t->harms), BS_SQ_T(t->evades), BS_SQ_T(t->approvals),
                     BS_SQ_T(t->claims)),
        NULL, err);
}

static enum bs_done
get(struct bs_sqlite *q,
    const char *id,
    struct bs_arena *arena,
    struct bs_ticket *out,
    struct bs_err *err)
{
    return bs_sq_one(q, "SELECT " TICKET_COLUMNS " FROM tickets WHERE id = ?",
                     BS_SQ_VALUES(BS_SQ_T(id)), arena, read_ticket, out, "ticket", err);
}

/* The version stays: asking again is no change that could race with a decision. */
static enum bs_done
find_open(struct bs_sqlite *q,
          const char *identity,
          struct bs_arena *arena,
          struct bs_ticket *out,
          struct bs_err *err)
{
    if (bs_sq_run(q,
                  "UPDATE tickets SET asked = asked + 1"
                  " WHERE identity = ? AND state IN ('pending','approved')",
                  BS_SQ_VALUES(BS_SQ_T(identity)), NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_one(q,
                     "SELECT " TICKET_COLUMNS " FROM tickets"
                     " WHERE identity = ? AND state IN ('pending','approved')",
                     BS_SQ_VALUES(BS_SQ_T(identity)), arena, read_ticket, out, "open ticket", err);
}

/* Nobody could read them, and every one is kept. */
static enum bs_done
check_pending(struct bs_sqlite *q, const struct bs_ticket *t, struct bs_err *err)
{
    int64_t n = 0, text = 0;

    if (bs_sq_number(q, "SELECT count(*) FROM tickets WHERE actor = ? AND state = 'pending'",
                     BS_SQ_VALUES(BS_SQ_T(t->actor)), 0, &n, err) != BS_DONE ||
        bs_sq_number(q,
                     "SELECT coalesce(sum(length(sql) + coalesce(length(params), 0)), 0)"
                     " FROM tickets WHERE actor = ? AND state = 'pending'",
                     BS_SQ_VALUES(BS_SQ_T(t->actor)), 0, &text, err) != BS_DONE)
        return BS_FAILED;
    if (n >= BS_TICKETS_PENDING_MAX)
        return BS_FAIL(err, LIMIT, "%d requests of yours wait for a decision already",
                       BS_TICKETS_PENDING_MAX);
    return text < BS_TICKETS_PENDING_TEXT
               ? BS_DONE
               : BS_FAIL(err, LIMIT, "long requests of yours wait for a decision already");
}

enum bs_done
bs_sq_ticket_open(struct bs_state *s,
                  const struct bs_ticket *row,
                  struct bs_arena *arena,
                  struct bs_ticket *out,
                  struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    struct bs_err miss = {0};
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = find_open(q, row->identity, arena, out, &miss);
    if (done != BS_DONE && miss.code == BS_E_NOT_FOUND) {
        done = check_pending(q, row, err) == BS_DONE ? insert(q, row, err) : BS_FAILED;
        if (done == BS_DONE)
            done = bs_sq_event_put(q, BS_NOTIFY_TICKET_OPENED, row->id, NULL, err);
        if (done == BS_DONE)
            done = get(q, row->id, arena, out, err);
    } else if (done != BS_DONE) {
        (void)bs_err_set(err, miss.code, "%s", miss.message);
    }
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_ticket_get(struct bs_state *s,
                 const char *id,
                 struct bs_arena *arena,
                 struct bs_ticket *out,
                 struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = get(q, id, arena, out, err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_ticket_write(struct bs_sqlite *q, const struct bs_ticket *t, struct bs_err *err)
{
    int changed = 0;
    int64_t there = 0;

    if (bs_sq_run(q,
                  "UPDATE tickets SET state = ?, decided_us = ?, decided_by = ?, reason = ?,"
                  " redeem_by_us = ?, started_us = ?, finished_us = ?, detail = ?, point = ?,"
                  " instance = ?, version = version + 1 WHERE id = ? AND version = ?",
                  BS_SQ_VALUES(BS_SQ_T(bs_ticket_state_name(t->state)), BS_SQ_I(t->decided_us),
                               BS_SQ_T(t->decided_by), BS_SQ_T(t->reason), BS_SQ_I(t->redeem_by_us),
                               BS_SQ_I(t->started_us), BS_SQ_I(t->finished_us), BS_SQ_T(t->detail),
                               BS_SQ_T(t->point), BS_SQ_T(q->instance), BS_SQ_T(t->id),
                               BS_SQ_I(t->version)),
                  &changed, err) != BS_DONE)
        return BS_FAILED;
    if (changed == 1)
        return BS_DONE;
    if (bs_sq_number(q, "SELECT count(*) FROM tickets WHERE id = ?", BS_SQ_VALUES(BS_SQ_T(t->id)),
                     0, &there, err) != BS_DONE)
        return BS_FAILED;
    if (there == 0)
        return BS_FAIL(err, NOT_FOUND, "there is no such ticket");
    return BS_FAIL(err, CONFLICT, "ticket %s has changed meanwhile", t->id);
}

enum bs_done
bs_sq_ticket_move(struct bs_state *s, const struct bs_ticket *row, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);

    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_ticket_write(q, row, err);
    if (done == BS_DONE && row->state != BS_TICKET_APPROVED) /* given back: it was told of then */
        done = bs_sq_event_put(q, bs_notify_event_of(row->state), row->id, NULL, err);
    return bs_sq_end(q, done, err);
}

#define LISTED                                                                                     \
    " FROM tickets WHERE ?1 LIKE '%|' || state || '|%'"                                            \
    " AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR database = ?3)"                            \
    " AND (?4 IS NULL OR id < ?4) ORDER BY id DESC LIMIT ?5"

enum bs_done
bs_sq_ticket_list(struct bs_state *s,
                  const struct bs_ticket_filter *filter,
                  struct bs_arena *arena,
                  struct bs_ticket **out,
                  size_t *n,
                  struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    char states[128] = "";
    void *rows = NULL;
    enum bs_done done;

    /* "|pending|approved|": one parameter for any set of states. */
    for (enum bs_ticket_state st = BS_TICKET_PENDING; st < BS_TICKET_STATES; st++) {
        size_t used = strlen(states);
        if (filter->states == 0 || (filter->states & (1u << st)) != 0)
            (void)snprintf(states + used, sizeof(states) - used, "|%s|", bs_ticket_state_name(st));
    }
    bs_sq_lock(q);
    done = bs_sq_all(
        q, filter->whole ? "SELECT " TICKET_COLUMNS LISTED : "SELECT " BRIEF_COLUMNS LISTED,
        BS_SQ_VALUES(BS_SQ_T(states), BS_SQ_T(filter->actor), BS_SQ_T(filter->database),
                     BS_SQ_T(filter->before),
                     BS_SQ_I(filter->limit == 0 ? BS_SQ_ALL : (int64_t)filter->limit)),
        arena, sizeof(**out), read_ticket, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

enum bs_done
bs_sq_ticket_orphans(struct bs_state *s,
                     struct bs_arena *arena,
                     struct bs_ticket **out,
                     size_t *n,
                     struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q,
                     "SELECT " BRIEF_COLUMNS " FROM tickets WHERE state = 'running'"
                     " AND NOT " BS_SQ_LIVES("coalesce(tickets.instance, '')") " ORDER BY id",
                     BS_SQ_NO_VALUES, arena, sizeof(**out), read_ticket, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

#define OVERDUE                                                                                    \
    " WHERE (state = 'pending' AND decide_by_us <= ?1)"                                            \
    " OR (state = 'approved' AND redeem_by_us <= ?1)"

static enum bs_done
expire(struct bs_sqlite *q,
       int64_t now_us,
       struct bs_arena *arena,
       void **rows,
       size_t *n,
       struct bs_err *err)
{
    enum bs_done done = bs_sq_all(
        q,
        "UPDATE tickets SET detail = CASE state WHEN 'pending' THEN 'not decided in time'"
        " ELSE 'not used in time' END, state = 'expired', finished_us = ?1,"
        " version = version + 1" OVERDUE " RETURNING " BRIEF_COLUMNS,
        BS_SQ_VALUES(BS_SQ_I(now_us)), arena, sizeof(struct bs_ticket), read_ticket, rows, n, err);
    const struct bs_ticket *list = *rows;

    for (size_t i = 0; done == BS_DONE && i < *n; i++)
        done = bs_sq_event_put(q, BS_NOTIFY_TICKET_EXPIRED, list[i].id, NULL, err);
    return done;
}

enum bs_done
bs_sq_ticket_expire(struct bs_state *s,
                    int64_t now_us,
                    struct bs_arena *arena,
                    struct bs_ticket **out,
                    size_t *n,
                    struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int64_t overdue = 0;
    void *rows = NULL;
    enum bs_done done;

    /* Looked at before every ticket call: only a writer needs the write lock and the disk. */
    bs_sq_lock(q);
    done = bs_sq_number(q, "SELECT EXISTS (SELECT 1 FROM tickets" OVERDUE ")",
                        BS_SQ_VALUES(BS_SQ_I(now_us)), 0, &overdue, err);
    bs_sq_unlock(q);
    if (done != BS_DONE || overdue == 0)
        return done;
    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_end(q, expire(q, now_us, arena, &rows, n, err), err);
    *out = rows;
    if (done != BS_DONE)
        *n = 0;
    return done;
}

enum bs_done
bs_sq_ticket_denials(
    struct bs_state *s, const char *actor, int64_t since_us, uint64_t *out, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int64_t count = 0;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_number(q,
                        "SELECT count(*) FROM tickets"
                        " WHERE actor = ? AND state = 'denied' AND decided_us >= ?",
                        BS_SQ_VALUES(BS_SQ_T(actor), BS_SQ_I(since_us)), 0, &count, err);
    bs_sq_unlock(q);
    *out = (uint64_t)count;
    return done;
}
