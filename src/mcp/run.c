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
#include "sql/classify.h"

#define PARAMS_MAX    1000
#define NOTICES_MAX   10
#define LAST_WAIT_US  5000000
#define CLASSIFY_HEAP ((size_t)4 << 20)

static void
take_notice(void *ctx, const PGresult *res)
{
    struct bs_mcp_run *run = ctx;
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (run->notices == NULL)
        run->notices = json_array();
    if (message != NULL && json_array_size(run->notices) < NOTICES_MAX)
        (void)json_array_append_new(run->notices, json_string(message));
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
await(PGconn *conn, const struct bs_watch *watch)
{
    struct bs_err err = {0};

    while (PQisBusy(conn)) {
        if (bs_watch_poll(watch, PQsocket(conn), POLLIN, &err) != BS_DONE)
            return false;
        if (PQconsumeInput(conn) == 0)
            return true;
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

/* Reads what is left of a statement that is to end. */
static void
drain(PGconn *conn)
{
    struct bs_watch patience = {.wake = {-1, -1}, .deadline_us = bs_mono_us() + LAST_WAIT_US};
    PGresult *res;

    while (await(conn, &patience) && (res = PQgetResult(conn)) != NULL) {
        ExecStatusType status = PQresultStatus(res);

        PQclear(res);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            return;
    }
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
row_bytes(const PGresult *res)
{
    size_t n = 0;

    for (int i = 0; i < PQnfields(res); i++) {
        size_t value = (size_t)PQgetlength(res, 0, i);

        n += (value > BS_MCP_VALUE_MAX ? BS_MCP_VALUE_MAX : value) + 4;
    }
    return n;
}

static void
take_row(struct bs_mcp_run *run, const PGresult *res)
{
    json_t *row = json_array();

    for (int i = 0; i < PQnfields(res); i++) {
        struct bs_bytes text = {(const uint8_t *)PQgetvalue(res, 0, i),
                                (size_t)PQgetlength(res, 0, i)};
        bool cut = false;

        (void)json_array_append_new(
            row, PQgetisnull(res, 0, i) ? json_null() : bs_mcp_value(PQftype(res, i), text, &cut));
        run->cut += cut;
    }
    (void)json_array_append_new(run->rows, row);
}

/* What COPY wants or sends has no place here; it is ended, and its connection with it. */
static void
refuse_copy(PGconn *conn, struct bs_mcp_run *run, ExecStatusType status)
{
    say(run, "0A000", "COPY to and from the client cannot be done with this tool");
    if (status == PGRES_COPY_IN)
        (void)PQputCopyEnd(conn, "not supported by this client");
    else
        stop(conn);
}

struct page {
    const struct bs_mcp_statement *want;
    size_t bytes;
};

/* True where the row is beyond the page. */
static bool
is_full(const struct page *p, const struct bs_mcp_run *run, const PGresult *res)
{
    size_t have = json_array_size(run->rows);

    return (int64_t)have >= p->want->max_rows ||
           (have > 0 && row_bytes(res) > p->want->max_bytes - p->bytes);
}

/* A row of the result. True where the page ends before it, and it is kept. */
static bool
on_row(struct bs_mcp_run *run, struct page *p, PGresult *res)
{
    size_t bytes = row_bytes(res);

    take_columns(run, res);
    if (run->skipped > 0 || is_full(p, run, res)) {
        if (p->want->may_stay) {
            run->next = res;
            run->ran = BS_MCP_RAN_OPEN;
            return true;
        }
        run->skipped++;
    } else {
        take_row(run, res);
        p->bytes = bytes > p->want->max_bytes - p->bytes ? p->want->max_bytes : p->bytes + bytes;
    }
    PQclear(res);
    return false;
}

static void
on_end(PGconn *conn, struct bs_mcp_run *run, const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        refuse_copy(conn, run, status);
    } else if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
               status == PGRES_EMPTY_QUERY) {
        if (status == PGRES_TUPLES_OK)
            take_columns(run, res);
        (void)snprintf(run->command, sizeof(run->command), "%s",
                       PQcmdStatus((PGresult *)(uintptr_t)res));
        if (run->said.message == NULL)
            run->ran = BS_MCP_RAN_DONE;
    } else {
        take_error(run, res);
    }
}

/* Reads until the page is full, or the statement has ended. */
static void
read_page(PGconn *conn, const struct bs_watch *watch, struct bs_mcp_run *run, struct page *p)
{
    PGresult *res;

    for (;;) {
        if (!await(conn, watch)) {
            stop(conn);
            drain(conn);
            run->ran = BS_MCP_RAN_CANCELLED;
            return;
        }
        res = PQgetResult(conn);
        if (res == NULL)
            return;
        if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
            if (on_row(run, p, res))
                return;
            continue;
        }
        on_end(conn, run, res);
        PQclear(res);
        if (run->said.message != NULL && PQtransactionStatus(conn) == PQTRANS_UNKNOWN)
            return;
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
    struct page page = {.want = statement};
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
    (void)PQsetNoticeReceiver(conn, take_notice, run);
    if (PQsendQueryParams(conn, statement->sql, texts.n, NULL, (const char *const *)texts.list,
                          NULL, NULL, 0) == 0) {
        run->said.message = bs_strdup(PQerrorMessage(conn));
    } else {
        (void)PQsetSingleRowMode(conn);
        read_page(conn, watch, run, &page);
    }
    (void)PQsetNoticeReceiver(conn, NULL, NULL);
    free_texts(&texts);
}

void
bs_mcp_run_on(PGconn *conn,
              const struct bs_watch *watch,
              const struct bs_mcp_statement *statement,
              struct bs_mcp_run *run)
{
    struct page page = {.want = statement};
    PGresult *first = run->next;

    run->next = NULL;
    run->rows = json_array();
    (void)PQsetNoticeReceiver(conn, take_notice, run);
    if (!on_row(run, &page, first))
        read_page(conn, watch, run, &page);
    (void)PQsetNoticeReceiver(conn, NULL, NULL);
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

bool
bs_mcp_only_reads(const char *sql)
{
    struct bs_arena arena;
    struct bs_unit unit = {0};
    struct bs_err err = {0};
    bool reads;

    bs_arena_init(&arena, "statement", CLASSIFY_HEAP);
    reads = bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &arena, &unit, &err) == BS_DONE &&
            unit.parsed && unit.n_stmts == 1 && unit.risk == BS_RISK_SAFE &&
            unit.stmts[0].kind == BS_KIND_SELECT && unit.stmts[0].control == BS_CONTROL_NONE &&
            (unit.flags & (uint32_t)BS_FLAG_SESSION_STATE) == 0;
    bs_arena_fini(&arena);
    return reads;
}

static bool
command(PGconn *conn, const char *sql)
{
    struct bs_watch patience = {.wake = {-1, -1}, .deadline_us = bs_mono_us() + LAST_WAIT_US};
    bool done = false;
    PGresult *res;

    if (PQsendQuery(conn, sql) == 0)
        return false;
    while (await(conn, &patience)) {
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
