/*
 * safety.c - the same capture that protects an agent's statement protects from a restore.
 */
#include "restore/safety.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/globals.h"
#include "restore/giveback.h"

#define BUDGET_US (30 * 1000 * 1000)

/* Counters of one table. */
struct bs_safety_count {
    uint32_t oid;
    uint32_t root; /* of its partition tree; itself where it is in none */
    int64_t replaced;
    int64_t inserted;
    const char *schema;
    const char *name;
};

/*
 * Counters of work that the session has not told the statistics system yet are among them, of
 * transactions before, too: only differences count. Our own temporary tables do not.
 */
static enum bs_done
read_counters(struct bs_work *w, struct bs_safety_count **out, size_t *n, struct bs_err *err)
{
    PGresult *result =
        bs_rdb_ask(&w->r->db,
                   "SELECT s.relid, COALESCE(pg_catalog.pg_partition_root(s.relid)::oid, s.relid),"
                   " s.n_tup_upd + s.n_tup_del, s.n_tup_ins, s.schemaname, s.relname"
                   " FROM pg_catalog.pg_stat_xact_user_tables s"
                   " JOIN pg_catalog.pg_class c ON c.oid = s.relid AND c.relpersistence <> 't'"
                   " WHERE s.n_tup_upd + s.n_tup_del + s.n_tup_ins > 0 ORDER BY 5, 6",
                   0, NULL, err);

    if (result == NULL)
        return BS_FAILED;
    *n = (size_t)PQntuples(result);
    *out = bs_arena_array(&w->r->arena, *n + 1, sizeof(**out));
    for (int i = 0; *out != NULL && i < (int)*n; i++)
        (*out)[i] = (struct bs_safety_count){
            .oid = (uint32_t)bs_rdb_number(result, i, 0),
            .root = (uint32_t)bs_rdb_number(result, i, 1),
            .replaced = bs_rdb_number(result, i, 2),
            .inserted = bs_rdb_number(result, i, 3),
            .schema = bs_rdb_text(result, i, 4, &w->r->arena),
            .name = bs_rdb_text(result, i, 5, &w->r->arena),
        };
    PQclear(result);
    return *out == NULL ? BS_FAIL(err, LIMIT, "the restore's memory is used up") : BS_DONE;
}

enum bs_done
bs_safety_begin(struct bs_safety *s, struct bs_work *w, struct bs_err *err)
{
    return read_counters(w, &s->before, &s->n_before, err);
}

/* What this transaction has changed; in `now`, as far as it is more than before. */
static void
subtract(const struct bs_safety *s, struct bs_safety_count *now, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < s->n_before; k++) {
            if (s->before[k].oid != now[i].oid)
                continue;
            now[i].replaced -= s->before[k].replaced;
            now[i].inserted -= s->before[k].inserted;
        }
    }
}

static int
by_oid(const void *a, const void *b)
{
    const struct bs_plan_table *x = a, *y = b;

    return (x->oid > y->oid) - (x->oid < y->oid);
}

/* The same classes, about the same names. */
static enum bs_done
add_globals(struct bs_plan *plan, const struct bs_work *w, struct bs_err *err)
{
    const struct bs_manifest *m = &w->r->manifest;
    const struct bs_point_globals *g = m->globals;

    if (m->n_globals == 0)
        return BS_DONE;
    plan->globals = bs_globals_parse(g->classes);
    plan->about = bs_arena_array(&w->r->arena, g->n_about + 1, sizeof(*plan->about));
    if (plan->about == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < g->n_about; i++)
        plan->about[plan->n_about++] = g->about[i].name;
    return BS_DONE;
}

/* Tables that will be written, or with `any` may be; the plan's estimates are the saved ones, near
 * enough for room. */
