/*
 * postgres_link.c - libpq without its blocking calls, but for connecting, which has a limit in seconds:
 * a server that does not answer costs as much as one that is gone.
 */
#include "state/postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define ANSWER_US (INT64_C(15) * 1000000) /* longer than all limits of the server below */
#define FIRST_US  (INT64_C(100) * 1000)   /* between two attempts to connect, at first */
#define LAST_US   (INT64_C(2) * 1000000)  /* and at most */

/* A role may have set any of them otherwise. */
#define SETTINGS                                                                                   \
    "SET search_path = backstop, pg_temp; SET statement_timeout = '10s'; SET lock_timeout = '8s';" \
    "SET idle_in_transaction_session_timeout = '10s'; SET client_encoding = 'UTF8';"               \
    "SET standard_conforming_strings = on; SET default_transaction_isolation = 'read committed';"  \
    "SET default_transaction_read_only = off; SET bytea_output = 'hex';"                           \
    "SELECT set_config('synchronous_commit', 'on', false)"                                         \
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')"

/* --- errors --- */

/* Primary messages name tables and roles, never values; details do, and are left out. */
static void
first_line(const char *text, char *out, size_t size)
{
    (void)snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static enum bs_done
refused(const PGresult *res, struct bs_err *err)
{
    static const char *const passing[] = {"08", "40", "53", "55", "57", "25"};
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (state == NULL || text == NULL)
        return BS_FAIL(err, UNAVAILABLE, "the state's database gave no answer");
    if (strncmp(state, "XX", 2) == 0)
        return BS_FAIL(err, DAMAGED, "the state is damaged: %.300s", text);
    if (strcmp(state, "42501") == 0)
        return BS_FAIL(err, CONFIG, "the state's role may not do what it has to: %.300s", text);
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strncmp(state, passing[i], 2) == 0)
            return BS_FAIL(err, UNAVAILABLE, "the state cannot be used: %.300s", text);
    return BS_FAIL(err, INTERNAL, "the state refused a statement: %.300s", text);
}

/* --- the connection --- */

void
bs_pg_drop(struct bs_pg_link *p)
{
    PQfinish(p->conn);
    p->conn = NULL;
    p->writing = false;
}

/* The connection is of no use any more. */
static enum bs_done
lost(struct bs_pg_link *p, const char *why, struct bs_err *err)
{
    char line[256];

    first_line(why, line, sizeof(line));
    bs_pg_drop(p);
    return BS_FAIL(err, UNAVAILABLE, "the state's database is lost: %s", line);
}

/* Until there is something to read or the deadline is over. */
static enum bs_done
wait_for(struct bs_pg_link *p, short events, int64_t until_us, struct bs_err *err)
{
    for (;;) {
        int64_t left = until_us - bs_mono_us();
        struct pollfd fd = {.fd = PQsocket(p->conn), .events = events};
        int n = left <= 0 ? 0 : poll(&fd, 1, (int)(left / 1000) + 1);
        if (n > 0)
            return BS_DONE;
        if (n == 0)
            return lost(p, "it does not answer", err);
        if (errno != EINTR)
            return lost(p, strerror(errno), err);
    }
}

/* The last result of what was sent, or the first that is an error; NULL where the connection is lost. */
static PGresult *
collect(struct bs_pg_link *p, struct bs_err *err)
{
    int64_t until_us = bs_mono_us() + ANSWER_US;
    PGresult *keep = NULL, *res;
    int left;

    while ((left = PQflush(p->conn)) == 1)
        if (wait_for(p, POLLIN | POLLOUT, until_us, err) != BS_DONE || PQconsumeInput(p->conn) != 1)
            break;
    for (; p->conn != NULL && left >= 0;) {
        if (PQisBusy(p->conn) != 0) {
            if (wait_for(p, POLLIN, until_us, err) != BS_DONE)
                break;
            if (PQconsumeInput(p->conn) != 1)
                break;
            continue;
        }
        res = PQgetResult(p->conn);
        if (res == NULL && keep != NULL && PQstatus(p->conn) == CONNECTION_OK)
            return keep;
        if (res == NULL)
            break;
        if (keep != NULL && PQresultStatus(keep) == PGRES_FATAL_ERROR) {
            PQclear(res);
            continue;
        }
        PQclear(keep);
        keep = res;
    }
    if (p->conn != NULL)
        (void)lost(p, PQerrorMessage(p->conn), err);
    PQclear(keep);
    return NULL;
}

