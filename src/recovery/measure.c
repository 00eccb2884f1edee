/*
 * measure.c - what is counted is a guess about a session that sees other rows a moment later, or
 * has settings of its own. So it decides only whether somebody is asked first: what the statement
 * has really changed is read before COMMIT.
 */
#include "recovery/measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/effect.h"
#include "catalog/select.h"
#include "recovery/facts.h"
#include "recovery/measuring.h"

enum {
    CONNECT_MS = 5000,
    ESTIMATE_MS = 300,          /* for the planner, when the time is over */
    COUNT_ROWS_MAX = 100000,    /* that are followed along keys */
    COUNT_TABLE_MAX = 20000000, /* a table of more rows is not counted at all */
    WALK_ARENA = 64 << 20,
    SLACK = 20, /* the part of the time by which the server may be told too much */
};

bool
bs_measuring_by_select(enum bs_kind kind)
{
    return kind == BS_KIND_UPDATE || kind == BS_KIND_DELETE;
}

bool
bs_measure_wants(const struct bs_unit *unit, const struct bs_facts *facts)
{
    if (unit->risk == BS_RISK_SAFE)
        return false;
    for (size_t i = 0; i < facts->n_targets; i++) {
        if (bs_target_loses_rows(&facts->targets[i]))
            return true;
    }
    return false;
}

/* --- the selects -------------------------------------------------------------------------- */

static bool
changes_rows(const struct bs_stmt *stmt)
{
    return stmt->n_effects == 1 && bs_measuring_by_select(stmt->effects[0].kind) &&
           !stmt->effects[0].upsert && (stmt->flags & BS_FLAG_BACKSLASH) == 0;
}

enum bs_done
bs_measure_selects(const struct bs_snapshot *snapshot,
                   struct bs_session_names names,
                   const struct bs_unit *unit,
                   struct bs_bytes text,
                   struct bs_arena *arena,
                   struct bs_plan_select **out,
                   size_t *n,
                   struct bs_err *err)
{
    struct bs_plan_select *list;

    *out = NULL;
    *n = 0;
    if (names.path_changed || names.uncommitted_ddl || names.temporary)
        return BS_DONE;
    list = bs_arena_array(arena, unit->n_stmts + 1, sizeof(*list));
    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    for (size_t i = 0; i < unit->n_stmts; i++) {
        const struct bs_stmt *stmt = &unit->stmts[i];
        struct bs_bytes span = {text.p + stmt->from, stmt->to - stmt->from};
        struct bs_selected got;
        if (!changes_rows(stmt))
            continue;
        if (bs_catalog_select(snapshot, BS_REWRITE_TO_COUNT, span, arena, &got, err) != BS_DONE)
            return BS_FAILED;
        if (got.sql != NULL)
            list[(*n)++] = (struct bs_plan_select){.oid = got.oid,
                                                   .schema = got.schema,
                                                   .name = got.name,
                                                   .kind = got.kind,
                                                   .sql = got.sql,
                                                   .n_params = got.n_params,
                                                   .stmt = i,
                                                   .set_sql = got.set_sql,
                                                   .set = got.set,
                                                   .n_set = got.n_set,
                                                   .n_set_params = got.n_set_params};
    }
    *out = list;
    return BS_DONE;
}

const struct bs_plan_select *
bs_measuring_select(const struct bs_measuring *m, size_t stmt)
{
    for (size_t i = 0; i < m->ask->n_selects; i++) {
        if (m->ask->selects[i].stmt == stmt)
            return &m->ask->selects[i];
    }
    return NULL;
}

/* --- what nobody else sees ---------------------------------------------------------------- */

bool
bs_measuring_is_plain(const struct bs_stmt *stmt)
{
    static const char *const codes[] = {"kind",           "no_filter", BS_REASON_UNMEASURED,
                                        BS_REASON_IMPACT, "cascade",   "locks_rows",
                                        "protected"};

    for (size_t i = 0; i < stmt->n_reasons; i++) {
        size_t k = 0;
        while (k < sizeof(codes) / sizeof(codes[0]) && strcmp(codes[k], stmt->reasons[i].code) != 0)
            k++;
        if (k == sizeof(codes) / sizeof(codes[0]))
            return false;
    }
    return true;
}

