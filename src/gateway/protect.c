/*
 * protect.c - protected execution: lock, capture, run, close, audit, commit.
 *
 * A machine of named steps. Each step sends one statement of ours, or posts one job, and the
 * answer leads to the next. Whatever goes wrong leads to ROLLBACK and a clear error; nothing
 * commits but through the audit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cancel.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/worker.h"
#include "wire/front.h"
#include "wire/messages.h"

/* Below deadlock_timeout, so that it is we who give up and not an innocent client (PROTECT 7): for
 * all locks together, since whoever waits for the first one may hold the last one. */
#define LOCK_WAIT_MS 900
#define UPGRADE_MS   200
#define ATTEMPTS     3

static void lock_next(struct bs_relay *r);
static void look(struct bs_relay *r);
static void save(struct bs_relay *r);
static void run_bare(struct bs_relay *r);

/* --- the ends ----------------------------------------------------------------------------- */

/* The gate is done with; what it still has to record goes on without the session. */
static void
release(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    bs_session_set_timer(r->s, 0);
    r->gate = NULL;
    g->step = BS_GATE_FINISH;
    bs_gate_job_finish(r->s->worker, g, NULL);
    bs_gate_unref(&g);
}

/* What takes the place of the unit's answer: an error of ours, and ReadyForQuery. */
static void
tell_fate(struct bs_relay *r, struct bs_gate *g)
{
    struct bs_buf b;

    bs_buf_init(&b, 65536);
    if (g->fate != NULL)
        bs_refusal_put(&b, g->fate);
    bs_msg_put_ready(&b, (uint8_t)r->status);
    if (g->fate == NULL)
        bs_relay_to_client(r, bs_buf_view(&g->withheld));
    bs_relay_to_client(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

/* The client hears how it ended, then messages flow again. */
static void
conclude(struct bs_relay *r, enum bs_gate_end end)
{
    struct bs_gate *g = bs_gate_ref(r->gate);

    g->end = end;
    tell_fate(r, g);
    if (!bs_relay_over(r)) {
        release(r);
        bs_relay_resume(r);
    }
    bs_gate_unref(&g);
}

static void
on_rolled_back(struct bs_relay *r)
{
    if (r->inject.failed || r->status != 'I') {
        bs_session_fail(r->s, "08006", "the transaction could not be rolled back");
        return;
    }
    conclude(r, BS_END_ROLLED_BACK);
}

static void
roll_back(struct bs_relay *r)
{
    r->gate->step = BS_GATE_ROLLBACK;
    bs_session_set_timer(r->s, 0);
    bs_inject(r, "ROLLBACK", NULL, on_rolled_back);
}

/* In the actor's own transaction a failure leaves it failed, as any failing statement would. */
static void
fail_in_block(struct bs_relay *r)
{
    struct bs_gate *g = bs_gate_ref(r->gate);
    struct bs_refusal *fate = bs_refusal_copy(g->fate);

    g->end = BS_END_ROLLED_BACK;
    if (r->status == 'E') {
        tell_fate(r, g);
        bs_refusal_free(&fate);
    }
    if (!bs_relay_over(r)) {
        release(r);
        if (fate != NULL)
            bs_asks_refuse(r, bs_buf_view(&g->messages), fate);
        bs_relay_resume(r);
    } else {
        bs_refusal_free(&fate);
    }
    bs_gate_unref(&g);
}

void
bs_protect_fail(struct bs_relay *r, struct bs_refusal *refusal)
{
    struct bs_gate *g = r->gate;

    bs_refusal_free(&g->fate);
    g->fate = refusal;
    if (g->in_block && g->step < BS_GATE_CONSTRAIN)
        fail_in_block(r);
    else
        roll_back(r);
}

static void
fail_as(struct bs_relay *r, enum bs_code code, const char *message, const char *hint)
{
    struct bs_gate *g = r->gate;
    char *detail = g->ticket[0] == '\0' ? NULL : bs_gate_detail(g, "failed", NULL);

    if (g->cancelled)
        bs_protect_fail(r, bs_refusal_cancelled());
    else
        bs_protect_fail(r, bs_refusal_new(bs_code_get(code)->sqlstate, message, detail, hint));
    free(detail);
}

static void
fail_no_point(struct bs_relay *r)
{
    fail_as(r, BS_E_NO_POINT,
            "no recovery point could be made and proven, so the statement was not run",
            "Tell the operator of this database.");
}

/* One of our own statements was refused by the server. */
static void
fail_as_server(struct bs_relay *r)
{
    const struct bs_inject *in = &r->inject;

    if (r->gate->cancelled)
        fail_no_point(r);
    else
        bs_protect_fail(r, bs_refusal_new(in->sqlstate[0] == '\0' ? "XX000" : in->sqlstate,
                                          in->message, NULL, NULL));
}

/* --- BEGIN, the first reading, the locks -------------------------------------------------- */

static void
on_reading_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    struct bs_gate *g = r->gate;
    bool first = g->step == BS_GATE_BEFORE;

    if (g->reading_error.code != BS_OK)
        return;
    if (n < 7)
        (void)BS_FAIL(&g->reading_error, DATA, "the server's transaction counters cannot be read");
    else
        (void)!bs_reading_add(first ? &g->before : &g->after, values,
                              first ? &g->before_cap : &g->after_cap, &g->arena, &g->reading_error);
}

static void
on_captured(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    (void)g;
    if (err->code != BS_OK) {
        fail_no_point(r);
        return;
    }
    bs_session_set_timer(r->s, 0);
    save(r);
}

static void
capture(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    int64_t left_ms = (g->budget_us - bs_mono_us()) / 1000;

    g->step = BS_GATE_CAPTURE;
    bs_session_set_timer(r->s, left_ms < 1 ? 1 : (uint64_t)left_ms);
    bs_gate_job_capture(r, g, on_captured);
}

static void
fail_busy(struct bs_relay *r)
{
    fail_as(r, BS_E_NO_POINT,
            "a table that would change is busy: the statement gave up its locks rather than block "
            "others, and was not run",
            "Try again when other transactions on it have ended.");
}

static void
on_locked(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (!r->inject.failed) {
        g->next_lock++;
        lock_next(r);
    } else if (strcmp(r->inject.sqlstate, "42501") == 0) {
        fail_as(r, BS_E_NO_POINT,
                "a table that would change cannot be locked by this role, so the statement was not "
                "run",
                "Tell the operator of this database.");
    } else if (strcmp(r->inject.sqlstate, "55P03") == 0 ||
               strcmp(r->inject.sqlstate, "57014") == 0) { /* the timer */
        fail_busy(r);
    } else {
        fail_no_point(r);
    }
}

/* Quoted as an identifier; the name comes from the catalog. */
static void
put_identifier(struct bs_buf *b, const char *name)
{
    bs_put_u8(b, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            bs_put_u8(b, '"');
        bs_put_u8(b, (uint8_t)*name);
    }
    bs_put_u8(b, '"');
}

/* Materialized views cannot be locked; their rows are computed again. */
static bool
lockable(const struct bs_plan_table *t)
{
    return t->relkind == 'r' || t->relkind == 'p';
}

static void
lock_next(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    const struct bs_plan_table *t;
    struct bs_buf sql;

    while (g->next_lock < g->plan.n_tables && !lockable(&g->plan.tables[g->next_lock]))
        g->next_lock++;
    if (g->next_lock == g->plan.n_tables) {
        capture(r);
        return;
    }
    t = &g->plan.tables[g->next_lock];
    bs_buf_init(&sql, 1024);
    bs_put_str(&sql, "LOCK TABLE ONLY ");
    put_identifier(&sql, t->schema);
    bs_put_u8(&sql, '.');
    put_identifier(&sql, t->name);
    bs_put_cstr(&sql, " IN SHARE ROW EXCLUSIVE MODE");
    bs_inject(r, (const char *)sql.p, NULL, on_locked);
    bs_buf_fini(&sql);
}

static void
on_timeout_read(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    struct bs_gate *g = r->gate;

    if (n == 1 && values[0].p != NULL)
        (void)snprintf(g->lock_timeout, sizeof(g->lock_timeout), "%.*s",
                       (int)(values[0].n > 30 ? 30 : values[0].n), (const char *)values[0].p);
}

static void
on_timeout_set(struct bs_relay *r)
{
    if (r->inject.failed) {
        fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_LOCK;
    bs_session_set_timer(r->s, LOCK_WAIT_MS);
    lock_next(r);
}

static void
set_lock_timeout(struct bs_relay *r, int ms, bs_inject_done_fn *done)
{
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "SET LOCAL lock_timeout = '%dms'", ms);
    bs_inject(r, sql, NULL, done);
}

static void
on_timeout_known(struct bs_relay *r)
{
    if (r->inject.failed)
        fail_as_server(r);
    else
        set_lock_timeout(r, LOCK_WAIT_MS, on_timeout_set);
}

static void
on_before(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->inject.failed) {
        fail_as_server(r);
        return;
    }
    if (g->reading_error.code != BS_OK) {
        fail_no_point(r);
        return;
    }
    bs_reading_sort(&g->before);
    g->step = BS_GATE_TIMEOUT;
    g->budget_us = bs_mono_us() + r->s->gateway->config->lock_budget_ms * 1000;
    bs_inject(r, "SHOW lock_timeout", on_timeout_read, on_timeout_known);
}

