/*
 * gate_job.c - what a gated unit needs that blocks: records, tickets, capture, events. audit_job.c has
 * what is looked at before COMMIT.
 *
 * A job holds references to its gate and, through the worker, to its session, so both stay
 * readable; while a job is out, the worker changes nothing that the job reads.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/budget.h"
#include "gateway/evade.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/late.h"
#include "gateway/note.h"
#include "gateway/paused.h"
#include "gateway/progress.h"
#include "gateway/readiness.h"
#include "gateway/request.h"
#include "gateway/within.h"
#include "gateway/worker.h"
#include "policy/redact.h"
#include "recovery/fence.h"
#include "recovery/journal.h"
#include "recovery/points.h"
#include "state/state.h"

struct job {
    struct bs_gate *g;
    bs_gate_work_fn *work;
    bs_gate_job_fn *done;
    struct bs_err err;
};

static void
job_work(void *arg)
{
    struct job *j = arg;

    j->work(j->g, &j->err);
}

static void
answer(struct bs_relay *r, void *arg)
{
    struct job *j = arg;
    struct bs_gate *g = j->g;

    if (r->gate == g)
        j->done(r, g, &j->err);
    if (r->gate == g && g->look_again && g->step == BS_GATE_WAIT && g->jobs == 0) {
        g->look_again = false;
        bs_gate_job_post(g, j->work,
                         j->done); /* while it waits there are no other jobs than looks */
    }
}

/* The session ended while a job was out, which is back now. */
static void
settle(struct bs_gate *g)
{
    struct bs_ledger *l = g->ledger;

    if (!g->in_ledger)
        bs_gate_job_finish(g->s->worker, g, NULL);
    if (l != NULL && l->ending)
        bs_ledger_settle(l, g->s->worker);
}

static void
job_done(struct bs_session *s, bool current, void *arg)
{
    struct job *j = arg;
    struct bs_gate *g = j->g;

    g->jobs--;
    if (g->abandoned && g->jobs == 0)
        settle(g);
    else if (current && j->done != NULL)
        bs_relay_act(s, answer, j);
    bs_gate_unref(&j->g);
    free(j);
}

void
bs_gate_job_post(struct bs_gate *g, bs_gate_work_fn *work, bs_gate_job_fn *done)
{
    struct job *j = bs_malloc(sizeof(*j));

    j->g = bs_gate_ref(g);
    j->work = work;
    j->done = done;
    g->jobs++;
    bs_worker_job(g->s->worker, g->s, job_work, job_done, j);
}

/* --- the judgement and the ticket --------------------------------------------------------- */