static bool
share_a_target(const struct bs_facts *facts, size_t a, size_t b)
{
    for (size_t i = 0; i < facts->n_targets; i++) {
        for (size_t k = 0; facts->targets[i].stmt == a && k < facts->n_targets; k++) {
            if (facts->targets[k].stmt == b && facts->targets[k].oid == facts->targets[i].oid)
                return true;
        }
    }
    return false;
}

/* An earlier statement of the unit may change which rows this one finds. */
static bool
follows_another(const struct bs_measuring *m, size_t at)
{
    const struct bs_unit *unit = m->ask->unit;

    for (size_t i = 0; i < at; i++) {
        const struct bs_stmt *before = &unit->stmts[i];
        if (before->risk == BS_RISK_SAFE)
            continue;
        if (!bs_measuring_is_plain(before) || unit->stmts[at].n_reads != 0 ||
            share_a_target(m->facts, i, at))
            return true;
    }
    return false;
}

static enum bs_measure
counted(const struct bs_measuring *m, size_t stmt)
{
    return m->ask->unseen || follows_another(m, stmt) ? BS_MEASURE_ESTIMATE : BS_MEASURE_COUNT;
}

/* --- one transaction ---------------------------------------------------------------------- */

/* A table that was replaced by a view since the catalog was read must not run its code. */
static bool
has_restriction(int version)
{
    return version >= 170000 || (version >= 160004 && version < 170000) ||
           (version >= 150008 && version < 160000);
}

/* A server that works does not notice by itself that nobody waits any more. */
static bool
notices_hang_up(int version)
{
    return version >= 140000;
}

static enum bs_done
begin(struct bs_measuring *m, int64_t left_ms, struct bs_err *err)
{
    int version = PQserverVersion(m->helper.conn);
    char sql[600];

    /* In one message: whoever has just approved waits for each answer. */
    (void)snprintf(sql, sizeof(sql),
                   "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                   "SELECT pg_catalog.set_config('statement_timeout', '%" PRId64 "', true),"
                   " pg_catalog.set_config('lock_timeout', '20', true)%s%s",
                   left_ms,
                   has_restriction(version)
                       ? ", pg_catalog.set_config('restrict_nonsystem_relation_kind',"
                         " 'view, foreign-table', true)"
                       : "",
                   notices_hang_up(version)
                       ? ", pg_catalog.set_config('client_connection_check_interval', '100', true)"
                       : "");
    if (bs_helper_several(&m->helper, sql, err) != BS_DONE)
        return BS_FAILED;
    m->open = true;
    m->told_ms = left_ms;
    return BS_DONE;
}

enum bs_done
bs_measuring_ready(struct bs_measuring *m, bool *ready, struct bs_err *err)
{
    int64_t left_ms = (m->end_us - bs_mono_us()) / 1000;
    char all[24];
    const char *params[] = {all};

    *ready = left_ms > 0;
    if (!*ready)
        return BS_DONE;
    if (!m->open)
        return begin(m, left_ms, err);
    if (m->told_ms - left_ms <= m->ask->time_ms / SLACK) /* an answer waited for costs more */
        return BS_DONE;
    m->told_ms = left_ms;
    (void)snprintf(all, sizeof(all), "%" PRId64, left_ms);
    return bs_helper_query(&m->helper,
                           "SELECT pg_catalog.set_config('statement_timeout', $1, true)", 1, params,
                           NULL, err);
}

enum bs_done
bs_measuring_forget(struct bs_measuring *m, const struct bs_err *why, struct bs_err *err)
{
    if (why->code == BS_E_LIMIT || m->helper.sqlstate[0] == '\0' ||
        PQstatus(m->helper.conn) != CONNECTION_OK || strncmp(m->helper.sqlstate, "57P", 3) == 0)
        return bs_err_set(err, why->code, "%s", why->message);
    if (bs_watch_check(m->watch, err) != BS_DONE)
        return BS_FAILED;
    m->helper.sqlstate[0] = '\0';
    m->open = false;
    return bs_helper_query(&m->helper, "ROLLBACK", 0, NULL, NULL, err);
}

