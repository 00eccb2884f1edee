/*
 * run.c - see run.h.
 *
 * A cancelled statement is told to the server, and its end is waited for, but not for long: what does
 * not end is left to the closing of its connection.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "mcp/run.h"
#include "mcp/value.h"

#define PARAMS_MAX   1000
#define NOTICES_MAX  10
#define LAST_WAIT_US 5000000
#define TURN_US      5000000

/* What a page is read with. */
struct page {
    const struct bs_mcp_statement *want;
    const struct bs_watch *watch;
    struct bs_mcp_run *run;
    size_t bytes; /* of the rows so far */
};

static void
take_notice(void *ctx, const PGresult *res)
{
    struct page *p = ctx;
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    json_t *text = message == NULL ? NULL : json_string(message);

    if (text == NULL)
        return;
    if (p->run->notices == NULL)
        p->run->notices = json_array();
    if (json_array_size(p->run->notices) < NOTICES_MAX)
        (void)json_array_append(p->run->notices, text);
    if (p->want->tells != NULL)
        bs_mcp_log(p->want->tells, BS_MCP_LOG_NOTICE, text);
    json_decref(text);
}

/* Between statements. NULL would leave the receiver of the last one, whose page is gone. */
static void
ignore_notice(void *ctx, const PGresult *res)
{
    (void)ctx;
    (void)res;
}

static char *
field(const PGresult *res, int code)
{
    const char *text = PQresultErrorField(res, code);

    return text == NULL ? NULL : bs_strdup(text);
}

static void
take_error(struct bs_mcp_run *run, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);

    if (run->said.message != NULL)
        return;
    (void)snprintf(run->said.sqlstate, sizeof(run->said.sqlstate), "%s",
                   state == NULL ? "" : state);
    run->said.message = field(res, PG_DIAG_MESSAGE_PRIMARY);
    run->said.detail = field(res, PG_DIAG_MESSAGE_DETAIL);
    run->said.hint = field(res, PG_DIAG_MESSAGE_HINT);
    run->said.position = position == NULL ? 0 : strtol(position, NULL, 10);
    /* Without a SQLSTATE it is libpq's own: the connection has gone. */
    run->ran = state == NULL ? BS_MCP_RAN_UNCERTAIN : BS_MCP_RAN_FAILED;
}

static void
say(struct bs_mcp_run *run, const char *sqlstate, const char *message)
{
    if (run->said.message != NULL)
        return;
    (void)snprintf(run->said.sqlstate, sizeof(run->said.sqlstate), "%s", sqlstate);
    run->said.message = bs_strdup(message);
    run->ran = BS_MCP_RAN_FAILED;
}

/* Waits for the next result. False where the watch has ended it; a lost connection is a result. */
static bool
await(PGconn *conn, const struct bs_watch *watch, struct bs_mcp_request *tells)
{
    while (PQisBusy(conn)) {
        struct bs_watch turn = {
            .wake = {-1, -1}, .deadline_us = bs_mono_us() + TURN_US, .above = watch};
        struct bs_err err = {0}, over = {0};

        if (bs_watch_poll(&turn, PQsocket(conn), POLLIN, &err) == BS_DONE) {
            if (PQconsumeInput(conn) == 0)
                return true;
        } else if (bs_watch_check(watch, &over) != BS_DONE ||
                   (tells != NULL && !bs_mcp_progress(tells, "still running"))) {
            return false;
        }
    }
    return true;
}

/* Asks the server to stop. */
static void
stop(PGconn *conn)
{
    char said[256];
    PGcancel *cancel = PQgetCancel(conn);

    if (cancel != NULL)
        (void)PQcancel(cancel, said, sizeof(said));
    PQfreeCancel(cancel);
}

