/*
 * evade.c - what waits for a human or is allowed asks on its job thread, where it blocks in any
 * case. What the policy blocks is refused at once: memory is looked at on the worker, and what must
 * be durable follows on a job thread.
 */
#include "gateway/evade.h"

#include <stdlib.h>
#include <string.h>

#include "approval/evasion.h"
#include "approval/harms.h"
#include "base/log.h"
#include "catalog/harm.h"
#include "gateway/apart.h"
#include "gateway/gateway.h"
#include "gateway/note.h"
#include "gateway/reload.h"
#include "gateway/request.h"
#include "gateway/verdicts.h"
#include "gateway/worker.h"
#include "policy/config.h"
#include "policy/redact.h"

/* --- comparing ---------------------------------------------------------------------------- */

/* All that the texts of a gate would do. */
static enum bs_done
collect_harms(struct bs_gate *g, struct bs_harms *out, struct bs_err *err)
{
    *out = (struct bs_harms){0};
    for (size_t i = 0; i < g->n_items; i++) {
        const struct bs_verdict *v = g->items[i].verdict;
        const char *const *values;
        struct bs_harms one;
        size_t n;
        if (bs_request_values(g, i, &values, &n, err) != BS_DONE ||
            bs_harms_of(&v->unit, &v->facts, values, n, &g->arena, &one, err) != BS_DONE ||
            bs_harms_add(out, &one, &g->arena, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static const char *
keep(struct bs_gate *g, char *text)
{
    const char *kept = bs_arena_str(&g->arena, text);

    free(text);
    return kept;
}

/* Sets g->harms and, where it is one, g->evades. LIMIT. */
static enum bs_done
compare(struct bs_gate *g, struct bs_evasion_found *found, struct bs_err *err)
{
    const struct bs_policy *policy = bs_gateway_policy(g->s->gateway);
    struct bs_harms harms;
    int64_t now_us = bs_now_us();
    char *evades;

    g->said = bs_request_text(g);
    if (g->said == NULL || collect_harms(g, &harms, err) != BS_DONE)
        return BS_FAIL(err, LIMIT, "the unit is too large to be held");
    g->harms = keep(g, bs_harms_write(&harms));
    bs_evasion_ask(g->s->gateway->evasion,
                   &(struct bs_evasion_ask){
                       .actor = g->s->actor,
                       .database = g->s->database,
                       .identity = g->identity,
                       .text = g->said,
                       .harms = &harms,
                       .now_us = now_us,
                       .window_us = policy->evasion.window_ms * 1000,
                       .limit = policy->evasion.limit,
                   },
                   found);
    evades = bs_evasion_write(found, now_us);
    g->evades = evades == NULL ? NULL : keep(g, evades);
    if (g->harms == NULL || (evades != NULL && g->evades == NULL))
        return BS_FAIL(err, LIMIT, "the unit is too large to be held");
    return BS_DONE;
}

/* Nothing of it is given away here: who reads logs is an operator. */
static void
put_to_log(const struct bs_gate *g, const struct bs_evasion_found *found)
{
    if (found->kind == BS_EVASION_RETRY) {
        BS_LOG(INFO, "what was refused is asked for again", BS_F_STR("session", g->s->id),
               BS_F_STR("actor", g->s->actor), BS_F_STR("refused", found->ticket));
        return;
    }
    BS_LOG(WARNING, "what was refused is asked for in other words", BS_F_STR("session", g->s->id),
           BS_F_STR("actor", g->s->actor), BS_F_STR("refused", found->ticket),
           BS_F_STR("sure", found->kind == BS_EVASION_SURE ? "yes" : "no"),
           BS_F_INT("tried", found->tried));
    if (found->too_many)
        BS_LOG(WARNING, "the actor is quarantined", BS_F_STR("actor", g->s->actor));
}

static void
quarantine(struct bs_gate *g)
{
    char why[160];

    (void)snprintf(why, sizeof(why),
                   "what was refused was asked for in other words too often; last in session %s",
                   g->s->id);
    bs_evasion_quarantine(g->s->gateway->evasion, g->s->actor, why);
}

/* For operators, whatever becomes of it. Durable. */
static enum bs_done
record(struct bs_gate *g, const struct bs_evasion_found *found, struct bs_err *err)
{
    struct bs_audit_record r = {.kind = BS_AUDIT_EVASION};

    if (g->evades == NULL)
        return BS_DONE;
    bs_note_who(&r, g->s);
    if (bs_redact_statement(bs_audit_redacts(g->s->gateway->audit, BS_AUDIT_REDACT_LITERALS),
                            bs_bytes_of(g->said), &g->arena, &r.statement, err) != BS_DONE)
        return BS_FAILED;
    r.redacted = true;
    r.ticket = found->ticket[0] == '\0' ? NULL : found->ticket;
    r.outcome = found->too_many ? "quarantined" : NULL;
    r.detail = g->evades;
    return bs_audit_write(g->s->gateway->audit, &r, NULL, err);
}

static void
save(struct bs_gateway *gateway)
{
    struct bs_err err = {0};

    if (bs_evasion_save(gateway->evasion, gateway->state, &err) != BS_DONE)
        BS_LOG(WARNING, "a quarantine is not in the state yet", BS_F_STR("reason", err.message));
}

/* --- what is gated ------------------------------------------------------------------------ */

enum bs_done
bs_evade_gate(struct bs_gate *g, struct bs_err *err)
{
    struct bs_evasion_found found;

    if (compare(g, &found, err) != BS_DONE)
        return BS_FAILED;
    if (found.kind == BS_EVASION_NONE)
        return BS_DONE;
    put_to_log(g, &found);
    if (found.too_many)
        quarantine(g);
    if (record(g, &found, err) != BS_DONE)
        return BS_FAILED;
    if (!found.too_many)
        return BS_DONE;
    save(g->s->gateway);
    return BS_FAIL(err, PAUSED, "the actor is quarantined");
}

/* --- what is refused at once -------------------------------------------------------------- */

/* What of a refused statement counts. */
enum refused {
    NOT_DECIDED = 0, /* for its form, or for a name: the policy was not asked */
    UNRECOVERABLE,   /* nothing could give it back: it may evade, but nobody was against it */
    BLOCKED,         /* by the policy: it is remembered, too */
};

static enum refused
refused_as(const struct bs_verdict *v)
{
    if (v->way != BS_WAY_REFUSE || v->decision.digest == NULL)
        return NOT_DECIDED;
    if (v->code == BS_E_NO_POINT)
        return UNRECOVERABLE;
    return v->code == BS_E_BLOCKED && v->decision.action == BS_ACTION_BLOCK ? BLOCKED : NOT_DECIDED;
}

static struct bs_blocked
row_of(const struct bs_gate *g)
{
    return (struct bs_blocked){.at_us = bs_now_us(),
                               .actor = g->s->actor,
                               .database = g->s->database,
                               .identity = g->identity,
                               .harms = g->harms,
                               .evades = g->evades};
}

/* What must be durable. */
static void
keep_refused(struct bs_gate *g, const struct bs_evasion_found *found, enum refused as)
{
    struct bs_blocked row = row_of(g);
    struct bs_err err = {0};

    if (record(g, found, &err) != BS_DONE ||
        (as == BLOCKED && bs_state_blocked_put(g->s->gateway->state, &row, &err) != BS_DONE))
        BS_LOG(WARNING, "what was blocked is not kept", BS_F_STR("session", g->s->id),
               BS_F_STR("reason", err.message));
    save(g->s->gateway);
}

/* Compared before it is remembered: it is no retry of itself. */
static enum bs_done
look_at_refused(struct bs_gate *g,
                enum refused as,
                struct bs_evasion_found *found,
                struct bs_err *err)
{
    struct bs_blocked row;

    if (bs_request_identity(g, err) != BS_DONE || compare(g, found, err) != BS_DONE)
        return BS_FAILED;
    if (found->kind != BS_EVASION_NONE)
        put_to_log(g, found);
    if (found->too_many)
        quarantine(g);
    row = row_of(g);
    if (as == BLOCKED)
        bs_evasion_blocked(g->s->gateway->evasion, &row);
    return BS_DONE;
}

struct job {
    struct bs_gate *g;
    struct bs_evasion_found found;
    enum refused as;
    bool later; /* it is still to be looked at */
};

static void
cannot_keep(const struct bs_gate *g, const struct bs_err *err)
{
    BS_LOG(WARNING, "what was blocked is not kept", BS_F_STR("session", g->s->id),
           BS_F_STR("reason", err->message));
}

/* Nothing of it is to be kept. */
static bool
is_nothing(const struct job *j)
{
    return j->as == UNRECOVERABLE && j->g->evades == NULL;
}

static void
work(void *arg)
{
    struct job *j = arg;
    struct bs_err err = {0};

    if (j->later && look_at_refused(j->g, j->as, &j->found, &err) != BS_DONE)
        cannot_keep(j->g, &err);
    else if (!is_nothing(j))
        keep_refused(j->g, &j->found, j->as);
}

static void
free_job(struct job *j)
{
    bs_gate_unref(&j->g);
    free(j);
}

static void
kept(struct bs_relay *r, void *arg)
{
    (void)arg;
    r->keeps_refused = r->stalled = false;
    bs_asks_pump(r);
}

static void
done(struct bs_session *s, bool current, void *arg)
{
    free_job(arg);
    if (current)
        bs_relay_act(s, kept, NULL);
}

/* The gate borrows from nothing of the message any more. */
static enum bs_done
add_long(struct bs_gate *g,
         struct bs_kept *apart,
         const struct bs_verdict *v,
         struct bs_bytes bind,
         struct bs_prepared *prepared,
         struct bs_err *err)
{
    struct bs_verdict *own = bs_arena_take(bs_gate_arena(g), sizeof(*own));

    bind.p = (uint8_t *)bs_arena_copy(bs_gate_arena(g), bind);
    if (own == NULL || bind.p == NULL)
        return BS_FAIL(err, LIMIT, "the unit is too large to be held");
    bs_verdict_move(v, bs_kept_verdict(apart)->text, own);
    bs_gate_keep(g, bs_kept_ref(apart));
    return bs_gate_add(g, own, bind, prepared, err);
}

/*
 * A gate that holds nothing: only to name and to compare what was asked. To compare a long text takes
 * long, too: that is left to the job.
 */
void
bs_evade_refused(struct bs_relay *r,
                 struct bs_verdict *v,
                 struct bs_bytes bind,
                 struct bs_prepared *prepared)
{
    enum refused as = refused_as(v);
    struct bs_kept *apart;
    struct bs_err err = {0};
    enum bs_done added;
    struct bs_gate *g;
    struct job *j;

    if (as == NOT_DECIDED)
        return;
    g = bs_gate_new(r);
    j = bs_malloc(sizeof(*j));
    j->g = g;
    j->as = as;
    apart = bs_apart_find(r, v, prepared);
    j->later = apart != NULL;
    if (j->later)
        added = add_long(g, apart, v, bind, prepared, &err);
    else
        added = bs_gate_add(g, v, bind, prepared, &err);
    if (added == BS_DONE && !j->later)
        added = look_at_refused(g, as, &j->found, &err);
    if (added != BS_DONE)
        cannot_keep(g, &err);
    if (added != BS_DONE || (!j->later && is_nothing(j))) {
        free_job(j);
        return;
    }
    r->keeps_refused = true;
    bs_worker_job(r->s->worker, r->s, work, done, j);
}

void
bs_evade_gate_blocked(struct bs_gate *g)
{
    struct bs_evasion_found found;
    struct bs_err err = {0};

    if (look_at_refused(g, BLOCKED, &found, &err) == BS_DONE)
        keep_refused(g, &found, BLOCKED);
    else
        cannot_keep(g, &err);
}
