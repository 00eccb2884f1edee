/*
 * gate.c - the life of a gated unit until it may run: on record, on hold, redeemed.
 *
 * What the client is told says that it waits and what to do next, never which rule made it wait.
 */
#include "gateway/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/metrics.h"
#include "gateway/cancel.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/paused.h"
#include "gateway/reload.h"
#include "gateway/verdicts.h"
#include "gateway/waiters.h"
#include "gateway/within.h"
#include "gateway/worker.h"
#include "wire/front.h"
#include "wire/messages.h"

#define GATE_ARENA_MAX (512u << 20)
#define WITHHELD_MAX   (64u << 20)
#define ITEMS_MAX      10000
#define UNITS_MAX      10000 /* that a transaction may run; each is kept until its end */

/* --- making one --------------------------------------------------------------------------- */

struct bs_gate *
bs_gate_new(struct bs_relay *r)
{
    struct bs_gate *g = bs_malloc(sizeof(*g));
    const char *path;

    g->refs = 1;
    g->s = r->s;
    bs_session_ref(g->s);
    bs_arena_init(&g->arena, "gate", GATE_ARENA_MAX);
    bs_arena_init(&g->readings, "readings", GATE_ARENA_MAX);
    bs_buf_init(&g->withheld, WITHHELD_MAX);
    path = bs_session_param(r->s, "search_path"); /* reported from PostgreSQL 18 on */
    g->path = bs_arena_str(&g->arena, path != NULL ? path : r->state.path);
    return g;
}

struct bs_arena *
bs_gate_arena(struct bs_gate *g)
{
    return &g->arena;
}

const struct bs_verdict *
bs_gate_first(const struct bs_gate *g)
{
    bs_assert(g->n_items != 0);
    return g->items[0].verdict;
}

const struct bs_verdict *
bs_gate_verdict(const struct bs_gate *g, size_t i)
{
    return i < g->n_items ? g->items[i].verdict : NULL;
}

bool
bs_gate_needs_fresh(const struct bs_gate *g)
{
    bool fresh = false;

    for (size_t i = 0; i < g->n_items; i++)
        fresh = fresh || bs_verdict_needs_fresh(g->items[i].verdict);
    return fresh;
}

const struct bs_verdict *
bs_gate_last(const struct bs_gate *g)
{
    bs_assert(g->n_items != 0);
    return g->items[g->n_items - 1].verdict;
}

struct bs_gate *
bs_gate_ref(struct bs_gate *g)
{
    g->refs++;
    return g;
}

void
bs_gate_unref(struct bs_gate **gp)
{
    struct bs_gate *g = *gp;

    *gp = NULL;
    if (g == NULL || --g->refs != 0)
        return;
    for (size_t i = 0; i < g->n_items; i++)
        bs_prepared_unref(&g->items[i].prepared);
    free(g->items);
    for (size_t i = 0; i < g->n_kept; i++)
        bs_kept_unref(&g->kept[i]);
    free(g->kept);
    bs_capture_close(&g->capture);
    bs_capture_close(&g->opened);
    bs_refusal_free(&g->fate);
    bs_refusal_free(&g->blocked);
    bs_gate_measure_free(g);
    bs_gate_measured(g);
    bs_refusal_free(&g->cut);
    bs_buf_fini(&g->messages);
    bs_buf_fini(&g->withheld);
    bs_ledger_unref(&g->ledger);
    bs_arena_fini(&g->readings);
    bs_arena_fini(&g->arena);
    bs_session_unref(g->s);
    free(g);
}

void
bs_gate_free(struct bs_gate **g)
{
    bs_gate_unref(g);
}

enum bs_done
bs_gate_add(struct bs_gate *g,
            struct bs_verdict *verdict,
            struct bs_bytes bind,
            struct bs_prepared *prepared,
            struct bs_err *err)
{
    struct bs_gate_item *item;

    if (g->n_items == ITEMS_MAX)
        return BS_FAIL(err, LIMIT, "more than %d statements cannot be held together", ITEMS_MAX);
    g->items = bs_realloc(g->items, (g->n_items + 1) * sizeof(*g->items));
    item = &g->items[g->n_items++];
    *item =
        (struct bs_gate_item){verdict, bind, prepared == NULL ? NULL : bs_prepared_ref(prepared)};
    return BS_DONE;
}

