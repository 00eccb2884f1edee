/*
 * sqlite_said.c - what operators said to tickets: rows that are only added. A decision and the
 * ticket's own change are one transaction, so that neither is there without the other.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "state/sqlite.h"

/* Of whoever said it: that very operator is still there and may still decide. */
#define IN_FORCE                                                                                   \
    "CASE WHEN o.revoked_us = 0 AND (o.expires_us = 0 OR o.expires_us > ?2)"                       \
    " AND o.role IN ('approver','admin') THEN 1 ELSE 0 END"

static enum bs_done
insert(struct bs_sqlite *q, const struct bs_said_row *said, struct bs_err *err)
{
    char *groups = bs_sq_texts_write(said->groups, said->n_groups);
    char *owners = bs_sq_texts_write(said->owners, said->n_owners);
    enum bs_done done = bs_sq_run(
        q,
        "INSERT INTO said (ticket, operator, operator_us, operator_groups, said, at_us,"
        " text, operator_owners) VALUES (?,?,?,?,?,?,?,?)",
        BS_SQ_VALUES(BS_SQ_T(said->ticket), BS_SQ_T(said->operator_), BS_SQ_I(said->operator_us),
                     BS_SQ_T(groups), BS_SQ_T(bs_said_name(said->said)), BS_SQ_I(said->at_us),
                     BS_SQ_T(said->text), BS_SQ_T(owners)),
        NULL, err);

    free(owners);
    free(groups);
    return done;
}

enum bs_done
bs_sq_ticket_decide(struct bs_state *s,
                    const struct bs_ticket *row,
                    const struct bs_said_row *said,
                    struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_ticket_write(q, row, err);
    if (done == BS_DONE)
        done = insert(q, said, err);
    if (done == BS_DONE)
        done = bs_sq_event_put(q,
                               row->state == BS_TICKET_PENDING ? BS_NOTIFY_TICKET_APPROVAL
                                                               : bs_notify_event_of(row->state),
                               row->id, NULL, err);
    return bs_sq_end(q, done, err);
}

enum bs_done
bs_sq_ticket_comment(struct bs_state *s, const struct bs_said_row *said, struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    enum bs_done done;
    int64_t there = 0;

    if (bs_sq_begin(q, err) != BS_DONE)
        return BS_FAILED;
    done = bs_sq_number(q, "SELECT count(*) FROM tickets WHERE id = ?",
                        BS_SQ_VALUES(BS_SQ_T(said->ticket)), 0, &there, err);
    if (done == BS_DONE && there == 0)
        done = BS_FAIL(err, NOT_FOUND, "there is no such ticket");
    if (done == BS_DONE)
        done = insert(q, said, err);
    return bs_sq_end(q, done, err);
}

static enum bs_done
read_said(struct bs_sq_rows *r, void *item, struct bs_err *err)
{
    struct bs_said_row *s = item;

    bs_sq_copy(r, 0, s->ticket, sizeof(s->ticket));
    s->operator_ = bs_sq_text(r, 1);
    s->operator_us = bs_sq_int(r, 2);
    s->said = bs_said_find(bs_sq_peek(r, 4));
    s->at_us = bs_sq_int(r, 5);
    s->text = bs_sq_text(r, 6);
    s->in_force = bs_sq_int(r, 7) != 0;
    if (bs_sq_texts(r, 3, &s->groups, &s->n_groups, err) != BS_DONE)
        return BS_FAILED;
    return bs_sq_texts_of_two(r, 8, 9, &s->owners, &s->n_owners, err);
}

enum bs_done
bs_sq_ticket_said(struct bs_state *s,
                  const char *ticket,
                  struct bs_arena *arena,
                  struct bs_said_row **out,
                  size_t *n,
                  struct bs_err *err)
{
    struct bs_sqlite *q = bs_sq_of(s);
    void *rows = NULL;
    enum bs_done done;

    bs_sq_lock(q);
    done = bs_sq_all(q,
                     "SELECT ticket, operator, operator_us, said.operator_groups, said, at_us,"
                     " text, " IN_FORCE
                     ", o.owners, said.operator_owners FROM said LEFT JOIN operators o"
                     " ON o.name = said.operator AND o.created_us = said.operator_us"
                     " WHERE ticket = ?1 ORDER BY id",
                     BS_SQ_VALUES(BS_SQ_T(ticket), BS_SQ_I(bs_now_us())), arena, sizeof(**out),
                     read_said, &rows, n, err);
    bs_sq_unlock(q);
    *out = rows;
    return done;
}