/* The record comes first: durable before anything of the unit leaves the gateway. */
static enum bs_done
record_judged(struct bs_gate *g, struct bs_err *err)
{
    for (size_t i = 0; i < g->n_items; i++) {
        struct bs_audit_record record = {.kind = BS_AUDIT_JUDGED};
        bs_note_decision(g->items[i].verdict);
        bs_note_who(&record, g->s);
        bs_note_what(&record, g->items[i].verdict);
        record.claims = bs_note_claims(g->s, g->items[i].verdict->shown, &g->arena);
        record.text = g->plan.why;
        if (bs_request_describe(g, i, &record, err) != BS_DONE ||
            bs_audit_write(g->s->gateway->audit, &record, NULL, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Is what the configuration requires for such a statement there? The judgement is recorded by now. */
static bool
required(struct bs_gate *g, struct bs_err *err)
{
    if (g->waived || g->plan.kind == BS_PLAN_NONE || g->plan.kind == BS_PLAN_REFUSE ||
        bs_readiness_require(g->s->gateway, g->s->database, &g->require, &g->plan, err) == BS_DONE)
        return true;
    BS_LOG(WARNING, "refused: what is required is not there", BS_F_STR("session", g->s->id),
           BS_F_STR("actor", g->s->actor), BS_F_STR("reason", err->message),
           BS_F_STR("hint", err->hint));
    return false;
}

static void
work_record(struct bs_gate *g, struct bs_err *err)
{
    struct bs_ticket ask = {0}, got;

    if (record_judged(g, err) != BS_DONE || bs_request_identity(g, err) != BS_DONE ||
        bs_evade_gate(g, err) != BS_DONE)
        return;
    if (g->blocked != NULL)
        bs_evade_gate_blocked(g);
    if (g->blocked == NULL && !required(g, err))
        return;
    if (!g->hold) {
        bs_gate_measured(g);
        return;
    }
    bs_budget_look(g);
    if (bs_request_ticket(g, &ask, err) != BS_DONE ||
        bs_ticket_open(g->s->gateway->tickets, &ask, &g->arena, &got, err) != BS_DONE)
        return;
    memcpy(g->ticket, got.id, sizeof(g->ticket));
    g->expires_us = got.state == BS_TICKET_APPROVED ? got.redeem_by_us : got.decide_by_us;
    if (got.state != BS_TICKET_APPROVED)
        (void)BS_FAIL(err, HELD, "ticket %s is pending", got.id);
}

void
bs_gate_job_record(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    bs_gate_job_post(g, work_record, done);
}

static void
work_look(struct bs_gate *g, struct bs_err *err)
{
    struct bs_ticket t;

    if (bs_ticket_get(g->s->gateway->tickets, g->ticket, &g->arena, &t, err) != BS_DONE)
        return;
    switch (t.state) {
    case BS_TICKET_APPROVED:
        return;
    case BS_TICKET_PENDING:
        (void)BS_FAIL(err, HELD, "still pending");
        return;
    case BS_TICKET_DENIED:
        (void)BS_FAIL(err, DENIED, "denied");
        return;
    case BS_TICKET_NONE:
    case BS_TICKET_EXPIRED:
    case BS_TICKET_RUNNING:
    case BS_TICKET_DONE:
    case BS_TICKET_FAILED:
    case BS_TICKET_UNCERTAIN:
    case BS_TICKET_STATES:
        (void)BS_FAIL(err, STALE, "the ticket is %s", bs_ticket_state_name(t.state));
        return;
    }
}

/* One at a time: the jobs of a gate share its arena. */
void
bs_gate_job_look(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    g->look_again = g->jobs != 0;
    if (!g->look_again)
        bs_gate_job_post(g, work_look, done);
}

/* Is what is about to run still what was approved? */
static enum bs_done
check_limits(struct bs_gate *g, struct bs_err *err)
{
    struct bs_limits approved, now;
    struct bs_approvals had;
    struct bs_ticket t;

    if (bs_ticket_get(g->s->gateway->tickets, g->ticket, &g->arena, &t, err) != BS_DONE)
        return BS_FAILED;
    if (t.limits == NULL)
        return BS_FAIL(err, STALE, "the ticket has no limits");
    if (bs_limits_read(t.limits, &g->arena, &approved, err) != BS_DONE ||
        bs_request_limits(g, &now, err) != BS_DONE ||
        bs_within_assume(g, &approved, &now, err) != BS_DONE)
        return BS_FAILED;
    if (bs_approvals_read(t.approvals, &g->arena, &had, err) != BS_DONE)
        return BS_FAILED;
    if (bs_approvals_exceed(&g->approvals, &had))
        (void)BS_FAIL(err, STALE, "the policy asks for more approvals now");
    else if (bs_limits_cover(&approved, &now, err) == BS_DONE)
        return bs_within_approved(g, &approved, err);
    if (err->code == BS_E_STALE) {
        struct bs_err ignored = {0};
        (void)!bs_ticket_void(g->s->gateway->tickets, g->ticket, err->message, &ignored);
    }
    return BS_FAILED;
}

static void
work_redeem(struct bs_gate *g, struct bs_err *err)
{
    struct bs_ticket t;

    bs_gate_measured(g);
    if (bs_paused_stops(g->s)) { /* the ticket stays as it is, for as long as it has */
        (void)BS_FAIL(err, PAUSED, "paused or quarantined");
        return;
    }
    if (check_limits(g, err) != BS_DONE ||
        bs_ticket_redeem(g->s->gateway->tickets, g->ticket, g->identity, &g->arena, &t, err) !=
            BS_DONE)
        return;
    g->redeemed = true;
    if (t.decided_by != NULL)
        g->approver = bs_arena_str(&g->arena, t.decided_by);
}

void
bs_gate_job_redeem(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    bs_gate_job_post(g, work_redeem, done);
}

/* --- the recovery point ------------------------------------------------------------------- */

/* For operators, who may be able to do something about it: in the log, on the ticket, in the audit. */
static void
notify_no_point(struct bs_gate *g)
{
    json_t *o =
        json_pack("{s:s,s:s*,s:s,s:s*}", "actor", g->s->actor, "owner", g->s->owner, "database",
                  g->s->database, "ticket", g->ticket[0] == '\0' ? NULL : g->ticket);
    char *detail = json_dumps(o, JSON_COMPACT);
    struct bs_err err = {0};

    json_decref(o);
    if (detail != NULL && bs_state_notify_put(g->s->gateway->state, BS_NOTIFY_POINT_FAILED,
                                              g->s->actor, detail, &err) != BS_DONE)
        BS_LOG(WARNING, "nobody is told of it", BS_F_STR("reason", err.message));
    free(detail);
}

void
bs_gate_tell_no_point(struct bs_gate *g, const struct bs_err *why)
{
    BS_LOG(WARNING, "no recovery point", BS_F_STR("session", g->s->id),
           BS_F_STR("ticket", g->ticket), BS_F_STR("reason", why->message),
           BS_F_STR("hint", why->hint));
    g->why = why->hint[0] == '\0' ? bs_arena_str(&g->arena, why->message)
                                  : bs_arena_fmt(&g->arena, "%s; %s", why->message, why->hint);
    g->why_recorded = bs_redact_sentence(
        bs_audit_redacts(g->s->gateway->audit, BS_AUDIT_REDACT_LITERALS), g->why, &g->arena);
    notify_no_point(g);
}

/* The budget's end may look like anything: a cancel, a helper that was lost. */
static void
tell_late(struct bs_gate *g, const struct bs_err *why)
{
    struct bs_err late = {0};

    g->too_slow = bs_budget_over(g);
    if (g->too_slow == NULL) {
        bs_gate_tell_no_point(g, why);
        return;
    }
    (void)BS_FAIL(&late, NO_POINT, "%s", g->too_slow);
    bs_err_hint(&late, "raise recovery.lock_budget, or have it done in parts");
    bs_gate_tell_no_point(g, &late);
}

static void
work_open(struct bs_gate *g, struct bs_err *err)
{
    struct bs_capture_request *request = bs_arena_take(&g->arena, sizeof(*request));

    if (request == NULL) {
        (void)BS_FAIL(err, LIMIT, "no room for a recovery point's request");
        return;
    }
    if (bs_request_capture(g, request, err) == BS_DONE)
        (void)!bs_capture_open(request, &g->opened, err);
}

void
bs_gate_index_point(struct bs_gate *g, const struct bs_capture_result *point)
{
    struct bs_point_row row = {0};
    struct bs_err err = {0};

    bs_request_point_row(g, point, &row);
    if (bs_state_point_put(g->s->gateway->state, &row, &err) != BS_DONE)
        BS_LOG(WARNING, "the point is stored, but not in the index", BS_F_STR("point", row.id),
               BS_F_STR("reason", err.message));
}

void
bs_gate_count_point(const struct bs_manifest *m, int64_t began_ns)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < m->n_objects; i++)
        bytes += m->objects[i].raw_bytes;
    bs_count(BS_COUNT_CAPTURES);
    bs_observe(BS_OBSERVE_CAPTURE, bs_mono_ns() - began_ns);
    bs_observe(BS_OBSERVE_CAPTURE_BYTES, bytes);
}

static void
note_speed(struct bs_gate *g)
{
    struct bs_capture_progress at;

    bs_capture_progress(g->capture, &at);
    bs_readiness_note(g->s->gateway->readiness, g->s->database, at.est_bytes, g->point.total_us);
}

struct bs_progress_entry
bs_gate_progress(const struct bs_gate *g, const struct bs_capture *c)
{
    return (struct bs_progress_entry){.capture = c,
                                      .ticket = g->ticket[0] == '\0' ? NULL : g->ticket,
                                      .actor = g->s->actor,
                                      .database = g->s->database,
                                      .budget_us = g->budget_us};
}

/*
 * A statement outside of a transaction: its end is whether it succeeds. What others change of the
 * cluster from here on, or take from it, no lock keeps them from, and no audit will see.
 */
static void
arm_bare(struct bs_gate *g, struct bs_err *err)
{
    const struct bs_point_event armed = {.state = BS_EVENT_ARMED, .by = "gateway"};

    if (bs_capture_event(g->capture, &armed, err) != BS_DONE)
        return;
    /* The fence around a database that goes is a change of it, our own; others are kept out. */
    if (g->plan.globals != 0 && g->point.manifest->n_databases == 0 &&
        bs_capture_still(g->capture, g->point.manifest, &g->plan, &g->arena, err) != BS_DONE)
        bs_gate_tell_no_point(g, err);
}

static void
work_capture(struct bs_gate *g, struct bs_err *err)
{
    struct bs_progress_entry entry = bs_gate_progress(g, g->capture);
    int64_t began_ns = bs_mono_ns();
    enum bs_done done;

    bs_progress_enter(g->s->gateway->progress, &entry);
    done = g->before ? bs_capture_before(g->capture, &g->bounds, 1, &g->point, err)
                     : bs_capture_run(g->capture, &g->point, err);
    bs_progress_leave(g->s->gateway->progress, &entry);
    if (done != BS_DONE) {
        bs_count(BS_COUNT_CAPTURES_FAILED);
        tell_late(g, err);
        return;
    }
    g->captured = g->point.manifest != NULL;
    if (g->captured)
        bs_gate_count_point(g->point.manifest, began_ns);
    if (g->captured && g->plan.kind == BS_PLAN_WHOLE)
        note_speed(g);
    if (g->captured)
        bs_gate_index_point(g, &g->point);
    if (g->captured && !g->plan.in_block)
        arm_bare(g, err);
}

/* The capture is handed to the worker before it runs, so that it can be aborted. */
static void
on_opened(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    bs_gate_job_fn *then = g->then;

    if (err->code != BS_OK) {
        bs_gate_tell_no_point(g, err);
        then(r, g, err);
        return;
    }
    g->capture = g->opened;
    g->opened = NULL;
    if (g->cancelled)
        bs_capture_abort(g->capture);
    bs_gate_job_post(g, work_capture, then);
}

void
bs_gate_job_capture(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    g->then = done;
    if (g->capture != NULL)
        bs_gate_job_post(g, work_capture, done);
    else
        bs_gate_job_post(g, work_open, on_opened);
}

/* --- rows that are read before they change ------------------------------------------------ */

static void
work_choose(struct bs_gate *g, struct bs_err *err)
{
    work_open(g, err);
    if (err->code != BS_OK || bs_request_bounds(g, &g->bounds, err) != BS_DONE ||
        bs_capture_choose(g->opened, &g->bounds, 1, &g->choice, err) != BS_DONE) {
        bs_gate_tell_no_point(g, err);
        return;
    }
    if (g->choice.way == BS_ROWS_AFTER)
        bs_capture_close(&g->opened);
}

static void
on_choice(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    g->capture = g->opened;
    g->opened = NULL;
    g->then(r, g, err);
}

void
bs_gate_job_choose(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    g->then = done;
    bs_gate_job_post(g, work_choose, on_choice);
}

static void
keep_covered(struct bs_gate *g, struct bs_err *err)
{
    bool *covered = bs_arena_array(&g->arena, g->n_covered + 1, sizeof(*covered));
    size_t n = 0;

    if (covered == NULL) {
        (void)BS_FAIL(err, LIMIT, "the statement changed too many tables");
        return;
    }
    if (bs_capture_covers(g->capture, g->covered, g->n_covered, g->ledger->xid, covered, err) !=
        BS_DONE)
        return;
    for (size_t i = 0; i < g->n_covered; i++) {
        if (covered[i])
            g->covered[n++] = g->covered[i];
    }
    g->n_covered = n;
}

/* A transaction may have many statements: none of them keeps a connection. */
static void
work_cover(struct bs_gate *g, struct bs_err *err)
{
    keep_covered(g, err);
    bs_capture_rest(g->capture);
}

void
bs_gate_job_cover(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    bs_gate_job_post(g, work_cover, done);
}

/* The locks that are there already are those of statements that passed. */
static enum bs_done
open_keeper(struct bs_ledger *l, struct bs_gate *g, struct bs_err *err)
{
    struct bs_capture_request *request = bs_arena_take(&l->arena, sizeof(*request));

    if (request == NULL)
        return BS_FAIL(err, LIMIT, "no room for a recovery point's request");
    if (bs_request_keep(l, g, request, err) != BS_DONE ||
        bs_capture_open(request, &l->keeper, err) != BS_DONE)
        return BS_FAILED;
    return bs_capture_locks(l->keeper, (int)g->s->server_pid, &l->arena, &l->had, &l->n_had, err);
}

static void
work_keeper(struct bs_gate *g, struct bs_err *err)
{
    struct bs_ledger *l = g->ledger;

    if (l->keeper == NULL && open_keeper(l, g, err) != BS_DONE) {
        bs_gate_tell_no_point(g, err);
        return;
    }
    bs_capture_extend(l->keeper, g->budget_us);
    if (bs_capture_sequences_note(l->keeper, err) != BS_DONE ||
        bs_gate_look_ahead(g, err) != BS_DONE)
        bs_gate_tell_no_point(g, err);
}

void
bs_gate_job_keeper(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    bs_gate_job_post(g, work_keeper, done);
}

static void
work_look_around(struct bs_gate *g, struct bs_err *err)
{
    bool circle;

    if (bs_capture_circle(g->capture, BS_GATE_UPGRADE_MS, &circle, err) == BS_DONE && circle)
        (void)BS_FAIL(err, CONFLICT, "somebody waits who holds a lock on a table of the statement");
}

void
bs_gate_job_look_around(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    bs_gate_job_post(g, work_look_around, done);
}

/* --- the end ------------------------------------------------------------------------------ */

static const char *
end_name(enum bs_gate_end end)
{
    switch (end) {
    case BS_END_COMMITTED:
        return "committed";
    case BS_END_ROLLED_BACK:
        return "rolled_back";
    case BS_END_UNCERTAIN:
        return "uncertain";
    case BS_END_NONE:
        break;
    }
    return "refused";
}

/* An uncertain end leaves the point armed: the database is asked. */
static void
close_by_fact(struct bs_gate *g)
{
    struct bs_gateway *gateway = g->s->gateway;
    const char *helper = bs_config_database_find(gateway->config, g->s->database)->helper;
    struct bs_points_closed closed;
    struct bs_err err = {0};
    size_t left;

    if (bs_points_open_close(gateway->store, helper, 5000, &closed, &err) != BS_DONE ||
        closed.open != 0 ||
        bs_journal_replay(gateway->config->spool, gateway->store, &left, &err) != BS_DONE)
        atomic_store(&gateway->points_open, true);
}

static void
close_point(struct bs_gate *g,
            struct bs_capture *capture,
            const struct bs_capture_result *point,
            enum bs_gate_end end,
            bool armed)
{
    struct bs_point_event event = {.by = "gateway"};
    struct bs_err err = {0};

    if (end == BS_END_UNCERTAIN) {
        close_by_fact(g);
        return;
    }
    event.state = end == BS_END_COMMITTED ? BS_EVENT_COMMITTED
                  : armed                 ? BS_EVENT_ROLLED_BACK
                                          : BS_EVENT_NOT_USED;
    if (bs_capture_event(capture, &event, &err) != BS_DONE) {
        atomic_store(&g->s->gateway->points_open, true);
        BS_LOG(WARNING, "the point stays open until the store takes its end",
               BS_F_STR("point", point->manifest->id), BS_F_STR("reason", err.message));
    }
    err = (struct bs_err){0};
    (void)!bs_state_point_set(g->s->gateway->state, point->manifest->id, bs_event_name(event.state),
                              &err);
}

/* Its own point, and where it was the last of its transaction what the keeper has kept. */
static void
close_points(struct bs_gate *g)
{
    struct bs_ledger *l = g->ledger;

    if (g->captured)
        close_point(g, g->capture, &g->point, g->end,
                    l == NULL ? g->step != BS_GATE_CAPTURE : bs_ledger_counts(g) && l->armed);
    if (g->closes && l->has_kept)
        close_point(g, l->keeper, &l->kept, l->end, l->armed);
}

/* The point that has what the unit destroyed; NULL: there is none. */
static const char *
point_of(const struct bs_gate *g)
{
    if (g->captured)
        return g->point.manifest->id;
    return bs_ledger_counts(g) && g->ledger->has_kept ? g->ledger->kept.manifest->id : NULL;
}

/* All is undone because a later statement must be approved first: then all is run again. Or nothing of
 * it has run. */
static bool
may_run_again(const struct bs_gate *g)
{
    if (g->not_begun)
        return g->end == BS_END_ROLLED_BACK;
    return g->in_ledger && !g->undone && g->end == BS_END_ROLLED_BACK && g->ledger->held;
}

static void
close_ticket(struct bs_gate *g)
{
    enum bs_ticket_state end = g->end == BS_END_COMMITTED   ? BS_TICKET_DONE
                               : g->end == BS_END_UNCERTAIN ? BS_TICKET_UNCERTAIN
                                                            : BS_TICKET_FAILED;
    struct bs_err err = {0};

    if (!g->redeemed ||
        (may_run_again(g) && bs_ticket_release(g->s->gateway->tickets, g->ticket, &err) == BS_DONE))
        return;
    err = (struct bs_err){0};
    if (bs_ticket_finish(g->s->gateway->tickets, g->ticket, end, point_of(g), g->why, &err) ==
        BS_DONE)
        return;
    BS_LOG(WARNING, "the ticket could not be finished yet", BS_F_STR("ticket", g->ticket),
           BS_F_STR("reason", err.message));
    bs_late_put(g->s->gateway->late, g->ticket, end, point_of(g), g->why);
}

static void
record_outcome(struct bs_gate *g)
{
    struct bs_audit_record record = {.kind = BS_AUDIT_OUTCOME};
    struct bs_err err = {0};

    bs_note_who(&record, g->s);
    if (g->n_items != 0) {
        bs_note_what(&record, g->items[0].verdict);
        record.claims = bs_note_claims(g->s, g->items[0].verdict->shown, &g->arena);
    }
    record.ticket = g->ticket[0] == '\0' ? NULL : g->ticket;
    record.operator_ = g->approver;
    record.point = point_of(g);
    record.outcome = end_name(g->end);
    record.sqlstate = g->fate != NULL          ? g->fate->sqlstate
                      : g->sqlstate[0] != '\0' ? g->sqlstate
                                               : NULL;
    record.tag = g->tag[0] == '\0' ? NULL : g->tag;
    record.duration_us = bs_mono_us() - g->started_us;
    record.text = g->why_recorded != NULL ? g->why_recorded
                  : g->why != NULL        ? g->why
                  : g->waived             ? "the policy waived the recovery point"
                                          : NULL;
    if (bs_audit_write(g->s->gateway->audit, &record, NULL, &err) != BS_DONE)
        BS_LOG(ERROR, "the outcome could not be recorded", BS_F_STR("session", g->s->id),
               BS_F_STR("reason", err.message));
}

/* The database is gone, or it is as it was. A capture that failed has lifted its fence, or tried. */
static void
end_fence(struct bs_gate *g)
{
    struct bs_gateway *w = g->s->gateway;
    const struct bs_config_database *db = bs_config_database_find(w->config, g->s->database);
    struct bs_err err = {0};

    if (g->captured && db != NULL &&
        bs_fence_end(w->config->spool, db->helper, g->point.manifest->id, &err) == BS_DONE)
        return;
    atomic_store(&w->points_open, true); /* whoever keeps points looks after it */
    if (g->captured)
        BS_LOG(ERROR, "a fence is still up", BS_F_STR("point", g->point.manifest->id),
               BS_F_STR("reason", err.message), BS_F_STR("hint", err.hint));
}

static void
work_finish(struct bs_gate *g, struct bs_err *err)
{
    (void)err;
    bs_gate_measured(g);
    if (g->plan.database != NULL && !g->waived)
        end_fence(g);
    close_points(g);
    close_ticket(g);
    record_outcome(g);
}

void
bs_gate_job_finish(struct bs_worker *w, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)w;
    if (g->finished)
        return;
    g->finished = true;
    g->abandoned = false;
    if (g->waived &&
        g->end != BS_END_ROLLED_BACK) /* nobody looked whether it changed the catalog */
        bs_database_stale(bs_database_find(g->s->gateway->databases, g->s->database));
    bs_gate_job_post(g, work_finish, done);
}
