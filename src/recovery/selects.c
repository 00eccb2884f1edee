/*
 * selects.c - a plan's select as a helper asks it, with the values of its statement.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recovery/steps.h"

enum {
    SELECT_MAX = 1 << 20,
    TEXT_OID = 25,            /* pg_type.dat */
    FIRST_NORMAL_OID = 16384, /* access/transam.h: below are the cluster's own types */
};

bool
bs_select_plan(const char *text, double *rows, double *cost)
{
    json_t *json = json_loads(text, 0, NULL);
    const json_t *plan = json_object_get(json_array_get(json, 0), "Plan");
    const json_t *r = json_object_get(plan, "Plan Rows"), *c = json_object_get(plan, "Total Cost");
    bool ok = json_is_number(r) && json_is_number(c);

    *rows = ok ? json_number_value(r) : 0;
    *cost = ok ? json_number_value(c) : 0;
    json_decref(json);
    return ok;
}

/* Is there a $number in the text? What only looks like it, in a literal, counts as one. */
static bool
names_param(const char *sql, int number)
{
    char name[16];
    size_t n = (size_t)snprintf(name, sizeof(name), "$%d", number);

    for (const char *at = sql; (at = strstr(at, name)) != NULL; at += n) {
        if (at[n] < '0' || at[n] > '9')
            return true;
    }
    return false;
}

/*
 * The values that a select asks with. A parameter of the statement that is not in its condition
 * (what SET assigns) is none of the select's: without a type the server would refuse it.
 */
static enum bs_done
ask_bound(struct bs_helper *h,
          const char *sql,
          const struct bs_plan_select *s,
          const struct bs_bound *list,
          PGresult **res,
          struct bs_err *err)
{
    size_t n = (size_t)s->n_params;
    struct bs_bound *own = bs_malloc(n * sizeof(*own));
    enum bs_done done;

    for (size_t i = 0; i < n; i++)
        own[i] = names_param(s->sql, (int)i + 1) ? list[i] : (struct bs_bound){.type = TEXT_OID};
    done = bs_helper_ask(h, sql, own, s->n_params, res, err);
    free(own);
    return done;
}

enum bs_done
bs_select_ask(struct bs_helper *h,
              const char *prefix,
              const struct bs_plan_select *s,
              const char *suffix,
              const struct bs_bounds *params,
              PGresult **res,
              struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SELECT_MAX);
    bs_put_str(&sql, prefix);
    bs_put_str(&sql, s->sql);
    bs_put_str(&sql, suffix);
    bs_put_u8(&sql, '\0');
    if (sql.failed)
        done = BS_FAIL(err, LIMIT, "a select is too long");
    else if (s->n_params == 0)
        done = bs_helper_query(h, (const char *)sql.p, 0, NULL, res, err);
    else
        done = ask_bound(h, (const char *)sql.p, s, params[s->stmt].list, res, err);
    bs_buf_fini(&sql);
    return done;
}

bool
bs_select_has_values(const struct bs_plan_select *s, const struct bs_bounds *params, size_t n)
{
    if (s->n_params == 0)
        return true;
    if (s->n_params < 0 || s->stmt >= n || params[s->stmt].n < (size_t)s->n_params)
        return false;
    /* To read a value of a domain, say, runs its CHECK: code of its owner's, as the helper. */
    for (int i = 0; i < s->n_params; i++) {
        if (params[s->stmt].list[i].type >= FIRST_NORMAL_OID && names_param(s->sql, i + 1))
            return false;
    }
    return true;
}
