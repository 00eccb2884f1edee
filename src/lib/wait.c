/*
 * wait.c - one look, then the door's own wait again and again. A wait that is not over in time is ended by
 * hanging up, so that nothing here waits for a server longer than it says.
 */
#include "lib/answer.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define TICKET_CHARS  28 /* "T-" and a ULID */
#define FIRST_LOOK_US 10000000
#define NEVER_US      (INT64_MAX / 2)
#define SHORT_WAIT_US 250000 /* a door that answers sooner does not wait */

/* What libpq would print is told in errors. */
static void
no_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

static enum bs_done
failed(PGconn *conn, const PGresult *res, enum bs_code code, struct bs_err *err)
{
    const char *text = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SQLSTATE);
    size_t n;

    if (text == NULL)
        text = PQerrorMessage(conn);
    n = strcspn(text, "\n");
    if (state != NULL)
        (void)snprintf(err->sqlstate, sizeof(err->sqlstate), "%.5s", state);
    return bs_err_set(err, code, "%.*s", n > 400 ? 400 : (int)n, text);
}

/* BS_FAILED without an error: the time is over. */
static enum bs_done
wait_socket(PGconn *conn, short events, int64_t until_us, struct bs_err *err)
{
    struct pollfd p = {.fd = PQsocket(conn), .events = events};
    int64_t left_ms = (until_us - bs_mono_us() + 999) / 1000;
    int got;

    if (p.fd < 0)
        return failed(conn, NULL, BS_E_UNAVAILABLE, err);
    if (left_ms <= 0)
        return BS_FAILED;
    got = poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms);
    if (got < 0 && errno != EINTR)
        return BS_FAIL(err, INTERNAL, "the connection cannot be waited for");
    return BS_DONE;
}

static enum bs_done
connected(PGconn *conn, int64_t until_us, struct bs_err *err)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    (void)PQsetNoticeReceiver(conn, no_notice, NULL);
    if (PQstatus(conn) == CONNECTION_BAD)
        return failed(conn, NULL, BS_E_UNAVAILABLE, err);
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED)
            return failed(conn, NULL, BS_E_UNAVAILABLE, err);
        if (wait_socket(conn, want == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_us, err) !=
            BS_DONE)
            return BS_FAILED;
        want = PQconnectPoll(conn);
    }
    return BS_DONE;
}

static enum bs_done
taken(PGconn *conn, const PGresult *res, backstop_answer **out, struct bs_err *err)
{
    if (res == NULL)
        return failed(conn, NULL, BS_E_UNAVAILABLE, err);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return failed(conn, res,
                      PQstatus(conn) == CONNECTION_BAD ? BS_E_UNAVAILABLE : BS_E_DATABASE, err);
    if (PQntuples(res) != 1 || PQnfields(res) != 1)
        return BS_FAIL(err, DATABASE, "the server's answer about the ticket cannot be read");
    return bs_lib_ticket_answer(PQgetvalue(res, 0, 0), out, err);
}

/* The next result, or NULL behind the last one. BS_FAILED without an error: the time is over. */
static enum bs_done
next_result(PGconn *conn, int64_t until_us, PGresult **out, struct bs_err *err)
{
    *out = NULL;
    while (PQisBusy(conn) != 0) {
        if (wait_socket(conn, POLLIN, until_us, err) != BS_DONE)
            return BS_FAILED;
        if (PQconsumeInput(conn) != 1)
            return failed(conn, NULL, BS_E_UNAVAILABLE, err);
    }
    *out = PQgetResult(conn);
    return BS_DONE;
}

/* BS_FAILED without an error: the time is over. */
static enum bs_done
ask(PGconn *conn,
    const char *what,
    const char *ticket,
    int64_t until_us,
    backstop_answer **out,
    struct bs_err *err)
{
    char sql[64];
    PGresult *res, *more = NULL;
    enum bs_done done;