static enum bs_done
make_plan(struct bs_plan *plan, struct bs_work *w, size_t room, bool any, struct bs_err *err)
{
    const struct bs_copyback *c = w->out;

    *plan =
        (struct bs_plan){.kind = BS_PLAN_WHOLE, .why = "a copy-back changes it", .in_block = true};
    plan->tables = bs_arena_array(&w->r->arena, c->n_tables + w->r->manifest.n_objects + room + 1,
                                  sizeof(*plan->tables));
    if (plan->tables == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_copyback_table *t = &c->tables[i];
        const struct bs_point_object *o = t->diff.live.object;
        if (!t->diff.live.exists || (!any && t->inserted + t->updated + t->removed == 0))
            continue;
        plan->tables[plan->n_tables++] = (struct bs_plan_table){
            .oid = t->diff.live.oid,
            .schema = o->schema,
            .name = o->name,
            .relkind = t->diff.live.relkind,
            .reach = BS_REACH_TARGET,
            .kind = any || t->updated != 0 ? BS_KIND_UPDATE : BS_KIND_INSERT,
            .est_rows = (double)t->diff.live_rows,
            .est_bytes = o->raw_bytes,
        };
        plan->est_bytes += o->raw_bytes;
    }
    if (bs_columns_plan(w->r, &c->columns, bs_work_columns(w).remove, plan, err) != BS_DONE)
        return BS_FAILED;
    qsort(plan->tables, plan->n_tables, sizeof(*plan->tables), by_oid);
    if (bs_giveback_plan(w, plan, err) != BS_DONE)
        return BS_FAILED;
    if (plan->n_tables == 0 && plan->definition)
        plan->kind = BS_PLAN_RECORD;
    return add_globals(plan, w, err);
}

static struct bs_plan_table *
table_in(const struct bs_plan *plan, uint32_t oid)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (plan->tables[i].oid == oid)
            return &plan->tables[i];
    }
    return NULL;
}

/* The point that holds a table whole as it is for everybody else; NULL: none. */
static const struct bs_safety_point *
point_with(const struct bs_safety *s, uint32_t oid)
{
    for (size_t i = 0; i < s->n_points; i++) {
        if (s->points[i].whole && table_in(s->points[i].plan, oid) != NULL)
            return &s->points[i];
    }
    return NULL;
}

/* What an earlier work of the transaction has kept whole is kept. */
static void
leave_out_kept(const struct bs_safety *s, struct bs_work *w, struct bs_plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_tables; i++) {
        const struct bs_safety_point *kept = point_with(s, plan->tables[i].oid);
        if (kept == NULL)
            plan->tables[n++] = plan->tables[i];
        else
            memcpy(w->out->point, kept->id, sizeof(w->out->point));
    }
    plan->n_tables = n;
}

/* One point of rows is about what all works change. `more` has the room. */
static void
add_plan(struct bs_safety *s, struct bs_plan *more)
{
    for (size_t i = 0; i < s->plan.n_tables; i++) {
        const struct bs_plan_table *t = &s->plan.tables[i];
        struct bs_plan_table *same = table_in(more, t->oid);
        if (same == NULL)
            more->tables[more->n_tables++] = *t;
        else if (t->kind == BS_KIND_UPDATE)
            same->kind = t->kind;
    }
    more->est_bytes += s->plan.est_bytes;
    qsort(more->tables, more->n_tables, sizeof(*more->tables), by_oid);
    s->plan = *more;
}

static const char *
sha256_of(struct bs_arena *arena, const char *text)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[BS_SHA256_TEXT];

    bs_assert(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1);
    bs_hex(digest, 32, hex);
    return bs_arena_str(arena, hex);
}

static enum bs_done
ask_text(struct bs_work *w, const char *sql, const char **out, struct bs_err *err)
{
    PGresult *result = bs_rdb_ask(&w->r->db, sql, 0, NULL, err);

    if (result == NULL)
        return BS_FAILED;
    *out = bs_rdb_text(result, 0, 0, &w->r->arena);
    PQclear(result);
    return *out == NULL ? BS_FAIL(err, LIMIT, "the restore's memory is used up") : BS_DONE;
}

static uint64_t
xid_of(const char *text)
{
    uint64_t xid = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        xid = xid * 10 + (uint64_t)(*text - '0');
    return xid;
}

