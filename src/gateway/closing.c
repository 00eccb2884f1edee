/*
 * closing.c - the end of a transaction in which something gated has run: the closing sequence, the
 * audit of what it changed, COMMIT.
 *
 * COMMIT itself runs code, of deferred triggers and cursors WITH HOLD. So that code runs before the
 * audit, and READ ONLY keeps the rest from changing anything behind it (PROTECT 1). That is said
 * outside of all savepoints: of one that is open it would end with it, before that code runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "policy/config.h"
#include "wire/front.h"
#include "wire/messages.h"

#define DEAD_MAN_MS 5000 /* beyond the lock budget */

/* How long the server lets the transaction be idle while it waits for us: were we gone without a
 * trace, its locks would be, too. */
void
bs_gate_dead_man(const struct bs_relay *r, char *out, size_t size)
{
    int64_t ms = r->s->gateway->config->lock_budget_ms + DEAD_MAN_MS;

    (void)snprintf(out, size, "%lldms", (long long)(ms > INT32_MAX ? INT32_MAX : ms));
}

static struct bs_reading *
reading_of(struct bs_gate *g, struct bs_ledger *l)
{
    if (g->step == BS_GATE_BEFORE)
        return &l->before;
    if (g->step == BS_GATE_START)
        return &g->start;
    return g->step == BS_GATE_COVER ? &g->end_of_run : &l->after;
}

void
bs_closing_reading_row(struct bs_relay *r, const struct bs_bytes *values, size_t n)
{
    struct bs_ledger *l = r->ledger;
    struct bs_reading *reading = reading_of(r->gate, l);
    bool of_run = reading == &r->gate->start || reading == &r->gate->end_of_run;

    if (l->reading_error.code != BS_OK)
        return;
    if (n < BS_READING_COLUMNS)
        (void)BS_FAIL(&l->reading_error, DATA, "the server's transaction counters cannot be read");
    else
        (void)!bs_reading_add(reading, values, of_run ? &r->gate->readings : &l->arena,
                              &l->reading_error);
}

/* --- COMMIT ------------------------------------------------------------------------------- */

static void
on_committed(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->inject.failed || r->status != 'I' || strcmp(r->inject.tag, "COMMIT") != 0) {
        if (r->status != 'I') {
            bs_gate_fail_as_server(r);
            return;
        }
        g->fate = bs_refusal_new(
            r->inject.sqlstate[0] == '\0' ? "40000" : r->inject.sqlstate,
            r->inject.failed ? r->inject.message : "the transaction was rolled back", NULL, NULL);
        bs_gate_conclude(r, BS_END_ROLLED_BACK);
        return;
    }
    if (g->items[0].verdict->wrapped)
        bs_msg_put_command_complete(&g->withheld, "COMMIT");
    bs_gate_conclude(r, BS_END_COMMITTED);
}

static void
fail_unsure(struct bs_relay *r)
{
    bs_gate_fail_as(r, BS_E_UNCOVERED,
                    "rolled back: it could not be made sure that everything is covered",
                    "Tell the operator of this database.");
}

static void
on_audited(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    bs_session_set_timer(r->s, 0);
    if (err->code == BS_E_UNCOVERED) {
        bs_gate_fail_as(r, BS_E_UNCOVERED,
                        "rolled back: the statement changed more than its recovery point covers",
                        "Tell the operator of this database.");
        return;
    }
    if (err->code == BS_E_STALE) {
        bs_gate_fail_as(r, BS_E_STALE,
                        "rolled back: it would have changed more rows than a moment before",
                        "Send the same statement again to ask anew.");
        return;
    }
    if (err->code == BS_E_NO_POINT || err->code == BS_E_CANCELLED) {
        bs_gate_fail_as(r, BS_E_NO_POINT, "rolled back: no recovery point could be made and proven",
                        "Tell the operator of this database.");
        return;
    }
    if (err->code != BS_OK || g->cancelled) {
        fail_unsure(r);
        return;
    }
    g->step = BS_GATE_COMMIT;
    if (!g->in_block) {
        bs_inject(r, "COMMIT", NULL, on_committed);
        return;
    }
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
    r->ledger->xid = strtoull(text, NULL, 10);
}

void
bs_closing_ask_xid(struct bs_relay *r, bs_inject_done_fn *done)
{
    bs_inject(r, "SELECT pg_catalog.pg_current_xact_id_if_assigned()", on_xid_row, done);
}

