/*
 * sqlite_notify.c - events on their way to people, one row for each target; what of it was shown in
 * Slack; and who is who there.
 *
 * Where nobody is told of an event, putting it costs a look at an empty table. How much may wait is
 * bounded: beyond it events are counted, not kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "state/sqlite.h"

#define KEEP_MESSAGES_US (INT64_C(30) * 86400 * 1000000) /* a ticket has ended long before */
#define TEXT(x)          TEXT_(x)
#define TEXT_(x)         #x

/* Of the target that a statement looks at: it wants event ?1; its queue is full. */
#define WANTS "t.events LIKE '% ' || ?1 || ' %'"
#define FULL                                                                                       \
    "(SELECT count(*) FROM deliveries d WHERE d.target = t.name AND d.dead = 0) >= " TEXT(         \
        BS_NOTIFY_WAITING_MAX)

#define COLUMNS                                                                                    \
    "id, target, event, subject, detail, body, at_us, due_us, until_us, tries, dead, why"

/* --- events --- */

enum bs_done
bs_sq_event_put(struct bs_sqlite *q,
                enum bs_notify_event event,
                const char *subject,
                const char *detail,
                struct bs_err *err)
{
    const char *name = bs_notify_event_name(event);
    int64_t now_us = bs_now_us();
    char id[BS_NOTIFY_ID] = "msg_";
    uint8_t random[16];

    if (event == BS_NOTIFY_NONE)
        return BS_DONE;
    if (bs_sq_run(q,
                  "UPDATE notify_targets AS t SET dropped = dropped + 1 WHERE " WANTS " AND " FULL,
                  BS_SQ_VALUES(BS_SQ_T(name)), NULL, err) != BS_DONE)
        return BS_FAILED;
    bs_random(random, sizeof(random));
    bs_hex(random, sizeof(random), id + strlen(id));
    return bs_sq_run(q,
                     "INSERT INTO deliveries (" COLUMNS ") SELECT ?5 || t.n, t.name, ?1, ?2, ?3,"
                     " NULL, ?4, ?4, ?4 + t.keep_us, 0, 0, NULL FROM notify_targets t WHERE " WANTS
                     " AND NOT " FULL,
                     BS_SQ_VALUES(BS_SQ_T(name), BS_SQ_T(subject), BS_SQ_T(detail), BS_SQ_I(now_us),
                                  BS_SQ_T(id)),
                     NULL, err);
}

enum bs_done
bs_sq_notify_put(struct bs_state *s,
                 enum bs_notify_event event,
                 const char *subject,
                 const char *detail,
                 struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_end(q, bs_sq_event_put(q, event, subject, detail, err), err);
}

/* --- targets --- */

/* " ticket.opened pause ": with blanks around each. */
static void
events_text(unsigned events, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, " ");

    for (unsigned e = BS_NOTIFY_NONE + 1; e < BS_NOTIFY_EVENTS && n < size; e++) {
        if ((events & (1u << e)) != 0)
            n += (size_t)snprintf(out + n, size - n, "%s ",
                                  bs_notify_event_name((enum bs_notify_event)e));
    }
    bs_assert(n < size);
}

static enum bs_done
put_target(struct bs_sqlite *q, const struct bs_notify_target *t, size_t n, struct bs_err *err)
{
    char events[512];

    events_text(t->events, events, sizeof(events));
    return bs_sq_run(
        q,
        "INSERT INTO notify_targets (name, n, events, keep_us, dropped)"
        " VALUES (?,?,?,?,0) ON CONFLICT (name) DO UPDATE SET n = excluded.n,"
        " events = excluded.events, keep_us = excluded.keep_us",
        BS_SQ_VALUES(BS_SQ_T(t->name), BS_SQ_I((int64_t)n), BS_SQ_T(events), BS_SQ_I(t->keep_us)),
        NULL, err);
}

enum bs_done
bs_sq_notify_targets_set(struct bs_state *s,
                         const struct bs_notify_target *list,
                         size_t n,
                         struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_run(q, "UPDATE notify_targets SET events = ''", BS_SQ_NO_VALUES, NULL, err);
    for (size_t i = 0; done == BS_DONE && i < n; i++)
        done = put_target(q, &list[i], i, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "DELETE FROM notify_targets WHERE events = ''", BS_SQ_NO_VALUES, NULL,
                         err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "UPDATE deliveries SET dead = 1, why = 'its target is not configured any"
                         " more' WHERE dead = 0 AND target NOT IN"
                         " (SELECT name FROM notify_targets)",
                         BS_SQ_NO_VALUES, NULL, err);
    return bs_sq_end(q, done, err);
}

