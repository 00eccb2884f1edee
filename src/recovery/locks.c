/*
 * locks.c - what captures and the audit ask pg_locks. By pid, and from the helper's session: what
 * the actor's session would say could be turned by what the actor has done in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/steps.h"

enum {
    LOCKS_MS = 10 * 1000, /* for the audit's question, after the budget */
    SQL_MAX = 4 * 1024 * 1024,
    LOOK_MS = 50, /* from a look to what follows from it */
};

/* How strong a lock is for us; 0: too weak. */
static int
strength(const char *mode)
{
    static const char *const enough[] = {"ShareRowExclusiveLock", "ExclusiveLock",
                                         "AccessExclusiveLock"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(mode, enough[i]) == 0)
            return i + 1;
    }
    return 0;
}

/* The strongest lock among the rows on this relation. */
static const char *
held_on(const PGresult *res, uint32_t oid)
{
    const char *best = "no lock";
    int most = 0;

    for (int i = 0; i < PQntuples(res); i++) {
        const char *mode = PQgetvalue(res, i, 1);
        if (strtoul(PQgetvalue(res, i, 0), NULL, 10) != oid || strength(mode) <= most)
            continue;
        most = strength(mode);
        best = mode;
    }
    return best;
}

enum bs_done
bs_step_locked(struct bs_capture *c,
               const struct bs_plan_table *tables,
               size_t n,
               struct bs_err *err)
{
    char pid[16], database[16];
    const char *params[] = {pid, database};
    const char *weakest = NULL;
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    (void)snprintf(database, sizeof(database), "%u", c->m.source.database_oid);
    if (bs_helper_query(&c->helper,
                        "SELECT l.relation, l.mode FROM pg_catalog.pg_locks l"
                        " WHERE l.pid = $1::pg_catalog.int4 AND l.locktype = 'relation'"
                        " AND l.granted AND l.database = $2::pg_catalog.oid",
                        2, params, &res, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; done == BS_DONE && i < n; i++) {
        const struct bs_plan_table *t = &tables[i];
        const char *mode = held_on(res, t->oid);
        if (t->relkind == 'm')
            continue; /* LOCK TABLE refuses them; their rows can be computed again */
        /* We would wait for the actor, who waits for us: a deadlock that no one detects. */
        if (strcmp(mode, "AccessExclusiveLock") == 0 && !t->shape)
            done = BS_FAIL(err, NO_POINT,
                           "the actor holds ACCESS EXCLUSIVE on \"%.60s\".\"%.60s\" already, which "
                           "lets nobody copy it",
                           t->schema, t->name);
        if (strength(mode) == 0)
            done =
                BS_FAIL(err, NO_POINT, "the actor holds no sufficient lock on \"%.60s\".\"%.60s\"",
                        t->schema, t->name);
        if (weakest == NULL || strength(mode) < strength(weakest))
            weakest = mode;
    }
    c->m.capture.lock_mode = bs_arena_str(&c->arena, weakest);
    PQclear(res);
    return done;
}

static const char locks_sql[] =
    "SELECT l.locktype, l.mode, l.granted, l.database, l.relation, c.relkind, n.nspname,"
    " c.relname, COALESCE(x.indrelid, t.oid, 0), l.classid, l.objid, l.objsubid,"
    " l.transactionid::pg_catalog.text"
    " FROM pg_catalog.pg_locks l"
    " LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation AND l.database IN (0,"
    " (SELECT d.oid FROM pg_catalog.pg_database d"
    " WHERE d.datname = pg_catalog.current_database()))"
    " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid"
    " LEFT JOIN pg_catalog.pg_class t ON t.reltoastrelid = c.oid AND c.relkind = 't'"
    " WHERE l.pid = $1::pg_catalog.int4";

static const char *
text_of(const PGresult *res, int row, int column, struct bs_arena *arena)
{
    return PQgetisnull(res, row, column) ? NULL : bs_arena_str(arena, PQgetvalue(res, row, column));
}

static uint32_t
number_of(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

static enum bs_done
take_lock(const PGresult *res, int i, struct bs_arena *arena, struct bs_lock *l, struct bs_err *err)
{
    static const char *const systems[] = {"pg_catalog", "pg_toast", "information_schema"};

    *l = (struct bs_lock){
        .locktype = text_of(res, i, 0, arena),
        .mode = text_of(res, i, 1, arena),
        .granted = PQgetvalue(res, i, 2)[0] == 't',
        .database_oid = number_of(res, i, 3),
        .relation_oid = number_of(res, i, 4),
        .relkind = PQgetvalue(res, i, 5)[0],
        .schema = text_of(res, i, 6, arena),
        .name = text_of(res, i, 7, arena),
        .parent_oid = number_of(res, i, 8),
        .class_oid = number_of(res, i, 9),
        .object_oid = number_of(res, i, 10),
        .object_sub = (int)strtol(PQgetvalue(res, i, 11), NULL, 10),
        .transaction = number_of(res, i, 12),
    };
    if (l->locktype == NULL || l->mode == NULL || (l->schema == NULL && !PQgetisnull(res, i, 6)) ||
        (l->name == NULL && !PQgetisnull(res, i, 7)))
        return BS_FAIL(err, LIMIT, "the locks do not fit into memory set aside for them");
    for (size_t k = 0; l->schema != NULL && k < 3; k++)
        l->system = l->system || strcmp(l->schema, systems[k]) == 0;
    return BS_DONE;
}

enum bs_done
bs_capture_locks(struct bs_capture *c,
                 int pid,
                 struct bs_arena *arena,
                 struct bs_lock **out,
                 size_t *n,
                 struct bs_err *err)
{
    char text[16];
    const char *params[] = {text};
    PGresult *res = NULL;
    struct bs_err why = {0};
    enum bs_done done = BS_DONE;

    *out = NULL;
    *n = 0;
    (void)snprintf(text, sizeof(text), "%d", pid);
    /* The budget was for the capture; the statement has run meanwhile, however long. */
    c->watch.deadline_us = bs_mono_us() + (int64_t)LOCKS_MS * 1000;
    if (bs_step_ask_again(c, locks_sql, 1, params, &res, &why) != BS_DONE)
        return bs_step_no_point(err, &why);
    *out = bs_arena_array(arena, (size_t)PQntuples(res) + 1, sizeof(**out));
    if (*out == NULL)
        done = BS_FAIL(err, LIMIT, "the locks do not fit into memory set aside for them");
    for (int i = 0; done == BS_DONE && i < PQntuples(res); i++)
        done = take_lock(res, i, arena, &(*out)[i], err);
    if (done == BS_DONE)
        *n = (size_t)PQntuples(res);
    PQclear(res);
    return done;
}

/* A row lock comes with ROW SHARE at least; ROW EXCLUSIVE nobody else has beside our own lock. Then
 * those who hold anything and for whom the server will look for deadlocks while we wait. */
static const char circle_sql[] =
    "WITH l AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks)"
    " SELECT 1 FROM l h JOIN l w ON w.pid = h.pid AND NOT w.granted"
    " WHERE h.granted AND h.locktype = 'relation' AND h.database = $1::pg_catalog.oid"
    " AND h.relation = ANY ($2::pg_catalog.oid[]) AND h.pid <> $3::pg_catalog.int4"
    " AND (h.mode <> 'AccessShareLock' OR h.relation = ANY ($4::pg_catalog.oid[]))"
    " UNION ALL SELECT 1 FROM l w JOIN l h ON h.pid = w.pid AND h.granted"
    " AND h.locktype <> 'virtualxid'"
    " WHERE NOT w.granted AND w.pid <> $3::pg_catalog.int4"
    " AND w.waitstart + pg_catalog.current_setting('deadlock_timeout')::pg_catalog.interval"
    " BETWEEN pg_catalog.clock_timestamp() AND pg_catalog.clock_timestamp()"
    " + $5::pg_catalog.interval LIMIT 1";

/* "{16384,16390}": the planned tables, or those of them that the statement locks exclusively. */
static const char *
oid_list(struct bs_capture *c, bool exclusive_only)
{
    struct bs_buf b;
    const char *out = NULL;
    size_t n = 0;

    bs_buf_init(&b, SQL_MAX);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < c->req.plan->n_tables; i++) {
        const struct bs_plan_table *t = &c->req.plan->tables[i];
        if (!exclusive_only || t->exclusive)
            bs_put_fmt(&b, "%s%u", n++ == 0 ? "" : ",", t->oid);
    }
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(&c->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

enum bs_done
bs_capture_circle(struct bs_capture *c, int wait_ms, bool *circle, struct bs_err *err)
{
    char database[16], pid[16], wait[24];
    const char *params[] = {database, oid_list(c, false), pid, oid_list(c, true), wait};
    PGresult *res = NULL;
    struct bs_err why = {0};

    *circle = true;
    (void)snprintf(wait, sizeof(wait), "%dms", wait_ms + LOOK_MS);
    if (params[1] == NULL || params[3] == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    (void)snprintf(database, sizeof(database), "%u", c->m.source.database_oid);
    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    if (bs_step_ask_again(c, circle_sql, 5, params, &res, &why) != BS_DONE)
        return bs_step_no_point(err, &why);
    *circle = PQntuples(res) != 0;
    PQclear(res);
    return BS_DONE;
}

/* A message in the log, which nobody reads; its COMMIT is flushed, and all before it. How many
 * numbers ago $1 was is counted from the next one, or from the one that the message has taken. */
static const char flush_sql[] = "SELECT pg_catalog.set_config('synchronous_commit', 'local', true),"
                                " pg_catalog.pg_logical_emit_message(true, 'backstop', ''),"
                                " pg_catalog.age($1::pg_catalog.xid)";

enum bs_done
bs_capture_keep_xid(struct bs_capture *c, uint64_t xid, uint64_t *until, struct bs_err *err)
{
    char text[16];
    const char *params[] = {text};
    PGresult *res = NULL;
    struct bs_err why = {0};

    (void)snprintf(text, sizeof(text), "%u", (unsigned)(xid & UINT32_MAX));
    if (bs_step_ask_again(c, flush_sql, 1, params, &res, &why) != BS_DONE)
        return bs_step_no_point(err, &why);
    *until = xid + strtoull(PQgetvalue(res, 0, 2), NULL, 10);
    PQclear(res);
    return BS_DONE;
}
