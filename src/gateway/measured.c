/*
 * measured.c - how many rows a gated unit would change: counted by the helper before anybody is
 * asked, and again when somebody has thought about it. Where that fails the unit is what it was,
 * unmeasured.
 */
#include <stdlib.h>

#include "base/log.h"
#include "gateway/asking.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/reload.h"
#include "gateway/request.h"
#include "policy/config.h"
#include "recovery/measure.h"

void
bs_gate_measure_stop(struct bs_gate *g)
{
    if (g->measuring != NULL)
        bs_watch_stop(g->measuring);
}

void
bs_gate_measure_free(struct bs_gate *g)
{
    if (g->measuring != NULL)
        bs_watch_fini(g->measuring);
    free(g->measuring);
    g->measuring = NULL;
}

/* What an earlier text of the series changes is not seen by who counts for a later one. */
static bool
is_unseen(const struct bs_gate *g, size_t at)
{
    bool unseen = g->unseen;

    for (size_t i = 0; i < at; i++)
        unseen = unseen || g->items[i].verdict->unit.risk != BS_RISK_SAFE;
    return unseen;
}

/* Only where the session can be had once more as it is. */
static bool
may_rehearse(const struct bs_gate *g)
{
    return g->n_items == 1 && g->as_begun && bs_gateway_policy(g->s->gateway)->measure.rehearse;
}

/* The settings that the server reports are those that decide what a literal means. */
static bool
rehearsal_of(struct bs_gate *g,
             const struct bs_config_database *db,
             const struct bs_verdict *v,
             struct bs_rehearsal *out)
{
    bool named =
        v->executed.p != NULL && v->executed.p != v->text.p; /* EXECUTE has its own values */

    *out = (struct bs_rehearsal){
        .conninfo = db->upstream_libpq,
        .text = bs_arena_copy(&g->arena, v->text),
        .date_style = bs_session_param(g->s, "DateStyle"),
        .interval_style = bs_session_param(g->s, "IntervalStyle"),
        .time_zone = bs_session_param(g->s, "TimeZone"),
    };
    return !named && out->text != NULL && out->date_style != NULL && out->interval_style != NULL &&
           out->time_zone != NULL;
}

static enum bs_done
measure_item(struct bs_gate *g, size_t i, struct bs_err *err)
{
    const struct bs_config *c = g->s->gateway->config;
    const struct bs_config_database *db = bs_config_database_find(c, g->s->database);
    struct bs_verdict *v = g->items[i].verdict;
    struct bs_bounds bounds = {0};
    struct bs_rehearsal rehearsal;
    struct bs_measure_ask ask = {
        .warm = g->s->gateway->warm,
        .reader = g->explains ? g->s->server_user : NULL,
        .unit = &v->unit,
        .selects = v->selects,
        .n_selects = v->n_selects,
        .bounds = &bounds,
        .n_bounds = v->unit.n_stmts == 1 ? 1 : 0,
        .time_ms = bs_gateway_policy(g->s->gateway)->measure.time_ms,
        .unseen = is_unseen(g, i),
        /* for whoever will decide */
        .samples = v->way == BS_WAY_HOLD && g->ticket[0] == '\0' && !g->explains,
    };

    if (db == NULL)
        return BS_FAIL(err, UNAVAILABLE, "the database is not configured any more");
    if (may_rehearse(g) && rehearsal_of(g, db, v, &rehearsal))
        ask.rehearsal = &rehearsal;
    if (bs_request_bounds_of(g, i, &bounds, err) != BS_DONE)
        return BS_FAILED;
    return bs_measure(db->helper, g->measuring, &ask, &g->arena, &v->facts, err);
}

/* What others did behind the gateway, a moment ago. STALE stays where it was read. */
static enum bs_done
read_catalog(struct bs_gate *g, struct bs_err *err)
{
    struct bs_database *db = bs_database_find(g->s->gateway->databases, g->s->database);
    struct bs_err why = {0};

    if (bs_database_load(db, bs_mono_us(), &why) == BS_DONE)
        return BS_DONE;
    *err = why;
    return BS_FAILED;
}

