/*
 * rows.h - what tests of points of rows share: an actor's counters, a look at what was kept.
 */
#ifndef BS_TEST_ROWS_H
#define BS_TEST_ROWS_H

#include "base/clock.h"
#include "pg.h"
#include "recovery/capture.h"
#include "recovery/points.h"
#include "recovery/verify.h"

enum { TABLES = 6, CHANGED = 64 };

static char store_dir[128], spool_dir[128], helper[256];
static struct bs_store *store;
static struct bs_arena arena;

/* What the counters of the actor's own session say, as the gateway reads them. */
static inline size_t
counters(PGconn *actor, struct bs_changed *out)
{
    PGresult *res = PQexec(
        actor,
        "SELECT c.oid, pg_stat_get_xact_tuples_updated(c.oid)"
        " + pg_stat_get_xact_tuples_deleted(c.oid), pg_stat_get_xact_tuples_inserted(c.oid)"
        " FROM pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm')"
        " AND pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid)"
        " + pg_stat_get_xact_tuples_inserted(c.oid) <> 0");
    size_t n = (size_t)PQntuples(res);

    EXPECT(n <= CHANGED);
    for (int i = 0; (size_t)i < n && i < CHANGED; i++)
        out[i] = (struct bs_changed){(uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10),
                                     strtoll(PQgetvalue(res, i, 1), NULL, 10),
                                     strtoll(PQgetvalue(res, i, 2), NULL, 10)};
    PQclear(res);
    return n;
}

static inline struct bs_capture_request
request_for(PGconn *actor)
{
    return (struct bs_capture_request){.helper = helper,
                                       .store = store,
                                       .spool = spool_dir,
                                       .deadline_us = bs_mono_us() + 20000000,
                                       .actor_pid = PQbackendPID(actor),
                                       .actor = {.agent = "cursor"},
                                       .statement = {.kind = "DELETE", .text = "DELETE FROM t"}};
}

static inline const struct bs_point_object *
object_named(const struct bs_manifest *m, const char *name)
{
    for (size_t i = 0; m != NULL && i < m->n_objects; i++) {
        if (strcmp(m->objects[i].name, name) == 0)
            return &m->objects[i];
    }
    return NULL;
}

static inline enum bs_done
to_copy(void *ctx, struct bs_bytes raw, struct bs_err *err)
{
    if (PQputCopyData(ctx, (const char *)raw.p, (int)raw.n) != 1)
        return BS_FAIL(err, IO, "copy in failed");
    return BS_DONE;
}

/* Loads an object into a table of its columns. */
static inline bool
load(PGconn *conn, const struct bs_point_object *o, const char *into)
{
    char sql[600];
    struct bs_err err = {0};
    PGresult *res;
    bool ok;

    (void)snprintf(sql, sizeof(sql), "COPY %s FROM STDIN (FORMAT %s)", into,
                   o->format == BS_ROWS_TEXT ? "text" : "binary");
    res = PQexec(conn, sql);
    ok = PQresultStatus(res) == PGRES_COPY_IN;
    PQclear(res);
    ok = ok && bs_object_read(store, o, to_copy, conn, NULL, &err) == BS_DONE;
    ok = PQputCopyEnd(conn, ok ? NULL : "no") == 1 && ok;
    while ((res = PQgetResult(conn)) != NULL) {
        ok = ok && PQresultStatus(res) == PGRES_COMMAND_OK;
        if (!ok)
            printf("# %s %s\n", err.message, PQerrorMessage(conn));
        PQclear(res);
    }
    return ok;
}

/* What was kept is what was; and what is gone or another now is among it. */
static inline void
check_table(PGconn *conn, const struct bs_manifest *m, const char *table, int64_t kept)
{
    const struct bs_point_object *o = object_named(m, table);
    char q[128], name[140], sql[600];
    char *quoted = PQescapeIdentifier(conn, table, strlen(table));

    (void)snprintf(q, sizeof(q), "%s", quoted);
    PQfreemem(quoted);
    EXPECT_EQ(o == NULL ? 0 : o->row_count, kept);
    if (kept == 0 && o == NULL)
        return;
    REQUIRE(o != NULL);
    EXPECT(o->partial && o->relkind == 'r' && o->replaced > 0);
    (void)snprintf(name, sizeof(name), "back.%s", q);
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE %s AS SELECT * FROM was.%s WHERE false", name,
                   q);
    pg_run(conn, sql);
    REQUIRE(load(conn, o, name));
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM (SELECT t::text FROM back.%s t"
                   " EXCEPT ALL SELECT t::text FROM was.%s t) x",
                   q, q);
    EXPECT_EQ(pg_number(conn, sql), 0);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM (SELECT t::text FROM was.%s t"
                   " EXCEPT ALL SELECT t::text FROM ONLY s.%s t"
                   " EXCEPT ALL SELECT t::text FROM back.%s t) x",
                   q, q, q);
    EXPECT_EQ(pg_number(conn, sql), 0);
}

static inline void
fresh(PGconn *conn, const char *setup)
{
    pg_run(conn, "SET client_min_messages = error; DROP SCHEMA IF EXISTS s, was, back CASCADE;"
                 "CREATE SCHEMA s; CREATE SCHEMA was; CREATE SCHEMA back");
    pg_run(conn, setup);
}

static inline void
remember(PGconn *conn)
{
    pg_run(conn, "DO $$DECLARE r record; BEGIN FOR r IN SELECT oid::regclass AS t, relname FROM"
                 " pg_class WHERE relnamespace = 's'::regnamespace AND relkind = 'r' LOOP EXECUTE"
                 " format('CREATE TABLE was.%I AS SELECT * FROM ONLY %s', r.relname, r.t);"
                 " END LOOP; END$$");
}

static inline uint32_t
oid_of(PGconn *conn, const char *name)
{
    char sql[200];

    (void)snprintf(sql, sizeof(sql), "SELECT '%s'::regclass::oid", name);
    return (uint32_t)pg_number(conn, sql);
}

static inline uint64_t
xid_of(PGconn *conn)
{
    return (uint64_t)pg_number(conn, "SELECT pg_current_xact_id()");
}

static inline bool
prepare(void)
{
    char url[160];
    struct bs_err err = {0};
    PGconn *conn;
    bool ok;

    bs_arena_init(&arena, "test", 256u << 20);
    (void)snprintf(store_dir, sizeof(store_dir), "%s/store", pg_dir);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", pg_dir);
    (void)snprintf(helper, sizeof(helper),
                   "host=%s user=helper password='it\\'s secret' dbname=postgres", pg_dir);
    (void)snprintf(url, sizeof(url), "file://%s", store_dir);
    conn = pg_connect("postgres");
    ok = pg_run(conn, "CREATE ROLE helper LOGIN BYPASSRLS PASSWORD 'it''s secret';"
                      "GRANT pg_read_all_data, pg_read_all_stats, pg_signal_backend TO helper");
    PQfinish(conn);
    return ok && mkdir(spool_dir, 0700) == 0 && bs_store_open(url, &store, &err) == BS_DONE;
}

#endif
