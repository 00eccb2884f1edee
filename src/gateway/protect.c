/*
 * protect.c - protected execution up to the client's own messages: BEGIN, locks, recovery point, run.
 *
 * A machine of named steps. Each step sends one statement of ours, or posts one job, and the
 * answer leads to the next. closing.c goes on from there; nothing commits but through its audit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/asking.h"
#include "gateway/cancel.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/progress.h"
#include "gateway/worker.h"
#include "recovery/plan.h"
#include "wire/front.h"
#include "wire/messages.h"

/* Below deadlock_timeout, so that it is we who give up and not an innocent client (PROTECT 7): for
 * all locks together, since whoever waits for the first one may hold the last one. */
#define LOCK_WAIT_MS 900
#define ATTEMPTS     3
#define LOOKS        8   /* for deadlocks, before each attempt gives up */
#define CANCEL_MS    500 /* in which a server must have heard that it is cancelled */

static void lock_next(struct bs_relay *r);
static void look(struct bs_relay *r);
static void save(struct bs_relay *r);

bool
bs_gate_locks(const struct bs_gate *g)
{
    bool any = g->plan.kind == BS_PLAN_WHOLE || g->before;

    for (size_t i = 0; i < g->plan.n_tables; i++)
        any = any || bs_plan_locks(&g->plan, &g->plan.tables[i], g->before);
    return !g->waived && g->plan.n_tables != 0 && any;
}

static uint64_t
left_ms(const struct bs_gate *g)
{
    int64_t ms = (g->budget_us - bs_mono_us()) / 1000;

    return ms < 1 ? 1 : (uint64_t)ms;
}

/* --- the recovery point ------------------------------------------------------------------- */

void
bs_gate_arm_capture(struct bs_relay *r)
{
    uint64_t left = left_ms(r->gate), notice = (uint64_t)r->s->gateway->config->hold_notice_ms;

    bs_session_set_timer(r->s, notice < left ? notice : left);
}

static void
on_captured(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    (void)g;
    if (err->code != BS_OK) {
        bs_gate_fail_no_point(r);
        return;
    }
    bs_session_set_timer(r->s, 0);
    bs_before_start(r, save);
}

static void
capture(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->waived || (!bs_plan_makes_point(&g->plan) && !g->before)) {
        bs_session_set_timer(r->s, 0);
        save(r);
        return;
    }
    g->step = BS_GATE_CAPTURE;
    bs_gate_arm_capture(r);
    bs_gate_job_capture(r, g, on_captured);
}

/* --- timeouts ----------------------------------------------------------------------------- */

/* A value that the server shows for a time, as a literal: digits and a unit. */
static bool
plain_setting(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789minshdu") == strlen(text);
}

/* Sets lock_timeout, and the other one where `idle` is not NULL, for the transaction. */
static void
set_timeouts(struct bs_relay *r, const char *lock, const char *idle, bs_inject_done_fn *done)
{
    char sql[320], second[128] = "";

    if (!plain_setting(lock) || (idle != NULL && !plain_setting(idle))) {
        bs_gate_fail(r, bs_refusal_new("XX000", "lock_timeout cannot be read", NULL, NULL));
        return;
    }
    if (idle != NULL)
        (void)snprintf(second, sizeof(second),
                       ", pg_catalog.set_config('idle_in_transaction_session_timeout', '%s', true)",
                       idle);
    (void)snprintf(sql, sizeof(sql), "SELECT pg_catalog.set_config('lock_timeout', '%s', true)%s",
                   lock, second);
    bs_inject(r, sql, NULL, done);
}

static void
on_timeouts_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    struct bs_gate *g = r->gate;

    if (n != 2 || values[0].p == NULL || values[1].p == NULL)
        return;
    (void)snprintf(g->lock_timeout, sizeof(g->lock_timeout), "%.*s",
                   (int)(values[0].n > 30 ? 30 : values[0].n), (const char *)values[0].p);
    (void)snprintf(g->idle_timeout, sizeof(g->idle_timeout), "%.*s",
                   (int)(values[1].n > 30 ? 30 : values[1].n), (const char *)values[1].p);
}

