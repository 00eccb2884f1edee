/*
 * measure_share.c - what share of a table its rows are. A table need not be counted to the end for
 * that: what has a hundred times as many rows loses a hundredth at most.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/effect.h"
#include "recovery/facts.h"
#include "recovery/measuring.h"

enum { LOOK_LEAST = 10000, LOOK_MOST = 1000000 };

static bool
has_below(const struct bs_facts *facts, const struct bs_target *t)
{
    for (size_t i = 0; i < facts->n_targets; i++) {
        if (facts->targets[i].stmt == t->stmt && facts->targets[i].within == t->oid)
            return true;
    }
    return false;
}

/* The rows of the table up to `most`; beyond that `out` is what the server believes, at least `most`. */
static enum bs_done
ask(struct bs_measuring *m,
    const struct bs_target *t,
    int64_t most,
    double *out,
    struct bs_err *err)
{
    bool tree = t->relkind == 'p' || has_below(m->facts, t);
    PGresult *res = NULL;
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, 4096);
    bs_put_str(&sql, "SELECT (SELECT pg_catalog.count(*) FROM (SELECT FROM ");
    bs_put_str(&sql, tree ? "" : "ONLY ");
    bs_facts_put_name(&sql, t->schema, t->name);
    bs_put_fmt(&sql,
               " LIMIT %" PRId64 ") s), c.reltuples::pg_catalog.float8,"
               " pg_catalog.pg_stat_get_live_tuples(c.oid)::pg_catalog.float8"
               " FROM pg_catalog.pg_class c WHERE c.oid = %u",
               most, t->oid);
    bs_put_u8(&sql, '\0');
    done = sql.failed ? BS_FAIL(err, LIMIT, "a name is too long")
                      : bs_helper_query(&m->helper, (const char *)sql.p, 0, NULL, &res, err);
    bs_buf_fini(&sql);
    *out = 0;
    if (done == BS_DONE && PQntuples(res) == 1) {
        double seen = strtod(PQgetvalue(res, 0, 0), NULL);
        double stored = strtod(PQgetvalue(res, 0, 1), NULL);
        double live = strtod(PQgetvalue(res, 0, 2), NULL);
        double believed = stored < live ? stored : live;
        *out = seen < (double)most || believed < seen ? seen : believed;
    }
    PQclear(res);
    return done;
}

static enum bs_done
set_share(struct bs_measuring *m, struct bs_target *t, struct bs_err *err)
{
    int64_t most = t->rows > LOOK_MOST / 100 ? LOOK_MOST : t->rows * 100 + 1;
    struct bs_err why = {0};
    double rows;
    bool ready;

    if (bs_measuring_ready(m, &ready, err) != BS_DONE)
        return BS_FAILED;
    if (!ready)
        return BS_DONE;
    if (ask(m, t, most < LOOK_LEAST ? LOOK_LEAST : most, &rows, &why) != BS_DONE)
        return bs_measuring_forget(m, &why, err);
    t->share = rows <= (double)t->rows ? 1 : (double)t->rows / rows;
    return BS_DONE;
}

enum bs_done
bs_measuring_shares(struct bs_measuring *m, struct bs_err *err)
{
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        struct bs_target *t = &m->facts->targets[i];
        if (!bs_target_loses_rows(t) || t->how == BS_MEASURE_NONE)
            continue;
        if (t->rows == 0)
            t->share = 0;
        else if (!bs_measuring_by_select(t->kind))
            t->share = 1;
        else if (!t->quiet)
            continue;
        else if (set_share(m, t, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}