static enum bs_done
ask_xid(struct bs_work *w, uint64_t *xid, struct bs_err *err)
{
    const char *text = NULL;

    if (ask_text(w, "SELECT pg_catalog.pg_current_xact_id()", &text, err) != BS_DONE)
        return BS_FAILED;
    *xid = xid_of(text);
    return BS_DONE;
}

static struct bs_safety_point *
add_point(struct bs_safety *s, struct bs_work *w, const struct bs_plan *plan, struct bs_err *err)
{
    struct bs_safety_point *all = bs_arena_array(&w->r->arena, s->n_points + 1, sizeof(*all));
    struct bs_plan *own = bs_arena_array(&w->r->arena, 1, sizeof(*own));

    if (all == NULL || own == NULL) {
        (void)BS_FAIL(err, LIMIT, "the restore's memory is used up");
        return NULL;
    }
    for (size_t i = 0; i < s->n_points; i++)
        all[i] = s->points[i];
    *own = *plan;
    s->points = all;
    s->kept = s->kept == NULL ? NULL : &all[0]; /* it is always the first */
    s->points[s->n_points] = (struct bs_safety_point){.plan = own};
    return &s->points[s->n_points++];
}

/* A capture for this transaction; `plan` says what it is for. NULL on failure. */
static struct bs_safety_point *
open_capture(struct bs_safety *s,
             struct bs_work *w,
             const struct bs_plan *plan,
             uint64_t xid,
             struct bs_err *err)
{
    const struct bs_restore_request *q = &w->r->request;
    const char *text =
        bs_arena_fmt(&w->r->arena, "backstop restore copy-back %s", w->r->manifest.id);
    struct bs_safety_point *point = add_point(s, w, plan, err);
    struct bs_capture_request request = {
        .helper = q->helper,
        .store = q->store,
        .spool = q->spool,
        .pg_dumps = q->pg_dumps,
        .n_pg_dumps = q->n_pg_dumps,
        .deadline_us = bs_mono_us() + (q->lock_budget_us > 0 ? q->lock_budget_us : BUDGET_US),
        .plan = point == NULL ? NULL : point->plan,
        .actor_pid = PQbackendPID(w->r->db.conn),
        .actor_xid = xid,
        .actor = {.agent = q->by},
        .statement = {.text = text, .kind = "COPY-BACK"},
    };

    if (point == NULL || text == NULL ||
        ask_text(w, "SELECT CURRENT_USER", &request.actor.role, err) != BS_DONE)
        return NULL;
    request.statement.sha256 = sha256_of(&w->r->arena, text);
    bs_restore_tell(w->r, "making a recovery point of what is there", 0, 0);
    return bs_capture_open(&request, &point->capture, err) == BS_DONE ? point : NULL;
}

static void
note_point(struct bs_safety_point *point, struct bs_work *w, const struct bs_capture_result *result)
{
    if (result->manifest == NULL)
        return;
    memcpy(point->id, result->manifest->id, sizeof(point->id));
    memcpy(w->out->point, point->id, sizeof(w->out->point));
}

enum { PLACES_MAX = 10000 };

/* Where the rows are that table `at` will lose, by the comparison that has just been made; what is
 * written now makes the next comparison forget them. Not to know them costs a scan, no more. */
