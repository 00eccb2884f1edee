/*
 * choice.c - which way rows are kept: the server's own estimates decide. A select that is only
 * explained runs nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recovery/steps.h"

enum {
    WORTH_IT = 2, /* times cheaper it must be: it locks tables, and one more look is no gain */
};

/* Not told: hold-commit will do. */
static enum bs_done
after(struct bs_rows_choice *out, const char *why)
{
    out->way = BS_ROWS_AFTER;
    out->why = why;
    return BS_DONE;
}

enum bs_done
bs_step_select(struct bs_capture *c,
               const char *prefix,
               const struct bs_plan_select *s,
               const char *suffix,
               const struct bs_bounds *params,
               PGresult **res,
               struct bs_err *err)
{
    return bs_select_ask(&c->helper, prefix, s, suffix, params, res, err);
}

bool
bs_step_only_refused(const struct bs_capture *c)
{
    struct bs_err late = {0};

    return c->helper.sqlstate[0] != '\0' && PQstatus(c->helper.conn) == CONNECTION_OK &&
           strcmp(c->helper.sqlstate, "57014") != 0 && strncmp(c->helper.sqlstate, "57P", 3) != 0 &&
           bs_watch_check(&c->watch, &late) == BS_DONE;
}

/* What the selects and the keys would cost, and what share of its table each select takes. */
static enum bs_done
estimate(struct bs_capture *c,
         const struct bs_bounds *params,
         struct bs_rows_choice *out,
         double *share,
         struct bs_err *err)
{
    *share = 0;
    for (size_t i = 0; i < c->req.plan->n_selects; i++) {
        const struct bs_plan_select *s = &c->req.plan->selects[i];
        const struct bs_reached *t = bs_taken_find(c->taken, s->oid);
        PGresult *res = NULL;
        double rows, cost;
        bool read;
        if (bs_step_select(c, "EXPLAIN (FORMAT JSON) ", s, "", params, &res, err) != BS_DONE)
            return BS_FAILED;
        read = PQntuples(res) == 1 && bs_select_plan(PQgetvalue(res, 0, 0), &rows, &cost);
        PQclear(res);
        if (!read)
            return BS_FAIL(err, NO_POINT, "the server's plan of a select cannot be read");
        out->est_rows += rows;
        out->cost_before += cost;
        if (t->rows > 0 && rows / t->rows > *share)
            *share = rows / t->rows;
    }
    for (size_t i = 0; i < c->taken->n_keys; i++) {
        const struct bs_acting *k = &c->taken->keys[i];
        double scan = bs_taken_find(c->taken, k->child)->scan_cost, look = out->est_rows * 10;
        out->cost_before += k->indexed && look < scan ? look : scan;
    }
    for (size_t i = 0; i < c->taken->n_tables; i++)
        out->cost_after += c->taken->tables[i].scan_cost;
    return BS_DONE;
}

enum bs_done
bs_step_reached(struct bs_capture *c, struct bs_rows_choice *out, struct bs_err *err)
{
    const struct bs_taken *taken = c->taken;

    out->tables = bs_arena_array(&c->arena, taken->n_tables, sizeof(*out->tables));
    if (out->tables == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    for (size_t i = 0; i < taken->n_tables; i++) {
        const struct bs_reached *t = &taken->tables[i];
        size_t at = out->n_tables++;
        for (; at > 0 && out->tables[at - 1].oid > t->oid; at--)
            out->tables[at] = out->tables[at - 1];
        out->tables[at] = (struct bs_plan_table){.oid = t->oid,
                                                 .schema = t->schema,
                                                 .name = t->name,
                                                 .relkind = 'r',
                                                 .reach = t->reach,
                                                 .kind = t->kind,
                                                 .est_rows = t->rows};
    }
    return BS_DONE;
}

static enum bs_done
decide(struct bs_capture *c, struct bs_rows_choice *out, double share, struct bs_err *err)
{
    if (share > 1.0 / 3) {
        out->way = BS_ROWS_WHOLE;
        out->why = bs_arena_fmt(
            &c->arena, "it changes about %.0f %% of a table, so all of it is kept", share * 100);
    } else if (out->est_rows < BS_ROWS_BEFORE_MAX &&
               out->cost_before < out->cost_after / WORTH_IT) {
        out->way = BS_ROWS_BEFORE;
        out->why = bs_arena_fmt(&c->arena,
                                "finding about %.0f rows before it runs costs %.0f, scanning the "
                                "tables after it %.0f",
                                out->est_rows, out->cost_before, out->cost_after);
    } else {
        out->why = bs_arena_fmt(&c->arena,
                                "scanning the tables after it ran costs %.0f, finding about %.0f "
                                "rows before it %.0f",
                                out->cost_after, out->est_rows, out->cost_before);
    }
    if (out->why == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a reason");
    c->way_why = out->why;
    return out->way == BS_ROWS_AFTER ? BS_DONE : bs_step_reached(c, out, err);
}

static enum bs_done
choose(struct bs_capture *c,
       const struct bs_bounds *params,
       size_t n_params,
       struct bs_rows_choice *out,
       struct bs_err *err)
{
    const struct bs_plan *plan = c->req.plan;
    struct bs_err why = {0};
    double share = 0;

    if (plan == NULL || plan->kind != BS_PLAN_ROWS || plan->n_selects == 0)
        return after(out, "what it will change cannot be told before it runs");
    for (size_t i = 0; i < plan->n_selects; i++) {
        if (!bs_select_has_values(&plan->selects[i], params, n_params))
            return after(out, "the values of its parameters cannot be used beforehand");
    }
    c->taken = bs_arena_take(&c->arena, sizeof(*c->taken));
    if (c->taken == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a closure");
    if (bs_taken_tables(&c->helper, BS_TAKEN_TO_KEEP, plan->selects, plan->n_selects, NULL, 0,
                        &c->arena, c->taken, err) != BS_DONE)
        return BS_FAILED;
    if (c->taken->not_told != NULL)
        return after(out, c->taken->not_told);
    if (estimate(c, params, out, &share, &why) == BS_DONE)
        return decide(c, out, share, err);
    if (bs_step_only_refused(c))
        return after(out, "the server refuses to look for its rows beforehand");
    return bs_err_set(err, why.code, "%s", why.message);
}

enum bs_done
bs_capture_choose(struct bs_capture *c,
                  const struct bs_bounds *params,
                  size_t n_params,
                  struct bs_rows_choice *out,
                  struct bs_err *err)
{
    struct bs_err why = {0};

    *out = (struct bs_rows_choice){0};
    if (choose(c, params, n_params, out, &why) == BS_DONE)
        return BS_DONE;
    *out = (struct bs_rows_choice){0};
    return bs_step_no_point(err, &why);
}
