/*
 * before.c - the rows that a statement is going to change, found by its own condition and kept
 * before it runs. Worth it where they are few and an index finds them, in a table that would take
 * long to scan afterwards.
 *
 * The select is a guess. Under the lock nobody but the actor can change the rows that it found, so
 * what is kept is what was; whether it is all, the server has to say afterwards: see
 * bs_capture_covers. A plain xid of the transaction in a row's xmax means that the transaction
 * deleted, updated or locked it. It is taken for the first two, since nothing that is told
 * beforehand locks rows: no FOR UPDATE, no code, no foreign key that looks up a row of the same
 * tables; and rows that the transaction had its xid in already do not count. A multixact is never
 * taken for anything. Whatever is not certain, the pass afterwards settles.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/facts.h"
#include "recovery/steps.h"

enum { COVERS_MS = 10 * 1000 };

static enum bs_done
take_places(struct bs_capture *c, const PGresult *res, struct bs_err *err)
{
    if (PQntuples(res) > BS_ROWS_BEFORE_MAX)
        c->taken->not_told = "it finds too many rows";
    for (int i = 0; c->taken->not_told == NULL && i < PQntuples(res); i++) {
        uint64_t place;
        if (!bs_taken_place(PQgetvalue(res, i, 1), &place))
            return BS_FAIL(err, NO_POINT, "the server gives a place that is none");
        if (bs_taken_add(c->taken, (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10), place,
                         &c->arena, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
run_selects(struct bs_capture *c, const struct bs_bounds *params, struct bs_err *err)
{
    for (size_t i = 0; c->taken->not_told == NULL && i < c->req.plan->n_selects; i++) {
        PGresult *res = NULL;
        enum bs_done done;
        if (bs_step_select(c, "SELECT s.a, s.b FROM (", &c->req.plan->selects[i],
                           ") s(a, b) LIMIT 100001", params, &res, err) != BS_DONE)
            return BS_FAILED;
        done = take_places(c, res, err);
        PQclear(res);
        if (done != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Runs the selects, then goes along the keys. `not_told` of the closure where the server refuses. */
static enum bs_done
find_rows(struct bs_capture *c, const struct bs_bounds *params, struct bs_err *err)
{
    struct bs_err why = {0};
    enum bs_done done = run_selects(c, params, &why);

    if (done == BS_DONE && c->taken->not_told == NULL)
        done = bs_taken_rows(&c->helper, c->taken, BS_ROWS_BEFORE_MAX, &c->arena, &why);
    if (done != BS_DONE && !bs_step_only_refused(c))
        return bs_err_set(err, why.code, "%s", why.message);
    if (done != BS_DONE)
        c->taken->not_told = "the server refuses to look for its rows beforehand";
    return BS_DONE;
}

