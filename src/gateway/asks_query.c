/*
 * asks_query.c - a simple Query: one unit, passed, gated, refused, or the end of a transaction.
 */
#include "gateway/asking.h"
#include "gateway/door.h"
#include "gateway/evade.h"
#include "gateway/function_call.h"
#include "gateway/gate.h"
#include "gateway/judge.h"
#include "gateway/note.h"
#include "gateway/verdicts.h"
#include "gateway/worker.h"
#include "wire/messages.h"

#define STATEMENTS_MAX 16384 /* prepared ones that a session may have at a time */

/*
 * COMMIT or ROLLBACK, alone, of a transaction in which something gated has run. Such a COMMIT is
 * closed and audited first. What the status was when it arrived says nothing: ROLLBACK TO may be
 * on its way.
 */
bool
bs_ask_ends_guarded(const struct bs_relay *r, const struct bs_unit *unit)
{
    return r->ledger != NULL && unit->n_stmts == 1 && !unit->stmts[0].chain &&
           (unit->stmts[0].control == BS_CONTROL_COMMIT ||
            unit->stmts[0].control == BS_CONTROL_PREPARE_TRANSACTION ||
            unit->stmts[0].control == BS_CONTROL_ROLLBACK);
}

/* Other ways to end such a transaction would pass the audit by, or hide that it has ended. */
static bool
evades_guard(const struct bs_relay *r, const struct bs_unit *unit)
{
    if (r->ledger == NULL || bs_ask_ends_guarded(r, unit))
        return false;
    for (size_t i = 0; i < unit->n_stmts; i++) {
        enum bs_control c = unit->stmts[i].control;
        if (c == BS_CONTROL_COMMIT || c == BS_CONTROL_ROLLBACK ||
            c == BS_CONTROL_PREPARE_TRANSACTION)
            return true;
    }
    return false;
}

const char bs_ask_guard_message[] =
    "this transaction must be ended with a plain COMMIT or ROLLBACK, "
    "sent by itself";

/* The audit comes before it: a COMMIT while nothing is in flight, of what has not failed. */
bool
bs_ask_needs_closing(const struct bs_relay *r, const struct bs_unit *unit)
{
    return bs_ask_ends_guarded(r, unit) && r->status == 'T' &&
           unit->stmts[0].control != BS_CONTROL_ROLLBACK;
}

void
bs_ask_judge_status(struct bs_relay *r, struct bs_verdict *v)
{
    bs_paused_judge(r, v);
    if (evades_guard(r, &v->unit))
        bs_verdict_refuse(v, BS_E_UNSUPPORTED, NULL, bs_ask_guard_message, NULL);
    if (v->way != BS_WAY_RUN && v->way != BS_WAY_HOLD)
        return;
    if (r->status == 'T' && (!v->plan.in_block || v->wrapped))
        bs_verdict_refuse(v, BS_E_UNSUPPORTED, NULL,
                          "this statement cannot run inside a transaction block", NULL);
    else if (!v->plan.in_block && v->way == BS_WAY_RUN && !bs_plan_makes_point(&v->plan))
        bs_verdict_refuse(v, BS_E_NO_POINT, NULL,
                          "no recovery point can be made for this statement, so it was not run",
                          NULL);
}

/*
 * Allowed, and takes no values; but in the actor's own transaction nobody else can read a table any
 * more that it has locked ACCESS EXCLUSIVE, and a later statement of it may change rows there. So it
 * runs under protection: a table that is not too large is copied before (ahead.c).
 */
void
bs_ask_judge_lock(const struct bs_relay *r, struct bs_verdict *v)
{
    const struct bs_plan *plan = &v->plan;

    if (v->way != BS_WAY_PASS || r->status != 'T' || plan->kind != BS_PLAN_RECORD ||
        !plan->in_block || v->decision.recovery_waived || v->decision.shadow ||
        bs_verdict_is_prepare(v))
        return;
    for (size_t i = 0; i < v->facts.n_targets; i++) {
        if (bs_target_hides(&v->facts.targets[i]))
            v->way = BS_WAY_RUN;
    }
}

static void
forward_query(struct bs_relay *r, const struct bs_verdict *v, struct bs_bytes message)
{
    struct bs_reply *reply = bs_replies_push(&r->replies, BS_REPLY_QUERY);

    bs_ask_owe_unit(r, reply, &v->unit);
    bs_caps_owe_query(r, reply, v, false);
    bs_ask_owe_prepare(r, reply, v);
    if ((v->unit.flags & BS_FLAG_COPY_IN) != 0)
        bs_asks_owe_copy(r, reply);
    r->series_open = r->series_wrote = r->series_bound = false;
    bs_relay_to_server(r, message);
}