enum bs_done
bs_pg_check(PGresult *res, struct bs_err *err)
{
    ExecStatusType status = PQresultStatus(res);

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return BS_DONE;
    return refused(res, err);
}

/* Several statements of ours, without values. */
enum bs_done
bs_pg_script(struct bs_pg_link *p, const char *sql, struct bs_err *err)
{
    PGresult *res;
    enum bs_done done;

    if (PQsendQuery(p->conn, sql) != 1)
        return lost(p, PQerrorMessage(p->conn), err);
    res = collect(p, err);
    if (res == NULL)
        return BS_FAILED;
    done = bs_pg_check(res, err);
    PQclear(res);
    return done;
}

enum bs_done
bs_pg_sign(struct bs_pg_link *p, struct bs_err *err)
{
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "SET backstop.instance = '%s'", p->instance);
    return bs_pg_script(p, sql, err);
}

static PGconn *
connect_to(const char *url, const char *name)
{
    /* What the URL says counts above what comes before it. */
    const char *const keys[] = {"connect_timeout",     "keepalives_idle",
                                "keepalives_interval", "keepalives_count",
                                "tcp_user_timeout",    "target_session_attrs",
                                "application_name",    "dbname",
                                "client_encoding",     NULL};
    const char *const values[] = {"5",          "10", "5", "3",    "15000",
                                  "read-write", name, url, "UTF8", NULL};

    return PQconnectdbParams(keys, values, 1);
}

static void
hush(void *ctx, const PGresult *res)
{
    (void)ctx;
    (void)res;
}

static enum bs_done
connect_anew(struct bs_pg_link *p, struct bs_err *err)
{
    p->conn = connect_to(p->url, p->name);
    if (PQstatus(p->conn) != CONNECTION_OK || PQsetnonblocking(p->conn, 1) != 0) {
        char line[256];
        first_line(PQerrorMessage(p->conn), line, sizeof(line));
        bs_pg_drop(p);
        return BS_FAIL(err, UNAVAILABLE, "the state's database cannot be reached: %s", line);
    }
    (void)PQsetNoticeReceiver(p->conn, hush, NULL);
    if (PQserverVersion(p->conn) < 140000) {
        bs_pg_drop(p);
        return BS_FAIL(err, CONFIG, "the state needs PostgreSQL 14 or newer");
    }
    if (bs_pg_script(p, SETTINGS, err) == BS_DONE && bs_pg_sign(p, err) == BS_DONE)
        return BS_DONE;
    if (p->conn != NULL)
        bs_pg_drop(p);
    return BS_FAILED;
}

static enum bs_done
connect_now(struct bs_pg_link *p, struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_mono_us() < p->again_us)
        return BS_FAIL(err, UNAVAILABLE, "%s", p->why);
    if (connect_anew(p, &why) == BS_DONE) {
        p->pause_us = 0;
        return BS_DONE;
    }
    p->pause_us = p->pause_us == 0 ? FIRST_US : p->pause_us * 2;
    p->pause_us = p->pause_us > LAST_US ? LAST_US : p->pause_us;
    p->again_us = bs_mono_us() + p->pause_us;
    (void)snprintf(p->why, sizeof(p->why), "%s", why.message);
    return bs_err_set(err, why.code, "%s", why.message);
}

/* A server that went away meanwhile has told so: what waits to be read on an idle connection is that. */
enum bs_done
bs_pg_connected(struct bs_pg_link *p, struct bs_err *err)
{
    if (p->conn != NULL && !p->writing) {
        struct pollfd fd = {.fd = PQsocket(p->conn), .events = POLLIN};
        if (poll(&fd, 1, 0) > 0 && PQconsumeInput(p->conn) != 1)
            bs_pg_drop(p);
    }
    if (p->conn != NULL && PQstatus(p->conn) == CONNECTION_OK)
        return BS_DONE;
    if (p->writing)
        return lost(p, "in the middle of a change", err);
    if (p->conn != NULL)
        bs_pg_drop(p);
    return connect_now(p, err);
}

PGresult *
bs_pg_ask(struct bs_pg_link *p, const char *sql, const struct bs_pg_bound *b, struct bs_err *err)
{
    if (bs_pg_connected(p, err) != BS_DONE)
        return NULL;
    if (PQsendQueryParams(p->conn, sql, b->n, b->types, b->values, NULL, NULL, 0) != 1) {
        (void)lost(p, PQerrorMessage(p->conn), err);
        return NULL;
    }
    return collect(p, err);
}