void
bs_gate_keep(struct bs_gate *g, struct bs_kept *kept)
{
    g->kept = bs_realloc(g->kept, (g->n_kept + 1) * sizeof(struct bs_kept *));
    g->kept[g->n_kept++] = kept;
}

static enum bs_done
has_room(const struct bs_relay *r, struct bs_err *err)
{
    if (r->ledger != NULL && r->ledger->n_units >= UNITS_MAX)
        return BS_FAIL(err, LIMIT, "a transaction may have %d guarded statements at most",
                       UNITS_MAX);
    return BS_DONE;
}

/* The Binds borrowed the client's buffer; from now on they live as long as the gate. */
static enum bs_done
keep_binds(struct bs_gate *g, struct bs_err *err)
{
    for (size_t i = 0; i < g->n_items; i++) {
        struct bs_bytes *b = &g->items[i].bind;
        char *copy = b->n == 0 ? NULL : bs_arena_copy(&g->arena, *b);
        if (b->n != 0 && copy == NULL)
            return BS_FAIL(err, LIMIT, "the parameters are too large to be held");
        b->p = (uint8_t *)copy;
    }
    return BS_DONE;
}

/* --- asking ------------------------------------------------------------------------------- */

char *
bs_gate_detail(const struct bs_gate *g, const char *state, const char *retry)
{
    char expires[BS_TIME_TEXT];
    json_t *o = json_object();
    char *text;

    json_object_set_new(o, "v", json_integer(1));
    if (g->ticket[0] != '\0')
        json_object_set_new(o, "ticket", json_string(g->ticket));
    json_object_set_new(o, "state", json_string(state));
    if (g->expires_us != 0) {
        bs_time_format(g->expires_us / 1000000 * 1000000, expires);
        memcpy(expires + 19, "Z", 2); /* whole seconds */
        json_object_set_new(o, "expires", json_string(expires));
    }
    if (retry != NULL)
        json_object_set_new(o, "retry", json_string(retry));
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* Whoever is asked need not answer this session any more. */
static void
end_wait(struct bs_relay *r, struct bs_gate *g)
{
    bs_waiters_remove(r->s->gateway->waiters, r->s);
    if (g->asked_ns != 0)
        bs_observe(BS_OBSERVE_HOLD, bs_mono_ns() - g->asked_ns);
    g->asked_ns = 0;
}

static void
leave(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    bs_session_set_timer(r->s, 0);
    end_wait(r, g);
    r->gate = NULL;
    g->step = BS_GATE_OVER;
    bs_gate_unref(&g);
}

void
bs_gate_refuse(struct bs_relay *r, struct bs_refusal *refusal)
{
    struct bs_gate *g = bs_gate_ref(r->gate);

    g->end = BS_END_ROLLED_BACK;
    g->fate = bs_refusal_copy(refusal);
    bs_gate_job_finish(r->s->worker, g, NULL);
    leave(r);
    bs_asks_refuse(r, bs_buf_view(&g->messages), refusal);
    bs_gate_unref(&g);
    bs_relay_resume(r);
}

static void
refuse_with(struct bs_relay *r,
            enum bs_code code,
            const char *message,
            const char *state,
            const char *retry,
            const char *hint)
{
    char *detail = bs_gate_detail(r->gate, state, retry);

    bs_gate_refuse(r, bs_refusal_new(bs_code_get(code)->sqlstate, message, detail, hint));
    free(detail);
}

static void
refuse_paused(struct bs_relay *r)
{
    bs_gate_refuse(r, bs_paused_refusal(bs_paused_leave(r->s)));
}

static void
refuse_held(struct bs_relay *r)
{
    char message[128];

    (void)snprintf(message, sizeof(message), "approval required: ticket %s waits for an operator",
                   r->gate->ticket);
    refuse_with(r, BS_E_HELD, message, "pending", "same-statement",
                "Wait for the decision, then send exactly the same statement again.");
}

/* Nobody holds locks, or a snapshot, while a human reads. */
static void
refuse_late(struct bs_relay *r, const char *state)
{
    char message[160];

    if (r->ledger != NULL)
        r->ledger->held = true;
    (void)snprintf(message, sizeof(message), "approval required: ticket %s %s", r->gate->ticket,
                   strcmp(state, "approved") == 0
                       ? "is approved, for a transaction that begins anew"
                       : "waits for an operator");
    refuse_with(r, BS_E_HELD, message, state, "same-transaction",
                "Roll back. Once it is approved, run the same transaction again.");
}

static void
notify_waiting(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    char message[128];
    struct bs_buf b;

    (void)snprintf(message, sizeof(message), "held for approval: ticket %s", g->ticket);
    bs_buf_init(&b, 1024);
    bs_msg_put_notice(&b,
                      &(struct bs_report){"NOTICE", "ZB001", message, NULL,
                                          "The statement runs as soon as an operator approves."});
    bs_relay_to_client(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

/* The timer runs to the next notice or to the end of the wait, whichever comes first. */
static void
arm_wait(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    int64_t left_ms = (g->give_up_us - bs_mono_us()) / 1000;
    int64_t notice_ms = r->s->gateway->config->hold_notice_ms;

    if (notice_ms > 0 && notice_ms < left_ms)
        left_ms = notice_ms;
    bs_session_set_timer(r->s, left_ms < 1 ? 1 : (uint64_t)left_ms);
}

static void
on_redeemed(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (err->code == BS_OK) {
        bs_protect_begin(r);
        return;
    }
    (void)g;
    if (err->code == BS_E_PAUSED)
        refuse_paused(r);
    else if (err->code == BS_E_DENIED)
        refuse_with(r, BS_E_DENIED, "denied by an operator", "denied", NULL,
                    "Do not ask for it again in another way.");
    else if (err->code == BS_E_STALE || err->code == BS_E_CONFLICT) /* or another was quicker */
        refuse_with(r, BS_E_STALE, "the approval does not cover this any more", "expired",
                    "same-statement", "Send the same statement again to ask anew.");
    else
        bs_gate_refuse(r, bs_refusal_new(bs_err_sqlstate(err),
                                         "the approval could not be used, so nothing was run", NULL,
                                         "Send the same statement again."));
}

/* While a human read, another policy may have come into force (PROTECT 14). */
static void
decide_anew(struct bs_gate *g)
{
    const struct bs_policy *policy = bs_gateway_policy(g->s->gateway);
    struct bs_subject subject = bs_session_subject(g->s);

    for (size_t i = 0; i < g->n_items; i++)
        g->stricter = g->stricter ||
                      bs_verdict_is_stricter_by(g->items[i].verdict, policy, &subject, &g->arena);
}

/* What the policy blocks by its rows now is no more covered than what another policy would block. */
static void
redeem_now(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->step = BS_GATE_REDEEM;
    g->stricter = g->stricter || g->blocked != NULL;
    bs_gate_job_redeem(r, g, on_redeemed);
}

/* What was measured before somebody thought about it need not be so any more. */
static void
redeem(struct bs_relay *r)
{
    bool waited = r->gate->step == BS_GATE_WAIT;

    decide_anew(r->gate);
    bs_session_set_timer(r->s, 0);
    end_wait(r, r->gate);
    if (waited)
        bs_gate_measure(r, redeem_now);
    else
        redeem_now(r);
}

/* The ticket was looked at while waiting. */
static void
on_looked(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (g->step != BS_GATE_WAIT)
        return;
    if (err->code == BS_E_HELD)
        return; /* still pending */
    if (err->code == BS_OK)
        redeem(r);
    else
        on_redeemed(r, g, err);
}

void
bs_gate_decided(struct bs_relay *r, const char *ticket)
{
    struct bs_gate *g = r->gate;

    if (r->mode == BS_MODE_GATE && g->step == BS_GATE_WAIT && strcmp(g->ticket, ticket) == 0)
        bs_gate_job_look(r, g, on_looked);
}

static void
wait_for_decision(struct bs_relay *r, int64_t wait_ms)
{
    struct bs_gate *g = r->gate;

    if (wait_ms <= 0) {
        refuse_held(r);
        return;
    }
    g->step = BS_GATE_WAIT;
    g->asked_ns = bs_mono_ns();
    g->give_up_us = bs_mono_us() + wait_ms * 1000;
    bs_waiters_add(r->s->gateway->waiters, r->s, g->ticket);
    notify_waiting(r);
    if (bs_relay_over(r))
        return;
    arm_wait(r);
    bs_gate_job_look(r, g, on_looked); /* decided between opening and waiting? */
}

int64_t
bs_gate_time_ms(struct bs_bytes text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t n = 0;
    size_t i = 0;

    for (; i < text.n && i < 12 && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        n = n * 10 + (text.p[i] - '0');
    for (size_t k = 0; i != 0 && k < sizeof(units) / sizeof(units[0]); k++) {
        if (bs_bytes_equal((struct bs_bytes){text.p + i, text.n - i}, bs_bytes_of(units[k].unit)))
            return n * units[k].ms;
    }
    return -1;
}

static void
on_idle_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    r->gate->idle_ms = n == 1 && values[0].p != NULL ? bs_gate_time_ms(values[0]) : -1;
}

/* After a bare BEGIN the server's own clock runs: the wait ends a second before it does. */
static void
on_idle_known(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    int64_t wait_ms = r->s->hold_wait_ms;

    if (r->inject.failed || g->idle_ms < 0)
        wait_ms = 0;
    else if (g->idle_ms != 0 && g->idle_ms - 1000 < wait_ms)
        wait_ms = g->idle_ms - 1000;
    if (g->cancelled)
        bs_gate_refuse(r, bs_refusal_cancelled());
    else
        wait_for_decision(r, wait_ms);
}

static void
prepare_to_wait(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (!g->in_block) {
        wait_for_decision(r, r->s->hold_wait_ms);
        return;
    }
    if (g->late) {
        refuse_late(r, "pending");
        return;
    }
    g->step = BS_GATE_IDLE;
    g->idle_ms = -1;
    bs_inject(r, "SHOW idle_in_transaction_session_timeout", on_idle_row, on_idle_known);
}

static void
on_recorded(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (g->cancelled) {
        bs_gate_refuse(r, bs_refusal_cancelled());
        return;
    }
    if (err->code == BS_E_PAUSED) {
        refuse_paused(r);
        return;
    }
    if (g->blocked != NULL && err->code == BS_OK) {
        bs_gate_refuse(r, bs_refusal_copy(g->blocked));
        return;
    }
    if (err->code == BS_E_BLOCKED) {
        bs_gate_refuse(r, bs_refusal_new("42501", "nobody is there who could approve this",
                                         BS_BLOCKED_DETAIL,
                                         "Ask whoever runs this gateway to register an operator."));
        return;
    }
    if (err->code == BS_E_LIMIT) {
        bs_gate_refuse(r, bs_refusal_of(err));
        return;
    }
    if (err->code == BS_E_NO_POINT) {
        bs_gate_refuse(r, bs_refusal_new("ZB004",
                                         "a safeguard that is required is not there, so it "
                                         "was not run",
                                         NULL, "Tell the operator of this gateway."));
        return;
    }
    if (err->code != BS_OK && err->code != BS_E_HELD) {
        bs_gate_refuse(r, bs_refusal_new("58030",
                                         "the statement could not be recorded, so it was "
                                         "not run",
                                         NULL, "Tell the operator of this gateway."));
        return;
    }
    if (g->may_not_write && err->code == BS_OK)
        refuse_late(r, "approved");
    else if (!g->hold)
        bs_protect_begin(r);
    else if (err->code == BS_OK)
        redeem(r);
    else
        prepare_to_wait(r);
}

/* Numbers may have changed the ways. What they block is recorded, then refused. */
static void
on_measured(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    struct bs_err err = {0};

    g->step = BS_GATE_RECORD;
    if (g->measured_us != 0 && g->blocked == NULL && bs_gate_unite(g, &err) != BS_DONE) {
        bs_gate_refuse(r, bs_refusal_of(&err));
        return;
    }
    g->hold = g->hold && g->blocked == NULL;
    if (!g->hold && g->blocked == NULL &&
        bs_within_allowed(g, bs_gateway_policy(r->s->gateway), &err) != BS_DONE) {
        bs_gate_refuse(r, bs_refusal_of(&err));
        return;
    }
    bs_gate_job_record(r, g, on_recorded);
}

void
bs_gate_begin(struct bs_relay *r, struct bs_gate *g, struct bs_bytes messages)
{
    struct bs_err err = {0};

    bs_assert(r->gate == NULL && bs_relay_quiet(r));
    r->gate = g;
    r->mode = BS_MODE_GATE;
    r->stalled = true;
    g->in_block = r->status == 'T';
    g->late = g->in_block && (r->dirty || r->ledger != NULL);
    g->may_not_write = g->late && r->s->shielded && !r->read_write;
    g->started_us = bs_mono_us();
    g->as_begun = !g->late && !r->has_set && !r->state.meaning.path_changed &&
                  !r->state.meaning.temporary && !r->state.meaning.uncommitted_ddl;
    g->unseen = g->in_block && (r->wrote || r->ledger != NULL);
    g->step = BS_GATE_MEASURE;
    bs_buf_init(&g->messages, messages.n + 1);
    bs_put_bytes(&g->messages, messages);
    if (has_room(r, &err) != BS_DONE || keep_binds(g, &err) != BS_DONE ||
        bs_gate_unite(g, &err) != BS_DONE) {
        bs_gate_refuse(r, bs_refusal_of(&err));
        return;
    }
    bs_gate_measure(r, on_measured);
}

/* --- events ------------------------------------------------------------------------------- */

void
bs_gate_timer(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->mode != BS_MODE_GATE)
        return;
    if (g->step != BS_GATE_WAIT) {
        bs_protect_timer(r);
        return;
    }
    if (bs_mono_us() >= g->give_up_us) {
        refuse_held(r);
        return;
    }
    notify_waiting(r);
    if (!bs_relay_over(r))
        arm_wait(r);
}

bool
bs_gate_held_back(struct bs_relay *r)
{
    if (r->mode != BS_MODE_GATE || r->gate->step != BS_GATE_WAIT)
        return false;
    refuse_paused(r);
    return true;
}

void
bs_gate_cancel(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    switch (g->step) {
    case BS_GATE_WAIT:
        bs_gate_refuse(r, bs_refusal_cancelled());
        break;
    case BS_GATE_MEASURE:
        g->cancelled = true;
        bs_gate_measure_stop(g);
        break;
    case BS_GATE_RECORD:
    case BS_GATE_IDLE:
    case BS_GATE_OPEN:
    case BS_GATE_CHOOSE:
    case BS_GATE_COVER:
    case BS_GATE_LOOK:
        g->cancelled = true;
        break;
    case BS_GATE_CAPTURE:
        g->cancelled = true;
        if (g->capture != NULL)
            bs_capture_abort(g->capture);
        break;
    case BS_GATE_AUDIT:
        g->cancelled = true;
        if (g->ledger->keeper != NULL)
            bs_capture_abort(g->ledger->keeper);
        break;
    case BS_GATE_LOCK:
    case BS_GATE_RUN:
    case BS_GATE_CONSTRAIN:
    case BS_GATE_BARE:
        g->cancelled = true;
        bs_cancel_upstream(r->s);
        break;
    case BS_GATE_OVER:
    case BS_GATE_REDEEM:
    case BS_GATE_BEGIN:
    case BS_GATE_BEFORE:
    case BS_GATE_TIMEOUT:
    case BS_GATE_RIGHTS:
    case BS_GATE_START:
    case BS_GATE_SAVE:
    case BS_GATE_RETRY:
    case BS_GATE_RESTORE:
    case BS_GATE_GUARD:
    case BS_GATE_SWITCH:
    case BS_GATE_READ_ONLY:
    case BS_GATE_AFTER:
    case BS_GATE_XID:
    case BS_GATE_COMMIT:
    case BS_GATE_ROLLBACK:
    case BS_GATE_FINISH:
        break; /* a moment: as with the server, a cancel may come too late */
    }
}

void
bs_gate_cut(struct bs_relay *r, struct bs_refusal *refusal)
{
    bs_refusal_free(&r->gate->cut);
    r->gate->cut = refusal;
}

bool
bs_gate_runs(const struct bs_relay *r)
{
    return r->gate != NULL && r->gate->step >= BS_GATE_REDEEM && r->gate->step != BS_GATE_GUARD;
}

bool
bs_gate_committing(const struct bs_relay *r)
{
    return r->gate != NULL && r->gate->step == BS_GATE_COMMIT;
}

bool
bs_gate_takes_copy(const struct bs_relay *r)
{
    return r->gate->step == BS_GATE_RUN || r->gate->step == BS_GATE_BARE;
}

void
bs_gate_ready(struct bs_relay *r)
{
    if (r->mode == BS_MODE_GATE) {
        bs_protect_ready(r);
        return;
    }
    if (r->status == 'I') /* the actor rolled back: nothing that was to be kept has happened */
        bs_ledger_end(r, BS_END_ROLLED_BACK);
}

void
bs_gate_close_transaction(struct bs_relay *r, struct bs_bytes messages)
{
    struct bs_ledger *l = r->ledger;
    struct bs_gate *g;

    bs_assert(r->gate == NULL && l->n_units != 0);
    g = bs_gate_ref(l->units[l->n_units - 1]);
    r->gate = g;
    g->cancelled = false;
    r->mode = BS_MODE_GATE;
    r->stalled = true;
    bs_buf_fini(&g->messages);
    bs_buf_init(&g->messages, messages.n + 1);
    bs_put_bytes(&g->messages, messages);
    bs_closing_begin(r);
}

/* What was sent last takes effect, or not, without a further word of ours. */
static bool
may_have_taken_effect(const struct bs_gate *g)
{
    return g->step == BS_GATE_COMMIT || g->step == BS_GATE_BARE;
}

void
bs_gate_server_gone(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g == NULL || !may_have_taken_effect(g))
        return;
    g->end = BS_END_UNCERTAIN;
    bs_session_fail(r->s, "08007",
                    "the connection was lost while %s was under way: it is not known whether it "
                    "took effect",
                    g->step == BS_GATE_COMMIT ? "COMMIT" : "the statement");
}

/* How a unit ended when its session ended under it. */
static enum bs_gate_end
end_of(const struct bs_gate *g)
{
    if (g->end != BS_END_NONE)
        return g->end;
    return may_have_taken_effect(g) ? BS_END_UNCERTAIN : BS_END_ROLLED_BACK;
}

static void
abandon(struct bs_relay *r, struct bs_gate *g)
{
    if (g->capture != NULL && g->step == BS_GATE_CAPTURE)
        bs_capture_abort(g->capture);
    if (g->step == BS_GATE_MEASURE)
        bs_gate_measure_stop(g);
    if (g->step == BS_GATE_AUDIT && g->ledger->keeper != NULL)
        bs_capture_abort(g->ledger->keeper);
    /* A server that works does not notice that nobody listens; the locks would last until then. */
    if (g->step == BS_GATE_LOCK || g->step == BS_GATE_RUN || g->step == BS_GATE_CONSTRAIN)
        bs_cancel_upstream(r->s);
    end_wait(r, g);
    g->end = end_of(g);
    g->abandoned = g->jobs != 0;
    if (!g->abandoned && !g->in_ledger)
        bs_gate_job_finish(r->s->worker, g, NULL);
}

void
bs_gate_abandon(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    struct bs_ledger *l = r->ledger;
    bool busy = false;

    r->gate = NULL;
    if (g != NULL) {
        abandon(r, g);
        busy = g->abandoned && g->ledger != NULL;
    }
    if (l != NULL && busy) { /* its job may read the ledger: job_done goes on */
        l->ending = true;
        l->end = g->in_ledger ? g->end : BS_END_ROLLED_BACK;
        r->ledger = NULL;
        bs_ledger_unref(&l);
    } else if (l != NULL) {
        bs_ledger_end(r, g != NULL && g->in_ledger ? g->end : BS_END_ROLLED_BACK);
    }
    if (g != NULL)
        bs_gate_unref(&g);
}
