/*
 * ticket.c - a table of legal steps, and one way to take one: read, judge, compare-and-set, tell.
 *
 * Between reading and setting another may have been faster. Then the ticket is read and judged
 * again, so that the loser hears what the ticket has become and not just that it lost.
 */
#include "approval/ticket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "approval/decision.h"
#include "approval/inside.h"
#include "base/clock.h"

#define MINUTES_US(n) ((int64_t)(n)*60 * 1000000)
#define SWEEP_BYTES   (256u << 20) /* ceiling for the texts of tickets that expire at once */

struct bs_tickets *
bs_tickets_new(struct bs_state *state, const struct bs_tickets_options *options)
{
    struct bs_tickets *t = bs_malloc(sizeof(*t));

    t->state = state;
    t->decide_us = options->decide_us > 0 ? options->decide_us : MINUTES_US(15);
    t->redeem_us = options->redeem_us > 0 ? options->redeem_us : MINUTES_US(15);
    t->now_us = options->now_us != NULL ? options->now_us : bs_now_us;
    (void)pthread_mutex_init(&t->lock, NULL);
    return t;
}

void
bs_tickets_free(struct bs_tickets **t)
{
    if (*t == NULL)
        return;
    (void)pthread_mutex_destroy(&(*t)->lock);
    free(*t);
    *t = NULL;
}

/* --- subscribers --- */

enum bs_done
bs_tickets_subscribe(struct bs_tickets *t, bs_ticket_fn *fn, void *arg, struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    (void)pthread_mutex_lock(&t->lock);
    if (t->n_subscribers == BS_TICKET_SUBSCRIBERS)
        done = BS_FAIL(err, LIMIT, "more than %d subscribers to tickets", BS_TICKET_SUBSCRIBERS);
    else
        t->subscribers[t->n_subscribers++] = (struct bs_ticket_subscriber){fn, arg};
    (void)pthread_mutex_unlock(&t->lock);
    return done;
}

void
bs_tickets_unsubscribe(struct bs_tickets *t, bs_ticket_fn *fn, void *arg)
{
    (void)pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_subscribers; i++) {
        if (t->subscribers[i].fn != fn || t->subscribers[i].arg != arg)
            continue;
        t->subscribers[i] = t->subscribers[--t->n_subscribers];
        break;
    }
    (void)pthread_mutex_unlock(&t->lock);
}

void
bs_ticket_tell(struct bs_tickets *t, const struct bs_ticket *ticket)
{
    (void)pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_subscribers; i++)
        t->subscribers[i].fn(ticket, t->subscribers[i].arg);
    (void)pthread_mutex_unlock(&t->lock);
}

/* --- steps --- */

#define TO(STATE) (1u << BS_TICKET_##STATE)

/* What is not in the table is refused. */
static const unsigned steps[BS_TICKET_STATES] = {
    [BS_TICKET_PENDING] = TO(APPROVED) | TO(DENIED) | TO(EXPIRED),
    [BS_TICKET_APPROVED] = TO(RUNNING) | TO(EXPIRED),
    [BS_TICKET_RUNNING] = TO(DONE) | TO(FAILED) | TO(UNCERTAIN) | TO(APPROVED),
};

bool
bs_ticket_step_legal(enum bs_ticket_state from, enum bs_ticket_state to)
{
    return (unsigned)from < BS_TICKET_STATES && (unsigned)to < BS_TICKET_STATES &&
           (steps[from] & (1u << to)) != 0;
}

enum bs_done
bs_ticket_refuse(const struct bs_ticket *ticket, struct bs_err *err)
{
    const char *state = bs_ticket_state_name(ticket->state);

    if (ticket->state == BS_TICKET_DENIED)
        return BS_FAIL(err, DENIED, "ticket %s was denied", ticket->id);
    if (ticket->state == BS_TICKET_EXPIRED)
        return BS_FAIL(err, STALE, "ticket %s has expired", ticket->id);
    return BS_FAIL(err, CONFLICT, "ticket %s is %s", ticket->id, state);
}

/* Fills in what the step changes besides the state; called anew for every attempt. */
typedef enum bs_done
step_fn(struct bs_tickets *t, struct bs_ticket *ticket, const void *arg, struct bs_err *err);

struct step {
    enum bs_ticket_state to;
    step_fn *fill;
    const void *arg;
};

/* One attempt. again: another was faster, `err` is untouched. */
static enum bs_done
attempt(struct bs_tickets *t,
        const char *id,
        const struct step *step,
        struct bs_arena *arena,
        struct bs_ticket *out,
        bool *again,
        struct bs_err *err)
{
    struct bs_err why = {0};