/* The xids of the actor's transaction, as "{1,2}": its own and those of its subtransactions. */
static enum bs_done
ask_xids(struct bs_capture *c, uint64_t top, bool *open, const char **out, struct bs_err *err)
{
    char pid[16];
    const char *params[] = {pid};
    PGresult *res = NULL;
    struct bs_buf b;

    *open = false;
    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    if (bs_helper_query(&c->helper,
                        "SELECT l.transactionid::pg_catalog.text FROM pg_catalog.pg_locks l"
                        " WHERE l.pid = $1::pg_catalog.int4 AND l.granted"
                        " AND l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock'",
                        1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_init(&b, 3 + 11 * (size_t)PQntuples(res));
    bs_put_u8(&b, '{');
    for (int i = 0; i < PQntuples(res); i++) {
        uint32_t xid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10);
        *open = *open || xid == (uint32_t)top;
        bs_put_fmt(&b, "%s%" PRIu32, i == 0 ? "" : ",", xid);
    }
    bs_put_u8(&b, '}');
    *out = bs_arena_copy(&c->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    PQclear(res);
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "the transaction has more parts than memory set aside for them");
    return BS_DONE;
}

/* How many of these rows have one of the xids in their xmax; `taken`: which ones, may be NULL. */
static enum bs_done
count_marked(struct bs_capture *c,
             const struct bs_reached *t,
             const char *xids,
             PGresult **taken,
             size_t *n,
             struct bs_err *err)
{
    const char *params[] = {bs_taken_places(t->all.list, t->all.n, &c->arena), xids};
    struct bs_buf sql;
    PGresult *res = NULL;
    enum bs_done done = BS_FAILED;

    bs_buf_init(&sql, 4096);
    bs_put_str(&sql, "SELECT ctid FROM ONLY ");
    bs_facts_put_name(&sql, t->schema, t->name);
    bs_put_str(&sql, " WHERE ctid = ANY ($1::pg_catalog.tid[])"
                     " AND xmax = ANY ($2::pg_catalog.xid[])");
    bs_put_u8(&sql, '\0');
    if (sql.failed || params[0] == NULL)
        (void)BS_FAIL(err, LIMIT, "there are more rows than memory set aside for them");
    else
        done = bs_helper_query(&c->helper, (const char *)sql.p, 2, params, &res, err);
    bs_buf_fini(&sql);
    *n = done == BS_DONE ? (size_t)PQntuples(res) : 0;
    if (taken != NULL)
        *taken = res;
    else
        PQclear(res);
    return done;
}

static int
by_place(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Rows that carry the transaction's xid already say nothing afterwards: they are kept, not counted. */
static enum bs_done
forget_marked(struct bs_capture *c, const char *xids, struct bs_reached *t, struct bs_err *err)
{
    PGresult *res = NULL;
    size_t n = 0, kept = 0;
    uint64_t *marked;

    if (t->all.n == 0)
        return BS_DONE;
    if (count_marked(c, t, xids, &res, &n, err) != BS_DONE)
        return BS_FAILED;
    marked = bs_malloc((n + 1) * sizeof(*marked));
    for (size_t i = 0; i < n; i++)
        bs_assert(bs_taken_place(PQgetvalue(res, (int)i, 0), &marked[i]));
    PQclear(res);
    if (n > 1)
        qsort(marked, n, sizeof(*marked), by_place);
    for (size_t i = 0; i < t->all.n; i++) {
        if (bsearch(&t->all.list[i], marked, n, sizeof(*marked), by_place) == NULL)
            t->all.list[kept++] = t->all.list[i];
    }
    t->all.n = kept;
    free(marked);
    return BS_DONE;
}

static enum bs_done
copy_table(struct bs_capture *c, size_t i, const struct bs_reached *t, struct bs_err *err)
{
    const char *places = bs_taken_places(t->all.list, t->all.n, &c->arena);
    const char *where =
        places == NULL ? NULL
                       : bs_arena_fmt(&c->arena, "ctid = ANY ('%s'::pg_catalog.tid[])", places);

    if (where == NULL)
        return BS_FAIL(err, LIMIT, "there are more rows than memory set aside for them");
    if (bs_step_copy(c, i, where, err) != BS_DONE)
        return BS_FAILED;
    if (c->m.objects[i].row_count != (int64_t)t->all.n)
        return BS_FAIL(err, NO_POINT, "\"%.60s\": of %zu rows found %" PRId64 " could be kept",
                       t->name, t->all.n, c->m.objects[i].row_count);
    c->m.objects[i].replaced = c->m.objects[i].row_count;
    return BS_DONE;
}

/* Objects in the order of their OIDs, for tables in which rows were found. */
static enum bs_done
make_objects(struct bs_capture *c, const struct bs_rows_choice *order, struct bs_err *err)
{
    struct bs_manifest *m = &c->m;

    m->objects = bs_arena_array(&c->arena, order->n_tables, sizeof(*m->objects));
    if (m->objects == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    for (size_t i = 0; i < order->n_tables; i++) {
        const struct bs_plan_table *t = &order->tables[i];
        if (bs_taken_find(c->taken, t->oid)->all.n == 0)
            continue;
        m->objects[m->n_objects++] = (struct bs_point_object){.schema = t->schema,
                                                              .name = t->name,
                                                              .oid = t->oid,
                                                              .relkind = 'r',
                                                              .kind = bs_kind_name(t->kind),
                                                              .reach = bs_facts_reach(t->reach),
                                                              .format = BS_ROWS_BINARY,
                                                              .partial = true};
    }
    return bs_facts_columns(&c->helper, &c->arena, m, err);
}

static enum bs_done
read_rows(struct bs_capture *c,
          const struct bs_bounds *params,
          const struct bs_rows_choice *order,
          struct bs_err *err)
{
    const char *xids = NULL;
    bool open;

    c->helper.sqlstate[0] = '\0'; /* what is in it from now on is of this */
    if (bs_step_snapshot(c, err) != BS_DONE || find_rows(c, params, err) != BS_DONE)
        return BS_FAILED;
    if (c->taken->not_told != NULL)
        return bs_helper_query(&c->helper, "ROLLBACK", 0, NULL, NULL, err);
    bs_step_enter(c, BS_CAPTURE_COPYING);
    if (make_objects(c, order, err) != BS_DONE || ask_xids(c, 0, &open, &xids, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < c->m.n_objects; i++) {
        if (copy_table(c, i, bs_taken_find(c->taken, c->m.objects[i].oid), err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; strcmp(xids, "{}") != 0 && i < c->taken->n_tables; i++) {
        if (forget_marked(c, xids, &c->taken->tables[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return bs_helper_query(&c->helper, "COMMIT", 0, NULL, NULL, err);
}

static enum bs_done
run(struct bs_capture *c,
    const struct bs_bounds *params,
    size_t n_params,
    struct bs_capture_result *out,
    struct bs_err *err)
{
    int64_t start = bs_mono_us();
    struct bs_rows_choice order = {0};

    if (c->taken == NULL || c->taken->not_told != NULL)
        return BS_FAIL(err, NO_POINT, "it was not chosen to keep rows before they change");
    for (size_t i = 0; i < c->req.plan->n_selects; i++) {
        if (!bs_select_has_values(&c->req.plan->selects[i], params, n_params))
            return BS_FAIL(err, NO_POINT, "the values of its parameters are not known");
    }
    bs_step_enter(c, BS_CAPTURE_CHECKING);
    if (bs_step_reached(c, &order, err) != BS_DONE ||
        bs_step_name(c, "rows-before", c->way_why, err) != BS_DONE ||
        bs_step_actor(c, err) != BS_DONE ||
        bs_step_locked(c, order.tables, order.n_tables, err) != BS_DONE ||
        bs_spool_open(&c->spool, c->req.spool, c->m.id, err) != BS_DONE ||
        bs_step_room(c, 0, err) != BS_DONE || read_rows(c, params, &order, err) != BS_DONE)
        return BS_FAILED;
    out->copied_us = bs_mono_us() - start;
    if (c->taken->not_told != NULL || c->m.n_objects == 0)
        return BS_DONE;
    if (bs_step_store(c, err) != BS_DONE || bs_step_manifest(c, start, out, err) != BS_DONE)
        return BS_FAILED;
    c->rows_before = true;
    return BS_DONE;
}

enum bs_done
bs_capture_before(struct bs_capture *c,
                  const struct bs_bounds *params,
                  size_t n_params,
                  struct bs_capture_result *out,
                  struct bs_err *err)
{
    struct bs_err why = {0};
    enum bs_done done;

    *out = (struct bs_capture_result){0};
    if (c->ran)
        return BS_FAIL(err, NO_POINT, "a capture runs once");
    c->ran = true;
    done = run(c, params, n_params, out, &why);
    return bs_step_end(c, done, &why, out, err);
}

static enum bs_done
cover(struct bs_capture *c,
      const struct bs_changed *changed,
      size_t n,
      uint64_t xid,
      bool *covered,
      struct bs_err *err)
{
    const char *xids = NULL;
    bool open;

    if (ask_xids(c, xid, &open, &xids, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; open && i < n; i++) {
        const struct bs_reached *t = bs_taken_find(c->taken, changed[i].oid);
        size_t marked = 0;
        if (t == NULL || t->all.n == 0 || changed[i].replaced < 0)
            continue;
        if (count_marked(c, t, xids, NULL, &marked, err) != BS_DONE)
            return BS_FAILED;
        covered[i] = (int64_t)marked >= changed[i].replaced;
    }
    return BS_DONE;
}

enum bs_done
bs_capture_covers(struct bs_capture *c,
                  const struct bs_changed *changed,
                  size_t n,
                  uint64_t xid,
                  bool *covered,
                  struct bs_err *err)
{
    struct bs_err why = {0};

    memset(covered, 0, n * sizeof(*covered));
    if (!c->rows_before || xid == 0)
        return BS_DONE;
    /* The budget was for the capture; the statement has run meanwhile, however long. */
    c->watch.deadline_us = bs_mono_us() + (int64_t)COVERS_MS * 1000;
    if (c->helper.conn != NULL && bs_helper_budget(&c->helper, &why) == BS_DONE &&
        cover(c, changed, n, xid, covered, &why) == BS_DONE)
        return BS_DONE;
    memset(covered, 0, n * sizeof(*covered));
    if (c->helper.conn == NULL)
        return BS_FAIL(err, NO_POINT, "the helper is lost");
    return bs_step_no_point(err, &why);
}