static void
on_xid(struct bs_relay *r)
{
    if (r->inject.failed) {
        fail_unsure(r);
        return;
    }
    r->gate->step = BS_GATE_AUDIT;
    r->gate->others = r->overwrote;
    bs_session_set_timer(r->s, (uint64_t)r->s->gateway->config->lock_budget_ms);
    bs_gate_job_audit(r, r->gate, on_audited);
}

static void
on_after(struct bs_relay *r)
{
    struct bs_ledger *l = r->ledger;

    if (r->inject.failed || l->reading_error.code != BS_OK) {
        fail_unsure(r);
        return;
    }
    bs_reading_sort(&l->after);
    r->gate->step = BS_GATE_XID;
    bs_closing_ask_xid(r, on_xid);
}

static void
on_read_only(struct bs_relay *r)
{
    if (r->inject.failed) {
        bs_gate_fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_AFTER;
    r->ledger->ddl = r->passed_ddl;
    bs_inject(r, bs_reading_sql, bs_closing_reading_row, on_after);
}

/* Deferred constraints fail here as they would have at COMMIT, with the server's own error. */
static void
on_constrained(struct bs_relay *r)
{
    bs_session_set_timer(r->s, 0);
    if (r->inject.failed && r->gate->overtime && !r->gate->cancelled) {
        bs_gate_fail_as(
            r, BS_E_NO_POINT,
            "rolled back: what was deferred took longer than others may be kept waiting "
            "for what is locked",
            NULL);
        return;
    }
    if (r->inject.failed) {
        bs_gate_fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_READ_ONLY;
    bs_inject(r, "SET TRANSACTION READ ONLY", NULL, on_read_only);
}

static void
constrain(struct bs_relay *r)
{
    r->gate->step = BS_GATE_CONSTRAIN;
    r->gate->overtime = false;
    if (bs_ledger_locks(r->ledger))
        bs_session_set_timer(r->s, (uint64_t)r->s->gateway->config->lock_budget_ms);
    bs_inject(r, "SET CONSTRAINTS ALL IMMEDIATE", NULL, on_constrained);
}

static void
on_switched(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        constrain(r);
}

static void switch_on(struct bs_relay *r);

static void
on_one_released(struct bs_relay *r)
{
    struct bs_savepoints *s = &r->state.savepoints;

    if (r->inject.failed) {
        bs_gate_fail_as_server(r);
        return;
    }
    bs_savepoints_release(s, bs_savepoints_oldest(s));
    switch_on(r);
}

/* The oldest takes all others with it, where its name means no later one. */
static void
release_savepoints(struct bs_relay *r)
{
    struct bs_buf sql;

    bs_buf_init(&sql, 1024);
    bs_put_str(&sql, "RELEASE SAVEPOINT ");
    bs_gate_put_identifier(&sql, bs_savepoints_oldest(&r->state.savepoints));
    bs_put_u8(&sql, '\0');
    bs_inject(r, (const char *)sql.p, NULL, on_one_released);
    bs_buf_fini(&sql);
}

void
bs_closing_begin(struct bs_relay *r)
{
    r->gate->step = BS_GATE_SWITCH;
    switch_on(r);
}

static void
switch_on(struct bs_relay *r)
{
    char idle[32], sql[128];

    if (bs_savepoints_oldest(&r->state.savepoints) != NULL) {
        release_savepoints(r);
        return;
    }
    if (bs_ledger_waived(r->ledger)) {
        constrain(r);
        return;
    }
    bs_gate_dead_man(r, idle, sizeof(idle));
    (void)snprintf(sql, sizeof(sql), "SET LOCAL idle_in_transaction_session_timeout = '%s'", idle);
    bs_inject(r, sql, NULL, on_switched);
}

/* --- the actor's own COMMIT ---------------------------------------------------------------- */

void
bs_closing_tag(struct bs_gate *g, struct bs_bytes tag)
{
    g->committed = g->committed || bs_bytes_equal(tag, BS_LIT("COMMIT"));
    g->prepared = g->prepared || bs_bytes_equal(tag, BS_LIT("PREPARE TRANSACTION"));
}

/* What was prepared is neither committed nor rolled back: its points stay armed until it is. */
static enum bs_gate_end
own_end(struct bs_gate *g)
{
    if (g->prepared)
        g->why = "the transaction is prepared, and settled when it is committed or rolled back";
    return g->committed ? BS_END_COMMITTED : g->prepared ? BS_END_UNCERTAIN : BS_END_ROLLED_BACK;
}

void
bs_closing_ready(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->status == 'T') {
        bs_session_fail(r->s, "0A000", "COMMIT must be run at once in a guarded transaction");
        return;
    }
    g->end = own_end(g);
    bs_gate_release(r);
    bs_relay_resume(r);
}