    *again = false;
    if (bs_state_ticket_get(t->state, id, arena, out, err) != BS_DONE)
        return BS_FAILED;
    if (!bs_ticket_step_legal(out->state, step->to))
        return bs_ticket_refuse(out, err);
    if (step->fill(t, out, step->arg, err) != BS_DONE)
        return BS_FAILED;
    out->state = step->to;
    if (bs_state_ticket_move(t->state, out, &why) == BS_DONE) {
        out->version++;
        return BS_DONE;
    }
    *again = why.code == BS_E_CONFLICT;
    return *again ? BS_FAILED : bs_err_set(err, why.code, "%s", why.message);
}

static enum bs_done
take_step(struct bs_tickets *t,
          const char *id,
          const struct step *step,
          struct bs_arena *arena,
          struct bs_ticket *out,
          struct bs_err *err)
{
    enum bs_done done = BS_FAILED;
    bool again = true;

    *out = (struct bs_ticket){0};
    if (bs_tickets_sweep(t, NULL, err) != BS_DONE)
        return BS_FAILED;
    for (int tries = 0; again && tries < BS_TICKET_TRIES; tries++)
        done = attempt(t, id, step, arena, out, &again, err);
    if (again)
        return BS_FAIL(err, CONFLICT, "ticket %.40s changes too fast", id);
    if (done == BS_DONE)
        bs_ticket_tell(t, out);
    return done;
}

/* --- operations --- */

static enum bs_done
check_ask(struct bs_tickets *t, const struct bs_ticket *ask, struct bs_err *err)
{
    bool ever;

    if (ask->actor == NULL || ask->database == NULL || ask->sql == NULL)
        return BS_FAIL(err, DATA, "a ticket needs an actor, a database and a statement");
    if (bs_state_operator_ever(t->state, &ever, err) != BS_DONE)
        return BS_FAILED;
    if (!ever)
        return BS_FAIL(err, BLOCKED, "no operator has ever been registered who could approve");
    return BS_DONE;
}

enum bs_done
bs_ticket_open(struct bs_tickets *t,
               const struct bs_ticket *ask,
               struct bs_arena *arena,
               struct bs_ticket *out,
               struct bs_err *err)
{
    struct bs_ticket row = *ask;
    char ulid[BS_ULID_TEXT];

    *out = (struct bs_ticket){0};
    if (check_ask(t, ask, err) != BS_DONE || bs_tickets_sweep(t, NULL, err) != BS_DONE)
        return BS_FAILED;
    bs_ulid_new(ulid);
    (void)snprintf(row.id, sizeof(row.id), "T-%s", ulid);
    row.state = BS_TICKET_PENDING;
    row.created_us = t->now_us();
    row.decide_by_us = row.created_us + t->decide_us;
    if (bs_state_ticket_open(t->state, &row, arena, out, err) != BS_DONE)
        return BS_FAILED;
    if (strcmp(out->id, row.id) == 0)
        bs_ticket_tell(t, out);
    return BS_DONE;
}