static enum bs_done
note_places(struct bs_safety *s, struct bs_work *w, size_t at, struct bs_err *err)
{
    const struct bs_copyback_table *t = &w->out->tables[at];
    struct bs_arena *a = &w->r->arena;
    struct bs_buf sql;
    PGresult *result;
    struct bs_safety_places *all;

    if (!t->diff.live.exists || t->updated + t->removed == 0 ||
        t->updated + t->removed > PLACES_MAX)
        return BS_DONE;
    bs_buf_init(&sql, 4096);
    bs_put_str(&sql, "SELECT leaf, pg_catalog.array_agg(live) FROM ");
    bs_compare_put_result(&sql, at);
    bs_put_str(&sql, " WHERE live IS NOT NULL AND what OPERATOR(pg_catalog.<>) '=' GROUP BY leaf");
    bs_put_u8(&sql, '\0');
    result = bs_rdb_ask(&w->r->db, (const char *)sql.p, 0, NULL, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    all = bs_arena_array(a, s->n_places + (size_t)PQntuples(result) + 1, sizeof(*all));
    for (size_t i = 0; all != NULL && i < s->n_places; i++)
        all[i] = s->places[i];
    for (int i = 0; all != NULL && i < PQntuples(result); i++) {
        struct bs_safety_places *p = &all[s->n_places++];
        p->oid = (uint32_t)strtoul(PQgetvalue(result, i, 0), NULL, 10);
        p->places = bs_arena_str(a, PQgetvalue(result, i, 1));
    }
    if (all != NULL)
        s->places = all;
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
note_all_places(struct bs_safety *s, struct bs_work *w, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        if (note_places(s, w, i, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Where several works replace rows of one table, no single list has all. */
static const char *
places_of(const struct bs_safety *s, uint32_t oid)
{
    const char *places = NULL;

    for (size_t i = 0; i < s->n_places; i++) {
        if (s->places[i].oid != oid)
            continue;
        if (places != NULL)
            return NULL;
        places = s->places[i].places;
    }
    return places;
}

static enum bs_done
add_work(struct bs_safety *s, struct bs_work *w, struct bs_err *err)
{
    struct bs_work **all = bs_arena_array(&w->r->arena, s->n_works + 1, sizeof(*all));

    if (all == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0; i < s->n_works; i++)
        all[i] = s->works[i];
    all[s->n_works++] = w;
    s->works = all;
    s->parts = s->parts || w->parts;
    w->out->point[0] = '\0';
    return BS_DONE;
}

enum bs_done
bs_safety_take(struct bs_safety *s, struct bs_work *w, struct bs_err *err)
{
    struct bs_capture_result result = {0};
    struct bs_safety_point *point;
    struct bs_plan plan;
    uint64_t xid = 0;

    if (add_work(s, w, err) != BS_DONE ||
        make_plan(&plan, w, s->plan.n_tables, false, err) != BS_DONE)
        return BS_FAILED;
    if (w->parts) {
        add_plan(s, &plan);
        return note_all_places(s, w, err);
    }
    leave_out_kept(s, w, &plan);
    if (s->kept != NULL && plan.n_tables == 0) {
        memcpy(w->out->point, s->kept->id, sizeof(w->out->point));
        return BS_DONE;
    }
    if (s->kept != NULL)
        return BS_FAIL(err, CONFLICT, "\"%.63s\" is there only since the restore began",
                       plan.tables[0].name);
    if (plan.n_tables == 0 && plan.globals == 0 && !plan.definition)
        return BS_DONE;
    if (ask_xid(w, &xid, err) != BS_DONE)
        return BS_FAILED;
    point = open_capture(s, w, &plan, xid, err);
    if (point == NULL || bs_capture_run(point->capture, &result, err) != BS_DONE)
        return BS_FAILED;
    point->whole = true;
    note_point(point, w, &result);
    return BS_DONE;
}

/* `more` of one work, into that of all; `all` has the room. A whole copy holds a table's columns, too. */
static void
unite(struct bs_plan *all, const struct bs_plan *more)
{
    bool any_name =
        (all->globals != 0 && all->n_about == 0) || (more->globals != 0 && more->n_about == 0);

    for (size_t i = 0; i < more->n_tables; i++) {
        const struct bs_plan_table *t = &more->tables[i];
        struct bs_plan_table *same = table_in(all, t->oid);
        if (same == NULL)
            all->tables[all->n_tables++] = *t;
        else if ((same->shape && !t->shape) || (same->n_columns != 0 && t->n_columns == 0))
            *same = *t;
        else if (same->n_columns != 0 && t->n_columns != 0)
            same->n_columns = 0; /* different ones: all of it */
    }
    for (size_t i = 0; i < more->n_named; i++)
        all->named[all->n_named++] = more->named[i];
    for (size_t i = 0; i < more->n_about; i++)
        all->about[all->n_about++] = more->about[i];
    all->n_about = any_name ? 0 : all->n_about;
    all->globals |= more->globals;
    all->definition = all->definition || more->definition;
    all->est_bytes += more->est_bytes;
    if (more->kind == BS_PLAN_WHOLE && more->n_tables != 0)
        all->kind = BS_PLAN_WHOLE;
}

static enum bs_done
unite_all(struct bs_plan *all, struct bs_work *const *works, size_t n, struct bs_err *err)
{
    struct bs_arena *a = &works[0]->r->arena;
    struct bs_plan *plans = bs_arena_array(a, n + 1, sizeof(*plans));
    size_t tables = 0, named = 0, about = 0;

    *all =
        (struct bs_plan){.kind = BS_PLAN_RECORD, .why = "a copy-back changes it", .in_block = true};
    for (size_t i = 0; plans != NULL && i < n; i++) {
        if (works[i]->parts)
            continue;
        if (make_plan(&plans[i], works[i], 0, true, err) != BS_DONE)
            return BS_FAILED;
        tables += plans[i].n_tables;
        named += plans[i].n_named;
        about += plans[i].n_about;
    }
    all->tables = bs_arena_array(a, tables + 1, sizeof(*all->tables));
    all->named = bs_arena_array(a, named + 1, sizeof(*all->named));
    all->about = bs_arena_array(a, about + 1, sizeof(*all->about));
    if (plans == NULL || all->tables == NULL || all->named == NULL || all->about == NULL)
        return BS_FAIL(err, LIMIT, "the points have too many objects");
    for (size_t i = 0; i < n; i++) {
        if (!works[i]->parts)
            unite(all, &plans[i]);
    }
    qsort(all->tables, all->n_tables, sizeof(*all->tables), by_oid);
    return BS_DONE;
}

enum bs_done
bs_safety_take_all(struct bs_safety *s, struct bs_work *const *works, size_t n, struct bs_err *err)
{
    struct bs_capture_result result = {0};
    struct bs_safety_point *point;
    struct bs_plan plan;
    uint64_t xid = 0;

    if (unite_all(&plan, works, n, err) != BS_DONE)
        return BS_FAILED;
    if (plan.n_tables == 0 && plan.globals == 0 && !plan.definition)
        return BS_DONE;
    if (ask_xid(works[0], &xid, err) != BS_DONE)
        return BS_FAILED;
    point = open_capture(s, works[0], &plan, xid, err);
    if (point == NULL || bs_capture_run(point->capture, &result, err) != BS_DONE)
        return BS_FAILED;
    point->whole = true;
    note_point(point, works[0], &result);
    s->kept = point;
    return BS_DONE;
}

/* What a work was to replace in the tables that a counter is about; -1: it is not one of them. */
static int64_t
planned_by(const struct bs_work *w, const struct bs_safety_count *c)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        const struct bs_copyback_table *t = &w->out->tables[i];
        if (t->diff.live.exists && (t->diff.live.oid == c->oid || t->diff.live.oid == c->root))
            return t->updated + t->removed;
    }
    return -1;
}

/* What was to be replaced in all, by works whose points hold rows in part; -1: no such table. */
static int64_t
planned_parts(const struct bs_safety *s, const struct bs_safety_count *c)
{
    int64_t sum = -1;

    for (size_t i = 0; i < s->n_works; i++) {
        int64_t one = s->works[i]->parts ? planned_by(s->works[i], c) : -1;
        if (one >= 0)
            sum = (sum < 0 ? 0 : sum) + one;
    }
    return sum;
}

/* It belongs to a table that was saved whole, is compared as a whole afterwards, and is kept. */
static bool
is_whole(const struct bs_safety *s, const struct bs_safety_count *c)
{
    if (point_with(s, c->oid) == NULL && point_with(s, c->root) == NULL)
        return false;
    for (size_t i = 0; i < s->n_works; i++) {
        if (!s->works[i]->parts && planned_by(s->works[i], c) >= 0)
            return true;
    }
    return false;
}

/* Of the same tree. */
static int64_t
replaced_in_tree(const struct bs_safety_count *list, size_t n, uint32_t root)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += list[i].root == root ? list[i].replaced : 0;
    return sum;
}

/*
 * The server's own counters, so the work of a trigger or a foreign key counts, too. A table saved
 * whole was compared as a whole afterwards; of one saved in part only some rows were, so there the
 * number has to be right.
 */
static enum bs_done
check_counters(const struct bs_safety *s,
               const struct bs_safety_count *list,
               size_t n,
               struct bs_err *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t want = planned_parts(s, &list[i]);
        if (list[i].replaced == 0 || is_whole(s, &list[i]) ||
            (want >= 0 && replaced_in_tree(list, n, list[i].root) <= want))
            continue;
        (void)BS_FAIL(
            err, UNCOVERED,
            "a trigger, rule, function or foreign key also changed rows of \"%.63s\".\"%.63s\"",
            list[i].schema, list[i].name);
        bs_err_hint(err, "nothing was done; --no-triggers writes the rows alone");
        return BS_FAILED;
    }
    return BS_DONE;
}

/* Counters do not count what TRUNCATE takes; its lock tells. Our own temporary tables have it, too,
 * and tables whose columns come back. */
static const char find_emptied[] =
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_locks l"
    " JOIN pg_catalog.pg_class c ON c.oid = l.relation"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted"
    " AND l.mode = 'AccessExclusiveLock' AND c.relkind IN ('r', 'p', 'm')"
    " AND c.relpersistence <> 't' AND c.oid <> ALL ($1::pg_catalog.oid[]) ORDER BY 1, 2 LIMIT 1";

/* "{16384}": trees whose columns change. */
static const char *
altered(struct bs_work *w)
{
    const struct bs_columns *c = &w->out->columns;
    struct bs_buf b;
    const char *text;
    size_t n = 0;

    bs_buf_init(&b, 1u << 20);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < c->n_tables; i++) {
        for (size_t k = 0; k < c->tables[i].n_oids; k++)
            bs_put_fmt(&b, "%s%u", n++ == 0 ? "" : ",", c->tables[i].oids_all[k]);
    }
    bs_put_u8(&b, '}');
    text = bs_arena_copy(&w->r->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return text;
}

static enum bs_done
check_locks(const struct bs_safety *s, struct bs_work *w, struct bs_err *err)
{
    const char *values[] = {altered(w)};
    PGresult *result;
    enum bs_done done = BS_DONE;

    if (s->named)
        return BS_DONE;
    for (size_t i = 0; i < s->n_works; i++) {
        const struct bs_copyback *out = s->works[i]->out;
        if (out->n_objects != 0 || out->changes.n != 0 ||
            (s->n_works > 1 && out->columns.n_tables != 0))
            return BS_DONE; /* definitions are made under such locks */
    }
    result = bs_rdb_ask(&w->r->db, find_emptied, 1, values, err);
    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) != 0) {
        done = BS_FAIL(err, UNCOVERED, "a trigger also emptied or altered \"%.63s\".\"%.63s\"",
                       PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
        bs_err_hint(err, "nothing was done; --no-triggers writes the rows alone");
    }
    PQclear(result);
    return done;
}