static void
read_before(struct bs_relay *r)
{
    r->gate->step = BS_GATE_BEFORE;
    bs_inject(r, bs_reading_sql, on_reading_row, on_before);
}

static void
on_begun(struct bs_relay *r)
{
    if (r->inject.failed)
        fail_as_server(r);
    else
        read_before(r);
}

void
bs_protect_begin(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    bool shielded = r->s->shielded;

    if (!g->plan.in_block) {
        run_bare(r);
        return;
    }
    g->step = BS_GATE_BEGIN;
    if (!g->in_block)
        bs_inject(r, shielded ? "BEGIN READ WRITE" : "BEGIN", NULL, on_begun);
    else if (shielded)
        bs_inject(r, "SET TRANSACTION READ WRITE", NULL, on_begun);
    else
        read_before(r);
}

void
bs_protect_timer(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->step == BS_GATE_CAPTURE && g->capture != NULL)
        bs_capture_abort(g->capture); /* the lock budget is spent */
    else if (g->step == BS_GATE_LOCK)
        bs_cancel_upstream(r->s);
    else if (g->step == BS_GATE_LOOK)
        look(r);
}

/* --- the client's own messages ------------------------------------------------------------ */

static void
on_saved(struct bs_relay *r)
{
    if (r->inject.failed)
        fail_as_server(r);
    else
        look(r);
}

