/*
 * capture_bench.c - one recovery point of one table, timed, as the gateway makes it.
 *
 *     bench-capture CONNINFO STORE SPOOL TABLE HELPERS stored|read-back|rows [STATEMENT]
 *
 * Locks TABLE (schema.name) as an actor would, captures it, runs STATEMENT where there is one, and
 * commits; the point says so. With "rows" STATEMENT, which changes one row, runs first and what it
 * has replaced is kept. One line of JSON on standard output.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "recovery/capture.h"

static struct bs_plan_table table = {.kind = BS_KIND_TRUNCATE};

static int64_t
cpu_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool
ask(PGconn *conn, const char *sql, char *out, size_t n)
{
    PGresult *res = PQexec(conn, sql);
    bool ok = PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;

    if (!ok)
        fprintf(stderr, "%s: %s", sql, PQerrorMessage(conn));
    if (ok && out != NULL)
        (void)snprintf(out, n, "%s", PQntuples(res) == 0 ? "" : PQgetvalue(res, 0, 0));
    PQclear(res);
    return ok;
}

/* The lock, and what the plan must say of the table. */
static bool
lock(PGconn *actor, char *name)
{
    char sql[400], text[64] = "";
    char *dot = strchr(name, '.');

    if (dot == NULL)
        return false;
    (void)snprintf(sql, sizeof(sql), "LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", name);
    if (!ask(actor, "BEGIN", NULL, 0) || !ask(actor, sql, NULL, 0))
        return false;
    (void)snprintf(sql, sizeof(sql), "SELECT '%s'::pg_catalog.regclass::pg_catalog.oid", name);
    if (!ask(actor, sql, text, sizeof(text)))
        return false;
    table.oid = (uint32_t)strtoul(text, NULL, 10);
    table.relkind = 'r';
    *dot = '\0';
    table.schema = name;
    table.name = dot + 1;
    return true;
}

/* The statement and COMMIT, with the events around it. */
static bool
run(PGconn *actor, struct bs_capture *c, const char *statement, struct bs_err *err)
{
    char xid[32] = "";
    struct bs_point_event armed = {.state = BS_EVENT_ARMED, .by = "bench"};
    struct bs_point_event done = {.state = BS_EVENT_COMMITTED, .by = "bench"};

    if (statement != NULL && !ask(actor, statement, NULL, 0))
        return false;
    if (!ask(actor, "SELECT pg_catalog.pg_current_xact_id()", xid, sizeof(xid)))
        return false;
    armed.xid = strtoull(xid, NULL, 10);
    return bs_capture_event(c, &armed, err) == BS_DONE && ask(actor, "COMMIT", NULL, 0) &&
           bs_capture_event(c, &done, err) == BS_DONE;
}

/* Before the statement, or of one row after it. */
static enum bs_done
keep(PGconn *actor,
     struct bs_capture *c,
     bool rows,
     const char *statement,
     struct bs_capture_result *out,
     struct bs_err *err)
{
    struct bs_changed changed = {table.oid, 1, 0};
    struct bs_replaced what = {.changed = &changed, .n_changed = 1};
    char xid[32] = "";

    if (!rows)
        return bs_capture_run(c, out, err);
    if (!ask(actor, statement, NULL, 0) ||
        !ask(actor, "SELECT pg_catalog.pg_current_xact_id()", xid, sizeof(xid)))
        return BS_FAIL(err, DATABASE, "the statement failed");
    what.xid = strtoull(xid, NULL, 10);
    return bs_capture_replaced(c, &what, out, err);
}

static bool
measure(PGconn *actor,
        const struct bs_capture_request *r,
        bool rows,
        const char *statement,
        struct bs_err *err)
{
    struct bs_capture *c = NULL;
    struct bs_capture_result out = {0};
    int64_t from = bs_mono_us(), cpu = cpu_us();
    bool ok = bs_capture_open(r, &c, err) == BS_DONE &&
              keep(actor, c, rows, statement, &out, err) == BS_DONE;

    cpu = cpu_us() - cpu;
    if (ok) {
        int64_t whole = bs_mono_us() - from;
        const struct bs_point_object *o = &out.manifest->objects[0];
        ok = run(actor, c, rows ? NULL : statement, err);
        printf("{\"point\":\"%s\",\"rows\":%lld,\"raw_bytes\":%lld,\"stored_bytes\":%lld,"
               "\"parts\":%zu,\"copied_us\":%lld,\"total_us\":%lld,\"cpu_us\":%lld,"
               "\"locked_us\":%lld}\n",
               out.manifest->id, (long long)o->row_count, (long long)o->raw_bytes,
               (long long)o->stored_bytes, o->n_parts, (long long)out.copied_us, (long long)whole,
               (long long)cpu, (long long)(bs_mono_us() - from));
    }
    bs_capture_close(&c);
    return ok;
}

int
main(int argc, char **argv)
{
    struct bs_err err = {0};
    struct bs_store *store = NULL;
    struct bs_plan plan = {.kind = BS_PLAN_WHOLE, .tables = &table, .n_tables = 1};
    struct bs_capture_request r = {.plan = &plan};
    PGconn *actor;
    bool ok;

    if (argc < 7) {
        fputs("usage: bench-capture CONNINFO STORE SPOOL TABLE HELPERS stored|read-back|rows"
              " [STATEMENT]\n",
              stderr);
        return 64;
    }
    actor = PQconnectdb(argv[1]);
    ok = PQstatus(actor) == CONNECTION_OK && bs_store_open(argv[2], &store, &err) == BS_DONE &&
         lock(actor, argv[4]);
    r.helper = argv[1];
    r.store = store;
    r.spool = argv[3];
    r.helpers = (size_t)atoi(argv[5]);
    r.grade = strcmp(argv[6], "stored") == 0 ? BS_CAPTURE_STORED : BS_CAPTURE_READ_BACK;
    r.deadline_us = bs_mono_us() + INT64_C(600000000);
    r.actor_pid = PQbackendPID(actor);
    r.statement = (struct bs_point_statement){.kind = "TRUNCATE", .text = "TRUNCATE", .sha256 = ""};
    plan.definition = argc > 7 && strncmp(argv[7], "DROP", 4) == 0;
    ok = ok && measure(actor, &r, strcmp(argv[6], "rows") == 0, argc > 7 ? argv[7] : NULL, &err);
    if (!ok)
        fprintf(stderr, "bench-capture: %s%s\n", err.message, PQerrorMessage(actor));
    bs_store_close(&store);
    PQfinish(actor);
    return ok ? 0 : 1;
}
