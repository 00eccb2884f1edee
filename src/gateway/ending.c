/*
 * ending.c - how a run ends: what the client is told, what is undone, and who writes it down.
 *
 * Whatever goes wrong leads to ROLLBACK and a clear error.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/paused.h"
#include "gateway/worker.h"
#include "wire/messages.h"

/* The gate is done with; what it still has to record goes on without the session. */
void
bs_gate_release(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    bs_session_set_timer(r->s, 0);
    r->gate = NULL;
    if (!g->in_ledger) {
        g->step = BS_GATE_FINISH;
        bs_gate_job_finish(r->s->worker, g, NULL);
    }
    /* Where nothing has run there is nothing to audit, and no helper need wait for the COMMIT. */
    if (r->status == 'I' || (r->ledger != NULL && r->ledger->n_units == 0))
        bs_ledger_end(r, g->end);
    bs_gate_unref(&g);
}

/* What takes the place of the unit's answer: an error of ours, and ReadyForQuery. */
void
bs_gate_tell(struct bs_relay *r, struct bs_gate *g)
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
void
bs_gate_conclude(struct bs_relay *r, enum bs_gate_end end)
{
    struct bs_gate *g = bs_gate_ref(r->gate);

    g->end = end;
    bs_gate_tell(r, g);
    if (!bs_relay_over(r)) {
        bs_gate_release(r);
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
    bs_gate_conclude(r, BS_END_ROLLED_BACK);
}

void
bs_gate_roll_back(struct bs_relay *r)
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
        bs_gate_tell(r, g);
        bs_refusal_free(&fate);
    }
    if (!bs_relay_over(r)) {
        bs_gate_release(r);
        if (fate != NULL)
            bs_asks_refuse(r, bs_buf_view(&g->messages), fate);
        bs_relay_resume(r);
    } else {
        bs_refusal_free(&fate);
    }
    bs_gate_unref(&g);
}

void
bs_gate_fail(struct bs_relay *r, struct bs_refusal *refusal)
{
    struct bs_gate *g = r->gate;

    bs_refusal_free(&g->fate);
    g->fate = refusal;
    if (g->in_block && g->step < BS_GATE_SWITCH)
        fail_in_block(r);
    else
        bs_gate_roll_back(r);
}

bool
bs_gate_fail_paused(struct bs_relay *r)
{
    struct bs_leave leave = bs_paused_leave(r->s);

    if (leave.what >= BS_LEAVE_READING)
        return false;
    r->gate->not_begun = r->gate->attempts == 0;
    bs_gate_fail(r, bs_paused_refusal(leave));
    return true;
}

void
bs_gate_fail_as(struct bs_relay *r, enum bs_code code, const char *message, const char *hint)
{
    struct bs_gate *g = r->gate;
    char *detail = g->ticket[0] == '\0' ? NULL : bs_gate_detail(g, "failed", NULL);

    if (g->cancelled)
        bs_gate_fail(r, bs_refusal_cancelled());
    else
        bs_gate_fail(r, bs_refusal_new(bs_code_get(code)->sqlstate, message, detail, hint));
    free(detail);
}

void
bs_gate_fail_no_point(struct bs_relay *r)
{
    const char *message =
        r->gate->too_slow == NULL
            ? "no recovery point could be made and proven, so the statement was not run"
            : "no recovery point could be made in time, so the statement was not run";

    bs_gate_fail_as(r, BS_E_NO_POINT, message, "Tell the operator of this database.");
}

/* One of our own statements was refused by the server. */
void
bs_gate_fail_as_server(struct bs_relay *r)
{
    const struct bs_inject *in = &r->inject;

    if (r->gate->cancelled)
        bs_gate_fail_no_point(r);
    else
        bs_gate_fail(r, bs_refusal_new(in->sqlstate[0] == '\0' ? "XX000" : in->sqlstate,
                                       in->message, NULL, NULL));
}

void
bs_gate_fail_busy(struct bs_relay *r)
{
    bs_gate_fail_as(r, BS_E_NO_POINT,
                    "a table or row that would change is busy: the statement gave up its locks "
                    "rather than block others, and was not run",
                    "Try again when other transactions on it have ended.");
}