/* --- locks -------------------------------------------------------------------------------- */

static void
on_locked(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (!r->inject.failed) {
        g->next_lock++;
        lock_next(r);
    } else if (strcmp(r->inject.sqlstate, "42501") == 0) {
        bs_gate_fail_as(r, BS_E_NO_POINT,
                        "a table that would change cannot be locked by this role, so the "
                        "statement was not run",
                        "Tell the operator of this database.");
    } else if (strcmp(r->inject.sqlstate, "55P03") == 0 ||
               strcmp(r->inject.sqlstate, "57014") == 0) { /* the timer */
        bs_gate_fail_busy(r);
    } else {
        bs_gate_fail_no_point(r);
    }
}

void
bs_gate_put_identifier(struct bs_buf *b, const char *name)
{
    bs_put_u8(b, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            bs_put_u8(b, '"');
        bs_put_u8(b, (uint8_t)*name);
    }
    bs_put_u8(b, '"');
}

static void
lock_next(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    const struct bs_plan_table *t;
    struct bs_buf sql;

    while (g->next_lock < g->plan.n_tables &&
           !bs_plan_locks(&g->plan, &g->plan.tables[g->next_lock], g->before))
        g->next_lock++;
    if (g->next_lock == g->plan.n_tables) {
        capture(r);
        return;
    }
    t = &g->plan.tables[g->next_lock];
    bs_buf_init(&sql, 1024);
    bs_put_str(&sql, "LOCK TABLE ONLY ");
    bs_gate_put_identifier(&sql, t->schema);
    bs_put_u8(&sql, '.');
    bs_gate_put_identifier(&sql, t->name);
    bs_put_cstr(&sql, " IN SHARE ROW EXCLUSIVE MODE");
    bs_inject(r, (const char *)sql.p, NULL, on_locked);
    bs_buf_fini(&sql);
}

static void
on_rights_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    struct bs_plan *plan = &r->gate->plan;
    char oid[16] = "";

    if (n != 2 || values[0].p == NULL || values[0].n >= sizeof(oid) ||
        bs_bytes_equal(values[1], BS_LIT("t")))
        return;
    memcpy(oid, values[0].p, values[0].n);
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (plan->tables[i].oid == strtoul(oid, NULL, 10))
            plan->tables[i].unlockable = true;
    }
}

/*
 * A table that the role may change but not lock is left to the pass before COMMIT (PROTECT 5). The
 * partitioned table above it has no rows of its own, and goes with it. One that keeps its rows is
 * not locked then.
 */
static void
leave_unlockable(struct bs_gate *g)
{
    struct bs_plan *plan = &g->plan;
    bool any = false;
    size_t n = 0;

    for (size_t i = 0; i < plan->n_tables; i++) {
        struct bs_plan_table *t = &plan->tables[i];
        t->shape = t->shape || (t->ahead && t->unlockable);
        any = any || (t->unlockable && !t->shape);
    }
    for (size_t i = 0; any && i < plan->n_tables; i++) {
        const struct bs_plan_table *t = &plan->tables[i];
        if (t->exclusive || t->shape || (!t->unlockable && t->relkind != 'p'))
            plan->tables[n++] = *t;
    }
    if (any)
        plan->n_tables = n;
    if (any && g->before)
        bs_before_give_up(g);
    if (plan->n_tables == 0 && plan->kind == BS_PLAN_WHOLE)
        plan->kind = BS_PLAN_ROWS;
}

static void
on_rights(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->inject.failed) {
        bs_gate_fail_as_server(r);
        return;
    }
    leave_unlockable(g);
    g->step = BS_GATE_LOCK;
    bs_session_set_timer(r->s, LOCK_WAIT_MS);
    lock_next(r);
}