static bool
is_copy(ExecStatusType status)
{
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

static void
take_columns(struct bs_mcp_run *run, const PGresult *res)
{
    if (run->columns != NULL)
        return;
    run->columns = json_array();
    run->rows = json_array();
    for (int i = 0; i < PQnfields(res); i++) {
        const char *type = bs_mcp_type_name(PQftype(res, i));
        json_t *name = json_string(PQfname(res, i));

        (void)json_array_append_new(run->columns, json_pack("{s:o,s:s}", "name",
                                                            name == NULL ? json_string("?") : name,
                                                            "type", type == NULL ? "other" : type));
    }
}

static size_t
row_bytes(const struct page *p, const PGresult *res)
{
    size_t n = 0;

    for (int i = 0; i < PQnfields(res); i++) {
        size_t value = (size_t)PQgetlength(res, 0, i);

        n += (value > p->want->max_value ? p->want->max_value : value) + 4;
    }
    return n;
}

static void
take_row(const struct page *p, const PGresult *res)
{
    struct bs_mcp_run *run = p->run;
    json_t *row = json_array();

    for (int i = 0; i < PQnfields(res); i++) {
        struct bs_bytes text = {(const uint8_t *)PQgetvalue(res, 0, i),
                                (size_t)PQgetlength(res, 0, i)};
        bool cut = false;

        (void)json_array_append_new(
            row, PQgetisnull(res, 0, i)
                     ? json_null()
                     : bs_mcp_value(PQftype(res, i), text, p->want->max_value, &cut));
        run->cut += cut;
    }
    (void)json_array_append_new(run->rows, row);
}

/* True where the row is beyond the page. */
static bool
is_full(const struct page *p, const PGresult *res)
{
    size_t have = json_array_size(p->run->rows);

    return (int64_t)have >= p->want->max_rows ||
           (have > 0 && row_bytes(p, res) > p->want->max_bytes - p->bytes);
}

/* A row of the result. True where the page ends before it, and it is kept. */
static bool
on_row(struct page *p, PGresult *res)
{
    struct bs_mcp_run *run = p->run;
    size_t bytes = row_bytes(p, res);

    take_columns(run, res);
    if (run->skipped > 0 || is_full(p, res)) {
        if (p->want->may_stay) {
            run->next = res;
            run->ran = BS_MCP_RAN_OPEN;
            return true;
        }
        run->skipped++;
    } else {
        take_row(p, res);
        p->bytes = bytes > p->want->max_bytes - p->bytes ? p->want->max_bytes : p->bytes + bytes;
    }
    PQclear(res);
    return false;
}

/* False where nothing more is to be read: what COPY wants or sends has no place here, and its
 * connection, which is busy with it, is closed by the caller. */
static bool
on_end(struct bs_mcp_run *run, const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    if (is_copy(status)) {
        say(run, "0A000", "COPY to and from the client cannot be done with this tool");
        return false;
    }
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
        take_error(run, res);
        return true;
    }
    if (status == PGRES_TUPLES_OK)
        take_columns(run, res);
    (void)snprintf(run->command, sizeof(run->command), "%s",
                   PQcmdStatus((PGresult *)(uintptr_t)res));
    if (run->said.message == NULL)
        run->ran = BS_MCP_RAN_DONE;
    return true;
}

/* Reads what is left of a statement that is to end. It may have done so before it was told to. */
static void
drain(PGconn *conn, struct bs_mcp_run *run)
{
    struct bs_watch patience = {.wake = {-1, -1}, .deadline_us = bs_mono_us() + LAST_WAIT_US};
    bool more = true;
    PGresult *res;

    run->ran = BS_MCP_RAN_CANCELLED;
    while (more && await(conn, &patience, NULL) && (res = PQgetResult(conn)) != NULL) {
        if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
            run->skipped++;
        else if (PQresultStatus(res) == PGRES_FATAL_ERROR)
            run->ran = BS_MCP_RAN_CANCELLED;
        else
            more = on_end(run, res);
        PQclear(res);
    }
    if (run->ran != BS_MCP_RAN_DONE)
        run->ran = BS_MCP_RAN_CANCELLED;
}