static void
on_savepoint(struct bs_relay *r)
{
    if (r->inject.failed)
        fail_as_server(r);
    else
        set_lock_timeout(r, UPGRADE_MS, on_saved);
}

/* A value that SHOW printed, as a literal: digits and a unit. */
static bool
plain_setting(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789minshdu") == strlen(text);
}

static void
restore_timeout(struct bs_relay *r, bs_inject_done_fn *done)
{
    struct bs_gate *g = r->gate;
    char sql[96];

    if (!plain_setting(g->lock_timeout)) {
        bs_protect_fail(r, bs_refusal_new("XX000", "lock_timeout cannot be read", NULL, NULL));
        return;
    }
    (void)snprintf(sql, sizeof(sql), "SET LOCAL lock_timeout = '%s'", g->lock_timeout);
    bs_inject(r, sql, NULL, done);
}

/* An exclusive lock is asked for under a savepoint and for a short time, so that it can be given
 * up and asked for again while the point stays valid. */
static void
save(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->step = BS_GATE_SAVE;
    if (g->exclusive)
        bs_inject(r, "SAVEPOINT backstop", NULL, on_savepoint);
    else
        restore_timeout(r, on_saved);
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

static void
send_messages(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->messages.p[0] == BS_FRONT_QUERY)
        send_query(r, g);
    else
        bs_asks_forward(r, bs_buf_view(&g->messages), g);
}