/* Asked beforehand: a LOCK that is refused would fail the actor's transaction. */
static void
read_rights(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    struct bs_buf sql;

    g->step = BS_GATE_RIGHTS;
    bs_buf_init(&sql, 1u << 20);
    bs_put_str(&sql, "SELECT o, pg_catalog.has_table_privilege(o, 'UPDATE, DELETE, TRUNCATE')"
                     " FROM pg_catalog.unnest('{");
    for (size_t i = 0; i < g->plan.n_tables; i++)
        bs_put_fmt(&sql, "%s%u", i == 0 ? "" : ",", g->plan.tables[i].oid);
    bs_put_cstr(&sql, "}'::pg_catalog.oid[]) AS t(o)");
    if (sql.failed)
        bs_gate_fail_no_point(r);
    else
        bs_inject(r, (const char *)sql.p, on_rights_row, on_rights);
    bs_buf_fini(&sql);
}

static void
on_timeouts_set(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else if (bs_gate_locks(r->gate))
        read_rights(r);
    else
        capture(r);
}

static void
on_timeouts_known(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    char lock[32], idle[32];
    int64_t own_ms;

    if (r->inject.failed) {
        bs_gate_fail_as_server(r);
        return;
    }
    own_ms = bs_gate_time_ms(bs_bytes_of(g->lock_timeout));
    g->own_patience = own_ms > 0 && own_ms < LOCK_WAIT_MS;
    (void)snprintf(lock, sizeof(lock), "%dms", LOCK_WAIT_MS);
    bs_gate_dead_man(r, idle, sizeof(idle));
    set_timeouts(r, g->own_patience ? g->lock_timeout : lock, idle, on_timeouts_set);
}

/* --- BEGIN, the first reading, the keeper ------------------------------------------------- */

static void
prepare_locks(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->budget_us = bs_mono_us() + r->s->gateway->config->lock_budget_ms * 1000;
    if (!bs_gate_locks(g) && !g->hold) {
        capture(r);
        return;
    }
    g->step = BS_GATE_TIMEOUT;
    bs_inject(r,
              "SELECT pg_catalog.current_setting('lock_timeout'),"
              " pg_catalog.current_setting('idle_in_transaction_session_timeout')",
              on_timeouts_row, on_timeouts_known);
}

static void
on_keeper(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    bs_session_set_timer(r->s, 0);
    if (err->code != BS_OK || g->cancelled)
        bs_gate_fail_no_point(r);
    else
        bs_before_choose(r, prepare_locks);
}

static void
open_keeper(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->waived) {
        prepare_locks(r);
        return;
    }
    g->step = BS_GATE_OPEN;
    g->budget_us = bs_mono_us() + r->s->gateway->config->lock_budget_ms * 1000;
    bs_gate_job_keeper(r, g, on_keeper);
}

static void
on_before(struct bs_relay *r)
{
    struct bs_ledger *l = r->ledger;

    if (r->inject.failed) {
        bs_gate_fail_as_server(r);
    } else if (l->reading_error.code != BS_OK) {
        bs_gate_fail_no_point(r);
    } else {
        bs_reading_sort(&l->before);
        open_keeper(r);
    }
}

/* Once in a transaction: what changes from here on is put down to what is gated in it. */
static void
read_before(struct bs_relay *r)
{
    if (r->ledger->before.n != 0) {
        open_keeper(r);
        return;
    }
    r->gate->step = BS_GATE_BEFORE;
    bs_inject(r, bs_reading_sql, bs_closing_reading_row, on_before);
}

static void
on_begun(struct bs_relay *r)
{
    if (r->inject.failed) {
        bs_gate_fail_as_server(r);
        return;
    }
    r->read_write = r->read_write || r->s->shielded;
    read_before(r);
}

static void
make_writable(struct bs_relay *r)
{
    bs_inject(r, "SET TRANSACTION READ WRITE", NULL, on_begun);
}

/* The client's transaction has done nothing yet, but Parse alone has taken a snapshot, after which
 * the server makes nothing READ WRITE. One of the same kind takes its place. */
static void
on_chained(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        make_writable(r);
}