/*
 * The gate judges the text once more, in an arena of its own that outlives the message; what was
 * judged apart outlives it by itself. False where the catalog has changed since a moment ago, so that
 * all begins anew.
 */
static bool
gate_query(struct bs_relay *r,
           const struct bs_verdict *judged,
           struct bs_kept *apart,
           struct bs_bytes message)
{
    struct bs_gate *g = bs_gate_new(r);
    struct bs_verdict *v = bs_arena_take(bs_gate_arena(g), sizeof(*v));
    char *text = bs_arena_copy(bs_gate_arena(g), judged->text);
    BS_FRESH_ERR(err);
    enum bs_heard heard;

    if (v == NULL || text == NULL ||
        bs_gate_add(g, v, (struct bs_bytes){NULL, 0}, NULL, &err) != BS_DONE) {
        bs_gate_free(&g);
        bs_ask_poison_query(
            r, bs_refusal_new("54000", "the statement is too large to be held", NULL, NULL));
        return true;
    }
    if (apart != NULL) {
        bs_verdict_move(judged, (struct bs_bytes){(uint8_t *)text, judged->text.n}, v);
        bs_gate_keep(g, bs_kept_ref(apart));
        bs_gate_begin(r, g, message);
        return true;
    }
    r->loaded = true; /* the same catalog as a moment ago */
    heard = bs_ask_judge(r, (struct bs_bytes){(uint8_t *)text, judged->text.n}, bs_gate_arena(g), v,
                         NULL);
    bs_ask_judge_lock(r, v);
    if (heard != BS_HEARD || v->way != judged->way) {
        bs_gate_free(&g);
        (void)bs_ask_load_catalog(r);
        return false;
    }
    bs_gate_begin(r, g, message);
    return true;
}

struct bs_refusal *
bs_ask_too_many(void)
{
    return bs_refusal_new("54000", "this session has too many prepared statements", NULL,
                          "Close those that are not needed any more.");
}

bool
bs_ask_is_full_of_names(const struct bs_relay *r)
{
    return r->state.names.n + r->replies.naming >= STATEMENTS_MAX;
}

/* What is explained is recorded as that; and a message is looked at again. */
static bool
is_noted(const struct bs_relay *r, const struct bs_verdict *v)
{
    return bs_door_is_ready(r) || (v->way != BS_WAY_REFUSE && v->door.kind == BS_DOOR_EXPLAIN);
}

static bool
is_answered(struct bs_relay *r, const struct bs_verdict *v)
{
    if (!bs_door_is_ready(r))
        bs_door_begin(r, &(struct bs_question){.verdict = v});
    return bs_door_is_ready(r);
}

static void
answer_door(struct bs_relay *r, const struct bs_verdict *v)
{
    struct bs_refusal *refusal = bs_door_refusal(r);

    if (refusal != NULL)
        bs_ask_poison_query(r, refusal);
    else
        bs_door_forward_query(r, v);
}

/* Takes a verdict as far as it goes now; false where it must wait. `kept`: what it borrows from. What
 * is kept otherwise than apart passes. */
