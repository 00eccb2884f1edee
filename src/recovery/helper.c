/*
 * helper.c - libpq is used without its blocking calls: every wait is a poll that the watch can
 * end. Only name resolution blocks; that is before any lock is at stake.
 */
#include "recovery/helper.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/direct.h"

/* The server's words without its trailing newline; they may quote names, never rows. */
static enum bs_done
failed(struct bs_helper *h, const char *what, const PGresult *res, struct bs_err *err)
{
    const char *text = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SQLSTATE);
    size_t n;

    (void)snprintf(h->sqlstate, sizeof(h->sqlstate), "%s", state == NULL ? "" : state);
    if (text == NULL)
        text = PQerrorMessage(h->conn);
    n = strcspn(text, "\n");
    return bs_err_set(err, h->code, "%s: %.*s", what, n > 300 ? 300 : (int)n, text);
}

static enum bs_done
connect_on(struct bs_helper *h, struct bs_err *err)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (want != PGRES_POLLING_OK) {
        short events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (want == PGRES_POLLING_FAILED)
            return failed(h, "the helper cannot connect", NULL, err);
        if (bs_watch_poll(h->watch, PQsocket(h->conn), events, err) != BS_DONE)
            return BS_FAILED;
        want = PQconnectPoll(h->conn);
    }
    return BS_DONE;
}

/* Sends what libpq holds back. */
static enum bs_done
flush(struct bs_helper *h, struct bs_err *err)
{
    int left;

    while ((left = PQflush(h->conn)) == 1) {
        if (bs_watch_poll(h->watch, PQsocket(h->conn), POLLIN | POLLOUT, err) != BS_DONE)
            return BS_FAILED;
        if (PQconsumeInput(h->conn) != 1)
            return failed(h, "the helper lost its server", NULL, err);
    }
    return left < 0 ? failed(h, "the helper lost its server", NULL, err) : BS_DONE;
}

/* And waits until a result or COPY data can be taken. */
static enum bs_done
await(struct bs_helper *h, struct bs_err *err)
{
    if (flush(h, err) != BS_DONE)
        return BS_FAILED;
    while (PQisBusy(h->conn) != 0) {
        if (bs_watch_poll(h->watch, PQsocket(h->conn), POLLIN, err) != BS_DONE)
            return BS_FAILED;
        if (PQconsumeInput(h->conn) != 1)
            return failed(h, "the helper lost its server", NULL, err);
    }
    return BS_DONE;
}

/* The rows of what was sent; the last result is the one that counts. */
static enum bs_done
collect(struct bs_helper *h, PGresult **out, struct bs_err *err)
{
    PGresult *keep = NULL, *res = NULL;
    enum bs_done done = BS_DONE;

    for (;;) {
        if (await(h, err) != BS_DONE) {
            PQclear(keep);
            return BS_FAILED;
        }
        res = PQgetResult(h->conn);
        if (res == NULL)
            break;
        PQclear(keep);
        keep = res;
        if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK &&
            PQresultStatus(res) != PGRES_SINGLE_TUPLE)
            done = failed(h, "the helper was refused", res, err);
        if (PQresultStatus(res) == PGRES_COPY_OUT)
            break;
    }
    if (done == BS_DONE && keep == NULL)
        done = failed(h, "the helper got no answer", NULL, err);
    if (done == BS_DONE && out != NULL)
        *out = keep;
    else
        PQclear(keep);
    return done;
}

enum bs_done
bs_helper_query(struct bs_helper *h,
                const char *sql,
                int n,
                const char *const *params,
                PGresult **out,
                struct bs_err *err)
{
    if (out != NULL)
        *out = NULL;
    if (PQsendQueryParams(h->conn, sql, n, NULL, params, NULL, NULL, 0) != 1)
        return failed(h, "the helper cannot ask", NULL, err);
    return collect(h, out, err);
}

enum bs_done
bs_helper_several(struct bs_helper *h, const char *sql, struct bs_err *err)
{
    if (PQsendQuery(h->conn, sql) != 1)
        return failed(h, "the helper cannot ask", NULL, err);
    return collect(h, NULL, err);
}