void
bs_protect_begin(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    bool shielded = r->s->shielded;

    if (!g->plan.in_block) {
        bs_bare_run(r);
        return;
    }
    if (r->ledger == NULL)
        r->ledger = bs_ledger_new();
    if (!g->waived && !bs_ledger_demand(r->ledger, g)) {
        bs_gate_fail_as(r, BS_E_NO_POINT,
                        "this statement must be proven further than one before it in the "
                        "transaction was, so it was not run",
                        "Run it in a transaction of its own.");
        return;
    }
    g->ledger = bs_ledger_ref(r->ledger);
    g->step = BS_GATE_BEGIN;
    if (!g->in_block)
        bs_inject(r, shielded ? "BEGIN READ WRITE" : "BEGIN", NULL, on_begun);
    else if (!shielded || r->read_write)
        read_before(r);
    else if (r->set_in_block)
        make_writable(r);
    else
        bs_inject(r, "COMMIT AND CHAIN", NULL, on_chained);
}

void
bs_protect_timer(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->step == BS_GATE_CAPTURE && bs_mono_us() < g->budget_us) {
        bs_progress_notify(r);
        if (!bs_relay_over(r))
            bs_gate_arm_capture(r);
    } else if (g->step == BS_GATE_CAPTURE && g->capture != NULL) {
        bs_capture_abort(g->capture); /* the lock budget is spent */
    } else if (g->step == BS_GATE_AUDIT && g->ledger->keeper != NULL) {
        bs_capture_abort(g->ledger->keeper);
    } else if (g->step == BS_GATE_LOCK) {
        bs_cancel_upstream(r->s);
    } else if (g->step == BS_GATE_RUN && g->overtime) {
        /* A server that waits for its client to read does not hear that it is cancelled. */
        bs_session_fail(r->s, "57P05",
                        "others wait for what is locked, and the client does not read");
    } else if (g->step == BS_GATE_RUN) {
        g->overtime = true;
        bs_cancel_upstream(r->s);
        bs_session_set_timer(r->s, CANCEL_MS);
    } else if (g->step == BS_GATE_CONSTRAIN) { /* the server waits for nobody here */
        g->overtime = true;
        bs_cancel_upstream(r->s);
    } else if (g->step == BS_GATE_LOOK) {
        look(r);
    }
}

/* --- the client's own messages ------------------------------------------------------------ */

static void
on_saved(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        look(r);
}

/* For the statement's own lock, which is asked for again and again. */
static void
set_upgrade_timeout(struct bs_relay *r, bs_inject_done_fn *done)
{
    char lock[32];

    (void)snprintf(lock, sizeof(lock), "%dms", BS_GATE_UPGRADE_MS);
    set_timeouts(r, lock, NULL, done);
}

static void
on_savepoint(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        set_upgrade_timeout(r, on_saved);
}

/*
 * An exclusive lock is asked for under a savepoint and for a short time, so that it can be given up
 * and asked for again while the point stays valid. For other locks the statement may wait as long as
 * our LOCK might, so that here, too, it is we who give up (PROTECT 7).
 */
static void
save(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->step = BS_GATE_SAVE;
    if (bs_gate_locks(g) && g->exclusive)
        bs_inject(r, "SAVEPOINT backstop", NULL, on_savepoint);
    else
        look(r);
}

