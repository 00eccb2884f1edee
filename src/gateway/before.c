/*
 * before.c - rows that are read before a statement changes them, by its own condition: cheaper than
 * looking for them afterwards where few of a large table are meant.
 *
 * What was read is a guess about another session. So right after the statement the helper looks
 * which of these rows now carry the transaction's number; where that are fewer than the counters say,
 * the table is left to the pass before COMMIT, as if nothing had been read.
 */
#include <string.h>

#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"

void
bs_before_give_up(struct bs_gate *g)
{
    g->before = false;
    g->plan.n_tables = 0;
}

static void
on_chosen(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    bs_session_set_timer(r->s, 0);
    if (err->code != BS_OK || g->cancelled) {
        bs_gate_fail_no_point(r);
        return;
    }
    if (g->choice.way != BS_ROWS_AFTER) {
        g->plan.tables = g->choice.tables;
        g->plan.n_tables = g->choice.n_tables;
    }
    if (g->choice.way == BS_ROWS_WHOLE)
        g->plan.kind = BS_PLAN_WHOLE;
    g->before = g->choice.way == BS_ROWS_BEFORE;
    g->next(r);
}

/* A point of the transaction has all that it may change; the helper could not read it any more. */
static bool
has_copies(const struct bs_gate *g)
{
    for (size_t i = 0; i < g->plan.n_tables; i++) {
        if (bs_gate_has_copy(g, g->plan.tables[i].oid))
            return true;
    }
    return false;
}

void
bs_before_choose(struct bs_relay *r, void (*then)(struct bs_relay *r))
{
    struct bs_gate *g = r->gate;

    /* Beside a point of definitions rows are kept when they have changed: a capture makes one. */
    if (g->waived || g->plan.kind != BS_PLAN_ROWS || g->plan.n_selects == 0 ||
        bs_plan_makes_point(&g->plan) || has_copies(g)) {
        then(r);
        return;
    }
    g->step = BS_GATE_CHOOSE;
    g->next = then;
    bs_gate_job_choose(r, g, on_chosen);
}

/* --- what this statement alone has changed ------------------------------------------------ */

static void
on_started(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;

    if (r->inject.failed || r->ledger->reading_error.code != BS_OK) {
        bs_gate_fail_no_point(r);
        return;
    }
    bs_reading_sort(&g->start);
    g->next(r);
}

void
bs_before_start(struct bs_relay *r, void (*then)(struct bs_relay *r))
{
    struct bs_gate *g = r->gate;

    if (!g->before) {
        then(r);
        return;
    }
    g->step = BS_GATE_START;
    g->next = then;
    bs_inject(r, bs_reading_sql, bs_closing_reading_row, on_started);
}

static void
on_covered(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (err->code != BS_OK) /* whatever it is: nothing is taken for covered */
        g->n_covered = 0;
    g->next(r);
}

static void
on_xid(struct bs_relay *r)
{
    if (r->inject.failed)
        bs_gate_fail_as_server(r);
    else
        bs_gate_job_cover(r, r->gate, on_covered);
}

static void
on_read(struct bs_relay *r)
{
    struct bs_gate *g = r->gate;
    struct bs_err err = {0};

    if (r->inject.failed || r->ledger->reading_error.code != BS_OK) {
        bs_gate_fail_no_point(r);
        return;
    }
    bs_reading_sort(&g->end_of_run);
    if (bs_reading_changed(&g->start, &g->end_of_run, &g->arena, &g->covered, &g->n_covered,
                           &err) != BS_DONE)
        g->n_covered = 0;
    bs_arena_reset(&g->readings);
    g->start = g->end_of_run = (struct bs_reading){0};
    bs_closing_ask_xid(r, on_xid);
}

void
bs_before_cover(struct bs_relay *r, void (*then)(struct bs_relay *r))
{
    struct bs_gate *g = r->gate;

    if (g->capture == NULL) {
        then(r);
        return;
    }
    g->step = BS_GATE_COVER;
    g->next = then;
    if (g->before && g->captured)
        bs_inject(r, bs_reading_sql, bs_closing_reading_row, on_read);
    else
        bs_gate_job_cover(r, g, on_covered);
}