/* The rows that were replaced, as they are for everybody else until COMMIT. */
static enum bs_done
keep_rows(struct bs_safety *s,
          struct bs_work *w,
          const struct bs_safety_count *list,
          size_t n,
          struct bs_err *err)
{
    struct bs_changed *changed = bs_arena_array(&w->r->arena, n + 1, sizeof(*changed));
    struct bs_replaced what = {.changed = changed, .grown = true};
    struct bs_capture_result result = {0};
    struct bs_safety_point *point;

    if (changed == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0; i < n; i++) {
        if (list[i].replaced + list[i].inserted > 0 && point_with(s, list[i].oid) == NULL)
            changed[what.n_changed++] = (struct bs_changed){
                list[i].oid, list[i].replaced, list[i].inserted, places_of(s, list[i].oid)};
    }
    if (what.n_changed == 0)
        return BS_DONE;
    if (ask_xid(w, &what.xid, err) != BS_DONE)
        return BS_FAILED;
    point = open_capture(s, w, &s->plan, what.xid, err);
    if (point == NULL || bs_capture_replaced(point->capture, &what, &result, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < s->n_works; i++) {
        if (s->works[i]->parts)
            note_point(point, s->works[i], &result);
    }
    return BS_DONE;
}

enum bs_done
bs_safety_check(struct bs_safety *s, struct bs_work *w, struct bs_err *err)
{
    struct bs_safety_count *list = NULL;
    size_t n = 0;

    /* COMMIT itself runs what triggers have put off: then it must not be able to write. */
    if (bs_rdb_do(&w->r->db, "SET CONSTRAINTS ALL IMMEDIATE; SET TRANSACTION READ ONLY", err) !=
            BS_DONE ||
        read_counters(w, &list, &n, err) != BS_DONE)
        return BS_FAILED;
    subtract(s, list, n);
    if (check_counters(s, list, n, err) != BS_DONE || check_locks(s, w, err) != BS_DONE)
        return BS_FAILED;
    return s->parts ? keep_rows(s, w, list, n, err) : BS_DONE;
}

static enum bs_done
tell_points(struct bs_safety *s,
            const struct bs_work *w,
            enum bs_event_state state,
            uint64_t xid,
            struct bs_err *err)
{
    struct bs_point_event e = {.state = state, .xid = xid, .by = w->r->request.by};
    enum bs_done done = BS_DONE;