enum bs_done
bs_gate_count(struct bs_gate *g, struct bs_err *err)
{
    enum bs_done done = measure_item(g, 0, err);

    if (done != BS_DONE && err->code == BS_E_STALE && !g->judged_again)
        (void)!read_catalog(g, err);
    return done;
}

/* The helper's session is kept from the first measuring to the end of the wait. */
static void
keep_warm(struct bs_gate *g)
{
    const struct bs_config_database *db =
        bs_config_database_find(g->s->gateway->config, g->s->database);

    if (g->warm || db == NULL)
        return;
    bs_warm_enter(g->s->gateway->warm, db->helper);
    g->warm = true;
}

void
bs_gate_measured(struct bs_gate *g)
{
    const struct bs_config_database *db =
        bs_config_database_find(g->s->gateway->config, g->s->database);

    if (!g->warm)
        return;
    g->warm = false;
    bs_warm_leave(g->s->gateway->warm, db->helper);
}

static void
work_measure(struct bs_gate *g, struct bs_err *err)
{
    keep_warm(g);
    for (size_t i = 0; i < g->n_items; i++) {
        if (!g->items[i].verdict->measure || measure_item(g, i, err) == BS_DONE)
            continue;
        if (err->code == BS_E_STALE && !g->judged_again)
            (void)!read_catalog(g, err);
        else if (err->code != BS_E_CANCELLED)
            BS_LOG(WARNING, "the effect of a statement could not be measured",
                   BS_F_STR("session", g->s->id), BS_F_STR("reason", err->message));
        return;
    }
}

/* The first text that may not run now. */
static void
note_blocked(struct bs_relay *r, struct bs_gate *g, const struct bs_verdict *v)
{
    if (v->way == BS_WAY_REFUSE && g->blocked == NULL)
        g->blocked = bs_ask_refusal_of(r, v);
}

static void begin(struct bs_relay *r, void (*then)(struct bs_relay *r));

static void
judge_again(struct bs_relay *r, struct bs_gate *g)
{
    g->judged_again = true;
    for (size_t i = 0; i < g->n_items; i++)
        bs_ask_judge_again(r, g->items[i].prepared, &g->arena, g->items[i].verdict);
    begin(r, g->next);
}

static void
on_done(struct bs_relay *r, struct bs_gate *g, struct bs_err *err)
{
    if (err->code == BS_E_STALE && !g->judged_again && !g->cancelled) {
        judge_again(r, g);
        return;
    }
    g->measured_us = bs_mono_us();
    if (g->cancelled) {
        bs_gate_refuse(r, bs_refusal_cancelled());
        return;
    }
    for (size_t i = 0; i < g->n_items; i++) {
        if (g->items[i].verdict->measure)
            bs_ask_judge_measured(r, &g->arena, g->items[i].verdict);
        note_blocked(r, g, g->items[i].verdict);
    }
    g->next(r);
}

static void
begin(struct bs_relay *r, void (*then)(struct bs_relay *r))
{
    struct bs_gate *g = r->gate;
    struct bs_err err = {0};

    g->step = BS_GATE_MEASURE;
    g->next = then;
    bs_gate_measure_free(g);
    g->measuring = bs_malloc(sizeof(*g->measuring));
    if (bs_watch_init(g->measuring, 0, &err) == BS_DONE) {
        bs_gate_job_post(g, work_measure, on_done);
        return;
    }
    free(g->measuring);
    g->measuring = NULL;
    on_done(r, g, &err);
}

static bool
is_wanted(const struct bs_gate *g)
{
    bool wanted = false;

    for (size_t i = 0; i < g->n_items; i++)
        wanted = wanted || g->items[i].verdict->measure;
    return wanted;
}

void
bs_gate_measure(struct bs_relay *r, void (*then)(struct bs_relay *r))
{
    if (is_wanted(r->gate))
        begin(r, then);
    else
        then(r);
}