static enum bs_done
read_count(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_notify_count *c = item;

    (void)err;
    c->target = bs_sq_text(r, 0);
    c->waiting = bs_sq_int(r, 1);
    c->dead = bs_sq_int(r, 2);
    c->dropped = bs_sq_int(r, 3);
    c->oldest_us = bs_sq_int(r, 4);
    return BS_DONE;
}

enum bs_done
bs_sq_notify_count(struct bs_state *s,
                   struct bs_arena *arena,
                   struct bs_notify_count **out,
                   size_t *n,
                   struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q,
                     "SELECT a.name, count(d.id) FILTER (WHERE d.dead = 0),"
                     " count(d.id) FILTER (WHERE d.dead = 1), coalesce(max(t.dropped), 0),"
                     " coalesce(min(d.at_us) FILTER (WHERE d.dead = 0), 0)"
                     " FROM (SELECT name FROM notify_targets UNION SELECT target FROM deliveries) a"
                     " LEFT JOIN notify_targets t ON t.name = a.name"
                     " LEFT JOIN deliveries d ON d.target = a.name GROUP BY a.name ORDER BY a.name",
                     BS_SQ_NO_VALUES, arena, sizeof(**out), read_count, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

/* --- deliveries --- */

static enum bs_done
read_delivery(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_delivery *d = item;

    (void)err;
    bs_sq_copy(r, 0, d->id, sizeof(d->id));
    d->target = bs_sq_text(r, 1);
    d->event = bs_notify_event_find(bs_sq_peek(r, 2));
    d->subject = bs_sq_text(r, 3);
    d->detail = bs_sq_text(r, 4);
    d->body = bs_sq_text(r, 5);
    d->at_us = bs_sq_int(r, 6);
    d->due_us = bs_sq_int(r, 7);
    d->until_us = bs_sq_int(r, 8);
    d->tries = bs_sq_int(r, 9);
    d->dead = bs_sq_int(r, 10) != 0;
    d->why = bs_sq_text(r, 11);
    return BS_DONE;
}

enum bs_done
bs_sq_delivery_first(struct bs_state *s,
                     const char *target,
                     struct bs_arena *arena,
                     struct bs_delivery *out,
                     bool *found,
                     struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    struct bs_err miss = {0};
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q,
                     "SELECT " COLUMNS " FROM deliveries WHERE target = ? AND dead = 0"
                     " ORDER BY due_us, seq LIMIT 1",
                     BS_SQ_VALUES(BS_SQ_T(target)), arena, read_delivery, out, "delivery", &miss);
    bs_sq_unlock(q);
    *found = done == BS_DONE;
    if (done == BS_DONE || miss.code == BS_E_NOT_FOUND)
        return BS_DONE;
    return bs_err_set(err, miss.code, "%s", miss.message);
}

enum bs_done
bs_sq_delivery_render(struct bs_state *s, const char *id, const char *body, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(q, "UPDATE deliveries SET body = ? WHERE id = ?",
                     BS_SQ_VALUES(BS_SQ_T(body), BS_SQ_T(id)), NULL, err);
    bs_sq_unlock(q);
    return done;
}

/* The oldest of those that were given up make room. */
static enum bs_done
bound_dead(struct bs_sqlite *q, const char *id, struct bs_err *err)
{
    return bs_sq_run(
        q,
        "DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries WHERE dead = 1"
        " AND target = (SELECT target FROM deliveries WHERE id = ?)"
        " ORDER BY seq DESC LIMIT ? OFFSET " TEXT(BS_NOTIFY_DEAD_MAX) ")",
        BS_SQ_VALUES(BS_SQ_T(id), BS_SQ_I(BS_SQ_ALL)), NULL, err);
}

enum bs_done
bs_sq_delivery_end(struct bs_state *s,
                   const char *id,
                   enum bs_delivery_end end,
                   int64_t due_us,
                   const char *why,
                   struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    if (end == BS_DELIVERY_DONE)
        done = bs_sq_run(q, "DELETE FROM deliveries WHERE id = ?", BS_SQ_VALUES(BS_SQ_T(id)), NULL,
                         err);
    else
        done = bs_sq_run(q,
                         "UPDATE deliveries SET tries = tries + 1, due_us = ?, why = ?, dead = ?"
                         " WHERE id = ? AND dead = 0", /* its target went: it stays given up */
                         BS_SQ_VALUES(BS_SQ_I(due_us), BS_SQ_T(why),
                                      BS_SQ_I(end == BS_DELIVERY_DEAD), BS_SQ_T(id)),
                         NULL, err);
    if (done == BS_DONE && end == BS_DELIVERY_DEAD)
        done = bound_dead(q, id, err);
    return bs_sq_end(q, done, err);
}