/* A series of the extended protocol may be sent again: what it named must be free then. */
static void
free_names(struct bs_relay *r, struct bs_bytes messages)
{
    struct bs_err err = {0};
    struct bs_frame f;
    struct bs_buf b;

    bs_buf_init(&b, 1u << 20);
    while (bs_frame_next(&messages, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT) {
        struct bs_parse parse;
        if (f.type != BS_FRONT_PARSE || bs_msg_read_parse(f.body, &parse, &err) != BS_DONE ||
            parse.name.n == 0)
            continue;
        bs_msg_put_close(&b, 'S', parse.name);
        struct bs_reply *reply = bs_replies_push(&r->replies, BS_REPLY_CLOSE);
        reply->whose = BS_REPLY_SILENT;
        reply->name_kind = 'S';
        memcpy(reply->name, parse.name.p, parse.name.n);
        reply->name[parse.name.n] = '\0';
    }
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

/* BEGIN; ...; COMMIT in one Query: what is between is sent, and the two tags are ours. */
static void
send_inner(struct bs_relay *r, const struct bs_verdict *v)
{
    const struct bs_stmt *first = &v->unit.stmts[1], *last = &v->unit.stmts[v->unit.n_stmts - 2];
    struct bs_buf b;

    bs_buf_init(&b, v->text.n + 64);
    bs_msg_put_query(&b, (struct bs_bytes){v->text.p + first->from, last->to - first->from});
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

static void
send_query(struct bs_relay *r, struct bs_gate *g)
{
    const struct bs_verdict *v = g->items[0].verdict;
    struct bs_reply *reply = bs_replies_push(&r->replies, BS_REPLY_QUERY);

    reply->effects = bs_effects_of(&v->unit);
    reply->ended = v->wrapped; /* its BEGIN is not sent */
    bs_ask_owe_prepare(r, reply, v);
    if (g->step == BS_GATE_RUN)
        bs_caps_owe_query(r, reply, v, true);
    reply->dirty = true;
    reply->ddl = (v->unit.flags & BS_FLAG_DDL) != 0;
    r->ddl_sent += reply->ddl;
    bs_effects_meaning(&v->unit, &r->state);
    if ((v->unit.flags & BS_FLAG_COPY_IN) != 0)
        bs_asks_owe_copy(r, reply);
    if (!v->wrapped) {
        bs_relay_to_server(r, bs_buf_view(&g->messages));
        return;
    }
    if (reply->effects != NULL)
        bs_effects_step(reply->effects, &r->state); /* BEGIN, which is not sent */
    bs_msg_put_command_complete(&g->withheld, "BEGIN");
    g->completed = true;
    send_inner(r, v);
}

void
bs_gate_send_messages(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    r->state.unread = r->state.unread_tx = true; /* triggers, too, are code */
    if (g->messages.p[0] == BS_FRONT_QUERY)
        send_query(r, g);
    else
        bs_asks_forward(r, bs_buf_view(&g->messages), g);
}

static void
run(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (bs_gate_fail_paused(r))
        return;
    g->step = BS_GATE_RUN;
    if (bs_gate_locks(g))
        bs_session_set_timer(r->s, left_ms(g)); /* nobody waits longer for what we have locked */
    g->completed = false;
    g->sqlstate[0] = '\0';
    bs_buf_clear(&g->withheld);
    if (g->attempts++ != 0)
        free_names(r, bs_buf_view(&g->messages));
    if (!bs_relay_over(r))
        bs_gate_send_messages(r);
}

/* Somebody may have to end first; but whoever waits for us does not as long as we wait. */
static void
on_looked(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (err->code == BS_OK && !g->cancelled)
        run(r);
    else if (err->code == BS_E_CONFLICT && ++g->looks < LOOKS && !g->cancelled)
        bs_session_set_timer(r->s, BS_GATE_UPGRADE_MS);
    else if (err->code == BS_E_CONFLICT)
        bs_gate_fail_busy(r);
    else
        bs_gate_fail_no_point(r);
}

static void
look(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->step = BS_GATE_LOOK;
    if (!bs_gate_locks(g))
        run(r);
    else
        bs_gate_job_look_around(r, g, on_looked);
}

static void
on_retry_ready(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        look(r);
}

/* ROLLBACK TO undoes SET LOCAL as well. */
static void
on_back_at_savepoint(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        set_upgrade_timeout(r, on_retry_ready);
}

/* It did not get its lock: in time, or the server saw that others wait for each other through us. */
static bool
was_busy(const struct bs_gate *g)
{
    return bs_gate_locks(g) && g->exclusive &&
           (strcmp(g->sqlstate, "55P03") == 0 || strcmp(g->sqlstate, "40P01") == 0);
}

/* It has waited as long as we let it, not as long as the actor would. */
static bool
gave_up(const struct bs_gate *g)
{
    return g->lock_timeout[0] != '\0' && !g->own_patience && !g->cancelled &&
           strcmp(g->sqlstate, "55P03") == 0;
}

/* The statement failed. The server's own error goes to the client; the work is undone. */
static void
on_run_failed(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->overtime && !g->cancelled) {
        bs_gate_fail_busy(r);
        return;
    }
    if (was_busy(g)) {
        if (g->attempts < ATTEMPTS && bs_mono_us() < g->budget_us && !g->cancelled) {
            g->step = BS_GATE_RETRY;
            bs_inject(r, "ROLLBACK TO SAVEPOINT backstop", NULL, on_back_at_savepoint);
            return;
        }
        bs_gate_fail_busy(r);
        return;
    }
    if (gave_up(g)) {
        bs_gate_fail_busy(r);
        return;
    }
    if (g->in_block) { /* as natively: the transaction is failed, and it is the actor's to end */
        bs_gate_conclude(r, BS_END_ROLLED_BACK);
        return;
    }
    bs_gate_roll_back(r);
}

/* Ran inside the actor's own transaction: its answer goes out, its COMMIT is watched for. */
static void
go_on_in_block(struct bs_relay *r)
{
    struct bs_gate *g = bs_gate_ref(r->gate);

    bs_gate_tell(r, g);
    if (!bs_relay_over(r)) {
        g->step = BS_GATE_GUARD;
        bs_buf_clear(&g->withheld);
        bs_gate_unref(&r->gate); /* the ledger has it */
        r->dirty = true;
        bs_relay_resume(r);
    }
    bs_gate_unref(&g);
}

static void
on_restored(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        go_on_in_block(r);
}

static void
restore_timeouts(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    set_timeouts(r, g->lock_timeout, g->idle_timeout, on_restored);
}

static void
on_released(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else if (!r->gate->in_block)
        bs_closing_begin(r);
    else
        restore_timeouts(r);
}

/* The unit is part of the transaction from now on. */
static void
has_run(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->ran_at = bs_savepoints_tick(&r->state.savepoints);
    bs_ledger_add(g->ledger, g);
    g->step = BS_GATE_RESTORE;
    if (bs_gate_locks(g) && g->exclusive) /* nobody shall go back to before it, and see closing.c */
        bs_inject(r, "RELEASE SAVEPOINT backstop", NULL, on_released);
    else if (!g->in_block)
        bs_closing_begin(r);
    else if (g->lock_timeout[0] != '\0')
        restore_timeouts(r);
    else
        go_on_in_block(r);
}

static void
on_run(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    bs_session_set_timer(r->s, 0);
    if (g->cut != NULL) {
        struct bs_refusal *cut = g->cut;
        g->cut = NULL;
        bs_buf_clear(&g->withheld);
        bs_gate_fail(r, cut);
        return;
    }
    if (g->withheld.failed) {
        bs_gate_fail_as(r, BS_E_LIMIT, "the answer is too large to be held back until COMMIT",
                        NULL);
        return;
    }
    if (r->status == 'E' || g->sqlstate[0] != '\0') {
        on_run_failed(r);
        return;
    }
    if (r->status != 'T') {
        g->end = BS_END_UNCERTAIN; /* nobody knows how */
        bs_session_fail(r->s, "0A000", "the statement ended the transaction it was protected by");
        return;
    }
    bs_before_cover(r, has_run);
}

/* --- what the server answers meanwhile ---------------------------------------------------- */

void
bs_protect_ready(struct bs_relay *r)
{
    enum bs_gate_step step = r->gate->step;

    if (step == BS_GATE_RUN)
        on_run(r);
    else if (step == BS_GATE_COMMIT)
        bs_closing_ready(r);
    else if (step == BS_GATE_BARE)
        bs_bare_ready(r);
    else
        bs_session_fail(r->s, "08P01", "the database answered out of turn");
}