enum bs_done
bs_measuring_number(struct bs_measuring *m, const char *sql, int64_t *out, struct bs_err *err)
{
    PGresult *res = NULL;

    if (bs_helper_query(&m->helper, sql, 0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    *out = PQntuples(res) == 1 ? strtoll(PQgetvalue(res, 0, 0), NULL, 10) : -1;
    PQclear(res);
    return BS_DONE;
}

/* --- counting by a select ----------------------------------------------------------------- */

static void
set_rows(struct bs_measuring *m, size_t stmt, uint32_t oid, int64_t rows, enum bs_measure how)
{
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        struct bs_target *t = &m->facts->targets[i];
        if (t->stmt == stmt && t->oid == oid && bs_target_loses_rows(t)) {
            t->rows = rows;
            t->how = how;
        }
    }
}

static bool
is_target(const struct bs_measuring *m, size_t stmt, uint32_t oid)
{
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        if (m->facts->targets[i].stmt == stmt && m->facts->targets[i].oid == oid)
            return true;
    }
    return false;
}

/* A table that nobody knew of is none that may be read. */
static bool
is_quiet(const struct bs_measuring *m, size_t stmt, uint32_t oid)
{
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        const struct bs_target *t = &m->facts->targets[i];
        if (t->stmt == stmt && t->oid == oid)
            return t->quiet;
    }
    return false;
}

/* Of those that the select may find rows in: where it found none there are none. One in a table that
 * nobody knew of makes all of it unknown. */
static void
set_found(struct bs_measuring *m, const struct bs_plan_select *s, const PGresult *res)
{
    enum bs_measure how = counted(m, s->stmt);

    for (int i = 0; i < PQntuples(res); i++) {
        if (!is_target(m, s->stmt, (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10)))
            return;
    }

    for (size_t i = 0; i < m->facts->n_targets; i++) {
        const struct bs_target *t = &m->facts->targets[i];
        if (t->stmt == s->stmt && t->reach == BS_REACH_TARGET)
            set_rows(m, s->stmt, t->oid, 0, how);
    }
    for (int i = 0; i < PQntuples(res); i++)
        set_rows(m, s->stmt, (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10),
                 strtoll(PQgetvalue(res, i, 1), NULL, 10), how);
}

static enum bs_done
count_rows(struct bs_measuring *m, const struct bs_plan_select *s, struct bs_err *err)
{
    PGresult *res = NULL;

    if (bs_select_ask(&m->helper, "SELECT s.a, pg_catalog.count(*) FROM (", s,
                      ") s(a, b) GROUP BY s.a", m->ask->bounds, &res, err) != BS_DONE)
        return BS_FAILED;
    set_found(m, s, res);
    PQclear(res);
    return BS_DONE;
}

