/*
 * sqlite_glass.c - tickets that one operator has approved alone, in an emergency, and what another
 * one says of that afterwards. Breaking the glass and the ticket's own change are one transaction.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "state/sqlite.h"

/* With what the ticket is about; and whoever broke it is still there and still an admin, at ?1. */
#define GLASS_SELECT                                                                               \
    "SELECT g.ticket, g.operator, g.operator_us, g.at_us, g.reason, g.reviewed_by,"                \
    " g.reviewed_us, g.note, t.actor, t.database, t.state,"                                        \
    " EXISTS (SELECT 1 FROM operators o WHERE o.name = g.operator"                                 \
    " AND o.created_us = g.operator_us AND o.revoked_us = 0 AND o.role = 'admin'"                  \
    " AND (o.expires_us = 0 OR o.expires_us > ?1)),"                                               \
    " (SELECT o.owners FROM operators o WHERE o.name = g.operator"                                 \
    " AND o.created_us = g.operator_us), g.operator_owners"                                        \
    " FROM glass g JOIN tickets t ON t.id = g.ticket "

static enum bs_done
read_glass(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_glass *g = item;

    bs_sq_copy(r, 0, g->ticket, sizeof(g->ticket));
    g->operator_ = bs_sq_text(r, 1);
    g->operator_us = bs_sq_int(r, 2);
    g->at_us = bs_sq_int(r, 3);
    g->reason = bs_sq_text(r, 4);
    g->reviewed_by = bs_sq_text(r, 5);
    g->reviewed_us = bs_sq_int(r, 6);
    g->note = bs_sq_text(r, 7);
    g->actor = bs_sq_text(r, 8);
    g->database = bs_sq_text(r, 9);
    g->state = bs_ticket_state_find(bs_sq_peek(r, 10));
    g->in_force = bs_sq_int(r, 11) != 0;
    return bs_sq_texts_of_two(r, 12, 13, &g->owners, &g->n_owners, err);
}

enum bs_done
bs_sq_glass_break(struct bs_state *s,
                  const struct bs_ticket *row,
                  const struct bs_glass *glass,
                  struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    char *owners = bs_sq_texts_write(glass->owners, glass->n_owners);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE) {
        free(owners);
        return BS_FAILED;
    }
    done = bs_sq_ticket_write(q, row, err);
    if (done == BS_DONE)
        done = bs_sq_run(q,
                         "INSERT INTO glass (ticket, operator, operator_us, at_us, reason,"
                         " reviewed_us, operator_owners) VALUES (?,?,?,?,?,0,?)",
                         BS_SQ_VALUES(BS_SQ_T(row->id), BS_SQ_T(glass->operator_),
                                      BS_SQ_I(glass->operator_us), BS_SQ_I(glass->at_us),
                                      BS_SQ_T(glass->reason), BS_SQ_T(owners)),
                         NULL, err);
    free(owners);
    if (done == BS_DONE)
        done = bs_sq_event_put(q, BS_NOTIFY_BREAK_GLASS, row->id, NULL, err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_glass_get(struct bs_state *s,
                const char *ticket,
                struct bs_arena *arena,
                struct bs_glass *out,
                struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_one(q, GLASS_SELECT "WHERE g.ticket = ?2",
                     BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_T(ticket)), arena, read_glass, out,
                     "review of that ticket", err);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_glass_list(struct bs_state *s,
                 const struct bs_glass_filter *filter,
                 struct bs_arena *arena,
                 struct bs_glass **out,
                 size_t *n,
                 struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done =
        bs_sq_all(q,
                  GLASS_SELECT "WHERE (?2 = 0 OR g.reviewed_us = 0)"
                               " AND (?3 IS NULL OR g.ticket < ?3) ORDER BY g.ticket DESC"
                               " LIMIT ?4",
                  BS_SQ_VALUES(BS_SQ_I(bs_now_us()), BS_SQ_I(filter->open), BS_SQ_T(filter->before),
                               BS_SQ_I(filter->limit == 0 ? BS_SQ_ALL : (int64_t)filter->limit)),
                  arena, sizeof(**out), read_glass, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}

enum bs_done
bs_sq_glass_review(struct bs_state *s,
                   const char *ticket,
                   const char *by,
                   const char *note,
                   int64_t now_us,
                   struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    int changed = 0;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_run(q,
                     "UPDATE glass SET reviewed_by = ?2, reviewed_us = ?3, note = ?4"
                     " WHERE ticket = ?1 AND reviewed_us = 0 AND operator <> ?2",
                     BS_SQ_VALUES(BS_SQ_T(ticket), BS_SQ_T(by), BS_SQ_I(now_us), BS_SQ_T(note)),
                     &changed, err);
    bs_sq_unlock(q);
    if (done == BS_DONE && changed == 0)
        return BS_FAIL(err, CONFLICT, "the review has changed meanwhile");
    return done;
}

enum bs_done
bs_sq_glass_open(struct bs_state *s, int64_t *out, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_number(q, "SELECT count(*) FROM glass WHERE reviewed_us = 0", BS_SQ_NO_VALUES, 0,
                        out, err);
    bs_sq_unlock(q);
    return done;
}
