/*
 * budget.c - the numbers are the plan's: what the catalog says of the tables.
 */
#include "gateway/budget.h"

#include <stdlib.h>

#include "base/clock.h"
#include "gateway/gateway.h"
#include "gateway/readiness.h"
#include "policy/config.h"
#include "recovery/facts.h"

enum { LOOK_MS = 2000 };

#define NEAR_US 100000 /* a capture that is ended by its budget may be so a moment before */

static double
budget_s(const struct bs_gate *g)
{
    return (double)g->s->gateway->config->lock_budget_ms / 1000;
}

/* As the catalog has them; -1 where it does not know of one. */
static double
rows_of(const struct bs_gate *g)
{
    double rows = 0;

    for (size_t i = 0; i < g->plan.n_tables; i++) {
        const struct bs_plan_table *t = &g->plan.tables[i];
        if (t->relkind == 'p')
            continue;
        if (t->est_rows < 0)
            return -1;
        rows += t->est_rows;
    }
    return rows;
}

static int64_t
expected_us(const struct bs_gate *g, int64_t bytes)
{
    return bs_readiness_estimate_us(g->s->gateway->readiness, g->s->database, bytes);
}

/* --- before it is asked for --------------------------------------------------------------- */

static const char sizes_sql[] =
    "SELECT c.oid, pg_catalog.pg_table_size(c.oid), c.reltuples::pg_catalog.float8"
    " FROM pg_catalog.pg_class c"
    " WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.relkind IN ('r', 'm')";

static void
take_sizes(struct bs_gate *g, const PGresult *res)
{
    struct bs_plan *p = &g->plan;

    p->est_bytes = 0;
    for (size_t i = 0; i < p->n_tables; i++) {
        for (int row = 0; row < PQntuples(res); row++) {
            if (strtoul(PQgetvalue(res, row, 0), NULL, 10) != p->tables[i].oid)
                continue;
            p->tables[i].est_bytes = strtoll(PQgetvalue(res, row, 1), NULL, 10);
            p->tables[i].est_rows = strtod(PQgetvalue(res, row, 2), NULL);
        }
        if (p->tables[i].relkind != 'p' && !p->tables[i].shape)
            p->est_bytes += p->tables[i].est_bytes;
    }
}

void
bs_budget_look(struct bs_gate *g)
{
    const struct bs_config_database *db =
        bs_config_database_find(g->s->gateway->config, g->s->database);
    const char *params[] = {bs_facts_oids(&g->plan, &g->arena)};
    struct bs_helper h = {0};
    struct bs_watch watch;
    struct bs_err none = {0};
    PGresult *res = NULL;

    if (g->waived || g->plan.kind != BS_PLAN_WHOLE || db == NULL || params[0] == NULL ||
        bs_watch_init(&watch, bs_mono_us() + (int64_t)LOOK_MS * 1000, &none) != BS_DONE)
        return;
    if (bs_helper_open(&h, db->helper, &watch, BS_E_UNAVAILABLE, &none) == BS_DONE &&
        bs_helper_query(&h, sizes_sql, 1, params, &res, &none) == BS_DONE)
        take_sizes(g, res);
    PQclear(res);
    bs_helper_close(&h);
    bs_watch_fini(&watch);
}

void
bs_budget_put(const struct bs_gate *g, json_t *plan)
{
    int64_t us = expected_us(g, g->plan.est_bytes);
    int64_t most = g->s->gateway->config->max_bytes;
    bool small = g->plan.kind != BS_PLAN_WHOLE || g->plan.est_bytes <= most;
    double rows = rows_of(g);

    if (rows >= 0)
        (void)json_object_set_new(plan, "estimated_rows", json_integer((json_int_t)rows));
    (void)json_object_set_new(plan, "budget_seconds", json_real(budget_s(g)));
    (void)json_object_set_new(plan, "max_bytes", json_integer(most));
    if (us >= 0)
        (void)json_object_set_new(plan, "estimated_seconds", json_real((double)us / 1e6));
    if (us >= 0 || !small)
        (void)json_object_set_new(plan, "fits",
                                  json_boolean(small && (double)us / 1e6 <= budget_s(g)));
}

/* --- when it was too slow ----------------------------------------------------------------- */

/* The largest speaks for all. */
static const char *
tables_text(struct bs_gate *g)
{
    const struct bs_plan *p = &g->plan;
    const struct bs_plan_table *most = NULL;

    for (size_t i = 0; i < p->n_tables; i++) {
        if (most == NULL || p->tables[i].est_bytes > most->est_bytes)
            most = &p->tables[i];
    }
    if (most == NULL)
        return "what it changes has";
    if (p->n_tables == 1)
        return bs_arena_fmt(&g->arena, "\"%s\".\"%s\" has", most->schema, most->name);
    return bs_arena_fmt(&g->arena, "\"%s\".\"%s\" and %zu more have", most->schema, most->name,
                        p->n_tables - 1);
}

static const char *
rows_text(struct bs_gate *g, int64_t copied)
{
    double rows = rows_of(g);

    if (rows < (double)copied)
        return bs_arena_fmt(&g->arena, "at least %lld rows", (long long)copied);
    return bs_arena_fmt(&g->arena, "about %.0f rows", rows);
}

const char *
bs_budget_over(struct bs_gate *g)
{
    int64_t over_us = bs_mono_us() - g->budget_us;
    struct bs_capture_progress at;
    const char *tables = tables_text(g), *rows;

    if (g->cancelled || g->capture == NULL || over_us < -NEAR_US || tables == NULL)
        return NULL;
    bs_capture_progress(g->capture, &at);
    rows = rows_text(g, at.rows);
    bs_readiness_at_least(g->s->gateway->readiness, g->s->database, at.est_bytes,
                          g->s->gateway->config->lock_budget_ms * 1000 + over_us);
    return bs_arena_fmt(&g->arena,
                        "the lock budget of %.1f s was over while %s: %s %s in %lld bytes, of "
                        "which %lld rows were copied; at the recent speed it takes %.1f s or more",
                        budget_s(g), bs_capture_phase_name(at.busy), tables,
                        rows == NULL ? "rows" : rows, (long long)at.est_bytes, (long long)at.rows,
                        (double)expected_us(g, at.est_bytes) / 1e6);
}
