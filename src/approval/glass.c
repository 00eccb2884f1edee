/*
 * glass.c - see glass.h. The ticket's version is compared when it is written, as with any decision.
 */
#include "approval/glass.h"

#include <string.h>

#include "approval/inside.h"
#include "approval/quorum.h"

/* Who may be left out of a quorum may not stand in for all of it. */
static enum bs_done
check_owner(const struct bs_ticket *ticket,
            const struct bs_operator *by,
            struct bs_arena *arena,
            struct bs_err *err)
{
    struct bs_approvals needs;

    if (bs_approvals_read(ticket->approvals, arena, &needs, err) != BS_DONE)
        return BS_FAILED;
    return needs.exclude_owner ? bs_ticket_check_owner(ticket, by, err) : BS_DONE;
}

/* One attempt. again: another was faster, `err` is untouched. */
static enum bs_done
attempt(struct bs_tickets *t,
        const char *id,
        struct bs_glass *glass,
        const struct bs_operator *by,
        struct bs_arena *arena,
        struct bs_ticket *out,
        bool *again,
        struct bs_err *err)
{
    struct bs_err why = {0};

    *again = false;
    if (bs_state_ticket_get(t->state, id, arena, out, err) != BS_DONE)
        return BS_FAILED;
    if (out->state != BS_TICKET_PENDING)
        return bs_ticket_refuse(out, err);
    glass->at_us = t->now_us();
    if (glass->at_us >= out->decide_by_us)
        return BS_FAIL(err, STALE, "ticket %s has expired", out->id);
    if (check_owner(out, by, arena, err) != BS_DONE)
        return BS_FAILED;
    out->state = BS_TICKET_APPROVED;
    out->decided_us = glass->at_us;
    out->decided_by = by->name;
    out->reason = glass->reason;
    out->redeem_by_us = glass->at_us + t->redeem_us;
    if (bs_state_glass_break(t->state, out, glass, &why) == BS_DONE) {
        out->version++;
        return BS_DONE;
    }
    *again = why.code == BS_E_CONFLICT;
    return *again ? BS_FAILED : bs_err_set(err, why.code, "%s", why.message);
}

enum bs_done
bs_glass_break(struct bs_tickets *t,
               const char *id,
               const struct bs_operator *by,
               const char *reason,
               struct bs_arena *arena,
               struct bs_ticket *out,
               struct bs_err *err)
{
    struct bs_glass glass = {.operator_ = by->name,
                             .operator_us = by->created_us,
                             .owners = by->owners,
                             .n_owners = by->n_owners,
                             .reason = reason};
    struct bs_err why = {0};
    enum bs_done done = BS_FAILED;
    bool again = true;

    *out = (struct bs_ticket){0};
    if (by->name == NULL || !bs_operator_may(by, BS_ROLE_ADMIN, t->now_us()))
        return BS_FAIL(err, FORBIDDEN, "breaking the glass needs an admin");
    if (bs_text_is_blank(reason))
        return BS_FAIL(err, DATA, "breaking the glass needs a reason");
    if (bs_tickets_sweep(t, NULL, err) != BS_DONE)
        return BS_FAILED;
    for (int tries = 0; again && tries < BS_TICKET_TRIES; tries++)
        done = attempt(t, id, &glass, by, arena, out, &again, &why);
    if (again)
        return BS_FAIL(err, CONFLICT, "ticket %.40s changes too fast", id);
    if (done != BS_DONE) /* "denied" by another is a conflict here, not an answer to a request */
        return bs_err_set(err, why.code == BS_E_DENIED ? BS_E_CONFLICT : why.code, "%s",
                          why.message);
    bs_ticket_tell(t, out);
    return BS_DONE;
}

/* Is it the human who broke it, be it by another operator? One that was made since may review it:
 * where there was but one, nobody else could. */
static enum bs_done
check_reviewer(const struct bs_glass *glass, const struct bs_operator *by, struct bs_err *err)
{
    const struct bs_human breaker = bs_glass_human(glass), reviewer = bs_operator_human(by);

    if (bs_humans_same(&breaker, &reviewer))
        return BS_FAIL(err, FORBIDDEN, "whoever broke the glass cannot review it");
    return BS_DONE;
}

/* Why it cannot be reviewed; nothing where it can. */
static enum bs_done
check_review(struct bs_tickets *t, const char *id, const struct bs_operator *by, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_glass glass;
    enum bs_done done;

    bs_arena_init(&arena, "review", 4u << 20);
    done = bs_state_glass_get(t->state, id, &arena, &glass, err);
    if (done == BS_DONE)
        done = check_reviewer(&glass, by, err);
    if (done == BS_DONE && glass.reviewed_us != 0)
        done = BS_FAIL(err, CONFLICT, "\"%.63s\" has reviewed it already",
                       glass.reviewed_by == NULL ? "?" : glass.reviewed_by);
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_glass_review(struct bs_tickets *t,
                const char *id,
                const struct bs_operator *by,
                const char *note,
                struct bs_err *err)
{
    if (by->name == NULL || !bs_operator_may(by, BS_ROLE_APPROVER, t->now_us()))
        return BS_FAIL(err, FORBIDDEN, "a review needs an approver");
    if (bs_text_is_blank(note))
        return BS_FAIL(err, DATA, "a review needs a note");
    if (check_review(t, id, by, err) != BS_DONE)
        return BS_FAILED;
    return bs_state_glass_review(t->state, id, by->name, note, t->now_us(), err);
}