static void
run(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->step = BS_GATE_RUN;
    g->completed = false;
    g->sqlstate[0] = '\0';
    bs_buf_clear(&g->withheld);
    if (g->attempts++ != 0)
        free_names(r, bs_buf_view(&g->messages));
    if (!bs_relay_over(r))
        send_messages(r);
}

/* Somebody may have to end first; but whoever waits for us does not as long as we wait. */
static void
on_looked(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (err->code == BS_OK && !g->cancelled)
        run(r);
    else if (err->code == BS_E_CONFLICT && ++g->looks < ATTEMPTS && !g->cancelled)
        bs_session_set_timer(r->s, UPGRADE_MS);
    else if (err->code == BS_E_CONFLICT)
        fail_busy(r);
    else
        fail_no_point(r);
}

static void
look(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    g->step = BS_GATE_LOOK;
    if (g->plan.n_tables == 0)
        run(r);
    else
        bs_gate_job_look_around(r, g, on_looked);
}

static void
on_retry_ready(struct bs_relay *r)
{
    if (r->inject.failed)
        fail_as_server(r);
    else
        look(r);
}

/* ROLLBACK TO undoes SET LOCAL as well. */
static void
on_back_at_savepoint(struct bs_relay *r)
{
    if (r->inject.failed)
        fail_as_server(r);
    else
        set_lock_timeout(r, UPGRADE_MS, on_retry_ready);
}

/* It did not get its lock: in time, or the server saw that others wait for each other through us. */
static bool
was_busy(const struct bs_gate *g)
{
    return g->exclusive && (strcmp(g->sqlstate, "55P03") == 0 || strcmp(g->sqlstate, "40P01") == 0);
}

/* The statement failed. The server's own error goes to the client; the work is undone. */
static void
on_run_failed(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (was_busy(g)) {
        if (g->attempts < ATTEMPTS && bs_mono_us() < g->budget_us && !g->cancelled) {
            g->step = BS_GATE_RETRY;
            bs_inject(r, "ROLLBACK TO SAVEPOINT backstop", NULL, on_back_at_savepoint);
            return;
        }
        fail_busy(r);
        return;
    }
    if (g->in_block) { /* as natively: the transaction is failed, and it is the actor's to end */
        conclude(r, BS_END_ROLLED_BACK);
        return;
    }
    roll_back(r);
}

/* Ran inside the actor's own transaction: its answer goes out, its COMMIT is watched for. */
static void
on_restored(struct bs_relay *r)
{
    struct bs_gate *g = bs_gate_ref(r->gate);

    if (r->inject.failed) {
        fail_as_server(r);
        bs_gate_unref(&g);
        return;
    }
    tell_fate(r, g);
    if (!bs_relay_over(r)) {
        g->step = BS_GATE_GUARD;
        bs_buf_clear(&g->withheld);
        r->guard = r->gate;
        r->gate = NULL;
        r->dirty = true;
        bs_relay_resume(r);
    }
    bs_gate_unref(&g);
}

static void
on_released(struct bs_relay *r)
{
    if (r->inject.failed)
        fail_as_server(r);
    else
        restore_timeout(r, on_restored);
}

static void
on_run(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->withheld.failed) {
        fail_as(r, BS_E_LIMIT, "the answer is too large to be held back until COMMIT", NULL);
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
    if (!g->in_block) {
        bs_protect_close(r);
        return;
    }
    g->step = BS_GATE_RESTORE;
    if (g->exclusive) /* nobody shall go back to before it and leave the point behind */
        bs_inject(r, "RELEASE SAVEPOINT backstop", NULL, on_released);
    else
        restore_timeout(r, on_restored);
}

