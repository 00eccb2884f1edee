/*
 * rehearse.c - what cannot be counted beforehand is run in a transaction that is rolled back, where
 * the policy wants that: with the actor's own role and settings, and only where all that it runs is
 * vetted and nothing of it outlives a ROLLBACK. The server's counters tell what it changed; they
 * count a row that is changed twice as two, so they are never too small.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/effect.h"
#include "recovery/measuring.h"

enum { LOCK_MS = 50 };

/* Nothing in it is unvetted, reaches beyond the transaction, or sends rows here. */
#define NEVER                                                                                      \
    (BS_FLAG_DYNAMIC_SQL | BS_FLAG_SESSION_STATE | BS_FLAG_PRIVILEGE | BS_FLAG_SERVER_FILE |       \
     BS_FLAG_NO_BLOCK | BS_FLAG_VOLATILE | BS_FLAG_BACKSLASH | BS_FLAG_TEMP | BS_FLAG_DDL |        \
     BS_FLAG_WITH_HOLD | BS_FLAG_COPY_IN | BS_FLAG_COPY_OUT | BS_FLAG_OUTSIDE)

/* Oid, kind, rows updated, rows deleted; nothing where the server does not count. Without a name or
 * an operator that the actor's search_path could turn. */
static const char counters_sql[] =
    "SELECT c.oid, c.relkind, pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),"
    " pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) FROM pg_catalog.pg_class c"
    " WHERE pg_catalog.texteq(pg_catalog.current_setting('track_counts'), 'on')";

bool
bs_measuring_may_rehearse(const struct bs_measuring *m)
{
    const struct bs_stmt *stmt = &m->ask->unit->stmts[0];
    bool unknown = false;

    if (m->ask->rehearsal == NULL || m->ask->unseen || m->ask->unit->n_stmts != 1 ||
        (stmt->point != BS_POINT_ROWS && stmt->point != BS_POINT_WHOLE) ||
        (stmt->flags & NEVER) != 0 || !bs_measuring_is_plain(stmt))
        return false;
    for (size_t i = 0; i < stmt->n_effects; i++) {
        enum bs_kind kind = stmt->effects[i].kind;
        if (kind != BS_KIND_UPDATE && kind != BS_KIND_DELETE && kind != BS_KIND_INSERT)
            return false;
    }
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        const struct bs_target *t = &m->facts->targets[i];
        if (t->relkind == 'f' || t->reach == BS_REACH_CALL)
            return false;
        unknown = unknown || (bs_target_loses_rows(t) && t->how == BS_MEASURE_NONE);
    }
    return unknown;
}

static enum bs_done
settle_in(struct bs_measuring *m, struct bs_helper *h, struct bs_err *err)
{
    const struct bs_rehearsal *r = m->ask->rehearsal;
    int64_t left_ms = (m->end_us - bs_mono_us()) / 1000;
    char time[24], idle[24], lock[24];
    const char *params[] = {r->date_style, r->interval_style, r->time_zone, time, idle, lock};

    if (left_ms <= 0)
        return BS_FAIL(err, UNAVAILABLE, "there is no time left");
    (void)snprintf(time, sizeof(time), "%" PRId64, left_ms);
    (void)snprintf(idle, sizeof(idle), "%" PRId64, left_ms + 1000);
    (void)snprintf(lock, sizeof(lock), "%d", LOCK_MS);
    if (bs_helper_query(h, "BEGIN READ WRITE", 0, NULL, NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(
        h,
        "SELECT pg_catalog.set_config('DateStyle', $1, true),"
        " pg_catalog.set_config('IntervalStyle', $2, true),"
        " pg_catalog.set_config('TimeZone', $3, true),"
        " pg_catalog.set_config('statement_timeout', $4, true),"
        " pg_catalog.set_config('idle_in_transaction_session_timeout', $5, true),"
        " pg_catalog.set_config('lock_timeout', $6, true)",
        6, params, NULL, err);
}

static int64_t
rows_of(const PGresult *res, uint32_t oid)
{
    for (int i = 0; i < PQntuples(res); i++) {
        if (strtoul(PQgetvalue(res, i, 0), NULL, 10) == oid)
            return strtoll(PQgetvalue(res, i, 2), NULL, 10) +
                   strtoll(PQgetvalue(res, i, 3), NULL, 10);
    }
    return -1;
}

static bool
is_target(const struct bs_measuring *m, uint32_t oid)
{
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        if (m->facts->targets[i].oid == oid)
            return true;
    }
    return false;
}

/* A table that changed and that nobody knew of: then what is known is not all of it. */
static bool
is_all_known(const struct bs_measuring *m, const PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        uint32_t oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10);
        bool changed =
            strcmp(PQgetvalue(res, i, 2), "0") != 0 || strcmp(PQgetvalue(res, i, 3), "0") != 0;
        if (changed && strchr("tS", PQgetvalue(res, i, 1)[0]) == NULL && !is_target(m, oid))
            return false;
    }
    return PQntuples(res) != 0;
}

static void
take_counters(struct bs_measuring *m, const PGresult *res)
{
    if (!is_all_known(m, res))
        return;
    for (size_t i = 0; i < m->facts->n_targets; i++) {
        struct bs_target *t = &m->facts->targets[i];
        int64_t rows = t->relkind == 'p' ? 0 : rows_of(res, t->oid);
        if (!bs_target_loses_rows(t) || rows < 0)
            continue;
        t->rows = rows;
        t->how = BS_MEASURE_REHEARSAL;
    }
}

static enum bs_done
run(struct bs_measuring *m, struct bs_helper *h, struct bs_err *err)
{
    const struct bs_bounds *b = m->ask->n_bounds == 0 ? NULL : &m->ask->bounds[0];
    PGresult *res = NULL;
    enum bs_done done;

    if (settle_in(m, h, err) != BS_DONE ||
        bs_helper_run(h, m->ask->rehearsal->text, b == NULL ? NULL : b->list,
                      b == NULL ? 0 : (int)b->n, err) != BS_DONE ||
        bs_helper_query(h, "SET CONSTRAINTS ALL IMMEDIATE", 0, NULL, NULL, err) != BS_DONE)
        return BS_FAILED;
    done = bs_helper_query(h, counters_sql, 0, NULL, &res, err);
    /* Not a number of it counts unless it is known to be undone. */
    if (done == BS_DONE)
        done = bs_helper_query(h, "ROLLBACK", 0, NULL, NULL, err);
    if (done == BS_DONE)
        take_counters(m, res);
    PQclear(res);
    return done;
}

/* That it fails is as good as not having tried: the session ends, and with it what it did. */
enum bs_done
bs_measuring_rehearse(struct bs_measuring *m, struct bs_err *err)
{
    struct bs_helper h = {0};
    struct bs_err why = {0};

    if (bs_helper_open_plain(&h, m->ask->rehearsal->conninfo, m->watch, BS_E_UNAVAILABLE, &why) ==
        BS_DONE)
        (void)!run(m, &h, &why);
    bs_helper_close(&h);
    return bs_watch_check(m->watch, err);
}