static bool
act_on_query(struct bs_relay *r,
             struct bs_verdict *v,
             struct bs_kept *kept,
             struct bs_bytes message,
             size_t end)
{
    bool gated, door;

    if (bs_ask_must_ask_role(r, v) && !bs_ask_role(r))
        return false;
    if (bs_verdict_is_prepare(v) && (v->way == BS_WAY_RUN || v->way == BS_WAY_HOLD))
        v->way = BS_WAY_PASS; /* forwarded like Parse; what it names is gated where it is run */
    bs_ask_judge_lock(r, v);
    gated = v->way == BS_WAY_RUN || v->way == BS_WAY_HOLD;
    door = v->door.kind != BS_DOOR_NONE;
    if ((gated || door || r->ledger != NULL) && r->series_open)
        return bs_ask_end_series(r);
    if ((gated || door || r->ledger != NULL) && !bs_relay_quiet(r))
        return bs_ask_stall(r);
    if (gated && bs_verdict_needs_fresh(v) && !r->loaded) {
        (void)bs_ask_load_catalog(r);
        return false;
    }
    bs_ask_judge_status(r, v);
    if ((!gated || v->way == BS_WAY_REFUSE) && !is_noted(r, v) && !bs_note_judged(r, v)) {
        bs_session_fail(r->s, "58030", "the audit log cannot be written, so nothing is run");
        return false;
    }
    bs_evade_refused(r, v, (struct bs_bytes){NULL, 0}, NULL);
    if (v->way == BS_WAY_REFUSE || ((gated || door) && r->status == 'E'))
        bs_ask_poison_query(r, bs_ask_refusal_of(r, v));
    else if (door && !is_answered(r, v))
        return false; /* it is looked at again when there is an answer */
    else if (door)
        answer_door(r, v);
    else if (bs_verdict_is_prepare(v) && bs_ask_is_full_of_names(r))
        bs_ask_poison_query(r, bs_ask_too_many());
    else if (bs_ask_needs_closing(r, &v->unit))
        bs_gate_close_transaction(r, message);
    else if (v->way == BS_WAY_PASS)
        forward_query(r, v, message);
    else if (!gate_query(r, v, kept, message))
        return false;
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, end);
    return r->mode == BS_MODE_RELAY;
}

/* Whatever it is: the server rolls back what is open. */
static bool
refuse_in_pause(struct bs_relay *r, size_t end)
{
    bs_ask_poison_query(r, bs_paused_refusal(bs_paused_leave(r->s)));
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, end);
    return true;
}

bool
bs_ask_query(struct bs_relay *r, const struct bs_frame *f, size_t end)
{
    struct bs_verdict v = {0};
    struct bs_arena *arena = bs_worker_message(r->s->worker);
    struct bs_kept *kept = NULL;
    struct bs_bytes text;
    BS_FRESH_ERR(err);
    bool go_on;

    if (bs_ask_is_open_in_pause(r))
        return refuse_in_pause(r, end);
    if (bs_ask_must_recall(r))
        return bs_ask_recall(r);
    if (bs_msg_read_query(f->body, &text, &err) != BS_DONE) {
        bs_session_fail(r->s, "08P01", "invalid message format");
        return false;
    }
    bs_arena_reset(arena);
    switch (bs_ask_judge(r, text, arena, &v, &kept)) {
    case BS_HEARD_NOT:
        return false;
    case BS_HEARD_UNSURE:
        return bs_ask_wait(r);
    case BS_HEARD:
        break;
    }
    go_on = act_on_query(r, &v, kept, bs_ask_bytes(r, r->used, end), end);
    bs_kept_unref(&kept);
    return go_on;
}

static const char by_number[] = "function calls by number are not supported";
static const char as_select[] = "Call the function in a SELECT instead.";

/* A call that nothing is known of. */
static bool
refuse_call(struct bs_relay *r, size_t end)
{
    bs_ask_poison_query(r, r->status == 'E' ? bs_refusal_aborted()
                                            : bs_refusal_new("0A000", by_number, NULL, as_select));
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, end);
    return true;
}

/* FunctionCall runs any function by its number: of some of them we know what that means. */
bool
bs_ask_function_call(struct bs_relay *r, const struct bs_frame *f, size_t end)
{
    struct bs_arena *arena = bs_worker_message(r->s->worker);
    struct bs_function_call call = {0};
    struct bs_verdict v = {0};
    BS_FRESH_ERR(err);
    const char *text;

    if (!bs_relay_quiet(r) && !r->series_open) /* those of an open series may never come */
        return bs_ask_stall(r);
    if (bs_msg_read_function_call(f->body, &call, &err) != BS_DONE) {
        bs_session_fail(r->s, "08P01", "invalid message format");
        return false;
    }
    bs_arena_reset(arena);
    text = r->status == 'E' ? NULL : bs_function_call_text(&call, arena);
    if (text == NULL)
        return refuse_call(r, end);
    switch (bs_ask_judge(r, bs_bytes_of(text), arena, &v, NULL)) {
    case BS_HEARD_NOT:
        return false;
    case BS_HEARD_UNSURE:
        return bs_ask_wait(r);
    case BS_HEARD:
        break;
    }
    if (v.way != BS_WAY_PASS) /* it cannot be held: nobody could ask for it again */
        bs_verdict_refuse(&v, BS_E_UNSUPPORTED, NULL, by_number, as_select);
    return act_on_query(r, &v, NULL, bs_ask_bytes(r, r->used, end), end);
}
