/*
 * bare.c - statements that cannot be in a transaction block: the point is made, and armed, before they
 * run, and nothing can be taken back afterwards.
 */
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "recovery/plan.h"

static void
on_shielded_again(struct bs_relay *r)
{
    if (r->inject.failed) {
        bs_session_fail(r->s, "XX000", "the session could not be made read only again");
        return;
    }
    r->unshielded = false;
    bs_gate_conclude(r, r->gate->sqlstate[0] == '\0' ? BS_END_COMMITTED : BS_END_ROLLED_BACK);
}

void
bs_bare_ready(struct bs_relay *r)
{
    if (r->unshielded)
        bs_inject(r, "SET default_transaction_read_only = on", NULL, on_shielded_again);
    else
        bs_gate_conclude(r, r->gate->sqlstate[0] == '\0' ? BS_END_COMMITTED : BS_END_ROLLED_BACK);
}

static void
on_unshielded(struct bs_relay *r)
{
    if (r->inject.failed) {
        r->unshielded = false;
        bs_gate_fail_as_server(r);
        return;
    }
    r->gate->step = BS_GATE_BARE;
    bs_gate_send_messages(r);
}

static void
send_bare(struct bs_relay *r)
{
    if (bs_gate_fail_paused(r))
        return;
    if (!r->s->shielded) {
        r->gate->step = BS_GATE_BARE;
        bs_gate_send_messages(r);
        return;
    }
    r->unshielded = true;
    bs_inject(r, "SET default_transaction_read_only = off", NULL, on_unshielded);
}

static void
on_bare_captured(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    bs_session_set_timer(r->s, 0);
    if (err->code != BS_OK || g->cancelled)
        bs_gate_fail_no_point(r);
    else
        send_bare(r);
}

/* The point is made, and armed, before it runs: afterwards nobody could take it back. */
void
bs_bare_run(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (!g->in_block && g->plan.kind == BS_PLAN_NONE) {
        send_bare(r);
        return;
    }
    if (g->in_block || g->waived || !bs_plan_makes_point(&g->plan)) {
        bs_gate_fail_no_point(r);
        return;
    }
    g->step = BS_GATE_CAPTURE;
    g->budget_us =
        bs_mono_us() + (g->plan.database != NULL ? BS_DATABASE_BUDGET_US
                                                 : r->s->gateway->config->lock_budget_ms * 1000);
    bs_gate_arm_capture(r);
    bs_gate_job_capture(r, g, on_bare_captured);
}