#define FILTER           "(?1 IS NULL OR target = ?1) AND (?2 IS NULL OR id = ?2) AND dead >= ?3"
#define FILTER_VALUES(f) BS_SQ_T((f)->target), BS_SQ_T((f)->id), BS_SQ_I((f)->dead)

enum bs_done
bs_sq_delivery_list(struct bs_state *s,
                    const struct bs_delivery_filter *filter,
                    struct bs_arena *arena,
                    struct bs_delivery **out,
                    size_t *n,
                    struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q, "SELECT " COLUMNS " FROM deliveries WHERE " FILTER " ORDER BY seq LIMIT ?4",
                     BS_SQ_VALUES(FILTER_VALUES(filter),
                                  BS_SQ_I(filter->limit == 0 ? BS_SQ_ALL : (int64_t)filter->limit)),
                     arena, sizeof(**out), read_delivery, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

/* Changes those of the filter, and tells the audit of it. */
static enum bs_done
change_some(struct bs_sqlite *q,
            const char *sql,
            const char *action,
            const struct bs_delivery_filter *f,
            const char *by,
            int64_t *n,
            struct bs_err *err)
{
    int changed = 0;
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_run(q, sql, BS_SQ_VALUES(FILTER_VALUES(f), BS_SQ_I(bs_now_us())), &changed, err);
    if (done == BS_DONE && changed != 0)
        done = bs_sq_change_put(q, by, action, f->target == NULL ? "all" : f->target,
                                json_pack("{s:i,s:s*}", "deliveries", changed, "id", f->id), err);
    *n = changed;
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_delivery_retry(struct bs_state *s,
                     const struct bs_delivery_filter *filter,
                     const char *by,
                     int64_t *n,
                     struct bs_err *err)
{
    return change_some(bs_sq_of(s),
                       "UPDATE deliveries SET dead = 0, tries = 0, due_us = ?4, until_us = ?4 +"
                       " (SELECT keep_us FROM notify_targets t WHERE t.name = target)"
                       " WHERE " FILTER
                       " AND dead = 1 AND target IN (SELECT name FROM notify_targets)",
                       "notify.retry", filter, by, n, err);
}

enum bs_done
bs_sq_delivery_drop(struct bs_state *s,
                    const struct bs_delivery_filter *filter,
                    const char *by,
                    int64_t *n,
                    struct bs_err *err)
{
    return change_some(bs_sq_of(s), "DELETE FROM deliveries WHERE " FILTER " AND at_us <= ?4",
                       "notify.drop", filter, by, n, err);
}

/* --- Slack --- */

static enum bs_done
read_message(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_slack_message *m = item;

    (void)err;
    m->channel = bs_sq_text(r, 0);
    m->ts = bs_sq_text(r, 1);
    return BS_DONE;
}

enum bs_done
bs_sq_slack_message_get(struct bs_state *s,
                        const char *target,
                        const char *ticket,
                        struct bs_arena *arena,
                        struct bs_slack_message *out,
                        bool *found,
                        struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    struct bs_err miss = {0};
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q, "SELECT channel, ts FROM slack_messages WHERE target = ? AND ticket = ?",
                     BS_SQ_VALUES(BS_SQ_T(target), BS_SQ_T(ticket)), arena, read_message, out,
                     "message", &miss);
    bs_sq_unlock(q);
    *found = done == BS_DONE;
    if (done == BS_DONE || miss.code == BS_E_NOT_FOUND)
        return BS_DONE;
    return bs_err_set(err, miss.code, "%s", miss.message);
}

enum bs_done
bs_sq_slack_message_put(struct bs_state *s,
                        const char *target,
                        const char *ticket,
                        const struct bs_slack_message *message,
                        struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int64_t now_us = bs_now_us();
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_run(q, "DELETE FROM slack_messages WHERE at_us < ?",
                     BS_SQ_VALUES(BS_SQ_I(now_us - KEEP_MESSAGES_US)), NULL, err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "INSERT INTO slack_messages (target, ticket, channel, ts, at_us)"
                         " VALUES (?,?,?,?,?) ON CONFLICT (target, ticket) DO UPDATE SET"
                         " channel = excluded.channel, ts = excluded.ts, at_us = excluded.at_us",
                         BS_SQ_VALUES(BS_SQ_T(target), BS_SQ_T(ticket), BS_SQ_T(message->channel),
                                      BS_SQ_T(message->ts), BS_SQ_I(now_us)),
                         NULL, err);
    return bs_sq_end(q, done, err);
}

/* Whoever was it before is forgotten only where that operator is gone. */
static enum bs_done
take_user(struct bs_sqlite *q, const char *operator_, const char *slack, struct bs_err *err)
{
    int64_t taken = 0;

    if (bs_sq_number(q,
                     "SELECT count(*) FROM slack_users u JOIN operators o ON o.name = u.operator"
                     " AND o.created_us = u.operator_us AND o.revoked_us = 0"
                     " WHERE u.slack = ? AND u.operator <> ?",
                     BS_SQ_VALUES(BS_SQ_T(slack), BS_SQ_T(operator_)), 0, &taken, err) != BS_DONE)
        return BS_FAILED;
    if (taken != 0)
        return BS_FAIL(err, CONFLICT, "that user of Slack is another operator already");
    return bs_sq_run(q,
                     "INSERT INTO slack_users (slack, operator, operator_us)"
                     " SELECT ?, name, created_us FROM operators WHERE name = ? ON CONFLICT (slack)"
                     " DO UPDATE SET operator = excluded.operator,"
                     " operator_us = excluded.operator_us",
                     BS_SQ_VALUES(BS_SQ_T(slack), BS_SQ_T(operator_)), NULL, err);
}

enum bs_done
bs_sq_slack_user_set(struct bs_state *s,
                     const char *operator_,
                     const char *slack,
                     const char *by,
                     struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_check_in_force(q, "operators", operator_, err);
    if (done == BS_DONE)
        done = bs_sq_run(q, "DELETE FROM slack_users WHERE operator = ?",
                         BS_SQ_VALUES(BS_SQ_T(operator_)), NULL, err);
    if (done == BS_DONE && slack != NULL)
        done = take_user(q, operator_, slack, err);
    if (done == BS_DONE) /* whoever holds that account acts as it now */
        done = bs_sq_run(q, "UPDATE operators SET changed_us = ? WHERE name = ?",
                         BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(operator_)), NULL, err);
    if (done == BS_DONE)
        done = bs_sq_change_put(q, by, "operator.slack", operator_,
                                json_pack("{s:s?}", "slack", slack), err);
    return bs_sq_end(q, done, err);
}

