/*
 * decision.c - operators decide: one denial ends it, approvals are counted until they are enough.
 *
 * What was said before is read after the ticket, and the ticket's version is compared when the
 * decision is written. A decision that came between changes the version, so what is counted is
 * never too little or too much, whoever decides at the same moment.
 */
#include "approval/decision.h"

#include <string.h>

#include "approval/inside.h"
#include "base/clock.h"

struct decision {
    const struct bs_operator *by;
    enum bs_decide verdict;
    const char *reason;
};

/* One human who holds two operators is one approver. */
static bool
has_approved_as(const struct bs_said_row *before, const struct bs_said_row *now)
{
    const struct bs_human a = bs_said_human(before), b = bs_said_human(now);

    return before->said == BS_SAID_APPROVE && before->in_force && now->said == BS_SAID_APPROVE &&
           bs_humans_same(&a, &b);
}

/* What was said, and this decision last. */
static enum bs_done
all_said(struct bs_tickets *t,
         const char *id,
         const struct bs_said_row *now,
         struct bs_arena *arena,
         struct bs_said_row **out,
         size_t *n,
         struct bs_err *err)
{
    struct bs_said_row *before, *all;

    if (bs_state_ticket_said(t->state, id, arena, &before, n, err) != BS_DONE)
        return BS_FAILED;
    all = bs_arena_array(arena, *n + 1, sizeof(*all));
    if (all == NULL)
        return BS_FAIL(err, LIMIT, "what was said to the ticket does not fit");
    for (size_t i = 0; i < *n; i++) {
        all[i] = before[i];
        if (before[i].said != BS_SAID_COMMENT && strcmp(before[i].operator_, now->operator_) == 0)
            return BS_FAIL(err, CONFLICT, "\"%.63s\" has decided ticket %s already", now->operator_,
                           id);
        if (has_approved_as(&before[i], now))
            return BS_FAIL(err, CONFLICT, "who holds \"%.63s\" has approved ticket %s as \"%.63s\"",
                           now->operator_, id, before[i].operator_);
    }
    all[(*n)++] = *now;
    *out = all;
    return BS_DONE;
}

enum bs_done
bs_ticket_check_owner(const struct bs_ticket *ticket,
                      const struct bs_operator *by,
                      struct bs_err *err)
{
    const struct bs_human human = bs_operator_human(by);

    if (ticket->owner == NULL) {
        (void)BS_FAIL(err, FORBIDDEN,
                      "the actor that asks has no owner, and the policy wants somebody else");
        bs_err_hint(err, "Say who answers for it: backstop agents set %.63s --owner WHO",
                    ticket->actor);
        return BS_FAILED;
    }
    if (bs_human_is(&human, ticket->owner))
        return BS_FAIL(err, FORBIDDEN,
                       "\"%.63s\" owns the actor that asks, and the policy wants "
                       "somebody else",
                       by->name);
    return BS_DONE;
}

/* Whoever may change operators could else be as many as the policy wants, once something waits. */
static enum bs_done
check_was(const struct bs_ticket *ticket, const struct bs_operator *by, struct bs_err *err)
{
    if (bs_operator_was(by, ticket->created_us))
        return BS_DONE;
    (void)BS_FAIL(err, FORBIDDEN,
                  "\"%.63s\" was made or changed after ticket %s was opened, so it cannot approve "
                  "this one",
                  by->name, ticket->id);
    bs_err_hint(err, "somebody else approves it; or deny it, and let it be asked for anew");
    return BS_FAILED;
}