enum bs_done
bs_helper_drain(struct bs_helper *h, struct bs_err *err)
{
    for (;;) {
        PGresult *res;
        if (await(h, err) != BS_DONE)
            return BS_FAILED;
        res = PQgetResult(h->conn);
        if (res == NULL)
            return BS_DONE;
        PQclear(res);
    }
}

/* Sends one statement with parameters of any format. */
static bool
send_bound(struct bs_helper *h, const char *sql, const struct bs_bound *params, int n)
{
    size_t count = n < 0 ? 0 : (size_t)n;
    Oid *types = bs_malloc((count + 1) * sizeof(*types));
    const char **values = bs_malloc((count + 1) * sizeof(*values));
    int *lengths = bs_malloc((count + 1) * sizeof(*lengths));
    int *formats = bs_malloc((count + 1) * sizeof(*formats));
    bool sent;

    for (size_t i = 0; i < count; i++) {
        types[i] = params[i].type;
        formats[i] = params[i].binary;
        lengths[i] = (int)params[i].value.n;
        values[i] = NULL;
        if (params[i].value.p == NULL)
            continue;
        /* libpq measures texts itself. */
        values[i] = memcpy(bs_malloc(params[i].value.n + 1), params[i].value.p, params[i].value.n);
    }
    sent = PQsendQueryParams(h->conn, sql, n, types, values, lengths, formats, 0) == 1;
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)values[i]);
    free(types);
    free(values);
    free(lengths);
    free(formats);
    return sent;
}

enum bs_done
bs_helper_ask(struct bs_helper *h,
              const char *sql,
              const struct bs_bound *params,
              int n,
              PGresult **out,
              struct bs_err *err)
{
    *out = NULL;
    if (!send_bound(h, sql, params, n))
        return failed(h, "the helper cannot ask", NULL, err);
    return collect(h, out, err);
}

enum bs_done
bs_helper_run(
    struct bs_helper *h, const char *sql, const struct bs_bound *params, int n, struct bs_err *err)
{
    if (!send_bound(h, sql, params, n) || PQsetSingleRowMode(h->conn) != 1)
        return failed(h, "the helper cannot ask", NULL, err);
    return collect(h, NULL, err);
}

/* Of what the watch has left: all of it, and for a lock. */
struct budget {
    char all[16], lock[16];
};

static struct budget
budget_of(const struct bs_watch *watch)
{
    struct budget b;

    (void)snprintf(b.all, sizeof(b.all), "%d", bs_watch_left_ms(watch, 24 * 3600 * 1000));
    (void)snprintf(b.lock, sizeof(b.lock), "%d", bs_watch_left_ms(watch, 10000));
    return b;
}

#define SET_BUDGET                                                                                 \
    "SELECT pg_catalog.set_config('statement_timeout', $1, false),"                                \
    " pg_catalog.set_config('idle_in_transaction_session_timeout', $1, false),"                    \
    " pg_catalog.set_config('lock_timeout', $2, false)"

enum bs_done
bs_helper_budget(struct bs_helper *h, struct bs_err *err)
{
    struct budget b = budget_of(h->watch);
    const char *params[] = {b.all, b.lock};

    return bs_helper_query(h, SET_BUDGET, 2, params, NULL, err);
}

/* The start-up state that all statements of a helper rely on. */
static enum bs_done
pin(struct bs_helper *h, struct bs_err *err)
{
    const char *encoding = PQparameterStatus(h->conn, "server_encoding");
    bool ascii = encoding != NULL && strcmp(encoding, "SQL_ASCII") == 0;
    struct budget b = budget_of(h->watch);
    const char *params[] = {b.all, b.lock, ascii ? "SQL_ASCII" : "UTF8"};

    return bs_helper_query(
        h,
        SET_BUDGET
        ", pg_catalog.set_config('search_path', '', false),"
        " pg_catalog.set_config('client_encoding', $3, false),"
        " pg_catalog.set_config('row_security', 'off', false),"
        " pg_catalog.set_config('default_transaction_read_only', 'on', false),"
        " pg_catalog.set_config('default_transaction_isolation', 'read committed', false),"
        " pg_catalog.set_config('DateStyle', 'ISO, YMD', false),"
        " pg_catalog.set_config('IntervalStyle', 'postgres', false),"
        " pg_catalog.set_config('TimeZone', 'UTC', false),"
        " pg_catalog.set_config('extra_float_digits', '3', false),"
        " pg_catalog.set_config('bytea_output', 'hex', false),"
        " pg_catalog.set_config('xmlbinary', 'base64', false),"
        /* Rows without a key are known by their order. */
        " pg_catalog.set_config('synchronize_seqscans', 'off', false)",
        3, params, NULL, err);
}