static enum bs_done
add_places(struct bs_taken *taken, const PGresult *res, struct bs_arena *arena, struct bs_err *err)
{
    if (PQntuples(res) > COUNT_ROWS_MAX)
        taken->not_told = "it finds too many rows";
    for (int i = 0; taken->not_told == NULL && i < PQntuples(res); i++) {
        uint64_t place;
        if (!bs_taken_place(PQgetvalue(res, i, 1), &place))
            return BS_FAIL(err, UNAVAILABLE, "the server gives a place that is none");
        if (bs_taken_add(taken, (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10), place, arena,
                         err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
walk(struct bs_measuring *m,
     const struct bs_plan_select *s,
     struct bs_taken *taken,
     struct bs_arena *arena,
     struct bs_err *err)
{
    const struct bs_effect *e = &m->ask->unit->stmts[s->stmt].effects[0];
    PGresult *res = NULL;
    enum bs_done done;

    if (bs_taken_tables(&m->helper, BS_TAKEN_TO_COUNT, s, 1, e->set, e->n_set, arena, taken, err) !=
        BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < taken->n_tables; i++) {
        if (!is_quiet(m, s->stmt, taken->tables[i].oid))
            taken->not_told = "to read a table that it reaches may run something";
    }
    if (taken->not_told != NULL)
        return BS_DONE;
    if (bs_select_ask(&m->helper, "SELECT s.a, s.b FROM (", s, ") s(a, b) LIMIT 100001",
                      m->ask->bounds, &res, err) != BS_DONE)
        return BS_FAILED;
    done = add_places(taken, res, arena, err);
    PQclear(res);
    if (done == BS_DONE && taken->not_told == NULL)
        done = bs_taken_rows(&m->helper, taken, COUNT_ROWS_MAX, arena, err);
    return done;
}

/* What the keys as they are do not reach has no rows that change. */
static void
set_none(struct bs_measuring *m, const struct bs_plan_select *s)
{
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        const struct bs_target *t = &m->facts->targets[i];
        if (t->stmt == s->stmt && (t->reach == BS_REACH_TARGET || t->reach == BS_REACH_CASCADE))
            set_rows(m, s->stmt, t->oid, 0, counted(m, s->stmt));
    }
}

/* With the rows that foreign keys take along. */
static enum bs_done
count_along_keys(struct bs_measuring *m, const struct bs_plan_select *s, struct bs_err *err)
{
    struct bs_taken taken = {0};
    struct bs_arena arena;
    enum bs_done done;

    bs_arena_init(&arena, "walk", WALK_ARENA);
    done = walk(m, s, &taken, &arena, err);
    for (size_t i = 0; done == BS_DONE && taken.not_told == NULL && i < taken.n_tables; i++) {
        if (taken.tables[i].all.n != 0 && !is_target(m, s->stmt, taken.tables[i].oid))
            taken.not_told = "it reaches a table that nobody knew of";
    }
    if (done == BS_DONE && taken.not_told == NULL)
        set_none(m, s);
    for (size_t i = 0; done == BS_DONE && taken.not_told == NULL && i < taken.n_tables; i++)
        set_rows(m, s->stmt, taken.tables[i].oid, (int64_t)taken.tables[i].all.n,
                 counted(m, s->stmt));
    if (done == BS_DONE && taken.not_told != NULL)
        done = count_rows(m, s, err);
    bs_arena_fini(&arena);
    return done;
}

/* What the planner thinks. It runs nothing that is not vetted: the select has nothing else in it. */
static enum bs_done
estimate_rows(struct bs_measuring *m, const struct bs_plan_select *s, struct bs_err *err)
{
    PGresult *res = NULL;
    double rows, cost;

    if (!m->open && begin(m, ESTIMATE_MS, err) != BS_DONE)
        return BS_FAILED;
    if (bs_select_ask(&m->helper, "EXPLAIN (FORMAT JSON) ", s, "", m->ask->bounds, &res, err) !=
        BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) == 1 && bs_select_plan(PQgetvalue(res, 0, 0), &rows, &cost) && rows >= 0 &&
        rows < 9e15)
        set_rows(m, s->stmt, s->oid, (int64_t)rows, BS_MEASURE_ESTIMATE);
    PQclear(res);
    return BS_DONE;
}

static enum bs_done
measure_select(struct bs_measuring *m, const struct bs_plan_select *s, struct bs_err *err)
{
    const struct bs_stmt *stmt = &m->ask->unit->stmts[s->stmt];
    struct bs_err why = {0};
    bool ready;

    if (!bs_select_has_values(s, m->ask->bounds, m->ask->n_bounds))
        return BS_DONE;
    if (bs_measuring_ready(m, &ready, err) != BS_DONE)
        return BS_FAILED;
    if (ready && (bs_stmt_has_reason(stmt, "cascade") ? count_along_keys(m, s, &why)
                                                      : count_rows(m, s, &why)) == BS_DONE)
        return BS_DONE;
    if (ready && bs_measuring_forget(m, &why, err) != BS_DONE)
        return BS_FAILED;
    why = (struct bs_err){0};
    if (estimate_rows(m, s, &why) == BS_DONE)
        return BS_DONE;
    return bs_measuring_forget(m, &why, err);
}

/* --- whole tables ------------------------------------------------------------------------- */

static enum bs_done
count_table(struct bs_measuring *m, struct bs_target *t, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, 4096);
    bs_put_str(&sql, "SELECT pg_catalog.count(*) FROM ONLY ");
    bs_facts_put_name(&sql, t->schema, t->name);
    bs_put_u8(&sql, '\0');
    done = sql.failed ? BS_FAIL(err, LIMIT, "a name is too long")
                      : bs_measuring_number(m, (const char *)sql.p, &t->rows, err);
    bs_buf_fini(&sql);
    if (done == BS_DONE && t->rows >= 0)
        t->how = counted(m, t->stmt);
    return done;
}

/* A partitioned table has no rows of its own; those of a foreign one are not looked at. */
static enum bs_done
measure_table(struct bs_measuring *m, struct bs_target *t, struct bs_err *err)
{
    struct bs_err why = {0};
    bool ready;

    if (t->relkind == 'p') {
        t->rows = 0;
        t->how = BS_MEASURE_COUNT;
    }
    if (t->relkind == 'p' || t->relkind == 'f')
        return BS_DONE;
    if (bs_measuring_ready(m, &ready, err) != BS_DONE)
        return BS_FAILED;
    if (ready && t->quiet && t->est_rows < COUNT_TABLE_MAX && count_table(m, t, &why) == BS_DONE)
        return BS_DONE;
    if (why.code != BS_OK && bs_measuring_forget(m, &why, err) != BS_DONE)
        return BS_FAILED;
    t->rows = t->est_rows >= 0 && t->est_rows < 9e15 ? (int64_t)t->est_rows : -1;
    t->how = t->rows < 0 ? BS_MEASURE_NONE : BS_MEASURE_ESTIMATE;
    return BS_DONE;
}

/* --- all of it ---------------------------------------------------------------------------- */

/* $1: OIDs of the targets. */
static const char names_sql[] = "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c"
                                " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                                " WHERE c.oid = ANY ($1::pg_catalog.oid[]) ORDER BY c.oid";

static const char *
oids_of_targets(struct bs_measuring *m)
{
    struct bs_buf b;
    const char *out = NULL;

    bs_buf_init(&b, 3 + 11 * m->facts->n_targets);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < m->facts->n_targets; i++)
        bs_put_fmt(&b, "%s%u", i == 0 ? "" : ",", m->facts->targets[i].oid);
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(m->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

static bool
is_called_so(const struct bs_target *t, const PGresult *res)
{
    int low = 0, high = PQntuples(res);

    while (low < high) {
        int middle = low + (high - low) / 2;
        uint32_t oid = (uint32_t)strtoul(PQgetvalue(res, middle, 0), NULL, 10);
        if (oid == t->oid)
            return strcmp(PQgetvalue(res, middle, 1), t->schema) == 0 &&
                   strcmp(PQgetvalue(res, middle, 2), t->name) == 0;
        if (oid < t->oid)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* A table that was dropped and made again since the catalog was read has none of its rows. */
static enum bs_done
are_still_there(struct bs_measuring *m, bool *all, struct bs_err *err)
{
    const char *params[] = {oids_of_targets(m)};
    PGresult *res = NULL;

    *all = true;
    if (params[0] == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", m->arena->name);
    if (bs_helper_query(&m->helper, names_sql, 1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; *all && i < m->facts->n_targets; i++)
        *all = is_called_so(&m->facts->targets[i], res);
    PQclear(res);
    return BS_DONE;
}

/* A key picks one row, whatever nobody else sees. */
static void
settle_keys(struct bs_facts *facts)
{
    for (size_t i = 0; i < facts->n_targets; i++) {
        struct bs_target *t = &facts->targets[i];
        if (!t->by_key || t->how >= BS_MEASURE_COUNT || t->relkind != 'r' || t->within != 0)
            continue;
        t->rows = 1;
        t->how = BS_MEASURE_COUNT;
    }
}

static enum bs_done
measure_all(struct bs_measuring *m, struct bs_err *err)
{
    bool ready = false, there = false, may_know = false;

    if (bs_measuring_ready(m, &ready, err) != BS_DONE ||
        (ready && are_still_there(m, &there, err) != BS_DONE))
        return BS_FAILED;
    if (!there)
        return ready ? BS_FAIL(err, STALE, "the catalog has changed since it was read") : BS_DONE;
    if (bs_measuring_may_know(m, &may_know, err) != BS_DONE || !may_know)
        return err->code == BS_OK ? BS_DONE : BS_FAILED;
    for (size_t i = 0; i < m->ask->n_selects; i++) {
        if (measure_select(m, &m->ask->selects[i], err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        struct bs_target *t = &m->facts->targets[i];
        if (bs_target_loses_rows(t) && !bs_measuring_by_select(t->kind) &&
            measure_table(m, t, err) != BS_DONE)
            return BS_FAILED;
    }
    if (bs_measuring_may_rehearse(m) && bs_measuring_rehearse(m, err) != BS_DONE)
        return BS_FAILED;
    settle_keys(m->facts);
    bs_facts_add_up(m->facts);
    if (bs_measuring_shares(m, err) != BS_DONE)
        return BS_FAILED;
    return m->ask->samples ? bs_measuring_samples(m, err) : BS_DONE;
}

/* One more measuring of the same unit begins as the first one did. */
static void
forget_all(struct bs_facts *facts)
{
    for (size_t i = 0; i < facts->n_targets; i++) {
        facts->targets[i].rows = -1;
        facts->targets[i].share = -1;
        facts->targets[i].how = BS_MEASURE_NONE;
        facts->targets[i].sample = NULL;
    }
}

/* What its server closed while it waited is no answer. */
static bool
is_lost(const struct bs_helper *h)
{
    return PQstatus(h->conn) != CONNECTION_OK || strncmp(h->sqlstate, "57P", 3) == 0;
}

static enum bs_done
measure_once(struct bs_measuring *m, const char *conninfo, struct bs_warm *from, struct bs_err *err)
{
    enum bs_done done;

    if ((from == NULL || !bs_warm_take(from, conninfo, m->watch, BS_E_UNAVAILABLE, &m->helper)) &&
        bs_helper_open(&m->helper, conninfo, m->watch, BS_E_UNAVAILABLE, err) != BS_DONE)
        return BS_FAILED;
    m->open = false;
    m->end_us = bs_mono_us() + m->ask->time_ms * 1000;
    done = measure_all(m, err);
    if (done != BS_DONE)
        forget_all(m->facts);
    return done;
}

enum bs_done
bs_measure(const char *conninfo,
           struct bs_watch *watch,
           const struct bs_measure_ask *ask,
           struct bs_arena *arena,
           struct bs_facts *facts,
           struct bs_err *err)
{
    struct bs_measuring m = {.watch = watch, .ask = ask, .arena = arena, .facts = facts};
    enum bs_done done;

    forget_all(facts);
    if (ask->time_ms <= 0 || !bs_measure_wants(ask->unit, facts))
        return BS_DONE;
    if (watch->deadline_us == 0)
        watch->deadline_us = bs_mono_us() + (CONNECT_MS + ESTIMATE_MS + ask->time_ms) * 1000;
    done = measure_once(&m, conninfo, ask->warm, err);
    if (done != BS_DONE && ask->warm != NULL && err->code == BS_E_UNAVAILABLE &&
        m.helper.conn != NULL && is_lost(&m.helper)) {
        *err = (struct bs_err){0};
        bs_helper_close(&m.helper);
        done = measure_once(&m, conninfo, NULL, err);
    }
    if (done == BS_DONE && ask->warm != NULL)
        bs_warm_put(ask->warm, conninfo, &m.helper);
    else
        bs_helper_close(&m.helper);
    return done;
}