static enum bs_done
read_name(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    (void)err;
    *(const char **)item = bs_sq_text(r, 0);
    return BS_DONE;
}

/* The very operator it was said of: a name may be given again. */
static enum bs_done
name_of(struct bs_state *s,
        const char *slack,
        struct bs_arena *arena,
        const char **name,
        struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    struct bs_err miss = {0};
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q,
                     "SELECT o.name FROM slack_users u JOIN operators o ON o.name = u.operator"
                     " AND o.created_us = u.operator_us AND o.revoked_us = 0 WHERE u.slack = ?",
                     BS_SQ_VALUES(BS_SQ_T(slack)), arena, read_name, name, "operator", &miss);
    bs_sq_unlock(q);
    if (done == BS_DONE)
        return BS_DONE;
    if (miss.code == BS_E_NOT_FOUND)
        return BS_FAIL(err, AUTH, "that user of Slack is no operator");
    return bs_err_set(err, miss.code, "%s", miss.message);
}

enum bs_done
bs_sq_slack_user_find(struct bs_state *s,
                      const char *slack,
                      struct bs_arena *arena,
                      struct bs_operator *out,
                      struct bs_err *err)
{
    const char *name = NULL;
    struct bs_err miss = {0};

    if (name_of(s, slack, arena, &name, err) != BS_DONE)
        return BS_FAILED;
    if (bs_sq_operator_get(s, name, arena, out, &miss) != BS_DONE && miss.code != BS_E_NOT_FOUND)
        return bs_err_set(err, miss.code, "%s", miss.message);
    if (out->name != NULL && strcmp(bs_operator_status(out, bs_now_us()), "active") == 0)
        return BS_DONE;
    *out = (struct bs_operator){0};
    return BS_FAIL(err, AUTH, "that user of Slack is no operator");
}