enum bs_done
bs_ticket_get(struct bs_tickets *t,
              const char *id,
              struct bs_arena *arena,
              struct bs_ticket *out,
              struct bs_err *err)
{
    *out = (struct bs_ticket){0};
    if (bs_tickets_sweep(t, NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_state_ticket_get(t->state, id, arena, out, err);
}

enum bs_done
bs_ticket_list(struct bs_tickets *t,
               const struct bs_ticket_filter *filter,
               struct bs_arena *arena,
               struct bs_ticket **out,
               size_t *n,
               struct bs_err *err)
{
    *out = NULL;
    *n = 0;
    if (bs_tickets_sweep(t, NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_state_ticket_list(t->state, filter, arena, out, n, err);
}

static enum bs_done
fill_redeem(struct bs_tickets *t, struct bs_ticket *ticket, const void *arg, struct bs_err *err)
{
    const char *identity = arg;

    if (strcmp(ticket->identity, identity) != 0)
        return BS_FAIL(err, CONFLICT, "ticket %s is for another request", ticket->id);
    ticket->started_us = t->now_us();
    if (ticket->started_us >= ticket->redeem_by_us)
        return BS_FAIL(err, STALE, "ticket %s has expired", ticket->id);
    return BS_DONE;
}

/* An approver was revoked: nobody is to wait until the ticket expires by itself. */
static enum bs_done
check_approvers(struct bs_tickets *t, const char *id, struct bs_arena *arena, struct bs_err *err)
{
    struct bs_ticket ticket;
    struct bs_err ignored = {0};

    if (bs_state_ticket_get(t->state, id, arena, &ticket, err) != BS_DONE)
        return BS_FAILED;
    if (ticket.state != BS_TICKET_APPROVED ||
        bs_ticket_still_approved(t, &ticket, arena, err) == BS_DONE)
        return BS_DONE;
    if (err->code == BS_E_STALE)
        (void)!bs_ticket_void(t, id, err->message, &ignored);
    return BS_FAILED;
}

enum bs_done
bs_ticket_redeem(struct bs_tickets *t,
                 const char *id,
                 const char *identity,
                 struct bs_arena *arena,
                 struct bs_ticket *out,
                 struct bs_err *err)
{
    const struct step step = {BS_TICKET_RUNNING, fill_redeem, identity};

    *out = (struct bs_ticket){0};
    if (check_approvers(t, id, arena, err) != BS_DONE)
        return BS_FAILED;
    return take_step(t, id, &step, arena, out, err);
}

struct ending {
    const char *point;
    const char *detail;
};

static enum bs_done
fill_ending(struct bs_tickets *t, struct bs_ticket *ticket, const void *arg, struct bs_err *err)
{
    const struct ending *e = arg;

    (void)err;
    ticket->finished_us = t->now_us();
    ticket->point = e->point;
    ticket->detail = e->detail;
    return BS_DONE;
}

/* A step whose result only the subscribers see. */
static enum bs_done
take_step_unseen(struct bs_tickets *t, const char *id, const struct step *step, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_ticket ticket;
    enum bs_done done;

    bs_arena_init(&arena, "ticket", SWEEP_BYTES);
    done = take_step(t, id, step, &arena, &ticket, err);
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_ticket_finish(struct bs_tickets *t,
                 const char *id,
                 enum bs_ticket_state end,
                 const char *point,
                 const char *detail,
                 struct bs_err *err)
{
    const struct ending e = {point, detail};
    const struct step step = {end, fill_ending, &e};
    struct bs_err why = {0};

    if (end == BS_TICKET_APPROVED || !bs_ticket_step_legal(BS_TICKET_RUNNING, end))
        return BS_FAIL(err, USAGE, "a run cannot end as %s", bs_ticket_state_name(end));
    if (take_step_unseen(t, id, &step, &why) == BS_DONE)
        return BS_DONE;
    if (why.code == BS_E_DENIED || why.code == BS_E_STALE)
        return bs_err_set(err, BS_E_CONFLICT, "%s", why.message);
    return bs_err_set(err, why.code, "%s", why.message);
}

static enum bs_done
fill_release(struct bs_tickets *t, struct bs_ticket *ticket, const void *arg, struct bs_err *err)
{
    (void)t;
    (void)arg;
    if (ticket->state != BS_TICKET_RUNNING) /* only an operator approves a pending one */
        return bs_ticket_refuse(ticket, err);
    ticket->started_us = 0;
    return BS_DONE;
}

enum bs_done
bs_ticket_release(struct bs_tickets *t, const char *id, struct bs_err *err)
{
    const struct step step = {BS_TICKET_APPROVED, fill_release, NULL};
    struct bs_err why = {0};

    if (take_step_unseen(t, id, &step, &why) == BS_DONE)
        return BS_DONE;
    if (why.code == BS_E_DENIED || why.code == BS_E_STALE)
        return bs_err_set(err, BS_E_CONFLICT, "%s", why.message);
    return bs_err_set(err, why.code, "%s", why.message);
}

static enum bs_done
fill_void(struct bs_tickets *t, struct bs_ticket *ticket, const void *arg, struct bs_err *err)
{
    (void)err;
    ticket->finished_us = t->now_us();
    ticket->detail = arg;
    return BS_DONE;
}

enum bs_done
bs_ticket_void(struct bs_tickets *t, const char *id, const char *why, struct bs_err *err)
{
    const struct step step = {BS_TICKET_EXPIRED, fill_void, why};
    struct bs_err refused = {0};

    if (take_step_unseen(t, id, &step, &refused) == BS_DONE)
        return BS_DONE;
    if (refused.code == BS_E_DENIED || refused.code == BS_E_STALE)
        return bs_err_set(err, BS_E_CONFLICT, "%s", refused.message);
    return bs_err_set(err, refused.code, "%s", refused.message);
}

enum bs_done
bs_tickets_sweep(struct bs_tickets *t, size_t *n, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_ticket *expired;
    size_t found;
    enum bs_done done;

    bs_arena_init(&arena, "expired tickets", SWEEP_BYTES);
    done = bs_state_ticket_expire(t->state, t->now_us(), &arena, &expired, &found, err);
    for (size_t i = 0; done == BS_DONE && i < found; i++)
        bs_ticket_tell(t, &expired[i]);
    if (n != NULL)
        *n = done == BS_DONE ? found : 0;
    bs_arena_fini(&arena);
    return done;
}

void
bs_ticket_heard(struct bs_tickets *t, const char *id)
{
    struct bs_arena arena;
    struct bs_ticket ticket;
    struct bs_err err = {0};

    bs_arena_init(&arena, "ticket", SWEEP_BYTES);
    if (bs_state_ticket_get(t->state, id, &arena, &ticket, &err) == BS_DONE)
        bs_ticket_tell(t, &ticket);
    bs_arena_fini(&arena);
}