/* A denial is anybody's who may decide: it can only stop something. */
static enum bs_done
check_eligible(const struct bs_ticket *ticket,
               const struct decision *d,
               const struct bs_approvals *needs,
               struct bs_err *err)
{
    if (needs->reason && bs_text_is_blank(d->reason)) {
        (void)BS_FAIL(err, DATA, "the policy wants a reason for this decision");
        bs_err_hint(err, "say why with --reason");
        return BS_FAILED;
    }
    if (d->verdict != BS_DECIDE_APPROVE)
        return BS_DONE;
    if (needs->exclude_owner && bs_ticket_check_owner(ticket, d->by, err) != BS_DONE)
        return BS_FAILED;
    if (!bs_approvals_take(needs, d->by->groups, d->by->n_groups))
        return BS_FAIL(err, FORBIDDEN,
                       "\"%.63s\" is in none of the groups that may approve this ticket",
                       d->by->name);
    return bs_approvals_choose(needs) ? check_was(ticket, d->by, err) : BS_DONE;
}

/* "kim, lee": all whose approval counted. */
static enum bs_done
name_approvers(struct bs_ticket *ticket,
               const struct bs_said_row *said,
               size_t n,
               struct bs_arena *arena,
               struct bs_err *err)
{
    const char *all = NULL;

    for (size_t i = 0; i < n; i++) {
        if (said[i].said != BS_SAID_APPROVE || !said[i].in_force)
            continue;
        all =
            all == NULL ? said[i].operator_ : bs_arena_fmt(arena, "%s, %s", all, said[i].operator_);
        if (all == NULL)
            return BS_FAIL(err, LIMIT, "the names of the approvers do not fit");
    }
    ticket->decided_by = all;
    return BS_DONE;
}

/* Fills in the ticket as it is after this decision; it stays pending where more are needed. */
static enum bs_done
fill(struct bs_tickets *t,
     struct bs_ticket *ticket,
     const struct decision *d,
     struct bs_said_row *row,
     struct bs_arena *arena,
     struct bs_err *err)
{
    struct bs_approvals needs;
    struct bs_said_row *said = NULL;
    size_t n = 0;

    row->at_us = t->now_us();
    /* The sweep has looked already, but a slow disk may lie between it and this. */
    if (row->at_us >= ticket->decide_by_us)
        return BS_FAIL(err, STALE, "ticket %s has expired", ticket->id);
    if (bs_approvals_read(ticket->approvals, arena, &needs, err) != BS_DONE ||
        check_eligible(ticket, d, &needs, err) != BS_DONE ||
        all_said(t, ticket->id, row, arena, &said, &n, err) != BS_DONE)
        return BS_FAILED;
    if (d->verdict == BS_DECIDE_APPROVE && !bs_approvals_met(&needs, said, n))
        return BS_DONE;
    ticket->decided_us = row->at_us;
    ticket->reason = d->reason;
    ticket->decided_by = d->by->name;
    ticket->state = d->verdict == BS_DECIDE_APPROVE ? BS_TICKET_APPROVED : BS_TICKET_DENIED;
    if (ticket->state == BS_TICKET_DENIED)
        return BS_DONE;
    ticket->redeem_by_us = row->at_us + t->redeem_us;
    return name_approvers(ticket, said, n, arena, err);
}

/* One attempt. again: another was faster, `err` is untouched. */
static enum bs_done
attempt(struct bs_tickets *t,
        const char *id,
        const struct decision *d,
        struct bs_arena *arena,
        struct bs_ticket *out,
        bool *again,
        struct bs_err *err)
{
    struct bs_said_row row = {.operator_ = d->by->name,
                              .operator_us = d->by->created_us,
                              .groups = d->by->groups,
                              .n_groups = d->by->n_groups,
                              .owners = d->by->owners,
                              .n_owners = d->by->n_owners,
                              .said =
                                  d->verdict == BS_DECIDE_APPROVE ? BS_SAID_APPROVE : BS_SAID_DENY,
                              .text = d->reason,
                              .in_force = true};
    struct bs_err why = {0};

    *again = false;
    if (bs_state_ticket_get(t->state, id, arena, out, err) != BS_DONE)
        return BS_FAILED;
    if (out->state != BS_TICKET_PENDING) /* a running one goes back by bs_ticket_release only */
        return bs_ticket_refuse(out, err);
    memcpy(row.ticket, out->id, sizeof(row.ticket));
    if (fill(t, out, d, &row, arena, err) != BS_DONE)
        return BS_FAILED;
    if (bs_state_ticket_decide(t->state, out, &row, &why) == BS_DONE) {
        out->version++;
        return BS_DONE;
    }
    *again = why.code == BS_E_CONFLICT;
    return *again ? BS_FAILED : bs_err_set(err, why.code, "%s", why.message);
}