/* Before pin(): what it sets would reach others. */
static enum bs_done
is_direct(struct bs_helper *h, struct bs_err *err)
{
    PGresult *res = NULL;
    enum bs_done done;

    if (bs_helper_query(h, bs_direct_sql, 0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    done = bs_direct_judge(h->conn, res, h->code, err);
    PQclear(res);
    return done;
}

/* libpq's notices would go to the daemon's standard error. */
static void
no_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

/* A later keyword wins over the same one inside the expanded dbname. */
static enum bs_done
open_as(struct bs_helper *h,
        const char *conninfo,
        const char *name,
        const char *encoding,
        const struct bs_watch *watch,
        enum bs_code code,
        struct bs_err *err)
{
    const char *const keys[] = {"dbname", "application_name", "client_encoding", NULL};
    const char *const values[] = {conninfo, name, encoding, NULL};

    *h = (struct bs_helper){.watch = watch, .code = code};
    h->conn = PQconnectStartParams(keys, values, 1);
    if (h->conn == NULL || PQstatus(h->conn) == CONNECTION_BAD) {
        (void)failed(h, "the helper cannot connect", NULL, err);
        goto out;
    }
    (void)PQsetNoticeReceiver(h->conn, no_notice, NULL);
    if (connect_on(h, err) == BS_DONE && PQsetnonblocking(h->conn, 1) == 0)
        return BS_DONE;
out:
    bs_helper_close(h);
    return bs_err_set(err, code, "the helper cannot connect");
}

enum bs_done
bs_helper_open_plain(struct bs_helper *h,
                     const char *conninfo,
                     const struct bs_watch *watch,
                     enum bs_code code,
                     struct bs_err *err)
{
    return open_as(h, conninfo, "backstop/rehearsal", "UTF8", watch, code, err);
}

enum bs_done
bs_helper_open(struct bs_helper *h,
               const char *conninfo,
               const struct bs_watch *watch,
               enum bs_code code,
               struct bs_err *err)
{
    if (open_as(h, conninfo, "backstop/helper", "", watch, code, err) != BS_DONE)
        return BS_FAILED;
    if (is_direct(h, err) == BS_DONE && pin(h, err) == BS_DONE)
        return BS_DONE;
    bs_helper_close(h);
    return bs_err_set(err, code, "the helper cannot connect");
}

void
bs_helper_close(struct bs_helper *h)
{
    PQfinish(h->conn);
    h->conn = NULL;
}

/* After the last CopyData: the command's own result, then nothing. */
static enum bs_done
copy_end(struct bs_helper *h, int64_t *rows, struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    for (;;) {
        PGresult *res;
        if (await(h, err) != BS_DONE)
            return BS_FAILED;
        res = PQgetResult(h->conn);
        if (res == NULL)
            return done;
        if (PQresultStatus(res) != PGRES_COMMAND_OK)
            done = failed(h, "copying failed", res, err);
        *rows = strtoll(PQcmdTuples(res), NULL, 10);
        PQclear(res);
    }
}

enum bs_done
bs_helper_copy(struct bs_helper *h,
               const char *sql,
               bs_helper_sink sink,
               void *ctx,
               int64_t *rows,
               struct bs_err *err)
{
    PGresult *res;

    *rows = -1;
    if (PQsendQuery(h->conn, sql) != 1)
        return failed(h, "the helper cannot copy", NULL, err);
    if (await(h, err) != BS_DONE)
        return BS_FAILED;
    res = PQgetResult(h->conn);
    if (PQresultStatus(res) != PGRES_COPY_OUT) {
        (void)failed(h, "the helper cannot copy", res, err);
        PQclear(res);
        return BS_FAILED;
    }
    PQclear(res);
    for (;;) {
        char *row = NULL;
        int n = PQgetCopyData(h->conn, &row, 1);
        if (n == -1)
            return copy_end(h, rows, err);
        if (n == -2)
            return failed(h, "the helper lost its server", NULL, err);
        if (n == 0) {
            if (bs_watch_poll(h->watch, PQsocket(h->conn), POLLIN, err) != BS_DONE)
                return BS_FAILED;
            if (PQconsumeInput(h->conn) != 1)
                return failed(h, "the helper lost its server", NULL, err);
            continue;
        }
        enum bs_done taken = sink(ctx, (struct bs_bytes){(const uint8_t *)row, (size_t)n}, err);
        PQfreemem(row);
        if (taken != BS_DONE)
            return BS_FAILED;
    }
}

enum bs_done
bs_helper_copy_in(struct bs_helper *h, const char *sql, struct bs_err *err)
{
    enum bs_done done = BS_DONE;
    PGresult *res;

    if (PQsendQuery(h->conn, sql) != 1)
        return failed(h, "the helper cannot copy", NULL, err);
    if (await(h, err) != BS_DONE)
        return BS_FAILED;
    res = PQgetResult(h->conn);
    if (PQresultStatus(res) != PGRES_COPY_IN)
        done = failed(h, "the helper cannot copy", res, err);
    PQclear(res);
    return done;
}

/* What libpq would hold back is waited for: it must not become all that is stored. */
enum bs_done
bs_helper_put(struct bs_helper *h, struct bs_bytes data, struct bs_err *err)
{
    enum { PIECE = 1 << 20 };

    while (data.n != 0) {
        size_t n = data.n < PIECE ? data.n : PIECE;
        if (PQputCopyData(h->conn, (const char *)data.p, (int)n) < 0)
            return failed(h, "the helper lost its server", NULL, err);
        data.p += n;
        data.n -= n;
        if (flush(h, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_helper_copy_in_end(struct bs_helper *h, const char *why, int64_t *rows, struct bs_err *err)
{
    *rows = -1;
    if (PQputCopyEnd(h->conn, why) != 1)
        return failed(h, "the helper lost its server", NULL, err);
    return copy_end(h, rows, err);
}

enum bs_done
bs_helper_source(struct bs_helper *h,
                 struct bs_arena *arena,
                 struct bs_point_source *out,
                 struct bs_err *err)
{
    PGresult *res = NULL;

    if (bs_helper_query(
            h,
            "SELECT s.system_identifier, c.timeline_id, d.oid, d.datname,"
            " pg_catalog.current_setting('server_encoding'),"
            " pg_catalog.current_setting('client_encoding')"
            " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c,"
            " pg_catalog.pg_database d"
            " WHERE d.datname = pg_catalog.current_database()",
            0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) != 1) {
        PQclear(res);
        return bs_err_set(err, h->code, "the server does not say which database it is");
    }
    *out = (struct bs_point_source){
        .system_identifier = bs_arena_str(arena, PQgetvalue(res, 0, 0)),
        .timeline = (uint32_t)strtoul(PQgetvalue(res, 0, 1), NULL, 10),
        .database_oid = (uint32_t)strtoul(PQgetvalue(res, 0, 2), NULL, 10),
        .database = bs_arena_str(arena, PQgetvalue(res, 0, 3)),
        .server_version_num = PQserverVersion(h->conn),
        .encoding = bs_arena_str(arena, PQgetvalue(res, 0, 4)),
        .data_encoding = bs_arena_str(arena, PQgetvalue(res, 0, 5)),
    };
    PQclear(res);
    if (out->system_identifier == NULL || out->database == NULL || out->encoding == NULL ||
        out->data_encoding == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for the name of a database");
    return BS_DONE;
}