    *out = NULL;
    (void)snprintf(sql, sizeof(sql), "SHOW backstop.%s.\"%s\"", what, ticket);
    if (PQsendQuery(conn, sql) != 1)
        return failed(conn, NULL, BS_E_UNAVAILABLE, err);
    if (next_result(conn, until_us, &res, err) != BS_DONE)
        return BS_FAILED;
    done = taken(conn, res, out, err);
    PQclear(res);
    /* Only behind the last one may another question be asked. */
    while (done == BS_DONE && (done = next_result(conn, until_us, &more, err)) == BS_DONE &&
           more != NULL)
        PQclear(more);
    if (done == BS_DONE)
        return BS_DONE;
    backstop_answer_free(*out);
    *out = NULL;
    return BS_FAILED;
}

static enum bs_done
too_late(struct bs_err *err)
{
    return BS_FAIL(err, UNAVAILABLE, "the gateway has not answered in time");
}

/* Until it is decided, or the time is over: then the last answer stands. */
static enum bs_done
wait_decided(
    PGconn *conn, const char *ticket, int64_t until_us, backstop_answer **out, struct bs_err *err)
{
    backstop_answer *next;

    while (bs_lib_is_pending(*out) && bs_mono_us() < until_us) {
        int64_t asked_us = bs_mono_us();
        if (ask(conn, "wait", ticket, until_us, &next, err) != BS_DONE)
            return err->code == BS_OK ? BS_DONE : BS_FAILED;
        backstop_answer_free(*out);
        *out = next;
        if (bs_lib_is_pending(next) && bs_mono_us() - asked_us < SHORT_WAIT_US)
            (void)poll(NULL, 0, SHORT_WAIT_US / 1000);
    }
    return BS_DONE;
}

static enum bs_done
wait_at(PGconn *conn, const char *ticket, int64_t for_us, backstop_answer **out, struct bs_err *err)
{
    int64_t start_us = bs_mono_us();
    int64_t first_us = start_us + (for_us > FIRST_LOOK_US ? for_us : FIRST_LOOK_US);

    if (connected(conn, first_us, err) != BS_DONE ||
        ask(conn, "ticket", ticket, first_us, out, err) != BS_DONE)
        return err->code == BS_OK ? too_late(err) : BS_FAILED;
    return wait_decided(conn, ticket, start_us + for_us, out, err);
}

static bool
is_ticket(const char *ticket)
{
    if (ticket == NULL || strnlen(ticket, TICKET_CHARS + 1) != TICKET_CHARS ||
        strncmp(ticket, "T-", 2) != 0)
        return false;
    for (const char *p = ticket + 2; *p != '\0'; p++) {
        if (!((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z')))
            return false;
    }
    return true;
}

struct errand {
    const char *conninfo, *ticket;
    int64_t for_us;
    backstop_answer *answer;
    struct bs_err err;
};

static void
do_wait(void *with)
{
    struct errand *e = with;
    const char *const keys[] = {"application_name", "dbname", NULL};
    const char *const values[] = {"libbackstop", e->conninfo, NULL};
    PGconn *conn = PQconnectStartParams(keys, values, 1);

    if (wait_at(conn, e->ticket, e->for_us, &e->answer, &e->err) != BS_DONE) {
        backstop_answer_free(e->answer);
        e->answer = NULL;
    }
    PQfinish(conn);
}

int
backstop_wait(const char *conninfo,
              const char *ticket,
              int64_t timeout_ms,
              backstop_answer **out,
              backstop_error **error)
{
    struct errand e = {.conninfo = conninfo, .ticket = ticket};

    if (error != NULL)
        *error = NULL;
    if (out != NULL)
        *out = NULL;
    if (out == NULL || conninfo == NULL || !is_ticket(ticket) || timeout_ms < 0)
        return bs_lib_misused("a conninfo, a ticket as the gateway named it, and a time are needed",
                              error);
    e.for_us = timeout_ms > NEVER_US / 1000 ? NEVER_US : timeout_ms * 1000;
    do_wait(&e);
    *out = e.answer;
    return e.answer != NULL ? BACKSTOP_OK : bs_lib_fail(&e.err, error);
}