/* To one who decides, "denied" by another is a conflict, not an answer to a request. */
static enum bs_done
decided_already(const struct bs_err *why, struct bs_err *err)
{
    enum bs_code code = why->code == BS_E_DENIED ? BS_E_CONFLICT : why->code;

    (void)bs_err_set(err, code, "%s", why->message);
    bs_err_hint(err, "%s", why->hint);
    return BS_FAILED;
}

enum bs_done
bs_ticket_decide(struct bs_tickets *t,
                 const char *id,
                 const struct bs_operator *by,
                 enum bs_decide verdict,
                 const char *reason,
                 struct bs_arena *arena,
                 struct bs_ticket *out,
                 struct bs_err *err)
{
    const struct decision d = {by, verdict, reason};
    struct bs_err why = {0};
    enum bs_done done = BS_FAILED;
    bool again = true;

    *out = (struct bs_ticket){0};
    if (by->name == NULL || !bs_operator_may(by, BS_ROLE_APPROVER, t->now_us()))
        return BS_FAIL(err, FORBIDDEN, "deciding needs an approver");
    if (bs_tickets_sweep(t, NULL, err) != BS_DONE)
        return BS_FAILED;
    for (int tries = 0; again && tries < BS_TICKET_TRIES; tries++)
        done = attempt(t, id, &d, arena, out, &again, &why);
    if (again)
        return BS_FAIL(err, CONFLICT, "ticket %.40s changes too fast", id);
    if (done != BS_DONE)
        return decided_already(&why, err);
    bs_ticket_tell(t, out);
    return BS_DONE;
}

enum bs_done
bs_ticket_comment(struct bs_tickets *t,
                  const char *id,
                  const struct bs_operator *by,
                  const char *text,
                  struct bs_err *err)
{
    struct bs_said_row row = {.operator_ = by->name,
                              .operator_us = by->created_us,
                              .groups = by->groups,
                              .n_groups = by->n_groups,
                              .said = BS_SAID_COMMENT,
                              .at_us = t->now_us(),
                              .text = text};

    if (by->name == NULL || !bs_operator_may(by, BS_ROLE_APPROVER, t->now_us()))
        return BS_FAIL(err, FORBIDDEN, "a comment needs an approver");
    if (bs_text_is_blank(text))
        return BS_FAIL(err, DATA, "a comment needs a text");
    if (strlen(id) >= sizeof(row.ticket))
        return BS_FAIL(err, NOT_FOUND, "there is no such ticket");
    memcpy(row.ticket, id, strlen(id) + 1);
    return bs_state_ticket_comment(t->state, &row, err);
}

/* NULL: the glass was not broken for it. */
static enum bs_done
read_glass(struct bs_tickets *t,
           const char *id,
           struct bs_arena *arena,
           const struct bs_glass **out,
           struct bs_err *err)
{
    struct bs_glass *glass = bs_arena_take(arena, sizeof(*glass));
    struct bs_err why = {0};

    *out = NULL;
    if (glass == NULL)
        return BS_FAIL(err, LIMIT, "the ticket does not fit");
    if (bs_state_glass_get(t->state, id, arena, glass, &why) == BS_DONE)
        *out = glass;
    else if (why.code != BS_E_NOT_FOUND)
        return bs_err_set(err, why.code, "%s", why.message);
    return BS_DONE;
}

enum bs_done
bs_ticket_still_approved(struct bs_tickets *t,
                         const struct bs_ticket *ticket,
                         struct bs_arena *arena,
                         struct bs_err *err)
{
    struct bs_approvals needs;
    struct bs_said_row *said = NULL;
    const struct bs_glass *glass;
    size_t n = 0;