/* Reads until the page is full, or the statement has ended. */
static void
read_page(PGconn *conn, struct page *p)
{
    struct bs_mcp_run *run = p->run;
    bool more = true;
    PGresult *res;

    while (more) {
        if (!await(conn, p->watch, p->want->tells)) {
            stop(conn);
            drain(conn, run);
            return;
        }
        res = PQgetResult(conn);
        if (res == NULL)
            return;
        if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
            if (on_row(p, res))
                return;
            continue;
        }
        more = on_end(run, res);
        PQclear(res);
    }
}

struct texts {
    char *list[PARAMS_MAX];
    int n;
};

static void
free_texts(struct texts *t)
{
    for (int i = 0; i < t->n; i++)
        free(t->list[i]);
}

void
bs_mcp_run(PGconn *conn,
           const struct bs_watch *watch,
           const struct bs_mcp_statement *statement,
           struct bs_mcp_run *run)
{
    struct page page = {.want = statement, .watch = watch, .run = run};
    struct texts texts;
    const json_t *value;
    size_t i;

    texts.n = 0;
    *run = (struct bs_mcp_run){0};
    if (json_array_size(statement->params) > PARAMS_MAX) {
        say(run, "54000", "too many parameters");
        return;
    }
    json_array_foreach(statement->params, i, value) texts.list[texts.n++] = bs_mcp_param(value);
    (void)PQsetNoticeReceiver(conn, take_notice, &page);
    if (PQsendQueryParams(conn, statement->sql, texts.n, NULL, (const char *const *)texts.list,
                          NULL, NULL, 0) == 0) {
        run->said.message = bs_strdup(PQerrorMessage(conn));
    } else {
        (void)PQsetSingleRowMode(conn);
        read_page(conn, &page);
    }
    (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
    free_texts(&texts);
}

void
bs_mcp_run_on(PGconn *conn,
              const struct bs_watch *watch,
              const struct bs_mcp_statement *statement,
              struct bs_mcp_run *run)
{
    struct page page = {.want = statement, .watch = watch, .run = run};
    PGresult *first = run->next;

    run->next = NULL;
    run->rows = json_array();
    (void)PQsetNoticeReceiver(conn, take_notice, &page);
    if (!on_row(&page, first))
        read_page(conn, &page);
    (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
}

void
bs_mcp_run_fini(struct bs_mcp_run *run)
{
    json_decref(run->columns);
    json_decref(run->rows);
    json_decref(run->notices);
    free(run->said.message);
    free(run->said.detail);
    free(run->said.hint);
    PQclear(run->next);
    *run = (struct bs_mcp_run){0};
}

static bool
command(PGconn *conn, const char *sql)
{
    struct bs_watch patience = {.wake = {-1, -1}, .deadline_us = bs_mono_us() + LAST_WAIT_US};
    bool done = false;
    PGresult *res;

    if (PQsendQuery(conn, sql) == 0)
        return false;
    while (await(conn, &patience, NULL)) {
        res = PQgetResult(conn);
        if (res == NULL)
            return done;
        done = PQresultStatus(res) == PGRES_COMMAND_OK;
        PQclear(res);
    }
    return false;
}

enum bs_mcp_conn
bs_mcp_clean(PGconn *conn, bool touched)
{
    if (PQstatus(conn) != CONNECTION_OK || PQtransactionStatus(conn) == PQTRANS_ACTIVE)
        return BS_MCP_CONN_USED;
    if (PQtransactionStatus(conn) != PQTRANS_IDLE && !command(conn, "ROLLBACK"))
        return BS_MCP_CONN_USED;
    if (touched && !command(conn, "DISCARD ALL"))
        return BS_MCP_CONN_USED;
    return PQtransactionStatus(conn) == PQTRANS_IDLE ? BS_MCP_CONN_CLEAN : BS_MCP_CONN_USED;
}