/* --- closing sequence, audit, COMMIT ------------------------------------------------------ */

static void
on_committed(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->inject.failed || r->status != 'I' || strcmp(r->inject.tag, "COMMIT") != 0) {
        if (r->status != 'I') {
            fail_as_server(r);
            return;
        }
        g->fate = bs_refusal_new(
            r->inject.sqlstate[0] == '\0' ? "40000" : r->inject.sqlstate,
            r->inject.failed ? r->inject.message : "the transaction was rolled back", NULL, NULL);
        conclude(r, BS_END_ROLLED_BACK);
        return;
    }
    if (g->items[0].verdict->wrapped)
        bs_msg_put_command_complete(&g->withheld, "COMMIT");
    conclude(r, BS_END_COMMITTED);
}

static void
on_audited(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (err->code == BS_E_UNCOVERED) {
        fail_as(r, BS_E_UNCOVERED,
                "rolled back: the statement changed more than its recovery point covers",
                "Tell the operator of this database.");
        return;
    }
    if (err->code != BS_OK) {
        fail_as(r, BS_E_UNCOVERED,
                "rolled back: it could not be made sure that everything is covered",
                "Tell the operator of this database.");
        return;
    }
    g->step = BS_GATE_COMMIT;
    if (!g->in_block) {
        bs_inject(r, "COMMIT", NULL, on_committed);
        return;
    }
    g->tag[0] = '\0';
    g->sqlstate[0] = '\0';
    g->committed = false;
    bs_buf_clear(&g->withheld);
    if (g->messages.p[0] == BS_FRONT_QUERY) {
        (void)bs_replies_push(&r->replies, BS_REPLY_QUERY);
        bs_relay_to_server(r, bs_buf_view(&g->messages));
    } else {
        bs_asks_forward(r, bs_buf_view(&g->messages), NULL);
    }
}

static void
on_xid_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    char text[24] = "";

    if (n != 1 || values[0].p == NULL || values[0].n >= sizeof(text))
        return;
    memcpy(text, values[0].p, values[0].n);
    r->gate->xid = strtoull(text, NULL, 10);
}

static void
on_xid(struct bs_relay *r)
{
    if (r->inject.failed) {
        fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_AUDIT;
    bs_gate_job_audit(r, r->gate, on_audited);
}

static void
on_after(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->inject.failed || g->reading_error.code != BS_OK) {
        fail_as(r, BS_E_UNCOVERED,
                "rolled back: it could not be made sure that everything is covered",
                "Tell the operator of this database.");
        return;
    }
    bs_reading_sort(&g->after);
    g->step = BS_GATE_XID;
    bs_inject(r, "SELECT pg_catalog.pg_current_xact_id_if_assigned()", on_xid_row, on_xid);
}