    for (size_t i = 0; i < s->n_points; i++) {
        if (s->points[i].id[0] != '\0' &&
            bs_capture_event(s->points[i].capture, &e, err) != BS_DONE)
            done = BS_FAILED;
    }
    return done;
}

/* What became of a transaction whose COMMIT was not answered. */
static enum bs_event_state
look_up(struct bs_work *w, uint64_t xid)
{
    enum bs_event_state state = BS_EVENT_UNKNOWN;
    struct bs_err ignored = {0};
    struct bs_rdb db = {0};
    char text[24];
    const char *values[] = {text};
    PGresult *result = NULL;

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)xid);
    if (bs_rdb_open(w->r->request.dsn, &db, &ignored) == BS_DONE)
        result = bs_rdb_ask(&db, "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)", 1, values,
                            &ignored);
    if (result != NULL && strcmp(PQgetvalue(result, 0, 0), "committed") == 0)
        state = BS_EVENT_COMMITTED;
    else if (result != NULL && strcmp(PQgetvalue(result, 0, 0), "aborted") == 0)
        state = BS_EVENT_ROLLED_BACK;
    PQclear(result);
    bs_rdb_close(&db);
    return state;
}

enum bs_done
bs_safety_commit(struct bs_safety *s, struct bs_work *w, struct bs_err *err)
{
    enum bs_event_state state = BS_EVENT_COMMITTED;
    struct bs_err why = {0}, ignored = {0};
    uint64_t xid = 0;

    if (ask_xid(w, &xid, err) != BS_DONE ||
        tell_points(s, w, BS_EVENT_ARMED, xid, err) != BS_DONE) {
        bs_safety_rollback(s, w);
        return BS_FAILED;
    }
    if (bs_rdb_commit(&w->r->db, &why) != BS_DONE)
        state = why.code == BS_E_UNCERTAIN ? look_up(w, xid) : BS_EVENT_ROLLED_BACK;
    /* Should this event be lost, the next start of the gateway finds the fact by the xid. */
    (void)tell_points(s, w, state, 0, &ignored);
    if (state == BS_EVENT_COMMITTED)
        return BS_DONE;
    *err = why;
    if (state == BS_EVENT_ROLLED_BACK && why.code == BS_E_UNCERTAIN) {
        *err = (struct bs_err){0};
        return BS_FAIL(err, UNAVAILABLE, "the connection was lost; nothing was changed");
    }
    return BS_FAILED;
}

void
bs_safety_rollback(struct bs_safety *s, struct bs_work *w)
{
    struct bs_err ignored = {0};

    bs_rdb_rollback(&w->r->db);
    (void)tell_points(s, w, BS_EVENT_ROLLED_BACK, 0, &ignored);
}

void
bs_safety_fini(struct bs_safety *s)
{
    for (size_t i = 0; i < s->n_points; i++)
        bs_capture_close(&s->points[i].capture);
}