    if (bs_approvals_read(ticket->approvals, arena, &needs, err) != BS_DONE ||
        bs_state_ticket_said(t->state, ticket->id, arena, &said, &n, err) != BS_DONE)
        return BS_FAILED;
    if (bs_approvals_met(&needs, said, n))
        return BS_DONE;
    if (read_glass(t, ticket->id, arena, &glass, err) != BS_DONE)
        return BS_FAILED;
    if (glass != NULL && glass->in_force)
        return BS_DONE;
    return BS_FAIL(err, STALE, "whoever approved ticket %s may not approve any more", ticket->id);
}

/* --- who has decided, who is missing --- */

/* That operator, or the human who holds it as another one. */
static bool
has_decided(const struct bs_operator *op, const struct bs_said_row *said, size_t n)
{
    const struct bs_human human = bs_operator_human(op);

    for (size_t i = 0; i < n; i++) {
        const struct bs_human other = bs_said_human(&said[i]);
        if (said[i].said != BS_SAID_COMMENT && bs_humans_same(&human, &other))
            return true;
    }
    return false;
}

static bool
could_approve(const struct bs_ticket *ticket,
              const struct bs_need *need,
              const struct bs_operator *op,
              const struct bs_standing *s)
{
    struct bs_err why = {0};

    return bs_operator_may(op, BS_ROLE_APPROVER, bs_now_us()) &&
           !has_decided(op, s->said, s->n_said) && bs_need_takes(need, op->groups, op->n_groups) &&
           (!s->approvals.exclude_owner || bs_ticket_check_owner(ticket, op, &why) == BS_DONE) &&
           (!bs_approvals_choose(&s->approvals) || bs_operator_was(op, ticket->created_us));
}

static enum bs_done
add_need(const struct bs_ticket *ticket,
         const struct bs_need *need,
         const struct bs_operator *ops,
         size_t n_ops,
         struct bs_arena *arena,
         struct bs_standing *out,
         struct bs_err *err)
{
    struct bs_standing_need *s = &out->needs[out->n_needs++];

    s->need = need;
    s->have = bs_need_count(need, out->said, out->n_said);
    s->could = bs_arena_array(arena, n_ops + 1, sizeof(*s->could));
    if (s->could == NULL)
        return BS_FAIL(err, LIMIT, "the operators do not fit");
    for (size_t i = 0; i < n_ops; i++) {
        if (could_approve(ticket, need, &ops[i], out))
            s->could[s->n_could++] = ops[i].name;
    }
    return BS_DONE;
}

enum bs_done
bs_ticket_standing(struct bs_tickets *t,
                   const struct bs_ticket *ticket,
                   struct bs_arena *arena,
                   struct bs_standing *out,
                   struct bs_err *err)
{
    static const struct bs_need one = {.quorum = 1};
    struct bs_operator *ops;
    size_t n_ops;

    *out = (struct bs_standing){0};
    if (bs_approvals_read(ticket->approvals, arena, &out->approvals, err) != BS_DONE ||
        bs_state_ticket_said(t->state, ticket->id, arena, &out->said, &out->n_said, err) !=
            BS_DONE ||
        read_glass(t, ticket->id, arena, &out->glass, err) != BS_DONE ||
        bs_state_operator_list(t->state, arena, &ops, &n_ops, err) != BS_DONE)
        return BS_FAILED;
    out->needs = bs_arena_array(arena, out->approvals.n_needs + 1, sizeof(*out->needs));
    if (out->needs == NULL)
        return BS_FAIL(err, LIMIT, "the approvals that are needed do not fit");
    for (size_t i = 0; i < out->approvals.n_needs; i++) {
        if (add_need(ticket, &out->approvals.needs[i], ops, n_ops, arena, out, err) != BS_DONE)
            return BS_FAILED;
    }
    return out->n_needs != 0 ? BS_DONE : add_need(ticket, &one, ops, n_ops, arena, out, err);
}