static void
on_read_only(struct bs_relay *r)
{
    if (r->inject.failed) {
        fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_AFTER;
    bs_inject(r, bs_reading_sql, on_reading_row, on_after);
}

/* Deferred constraints fail here as they would have at COMMIT, with the server's own error. */
static void
on_constrained(struct bs_relay *r)
{
    if (r->inject.failed) {
        fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_READ_ONLY;
    bs_inject(r, "SET TRANSACTION READ ONLY", NULL, on_read_only);
}

void
bs_protect_close(struct bs_relay *r)
{
    r->gate->step = BS_GATE_CONSTRAIN;
    bs_inject(r, "SET CONSTRAINTS ALL IMMEDIATE", NULL, on_constrained);
}

/* The client's own COMMIT, in its own transaction, was answered; the answer has been relayed. */
static void
on_own_commit(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->status == 'T' && !g->committed) {
        bs_session_fail(r->s, "0A000", "COMMIT must be run at once in a guarded transaction");
        return;
    }
    g->end = g->committed ? BS_END_COMMITTED : BS_END_ROLLED_BACK;
    release(r);
    bs_relay_resume(r);
}

/* --- statements that cannot be in a block ------------------------------------------------- */

static void
on_shielded_again(struct bs_relay *r)
{
    if (r->inject.failed) {
        bs_session_fail(r->s, "XX000", "the session could not be made read only again");
        return;
    }
    r->unshielded = false;
    conclude(r, r->gate->sqlstate[0] == '\0' ? BS_END_COMMITTED : BS_END_ROLLED_BACK);
}

static void
on_bare(struct bs_relay *r)
{
    if (r->unshielded)
        bs_inject(r, "SET default_transaction_read_only = on", NULL, on_shielded_again);
    else
        conclude(r, r->gate->sqlstate[0] == '\0' ? BS_END_COMMITTED : BS_END_ROLLED_BACK);
}

static void
on_unshielded(struct bs_relay *r)
{
    if (r->inject.failed) {
        r->unshielded = false;
        fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_BARE;
    send_messages(r);
}

static void
run_bare(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (g->in_block || g->plan.kind != BS_PLAN_NONE) {
        fail_no_point(r);
        return;
    }
    if (!r->s->shielded) {
        g->step = BS_GATE_BARE;
        send_messages(r);
        return;
    }
    r->unshielded = true;
    bs_inject(r, "SET default_transaction_read_only = off", NULL, on_unshielded);
}

/* --- what the server answers meanwhile ---------------------------------------------------- */

void
bs_protect_ready(struct bs_relay *r)
{
    enum bs_gate_step step = r->gate->step;

    if (step == BS_GATE_RUN)
        on_run(r);
    else if (step == BS_GATE_COMMIT)
        on_own_commit(r);
    else if (step == BS_GATE_BARE)
        on_bare(r);
    else
        bs_session_fail(r->s, "08P01", "the database answered out of turn");
}

/*
 * While the client's messages run, rows stream, but the first CommandComplete and all that
 * follows is kept until COMMIT is acknowledged. Where the statement may have to be sent again,
 * everything is.
 */
enum bs_sink
bs_gate_sink(struct bs_relay *r, uint8_t type)
{
    const struct bs_gate *g = r->gate;

    if (g->step != BS_GATE_RUN && g->step != BS_GATE_BARE)
        return BS_SINK_CLIENT;
    if (type == 'Z')
        return BS_SINK_NOWHERE;
    if (type == 'N' || type == 'S' || type == 'A' || type == 'G')
        return BS_SINK_CLIENT;
    if (g->exclusive || g->completed || type == 'C' || type == 's' || type == 'I' || type == 'E')
        return BS_SINK_WITHHOLD;
    return BS_SINK_CLIENT;
}

void
bs_gate_withhold(struct bs_relay *r, struct bs_bytes bytes)
{
    bs_put_bytes(&r->gate->withheld, bytes);
}

static void
copy_text(char *out, size_t size, struct bs_bytes text)
{
    size_t n = text.n >= size ? size - 1 : text.n;

    if (n != 0)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

void
bs_gate_look(struct bs_relay *r, uint8_t type, struct bs_bytes body)
{
    struct bs_gate *g = r->gate;
    struct bs_report_fields report = {0};
    struct bs_tag tag;
    struct bs_err err = {0};

    if (type == 'C' || type == 's' || type == 'I')
        g->completed = true;
    if (type == 'C' && bs_msg_read_tag(body, &tag, &err) == BS_DONE) {
        copy_text(g->tag, sizeof(g->tag), tag.text);
        if (g->step == BS_GATE_COMMIT && strcmp(g->tag, "COMMIT") == 0)
            g->committed = true;
    }
    if (type != 'E')
        return;
    (void)!bs_msg_read_report(body, &report, &err);
    copy_text(g->sqlstate, sizeof(g->sqlstate),
              report.sqlstate.n == 0 ? BS_LIT("XX000") : report.sqlstate);
}
